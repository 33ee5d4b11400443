//! The world of one seed: machines, clients, network and time, and what goes wrong.

use crate::clients::workload::Maker;
use crate::clients::{Book, Client};
use crate::disks::Pace;
use crate::faults::KINDS;
use crate::net::{CLIENTS, Link, Machine, Network};
use crate::plan::{Options, Plan, SickDisk};
use crate::process::{FAR, Places, Process};
use crate::time::{MS, S, Time};
use crate::trace::Trace;
use crate::violation::Violation;
use crate::watch::Watch;
use cluster::ZoneRole;
use env::{MemDisk, Rng};
use model::{GroupId, NodeId};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;
use storage::rows::memory::MemoryStores;

/// What was begun and ends later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Later {
    Start(u64),
    MendLink(u64, u64),
    CutLink(u64, u64),
    MendCpu(u64),
    MendDisk(u64),
    SickDisk(u64),
    MendSpace(u64),
    OldCopy(u64),
    Role(ZoneRole),
}

/// Why a node may stop by itself.
#[derive(Clone, Copy, Debug, Default)]
struct Excuse {
    /// Its disk was made to fail.
    disk: bool,
}

/// So long nothing new goes wrong when an older copy of a folder comes back, ns.
const CALM_NS: u64 = 4 * S;
/// Large values with whole chunks that a client uploads at most: a mebibyte is many passes of a small world.
const WHOLE_CHUNKS: u32 = 2;
/// A node that has ended, or stopped because of its disk, is started again after this time, ns.
const START_AGAIN_NS: u64 = S;

/// The world.
pub struct World {
    /// What the seed has drawn.
    pub plan: Plan,
    /// Everything random that is not a part's own.
    pub(crate) rng: Rng,
    pub(crate) net: Network,
    pub(crate) time: Time,
    pub(crate) processes: Vec<Process>,
    pub(crate) clients: Vec<Client>,
    pub(crate) book: Book,
    pub(crate) watch: Watch,
    /// What happened.
    pub trace: Trace,
    later: BTreeMap<(u64, u64), Later>,
    next_later: u64,
    next_fault_ns: u64,
    wakes: Vec<(Machine, u64)>,
    /// Nodes that lost something they had synced.
    lost: BTreeSet<u64>,
    /// Those of them that lost nothing but a further data folder: they go on.
    robbed: BTreeSet<u64>,
    /// Nodes of which it was asked that they be removed, and those that found out that they were.
    pub(crate) to_remove: BTreeSet<u64>,
    /// Those of them that have lost what they had, and may hold replicas.
    pub(crate) forced: BTreeSet<u64>,
    /// Nodes whose folder, or a file of it, is gone.
    pub(crate) emptied: BTreeSet<u64>,
    pub(crate) removed: BTreeSet<u64>,
    /// Nodes of which it was asked that they be drained.
    pub(crate) drained: BTreeSet<u64>,
    /// The place of the client that decides about members among the clients.
    pub(crate) operator: Option<usize>,
    /// Some node has lost what it had written: synced or not, or its log could not be written to the end.
    pub(crate) forgetful: bool,
    excuses: Vec<Excuse>,
    copies: BTreeMap<u64, (MemDisk, [MemoryStores; 2])>,
    /// No process ends before this time, ns, because of an older copy of a folder; see [`World::copy_folder`].
    guarded_until_ns: u64,
    /// Nothing new goes wrong before this time, ns.
    calm_until_ns: u64,
    /// Faults so far, by kind.
    pub(crate) struck: Vec<u64>,
    /// Steps: passes of nodes and of clients.
    pub events: u64,
    pub(crate) found: Option<Violation>,
}

