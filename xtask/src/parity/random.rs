//! `cargo xtask parity random`: rounds of random commands, each from empty to a comparison of everything held.

use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, ValueEnum};

use super::connection::{Command, Connection, words};
use super::contenders::Contenders;
use super::grammar::{self, Generator};
use super::lockstep::{self, Difference, Seen};
use super::script::line_of;
use super::shrink::shrink;

/// Commands of a round.
const ROUND: usize = 500;
/// Commands before the differing one that are shown.
const SHOWN: usize = 12;
/// Lines of a reply that are shown.
const LINES: usize = 20;
/// What small memory is: our rows are on disk most of the time.
const TINY: [&str; 4] = ["--max-memory", "1mb", "--checkpoint-log-share", "8mb"];
/// Flags of both sides: pages of streams are small, so that there are many.
pub const BOTH: [&str; 2] = ["--stream-node-max-entries", "4"];
/// Rows that take the tiny memory, so that the compared ones must leave it: number and bytes of each.
const BALLAST: (usize, usize) = (64, 100_000);
/// Keyspace of the ballast, which is not compared.
const BALLAST_KEYSPACE: u16 = 2;

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
    /// Flags for our nodes.
    pub fn flags(&self) -> &'static [&'static str] {
        if self.max_memory.is_some() { &TINY } else { &[] }
    }
}

/// Runs rounds until the number of commands is reached.
///
/// # Errors
/// A side breaks, or a group is unknown.
pub fn random(args: &RandomArgs, contenders: &Contenders) -> Result<ExitCode, String> {
    let named: Result<Vec<_>, _> = args.groups.iter().map(|name| grammar::group(name)).collect();
    let groups = if args.groups.is_empty() { grammar::ALL.to_vec() } else { named? };
    let mut generator = Generator::new(args.seed, &groups, false)?;
    let mut ballast = args.max_memory.map(|_| Ballast::load(contenders)).transpose()?;
    let (started, mut seen, mut found) = (Instant::now(), Seen::default(), 0);
    let rounds = (args.commands as usize).div_ceil(ROUND);
    for round in 0..rounds {
        let len = ROUND.min(args.commands as usize - round * ROUND);
        let commands: Vec<Command> = (0..len).map(|_| generator.command()).collect();
        if let Some(ballast) = &mut ballast {
            ballast.touch()?;
        }
        let how = (round, args.resp3);
        let before = || format!("seed {}, round {round}: ", args.seed);
        match lockstep::run(contenders, how, &commands).map_err(|e| before() + &e)? {
            Ok(more) => seen += more,
            Err(difference) => {
                found += 1;
                report(args, (contenders, how), &commands, &difference)?;
                if found == args.differences {
                    break;
                }
            }
        }
    }
    let (groups, protocol) = (generator.groups().join(", "), if args.resp3 { "RESP3" } else { "RESP2" });
    println!(
        "seed {}: {} commands in {protocol} of {groups}, {} % of them refused by both, {} keys compared at the ends of rounds, \
         {} rows fetched from disk, {found} differences, {} s",
        args.seed,
        seen.commands,
        seen.errors * 100 / seen.commands.max(1),
        seen.keys,
        contenders.fetches(),
        started.elapsed().as_secs(),
    );
    Ok(if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(
    args: &RandomArgs,
    (contenders, how): (&Contenders, (usize, bool)),
    commands: &[Command],
    difference: &Difference,
) -> Result<(), String> {
    let end = difference.at.map_or(commands.len(), |at| at + 1);
    println!("\n== difference: seed {}, round {} (commands from {})", args.seed, how.0, how.0 * ROUND);
    for command in &commands[end.saturating_sub(SHOWN)..end] {
        println!("   {}", line_of(command));
    }
    show(difference);
    let kind = difference.kind().to_string();
    let mut last = None;
    let shorter = shrink(&commands[..end], |commands| {
        let outcome = lockstep::run(contenders, how, commands)?;
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
    for (name, lines) in [("Everstore", &difference.ours), ("Redis", &difference.theirs)] {
        println!("   {name}:");
        lines.iter().take(LINES).for_each(|line| println!("     {line}"));
        if lines.len() > LINES {
            println!("     … {} lines", lines.len());
        }
    }
}

/// Rows beside the compared ones that take their memory whenever they are read.
#[derive(Debug)]
struct Ballast {
    connection: Connection,
}

impl Ballast {
    fn load(contenders: &Contenders) -> Result<Ballast, String> {
        let mut connection = contenders.ours()?;
        connection.must(&format!("SELECT {BALLAST_KEYSPACE}"))?;
        let mut ballast = Ballast { connection };
        ballast.write()?;
        Ok(ballast)
    }

    fn write(&mut self) -> Result<(), String> {
        for number in 0..BALLAST.0 {
            let mut command = words(&format!("SET ballast:{number}"));
            command.push(vec![b'x'; BALLAST.1]);
            self.connection.run(&command)?;
        }
        Ok(())
    }

    /// Reads some of it. What a FLUSHALL removed is there again.
    fn touch(&mut self) -> Result<(), String> {
        if self.connection.must("DBSIZE")? == super::value::Value::Line(":0".into()) {
            self.write()?;
        }
        for number in 0..BALLAST.0 {
            self.connection.must(&format!("STRLEN ballast:{number}"))?;
        }
        Ok(())
    }
}
