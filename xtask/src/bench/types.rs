//! The commands of redis-benchmark, sent by redis-benchmark: ours beside Redis, asynchronous on both sides.

mod benchmark;
mod commands;

use std::path::Path;

use super::BenchArgs;
use super::measure::median;
use super::peer::everstore::Everstore;
use super::peer::is_installed;
use super::peer::redis::{Fsync, Redis};
use super::report::{Section, table};
use benchmark::{Figures, Place};
use commands::Test;

/// The keyspace that is measured, single by default: MSET names keys of any slot.
pub const KEYSPACE: u16 = 1;

/// Connections of redis-benchmark.
const CONNECTIONS: usize = 50;
/// Lowest ratio that the issue allows of any command.
const LOWEST: f64 = 0.6;
/// How often a command is measured until it is not cut off.
const ATTEMPTS: usize = 5;

/// Pipeline of redis-benchmark, what the issue asks for with it, and how much is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Shape {
    name: &'static str,
    pipeline: usize,
    /// Geometric mean of the ratios of rates.
    mean_at_least: f64,
    /// Cheap commands per second of `--seconds`.
    rate: u64,
}

const SHAPES: [Shape; 2] = [
    Shape { name: "50 connections", pipeline: 1, mean_at_least: 1.0, rate: 30_000 },
    Shape { name: "50 connections, pipeline 16", pipeline: 16, mean_at_least: 1.3, rate: 120_000 },
];

/// A command in one shape, with what each round found of Redis and of ours.
struct Row {
    shape: Shape,
    test: &'static Test,
    rounds: Vec<[Option<Figures>; 2]>,
}

impl Row {
    /// Medians of a figure: Redis's, ours, and the ratio of ours to Redis's, taken within each round.
    fn medians(&self, figure: impl Fn(&Figures) -> f64) -> [Option<f64>; 3] {
        let of = |round: &[Option<Figures>; 2], side: usize| round[side].as_ref().map(&figure);
        let ratio = |round: &[Option<Figures>; 2]| Some(of(round, 1)? / of(round, 0)?);
        let middle = |all: Vec<f64>| (!all.is_empty()).then(|| median(all));
        [
            middle(self.rounds.iter().filter_map(|round| of(round, 0)).collect()),
            middle(self.rounds.iter().filter_map(|round| of(round, 1)).collect()),
            middle(self.rounds.iter().filter_map(ratio).collect()),
        ]
    }

    /// Medians of the CPU time of each process, as one cell.
    fn cpu(&self, side: usize) -> String {
        let all: Vec<&Figures> = self.rounds.iter().filter_map(|round| round[side].as_ref()).collect();
        let of = |i: usize| median(all.iter().map(|figures| figures.cpu_us[i]));
        let processes = all.first().map_or(0, |figures| figures.cpu_us.len());
        let each: Vec<String> = (0..processes).map(|i| format!("{:.2}", of(i))).collect();
        if each.is_empty() { "-".into() } else { each.join(" + ") }
    }
}

/// Measures every command in both shapes.
///
/// # Errors
/// redis-benchmark is missing, a store does not start, or answers with errors.
pub fn measure(args: &BenchArgs, program: &Path) -> Result<Section, String> {
    let section = |text| Section { key: "types", title: "Commands of the data types", text };
    let chosen = commands::chosen(&args.tests)?;
    if !is_installed("redis-benchmark") {
        return Ok(section("Left out: redis-benchmark, which comes with Redis, is not in PATH.\n".into()));
    }
    let mut rows: Vec<Row> = Vec::new();
    for shape in SHAPES {
        rows.extend(chosen.iter().map(|&test| Row { shape, test, rounds: Vec::new() }));
    }
    let mut left_out = Vec::new();
    for round in 1..=args.rounds {
        println!("round {round} of {}", args.rounds);
        let redis = (!args.no_peers).then(|| Redis::start(Fsync::EverySecond)).transpose()?;
        let ours = (!args.peers_only).then(|| Everstore::start(program)).transpose()?;
        ours.as_ref().map(|ours| ours.make_async(KEYSPACE)).transpose()?;
        for row in &mut rows {
            if let Some(figures) = measure_patiently(args, row, redis.as_ref(), ours.as_ref())? {
                row.rounds.push(figures);
            } else if !left_out.contains(&row.test.name) {
                left_out.push(row.test.name);
            }
        }
    }
    rows.retain(|row| !row.rounds.is_empty());
    Ok(section(render(&rows, &left_out)))
}

/// The leader of the measured keyspace, and the processes with the leader's first.
fn of_leader(ours: &Everstore) -> Result<Place<'_>, String> {
    let leader = ours.leader_of_keyspace(u64::from(KEYSPACE))?;
    Ok(Place { at: ours.address(leader), processes: ours.processes(leader) })
}

/// [`measure_row`], again if it was cut off: a node that gets no time for so long that it may not be the leader any
/// more drops its connections.
fn measure_patiently(
    args: &BenchArgs,
    row: &Row,
    redis: Option<&Redis>,
    ours: Option<&Everstore>,
) -> Result<Option<[Option<Figures>; 2]>, String> {
    for _ in 0..ATTEMPTS {
        let redis = redis.map(|redis| Place { at: redis.address(), processes: redis.processes() });
        // The leader may have become another one meanwhile.
        let places = [redis, ours.map(of_leader).transpose()?];
        match measure_row(args, row, &places) {
            Err(why) if why.contains("closed the connection") => {
                println!("{why}; once more");
                ours.map(Everstore::wait_healthy).transpose()?;
            }
            done => return done,
        }
    }
    Err(format!("{}: cut off {ATTEMPTS} times: the machine is too busy", row.test.name))
}

