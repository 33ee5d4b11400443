//! A split: each shard is divided in two, the upper half of its slots becomes another shard.
//!
//! The map says that shards are to be divided (`cluster::map::Divisions`). The leader of each one proposes an entry of
//! its own with the row that says which half stays and which shard gets the other. Where it is applied the shard
//! owns its half only, on every replica at the same index; the state as of that entry is checkpointed, and the other
//! half of it becomes the first rows of the new shard's replica on the same node (`making.rs`). Nothing of it
//! comes over the network. A replica that never applies the entry, because it got a snapshot of a later state, gets
//! an empty replica of the new shard, as one that moves does, and has no vote before it was filled.
//!
//! Invariant: the entries of a shard up to that which divides it leave the log only with a checkpoint as of it, and no
//! later checkpoint is begun before the replica of the new shard is durable. So a crash at any moment does the same
//! again from the same rows, or finds it done.
//! Invariant: all first replicas of a new shard are the same, and their log begins at the same entry.

mod making;
mod redirect;

pub use making::{FIRST, Made, Making, Part, Progress};
pub(crate) use redirect::{Moving, OVERTAKEN};

use crate::core::Core;
use crate::layouts::{follow_rows, is_behind};
use crate::replica::Replica;
use cluster::Standing;
use cluster::heartbeat::SPLIT_LEVEL;
use cluster::map::{Child, SLOTS_ROW, ShardSlots};
use consensus::Entry;
use model::effect::Effect;
use model::entry::EntryReader;
use model::planted::{Bug, is_planted};
use model::varint::DecodeError;
use model::{GroupId, Index, Keyspace, NodeId, ShardId, Slot};

/// Rows of the other half that leave memory in one tick.
const SHED_ROWS: usize = 2048;
/// Shards that are divided at a time: what the disk pools copy for one makes the pause of the others longer.
const AT_A_TIME: usize = 2;
/// Rows of uploads of large values that one entry takes away.
const UPLOADS: usize = 4096;

/// Whether the entry with this index divides its shard. Such an entry has nothing before that.
fn divides(index: Index, payload: &[u8]) -> Result<bool, DecodeError> {
    if payload.is_empty() {
        return Ok(false);
    }
    let first = EntryReader::new(payload)?.next().transpose()?;
    let Some(Effect::System { name: SLOTS_ROW, value: Some(row) }) = first else { return Ok(false) };
    // The row that says that it is parted names an earlier one.
    Ok(ShardSlots::decode(row)?.child.is_some_and(|child| child.at == index))
}

impl Core {
    /// Now and then: whatever is to be done for a split.
    pub(crate) fn drive_divisions(&mut self) {
        if self.forming.is_some() {
            return;
        }
        for at in 1..self.replicas.len() {
            let group = GroupId(at as u32);
            self.propose(group);
            self.prepare(group);
            self.divide(group);
            self.make_child(group);
            // An entry that divides the shard again may wait for the child.
            self.apply_more(group);
            self.part(group);
            self.open_child(group);
        }
        self.release_moved();
    }

    /// Each tick: rows that another shard owns leave.
    pub(crate) fn shed_rows(&mut self) {
        let base = self.map.formation.shards;
        for at in 1..self.replicas.len() {
            let Some(replica) = self.replicas[at].as_deref_mut() else { continue };
            // A keyspace that has come into this shard as a whole since then has no slots that are another's.
            follow_rows(replica, base);
            let Some(child) = replica.owned.child().filter(|_| !replica.owned.clean) else { continue };
            // Before that they would have to be copied for the checkpoint as of the division.
            if replica.stored.0 < child.at {
                continue;
            }
            replica.owned.clean = !replica.machine.has_outside();
            if !replica.owned.clean {
                replica.machine.shed(SHED_ROWS);
                self.fetch(GroupId(at as u32));
            }
        }
    }

    /// What a shard is to become by the split under way, if it is its turn.
    fn next_division(&self, group: GroupId) -> Option<(ShardSlots, ShardId)> {
        let (row, child) = self.map.division_of(group.shard()?)?;
        self.map.closed_shards().take(AT_A_TIME).any(|shard| shard == child).then_some((row, child))
    }

    /// A replica of a shard whose turn it is writes down what has changed, so that little is left for the checkpoint
    /// that clients wait for.
    fn prepare(&mut self, group: GroupId) {
        let Some((row, _)) = self.next_division(group) else { return };
        let base = self.map.formation.shards;
        let Some(replica) = self.replica(group) else { return };
        follow_rows(replica, base);
        let done = replica.owned.making.prepared || replica.owned.generation() >= row.generation;
        if done || replica.checkpointing || self.keeps_division(group) {
            return;
        }
        if let Some(replica) = self.replica(group) {
            replica.owned.making.prepared = true;
            self.checkpoint(group);
        }
    }

