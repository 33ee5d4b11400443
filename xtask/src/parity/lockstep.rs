//! The same commands on both sides, and the first reply that differs.

use super::compare::{Freedom, freedom, same};
use super::connection::Command;
use super::contenders::{Contenders, Pair};
use super::script::line_of;
use super::state::State;
use super::value::Value;

/// Commands that are sent before their replies are read.
const BATCH: usize = 64;

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
}

/// What a run without a difference has seen.
#[derive(Debug, Default, Clone, Copy)]
pub struct Seen {
    /// Commands.
    pub commands: usize,
    /// Replies that were errors, on both sides.
    pub errors: usize,
    /// Keys compared at the ends.
    pub keys: usize,
}

impl std::ops::AddAssign for Seen {
    fn add_assign(&mut self, other: Seen) {
        self.commands += other.commands;
        self.errors += other.errors;
        self.keys += other.keys;
    }
}

/// Runs commands on both sides, empty at first, and compares every reply, then everything that is held.
///
/// # Errors
/// A side breaks.
pub fn run(
    contenders: &Contenders,
    (turn, resp3): (usize, bool),
    commands: &[Command],
) -> Result<Result<Seen, Difference>, String> {
    let mut pair = contenders.connect(turn, resp3)?;
    let mut seen = Seen { commands: commands.len(), ..Seen::default() };
    let mut at = 0;
    while at < commands.len() {
        let heals = |command: &Command| freedom(command) == Freedom::Choice;
        let most = commands[at..].iter().take(BATCH);
        // A command that chooses by itself ends a batch: what it chose is made equal before the next.
        let len = most.clone().position(heals).map_or(most.len(), |last| last + 1);
        let batch = &commands[at..at + len];
        let replies = (pair.ours.run_all(batch)?, pair.theirs.run_all(batch)?);
        for (i, (ours, theirs)) in replies.0.iter().zip(&replies.1).enumerate() {
            if !same(&batch[i], ours, theirs) {
                let about = line_of(&batch[i]);
                let (ours, theirs) = (ours.render(), theirs.render());
                return Ok(Err(Difference { at: Some(at + i), about, ours, theirs }));
            }
            seen.errors += usize::from(ours.is_error());
        }
        if let (Some(last), (Some(ours), Some(theirs))) = (batch.last(), (replies.0.last(), replies.1.last()))
        {
            heal(&mut pair, last, ours, theirs)?;
        }
        at += len;
    }
    compare_states(&mut pair, seen)
}

/// After SPOP each side also loses what the other one has lost.
fn heal(pair: &mut Pair, command: &Command, ours: &Value, theirs: &Value) -> Result<(), String> {
    if !command[0].eq_ignore_ascii_case(b"SPOP") {
        return Ok(());
    }
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

fn compare_states(pair: &mut Pair, mut seen: Seen) -> Result<Result<Seen, Difference>, String> {
    let (ours, theirs) = (State::read(&mut pair.ours)?, State::read(&mut pair.theirs)?);
    seen.keys = theirs.len();
    Ok(match ours.difference(&theirs) {
        None => Ok(seen),
        Some((about, ours, theirs)) => {
            Err(Difference { at: None, about, ours: vec![ours], theirs: vec![theirs] })
        }
    })
}
