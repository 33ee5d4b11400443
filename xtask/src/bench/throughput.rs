//! Throughput of synchronous and asynchronous SET and of GET, ours beside Redis and etcd, interleaved.

use std::net::SocketAddr;
use std::path::Path;

use super::BenchArgs;
use super::load::{self, Load, Operation, Until};
use super::measure::{Measurement, measure, median, medians};
use super::peer::etcd::Etcd;
use super::peer::everstore::Everstore;
use super::peer::is_installed;
use super::peer::redis::{Fsync, Redis};
use super::process::Process;
use super::report::{Section, table};

/// Keys of every contender.
const KEYS: u64 = 100_000;
/// How often every key is written before anything is measured: logs, caches and the memory of buffers have then
/// grown on every side to what they stay at.
const FILLS: u64 = 10;
/// Bytes of every value.
const VALUE: usize = 100;
/// A keyspace that is single by default.
const SINGLE: u16 = 1;

/// Connections and pipeline of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    name: &'static str,
    connections: usize,
    pipeline: usize,
}

const C50: Shape = Shape { name: "50 connections", connections: 50, pipeline: 1 };
const C1: Shape = Shape { name: "1 connection", connections: 1, pipeline: 1 };
const P16: Shape = Shape { name: "50 connections, pipeline 16", connections: 50, pipeline: 16 };

/// A contender and the way its clients reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Redis,
    Direct,
    OnePort,
    ThreePorts,
    Etcd,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    SyncSet,
    AsyncSet,
    Get,
}

impl Kind {
    fn operation(self, way: Way) -> Operation {
        match (self, way) {
            (Kind::SyncSet, Way::Redis) => Operation::SetWait,
            (Kind::SyncSet, Way::Etcd) => Operation::EtcdPut,
            (Kind::SyncSet | Kind::AsyncSet, _) => Operation::Set,
            (Kind::Get, _) => Operation::Get,
        }
    }
}

impl Way {
    fn name(self, kind: Kind) -> &'static str {
        match (self, kind) {
            (Way::Redis, Kind::Get) => "Redis",
            (Way::Redis, Kind::SyncSet) => "Redis, appendfsync always, SET then WAIT 1",
            (Way::Redis, Kind::AsyncSet) => "Redis, appendfsync everysec, two replicas",
            (Way::Direct, _) => "Everstore, single keyspace, client at its leader",
            (Way::OnePort, _) => "Everstore, spread keyspace, one plain port",
            (Way::ThreePorts, _) => "Everstore, spread keyspace, all three ports",
            (Way::Etcd, _) => "etcd put",
        }
    }
}

/// A ratio that the issue asks for.
struct Goal {
    shape: Shape,
    of: Way,
    to: Way,
    at_least: f64,
}

/// All measurements in the order in which they first came.
#[derive(Default)]
struct Board {
    rows: Vec<(Shape, Way, Vec<Measurement>)>,
}

impl Board {
    fn add(&mut self, shape: Shape, way: Way, measurement: Measurement) {
        println!(
            "{:>9.0}/s  p50 {:>7.0} µs  p99 {:>7.0} µs  CPU {:>6.2} µs  {}: {way:?}",
            measurement.rate,
            measurement.p50_us,
            measurement.p99_us,
            measurement.total_us(),
            shape.name
        );
        match self.rows.iter_mut().find(|row| row.0 == shape && row.1 == way) {
            Some(row) => row.2.push(measurement),
            None => self.rows.push((shape, way, vec![measurement])),
        }
    }

    fn of(&self, shape: Shape, way: Way) -> &[Measurement] {
        self.rows.iter().find(|row| row.0 == shape && row.1 == way).map_or(&[], |row| &row.2)
    }

    /// Median over the rounds of a ratio taken within each round.
    fn ratio(&self, shape: Shape, of: Way, to: Way, figure: impl Fn(&Measurement) -> f64) -> Option<f64> {
        let pairs = self.of(shape, of).iter().zip(self.of(shape, to));
        let ratios: Vec<f64> = pairs.map(|(ours, theirs)| figure(ours) / figure(theirs)).collect();
        (!ratios.is_empty()).then(|| median(ratios))
    }
}

