//! Hashes over a stored shard, by which replicas are compared: equal for replicas that have the same, whatever is local
//! to each.
//!
//! Local, and left out: in which form a collection is, and the numbers of large ones; whether a set counts as one of
//! integers; cells of collections that are gone and rows of flushed generations, which are removed by and by; and rows
//! of slots that another shard owns now, which leave in each replica's own time.

use super::{APPLIED, Applied, GENERATION, Generation};
use crate::collection::content::ContentHash;
use crate::collection::packed::Packed;
use model::limits::SPACES;
use model::row::{self, FORMAT, family, kind};
use model::slot::Slot;
use model::varint::{DecodeError, Reader};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed as hash};

/// Ranges of slots that have a hash each.
const RANGES: usize = 64;
// The hash over the own rows of the shard, the one over answers of the dedupe window, then those over keys.
const OWN_ROWS: usize = 0;
const ANSWERS: usize = 1;
const KEYS: usize = 2;
/// Hashes of a shard.
pub const HASHES: usize = KEYS + RANGES;

/// Which keys are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scope {
    /// First and last slot that the shard owns.
    pub slots: (Slot, Slot),
    /// Keyspaces of which it owns only these, a bit each; of others it has all or nothing.
    pub spread: u32,
}

impl Scope {
    /// Where a key belongs; `None`: another shard owns it.
    fn range_of(&self, ks: u16, slot: Slot) -> Option<usize> {
        let (first, last) = self.slots;
        let within = (first..=last).contains(&slot);
        if self.spread >> ks & 1 == 1 && !within {
            return None;
        }
        let span = usize::from(last.saturating_sub(first)) + 1;
        let place = usize::from(slot.clamp(first, last.max(first)) - first);
        Some(KEYS + place * RANGES / span)
    }

    /// What the hash with this number is over, in words.
    pub fn describe(&self, number: usize) -> String {
        let span = usize::from(self.slots.1.saturating_sub(self.slots.0)) + 1;
        match number {
            OWN_ROWS => "its own rows".to_owned(),
            ANSWERS => "answers kept for exactly-once".to_owned(),
            _ => {
                let first = |range: usize| usize::from(self.slots.0) + (range * span).div_ceil(RANGES);
                let range = number - KEYS;
                format!("slots {} to {}", first(range), first(range + 1).saturating_sub(1))
            }
        }
    }
}

/// A key whose rows are being looked at.
#[derive(Debug)]
struct Open {
    name: Vec<u8>,
    range: usize,
    kind: u8,
    /// Number of a large collection; cells with another one are garbage.
    id: u64,
    content: ContentHash,
}

/// Takes all rows of a shard, in the order of their names.
#[derive(Debug)]
pub struct Digest {
    scope: Scope,
    generations: Vec<u32>,
    sums: Vec<u64>,
    open: Option<Open>,
    applied: Option<Applied>,
}

impl Digest {
    /// Over nothing yet.
    pub fn new(scope: Scope) -> Digest {
        let generations = vec![0; usize::from(SPACES)];
        Digest { scope, generations, sums: vec![0; HASHES], open: None, applied: None }
    }

    /// A row.
    ///
    /// # Errors
    /// A row that can not be read.
    pub fn add(&mut self, name: &[u8], content: &[u8]) -> Result<(), DecodeError> {
        match name.first().copied() {
            Some(family::SYSTEM) => {
                self.note_system(&name[1..], content)?;
                self.sum(OWN_ROWS, hash(content, xxh3_64(name)));
            }
            Some(family::ANSWER) => self.sum(ANSWERS, hash(content, xxh3_64(name))),
            Some(family::KEY) => match row::split_cell_name(name) {
                Some((key, id, _)) => self.add_cell(key, id, content)?,
                None => self.add_key(name, content)?,
            },
            _ => return Err(DecodeError::Malformed("row family")),
        }
        Ok(())
    }

    fn sum(&mut self, number: usize, hash: u64) {
        self.sums[number] = self.sums[number].wrapping_add(hash);
    }

    fn note_system(&mut self, name: &[u8], content: &[u8]) -> Result<(), DecodeError> {
        if name == APPLIED {
            self.applied = Some(Applied::decode(content)?);
        } else if let Some(ks) = name.strip_prefix(GENERATION) {
            let bad = DecodeError::Malformed("row name");
            let ks: [u8; 2] = ks.try_into().map_err(|_| bad)?;
            let place = self.generations.get_mut(usize::from(u16::from_be_bytes(ks)));
            *place.ok_or(DecodeError::Malformed("keyspace"))? = Generation::decode(content)?;
        }
        Ok(())
    }

    fn add_key(&mut self, name: &[u8], content: &[u8]) -> Result<(), DecodeError> {
        self.close();
        let (ks, generation, position) = row::place(name)?;
        let current = self.generations.get(usize::from(ks.0)).ok_or(DecodeError::Malformed("keyspace"))?;
        let Some(range) = self.scope.range_of(ks.0, position.slot()).filter(|_| generation == *current)
        else {
            return Ok(());
        };
        let (of, expire, value) = row::decode_value(content)?;
        let kind = of & !kind::LARGE;
        let seed = hash(name, expire.rotate_left(32) ^ u64::from(kind));
        if kind::is_plain(kind) {
            self.sum(range, hash(value, seed));
            return Ok(());
        }
        let (mut all, mut id) = (ContentHash::new(kind, seed), 0);
        if of & kind::LARGE == 0 {
            let packed = Packed::new(kind, value);
            packed.check()?;
            packed.iter().for_each(|element| all.element(element.name, element.value));
        } else {
            let mut r = Reader::new(value);
            id = r.u64()?;
            all.about(r.rest());
        }
        self.open = Some(Open { name: name.to_vec(), range, kind: of, id, content: all });
        Ok(())
    }

    fn add_cell(&mut self, key: &[u8], id: u64, content: &[u8]) -> Result<(), DecodeError> {
        let Some(open) = self.open.as_mut().filter(|open| open.name == key && open.id == id) else {
            return Ok(());
        };
        if open.kind & kind::LARGE == 0 {
            return Ok(());
        }
        let mut r = Reader::new(content);
        match r.u8()? {
            FORMAT => {}
            other => return Err(DecodeError::Version(other)),
        }
        while !r.is_empty() {
            let name = r.bytes()?;
            let value = match open.kind & !kind::LARGE {
                kind::HASH | kind::STREAM => r.bytes()?,
                kind::SORTED_SET => r.take(8)?,
                _ => &[],
            };
            open.content.element(name, value);
        }
        Ok(())
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.sum(open.range, open.content.finish());
        }
    }

    /// The hashes, [`HASHES`] of them, once all rows were added; and as of what they are, if a row said so.
    pub fn finish(mut self) -> (Vec<u64>, Option<Applied>) {
        self.close();
        (self.sums, self.applied)
    }
}

#[cfg(test)]
mod tests;
