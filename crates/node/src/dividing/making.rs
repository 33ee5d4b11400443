//! The first replica of a new shard on a node, made of the rows of its parent there as of the entry that divided it.

use crate::core::Core;
use crate::outbox::Job;
use crate::replica::Replica;
use crate::seats::conf_state;
use cluster::map::{Child, SLOTS_ROW, Seat, ShardSlots, layout_name};
use cluster::{KeyspaceLayout, MEMBERS_ROW, Members, ShardLayout, Tenure};
use consensus::{Group, GroupConfig, HardState, Recovered};
use model::limits::SPACES;
use model::varint::DecodeError;
use model::{GroupId, Index, Keyspace, NodeId, Slot, Term};
use shard::Machine;
use shard::checkpoint::{Applied, Division};
use storage::log::Install;

/// Where the log of a shard that was made by a split begins, on all its first replicas. Not at 1, where that of a
/// shard begins which has had no rows.
pub const FIRST: (Index, Term) = (10, 1);
/// After a failed try, ms.
const AGAIN_MS: u64 = 1000;

/// The part of a shard's rows that a new shard begins with.
#[derive(Debug, Clone)]
pub struct Part {
    /// Number of shards with which the cluster began.
    base: u16,
    /// The rows are as of this index of the old shard.
    pub at: Index,
    /// First and last slot.
    slots: (Slot, Slot),
    /// What the new rows say of themselves.
    applied: Applied,
    /// Rows that the new shard has instead of the old one's.
    members: Vec<u8>,
    owned: Vec<u8>,
}

impl Part {
    /// Of the child that the row of a shard names. `base`: number of shards with which the cluster began. `voters`:
    /// its first ones, ascending.
    pub fn new(base: u16, generation: u64, incarnation: u64, child: &Child, voters: Vec<NodeId>) -> Part {
        let owned = ShardSlots { generation, slots: child.slots, child: None }.encode();
        let generations = voters.iter().map(|&node| Seat { node, generation }).collect();
        let mut members = Vec::new();
        Members { incarnation, voters, generations, ..Members::default() }.encode(&mut members);
        // The same on all replicas.
        let rolling = model::position::chain(generation, &owned);
        let applied = Applied { index: FIRST.0, term: FIRST.1, shard_time: child.time, rolling };
        Part { base, at: child.at, slots: child.slots, applied, members, owned }
    }

    /// Has the division of the old shard's rows take this part.
    ///
    /// # Errors
    /// A row that can not be read.
    pub fn begin(&self, division: &mut Division) -> Result<(), DecodeError> {
        let mut spread = 0;
        for ks in (0..SPACES).map(Keyspace) {
            let row = division.own(&layout_name(ks)).map(|row| ShardLayout::decode(row, self.base));
            let row = row.transpose()?.unwrap_or(ShardLayout::first(ks, self.base));
            spread |= u32::from(row.open == Some(KeyspaceLayout::Spread)) << ks.0;
        }
        division.take(self.slots, spread);
        Ok(())
    }

    /// The new shard's own rows.
    pub fn own_rows(&self, division: Division) -> Vec<(Vec<u8>, Vec<u8>)> {
        // What may be lost of the old shard's log is no matter of the new one's.
        let losses: Vec<Vec<u8>> = division.own_names(crate::losses::bound::PREFIX);
        let mut own: Vec<(&[u8], Option<&[u8]>)> = losses.iter().map(|name| (&name[..], None)).collect();
        own.push((MEMBERS_ROW, Some(&self.members)));
        own.push((SLOTS_ROW, Some(&self.owned)));
        division.first_rows(self.applied, &own)
    }
}

/// How far a replica has come with the shard that is made of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Making {
    /// A checkpoint was begun before the shard is divided.
    pub(super) prepared: bool,
    /// The disk pool works for it.
    under_way: bool,
    /// Not before, monotonic ms.
    next_ms: u64,
    /// The log of the folder in which the last try was made, until it succeeds: where it failed the folder may be full.
    tried_in: Option<usize>,
    /// The log and the batch of it in which the new replica is.
    batch: Option<(usize, u64)>,
    /// Names of rows that are the new shard's alone, once known.
    pub(super) uploads: Option<Vec<Vec<u8>>>,
    /// The term in which this leader has proposed that they go.
    pub(super) parting: Option<Term>,
}

/// How far a replica has come with being divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// It has not applied the entry that divides its shard.
    Whole,
    /// The checkpoint as of that entry is not in the row store yet.
    Applied,
    /// The new shard's replica is not made of it yet.
    Stored,
    /// It is, and the log may not say so durably.
    Made,
    /// It does, and the parent has own rows left that are the new shard's.
    Durable,
    /// The parent has none.
    Parted,
}

