//! Nodes that join a cluster at work, and those that are drained, replaced and removed: what a person does by
//! `EVERSTORE NODE`, through any node, and what must have come of it once everything is mended.

use crate::clients::Client;
use crate::clients::command::Command;
use crate::time::{MS, S};
use crate::world::{Later, World};
use cluster::{ClusterMap, ZoneRole};
use env::Rng;
use model::{GroupId, NodeId};
use node::Core;
use std::collections::BTreeSet;

/// Once everything is mended and clients are quiet all moves are over within this time, ns. One that is silent is
/// given up after up to 8 s, and with one move at a time a round of the planner takes a second.
pub(crate) const SETTLED_WITHIN_NS: u64 = 150 * S;
/// Who was removed and starts again has found that out within this time, ns.
const FOUND_OUT_WITHIN_NS: u64 = 20 * S;
/// A decision that was refused, or whose answer was lost, is asked for again after this time, ns.
const ASK_AGAIN_NS: u64 = 3 * S;
/// A spare node waits so long for the one before it, so that they get their ids in order, ns.
const IN_ORDER_NS: u64 = 200 * MS;
/// What nodes say that are none of the cluster any more.
const REMOVED: &str = "was removed from the cluster";

impl World {
    /// The client that decides about members; only where nodes join.
    pub(crate) fn add_operator(&mut self) {
        if self.plan.shape.spares > 0 {
            self.operate();
        }
    }

    /// The same in any world.
    pub(crate) fn operate(&mut self) {
        let id = self.clients.len() as u32;
        let rng = Rng::new(self.rng.next_u64());
        let (time, net) = (self.time.clone(), self.net.clone());
        self.operator = Some(self.clients.len());
        self.clients.push(Client::reader(id, 0, std::iter::empty(), time, net, rng));
    }

    /// Somebody asks for a split of all shards; that is all that is decided.
    pub(crate) fn ask_to_split(&mut self) {
        let operator = self.operator;
        if operator.is_none() {
            self.operate();
        }
        self.ask("EVERSTORE SHARDS SPLIT");
        self.operator = operator;
    }

    /// Whether a split is under way, or shards are not yet known to be whole.
    pub(crate) fn is_dividing(&self) -> bool {
        let whole = |core: &Core| (1..=self.shards()).all(|group| core.is_undivided(GroupId(group)));
        self.cores().any(|(_, core)| core.map().is_dividing() || !whole(core))
    }

    /// A person decides about a node.
    pub(crate) fn decide(&mut self, words: &str) {
        self.ask(&format!("EVERSTORE NODE {words}"));
    }

    /// The same, whatever it is about.
    pub(crate) fn ask(&mut self, words: &str) {
        let Some(at) = self.operator else { return };
        self.say(|| format!("somebody asks for {words}"));
        let now = self.now_ns();
        let client = &mut self.clients[at];
        client.script.get_or_insert_default().push_back(Command::noise(words));
        client.wake_ns = client.wake_ns.min(now);
    }

    /// A node is to be removed, by force one that is lost for good.
    pub(crate) fn ask_to_remove(&mut self, node: u64, force: bool) {
        self.to_remove.insert(node);
        self.forced.extend(force.then_some(node));
        self.watch.forced(self.forced.len());
        self.decide(&format!("REMOVE {node}{}", if force { " FORCE" } else { "" }));
    }

    /// A decision is under way.
    pub(crate) fn is_deciding(&self) -> bool {
        self.operator.is_some_and(|at| self.clients[at].is_busy())
    }

    /// Whether a node may be started now; a spare node that may not comes later.
    pub(crate) fn may_start(&mut self, node: u64) -> bool {
        // Without its folder, and at another address or given up, it would join again as another node.
        let other = self.operator.is_some() && self.emptied.contains(&node);
        if other || self.removed.contains(&node) || self.forced.contains(&node) {
            // Whoever calls it is refused, as by a machine without the process.
            self.net.powered(node);
            return false;
        }
        let first = self.nodes() + 1;
        if node > first && !self.process(node).exists && self.process(node - 1).node().is_none() {
            self.later(IN_ORDER_NS, Later::Start(node));
            return false;
        }
        self.process(node).exists = true;
        true
    }

    /// A node has an id: it must be that of its machine.
    pub(crate) fn check_id(&mut self, at: usize) {
        let (machine, node) = (self.processes[at].machine, self.processes[at].node());
        if node.is_some_and(|node| node != machine) {
            self.report("simulator", format!("machine {machine} has node {node:?}"));
        }
    }

