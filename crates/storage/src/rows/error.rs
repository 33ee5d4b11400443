//! What can go wrong in a row store, in words an operator can act on.

use std::io;

/// Errors of row stores, of their manifest and of snapshot streams.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// The rows of a batch or stream do not ascend.
    #[error("row {next} comes after row {previous}: rows of a batch must ascend")]
    Unsorted {
        /// The earlier, larger key (shortened, escaped).
        previous: String,
        /// The later, smaller key (shortened, escaped).
        next: String,
    },
    /// A key stands twice in one batch or stream.
    #[error("row {key} stands twice in one batch")]
    Duplicate {
        /// The key (shortened, escaped).
        key: String,
    },
    /// A row key is empty or too long.
    #[error("a row key of {len} bytes; allowed are 1 to {max}")]
    KeyLength {
        /// Length found, in bytes.
        len: usize,
        /// Longest allowed, in bytes.
        max: usize,
    },
    /// A row value is too long.
    #[error("a row value of {len} bytes; allowed are 0 to {max}")]
    ValueLength {
        /// Length found, in bytes.
        len: usize,
        /// Longest allowed, in bytes.
        max: usize,
    },
    /// A batch without rows: it would commit nothing, so its caller cannot mean it.
    #[error("a batch without rows; a checkpoint always writes at least its applied row")]
    EmptyBatch,
    /// Stored bytes do not match their checksum or make no sense.
    #[error("tree {tree} is damaged: {reason}")]
    Damaged {
        /// Id of the tree.
        tree: u64,
        /// What did not match.
        reason: String,
    },
    /// The manifest of the row folder is unreadable or disagrees with the folder.
    #[error("row manifest: {0}")]
    Manifest(String),
    /// The operating system refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: String,
        /// Its reason.
        source: io::Error,
    },
    /// A write failed earlier and the tree must be reopened, which readers still forbid. Try again later.
    #[error("tree {tree} must be reopened after a failed write; waiting for {readers} readers to end")]
    ReopenWaits {
        /// Id of the tree.
        tree: u64,
        /// Views and iterators still open.
        readers: usize,
    },
    /// Compaction does not keep up. Try again later.
    #[error("tree {tree} has {runs} unsorted runs and compaction does not reduce them")]
    Stalled {
        /// Id of the tree.
        tree: u64,
        /// Runs in its first level.
        runs: usize,
    },
    /// The tree was destroyed; its id is never used again.
    #[error("tree {tree} was destroyed")]
    Destroyed {
        /// Id of the tree.
        tree: u64,
    },
    /// The tree is closed: its process ended (simulated) or reopening it failed.
    #[error("tree {tree} is closed")]
    Closed {
        /// Id of the tree.
        tree: u64,
    },
    /// A chunk of a snapshot stream cannot be used.
    #[error("snapshot stream: {0}")]
    Stream(String),
}

impl RowError {
    /// True when the disk was full. Nothing was changed; back off, free space, then try again.
    pub fn is_no_space(&self) -> bool {
        matches!(self, RowError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull
            || source.kind() == io::ErrorKind::QuotaExceeded)
    }

    /// True when the same call may succeed later without anybody repairing anything.
    pub fn is_transient(&self) -> bool {
        self.is_no_space() || matches!(self, RowError::ReopenWaits { .. } | RowError::Stalled { .. })
    }
}

/// Most bytes of a key shown in an error message.
const SHOWN_KEY: usize = 48;

/// A key as text: escaped, shortened.
pub(crate) fn show_key(key: &[u8]) -> String {
    let shown = &key[..key.len().min(SHOWN_KEY)];
    let more = if shown.len() < key.len() { "…" } else { "" };
    format!("\"{}{more}\"", shown.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_shown_escaped_and_short() {
        assert_eq!(show_key(b"a\x00\xff"), "\"a\\x00\\xff\"");
        assert_eq!(show_key(&[b'x'; 100]), format!("\"{}…\"", "x".repeat(48)));
    }

    #[test]
    fn a_full_disk_is_told_apart() {
        let io = |kind: io::ErrorKind| RowError::Io { doing: "write".into(), source: kind.into() };
        assert!(io(io::ErrorKind::StorageFull).is_no_space());
        assert!(!io(io::ErrorKind::PermissionDenied).is_no_space());
        assert!(!RowError::EmptyBatch.is_transient());
    }
}
