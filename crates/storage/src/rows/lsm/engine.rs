//! One opened `lsm_tree::Tree` and the rules its version 3.1.10 asks for.
//!
//! Each rule answers a failure that was reproduced; the tests in `tests/rows_lsm.rs` hold them:
//! - Filters *and* indexes are partitioned on all levels: otherwise a bulk-loaded tree reads the filter of
//!   a whole table for one get.
//! - Both sequence counters start above the highest number on disk, or new rows would hide behind old ones.
//! - A snapshot registers its number before it reads; a number below the watermark makes the engine panic.
//! - Compaction gets the watermark - 1, and the history of versions is then trimmed with the watermark
//!   itself, otherwise the last inputs stay on disk.
//! - Only ingestion writes. Memtable, flush, clear, drop_range and value separation are never used.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lsm_tree::compaction::Leveled;
use lsm_tree::config::PartitioningPolicy;
use lsm_tree::{AbstractTree, AnyTree, Config, SeqNo, SequenceNumberCounter};

use super::{LsmOptions, Shared};

/// Runs in the first level that start a compaction if it is large enough. Rows are read from memory, so rather
/// few compactions than few runs.
const L0_RUNS: u8 = 8;

/// Runs in the first level that start a compaction in any case: every read asks each, if only its filter.
const MAX_L0_RUNS: u8 = 20;

/// The first level is large enough when it has one byte for so many of the others: a compaction of it writes
/// most of the next level again.
const L0_PART: u64 = 3;

/// Rows of at least this mean size in bytes are *large*: reading one costs more than asking many runs for it, and
/// writing it again costs most.
const LARGE_ROW: u64 = 32 * 1024;

/// As [`MAX_L0_RUNS`], for large rows.
const MAX_LARGE_RUNS: usize = 64;

/// Large rows: the first level is not compacted with others before it has this many bytes, and as many as they.
/// That bounds what replaced rows take on the disk.
const LARGE_L0_BYTES: u64 = 128 * 1024 * 1024;

/// Size in bytes at which a table is closed and the next one begun, when the whole tree is compacted.
const TABLE_BYTES: u64 = 64 * 1024 * 1024;

/// Size of the second level in bytes; that of its tables follows.
const L1_BYTES: u64 = TABLE_BYTES * L0_RUNS as u64;

/// Memory of what is known of a table: key range, places of its parts, index of its filters.
const TABLE_MEMORY: usize = 4096;

/// A tree is compacted as a whole when more than one in this many stored entries is superfluous.
const GARBAGE_SHARE: u64 = 4;

/// Fewer superfluous entries than this never start a compaction of the whole tree, unless their rows were large.
const GARBAGE_FLOOR: u64 = 1024;

/// Superfluous rows of this many bytes are always enough to start one.
const GARBAGE_BYTES: u64 = 16 * 1024 * 1024;

/// An opened tree. Dropping the last reference closes it; a new [`Engine`] on the same folder before that
/// would delete files under the old one, so all readers hold a reference.
pub(super) struct Engine {
    tree: AnyTree,
    folder: PathBuf,
    visible: SequenceNumberCounter,
    /// Numbers of open snapshots and how many share each.
    snapshots: Mutex<BTreeMap<SeqNo, usize>>,
    /// Entries of the tree before the first compaction that an open snapshot kept from dropping old rows;
    /// 0 when there was none since the whole tree was compacted.
    before_kept: AtomicU64,
}

impl Engine {
    /// Opens the tree in `folder`, or creates it there.
    pub(super) fn open(folder: &Path, options: &LsmOptions, shared: &Shared) -> lsm_tree::Result<Engine> {
        let seqno = SequenceNumberCounter::default();
        let visible = SequenceNumberCounter::default();
        let tree = Config::new(folder, seqno.clone(), visible.clone())
            .use_cache(Arc::clone(&shared.cache))
            .use_descriptor_table(Some(Arc::clone(&shared.files)))
            .index_block_partitioning_policy(PartitioningPolicy::all(true))
            .filter_block_partitioning_policy(PartitioningPolicy::all(true))
            .data_block_size_policy(lsm_tree::config::BlockSizePolicy::all(options.block_bytes))
            .open()?;
        // At least 1: a snapshot with number 0 would be shown the first ingestion, which gets number 0.
        let next = tree.get_highest_persisted_seqno().map_or(0, |highest| highest + 1).max(1);
        seqno.set(next);
        visible.set(next);
        let snapshots = Mutex::default();
        let folder = folder.to_path_buf();
        Ok(Engine { tree, folder, visible, snapshots, before_kept: AtomicU64::new(0) })
    }

    /// The engine's tree, for reading and for ingestions.
    pub(super) fn tree(&self) -> &AnyTree {
        &self.tree
    }

