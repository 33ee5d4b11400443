//! The narrow face of a row store, shared by all engines.

use std::sync::Arc;

use super::RowError;

/// A row as an iterator hands it out: key and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Rows in the asked order. It owns what it reads from, so it may outlive the store handle and move to
/// another thread. After an error it must not be used further.
pub type RowIter = Box<dyn Iterator<Item = Result<Row, RowError>> + Send>;

/// A batch of changes, keys ascending and unique; `None` deletes the row.
pub type RowBatch<'a> = &'a mut dyn Iterator<Item = (Vec<u8>, Option<Vec<u8>>)>;

/// Keys from `from` (included) up to `to` (excluded; `None` means to the end).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowRange<'a> {
    /// First key of the range.
    pub from: &'a [u8],
    /// First key behind the range.
    pub to: Option<&'a [u8]>,
}

impl<'a> RowRange<'a> {
    /// Every row.
    pub const ALL: RowRange<'static> = RowRange { from: &[], to: None };

    /// Keys from `from` up to, not including, `to`. Empty when `to <= from`.
    pub fn new(from: &'a [u8], to: &'a [u8]) -> RowRange<'a> {
        RowRange { from, to: Some(to) }
    }

    /// Keys from `from` to the end.
    pub fn starting_at(from: &'a [u8]) -> RowRange<'a> {
        RowRange { from, to: None }
    }

    /// True when no key can lie in the range.
    pub fn is_empty(&self) -> bool {
        self.to.is_some_and(|to| to <= self.from)
    }
}

/// Direction of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// What row stores take of memory and have written, bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowUsage {
    /// Blocks in the cache.
    pub cache: u64,
    /// Indexes and filters that stay in memory while their tables exist, and what is known of each table.
    pub tables: u64,
    /// Tables written by ingestions since the start of the process.
    pub ingested: u64,
    /// Tables written by compactions since then.
    pub compacted: u64,
}

/// A part of a tree that is as it was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Where to go on; `None` when nothing is left.
    pub next: Option<u64>,
    /// Bytes that were read.
    pub bytes: u64,
}

/// Reading rows: a store as it is now, or a snapshot of it.
pub trait RowView: Send + Sync {
    /// The value of `key`, or `None` when there is no such row.
    ///
    /// # Errors
    /// [`RowError::Damaged`] when the bytes that hold the row fail their checksum; [`RowError::Io`].
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowError>;

    /// The rows of a range as of this call, in the asked order. Later ingestions do not show in it.
    ///
    /// # Errors
    /// As [`RowView::get`]; errors met on the way are items of the iterator.
    fn range(&self, range: RowRange<'_>, order: Order) -> Result<RowIter, RowError>;

    /// Shows every row, ascending, without copying it, and returns their number: the fast way to load a
    /// whole tree at start.
    ///
    /// # Errors
    /// As [`RowView::get`]; rows before the error have been shown.
    fn for_each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<u64, RowError>;
}

/// One tree of rows. All methods may block on the disk: call them from the disk pool, never from a
/// shard thread (an ingestion also holds up readers of the same tree for the time of some fsyncs).
pub trait RowStore: RowView {
    /// Id of the tree under its [`RowStores`].
    fn id(&self) -> u64;

    /// A view of the rows as they are now, which later ingestions and compactions do not change.
    /// Disk space of rows replaced meanwhile is kept until the view is dropped.
    ///
    /// # Errors
    /// [`RowError::Destroyed`] or [`RowError::Closed`].
    fn snapshot(&self) -> Result<Box<dyn RowView>, RowError>;

    /// Commits one batch: atomic, durable on return, and then visible to every new read. Returns the
    /// number of rows. Ingestions of one tree run one after another. May compact first when too many
    /// batches wait for compaction, so the caller feels the backpressure.
    ///
    /// # Errors
    /// [`RowError::Unsorted`], [`RowError::Duplicate`], [`RowError::KeyLength`],
    /// [`RowError::ValueLength`], [`RowError::EmptyBatch`]: nothing was changed, the caller is wrong.
    /// [`RowError::Io`]: nothing is visible now; after a reopen either nothing or the whole batch is.
    /// Back off before the next try ([`RowError::is_transient`]).
    fn ingest(&self, rows: RowBatch<'_>) -> Result<u64, RowError>;

    /// Compares a part of what is on the disk with its checksums, past all caches of ours. Begins at 0, and goes on at
    /// [`Verified::next`] until there is none; what is written meanwhile may be left out.
    ///
    /// # Errors
    /// [`RowError::Damaged`], [`RowError::Io`].
    fn verify(&self, from: u64) -> Result<Verified, RowError>;

    /// Bytes of the live files of the tree.
    fn bytes_on_disk(&self) -> u64;

    /// One step of compaction on the calling thread; true when another step may find work. One step at
    /// a time per tree (a second caller waits); readers and ingestions go on meanwhile.
    ///
    /// # Errors
    /// [`RowError::Io`], [`RowError::Damaged`]; rows are as before.
    fn maintain(&self) -> Result<bool, RowError>;

    /// Removes the tree for good and frees its space, durably. Same as [`RowStores::destroy`].
    ///
    /// # Errors
    /// [`RowError::Io`]: the tree is gone for readers, its folder is removed at the next start.
    fn destroy(&self) -> Result<(), RowError>;
}

/// All trees of a node.
pub trait RowStores: Send + Sync {
    /// Opens a tree, creating it empty when its id was never used.
    ///
    /// # Errors
    /// [`RowError::Destroyed`] when the id was destroyed; [`RowError::Damaged`] when files are missing
    /// or fail their checksum; [`RowError::Manifest`]; [`RowError::Io`].
    fn open(&self, tree: u64) -> Result<Arc<dyn RowStore>, RowError>;

    /// Ids of the existing trees, ascending.
    fn list(&self) -> Vec<u64>;

    /// Memory taken and bytes written. Never waits for the disk. All 0 where rows are in memory anyway.
    fn usage(&self) -> RowUsage {
        RowUsage::default()
    }

    /// An id above every id ever used, for a new tree.
    fn next_id(&self) -> u64;

    /// Removes a tree for good; destroying it again is no error. An unknown id becomes unusable too.
    ///
    /// # Errors
    /// As [`RowStore::destroy`].
    fn destroy(&self, tree: u64) -> Result<(), RowError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_half_open() {
        assert!(RowRange::new(b"b", b"b").is_empty());
        assert!(RowRange::new(b"b", b"a").is_empty());
        assert!(!RowRange::new(b"b", b"b\0").is_empty());
        assert!(!RowRange::ALL.is_empty());
    }
}
