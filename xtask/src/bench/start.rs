//! Scenario 4, second half: start of a node with a million keys, and the clean build.

use std::path::Path;
use std::time::{Duration, Instant};

use super::BenchArgs;
use super::client::Client;
use super::measure::median;
use super::peer::everstore::Everstore;
use super::process::{Folder, wait_for};
use super::report::{Section, table};
use super::throughput::fill_keys;
use crate::run::{cargo, streamed};

const KEYS: u64 = 1_000_000;
const VALUE: usize = 100;

/// Stops a node cleanly, and kills it, and takes the time from its start until it answers a read.
///
/// # Errors
/// The cluster does not start, or the node does not come back within two minutes.
pub fn measure(args: &BenchArgs, program: &Path) -> Result<Section, String> {
    let mut cluster = Everstore::start(program)?;
    fill_keys(cluster.address(0), 0, KEYS, VALUE)?;
    cluster.wait_healthy()?;
    let victim = cluster.nodes.len() - 1;
    let mut rows = Vec::new();
    for (what, clean) in [("after a clean stop", true), ("after kill -9", false)] {
        let mut ready = Vec::new();
        let mut healthy = Vec::new();
        for _ in 0..args.rounds {
            if clean {
                cluster.nodes[victim].stop()
            } else {
                cluster.nodes[victim].kill()
            }
            let started = Instant::now();
            cluster.relaunch(victim)?;
            wait_for("the node answers a read", Duration::from_secs(120), || {
                Client::connect(cluster.address(victim)).ok()?.call("GET key:000000000000").ok()
            })?;
            ready.push(started.elapsed().as_secs_f64());
            cluster.wait_healthy()?;
            healthy.push(started.elapsed().as_secs_f64());
        }
        rows.push(vec![what.into(), format!("{:.2}", median(ready)), format!("{:.2}", median(healthy))]);
    }
    let mut text =
        table(&["start with 1 000 000 keys", "answers a read after, s", "cluster healthy after, s"], &rows);
    text.push_str("\nGoal: at most 3 s.\n");
    Ok(Section { key: "start", title: "Start of a node", text })
}

/// A release build into an empty folder, with the libraries' sources downloaded already.
///
/// # Errors
/// It does not build.
pub fn build() -> Result<Section, String> {
    let folder = Folder::make("build")?;
    let started = Instant::now();
    let mut command = cargo(&["build", "--release", "--locked", "--package", "everstore"]);
    if !streamed(command.env("CARGO_TARGET_DIR", folder.path()))?.success {
        return Err("the release build failed".into());
    }
    let seconds = started.elapsed().as_secs_f64();
    let text = format!("{:.1} minutes (goal: at most 6).\n", seconds / 60.0);
    Ok(Section { key: "build", title: "Clean release build", text })
}
