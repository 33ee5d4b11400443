//! The log on a thread of its own: takes what all shard threads hand over, writes it in one go,
//! syncs once, and tells each how far it is durable.

use super::batch::{Batch, BatchBuilder, KEEP_BUFFER};
use super::error::LogError;
use super::log::Log;
use super::reserve::{ReservePlan, Spare};
use super::trend::{Recorder, SyncTrend};
use env::Clock;
use model::{GroupId, Index};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, TrySendError};
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most commands that wait for the log thread.
pub const MAX_QUEUED: usize = 1024;
/// Most bytes of batches that wait for it, unless a single one is larger.
pub const MAX_QUEUED_BYTES: u64 = 64 << 20;
/// Most emptied buffers on their way back to a shard thread.
const MAX_RETURNED: usize = 16;
/// While a segment is being made, the result is looked for this often when nothing else happens.
const RESERVE_POLL: Duration = Duration::from_millis(2);
/// While a segment cannot be made, whether to try again is looked at this often.
const RETRY_POLL: Duration = Duration::from_millis(100);
/// After a failure to make a segment the next try waits this long, in nanoseconds.
const RESERVE_RETRY_NS: u64 = 1_000_000_000;
/// Shares of the groups are published after this many appends.
const PUBLISH_EVERY: u64 = 256;

/// What the log thread reports to a shard thread.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Done {
    /// This shard thread's batches up to number `batches` are durable, and all before them.
    Synced {
        /// Number that [`LogHandle::submit`] gave to the last of them.
        batches: u64,
        /// How long the fdatasync took, in ns.
        sync_ns: u64,
    },
    /// The log has failed: nothing more becomes durable. The node must stop.
    Failed(String),
}

/// Called on the log thread; must only hand over and return.
pub type DoneFn = Box<dyn Fn(Done) + Send>;

/// Why a batch was not taken.
#[derive(Debug)]
pub enum SubmitError {
    /// Too much waits already: give it again after the next [`Done`].
    Full(Batch),
    /// Larger than the log allows: bytes, and the bound.
    TooLarge(u64, u64),
    /// The log thread has ended.
    Stopped,
}

enum Command {
    Batch(usize, Batch),
    Free(BTreeMap<GroupId, Index>),
    Stop,
}

/// What any thread may read about the log.
#[derive(Debug, Default)]
pub struct LogStatus {
    trend: SyncTrend,
    reserve_low: AtomicBool,
    bytes: AtomicU64,
    queued_bytes: AtomicU64,
    detail: Mutex<Detail>,
}

#[derive(Debug, Default)]
struct Detail {
    shares: BTreeMap<GroupId, u64>,
    blockers: Vec<GroupId>,
    reserve_error: Option<String>,
}

impl LogStatus {
    /// How long syncs take.
    pub fn trend(&self) -> &SyncTrend {
        &self.trend
    }

    /// See [`Log::reserve_low`].
    pub fn reserve_low(&self) -> bool {
        self.reserve_low.load(Ordering::Relaxed)
    }

    /// See [`Log::bytes`].
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// See [`Log::shares`]; a little behind.
    pub fn shares(&self) -> BTreeMap<GroupId, u64> {
        self.detail(|detail| detail.shares.clone())
    }

    /// See [`Log::blockers`]; a little behind.
    pub fn blockers(&self) -> Vec<GroupId> {
        self.detail(|detail| detail.blockers.clone())
    }

    /// Why the reserve could not be filled the last time it was tried.
    pub fn reserve_error(&self) -> Option<String> {
        self.detail(|detail| detail.reserve_error.clone())
    }

