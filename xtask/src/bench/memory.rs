//! Scenario 9: four times more data than rows may take of memory, beside Redis, which holds all of it.

mod need;
mod observe;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use super::BenchArgs;
use super::client::{Client, figure};
use super::load::{self, Load, Operation, Until};
use super::measure::median;
use super::peer::everstore::Everstore;
use super::peer::is_installed;
use super::peer::redis::{Fsync, Redis};
use super::process::{Process, wait_for};
use super::report::{Section, table};
use super::throughput::fill_keys;
use observe::{Observer, Resident};

/// Bytes of a value.
const VALUE: usize = 100;
/// Bytes of a key, see the load generator.
const KEY: usize = 16;
/// Bytes of data per byte that rows may take.
const TIMES_MEMORY: u64 = 4;
/// One key in so many is hot: a small part of what fits.
const HOT: u64 = 1000;
/// A node has so long to stop, and to be back.
const PATIENCE: Duration = Duration::from_secs(300);
/// Hot keys are read so long before they count.
const WARM: Duration = Duration::from_secs(2);
/// What the checkpoints of the load still write is written by then.
const SETTLE: Duration = Duration::from_secs(5);

/// Rate and times of GET.
#[derive(Debug, Clone, Copy)]
struct Reads {
    rate: f64,
    p50_us: f64,
    p99_us: f64,
    /// Rows fetched from disk per GET.
    fetched: f64,
}

/// What one store showed.
#[derive(Debug)]
struct Figures {
    store: &'static str,
    /// SETs per second while every key is written once.
    load: f64,
    /// Written to disk since the start of each process, per byte of data.
    written: Vec<f64>,
    hot: Vec<Reads>,
    cold: Vec<Reads>,
    /// What of it is entries of the log, checkpoints, and compactions, per byte of data.
    split: Vec<String>,
    /// Memory beside rows, as each process says after the reads.
    others: Vec<String>,
    /// Of each process while it is read from.
    resident: Vec<Resident>,
    /// Label of each process, and what it says of rows in memory.
    nodes: Vec<(String, String)>,
    /// Seconds until the process has ended, answers a read again, and all is well again.
    restart: [Vec<f64>; 3],
}

/// Fills, reads and restarts both.
///
/// # Errors
/// There is no room, a store does not start, or loses a key.
pub fn measure(args: &BenchArgs, program: &Path) -> Result<Section, String> {
    let data = args.keys * (KEY + VALUE) as u64;
    need::disk(data)?;
    let mut all = Vec::new();
    let mut notes = String::new();
    if !args.peers_only {
        all.push(everstore(args, program, data)?);
    }
    match need::redis(args.keys).filter(|_| !args.no_peers && is_installed("redis-server")) {
        None => notes.push_str("\nRedis was not asked for or is not installed.\n"),
        Some(Err(why)) => notes.push_str(&format!("\nRedis is left out: {why}.\n")),
        Some(Ok(())) => all.push(redis(args, data)?),
    }
    let text = render(args, data, &all) + &notes;
    Ok(Section { key: "memory", title: "More data than memory", text })
}

/// What rows may take of each node's memory.
fn max_memory(data: u64) -> u64 {
    data / TIMES_MEMORY
}

fn everstore(args: &BenchArgs, program: &Path, data: u64) -> Result<Figures, String> {
    let max_memory = max_memory(data).to_string();
    let mut cluster = Everstore::start_under(program, None, &["--max-memory", &max_memory])?;
    let mut figures = filled(args, "Everstore", &cluster.addresses(), data, &cluster.processes(0))?;
    cluster.wait_healthy()?;
    figures.nodes.clear();
    for index in 0..cluster.nodes.len() {
        let info = Client::connect(cluster.address(index))?.call("INFO everstore")?;
        let number = |name: &str| figure(&info, name).ok_or(format!("INFO everstore has no {name}"));
        let (used, cold) = (number("rows_memory_bytes")?, number("rows_cold")?);
        let per_byte = |name: &str| number(name).map(|bytes| bytes as f64 / data as f64);
        let (log, first) = (per_byte("log_written_bytes")?, per_byte("rows_ingested_bytes")?);
        let again = per_byte("rows_compacted_bytes")?;
        let label = cluster.nodes[index].label.clone();
        figures.nodes.push((label, format!("{} ({} % of keys cold)", mib(used), cold * 100 / args.keys)));
        figures.split.push(format!("{log:.1} + {first:.1} + {again:.1}"));
        figures.others.push(others(cluster.address(index))?);
    }
    let victim = cluster.nodes.len() - 1;
    for _ in 0..args.rounds {
        let ended = terminate(&mut cluster.nodes[victim])?;
        let started = Instant::now();
        cluster.relaunch(victim)?;
        let ready = answers(cluster.address(victim), started)?;
        cluster.wait_healthy()?;
        figures.restarted([ended, ready, started.elapsed().as_secs_f64()]);
    }
    Ok(figures)
}

