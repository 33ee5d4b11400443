//! APPEND and SETRANGE where the value is in chunks, or would become too long for a row.
//!
//! Other shards have the chunks, so the leader has them prepared first: the command ends as if a row had to be fetched,
//! and says what it wants ([`Edit`]). The node reads the chunks concerned, writes new ones under an upload of
//! their own, and runs the command again with what it has prepared, which is used only if the value is still the one that
//! was prepared for. Old chunks are never changed.

use super::upload::{new_id, under_way};
use super::{Data, number};
use crate::data::{Context, Done, Key, Stop};
use model::Keyspace;
use model::large::{Manifest, State, Upload, UploadId, chunks_of};
use model::limits::{CHUNK, MAX_LARGE};
use model::row::kind;
use std::ops::Range;

/// Longest value that can be changed in place, as in Redis: 512 MiB.
const MAX_EDIT: u64 = 512 << 20;
/// Lease of the upload of an edit, in ms.
const LEASE_MS: u64 = 30_000;

/// What a value is before an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// A string in one piece; an absent key is an empty one.
    Plain(Vec<u8>),
    /// A large value.
    Large(Manifest),
}

/// Bytes of a string are to be replaced from `offset` on; it grows, with zero bytes between, where it is shorter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Keyspace of the key.
    pub ks: Keyspace,
    /// The key.
    pub key: Vec<u8>,
    /// Its value.
    pub base: Base,
    /// First byte that changes.
    pub offset: u64,
    /// The new bytes, at least one.
    pub bytes: Vec<u8>,
}

/// An edit whose chunks are written, with the upload and the manifest of the value; or why they could not be.
#[derive(Debug)]
pub struct Prepared {
    /// The edit.
    pub edit: Edit,
    /// What came of it: an upload and a manifest, or the text of an error.
    pub result: Result<(UploadId, Manifest), String>,
}

/// Edits of the command that runs.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    /// What it wants to have prepared.
    pub wanted: Option<Box<Edit>>,
    /// What is prepared.
    pub prepared: Option<Box<Prepared>>,
    /// It is one of several that are executed as one.
    pub in_transaction: bool,
}

impl Edit {
    fn old_length(&self) -> u64 {
        match &self.base {
            Base::Plain(value) => value.len() as u64,
            Base::Large(manifest) => manifest.length,
        }
    }

    fn chunk(&self) -> u64 {
        match &self.base {
            Base::Plain(_) => CHUNK as u64,
            Base::Large(manifest) => manifest.chunk,
        }
    }

    /// Bytes of the value afterwards.
    pub fn length(&self) -> u64 {
        self.old_length().max(self.offset + self.bytes.len() as u64)
    }

    /// Numbers of the chunks that are written anew.
    pub fn chunks(&self) -> Range<u64> {
        match &self.base {
            Base::Plain(_) => 0..chunks_of(self.length()),
            Base::Large(manifest) => {
                let first = self.offset.min(manifest.length) / manifest.chunk;
                first..(self.offset + self.bytes.len() as u64).div_ceil(manifest.chunk)
            }
        }
    }

    /// Bytes that a chunk has before, and afterwards.
    pub fn lengths(&self, number: u64) -> (usize, usize) {
        let begins = number * self.chunk();
        let of = |length: u64| length.saturating_sub(begins).min(self.chunk()) as usize;
        (of(self.old_length()), of(self.length()))
    }

    /// The upload that has a chunk of the value before; `None`: it is in [`Edit::plain`], or not there.
    pub fn owner(&self, number: u64) -> Option<UploadId> {
        match &self.base {
            Base::Large(manifest) if self.lengths(number).0 > 0 => Some(manifest.owner(number)),
            _ => None,
        }
    }

    /// The bytes of a chunk of a value that is in one piece.
    pub fn plain(&self, number: u64) -> &[u8] {
        let (Base::Plain(value), begins) = (&self.base, (number * self.chunk()) as usize) else { return &[] };
        &value[begins.min(value.len())..(begins + self.lengths(number).0).min(value.len())]
    }

    /// A chunk afterwards, which was `old` before.
    pub fn apply(&self, number: u64, old: &[u8]) -> Vec<u8> {
        let begins = number * self.chunk();
        let mut new = vec![0; self.lengths(number).1];
        new[..old.len()].copy_from_slice(old);
        let end = begins + new.len() as u64;
        let (from, to) = (self.offset.max(begins), (self.offset + self.bytes.len() as u64).min(end));
        if from < to {
            let bytes = &self.bytes[(from - self.offset) as usize..(to - self.offset) as usize];
            new[(from - begins) as usize..(to - begins) as usize].copy_from_slice(bytes);
        }
        new
    }

