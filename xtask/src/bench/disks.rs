//! Scenario 6: the disk of the node that leads most shards becomes slow, full or fails under load through a
//! surviving node.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::BenchArgs;
use super::failover::{BEFORE, HEADINGS, one_at_a_time, row};
use super::peer::everstore::Everstore;
use super::process::{Folder, wait_for};
use super::report::{Section, table};
use super::writers::Account;
use crate::run::root;

/// Load after the fault. A full disk shows only when the log needs its next segment.
const AFTER: Duration = Duration::from_secs(6);
const AFTER_FULL: Duration = Duration::from_secs(20);
/// A node whose disk was slow leads again after half a minute.
const WELL_AGAIN: Duration = Duration::from_secs(120);
/// Times of each fault.
const TIMES: u32 = 3;

/// What is wrong with the disk, and how the fault layer is told: ms of a sync, fails, no space.
const FAULTS: [(&str, &str, Duration); 4] = [
    ("10 times slower", "", AFTER),
    ("200 ms a sync", "200 0 0", AFTER),
    ("full", "0 0 1", AFTER_FULL),
    ("failing", "0 1 0", AFTER),
];

/// Makes one disk after the other sick.
///
/// # Errors
/// The cluster does not start, or does not become healthy again.
pub fn measure(args: &BenchArgs, program: &Path) -> Result<Section, String> {
    let (key, title) = ("disks", "Sick disks");
    if args.peers_only {
        return Ok(Section { key, title, text: "Left out: peers only.\n".into() });
    }
    let folder = Folder::make("sick")?;
    let library = build(folder.path())?;
    let mut rows = Vec::new();
    for (name, control, after) in FAULTS {
        // A new cluster each: it need not be waited for until leadership has come back slowly.
        let mut cluster =
            Everstore::start_under(program, Some(library.clone()), &["--segment-size", "32mb"])?;
        let strikes = (0..TIMES).map(|number| strike(&mut cluster, (name, control, after), number));
        rows.push(row(name, &strikes.collect::<Result<Vec<_>, _>>()?));
    }
    let mut text = table(&HEADINGS, &rows);
    text.push_str(
        "\nAs for failover; the disk is sick from the fault on until the account is made. 10 times slower: ten times \
         the median that the node shows under the same load. Full: no space can be reserved.\n\nGoals: worst gap at most 3000 ms; lost 0, errors \
         0.\n",
    );
    Ok(Section { key, title, text })
}

/// The fault layer of the process tests, which catches syncs and reservations of space.
fn build(folder: &Path) -> Result<PathBuf, String> {
    let source = root().join("tests-python").join("faultfs").join("sick.c");
    let library = folder.join("sick.so");
    let mut command = Command::new("cc");
    command.args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(source);
    match command.status() {
        Ok(status) if status.success() => Ok(library),
        other => Err(format!("cc cannot build the fault layer: {other:?}")),
    }
}

fn strike(
    cluster: &mut Everstore,
    (name, control, after): (&str, &str, Duration),
    number: u32,
) -> Result<Account, String> {
    let victim = cluster.busiest(0)?;
    let through = (victim + 1 + number as usize % 2) % cluster.nodes.len();
    let mut writers = one_at_a_time(cluster.address(through), &format!("disk-{}-{number}", name.len()))?;
    writers.run(BEFORE)?;
    let slower = format!("{} 0 0", cluster.sync_ms(victim)? * 10.0);
    writers.forget_gaps();
    cluster.sicken(victim, if control.is_empty() { &slower } else { control })?;
    writers.run(after)?;
    writers.finish()?;
    cluster.sicken(victim, "0 0 0")?;
    if cluster.nodes[victim].has_ended() {
        cluster.relaunch(victim)?;
    }
    let account = writers.account()?;
    println!(
        "{name}, node {}: gap {:.0} ms, {} acknowledged, {} lost, {} errors {}",
        victim + 1,
        account.gap.as_secs_f64() * 1000.0,
        account.acknowledged,
        account.lost,
        account.errors,
        account.first_error.as_deref().unwrap_or_default()
    );
    cluster.wait_healthy()?;
    wait_for("no disk is sick", WELL_AGAIN, || cluster.all_fit().then_some(()))?;
    Ok(account)
}
