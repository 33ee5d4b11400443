//! When this replica may vote and when it campaigns.
//!
//! The vote promise (safety rule 4): until base timeout + drift after the last message of a leader
//! and after start-up, (pre-)vote requests wait and no campaign starts. A leader's lease rests on it.
//! Election timing (rule 8): the first round after a leader fell silent follows an agreed order of
//! successors, so that votes do not split; after a failed round waits are random, from our own seed.

use crate::config::GroupConfig;
use crate::rng::SplitMix;
use model::time::MS;
use raft::eraftpb::Message;
use std::collections::BTreeMap;

/// Most vote requests held during a promise, one per sender.
pub(crate) const MAX_HELD: usize = 16;

#[derive(Debug)]
pub(crate) struct Election {
    node: u64,
    /// Voters in the order in which they succeed, before the dead leader is taken out.
    order: Vec<u64>,
    rotation: usize,
    /// Ticks a first successor waits: past the promise of every voter.
    first_ticks: usize,
    successor_ticks: usize,
    base_ticks: usize,
    promise_ns: u64,
    successor_ns: u64,
    /// End of the vote promise on the monotonic clock.
    promised_until: u64,
    /// The leader last heard; excluded from the order of its successors.
    leader: u64,
    /// A round was started or joined since a leader was last heard: the order is ignored.
    failed: bool,
    /// The caller knows that the leader is dead.
    evidence: bool,
    /// All others come before this node.
    last: bool,
    /// Ticks of silence after which the library campaigns.
    timeout: usize,
    rng: SplitMix,
    held: BTreeMap<u64, Message>,
}

impl Election {
    pub(crate) fn new(config: &GroupConfig, voters: &[u64], now_ns: u64) -> Election {
        let promise_ms = config.base_election_ms + config.drift_ms;
        let mut election = Election {
            node: config.node.0,
            order: Vec::new(),
            rotation: config.group.0 as usize,
            // One more tick because the first tick may follow the leader's message at once.
            first_ticks: promise_ms.div_ceil(config.tick_ms) as usize + 1,
            successor_ticks: config.successor_ms.div_ceil(config.tick_ms) as usize,
            base_ticks: config.election_ticks(),
            promise_ns: promise_ms * MS,
            successor_ns: config.successor_ms * MS,
            promised_until: now_ns.saturating_add(promise_ms * MS),
            leader: 0,
            failed: false,
            evidence: false,
            last: false,
            timeout: 0,
            rng: SplitMix::new(config.seed),
            held: BTreeMap::new(),
        };
        election.set_voters(voters);
        election
    }

    /// Longest wait that [`Election::timeout`] can return, plus one, for this many voters.
    pub(crate) fn max_ticks(config: &GroupConfig, voters: usize) -> usize {
        let probe = Election::new(config, &[], 0);
        (2 * probe.base_ticks).max(probe.first_ticks + probe.successor_ticks * voters) + 1
    }

    /// The order rotates with the group, so that the groups of a dead leader spread over the others.
    pub(crate) fn set_voters(&mut self, voters: &[u64]) {
        self.order = voters.to_vec();
        self.order.sort_unstable();
        if !self.order.is_empty() {
            let by = self.rotation % self.order.len();
            self.order.rotate_left(by);
        }
        self.redraw();
    }

    /// How many successors come before this node.
    fn rank(&self) -> usize {
        if self.last {
            return self.order.len();
        }
        let mut successors = self.order.iter().filter(|&&id| id != self.leader);
        successors.position(|&id| id == self.node).unwrap_or(self.order.len().saturating_sub(1))
    }

    fn redraw(&mut self) {
        self.timeout = if self.failed {
            // Known to be dead, the leader is not waited for; a little spread still avoids a split vote.
            let spread = if self.evidence { self.base_ticks / 4 } else { self.base_ticks };
            self.base_ticks + self.rng.below(spread)
        } else {
            self.first_ticks + self.rank() * self.successor_ticks
        };
    }

    /// A message of the leader of the current term was processed.
    #[inline]
    pub(crate) fn heard(&mut self, now_ns: u64, leader: u64) {
        self.promised_until = self.promised_until.max(now_ns.saturating_add(self.promise_ns));
        // Whoever asked for votes before it did so in a round that this leader has ended.
        self.held.clear();
        if self.failed || self.evidence || self.leader != leader {
            (self.failed, self.evidence, self.leader) = (false, false, leader);
            self.redraw();
        }
    }

    /// Whether all others come before this node in the agreed order.
    pub(crate) fn set_last(&mut self, last: bool) {
        if self.last != last {
            self.last = last;
            self.redraw();
        }
    }

