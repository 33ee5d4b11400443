//! The receiving side: chunks to rows of a new tree.

use std::sync::Arc;

use model::varint::{DecodeError, Reader, put_u64};

use super::chunk::{Body, Chunk, Total};
use crate::rows::error::show_key;
use crate::rows::{Order, Row, RowError, RowRange, RowStore, RowView};

/// The row that marks a tree as not complete. Keys with this first byte are reserved for storage.
pub const STAGING_KEY: &[u8] = b"\xffstaging";

/// Bytes of rows kept in memory before they are ingested as one batch.
pub const STAGE_BYTES: usize = 8 * 1024 * 1024;

const FORMAT: u8 = 1;

/// How far the rows of a tree have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staged {
    /// No stream is under way in it. A tree without any row is one whose staging never began.
    Complete,
    /// A stream is to be continued ([`SnapshotIngest::resume`]) or the tree destroyed.
    Partial {
        /// The stream it takes chunks of.
        stream: u64,
        /// The chunk it needs next.
        next: u64,
    },
}

/// Says whether a tree is the unfinished target of a stream. After a restart the caller resumes or
/// destroys such a tree; its rows must not be used.
///
/// # Errors
/// As [`RowView::get`]; [`RowError::Stream`] when the staging row makes no sense.
pub fn staged(view: &dyn RowView) -> Result<Staged, RowError> {
    Ok(match Progress::load(view)? {
        None => Staged::Complete,
        Some(progress) => Staged::Partial { stream: progress.stream, next: progress.next },
    })
}

/// What a chunk did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// The rows wait in memory for more.
    Buffered,
    /// All chunks up to the one numbered `next` (excluded) are durable.
    Staged {
        /// First chunk to be sent again after a restart.
        next: u64,
    },
    /// The chunk was had already; nothing changed.
    Known,
    /// That was the last: everything is verified, durable and ready for use.
    Complete {
        /// Rows of the snapshot.
        rows: u64,
    },
}

/// What is durable of a stream; a row of the tree, written with the rows it tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Progress {
    stream: u64,
    next: u64,
    total: Total,
    last_key: Vec<u8>,
}

impl Progress {
    fn load(view: &dyn RowView) -> Result<Option<Progress>, RowError> {
        let Some(bytes) = view.get(STAGING_KEY)? else {
            return Ok(None);
        };
        let progress = Progress::decode(&bytes);
        progress.map(Some).map_err(|e| RowError::Stream(format!("staging row: {e}")))
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        put_u64(&mut out, self.stream);
        put_u64(&mut out, self.next);
        put_u64(&mut out, self.total.rows);
        out.extend_from_slice(&self.total.hash.to_le_bytes());
        out.extend_from_slice(&self.last_key);
        out
    }

    fn decode(bytes: &[u8]) -> Result<Progress, DecodeError> {
        let mut reader = Reader::new(bytes);
        match reader.u8()? {
            FORMAT => {}
            other => return Err(DecodeError::Version(other)),
        }
        let (stream, next, rows) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let hash = reader.take(8)?.try_into().map_err(|_| DecodeError::Short)?;
        let hash = u64::from_le_bytes(hash);
        Ok(Progress { stream, next, total: Total { rows, hash }, last_key: reader.rest().to_vec() })
    }
}

/// Assembles a stream in a new tree. Calls block on the disk.
pub struct SnapshotIngest {
    store: Arc<dyn RowStore>,
    progress: Progress,
    /// Rows of `progress` that are not durable yet, ascending, and their size in bytes.
    waiting: Vec<Row>,
    waiting_bytes: usize,
    complete: bool,
}

impl SnapshotIngest {
    /// Begins with chunk 0 of `stream` in an empty tree, and marks the tree as incomplete, durably.
    ///
    /// # Errors
    /// [`RowError::Stream`] when the tree has rows; those of [`RowStore::ingest`].
    pub fn start(store: Arc<dyn RowStore>, stream: u64) -> Result<SnapshotIngest, RowError> {
        let mut rows = store.range(RowRange::ALL, Order::Ascending)?;
        if let Some(row) = rows.next() {
            let text = format!("tree {} is not empty: it has row {}", store.id(), show_key(&row?.0));
            return Err(RowError::Stream(text));
        }
        drop(rows);
        let progress = Progress { stream, next: 0, total: Total::default(), last_key: Vec::new() };
        let mut ingest = SnapshotIngest::with(store, progress);
        ingest.stage()?;
        Ok(ingest)
    }

    /// Continues after a restart; [`SnapshotIngest::next`] then says which chunk to ask for.
    ///
    /// # Errors
    /// [`RowError::Stream`] when no stream is under way in the tree; those of reading.
    pub fn resume(store: Arc<dyn RowStore>) -> Result<SnapshotIngest, RowError> {
        match Progress::load(&*store)? {
            Some(progress) => Ok(SnapshotIngest::with(store, progress)),
            None => {
                let text = format!("tree {} is not the target of a stream", store.id());
                Err(RowError::Stream(text))
            }
        }
    }