/// The same command on both sides, one right after the other; `None` if a side does not know it.
fn measure_row(
    args: &BenchArgs,
    row: &Row,
    places: &[Option<Place<'_>>; 2],
) -> Result<Option<[Option<Figures>; 2]>, String> {
    for place in places.iter().flatten() {
        if !place.knows(row.test)? {
            return Ok(None);
        }
    }
    let requests = row.shape.rate * args.seconds / row.test.weight;
    let mut found = [None, None];
    for (place, found) in places.iter().zip(&mut found) {
        let Some(place) = place else { continue };
        *found = Some(place.measure(row.test, row.shape.pipeline, requests)?);
    }
    let shown = |figures: &Figures| format!("{:>8.0}/s {:>7.2} µs", figures.rate, figures.total_us());
    let shown: Vec<String> = found.iter().flatten().map(shown).collect();
    println!("{:<12} pipeline {:<2}  {}", row.test.name, row.shape.pipeline, shown.join("   "));
    Ok(Some(found))
}

fn render(rows: &[Row], left_out: &[&str]) -> String {
    let headings = [
        "command",
        "Redis/s",
        "Everstore/s",
        "ratio",
        "Redis: CPU µs/op of each process",
        "sum",
        "Everstore: CPU µs/op of each process",
        "sum",
        "ratio",
    ];
    let mut text = format!(
        "Redis: a primary and two replicas, appendfsync everysec. Everstore: three nodes, a single asynchronous keyspace, \
         clients at its leader. `redis-benchmark -c {CONNECTIONS} -r {}` on both sides with the commands of its own list, \
         elements and values of {} bytes as it has them, a new keyspace for each. What is taken or read is there: lists, sets and \
         sorted sets have as many elements as are taken, LRANGE reads from the head of a list of {} items.\n",
        commands::KEYS,
        commands::VALUE.len(),
        commands::ITEMS,
    );
    for shape in SHAPES {
        let of_shape: Vec<&Row> = rows.iter().filter(|row| row.shape == shape).collect();
        let cells: Vec<Vec<String>> = of_shape.iter().map(|row| cells(row)).collect();
        text.push_str(&format!("\n{}:\n\n{}\n", shape.name, table(&headings, &cells)));
        let ratio = |row: &&Row| Some((row.medians(|figures| figures.rate)[2]?, row.test.name));
        let ratios: Vec<(f64, &str)> = of_shape.iter().filter_map(ratio).collect();
        text.push_str(&verdict(shape, &ratios));
        let cpu = of_shape.iter().filter_map(|row| row.medians(Figures::total_us)[2]);
        if let Some(mean) = geometric_mean(cpu) {
            text.push_str(&format!("- geometric mean of the ratios of CPU, {}: {mean:.2}\n", shape.name));
        }
    }
    if !left_out.is_empty() {
        text.push_str(&format!("\nLeft out, because a side does not know it: {}.\n", left_out.join(", ")));
    }
    text
}

fn cells(row: &Row) -> Vec<String> {
    let digits = |value: Option<f64>, digits: usize| match value {
        Some(value) => format!("{value:.digits$}"),
        None => "-".into(),
    };
    let [theirs, ours, ratio] = row.medians(|figures| figures.rate);
    let [their_cpu, our_cpu, cpu_ratio] = row.medians(Figures::total_us);
    vec![
        row.test.name.into(),
        digits(theirs, 0),
        digits(ours, 0),
        digits(ratio, 2),
        row.cpu(0),
        digits(their_cpu, 2),
        row.cpu(1),
        digits(our_cpu, 2),
        digits(cpu_ratio, 2),
    ]
}

/// Mean and lowest ratio of rates beside what the issue asks for.
fn verdict(shape: Shape, ratios: &[(f64, &str)]) -> String {
    let lowest = ratios.iter().min_by(|a, b| a.0.total_cmp(&b.0));
    let (Some(mean), Some((lowest, command))) = (geometric_mean(ratios.iter().map(|r| r.0)), lowest) else {
        return String::new();
    };
    format!(
        "- geometric mean of the ratios of rates, {}: {mean:.2} (goal at least {:.1})\n\
         - lowest ratio of rates, {}: {lowest:.2}, {command} (goal at least {LOWEST})\n",
        shape.name, shape.mean_at_least, shape.name
    )
}

/// `None` without values.
fn geometric_mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let logarithms: Vec<f64> = values.into_iter().map(f64::ln).collect();
    (!logarithms.is_empty()).then(|| (logarithms.iter().sum::<f64>() / logarithms.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_that_of_ratios() {
        assert!(geometric_mean([0.5, 2.0]).is_some_and(|mean| (mean - 1.0).abs() < 1e-12));
        assert_eq!(geometric_mean([]), None);
    }

    #[test]
    fn ratios_are_taken_within_rounds_and_judged() {
        let figures = |rate| Some(Figures { rate, cpu_us: vec![1.0, 2.0] });
        let test = &commands::TESTS[0];
        let rounds =
            vec![[figures(10.0), figures(5.0)], [figures(30.0), figures(30.0)], [figures(20.0), None]];
        let row = Row { shape: SHAPES[0], test, rounds };
        assert_eq!(row.medians(|figures| figures.rate), [Some(20.0), Some(5.0), Some(0.5)]);
        assert_eq!((row.cpu(0), row.cpu(1)), ("1.00 + 2.00".into(), "1.00 + 2.00".into()));
        let text = render(&[row], &["XADD"]);
        assert!(
            text.contains("lowest ratio of rates, 50 connections: 0.50, SET (goal at least 0.6)"),
            "{text}"
        );
        assert!(text.contains("does not know it: XADD."), "{text}");
    }
}
