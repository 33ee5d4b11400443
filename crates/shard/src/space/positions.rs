//! The order of positions: sorted runs of bounded length, in a tree.
//!
//! Every key has its position here, also one whose row is not in memory, so it has to be small: a run grows a
//! few places at a time and is split in the middle, which makes about 9 bytes a position where a B-tree of
//! positions takes 17.

use std::collections::BTreeMap;

/// Most positions of a run. A longer one costs more to insert into.
const MAX_RUN: usize = 128;
/// A run grows by so many places, and has no more than two times as many to spare.
const GROWTH: usize = 16;
/// Memory of a run beside its positions, about, bytes: its entry in the tree of runs, two thirds full.
const RUN_BYTES: usize = 56;

/// A sorted set of positions.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    /// Each run by a bound: it has positions from there on and below the next bound, at least one.
    runs: BTreeMap<u64, Vec<u64>>,
    len: usize,
    /// Places of all runs.
    places: usize,
}

impl Positions {
    /// Number of positions.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// True without positions.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Memory, about, bytes.
    pub(crate) fn memory(&self) -> usize {
        self.places * size_of::<u64>() + self.runs.len() * RUN_BYTES
    }

    /// True if the position is there.
    pub(crate) fn contains(&self, position: u64) -> bool {
        let run = self.runs.range(..=position).next_back();
        run.is_some_and(|(_, run)| run.binary_search(&position).is_ok())
    }

    /// Adds a position, unless it is there.
    pub(crate) fn insert(&mut self, position: u64) {
        // The first run takes what is below all bounds.
        let Some((_, run)) = self.runs.range_mut(..=position).next_back() else {
            return self.begin(0, vec![position]);
        };
        let Err(at) = run.binary_search(&position) else { return };
        if run.len() == MAX_RUN {
            return self.split(position);
        }
        let before = run.capacity();
        if run.len() == before {
            run.reserve_exact(GROWTH.min(MAX_RUN - before));
        }
        run.insert(at, position);
        self.places = self.places - before + run.capacity();
        self.len += 1;
    }

    fn begin(&mut self, bound: u64, run: Vec<u64>) {
        self.len += run.len();
        self.places += run.capacity();
        self.runs.insert(bound, run);
    }

    /// Adds a position whose run is full.
    fn split(&mut self, position: u64) {
        let last = self.runs.last_entry().and_then(|run| run.get().last().copied());
        if last.is_some_and(|last| last < position) {
            // Positions that come in their order, as when a shard is loaded, leave full runs.
            return self.begin(position, vec![position]);
        }
        let Some((_, run)) = self.runs.range_mut(..=position).next_back() else { return };
        let upper = run[MAX_RUN / 2..].to_vec();
        let before = run.capacity();
        run.truncate(MAX_RUN / 2);
        run.shrink_to_fit();
        self.places = self.places - before + run.capacity();
        self.len -= upper.len();
        self.begin(upper[0], upper);
        self.insert(position);
    }

    /// Removes a position, if it is there.
    pub(crate) fn remove(&mut self, position: u64) {
        let Some((&bound, run)) = self.runs.range_mut(..=position).next_back() else { return };
        let Ok(at) = run.binary_search(&position) else { return };
        let before = run.capacity();
        run.remove(at);
        if before - run.len() > 2 * GROWTH {
            run.shrink_to(run.len() + GROWTH);
        }
        let left = run.len();
        self.places = self.places - before + run.capacity();
        self.len -= 1;
        if left == 0 {
            self.take(bound);
        } else if left < MAX_RUN / 8 {
            self.join(bound);
            if let Some((&before, _)) = self.runs.range(..bound).next_back() {
                self.join(before);
            }
        }
    }

    fn take(&mut self, bound: u64) -> Vec<u64> {
        let run = self.runs.remove(&bound).unwrap_or_default();
        self.places -= run.capacity();
        run
    }

    /// Joins a short run with the one after it, if both are short.
    fn join(&mut self, bound: u64) {
        let mut both = self.runs.range(bound..).take(2);
        let (Some((_, run)), Some((&after, next))) = (both.next(), both.next()) else { return };
        if run.len() + next.len() > MAX_RUN / 2 {
            return;
        }
        let (mut run, next) = (self.take(bound), self.take(after));
        run.reserve_exact(next.len());
        run.extend(next);
        self.places += run.capacity();
        self.runs.insert(bound, run);
    }

