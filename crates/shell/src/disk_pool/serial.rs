//! The disk pool without threads: whoever owns it decides when the next task is done. For the simulator.

use super::fetching;
use super::lane::Task;
use super::queue::{LaneId, Queue};
use crate::losses::LossFolder;
use env::Rng;
use model::GroupId;
use node::{FetchJob, Job, JobDone};
use std::cell::RefCell;
use std::sync::Arc;
use storage::rows::RowStores;

/// The same queue, lanes and tasks as [`super::DiskPool`].
pub struct SerialPool {
    stores: Arc<dyn RowStores>,
    losses: LossFolder,
    queue: Queue,
}

impl SerialPool {
    /// A pool without work. `streams`: numbers of the snapshots it opens.
    pub fn new(stores: Arc<dyn RowStores>, losses: LossFolder, streams: Rng) -> SerialPool {
        SerialPool { stores, losses, queue: Queue::new(streams) }
    }

    /// Queues a job.
    pub fn submit(&mut self, job: Job) {
        self.queue.submit(job);
    }

    /// Reads rows that commands wait for, now.
    pub fn fetch(&self, job: FetchJob) -> JobDone {
        fetching::run(&*self.stores, job)
    }

    /// See [`super::DiskPool::sweep`].
    pub fn sweep(&mut self, group: GroupId, tree: u64) {
        self.queue.push(LaneId::Group(group), Task::sweep(tree));
    }

    /// Does the next task that may run at this time (monotonic ms). False if there is none.
    pub fn run_one(&mut self, now_ms: u64, done: &mut Vec<JobDone>) -> bool {
        let Some((id, task, mut lane)) = self.queue.take(now_ms) else { return false };
        let out = RefCell::new(done);
        let after = lane.run(task, (&*self.stores, &self.losses), &|outcome| out.borrow_mut().push(outcome));
        self.queue.give_back(id, lane, after, now_ms);
        true
    }

    /// When a lane that waits to try again goes on, monotonic ms.
    pub fn next_retry_ms(&self) -> Option<u64> {
        self.queue.next_due_ms()
    }

    /// Tasks that wait.
    pub fn pending(&self) -> usize {
        self.queue.pending()
    }
}
