//! A row in memory: one key with its value, in one allocation.

use crate::collection::content::ContentHash;
use crate::collection::large::{Identity, Large};
use crate::collection::packed::{self, HEAD, Packed};
use model::row::{FORMAT, decode_value, kind};
use model::varint::{DecodeError, Reader};
use model::{Index, Position};
use std::borrow::Cow;
use std::ops::Range;

/// Access counter of a new row, as in Redis: it must not be the first to go.
const NEW: u8 = 5;
/// Bytes below which a packed collection gets no more room than it needs.
const EXACT: usize = 1024;
/// Larger rows have pages of the allocator that hold a few only: these get empty without help. Bytes.
const MAX_GATHERED: usize = 16 << 10;
/// How much less likely each step of a logarithmic counter is than the one before.
const LOG_FACTOR: u64 = 10;

/// What the allocator gives for so many bytes: sizes in steps of 16 up to 128, of a quarter of the power of
/// two below them from there on.
#[inline]
fn allocated(bytes: usize) -> usize {
    let step = if bytes <= 128 { 16 } else { 1 << ((bytes - 1).ilog2() - 2) };
    bytes.next_multiple_of(step)
}

/// How a value came to be, as far as Redis keeps it in another way for that. Local to the replica, and known of rows in
/// memory only: what is loaded, or put by an effect, is as if it were set afresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Form {
    /// It was set as a whole: a number may be kept as one.
    #[default]
    Afresh,
    /// It was made as text, even if it looks like a number.
    Text,
    /// A part of it was changed, or looked at by a command that may do so.
    Edited,
    /// A sorted set that was sorted, for which Redis gives it an index.
    Indexed,
}

/// What a row holds beside its fixed fields.
#[derive(Debug, Clone)]
enum Content {
    /// Key bytes, then value bytes.
    Plain(Vec<u8>),
    /// The key, and the elements of a collection that is not packed into a value.
    Indexed(Box<(Vec<u8>, Box<Large>)>),
}

/// A key and its value. Moves as a whole into the undo log when it is replaced.
#[derive(Debug, Clone)]
pub struct Row {
    /// Slot and hash of the key.
    pub position: Position,
    /// Shard time in ms at which the key expires, 0 = never.
    pub expire: u64,
    /// Log index of the last change; above the commit index the change may still be lost.
    pub changed_at: Index,
    content: Content,
    key_len: u32,
    /// Shard time in seconds of the last access (wraps after 136 years); local to the replica.
    pub accessed: u32,
    /// Type tag, see [`model::row::kind`].
    pub kind: u8,
    /// Counts accesses, local to the replica: each of them, or logarithmically where keys are evicted by it
    /// (see [`Row::frequency_at`]).
    pub frequency: u8,
    /// How the value came to be.
    pub(crate) form: Form,
    /// Checkpoint that must write the row, by its number in the keyspace, 0 = none (see
    /// [`crate::checkpoint`]). Means something only while the row is in its keyspace.
    pub(crate) due: u32,
}

impl Row {
    /// A new row with room for exactly this key and value, which is as it comes from elsewhere.
    pub fn new(position: Position, kind: u8, key: &[u8], value: &[u8]) -> Row {
        let mut bytes = Vec::with_capacity(key.len() + value.len());
        bytes.extend_from_slice(key);
        if kind == kind::SORTED_SET {
            Packed::new(kind, value).put_short(&mut bytes);
            bytes.shrink_to_fit();
        } else {
            bytes.extend_from_slice(value);
        }
        let (content, key_len) = (Content::Plain(bytes), key.len() as u32);
        Row {
            position,
            expire: 0,
            changed_at: 0,
            content,
            key_len,
            accessed: 0,
            kind,
            frequency: NEW,
            form: Form::Afresh,
            due: 0,
        }
    }

    /// A row as the row store has it; of a large collection the cells come after it ([`Row::load_cell`]).
    ///
    /// # Errors
    /// Content that can not be read.
    pub(crate) fn stored(
        position: Position,
        key: &[u8],
        content: &[u8],
        seed: u64,
    ) -> Result<Row, DecodeError> {
        let (kind, expire, value) = decode_value(content)?;
        let mut row = match kind & kind::LARGE {
            0 => {
                if !kind::is_plain(kind) {
                    Packed::new(kind, value).check()?;
                }
                Row::new(position, kind, key, value)
            }
            _ => {
                let (mut r, kind) = (Reader::new(value), kind & !kind::LARGE);
                let mut large = Large::stored(r.u64()?, kind, seed);
                large.about = r.rest().to_vec();
                let mut row = Row::new(position, kind, key, &[]);
                row.set_large(Box::new(large));
                row
            }
        };
        row.expire = expire;
        Ok(row)
    }