/// Synchronous SET.
///
/// # Errors
/// A contender does not start or answers with errors.
pub fn set(args: &BenchArgs, program: &Path) -> Result<Section, String> {
    let board = run(args, program, Kind::SyncSet, &[C50, C1])?;
    let goals = [
        Goal { shape: C50, of: Way::Direct, to: Way::Redis, at_least: 2.5 },
        Goal { shape: C50, of: Way::Direct, to: Way::Etcd, at_least: 5.0 },
        Goal { shape: C1, of: Way::Direct, to: Way::Redis, at_least: 1.4 },
        Goal { shape: C50, of: Way::OnePort, to: Way::Direct, at_least: 0.5 },
        Goal { shape: C50, of: Way::ThreePorts, to: Way::Direct, at_least: 0.0 },
    ];
    let mut text = render(&board, Kind::SyncSet, &goals);
    if let Some(cost) = board.ratio(C50, Way::Direct, Way::Redis, Measurement::total_us) {
        text.push_str(&format!("- total CPU per operation, 50 connections, Everstore at its leader / Redis: {cost:.2} (goal at most 0.6)\n"));
    }
    Ok(Section { key: "set", title: "Synchronous SET", text })
}

/// Asynchronous SET: answered when the entry is in the leader's log file.
///
/// # Errors
/// As [`set`].
pub fn set_async(args: &BenchArgs, program: &Path) -> Result<Section, String> {
    let board = run(args, program, Kind::AsyncSet, &[P16, C50])?;
    let goals = [
        Goal { shape: P16, of: Way::Direct, to: Way::Redis, at_least: 2.0 },
        Goal { shape: C50, of: Way::Direct, to: Way::Redis, at_least: 1.1 },
        Goal { shape: P16, of: Way::OnePort, to: Way::Redis, at_least: 0.0 },
        Goal { shape: C50, of: Way::OnePort, to: Way::Redis, at_least: 0.0 },
        Goal { shape: P16, of: Way::ThreePorts, to: Way::Redis, at_least: 0.0 },
        Goal { shape: C50, of: Way::ThreePorts, to: Way::Redis, at_least: 0.0 },
    ];
    let mut text = render(&board, Kind::AsyncSet, &goals);
    for shape in [P16, C50] {
        if let Some(cost) = board.ratio(shape, Way::Direct, Way::Redis, Measurement::total_us) {
            let name = shape.name;
            text.push_str(&format!(
                "- total CPU per operation, {name}, Everstore at its leader / Redis: {cost:.2} (goal at most 0.75)\n"
            ));
        }
    }
    Ok(Section { key: "async", title: "Asynchronous SET", text })
}

/// GET.
///
/// # Errors
/// As [`set`].
pub fn get(args: &BenchArgs, program: &Path) -> Result<Section, String> {
    let board = run(args, program, Kind::Get, &[P16, C50])?;
    let goals = [
        Goal { shape: P16, of: Way::Direct, to: Way::Redis, at_least: 1.5 },
        Goal { shape: C50, of: Way::Direct, to: Way::Redis, at_least: 1.0 },
        Goal { shape: P16, of: Way::OnePort, to: Way::Direct, at_least: 0.7 },
        Goal { shape: C50, of: Way::OnePort, to: Way::Direct, at_least: 0.5 },
        Goal { shape: P16, of: Way::ThreePorts, to: Way::Direct, at_least: 0.0 },
    ];
    Ok(Section { key: "get", title: "GET", text: render(&board, Kind::Get, &goals) })
}

fn run(args: &BenchArgs, program: &Path, kind: Kind, shapes: &[Shape]) -> Result<Board, String> {
    let mut board = Board::default();
    for round in 1..=args.rounds {
        println!("round {round} of {}", args.rounds);
        let redis = (!args.no_peers && is_installed("redis-server"))
            .then(|| Redis::start(if kind == Kind::SyncSet { Fsync::Always } else { Fsync::EverySecond }))
            .transpose()?;
        let ours = (!args.peers_only).then(|| Everstore::start(program)).transpose()?;
        if let Some(ours) = ours.as_ref().filter(|_| kind == Kind::AsyncSet) {
            [0, SINGLE].into_iter().try_for_each(|keyspace| ours.make_async(keyspace))?;
        }
        fill(redis.as_ref(), ours.as_ref())?;
        for shape in shapes {
            if let Some(redis) = &redis {
                let load = spec(args, *shape, kind.operation(Way::Redis), vec![redis.address()], 0);
                board.add(*shape, Way::Redis, measure(&load, &redis.processes())?);
            }
            if let Some(ours) = &ours {
                measure_ours(&mut board, args, ours, *shape, kind)?;
            }
        }
        drop((redis, ours));
        if kind == Kind::SyncSet && !args.no_peers && is_installed("etcd") {
            let etcd = Etcd::start()?;
            for shape in shapes {
                let load = spec(args, *shape, kind.operation(Way::Etcd), vec![etcd.address()], 0);
                board.add(*shape, Way::Etcd, measure(&load, &etcd.processes())?);
            }
        }
    }
    Ok(board)
}

