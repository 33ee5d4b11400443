//! A row in memory: one key with its value, in one allocation.

use model::{Index, Position};

/// A key and its value. Moves as a whole into the undo log when it is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Slot and hash of the key.
    pub position: Position,
    /// Shard time in ms at which the key expires, 0 = never.
    pub expire: u64,
    /// Log index of the last change; above the commit index the change may still be lost.
    pub changed_at: Index,
    /// Key bytes, then value bytes.
    bytes: Vec<u8>,
    key_len: u32,
    /// Shard time in seconds of the last access (wraps after 136 years); local to the replica.
    pub accessed: u32,
    /// Type tag, see [`model::row::kind`].
    pub kind: u8,
    /// Logarithmic access counter of Redis's LFU policy; local to the replica.
    pub frequency: u8,
    /// Checkpoint that must write the row, by its number in the keyspace, 0 = none (see
    /// [`crate::checkpoint`]). Means something only while the row is in its keyspace.
    pub(crate) due: u32,
}

impl Row {
    /// A new row with room for exactly this key and value.
    pub fn new(position: Position, kind: u8, key: &[u8], value: &[u8]) -> Row {
        let mut bytes = Vec::with_capacity(key.len() + value.len());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
        let key_len = key.len() as u32;
        Row { position, expire: 0, changed_at: 0, bytes, key_len, accessed: 0, kind, frequency: 5, due: 0 }
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> &[u8] {
        &self.bytes[..self.key_len as usize]
    }

    /// The encoded value.
    #[inline]
    pub fn value(&self) -> &[u8] {
        &self.bytes[self.key_len as usize..]
    }

    /// Length of the value in bytes.
    #[inline]
    pub fn value_len(&self) -> usize {
        self.bytes.len() - self.key_len as usize
    }

    /// Replaces bytes from `offset` on, growing with zero bytes as needed. Returns the bytes that
    /// were overwritten.
    pub fn patch(&mut self, offset: usize, bytes: &[u8]) -> Vec<u8> {
        let start = self.key_len as usize + offset;
        let end = start + bytes.len();
        let old = self.bytes.get(start..).map_or(Vec::new(), |t| t[..t.len().min(bytes.len())].to_vec());
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[start..end].copy_from_slice(bytes);
        old
    }

    /// Takes back a [`Row::patch`]: puts `old` at `offset` and cuts the value to `len` bytes.
    pub fn unpatch(&mut self, offset: usize, old: &[u8], len: usize) {
        let key_len = self.key_len as usize;
        self.bytes[key_len + offset..key_len + offset + old.len()].copy_from_slice(old);
        self.bytes.truncate(key_len + len);
    }

    /// Bytes of memory this row takes, allocations included, without the table's spare room.
    pub fn memory(&self) -> usize {
        size_of::<Row>() + self.bytes.capacity()
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
            row.unpatch(offset.min(5), &old, 5);
            assert_eq!((row.key(), row.value()), (&b"key"[..], &b"hello"[..]));
        }
    }

    #[test]
    fn a_row_fits_a_cache_line_and_a_half() {
        assert!(size_of::<Row>() <= 72, "{}", size_of::<Row>());
    }
}