    /// Whether a process has ended because its node was removed, and somebody had asked for that.
    pub(crate) fn was_removed(&mut self, node: u64, why: &str) -> bool {
        if !why.contains(REMOVED) || !self.to_remove.contains(&node) {
            return false;
        }
        // What it had answered and not written to an account went with it.
        self.forgetful |= self.process(node).left.1;
        self.process(node).exists = false;
        self.removed.insert(node);
        true
    }

    /// After everything was mended: whom nobody would wait for is removed, and perhaps those that are being drained
    /// are to stay.
    pub(crate) fn tidy_members(&mut self) {
        if self.plan.undrain_at_end {
            for node in std::mem::take(&mut self.drained) {
                self.decide(&format!("UNDRAIN {node}"));
            }
        }
        self.remove_lost();
    }

    /// Nodes that have lost all their data and are not given up soon are removed by force.
    fn remove_lost(&mut self) {
        if self.operator.is_none() {
            return;
        }
        let lost: Vec<u64> = self.lost().iter().copied().filter(|node| !self.is_robbed(*node)).collect();
        let Some(map) = self.newest_map() else { return };
        let members: BTreeSet<u64> = map.members.keys().map(|node| node.0).collect();
        let patient = self.plan.shape.replace_after_ms > 60_000;
        for node in lost.into_iter().filter(|node| patient && members.contains(node)) {
            if !self.process(node).is_up() {
                self.ask_to_remove(node, true);
            }
        }
    }

    fn cores(&self) -> impl Iterator<Item = (u64, &Core)> {
        self.processes.iter().filter_map(|process| Some((process.machine, process.core()?)))
    }

    /// Shards that there are, as far as any node knows.
    pub(crate) fn shards(&self) -> u32 {
        let known = self.newest_map().map_or(0, |map| map.shards.len() as u32);
        known.max(self.plan.shape.shards.into())
    }

    fn newest_map(&self) -> Option<&ClusterMap> {
        self.cores().map(|(_, core)| core.map()).max_by_key(|map| map.epoch)
    }

    /// Demands that all moves come to their end, and that every group is where it should be.
    pub(crate) fn settle(&mut self, when: &str) {
        if self.operator.is_none() || self.found.is_some() {
            return;
        }
        let until_ns = self.now_ns() + SETTLED_WITHIN_NS;
        loop {
            let next_ns = (self.now_ns() + ASK_AGAIN_NS).min(until_ns);
            if self.run_while(next_ns, |world| world.misplaced().is_some()) || self.found.is_some() {
                break;
            }
            if self.now_ns() >= until_ns {
                let why = self.misplaced().unwrap_or_default();
                self.report("live", format!("moves are not over {} s {when}: {why}", SETTLED_WITHIN_NS / S));
                break;
            }
            if !self.is_deciding() {
                self.remove_lost();
            }
        }
    }

    /// A sound node that has a learner of every group.
    pub(crate) fn whole_learner(&self) -> Option<u64> {
        let map = self.newest_map()?;
        let groups = || (0..=self.shards()).map(GroupId);
        let whole =
            |node: &u64| groups().all(|group| map.set_of(group).learner_nodes().contains(&NodeId(*node)));
        self.sound().into_iter().find(whole)
    }

