//! What the trees of a node take of memory, and how many bytes of tables are written: what checkpoints
//! bring, and what compactions write again. Counted by the threads that change trees, read by any.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use lsm_tree::{AbstractTree, AnyTree, Table};

use crate::rows::RowUsage;

/// Figures of all trees.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Memory of what is known of tables, bytes.
    tables: AtomicU64,
    /// Bytes of tables written since the start of the process.
    ingested: AtomicU64,
    compacted: AtomicU64,
}

impl Figures {
    /// With so many bytes in the cache.
    pub(super) fn usage(&self, cache: u64) -> RowUsage {
        let of = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        RowUsage {
            cache,
            tables: of(&self.tables),
            ingested: of(&self.ingested),
            compacted: of(&self.compacted),
        }
    }

    /// The tables of a tree take so many bytes of memory now; `counted` is what was counted for it before.
    pub(super) fn count_memory(&self, counted: &AtomicU64, bytes: u64) {
        let before = counted.swap(bytes, Ordering::Relaxed);
        self.tables.fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Does an ingestion and counts what it writes: tables of the first level that were not there.
    pub(super) fn by_ingestion<T>(&self, tree: &AnyTree, write: impl FnOnce() -> T) -> T {
        count(&self.ingested, tree, |level| level == 0, write)
    }

    /// Does a compaction and counts what it writes: tables below the first level that were nowhere. An
    /// ingestion at the same time writes to the first level.
    pub(super) fn by_compaction<T>(&self, tree: &AnyTree, write: impl FnOnce() -> T) -> T {
        count(&self.compacted, tree, |level| level > 0, write)
    }
}

fn count<T>(counter: &AtomicU64, tree: &AnyTree, on: impl Fn(usize) -> bool, write: impl FnOnce() -> T) -> T {
    let before: BTreeSet<_> = tree.current_version().iter_tables().map(Table::id).collect();
    let result = write();
    let version = tree.current_version();
    let levels = version.iter_levels().enumerate().filter(|(level, _)| on(*level));
    let tables = levels.flat_map(|(_, level)| level.iter()).flat_map(|run| run.iter());
    let new = tables.filter(|table| !before.contains(&table.id()));
    counter.fetch_add(new.map(|table| table.metadata.file_size).sum(), Ordering::Relaxed);
    result
}
