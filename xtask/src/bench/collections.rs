//! What small collections take of memory, and what a rank costs in a small and in a large sorted set, beside Redis.

mod fill;
mod ranks;

use std::net::SocketAddr;
use std::path::Path;

use super::BenchArgs;
use super::measure::median;
use super::peer::everstore::Everstore;
use super::peer::is_installed;
use super::peer::redis::{Fsync, Redis};
use super::process::{Process, wait_idle};
use super::report::{Section, table};
use super::types::KEYSPACE;
use fill::{ELEMENTS, KINDS, Kind};

/// Most keys of a kind.
const MOST_KEYS: u64 = 1_000_000;
/// Far above what they take: nothing has to leave memory.
const MAX_MEMORY: &str = "8gb";
/// Memory of a key beside Redis's that the issue allows.
const MOST: f64 = 1.2;
/// How often something is measured until it is not cut off.
const ATTEMPTS: usize = 5;

/// Bytes of memory that a key adds to each process of a store.
struct Memory {
    kind: Kind,
    redis: Option<f64>,
    ours: Vec<f64>,
}

impl Memory {
    /// That of the node that takes most, beside Redis.
    fn ratio(&self) -> Option<f64> {
        let most = self.ours.iter().copied().reduce(f64::max)?;
        Some(most / self.redis?)
    }
}

/// Measures both.
///
/// # Errors
/// A store does not start, or answers with errors.
pub fn measure(args: &BenchArgs, program: &Path) -> Result<Section, String> {
    let keys = args.keys.min(MOST_KEYS);
    let with_redis = !args.no_peers && is_installed("redis-server");
    let mut all = Vec::new();
    for kind in KINDS {
        let redis = with_redis.then(|| patiently(|| of_redis(kind, keys))).transpose()?;
        let ours = || patiently(|| of_everstore(program, kind, keys));
        let ours = if args.peers_only { Vec::new() } else { ours()? };
        println!("{}: Redis {redis:.0?}, Everstore {ours:.0?} bytes per key", kind.name);
        all.push(Memory { kind, redis, ours });
    }
    let ranks = patiently(|| ranks::measure(args, program, with_redis))?;
    let text = render(keys, &all) + "\n" + &ranks;
    Ok(Section { key: "collections", title: "Small collections and large ones", text })
}

/// Measures again in new processes if it was cut off: a node that gets no time for so long that it may not be the
/// leader any more drops its connections.
fn patiently<T>(measure: impl Fn() -> Result<T, String>) -> Result<T, String> {
    for _ in 1..ATTEMPTS {
        match measure() {
            Err(why) if why.contains("closed") => println!("{why}; once more"),
            done => return done,
        }
    }
    measure()
}

fn of_redis(kind: Kind, keys: u64) -> Result<f64, String> {
    let redis = Redis::start_alone(Fsync::EverySecond)?;
    Ok(added(redis.address(), &redis.processes(), kind, keys)?[0])
}

fn of_everstore(program: &Path, kind: Kind, keys: u64) -> Result<Vec<f64>, String> {
    let ours = start(program)?;
    let leader = ours.leader_of_keyspace(u64::from(KEYSPACE))?;
    added(ours.address(leader), &ours.processes(leader), kind, keys)
}

/// Three nodes that keep all rows in memory, with the measured keyspace asynchronous.
fn start(program: &Path) -> Result<Everstore, String> {
    let ours = Everstore::start_under(program, None, &["--max-memory", MAX_MEMORY])?;
    ours.make_async(KEYSPACE)?;
    Ok(ours)
}

/// Bytes of resident memory that each process has more per key, once all is written and nothing is done any more.
fn added(at: SocketAddr, processes: &[&Process], kind: Kind, keys: u64) -> Result<Vec<f64>, String> {
    wait_idle(processes);
    let before: Vec<u64> = processes.iter().map(|process| process.resident()).collect();
    fill::collections(at, kind, keys)?;
    wait_idle(processes);
    let more =
        processes.iter().zip(before).map(|(process, before)| process.resident().saturating_sub(before));
    Ok(more.map(|bytes| bytes as f64 / keys as f64).collect())
}

fn render(keys: u64, all: &[Memory]) -> String {
    let mut rows = Vec::new();
    for memory in all {
        let ours: Vec<String> = memory.ours.iter().map(|bytes| format!("{bytes:.0}")).collect();
        let shown =
            |value: Option<f64>, digits: usize| value.map_or("-".into(), |value| format!("{value:.digits$}"));
        rows.push(vec![
            memory.kind.name.into(),
            memory.kind.elements.into(),
            shown(memory.redis, 0),
            if ours.is_empty() { "-".into() } else { ours.join(", ") },
            shown(memory.ratio(), 2),
        ]);
    }
    let headings =
        ["kind", "elements", "Redis, bytes per key", "Everstore, bytes per key of each node", "ratio"];
    let median = median(all.iter().filter_map(Memory::ratio));
    format!(
        "{keys} keys of 16 bytes for each kind, {ELEMENTS} elements each, in fresh processes: what the resident memory has grown by when \
         all is written and nobody does anything any more. Redis: one process without replicas, appendfsync everysec. \
         Everstore: three nodes, a single asynchronous keyspace, `max-memory` {MAX_MEMORY}; the ratio is that of the node that \
         takes most.\n\n{}\nGoal: at most {MOST} of Redis; the median of the ratios is {median:.2}.\n",
        table(&headings, &rows)
    )
}
