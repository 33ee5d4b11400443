//! Scenario 4, first half: what a cluster costs that nobody uses.

use std::path::Path;
use std::time::{Duration, Instant};

use super::peer::everstore::Everstore;
use super::report::{Section, table};
use super::throughput::fill_keys;

/// After a change, checkpoints and elections are over by then.
const SETTLE: Duration = Duration::from_secs(5);
/// Length of the measurement; 10 ms of CPU time are the smallest that is seen.
const WINDOW: Duration = Duration::from_secs(30);

/// Measures an empty cluster, then one with 100 000 keys.
///
/// # Errors
/// The cluster does not start.
pub fn measure(program: &Path) -> Result<Section, String> {
    let cluster = Everstore::start(program)?;
    let mut rows = Vec::new();
    for (what, keys) in [("empty", 0), ("100 000 keys", 100_000)] {
        if keys > 0 {
            fill_keys(cluster.address(0), 0, keys, 100)?;
        }
        std::thread::sleep(SETTLE);
        let before: Vec<Duration> = cluster.nodes.iter().map(|node| node.cpu()).collect();
        let started = Instant::now();
        std::thread::sleep(WINDOW);
        let elapsed = started.elapsed();
        for (node, before) in cluster.nodes.iter().zip(before) {
            let share = (node.cpu() - before).as_secs_f64() / elapsed.as_secs_f64() * 100.0;
            let mib = node.resident() as f64 / f64::from(1 << 20);
            rows.push(vec![what.into(), node.label.clone(), format!("{share:.2}"), format!("{mib:.1}")]);
        }
    }
    let mut text = table(&["cluster", "node", "CPU, % of a core", "resident MiB"], &rows);
    text.push_str("\nGoal: at most 1 % of a core and 60 MiB per node.\n");
    Ok(Section { key: "idle", title: "An idle cluster", text })
}
