//! Scenario 3: the node that leads most shards dies or freezes under load through a surviving node.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::BenchArgs;
use super::measure::median;
use super::peer::everstore::Everstore;
use super::report::{Section, table};
use super::writers::{self, Account, Shape, Writers};

/// Load before the fault.
pub const BEFORE: Duration = Duration::from_millis(1500);
/// Load after the fault; a gap that lasts longer shows as this long.
const AFTER: Duration = Duration::from_secs(4);

/// Columns of the table.
pub const HEADINGS: [&str; 8] = [
    "fault",
    "times",
    "median gap ms",
    "worst gap ms",
    "writes acknowledged",
    "lost",
    "counted wrong",
    "client errors",
];

/// How the node fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Kill,
    Freeze,
}

/// Runs kills, then freezes.
///
/// # Errors
/// The cluster does not start, or does not become healthy again.
pub fn measure(args: &BenchArgs, program: &Path) -> Result<Section, String> {
    if args.peers_only {
        return Ok(Section { key: "failover", title: "Failover", text: "Left out: peers only.\n".into() });
    }
    let mut cluster = Everstore::start(program)?;
    let kills =
        (0..args.kills).map(|i| strike(&mut cluster, Fault::Kill, i)).collect::<Result<Vec<_>, _>>()?;
    let freezes =
        (0..args.freezes).map(|i| strike(&mut cluster, Fault::Freeze, i)).collect::<Result<Vec<_>, _>>()?;
    let rows = vec![row("kill -9", &kills), row("SIGSTOP", &freezes)];
    let mut text = table(&HEADINGS, &rows);
    text.push_str(&format!(
        "\n{} connections to one surviving node, each writing its own key of a spread keyspace in a closed loop, half of \
         them with INCR, half with SET of a new key each time. The gap of a fault is the longest time between two \
         acknowledged writes of any one connection. Lost: acknowledged SETs not there afterwards; counted wrong: INCR \
         replies that are not one more than the last, and counters that do not end at it.\n\n\
         Goals: kill -9 median at most 150 ms, worst at most 500 ms; SIGSTOP median at most 1000 ms; lost 0, errors 0.\n",
        writers::CONNECTIONS
    ));
    Ok(Section { key: "failover", title: "Failover", text })
}

fn strike(cluster: &mut Everstore, fault: Fault, number: u32) -> Result<Account, String> {
    cluster.wait_healthy()?;
    let victim = cluster.busiest(0)?;
    let through = (victim + 1 + number as usize % 2) % cluster.nodes.len();
    let name = format!("{fault:?}-{number}").to_lowercase();
    let mut writers = one_at_a_time(cluster.address(through), &name)?;
    writers.run(BEFORE)?;
    writers.forget_gaps();
    match fault {
        Fault::Kill => cluster.nodes[victim].kill(),
        Fault::Freeze => cluster.nodes[victim].signal("STOP")?,
    }
    writers.run(AFTER)?;
    match fault {
        Fault::Kill => cluster.relaunch(victim)?,
        Fault::Freeze => cluster.nodes[victim].signal("CONT")?,
    }
    writers.finish()?;
    let account = writers.account()?;
    println!(
        "{fault:?} of node {}: gap {:.0} ms, {} acknowledged, {} lost, {} counted wrong, {} errors {}",
        victim + 1,
        account.gap.as_secs_f64() * 1000.0,
        account.acknowledged,
        account.lost,
        account.miscounted,
        account.errors,
        account.first_error.as_deref().unwrap_or_default()
    );
    Ok(account)
}

/// Writers through one node, each with one small write outstanding.
///
/// # Errors
/// The node does not accept.
pub fn one_at_a_time(through: SocketAddr, name: &str) -> Result<Writers, String> {
    Writers::connect(Shape { through: &[through], name, pipeline: 1, value: 1 })
}

/// One line of the table.
pub fn row(fault: &str, all: &[Account]) -> Vec<String> {
    let gaps: Vec<f64> = all.iter().map(|account| account.gap.as_secs_f64() * 1000.0).collect();
    let worst = gaps.iter().copied().fold(0.0, f64::max);
    let sum = |count: fn(&Account) -> u64| all.iter().map(count).sum::<u64>().to_string();
    vec![
        fault.into(),
        all.len().to_string(),
        format!("{:.0}", median(gaps)),
        format!("{worst:.0}"),
        sum(|a| a.acknowledged),
        sum(|a| a.lost),
        sum(|a| a.miscounted),
        sum(|a| a.errors),
    ]
}
