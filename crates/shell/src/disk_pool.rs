//! The disk pool: a few threads that do the core's jobs on the row stores, so that the shard thread never
//! waits for the disk.
//!
//! Jobs of one group run one after another in the order in which they came (a *lane*); lanes take turns.
//! What a lane has to remember between jobs (open snapshots, half-staged trees) travels with it, so that
//! nothing is locked while the disk works.

mod checkpoint;
mod cleaning;
mod comparing;
mod dividing;
mod fetching;
mod lane;
mod metadata;
mod queue;
mod scrub;
mod sending;
mod serial;
mod staging;
mod sweep;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use self::lane::Task;
use self::queue::{LaneId, Queue};
use crate::losses::LossFolder;
use env::{Clock, RealClock};
use model::GroupId;
use model::time::MS;
use node::{FetchJob, Job, JobDone};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use storage::rows::{RowStores, RowUsage};

/// Threads unless configured otherwise: as many as the core has checkpoints at the same time.
pub const THREADS: usize = 2;
/// Threads that read rows for commands which wait for them. They do nothing else, so that such a command
/// waits for no checkpoint.
pub const FETCH_THREADS: usize = 2;
/// Most chunks of snapshots, to be read or to be staged, that wait at a time; further ones are answered
/// with an error and Raft begins again later. All other jobs are bounded by the core: per group one
/// checkpoint, and one staged tree per chunk that was taken.
pub const MAX_CHUNKS: usize = 4096;
/// Most bytes of chunks that wait to be staged, unless a single one is larger.
pub const MAX_CHUNK_BYTES: usize = 256 << 20;

pub use self::serial::SerialPool;
pub(crate) use self::staging::{Rows, Unreadable, load_rows};

type Done = Arc<dyn Fn(JobDone) + Send + Sync>;

/// What workers and the shard thread share.
struct Shared {
    stores: Arc<dyn RowStores>,
    losses: LossFolder,
    queue: Mutex<Queue>,
    /// Told when a lane has become ready, and at the end.
    wake: Condvar,
    /// Fetches that wait. Bounded by the core: what is on its way is not asked for again.
    fetches: Mutex<VecDeque<FetchJob>>,
    /// Told when a fetch has come, and at the end.
    fetch: Condvar,
    done: Done,
}

/// The pool. Dropping it ends it: jobs under way are finished, waiting ones are forgotten, which is as
/// harmless as a crash at that moment.
pub struct DiskPool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl DiskPool {
    /// Starts `threads` threads (at least one). `done` is called on them with the outcome of each job; it
    /// must only hand over and return.
    ///
    /// # Errors
    /// When the operating system has no thread or no random number to give.
    pub fn start(
        stores: Arc<dyn RowStores>,
        losses: LossFolder,
        threads: usize,
        done: impl Fn(JobDone) + Send + Sync + 'static,
    ) -> io::Result<DiskPool> {
        let queue = Mutex::new(Queue::new(env::Rng::from_os()?));
        let (wake, fetch) = (Condvar::new(), Condvar::new());
        let fetches = Mutex::default();
        let shared = Arc::new(Shared { stores, losses, queue, wake, fetches, fetch, done: Arc::new(done) });
        let mut pool = DiskPool { shared, threads: Vec::new() };
        for number in 0..threads.max(1) {
            let shared = Arc::clone(&pool.shared);
            pool.threads.push(env::spawn(&format!("disk-{number}"), move || work(&shared))?);
        }
        for number in 0..FETCH_THREADS {
            let shared = Arc::clone(&pool.shared);
            pool.threads.push(env::spawn(&format!("fetch-{number}"), move || serve_fetches(&shared))?);
        }
        Ok(pool)
    }

    /// Hands a job over. Never waits for the disk.
    pub fn submit(&self, job: Job) {
        self.shared.lock().submit(job);
        self.shared.wake.notify_one();
    }

    /// Has rows read that commands wait for, beside all other jobs. Never waits for the disk.
    pub fn fetch(&self, job: FetchJob) {
        self.shared.lock_fetches().push_back(job);
        self.shared.fetch.notify_one();
    }

    /// Removes the rows of flushed keyspaces from a group's tree, little by little and behind other jobs.
    /// Checkpoints do so by themselves; this is for what is found at start.
    pub fn sweep(&self, group: GroupId, tree: u64) {
        self.shared.lock().push(LaneId::Group(group), Task::sweep(tree));
        self.shared.wake.notify_one();
    }

    /// What the row stores take and have written.
    pub fn row_usage(&self) -> RowUsage {
        self.shared.stores.usage()
    }

    /// Jobs that wait or run, for metrics and for an orderly end.
    pub fn pending(&self) -> usize {
        self.shared.lock().pending()
    }

    /// How often a checkpoint had to be tried again, since start (a full disk, mostly).
    pub fn retries(&self) -> u64 {
        self.shared.lock().retries()
    }
}

impl Drop for DiskPool {
    fn drop(&mut self) {
        self.shared.lock().stop();
        self.shared.wake.notify_all();
        // Taken once, so that no thread is between its look at the end and its sleep.
        drop(self.shared.lock_fetches());
        self.shared.fetch.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the disk pool has panicked");
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue changes in single steps, so a panic elsewhere cannot have left it half-changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_fetches(&self) -> MutexGuard<'_, VecDeque<FetchJob>> {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker's life.
fn work(shared: &Shared) {
    let now_ms = || RealClock.mono_ns() / MS;
    let mut queue = shared.lock();
    while !queue.is_stopped() {
        let Some((id, task, mut lane)) = queue.take(now_ms()) else {
            queue = match queue.next_due_ms() {
                Some(due_ms) => {
                    let wait = Duration::from_millis(due_ms.saturating_sub(now_ms()).max(1));
                    let waited = shared.wake.wait_timeout(queue, wait);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
            continue;
        };
        drop(queue);
        let after = lane.run(task, (&*shared.stores, &shared.losses), &*shared.done);
        queue = shared.lock();
        queue.give_back(id, lane, after, now_ms());
        // What this task left behind may be for another thread while this one goes on.
        shared.wake.notify_one();
    }
}

/// The life of a thread that fetches.
fn serve_fetches(shared: &Shared) {
    loop {
        let mut fetches = shared.lock_fetches();
        let job = loop {
            if shared.lock().is_stopped() {
                return;
            }
            match fetches.pop_front() {
                Some(job) => break job,
                None => fetches = shared.fetch.wait(fetches).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(fetches);
        (shared.done)(fetching::run(&*shared.stores, job));
    }
}