    /// A round began, by a campaign here or elsewhere. If no leader comes of it the next is random.
    pub(crate) fn round_began(&mut self) {
        self.failed = true;
        self.redraw();
    }

    /// The leader is known to be dead: shortens what is random, never the promise.
    pub(crate) fn leader_is_dead(&mut self) {
        if !self.evidence {
            self.evidence = true;
            self.redraw();
        }
    }

    /// With evidence the first round starts by the clock and not by counted ticks.
    pub(crate) fn evidence_due(&self, now_ns: u64) -> bool {
        let turn = self.successor_ns.saturating_mul(self.rank() as u64);
        self.evidence && !self.failed && now_ns >= self.promised_until.saturating_add(turn)
    }

    #[inline]
    pub(crate) fn promised(&self, now_ns: u64) -> bool {
        now_ns < self.promised_until
    }

    #[inline]
    pub(crate) fn timeout(&self) -> usize {
        self.timeout
    }

    /// Keeps the latest request of a sender. False if there are too many senders.
    pub(crate) fn hold(&mut self, m: Message) -> bool {
        let fits = self.held.len() < MAX_HELD || self.held.contains_key(&m.from);
        if fits {
            self.held.insert(m.from, m);
        }
        fits
    }

    #[inline]
    pub(crate) fn holds_any(&self) -> bool {
        !self.held.is_empty()
    }

    pub(crate) fn take_held(&mut self) -> BTreeMap<u64, Message> {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{GroupId, NodeId};

    fn election(group: u32, node: u64) -> Election {
        let config = GroupConfig::new(GroupId(group), NodeId(node), node);
        Election::new(&config, &[3, 1, 2], 0)
    }

    #[test]
    fn successors_wait_in_an_order_that_rotates_and_skips_the_dead() {
        let ranks = |group, leader| {
            [1, 2, 3].map(|node| {
                let mut e = election(group, node);
                e.heard(0, leader);
                e.rank()
            })
        };
        assert_eq!(ranks(0, 0), [0, 1, 2]);
        assert_eq!(ranks(1, 0), [2, 0, 1]);
        assert_eq!(ranks(1, 2)[0], 1);
        assert_eq!(ranks(1, 2)[2], 0);
        assert_eq!(ranks(2, 3)[..2], [0, 1]);
    }

    #[test]
    fn waits_are_ordered_first_and_random_after_a_failed_round() {
        let mut e = election(0, 2);
        e.heard(0, 1);
        assert_eq!(e.timeout(), 26);
        let drawn: Vec<_> = (0..50)
            .map(|_| {
                e.round_began();
                e.timeout()
            })
            .collect();
        assert!(drawn.iter().all(|t| (24..48).contains(t)));
        assert!(drawn.iter().any(|t| *t != drawn[0]));
        e.leader_is_dead();
        e.round_began();
        assert!((24..30).contains(&e.timeout()));
        e.heard(MS, 3);
        assert_eq!(e.timeout(), 28, "after node 1");
    }

    #[test]
    fn whoever_should_not_lead_comes_after_all_others() {
        let mut e = election(0, 1);
        e.heard(0, 2);
        assert_eq!(e.timeout(), 26);
        e.set_last(true);
        assert_eq!(e.timeout(), 32);
        let config = GroupConfig::new(GroupId(0), NodeId(1), 1);
        assert!(e.timeout() < Election::max_ticks(&config, 3));
        e.set_last(false);
        assert_eq!(e.timeout(), 26);
    }

    #[test]
    fn the_promise_covers_start_and_every_leader_message() {
        let mut e = election(0, 2);
        assert!(e.promised(122 * MS - 1) && !e.promised(122 * MS));
        e.heard(200 * MS, 1);
        assert!(e.promised(322 * MS - 1) && !e.promised(322 * MS));
        e.leader_is_dead();
        assert!(e.promised(322 * MS - 1), "evidence does not shorten it");
        assert!(!e.evidence_due(322 * MS - 1) && e.evidence_due(322 * MS));
    }

    #[test]
    fn held_requests_are_bounded_and_one_per_sender() {
        let mut e = election(0, 1);
        for from in 0..MAX_HELD as u64 + 5 {
            assert_eq!(e.hold(Message { from, ..Message::default() }), from < MAX_HELD as u64);
        }
        assert!(e.hold(Message { from: 3, term: 9, ..Message::default() }));
        let held = e.take_held();
        assert_eq!(held.len(), MAX_HELD);
        assert_eq!(held[&3].term, 9);
        assert!(!e.holds_any());
    }
}