    /// The manifest of the value afterwards, whose chunks were written by an upload with this end of its lease.
    pub fn manifest(&self, upload: UploadId, until: u64, sums: &Sums) -> Manifest {
        let (length, chunks) = (self.length(), self.chunks());
        match &self.base {
            Base::Plain(value) => Manifest {
                upload,
                length,
                chunk: CHUNK as u64,
                checksum: sums.whole(crc32c::crc32c(value), 0),
                bound: length,
                until,
                edited: Vec::new(),
            },
            Base::Large(old) => {
                let behind = old.length.saturating_sub(chunks.end * old.chunk);
                let mut edited: Vec<_> =
                    old.edited.iter().copied().filter(|(number, _)| !chunks.contains(number)).collect();
                edited.extend(chunks.map(|number| (number, upload)));
                edited.sort_unstable();
                let (checksum, until) = (sums.whole(old.checksum, behind), old.until.max(until));
                Manifest { length, checksum, until, edited, ..old.clone() }
            }
        }
    }
}

/// Checksums of the chunks that are written anew, from the first on: of the old bytes, of the new ones in their place,
/// and of those behind them.
#[derive(Debug, Default)]
pub struct Sums {
    old: u32,
    new: u32,
    more: u32,
    more_length: usize,
}

impl Sums {
    /// Takes the next chunk.
    pub fn add(&mut self, old: &[u8], new: &[u8]) {
        self.old = crc32c::crc32c_append(self.old, old);
        let (kept, more) = new.split_at(old.len().min(new.len()));
        self.new = crc32c::crc32c_append(self.new, kept);
        self.more = crc32c::crc32c_append(self.more, more);
        self.more_length += more.len();
    }

    /// Checksum of the whole value, which was `old` before and has `behind` bytes behind these chunks. A checksum is
    /// linear: where so many bytes are replaced by as many, it differs by the difference of theirs, moved to its place.
    fn whole(&self, old: u32, behind: u64) -> u32 {
        let replaced = crc32c::crc32c_combine(self.old ^ self.new, 0, behind as usize);
        crc32c::crc32c_combine(old ^ replaced, self.more, self.more_length)
    }
}

/// APPEND (without an offset) or SETRANGE of a key that holds no string that could be changed in its row; `other` is
/// the error if it is no string at all.
#[cold]
pub(in crate::commands) fn edit(
    c: &mut Context<'_>,
    key: Key<'_>,
    offset: Option<u64>,
    bytes: &[u8],
    other: Stop,
) -> Done {
    let (base, expire) = match c.data.peek(key)? {
        None => (Base::Plain(Vec::new()), 0),
        Some(row) if row.kind == kind::STRING => (Base::Plain(row.value().to_vec()), row.expire),
        Some(row) => match row.manifest() {
            Some(manifest) => (Base::Large(manifest?), row.expire),
            None => return Err(other),
        },
    };
    // As of every argument that does not come in pieces.
    let most = c.data.max_value();
    if bytes.len() > most {
        return Err(Stop::error(format!(
            "ERR an argument is longer than {most} bytes (max-value); only SET takes such a value"
        )));
    }
    let ks = c.data.keyspace();
    let mut edit = Edit { ks, key: key.bytes.to_vec(), base, offset: 0, bytes: bytes.to_vec() };
    edit.offset = offset.unwrap_or(edit.old_length());
    if bytes.is_empty() {
        c.reply.int(edit.old_length() as i64);
        return Ok(());
    }
    if edit.length() > MAX_EDIT {
        let length = edit.length();
        return Err(Stop::error(format!(
            "ERR string exceeds maximum allowed size: {length} bytes, at most {MAX_EDIT} are allowed"
        )));
    }
    c.data.check_large()?;
    let Some(prepared) = c.data.prepared(edit)? else { return Err(Stop::Fetch) };
    let (id, manifest) = prepared.result.map_err(Stop::error)?;
    under_way(c, id)?;
    c.data.put_manifest(key, expire, &manifest)?;
    free_replaced(&mut c.data, &prepared.edit, &manifest);
    c.reply.int(manifest.length as i64);
    Ok(())
}

