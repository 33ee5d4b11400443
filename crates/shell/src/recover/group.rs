//! One group: which tree is its, whether rows and log fit, and the replica made of them.

use super::error::{Misfit, RecoverError};
use super::{Start, Timing};
use crate::disk_pool::{Rows, Unreadable, load_rows};
use crate::split::slots_in;
use cluster::map::ShardSlots;
use cluster::{MEMBERS_ROW, Members, Tenure};
use consensus::{Entry, Group, GroupConfig, HardState, Recovered};
use model::varint::DecodeError;
use model::{GroupId, Index, KeyHasher, Term};
use node::logs::tree_in;
use node::replica::Replica;
use node::seats::conf_state;
use shard::Machine;
use std::collections::BTreeSet;
use std::sync::Arc;
use storage::log::{self, GroupLog};
use storage::rows::snapshot::{Staged, staged};
use storage::rows::{RowStore, RowStores};

/// Bytes of entries before the rows that are kept for followers, at most.
const KEPT_BYTES: usize = 4 << 20;

/// A group to be restored.
pub(super) struct Plan {
    pub(super) group: GroupId,
    pub(super) tree: u64,
    /// Which log it is in.
    at: usize,
    log: GroupLog,
    /// The tree does not exist and should.
    missing: bool,
    /// Seeds of the machine and of Raft.
    seeds: (u64, u64),
}

/// A restored group.
pub(super) struct Restored {
    pub(super) replica: Replica,
    pub(super) rows: Rows,
    pub(super) entries: u64,
}

/// The tree a group begins with in a folder. All of them are made before any other tree, so that ids of later ones,
/// which are above all ids ever used, never meet these.
fn first_tree(folder: u32, group: GroupId) -> u64 {
    tree_in(folder, u64::from(group.0) + 1)
}

/// The tree with the rows of a group in a folder, as its log says.
pub(crate) fn tree_within(folder: u32, group: GroupId, log: &GroupLog) -> u64 {
    log.install.as_ref().map_or(first_tree(folder, group), |install| install.tree)
}

impl Plan {
    /// Finds the tree of a group. `at`: its log, and the number of that one's folder. `known`: trees that exist.
    pub(super) fn new(
        group: GroupId,
        (at, folder): (usize, u32),
        log: GroupLog,
        known: &BTreeSet<u64>,
        seeds: (u64, u64),
    ) -> Plan {
        let installed = log.install.as_ref();
        let tree = tree_within(folder, group, &log);
        // Opening a tree that does not exist makes it: right at the first start, and for a replica that came
        // later as long as it has no rows, but never afterwards.
        let missing = !known.contains(&tree) && (installed.is_some_and(|i| i.index > 0) || log.floor > 0);
        Plan { group, tree, at, log, missing, seeds }
    }

    /// Loads the rows, checks them against the log, and makes the replica: one without rows if only they
    /// are damaged, and the log shows that it is whole by knowing what they were made of.
    pub(super) fn restore(self, stores: &dyn RowStores, start: &Start<'_>) -> Result<Restored, RecoverError> {
        let at = self.at;
        let mut restored = self.restore_replica(stores, start)?;
        restored.replica.log = at;
        Ok(restored)
    }

    fn restore_replica(self, stores: &dyn RowStores, start: &Start<'_>) -> Result<Restored, RecoverError> {
        let (group, tree) = (self.group, self.tree);
        let mut machine = self.machine(start);
        let rows = match self.load(stores, &mut machine) {
            Ok(rows) => rows,
            Err(why) if why.concerns_rows_only() && self.log.last_index() > 0 => {
                tracing::error!(%group, tree, reason = %why,
                    "a row tree can not be used; it is set aside and rebuilt from a healthy replica");
                return self.without_rows(start);
            }
            Err(why) => return Err(why),
        };
        let stored = machine.applied();
        let tenure = self.tenure(start)?;
        let hard_state = self.log.hard.map_or_else(HardState::default, raft_hard_state);
        // A witness serves entries to nobody.
        let keep = if start.witness { 0 } else { KEPT_BYTES };
        let (compacted, mut entries) = tail(self.log, stored, keep);
        void_steps(&mut entries, start.void_steps(group))?;
        void_splits(&mut entries, start.void_splits(group))?;
        let count = entries.iter().filter(|entry| entry.index > stored.0).count() as u64;
        let members = members(start, group, machine.system(MEMBERS_ROW))?;
        let (generation, joined, _) = tenure;
        let named = members.names(start.node) && members.generation(start.node) == generation;
        let recovered = Recovered {
            hard_state,
            entries,
            compacted,
            conf_state: conf_state(&members),
            applied: stored.0,
            joins: generation > 0 || !named,
            joined: joined || named,
            ..Recovered::default()
        };
        let mut raft = Group::new(config(group, start, generation, self.seeds.1), recovered, start.now)?;
        raft.set_snapshot_source(stored.0, stored.1);
        let mut replica = Replica::new(group, raft, machine, tree, stored);
        replica.tenure = Tenure::Holds { generation, joined: joined || named, members };
        Ok(Restored { replica, rows, entries: count })
    }

