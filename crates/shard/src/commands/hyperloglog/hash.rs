//! Where an element goes: MurmurHash64A, as Redis uses it on every platform.

use super::REGISTERS;

/// Seed of the hash.
const SEED: u64 = 0xadc8_3b19;
const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
const SHIFT: u32 = 47;
/// Bits of the hash that choose the register.
const INDEX_BITS: u32 = REGISTERS.trailing_zeros();
/// Bits of the hash in which zeros are counted.
pub(super) const COUNTED_BITS: u32 = u64::BITS - INDEX_BITS;

fn mixed(word: u64) -> u64 {
    let word = word.wrapping_mul(FACTOR);
    (word ^ word >> SHIFT).wrapping_mul(FACTOR)
}

/// MurmurHash64A over little-endian words.
pub(super) fn murmur(bytes: &[u8]) -> u64 {
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        hash = (hash ^ mixed(u64::from_le_bytes(*word))).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> SHIFT).wrapping_mul(FACTOR);
    hash ^ hash >> SHIFT
}

/// The register of an element, and what it offers to it: zeros below the lowest one bit of the rest of the
/// hash, and one; from 1 to 51.
pub(super) fn place(element: &[u8]) -> (usize, u8) {
    let hash = murmur(element);
    // A bit above the counted ones, so that there is always one.
    let rest = hash >> INDEX_BITS | 1 << COUNTED_BITS;
    (hash as usize % REGISTERS, rest.trailing_zeros() as u8 + 1)
}
