//! Large values: what the row of their key says of them, and what a shard knows of their chunks.
//!
//! Chunks are rows of the hidden keyspace [`CHUNKS`] under names that contain the id of their *upload*. The
//! shard of the key has a system row for each upload, from its beginning until its last chunk is removed: whoever
//! finds chunks in the way of nothing knows from it what to remove.

use crate::ids::Keyspace;
use crate::limits::{CHUNK, CHUNKS, SLOTS};
use crate::slot::Slot;
use crate::varint::{DecodeError, Reader, put_u64};
use std::fmt;

/// Format version of manifests and of rows of uploads.
pub const FORMAT: u8 = 1;
/// Names of the system rows of uploads begin so; the id follows.
pub const PREFIX: &[u8] = b"large/";
/// Time between the end of a lease, or the end of a value, and the removal of chunks, in ms. More than clocks of two
/// leaders differ, so that nobody writes a chunk behind the collector; and readers can finish.
pub const GRACE_MS: u64 = 10_000;

/// Names one upload for ever, in all shards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(pub [u8; 16]);

/// The byte of an id before the place of its key. Ids of earlier versions have any.
const PLACED: u8 = 0xe5;

impl UploadId {
    /// An id for a key of this keyspace and slot. The place is a hint, for a split: two ids are equal only if what
    /// is left of both numbers is.
    pub fn new(numbers: [u64; 2], ks: Keyspace, slot: Slot) -> UploadId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&numbers[0].to_be_bytes());
        id[8..].copy_from_slice(&numbers[1].to_be_bytes());
        id[12] = PLACED;
        id[13] = ks.0 as u8;
        id[14..].copy_from_slice(&slot.to_be_bytes());
        UploadId(id)
    }

    /// Keyspace and slot of the key that it was begun for; `None` for an id of an earlier version.
    pub fn place(self) -> Option<(Keyspace, Slot)> {
        let [.., PLACED, ks, high, low] = self.0 else { return None };
        let (ks, slot) = (Keyspace(ks.into()), Slot::from_be_bytes([high, low]));
        (ks < CHUNKS && slot < SLOTS).then_some((ks, slot))
    }

    /// Reads what [`fmt::Display`] writes: 32 hexadecimal digits.
    pub fn parse(text: &[u8]) -> Option<UploadId> {
        if text.len() != 32 || !text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        u128::from_str_radix(text, 16).ok().map(|id| UploadId(id.to_be_bytes()))
    }

    /// Name of its system row in the shard of its key.
    pub fn row_name(self) -> Vec<u8> {
        [PREFIX, &self.0].concat()
    }

    /// Name of the row of one of its chunks that goes alone.
    pub fn chunk_row_name(self, number: u64) -> Vec<u8> {
        [PREFIX, &self.0, &number.to_be_bytes()].concat()
    }

    /// Reads [`UploadId::row_name`] and [`UploadId::chunk_row_name`].
    pub fn of_row_name(name: &[u8]) -> Option<UploadId> {
        let (id, rest) = name.strip_prefix(PREFIX)?.split_first_chunk::<16>()?;
        matches!(rest.len(), 0 | 8).then_some(UploadId(*id))
    }

    /// Key of one of its chunks in [`CHUNKS`].
    pub fn chunk_key(self, number: u64) -> Vec<u8> {
        format!("{self}:{number}").into_bytes()
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Number of chunks of so many bytes.
pub fn chunks_of(bytes: u64) -> u64 {
    bytes.div_ceil(CHUNK as u64)
}

/// Most chunks of a value that are from other uploads than its first: one that is edited has at most 512.
pub const MAX_EDITED: usize = 1024;

/// The value of a row of type [`crate::row::kind::MANIFEST`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    /// Whose chunks it consists of.
    pub upload: UploadId,
    /// Bytes of the value.
    pub length: u64,
    /// Bytes of each chunk but the last.
    pub chunk: u64,
    /// CRC-32C of the whole value.
    pub checksum: u32,
    /// Most bytes that the upload was allowed: there are no chunks behind them.
    pub bound: u64,
    /// When its lease would have ended, shard time in ms: until then a chunk may still be written, in vain.
    pub until: u64,
    /// Chunks that were written since by other uploads, ascending.
    pub edited: Vec<(u64, UploadId)>,
}

