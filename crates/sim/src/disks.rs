//! Logs and disk pool of a simulated node: the real logs on a simulated disk, the real jobs on row stores in
//! memory, each done when the seed says so.

mod log;

use self::log::SimLog;
use crate::time::{MS, Time, US};
use env::Rng;
use node::{Core, DiskState, FetchJob, JobDone};
use shell::Opened;
use shell::disk_pool::SerialPool;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

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

/// What log threads and a disk pool are in the program.
pub struct SimDisks {
    time: Time,
    pace: Rc<RefCell<Pace>>,
    rng: Rng,
    /// One log for each data folder, that of the home folder first.
    logs: Vec<SimLog>,
    pool: SerialPool,
    /// When the job at work is done.
    job_due_ns: Option<u64>,
    done: Vec<JobDone>,
    /// Rows to be read: when they arrive, and what was read at once, or is to be read then.
    fetches: Vec<(u64, Result<JobDone, FetchJob>)>,
}

impl SimDisks {
    /// Puts what was opened to work.
    pub fn start(opened: Opened, time: Time, pace: Rc<RefCell<Pace>>, mut rng: Rng) -> SimDisks {
        let mut pool = SerialPool::new(opened.stores, opened.losses, Rng::new(rng.next_u64()));
        opened.garbage.iter().for_each(|&(group, tree)| pool.sweep(group, tree));
        let log = |(number, log)| SimLog::new(number, log, time.clone(), Rc::clone(&pace));
        let logs = opened.logs.into_iter().enumerate().map(log).collect();
        let (job_due_ns, done, fetches) = (None, Vec::new(), Vec::new());
        SimDisks { time, pace, rng, logs, pool, job_due_ns, done, fetches }
    }

    /// The next time at which something is done, ns of the world.
    pub fn next_ns(&self) -> u64 {
        let logs = self.logs.iter().map(SimLog::next_ns).min().unwrap_or(u64::MAX);
        let fetch = self.fetches.iter().map(|(due, _)| *due).min().unwrap_or(u64::MAX);
        logs.min(self.job_due_ns.unwrap_or(u64::MAX)).min(fetch)
    }

    /// Bytes of the segments of its fullest log.
    pub fn log_bytes(&self) -> u64 {
        self.logs.iter().map(SimLog::bytes).max().unwrap_or(0)
    }

    /// A log that has failed takes the replicas in it along, that of the home folder the node.
    fn look_after(&mut self, at: usize, core: &mut Core) -> Result<(), String> {
        match &self.logs[at].failed {
            None => return Ok(()),
            Some(why) if at == 0 => return Err(format!("the log has failed: {why}")),
            Some(why) => core.folder_failed(at, why),
        }
        self.logs[at].abandon();
        Ok(())
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
        for at in 0..self.logs.len() {
            if !self.logs[at].done(core, &mut self.rng) {
                self.look_after(at, core)?;
            }
        }
        self.run_jobs(core);
        self.run_fetches(core);
        Ok(())
    }

    fn hand_over(&mut self, core: &mut Core) -> Result<bool, String> {
        let now = self.time.ns();
        for (log, number, batch) in core.outbox.log.drain(..) {
            self.logs[log].submit(number, batch);
        }
        let mut floors: BTreeMap<usize, BTreeMap<_, _>> = BTreeMap::new();
        for (log, group, floor) in core.outbox.floors.drain(..) {
            floors.entry(log).or_default().insert(group, floor);
        }
        floors.into_iter().for_each(|(log, floors)| self.logs[log].free(floors));
        core.outbox.jobs.drain(..).for_each(|job| self.pool.submit(job));
        let fetches = std::mem::take(&mut core.outbox.fetches);
        fetches.into_iter().for_each(|job| self.begin_fetch(job));
        let mut written = false;
        for at in 0..self.logs.len() {
            let log = &mut self.logs[at];
            written |= log.write_now(core);
            log.begin(now, &mut self.rng);
            log.tidy();
            self.look_after(at, core)?;
        }
        self.next_job(now);
        Ok(written)
    }

    fn set_direct(&mut self, direct: bool) -> bool {
        self.logs.iter_mut().for_each(|log| log.set_direct(direct));
        true
    }

    fn is_full(&self) -> bool {
        self.logs.iter().any(SimLog::is_full)
    }

    fn is_flushed(&self) -> bool {
        self.logs.iter().all(SimLog::is_flushed)
    }

    fn state(&self, _: u64) -> DiskState {
        let states = self.logs.iter().filter(|log| log.failed.is_none()).map(SimLog::state);
        states.fold(DiskState::default(), |all, one| DiskState {
            full: all.full || one.full,
            exhausted: all.exhausted || one.exhausted,
            latency_ns: all.latency_ns.max(one.latency_ns),
        })
    }

    fn stop(self) {
        self.logs.into_iter().for_each(SimLog::stop);
    }
}
