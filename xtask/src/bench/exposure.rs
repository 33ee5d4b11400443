//! Scenario 8: what an asynchronous keyspace exposes under full load, and what kills of its leader lose of
//! it, judged against the ledgers of the writers and against what the cluster says that it lost.

mod losses;
mod sample;
mod verdict;
mod writers;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::BenchArgs;
use super::client::Client;
use super::peer::everstore::Everstore;
use super::process::wait_for;
use super::report::{Section, table};
use losses::Losses;
use verdict::{Bound, HEADINGS, Kill, Told, row};
use writers::{Writers, Written};

/// Single by default: one shard, one leader.
const KEYSPACE: u16 = 1;
/// Load before a kill, and so many times 37 ms more, so that kills meet a cluster in different moments.
const BEFORE: Duration = Duration::from_millis(800);
const STEP: Duration = Duration::from_millis(37);
/// How long a leader answers alone that is cut off: shorter than its lease.
const ALONE: Duration = Duration::from_millis(90);
/// The load of the samples is tried so often.
const TRIES: u32 = 5;
/// A kill is repeated so often, on average, if the leader has changed before it.
const MOST_REPEATS: u32 = 3;
/// Longest wait for what the cluster says of a loss.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the leader ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The process alone: the system still delivers what is in its sockets.
    Process,
    /// As if the whole machine were gone: its followers hear nothing any more while it still answers.
    CutOff,
}

/// Samples the exposure, then kills leaders. Gives the violations of what is promised, too.
///
/// # Errors
/// A cluster does not start, does not become healthy again, or does not answer.
pub fn measure(args: &BenchArgs, program: &Path) -> Result<(Section, u64), String> {
    let (key, title) = ("exposure", "Exposure of an asynchronous keyspace");
    if args.peers_only {
        return Ok((Section { key, title, text: "Left out: peers only.\n".into() }, 0));
    }
    let (bound, mut text, mut violations) = sampled(args, program)?;
    let (mut rows, mut found, mut moved) = (Vec::new(), Vec::new(), 0);
    for (fault, name) in [(Fault::Process, "kill -9"), (Fault::CutOff, "cut off, then kill -9")] {
        let mut cluster = start(program)?;
        let (again, more) = repeat(args.kills, |i| kill_and_restart(&mut cluster, fault, i, bound))?;
        drop(cluster);
        let (removed, others) = repeat(args.kills, |i| kill_and_remove(program, fault, i, bound))?;
        rows.push(row(&format!("{name}, process started again"), &again, bound));
        rows.push(row(&format!("{name}, folder removed"), &removed, bound));
        moved += more.len() + others.len();
        found.extend(again.iter().chain(&more).chain(&removed).flat_map(|kill| kill.violations(bound)));
    }
    text.push_str(&format!("\n{}", table(&HEADINGS, &rows)));
    text.push_str(&format!(
        "\n{} connections at the leader of a single asynchronous keyspace, each writing keys of its own, {} at a time with values of \
         100 bytes, and remembering what was answered. After a kill -9 the system still delivers what the process had handed \
         it; cut off: the followers are stopped {} ms before the kill, and killed and started again after it, so that they get nothing of \
         what the leader answered meanwhile. Lost: answered writes that the surviving nodes do not have, their \
         keys and values in bytes, and the time between the answers to the first and the last of them. Started again: \
         missing from the accounts are lost writes that no loss account names. Folder removed (a new cluster each time): \
         nobody can name them; missing are the losses for which `everstore losses list` states no bound, or one below \
         what was lost. Not in the table: {moved} kills after which another node led already when the others could be asked.\n",
        writers::CONNECTIONS,
        writers::PIPELINE,
        ALONE.as_millis()
    ));
    violations += found.len() as u64;
    text.push_str(&match violations {
        0 => "\nGoal: no violation. None was found.\n".into(),
        _ => format!("\n**VIOLATIONS: {violations}**\n\n"),
    });
    found.iter().for_each(|violation| text.push_str(&format!("- **{violation}**\n")));
    Ok((Section { key, title, text }, violations))
}

/// The exposure under load. A leader that stands still until its lease is over closes connections: on a machine that is busy with
/// other things the load may need another try.
fn sampled(args: &BenchArgs, program: &Path) -> Result<(Bound, String, u64), String> {
    let mut last = String::new();
    for _ in 0..TRIES {
        let cluster = start(program)?;
        let bound = bound(&cluster)?;
        match sample::measure(args, &cluster, KEYSPACE, bound) {
            Ok((text, beyond)) => return Ok((bound, text, beyond)),
            Err(error) => last = error,
        }
        println!("once more: {last}");
    }
    Err(last)
}

fn start(program: &Path) -> Result<Everstore, String> {
    let cluster = Everstore::start(program)?;
    cluster.make_async(KEYSPACE)?;
    Ok(cluster)
}

/// What the keyspace may expose.
fn bound(cluster: &Everstore) -> Result<Bound, String> {
    let entry = cluster.keyspace(u64::from(KEYSPACE))?;
    let number = |name: &str| entry[name].as_u64().ok_or(format!("the keyspace has no {name}"));
    Ok(Bound { bytes: number("max_exposure_bytes")?, ms: number("max_exposure_ms")? })
}

