//! The sending side: rows of a view to chunks.

use super::chunk::{Body, CHUNK_BYTES, Chunk, Total, put_row};
use super::ingest::STAGING_KEY;
use crate::rows::error::show_key;
use crate::rows::{Order, RowError, RowIter, RowRange, RowView};

/// Cuts the rows of a view into chunks. One chunk and one row are in memory at a time.
pub struct SnapshotEncoder {
    rows: RowIter,
    stream: u64,
    chunk_bytes: usize,
    next: u64,
    total: Total,
    /// An encoded row that did not fit into the chunk before.
    left: Vec<u8>,
    ended: bool,
}

impl SnapshotEncoder {
    /// Starts a stream of all rows of `view`. `stream` tells this stream from any other of the same shard
    /// (a random number will do): a receiver never mixes chunks of two streams.
    ///
    /// # Errors
    /// As [`RowView::range`].
    pub fn new(view: &dyn RowView, stream: u64) -> Result<SnapshotEncoder, RowError> {
        SnapshotEncoder::with_chunk_bytes(view, stream, CHUNK_BYTES)
    }

    /// The same with another chunk size in bytes (at most [`CHUNK_BYTES`]); a resumed stream needs the
    /// size it began with.
    ///
    /// # Errors
    /// As [`RowView::range`].
    pub fn with_chunk_bytes(
        view: &dyn RowView,
        stream: u64,
        chunk_bytes: usize,
    ) -> Result<SnapshotEncoder, RowError> {
        Ok(SnapshotEncoder {
            rows: view.range(RowRange::ALL, Order::Ascending)?,
            stream,
            chunk_bytes: chunk_bytes.min(CHUNK_BYTES),
            next: 0,
            total: Total::default(),
            left: Vec::new(),
            ended: false,
        })
    }

    /// Goes on to chunk `number` of the same view's stream, making and dropping those before it. Call it
    /// on the disk pool: it reads all rows up to there.
    ///
    /// # Errors
    /// As [`SnapshotEncoder::next_chunk`]; [`RowError::Stream`] when the stream is already past `number`
    /// or ends before it (so it is not the stream the receiver has).
    pub fn skip_to(&mut self, number: u64) -> Result<(), RowError> {
        while self.next < number {
            if self.next_chunk()?.is_none() || self.ended && self.next < number {
                let text = format!("chunk {number} asked for, the stream has {}", self.next);
                return Err(RowError::Stream(text));
            }
        }
        if self.next > number {
            let text = format!("chunk {number} asked for, the stream is at {}", self.next);
            return Err(RowError::Stream(text));
        }
        Ok(())
    }

    /// The next chunk; `None` after the last, which carries no rows but the totals.
    ///
    /// # Errors
    /// Those of reading rows; [`RowError::Stream`] when the store itself is a stream's unfinished target.
    /// After an error the stream cannot be continued.
    pub fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, RowError> {
        if self.ended {
            return Ok(None);
        }
        let (count, bytes) = self.gather()?;
        let before = self.total;
        self.total = self.total.with(count, &bytes);
        let body = match count {
            0 => {
                self.ended = true;
                Body::End(before)
            }
            count => Body::Rows { count, bytes: &bytes },
        };
        let chunk = Chunk { stream: self.stream, number: self.next, body };
        self.next += 1;
        Ok(Some(chunk.encode()))
    }

    /// Rows for one chunk: as many as fit, but at least one if any is left.
    fn gather(&mut self) -> Result<(u64, Vec<u8>), RowError> {
        let mut bytes = std::mem::take(&mut self.left);
        let mut count = u64::from(!bytes.is_empty());
        while bytes.len() < self.chunk_bytes {
            let Some(row) = self.rows.next() else {
                break;
            };
            let (key, value) = row?;
            if key == STAGING_KEY {
                let text = format!("the store is incomplete: it holds row {}", show_key(&key));
                return Err(RowError::Stream(text));
            }
            let end = bytes.len();
            put_row(&mut bytes, &key, &value);
            if bytes.len() > self.chunk_bytes && end > 0 {
                self.left = bytes.split_off(end);
                break;
            }
            count += 1;
        }
        Ok((count, bytes))
    }
}
