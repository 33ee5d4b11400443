//! An order of elements that knows ranks: short sorted runs, and how many elements are before each.
//!
//! Entries are a sort key and the number of an element; where sort keys are equal the caller compares the
//! elements themselves. Finding, inserting, removing, the rank of an entry and the entry of a rank take a
//! time that grows with the logarithm of the number of entries.

use super::counts::Counts;
use std::cmp::Ordering;
use std::collections::VecDeque;

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
    /// None is empty. Deques: what comes or goes moves the shorter side, and at an end nothing.
    runs: Vec<VecDeque<(K, u32)>>,
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
        self.len() * entry * 3 / 2 + self.runs.capacity() * (size_of::<VecDeque<(K, u32)>>() + entry + 8)
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
            let last = self.runs.last().filter(|last| last.len() < RUN).map(VecDeque::len);
            match last {
                Some(len) => (run, at) = (run - 1, len),
                None => {
                    self.runs.push(VecDeque::new());
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
            && let Some(&last) = self.runs[run].back()
        {
            self.lasts[run] = last;
        }
        let len = |run: usize| self.runs.get(run).map_or(RUN, VecDeque::len);
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
        self.counts = self.runs.iter().map(VecDeque::len).collect();
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
        self.at_place(self.place_of_rank(rank))
    }

    /// Where the entry with a rank is.
    pub fn place_of_rank(&self, rank: usize) -> Place {
        let (run, at) = self.counts.find(rank);
        Place { run, at }
    }

    /// The entries from a rank on.
    pub fn starting_at(&self, rank: usize) -> impl Iterator<Item = (K, u32)> {
        let (run, at) = self.counts.find(rank);
        let first = self.runs.get(run).map(|run| run.range(at..));
        let rest = self.runs.get(run + 1..).unwrap_or_default();
        first.into_iter().flatten().chain(rest.iter().flatten()).copied()
    }

    /// The entries before a rank, the nearest first.
    pub fn before_rank(&self, rank: usize) -> impl Iterator<Item = (K, u32)> {
        let (run, at) = self.counts.find(rank.min(self.len()));
        let first = self.runs.get(run).map(|run| run.range(..at).rev());
        let rest = self.runs.get(..run).unwrap_or_default();
        first.into_iter().flatten().chain(rest.iter().rev().flat_map(|run| run.iter().rev())).copied()
    }
}

impl Order<u64> {
    /// [`Order::seek`] for a sort key where these are spread evenly over 63 bits, as hashes are: it begins where
    /// the key should be, so that it looks at few cache lines. `tie`: how an element with this sort key compares.
    pub fn seek_spread(&self, key: u64, tie: impl Fn(u32) -> Ordering) -> Result<Place, Place> {
        let compare = |(k, element): (u64, u32)| k.cmp(&key).then_with(|| tie(element));
        let is_less = |entry| compare(entry) == Ordering::Less;
        let guess = ((u128::from(key) * self.lasts.len() as u128) >> 63) as usize;
        let run = partition_near(self.lasts.len(), guess, |at| is_less(self.lasts[at]));
        let Some(entries) = self.runs.get(run) else { return Err(Place { run, at: 0 }) };
        let low = run.checked_sub(1).map_or(0, |before| self.lasts[before].0);
        // A run has less than 2^9 entries: what is multiplied has to fit.
        let (offset, width) = (key.saturating_sub(low) >> 9, ((self.lasts[run].0 - low) >> 9) + 1);
        let guess = (offset * entries.len() as u64 / width) as usize;
        let at = partition_near(entries.len(), guess, |at| is_less(entries[at]));
        match entries.get(at) {
            Some(&entry) if compare(entry) == Ordering::Equal => Ok(Place { run, at }),
            _ => Err(Place { run, at }),
        }
    }

    /// [`Order::seek`] for what is most likely behind all entries.
    pub fn seek_late(&self, compare: impl Fn(u64, u32) -> Ordering) -> Result<Place, Place> {
        match self.lasts.last() {
            Some(&(key, element)) if compare(key, element) == Ordering::Less => {
                Err(Place { run: self.runs.len(), at: 0 })
            }
            _ => self.seek(compare),
        }
    }
}

/// Steps away from the guess, at first; each is twice the one before.
const NEAR: usize = 6;

/// The number of places, of `len`, that are `less`: these come first. Looks near `guess` first.
fn partition_near(len: usize, guess: usize, less: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high, mut step) = (0, len, NEAR);
    if guess < len && less(guess) {
        low = guess + 1;
        while low + step < high {
            if !less(low + step) {
                high = low + step;
                break;
            }
            low += step + 1;
            step *= 2;
        }
    } else {
        high = guess.min(len);
        while step < high {
            if less(high - step) {
                low = high - step + 1;
                break;
            }
            high -= step;
            step *= 2;
        }
    }
    while low < high {
        let middle = low.midpoint(high);
        if less(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
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
            prop_assert!(order.runs.iter().map(|run| run.back()).eq(order.lasts.iter().map(Some)));
            for key in 0..3000 {
                prop_assert_eq!(order.seek_late(|k, _| k.cmp(&key)).is_ok(), seek(&order, key).is_ok());
                prop_assert_eq!(order.seek_spread(key, |_| Ordering::Equal), seek(&order, key));
            }
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
    fn spread_keys_are_found_like_others() {
        let (mut order, mut state) = (Order::default(), 5_u64);
        let mut random = || {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            // Some keys are drawn often, some are at the ends.
            match state >> 61 {
                0 => state >> 60,
                1 => (1 << 63) - 1 - (state >> 62),
                _ => (state ^ state >> 31) >> 1,
            }
        };
        for number in 0..20_000 {
            let key = random();
            let tie = |element: u32| element.cmp(&number);
            let place = order.seek_spread(key, tie);
            assert_eq!(place, order.seek(|k, element| k.cmp(&key).then(element.cmp(&number))));
            order.insert(place.unwrap_err(), (key, number));
            assert_eq!(
                order.seek_spread(key, tie).map(|place| order.at_place(place)),
                Ok(Some((key, number)))
            );
        }
        assert!(order.starting_at(0).is_sorted() && order.len() == 20_000);
    }

    #[test]
    fn any_guess_leads_to_the_same_place() {
        for (len, less) in (0..40).flat_map(|len| (0..=len).map(move |less| (len, less))) {
            for guess in 0..45 {
                assert_eq!(partition_near(len, guess, |at| at < less), less);
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
