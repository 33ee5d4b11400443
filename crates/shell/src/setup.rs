//! How a node is set up: what the shell and its core need of the configuration.

use crate::log_mode::LogMode;
use crate::recover::Timing;
use node::{ConfigTable, Settings};
use std::path::PathBuf;

/// Makes the table behind `CONFIG` for a new core.
pub type MakeTable = Box<dyn Fn() -> Box<dyn ConfigTable>>;

/// How a node is set up.
pub struct Setup {
    /// Data folder; the home folder, if there are further ones.
    pub dir: PathBuf,
    /// Further data folders.
    pub further: Vec<PathBuf>,
    /// How the data folder is opened.
    pub start: cluster::Start,
    /// Settings of the core; seed and start time are filled in by the shell.
    pub settings: Settings,
    /// Raft's clock.
    pub timing: Timing,
    /// Bytes of a log segment; see [`storage::log::LogOptions`].
    pub segment_bytes: u64,
    /// How the log is written.
    pub log_mode: LogMode,
    /// Where `CONFIG` looks, if anywhere.
    pub table: Option<MakeTable>,
}
