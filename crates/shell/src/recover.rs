//! From the data folder to replicas: rows from the row store, entries after them from the log.

mod error;
mod group;
mod places;
#[cfg(test)]
mod tests;

pub use error::RecoverError;
pub(crate) use group::{tenure_of, tree_within};
pub use places::Found;
pub(crate) use places::{Places, places};

use self::group::{Plan, Restored};
use self::places::Merged;
use crate::holders::Holders;
use cluster::{Formation, Members, Tenure};
use env::Clock;
use model::time::MS;
use model::{GroupId, Index, NodeId, Now};
use node::replica::Replica;
use node::seats::Left;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use storage::log::GroupLog;
use storage::rows::RowStores;

/// What recovery must know besides the data.
#[derive(Clone)]
pub struct Start<'a> {
    /// The first members of all groups.
    pub formation: &'a Formation,
    /// Who of them has what, if they are survivors of a lost majority and shards had moved.
    pub holders: Option<&'a Holders>,
    /// This node.
    pub node: NodeId,
    /// It votes, and keeps no data.
    pub witness: bool,
    /// Raft's clock.
    pub timing: Timing,
    /// Seed of the positions of keys, the same on all nodes ([`cluster::ClusterId::hash_seed`]).
    pub hash_seed: u64,
    /// Largest value in bytes.
    pub max_value: usize,
    /// Bytes of memory for rows, 0 = no limit.
    pub max_memory: u64,
    /// The time.
    pub now: Now,
    /// Tells how long it took.
    pub clock: &'a dyn Clock,
    /// Threads that load trees, this one included.
    pub loaders: usize,
    /// Seed of everything random in the replicas; differs from node to node and from start to start.
    pub seed: u64,
}

impl Start<'_> {
    /// The first voters of a group in this incarnation of the cluster.
    fn voters(&self, group: GroupId) -> Vec<NodeId> {
        self.holders.map_or_else(|| self.formation.voters(group), |holders| holders.of(group).to_vec())
    }

    /// Steps of members up to this entry are of an earlier incarnation, and mean nothing.
    fn void_steps(&self, group: GroupId) -> Index {
        self.holders.map_or(0, |holders| holders.void_steps(group))
    }

    /// Whether a replica of an earlier incarnation is none of those with which this one began: it was empty.
    fn is_void(&self, group: GroupId, members: &Members) -> bool {
        let earlier = members.incarnation < self.formation.incarnation;
        earlier && self.holders.is_some_and(|holders| !holders.of(group).contains(&self.node))
    }

    /// Entries of splits that are of an earlier incarnation and mean nothing, by their generation up to an index.
    fn void_splits(&self, group: GroupId) -> &[(u64, Index)] {
        self.holders.map_or(&[], |holders| holders.void_splits(group))
    }
}

/// Raft's clock, in ms; see [`consensus::GroupConfig`] for the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Length of a tick.
    pub tick_ms: u64,
    /// Base election timeout.
    pub base_election_ms: u64,
    /// Time between two heartbeats of a leader.
    pub heartbeat_ms: u64,
}

/// What was found, for the log line of the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoverReport {
    /// Shards of which this node has a replica.
    pub shards: usize,
    /// Rows loaded, the groups' own ones included.
    pub rows: u64,
    /// Log entries after the checkpoints; those known committed are applied again.
    pub entries: u64,
    /// How long it took.
    pub ms: u64,
    /// Groups and trees with rows that a flush has left behind, for `DiskPool::sweep`.
    pub garbage: Vec<(GroupId, u64)>,
    /// Groups of which this node had a replica and has none any more.
    pub left: Vec<(GroupId, Left)>,
    /// Trees of no group that were removed: replaced ones, and snapshots that never became valid.
    pub dropped: Vec<u64>,
    /// Groups of which the home log names the further folder.
    recorded: BTreeSet<GroupId>,
    /// First replicas in further folders, each with its log: the home log is to say so.
    pub unrecorded: Vec<(usize, GroupId)>,
    /// What a log has of groups whose replica is not in it any more: to be forgotten.
    pub stale: Vec<(usize, GroupId)>,
    /// Groups whose replica is lost with its folder, or with what is damaged in it, and the number of that. They are
    /// in `left` as well.
    pub lost: Vec<(GroupId, u32)>,
}

