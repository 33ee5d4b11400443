//! The tasks of one lane, and what is remembered between them.

use super::checkpoint::Write;
use super::cleaning::Cleaning;
use super::comparing::Comparing;
use super::dividing::{Failed, divide};
use super::scrub::scrub;
use super::sending::Sending;
use super::staging;
use super::sweep::Sweep;
use crate::losses::LossFolder;
use model::{GroupId, Index, NodeId};
use node::dividing::Part;
use node::{Job, JobDone};
use shard::Machine;
use shard::checkpoint::Scope;
use std::collections::{BTreeMap, BTreeSet};
use storage::rows::snapshot::SnapshotIngest;
use storage::rows::{RowError, RowStores};

/// Steps of compaction after a write; the rest waits for the next one.
const MAINTAIN_STEPS: u32 = 8;

/// Work for one thread, a part of a [`Job`] or what it left to do.
#[derive(Debug)]
pub(super) enum Task {
    Write(Write),
    Read {
        group: GroupId,
        to: NodeId,
        tree: u64,
        next: u64,
        metadata: bool,
        stream: u64,
    },
    End {
        to: NodeId,
    },
    Stage {
        group: GroupId,
        from: NodeId,
        tree: u64,
        chunk: Vec<u8>,
    },
    Load {
        group: GroupId,
        tree: u64,
        machine: Box<Machine>,
    },
    Divide {
        group: GroupId,
        tree: u64,
        part: Box<Part>,
        to: Option<(u64, Box<Machine>)>,
    },
    Drop {
        tree: u64,
    },
    Scrub {
        group: GroupId,
        tree: u64,
        from: u64,
    },
    Compare {
        group: GroupId,
        tree: u64,
        at: Index,
        first: Option<Scope>,
    },
    Keep {
        group: GroupId,
        name: String,
        content: Vec<u8>,
    },
    Forget {
        name: String,
    },
    Heard {
        content: Vec<u8>,
    },
    /// One step of compaction, and how many may follow.
    Maintain {
        tree: u64,
        steps: u32,
    },
    Sweep(Sweep),
    Clean(Cleaning),
    /// A folder has failed, which the queue has seen to.
    Left,
    /// There were too many chunks, or a checkpoint is not tried any more: just the answer.
    Refuse(JobDone),
}

impl Task {
    /// The task of a job. `stream` tells a snapshot that the job may open from all others.
    pub(super) fn of(job: Job, stream: u64) -> Task {
        match job {
            Job::Checkpoint { group, tree, at, changes } => Task::Write(Write::new(group, tree, at, changes)),
            Job::ReadSnapshot { group, tree, to, next, metadata } => {
                Task::Read { group, to, tree, next, metadata, stream }
            }
            Job::EndSnapshot { to, .. } => Task::End { to },
            Job::StageChunk { group, from, tree, chunk } => Task::Stage { group, from, tree, chunk },
            Job::LoadStaged { group, tree, machine } => Task::Load { group, tree, machine },
            Job::Divide { group, tree, part, to } => Task::Divide { group, tree, part, to },
            Job::DropTree { tree } => Task::Drop { tree },
            Job::LeaveTree { .. } => Task::Left,
            Job::Scrub { group, tree, from } => Task::Scrub { group, tree, from },
            Job::Compare { group, tree, at, first } => Task::Compare { group, tree, at, first },
            Job::KeepLoss { group, name, content } => Task::Keep { group, name, content },
            Job::ForgetLoss { name, .. } => Task::Forget { name },
            Job::KeepHeard { content } => Task::Heard { content },
        }
    }

    /// A checkpoint to one of these trees is only answered.
    pub(super) fn give_up_write(&mut self, left: &BTreeSet<u64>) {
        if let Task::Write(write) = self
            && left.contains(&write.tree())
        {
            *self = Task::Refuse(write.given_up());
        }
    }

    /// Removal of what flushed keyspaces left in a tree.
    pub(super) fn sweep(tree: u64) -> Task {
        Task::Sweep(Sweep::new(tree))
    }

    /// Compaction after a write.
    pub(super) fn maintain(tree: u64) -> Task {
        Task::Maintain { tree, steps: MAINTAIN_STEPS }
    }
}

/// What comes after a task.
#[derive(Debug, Default)]
pub(super) struct After {
    /// Put behind the lane's other tasks.
    pub(super) more: Vec<Task>,
    /// The same task again, before the others, after so many ms.
    pub(super) retry: Option<(Task, u64)>,
}

/// What a lane remembers.
#[derive(Default)]
pub(super) struct Lane {
    /// Snapshots being read, by follower.
    pub(super) sending: BTreeMap<NodeId, Sending>,
    /// Trees being filled.
    pub(super) staging: BTreeMap<u64, SnapshotIngest>,
    /// The tree that is being hashed.
    pub(super) comparing: Option<Comparing>,
    /// Trees that are swept, and up to which generations of the keyspaces.
    pub(super) swept: BTreeMap<u64, Vec<u32>>,
}

