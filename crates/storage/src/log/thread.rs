//! The log on a thread of its own: takes what all shard threads hand over, writes it in one go,
//! syncs once, and tells each how far it is durable.

use super::append::Log;
use super::batch::Batch;
use super::error::LogError;
use super::handle::{Command, DoneFn, LogHandle, LogStatus};
use super::reserve::Reserver;
use super::trend::Recorder;
use super::writer::{Producer, Unsynced, Writer};
use env::Clock;
use model::{GroupId, Index};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
        let (mut returned, mut producers) = (Vec::new(), Vec::new());
        for done in callbacks {
            let (returns, buffers) = sync_channel(MAX_RETURNED);
            returned.push(buffers);
            producers.push(Producer { done, returns, completed: 0, reported: 0 });
        }
        let reserver = Reserver::start()?;
        let (recorder, unsynced) = (Recorder::default(), Unsynced::default());
        let shared = status.clone();
        let writer = Writer { log, clock, producers, status: shared, recorder, appends: 0, unsynced };
        status.publish(&writer.log);
        let clock = writer.clock.clone();
        let writer = Arc::new(Mutex::new(writer));
        let handle = |(producer, returned)| LogHandle {
            producer,
            submitted: 0,
            max_batch,
            commands: commands.clone(),
            returned,
            emptied: None,
            writer: writer.clone(),
            status: status.clone(),
        };
        let handles = returned.into_iter().enumerate().map(handle).collect();
        let (status_too, batches) = (status.clone(), Vec::new());
        let body = Body { writer, status: status_too, clock, inbox, reserver, batches };
        let thread = env::spawn("log", move || body.run())?;
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

/// The body of the log thread.
struct Body {
    writer: Arc<Mutex<Writer>>,
    status: Arc<LogStatus>,
    clock: Arc<dyn Clock>,
    inbox: Receiver<Command>,
    reserver: Reserver,
    /// Reused from round to round.
    batches: Vec<Batch>,
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

impl Body {
    fn run(mut self) {
        let result = self.rounds();
        let mut writer = lock(&self.writer);
        match result {
            Err(error) => writer.fail(&error),
            Ok(()) => {
                if let Err(error) = writer.log.close() {
                    tracing::error!(%error, "cannot close the log");
                }
            }
        }
        // Handles that are left find the log stopped; nobody is told anything any more.
        writer.producers.clear();
    }

    fn rounds(&mut self) -> Result<(), LogError> {
        loop {
            let round = self.receive();
            let mut writer = lock(&self.writer);
            if !self.batches.is_empty() {
                writer.write(&mut self.batches, &round.from)?;
                // Before the lock is given up: whoever finds none waiting may write behind them.
                self.status.waiting.fetch_sub(round.from.len(), Ordering::Relaxed);
            }
            if writer.unsynced.due_ns.is_some_and(|due| round.stop || due <= self.clock.mono_ns()) {
                writer.sync()?;
            }
            if let Some(direct) = round.direct {
                writer.log.set_direct(direct)?;
                self.status.publish(&writer.log);
            }
            if !round.floors.is_empty() {
                writer.log.free(&round.floors)?;
                self.status.publish(&writer.log);
            }
            if round.stop {
                return Ok(());
            }
            keep_reserve(&mut self.reserver, &mut writer);
        }
    }

    /// Waits for one command, then takes all that are there.
    fn receive(&mut self) -> Round {
        let mut round = Round::default();
        let due_ns = lock(&self.writer).unsynced.due_ns;
        let mut wait = due_ns.map(|due| {
            let ns = due.saturating_sub(self.clock.mono_ns());
            Duration::from_nanos(ns)
        });
        if self.reserver.is_busy() || self.status.reserve_low() {
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
                // It is seen anew when the next sync is due.
                Command::Unsynced => {}
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
}

/// Has the next segment made beside this thread, so that changing to it costs no waiting.
fn keep_reserve(reserver: &mut Reserver, writer: &mut Writer) {
    let now = writer.clock.mono_ns();
    if let Some(result) = reserver.result(now) {
        let error = result.as_ref().err().map(ToString::to_string);
        if let Some(error) = &error {
            tracing::warn!(%error, "cannot make a log segment");
        }
        writer.status.set_reserve_error(error);
        if let Ok(spare) = result {
            writer.log.add_reserve(spare);
        }
        writer.status.publish(&writer.log);
    }
    if reserver.may_start(now)
        && let Some(plan) = writer.log.reserve_plan()
    {
        reserver.start_plan(plan);
    }
}

fn lock(writer: &Mutex<Writer>) -> MutexGuard<'_, Writer> {
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}
