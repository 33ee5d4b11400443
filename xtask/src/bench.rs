//! `cargo xtask bench`: our cluster beside its peers on the same machine in the same minutes.

pub mod client;
mod collections;
mod disks;
mod exposure;
mod failover;
mod idle;
mod large;
mod load;
mod machine;
mod measure;
mod memory;
mod moves;
pub mod peer;
mod probe;
pub mod process;
mod raw;
mod report;
mod split;
mod start;
mod throughput;
mod types;
mod writers;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::run::{cargo, streamed, target_dir};
use report::Report;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Synchronous SET, 50 connections and one: ours, Redis with WAIT, etcd put.
    Set,
    /// Asynchronous SET, pipelined and not: ours and Redis with appendfsync everysec.
    Async,
    /// GET, pipelined and not: ours and Redis.
    Get,
    /// kill -9 and SIGSTOP of the node that leads most shards.
    Failover,
    /// What an asynchronous keyspace exposes, and what kills of its leader lose of it.
    Exposure,
    /// A disk that becomes slow, full or fails, of the node that leads most shards.
    Disks,
    /// CPU and memory of a cluster that does nothing.
    Idle,
    /// Start of a node with a million keys.
    Start,
    /// Four times more data than rows may take of memory; takes long and is left out unless named.
    Memory,
    /// Commands of all data types as redis-benchmark sends them: ours and Redis; half an hour, left out unless named.
    Types,
    /// Memory of a million small collections, cost of ranks in a large sorted set: ours and Redis; left out unless named.
    Collections,
    /// A node that joins a cluster with a gigabyte of keys, is drained again, and one that is lost; left out unless named.
    Moves,
    /// A file of a gigabyte put and got, and what small commands take meanwhile; left out unless named.
    Large,
    /// All shards split in two, twice, under writes with an exact account; left out unless named.
    Split,
    /// Clean release build; takes minutes and is left out unless named.
    Build,
}

impl Scenario {
    /// Whether Redis or etcd is measured beside.
    fn has_peers(&self) -> bool {
        match self {
            Scenario::Set | Scenario::Async | Scenario::Get => true,
            Scenario::Memory | Scenario::Types | Scenario::Collections => true,
            Scenario::Failover | Scenario::Exposure | Scenario::Disks => false,
            Scenario::Idle | Scenario::Start | Scenario::Build => false,
            Scenario::Moves | Scenario::Large | Scenario::Split => false,
        }
    }
}

/// Flags of `bench`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  cargo xtask bench                    everything that is not left out unless named; about 30 minutes
  cargo xtask bench set get --rounds 5
  cargo xtask bench memory --keys 2000000
  cargo xtask bench types --tests lpush,spop --dry
  cargo xtask bench set --peers-only   check the generator against Redis and etcd alone

Exit code 1: exposure has found writes lost beyond the bound, or in no loss account, or split acknowledged writes that are
not there or wrong; the data is kept.")]
pub struct BenchArgs {
    /// What to measure [default: all that is not left out unless named].
    scenarios: Vec<Scenario>,
    /// Rounds; the table shows medians.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub rounds: u32,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5)]
    pub seconds: u64,
    /// Number of kills, of each kind.
    #[arg(long, default_value_t = 20)]
    pub kills: u32,
    /// Number of freezes.
    #[arg(long, default_value_t = 10)]
    pub freezes: u32,
    /// Number of keys of `memory`; of `collections` at most a million.
    #[arg(long, default_value_t = 20_000_000, value_parser = clap::value_parser!(u64).range(100_000..=1_000_000_000))]
    pub keys: u64,
    /// Commands of `types` by redis-benchmark's names, such as `spop,lrange_600` [default: all].
    #[arg(long, value_delimiter = ',')]
    pub tests: Vec<String>,
    /// Measure only the peers.
    #[arg(long)]
    pub peers_only: bool,
    /// Measure without the peers.
    #[arg(long, conflicts_with = "peers_only")]
    pub no_peers: bool,
    /// The program to measure [default: a release build made first].
    #[arg(long, value_name = "PATH")]
    pub program: Option<PathBuf>,
    /// Print the tables without changing docs/performance.md.
    #[arg(long)]
    pub dry: bool,
}

impl BenchArgs {
    /// Length of each measurement.
    pub fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// Runs the chosen scenarios and writes the tables.
///
/// # Errors
/// Something cannot be built, started or measured.
pub fn bench(args: &BenchArgs) -> Result<ExitCode, String> {
    let all = [
        Scenario::Set,
        Scenario::Async,
        Scenario::Get,
        Scenario::Failover,
        Scenario::Exposure,
        Scenario::Disks,
        Scenario::Idle,
        Scenario::Start,
    ];
    let chosen = if args.scenarios.is_empty() { all.to_vec() } else { args.scenarios.clone() };
    let program = program(args)?;
    if !args.no_peers && chosen.iter().any(Scenario::has_peers) {
        peer::install();
    }
    let mut report = Report::new(args, &chosen);
    let mut violations = 0;
    for scenario in chosen {
        println!("== {scenario:?}");
        let section = match scenario {
            Scenario::Set => throughput::set(args, &program)?,
            Scenario::Async => throughput::set_async(args, &program)?,
            Scenario::Get => throughput::get(args, &program)?,
            Scenario::Failover => failover::measure(args, &program)?,
            Scenario::Exposure => {
                let (section, found) = exposure::measure(args, &program)?;
                violations += found;
                section
            }
            Scenario::Disks => disks::measure(args, &program)?,
            Scenario::Memory => memory::measure(args, &program)?,
            Scenario::Moves => moves::measure(args, &program)?,
            Scenario::Large => large::measure(args, &program)?,
            Scenario::Split => {
                let (section, found) = split::measure(args, &program)?;
                violations += found;
                section
            }
            Scenario::Types => types::measure(args, &program)?,
            Scenario::Collections => collections::measure(args, &program)?,
            Scenario::Idle => idle::measure(&program)?,
            Scenario::Start => start::measure(args, &program)?,
            Scenario::Build => start::build()?,
        };
        println!("{}", section.text);
        report.add(section);
    }
    if !args.dry {
        report.write()?;
    }
    if violations > 0 {
        eprintln!("{violations} violations of what is promised: see above");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn program(args: &BenchArgs) -> Result<PathBuf, String> {
    if let Some(program) = &args.program {
        return Ok(program.clone());
    }
    if !args.peers_only
        && !streamed(&mut cargo(&["build", "--release", "--locked", "--package", "everstore"]))?.success
    {
        return Err("the release build failed".into());
    }
    Ok(target_dir().join("release").join("everstore"))
}