impl Lane {
    /// True when nothing is remembered.
    pub(super) fn is_empty(&self) -> bool {
        let reads = !self.sending.is_empty() || self.comparing.is_some();
        !reads && self.staging.is_empty() && self.swept.is_empty()
    }

    /// Ends what reads snapshots of a tree.
    pub(super) fn forget_views(&mut self, tree: u64) {
        self.sending.retain(|_, sending| sending.tree() != tree);
        self.comparing.take_if(|comparing| comparing.tree() == tree);
    }

    /// Does a task.
    pub(super) fn run(
        &mut self,
        task: Task,
        (stores, losses): (&dyn RowStores, &LossFolder),
        done: &dyn Fn(JobDone),
    ) -> After {
        match task {
            Task::Write(write) => return self.write(write, stores, done),
            Task::Maintain { tree, steps } => return maintain(stores, tree, steps),
            Task::Sweep(sweep) => return self.sweep(sweep, stores),
            Task::Clean(cleaning) => return cleaning.run(stores),
            Task::Read { group, to, tree, next, metadata, stream } => {
                let result = self.read(stores, to, (tree, stream), (next, metadata));
                let damaged = matches!(result, Err(RowError::Damaged { .. }));
                let result = result.map_err(|e| e.to_string());
                done(JobDone::SnapshotChunk { group, to, result, damaged });
            }
            Task::End { to } => {
                self.sending.remove(&to);
            }
            Task::Stage { group, from, tree, chunk } => {
                let result = staging::stage(&mut self.staging, stores, tree, &chunk);
                done(JobDone::Staged { group, from, result: result.map_err(|e| e.to_string()) });
            }
            Task::Load { group, tree, machine } => {
                let result = staging::load(stores, tree, machine);
                done(JobDone::Loaded { group, tree, result });
            }
            Task::Divide { group, tree, part, to } => {
                done(divided(stores, (group, tree), &part, to));
            }
            Task::Drop { tree } => {
                self.forget_views(tree);
                self.staging.remove(&tree);
                self.swept.remove(&tree);
                if let Err(error) = stores.destroy(tree) {
                    // Nobody reads it any more; the next start removes what is left.
                    tracing::warn!(tree, %error, "a row tree that is not used any more stays on disk");
                }
            }
            Task::Scrub { group, tree, from } => done(scrub(stores, group, tree, from)),
            Task::Compare { group, tree, at, first } => {
                done(self.compare(stores, (group, tree, at), first));
            }
            Task::Keep { group, name, content } => {
                let result = losses.keep(&name, &content).map_err(|error| error.to_string());
                done(JobDone::LossKept { group, name, result });
            }
            Task::Forget { name } => {
                if let Err(error) = losses.forget(&name) {
                    tracing::warn!(loss = %name, %error, "a loss account could not be removed; the next start finds it");
                }
            }
            Task::Heard { content } => {
                let result = losses.keep_heard(&content).map_err(|error| error.to_string());
                done(JobDone::HeardKept { result });
            }
            Task::Left => {}
            Task::Refuse(answer) => done(answer),
        }
        After::default()
    }
}

/// Makes a shard of a part of another one. A tree that was begun in vain is removed.
fn divided(
    stores: &dyn RowStores,
    (group, tree): (GroupId, u64),
    part: &Part,
    to: Option<(u64, Box<Machine>)>,
) -> JobDone {
    let new = to.as_ref().map(|(new, _)| *new);
    let result = divide(stores, tree, part, to);
    let damaged = result.as_ref().is_err_and(Failed::is_damage);
    if result.is_err()
        && let Some(new) = new
        && let Err(error) = stores.destroy(new)
    {
        tracing::warn!(tree = new, %error, "a row tree that is not used any more stays on disk");
    }
    let result = result.map_err(|error| error.to_string());
    JobDone::Divided { group, tree, at: part.at, result, damaged }
}

/// One step of compaction. A failure harms no row: the next write finds out whether it lasts.
fn maintain(stores: &dyn RowStores, tree: u64, steps: u32) -> After {
    let step = stores.open(tree).and_then(|store| store.maintain());
    if let Err(error @ RowError::Damaged { .. }) = &step {
        tracing::error!(tree, %error, "a row tree is damaged; restart this node to rebuild it");
    } else if let Err(error) = &step {
        tracing::warn!(tree, %error, "a row tree could not be compacted");
    }
    let again = step.unwrap_or(false) && steps > 1;
    After {
        more: again.then_some(Task::Maintain { tree, steps: steps - 1 }).into_iter().collect(),
        retry: None,
    }
}
