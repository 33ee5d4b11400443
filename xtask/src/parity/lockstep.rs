//! The same commands on both sides, and the first reply that differs.

use super::connection::Command;
use super::contenders::{Contenders, Pair};
use super::dumped;
use super::replies::{Answered, Replies, alike, ends_a_batch};
use super::script::line_of;
use super::state::State;
use super::thresholds::Thresholds;
use super::value::Value;

/// Commands that are sent before their replies are read, and from one pause to the next.
pub const BATCH: usize = 50;

/// How commands are run.
#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    /// Picks the node of ours.
    pub turn: usize,
    /// Speak RESP3.
    pub resp3: bool,
    /// When collections change their form.
    pub thresholds: Thresholds,
    /// Our rows leave memory, and with them what is known of how a string came to be.
    pub short_of_memory: bool,
}

/// Called before each batch of a run.
pub type Pause<'a> = dyn FnMut() -> Result<(), String> + 'a;

/// Where and how the sides differ.
#[derive(Debug)]
pub struct Difference {
    /// Number of the command whose replies differ; none if what is held differs after all of them.
    pub at: Option<usize>,
    /// What differs: the command, or the key.
    pub about: String,
    /// Our reply, line by line.
    pub ours: Vec<String>,
    /// Redis's.
    pub theirs: Vec<String>,
}

impl Difference {
    /// The name of the command, or of the kind of difference: what a shorter sequence must still show.
    pub fn kind(&self) -> &str {
        self.at.map_or("state", |_| self.about.split(' ').next().unwrap_or_default())
    }

    fn at(at: usize, (command, ours, theirs): Answered<'_>) -> Difference {
        Difference { at: Some(at), about: line_of(command), ours: ours.render(), theirs: theirs.render() }
    }
}

/// What a run without a difference has seen.
#[derive(Debug, Default, Clone, Copy)]
pub struct Seen {
    /// Commands.
    pub commands: usize,
    /// Replies that were errors, on both sides.
    pub errors: usize,
    /// Commands that ran in transactions.
    pub in_transactions: usize,
    /// Values that each side restored from what the other had dumped.
    pub exchanged: usize,
    /// Keys compared at the ends.
    pub keys: usize,
}

impl std::ops::AddAssign for Seen {
    fn add_assign(&mut self, other: Seen) {
        self.commands += other.commands;
        self.errors += other.errors;
        self.in_transactions += other.in_transactions;
        self.exchanged += other.exchanged;
        self.keys += other.keys;
    }
}

/// Runs commands on both sides, empty at first, and compares every reply, then everything that is held.
///
/// # Errors
/// A side breaks.
pub fn run(
    contenders: &Contenders,
    how: How,
    commands: &[Command],
    pause: &mut Pause<'_>,
) -> Result<Result<Seen, Difference>, String> {
    how.thresholds.set(contenders)?;
    let mut pair = contenders.connect(how.turn, how.resp3)?;
    let mut seen = Seen { commands: commands.len(), ..Seen::default() };
    let (mut at, mut replies) = (0, Replies::default());
    while at < commands.len() {
        if at.is_multiple_of(BATCH) {
            pause()?;
        }
        let most = commands[at..].iter().take(BATCH - at % BATCH);
        let len = most.clone().position(ends_a_batch).map_or(most.len(), |last| last + 1);
        let batch = &commands[at..at + len];
        let (ours, theirs) = (pair.ours.run_all(batch)?, pair.theirs.run_all(batch)?);
        for (i, command) in batch.iter().enumerate() {
            let answered = replies.of(command, &ours[i], &theirs[i]);
            if let Some(different) = answered.iter().find(|one| !alike(**one, how.short_of_memory)) {
                return Ok(Err(Difference::at(at + i, *different)));
            }
            seen.errors += answered.iter().filter(|(_, ours, _)| ours.is_error()).count();
            seen.in_transactions += if command[0] == b"EXEC" { answered.len() } else { 0 };
            if i + 1 == len
                && let Some(different) = settle(&mut pair, &answered, &mut seen)?
            {
                return Ok(Err(Difference { at: Some(at + i), ..different }));
            }
            replies.note(command, &ours[i]);
        }
        at += len;
    }
    // A transaction may be open.
    let discard = vec![b"DISCARD".to_vec()];
    for side in [&mut pair.ours, &mut pair.theirs] {
        side.run(&discard)?;
    }
    let (ours, theirs) = (State::read(&mut pair.ours)?, State::read(&mut pair.theirs)?);
    seen.keys = theirs.len();
    Ok(match ours.difference(&theirs, !how.short_of_memory) {
        None => Ok(seen),
        Some((about, ours, theirs)) => {
            Err(Difference { at: None, about, ours: vec![ours], theirs: vec![theirs] })
        }
    })
}

/// After a batch: what each side chose is made equal, and what it dumped is restored.
fn settle(pair: &mut Pair, answered: &[Answered<'_>], seen: &mut Seen) -> Result<Option<Difference>, String> {
    for &(command, ours, theirs) in answered {
        let is = |name: &str| command[0].eq_ignore_ascii_case(name.as_bytes());
        if is("SPOP") {
            heal(pair, command, ours, theirs)?;
        }
        // In a transaction the value may be another one by now.
        if is("DUMP") && answered.len() == 1 && command.len() == 2 {
            seen.exchanged += 1;
            if let Some((ours, theirs)) = dumped::exchange(pair, &command[1], ours, theirs)? {
                let about = line_of(command) + ", restored";
                return Ok(Some(Difference { at: None, about, ours: vec![ours], theirs: vec![theirs] }));
            }
        }
    }
    Ok(None)
}

/// After SPOP each side also loses what the other one has lost.
fn heal(pair: &mut Pair, command: &Command, ours: &Value, theirs: &Value) -> Result<(), String> {
    let members = |value: &Value| -> Vec<Vec<u8>> {
        let one = |value: &Value| if let Value::Bulk(bytes) = value { Some(bytes.clone()) } else { None };
        match value {
            Value::Many(_, parts) => parts.iter().filter_map(one).collect(),
            other => one(other).into_iter().collect(),
        }
    };
    for (side, lost) in [(&mut pair.ours, members(theirs)), (&mut pair.theirs, members(ours))] {
        if !lost.is_empty() {
            side.run(&[vec![b"SREM".to_vec(), command[1].clone()], lost].concat())?;
        }
    }
    Ok(())
}