    /// What is not yet as it should be once everything is well, in words.
    fn misplaced(&self) -> Option<String> {
        let newest = self.newest_map()?;
        let sound = self.sound();
        for node in &sound {
            let Some(core) = self.processes[*node as usize - 1].core() else {
                return Some(format!("node {node} is down"));
            };
            let (epoch, removed) = (core.map().epoch, newest.lost.1.contains(&NodeId(*node)));
            if removed || epoch < newest.epoch {
                return Some(format!(
                    "node {node} is at epoch {epoch} of {}, removed {removed}",
                    newest.epoch
                ));
            }
        }
        let way =
            newest.unsettled().next().map(|(group, set)| format!("group {group} is on its way: {set:?}"));
        let split = newest.closed_shards().next().map(|shard| format!("shard {shard} is to come by a split"));
        if way.is_some() || split.is_some() {
            return way.or(split);
        }
        // Whoever is up, a member, and not to go.
        let keeps = |node: &&u64| newest.members.get(&NodeId(**node)).is_some_and(|member| !member.draining);
        let up = self.processes.iter().filter(|process| process.progress().1).map(|process| process.machine);
        let up: BTreeSet<u64> = up.collect();
        let witness = self.plan.shape.witness;
        let votes = up.contains(&witness) && keeps(&&witness);
        let learns = |node: &u64| newest.role_of(NodeId(*node)) == ZoneRole::Learner;
        let able = up.iter().filter(keeps).filter(|node| **node != witness).copied();
        let (far, able): (BTreeSet<u64>, BTreeSet<u64>) = able.partition(learns);
        let replicas = newest.replicas as usize;
        let mut seats = vec![0u64; self.processes.len() + 1];
        for group in (0..=self.shards()).map(GroupId) {
            let nodes: Vec<u64> = newest.set_of(group).nodes().iter().map(|node| node.0).collect();
            let here = nodes.iter().filter(|node| able.contains(node)).count();
            if able.len() >= replicas && (here, nodes.len()) != (replicas, replicas) {
                return Some(format!("group {group} is on nodes {nodes:?}, able are {able:?}"));
            }
            if let Some(text) = self.misplaced_witness(group, &nodes, votes, replicas) {
                return Some(text);
            }
            nodes.iter().for_each(|node| seats[*node as usize] += 1);
            let learners: Vec<u64> = newest.set_of(group).learner_nodes().iter().map(|node| node.0).collect();
            let one = learners.len() == 1 && far.contains(&learners[0]);
            if !far.is_empty() && !one || learners.iter().any(|node| !learns(node)) {
                return Some(format!("group {group} has learners {learners:?}, able are {far:?}"));
            }
            for (node, core) in self.cores().filter(|(node, _)| sound.contains(node)) {
                let wanted = nodes.contains(&node) || learners.contains(&node);
                let has = core.inspect(group).is_some();
                if has != wanted {
                    return Some(format!(
                        "group {group}: node {node} has a replica: {has}, wanted: {wanted}"
                    ));
                }
            }
            if let Some(text) = self.other_members(group, nodes, &learners) {
                return Some(text);
            }
        }
        if able.len() < replicas {
            return None;
        }
        // A zone has one of each group where there are others, so its nodes are even among themselves only.
        let (zoned, free): (BTreeSet<u64>, BTreeSet<u64>) = able
            .iter()
            .partition(|node| newest.members.get(&NodeId(**node)).is_some_and(|m| !m.zone.is_empty()));
        uneven(&seats, &free).or_else(|| uneven(&seats, &zoned))
    }

    /// A witness that votes where it is of no use, or not where it is, in words. `votes`: it may.
    fn misplaced_witness(
        &self,
        group: GroupId,
        nodes: &[u64],
        votes: bool,
        replicas: usize,
    ) -> Option<String> {
        let witness = self.plan.shape.witness;
        let data = nodes.iter().filter(|node| **node != witness).count();
        let useful = data >= 2 && data % 2 == 0 && data < replicas;
        // One that is to leave stays where no other can come.
        let has = nodes.contains(&witness);
        let wrong = witness > 0 && (has && !useful || !has && useful && votes);
        wrong.then(|| format!("group {group} is on nodes {nodes:?}, node {witness} is a witness"))
    }

    /// Who knows other members of a group than those that should be, in words.
    fn other_members(&self, group: GroupId, mut voters: Vec<u64>, learners: &[u64]) -> Option<String> {
        let sound = self.sound();
        voters.sort_unstable();
        self.cores().filter(|(node, _)| sound.contains(node)).find_map(|(node, core)| {
            let members = core.members(group)?;
            let of: Vec<u64> = members.voters.iter().map(|node| node.0).collect();
            let follow: Vec<u64> = members.learners.iter().map(|node| node.0).collect();
            let same = of == voters && members.outgoing.is_empty() && follow == learners;
            (!same).then(|| format!("group {group}: node {node} knows {members:?}, wanted {voters:?}"))
        })
    }

    /// Who was removed starts again: it must end, and say why.
    pub(crate) fn removed_come_back(&mut self) {
        for node in self.removed.clone() {
            self.process(node).start();
            let until_ns = self.now_ns() + FOUND_OUT_WITHIN_NS;
            let up = |world: &World| world.processes[node as usize - 1].is_up();
            let ended = self.run_while(until_ns, up);
            let why = format!("{:?}", self.process(node).stopped);
            if self.found.is_none() && !self.lost().contains(&node) && (!ended || !why.contains(REMOVED)) {
                let text = format!("node {node}, which was removed, does not end because of it: {why}");
                self.report("removed", text);
            }
        }
    }
}

/// Nodes of which some hold more than one replica more than others, in words.
fn uneven(seats: &[u64], nodes: &BTreeSet<u64>) -> Option<String> {
    let of = || nodes.iter().map(|node| seats[*node as usize]);
    let (least, most) = (of().min().unwrap_or(0), of().max().unwrap_or(0));
    (most > least + 1).then(|| format!("nodes {nodes:?} hold from {least} to {most} replicas"))
}