    /// Registers a snapshot of everything committed so far and returns the number to read it with.
    pub(super) fn register(&self) -> SeqNo {
        let mut open = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.visible.get();
        *open.entry(at).or_default() += 1;
        at
    }

    /// Ends a snapshot that [`Engine::register`] began.
    pub(super) fn release(&self, at: SeqNo) {
        let mut open = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&at) {
            *count -= 1;
            if *count == 0 {
                open.remove(&at);
            }
        }
    }

    /// The number below which nobody reads: of the oldest open snapshot, or of the next one.
    fn watermark(&self) -> SeqNo {
        let open = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        open.keys().next().copied().unwrap_or_else(|| self.visible.get())
    }

    /// Runs in the first level, which every read has to ask one by one.
    pub(super) fn runs(&self) -> usize {
        self.tree.l0_run_count()
    }

    /// Bytes of the tables of the current version.
    pub(super) fn bytes(&self) -> u64 {
        self.tree.disk_space()
    }

    /// Memory that its tables take while they exist, without the cache, about, bytes.
    pub(super) fn memory(&self) -> u64 {
        let tables = self.tree.current_version().table_count() * TABLE_MEMORY;
        (self.tree.pinned_block_index_size() + self.tree.pinned_filter_size() + tables) as u64
    }

    /// One compaction, if one is due; true when it changed the tree. The caller sees to it that only one
    /// runs at a time.
    pub(super) fn compact(&self) -> lsm_tree::Result<bool> {
        let before = self.tree.current_version().id();
        let watermark = self.watermark();
        // While an old snapshot is open its rows stay, so compacting the whole tree would gain nothing.
        let free = watermark == self.visible.get();
        if free && self.is_mostly_garbage() {
            self.tree.major_compact(TABLE_BYTES, watermark - 1)?;
            self.before_kept.store(0, Ordering::Relaxed);
        } else if !self.collects_runs() {
            let entries = self.entries().max(1);
            let runs = self.runs_to_compact();
            let leveled =
                Leveled::default().with_l0_threshold(runs).with_table_target_size(L1_BYTES / u64::from(runs));
            self.tree.compact(Arc::new(leveled), watermark - 1)?;
            let kept = !free && self.tree.current_version().id() != before;
            // Compactions come one at a time; of several only the first is noted.
            if kept && self.before_kept.load(Ordering::Relaxed) == 0 {
                self.before_kept.store(entries, Ordering::Relaxed);
            }
        }
        self.trim_history()?;
        Ok(self.tree.current_version().id() != before)
    }

    /// How many runs of the first level start a compaction now.
    fn runs_to_compact(&self) -> u8 {
        let first = self.tree.current_version().l0().size();
        let others = self.bytes().saturating_sub(first);
        if first * L0_PART >= others { L0_RUNS } else { MAX_L0_RUNS }
    }

    /// Whether rows are large and the first level is to have more of them before it is compacted: with few runs
    /// each such row is written about four times more, which is most of what an upload costs.
    fn collects_runs(&self) -> bool {
        let first = self.tree.current_version().l0().size();
        let others = self.bytes().saturating_sub(first);
        let runs = self.runs();
        self.has_large_rows()
            && runs >= usize::from(L0_RUNS)
            && runs < MAX_LARGE_RUNS
            && first < others.max(LARGE_L0_BYTES)
    }

    fn has_large_rows(&self) -> bool {
        self.bytes() >= LARGE_ROW * self.entries().max(1)
    }

    /// Runs in the first level above which a compaction comes before the next ingestion: the engine counts them in
    /// one byte, and every read asks each.
    pub(super) fn most_runs(&self) -> usize {
        if self.has_large_rows() { 2 * MAX_LARGE_RUNS } else { usize::from(MAX_L0_RUNS) + 4 }
    }

    /// Rows and tombstones stored, each version of a row counted.
    fn entries(&self) -> u64 {
        self.tree.approximate_len() as u64
    }

    /// True after mass deletes, and when snapshots have kept many old rows through compactions: leveled
    /// compaction alone would not come across those again before the tree has grown much.
    fn is_mostly_garbage(&self) -> bool {
        let entries = self.entries();
        let kept = match self.before_kept.load(Ordering::Relaxed) {
            0 => 0,
            before => entries.saturating_sub(before),
        };
        let garbage = self.tree.tombstone_count().max(kept);
        // Tombstones make the mean smaller: what was removed had at least this size.
        let bytes = garbage.saturating_mul(self.bytes() / entries.max(1));
        let enough = garbage >= GARBAGE_FLOOR || bytes >= GARBAGE_BYTES;
        enough && garbage * GARBAGE_SHARE >= entries
    }

    /// Forgets versions that no snapshot can read any more and removes their files.
    pub(super) fn trim_history(&self) -> lsm_tree::Result<()> {
        let watermark = self.watermark();
        self.tree.get_version_history_lock().maintenance(&self.folder, watermark)
    }
}