/// Chunks that were replaced go alone where their upload still has others.
fn free_replaced(data: &mut Data<'_>, edit: &Edit, manifest: &Manifest) {
    let uploads = manifest.uploads();
    for number in edit.chunks() {
        if let Some(owner) = edit.owner(number).filter(|owner| uploads.iter().any(|(id, ..)| id == owner)) {
            data.free_chunk(owner, number, manifest);
        }
    }
}

/// A request of the leader to itself: an upload for an edit. Arguments: key, first chunk, end of the last one in bytes.
/// Answers like LARGE BEGIN.
///
/// # Errors
/// Arguments that are none.
pub fn begin_edit(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let [_, key, from, bound] = args else { return Err(Stop::error("ERR malformed internal request")) };
    let (from, bound) = (number(from, "chunk", MAX_LARGE)?, number(bound, "size", MAX_LARGE)?);
    let (key, now) = (c.data.key(key), c.data.now());
    let (id, until) = (new_id(c, key, now), now + LEASE_MS);
    c.data.put_upload(id, Some(&Upload { state: State::Uploading, from, bound, until }));
    c.reply.array(2);
    c.reply.bulk_str(&id.to_string());
    c.reply.int(until as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Applies an edit as a node does, to chunks of ten bytes.
    fn applied(old: &[u8], offset: usize, bytes: &[u8]) -> (Vec<u8>, Manifest, Range<u64>) {
        let manifest = Manifest {
            upload: UploadId([1; 16]),
            length: old.len() as u64,
            chunk: 10,
            checksum: crc32c::crc32c(old),
            bound: old.len() as u64,
            until: 5,
            edited: vec![(1, UploadId([2; 16]))],
        };
        let base = Base::Large(manifest);
        let edit =
            Edit { ks: Keyspace(0), key: Vec::new(), base, offset: offset as u64, bytes: bytes.to_vec() };
        let (mut value, mut sums) = (old.to_vec(), Sums::default());
        value.resize(edit.length() as usize, 0xee);
        for number in edit.chunks() {
            let begins = number as usize * 10;
            let before = &old[begins.min(old.len())..(begins + 10).min(old.len())];
            assert_eq!(edit.lengths(number).0, before.len());
            let new = edit.apply(number, before);
            sums.add(before, &new);
            value[begins..begins + new.len()].copy_from_slice(&new);
        }
        let manifest = edit.manifest(UploadId([3; 16]), 9, &sums);
        (value, manifest, edit.chunks())
    }

    proptest! {
        #[test]
        fn an_edit_gives_the_value_and_the_checksum_of_the_whole(
            old in prop::collection::vec(any::<u8>(), 11..80),
            offset in 0usize..100,
            bytes in prop::collection::vec(any::<u8>(), 1..40),
        ) {
            let (value, manifest, chunks) = applied(&old, offset, &bytes);
            let mut expected = old.clone();
            expected.resize(old.len().max(offset + bytes.len()), 0);
            expected[offset..offset + bytes.len()].copy_from_slice(&bytes);
            prop_assert_eq!(&value, &expected);
            prop_assert_eq!((manifest.length, manifest.checksum), (value.len() as u64, crc32c::crc32c(&value)));
            for number in 0..chunks_of(value.len() as u64 * CHUNK as u64 / 10) {
                let owner = manifest.owner(number).0[0];
                let expected = if chunks.contains(&number) { 3 } else if number == 1 { 2 } else { 1 };
                prop_assert_eq!(owner, expected);
            }
            prop_assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
        }
    }

    #[test]
    fn a_string_that_becomes_too_long_for_a_row_is_cut() {
        let value = vec![7; CHUNK + 5];
        let edit = Edit {
            ks: Keyspace(0),
            key: Vec::new(),
            base: Base::Plain(value.clone()),
            offset: (2 * CHUNK + 3) as u64,
            bytes: vec![9; 2],
        };
        let (mut whole, mut sums) = (Vec::new(), Sums::default());
        for number in edit.chunks() {
            let new = edit.apply(number, edit.plain(number));
            sums.add(edit.plain(number), &new);
            whole.extend(new);
        }
        let expected = [value, vec![0; CHUNK - 2], vec![9; 2]].concat();
        assert_eq!(whole, expected);
        let manifest = edit.manifest(UploadId([1; 16]), 9, &sums);
        assert_eq!(manifest.checksum, crc32c::crc32c(&expected));
        assert_eq!((manifest.length, manifest.owner(2)), (expected.len() as u64, UploadId([1; 16])));
    }
}
