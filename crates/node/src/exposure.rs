//! The exposure of a leader: what it has answered in asynchronous keyspaces, and to asynchronous connections,
//! and would be lost with its machine now, because it is not committed. Bounded: beyond the bound replies wait for the commit.

use model::Index;
use model::planted::{Bug, is_planted};
use std::collections::VecDeque;

/// An entry of this leader that is not known to be committed, with writes that need not wait for that.
#[derive(Debug, Clone, Copy)]
struct Open {
    index: Index,
    /// Bytes of all such entries of this leader up to this one.
    end: u64,
    /// When it was proposed, monotonic ms.
    at_ms: u64,
}

/// The bound of what a shard's asynchronous keyspaces and connections may expose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Most bytes.
    pub bytes: u64,
    /// Longest time, ms.
    pub ms: u64,
}

/// What is exposed now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exposed {
    /// Entries.
    pub entries: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Age of the oldest, ms.
    pub ms: u64,
}

/// The entries of a leader between proposal and commit that hold writes answered early. Bounded by what may be proposed and not
/// committed (`raft/config.rs`).
#[derive(Debug, Default)]
pub struct Exposure {
    open: VecDeque<Open>,
    /// Bytes of all such entries up to the last committed one.
    base: u64,
    end: u64,
    /// Own entries up to here are in this node's log file.
    written: Index,
    /// Replies of asynchronous writes up to here may have left.
    answered: Index,
}

impl Exposure {
    /// An entry was proposed that holds writes which need not wait for its commit.
    pub fn proposed(&mut self, index: Index, bytes: usize, now_ms: u64) {
        self.end += bytes as u64;
        self.open.push_back(Open { index, end: self.end, at_ms: now_ms });
    }

    /// Entries up to `index` are in the log file.
    pub fn written(&mut self, index: Index) {
        self.written = self.written.max(index);
    }

    /// Entries up to `index` are committed.
    pub fn committed(&mut self, index: Index) {
        while let Some(open) = self.open.pop_front_if(|open| open.index <= index) {
            self.base = open.end;
        }
        self.written = self.written.max(index);
        self.answered = self.answered.max(index);
    }

    /// Nothing is led any more.
    pub fn clear(&mut self) {
        *self = Exposure::default();
    }

    /// Replies of asynchronous writes up to the index returned may leave now.
    pub fn answer(&mut self, bound: Bound, now_ms: u64) -> Index {
        if is_planted(Bug::ExposureNotEnforced) {
            // Planted: see model/planted.rs
            self.answered = self.answered.max(self.written);
            return self.answered;
        }
        let old = self.open.front().is_some_and(|oldest| now_ms.saturating_sub(oldest.at_ms) > bound.ms);
        let within = self.open.partition_point(|open| open.end - self.base <= bound.bytes);
        // Other entries between these expose nothing.
        let beyond = if old { self.open.front() } else { self.open.get(within) };
        let upto = beyond.map_or(self.written, |beyond| self.written.min(beyond.index - 1));
        self.answered = self.answered.max(upto);
        self.answered
    }

    /// What was answered and is not committed.
    pub fn exposed(&self, now_ms: u64) -> Exposed {
        let entries = self.open.partition_point(|open| open.index <= self.answered);
        let Some(last) = entries.checked_sub(1).map(|at| self.open[at]) else { return Exposed::default() };
        let ms = now_ms.saturating_sub(self.open[0].at_ms);
        Exposed { entries: entries as u64, bytes: last.end - self.base, ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Bound = Bound { bytes: 100, ms: 50 };

    #[test]
    fn replies_leave_when_written_and_wait_beyond_the_bound() {
        let mut exposure = Exposure::default();
        assert_eq!(exposure.answer(BOUND, 0), 0);
        for index in 5..10 {
            exposure.proposed(index, 40, 10);
        }
        assert_eq!(exposure.answer(BOUND, 10), 0, "nothing is written");
        exposure.written(6);
        assert_eq!(exposure.answer(BOUND, 10), 6);
        exposure.written(9);
        assert_eq!(exposure.answer(BOUND, 10), 6, "120 bytes are too much");
        assert_eq!(exposure.exposed(25), Exposed { entries: 2, bytes: 80, ms: 15 });
        exposure.committed(5);
        assert_eq!(exposure.answer(BOUND, 10), 7);
        exposure.committed(9);
        assert_eq!(exposure.answer(BOUND, 10), 9);
        assert_eq!(exposure.exposed(25), Exposed::default());
    }

    #[test]
    fn an_old_entry_makes_later_ones_wait() {
        let mut exposure = Exposure::default();
        exposure.proposed(1, 1, 10);
        exposure.proposed(2, 1, 70);
        exposure.written(2);
        assert_eq!(exposure.answer(BOUND, 70), 0, "the first was proposed 60 ms ago");
        exposure.committed(1);
        assert_eq!(exposure.answer(BOUND, 70), 2);
        exposure.proposed(3, 1, 71);
        exposure.written(3);
        assert_eq!(exposure.answer(BOUND, 200), 2, "what has left has left");
        exposure.clear();
        assert_eq!(exposure.answer(BOUND, 200), 0);
    }

    #[test]
    fn an_entry_larger_than_the_bound_waits_for_its_commit() {
        let mut exposure = Exposure::default();
        exposure.proposed(1, 500, 0);
        exposure.written(1);
        assert_eq!(exposure.answer(BOUND, 0), 0);
        exposure.committed(1);
        assert_eq!(exposure.answer(BOUND, 0), 1);
    }
}