/// So many kills of leaders. Those of a node that had lost the lead before its end are repeated, and are no leaders' kills;
/// their accounts are judged as well.
fn repeat(
    times: u32,
    mut strike: impl FnMut(u32) -> Result<Kill, String>,
) -> Result<(Vec<Kill>, Vec<Kill>), String> {
    let (mut counted, mut others) = (Vec::new(), Vec::new());
    for number in 0..times * MOST_REPEATS {
        if counted.len() as u32 == times {
            break;
        }
        let kill = strike(number)?;
        if kill.led { counted.push(kill) } else { others.push(kill) }
    }
    Ok((counted, others))
}

/// Load on the leader until it is dead: (its index, what was written, whether it led to the end).
fn kill(cluster: &mut Everstore, fault: Fault, number: u32) -> Result<(usize, Written, bool), String> {
    let victim = cluster.leader_of_keyspace(u64::from(KEYSPACE))?;
    let mut writers = Writers::connect(cluster.address(victim), KEYSPACE, &format!("kill-{number}"))?;
    writers.run(BEFORE + STEP * (number % 20))?;
    // On a busy machine a leader may lose its shard under the load: then one of the others knows of another. They
    // know of none as soon as its connections break.
    let others: Vec<usize> = (0..cluster.nodes.len()).filter(|index| *index != victim).collect();
    let leads = |cluster: &Everstore| {
        let seen = |index: &usize| cluster.leader_seen_by(*index, u64::from(KEYSPACE));
        others.iter().all(|index| !seen(index).is_ok_and(|leader| leader != victim))
    };
    let led = match fault {
        Fault::Process => {
            cluster.nodes[victim].kill();
            leads(cluster)
        }
        Fault::CutOff => {
            let led = leads(cluster);
            others.iter().try_for_each(|index| cluster.nodes[*index].signal("STOP"))?;
            writers.run(ALONE)?;
            cluster.nodes[victim].kill();
            // What waits in their sockets must not reach them.
            others.iter().for_each(|index| cluster.nodes[*index].kill());
            others.iter().try_for_each(|index| cluster.relaunch(*index))?;
            led
        }
    };
    Ok((victim, writers.finish()?, led))
}

/// A node that lives, once it answers for the keyspace: it may have been started again.
fn survivor(cluster: &Everstore, victim: usize) -> Result<SocketAddr, String> {
    let address = cluster.address((victim + 1) % cluster.nodes.len());
    wait_for("an answer of the survivors", PATIENCE, || {
        let mut client = Client::connect(address).ok()?;
        client.call(&format!("SELECT {KEYSPACE}")).ok()?;
        client.call("EXISTS nothing").ok()
    })?;
    Ok(address)
}

fn kill_and_restart(
    cluster: &mut Everstore,
    fault: Fault,
    number: u32,
    bound: Bound,
) -> Result<Kill, String> {
    cluster.wait_healthy()?;
    let (victim, written, led) = kill(cluster, fault, number)?;
    let survivor = survivor(cluster, victim)?;
    let lost = written.missing(survivor, KEYSPACE)?;
    cluster.relaunch(victim)?;
    cluster.wait_healthy()?;
    // Both followers have the new leader's log: what the old one had instead is accounted for.
    let mut client = Client::connect(survivor)?;
    client.call(&format!("SELECT {KEYSPACE}"))?;
    wait_for("both followers in step", PATIENCE, || {
        client.call("SET settled 1").ok()?;
        (client.call("WAIT 2 5000").ok()? == "2").then_some(())
    })?;
    let losses = Losses::of(cluster.program(), survivor);
    let accounts = wait_for("settled loss accounts", PATIENCE, || {
        losses.list().ok().filter(|all| all.iter().all(|loss| loss.state == "lost"))
    })?;
    let named = losses.keys(&accounts, cluster.folder())?;
    let unnamed = lost.iter().filter(|write| !named.contains(&write.key)).count() as u64;
    let kill = Kill::new(&written, &lost, led, Told::Named { named: named.len() as u64, unnamed });
    tell(&kill, number, victim, bound, cluster);
    losses.acknowledge(&accounts)?;
    client.call("FLUSHDB")?;
    Ok(kill)
}

fn kill_and_remove(program: &Path, fault: Fault, number: u32, bound: Bound) -> Result<Kill, String> {
    let mut cluster = start(program)?;
    let (victim, written, led) = kill(&mut cluster, fault, number)?;
    cluster.remove_folder(victim)?;
    let survivor = survivor(&cluster, victim)?;
    let lost = written.missing(survivor, KEYSPACE)?;
    let losses = Losses::of(cluster.program(), survivor);
    let stated = wait_for("the bound of a loss", PATIENCE, || {
        losses.list().ok()?.into_iter().find_map(|loss| loss.bound)
    });
    let kill = Kill::new(&written, &lost, led, Told::Bound(stated.ok()));
    tell(&kill, number, victim, bound, &mut cluster);
    Ok(kill)
}

/// One line of progress; what shows a violation is kept.
fn tell(kill: &Kill, number: u32, victim: usize, bound: Bound, cluster: &mut Everstore) {
    println!("kill {} of node {}: {kill}", number + 1, victim + 1);
    // A folder that is removed takes the accounts of earlier leaderships with it.
    let judged = kill.led || matches!(kill.told, Told::Named { .. });
    for violation in kill.violations(bound).iter().filter(|_| judged) {
        println!("VIOLATION: {violation}; kept: {}", cluster.keep_folder().display());
    }
}
