//! One group: which tree is its, whether rows and log fit, and the replica made of them.

use super::error::{Misfit, RecoverError};
use super::{Start, Timing};
use crate::disk_pool::{Rows, load_rows};
use consensus::{ConfState, Entry, Group, GroupConfig, HardState, Recovered};
use model::{GroupId, Index, KeyHasher, Term};
use node::replica::Replica;
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
    log: GroupLog,
    /// Seeds of the machine and of Raft.
    seeds: (u64, u64),
}

/// A restored group.
pub(super) struct Restored {
    pub(super) replica: Replica,
    pub(super) rows: Rows,
    pub(super) entries: u64,
}

/// The tree a group begins with. All of them are made before any other tree, so that ids of later ones,
/// which are above all ids ever used, never meet these.
fn first_tree(group: GroupId) -> u64 {
    u64::from(group.0) + 1
}

impl Plan {
    /// Finds the tree of a group. `known`: trees that exist.
    pub(super) fn new(
        group: GroupId,
        log: GroupLog,
        known: &BTreeSet<u64>,
        seeds: (u64, u64),
    ) -> Result<Plan, RecoverError> {
        let installed = log.install.as_ref();
        let tree = installed.map_or(first_tree(group), |install| install.tree);
        // Opening a tree that does not exist makes it: right at the first start and never later.
        if !known.contains(&tree) && (installed.is_some() || log.floor > 0) {
            return Err(RecoverError::Apart { group, tree, what: Misfit::Missing(log.floor) });
        }
        Ok(Plan { group, tree, log, seeds })
    }

    /// Loads the rows, checks them against the log, and makes the replica.
    pub(super) fn restore(self, stores: &dyn RowStores, start: &Start<'_>) -> Result<Restored, RecoverError> {
        let (group, tree) = (self.group, self.tree);
        let apart = |what| RecoverError::Apart { group, tree, what };
        let store = self.open(stores)?;
        let mut machine = Machine::new(KeyHasher::new(start.hash_seed), start.max_value, self.seeds.0);
        let rows = load_rows(&*store, &mut machine);
        let rows = rows.map_err(|why| RecoverError::Row { group, tree, why })?;
        let stored = machine.applied();
        check(&self.log, stored).map_err(apart)?;
        let hard_state = self.log.hard.map_or_else(HardState::default, raft_hard_state);
        let (compacted, entries) = tail(self.log, stored);
        let count = entries.iter().filter(|entry| entry.index > stored.0).count() as u64;
        let voters = start.formation.voters(group).iter().map(|node| node.0).collect();
        let recovered = Recovered {
            hard_state,
            entries,
            compacted,
            conf_state: ConfState { voters, ..ConfState::default() },
            applied: stored.0,
        };
        let mut raft = Group::new(config(group, start, self.seeds.1), recovered, start.now)?;
        raft.set_snapshot_source(stored.0, stored.1);
        Ok(Restored { replica: Replica::new(group, raft, machine, tree, stored), rows, entries: count })
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
fn tail(log: GroupLog, stored: (Index, Term)) -> ((Index, Term), Vec<Entry>) {
    let (mut kept, mut from) = (0, stored.0);
    for entry in log.entries.iter().rev().filter(|entry| entry.index <= stored.0) {
        kept += entry.data.len();
        if kept > KEPT_BYTES {
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

fn config(group: GroupId, start: &Start<'_>, seed: u64) -> GroupConfig {
    let Timing { tick_ms, base_election_ms, heartbeat_ms } = start.timing;
    GroupConfig { tick_ms, base_election_ms, heartbeat_ms, ..GroupConfig::new(group, start.node, seed) }
}

fn raft_entry(entry: log::Entry) -> Entry {
    Entry { index: entry.index, term: entry.term, data: entry.data.into(), ..Entry::default() }
}

fn raft_hard_state(hard: log::HardState) -> HardState {
    HardState { term: hard.term, vote: hard.vote, commit: hard.commit, ..HardState::default() }
}