/// What the disk pool has made.
#[derive(Debug)]
pub struct Made {
    /// Its tree and the machine with its rows, if it was to be made and not only looked at.
    pub child: Option<(u64, Box<Machine>)>,
    /// Names of own rows of the parent that are the child's alone.
    pub uploads: Vec<Vec<u8>>,
}

impl Core {
    /// Whether this node has a replica of a new shard and its log durably says so, or is to have none.
    pub(super) fn is_child_safe(&self, child: &Child, generation: u64, making: &Making) -> bool {
        let group = child.shard.group();
        if self.replicas.get(group.0 as usize).is_some_and(Option::is_some) {
            return making.batch.is_none_or(|(log, batch)| self.logs.is_durable(log, batch));
        }
        self.has_left(group, generation) || self.is_without(group, generation)
    }

    /// How far this node's replica of a group is with the last split, for those who look from outside; `None`
    /// without a replica.
    pub fn division(&self, group: GroupId) -> Option<Progress> {
        let replica = self.replicas.get(group.0 as usize)?.as_deref()?;
        let Some(child) = replica.owned.child() else { return Some(Progress::Whole) };
        let made = self.replicas.get(child.shard.group().0 as usize).is_some_and(Option::is_some);
        Some(match made {
            false if replica.stored.0 < child.at => Progress::Applied,
            false => Progress::Stored,
            true if child.parted => Progress::Parted,
            true if self.is_child_safe(child, replica.owned.generation(), &replica.owned.making) => {
                Progress::Durable
            }
            true => Progress::Made,
        })
    }

    /// Whether the map says that this node has no replica of a new shard, or a later one than the first. After a
    /// recovery it says nothing before that is recorded.
    fn is_without(&self, group: GroupId, generation: u64) -> bool {
        let seat = self.map.set_of(group).seat(self.me.node);
        let says = self.map.is_recovery_recorded() && self.map.epoch >= generation;
        says && seat.is_none_or(|seat| seat.generation != generation)
    }

    /// Whether this node is a witness and this one of the first replicas of a new shard. It begins empty, for it has no
    /// rows to take over, and has a vote at once: whoever may campaign has all that the log begins with, and of what
    /// comes later a witness acknowledges nothing before it has got a snapshot with the members.
    pub(crate) fn is_first_witness(&self, group: GroupId, generation: u64) -> bool {
        let made_of = group.shard().and_then(|shard| self.map.made_of(shard));
        self.me.witness && made_of.is_some_and(|(_, of)| of == generation)
    }

    /// Whether the first replica of a new shard is to be made of one that this node has of its parent.
    pub(crate) fn is_to_be_made(&self, group: GroupId, generation: u64) -> bool {
        if self.me.witness {
            return false;
        }
        let made_of = group.shard().and_then(|shard| self.map.made_of(shard));
        let Some(parent) = made_of.filter(|made_of| made_of.1 == generation).map(|(shard, _)| shard.group())
        else {
            return false;
        };
        let Some(parent) = self.replicas[parent.0 as usize].as_deref() else {
            // Its parent may have to be made first.
            let seat = self.map.set_of(parent).seat(self.me.node);
            return seat.is_some_and(|seat| self.is_to_be_made(parent, seat.generation));
        };
        // Once its rows are later than the division they are of no use for that.
        let before = parent.owned.generation() < generation;
        before || parent.owned.child().is_some_and(|child| parent.stored.0 <= child.at)
    }

    /// The checkpoint as of the division is there: the new shard's replica is made of it.
    pub(crate) fn make_child(&mut self, group: GroupId) {
        let (now_ms, incarnation, base) =
            (self.now.mono_ms(), self.map.incarnation, self.map.formation.shards);
        let (epoch, recorded) = (self.map.epoch, self.map.is_recovery_recorded());
        let Some(replica) = self.replica(group) else { return };
        crate::layouts::follow_rows(replica, base);
        let generation = replica.owned.generation();
        let Some(child) = replica.owned.child().cloned() else { return };
        let idle = !replica.owned.making.under_way
            && replica.owned.making.next_ms <= now_ms
            && !replica.checkpointing;
        if !idle || replica.stored.0 != child.at || epoch < generation || !recorded {
            return;
        }
        let of = child.shard.group();
        let there = self.replicas.get(of.0 as usize).is_some_and(Option::is_some);
        let wanted = !there && !self.has_left(of, generation) && !self.is_without(of, generation);
        let Some(replica) = self.replica(group) else { return };
        if !wanted && (child.parted || replica.owned.making.uploads.is_some()) {
            return;
        }
        replica.owned.making.under_way = true;
        let (tree, avoided) = (replica.tree, replica.owned.making.tried_in);
        let seed = self.settings.seed;
        let to = wanted.then(|| {
            let log = self.choose_log(of, avoided);
            if let Some(replica) = self.replica(group) {
                replica.owned.making.tried_in = Some(log);
            }
            let tree = self.logs.new_tree(log);
            (tree, Box::new(self.empty_machine(seed ^ tree.rotate_left(32))))
        });
        let part = Box::new(Part::new(base, generation, incarnation, &child, self.first_voters(&child)));
        self.outbox.jobs.push(Job::Divide { group, tree, part, to });
    }

