//! Log and disk pool of a node at work, on threads of their own.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use env::{Clock, RealClock};
use model::{GroupId, Index};
use node::{Core, DiskState, JobDone};
use shell::Opened;
use shell::disk_pool::{DiskPool, THREADS};
use storage::log::{Batch, LogHandle, LogStatus, LogThread, SubmitError};
use storage::rows::RowUsage;

use super::wake::Wake;

/// What is at work.
pub struct Disks {
    wake: Arc<Wake>,
    thread: LogThread,
    log: LogHandle,
    pool: DiskPool,
    done: Receiver<JobDone>,
    /// Batches the log did not take yet, in order. Bounded: while there are any, no client is read.
    waiting: VecDeque<(u64, Batch)>,
    floors: BTreeMap<GroupId, Index>,
    submitted: u64,
}

impl Disks {
    /// Starts the threads. `wake` is called when something is done.
    ///
    /// # Errors
    /// In words: the operating system has no thread to give.
    pub fn start(opened: Opened, wake: &Arc<Wake>) -> Result<Disks, String> {
        let Opened { log, stores, losses, garbage } = opened;
        let no_thread = |error: std::io::Error| format!("cannot start a thread: {error}");
        let clock: Arc<dyn Clock> = Arc::new(RealClock);
        let waker = Arc::clone(wake);
        let callback = Box::new(move |done| waker.log_done(done));
        let (thread, mut handles) = LogThread::start(log, clock, vec![callback]).map_err(no_thread)?;
        let log = handles.pop().expect("one handle per callback");
        // Bounded by the core: it has a bounded number of jobs under way.
        let (sender, done) = channel();
        let waker = Arc::clone(wake);
        let pool = DiskPool::start(stores, losses, THREADS, move |outcome| {
            // The receiver is gone only when the node ends.
            let _ = sender.send(outcome);
            waker.post();
        });
        let pool = pool.map_err(no_thread)?;
        let (waiting, floors) = (VecDeque::new(), BTreeMap::new());
        garbage.iter().for_each(|&(group, tree)| pool.sweep(group, tree));
        Ok(Disks { wake: Arc::clone(wake), thread, log, pool, done, waiting, floors, submitted: 0 })
    }

    /// What is known about the log.
    pub fn log_status(&self) -> &LogStatus {
        self.log.status()
    }

    /// What the row stores take and have written.
    pub fn row_usage(&self) -> RowUsage {
        self.pool.row_usage()
    }

    /// How often checkpoints had to be tried again.
    pub fn retries(&self) -> u64 {
        self.pool.retries()
    }

    /// Why the log has failed, if it has.
    fn log_works(&self) -> Result<(), String> {
        let failed = |why| Err(format!("the log has failed: {why}"));
        self.wake.log_failed().map_or(Ok(()), failed)
    }

    /// Hands over batches, or writes those that need not be synced at once here and now. True if one was
    /// written that somebody waits for.
    fn hand_to_log(&mut self, core: &mut Core) -> Result<bool, String> {
        let (mut written, mut awaited) = (0, false);
        self.waiting.extend(core.outbox.log.drain(..));
        while let Some((number, batch)) = self.waiting.pop_front() {
            let announced = batch.is_announced();
            let result = match self.log.write_now(batch) {
                Err(SubmitError::Full(batch)) => self.log.submit(batch),
                result => result.inspect(|given| {
                    written = *given;
                    awaited |= announced;
                }),
            };
            match result {
                Ok(given) if given == number => self.submitted = given,
                Ok(given) => return Err(format!("the log counts batch {number} as its batch {given}")),
                Err(SubmitError::Full(batch)) => {
                    self.waiting.push_front((number, batch));
                    break;
                }
                Err(SubmitError::TooLarge(bytes, max)) => {
                    return Err(format!("a batch of {bytes} bytes; the log takes {max}"));
                }
                Err(SubmitError::Failed(why)) => return Err(format!("the log has failed: {why}")),
                // It may have failed since `done`: it says why before it takes no more.
                Err(SubmitError::Stopped) => {
                    return self.log_works().and(Err("the log has stopped".to_owned()));
                }
            }
        }
        core.log_written(written);
        Ok(awaited)
    }

    /// Jobs that wait or run.
    pub fn jobs(&self) -> usize {
        self.pool.pending()
    }
}

impl shell::Disks for Disks {
    fn done(&mut self, core: &mut Core) -> Result<(), String> {
        if !self.wake.awake() {
            return Ok(());
        }
        self.log_works()?;
        core.log_written(self.wake.written());
        core.log_done(self.wake.synced());
        while let Ok(done) = self.done.try_recv() {
            core.job_done(done);
        }
        Ok(())
    }

    fn hand_over(&mut self, core: &mut Core) -> Result<bool, String> {
        let written = self.hand_to_log(core)?;
        let outbox = &mut core.outbox;
        outbox.emptied = self.log.buffer().or(outbox.emptied.take());
        outbox.jobs.drain(..).for_each(|job| self.pool.submit(job));
        outbox.fetches.drain(..).for_each(|job| self.pool.fetch(job));
        if !outbox.floors.is_empty() {
            self.floors.extend(outbox.floors.drain(..));
        }
        if !self.floors.is_empty() && self.log.free(self.floors.clone()) {
            self.floors.clear();
        }
        Ok(written)
    }

    fn set_direct(&mut self, direct: bool) -> bool {
        self.log.set_direct(direct)
    }

    fn is_full(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn is_flushed(&self) -> bool {
        self.waiting.is_empty() && self.submitted <= self.wake.synced()
    }

    fn state(&self, now_ns: u64) -> DiskState {
        let log = self.log.status();
        let full = log.reserve_low() && log.reserve_error().is_some();
        let latency_ns = log.trend().latency_ns(now_ns);
        DiskState { full, exhausted: full && log.reserve_empty(), latency_ns }
    }

    /// Jobs of the pool end with the process, which is as harmless as a crash at that moment, instead of
    /// keeping it from ending.
    fn stop(self) {
        self.thread.stop();
        std::mem::forget(self.pool);
    }
}
