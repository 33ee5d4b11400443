//! All shards are split in two, twice, under a load of writes with an exact account.

mod phase;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::BenchArgs;
use super::peer::everstore::{Commands, Everstore};
use super::probe::Probe;
use super::report::Section;
use super::throughput::fill_keys;
use super::writers::{Account, CONNECTIONS, Shape, Writers};
use phase::{Phase, phases};

/// Keys that are there when the load begins; the separate clients read and write them.
const KEYS: u64 = 800_000;
/// Bytes of a value.
const VALUE: usize = 100;
/// Writes that a connection has outstanding.
const PIPELINE: u64 = 16;
/// Writers write for so long before anything is measured: logs and buffers grow at first.
const WARM_UP: Duration = Duration::from_secs(2);
/// A split ends within this time.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks of a node's status: a look costs the node that is asked.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Splits all shards twice, each round in a new cluster. The second figure: acknowledged writes that are not there, or
/// wrong.
///
/// # Errors
/// The cluster does not start, or a split does not end.
pub fn measure(args: &BenchArgs, program: &Path) -> Result<(Section, u64), String> {
    let (key, title) = ("split", "Shards that are split");
    if args.peers_only {
        return Ok((Section { key, title, text: "Left out: peers only.\n".into() }, 0));
    }
    let mut rounds = Vec::new();
    let mut account = Account::default();
    for _ in 0..args.rounds {
        let (phases, of_round) = round(args, program)?;
        account.add(of_round);
        rounds.push(phases);
    }
    let violations = account.lost + account.miscounted;
    Ok((Section { key, title, text: render(&rounds, &account) }, violations))
}

fn round(args: &BenchArgs, program: &Path) -> Result<(Vec<Phase>, Account), String> {
    let mut cluster = Everstore::start(program)?;
    fill_keys(cluster.address(0), 0, KEYS, VALUE)?;
    cluster.wait_healthy()?;
    let shards = shards(&cluster)?;
    let through = cluster.addresses();
    let shape = Shape { through: &through, name: "split", pipeline: PIPELINE, value: VALUE };
    let mut load = Loaded {
        writers: Writers::connect(shape)?,
        probe: Probe { targets: through.clone(), keys: KEYS, value: VALUE },
    };
    load.writers.run(WARM_UP)?;
    let mut phases = vec![load.steady("before", shards, args.time())?];
    for more in [2, 4] {
        phases.push(load.split(&cluster, more * shards)?);
        phases.push(load.steady("after it", more * shards, args.time())?);
    }
    load.writers.finish()?;
    let account = load.writers.account()?;
    if account.lost + account.miscounted > 0 {
        println!("the data is kept: {}", cluster.keep_folder().display());
    }
    println!("{}", summary(&account));
    Ok((phases, account))
}

fn shards(cluster: &Everstore) -> Result<usize, String> {
    let status = cluster.status(0)?;
    let shards = status["shards"].as_array().map(Vec::len).filter(|shards| *shards > 0);
    shards.ok_or_else(|| "the status names no shards".into())
}

/// The writers and the clients beside them.
struct Loaded {
    writers: Writers,
    probe: Probe,
}

impl Loaded {
    fn steady(&mut self, what: &str, shards: usize, time: Duration) -> Result<Phase, String> {
        let started = Instant::now();
        self.phase(format!("{what}: {shards} shards"), || started.elapsed() < time)
    }

    fn split(&mut self, cluster: &Everstore, shards: usize) -> Result<Phase, String> {
        let all: Vec<Commands> = (0..cluster.nodes.len()).map(|index| cluster.commands(index)).collect();
        let splitting = std::thread::spawn(move || split_all(&all, shards));
        let phase = self.phase(format!("split to {shards} shards"), || !splitting.is_finished())?;
        splitting.join().map_err(|_| "the thread of the split broke")??;
        Ok(phase)
    }