fn redis(args: &BenchArgs, data: u64) -> Result<Figures, String> {
    let mut redis = Redis::start(Fsync::EverySecond)?;
    let mut figures = filled(args, "Redis", &[redis.address()], data, &redis.processes())?;
    for _ in 0..args.rounds {
        let ended = terminate(redis.primary())?;
        let started = Instant::now();
        redis.relaunch()?;
        let ready = answers(redis.address(), started)?;
        redis.wait_in_step(PATIENCE)?;
        figures.restarted([ended, ready, started.elapsed().as_secs_f64()]);
    }
    Ok(figures)
}

/// Loads and reads; the rest is left empty.
fn filled(
    args: &BenchArgs,
    store: &'static str,
    nodes: &[SocketAddr],
    data: u64,
    processes: &[&Process],
) -> Result<Figures, String> {
    let (address, started) = (nodes[0], Instant::now());
    fill_keys(address, 0, args.keys, VALUE)?;
    let load = args.keys as f64 / started.elapsed().as_secs_f64();
    let there = Client::connect(address)?.call("DBSIZE")?;
    println!("{store}: {} keys loaded at {load:.0}/s, {there} there", args.keys);
    if there != args.keys.to_string() {
        return Err(format!("{store} has {there} of {} keys", args.keys));
    }
    std::thread::sleep(SETTLE);
    let written =
        processes.iter().map(|process| observe::written(process.pid()) as f64 / data as f64).collect();
    let labels = processes.iter().map(|process| (process.label.clone(), "all".into())).collect();
    let observer = Observer::start(processes.iter().map(|process| process.pid()).collect());
    let (mut hot, mut cold) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        // Read before, so that they are in memory whatever the last round has read.
        read(nodes, args.keys.div_ceil(HOT), WARM)?;
        hot.push(read(nodes, args.keys.div_ceil(HOT), args.time())?);
        cold.push(read(nodes, args.keys, args.time())?);
        println!("{store}: hot {:?}, cold {:?}", hot.last(), cold.last());
    }
    let resident = observer.finish()?;
    let (split, others, restart) = Default::default();
    Ok(Figures { store, load, written, split, others, hot, cold, resident, nodes: labels, restart })
}

/// What a node says of the memory that rows do not take, MiB: tail, checkpoints, row store, other.
fn others(node: SocketAddr) -> Result<String, String> {
    let info = Client::connect(node)?.call("INFO memory")?;
    let of = |name: &str| {
        let bytes = figure(&info, &format!("used_memory_{name}"));
        bytes.map(mib).ok_or(format!("INFO memory has no used_memory_{name}"))
    };
    Ok([of("log_tail")?, of("checkpoints")?, of("row_store")?, of("other")?].join(" + "))
}

/// GET of the first so many keys, by the first of the nodes.
fn read(nodes: &[SocketAddr], keys: u64, time: Duration) -> Result<Reads, String> {
    let (operation, targets, until) = (Operation::Get, vec![nodes[0]], Until::Elapsed(time));
    let before = fetches(nodes)?;
    let load =
        Load { targets, connections: 50, pipeline: 1, operation, keyspace: 0, keys, value: VALUE, until };
    let outcome = load::run(&load)?;
    match outcome.first_error {
        Some(ref error) => Err(format!("{} error replies, the first: {error}", outcome.errors)),
        None => Ok(Reads {
            fetched: (fetches(nodes)? - before) as f64 / outcome.operations.max(1) as f64,
            rate: outcome.rate(),
            p50_us: outcome.times.quantile_us(0.5),
            p99_us: outcome.times.quantile_us(0.99),
        }),
    }
}