    /// A replica with its whole log, but without rows.
    fn without_rows(self, start: &Start<'_>) -> Result<Restored, RecoverError> {
        let (group, tree, seed) = (self.group, self.tree, self.seeds.1);
        let machine = self.machine(start);
        // As of the log's beginning: each checkpoint of a group with other members than its first has said so.
        let tenure = self.tenure(start)?;
        let (generation, joined, members) = tenure;
        let GroupLog { hard, floor, floor_term, entries, .. } = self.log;
        let hard_state = hard.map_or_else(HardState::default, raft_hard_state);
        // Terms never fall along a log, and none is above the durable one.
        let bound = entries.first().map_or(hard_state.term, |entry| entry.term);
        let floor_term = if floor == 0 { Some(0) } else { floor_term };
        let count = entries.len() as u64;
        let mut entries: Vec<Entry> = entries.into_iter().map(raft_entry).collect();
        void_steps(&mut entries, start.void_steps(group))?;
        void_splits(&mut entries, start.void_splits(group))?;
        let recovered = Recovered {
            hard_state,
            entries,
            compacted: (floor, floor_term.unwrap_or(bound)),
            conf_state: conf_state(&members),
            applied: floor,
            rows_lost: true,
            compacted_guessed: floor_term.is_none(),
            joins: generation > 0 || !members.names(start.node),
            joined,
            ..Recovered::default()
        };
        let raft = Group::new(config(group, start, generation, seed), recovered, start.now)?;
        let mut replica = Replica::new(group, raft, machine, tree, (0, 0));
        replica.tenure = Tenure::Holds { generation, joined, members };
        Ok(Restored { replica, rows: Rows::default(), entries: count })
    }

    /// Generation, whether it may vote, and members as of the last record of its rows, as the log says; else it
    /// is the first replica of its node.
    fn tenure(&self, start: &Start<'_>) -> Result<(u64, bool, Members), RecoverError> {
        let (generation, joined, known) = match tenure_of(&self.log)? {
            Some(Tenure::Holds { generation, joined, members }) => (generation, joined, Some(members)),
            Some(Tenure::Left { .. } | Tenure::Elsewhere { .. }) => {
                return Err(RecoverError::Tenure(DecodeError::Malformed("replica that has left")));
            }
            None => (0, true, None),
        };
        let known = known.filter(|members| members.incarnation == start.formation.incarnation);
        match known {
            Some(members) => Ok((generation, joined, members)),
            // The members of a new incarnation begin anew.
            None => Ok((0, true, members(start, self.group, None)?)),
        }
    }

    fn machine(&self, start: &Start<'_>) -> Machine {
        let mut machine = Machine::new(KeyHasher::new(start.hash_seed), start.max_value, self.seeds.0);
        let groups = u64::from(start.formation.shards).max(1);
        machine.set_load_limit(node::load_limit(start.max_memory, groups));
        machine
    }

    /// The rows, if they are whole and fit the log.
    fn load(&self, stores: &dyn RowStores, machine: &mut Machine) -> Result<Rows, RecoverError> {
        let (group, tree) = (self.group, self.tree);
        let apart = |what| RecoverError::Apart { group, tree, what };
        if self.missing {
            return Err(apart(Misfit::Missing(self.log.floor)));
        }
        let store = self.open(stores)?;
        let rows = load_rows(&*store, machine).map_err(|error| match error {
            Unreadable::Store(source) => RecoverError::Rows { group, source },
            Unreadable::Row(why) => RecoverError::Row { group, tree, why },
        })?;
        check(&self.log, machine.applied()).map_err(apart)?;
        Ok(rows)
    }

    fn open(&self, stores: &dyn RowStores) -> Result<Arc<dyn RowStore>, RecoverError> {
        let (group, tree) = (self.group, self.tree);
        let failed = |source| RecoverError::Rows { group, source };
        let store = stores.open(tree).map_err(failed)?;
        match staged(&*store).map_err(failed)? {
            Staged::Complete => Ok(store),
            Staged::Partial { .. } => Err(RecoverError::Apart { group, tree, what: Misfit::Unfinished }),
        }
    }
}