    fn with(store: Arc<dyn RowStore>, progress: Progress) -> SnapshotIngest {
        SnapshotIngest { store, progress, waiting: Vec::new(), waiting_bytes: 0, complete: false }
    }

    /// The stream whose chunks are taken.
    pub fn stream(&self) -> u64 {
        self.progress.stream
    }

    /// Number of the chunk needed next.
    pub fn next(&self) -> u64 {
        self.progress.next
    }

    /// Rows received so far.
    pub fn rows(&self) -> u64 {
        self.progress.total.rows
    }

    /// Takes a chunk.
    ///
    /// # Errors
    /// [`RowError::Stream`], [`RowError::Unsorted`], [`RowError::Duplicate`]: the chunk is damaged, of
    /// another stream, out of turn, or breaks a rule; nothing of it was taken, the right chunk may follow.
    /// If it was the last chunk and the totals differ, the tree must be destroyed. Errors of
    /// [`RowStore::ingest`]: drop this value and [`SnapshotIngest::resume`] later.
    pub fn add(&mut self, chunk: &[u8]) -> Result<Added, RowError> {
        let chunk = Chunk::decode(chunk)?;
        let wanted = self.progress.next;
        if chunk.stream != self.progress.stream {
            let ours = self.progress.stream;
            let text = format!("a chunk of stream {}; stream {ours} is under way", chunk.stream);
            return Err(RowError::Stream(text));
        }
        if chunk.number < wanted {
            return Ok(Added::Known);
        }
        if self.complete || chunk.number > wanted {
            let text = format!("chunk {} came, chunk {wanted} is next", chunk.number);
            return Err(RowError::Stream(text));
        }
        match chunk.body {
            Body::Rows { count, bytes } => self.add_rows(count, bytes),
            Body::End(total) => self.finish(total),
        }
    }

    fn add_rows(&mut self, count: u64, bytes: &[u8]) -> Result<Added, RowError> {
        let rows = read_rows(bytes, &self.progress.last_key)?;
        if rows.len() as u64 != count || count == 0 {
            let text = format!("a chunk of {} rows says it has {count}", rows.len());
            return Err(RowError::Stream(text));
        }
        if let Some((key, _)) = rows.last() {
            self.progress.last_key.clone_from(key);
        }
        self.progress.total = self.progress.total.with(count, bytes);
        self.progress.next += 1;
        self.waiting.extend(rows);
        self.waiting_bytes += bytes.len();
        if self.waiting_bytes < STAGE_BYTES {
            return Ok(Added::Buffered);
        }
        self.stage()?;
        let next = self.progress.next;
        Ok(Added::Staged { next })
    }

    /// Makes everything taken so far durable, so that a restart resumes here. Happens by itself every
    /// [`STAGE_BYTES`].
    ///
    /// # Errors
    /// Those of [`RowStore::ingest`].
    pub fn stage(&mut self) -> Result<(), RowError> {
        let progress = self.progress.encode();
        self.commit(Some(progress))
    }

    fn finish(&mut self, total: Total) -> Result<Added, RowError> {
        let ours = self.progress.total;
        if total != ours {
            let text = format!(
                "the sender counts {} rows with hash {:016x}, here are {} with {:016x}",
                total.rows, total.hash, ours.rows, ours.hash
            );
            return Err(RowError::Stream(text));
        }
        self.commit(None)?;
        self.progress.next += 1;
        self.complete = true;
        Ok(Added::Complete { rows: ours.rows })
    }

    /// Ingests the waiting rows with the staging row behind them (every key sorts before it).
    fn commit(&mut self, staging: Option<Vec<u8>>) -> Result<(), RowError> {
        let rows = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let rows = rows.into_iter().map(|(key, value)| (key, Some(value)));
        let last = (STAGING_KEY.to_vec(), staging);
        self.store.ingest(&mut rows.chain([last]))?;
        // Many batches make many runs; work them off here, nobody else looks after a staging tree.
        self.store.maintain()?;
        Ok(())
    }
}

/// Rows of a chunk, checked to ascend from `previous` on and to stay clear of reserved keys.
fn read_rows(bytes: &[u8], previous: &[u8]) -> Result<Vec<Row>, RowError> {
    let broken = |e: DecodeError| RowError::Stream(format!("row: {e}"));
    let mut check = crate::rows::batch::BatchCheck::after(previous);
    let mut reader = Reader::new(bytes);
    let mut rows = Vec::new();
    while !reader.is_empty() {
        let key = reader.bytes().map_err(broken)?;
        let value = reader.bytes().map_err(broken)?;
        check.next(key, Some(value))?;
        if key[0] == STAGING_KEY[0] {
            let text = format!("row {} has a key reserved for storage", show_key(key));
            return Err(RowError::Stream(text));
        }
        rows.push((key.to_vec(), value.to_vec()));
    }
    Ok(rows)
}
