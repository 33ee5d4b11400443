//! Scenario 12: a fourth node joins a loaded cluster of three, is drained and removed again, and another one is lost for
//! good.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::BenchArgs;
use super::client::{Client, figure};
use super::measure::median;
use super::peer::everstore::Everstore;
use super::probe::Probe;
use super::process::wait_for;
use super::raw::raw_write;
use super::report::{MIB, Section, compared, table};
use super::throughput::fill_keys;

/// Bytes of a value; keys have 16.
const VALUE: usize = 100;
/// Bytes of keys and values to move.
const DATA: u64 = 1 << 30;
/// The moves end within this time.
const PATIENCE: Duration = Duration::from_secs(900);
/// Between two looks whether they have: a look costs the node that is asked.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Nodes at the beginning, and index of the one that comes and goes.
const NODES: usize = 3;

/// What a change showed.
struct Moved {
    what: &'static str,
    seconds: f64,
    /// Bytes of snapshots that came.
    received: f64,
    /// What the disk does by itself, bytes a second.
    raw: f64,
    /// 99th percentile of GET and SET, µs: before and meanwhile.
    p99_us: [[f64; 2]; 2],
    errors: u64,
}

/// Grows three nodes to four and shrinks them to three again with the throttle of a new configuration, then loses one of
/// four without a throttle.
///
/// # Errors
/// The cluster does not start, or the moves do not end.
pub fn measure(args: &BenchArgs, program: &Path) -> Result<Section, String> {
    let (key, title) = ("moves", "Nodes that come and go");
    if args.peers_only {
        return Ok(Section { key, title, text: "Left out: peers only.\n".into() });
    }
    let rounds = (0..args.rounds).map(|_| round(args, program)).collect::<Result<Vec<_>, _>>()?;
    Ok(Section { key, title, text: render(&rounds) })
}

fn round(args: &BenchArgs, program: &Path) -> Result<Vec<Moved>, String> {
    let keys = DATA / (VALUE as u64 + 16);
    // Everything stays in memory: what is measured is the way over the network and to the disk.
    let mut cluster = Everstore::start_under(program, None, &["--max-memory", "0"])?;
    let probe = Probe { targets: vec![cluster.address(0)], keys, value: VALUE };
    let watched = Watched { probe, before: args.time(), raw: raw_write(cluster.folder())? };
    fill_keys(cluster.address(0), 0, keys, VALUE)?;
    cluster.wait_healthy()?;
    let grown = watched.moved(&mut cluster, "3 to 4 nodes", NODES + 1, Everstore::add_node)?;
    let drained = watched.moved(&mut cluster, "4 to 3 nodes, drained and removed", NODES, drain_last)?;
    unthrottle(&cluster)?;
    cluster.add_node()?;
    wait_until_even(&cluster, NODES + 1, "a node joins again")?;
    unthrottle(&cluster)?;
    let lost = watched.moved(&mut cluster, "a node lost, no throttle", NODES, lose_last)?;
    Ok(vec![grown, drained, lost])
}

fn unthrottle(cluster: &Everstore) -> Result<(), String> {
    for address in cluster.addresses() {
        let mut client = Client::connect(address)?;
        client.call("CONFIG SET snapshot-rate 100gb")?;
        client.call("CONFIG SET max-moves 16")?;
    }
    Ok(())
}

/// As an operator does it: the command line says when the node is empty.
fn drain_last(cluster: &mut Everstore) -> Result<(), String> {
    let id = cluster.id_of(NODES)?.to_string();
    cluster.run(&["node", "drain", &id])?;
    cluster.run(&["node", "remove", &id])?;
    // It is told that it was removed, and ends.
    let node = &mut cluster.nodes[NODES];
    wait_for("the end of a removed node", PATIENCE, || node.has_ended().then_some(()))?;
    cluster.forget_last();
    Ok(())
}

fn lose_last(cluster: &mut Everstore) -> Result<(), String> {
    let command = format!("EVERSTORE NODE REMOVE {} FORCE", cluster.id_of(NODES)?);
    cluster.nodes[NODES].kill();
    cluster.forget_last();
    let told = || Client::connect(cluster.address(0)).and_then(|mut client| client.call(&command));
    wait_for("the removal of a node", PATIENCE, || told().is_ok_and(|answer| answer == "OK").then_some(()))
}

/// What a change is measured with.
struct Watched {
    probe: Probe,
    /// How long the clients are looked at before it.
    before: Duration,
    raw: f64,
}