/// Brings back all replicas of this node, in the order of their groups. On the first start, when neither
/// log nor row store knows anything, they are empty, spread over the folders, and their trees are made.
/// `found`: what the logs say, that of the home folder first.
///
/// # Errors
/// The node must not start: what it promised to remember is not all there, or cannot be read. A replica
/// with a damaged log is refused, since it might vote twice or lack what it acknowledged (safety rule 2).
/// One whose log is whole and whose rows are not starts without them and gets them from others. One in a further
/// folder that is gone, or damaged, is left out.
pub fn recover(
    stores: &dyn RowStores,
    found: Vec<Found>,
    start: &Start<'_>,
) -> Result<(Vec<Replica>, RecoverReport), RecoverError> {
    let began_ns = start.clock.mono_ns();
    let folders: Vec<u32> = found.iter().map(|found| found.folder).collect();
    let (mut log, mut report) = places::merge(found)?;
    let (mut groups, mut left) = (Vec::new(), std::mem::take(&mut report.left));
    let gone: BTreeSet<GroupId> = left.iter().map(|(group, _)| *group).collect();
    // Groups that a split has made are known by what the log says of them alone.
    let known: BTreeSet<GroupId> = start.formation.groups().chain(log.groups.keys().copied()).collect();
    for group in known.into_iter().filter(|group| !gone.contains(group)) {
        let known = log.groups.get(&group);
        match known.map_or(Ok(None), |(_, log)| group::tenure_of(log))? {
            Some(Tenure::Left { generation }) => {
                let hard = known.and_then(|(_, log)| log.hard).unwrap_or_default();
                left.push((group, Left { generation, term: hard.term, vote: hard.vote }));
                log.groups.remove(&group);
            }
            Some(Tenure::Holds { members, .. }) if start.is_void(group, &members) => {
                log.groups.remove(&group);
            }
            // One that is elsewhere and still among them has a damaged record.
            Some(Tenure::Holds { .. } | Tenure::Elsewhere { .. }) => groups.push(group),
            None if group.0 <= u32::from(start.formation.shards)
                && start.voters(group).contains(&start.node) =>
            {
                groups.push(group);
            }
            None => {}
        }
    }
    refuse_damaged(&log, &groups)?;
    report.left = left;
    let known: BTreeSet<u64> = stores.list().into_iter().collect();
    let mut rng = env::Rng::new(start.seed);
    let mut plans = Vec::new();
    let mut held = vec![0; folders.len()];
    log.groups.iter().filter(|(group, _)| groups.contains(group)).for_each(|(_, (at, _))| held[*at] += 1);
    for &group in &groups {
        let (at, log) = log.groups.remove(&group).unwrap_or_else(|| {
            let at = node::logs::place(group, &held, |_| true);
            held[at] += 1;
            (at, GroupLog::default())
        });
        if folders[at] != 0 && !report.recorded.contains(&group) {
            report.unrecorded.push((at, group));
        }
        let seeds = (rng.next_u64(), rng.next_u64());
        plans.push(Plan::new(group, (at, folders[at]), log, &known, seeds));
    }
    for group in log.groups.keys() {
        tracing::warn!(%group, "the log knows a group of which this node has no replica");
    }
    let used: BTreeSet<u64> = plans.iter().map(|plan| plan.tree).collect();
    let mut replicas = Vec::new();
    for restored in load_all(stores, plans, start)? {
        report.add(&restored);
        replicas.push(restored.replica);
    }
    // Only now that nothing is wrong: damage should be looked at as it is.
    for tree in stores.list().into_iter().filter(|tree| !used.contains(tree)) {
        stores.destroy(tree).map_err(|source| RecoverError::Cleanup { tree, source })?;
        report.dropped.push(tree);
    }
    report.ms = start.clock.mono_ns().saturating_sub(began_ns) / MS;
    Ok((replicas, report))
}

impl RecoverReport {
    fn add(&mut self, restored: &Restored) {
        self.shards += usize::from(restored.replica.id.shard().is_some());
        self.rows += restored.rows.all - restored.rows.garbage;
        self.entries += restored.entries;
        if restored.rows.garbage > 0 {
            self.garbage.push((restored.replica.id, restored.replica.tree));
        }
    }
}

/// Refuses groups whose part of the log is damaged, naming the place if it was found in this start.
fn refuse_damaged(log: &Merged, groups: &[GroupId]) -> Result<(), RecoverError> {
    for damage in &log.damage {
        let ours: Vec<GroupId> = damage.groups.iter().filter(|g| groups.contains(g)).copied().collect();
        if !ours.is_empty() {
            let (file, offset) = (damage.file.clone(), damage.offset);
            return Err(RecoverError::Log { file, offset, groups: ours });
        }
    }
    let damaged = |(_, log): &(usize, GroupLog)| log.damaged;
    match groups.iter().find(|group| log.groups.get(group).is_some_and(damaged)) {
        Some(&group) => Err(RecoverError::LostBefore { group }),
        None => Ok(()),
    }
}

/// Restores all plans on a few threads; answers them in their order, or the first error in it.
fn load_all(
    stores: &dyn RowStores,
    plans: Vec<Plan>,
    start: &Start<'_>,
) -> Result<Vec<Restored>, RecoverError> {
    let todo = Mutex::new(plans.into_iter());
    let done = Mutex::new(Vec::new());
    let load = || {
        loop {
            let plan = todo.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(plan) = plan else { return };
            let group = plan.group;
            let result = plan.restore(stores, start);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((group, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..start.loaders {
            scope.spawn(load);
        }
        load();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(group, _)| *group);
    done.into_iter().map(|(_, result)| result).collect()
}
