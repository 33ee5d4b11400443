//! When a shard's changed rows go to the row store, and what is freed afterwards.
//!
//! Not on a timer: the log is shared, so when its part that no checkpoint has yet grows too large, the
//! shards that fill it most are checkpointed. A shard is also due when its oldest such entry keeps too
//! much of the log from being freed, when a follower needs a snapshot, and when the node ends.
//!
//! A checkpoint is taken in slices, one a tick, so that the thread never stands still for it; only
//! then the disk pool gets it.

use crate::core::Core;
use crate::logs::HOME;
use crate::outbox::{Job, JobDone};
use model::{GroupId, Index, Term};
use std::collections::BTreeMap;

/// Checkpoints taken or written at the same time.
const MAX_AT_ONCE: usize = 2;
/// Changed rows that a slice looks at: some 100 to 300 µs.
pub(crate) const SLICE_ROWS: usize = 1024;
/// A slice looks at this part of what is left if that is more, so that a checkpoint ends within
/// seconds however much has changed.
const SLICE_PART: usize = 128;

/// Bytes of the log that a witness's checkpoints leave uncovered, at most: they cost it next to nothing.
const WITNESS_LOG_SHARE: u64 = 1 << 20;

/// How far the log has grown, in bytes of entries since the start of the node.
#[derive(Debug, Default)]
pub(crate) struct LogGrowth {
    /// Shares of the log that ended with a checkpoint.
    ended: u64,
    /// Where the log was when a shard's present share began, about.
    began: BTreeMap<GroupId, u64>,
}

impl Core {
    /// Starts the checkpoints that are due.
    pub(crate) fn start_checkpoints(&mut self) {
        let mut room =
            MAX_AT_ONCE.saturating_sub(self.replicas.iter().flatten().filter(|r| r.checkpointing).count());
        for group in self.due_checkpoints() {
            if room == 0 {
                return;
            }
            room -= usize::from(self.checkpoint(group));
        }
    }

    /// Groups whose checkpoint is due, the most urgent first.
    fn due_checkpoints(&mut self) -> Vec<GroupId> {
        let mut limit = self.settings.checkpoint_log_share;
        if self.me.witness {
            limit = limit.min(WITNESS_LOG_SHARE);
        }
        let count = self.replicas.len().max(1) as u64;
        let mut unsaved: u64 = self.replicas.iter().flatten().map(|r| r.log_share).sum();
        let total = self.log_growth.ended + unsaved;
        let (mut due, mut shares) = (Vec::new(), Vec::new());
        for replica in self.replicas.iter_mut().flatten() {
            let (group, share) = (replica.id, replica.log_share);
            let wanted = !replica.raft.take_snapshot_wanted().is_empty();
            replica.checkpoint_wanted |= wanted && replica.machine.applied().0 > 0;
            let began = if share > 0 { *self.log_growth.began.entry(group).or_insert(total) } else { total };
            if replica.checkpointing {
                continue;
            }
            if replica.checkpoint_wanted || total.saturating_sub(began) > limit {
                due.push(group);
                unsaved -= share;
            } else {
                shares.push((share, group));
            }
        }
        shares.sort_unstable_by(|a, b| b.cmp(a));
        if self.is_short_of_memory() {
            due.extend(self.due_for_memory());
            return due;
        }
        for (share, group) in shares {
            // Where a busy shard fills the log while it is checkpointed, quiet ones would free little.
            if unsaved <= limit / 2 || share < limit / 2 / count {
                break;
            }
            due.push(group);
            unsaved -= share;
        }
        due
    }

    /// Begins a checkpoint of a group. False when there is nothing to write, or it can not be now.
    pub(crate) fn checkpoint(&mut self, group: GroupId) -> bool {
        let divides = |replica: &mut crate::replica::Replica| replica.owned.proposed.is_some();
        if self.keeps_division(group) || self.replica(group).is_some_and(divides) {
            return false;
        }
        let Some(replica) = self.replicas[group.0 as usize].as_deref_mut() else { return false };
        let at = replica.machine.applied();
        if replica.checkpointing || at.0 == 0 || replica.raft.is_rebuilding() {
            return false;
        }
        let stored = at == replica.stored;
        if stored {
            replica.raft.set_snapshot_source(at.0, at.1);
        } else if !replica.machine.begin_checkpoint() {
            return false;
        }
        replica.checkpointing = !stored;
        replica.checkpoint_wanted = false;
        self.log_growth.ended += std::mem::take(&mut replica.log_share);
        self.log_growth.began.remove(&group);
        !stored
    }

