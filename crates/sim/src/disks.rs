//! Log and disk pool of a simulated node: the real log on a simulated disk, the real jobs on row stores in
//! memory, each done when the seed says so.

use crate::time::{MS, Time, US};
use env::Rng;
use model::{GroupId, Index};
use node::{Core, DiskState, FetchJob, JobDone};
use shell::Opened;
use shell::disk_pool::SerialPool;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use storage::log::{Batch, Log, MAX_PUT_OFF_NS, RecentSyncs};

/// Bytes of batches that wait for the log, beyond which clients are not read.
const MAX_WAITING: u64 = 4 << 20;
/// A write takes this long, ns.
const WRITE_NS: u64 = 20 * US;
/// After this time a segment that could not be made is tried again, ns.
const RETRY_NS: u64 = 100 * MS;

/// How fast the disk of a machine is. Shared with the world, which changes it.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// A sync takes at least this long, ns.
    pub sync_ns: u64,
    /// What chance adds to it at most, ns.
    pub sync_jitter_ns: u64,
    /// Nothing gets done before this time of the world, ns: the disk is stalled.
    pub stalled_until_ns: u64,
    /// A job on the row stores takes this long, ns.
    pub job_ns: u64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { sync_ns: 80 * US, sync_jitter_ns: 60 * US, stalled_until_ns: 0, job_ns: 300 * US }
    }
}

/// What a log thread and a disk pool are in the program.
pub struct SimDisks {
    time: Time,
    pace: Rc<RefCell<Pace>>,
    rng: Rng,
    log: Option<Log>,
    /// Batches that the log has not begun to write, in order.
    waiting: VecDeque<(u64, Batch)>,
    waiting_bytes: u64,
    /// Written and not synced: when it is done, and the number of the last batch.
    syncing: Option<(u64, u64)>,
    /// When it was begun, 0 if nothing is under way.
    begun_ns: u64,
    recent: RecentSyncs,
    /// Written, and the sync is put off: until when, and the number of the last batch.
    put_off: Option<(u64, u64)>,
    /// Written and announced, to be told: when, and the number of the last batch.
    telling: Option<(u64, u64)>,
    submitted: u64,
    synced: u64,
    failed: Option<String>,
    /// What the log need not keep, each once the batches handed over before it are durable.
    floors: VecDeque<(u64, BTreeMap<GroupId, Index>)>,
    pool: SerialPool,
    /// When the job at work is done.
    job_due_ns: Option<u64>,
    done: Vec<JobDone>,
    /// Rows to be read: when they arrive, and what was read at once, or is to be read then.
    fetches: Vec<(u64, Result<JobDone, FetchJob>)>,
    /// The next segment can not be made; when to try again.
    retry_ns: Option<u64>,
    /// The way of writing is to change.
    direct: Option<bool>,
}

