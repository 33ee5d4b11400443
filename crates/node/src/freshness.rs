//! How old the rows of a follower may be (safety rule 23), by its own clock alone.
//!
//! A follower sends a stamp of its clock; a leader with a valid lease sends it back with its commit index.
//! Whatever was acknowledged before the stamp is at or below that index. So once the follower has applied
//! it, its rows hold all of that: they are at most as old as the stamp. No clock is compared with another.

use model::planted::{Bug, is_planted};
use model::time::MS;
use model::{Index, Now};
use std::collections::VecDeque;

/// Answers that wait until this replica has applied what they speak of; later ones are dropped, the first of
/// them counts when it can.
const MAX_WAITING: usize = 64;
/// So long after the last read that wanted it, ns, the leader is asked on.
const ASK_FOR_NS: u64 = 10_000 * MS;

/// What a replica can prove.
#[derive(Debug, Default)]
pub struct Freshness {
    /// The rows hold everything acknowledged before this moment, monotonic ns; 0 = nothing is proven.
    proven_ns: u64,
    /// Stamps and what must be applied for each.
    waiting: VecDeque<(u64, Index)>,
    /// The leader is asked until then, monotonic ns.
    ask_until_ns: u64,
    /// Stamp of the last question.
    asked_ns: u64,
}

impl Freshness {
    /// A read wants to be answered here. True if the leader should be asked at once: it was not of late.
    pub fn wanted(&mut self, now: Now, every_ms: u64) -> bool {
        self.ask_until_ns = now.mono_ns + ASK_FOR_NS;
        now.mono_ns.saturating_sub(self.asked_ns) > every_ms * MS
    }

    /// Whether somebody may still read here.
    pub fn is_wanted(&self, now: Now) -> bool {
        now.mono_ns < self.ask_until_ns
    }

    /// The leader is asked with the stamp `now`.
    pub fn asked(&mut self, now: Now) {
        self.asked_ns = now.mono_ns;
    }

    /// The leader has answered: everything acknowledged before the stamp is at or below `commit`.
    pub fn answered(&mut self, stamp_ns: u64, commit: Index) {
        // A stamp of the future is none of ours.
        let of_ours = stamp_ns <= self.asked_ns && stamp_ns > self.proven_ns;
        let newest = self.waiting.back().is_none_or(|(newest, _)| *newest < stamp_ns);
        if of_ours && newest && self.waiting.len() < MAX_WAITING {
            self.waiting.push_back((stamp_ns, commit));
        }
    }

    /// Until when, monotonic ns, the rows are at most `max_ms` old, once `applied` is applied; 0 if nothing
    /// is proven.
    pub fn until_ns(&mut self, applied: Index, max_ms: u64) -> u64 {
        while let Some((stamp_ns, _)) = self.waiting.pop_front_if(|(_, commit)| *commit <= applied) {
            self.proven_ns = stamp_ns;
        }
        // Planted: see model/planted.rs
        if is_planted(Bug::StaleReplicaRead) {
            return u64::MAX;
        }
        if self.proven_ns == 0 { 0 } else { self.proven_ns.saturating_add(max_ms.saturating_mul(MS)) }
    }

    /// The rows were replaced: nothing is proven of the new ones.
    pub fn forget(&mut self) {
        self.proven_ns = 0;
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now { mono_ns: ms * MS, wall_ms: 0 }
    }

    #[test]
    fn rows_are_as_old_as_the_newest_stamp_whose_index_is_applied() {
        let mut fresh = Freshness::default();
        assert_eq!(fresh.until_ns(9, 1000), 0, "nothing is proven before an answer");
        fresh.asked(at(100));
        fresh.answered(100 * MS, 7);
        fresh.asked(at(120));
        fresh.answered(120 * MS, 9);
        assert_eq!(fresh.until_ns(6, 1000), 0, "what was committed then is not applied");
        assert_eq!(fresh.until_ns(8, 1000), 1100 * MS);
        assert_eq!(fresh.until_ns(9, 50), 170 * MS);
        fresh.answered(110 * MS, 1);
        assert_eq!(fresh.until_ns(9, 50), 170 * MS, "an answer that comes late proves less");
        fresh.answered(121 * MS, 1);
        assert_eq!(fresh.until_ns(9, 50), 170 * MS, "nobody was asked with that stamp");
        fresh.forget();
        assert_eq!(fresh.until_ns(9, 1000), 0);
    }

    #[test]
    fn a_replica_that_falls_behind_keeps_the_first_answers() {
        let mut fresh = Freshness::default();
        for ms in 1..=200 {
            fresh.asked(at(ms));
            fresh.answered(ms * MS, ms);
        }
        assert_eq!(fresh.waiting.len(), MAX_WAITING);
        assert_eq!(fresh.until_ns(30, 10), 40 * MS);
        assert_eq!(fresh.until_ns(500, 10), (MAX_WAITING as u64 + 10) * MS);
    }

    #[test]
    fn the_leader_is_asked_while_somebody_reads() {
        let mut fresh = Freshness::default();
        assert!(!fresh.is_wanted(at(1)));
        assert!(fresh.wanted(at(1000), 20));
        fresh.asked(at(1000));
        assert!(!fresh.wanted(at(1020), 20), "it is asked with the next beat");
        assert!(fresh.is_wanted(at(11_019)) && !fresh.is_wanted(at(11_020)));
    }
}
