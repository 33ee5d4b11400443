//! How fast snapshots are sent: as `snapshot-rate` allows, and slower while writes of clients take longer than usual.
//!
//! One write at a time is watched, from its proposal until it is committed, which takes a turn of this node, its log,
//! and those of followers: all that snapshots compete for. What is usual is learned while none are sent. The rate is
//! halved as often as writes are too slow and rises again step by step, like the window of TCP.

use crate::core::Core;
use model::{GroupId, Index, Term};

/// Parts in which the rate is counted: this many are all of `snapshot-rate`.
const WHOLE: u64 = 64;
/// The rate falls to this part of it at most, so that moves end.
const LEAST: u64 = 4;
/// What a write may take on average while snapshots are sent: this part of what is usual, in percent, and a margin.
const SLOWER_PERCENT: u64 = 150;
const MARGIN_NS: u64 = 300_000;
/// How often the rate changes, ns.
const STEP_NS: u64 = 200_000_000;
/// A write that takes longer is forgotten: its leader may be none any more, ns.
const PATIENCE_NS: u64 = 2_000_000_000;
/// Weight of what is new: one of so many.
const NEWEST_OF_USUAL: u64 = 64;
const NEWEST_OF_RECENT: u64 = 8;

/// What is known of the time that writes take.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// The write that is watched, and since when.
    watched: Option<(GroupId, Term, Index, u64)>,
    /// Averages while no snapshot is sent, and of late, ns; 0 = not known.
    usual_ns: u64,
    recent_ns: u64,
    share: u64,
    next_step_ns: u64,
}

impl Default for Throttle {
    fn default() -> Throttle {
        Throttle { watched: None, usual_ns: 0, recent_ns: 0, share: WHOLE, next_step_ns: 0 }
    }
}

fn blend(average: &mut u64, newest_of: u64, value: u64) {
    *average = if *average == 0 { value } else { *average - *average / newest_of + value / newest_of };
}

impl Throttle {
    /// Whether another write can be watched.
    pub(crate) fn is_free(&self) -> bool {
        self.watched.is_none()
    }

    /// A write was proposed.
    pub(crate) fn watch(&mut self, group: GroupId, (term, index): (Term, Index), now_ns: u64) {
        self.watched.get_or_insert((group, term, index, now_ns));
    }

    /// The group has committed up to this index; `sending`: snapshots are being sent.
    pub(crate) fn committed(&mut self, group: GroupId, index: Index, now_ns: u64, sending: bool) {
        let Some((_, _, _, since_ns)) = self.watched.filter(|(of, _, at, _)| *of == group && *at <= index)
        else {
            return;
        };
        self.watched = None;
        let took_ns = now_ns.saturating_sub(since_ns);
        if !sending {
            blend(&mut self.usual_ns, NEWEST_OF_USUAL, took_ns);
        }
        blend(&mut self.recent_ns, NEWEST_OF_RECENT, took_ns);
    }

    /// Each tick: forgets what was in vain, and changes the rate when it is time. `term`: in which this node leads
    /// the group of the write that is watched.
    pub(crate) fn tick(&mut self, now_ns: u64, leads: impl Fn(GroupId) -> Option<Term>) {
        if self.watched.is_some_and(|(group, term, _, since_ns)| {
            leads(group) != Some(term) || now_ns > since_ns + PATIENCE_NS
        }) {
            self.watched = None;
        }
        if now_ns < self.next_step_ns {
            return;
        }
        self.next_step_ns = now_ns + STEP_NS;
        let most_ns = self.usual_ns * SLOWER_PERCENT / 100 + MARGIN_NS;
        self.share = match self.usual_ns > 0 && self.recent_ns > most_ns {
            true => (self.share / 2).max(LEAST),
            false => (self.share + WHOLE / 16).min(WHOLE),
        };
        // Without writes nobody is held up: what was measured fades.
        self.recent_ns -= self.recent_ns / 16;
    }

    /// Bytes per second at which a snapshot may be sent now, of those that are allowed.
    pub(crate) fn rate(&self, allowed: u64) -> u64 {
        (allowed / WHOLE).max(1).saturating_mul(self.share)
    }
}

impl Core {
    /// Watches a write, if it was proposed just now and none is watched.
    pub(crate) fn watch_write(&mut self, group: GroupId, before: Option<(Term, Index)>) {
        if !self.transfers.throttle.is_free() {
            return;
        }
        let now_ns = self.now.mono_ns;
        let last = self.replica(group).and_then(|replica| replica.last_own());
        if let Some(write) = last.filter(|last| Some(*last) != before) {
            self.transfers.throttle.watch(group, write, now_ns);
        }
    }

    pub(crate) fn tick_throttle(&mut self) {
        let replicas = &self.replicas;
        let leads = |group: GroupId| replicas.get(group.0 as usize)?.as_deref()?.leading();
        self.transfers.throttle.tick(self.now.mono_ns, leads);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const G: GroupId = GroupId(3);
    const MS: u64 = 1_000_000;

    fn write(throttle: &mut Throttle, index: Index, took_ns: u64, sending: bool) {
        throttle.watch(G, (1, index), 1);
        throttle.committed(G, index, 1 + took_ns, sending);
        assert!(throttle.is_free());
    }

    /// Parts of the rate after some steps with a write of this length before each.
    fn after(throttle: &mut Throttle, steps: u64, took_ns: u64) -> u64 {
        for _ in 0..steps {
            (0..20).for_each(|index| write(throttle, index, took_ns, true));
            let now_ns = throttle.next_step_ns;
            throttle.tick(now_ns, |_| Some(1));
        }
        throttle.rate(WHOLE)
    }

    #[test]
    fn slow_writes_halve_the_rate_and_fast_ones_raise_it_again() {
        let mut throttle = Throttle::default();
        assert_eq!(after(&mut throttle, 3, 900 * MS), WHOLE, "nobody knows what is usual");
        let mut throttle = Throttle::default();
        (0..10).for_each(|index| write(&mut throttle, index, MS, false));
        assert_eq!(after(&mut throttle, 3, MS), WHOLE);
        assert_eq!([(); 6].map(|()| after(&mut throttle, 1, 3 * MS)), [32, 16, 8, 4, 4, 4]);
        assert_eq!([(); 3].map(|()| after(&mut throttle, 1, MS)), [8, 12, 16]);
        assert_eq!(after(&mut throttle, 20, MS), WHOLE);
        assert_eq!(throttle.usual_ns, MS, "what is slow because of snapshots is not usual");
    }

    #[test]
    fn writes_of_others_and_of_lost_terms_are_not_waited_for() {
        let mut throttle = Throttle::default();
        throttle.watch(G, (1, 5), 10);
        throttle.committed(GroupId(4), 9, 20, false);
        throttle.committed(G, 4, 20, false);
        assert!(!throttle.is_free());
        throttle.tick(30, |_| Some(2));
        assert!(throttle.is_free());
        throttle.watch(G, (1, 5), 10);
        throttle.tick(11 + PATIENCE_NS, |_| Some(1));
        assert!(throttle.is_free());
        assert_eq!(throttle.usual_ns, 0);
    }

    #[test]
    fn without_writes_the_rate_comes_back() {
        let mut throttle = Throttle::default();
        (0..10).for_each(|index| write(&mut throttle, index, MS, false));
        assert_eq!(after(&mut throttle, 9, 50 * MS), LEAST);
        for _ in 0..200 {
            let now_ns = throttle.next_step_ns;
            throttle.tick(now_ns, |_| Some(1));
        }
        assert_eq!(throttle.rate(WHOLE << 20), WHOLE << 20);
    }
}
