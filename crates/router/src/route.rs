//! The way to one shard: which node leads it, and the requests that wait for its answers.
//!
//! A request stays here until it is answered, in the order in which it was handed in. The front part
//! of the queue was sent to the current leader in the current *attempt*; a new leader, a new term,
//! a new connection or a refusal starts a new attempt, in which all is sent again under the same
//! ids. A leader that refused one request of an attempt refuses all later ones of it, so the order
//! of a connection's commands is kept.

use crate::forward::Forward;
use model::{NodeId, Term};
use std::collections::VecDeque;

/// Most requests sent and not answered; what comes above waits unsent.
pub const MAX_OUTSTANDING: usize = 16_384;
/// Most requests in the queue of a shard, sent or not.
pub const MAX_QUEUE: usize = 65_536;
/// Most bytes of requests in the queue of a shard.
pub const MAX_QUEUE_BYTES: usize = 256 * 1024 * 1024;

const _: () = assert!(MAX_OUTSTANDING <= 65_536, "the dedupe window must hold what may be asked again");

/// A request that waited too long.
#[derive(Debug)]
pub struct Overdue {
    /// The request.
    pub forward: Forward,
    /// It was handed to a leader and its fate is not known.
    pub unknown: bool,
}

/// The way to one shard.
#[derive(Debug, Default)]
pub struct Route {
    leader: Option<(NodeId, Term)>,
    attempt: u64,
    queue: VecDeque<Forward>,
    /// How many at the front of the queue were sent in this attempt.
    sent: usize,
    bytes: usize,
    /// Reruns stand before requests with lower numbers: the front is not the lowest.
    shuffled: bool,
    /// While set, the fate of requests executed here is not known yet and nothing is sent.
    frozen: bool,
    next_deadline_ms: u64,
}

impl Route {
    /// The node that leads the shard, as far as known, and its term.
    pub fn leader(&self) -> Option<(NodeId, Term)> {
        self.leader
    }

    /// Number of the current attempt.
    pub fn attempt(&self) -> u64 {
        self.attempt
    }

    /// Number of requests waiting.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// True when a request handed in now would be sent at once, with nothing before it unsent.
    pub fn is_clear(&self) -> bool {
        !self.frozen && self.sent == self.queue.len()
    }

    /// Learns who leads. Another leader or term starts a new attempt. Older terms are ignored.
    /// Returns true when something changed.
    pub fn set_leader(&mut self, leader: Option<NodeId>, term: Term) -> bool {
        let known = self.leader.map_or(0, |(_, term)| term);
        let new = leader.map(|node| (node, term));
        if term < known || (new.is_none() && self.leader.is_none()) || new == self.leader {
            return false;
        }
        if new.is_none() && term == known && self.leader.is_some() {
            // The leader of this term may only have fallen silent; keep the hint, stop sending.
            return false;
        }
        self.leader = new;
        self.restart();
        true
    }

    /// Everything will be sent again, in a new attempt.
    pub fn restart(&mut self) {
        self.attempt += 1;
        self.sent = 0;
    }

    /// The leader refused a request of this attempt: it will be sent again, with those after it.
    /// Returns false for an attempt that is over.
    pub fn refused(&mut self, attempt: u64) -> bool {
        if attempt != self.attempt {
            return false;
        }
        self.restart();
        true
    }

    /// Holds everything back until [`Route::thaw`].
    pub fn freeze(&mut self) {
        self.frozen = true;
    }

    /// Puts requests whose fate was found to be "not done" back in their place and goes on.
    pub fn thaw(&mut self, reruns: Vec<Forward>) {
        self.frozen = false;
        if !reruns.is_empty() {
            self.bytes += reruns.iter().map(Forward::memory).sum::<usize>();
            self.queue.extend(reruns);
            self.queue.make_contiguous().sort_by_key(|f| f.order);
            self.shuffled = true;
            self.restart();
        }
        self.next_deadline_ms = 0;
    }