    /// The leader of a shard that is to be divided proposes that, once nothing is in its way.
    fn divide(&mut self, group: GroupId) {
        let Some((row, child)) = self.next_division(group) else { return };
        let (now, base) = (self.now, self.map.formation.shards);
        let full = self.disk.is_full() || self.map.level < SPLIT_LEVEL;
        let mut wanted = self.map.set_of(child.group()).nodes();
        wanted.sort_unstable();
        let learners = self.map.set_of(group).learner_nodes();
        let kept = self.keeps_division(group);
        let Some(replica) = self.replicas[group.0 as usize].as_deref_mut() else { return };
        follow_rows(replica, base);
        let busy = replica.checkpointing || replica.step.is_some() || !replica.is_undivided() || kept;
        let busy = busy || !replica.owned.making.prepared;
        let done = replica.owned.generation() >= row.generation;
        if full || busy || done || replica.leading().is_none() || !replica.can_execute() {
            return;
        }
        let members = replica.raft.members();
        let voters: Vec<NodeId> = members.voters.iter().copied().map(NodeId).collect();
        // None is about to get a vote.
        let stays = |node: &u64| learners.contains(&NodeId(*node));
        let settled = members.voters_outgoing.is_empty() && members.learners.iter().all(stays);
        let Some((_, last)) = replica.owned.slots else { return };
        // Those that an earlier incarnation of the cluster wanted are void.
        let same = self.map.set_of(child.group()).wanted.iter().all(|seat| seat.generation == row.generation);
        if !same || !settled || voters != wanted || is_behind(replica, &self.map) || row.slots.1 >= last {
            return;
        }
        replica.begin(now);
        let (at, time) = (replica.raft.next_index(), replica.machine.time());
        let slots = (row.slots.1 + 1, last);
        let child = Child { shard: child, slots, at, time, voters, parted: false };
        let row = ShardSlots { child: Some(child), ..row };
        replica.machine.put_system(SLOTS_ROW, Some(&row.encode()));
        // Nobody is served until it is applied, and then nobody from the other half. Requests wait here meanwhile: were
        // they refused and the entry lost, others of their connections could overtake them.
        replica.owned.proposed = Some(row.slots);
        replica.hurry = true;
        tracing::info!(%group, index = at, first = row.slots.0, last = row.slots.1, "the shard is divided");
        self.propose(group);
        let proposed = self.replica(group).and_then(|replica| replica.last_own()).map(|(_, index)| index);
        if proposed != Some(at) {
            self.outbox.fatal = Some(format!("group {group}: the entry that divides it is not at {at}"));
        }
        // Who waits for keys that go must not be told that nothing came.
        self.end_all_rounds(group);
    }

    /// Whether a committed entry has to wait because it divides the shard: the checkpoint as of it is the next one.
    pub(crate) fn waits_to_divide(
        &mut self,
        group: GroupId,
        index: Index,
        payload: &[u8],
    ) -> Result<bool, DecodeError> {
        if group == GroupId::META || !divides(index, payload)? {
            return Ok(false);
        }
        let base = self.map.formation.shards;
        let Some(replica) = self.replica(group) else { return Ok(false) };
        follow_rows(replica, base);
        Ok(replica.checkpointing || self.keeps_division(group))
    }

    /// An entry was applied: if it divides the shard, the checkpoint as of it begins before another one is applied.
    pub(crate) fn note_division(&mut self, group: GroupId, entry: &Entry) -> Result<(), DecodeError> {
        let payload = consensus::entry_payload(entry)?;
        if group == GroupId::META || !divides(entry.index, &payload)? {
            return Ok(());
        }
        let base = self.map.formation.shards;
        let Some(replica) = self.replica(group) else { return Ok(()) };
        replica.owned.proposed = None;
        replica.owned.making = Making::default();
        follow_rows(replica, base);
        // Planted: see model/planted.rs
        if is_planted(Bug::ChildOfOldRows) {
            replica.stored = (entry.index, entry.term);
            return Ok(());
        }
        if !self.checkpoint(group) {
            // Nothing that keeps one from beginning may be executed by a leader that divides its shard.
            self.outbox.fatal = Some(format!("group {group}: no checkpoint can begin as of its division"));
        }
        Ok(())
    }

    /// Whether no checkpoint may begin: the rows as of the division are still needed.
    pub(crate) fn keeps_division(&self, group: GroupId) -> bool {
        let Some(replica) = self.replicas[group.0 as usize].as_deref() else { return false };
        let Some(child) = replica.owned.child().filter(|child| child.at == replica.stored.0) else {
            return false;
        };
        !child.parted || !self.is_child_safe(child, replica.owned.generation(), &replica.owned.making)
    }

