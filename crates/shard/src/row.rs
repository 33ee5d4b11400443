//! A row in memory: one key with its value, in one allocation.

use model::{Index, Position};

/// Access counter of a new row, as in Redis: it must not be the first to go.
const NEW: u8 = 5;
/// How much less likely each step of a logarithmic counter is than the one before.
const LOG_FACTOR: u64 = 10;

/// What the allocator gives for so many bytes: sizes in steps of 16 up to 128, of a quarter of the power of
/// two below them from there on.
#[inline]
fn allocated(bytes: usize) -> usize {
    let step = if bytes <= 128 { 16 } else { 1 << ((bytes - 1).ilog2() - 2) };
    bytes.next_multiple_of(step)
}

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
    /// Counts accesses, local to the replica: each of them, or logarithmically where keys are evicted by it
    /// (see [`Row::frequency_at`]).
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
        Row { position, expire: 0, changed_at: 0, bytes, key_len, accessed: 0, kind, frequency: NEW, due: 0 }
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
        size_of::<Row>() + allocated(self.bytes.capacity())
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
            row.unpatch(offset.min(5), &old, 5);
            assert_eq!((row.key(), row.value()), (&b"key"[..], &b"hello"[..]));
        }
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
    fn a_row_fits_a_cache_line_and_a_half() {
        assert!(size_of::<Row>() <= 72, "{}", size_of::<Row>());
    }
}