impl World {
    /// A world that has not begun.
    pub fn new(seed: u64, options: &Options) -> World {
        let mut rng = Rng::new(seed);
        let plan = Plan::draw(options, &mut Rng::new(rng.next_u64()));
        let (time, shape) = (Time::default(), plan.shape);
        let net = Network::new(time.clone(), plan.weather, Rng::new(rng.next_u64()));
        let places: Places =
            Rc::new(RefCell::new(vec![0; (plan.shape.nodes + plan.shape.spares) as usize + 1]));
        let machine = |machine: u64, rng: &mut Rng| {
            let own = Rng::new(rng.next_u64());
            Process::new(machine, plan.shape, Rc::clone(&places), time.clone(), net.clone(), own)
        };
        let mut processes: Vec<Process> =
            (1..=plan.shape.nodes + plan.shape.spares).map(|m| machine(m, &mut rng)).collect();
        for process in &mut processes {
            process.clock.rate_ppm = rng.below(2 * plan.rate_ppm + 1) as i64 - plan.rate_ppm as i64;
            process.clock.wall_off_ms = rng.below(201) as i64 - 100;
        }
        let mut watch = Watch::new(options.timeline, shape);
        if shape.learners && plan.roles_ns.is_empty() {
            watch.never_vote(shape.nodes + 1..=shape.nodes + shape.spares);
        }
        World {
            excuses: vec![Excuse::default(); processes.len() + 1],
            plan,
            rng,
            net,
            time,
            processes,
            clients: Vec::new(),
            book: Book::new(options.timeline),
            watch,
            trace: Trace::new(options.timeline),
            later: BTreeMap::new(),
            next_later: 0,
            next_fault_ns: u64::MAX,
            wakes: Vec::new(),
            lost: BTreeSet::new(),
            robbed: BTreeSet::new(),
            to_remove: BTreeSet::new(),
            emptied: BTreeSet::new(),
            forced: BTreeSet::new(),
            removed: BTreeSet::new(),
            drained: BTreeSet::new(),
            operator: None,
            forgetful: false,
            copies: BTreeMap::new(),
            guarded_until_ns: 0,
            calm_until_ns: 0,
            struck: vec![0; KINDS.len()],
            events: 0,
            found: None,
        }
    }

    /// Number of nodes with which the cluster begins, which is that of the replicas of a group.
    pub fn nodes(&self) -> u64 {
        self.plan.shape.nodes
    }

    /// Nodes that were started and not removed from the cluster, ascending.
    pub(crate) fn existing(&self) -> Vec<u64> {
        self.processes.iter().filter(|process| process.exists).map(|process| process.machine).collect()
    }

    /// The world's time, ns.
    pub fn now_ns(&self) -> u64 {
        self.time.ns()
    }

    pub(crate) fn process(&mut self, node: u64) -> &mut Process {
        &mut self.processes[node as usize - 1]
    }

    pub(crate) fn say(&mut self, what: impl FnOnce() -> String) {
        self.trace.say(self.time.ns(), what);
    }

    /// Notes something found; the first counts.
    pub(crate) fn report(&mut self, property: &'static str, sentence: String) {
        if self.found.is_none() {
            self.say(|| format!("VIOLATION {property}: {sentence}"));
            self.found = Some(Violation::new(property, self.time.ns(), sentence));
        }
    }

    pub(crate) fn later(&mut self, after_ns: u64, what: Later) {
        self.next_later += 1;
        self.later.insert((self.time.ns() + after_ns, self.next_later), what);
    }

    /// Clients begin.
    pub(crate) fn add_clients(&mut self) {
        let clients = self.plan.clients.clone();
        for (number, (workload, manner)) in clients.into_iter().enumerate() {
            let id = number as u32;
            let shape = self.plan.shape;
            let nodes = shape.nodes + shape.spares;
            let mut maker = Maker::new(workload, id, Rng::new(self.rng.next_u64()), nodes, shape.shards);
            maker.whole_chunks = u32::from(shape.whole_chunks) * WHOLE_CHUNKS;
            let rng = Rng::new(self.rng.next_u64());
            self.clients.push(Client::new(id, maker, manner, self.time.clone(), self.net.clone(), rng));
        }
        self.add_operator();
    }

    /// Faults begin.
    pub(crate) fn begin_faults(&mut self) {
        if let Some(sick) = self.plan.sick {
            self.later(sick.after_ns, Later::SickDisk(sick.node));
            self.later(sick.after_ns + sick.for_ns, Later::MendDisk(sick.node));
        }
        for (number, at_ns) in self.plan.roles_ns.clone().into_iter().enumerate() {
            let role = if number % 2 == 0 { ZoneRole::Voter } else { ZoneRole::Learner };
            self.later(at_ns, Later::Role(role));
        }
        for (number, at_ns) in self.plan.joins_ns.clone().into_iter().enumerate() {
            self.later(at_ns, Later::Start(self.nodes() + 1 + number as u64));
        }
        if !self.plan.faults.is_empty() {
            self.next_fault_ns = self.time.ns() + 1 + self.rng.below(self.plan.calm_ns);
        }
    }

    /// A node starts, or tries to.
    pub(crate) fn start(&mut self, node: u64) {
        if self.process(node).is_up() || !self.may_start(node) {
            return;
        }
        crate::timeline::speaks(node);
        self.process(node).start();
        let up = self.process(node).is_up();
        self.say(|| format!("node {node} starts{}", if up { "" } else { ", and stops" }));
        if !up {
            self.stopped(node);
        }
    }

