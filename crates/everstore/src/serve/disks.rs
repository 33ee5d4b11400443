//! Log and disk pool of a node at work, on threads of their own.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use env::{Clock, RealClock};
use model::{GroupId, Index};
use node::{Core, DiskState, JobDone};
use shell::Opened;
use shell::disk_pool::{DiskPool, THREADS};
use storage::log::{Batch, Log, LogHandle, LogStatus, LogThread, SubmitError};
use storage::rows::RowUsage;

use super::wake::Wake;

/// The log of the home folder.
const HOME: usize = 0;

/// The log of one data folder at work.
struct OneLog {
    thread: LogThread,
    log: LogHandle,
    /// Batches it did not take yet, in order. Bounded: while there are any, no client is read.
    waiting: VecDeque<(u64, Batch)>,
    floors: BTreeMap<GroupId, Index>,
    submitted: u64,
    /// It takes nothing any more. Never that of the home folder: with it the node ends.
    failed: bool,
}

/// What is at work.
pub struct Disks {
    wake: Arc<Wake>,
    /// One log for each data folder, that of the home folder first.
    logs: Vec<OneLog>,
    pool: DiskPool,
    done: Receiver<JobDone>,
}

impl OneLog {
    fn start(number: usize, log: Log, wake: &Arc<Wake>) -> std::io::Result<OneLog> {
        let clock: Arc<dyn Clock> = Arc::new(RealClock);
        let waker = Arc::clone(wake);
        let callback = Box::new(move |done| waker.log_done(number, done));
        let (thread, mut handles) = LogThread::start(log, clock, vec![callback])?;
        let log = handles.pop().expect("one handle per callback");
        Ok(OneLog {
            thread,
            log,
            waiting: VecDeque::new(),
            floors: BTreeMap::new(),
            submitted: 0,
            failed: false,
        })
    }

    /// Hands over batches, or writes those that need not be synced at once here and now. The number of the last one that
    /// was written, and whether somebody waits for one of these.
    fn hand_over(&mut self) -> Result<(u64, bool), Failed> {
        let (mut written, mut awaited) = (0, false);
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
                Ok(given) => {
                    return Err(Failed::Bug(format!("the log counts batch {number} as its batch {given}")));
                }
                Err(SubmitError::Full(batch)) => {
                    self.waiting.push_front((number, batch));
                    break;
                }
                Err(SubmitError::TooLarge(bytes, max)) => {
                    return Err(Failed::Bug(format!("a batch of {bytes} bytes; the log takes {max}")));
                }
                Err(SubmitError::Failed(why)) => return Err(Failed::Log(why)),
                Err(SubmitError::Stopped) => return Err(Failed::Stopped),
            }
        }
        Ok((written, awaited))
    }
}

/// Why a log takes nothing.
enum Failed {
    /// It was used in a way that is not possible.
    Bug(String),
    /// Writing has failed.
    Log(String),
    /// It has stopped; it says why before it takes no more.
    Stopped,
}

impl Disks {
    /// Starts the threads. `wake` is called when something is done.
    ///
    /// # Errors
    /// In words: the operating system has no thread to give.
    pub fn start(opened: Opened, wake: &Arc<Wake>) -> Result<Disks, String> {
        let Opened { logs, stores, losses, garbage } = opened;
        let no_thread = |error: std::io::Error| format!("cannot start a thread: {error}");
        let start = |(number, log)| OneLog::start(number, log, wake).map_err(no_thread);
        let logs = logs.into_iter().enumerate().map(start).collect::<Result<_, _>>()?;
        // Bounded by the core: it has a bounded number of jobs under way.
        let (sender, done) = channel();
        let waker = Arc::clone(wake);
        let pool = DiskPool::start(stores, losses, THREADS, move |outcome| {
            // The receiver is gone only when the node ends.
            let _ = sender.send(outcome);
            waker.post();
        });
        let pool = pool.map_err(no_thread)?;
        garbage.iter().for_each(|&(group, tree)| pool.sweep(group, tree));
        Ok(Disks { wake: Arc::clone(wake), logs, pool, done })
    }

    fn at_work(&self) -> impl Iterator<Item = &OneLog> {
        self.logs.iter().filter(|one| !one.failed)
    }