    /// Who votes in a new shard at first, ascending: as the entry says that divides its parent, or the survivors that
    /// make it if a recovery came in between.
    fn first_voters(&self, child: &Child) -> Vec<NodeId> {
        let mut first = self.map.set_of(child.shard.group()).first;
        first.sort_unstable();
        if first.is_empty() { child.voters.clone() } else { first }
    }

    /// The disk pool has made a new shard's rows, or not.
    pub(crate) fn divided(&mut self, group: GroupId, tree: u64, at: Index, result: Result<Made, String>) {
        let now_ms = self.now.mono_ms();
        let Some(replica) = self.replica(group) else {
            // It was given up, and what was made of it is of no use.
            let new = result.ok().and_then(|made| made.child);
            self.outbox.jobs.extend(new.map(|(tree, _)| Job::DropTree { tree }));
            return;
        };
        replica.owned.making.under_way = false;
        let made = match result {
            Ok(made) => {
                replica.owned.making.tried_in = None;
                made
            }
            Err(error) => {
                replica.owned.making.next_ms = now_ms + AGAIN_MS;
                tracing::warn!(%group, %error, "a new shard can not be made of its parent; trying again");
                return;
            }
        };
        let same = replica.tree == tree && replica.stored.0 == at;
        let child = replica.owned.child().filter(|child| same && child.at == at).cloned();
        let generation = replica.owned.generation();
        if child.is_some() {
            replica.owned.making.uploads = Some(made.uploads);
        }
        let Some((new, machine)) = made.child else { return };
        let batch = child.and_then(|child| self.found_child(child.shard.group(), generation, machine, new));
        match (batch, self.replica(group)) {
            (Some(batch), Some(replica)) => replica.owned.making.batch = Some(batch),
            _ => self.outbox.jobs.push(Job::DropTree { tree: new }),
        }
    }

    /// Starts a new shard's replica with these rows. The number of the batch that makes it durable.
    fn found_child(
        &mut self,
        group: GroupId,
        generation: u64,
        machine: Box<Machine>,
        tree: u64,
    ) -> Option<(usize, u64)> {
        let log = self.logs.log_with(tree)?;
        let there = self.replicas.get(group.0 as usize)?.is_some() || self.has_left(group, generation);
        let members = machine.system(MEMBERS_ROW).and_then(|row| Members::decode(row).ok())?;
        if there || self.is_without(group, generation) || machine.applied() != FIRST {
            return None;
        }
        // One that is to learn is made a member by a step, as any that comes.
        let joined = members.names(self.me.node);
        let hard_state = HardState { term: FIRST.1, vote: 0, commit: FIRST.0, ..HardState::default() };
        let recovered = Recovered {
            hard_state,
            compacted: FIRST,
            conf_state: conf_state(&members),
            applied: FIRST.0,
            joins: true,
            joined,
            fresh: true,
            ..Recovered::default()
        };
        let config = GroupConfig {
            generation,
            base_election_ms: self.settings.base_election_ms,
            heartbeat_ms: self.settings.heartbeat_ms,
            member_steps: true,
            ..GroupConfig::new(group, self.me.node, self.settings.seed ^ tree.rotate_left(32))
        };
        let mut raft = match Group::new(config, recovered, self.now) {
            Ok(raft) => raft,
            Err(error) => {
                self.outbox.fatal = Some(format!("group {group}: a replica can not be made: {error}"));
                return None;
            }
        };
        raft.set_witnesses(self.map.witnesses());
        raft.set_snapshot_source(FIRST.0, FIRST.1);
        let mut replica = Replica::new(group, raft, *machine, tree, FIRST);
        replica.tenure = Tenure::Holds { generation, joined, members };
        replica.log = log;
        let conf_state = replica.tenure.encode();
        let record = Install { tree, index: FIRST.0, term: FIRST.1, conf_state };
        self.record_anew(log, (group, &replica.tenure), record, (FIRST.1, 0));
        tracing::info!(%group, generation, "a new shard has a replica on this node");
        self.replicas[group.0 as usize] = Some(Box::new(replica));
        self.send_reports();
        Some((log, self.logs.of(log).next_batch))
    }
}
