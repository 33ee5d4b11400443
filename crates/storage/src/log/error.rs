//! What can go wrong with the log.

use std::io;
use std::path::{Path, PathBuf};

/// An error of the log. After [`LogError::Io`] nothing is known about what is durable: the node
/// must stop (fail-stop); the log refuses every further call.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The operating system refused.
    #[error("cannot {what} {}: {error}", path.display())]
    Io {
        /// The verb.
        what: &'static str,
        /// File or folder.
        path: PathBuf,
        /// Its answer.
        error: io::Error,
    },
    /// No space for another segment. Nothing of the call was written; it can be repeated.
    #[error("no space for another log segment of {bytes} bytes in {}: {error}", dir.display())]
    NoSpace {
        /// Size of a segment.
        bytes: u64,
        /// The log's folder.
        dir: PathBuf,
        /// The answer of the operating system.
        error: io::Error,
    },
    /// A batch does not fit. Nothing of the call was written.
    #[error("a log batch has {bytes} bytes, at most {max} allowed")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The bound.
        max: u64,
    },
    /// The states of all groups do not fit at the head of a segment.
    #[error("the states of {groups} groups take {bytes} bytes at a segment's head, at most {max} allowed")]
    TooManyGroups {
        /// Number of groups.
        groups: usize,
        /// Bytes of their states.
        bytes: u64,
        /// The bound.
        max: u64,
    },
    /// Bytes that were synced can no longer be read, and it cannot be told whose they were: no
    /// replica of this log may take part again under its id (safety rule 2).
    #[error("log damaged: {} at offset {offset}: {why}; all replicas in this log are affected", file.display())]
    Damaged {
        /// The segment file.
        file: PathBuf,
        /// Byte offset in it.
        offset: u64,
        /// What is wrong there.
        why: String,
    },
    /// Written by a newer version of the program.
    #[error("{} has log format {found}, this version reads up to {known}", file.display())]
    Version {
        /// The segment file.
        file: PathBuf,
        /// Its format.
        found: u8,
        /// The newest known here.
        known: u8,
    },
    /// The segment belongs to another cluster.
    #[error("{} belongs to another cluster", file.display())]
    ForeignCluster {
        /// The segment file.
        file: PathBuf,
    },
    /// A segment size that is not allowed.
    #[error("log segment size {bytes} is not a multiple of 4096 from {min} to {max}")]
    SegmentSize {
        /// The size asked for.
        bytes: u64,
        /// Smallest allowed.
        min: u64,
        /// Largest allowed.
        max: u64,
    },
    /// An earlier call failed; what is durable is not known.
    #[error("the log has stopped after an earlier error")]
    Stopped,
}

/// Adds verb and path to an I/O error.
pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
    move |error| LogError::Io { what, path: path.to_owned(), error }
}
