//! Large hashes, sets, sorted sets and streams: elements in a slab, and orders of their numbers.
//!
//! The main order is by a hash of the name, which makes it the order of HSCAN cursors on every replica; for a
//! stream it is by the id. A sorted set has a second one, by score and member.

use super::order::{Order, Place};
use super::score;
use model::row::kind;
use std::cmp::Ordering;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// An element: name and value in one allocation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slot {
    bytes: Box<[u8]>,
    name_len: u32,
}

impl Slot {
    fn new(name: &[u8], value: &[u8]) -> Slot {
        Slot { bytes: [name, value].concat().into(), name_len: name.len() as u32 }
    }

    fn name(&self) -> &[u8] {
        &self.bytes[..self.name_len as usize]
    }

    fn value(&self) -> &[u8] {
        &self.bytes[self.name_len as usize..]
    }

    /// Name and value together, and the length of the name.
    pub fn into_parts(self) -> (Box<[u8]>, usize) {
        (self.bytes, self.name_len as usize)
    }

    fn memory(&self) -> usize {
        size_of::<Slot>() + self.bytes.len().next_multiple_of(8)
    }
}

/// Where an element is in the main order, or would be; good until the next change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spot {
    /// Its sort key.
    pub key: u64,
    /// Where it is, or where it would be.
    pub place: Result<Place, Place>,
}

/// A large collection of elements with names.
#[derive(Debug, Clone)]
pub(crate) struct Elements {
    kind: u8,
    seed: u64,
    slots: Vec<Slot>,
    free: Vec<u32>,
    main: Order<u64>,
    by_score: Order<f64>,
    /// Bytes of the slots in use.
    slot_bytes: usize,
}

/// The sort key of a name in the main order: 63 bits, so that a cursor can be one more.
pub(crate) fn sort_key(kind: u8, seed: u64, name: &[u8]) -> u64 {
    match name.first_chunk() {
        Some(first) if kind == kind::STREAM => u64::from_be_bytes(*first),
        _ => xxh3_64_with_seed(name, seed) >> 1,
    }
}

impl Elements {
    /// Without elements. `seed`: of the hash of names, the same on all replicas of a cluster.
    pub fn new(kind: u8, seed: u64) -> Elements {
        Elements {
            kind,
            seed,
            slots: Vec::new(),
            free: Vec::new(),
            main: Order::default(),
            by_score: Order::default(),
            slot_bytes: 0,
        }
    }

    /// The kind of collection.
    pub fn kind(&self) -> u8 {
        self.kind
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.main.len()
    }

    /// Bytes of memory, allocations included.
    pub fn memory(&self) -> usize {
        self.slot_bytes
            + (self.slots.len() - self.main.len()) * size_of::<Slot>()
            + self.free.capacity() * size_of::<u32>()
            + self.main.memory()
            + self.by_score.memory()
    }

    /// The sort key of a name in the main order.
    pub fn sort_key(&self, name: &[u8]) -> u64 {
        sort_key(self.kind, self.seed, name)
    }

    fn slot(&self, number: u32) -> &Slot {
        &self.slots[number as usize]
    }

    /// Looks for an element in the main order.
    pub fn spot(&self, name: &[u8]) -> Spot {
        let key = self.sort_key(name);
        let tie = |number| self.slot(number).name().cmp(name);
        let place = match self.kind {
            // Entries nearly always come in the order of their ids.
            kind::STREAM => self.main.seek_late(|k, number| k.cmp(&key).then_with(|| tie(number))),
            _ => self.main.seek_spread(key, tie),
        };
        Spot { key, place }
    }

    /// Where the element with a rank in the order of the collection is in the main order, and its number.
    pub fn spot_of_rank(&self, rank: usize) -> Option<(Spot, u32)> {
        if self.kind == kind::SORTED_SET {
            let (_, number) = self.by_score.at_rank(rank)?;
            return Some((self.spot(self.slot(number).name()), number));
        }
        let place = self.main.place_of_rank(rank);
        let (key, number) = self.main.at_place(place)?;
        Some((Spot { key, place: Ok(place) }, number))
    }

    /// The name of an element by its number.
    pub fn name(&self, number: u32) -> &[u8] {
        self.slot(number).name()
    }