fn measure_ours(
    board: &mut Board,
    args: &BenchArgs,
    ours: &Everstore,
    shape: Shape,
    kind: Kind,
) -> Result<(), String> {
    let leader = ours.leader_of_keyspace(u64::from(SINGLE))?;
    let ways: [(Way, Vec<SocketAddr>, u16, usize); 3] = [
        (Way::Direct, vec![ours.address(leader)], SINGLE, leader),
        (Way::OnePort, vec![ours.address(0)], 0, 0),
        (Way::ThreePorts, ours.addresses(), 0, 0),
    ];
    for (way, targets, keyspace, first) in ways {
        let load = spec(args, shape, kind.operation(way), targets, keyspace);
        let processes: Vec<&Process> = ours.processes(first);
        let measured = measure(&load, &processes).map_err(|e| format!("{way:?}: {e}"))?;
        board.add(shape, way, measured);
    }
    Ok(())
}

fn spec(
    args: &BenchArgs,
    shape: Shape,
    operation: Operation,
    targets: Vec<SocketAddr>,
    keyspace: u16,
) -> Load {
    Load {
        targets,
        connections: shape.connections,
        pipeline: shape.pipeline,
        operation,
        keyspace,
        keys: KEYS,
        value: VALUE,
        until: Until::Elapsed(args.time()),
    }
}

fn fill(redis: Option<&Redis>, ours: Option<&Everstore>) -> Result<(), String> {
    let mut places: Vec<(SocketAddr, u16)> = redis.map(|redis| (redis.address(), 0)).into_iter().collect();
    if let Some(ours) = ours {
        places.push((ours.address(0), 0));
        places.push((ours.address(ours.leader_of_keyspace(u64::from(SINGLE))?), SINGLE));
    }
    for (address, keyspace) in places {
        for _ in 0..FILLS {
            fill_keys(address, keyspace, KEYS, VALUE)?;
        }
    }
    Ok(())
}

/// Writes every key once.
///
/// # Errors
/// A write is refused.
pub fn fill_keys(address: SocketAddr, keyspace: u16, keys: u64, value: usize) -> Result<(), String> {
    let load = Load {
        targets: vec![address],
        connections: 16,
        pipeline: 16,
        operation: Operation::Set,
        keyspace,
        keys,
        value,
        until: Until::EveryKeyOnce,
    };
    let outcome = load::run(&load)?;
    match outcome.first_error {
        Some(error) => Err(format!("filling {address}: {error}")),
        None if outcome.operations < keys => {
            Err(format!("filling {address}: {} of {keys} keys, {:.0}/s", outcome.operations, outcome.rate()))
        }
        None => Ok(()),
    }
}

fn render(board: &Board, kind: Kind, goals: &[Goal]) -> String {
    let mut rows = Vec::new();
    for (shape, way, all) in &board.rows {
        let m = medians(all);
        let others: Vec<String> = m.cpu_us.iter().skip(1).map(|us| format!("{us:.2}")).collect();
        rows.push(vec![
            shape.name.to_string(),
            way.name(kind).to_string(),
            format!("{:.0}", m.rate),
            format!("{:.0}", m.p50_us),
            format!("{:.0}", m.p99_us),
            format!("{:.2} + {}", m.cpu_us.first().unwrap_or(&0.0), others.join(" + ")),
            format!("{:.2}", m.total_us()),
            format!("{:.2}", m.client_us),
        ]);
    }
    let mut text = table(
        &[
            "clients",
            "store",
            "operations/s",
            "p50 µs",
            "p99 µs",
            "CPU µs/op of each process",
            "sum",
            "client",
        ],
        &rows,
    );
    text.push('\n');
    for goal in goals {
        if let Some(ratio) = board.ratio(goal.shape, goal.of, goal.to, |m| m.rate) {
            let wanted = if goal.at_least > 0.0 {
                format!(" (goal at least {})", goal.at_least)
            } else {
                String::new()
            };
            let (of, to) = (goal.of.name(kind), goal.to.name(kind));
            text.push_str(&format!("- rate, {}: {of} / {to}: {ratio:.2}{wanted}\n", goal.shape.name));
        }
    }
    text
}
