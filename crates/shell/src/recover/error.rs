//! Why a node must not start with its data.

use model::varint::DecodeError;
use model::{GroupId, Index};
use std::path::PathBuf;
use storage::rows::RowError;

/// Why a node must not start with its data.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// Bytes of the log that were synced can no longer be read.
    #[error(
        "log damaged: {} at offset {offset} held entries of {} that can no longer be read; this node may \
         have acknowledged them and does not start with what is left", file.display(), list(groups)
    )]
    Log {
        /// The segment file.
        file: PathBuf,
        /// Byte offset in it.
        offset: u64,
        /// The groups concerned.
        groups: Vec<GroupId>,
    },
    /// The log says that it lost something of a group before; where is in the messages of that start.
    #[error("log damaged: an earlier start found synced entries of group {group} lost")]
    LostBefore {
        /// The group.
        group: GroupId,
    },
    /// Rows and log do not belong together.
    #[error(
        "group {group}, row tree {tree}: {what}; rows and log are not of one node, or one of them was lost"
    )]
    Apart {
        /// The group.
        group: GroupId,
        /// Its tree.
        tree: u64,
        /// What does not fit.
        what: Misfit,
    },
    /// A row tree cannot be read.
    #[error("group {group}: {source}")]
    Rows {
        /// The group.
        group: GroupId,
        /// What the row store answers.
        source: RowError,
    },
    /// A row makes no sense.
    #[error("group {group}, row tree {tree} is damaged: {why}")]
    Row {
        /// The group.
        group: GroupId,
        /// Its tree.
        tree: u64,
        /// Row and reason.
        why: String,
    },
    /// What the log or the rows say of replica and members can not be read.
    #[error("what is kept of the members of a group can not be read: {0}")]
    Tenure(DecodeError),
    /// Raft refuses what was found.
    #[error(transparent)]
    Raft(#[from] consensus::GroupError),
    /// A tree that is not used any more cannot be removed.
    #[error("row tree {tree} of no group cannot be removed: {source}")]
    Cleanup {
        /// The tree.
        tree: u64,
        /// What the row store answers.
        source: RowError,
    },
}

impl RecoverError {
    /// True if only rows are concerned, which a healthy replica can replace: what the node promised is in
    /// its log. Rows beyond the log are none of these, since the log then lacks what it acknowledged.
    pub(super) fn concerns_rows_only(&self) -> bool {
        match self {
            RecoverError::Row { .. } => true,
            RecoverError::Rows { source, .. } => matches!(source, RowError::Damaged { .. }),
            RecoverError::Apart { what, .. } => match what {
                Misfit::Missing(_)
                | Misfit::Unfinished
                | Misfit::BelowInstall { .. }
                | Misfit::Gap { .. } => true,
                Misfit::Short { .. } | Misfit::Term { .. } => false,
            },
            _ => false,
        }
    }
}

/// How rows and log of a group contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The tree does not exist, although the log begins after the start.
    #[error("the tree is missing, and the log holds nothing up to index {0}")]
    Missing(Index),
    /// The tree is the unfinished target of a snapshot.
    #[error("a snapshot in it was never completed, but the log calls it valid")]
    Unfinished,
    /// A snapshot was installed, and the rows are older.
    #[error("its rows are as of index {rows}, but the log installed a snapshot of index {install}")]
    BelowInstall {
        /// Applied index of the rows.
        rows: Index,
        /// Index of the installed snapshot.
        install: Index,
    },
    /// Entries between rows and log are gone.
    #[error("its rows are as of index {rows}, but the log holds nothing up to index {floor}")]
    Gap {
        /// Applied index of the rows.
        rows: Index,
        /// Entries up to here are not in the log.
        floor: Index,
    },
    /// The log ends before the rows.
    #[error("its rows are as of index {rows}, but the log ends at index {last}")]
    Short {
        /// Applied index of the rows.
        rows: Index,
        /// Last index of the log.
        last: Index,
    },
    /// The entry at the applied index has another term.
    #[error("its rows are as of index {index} in term {rows}, but that entry in the log is of term {log}")]
    Term {
        /// Applied index of the rows.
        index: Index,
        /// Applied term of the rows.
        rows: u64,
        /// Term of the entry in the log.
        log: u64,
    },
}

fn list(groups: &[GroupId]) -> String {
    let groups: Vec<String> = groups.iter().map(|group| format!("group {group}")).collect();
    groups.join(", ")
}
