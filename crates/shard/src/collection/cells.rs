//! Which cells of a large collection a checkpoint has to write: a set of their names.

use super::large::CellName;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// A set of names of cells. Every change of a collection adds to it: a hash table, but for those that come in
/// rising order, as entries of a stream do. They stand one after the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Cells {
    table: HashTable<CellName>,
    /// Bucket at which [`Cells::pop`] goes on; those before it are empty unless something was added since.
    hand: usize,
    /// Each above the one before; none of them is in the table.
    rising: Vec<CellName>,
    /// A bit for each of them that was removed; those beyond the end are not set.
    removed: Vec<u64>,
    /// How many of them were not.
    risen: usize,
}

/// Names contain hashes, numbers with many zeros, or times: all bits count.
#[inline]
fn hash(cell: CellName) -> u64 {
    let folded = (cell >> 64) as u64 ^ (cell as u64).rotate_left(32);
    folded.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_right(29)
}

impl Cells {
    /// True without cells.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty() && self.risen == 0
    }

    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        let rising = self.rising.capacity() * size_of::<CellName>();
        self.table.allocation_size() + rising + self.removed.capacity() * size_of::<u64>()
    }

    /// Adds a cell; false if it is there.
    #[inline]
    pub fn insert(&mut self, cell: CellName) -> bool {
        if self.rising.last().is_none_or(|last| *last < cell) {
            let new = self.table.is_empty() || self.table.find(hash(cell), |other| *other == cell).is_none();
            if new {
                self.rising.push(cell);
                self.risen += 1;
            }
            return new;
        }
        if let Ok(at) = self.rising.binary_search(&cell) {
            return self.put_back(at);
        }
        self.hand = 0;
        match self.table.entry(hash(cell), |other| *other == cell, |other| hash(*other)) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(cell);
                true
            }
        }
    }

    fn is_removed(&self, at: usize) -> bool {
        self.removed.get(at / 64).is_some_and(|bits| bits >> (at % 64) & 1 == 1)
    }

    fn put_back(&mut self, at: usize) -> bool {
        let gone = self.is_removed(at);
        if gone {
            self.removed[at / 64] &= !(1 << (at % 64));
            self.risen += 1;
        }
        gone
    }

    /// Removes a cell; false if it was not there.
    #[inline]
    pub fn remove(&mut self, cell: CellName) -> bool {
        if let Ok(at) = self.rising.binary_search(&cell) {
            let there = !self.is_removed(at);
            if there {
                self.removed.resize(self.rising.len().div_ceil(64), 0);
                self.removed[at / 64] |= 1 << (at % 64);
                self.risen -= 1;
            }
            return there;
        }
        match self.table.find_entry(hash(cell), |other| *other == cell) {
            Ok(entry) => {
                entry.remove();
                true
            }
            Err(_) => false,
        }
    }

    /// Takes some cell out: all of them, one after the other, cost one walk over the table.
    pub fn pop(&mut self) -> Option<CellName> {
        while let Some(cell) = self.rising.pop() {
            let at = self.rising.len();
            if !self.is_removed(at) {
                self.risen -= 1;
                return Some(cell);
            }
            self.removed[at / 64] &= !(1 << (at % 64));
        }
        while self.hand < self.table.num_buckets() {
            if let Ok(entry) = self.table.get_bucket_entry(self.hand) {
                return Some(entry.remove().0);
            }
            self.hand += 1;
        }
        None
    }

    /// All cells, in no useful order.
    pub fn iter(&self) -> impl Iterator<Item = CellName> {
        let rising = self.rising.iter().enumerate().filter(|(at, _)| !self.is_removed(*at));
        self.table.iter().copied().chain(rising.map(|(_, cell)| *cell))
    }
}

impl Extend<CellName> for Cells {
    fn extend<I: IntoIterator<Item = CellName>>(&mut self, cells: I) {
        cells.into_iter().for_each(|cell| {
            self.insert(cell);
        });
    }
}

impl FromIterator<CellName> for Cells {
    fn from_iter<I: IntoIterator<Item = CellName>>(cells: I) -> Cells {
        let mut all = Cells::default();
        all.extend(cells);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn it_is_a_set_of_whatever_names() {
        // As pieces of a list, hashed elements and entries of a stream are called.
        let names: [fn(u128) -> u128; 3] =
            [|n| n << 84, |n| (n * 0x9E37_79B9_7F4A_7C15) << 64, |n| (n << 64) | 7];
        // In rising order, and in none.
        let orders: [fn(u128) -> u128; 2] = [|n| n % 3000, |n| n * 1777 % 3000];
        for (name, order) in names.into_iter().flat_map(|name| orders.map(|order| (name, order))) {
            let (mut cells, mut model) = (Cells::default(), BTreeSet::new());
            for n in 0..5000u128 {
                cells.insert(name(order(n)));
                model.insert(name(order(n)));
                if n % 3 == 0 {
                    assert_eq!(cells.remove(name(n / 2)), model.remove(&name(n / 2)));
                }
            }
            assert_eq!(cells.iter().collect::<BTreeSet<_>>(), model);
            while let Some(cell) = cells.pop() {
                assert!(model.remove(&cell));
                // What is removed meanwhile is not taken, and nothing is taken twice.
                if let Some(other) = model.pop_last() {
                    assert!(cells.remove(other) && !cells.remove(other));
                }
            }
            assert!(cells.is_empty() && model.is_empty() && cells.pop().is_none());
            cells.insert(name(1));
            assert_eq!(cells.pop(), Some(name(1)));
        }
    }
}