    pub(crate) fn kill(&mut self, node: u64, power: bool) {
        if let Some(failover) = self.watch.exposures.lost(node) {
            self.book.failover(failover);
        }
        self.forgetful |= !power && !self.process(node).is_flushed();
        let mut rng = Rng::new(self.rng.next_u64());
        // Errors that are to come meet the next process where there was none.
        let to_come = power && !self.process(node).is_up() && self.excuses[node as usize].disk;
        self.process(node).kill(power, &mut rng);
        // A disk that is full stays so.
        self.excuses[node as usize].disk = to_come || self.process(node).disk.is_limited();
    }

    /// A process has ended by itself: either its disk did it, or what it had synced is lost, or that is
    /// a finding.
    fn stopped(&mut self, node: u64) {
        let Some(why) = self.process(node).stopped.clone() else { return };
        let (shell::Stop::Failed(text) | shell::Stop::Refused(text)) = &why;
        self.say(|| format!("node {node} has stopped: {text}"));
        // Where nobody noticed what was lost, the disk may still do it, and the others may need this node.
        let again =
            self.plan.shape.further && self.excuses[node as usize].disk && !self.emptied.contains(&node);
        let may_end = self.lost.contains(&node) && !self.robbed.contains(&node) && !again;
        if may_end || self.was_removed(node, text) {
            return;
        }
        if self.excuses[node as usize].disk {
            self.forgetful = true;
            self.later(START_AGAIN_NS, Later::Start(node));
            return;
        }
        self.report("starts", format!("node {node} stopped although nothing had happened to it: {text}"));
    }

    /// The disk of a node may fail from now on.
    pub(crate) fn excuse(&mut self, node: u64) {
        self.excuses[node as usize].disk = true;
    }

    /// True if a node may lose what it has synced: then still only a minority has.
    pub(crate) fn may_destroy(&self, node: u64) -> bool {
        // Beside a witness the disk of one data node may be all there is.
        let witness = self.plan.shape.witness;
        let may = witness == 0 || node == witness;
        let few = !self.lost.contains(&node) && (self.lost.len() as u64) < (self.nodes() - 1) / 2;
        may && few && self.others_go_on(node)
    }

    /// Whether each group has a majority without a node and those that have lost something. Voters that have lost their
    /// folder go before they come again, also where an error of the disk did it.
    fn others_go_on(&self, node: u64) -> bool {
        let cores = || self.processes.iter().filter_map(Process::core);
        let goes_on = |group: GroupId| {
            let newest = cores()
                .filter(|core| core.inspect(group).is_some())
                .max_by_key(|core| core.inspect(group).map(|of| (of.term, of.last)));
            let members = newest.and_then(|core| core.members(group));
            members.is_some_and(|members| {
                let stays = |voter: &&NodeId| voter.0 != node && !self.lost.contains(&voter.0);
                members.outgoing.is_empty()
                    && members.voters.iter().filter(stays).count() > members.voters.len() / 2
            })
        };
        !self.plan.shape.further || (0..=self.shards()).map(GroupId).all(goes_on)
    }

    pub(crate) fn destroyed(&mut self, node: u64) {
        self.lost.insert(node);
        self.forgetful = true;
    }

    /// A node has lost a further data folder, and goes on without what was in it.
    pub(crate) fn robbed(&mut self, node: u64) {
        self.destroyed(node);
        self.robbed.insert(node);
    }

    /// Whether a node has lost nothing but a further data folder: it comes again.
    pub(crate) fn is_robbed(&self, node: u64) -> bool {
        self.robbed.contains(&node)
    }

    /// A node is none of the cluster any more.
    pub(crate) fn given_up(&mut self, node: u64) {
        self.lost.insert(node);
        self.robbed.remove(&node);
        self.watch.given_up(node);
    }

    /// Nodes that have lost nothing they had synced, or nothing but what others make anew there, and were not given up.
    pub(crate) fn sound(&self) -> Vec<u64> {
        let sound = |node: &u64| !self.lost.contains(node) || self.robbed.contains(node);
        self.existing().into_iter().filter(sound).collect()
    }

    /// Nodes that have lost something they had synced.
    pub(crate) fn lost(&self) -> &BTreeSet<u64> {
        &self.lost
    }

    /// True if all nodes are up, and no disk is to fail.
    pub(crate) fn all_well(&self) -> bool {
        let up = self.processes.iter().filter(|p| p.exists).all(|p| p.is_up() && p.progress().1);
        up && self.excuses.iter().all(|excuse| !excuse.disk)
    }