    // Not on the path of a write: taken every PUBLISH_EVERY appends and by whoever asks.
    fn detail<T>(&self, body: impl FnOnce(&mut Detail) -> T) -> T {
        body(&mut self.detail.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A shard thread's side of the log thread.
pub struct LogHandle {
    producer: usize,
    submitted: u64,
    max_batch: u64,
    // The channel wakes the log thread only if it sleeps: a send to a busy one costs no system call.
    commands: SyncSender<Command>,
    returned: Receiver<Vec<u8>>,
    status: Arc<LogStatus>,
}

impl LogHandle {
    /// An empty batch, with a buffer used before if there is one.
    pub fn builder(&self) -> BatchBuilder {
        self.returned.try_recv().map_or_else(|_| BatchBuilder::new(), BatchBuilder::with_buffer)
    }

    /// Hands a batch over and answers its number, 1, 2, 3, … for this handle. Never blocks.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub fn submit(&mut self, batch: Batch) -> Result<u64, SubmitError> {
        let size = batch.size();
        if size > self.max_batch {
            return Err(SubmitError::TooLarge(size, self.max_batch));
        }
        let before = self.status.queued_bytes.fetch_add(size, Ordering::Relaxed);
        let sent = if before > 0 && before + size > MAX_QUEUED_BYTES {
            Err(TrySendError::Full(Command::Batch(self.producer, batch)))
        } else {
            self.commands.try_send(Command::Batch(self.producer, batch))
        };
        match sent {
            Ok(()) => {
                self.submitted += 1;
                return Ok(self.submitted);
            }
            Err(TrySendError::Full(Command::Batch(_, batch))) => {
                self.status.queued_bytes.fetch_sub(size, Ordering::Relaxed);
                Err(SubmitError::Full(batch))
            }
            Err(_) => Err(SubmitError::Stopped),
        }
    }

    /// See [`Log::free`]. False if too much waits already: try again later.
    pub fn free(&self, floors: BTreeMap<GroupId, Index>) -> bool {
        self.commands.try_send(Command::Free(floors)).is_ok()
    }

    /// Largest batch in bytes.
    pub fn max_batch(&self) -> u64 {
        self.max_batch
    }

    /// What is known about the log.
    pub fn status(&self) -> &Arc<LogStatus> {
        &self.status
    }
}

/// The running log thread.
pub struct LogThread {
    commands: SyncSender<Command>,
    status: Arc<LogStatus>,
    thread: JoinHandle<()>,
}

impl LogThread {
    /// Starts the thread `log`, and `log-reserve` that makes segments. There is one handle per
    /// callback, in the same order.
    ///
    /// # Errors
    /// When the operating system has no thread to give.
    pub fn start(
        log: Log,
        clock: Arc<dyn Clock>,
        callbacks: Vec<DoneFn>,
    ) -> std::io::Result<(LogThread, Vec<LogHandle>)> {
        let (commands, inbox) = sync_channel(MAX_QUEUED);
        let status = Arc::new(LogStatus::default());
        let max_batch = log.max_batch();
        let (mut handles, mut producers) = (Vec::new(), Vec::new());
        for (producer, done) in callbacks.into_iter().enumerate() {
            let (returns, returned) = sync_channel(MAX_RETURNED);
            let (commands, status) = (commands.clone(), status.clone());
            handles.push(LogHandle { producer, submitted: 0, max_batch, commands, returned, status });
            producers.push(Producer { done, returns, completed: 0, reported: 0 });
        }
        let reserver = Reserver::start()?;
        let (recorder, appends, batches) = (Recorder::default(), 0, Vec::new());
        let writer = Writer {
            log,
            clock,
            inbox,
            producers,
            status: status.clone(),
            recorder,
            reserver,
            appends,
            batches,
        };
        writer.publish();
        let thread = env::spawn("log", move || writer.run())?;
        Ok((LogThread { commands, status, thread }, handles))
    }

    /// What is known about the log.
    pub fn status(&self) -> &Arc<LogStatus> {
        &self.status
    }

    /// Writes what was handed over, closes the log and ends the thread. Blocks until then.
    pub fn stop(self) {
        // Both fail only if the thread has ended already, and then it has reported why.
        let _ = self.commands.send(Command::Stop);
        let _ = self.thread.join();
    }
}

struct Producer {
    done: DoneFn,
    returns: SyncSender<Vec<u8>>,
    completed: u64,
    reported: u64,
}

/// The body of the log thread.
struct Writer {
    log: Log,
    clock: Arc<dyn Clock>,
    inbox: Receiver<Command>,
    producers: Vec<Producer>,
    status: Arc<LogStatus>,
    recorder: Recorder,
    reserver: Reserver,
    appends: u64,
    /// Reused from round to round.
    batches: Vec<Batch>,
}

/// What came in since the last round, beside the batches.
#[derive(Default)]
struct Round {
    /// Who sent each batch.
    from: Vec<usize>,
    floors: BTreeMap<GroupId, Index>,
    stop: bool,
}

impl Writer {
    fn run(mut self) {
        if let Err(error) = self.rounds() {
            let text = error.to_string();
            tracing::error!(%error, "the log has failed");
            self.producers.iter().for_each(|producer| (producer.done)(Done::Failed(text.clone())));
            return;
        }
        if let Err(error) = self.log.close() {
            tracing::error!(%error, "cannot close the log");
        }
    }

    fn rounds(&mut self) -> Result<(), LogError> {
        loop {
            let round = self.receive();
            if !self.batches.is_empty() {
                self.append(&round.from)?;
            }
            if !round.floors.is_empty() {
                self.log.free(&round.floors)?;
                self.publish();
            }
            if round.stop {
                return Ok(());
            }
            self.keep_reserve();
        }
    }

    /// Waits for one command, then takes all that are there.
    fn receive(&mut self) -> Round {
        let mut round = Round::default();
        let first = if self.reserver.is_busy() || self.log.reserve_low() {
            let wait = if self.reserver.is_busy() { RESERVE_POLL } else { RETRY_POLL };
            match self.inbox.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) => return round,
                result => result.ok(),
            }
        } else {
            self.inbox.recv().ok()
        };
        let mut next = first.ok_or(TryRecvError::Disconnected);
        while let Ok(command) = next {
            match command {
                Command::Batch(from, batch) => {
                    round.from.push(from);
                    self.batches.push(batch);
                }
                Command::Free(floors) => round.floors.extend(floors),
                Command::Stop => round.stop = true,
            }
            if round.from.len() >= MAX_QUEUED {
                return round;
            }
            next = self.inbox.try_recv();
        }
        round.stop |= matches!(next, Err(TryRecvError::Disconnected));
        round
    }