impl Watched {
    fn moved(
        &self,
        cluster: &mut Everstore,
        what: &'static str,
        nodes: usize,
        change: impl FnOnce(&mut Everstore) -> Result<(), String>,
    ) -> Result<Moved, String> {
        let before = self.probe.run(self.before)?;
        // A new node has had none, and one that goes says nothing any more.
        let had = received(cluster, NODES)?;
        let watch = self.probe.start();
        let started = Instant::now();
        change(cluster)?;
        wait_until_even(cluster, nodes, what)?;
        let seconds = started.elapsed().as_secs_f64();
        let during = watch.times()?;
        let moved = Moved {
            what,
            seconds,
            received: received(cluster, nodes)?.saturating_sub(had) as f64,
            raw: self.raw,
            p99_us: [before.quantile_us(0.99), during.quantile_us(0.99)],
            errors: before.errors + during.errors,
        };
        println!("{}", row(&[&moved]).join(" | "));
        Ok(moved)
    }
}

fn wait_until_even(cluster: &Everstore, nodes: usize, what: &str) -> Result<(), String> {
    let started = Instant::now();
    while !is_even(&cluster.status(0)?, nodes) {
        if started.elapsed() > PATIENCE {
            return Err(format!("{what}: not over after {PATIENCE:?}"));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Bytes of snapshots that have come to the first nodes.
fn received(cluster: &Everstore, nodes: usize) -> Result<u64, String> {
    let of = |address| {
        let info = Client::connect(address)?.call("INFO everstore")?;
        figure(&info, "snapshot_received_bytes")
            .ok_or("INFO everstore has no snapshot_received_bytes".to_owned())
    };
    cluster.addresses().into_iter().take(nodes).map(of).sum()
}

/// All replicas are where they should be.
fn is_even(status: &Value, nodes: usize) -> bool {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let seats: Vec<u64> = list(&status["nodes"]).iter().filter_map(|node| node["seats"].as_u64()).collect();
    let (least, most) = (seats.iter().min().copied(), seats.iter().max().copied());
    let even = least.zip(most).is_some_and(|(least, most)| least + 1 >= most);
    list(&status["moves"]).is_empty() && status["planned_moves"] == 0 && seats.len() == nodes && even
}

/// The line of one change in all rounds: medians, and the errors of all.
fn row(all: &[&Moved]) -> Vec<String> {
    // Of three replicas of everything one in four is on the node that comes or goes, and each row has its names beside it.
    let least = (DATA * 3 / 4) as f64;
    let of = |figure: &dyn Fn(&Moved) -> f64| median(all.iter().map(|moved| figure(moved)));
    let times = |at: usize| {
        let pairs: Vec<[f64; 2]> =
            all.iter().map(|moved| [moved.p99_us[0][at], moved.p99_us[1][at]]).collect();
        compared(&pairs)
    };
    let received = of(&|moved| moved.received);
    vec![
        all[0].what.to_owned(),
        format!("{:.1} s", of(&|moved| moved.seconds)),
        format!("{:.0} MiB ({:.2} of the keys and values)", received / MIB, received / least),
        format!(
            "{:.0} MiB/s ({:.0} % of raw)",
            of(&|moved| moved.received / moved.seconds) / MIB,
            of(&|moved| 100.0 * moved.received / moved.seconds / moved.raw)
        ),
        times(0),
        times(1),
        all.iter().map(|moved| moved.errors).sum::<u64>().to_string(),
    ]
}

fn render(rounds: &[Vec<Moved>]) -> String {
    let changes = rounds.first().map_or(0, Vec::len);
    let rows: Vec<Vec<String>> =
        (0..changes).map(|at| row(&rounds.iter().map(|round| &round[at]).collect::<Vec<_>>())).collect();
    let headings =
        ["Change", "Time", "Snapshots", "Rate", "p99 of GET before -> meanwhile", "p99 of SET", "Errors"];
    format!(
        "{}\n1 GiB of keys and values of 116 bytes, all in memory; four clients with one command at a time through \
         the first node, GET and SET in turn, percentiles of all their commands. A file of 1 GiB written in a row and \
         synced: {:.0} MiB/s. Growing and draining: the throttle of a new configuration (64 MiB/s a snapshot, two shards \
         at a time); drained: from the command until the node is removed and the plan is empty. Medians over the rounds.\n\n\
         Goals: growing and draining at most 1.1 times the least bytes, p99 at most twice; a lost node at least 50 % of \
         raw; errors 0.\n",
        table(&headings, &rows),
        median(rounds.iter().flatten().map(|moved| moved.raw)) / MIB
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_still_moves_is_not_even() {
        let status = |seats: [u64; 4], planned: u64| {
            let nodes: Vec<Value> = seats.iter().map(|seats| serde_json::json!({ "seats": seats })).collect();
            serde_json::json!({ "nodes": nodes, "moves": [], "planned_moves": planned })
        };
        assert!(is_even(&status([12, 13, 13, 13], 0), 4));
        assert!(!is_even(&status([12, 13, 13, 13], 1), 4));
        assert!(!is_even(&status([11, 13, 13, 14], 0), 4));
        assert!(!is_even(&status([12, 13, 13, 13], 0), 3));
    }
}