    /// Copies a folder. Until the copy has come back and its node was refused no process ends.
    pub(crate) fn copy_folder(&mut self, node: u64) {
        self.guarded_until_ns = u64::MAX;
        let process = self.process(node);
        let copy = (process.disk.copy(), process.stores.each_ref().map(MemoryStores::copy));
        self.copies.insert(node, copy);
    }

    /// Runs until a time, or until something was found.
    pub(crate) fn run_until(&mut self, until_ns: u64) {
        while self.found.is_none() && self.step(until_ns) {}
    }

    /// Runs until something is the case, at most until a time. False if it did not come about.
    pub(crate) fn run_while(&mut self, until_ns: u64, busy: impl Fn(&World) -> bool) -> bool {
        while busy(self) {
            if self.found.is_some() || !self.step(until_ns) {
                return false;
            }
        }
        true
    }

    /// Whatever comes next. False when that is not before `until_ns`.
    fn step(&mut self, until_ns: u64) -> bool {
        let process = self.processes.iter().map(|p| p.wake_ns).enumerate().min_by_key(|(_, at)| *at);
        let client = self.clients.iter().map(|c| c.wake_ns).enumerate().min_by_key(|(_, at)| *at);
        let (process, process_ns) = process.unwrap_or((0, u64::MAX));
        let (client, client_ns) = client.unwrap_or((0, u64::MAX));
        let later_ns = self.later.first_key_value().map_or(u64::MAX, |((at, _), _)| *at);
        let next = process_ns.min(client_ns).min(later_ns).min(self.next_fault_ns);
        if next >= until_ns {
            self.time.set(until_ns.max(self.time.ns()));
            return false;
        }
        self.time.set(next.max(self.time.ns()));
        if later_ns == next {
            if let Some((_, what)) = self.later.pop_first() {
                self.happen(what);
            }
        } else if self.next_fault_ns == next {
            self.strike();
        } else if process_ns == next {
            self.pass(process);
        } else {
            self.events += 1;
            self.turn_of_client(client);
        }
        self.spread_wakes();
        true
    }

    fn pass(&mut self, at: usize) {
        let now = self.time.ns();
        let process = &mut self.processes[at];
        crate::timeline::speaks(process.machine);
        if !process.pass() {
            return;
        }
        self.events += 1;
        if self.trace.has_timeline() {
            crate::timeline::said().into_iter().for_each(|line| self.trace.say(now, || line));
        }
        self.watch.look(process, now);
        self.check_id(at);
        let process = &self.processes[at];
        if let Some(failover) = self.watch.exposures.look(process, now) {
            self.book.failover(failover);
        }
        let node = process.machine;
        self.watch.look_at_all(&self.processes, now);
        if let Some(said) = &mut self.watch.said {
            said.drain(..).for_each(|line| self.trace.say(now, || line));
        }
        self.trace.note(now, node << 56 | self.net.delivered());
        if !self.processes[at].is_up() {
            match self.processes[at].stopped {
                Some(_) => self.stopped(node),
                // It has ended in good order.
                None => self.later(START_AGAIN_NS, Later::Start(node)),
            }
        }
        if let Some(for_ns) = self.processes[at].take_power_cut().filter(|_| now >= self.guarded_until_ns) {
            self.say(|| {
                format!("node {node} loses its power in the middle of a write for {} ms", for_ns / MS)
            });
            self.kill(node, false);
            self.later(for_ns, Later::Start(node));
        }
        if let Some(violation) = self.watch.found.take() {
            self.report(violation.property, violation.sentence);
        }
    }

    fn turn_of_client(&mut self, at: usize) {
        let nodes = self.processes.iter().filter(|process| process.exists);
        let nodes: Vec<SocketAddr> = nodes.map(Process::redis_address).collect();
        self.clients[at].run(&nodes, &mut self.book);
        let note = 0xff << 56 | (at as u64) << 40 | self.book.count() as u64;
        self.trace.note(self.time.ns(), note);
        if let Some(said) = &mut self.book.said {
            let now = self.time.ns();
            said.drain(..).for_each(|line| self.trace.say(now, || format!("client {at}{line}")));
        }
        if let Some(stuck) = self.book.stuck.pop() {
            self.report("live", format!("a command is not answered although everything is well: {stuck}"));
        }
        if let Some(strange) = self.book.strange.pop() {
            self.report("replies", strange);
        }
    }

    /// Whoever has something coming is looked at in time.
    fn spread_wakes(&mut self) {
        self.net.take_wakes(&mut self.wakes);
        for (machine, at) in self.wakes.drain(..) {
            if machine >= CLIENTS {
                if let Some(client) = self.clients.get_mut((machine - CLIENTS) as usize) {
                    client.wake_ns = client.wake_ns.min(at);
                }
            } else if let Some(process) = self.processes.get_mut(machine as usize - 1) {
                process.hint(at);
            }
        }
    }