    /// Goes on with the checkpoints that are being taken: a slice of each, of this many rows or of a
    /// part of what is left.
    pub(crate) fn take_checkpoints(&mut self, rows: usize) {
        for replica in self.replicas.iter_mut().flatten() {
            let Some((at, left)) = replica.machine.taking_checkpoint() else { continue };
            if let Some(changes) = replica.machine.checkpoint_slice(rows.max(left / SLICE_PART)) {
                let (group, tree) = (replica.id, replica.tree);
                replica.writing = changes.memory() as u64;
                self.outbox.jobs.push(Job::Checkpoint { group, tree, at, changes });
            }
        }
    }

    /// Starts a checkpoint of every group that has changes, for an orderly end.
    pub fn checkpoint_all(&mut self) {
        for at in 0..self.replicas.len() {
            self.checkpoint(GroupId(at as u32));
        }
        // Nobody is served any more who could be held up.
        self.take_checkpoints(usize::MAX);
    }

    /// True while any checkpoint is being taken or written.
    pub fn is_checkpointing(&self) -> bool {
        self.replicas.iter().flatten().any(|r| r.checkpointing)
    }

    /// The disk pool has finished a job.
    pub fn job_done(&mut self, done: JobDone) {
        match done {
            JobDone::Checkpoint { group, tree, at, result } => self.checkpoint_done(group, tree, at, result),
            JobDone::SnapshotChunk { group, to, result, damaged } => {
                if damaged {
                    self.tree_is_damaged(group);
                }
                self.chunk_read(group, to, result);
            }
            JobDone::Staged { group, result, .. } => self.chunk_staged(group, result),
            JobDone::Fetched { group, tree, ticket, result, damaged } => {
                self.fetched((group, tree, ticket), result, damaged);
            }
            JobDone::Scrubbed { group, tree, result, damaged } => self.scrubbed(group, tree, result, damaged),
            JobDone::Compared { group, tree, at, result, damaged } => {
                self.hashed(group, tree, at, result, damaged);
            }
            JobDone::HeardKept { result } => self.heard_kept(result),
            JobDone::LossKept { group, name, result } => self.loss_kept(group, &name, result),
            JobDone::Loaded { group, tree, result } => self.staged_loaded(group, tree, result),
            JobDone::Divided { group, tree, at, result, damaged } => {
                if damaged {
                    self.tree_is_damaged(group);
                }
                self.divided(group, tree, at, result);
            }
        }
    }

    fn checkpoint_done(&mut self, group: GroupId, tree: u64, at: (Index, Term), result: Result<u64, String>) {
        if self.is_lost_tree(tree) {
            return;
        }
        let bytes = match result {
            Ok(bytes) => bytes,
            Err(error) => {
                if let Some(log) = self.logs.log_with(tree).filter(|log| *log != HOME) {
                    return self
                        .folder_failed(log, &format!("a checkpoint of group {group} failed: {error}"));
                }
                // The rows count as stored and are not: going on would lose them with the log.
                self.outbox.fatal = Some(format!("group {group}: checkpoint failed: {error}"));
                return;
            }
        };
        self.stats.last_save_ms = self.now.wall_ms;
        let Some(replica) = self.replica(group).filter(|replica| replica.tree == tree) else { return };
        if replica.stored.0 >= at.0 {
            return; // A snapshot was installed meanwhile: this one was of the tree before.
        }
        (replica.checkpointing, replica.writing) = (false, 0);
        (replica.stored, replica.stored_bytes) = (at, bytes);
        replica.raft.set_snapshot_source(at.0, at.1);
        replica.raft.compact(at.0);
        replica.active = true;
        // Whoever starts without rows learns from it who the members were at its log's beginning.
        let moved = replica.members_row().is_some() || replica.raft.generation() > 0;
        if let Some(conf) = replica.raft.members_as_of(at.0).filter(|_| moved) {
            let record = replica.install_record(replica.tree, at, &conf);
            self.line_of(group).builder.replace_rows(group, record);
        }
        self.outbox.floors.push((self.log_of(group), group, at.0));
        self.begin_hashing(group, at);
        // What divides the shard waits for the end of a checkpoint.
        self.apply_more(group);
        self.make_child(group);
    }
}
