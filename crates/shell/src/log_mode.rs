//! Which way the log is written: around the page cache, or through it.
//!
//! Around it a sync is cheapest, which counts where writes wait for one. Through it a write is, which counts where
//! they are answered when they are written (asynchronous keyspaces). One log serves all keyspaces of a node, so it
//! is one way for all: through the page cache while a keyspace of the cluster is asynchronous.

use node::Core;

use crate::platform::Disks;

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogMode {
    /// Through the page cache while a keyspace is asynchronous, else around it.
    Auto,
    /// Around the page cache.
    Direct,
    /// Through the page cache.
    Buffered,
}

/// What the log was told.
#[derive(Debug)]
pub struct LogWay {
    mode: LogMode,
    direct: bool,
}

impl LogWay {
    /// Nothing was told yet.
    pub fn new(mode: LogMode) -> LogWay {
        LogWay { mode, direct: mode != LogMode::Buffered }
    }

    /// How the log is to be opened: whether directly, and whether to go on as it was written before instead.
    pub fn at_start(&self) -> (bool, bool) {
        (self.direct, self.mode == LogMode::Auto)
    }

    /// The log was opened.
    pub fn opened(&mut self, direct: bool) {
        self.direct = direct;
    }

    /// Tells the log if the way is to change.
    pub fn follow(&mut self, core: &Core, disks: &mut impl Disks) {
        let direct = match self.mode {
            LogMode::Auto => !core.is_any_async(),
            LogMode::Direct | LogMode::Buffered => return,
        };
        if direct != self.direct && disks.set_direct(direct) {
            self.direct = direct;
            let way = if direct { "around the page cache" } else { "through the page cache" };
            tracing::info!(way, "the log is written another way from its next segment on");
        }
    }
}