    /// Something goes wrong.
    fn strike(&mut self) {
        let calm_ns = self.plan.calm_ns;
        self.next_fault_ns = self.time.ns() + 1 + self.rng.below(calm_ns);
        let total: u64 = self.plan.faults.iter().map(|(_, weight)| weight).sum();
        let mut at = self.rng.below(total);
        let kind = self.plan.faults.iter().find_map(|(kind, weight)| {
            let hit = at < *weight;
            at = at.saturating_sub(*weight);
            hit.then_some(*kind)
        });
        let Some(kind) = kind else { return };
        let now = self.time.ns();
        if now < self.calm_until_ns || KINDS[kind].ends && now < self.guarded_until_ns {
            return;
        }
        if (KINDS[kind].strike)(self) {
            self.watch.sick.trouble_ns = Some(now);
            self.struck[kind] += 1;
        }
    }

    fn happen(&mut self, what: Later) {
        match what {
            Later::Start(node) => self.start(node),
            Later::CutLink(from, to) => {
                self.net.change(from, to, |link| link.cut = true);
                self.net.change(to, from, |link| link.cut = true);
            }
            Later::MendLink(from, to) => self.net.change(from, to, |link| *link = Link::default()),
            Later::MendCpu(node) => self.process(node).slowness = 1,
            Later::MendDisk(node) => *self.process(node).pace.borrow_mut() = Pace::default(),
            Later::SickDisk(node) => self.sicken(node),
            Later::MendSpace(node) => self.process(node).disk.set_capacity(None),
            Later::OldCopy(node) => self.bring_back(node),
            Later::Role(role) => self.ask(&format!("EVERSTORE ZONE SET {FAR} {}", role.name())),
        }
    }

    /// The syncs of a disk become far slower than those of others, for long.
    fn sicken(&mut self, node: u64) {
        let Some(SickDisk { sync_ns, .. }) = self.plan.sick else { return };
        self.say(|| format!("the disk of node {node} becomes sick: a sync takes {} ms", sync_ns / MS));
        self.process(node).pace.borrow_mut().sync_ns = sync_ns;
    }

    /// The older copy of a folder takes the place of the folder.
    fn bring_back(&mut self, node: u64) {
        let Some((disk, stores)) = self.copies.remove(&node) else { return };
        self.kill(node, true);
        self.mend();
        self.calm_until_ns = self.time.ns() + CALM_NS;
        self.guarded_until_ns = self.calm_until_ns;
        self.say(|| format!("node {node} gets the older copy of its folder back"));
        let process = self.process(node);
        (process.disk, process.stores) = (disk, stores);
        process.disk.crash_process();
        process.stores.iter().for_each(MemoryStores::crash);
        // By then the others hear each other again.
        self.later(CALM_NS / 2, Later::Start(node));
    }

    /// Everything that can be mended is.
    pub(crate) fn heal(&mut self) {
        self.say(|| "everything is mended".to_owned());
        self.next_fault_ns = u64::MAX;
        self.mend();
        let returning: Vec<u64> = self.copies.keys().copied().collect();
        self.later.clear();
        returning.iter().for_each(|node| self.bring_back(*node));
        let all = 1..=self.processes.len() as u64;
        for node in all.filter(|node| !returning.contains(node)) {
            // As a person does who has looked at the disk.
            if self.processes[node as usize - 1].core().is_some_and(node::Core::lacks_folder) {
                self.kill(node, true);
            }
            if self.plan.shape.further {
                // With one folder the error that is to come ends the process, and it starts again; with two it could
                // take a folder that nobody looks at any more.
                self.process(node).disk.fail_no_more();
            }
            self.later(1, Later::Start(node));
        }
    }

    /// Networks, clocks and disks are well, and nobody stands still.
    fn mend(&mut self) {
        let nodes = self.processes.len() as u64;
        self.later.retain(|_, what| !matches!(what, Later::CutLink(..)));
        for a in 1..=nodes {
            for b in (1..=nodes).filter(|b| *b != a) {
                self.net.change(a, b, |link| *link = Link::default());
            }
            let process = self.process(a);
            process.slowness = 1;
            process.power_cut = None;
            process.go_on();
            process.clock.wall_off_ms = 0;
            *process.pace.borrow_mut() = Pace::default();
            process.disk.set_capacity(None);
            process.hint(0);
        }
    }
}
