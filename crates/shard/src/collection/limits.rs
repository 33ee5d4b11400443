//! How large a collection may be before its elements get an index (Redis: `hash-max-listpack-entries` and the
//! like). Local to a node: it decides the form in memory and what OBJECT ENCODING answers, not the content. The pages
//! of a stream (see `commands/stream/page.rs`) are the exception: the leader counts them, and says so in its effects.

use model::row::kind;

/// Most bytes of a collection without an index, whatever its limits: it is one row, and written as one.
const MAX_BYTES: usize = model::limits::MAX_VALUE;

/// Bounds of small collections, with Redis's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Fields of a small hash.
    pub hash_entries: usize,
    /// Bytes of a field or a value in it.
    pub hash_value: usize,
    /// Members of a small sorted set.
    pub sorted_set_entries: usize,
    /// Bytes of a member in it.
    pub sorted_set_value: usize,
    /// Members of a small set of integers.
    pub integer_set_entries: usize,
    /// Members of any other small set.
    pub set_entries: usize,
    /// Bytes of a member in it.
    pub set_value: usize,
    /// Items of a small list.
    pub list_entries: usize,
    /// Bytes of all of them together.
    pub list_bytes: usize,
    /// Entries of a page of a stream, those that are gone included; 0 = any number.
    pub stream_entries: u64,
    /// Bytes of a page of a stream; 0 = any number.
    pub stream_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            hash_entries: 512,
            hash_value: 64,
            sorted_set_entries: 128,
            sorted_set_value: 64,
            integer_set_entries: 512,
            set_entries: 128,
            set_value: 64,
            list_entries: 128,
            list_bytes: 2048,
            stream_entries: 100,
            stream_bytes: 4096,
        }
    }
}

impl Limits {
    /// Whether a collection with so many elements, the largest of `largest` bytes, may stay without an index.
    /// `bytes`: of all of them.
    pub(crate) fn allow(
        &self,
        kind: u8,
        integers: bool,
        entries: usize,
        largest: usize,
        bytes: usize,
    ) -> bool {
        if bytes > MAX_BYTES {
            return false;
        }
        match kind {
            kind::HASH => entries <= self.hash_entries && largest <= self.hash_value,
            kind::SORTED_SET => entries <= self.sorted_set_entries && largest <= self.sorted_set_value,
            kind::SET if integers => entries <= self.integer_set_entries,
            kind::SET => entries <= self.set_entries && largest <= self.set_value,
            kind::LIST => entries <= self.list_entries && bytes <= self.list_bytes,
            _ => false,
        }
    }
}
