//! An order of elements that knows ranks: short sorted runs, and how many elements are before each.
//!
//! Entries are a sort key and the number of an element; where sort keys are equal the caller compares the
//! elements themselves. Finding, inserting, removing, the rank of an entry and the entry of a rank take a
//! time that grows with the logarithm of the number of entries.

use super::counts::Counts;
use std::cmp::Ordering;

/// Entries of a run at which it is divided in two.
const RUN: usize = 256;

/// Where an entry is; good until the next change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    run: usize,
    at: usize,
}

/// Entries in order.
#[derive(Debug, Clone)]
pub(crate) struct Order<K> {
    /// None is empty.
    runs: Vec<Vec<(K, u32)>>,
    /// The last entry of each run, side by side: a search looks at few cache lines until it has its run.
    lasts: Vec<(K, u32)>,
    counts: Counts,
}

impl<K> Default for Order<K> {
    fn default() -> Order<K> {
        Order { runs: Vec::new(), lasts: Vec::new(), counts: Counts::default() }
    }
}

impl<K: Copy> Order<K> {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.counts.total()
    }

    /// Bytes of memory, allocations included.
    pub fn memory(&self) -> usize {
        let entry = size_of::<(K, u32)>();
        // Runs are two thirds full on average.
        self.len() * entry * 3 / 2 + self.runs.capacity() * (size_of::<Vec<(K, u32)>>() + entry + 8)
    }

    /// The first entry that is not `Less` than what is looked for: `Ok` if it is `Equal`. `compare` says how an
    /// entry compares with that.
    pub fn seek(&self, compare: impl Fn(K, u32) -> Ordering) -> Result<Place, Place> {
        let less = |&(key, element): &(K, u32)| compare(key, element) == Ordering::Less;
        let run = self.lasts.partition_point(less);
        let Some(entries) = self.runs.get(run) else { return Err(Place { run, at: 0 }) };
        let at = entries.partition_point(less);
        match entries.get(at) {
            Some(&(key, element)) if compare(key, element) == Ordering::Equal => Ok(Place { run, at }),
            _ => Err(Place { run, at }),
        }
    }

    /// Puts an entry before the one at a place.
    pub fn insert(&mut self, place: Place, entry: (K, u32)) {
        let Place { mut run, mut at } = place;
        if run == self.runs.len() {
            // Behind all others: into the last run, so that entries that come in order fill runs.
            let last = self.runs.last().filter(|last| last.len() < RUN).map(Vec::len);
            match last {
                Some(len) => (run, at) = (run - 1, len),
                None => {
                    self.runs.push(Vec::new());
                    self.lasts.push(entry);
                    self.counts.push(0);
                    at = 0;
                }
            }
        }
        if self.runs[run].len() >= RUN {
            let upper = self.runs[run].split_off(RUN / 2);
            self.runs[run].shrink_to_fit();
            self.lasts.insert(run, self.runs[run][RUN / 2 - 1]);
            self.runs.insert(run + 1, upper);
            self.recount();
            if at > RUN / 2 {
                (run, at) = (run + 1, at - RUN / 2);
            }
        }
        if at == self.runs[run].len() {
            self.lasts[run] = entry;
        }
        self.runs[run].insert(at, entry);
        self.counts.add(run, 1);
    }

    /// Removes the entry at a place.
    pub fn remove(&mut self, place: Place) {
        let run = place.run;
        self.runs[run].remove(place.at);
        self.counts.subtract(run, 1);
        if place.at == self.runs[run].len()
            && let Some(&last) = self.runs[run].last()
        {
            self.lasts[run] = last;
        }
        let len = |run: usize| self.runs.get(run).map_or(RUN, Vec::len);
        if len(run) == 0 {
            self.runs.remove(run);
            self.lasts.remove(run);
            self.recount();
        } else if len(run) < RUN / 8 {
            // With a neighbour that is short as well; what is joined has room for more.
            let first = if len(run + 1) < RUN / 4 {
                Some(run)
            } else {
                run.checked_sub(1).filter(|&r| len(r) < RUN / 4)
            };
            if let Some(first) = first {
                let next = self.runs.remove(first + 1);
                self.lasts.remove(first);
                self.runs[first].extend(next);
                self.recount();
            }
        }
    }

    fn recount(&mut self) {
        self.counts = self.runs.iter().map(Vec::len).collect();
    }

    /// The entry at a place.
    pub fn at_place(&self, place: Place) -> Option<(K, u32)> {
        self.runs.get(place.run).and_then(|run| run.get(place.at)).copied()
    }

    /// How many entries are before a place.
    pub fn rank(&self, place: Place) -> usize {
        self.counts.before(place.run) + place.at
    }

    /// The entry with a rank.
    pub fn at_rank(&self, rank: usize) -> Option<(K, u32)> {
        let (run, at) = self.counts.find(rank);
        self.at_place(Place { run, at })
    }

    /// The entries from a rank on.
    pub fn starting_at(&self, rank: usize) -> impl Iterator<Item = (K, u32)> {
        let (run, at) = self.counts.find(rank);
        let first = self.runs.get(run).and_then(|run| run.get(at..)).unwrap_or_default();
        let rest = self.runs.get(run + 1..).unwrap_or_default();
        first.iter().chain(rest.iter().flatten()).copied()
    }

    /// The entries before a rank, the nearest first.
    pub fn before_rank(&self, rank: usize) -> impl Iterator<Item = (K, u32)> {
        let (run, at) = self.counts.find(rank.min(self.len()));
        let first = self.runs.get(run).and_then(|run| run.get(..at)).unwrap_or_default();
        let rest = self.runs.get(..run).unwrap_or_default();
        first.iter().rev().chain(rest.iter().rev().flat_map(|run| run.iter().rev())).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seek(order: &Order<u64>, key: u64) -> Result<Place, Place> {
        order.seek(|k, _| k.cmp(&key))
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_sorted_list(steps in proptest::collection::vec((0u64..3000, any::<bool>()), 0..6000)) {
            let (mut order, mut model) = (Order::default(), std::collections::BTreeSet::new());
            for (key, insert) in steps {
                match (seek(&order, key), insert) {
                    (Err(place), true) => {
                        order.insert(place, (key, key as u32));
                        prop_assert!(model.insert(key));
                    }
                    (Ok(place), false) => {
                        order.remove(place);
                        prop_assert!(model.remove(&key));
                    }
                    (found, _) => prop_assert_eq!(found.is_ok(), model.contains(&key)),
                }
            }
            let sorted: Vec<_> = model.into_iter().map(|key| (key, key as u32)).collect();
            prop_assert_eq!(order.len(), sorted.len());
            prop_assert!(order.runs.iter().map(|run| run.last()).eq(order.lasts.iter().map(Some)));
            for rank in [0, 1, sorted.len() / 2, sorted.len().saturating_sub(1), sorted.len(), sorted.len() + 9] {
                prop_assert_eq!(order.at_rank(rank), sorted.get(rank).copied());
                let expected = sorted.get(rank..).unwrap_or_default();
                prop_assert!(order.starting_at(rank).eq(expected.iter().copied()));
                let before = &sorted[..rank.min(sorted.len())];
                prop_assert!(order.before_rank(rank).eq(before.iter().rev().copied()));
                if let Some(&(key, _)) = sorted.get(rank) {
                    prop_assert_eq!(order.rank(seek(&order, key).unwrap()), rank);
                }
            }
        }
    }

    #[test]
    fn runs_stay_full_enough() {
        let mut order = Order::default();
        for key in 0..100_000u64 {
            let place = seek(&order, key).unwrap_err();
            order.insert(place, (key, 0));
        }
        assert_eq!(order.runs.len(), 100_000 / RUN + 1);
        for key in (0..100_000u64).filter(|key| key % 50 > 0) {
            let place = seek(&order, key).unwrap();
            order.remove(place);
        }
        assert_eq!(order.len(), 2000);
        assert!(order.runs.len() < 120, "{}", order.runs.len());
    }
}
