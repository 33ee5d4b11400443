//! When a shard's changed rows go to the row store, and what is freed afterwards.
//!
//! Not on a timer: a checkpoint is due when its share of the log demands it, when 2 % of the rows
//! have changed, when a follower needs a snapshot, or when the node ends.

use crate::core::Core;
use crate::outbox::{Job, JobDone};
use model::{GroupId, Index, Term};

/// A shard with less in the log than this is left alone, however many of its rows have changed.
const MIN_SHARE: u64 = 1 << 20;
/// Checkpoints written at the same time.
const MAX_AT_ONCE: usize = 2;

impl Core {
    /// Starts the checkpoints that are due.
    pub(crate) fn start_checkpoints(&mut self) {
        // The log is shared: so is what it may hold before it is freed.
        let limit = self.settings.checkpoint_log_share / self.replicas.len().max(1) as u64;
        let busy = self.replicas.iter().flatten().filter(|r| r.checkpointing).count();
        let mut room = MAX_AT_ONCE.saturating_sub(busy);
        for at in 0..self.replicas.len() {
            let group = GroupId(at as u32);
            let Some(replica) = self.replica(group) else { continue };
            let wanted = !replica.raft.take_snapshot_wanted().is_empty();
            replica.checkpoint_wanted |= wanted && replica.machine.applied().0 > 0;
            if room == 0 || replica.checkpointing {
                continue;
            }
            let changed = replica.machine.changed_rows();
            let many = changed * 50 > replica.machine.rows() && replica.log_share > MIN_SHARE;
            if replica.checkpoint_wanted || many || replica.log_share > limit {
                room -= usize::from(self.checkpoint(group));
            }
        }
    }

    /// Starts a checkpoint of a group. False when there is nothing to write, or it can not be now.
    pub(crate) fn checkpoint(&mut self, group: GroupId) -> bool {
        let Some(replica) = self.replica(group) else { return false };
        let at = replica.machine.applied();
        if replica.checkpointing || at.0 == 0 {
            return false;
        }
        if at == replica.stored {
            replica.raft.set_snapshot_source(at.0, at.1);
            replica.checkpoint_wanted = false;
            return false;
        }
        let Some(changes) = replica.machine.checkpoint() else { return false };
        replica.checkpointing = true;
        replica.checkpoint_wanted = false;
        replica.log_share = 0;
        let tree = replica.tree;
        self.outbox.jobs.push(Job::Checkpoint { group, tree, at, changes });
        true
    }

    /// Starts a checkpoint of every group that has changes, for an orderly end.
    pub fn checkpoint_all(&mut self) {
        for at in 0..self.replicas.len() {
            self.checkpoint(GroupId(at as u32));
        }
    }

    /// True while any checkpoint is being written.
    pub fn is_checkpointing(&self) -> bool {
        self.replicas.iter().flatten().any(|r| r.checkpointing)
    }

    /// The disk pool has finished a job.
    pub fn job_done(&mut self, done: JobDone) {
        match done {
            JobDone::Checkpoint { group, at, result } => self.checkpoint_done(group, at, result),
            JobDone::SnapshotChunk { group, to, result } => self.chunk_read(group, to, result),
            JobDone::Staged { group, result, .. } => self.chunk_staged(group, result),
            JobDone::Loaded { group, tree, result } => self.staged_loaded(group, tree, result),
        }
    }

    fn checkpoint_done(&mut self, group: GroupId, at: (Index, Term), result: Result<(), String>) {
        if let Err(error) = result {
            // The rows count as stored and are not: going on would lose them with the log.
            self.outbox.fatal = Some(format!("group {group}: checkpoint failed: {error}"));
            return;
        }
        self.stats.last_save_ms = self.now.wall_ms;
        let Some(replica) = self.replica(group) else { return };
        replica.checkpointing = false;
        if replica.stored.0 >= at.0 {
            return; // A snapshot was installed meanwhile.
        }
        replica.stored = at;
        replica.raft.set_snapshot_source(at.0, at.1);
        replica.raft.compact(at.0);
        replica.active = true;
        self.outbox.floors.push((group, at.0));
    }
}
