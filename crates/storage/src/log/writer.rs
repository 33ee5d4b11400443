//! What writes to the log and syncs it: the log thread, and for what need not be synced at once the shard
//! thread itself, which spares two changes of threads before the answer.

use super::MAX_PUT_OFF_NS;
use super::append::Log;
use super::batch::{Batch, KEEP_BUFFER};
use super::error::LogError;
use super::handle::{Done, DoneFn, LogStatus};
use super::trend::Recorder;
use env::Clock;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;

/// Shares of the groups are published after this many appends.
const PUBLISH_EVERY: u64 = 256;

/// A shard thread as the writer sees it.
pub(super) struct Producer {
    pub(super) done: DoneFn,
    pub(super) returns: SyncSender<Vec<u8>>,
    /// Its batches that are durable.
    pub(super) completed: u64,
    /// What it was told of that.
    pub(super) reported: u64,
}

/// The log, and who is to be told of it. Behind a lock that only the log thread waits for.
pub(super) struct Writer {
    pub(super) log: Log,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) producers: Vec<Producer>,
    pub(super) status: Arc<LogStatus>,
    pub(super) recorder: Recorder,
    pub(super) appends: u64,
    pub(super) unsynced: Unsynced,
}

/// What is written and not synced.
#[derive(Default)]
pub(super) struct Unsynced {
    /// Who sent each batch.
    from: Vec<usize>,
    bytes: u64,
    /// When its sync is due at the latest, monotonic ns; `None` = nothing is unsynced.
    pub(super) due_ns: Option<u64>,
}

impl Writer {
    /// Writes batches, empties the list, and notes when they are to be synced: at once if one of them can not
    /// wait.
    pub(super) fn write(&mut self, batches: &mut Vec<Batch>, from: &[usize]) -> Result<(), LogError> {
        let (segments, now) = (self.log.bytes(), self.clock.mono_ns());
        let put_off = batches.iter().all(Batch::is_put_off);
        if !put_off {
            self.status.trend().begins(now);
        }
        let appended = self.log.write(batches)?;
        if batches.iter().any(Batch::is_announced) {
            self.tell_written(from);
        }
        self.note_unsynced(from, appended.bytes, if put_off { now + MAX_PUT_OFF_NS } else { now });
        for (batch, &producer) in batches.drain(..).zip(from) {
            if batch.size() <= KEEP_BUFFER as u64 {
                // Full or gone: the buffer is simply dropped.
                let _ = self.producers[producer].returns.try_send(batch.into_buffer());
            }
        }
        self.publish(segments);
        Ok(())
    }

    /// Whether a shard thread may write this batch itself: nobody waits for its sync, and writing it waits for
    /// no disk.
    pub(super) fn may_write_now(&self, batch: &Batch) -> bool {
        batch.is_put_off() && !self.log.is_direct() && self.log.fits(batch)
    }

    /// Writes a batch of a shard thread on that thread. True if the log thread does not know yet that
    /// something is to be synced.
    pub(super) fn write_now(&mut self, batch: &Batch, producer: usize) -> Result<bool, LogError> {
        let (segments, now) = (self.log.bytes(), self.clock.mono_ns());
        let appended = self.log.write(std::slice::from_ref(batch))?;
        let first = self.unsynced.due_ns.is_none();
        self.note_unsynced(&[producer], appended.bytes, now + MAX_PUT_OFF_NS);
        self.publish(segments);
        Ok(first)
    }

    fn note_unsynced(&mut self, from: &[usize], bytes: u64, due: u64) {
        self.unsynced.from.extend_from_slice(from);
        self.unsynced.bytes += bytes;
        self.status.written.fetch_add(bytes, Ordering::Relaxed);
        self.unsynced.due_ns = Some(self.unsynced.due_ns.map_or(due, |before| before.min(due)));
    }

    fn publish(&mut self, segments: u64) {
        self.appends += 1;
        if self.appends.is_multiple_of(PUBLISH_EVERY) || self.log.bytes() != segments {
            self.status.publish(&self.log);
        }
    }

    /// Syncs what is written, and tells who sent it.
    pub(super) fn sync(&mut self) -> Result<(), LogError> {
        let before = self.clock.mono_ns();
        self.status.trend().begins_at_latest(before);
        self.log.sync()?;
        let now = self.clock.mono_ns();
        let sync_ns = now.saturating_sub(before);
        self.recorder.record(sync_ns, self.status.trend());
        self.recorder.durable(now, self.status.trend());
        self.status.publish_numbers(&self.log);
        let Unsynced { from, bytes, .. } = std::mem::take(&mut self.unsynced);
        self.status.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
        from.iter().for_each(|&producer| self.producers[producer].completed += 1);
        for producer in &mut self.producers {
            if producer.completed > producer.reported {
                producer.reported = producer.completed;
                (producer.done)(Done::Synced { batches: producer.completed, sync_ns });
            }
        }
        self.unsynced.from = from;
        self.unsynced.from.clear();
        Ok(())
    }

    fn tell_written(&self, from: &[usize]) {
        for (at, producer) in self.producers.iter().enumerate() {
            let count = |from: &[usize]| from.iter().filter(|producer| **producer == at).count() as u64;
            let new = count(from);
            if new > 0 {
                (producer.done)(Done::Written(producer.completed + count(&self.unsynced.from) + new));
            }
        }
    }

    /// The log can go on no more: everybody hears why.
    pub(super) fn fail(&self, error: &LogError) {
        let text = error.to_string();
        tracing::error!(%error, "the log has failed");
        self.producers.iter().for_each(|producer| (producer.done)(Done::Failed(text.clone())));
    }
}
