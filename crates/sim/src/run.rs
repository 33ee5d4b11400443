//! One seed from beginning to end, and what is demanded of it.

use crate::clients::Client;
use crate::clients::hoards::hoard_of;
use crate::clients::workload::{CACHE, CHOSEN, EXPOSED, SINGLE, Workload};
use crate::faults::KINDS;
use crate::plan::{Options, Plan};
use crate::time::{MS, S};
use crate::timeline::Listener;
use crate::violation::Violation;
use crate::world::World;
use check::Bounds;
use cluster::heartbeat::MEMBERS_LEVEL;
use env::Rng;
use model::GroupId;
use model::large::{State, Upload, chunks_of};
use node::Core;
use std::collections::BTreeMap;

/// A cluster without troubles is formed within this time, ns.
pub const FORMED_WITHIN_NS: u64 = 20 * S;
/// After everything is mended every client is served again within this time, ns.
pub const SERVED_WITHIN_NS: u64 = 15 * S;
/// After the last command all replicas are equal within this time, ns.
pub const EQUAL_WITHIN_NS: u64 = 60 * S;
/// After the last command all chunks of nobody are removed within this time, ns: a lease of 30 s, and time to walk.
pub const COLLECTED_WITHIN_NS: u64 = 120 * S;
/// How far shard time may be from the world's, ns: clocks are off by up to 0.1 s, and leaders change.
pub const EXPIRY_SLACK_NS: u64 = S;
/// The same where wall clocks jump by up to a minute: a leader whose clock is behind lets keys live longer.
pub const EXPIRY_SLACK_JUMPS_NS: u64 = 90 * S;

/// Clients that read all keys at the end.
const READERS: usize = 3;

/// What a seed came to.
pub struct Outcome {
    /// Its number.
    pub seed: u64,
    /// What was drawn.
    pub plan: Plan,
    /// The first property found broken.
    pub violation: Option<Violation>,
    /// Keys whose histories were too hard to decide.
    pub undecided: usize,
    /// Hash over everything that happened.
    pub hash: u64,
    /// Simulated time, ns.
    pub simulated_ns: u64,
    /// Passes of nodes and clients.
    pub events: u64,
    /// Operations of clients that are checked.
    pub operations: usize,
    /// Leaders seen.
    pub elections: usize,
    /// Comparisons of replicas that ended.
    pub comparisons: u64,
    /// The fullest queues.
    pub loads: node::Loads,
    /// Faults that struck, by kind.
    pub struck: Vec<u64>,
    /// The timeline, if it was wanted.
    pub lines: Vec<String>,
}

impl Outcome {
    /// Faults that struck, with their names.
    pub fn faults(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        KINDS
            .iter()
            .zip(&self.struck)
            .filter(|(_, count)| **count > 0)
            .map(|(kind, count)| (kind.name, *count))
    }
}

/// Runs a seed.
pub fn run(seed: u64, options: &Options) -> Outcome {
    if options.timeline {
        tracing::subscriber::with_default(Listener, || run_quietly(seed, options))
    } else {
        run_quietly(seed, options)
    }
}

fn run_quietly(seed: u64, options: &Options) -> Outcome {
    let mut world = World::new(seed, options);
    world.form();
    if world.found.is_none() {
        world.storm();
    }
    if world.found.is_none() {
        world.recover();
    }
    let mut undecided = 0;
    let operations = world.book.count();
    if world.found.is_none() {
        undecided = world.judge();
    }
    Outcome {
        seed,
        violation: world.found.take(),
        undecided,
        hash: world.trace.hash(),
        simulated_ns: world.now_ns(),
        events: world.events,
        operations,
        elections: world.watch.elections(),
        comparisons: world.watch.comparisons(),
        loads: world.watch.loads(),
        struck: std::mem::take(&mut world.struck),
        lines: std::mem::take(&mut world.trace).into_lines(),
        plan: world.plan,
    }
}

