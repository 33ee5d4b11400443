//! `cargo xtask parity share`: the grammars on Redis alone. A grammar whose commands are mostly refused tests
//! little.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use super::connection::Command;
use super::contenders::Redis;
use super::grammar::{self, Generator};

/// Commands of each group.
const COMMANDS: usize = 5_000;
/// Commands that are sent before their replies are read.
const BATCH: usize = 50;
/// The least share of a group, percent, that must be answered without an error.
const LEAST: usize = 50;

/// Runs the groups, each with the keys of all others around, and prints a table.
///
/// # Errors
/// A group is unknown, Redis breaks, or its protocol is not understood.
pub fn share(names: &[String], redis: &Path) -> Result<ExitCode, String> {
    let named: Result<Vec<_>, _> = names.iter().map(|name| grammar::group(name)).collect();
    let groups = if names.is_empty() { grammar::ALL.to_vec() } else { named? };
    let redis = Redis::start(redis, &[])?;
    let mut poor = false;
    for group in groups {
        let mut generator = Generator::new(1, &[group], true)?;
        let commands: Vec<Command> = (0..COMMANDS).map(|_| generator.command()).collect();
        let mut connection = redis.connect(true)?;
        connection.must("FLUSHALL")?;
        let mut shares: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for batch in commands.chunks(BATCH) {
            for (command, reply) in batch.iter().zip(connection.run_all(batch)?) {
                let share = shares.entry(String::from_utf8_lossy(&command[0]).to_uppercase()).or_default();
                share.0 += usize::from(!reply.is_error());
                share.1 += 1;
            }
        }
        let good: usize = shares.values().map(|(good, _)| good).sum();
        poor |= good * 100 < COMMANDS * LEAST;
        println!("{}: {} % of {COMMANDS} are answered without an error", group.name, good * 100 / COMMANDS);
        let each = shares.iter().map(|(name, (good, all))| format!("{name} {}", good * 100 / all));
        println!("  {}", each.collect::<Vec<_>>().join(", "));
    }
    Ok(if poor { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
