//! Scenario 12: a fourth node joins a loaded cluster of three, and then is lost for good.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::BenchArgs;
use super::client::{Client, figure};
use super::load::{self, Load, Operation, Until};
use super::measure::median;
use super::peer::everstore::Everstore;
use super::process::wait_for;
use super::report::{Section, table};
use super::throughput::fill_keys;

/// Bytes of a value; keys have 16.
const VALUE: usize = 100;
/// Bytes of keys and values to move.
const DATA: u64 = 1 << 30;
/// Connections of clients meanwhile, one command at a time each, so that they leave the machine some time.
const CONNECTIONS: usize = 4;
/// Length of one look at clients.
const LOOK: Duration = Duration::from_secs(1);
/// Looks before anything moves.
const LOOKS: usize = 5;
/// The moves end within this time.
const PATIENCE: Duration = Duration::from_secs(900);
/// Bytes written to find out what the disk does by itself.
const RAW: usize = 1 << 30;

/// What moves showed.
struct Moved {
    what: &'static str,
    seconds: f64,
    /// Bytes of snapshots that came, and the least that had to.
    received: [u64; 2],
    /// 99th percentile of GET and SET, µs: before and meanwhile.
    p99_us: [[f64; 2]; 2],
    errors: u64,
}

/// Grows three nodes to four with the throttle of a new configuration, then loses one without a throttle.
///
/// # Errors
/// The cluster does not start, or the moves do not end.
pub fn measure(args: &BenchArgs, program: &Path) -> Result<Section, String> {
    let (key, title) = ("moves", "Nodes that come and go");
    if args.peers_only {
        return Ok(Section { key, title, text: "Left out: peers only.\n".into() });
    }
    let keys = DATA / (VALUE as u64 + 16);
    // Everything stays in memory: what is measured is the way over the network and to the disk.
    let mut cluster = Everstore::start_under(program, None, &["--max-memory", "0"])?;
    let raw = raw_write(cluster.folder())?;
    fill_keys(cluster.address(0), 0, keys, VALUE)?;
    cluster.wait_healthy()?;
    let grown = moved(&mut cluster, keys, "3 to 4 nodes", 4, Everstore::add_node)?;
    for address in cluster.addresses() {
        let mut client = Client::connect(address)?;
        client.call("CONFIG SET snapshot-rate 100gb")?;
        client.call("CONFIG SET max-moves 16")?;
    }
    let lost = moved(&mut cluster, keys, "a node lost, no throttle", 3, |cluster| {
        cluster.nodes[3].kill();
        cluster.forget_last();
        let told =
            || Client::connect(cluster.address(0)).and_then(|mut c| c.call("EVERSTORE NODE REMOVE 4 FORCE"));
        wait_for("the removal of a node", PATIENCE, || {
            told().is_ok_and(|answer| answer == "OK").then_some(())
        })
    })?;
    Ok(Section { key, title, text: render(raw, &[grown, lost]) })
}

/// Bytes per second that the disk takes of one file, written in a row and synced once.
fn raw_write(folder: &Path) -> Result<f64, String> {
    let path = folder.join("raw");
    let block = vec![0x5a_u8; 4 << 20];
    let started = Instant::now();
    let written = File::create(&path).and_then(|mut file| {
        (0..RAW / block.len()).try_for_each(|_| file.write_all(&block))?;
        file.sync_all()
    });
    written.map_err(|e| format!("{}: {e}", path.display()))?;
    let rate = RAW as f64 / started.elapsed().as_secs_f64();
    std::fs::remove_file(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(rate)
}

fn moved(
    cluster: &mut Everstore,
    keys: u64,
    what: &'static str,
    nodes: usize,
    change: impl FnOnce(&mut Everstore) -> Result<(), String>,
) -> Result<Moved, String> {
    let (mut before, mut during, mut errors) = (Vec::new(), Vec::new(), 0);
    for _ in 0..LOOKS {
        before.push(look(cluster, keys)?.0);
    }
    // A new node has had none, and one that is lost says nothing any more.
    let before_it = received(cluster, 3)?;
    change(cluster)?;
    let started = Instant::now();
    let mut seconds = 0.0;
    while seconds == 0.0 {
        if started.elapsed() > PATIENCE {
            return Err(format!("{what}: not over after {PATIENCE:?}"));
        }
        let (p99, wrong) = look(cluster, keys)?;
        during.push(p99);
        errors += wrong;
        if is_even(&cluster.status(0)?, nodes) {
            seconds = started.elapsed().as_secs_f64();
        }
    }
    // Of three replicas of everything one in `nodes` parts, and each row has its names beside it.
    let least = DATA * 3 / 4;
    let p99 = |looks: &[[f64; 2]], at: usize| median(looks.iter().map(|look| look[at]));
    let p99_us = [[p99(&before, 0), p99(&before, 1)], [p99(&during, 0), p99(&during, 1)]];
    let received = [received(cluster, nodes)?.saturating_sub(before_it), least];
    Ok(Moved { what, seconds, received, p99_us, errors })
}

/// 99th percentiles of GET and of SET through the first node, µs, and errors.
fn look(cluster: &Everstore, keys: u64) -> Result<([f64; 2], u64), String> {
    let run = |operation| {
        load::run(&Load {
            targets: vec![cluster.address(0)],
            connections: CONNECTIONS,
            pipeline: 1,
            operation,
            keyspace: 0,
            keys,
            value: VALUE,
            until: Until::Elapsed(LOOK),
        })
    };
    let (get, set) = (run(Operation::Get)?, run(Operation::Set)?);
    Ok(([get.times.quantile_us(0.99), set.times.quantile_us(0.99)], get.errors + set.errors))
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

fn render(raw: f64, all: &[Moved]) -> String {
    let mib = |bytes: f64| format!("{:.0} MiB", bytes / f64::from(1 << 20));
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|moved| {
            let Moved { what, seconds, received: [received, least], p99_us: [before, during], errors } =
                moved;
            let rate = *received as f64 / seconds;
            let times = |at: usize| {
                format!(
                    "{:.0} -> {:.0} us ({:.1}x)",
                    before[at],
                    during[at],
                    during[at] / before[at].max(1.0)
                )
            };
            vec![
                (*what).to_owned(),
                format!("{seconds:.1} s"),
                format!(
                    "{} ({:.2} of the keys and values)",
                    mib(*received as f64),
                    *received as f64 / *least as f64
                ),
                format!("{}/s ({:.0} % of raw)", mib(rate), 100.0 * rate / raw),
                times(0),
                times(1),
                errors.to_string(),
            ]
        })
        .collect();
    let headings =
        ["Change", "Time", "Snapshots", "Rate", "p99 of GET before -> meanwhile", "p99 of SET", "Errors"];
    format!(
        "{}\n1 GiB of keys and values of 116 bytes, all in memory; four clients with one command at a time through \
         the first node, for seconds of GET and SET in turn. A file of 1 GiB written in a row and synced: {}/s. Growing: \
         the throttle of a new configuration (64 MiB/s a snapshot, two shards at a time).\n\nGoals: growing at most 1.1 \
         times the least bytes, p99 at most twice; a lost node at least 50 % of raw; errors 0.\n",
        table(&headings, &rows),
        mib(raw)
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
