//! A hash over the elements of a collection that does not depend on its form, nor on the order of elements where they
//! have none: replicas that have the same get the same.

use super::score;
use model::row::kind;
use xxhash_rust::xxh3::xxh3_64_with_seed as hash;

/// Takes the elements one after the other; those of a list in their order.
#[derive(Debug, Clone)]
pub(crate) struct ContentHash {
    kind: u8,
    seed: u64,
    sum: u64,
    /// Of what a stream says of itself.
    about: u64,
}

impl ContentHash {
    /// Without elements. `seed`: a hash over what else is to count.
    pub fn new(kind: u8, seed: u64) -> ContentHash {
        ContentHash { kind, seed, sum: seed ^ u64::from(kind), about: 0 }
    }

    /// What a stream says of itself.
    pub fn about(&mut self, about: &[u8]) {
        self.about = hash(about, self.seed);
    }

    /// An element, as it stands packed.
    pub fn element(&mut self, name: &[u8], value: &[u8]) {
        let element = match self.kind {
            kind::STREAM if name.is_empty() => return self.about(value),
            kind::LIST => hash(name, self.sum),
            kind::SORTED_SET => hash(name, self.seed ^ (score::of(value) + 0.0).to_bits()),
            _ => hash(value, hash(name, self.seed)),
        };
        self.sum = if self.kind == kind::LIST { element } else { self.sum.wrapping_add(element) };
    }

    /// The hash.
    pub fn finish(&self) -> u64 {
        if self.kind == kind::STREAM { hash(&self.about.to_le_bytes(), self.sum) } else { self.sum }
    }
}