impl World {
    /// Nodes start one after another until the cluster is formed.
    pub(crate) fn form(&mut self) {
        let until_ns = self.now_ns() + FORMED_WITHIN_NS;
        for node in 1..=self.nodes() {
            self.start(node);
            let at = node as usize - 1;
            if !self.run_while(until_ns, |world| !world.processes[at].progress().0) {
                return self
                    .report("live", format!("node {node} did not join in {} s", FORMED_WITHIN_NS / S));
            }
        }
        if !self.run_while(until_ns, |world| world.processes.iter().any(|p| p.exists && !p.progress().1)) {
            self.report("live", format!("the cluster was not formed in {} s", FORMED_WITHIN_NS / S));
        }
    }

    /// Clients work while things go wrong; then everything is mended, and they must be served again.
    fn storm(&mut self) {
        let began_ns = self.now_ns();
        self.add_clients();
        self.begin_faults();
        self.run_until(began_ns + self.plan.heal_ns);
        self.heal();
        self.tidy_members();
        self.served("after everything was mended");
        // A command that waits may wait in vain, but not for ever.
        self.book.well_since_ns = self.now_ns();
        let rest_ns = self.plan.length_ns.saturating_sub(self.plan.heal_ns).min(10 * S);
        self.run_until(self.now_ns() + rest_ns);
        self.clients.iter_mut().for_each(|client| client.quiet = true);
        self.answered("after the storm", SERVED_WITHIN_NS);
    }

    /// Demands that every client gets an answer to something it asks from now on.
    fn served(&mut self, when: &str) {
        let since_ns = self.now_ns();
        let asks = |client: &&Client| client.script.is_none();
        let waiting =
            |world: &World| world.clients.iter().filter(asks).any(|client| client.answered_ns < since_ns);
        if !self.run_while(since_ns + SERVED_WITHIN_NS, waiting) {
            let stuck = self.clients.iter().filter(asks).find(|client| client.answered_ns < since_ns);
            let stuck = stuck.map_or_else(String::new, Client::describe);
            self.report(
                "live",
                format!("not every client was served within {} s {when}: {stuck}", SERVED_WITHIN_NS / S),
            );
        }
    }

    /// Demands that all clients get all the answers they wait for.
    pub(crate) fn answered(&mut self, when: &str, within_ns: u64) {
        let until_ns = self.now_ns() + within_ns;
        if !self.run_while(until_ns, |world| world.clients.iter().any(Client::is_busy)) {
            let stuck = self.clients.iter().find(|client| client.is_busy());
            let stuck = stuck.map_or_else(String::new, Client::describe);
            self.report(
                "live",
                format!("not all clients were answered within {} s {when}: {stuck}", within_ns / S),
            );
        }
    }

    /// All keys are read, all replicas become equal, and what comes back after a restart is the same, and after the
    /// loss of a majority.
    pub(crate) fn recover(&mut self) {
        self.settle("after everything was mended");
        self.read_all();
        let before = self.equal("before the end");
        self.accounted();
        self.collected();
        self.book.well_since_ns = u64::MAX;
        if self.plan.restart_at_end && self.found.is_none() {
            self.restart(&before);
        }
        self.removed_come_back();
        if self.lose_data_node() {
            self.read_all();
            self.equal("after a data node was lost beside a witness");
        }
        if self.plan.majority_lost && self.found.is_none() && self.lose_majority() {
            self.read_all();
            self.equal("after a majority was lost and the rest recovered");
        }
        if self.plan.promotes && self.found.is_none() && self.promote_learner() {
            self.read_all();
            self.equal("after a learner zone was promoted");
        }
    }

    /// All nodes are killed, and what comes back is compared with what was there before.
    fn restart(&mut self, before: &BTreeMap<GroupId, (u64, u64)>) {
        for node in self.sound() {
            let power = self.rng.chance(1, 2);
            self.kill(node, power);
        }
        self.say(|| "all nodes start again".to_owned());
        self.sound().into_iter().for_each(|node| self.start(node));
        self.settle("after a restart of all nodes");
        self.read_all();
        let after = self.equal("after a restart of all nodes");
        self.accounted();
        for (group, (index, hash)) in before {
            let same = |(i, h): &(u64, u64)| i != index || h == hash;
            if !after.get(group).is_none_or(same) {
                let text = format!("group {group}: other rows at index {index} after a restart");
                self.report("replicas equal", text);
            }
        }
    }

