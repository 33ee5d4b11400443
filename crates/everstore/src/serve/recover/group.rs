//! One group: which tree is its, whether rows and log fit, and the replica made of them.

use super::error::{Misfit, RecoverError};
use super::{Start, Timing};
use crate::serve::disk_pool::{Rows, load_rows};
use consensus::{ConfState, Entry, Group, GroupConfig, HardState, Recovered};
use model::{GroupId, Index, KeyHasher, Term};
use node::replica::Replica;
use shard::Machine;
use std::collections::BTreeSet;
use storage::log::{self, GroupLog};
use storage::rows::snapshot::{Staged, staged};
use storage::rows::{RowStore, RowStores};
use std::sync::Arc;

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
        let entries: Vec<Entry> =
            self.log.entries.into_iter().filter(|entry| entry.index > stored.0).map(raft_entry).collect();
        let count = entries.len() as u64;
        let voters = start.formation.voters(group).iter().map(|node| node.0).collect();
        let recovered = Recovered {
            hard_state: self.log.hard.map_or_else(HardState::default, raft_hard_state),
            entries,
            compacted: stored,
            conf_state: ConfState { voters, ..ConfState::default() },
            applied: stored.0,
        };
        let raft = Group::new(config(group, start, self.seeds.1), recovered, start.now)?;
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