    fn append(&mut self, from: &[usize]) -> Result<(), LogError> {
        let segments = self.log.bytes();
        let appended = self.log.write(&self.batches)?;
        let before = self.clock.mono_ns();
        self.log.sync()?;
        let sync_ns = self.clock.mono_ns().saturating_sub(before);
        self.recorder.record(sync_ns, &self.status.trend);
        self.publish_numbers();
        self.status.queued_bytes.fetch_sub(appended.bytes, Ordering::Relaxed);
        from.iter().for_each(|&producer| self.producers[producer].completed += 1);
        for producer in &mut self.producers {
            if producer.completed > producer.reported {
                producer.reported = producer.completed;
                (producer.done)(Done::Synced { batches: producer.completed, sync_ns });
            }
        }
        for (batch, &producer) in self.batches.drain(..).zip(from) {
            if batch.size() <= KEEP_BUFFER as u64 {
                // Full or gone: the buffer is simply dropped.
                let _ = self.producers[producer].returns.try_send(batch.into_buffer());
            }
        }
        self.appends += 1;
        if self.appends.is_multiple_of(PUBLISH_EVERY) || self.log.bytes() != segments {
            self.publish();
        }
        Ok(())
    }

    fn publish_numbers(&self) {
        self.status.bytes.store(self.log.bytes(), Ordering::Relaxed);
        self.status.reserve_low.store(self.log.reserve_low(), Ordering::Relaxed);
    }

    fn publish(&self) {
        self.publish_numbers();
        self.status.detail(|detail| {
            detail.shares = self.log.shares();
            detail.blockers = self.log.blockers();
        });
    }

    /// Has the next segment made beside this thread, so that changing to it costs no waiting.
    fn keep_reserve(&mut self) {
        let now = self.clock.mono_ns();
        if let Some(result) = self.reserver.result(now) {
            let error = result.as_ref().err().map(ToString::to_string);
            if let Some(error) = &error {
                tracing::warn!(%error, "cannot make a log segment");
            }
            self.status.detail(|detail| detail.reserve_error = error);
            if let Ok(spare) = result {
                self.log.add_reserve(spare);
            }
            self.publish();
        }
        if self.reserver.may_start(now)
            && let Some(plan) = self.log.reserve_plan()
        {
            self.reserver.start_plan(plan);
        }
    }
}

/// The thread that makes segments, one at a time.
struct Reserver {
    plans: Sender<ReservePlan>,
    results: Receiver<Result<Spare, LogError>>,
    busy: bool,
    not_before_ns: u64,
}

impl Reserver {
    fn start() -> std::io::Result<Reserver> {
        let (plans, todo) = channel::<ReservePlan>();
        let (report, results) = channel();
        env::spawn("log-reserve", move || {
            while let Ok(plan) = todo.recv() {
                if report.send(plan.run()).is_err() {
                    break;
                }
            }
        })?;
        Ok(Reserver { plans, results, busy: false, not_before_ns: 0 })
    }

    fn is_busy(&self) -> bool {
        self.busy
    }

    fn may_start(&self, now: u64) -> bool {
        !self.busy && now >= self.not_before_ns
    }

    fn start_plan(&mut self, plan: ReservePlan) {
        self.busy = self.plans.send(plan).is_ok();
    }

    fn result(&mut self, now: u64) -> Option<Result<Spare, LogError>> {
        let result = self.results.try_recv().ok()?;
        self.busy = false;
        if result.is_err() {
            self.not_before_ns = now + RESERVE_RETRY_NS;
        }
        Some(result)
    }
}