    /// Demands that what was answered in asynchronous keyspaces is there or in a loss account, unless some
    /// node has lost what it had written.
    fn accounted(&mut self) {
        if self.forgetful || self.found.is_some() {
            return;
        }
        let cores = self.processes.iter().filter_map(|process| process.core());
        let left = self.processes.iter().filter(|process| !process.exists);
        let left = left.flat_map(|process| &process.left.0);
        let accounts = cores.flat_map(node::Core::losses).chain(left);
        if let Err((property, sentence)) = self.book.accounted(accounts) {
            self.report(property, sentence);
        }
    }

    /// Demands that no chunk is left that no upload or value has. That none of a value is missing has been seen by who
    /// read it. In some worlds uploads that were given up, and values that were replaced or removed, are forgotten first.
    fn collected(&mut self) {
        let uploads = |world: &World| world.plan.clients.iter().any(|(w, _)| *w == Workload::Uploads);
        if self.found.is_some() || !uploads(self) {
            return;
        }
        let until_ns = self.now_ns() + COLLECTED_WITHIN_NS;
        let is_live = |upload: &Upload| matches!(upload.state, State::Live { .. });
        // Looked at now and then: there may be many.
        while self.plan.collect_at_end && !self.large().0.iter().all(is_live) && self.found.is_none() {
            if self.now_ns() > until_ns {
                let left: Vec<Upload> =
                    self.large().0.into_iter().filter(|upload| !is_live(upload)).collect();
                let after_s = COLLECTED_WITHIN_NS / S;
                let text =
                    format!("uploads of nobody are there {after_s} s after the last command: {left:?}");
                return self.report("chunks are collected", text);
            }
            self.run_until(self.now_ns() + S);
        }
        let (uploads, chunks) = self.large();
        let most: u64 = uploads.iter().map(|upload| chunks_of(upload.bound) - upload.from).sum();
        // A chunk may come after the collector where clocks jump by more than it waits.
        if chunks as u64 > most && !self.jumps() {
            let text = format!("{chunks} chunks, but uploads and values have {most} at most: {uploads:?}");
            return self.report("chunks are collected", text);
        }
        if self.plan.collect_at_end {
            // What was collected was of no value.
            self.read_all();
        }
    }

    /// What all leaders know of uploads, and the chunks there are.
    fn large(&self) -> (Vec<Upload>, usize) {
        let cores = self.processes.iter().filter_map(|process| process.core());
        let (uploads, chunks): (Vec<_>, Vec<_>) = cores.map(node::Core::large).unzip();
        (uploads.concat(), chunks.iter().sum())
    }

    /// Whether wall clocks jump.
    fn jumps(&self) -> bool {
        self.plan.faults.iter().any(|(kind, _)| KINDS[*kind].name == "clock")
    }

    fn read_all(&mut self) {
        for (keyspace, readers) in [(0, READERS), (SINGLE, 1), (EXPOSED.0, 1), (CHOSEN, 1), (CACHE, 1)] {
            let looks = self.book.looks(keyspace);
            for reader in 0..readers {
                let own = looks.iter().skip(reader).step_by(readers).cloned();
                let id = self.clients.len() as u32;
                let rng = Rng::new(self.rng.next_u64());
                let (time, net) = (self.time.clone(), self.net.clone());
                self.clients.push(Client::reader(id, keyspace, own, time, net, rng));
            }
        }
        self.answered("when all keys were read at the end", 4 * SERVED_WITHIN_NS);
    }

    /// Waits until all replicas have applied the same and compares their rows: by group, index and hash.
    fn equal(&mut self, when: &str) -> BTreeMap<GroupId, (u64, u64)> {
        let until_ns = self.now_ns() + EQUAL_WITHIN_NS;
        let sound = self.sound();
        if !self.run_while(until_ns, |world| !world.is_settled(&sound)) {
            let why = self.unsettled(&sound);
            let text = format!("replicas are not equal {} s {when}: {why}", EQUAL_WITHIN_NS / S);
            self.report("live", text);
            return BTreeMap::new();
        }
        let mut all = BTreeMap::new();
        for group in (0..=self.shards()).map(GroupId) {
            let hash_of = |world: &mut World, node: u64| {
                let core = world.process(node).core()?;
                Some((core.inspect(group)?.applied.0, core.content_hash(group)?))
            };
            for &node in &sound {
                let Some((index, hash)) = hash_of(self, node) else { continue };
                let (at, expected) = *all.entry(group).or_insert((index, hash));
                if at == index && expected != hash {
                    let text = format!(
                        "group {group}: rows of node {node} differ from those of another at index {index} {when}"
                    );
                    self.report("replicas equal", text);
                }
            }
        }
        all
    }