impl Manifest {
    /// The value of the row.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        out.extend_from_slice(&self.upload.0);
        out.extend_from_slice(&self.checksum.to_le_bytes());
        let numbers = [self.length, self.chunk, self.bound, self.until, self.edited.len() as u64];
        numbers.iter().for_each(|&n| put_u64(&mut out, n));
        for (number, upload) in &self.edited {
            put_u64(&mut out, *number);
            out.extend_from_slice(&upload.0);
        }
        out
    }

    /// Reads [`Manifest::encode`].
    ///
    /// # Errors
    /// Bytes that are none, or of another format.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, DecodeError> {
        let mut r = versioned(bytes)?;
        let upload = UploadId(array(&mut r)?);
        let checksum = u32::from_le_bytes(array(&mut r)?);
        let (length, chunk, bound, until) = (r.u64()?, r.u64()?, r.u64()?, r.u64()?);
        let bad = DecodeError::Malformed("manifest");
        let count = usize::try_from(r.u64()?).ok().filter(|count| *count <= MAX_EDITED).ok_or(bad)?;
        let mut edited = Vec::with_capacity(count);
        for _ in 0..count {
            edited.push((r.u64()?, UploadId(array(&mut r)?)));
        }
        if chunk == 0 || !r.is_empty() || !edited.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(bad);
        }
        Ok(Manifest { upload, checksum, length, chunk, bound, until, edited })
    }

    /// The upload that has written a chunk.
    pub fn owner(&self, number: u64) -> UploadId {
        let found = self.edited.binary_search_by_key(&number, |(number, _)| *number);
        found.map_or(self.upload, |at| self.edited[at].1)
    }

    /// All its uploads: of each, where the chunks that it may have written begin, and most bytes behind the last.
    pub fn uploads(&self) -> Vec<(UploadId, u64, u64)> {
        let mut uploads = vec![(self.upload, 0, self.bound)];
        for (number, upload) in &self.edited {
            let end = number.saturating_add(1).saturating_mul(self.chunk);
            match uploads.iter_mut().find(|(known, ..)| known == upload) {
                Some((.., bound)) => *bound = end,
                None => uploads.push((*upload, *number, end)),
            }
        }
        uploads
    }
}

/// What an upload is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Chunks are being written.
    Uploading,
    /// A manifest in this keyspace names it, unless the keyspace has another generation by now.
    Live {
        /// The keyspace.
        ks: Keyspace,
        /// Its generation.
        generation: u32,
    },
    /// Its chunks are to be removed.
    Free,
}

/// The content of an upload's system row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Upload {
    /// What it is good for.
    pub state: State,
    /// Its first chunk.
    pub from: u64,
    /// Most bytes of the value up to the end of its last chunk.
    pub bound: u64,
    /// While uploading and live: end of the lease, shard time in ms. Free: no chunk is removed before.
    pub until: u64,
}

impl Upload {
    /// The content of the row.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        out.push(match self.state {
            State::Uploading => 0,
            State::Live { .. } => 1,
            State::Free => 2,
        });
        [self.from, self.bound, self.until].iter().for_each(|&n| put_u64(&mut out, n));
        if let State::Live { ks, generation } = self.state {
            put_u64(&mut out, u64::from(ks.0));
            put_u64(&mut out, u64::from(generation));
        }
        out
    }

    /// Reads [`Upload::encode`].
    ///
    /// # Errors
    /// Bytes that are none, or of another format.
    pub fn decode(bytes: &[u8]) -> Result<Upload, DecodeError> {
        let mut r = versioned(bytes)?;
        let tag = r.u8()?;
        let (from, bound, until) = (r.u64()?, r.u64()?, r.u64()?);
        let bad = DecodeError::Malformed("upload");
        let state = match tag {
            0 => State::Uploading,
            1 => {
                let ks = u16::try_from(r.u64()?).ok().filter(|ks| *ks < CHUNKS.0).ok_or(bad)?;
                let generation = u32::try_from(r.u64()?).map_err(|_| bad)?;
                State::Live { ks: Keyspace(ks), generation }
            }
            2 => State::Free,
            _ => return Err(bad),
        };
        if r.is_empty() { Ok(Upload { state, from, bound, until }) } else { Err(bad) }
    }

    /// The same with chunks that are to be removed, from this shard time (ms) on.
    pub fn freed(&self, now: u64) -> Upload {
        let until =
            if self.state == State::Free { self.until } else { now.max(self.until).saturating_add(GRACE_MS) };
        Upload { state: State::Free, until, ..*self }
    }
}

