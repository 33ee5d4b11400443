//! One log of a simulated node: the real one on a simulated disk, each sync done when the seed says so.

use super::Pace;
use crate::time::{MS, Time, US};
use env::Rng;
use model::{GroupId, Index};
use node::{Core, DiskState};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use storage::log::{Batch, Log, MAX_PUT_OFF_NS, RecentSyncs};

/// Bytes of batches that wait for a log, beyond which clients are not read.
const MAX_WAITING: u64 = 4 << 20;
/// A write takes this long, ns.
const WRITE_NS: u64 = 20 * US;
/// After this time a segment that could not be made is tried again, ns.
const RETRY_NS: u64 = 100 * MS;

/// What a log thread is in the program.
pub(super) struct SimLog {
    /// Which log of its node it is.
    number: usize,
    time: Time,
    pace: Rc<RefCell<Pace>>,
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
    /// Why it takes nothing any more.
    pub(super) failed: Option<String>,
    /// What the log need not keep, each once the batches handed over before it are durable.
    floors: VecDeque<(u64, BTreeMap<GroupId, Index>)>,
    /// The next segment can not be made; when to try again.
    retry_ns: Option<u64>,
    /// The way of writing is to change.
    direct: Option<bool>,
}

impl SimLog {
    pub(super) fn new(number: usize, log: Log, time: Time, pace: Rc<RefCell<Pace>>) -> SimLog {
        SimLog {
            number,
            time,
            pace,
            log: Some(log),
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
            retry_ns: None,
            direct: None,
        }
    }

    /// The next time at which something is done, ns of the world.
    pub(super) fn next_ns(&self) -> u64 {
        if self.failed.is_some() {
            return u64::MAX;
        }
        let sync = self.syncing.map_or(u64::MAX, |(due, _)| due);
        let retry = self.retry_ns.unwrap_or(u64::MAX);
        let told = self.telling.map_or(u64::MAX, |(due, _)| due);
        let put_off = self.put_off.map_or(u64::MAX, |(due, _)| due);
        sync.min(put_off).min(retry).min(told)
    }

    /// Bytes of its segments.
    pub(super) fn bytes(&self) -> u64 {
        self.log.as_ref().map_or(0, Log::bytes)
    }

    fn fail(&mut self, error: &dyn std::fmt::Display) {
        self.failed.get_or_insert_with(|| error.to_string());
    }

    /// Begins to write what waits, if the disk is idle.
    pub(super) fn begin(&mut self, at_ns: u64, rng: &mut Rng) {
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
        self.begin_sync(at_ns, last, rng);
    }

    /// Writes what need not be synced at once without waiting for anything, as a shard thread does. True if
    /// something was written that somebody waits for.
    pub(super) fn write_now(&mut self, core: &mut Core) -> bool {
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
        core.log_written(self.number, number);
        awaited
    }

    /// What is written up to this batch is synced.
    fn begin_sync(&mut self, at_ns: u64, last: u64, rng: &mut Rng) {
        let pace = *self.pace.borrow();
        self.put_off = None;
        let took = pace.sync_ns + rng.below(pace.sync_jitter_ns + 1);
        self.syncing = Some((at_ns.max(pace.stalled_until_ns) + took, last));
        self.begun_ns = at_ns;
    }

    fn finish_sync(&mut self, due_ns: u64, last: u64, rng: &mut Rng) {
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
        self.begin(due_ns, rng);
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

    /// Goes on to now, and tells the core. False if it has failed.
    pub(super) fn done(&mut self, core: &mut Core, rng: &mut Rng) -> bool {
        let now = self.time.ns();
        if let Some((due, last)) = self.put_off.filter(|(due, _)| *due <= now && self.syncing.is_none()) {
            self.begin_sync(due, last, rng);
        }
        while let Some((due, last)) = self.syncing.filter(|(due, _)| *due <= now) {
            self.finish_sync(due, last, rng);
        }
        if self.retry_ns.is_some_and(|at| at <= now) {
            self.keep_log();
        }
        if self.failed.is_some() {
            return false;
        }
        if let Some((_, last)) = self.telling.take_if(|(due, _)| *due <= now) {
            core.log_written(self.number, last);
        }
        core.log_done(self.number, self.synced);
        true
    }

    pub(super) fn submit(&mut self, number: u64, batch: Batch) {
        self.submitted = number;
        self.waiting_bytes += batch.size();
        self.waiting.push_back((number, batch));
    }

    pub(super) fn free(&mut self, floors: BTreeMap<GroupId, Index>) {
        self.floors.push_back((self.submitted, floors));
    }

    /// Work between writes, if there is any.
    pub(super) fn tidy(&mut self) {
        if !self.floors.is_empty() {
            self.keep_log();
        }
    }

    pub(super) fn set_direct(&mut self, direct: bool) {
        self.direct = Some(direct);
        self.keep_log();
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting_bytes > MAX_WAITING
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.failed.is_some() || self.submitted <= self.synced
    }

    /// Nothing of it is done any more.
    pub(super) fn abandon(&mut self) {
        self.log = None;
        self.waiting.clear();
        self.waiting_bytes = 0;
        (self.syncing, self.put_off, self.telling, self.retry_ns) = (None, None, None, None);
    }

    pub(super) fn state(&self) -> DiskState {
        let full = self.retry_ns.is_some() && self.log.as_ref().is_some_and(Log::reserve_low);
        let exhausted = full && self.log.as_ref().is_some_and(Log::reserve_empty);
        // All by the world's time: a clock that is off its rate by a little makes no difference here.
        let latency_ns = self.recent.latency_ns(self.begun_ns, self.time.ns());
        DiskState { full, exhausted, latency_ns }
    }

    pub(super) fn stop(mut self) {
        let batches: Vec<Batch> = self.waiting.drain(..).map(|(_, batch)| batch).collect();
        if let Some(mut log) = self.log.take()
            && log.append(&batches).is_ok()
        {
            // What can not be closed is opened as after a crash.
            let _ = log.close();
        }
    }
}