    fn phase(&mut self, what: String, mut go_on: impl FnMut() -> bool) -> Result<Phase, String> {
        self.writers.forget_gaps();
        let (had, started, watch) = (self.writers.acknowledged(), Instant::now(), self.probe.start());
        self.writers.run_while(&mut go_on)?;
        let seconds = started.elapsed().as_secs_f64();
        let rate = (self.writers.acknowledged() - had) as f64 / seconds;
        let longest_ms = self.writers.gap().as_secs_f64() * 1000.0;
        // The writers go on while the clients end: a pause of theirs would show as one of the nodes.
        watch.stop();
        self.writers.run_while(|| !watch.is_over())?;
        let phase = Phase { what, seconds, rate, longest_ms, clients: watch.times()? };
        println!("{}", phase.row().join(" | "));
        Ok(phase)
    }
}

/// Splits through the first node, and waits until all know of it.
fn split_all(nodes: &[Commands], shards: usize) -> Result<(), String> {
    nodes[0].run(&["shards", "split"])?;
    let started = Instant::now();
    for node in nodes {
        let there = |status: &serde_json::Value| {
            status["shards"].as_array().is_some_and(|all| all.len() == shards)
                && status["shards_to_come"] == 0
        };
        while !there(&node.status()?) {
            if started.elapsed() > PATIENCE {
                return Err(format!("a node does not know of {shards} shards after {PATIENCE:?}"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
    Ok(())
}

/// The account in a line.
fn summary(account: &Account) -> String {
    let Account { acknowledged, lost, miscounted, errors, kinds, first_error, .. } = account;
    let first = first_error.as_ref().map(|error| format!(", the first: {error}")).unwrap_or_default();
    format!(
        "{acknowledged} writes acknowledged, lost {lost}, counted wrong {miscounted}, errors {errors}{}{first}",
        named(kinds)
    )
}

/// How many errors of which kind; the two that a split could bring are always named.
fn named(kinds: &BTreeMap<String, u64>) -> String {
    let mut all = BTreeMap::from([("MOVED", 0), ("TRYAGAIN", 0)]);
    all.extend(kinds.iter().map(|(word, times)| (word.as_str(), *times)));
    let all: Vec<String> = all.iter().map(|(word, times)| format!("{word} {times}")).collect();
    format!(" ({})", all.join(", "))
}

fn render(rounds: &[Vec<Phase>], account: &Account) -> String {
    let errors: u64 = rounds.iter().flatten().map(|phase| phase.clients.errors).sum();
    let first = rounds.iter().flatten().find_map(|phase| phase.clients.first_error.as_ref());
    let first = first.map(|error| format!(", the first: {error}")).unwrap_or_default();
    format!(
        "{}\n- {}\n- errors of the separate clients: {errors}{first}\n\n{CONNECTIONS} connections to the plain ports of three \
         nodes, {PIPELINE} writes outstanding on each, half of them INCR of counters of their own, half SET of a new key with \
         {VALUE} bytes each time, beside {KEYS} keys. A wait is the time between two acknowledged writes of a connection; a \
         split is measured from `everstore shards split` until every node says that all its shards are there. Beside them \
         four separate clients with one command at a time, GET and SET in turn. In the end every counter and every acknowledged \
         SET is read back: lost are SETs that are not there as written, counted wrong INCR replies that are not one more than \
         the last and counters that do not end at it. Medians over the rounds, each in a new cluster; of waits the longest.\n\n\
         Goals: at least 30 000 writes/s before; errors, lost and wrong 0.\n",
        phases(rounds),
        summary(account)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_what_they_are() {
        assert_eq!(named(&BTreeMap::new()), " (MOVED 0, TRYAGAIN 0)");
        let kinds = BTreeMap::from([("TRYAGAIN".to_owned(), 7), ("ERR".to_owned(), 1)]);
        assert_eq!(named(&kinds), " (ERR 1, MOVED 0, TRYAGAIN 7)");
    }
}