    /// The positions from `from` on and below `end`, in their order.
    pub(crate) fn range(&self, from: u64, end: u64) -> impl Iterator<Item = u64> {
        let bound = self.runs.range(..=from).next_back().map_or(from, |(&bound, _)| bound);
        let runs = self.runs.range(bound..end.max(bound)).map(|(_, run)| &run[..]);
        runs.flat_map(move |run| {
            let upto = run.partition_point(|&position| position < end);
            let start = run.partition_point(|&position| position < from).min(upto);
            run[start..upto].iter().copied()
        })
    }

    /// The first position at or after `from`.
    pub(crate) fn next(&self, from: u64) -> Option<u64> {
        let bound = self.runs.range(..=from).next_back().map_or(from, |(&bound, _)| bound);
        // The one after the first of these runs begins behind `from`.
        let mut runs = self.runs.range(bound..).take(2);
        runs.find_map(|(_, run)| run.get(run.partition_point(|&position| position < from)).copied())
    }

    /// The first position.
    pub(crate) fn first(&self) -> Option<u64> {
        self.runs.first_key_value().and_then(|(_, run)| run.first().copied())
    }

    /// The last position.
    pub(crate) fn last(&self) -> Option<u64> {
        self.runs.last_key_value().and_then(|(_, run)| run.last().copied())
    }

    /// Removes the first position.
    pub(crate) fn pop_first(&mut self) -> Option<u64> {
        let first = self.first()?;
        self.remove(first);
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x14057B7EF767814F);
        state.rotate_left(31)
    }

    fn check(positions: &Positions, model: &BTreeSet<u64>) {
        assert_eq!((positions.len(), positions.is_empty()), (model.len(), model.is_empty()));
        assert_eq!((positions.first(), positions.last()), (model.first().copied(), model.last().copied()));
        assert!(positions.range(0, u64::MAX).eq(model.range(..u64::MAX).copied()));
        assert_eq!(positions.places, positions.runs.values().map(Vec::capacity).sum::<usize>());
        assert!(positions.runs.values().all(|run| !run.is_empty() && run.len() <= MAX_RUN));
        assert!(positions.runs.iter().all(|(bound, run)| *bound <= run[0]));
    }

    #[test]
    fn it_is_a_sorted_set_whatever_is_done() {
        let (mut positions, mut model, mut state) = (Positions::default(), BTreeSet::new(), 7);
        // Grows, shrinks to nothing, and grows again; keys collide often.
        for (step, span) in [3000, 500, 40, 20_000].into_iter().cycle().take(4000).enumerate() {
            for _ in 0..20 {
                let position = random(&mut state) % span;
                let grows = (step / 1000) % 2 == 0;
                match random(&mut state) % 8 {
                    0..=4 if grows => (positions.insert(position), model.insert(position)),
                    0..=4 => (positions.remove(position), model.remove(&position)),
                    5 => (positions.insert(position), model.insert(position)),
                    _ => (positions.remove(position), model.remove(&position)),
                };
                assert_eq!(positions.contains(position), model.contains(&position));
                assert_eq!(positions.next(position), model.range(position..).next().copied());
                let (from, end) = (position, random(&mut state) % span);
                let expected: Vec<_> = model.range(from..end.max(from)).copied().collect();
                assert_eq!(positions.range(from, end).collect::<Vec<_>>(), expected);
            }
            check(&positions, &model);
        }
        while let Some(first) = model.pop_first() {
            assert_eq!(positions.pop_first(), Some(first));
        }
        check(&positions, &model);
        assert_eq!((positions.pop_first(), positions.memory()), (None, 0));
    }

    #[test]
    fn a_position_takes_about_nine_bytes_however_it_came() {
        let (mut scattered, mut in_order, mut state) = (Positions::default(), Positions::default(), 3);
        (0..100_000).for_each(|_| scattered.insert(random(&mut state)));
        (0..100_000).for_each(|position| in_order.insert(position));
        let of = |positions: &Positions| positions.memory() as f64 / positions.len() as f64;
        assert!(of(&scattered) < 10.0 && of(&in_order) < 9.0, "{} {}", of(&scattered), of(&in_order));
        // Taking most of them away gives their memory back.
        (0..100_000).filter(|position| position % 16 > 0).for_each(|position| in_order.remove(position));
        assert!(in_order.memory() < 6250 * 14, "{}", in_order.memory());
    }
}
