//! A shard thread's side of the log thread, and what any thread may read about the log.

use super::append::Log;
use super::batch::{Batch, BatchBuilder, KEEP_BUFFER};
use super::trend::SyncTrend;
use super::writer::Writer;
use model::{GroupId, Index};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

/// Most bytes of batches that wait for the log thread, unless a single one is larger.
pub const MAX_QUEUED_BYTES: u64 = 64 << 20;

/// What the log thread reports to a shard thread.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Done {
    /// This shard thread's batches up to this number are written, not yet durable: a crash of the process
    /// loses none of them, one of the machine may. Told only if one of them was announced
    /// ([`super::BatchBuilder::announce`]).
    Written(u64),
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
    /// Writing has failed, and why: the log has stopped.
    Failed(String),
    /// The log thread has ended; if by an error, [`Done::Failed`] was told before.
    Stopped,
}

pub(super) enum Command {
    Batch(usize, Batch),
    Free(BTreeMap<GroupId, Index>),
    Direct(bool),
    /// A shard thread has written what is to be synced.
    Unsynced,
    Stop,
}

/// What any thread may read about the log.
#[derive(Debug, Default)]
pub struct LogStatus {
    trend: SyncTrend,
    reserve_low: AtomicBool,
    reserve_empty: AtomicBool,
    bytes: AtomicU64,
    pub(super) written: AtomicU64,
    pub(super) queued_bytes: AtomicU64,
    /// Batches handed over and not written.
    pub(super) waiting: AtomicUsize,
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

    /// See [`Log::reserve_empty`].
    pub fn reserve_empty(&self) -> bool {
        self.reserve_empty.load(Ordering::Relaxed)
    }

    /// See [`Log::bytes`].
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes of batches written since the start of the process, without what fills their last blocks.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
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

    pub(super) fn set_reserve_error(&self, error: Option<String>) {
        self.detail(|detail| detail.reserve_error = error);
    }

    /// Before completions are reported, so that who hears of one sees at least these.
    pub(super) fn publish_numbers(&self, log: &Log) {
        self.bytes.store(log.bytes(), Ordering::Relaxed);
        self.reserve_low.store(log.reserve_low(), Ordering::Relaxed);
        self.reserve_empty.store(log.reserve_empty(), Ordering::Relaxed);
    }

    pub(super) fn publish(&self, log: &Log) {
        self.publish_numbers(log);
        let (shares, blockers) = (log.shares(), log.blockers());
        self.detail(|detail| (detail.shares, detail.blockers) = (shares, blockers));
    }

    // Not on the path of a write: taken every few hundred appends and by whoever asks.
    fn detail<T>(&self, body: impl FnOnce(&mut Detail) -> T) -> T {
        body(&mut self.detail.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A shard thread's side of the log thread.
pub struct LogHandle {
    pub(super) producer: usize,
    pub(super) submitted: u64,
    pub(super) max_batch: u64,
    // The channel wakes the log thread only if it sleeps: a send to a busy one costs no system call.
    pub(super) commands: SyncSender<Command>,
    pub(super) returned: Receiver<Vec<u8>>,
    /// A buffer of a batch that this thread wrote itself.
    pub(super) emptied: Option<Vec<u8>>,
    pub(super) writer: Arc<Mutex<Writer>>,
    pub(super) status: Arc<LogStatus>,
}

impl LogHandle {
    /// A buffer that a batch was in, for another one.
    pub fn buffer(&mut self) -> Option<Vec<u8>> {
        self.emptied.take().or_else(|| self.returned.try_recv().ok())
    }

    /// An empty batch, with a buffer used before if there is one.
    pub fn builder(&mut self) -> BatchBuilder {
        self.buffer().map_or_else(BatchBuilder::new, BatchBuilder::with_buffer)
    }

    /// Writes a batch on this thread if its sync may be put off and that needs no waiting, neither for the disk
    /// nor for the log thread: it is written then, and counts like one that was submitted. Else it is
    /// given back, to be submitted.
    ///
    /// # Errors
    /// [`SubmitError::Full`] with the batch, [`SubmitError::Failed`]: the log has stopped.
    pub fn write_now(&mut self, batch: Batch) -> Result<u64, SubmitError> {
        if !batch.is_put_off() || self.status.waiting.load(Ordering::Relaxed) > 0 {
            return Err(SubmitError::Full(batch));
        }
        let writer = match self.writer.try_lock() {
            Ok(writer) => Some(writer),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        let Some(mut writer) = writer.filter(|writer| writer.may_write_now(&batch)) else {
            return Err(SubmitError::Full(batch));
        };
        self.status.queued_bytes.fetch_add(batch.size(), Ordering::Relaxed);
        let written = writer.write_now(&batch, self.producer);
        drop(writer);
        if written.map_err(|error| SubmitError::Failed(error.to_string()))? {
            // A log thread with a full queue is awake anyway.
            let _ = self.commands.try_send(Command::Unsynced);
        }
        if batch.size() <= KEEP_BUFFER as u64 {
            self.emptied = Some(batch.into_buffer());
        }
        self.submitted += 1;
        Ok(self.submitted)
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
        self.status.waiting.fetch_add(1, Ordering::Relaxed);
        let sent = if before > 0 && before + size > MAX_QUEUED_BYTES {
            Err(TrySendError::Full(Command::Batch(self.producer, batch)))
        } else {
            self.commands.try_send(Command::Batch(self.producer, batch))
        };
        match sent {
            Ok(()) => {
                self.submitted += 1;
                Ok(self.submitted)
            }
            Err(TrySendError::Full(Command::Batch(_, batch))) => {
                self.status.waiting.fetch_sub(1, Ordering::Relaxed);
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

    /// See [`Log::set_direct`]. False if too much waits already: try again later.
    pub fn set_direct(&self, direct: bool) -> bool {
        self.commands.try_send(Command::Direct(direct)).is_ok()
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
