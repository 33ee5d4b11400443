//! `cargo xtask parity random`: rounds of random commands, each from empty to a comparison of everything held.

use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, ValueEnum};

use super::connection::Command;
use super::contenders::Contenders;
use super::grammar::{self, Generator};
use super::lockstep::{self, BATCH, Difference, How, Pause, Seen};
use super::script::line_of;
use super::short::{self, Ballast, TINY};
use super::shrink::shrink;
use super::thresholds::Thresholds;

/// Commands of a round.
const ROUND: usize = 500;
/// Commands before the differing one that are shown.
const SHOWN: usize = 12;
/// Most runs of shorter sequences; where memory is short they take long.
const RUNS: usize = 400;
const FEW_RUNS: usize = 40;
/// Lines of a reply that are shown.
const LINES: usize = 20;
/// Of so many rounds in a row each is of another kind, see [`kind_of`].
const KINDS: usize = 4;
/// One key in so many is of another group than its command, in rounds of the usual kind and in mixed ones.
const CROSSING: [usize; 2] = [8, 2];
/// Flags of both sides: pages of streams are small, so that there are many.
pub const BOTH: [&str; 2] = ["--stream-node-max-entries", "4"];

/// How much memory our rows may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Memory {
    /// So little that rows are fetched from disk all the time.
    Tiny,
}

/// Flags of `parity random`.
#[derive(Debug, Args)]
pub struct RandomArgs {
    /// The same seed gives the same commands.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many commands.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub commands: u64,
    /// Speak RESP3.
    #[arg(long)]
    pub resp3: bool,
    /// Let our rows take hardly any memory.
    #[arg(long)]
    pub max_memory: Option<Memory>,
    /// Groups of commands, by comma [default: all; those whose commands are not in the command table are left out].
    #[arg(long, value_delimiter = ',')]
    pub groups: Vec<String>,
    /// End after so many differences.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub differences: u32,
}

impl Default for RandomArgs {
    fn default() -> RandomArgs {
        let (seed, commands, resp3, max_memory) = (1, 20_000, false, None);
        RandomArgs { seed, commands, resp3, max_memory, groups: Vec::new(), differences: 1 }
    }
}

impl RandomArgs {
    /// What is run where nothing is said: each protocol, and little memory. Together within a minute in a debug build on a
    /// quiet machine.
    pub fn of_all_kinds() -> [RandomArgs; 3] {
        let usual = |resp3| RandomArgs { resp3, commands: 10_000, ..RandomArgs::default() };
        let max_memory = Some(Memory::Tiny);
        [usual(false), usual(true), RandomArgs { max_memory, commands: short::ROUND as u64, ..usual(true) }]
    }

    /// Flags for our nodes.
    pub fn flags(&self) -> &'static [&'static str] {
        if self.max_memory.is_some() { &TINY } else { &[] }
    }

    fn round(&self) -> usize {
        if self.max_memory.is_some() { short::ROUND } else { ROUND }
    }

    /// When collections change their form in a round, and how often commands meet keys of other groups.
    fn kind_of(&self, round: usize) -> (How, usize) {
        let thresholds = if round % 2 == 1 { Thresholds::Small } else { Thresholds::Usual };
        let short_of_memory = self.max_memory.is_some();
        let how = How { turn: round, resp3: self.resp3, thresholds, short_of_memory };
        (how, CROSSING[round % KINDS / 2])
    }
}

/// Runs rounds until the number of commands is reached.
///
/// # Errors
/// A side breaks, or a group is unknown; hardly anything was fetched where memory is short.
pub fn random(args: &RandomArgs, contenders: &Contenders) -> Result<ExitCode, String> {
    let named: Result<Vec<_>, _> = args.groups.iter().map(|name| grammar::group(name)).collect();
    let groups = if args.groups.is_empty() { grammar::ALL.to_vec() } else { named? };
    let mut generator = Generator::new(args.seed, &groups, false)?;
    let mut ballast = args.max_memory.map(|_| Ballast::load(contenders)).transpose()?;
    // A row that was on disk counts as changed, so that a watch ends without a change.
    generator.watch(ballast.is_none());
    let (started, mut seen, mut found, mut done, mut round) = (Instant::now(), Seen::default(), 0, 0, 0);
    while done < args.commands as usize && found < args.differences {
        let len = args.round().min(args.commands as usize - done);
        let (how, crossing) = args.kind_of(round);
        generator.cross(crossing);
        let draw = |i: usize| {
            if how.short_of_memory && i.is_multiple_of(BATCH) {
                generator.enter(short::room(i / BATCH));
            }
            generator.command()
        };
        let commands: Vec<Command> = (0..len).map(draw).collect();
        let before = |e: String| format!("seed {}, round {round}: {e}", args.seed);
        let mut pause = || ballast.as_mut().map_or(Ok(()), Ballast::fill);
        match lockstep::run(contenders, how, &commands, &mut pause).map_err(before)? {
            Ok(more) => seen += more,
            Err(difference) => {
                found += 1;
                println!("\n== difference: seed {}, round {round} (commands from {done})", args.seed);
                report((contenders, how), &commands, &difference, &mut pause)?;
            }
        }
        (done, round) = (done + len, round + 1);
    }
    let fetched = ballast
        .as_ref()
        .map_or(String::new(), |b| format!("{} rows fetched from disk for them, ", b.fetches()));
    println!(
        "seed {}: {} commands in {} of {}, {} % of them refused by both, {} in transactions, {} values exchanged, {} keys \
         compared at the ends of rounds, {fetched}{found} differences, {} s",
        args.seed,
        seen.commands,
        if args.resp3 { "RESP3" } else { "RESP2" },
        generator.groups().join(", "),
        seen.errors * 100 / seen.commands.max(1),
        seen.in_transactions,
        seen.exchanged,
        seen.keys,
        started.elapsed().as_secs(),
    );
    if let (Some(ballast), 0) = (&ballast, found) {
        ballast.proves(seen.commands)?;
    }
    Ok(if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(
    (contenders, how): (&Contenders, How),
    commands: &[Command],
    difference: &Difference,
    pause: &mut Pause<'_>,
) -> Result<(), String> {
    let end = difference.at.map_or(commands.len(), |at| at + 1);
    println!("   {how:?}");
    for command in &commands[end.saturating_sub(SHOWN)..end] {
        println!("   {}", line_of(command));
    }
    show(difference);
    let kind = difference.kind().to_string();
    let mut last = None;
    let runs = if how.short_of_memory { FEW_RUNS } else { RUNS };
    let shorter = shrink(&commands[..end], runs, |commands| {
        let outcome = lockstep::run(contenders, how, commands, pause)?;
        let difference = outcome.err().filter(|difference| difference.kind() == kind);
        let differs = difference.is_some();
        last = difference.or(last.take());
        Ok(differs)
    })?;
    println!("-- {} commands still differ, as a script:", shorter.len());
    shorter.iter().for_each(|command| println!("> {}", line_of(command)));
    if let Some(difference) = last {
        show(&difference);
    }
    Ok(())
}

fn show(difference: &Difference) {
    println!("-- {}", difference.about);
    let (ours, theirs) = (&difference.ours, &difference.theirs);
    for (name, lines, others) in [("Everstore", ours, theirs), ("Redis", theirs, ours)] {
        println!("   {name}:");
        lines.iter().take(LINES).for_each(|line| println!("     {line}"));
        if lines.len() > LINES {
            println!("     … {} lines; those that the other lacks:", lines.len());
            lines
                .iter()
                .filter(|line| !others.contains(line))
                .take(LINES)
                .for_each(|line| println!("     {line}"));
        }
    }
}
