//! Where a key stands in the order of its shard: slot first, then a 48-bit hash of the key.
//!
//! The order is the same in memory, in the row store and on every replica, so a position is also a
//! SCAN cursor that stays good after a failover.

use crate::slot::{Slot, slot_of};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// `slot << 48 | hash48(key)`: 62 bits. Two keys may share a position; they then compare by bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Position(pub u64);

impl Position {
    /// The first position of a slot.
    pub fn slot_start(slot: Slot) -> Position {
        Position(u64::from(slot) << 48)
    }

    /// The slot of the keys at this position.
    pub fn slot(self) -> Slot {
        (self.0 >> 48) as Slot
    }
}

/// Computes positions. The seed is derived from the cluster id, so that nobody outside can make
/// keys that collide.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyHasher {
    seed: u64,
}

impl KeyHasher {
    /// A hasher for the cluster with this hash seed. The seed of a cluster never changes.
    pub fn new(seed: u64) -> KeyHasher {
        KeyHasher { seed }
    }

    /// The seed.
    pub fn seed(self) -> u64 {
        self.seed
    }

    /// The position of a key.
    #[inline]
    pub fn position(self, key: &[u8]) -> Position {
        let hash = xxh3_64_with_seed(key, self.seed) >> 16;
        Position(u64::from(slot_of(key)) << 48 | hash)
    }
}

/// The next link of a rolling hash over payloads: equal histories have equal links.
pub fn chain(previous: u64, payload: &[u8]) -> u64 {
    xxh3_64_with_seed(payload, previous)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_carries_the_slot() {
        let hasher = KeyHasher::new(7);
        let position = hasher.position(b"foo");
        assert_eq!(position.slot(), 12182);
        assert!(position >= Position::slot_start(12182) && position < Position::slot_start(12183));
        assert_ne!(position, KeyHasher::new(8).position(b"foo"));
    }
}