    /// Every sound node is up, and all its replicas have applied all there is anywhere.
    fn is_settled(&self, sound: &[u64]) -> bool {
        let cores = || sound.iter().map(|node| self.processes[*node as usize - 1].core());
        if cores().any(|core| core.is_none()) {
            return false;
        }
        (0..=self.shards()).map(GroupId).all(|group| {
            // Where nodes join not all have a replica; which do was looked at before.
            let moves = self.operator.is_some();
            // A member that was lost before it had said what it understands keeps the others from asking for replicas.
            let waits = |core: &&Core| core.lacks_folder() && core.map().level < MEMBERS_LEVEL;
            let seen = cores().flatten().map(|core| (core.inspect(group), moves || waits(&core)));
            let mut seen = seen
                .filter(|(replica, may_lack)| replica.is_some() || !may_lack)
                .map(|(replica, _)| replica.map(|i| (i.applied.0, i.last)));
            let first = seen.next().flatten();
            let whole = cores().flatten().all(|core| core.is_undivided(group));
            whole && first.is_some_and(|(applied, last)| applied == last) && seen.all(|other| other == first)
        })
    }

    /// What keeps the world from being settled, for a report.
    fn unsettled(&self, sound: &[u64]) -> String {
        let describe = |node: &u64| {
            let process = &self.processes[*node as usize - 1];
            let Some(core) = process.core() else {
                return format!("node {node} is down: {:?}", process.stopped);
            };
            let of = |group| {
                core.inspect(group).map(|i| (group.0, i.term, i.leads, i.applied.0, i.commit, i.last))
            };
            let groups: Vec<_> = (0..core.groups()).map(GroupId).filter_map(of).collect();
            format!("node {node}: (group, term, leads, applied, commit, last) {groups:?}")
        };
        sound.iter().map(describe).collect::<Vec<_>>().join("; ")
    }

    /// What clients saw is checked as a whole. Answers how many keys could not be decided.
    pub(crate) fn judge(&mut self) -> usize {
        let mut book = std::mem::take(&mut self.book);
        let (items, balances) = (std::mem::take(&mut book.items), std::mem::take(&mut book.balances));
        let (streams, sights) = (std::mem::take(&mut book.streams), std::mem::take(&mut book.sights));
        let history = match book.into_history() {
            Ok(history) => history,
            Err(why) => {
                self.report("simulator", why);
                return 0;
            }
        };
        let expiry_slack_ns = if self.jumps() { EXPIRY_SLACK_JUMPS_NS } else { EXPIRY_SLACK_NS };
        let bounds = Bounds { expiry_slack_ns, ..Bounds::default() };
        let mut verdict = check::all(&history, &bounds);
        verdict.violations.extend(check::items::check(&items, &bounds));
        verdict.violations.extend(check::streams::check(&streams));
        verdict.violations.extend(check::balance::check(&balances));
        verdict.violations.extend(check::moved::check(&sights, hoard_of));
        self.trace.note(self.now_ns(), verdict.steps);
        if let Some(violation) = verdict.violations.into_iter().next() {
            self.report(violation.property, violation.sentence);
            if let Some(found) = &mut self.found {
                found.details = violation.details;
            }
        }
        verdict.undecided.len()
    }
}

/// The shortest prefix of a failing seed that could be found: until when faults happen, ns, and what is
/// found then. At most a dozen shorter runs.
pub fn shorten(outcome: &Outcome, options: &Options) -> Option<(u64, Violation)> {
    let (mut low, mut high) = (0, outcome.plan.heal_ns / MS);
    let mut best = None;
    for _ in 0..12 {
        let middle = low + (high - low) / 2;
        if middle == high {
            break;
        }
        let shorter = Options { until_ns: Some(middle * MS), timeline: false, ..options.clone() };
        match run(outcome.seed, &shorter).violation {
            Some(violation) => {
                best = Some((middle * MS, violation));
                high = middle;
            }
            None => low = middle + 1,
        }
    }
    best
}