    /// The parent's leader takes away what only the new shard may have: own rows of large values, whose manifests have
    /// gone. Once that is applied the shard is as any other.
    fn part(&mut self, group: GroupId) {
        let now = self.now;
        let Some(replica) = self.replicas[group.0 as usize].as_deref_mut() else { return };
        let (Some(row), Some(uploads)) = (replica.owned.row.clone(), replica.owned.making.uploads.clone())
        else {
            return;
        };
        let open =
            row.child.as_ref().is_some_and(|child| !child.parted && child.at <= replica.machine.applied().0);
        let ready = replica.leading().is_some() && replica.can_execute() && !self.disk.is_full();
        if !open || !ready || replica.owned.making.parting == replica.leading() {
            return;
        }
        replica.owned.making.parting = replica.leading();
        let parted = ShardSlots { child: row.child.map(|child| Child { parted: true, ..child }), ..row };
        let gone: Vec<Vec<u8>> =
            uploads.into_iter().filter(|name| replica.machine.system(name).is_some()).collect();
        for names in gone.chunks(UPLOADS) {
            let Some(replica) = self.replica(group).filter(|replica| replica.can_execute()) else { return };
            replica.begin(now);
            names.iter().for_each(|name| replica.machine.put_system(name, None));
            self.propose(group);
        }
        let Some(replica) = self.replica(group).filter(|replica| replica.can_execute()) else { return };
        replica.begin(now);
        replica.machine.put_system(SLOTS_ROW, Some(&parted.encode()));
        replica.hurry = true;
        self.propose(group);
    }

    /// The leader of a new shard has the meta group open it.
    fn open_child(&mut self, group: GroupId) {
        let Some(shard) = group.shard().filter(|shard| !self.map.is_open(*shard)) else { return };
        let Some(replica) = self.replica(group) else { return };
        let leads =
            replica.leading().is_some() && replica.can_execute() && replica.machine.applied().0 > FIRST.0;
        if leads && self.routes[0].leader().is_some() && self.routes[0].is_empty() {
            self.ask_meta(&[b"open-shard", shard.0.to_string().as_bytes()]);
        }
    }

    /// Rows that begin a split; the cluster must be in order.
    pub(crate) fn division_rows(&self) -> Result<Vec<cluster::map::Row>, String> {
        if self.map.level < SPLIT_LEVEL {
            return Err(format!(
                "TRYAGAIN shards can be split when all members have said that they can: the cluster has level {}, needed is {SPLIT_LEVEL}",
                self.map.level
            ));
        }
        let rows = self.map.divide_rows().map_err(|error| format!("ERR {error}"))?;
        // Who is away makes its part later. Of others each must have all its votes: with one more node that fails a
        // shard could have no majority.
        let serves = |node: &NodeId| self.standing(*node) == Standing::Serving;
        let mut up = self.map.members.keys().copied().filter(serves);
        match up.find_map(|node| self.lacks_vote(node).map(|group| (node, group))) {
            Some((node, group)) => {
                Err(format!("TRYAGAIN node {node} is still getting its replica of group {group}"))
            }
            None => Ok(rows),
        }
    }

    /// A group that a node is to have a replica of and has none with a vote, as far as it has said.
    fn lacks_vote(&self, node: NodeId) -> Option<GroupId> {
        let report = self.peers.get(&node).and_then(|peer| peer.report.as_ref());
        let votes = |group: GroupId| match self.replicas[group.0 as usize].as_deref() {
            _ if node != self.me.node => {
                let mut groups = report.into_iter().flat_map(|report| &report.groups);
                groups.any(|of| of.group == group.0 && !of.joining && !of.rebuilding)
            }
            Some(replica) => replica.raft.has_joined() && !replica.raft.is_rebuilding(),
            None => false,
        };
        let mut held = (0..=self.map.shards.len() as u32).map(GroupId);
        held.find(|group| self.map.set_of(*group).seat(node).is_some() && !votes(*group))
    }

    /// Whether a slot was the group's, and is another shard's since it was divided.
    pub(crate) fn gave_away(&mut self, group: GroupId, ks: Keyspace, slot: Slot) -> bool {
        let base = self.map.formation.shards;
        let divided =
            |replica: &mut Replica| replica.owned.child().is_some() && !replica.owns(ks, slot, base);
        self.replica(group).is_some_and(divided)
    }

    /// The error while a split is under way for what must not happen meanwhile.
    pub(crate) fn check_undivided(&self) -> Result<(), String> {
        match self.map.is_dividing() {
            true => Err("TRYAGAIN shards are being split".to_owned()),
            false => Ok(()),
        }
    }

    /// The last slot that a command on all of a shard concerns, as far as this node knows.
    pub(crate) fn last_slot_of(&self, shard: ShardId) -> Slot {
        let slots = self.map.shards.get(usize::from(shard.0)).and_then(|info| info.slots.last());
        slots.map_or(0, |slots| slots.1)
    }

    /// Whether this node has no rows of another shard in its replica of a group, for those who look from outside.
    pub fn is_undivided(&self, group: GroupId) -> bool {
        let replica = self.replicas.get(group.0 as usize).and_then(Option::as_deref);
        replica.is_none_or(Replica::is_undivided)
    }
}