    /// What is known about the logs.
    pub fn log_status(&self) -> impl Iterator<Item = &LogStatus> {
        self.at_work().map(|log| &**log.log.status())
    }

    /// What the row stores take and have written.
    pub fn row_usage(&self) -> RowUsage {
        self.pool.row_usage()
    }

    /// How often checkpoints had to be tried again.
    pub fn retries(&self) -> u64 {
        self.pool.retries()
    }

    /// A log can go on no more. That of a further folder takes only the replicas in it along.
    fn log_failed(&mut self, at: usize, why: &str, core: &mut Core) -> Result<(), String> {
        if at == HOME {
            return Err(format!("the log has failed: {why}"));
        }
        let one = &mut self.logs[at];
        one.failed = true;
        one.waiting.clear();
        one.floors.clear();
        core.folder_failed(at, &format!("the log has failed: {why}"));
        Ok(())
    }

    /// Hands batches to the logs. True if one was written here and now that somebody waits for.
    fn hand_to_logs(&mut self, core: &mut Core) -> Result<bool, String> {
        for (log, number, batch) in core.outbox.log.drain(..) {
            self.logs[log].waiting.push_back((number, batch));
        }
        let mut any = false;
        for at in 0..self.logs.len() {
            if self.logs[at].failed {
                self.logs[at].waiting.clear();
                continue;
            }
            match self.logs[at].hand_over() {
                Ok((written, awaited)) => {
                    core.log_written(at, written);
                    any |= awaited;
                }
                Err(Failed::Bug(why)) => return Err(why),
                Err(Failed::Log(why)) => self.log_failed(at, &why, core)?,
                // It may have failed since `done`.
                Err(Failed::Stopped) => {
                    let why = self.wake.log_failed(at).unwrap_or("it has stopped").to_owned();
                    self.log_failed(at, &why, core)?;
                }
            }
        }
        Ok(any)
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
        for log in 0..self.logs.len() {
            if self.logs[log].failed {
                continue;
            }
            if let Some(why) = self.wake.log_failed(log).map(str::to_owned) {
                self.log_failed(log, &why, core)?;
                continue;
            }
            core.log_written(log, self.wake.written(log));
            core.log_done(log, self.wake.synced(log));
        }
        while let Ok(done) = self.done.try_recv() {
            core.job_done(done);
        }
        Ok(())
    }

    fn hand_over(&mut self, core: &mut Core) -> Result<bool, String> {
        let written = self.hand_to_logs(core)?;
        let outbox = &mut core.outbox;
        outbox.jobs.drain(..).for_each(|job| self.pool.submit(job));
        outbox.fetches.drain(..).for_each(|job| self.pool.fetch(job));
        for (log, group, floor) in outbox.floors.drain(..) {
            self.logs[log].floors.insert(group, floor);
        }
        for one in self.logs.iter_mut().filter(|one| !one.failed) {
            outbox.emptied = one.log.buffer().or(outbox.emptied.take());
            if !one.floors.is_empty() && one.log.free(one.floors.clone()) {
                one.floors.clear();
            }
        }
        Ok(written)
    }

    fn set_direct(&mut self, direct: bool) -> bool {
        // All are told: who was already changes nothing.
        let told = self.at_work().filter(|one| one.log.set_direct(direct)).count();
        told == self.at_work().count()
    }

    fn is_full(&self) -> bool {
        self.logs.iter().any(|one| !one.waiting.is_empty())
    }

    fn is_flushed(&self) -> bool {
        let flushed = |(at, one): (usize, &OneLog)| one.failed || one.submitted <= self.wake.synced(at);
        !self.is_full() && self.logs.iter().enumerate().all(flushed)
    }

    fn state(&self, now_ns: u64) -> DiskState {
        let mut state = DiskState::default();
        for log in self.log_status() {
            let full = log.reserve_low() && log.reserve_error().is_some();
            state.full |= full;
            state.exhausted |= full && log.reserve_empty();
            state.latency_ns = state.latency_ns.max(log.trend().latency_ns(now_ns));
        }
        state
    }

    /// Jobs of the pool end with the process, which is as harmless as a crash at that moment, instead of
    /// keeping it from ending.
    fn stop(self) {
        self.logs.into_iter().for_each(|one| one.thread.stop());
        std::mem::forget(self.pool);
    }
}
