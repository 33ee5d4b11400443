//! What it costs to find a rank, and who has it: it should hardly depend on the size of the sorted set.

use std::net::SocketAddr;
use std::path::Path;

use super::super::BenchArgs;
use super::super::load::{Load, Operation, Until};
use super::super::measure::{Measurement, measure as run, median};
use super::super::peer::redis::{Fsync, Redis};
use super::super::process::{Process, wait_idle};
use super::super::report::table;
use super::super::types::KEYSPACE;
use super::{fill, start};

/// Members of the small and of the large sorted set.
const SIZES: [u64; 2] = [1_000, 1_000_000];
/// How many times more the large one may cost.
const MOST: f64 = 5.0;
const QUERIES: [(&str, Operation); 2] =
    [("ZRANK", Operation::Rank), ("ZRANGE of one rank", Operation::AtRank)];

/// What one store's process spends on a query, µs of CPU: for each query, for each size, for each round.
struct Costs {
    store: &'static str,
    of: [[Vec<Measurement>; 2]; 2],
}

/// Measures ours and, if asked for, Redis.
///
/// # Errors
/// A store does not start, or a member is not where it should be.
pub fn measure(args: &BenchArgs, program: &Path, with_redis: bool) -> Result<String, String> {
    let mut all = Vec::new();
    if with_redis {
        let redis = Redis::start_alone(Fsync::EverySecond)?;
        all.push(costs(args, "Redis", redis.address(), &redis.processes())?);
    }
    if !args.peers_only {
        let ours = start(program)?;
        let leader = ours.leader_of_keyspace(u64::from(KEYSPACE))?;
        all.push(costs(args, "Everstore", ours.address(leader), &ours.processes(leader))?);
    }
    Ok(render(&all))
}

fn costs(
    args: &BenchArgs,
    store: &'static str,
    at: SocketAddr,
    processes: &[&Process],
) -> Result<Costs, String> {
    let mut costs = Costs { store, of: Default::default() };
    for (size, members) in SIZES.into_iter().enumerate() {
        // The members of the small one are those of the large one with the same ranks.
        fill::sorted_set(at, members)?;
        wait_idle(processes);
        for _ in 0..args.rounds {
            for (query, (name, operation)) in QUERIES.into_iter().enumerate() {
                let load = Load {
                    targets: vec![at],
                    connections: 50,
                    pipeline: 16,
                    operation,
                    keyspace: KEYSPACE,
                    keys: members,
                    value: 0,
                    until: Until::Elapsed(args.time()),
                };
                let measured = run(&load, processes).map_err(|e| format!("{store}: {name}: {e}"))?;
                println!(
                    "{store}: {name} of {members}: {:.0}/s, {:.2} µs",
                    measured.rate, measured.cpu_us[0]
                );
                costs.of[query][size].push(measured);
            }
        }
    }
    Ok(costs)
}

fn render(all: &[Costs]) -> String {
    let mut rows = Vec::new();
    let mut worst = 0.0;
    for costs in all {
        for ((name, _), sizes) in QUERIES.iter().zip(&costs.of) {
            let of = |size: usize, figure: fn(&Measurement) -> f64| median(sizes[size].iter().map(figure));
            let cpu = [0, 1].map(|size| of(size, |m| m.cpu_us[0]));
            let ratio = cpu[1] / cpu[0];
            if costs.store == "Everstore" {
                worst = f64::max(worst, ratio);
            }
            rows.push(vec![
                costs.store.into(),
                (*name).into(),
                format!("{:.0}", of(0, |m| m.rate)),
                format!("{:.0}", of(1, |m| m.rate)),
                format!("{:.2}", cpu[0]),
                format!("{:.2}", cpu[1]),
                format!("{ratio:.2}"),
            ]);
        }
    }
    let headings = [
        "store",
        "query",
        "of 1000 members/s",
        "of 1 000 000/s",
        "CPU µs/op of 1000",
        "CPU µs/op of 1 000 000",
        "ratio",
    ];
    format!(
        "Random ranks of a sorted set, 50 connections, pipeline 16; CPU of the process that answers.\n\n{}\n\
         Goal: the large one costs at most {MOST:.0} times the small one; at worst {worst:.2} times.\n",
        table(&headings, &rows)
    )
}
