//! Bit rot: everything this node has in its row trees is read now and then, no faster than a configured rate, and
//! a replica whose tree is damaged gets rows of a healthy one while the node goes on.
//!
//! A replica that leads hands over first. Then it follows without rows, as after a start with a damaged tree
//! (`rebuild.rs`): it votes and acknowledges by its log, which is whole, and applies nothing until rows are there.

use crate::compare::Comparisons;
use crate::core::Core;
use crate::outbox::Job;
use model::GroupId;
use std::collections::BTreeMap;

/// After a part that could not be read for a passing reason it is tried again so much later, ms.
const AGAIN_MS: u64 = 1000;
/// Time between two looks at damaged replicas, ms.
const REPAIR_MS: u64 = 500;

/// A scrub, and what the last one found.
#[derive(Debug, Default)]
pub(crate) struct Scrub {
    /// The one under way.
    run: Option<Run>,
    /// When the next one begins, monotonic ms; 0 = not decided.
    next_ms: u64,
    /// When the last one ended, wall clock, ms since 1970; 0 = there was none since the start.
    pub(crate) last_ms: u64,
    /// Bytes it has read.
    pub(crate) last_bytes: u64,
    /// Damaged trees found since the start.
    pub(crate) found: u64,
    /// Of those, replicas that have rows of others again.
    pub(crate) repaired: u64,
    /// Groups whose tree is damaged and not replaced yet, with the tree.
    damaged: BTreeMap<GroupId, u64>,
    next_repair_ms: u64,
    /// What is found by comparing replicas.
    pub(crate) compare: Comparisons,
}

#[derive(Debug)]
struct Run {
    /// The group that is read now, its tree, and where to go on.
    group: GroupId,
    tree: u64,
    from: u64,
    /// Bytes of all groups so far.
    bytes: u64,
    /// When the next part is due, monotonic ms; `None`: one is being read.
    due_ms: Option<u64>,
}

impl Scrub {
    /// Groups and parts of groups that were read of the run under way: bytes.
    pub(crate) fn progress(&self) -> Option<u64> {
        self.run.as_ref().map(|run| run.bytes)
    }

    /// Replicas whose tree is damaged.
    pub(crate) fn damaged(&self) -> usize {
        self.damaged.len()
    }
}

impl Core {
    /// Begins a scrub now; one that is under way begins anew.
    pub(crate) fn begin_scrub(&mut self) {
        let due_ms = Some(self.now.mono_ms());
        self.scrub.run = Some(Run { group: GroupId::META, tree: 0, from: 0, bytes: 0, due_ms });
        self.queue_comparisons();
    }

    /// Reads the next part when it is due, and sees to what is damaged.
    pub(crate) fn drive_scrub(&mut self) {
        let (now_ms, every_ms) = (self.now.mono_ms(), self.settings.scrub_interval_ms);
        if self.scrub.next_ms == 0 {
            self.scrub.next_ms = now_ms + every_ms;
        }
        if self.scrub.run.is_none() && every_ms > 0 && now_ms >= self.scrub.next_ms {
            self.begin_scrub();
        }
        self.scrub_part();
        if now_ms >= self.scrub.next_repair_ms {
            self.scrub.next_repair_ms = now_ms + REPAIR_MS;
            self.repair();
        }
    }

    fn scrub_part(&mut self) {
        let now_ms = self.now.mono_ms();
        let Some(run) = &mut self.scrub.run else { return };
        if run.due_ms.is_none_or(|due_ms| now_ms < due_ms) {
            return;
        }
        while let Some(replica) = self.replicas.get(run.group.0 as usize) {
            let Some(replica) = replica.as_deref().filter(|replica| !replica.raft.is_rebuilding()) else {
                (run.group, run.from) = (GroupId(run.group.0 + 1), 0);
                continue;
            };
            if run.tree != replica.tree {
                // Another one than was read so far.
                (run.tree, run.from) = (replica.tree, 0);
            }
            run.due_ms = None;
            let (group, tree, from) = (run.group, run.tree, run.from);
            self.outbox.jobs.push(Job::Scrub { group, tree, from });
            return;
        }
        let bytes = run.bytes;
        self.scrub.run = None;
        self.scrub.next_ms = now_ms + self.settings.scrub_interval_ms;
        (self.scrub.last_ms, self.scrub.last_bytes) = (self.true_wall_ms, bytes);
        tracing::info!(bytes, damaged = self.scrub.damaged.len(), "all row trees of this node were read");
    }

    /// A part was read.
    pub(crate) fn scrubbed(
        &mut self,
        group: GroupId,
        tree: u64,
        result: Result<(Option<u64>, u64), String>,
        damaged: bool,
    ) {
        let (now_ms, rate) = (self.now.mono_ms(), self.settings.scrub_rate.max(1));
        if damaged {
            self.tree_is_damaged(group);
        }
        let Some(run) = &mut self.scrub.run else { return };
        if (run.group, run.tree) != (group, tree) || run.due_ms.is_some() {
            return; // Of a run before.
        }
        match result {
            Ok((next, bytes)) => {
                run.bytes += bytes;
                run.due_ms = Some(now_ms + bytes * 1000 / rate);
                match next {
                    Some(from) => run.from = from,
                    None => (run.group, run.from) = (GroupId(group.0 + 1), 0),
                }
            }
            Err(_) if damaged => {
                (run.group, run.from, run.due_ms) = (GroupId(group.0 + 1), 0, Some(now_ms));
            }
            Err(error) => {
                tracing::warn!(%group, tree, %error, "a row tree can not be read now; trying again");
                run.due_ms = Some(now_ms + AGAIN_MS);
            }
        }
    }

    /// The tree of a running replica is damaged. Nothing of it is sent, and leadership goes to a node that can;
    /// then the replica gets rows of another one.
    pub(crate) fn tree_is_damaged(&mut self, group: GroupId) {
        let Some(tree) = self.replica(group).map(|replica| replica.tree) else { return };
        if self.scrub.damaged.insert(group, tree) != Some(tree) {
            self.scrub.found += 1;
            tracing::error!(%group, tree, "a row tree is damaged: its rows are fetched from a healthy replica");
        }
    }

    fn repair(&mut self) {
        for (group, tree) in self.scrub.damaged.clone() {
            let busy = self.transfers.is_busy(group);
            let Some(replica) = self.replica(group).filter(|replica| replica.tree == tree) else {
                self.scrub.damaged.remove(&group);
                self.scrub.repaired += 1;
                tracing::info!(%group, "a damaged row tree was replaced");
                continue;
            };
            if replica.raft.is_leader() {
                self.hand_over_group(group);
            } else if !busy && !replica.checkpointing {
                // Entries that wait for rows come again after those of the other replica.
                let handed = replica.backlog.back().map_or(replica.machine.applied().0, |entry| entry.index);
                if replica.raft.lose_rows(handed) {
                    replica.backlog.clear();
                    replica.backlog_bytes = 0;
                }
            }
        }
    }
}