fn versioned(bytes: &[u8]) -> Result<Reader<'_>, DecodeError> {
    let mut r = Reader::new(bytes);
    match r.u8()? {
        FORMAT => Ok(r),
        other => Err(DecodeError::Version(other)),
    }
}

fn array<const N: usize>(r: &mut Reader<'_>) -> Result<[u8; N], DecodeError> {
    r.take(N)?.try_into().map_err(|_| DecodeError::Short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn manifests_and_uploads_round_trip(id: [u8; 16], n: [u64; 3], checksum: u32, ks in 0u16..16, generation: u32) {
            let upload = UploadId(id);
            prop_assert_eq!(UploadId::parse(upload.to_string().as_bytes()), Some(upload));
            prop_assert_eq!(UploadId::of_row_name(&upload.row_name()), Some(upload));
            let [length, bound, until] = n;
            let edited = vec![(3, UploadId([1; 16])), (length.max(4), upload)];
            let manifest = Manifest { upload, length, chunk: 5, checksum, bound, until, edited };
            prop_assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest.clone()));
            prop_assert_eq!(manifest.owner(3), UploadId([1; 16]));
            prop_assert_eq!(manifest.owner(2), upload);
            let states = [State::Uploading, State::Live { ks: Keyspace(ks), generation }, State::Free];
            for state in states {
                let upload = Upload { state, from: length, bound, until };
                prop_assert_eq!(Upload::decode(&upload.encode()), Ok(upload));
            }
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes: Vec<u8>) {
            let _ = (Manifest::decode(&bytes), Upload::decode(&bytes));
            prop_assert_eq!(UploadId::parse(&bytes).is_some_and(|id| id.to_string().as_bytes() != bytes), false);
        }
    }

    #[test]
    fn an_id_tells_the_place_of_its_key_unless_it_is_of_an_earlier_version() {
        let id = UploadId::new([1, 2], Keyspace(15), SLOTS - 1);
        assert_eq!(id.place(), Some((Keyspace(15), SLOTS - 1)));
        assert_ne!(id, UploadId::new([3, 2], Keyspace(15), SLOTS - 1));
        assert_ne!(id, UploadId::new([1, 2 + (1 << 32)], Keyspace(15), SLOTS - 1));
        assert_eq!(UploadId::new([1, 2], CHUNKS, 0).place(), None, "nobody uploads chunks of chunks");
        assert_eq!((UploadId([7; 16]).place(), UploadId([PLACED; 16]).place()), (None, None));
    }

    #[test]
    fn chunks_are_counted_with_the_last_one() {
        let chunk = CHUNK as u64;
        assert_eq!([0, 1, chunk, chunk + 1].map(chunks_of), [0, 1, 1, 2]);
    }

    #[test]
    fn what_is_free_stays_so_until_nobody_writes_any_more() {
        let upload = Upload { state: State::Uploading, from: 0, bound: 9, until: 500 };
        let freed = upload.freed(100);
        assert_eq!((freed.state, freed.until), (State::Free, 500 + GRACE_MS));
        assert_eq!(upload.freed(900).until, 900 + GRACE_MS);
        assert_eq!(freed.freed(900_000), freed);
    }

    #[test]
    fn each_upload_of_a_value_is_known_with_its_chunks() {
        let [first, a, b] = [1, 2, 3].map(|n| UploadId([n; 16]));
        let edited = vec![(2, a), (3, b), (5, a)];
        let manifest =
            Manifest { upload: first, length: 60, chunk: 10, checksum: 0, bound: 40, until: 0, edited };
        assert_eq!(manifest.uploads(), [(first, 0, 40), (a, 2, 60), (b, 3, 40)]);
        assert_eq!(UploadId::of_row_name(&a.chunk_row_name(7)), Some(a));
        assert_eq!(UploadId::of_row_name(b"large/123"), None);
    }
}