    fn seek_scored(&self, at: f64, name: &[u8]) -> Result<Place, Place> {
        self.by_score.seek(|k, n| score::compare(k, at).then_with(|| self.slot(n).name().cmp(name)))
    }

    fn number(&self, name: &[u8]) -> Option<u32> {
        let place = self.spot(name).place.ok()?;
        self.main.at_place(place).map(|(_, number)| number)
    }

    /// The value of an element.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.number(name).map(|number| self.slot(number).value())
    }

    /// Sets the value of an element; returns what it was before.
    pub fn put(&mut self, name: &[u8], value: &[u8]) -> Option<Slot> {
        self.put_at(self.spot(name), name, value)
    }

    /// The same where it is known where the element is.
    pub fn put_at(&mut self, spot: Spot, name: &[u8], value: &[u8]) -> Option<Slot> {
        let slot = Slot::new(name, value);
        self.slot_bytes += slot.memory();
        let scored = self.kind == kind::SORTED_SET;
        let (number, old) = match spot.place {
            Ok(place) => {
                let number = self.main.at_place(place).map_or(0, |(_, number)| number);
                if scored && let Ok(place) = self.seek_scored(score::of(self.slot(number).value()), name) {
                    self.by_score.remove(place);
                }
                self.slot_bytes -= self.slot(number).memory();
                (number, Some(std::mem::replace(&mut self.slots[number as usize], slot)))
            }
            Err(place) => {
                let number = self.take_slot(slot);
                self.main.insert(place, (spot.key, number));
                (number, None)
            }
        };
        if scored {
            let at = score::of(value);
            let (Ok(place) | Err(place)) = self.seek_scored(at, name);
            self.by_score.insert(place, (at, number));
        }
        old
    }

    fn take_slot(&mut self, slot: Slot) -> u32 {
        match self.free.pop() {
            Some(number) => {
                self.slots[number as usize] = slot;
                number
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        }
    }

    /// Removes the element at a place of the main order and returns it.
    pub fn remove_at(&mut self, place: Place) -> Option<Slot> {
        let (_, number) = self.main.at_place(place)?;
        let (name, value) = self.pair(number);
        if self.kind == kind::SORTED_SET
            && let Ok(place) = self.seek_scored(score::of(value), name)
        {
            self.by_score.remove(place);
        }
        self.main.remove(place);
        self.slot_bytes -= self.slot(number).memory();
        self.free.push(number);
        Some(std::mem::take(&mut self.slots[number as usize]))
    }

    /// Rank of the first element of the main order with this sort key or a larger one.
    pub fn rank_of_key(&self, key: u64) -> usize {
        let (Ok(place) | Err(place)) = self.main.seek(|k, _| k.cmp(&key).then(Ordering::Greater));
        self.main.rank(place)
    }

    /// How many elements of the main order are before the place of a name: in a stream those with lower ids.
    pub fn count_below(&self, name: &[u8]) -> usize {
        let (Ok(place) | Err(place)) = self.spot(name).place;
        self.main.rank(place)
    }

    /// Rank in the order of the collection: of scores in a sorted set, of ids in a stream.
    pub fn rank(&self, name: &[u8]) -> Option<usize> {
        if self.kind != kind::SORTED_SET {
            return self.spot(name).place.ok().map(|place| self.main.rank(place));
        }
        let at = score::of(self.get(name)?);
        self.seek_scored(at, name).ok().map(|place| self.by_score.rank(place))
    }

    /// How many elements of a sorted set are before what `before` says of a score and member; it must be true
    /// of the first ones only.
    pub fn count_before(&self, before: impl Fn(f64, &[u8]) -> bool) -> usize {
        let (Ok(place) | Err(place)) = self.by_score.seek(|k, number| {
            if before(k, self.slot(number).name()) { Ordering::Less } else { Ordering::Greater }
        });
        self.by_score.rank(place)
    }

    /// The element with a rank in the order of the collection.
    pub fn at(&self, rank: usize) -> Option<(&[u8], &[u8])> {
        let number = match self.kind {
            kind::SORTED_SET => self.by_score.at_rank(rank)?.1,
            _ => self.main.at_rank(rank)?.1,
        };
        Some(self.pair(number))
    }

    /// The elements from a rank on in the order of the collection.
    pub fn starting_at(&self, rank: usize) -> Box<dyn Iterator<Item = (&[u8], &[u8])> + '_> {
        match self.kind {
            kind::SORTED_SET => Box::new(self.by_score.starting_at(rank).map(|(_, n)| self.pair(n))),
            _ => Box::new(self.main.starting_at(rank).map(|(_, n)| self.pair(n))),
        }
    }

    /// The elements before a rank in the order of the collection, the nearest first.
    pub fn before_rank(&self, rank: usize) -> Box<dyn Iterator<Item = (&[u8], &[u8])> + '_> {
        match self.kind {
            kind::SORTED_SET => Box::new(self.by_score.before_rank(rank).map(|(_, n)| self.pair(n))),
            _ => Box::new(self.main.before_rank(rank).map(|(_, n)| self.pair(n))),
        }
    }

    /// The elements from a rank of the main order on, with their sort keys.
    pub fn main_starting_at(&self, rank: usize) -> impl Iterator<Item = (u64, (&[u8], &[u8]))> {
        self.main.starting_at(rank).map(|(key, number)| (key, self.pair(number)))
    }

    fn pair(&self, number: u32) -> (&[u8], &[u8]) {
        let slot = self.slot(number);
        (slot.name(), slot.value())
    }

    /// Frees up to so many elements of a collection that nobody looks at any more.
    pub fn free_some(&mut self, elements: usize) -> usize {
        let (left, before) = (self.slots.len().saturating_sub(elements), self.slots.len());
        self.slots.truncate(left);
        if left == 0 {
            (self.main, self.by_score) = (Order::default(), Order::default());
        }
        before - left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn a_sorted_set_agrees_with_a_model(steps in proptest::collection::vec((0u8..40, -3i8..4, any::<bool>()), 0..400)) {
            let mut elements = Elements::new(kind::SORTED_SET, 7);
            let mut model: BTreeMap<Vec<u8>, f64> = BTreeMap::new();
            for (name, at, put) in steps {
                let (name, at) = ([name], f64::from(at) / 2.0);
                let old = |old: Option<Slot>| old.map(|slot| score::of(slot.value()));
                if put {
                    prop_assert_eq!(old(elements.put(&name, &at.to_le_bytes())), model.insert(name.to_vec(), at));
                } else {
                    let place = elements.spot(&name).place.ok();
                    let removed = place.and_then(|place| elements.remove_at(place));
                    prop_assert_eq!(old(removed), model.remove(&name[..]));
                }
            }
            let mut sorted: Vec<_> = model.iter().map(|(name, at)| (*at, name.clone())).collect();
            sorted.sort_by(compare);
            let walked: Vec<_> = elements.starting_at(0).map(|(name, value)| (score::of(value), name.to_vec())).collect();
            prop_assert_eq!(&walked, &sorted);
            let mut back: Vec<_> = elements.before_rank(usize::MAX).map(|(name, _)| name.to_vec()).collect();
            back.reverse();
            prop_assert!(back.iter().eq(sorted.iter().map(|(_, name)| name)));
            for (rank, (at, name)) in sorted.iter().enumerate() {
                let (spot, number) = elements.spot_of_rank(rank).expect("there");
                prop_assert_eq!((elements.name(number), spot.place.ok()), (&name[..], elements.spot(name).place.ok()));
                prop_assert_eq!(elements.rank(name), Some(rank));
                prop_assert_eq!(elements.at(rank).map(|(name, _)| name), Some(&name[..]));
                prop_assert_eq!(elements.get(name).map(score::of), Some(*at));
            }
            prop_assert_eq!(elements.count_before(|at, _| at < 0.5), sorted.iter().filter(|(at, _)| *at < 0.5).count());
            let keys: Vec<_> = elements.main_starting_at(0).map(|(key, _)| key).collect();
            prop_assert!(keys.is_sorted() && keys.len() == sorted.len());
            for (rank, key) in keys.iter().enumerate() {
                prop_assert_eq!(elements.rank_of_key(*key), rank);
            }
        }
    }

    fn compare(a: &(f64, Vec<u8>), b: &(f64, Vec<u8>)) -> Ordering {
        score::compare_scored((a.0, &a.1), (b.0, &b.1))
    }
}