/// Rows that the nodes have fetched from disk so far; Redis has none.
fn fetches(nodes: &[SocketAddr]) -> Result<u64, String> {
    let of = |node: &SocketAddr| {
        let info = Client::connect(*node)?.call("INFO everstore")?;
        Ok(figure(&info, "cold_fetches").unwrap_or(0))
    };
    nodes.iter().map(of).sum()
}

/// SIGTERM: seconds until the process has ended.
fn terminate(process: &mut Process) -> Result<f64, String> {
    let started = Instant::now();
    process.signal("TERM")?;
    wait_for("the end of the process", PATIENCE, || process.has_ended().then_some(()))?;
    Ok(started.elapsed().as_secs_f64())
}

/// Seconds until it answers a read.
fn answers(address: SocketAddr, started: Instant) -> Result<f64, String> {
    wait_for("an answer after the start", PATIENCE, || {
        Client::connect(address).ok()?.call("GET key:000000000000").ok()
    })?;
    Ok(started.elapsed().as_secs_f64())
}

impl Figures {
    fn restarted(&mut self, seconds: [f64; 3]) {
        println!("{}: ended, answers, well again after {seconds:.2?} s", self.store);
        self.restart.iter_mut().zip(seconds).for_each(|(all, one)| all.push(one));
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.0}", bytes as f64 / f64::from(1 << 20))
}

fn render(args: &BenchArgs, data: u64, all: &[Figures]) -> String {
    let reads = |reads: &[Reads]| {
        let of = |figure: fn(&Reads) -> f64| format!("{:.0}", median(reads.iter().map(figure)));
        let fetched = format!("{:.2}", median(reads.iter().map(|r| r.fetched)));
        [of(|r| r.rate), of(|r| r.p50_us), of(|r| r.p99_us), fetched]
    };
    let seconds = |all: &Vec<f64>| format!("{:.2}", median(all.iter().copied()));
    let mut stores = Vec::new();
    let mut nodes = Vec::new();
    for figures in all {
        let mut cells = vec![figures.store.to_string(), format!("{:.0}", figures.load)];
        cells.extend(reads(&figures.hot));
        cells.extend(reads(&figures.cold));
        cells.extend(figures.restart.iter().map(seconds));
        stores.push(cells);
        for (at, (label, rows)) in figures.nodes.iter().enumerate() {
            let Resident { median, most } = figures.resident[at];
            let label = format!("{} {label}", figures.store);
            let written = format!("{:.1}", figures.written[at]);
            let shown = |all: &[String]| all.get(at).cloned().unwrap_or_else(|| "-".into());
            let (others, split) = (shown(&figures.others), shown(&figures.split));
            nodes.push(vec![label, rows.clone(), others, mib(median), mib(most), written, split]);
        }
    }
    let headings = [
        "store",
        "load SET/s",
        "hot GET/s",
        "p50 µs",
        "p99 µs",
        "fetched per GET",
        "cold GET/s",
        "p50 µs",
        "p99 µs",
        "fetched per GET",
        "stops in s",
        "answers after s",
        "well again after s",
    ];
    let of_nodes = [
        "process",
        "rows in memory MiB",
        "tail + checkpoints + row store + other MiB",
        "resident MiB, median",
        "most",
        "written to disk per byte of data",
        "log + checkpoints + compactions",
    ];
    let (stores, nodes) = (table(&headings, &stores), table(&of_nodes, &nodes));
    format!(
        "{} keys of {KEY} bytes with values of {VALUE} bytes: {} MiB of data, `max-memory` {} MiB per node. A synchronous keyspace that is \
         spread over all shards, clients at one plain port; Redis: a primary and two replicas, appendfsync everysec, everything in \
         memory. Load: every key once, 16 connections, pipeline 16. GET: 50 connections without pipeline, hot: of {} keys, cold: \
         of all.\n\n{stores}\n{nodes}\n\
         Restart: SIGTERM and start of one node, for Redis of the primary; well again: the cluster is healthy, both replicas are in step. Resident \
         memory while reads run; written: from the start until the load is done, with the room that the log reserves and what fills its blocks.\n",
        args.keys,
        mib(data),
        mib(max_memory(data)),
        args.keys.div_ceil(HOT)
    )
}