/// Rows may be ahead of the log's floor, never behind it, and never ahead of its end.
fn check(log: &GroupLog, (index, term): (Index, Term)) -> Result<(), Misfit> {
    if let Some(install) = log.install.as_ref().filter(|install| index < install.index) {
        return Err(Misfit::BelowInstall { rows: index, install: install.index });
    }
    if index < log.floor {
        return Err(Misfit::Gap { rows: index, floor: log.floor });
    }
    if index > log.last_index() {
        return Err(Misfit::Short { rows: index, last: log.last_index() });
    }
    match log.entries.iter().find(|entry| entry.index == index) {
        Some(entry) if entry.term != term => Err(Misfit::Term { index, rows: term, log: entry.term }),
        _ => Ok(()),
    }
}

/// Where Raft's log begins, and its entries: all after the rows, and some before them, so that a follower
/// a little behind needs no snapshot after a restart of the whole cluster.
fn tail(log: GroupLog, stored: (Index, Term), keep: usize) -> ((Index, Term), Vec<Entry>) {
    let (mut kept, mut from) = (0, stored.0);
    for entry in log.entries.iter().rev().filter(|entry| entry.index <= stored.0) {
        kept += entry.data.len().max(1);
        if kept > keep {
            break;
        }
        from = entry.index;
    }
    // The entry before the first one given is known by its term alone.
    let before = log.entries.iter().find(|entry| entry.index == from && entry.index <= stored.0);
    let compacted = before.map_or(stored, |entry| (entry.index, entry.term));
    let compacted = if log.floor == 0 && from == 1 { (0, 0) } else { compacted };
    let entries = log.entries.into_iter().filter(|entry| entry.index > compacted.0).map(raft_entry);
    (compacted, entries.collect())
}

/// What the log says of this node's replica of a group beside entries, if anything.
pub(crate) fn tenure_of(log: &GroupLog) -> Result<Option<Tenure>, RecoverError> {
    let record = log.install.as_ref().map_or(&b""[..], |install| &install.conf_state);
    Tenure::decode(record).map_err(RecoverError::Tenure)
}

/// The members as a group's row says, else the first ones. A row of an earlier incarnation of the cluster says
/// nothing: the survivors go on alone.
fn members(start: &Start<'_>, group: GroupId, row: Option<&[u8]>) -> Result<Members, RecoverError> {
    let row = row.map(Members::decode).transpose().map_err(RecoverError::Tenure)?;
    if let Some(members) = row.filter(|row| row.incarnation == start.formation.incarnation) {
        return Ok(members);
    }
    let mut voters = start.voters(group);
    voters.sort_unstable();
    Ok(Members { incarnation: start.formation.incarnation, voters, ..Members::default() })
}

fn config(group: GroupId, start: &Start<'_>, generation: u64, seed: u64) -> GroupConfig {
    let Timing { tick_ms, base_election_ms, heartbeat_ms } = start.timing;
    let config = GroupConfig::new(group, start.node, seed);
    let witness = start.witness;
    GroupConfig { generation, tick_ms, base_election_ms, heartbeat_ms, member_steps: true, witness, ..config }
}

fn raft_entry(entry: log::Entry) -> Entry {
    let (index, term, data) = (entry.index, entry.term, entry.data.into());
    let mut made = Entry { index, term, data, ..Entry::default() };
    consensus::set_entry_kind(&mut made, entry.kind);
    made
}

/// What entries up to `upto` do is done, but whom they made members means nothing any more.
fn void_steps(entries: &mut [Entry], upto: Index) -> Result<(), RecoverError> {
    for entry in entries.iter_mut().filter(|entry| entry.index <= upto) {
        if consensus::entry_kind(entry) == 1 {
            let payload = consensus::entry_payload(entry).map_err(RecoverError::Tenure)?.into_owned();
            entry.data = payload.into();
            consensus::set_entry_kind(entry, 0);
        }
    }
    Ok(())
}

/// What entries say of the slots of their shard is void if they are of such a split and up to such an index: they hold
/// nothing else, and no survivor had applied one.
fn void_splits(entries: &mut [Entry], void: &[(u64, Index)]) -> Result<(), RecoverError> {
    let Some(last) = void.iter().map(|(_, upto)| *upto).max() else { return Ok(()) };
    for entry in entries.iter_mut().filter(|entry| entry.index <= last && consensus::entry_kind(entry) == 0) {
        let row = slots_in(&entry.data).map_err(RecoverError::Tenure)?;
        let is_void = |row: &ShardSlots| {
            let of_split =
                |&(generation, upto): &(u64, Index)| generation == row.generation && entry.index <= upto;
            void.iter().any(of_split)
        };
        if row.as_ref().is_some_and(is_void) {
            entry.data = Vec::new().into();
        }
    }
    Ok(())
}

fn raft_hard_state(hard: log::HardState) -> HardState {
    HardState { term: hard.term, vote: hard.vote, commit: hard.commit, ..HardState::default() }
}
