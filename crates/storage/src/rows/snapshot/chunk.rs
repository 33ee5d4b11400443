//! One chunk of a snapshot stream: bytes to fields and back.

use model::varint::{Reader, put_bytes, put_u64};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::rows::{MAX_ROW_KEY, MAX_ROW_VALUE, RowError};

/// Bytes of rows a chunk holds unless the first row alone is larger.
pub const CHUNK_BYTES: usize = 256 * 1024;

/// Largest chunk in bytes: the largest row and the fields around it.
pub const MAX_CHUNK: usize = MAX_ROW_KEY + MAX_ROW_VALUE + FRAMING;

/// At least the bytes of a chunk that are not keys and values: two bytes, six numbers, hash and checksum.
const FRAMING: usize = 2 + 6 * 10 + 8 + 4;

const _: () = assert!(CHUNK_BYTES < MAX_CHUNK && MAX_CHUNK < model::limits::MAX_FRAME);

const FORMAT: u8 = 1;
const ROWS: u8 = 1;
const END: u8 = 2;

/// Sum over everything sent so far; both sides compute it and the last chunk carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Total {
    /// Rows.
    pub(super) rows: u64,
    /// Hash of the row bytes of each chunk, each seeded with the hash before it.
    pub(super) hash: u64,
}

impl Total {
    /// The total with one more chunk of `rows` rows.
    pub(super) fn with(self, rows: u64, bytes: &[u8]) -> Total {
        Total { rows: self.rows + rows, hash: xxh3_64_with_seed(bytes, self.hash) }
    }
}

/// A chunk that passed its checksum.
#[derive(Debug)]
pub(super) struct Chunk<'a> {
    pub(super) stream: u64,
    pub(super) number: u64,
    pub(super) body: Body<'a>,
}

/// What a chunk carries.
#[derive(Debug)]
pub(super) enum Body<'a> {
    /// Rows: their number and their bytes, key and value in turn, each with its length before it.
    Rows { count: u64, bytes: &'a [u8] },
    /// The end, and the total of all rows before it.
    End(Total),
}

/// Bytes a row takes in a chunk.
pub(super) fn put_row(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    put_bytes(out, key);
    put_bytes(out, value);
}

impl Chunk<'_> {
    /// The chunk as bytes, with its checksum.
    pub(super) fn encode(&self) -> Vec<u8> {
        let room = match &self.body {
            Body::Rows { bytes, .. } => bytes.len(),
            Body::End(_) => 0,
        };
        let mut out = Vec::with_capacity(room + FRAMING);
        out.push(FORMAT);
        out.push(match &self.body {
            Body::Rows { .. } => ROWS,
            Body::End(_) => END,
        });
        put_u64(&mut out, self.stream);
        put_u64(&mut out, self.number);
        match &self.body {
            Body::Rows { count, bytes } => {
                put_u64(&mut out, *count);
                out.extend_from_slice(bytes);
            }
            Body::End(total) => {
                put_u64(&mut out, total.rows);
                out.extend_from_slice(&total.hash.to_le_bytes());
            }
        }
        let check = crc32c::crc32c(&out);
        out.extend_from_slice(&check.to_le_bytes());
        out
    }
}

impl<'a> Chunk<'a> {
    /// Reads a chunk; the rows in it are not looked at yet.
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Chunk<'a>, RowError> {
        if bytes.len() > MAX_CHUNK {
            let text = format!("a chunk of {} bytes; at most {MAX_CHUNK} allowed", bytes.len());
            return Err(RowError::Stream(text));
        }
        let Some((fields, check)) = bytes.split_last_chunk::<4>() else {
            return Err(RowError::Stream("a chunk shorter than its checksum".into()));
        };
        if crc32c::crc32c(fields) != u32::from_le_bytes(*check) {
            return Err(RowError::Stream("a chunk does not match its checksum".into()));
        }
        let mut reader = Reader::new(fields);
        Chunk::fields(&mut reader).map_err(|e| RowError::Stream(format!("chunk: {e}")))
    }

    fn fields(reader: &mut Reader<'a>) -> Result<Chunk<'a>, model::varint::DecodeError> {
        use model::varint::DecodeError::{Malformed, Version};
        match reader.u8()? {
            FORMAT => {}
            other => return Err(Version(other)),
        }
        let kind = reader.u8()?;
        let stream = reader.u64()?;
        let number = reader.u64()?;
        let count = reader.u64()?;
        let body = match kind {
            ROWS => Body::Rows { count, bytes: reader.rest() },
            END => {
                let hash = reader.take(8)?.try_into().map_err(|_| Malformed("hash"))?;
                if !reader.is_empty() {
                    return Err(Malformed("length"));
                }
                Body::End(Total { rows: count, hash: u64::from_le_bytes(hash) })
            }
            _ => return Err(Malformed("chunk kind")),
        };
        Ok(Chunk { stream, number, body })
    }
}