    /// Takes a cell of a large collection from the row store. False if it belongs to another one: garbage.
    ///
    /// # Errors
    /// Content that can not be read.
    pub(crate) fn load_cell(&mut self, id: u64, cell: u128, content: &[u8]) -> Result<bool, DecodeError> {
        let kind = self.kind;
        let Some(large) = self.large_mut().filter(|large| large.id() == id) else { return Ok(false) };
        match content.split_first() {
            Some((&FORMAT, content)) => large.load(kind, cell, content).map(|()| true),
            Some((&other, _)) => Err(DecodeError::Version(other)),
            None => Err(DecodeError::Short),
        }
    }

    /// The same under another key. Its elements get this identity among their rows in the row store; the one
    /// before is returned.
    pub(crate) fn renamed(mut self, position: Position, key: &[u8], identity: Identity) -> (Row, Identity) {
        let key_len = self.key_len as usize;
        self.bytes_mut().splice(..key_len, key.iter().copied());
        (self.position, self.key_len) = (position, key.len() as u32);
        let before = match self.large_mut() {
            Some(large) => large.replace_identity(identity),
            None => identity,
        };
        (self, before)
    }

    /// Key and value; of a large collection only the key.
    #[inline]
    fn bytes(&self) -> &Vec<u8> {
        match &self.content {
            Content::Plain(bytes) => bytes,
            Content::Indexed(indexed) => &indexed.0,
        }
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut Vec<u8> {
        match &mut self.content {
            Content::Plain(bytes) => bytes,
            Content::Indexed(indexed) => &mut indexed.0,
        }
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> &[u8] {
        &self.bytes()[..self.key_len as usize]
    }

    /// The encoded value as it stands in memory; empty of a large collection, see [`Row::whole`].
    #[inline]
    pub fn value(&self) -> &[u8] {
        &self.bytes()[self.key_len as usize..]
    }

    /// Length of the value in bytes.
    #[inline]
    pub fn value_len(&self) -> usize {
        self.bytes().len() - self.key_len as usize
    }

    /// Replaces bytes from `offset` on, growing with zero bytes as needed. Returns the bytes that
    /// were overwritten. The string is an edited one then.
    pub fn patch(&mut self, offset: usize, bytes: &[u8]) -> Vec<u8> {
        let start = self.key_len as usize + offset;
        let end = start + bytes.len();
        let own = self.bytes_mut();
        let old = own.get(start..).map_or(Vec::new(), |t| t[..t.len().min(bytes.len())].to_vec());
        if own.len() < end {
            own.resize(end, 0);
        }
        own[start..end].copy_from_slice(bytes);
        self.form = Form::Edited;
        old
    }

    /// Takes back a [`Row::patch`]: the value has `len` bytes again, and `old` at `offset`. Returns what takes
    /// this back in the same way.
    pub fn unpatch(&mut self, offset: usize, old: &[u8], len: usize) -> (Vec<u8>, usize) {
        let key_len = self.key_len as usize;
        let (now, first) = (self.value_len(), key_len + offset);
        let end = if now == len { first + old.len() } else { key_len + now };
        let own = self.bytes_mut();
        let replaced = own.get(first..end).unwrap_or_default().to_vec();
        own.resize(key_len + len, 0);
        own[first..first + old.len()].copy_from_slice(old);
        (replaced, now)
    }

    /// The value in one piece, as it leaves memory: of a large collection all elements, packed.
    pub fn whole(&self) -> Cow<'_, [u8]> {
        let Some(large) = self.large() else {
            if self.kind != kind::SORTED_SET {
                return Cow::Borrowed(self.value());
            }
            let packed = Packed::new(self.kind, self.value());
            let mut long = Vec::with_capacity(packed.max_long());
            packed.put_long(&mut long);
            return Cow::Owned(long);
        };
        let mut builder = packed::Builder::new(self.kind);
        if self.kind == kind::STREAM {
            builder.push(&[], &large.about);
        }
        large.each(|name, value| builder.push(name, value));
        Cow::Owned(builder.finish())
    }

    /// Elements of a collection; 0 of anything else.
    pub fn elements(&self) -> usize {
        match self.large() {
            Some(large) => large.len(),
            None if kind::is_plain(self.kind) => 0,
            None => Packed::new(self.kind, self.value()).len(),
        }
    }

    /// What a stream says of itself; of anything else nothing.
    pub(crate) fn about(&self) -> &[u8] {
        self.large().map_or(&[], |large| &large.about)
    }

    /// The elements of a collection that is not packed into the value.
    #[inline]
    pub(crate) fn large(&self) -> Option<&Large> {
        match &self.content {
            Content::Plain(_) => None,
            Content::Indexed(indexed) => Some(&indexed.1),
        }
    }

    #[inline]
    pub(crate) fn large_mut(&mut self) -> Option<&mut Large> {
        match &mut self.content {
            Content::Plain(_) => None,
            Content::Indexed(indexed) => Some(&mut indexed.1),
        }
    }

    /// Takes the elements out, for freeing them bit by bit.
    pub(crate) fn take_large(&mut self) -> Option<Box<Large>> {
        let plain = Content::Plain(Vec::new());
        match std::mem::replace(&mut self.content, plain) {
            Content::Indexed(indexed) => {
                self.content = Content::Plain(indexed.0);
                Some(indexed.1)
            }
            plain => {
                self.content = plain;
                None
            }
        }
    }

    /// Takes the elements out if cells of them are due for the checkpoint being taken.
    pub(crate) fn take_large_if_due(&mut self) -> Option<Box<Large>> {
        self.large().is_some_and(|large| large.is_due()).then(|| self.take_large()).flatten()
    }

    /// The row holds these elements, also such as were taken out, instead of a value.
    pub(crate) fn set_large(&mut self, large: Box<Large>) {
        let mut key = std::mem::take(self.bytes_mut());
        key.truncate(self.key_len as usize);
        key.shrink_to_fit();
        self.content = Content::Indexed(Box::new((key, large)));
    }

    /// Gives a packed collection an index.
    pub(crate) fn make_large(&mut self, id: u64, seed: u64) {
        let packed = Packed::new(self.kind, self.value());
        self.set_large(Box::new(Large::from_packed(id, self.kind, seed, packed)));
    }

    /// Replaces bytes of a packed collection, which thereby gets `more` elements (fewer if negative).
    pub(crate) fn edit(&mut self, range: Range<usize>, new: &[u8], more: i64) {
        let key_len = self.key_len as usize;
        let head = HEAD.saturating_sub(self.value_len());
        let own = self.bytes_mut();
        let wanted = own.len() + head + new.len();
        if own.capacity() < wanted && wanted < EXACT {
            own.reserve_exact(wanted.next_multiple_of(16) - own.len());
        }
        own.resize(own.len() + head, 0);
        own.splice(key_len + range.start..key_len + range.end, new.iter().copied());
        packed::count(&mut own[key_len..], more);
    }

    /// Sets flags of a packed collection.
    pub(crate) fn set_flags(&mut self, flags: u8) {
        let key_len = self.key_len as usize;
        if let Some(byte) = self.bytes_mut().get_mut(key_len) {
            *byte |= flags;
        }
    }

    /// A hash over the value that does not depend on its form, nor on the order of elements where they have none.
    pub fn content_hash(&self, seed: u64) -> u64 {
        let hash = xxhash_rust::xxh3::xxh3_64_with_seed;
        if kind::is_plain(self.kind) {
            return hash(self.value(), seed);
        }
        let mut all = ContentHash::new(self.kind, seed);
        match self.large() {
            Some(large) => {
                all.about(&large.about);
                large.each(|name, value| all.element(name, value));
            }
            None => Packed::new(self.kind, self.value()).iter().for_each(|e| all.element(e.name, e.value)),
        }
        all.finish()
    }

    /// Bytes of memory this row takes, allocations included, without the table's spare room.
    pub fn memory(&self) -> usize {
        let indexed = size_of::<(Vec<u8>, Box<Large>)>();
        let large = self.large().map_or(0, |large| indexed + large.memory());
        size_of::<Row>() + allocated(self.bytes().capacity()) + large
    }

    /// Moves the bytes to another place in memory if `is_sparse` says so of where they are. True if they moved.
    pub(crate) fn gather(&mut self, is_sparse: fn(&[u8]) -> bool) -> bool {
        let bytes = self.bytes_mut();
        let capacity = bytes.capacity();
        if capacity == 0 || capacity > MAX_GATHERED || !is_sparse(bytes) {
            return false;
        }
        let mut moved = Vec::with_capacity(capacity);
        moved.extend_from_slice(bytes);
        *bytes = moved;
        true
    }

    /// Redis's LFU counter at this time (shard time in s): one less for each minute without an access
    /// (Redis documentation, "Key eviction", with `lfu-decay-time` 1).
    pub fn frequency_at(&self, now_s: u32) -> u8 {
        let minutes = now_s.wrapping_sub(self.accessed) / 60;
        self.frequency.saturating_sub(u8::try_from(minutes).unwrap_or(u8::MAX))
    }

    /// Counts an access at this time (shard time in s). With a random number it counts logarithmically, as
    /// Redis's LFU policies do with `lfu-log-factor` 10: the higher the counter, the less likely it rises.
    #[inline]
    pub(crate) fn asked_for(&mut self, now_s: u32, random: Option<u64>) {
        self.frequency = match random {
            None => self.frequency.saturating_add(1),
            Some(random) => {
                let before = self.frequency_at(now_s);
                let one_in = u64::from(before.saturating_sub(NEW)) * LOG_FACTOR + 1;
                before.saturating_add(u8::from((random >> 16).is_multiple_of(one_in)))
            }
        };
        self.accessed = now_s;
    }

    /// True when the key expired at or before `now` (shard time in ms).
    #[inline]
    pub fn expired(&self, now: u64) -> bool {
        self.expire != 0 && self.expire <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_can_be_taken_back() {
        for (offset, bytes) in [(0, &b"xy"[..]), (3, b"longer than before"), (9, b"z"), (5, b""), (8, b"")] {
            let mut row = Row::new(Position(1), 0, b"key", b"hello");
            let old = row.patch(offset, bytes);
            assert!(row.value_len() >= offset + bytes.len());
            let patched = row.value().to_vec();
            let (again, len) = row.unpatch(offset.min(5), &old, 5);
            assert_eq!((row.key(), row.value()), (&b"key"[..], &b"hello"[..]));
            row.unpatch(offset.min(5), &again, len);
            assert_eq!(row.value(), patched);
        }
    }

    #[test]
    fn a_sorted_set_leaves_memory_as_it_came() {
        let mut builder = packed::Builder::new(kind::SORTED_SET);
        for (member, score) in [("a", -0.0), ("b", 7.0), ("c", 999.0), ("d", 1e9), ("e", 1e9 + 0.5)] {
            builder.push(member.as_bytes(), &f64::to_le_bytes(score));
        }
        // As all versions before this one have written it, byte by byte.
        let stored = model::row::encode_value(kind::SORTED_SET, 12, &builder.finish());
        let expected = b"\x01\x04\x0c\x00\x05\x00\x00\x00\x01a\x00\x00\x00\x00\x00\x00\x00\x80\x01b\x00\x00\x00\x00\x00\x00\x1c\x40";
        assert!(stored.starts_with(expected));
        let row = Row::stored(Position(1), b"key", &stored, 0).expect("a row");
        assert_eq!((row.elements(), row.value_len()), (5, HEAD + 5 * 2 + 9 + 1 + 2 + 5 + 9));
        assert_eq!(model::row::encode_value(row.kind, row.expire, &row.whole()), stored);
        let mut cut = stored.clone();
        cut.pop();
        assert!(Row::stored(Position(1), b"key", &cut, 0).is_err());
    }

    #[test]
    fn a_logarithmic_counter_needs_ever_more_accesses_and_fades() {
        let mut row = Row::new(Position(1), 0, b"key", b"hello");
        let mut random = 1_u64;
        let mut ask = |row: &mut Row, times: u32, now_s| {
            for _ in 0..times {
                random = random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                row.asked_for(now_s, Some(random.rotate_left(32)));
            }
            row.frequency
        };
        // The figures of Redis's documentation for factor 10: about 10, 18, 142 after 100, 1000, 100 000.
        assert!((7..=14).contains(&ask(&mut row, 100, 0)), "{}", row.frequency);
        assert!((14..=24).contains(&ask(&mut row, 900, 0)), "{}", row.frequency);
        assert!((125..=160).contains(&ask(&mut row, 99_000, 0)), "{}", row.frequency);
        let high = row.frequency;
        assert_eq!((row.frequency_at(59), row.frequency_at(600)), (high, high - 10));
        assert_eq!(row.frequency_at(60 * 300), 0);
        assert!(ask(&mut row, 1, 600) <= high - 9);
    }

    #[test]
    fn the_allocator_gives_more_than_it_is_asked_for() {
        let sizes =
            [(0, 0), (1, 16), (116, 128), (128, 128), (129, 160), (256, 256), (257, 320), (5000, 5120)];
        sizes.iter().for_each(|&(bytes, given)| assert_eq!(allocated(bytes), given, "{bytes}"));
    }

    #[test]
    fn a_row_fits_a_cache_line() {
        assert!(size_of::<Row>() <= 64, "{}", size_of::<Row>());
    }
}