    /// True while nothing may be sent.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Queues a request. `Err` gives it back when the queue is full.
    pub fn push(&mut self, forward: Forward) -> Result<(), Forward> {
        if self.queue.len() >= MAX_QUEUE || self.bytes + forward.memory() > MAX_QUEUE_BYTES {
            return Err(forward);
        }
        self.bytes += forward.memory();
        self.next_deadline_ms = self.next_deadline_ms.min(forward.deadline_ms);
        self.queue.push_back(forward);
        Ok(())
    }

    /// The next request to hand to the leader, now counted as sent. `next_seq` numbers it if it is new.
    pub fn send_next(&mut self, next_seq: &mut u64) -> Option<&mut Forward> {
        if self.frozen || self.leader.is_none() || self.sent >= MAX_OUTSTANDING {
            return None;
        }
        let forward = self.queue.get_mut(self.sent)?;
        self.sent += 1;
        if forward.seq == 0 {
            forward.seq = *next_seq;
            *next_seq += 1;
        }
        Some(forward)
    }

    /// Notes when a request was executed on this node.
    pub fn set_order(&mut self, seq: u64, order: u64) {
        // It was sent last.
        if let Some(forward) = self.sent.checked_sub(1).and_then(|at| self.queue.get_mut(at))
            && forward.seq == seq
        {
            forward.order = order;
        }
    }

    /// The answer to a request came: takes it out. `None` when it is not waited for any more.
    pub fn answered(&mut self, seq: u64) -> Option<Forward> {
        let at = self.queue.iter().position(|f| f.seq == seq)?;
        let forward = self.queue.remove(at)?;
        self.bytes -= forward.memory();
        if at < self.sent {
            self.sent -= 1;
        }
        Some(forward)
    }

    /// Every sequence number below was answered or given up. `next_seq`: the next one to be given.
    pub fn low_water(&mut self, next_seq: u64) -> u64 {
        self.shuffled &= !self.queue.is_empty();
        if self.shuffled {
            return self.queue.iter().filter(|f| f.seq != 0).map(|f| f.seq).min().unwrap_or(next_seq);
        }
        // Numbers are given from the front on, so the front has the lowest, or none has any.
        self.queue.front().map(|f| f.seq).filter(|seq| *seq != 0).unwrap_or(next_seq)
    }

    /// Takes out the requests whose time is over.
    pub fn overdue(&mut self, now_ms: u64) -> Vec<Overdue> {
        if now_ms < self.next_deadline_ms || self.queue.is_empty() {
            return Vec::new();
        }
        let mut overdue = Vec::new();
        for at in (0..self.queue.len()).rev() {
            if self.queue[at].deadline_ms <= now_ms
                && let Some(forward) = self.queue.remove(at)
            {
                self.bytes -= forward.memory();
                self.sent -= usize::from(at < self.sent);
                let unknown = forward.may_have_run() && forward.is_write();
                overdue.push(Overdue { forward, unknown });
            }
        }
        self.next_deadline_ms = self.queue.iter().map(|f| f.deadline_ms).min().unwrap_or(0);
        overdue.reverse();
        overdue
    }

