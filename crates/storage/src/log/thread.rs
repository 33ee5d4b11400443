//! The log on a thread of its own: takes what all shard threads hand over, writes it in one go,
//! syncs once, and tells each how far it is durable.

use super::MAX_PUT_OFF_NS;
use super::append::Log;
use super::batch::{Batch, KEEP_BUFFER};
use super::error::LogError;
use super::handle::{Command, Done, DoneFn, LogHandle, LogStatus};
use super::reserve::Reserver;
use super::trend::Recorder;
use env::Clock;
use model::{GroupId, Index};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most commands that wait for the log thread.
pub const MAX_QUEUED: usize = 1024;
/// Most emptied buffers on their way back to a shard thread.
const MAX_RETURNED: usize = 16;
/// While a segment is being made, the result is looked for this often when nothing else happens.
const RESERVE_POLL: Duration = Duration::from_millis(2);
/// While a segment cannot be made, whether to try again is looked at this often.
const RETRY_POLL: Duration = Duration::from_millis(100);
/// Shares of the groups are published after this many appends.
const PUBLISH_EVERY: u64 = 256;

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
        let unsynced = Unsynced::default();
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
            unsynced,
        };
        writer.status.publish(&writer.log);
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
    unsynced: Unsynced,
}

/// What is written and not synced.
#[derive(Default)]
struct Unsynced {
    /// Who sent each batch.
    from: Vec<usize>,
    bytes: u64,
    /// When its sync is due at the latest, monotonic ns; `None` = nothing is unsynced.
    due_ns: Option<u64>,
}

/// What came in since the last round, beside the batches.
#[derive(Default)]
struct Round {
    /// Who sent each batch.
    from: Vec<usize>,
    floors: BTreeMap<GroupId, Index>,
    direct: Option<bool>,
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
                self.write(&round.from)?;
            }
            if self.unsynced.due_ns.is_some_and(|due| round.stop || due <= self.clock.mono_ns()) {
                self.sync()?;
            }
            if let Some(direct) = round.direct {
                self.log.set_direct(direct)?;
                self.status.publish(&self.log);
            }
            if !round.floors.is_empty() {
                self.log.free(&round.floors)?;
                self.status.publish(&self.log);
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
        let mut wait = self.unsynced.due_ns.map(|due| {
            let ns = due.saturating_sub(self.clock.mono_ns());
            Duration::from_nanos(ns)
        });
        if self.reserver.is_busy() || self.log.reserve_low() {
            let poll = if self.reserver.is_busy() { RESERVE_POLL } else { RETRY_POLL };
            wait = Some(wait.map_or(poll, |wait| wait.min(poll)));
        }
        let first = if let Some(wait) = wait {
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
                Command::Direct(direct) => round.direct = Some(direct),
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

    /// Writes what came in, and notes when it is to be synced: at once if one of the batches can not wait.
    fn write(&mut self, from: &[usize]) -> Result<(), LogError> {
        let (segments, now) = (self.log.bytes(), self.clock.mono_ns());
        let put_off = self.batches.iter().all(Batch::is_put_off);
        if !put_off {
            self.status.trend().begins(now);
        }
        let appended = self.log.write(&self.batches)?;
        if self.batches.iter().any(Batch::is_announced) {
            self.tell_written(from);
        }
        self.unsynced.from.extend_from_slice(from);
        self.unsynced.bytes += appended.bytes;
        let due = if put_off { now + MAX_PUT_OFF_NS } else { now };
        self.unsynced.due_ns = Some(self.unsynced.due_ns.map_or(due, |before| before.min(due)));
        for (batch, &producer) in self.batches.drain(..).zip(from) {
            if batch.size() <= KEEP_BUFFER as u64 {
                // Full or gone: the buffer is simply dropped.
                let _ = self.producers[producer].returns.try_send(batch.into_buffer());
            }
        }
        self.appends += 1;
        if self.appends.is_multiple_of(PUBLISH_EVERY) || self.log.bytes() != segments {
            self.status.publish(&self.log);
        }
        Ok(())
    }

    /// Syncs what is written, and tells who sent it.
    fn sync(&mut self) -> Result<(), LogError> {
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

    /// Has the next segment made beside this thread, so that changing to it costs no waiting.
    fn keep_reserve(&mut self) {
        let now = self.clock.mono_ns();
        if let Some(result) = self.reserver.result(now) {
            let error = result.as_ref().err().map(ToString::to_string);
            if let Some(error) = &error {
                tracing::warn!(%error, "cannot make a log segment");
            }
            self.status.set_reserve_error(error);
            if let Ok(spare) = result {
                self.log.add_reserve(spare);
            }
            self.status.publish(&self.log);
        }
        if self.reserver.may_start(now)
            && let Some(plan) = self.log.reserve_plan()
        {
            self.reserver.start_plan(plan);
        }
    }
}
