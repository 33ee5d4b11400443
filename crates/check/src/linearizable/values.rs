//! Values as numbers, so that a state is small and copied freely.
//!
//! Appending shares buffers: a value that grows by tokens costs the tokens, not their sum. Short values are
//! one number however they came about; long ones that were appended may be two numbers for the same bytes,
//! which costs a repeated step of the search, never its correctness: replies are compared byte by byte.

use hashbrown::{HashMap, HashTable};
use std::hash::BuildHasher;

use foldhash::fast::FixedState;

/// Appended values up to this length are found again by their bytes.
const SHORT: usize = 24;
/// A fixed seed: the search is the same in every run.
const HASHER: FixedState = FixedState::with_seed(0x5eed);

/// Number of a value.
pub(crate) type ValueId = u32;

struct Entry {
    buffer: u32,
    len: usize,
    integer: Option<i64>,
}

#[derive(Default)]
pub(crate) struct Values {
    buffers: Vec<Vec<u8>>,
    entries: Vec<Entry>,
    by_bytes: HashTable<ValueId>,
    appended: HashMap<(ValueId, ValueId), ValueId, FixedState>,
}

impl Values {
    pub fn bytes(&self, id: ValueId) -> &[u8] {
        let entry = &self.entries[id as usize];
        &self.buffers[entry.buffer as usize][..entry.len]
    }

    pub fn len(&self, id: ValueId) -> usize {
        self.entries[id as usize].len
    }

    /// The value as Redis reads integers, if it is one.
    pub fn integer(&self, id: ValueId) -> Option<i64> {
        self.entries[id as usize].integer
    }

    /// Values known so far; their numbers are below.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    pub fn find(&self, bytes: &[u8]) -> Option<ValueId> {
        self.by_bytes.find(HASHER.hash_one(bytes), |id| self.bytes(*id) == bytes).copied()
    }

    pub fn intern(&mut self, bytes: &[u8]) -> ValueId {
        if let Some(id) = self.find(bytes) {
            return id;
        }
        let hash = HASHER.hash_one(bytes);
        let buffer = self.new_buffer(bytes.to_vec());
        let id = self.new_entry(buffer, bytes.len());
        let (buffers, entries) = (&self.buffers, &self.entries);
        self.by_bytes.insert_unique(hash, id, |id| {
            let entry = &entries[*id as usize];
            HASHER.hash_one(&buffers[entry.buffer as usize][..entry.len])
        });
        id
    }

    /// `base` followed by `token`.
    pub fn append(&mut self, base: ValueId, token: ValueId) -> ValueId {
        let len = self.len(base) + self.len(token);
        if len <= SHORT {
            let bytes = [self.bytes(base), self.bytes(token)].concat();
            return self.intern(&bytes);
        }
        if let Some(id) = self.appended.get(&(base, token)) {
            return *id;
        }
        let buffer = self.entries[base as usize].buffer;
        let token_bytes = self.bytes(token).to_vec();
        let after = &self.buffers[buffer as usize][self.len(base)..];
        let buffer = if after.is_empty() {
            self.buffers[buffer as usize].extend_from_slice(&token_bytes);
            buffer
        } else if after.starts_with(&token_bytes) {
            buffer
        } else {
            let bytes = [self.bytes(base), &token_bytes].concat();
            self.new_buffer(bytes)
        };
        let id = self.new_entry(buffer, len);
        self.appended.insert((base, token), id);
        id
    }

    fn new_buffer(&mut self, bytes: Vec<u8>) -> u32 {
        self.buffers.push(bytes);
        self.buffers.len() as u32 - 1
    }

    fn new_entry(&mut self, buffer: u32, len: usize) -> ValueId {
        let integer = integer(&self.buffers[buffer as usize][..len]);
        self.entries.push(Entry { buffer, len, integer });
        self.entries.len() as ValueId - 1
    }
}

/// Strictly as Redis reads it: no sign but `-`, no leading zero, no blank.
pub(crate) fn integer(bytes: &[u8]) -> Option<i64> {
    // The longest is "-9223372036854775808".
    if bytes.len() > 20 {
        return None;
    }
    let number: i64 = std::str::from_utf8(bytes).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == bytes).then_some(number)
}
