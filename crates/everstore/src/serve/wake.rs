//! How other threads reach the loop: they leave something, and wake it only if it sleeps.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use cluster::identity::MAX_FOLDERS;
use mio::{Registry, Token, Waker};
use storage::log::Done;

/// What other threads leave for the loop.
#[derive(Debug)]
pub struct Wake {
    waker: Waker,
    /// The loop is about to block, or blocks: only then is the system call of the waker needed.
    sleeping: AtomicBool,
    posted: AtomicBool,
    /// One for each data folder.
    logs: [LogNews; MAX_FOLDERS],
}

/// How far a log is.
#[derive(Debug, Default)]
struct LogNews {
    written: AtomicU64,
    synced: AtomicU64,
    failed: OnceLock<String>,
}

impl Wake {
    /// # Errors
    /// When the operating system has no file descriptor to give.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Arc<Wake>> {
        Ok(Arc::new(Wake {
            waker: Waker::new(registry, token)?,
            sleeping: AtomicBool::new(false),
            posted: AtomicBool::new(false),
            logs: Default::default(),
        }))
    }

    /// Something was left for the loop; call after leaving it.
    pub fn post(&self) {
        // Pairs with `may_sleep`: of the two stores and the two loads that follow them, at least one
        // load sees the other thread's store, so that no message is left lying while the loop sleeps.
        self.posted.store(true, Ordering::SeqCst);
        if self.sleeping.swap(false, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "cannot wake the loop; it goes on with its next tick");
        }
    }

    /// A log reports.
    pub fn log_done(&self, log: usize, done: Done) {
        let news = &self.logs[log];
        match done {
            Done::Written(batches) => news.written.store(batches, Ordering::Release),
            Done::Synced { batches, .. } => news.synced.store(batches, Ordering::Release),
            Done::Failed(text) => {
                // Only the first reason is of interest.
                let _ = news.failed.set(text);
            }
        }
        self.post();
    }

    /// Announces that the loop is about to block. False if something was left: it must not.
    pub fn may_sleep(&self) -> bool {
        self.sleeping.store(true, Ordering::SeqCst);
        !self.posted.load(Ordering::SeqCst)
    }

    /// The loop is awake. True if something was left since the last call.
    pub fn awake(&self) -> bool {
        self.sleeping.store(false, Ordering::SeqCst);
        self.posted.swap(false, Ordering::SeqCst)
    }

    /// Number of the last batch of a log that is known to be written; may be behind [`Wake::synced`].
    pub fn written(&self, log: usize) -> u64 {
        self.logs[log].written.load(Ordering::Acquire)
    }

    /// Number of the last batch of a log that is durable.
    pub fn synced(&self, log: usize) -> u64 {
        self.logs[log].synced.load(Ordering::Acquire)
    }

    /// Why a log has failed, if it has.
    pub fn log_failed(&self, log: usize) -> Option<&str> {
        self.logs[log].failed.get().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};
    use std::time::Duration;

    #[test]
    fn a_sleeping_loop_is_woken_and_an_awake_one_costs_no_system_call() {
        let mut poll = Poll::new().unwrap();
        let wake = Wake::new(poll.registry(), Token(7)).unwrap();
        let mut events = Events::with_capacity(4);

        wake.log_done(0, Done::Synced { batches: 3, sync_ns: 0 });
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty(), "the loop was awake");
        assert!(!wake.may_sleep(), "something was left");
        assert!(wake.awake());
        assert_eq!((wake.synced(0), wake.synced(1)), (3, 0));

        assert!(wake.may_sleep());
        let other = Arc::clone(&wake);
        std::thread::spawn(move || other.log_done(1, Done::Failed("broken".into())));
        poll.poll(&mut events, Some(Duration::from_secs(60))).unwrap();
        assert_eq!(events.iter().map(|e| e.token()).collect::<Vec<_>>(), [Token(7)]);
        assert!(wake.awake());
        assert_eq!((wake.log_failed(0), wake.log_failed(1)), (None, Some("broken")));
    }
}