    /// All requests, for those who must forget a connection's.
    pub fn iter(&self) -> impl Iterator<Item = &Forward> {
        self.queue.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::Target;
    use crate::request::{Flags, Request};
    use model::Keyspace;

    fn forward(slot: u64, deadline_ms: u64) -> Forward {
        let request = Request::new(Flags::WRITE, Keyspace(0), &[b"SET"]);
        Forward::new(Target::Slot { conn: 1, slot }, request, 0, deadline_ms)
    }

    fn sent(route: &mut Route, seq: &mut u64) -> Vec<u64> {
        std::iter::from_fn(|| route.send_next(seq).map(|f| f.seq)).collect()
    }

    #[test]
    fn a_new_leader_gets_everything_again_under_the_same_ids() {
        let (mut route, mut seq) = (Route::default(), 1);
        for slot in 0..3 {
            route.push(forward(slot, 9)).unwrap();
        }
        assert_eq!(sent(&mut route, &mut seq), [], "nobody leads yet");
        assert!(route.set_leader(Some(NodeId(1)), 5));
        assert_eq!(sent(&mut route, &mut seq), [1, 2, 3]);
        assert!(route.answered(2).is_some());
        assert!(route.answered(2).is_none());
        assert!(!route.set_leader(Some(NodeId(2)), 4), "an older term says nothing");
        assert!(route.set_leader(Some(NodeId(2)), 6));
        route.push(forward(3, 9)).unwrap();
        assert_eq!(sent(&mut route, &mut seq), [1, 3, 4]);
        assert_eq!(route.low_water(seq), 1);
        assert!(route.refused(route.attempt()));
        assert!(!route.refused(route.attempt() - 1));
        assert_eq!(sent(&mut route, &mut seq), [1, 3, 4]);
        [1, 3, 4].iter().for_each(|&s| assert!(route.answered(s).is_some()));
        assert_eq!(route.low_water(seq), 5);
    }

    #[test]
    fn a_frozen_route_waits_and_reruns_come_first() {
        let (mut route, mut seq) = (Route::default(), 1);
        route.set_leader(Some(NodeId(1)), 5);
        route.freeze();
        route.push(forward(7, 9)).unwrap();
        assert!(!route.is_clear());
        assert_eq!(sent(&mut route, &mut seq), []);
        let mut rerun = forward(6, 9);
        rerun.order = 1;
        route.thaw(vec![rerun]);
        let target = |f: &Forward| f.target;
        assert_eq!(route.send_next(&mut seq).map(|f| target(f)), Some(Target::Slot { conn: 1, slot: 6 }));
        assert_eq!(route.send_next(&mut seq).map(|f| target(f)), Some(Target::Slot { conn: 1, slot: 7 }));
        assert!(route.is_clear());
    }

    #[test]
    fn the_low_water_mark_holds_with_reruns_in_front() {
        let (mut route, mut seq) = (Route::default(), 1);
        route.set_leader(Some(NodeId(1)), 5);
        assert_eq!(route.low_water(seq), 1);
        for slot in 0..2 {
            route.push(forward(slot, 9)).unwrap();
        }
        assert_eq!(route.low_water(seq), 1, "nothing has a number yet");
        assert_eq!(sent(&mut route, &mut seq), [1, 2]);
        route.freeze();
        let mut rerun = forward(6, 9);
        rerun.order = 1;
        route.thaw(vec![rerun]);
        assert_eq!(sent(&mut route, &mut seq), [3, 1, 2], "the rerun comes first and has the highest number");
        assert_eq!(route.low_water(seq), 1);
        assert!(route.answered(1).is_some());
        assert_eq!(route.low_water(seq), 2);
        [2, 3].iter().for_each(|&s| assert!(route.answered(s).is_some()));
        assert_eq!(route.low_water(seq), 4);
    }

    #[test]
    fn overdue_requests_say_whether_they_may_have_run() {
        let (mut route, mut seq) = (Route::default(), 1);
        route.set_leader(Some(NodeId(1)), 5);
        route.push(forward(0, 10)).unwrap();
        route.send_next(&mut seq);
        route.push(forward(1, 10)).unwrap();
        route.push(forward(2, 30)).unwrap();
        assert!(route.overdue(9).is_empty());
        let overdue: Vec<bool> = route.overdue(10).iter().map(|o| o.unknown).collect();
        assert_eq!(overdue, [true, false]);
        assert_eq!(route.len(), 1);
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut route = Route::default();
        for slot in 0..MAX_QUEUE as u64 {
            route.push(forward(slot, 9)).unwrap();
        }
        assert!(route.push(forward(0, 9)).is_err());
    }
}