impl SimDisks {
    /// Puts what was opened to work.
    pub fn start(mut opened: Opened, time: Time, pace: Rc<RefCell<Pace>>, mut rng: Rng) -> SimDisks {
        let mut pool = SerialPool::new(opened.stores, opened.losses, Rng::new(rng.next_u64()));
        opened.garbage.iter().for_each(|&(group, tree)| pool.sweep(group, tree));
        SimDisks {
            time,
            pace,
            rng,
            log: opened.logs.pop(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            syncing: None,
            begun_ns: 0,
            recent: RecentSyncs::default(),
            put_off: None,
            telling: None,
            submitted: 0,
            synced: 0,
            failed: None,
            floors: VecDeque::new(),
            pool,
            job_due_ns: None,
            done: Vec::new(),
            fetches: Vec::new(),
            retry_ns: None,
            direct: None,
        }
    }

    /// The next time at which something is done, ns of the world.
    pub fn next_ns(&self) -> u64 {
        let sync = self.syncing.map_or(u64::MAX, |(due, _)| due);
        let retry = self.retry_ns.unwrap_or(u64::MAX);
        let told = self.telling.map_or(u64::MAX, |(due, _)| due);
        let fetch = self.fetches.iter().map(|(due, _)| *due).min().unwrap_or(u64::MAX);
        let put_off = self.put_off.map_or(u64::MAX, |(due, _)| due);
        sync.min(put_off).min(self.job_due_ns.unwrap_or(u64::MAX)).min(retry).min(told).min(fetch)
    }

    /// Bytes of the log's segments.
    pub fn log_bytes(&self) -> u64 {
        self.log.as_ref().map_or(0, Log::bytes)
    }

    fn fail(&mut self, error: &dyn std::fmt::Display) {
        self.failed.get_or_insert_with(|| error.to_string());
    }

    /// Begins to write what waits, if the disk is idle.
    fn begin(&mut self, at_ns: u64) {
        let Some(log) = self.log.as_mut().filter(|_| self.syncing.is_none()) else { return };
        let Some(&(last, _)) = self.waiting.back() else { return };
        let batches: Vec<Batch> = self.waiting.drain(..).map(|(_, batch)| batch).collect();
        self.waiting_bytes = 0;
        let announced = batches.iter().any(Batch::is_announced);
        let waits = batches.iter().all(Batch::is_put_off);
        if let Err(error) = log.write(&batches) {
            return self.fail(&error);
        }
        let pace = *self.pace.borrow();
        if announced {
            let due = at_ns.max(pace.stalled_until_ns) + WRITE_NS;
            self.telling = Some((self.telling.map_or(due, |(before, _)| before.min(due)), last));
        }
        if waits {
            let due = at_ns + MAX_PUT_OFF_NS;
            self.put_off = Some((self.put_off.map_or(due, |(before, _)| before), last));
            return;
        }
        self.begin_sync(at_ns, last);
    }

    /// Writes what need not be synced at once without waiting for anything, as a shard thread does. True if
    /// something was written that somebody waits for.
    fn write_now(&mut self, core: &mut Core) -> bool {
        let stalled = self.pace.borrow().stalled_until_ns > self.time.ns();
        let Some(log) = self.log.as_mut().filter(|log| self.syncing.is_none() && !log.is_direct()) else {
            return false;
        };
        let awaited = self.waiting.iter().any(|(_, batch)| batch.is_announced());
        let at_once = |(_, batch): &(u64, Batch)| batch.is_put_off() && log.fits(batch);
        if stalled || self.waiting.len() != 1 || !self.waiting.iter().all(at_once) {
            return false;
        }
        let Some((number, batch)) = self.waiting.pop_front() else { return false };
        self.waiting_bytes = 0;
        if let Err(error) = log.write(&[batch]) {
            self.fail(&error);
            return false;
        }
        let due = self.time.ns() + MAX_PUT_OFF_NS;
        self.put_off = Some((self.put_off.map_or(due, |(before, _)| before), number));
        core.log_written(0, number);
        awaited
    }

    /// What is written up to this batch is synced.
    fn begin_sync(&mut self, at_ns: u64, last: u64) {
        let pace = *self.pace.borrow();
        self.put_off = None;
        let took = pace.sync_ns + self.rng.below(pace.sync_jitter_ns + 1);
        self.syncing = Some((at_ns.max(pace.stalled_until_ns) + took, last));
        self.begun_ns = at_ns;
    }

    fn finish_sync(&mut self, due_ns: u64, last: u64) {
        let now = self.time.ns();
        let Some(log) = &mut self.log else { return };
        let stalled_ns = self.pace.borrow().stalled_until_ns;
        if stalled_ns > now {
            self.syncing = Some((stalled_ns, last));
            return;
        }
        self.syncing = None;
        let began_ns = std::mem::take(&mut self.begun_ns);
        self.recent.record(now.saturating_sub(began_ns), now);
        if let Err(error) = log.sync() {
            return self.fail(&error);
        }
        self.synced = last;
        self.keep_log();
        self.begin(due_ns);
    }

    /// What the log thread does between writes: frees what is not needed, keeps segments in reserve.
    fn keep_log(&mut self) {
        let now = self.time.ns();
        let Some(log) = self.log.as_mut().filter(|_| self.syncing.is_none()) else { return };
        while let Some((_, floors)) = self.floors.pop_front_if(|(after, _)| *after <= self.synced) {
            if let Err(error) = log.free(&floors) {
                return self.fail(&error);
            }
        }
        if let Some(direct) = self.direct.take()
            && let Err(error) = log.set_direct(direct)
        {
            return self.fail(&error);
        }
        if log.reserve_low() && self.retry_ns.is_none_or(|at| at <= now) {
            self.retry_ns = log.fill_reserve().is_err().then_some(now + RETRY_NS);
        }
    }

    fn run_jobs(&mut self, core: &mut Core) {
        let now = self.time.ns();
        while let Some(due) = self.job_due_ns.filter(|due| *due <= now) {
            let stalled_ns = self.pace.borrow().stalled_until_ns;
            if stalled_ns > now {
                self.job_due_ns = Some(stalled_ns);
                return;
            }
            self.job_due_ns = None;
            self.pool.run_one(now / MS, &mut self.done);
            self.done.drain(..).for_each(|done| core.job_done(done));
            self.next_job(due);
        }
    }

    /// Reads take a while, and overtake each other and all other jobs.
    fn begin_fetch(&mut self, job: FetchJob) {
        let took = 1 + self.rng.below(2 * self.pace.borrow().job_ns + 1);
        let at_once = self.rng.chance(1, 2);
        let read = if at_once { Ok(self.pool.fetch(job)) } else { Err(job) };
        self.fetches.push((self.time.ns() + took, read));
    }

    fn run_fetches(&mut self, core: &mut Core) {
        let (now, stalled_ns) = (self.time.ns(), self.pace.borrow().stalled_until_ns);
        if stalled_ns > now {
            self.fetches.iter_mut().for_each(|(due, _)| *due = (*due).max(stalled_ns));
        }
        for (_, read) in self.fetches.extract_if(.., |(due, _)| *due <= now).collect::<Vec<_>>() {
            core.job_done(read.unwrap_or_else(|job| self.pool.fetch(job)));
        }
    }

    fn next_job(&mut self, at_ns: u64) {
        if self.job_due_ns.is_some() || self.pool.pending() == 0 {
            return;
        }
        let took = 1 + self.rng.below(2 * self.pace.borrow().job_ns + 1);
        let retry_ns = self.pool.next_retry_ms().map_or(0, |ms| ms * MS);
        // A lane that sleeps must not keep the others from being asked.
        self.job_due_ns = Some((at_ns + took).max(retry_ns.min(at_ns + 50 * MS)));
    }
}

impl shell::Disks for SimDisks {
    fn done(&mut self, core: &mut Core) -> Result<(), String> {
        let now = self.time.ns();
        if let Some((due, last)) = self.put_off.filter(|(due, _)| *due <= now && self.syncing.is_none()) {
            self.begin_sync(due, last);
        }
        while let Some((due, last)) = self.syncing.filter(|(due, _)| *due <= now) {
            self.finish_sync(due, last);
        }
        if self.retry_ns.is_some_and(|at| at <= now) {
            self.keep_log();
        }
        if let Some(why) = &self.failed {
            return Err(format!("the log has failed: {why}"));
        }
        if let Some((_, last)) = self.telling.take_if(|(due, _)| *due <= now) {
            core.log_written(0, last);
        }
        core.log_done(0, self.synced);
        self.run_jobs(core);
        self.run_fetches(core);
        Ok(())
    }

    fn hand_over(&mut self, core: &mut Core) -> Result<bool, String> {
        let now = self.time.ns();
        for (_, number, batch) in core.outbox.log.drain(..) {
            self.submitted = number;
            self.waiting_bytes += batch.size();
            self.waiting.push_back((number, batch));
        }
        if !core.outbox.floors.is_empty() {
            let floors = core.outbox.floors.drain(..).map(|(_, group, floor)| (group, floor)).collect();
            self.floors.push_back((self.submitted, floors));
        }
        core.outbox.jobs.drain(..).for_each(|job| self.pool.submit(job));
        let fetches = std::mem::take(&mut core.outbox.fetches);
        fetches.into_iter().for_each(|job| self.begin_fetch(job));
        let written = self.write_now(core);
        self.begin(now);
        if !self.floors.is_empty() {
            self.keep_log();
        }
        self.next_job(now);
        match &self.failed {
            Some(why) => Err(format!("the log has failed: {why}")),
            None => Ok(written),
        }
    }

    fn set_direct(&mut self, direct: bool) -> bool {
        self.direct = Some(direct);
        self.keep_log();
        true
    }

    fn is_full(&self) -> bool {
        self.waiting_bytes > MAX_WAITING
    }

    fn is_flushed(&self) -> bool {
        self.submitted <= self.synced
    }

    fn state(&self, _: u64) -> DiskState {
        let full = self.retry_ns.is_some() && self.log.as_ref().is_some_and(Log::reserve_low);
        let exhausted = full && self.log.as_ref().is_some_and(Log::reserve_empty);
        // All by the world's time: a clock that is off its rate by a little makes no difference here.
        let latency_ns = self.recent.latency_ns(self.begun_ns, self.time.ns());
        DiskState { full, exhausted, latency_ns }
    }

    fn stop(mut self) {
        let batches: Vec<Batch> = self.waiting.drain(..).map(|(_, batch)| batch).collect();
        if let Some(mut log) = self.log.take()
            && log.append(&batches).is_ok()
        {
            // What can not be closed is opened as after a crash.
            let _ = log.close();
        }
    }
}
