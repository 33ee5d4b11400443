//! The way to one shard: which node leads it, and the requests that wait for its answers.
//!
//! A request stays here until it is answered, in the order in which it was handed in. The front part
//! of the queue was sent to the current leader in the current *attempt*; a new leader, a new term,
//! a new connection or a refusal starts a new attempt, in which all is sent again under the same
//! ids. A leader that refused one request of an attempt refuses all later ones of it, so the order
//! of a connection's commands is kept.
//!
//! What was sent before is sent again as one *batch*, marked as such ([`Again`]), and no request of a
//! connection may run again after a later one of it that was executed already. Which were, the leader
//! knows from its window where it has effects, as long as it is still asked for: nothing above the
//! low-water mark leaves the window unnoticed, and everything unanswered is above it. What the batch
//! does not show is noted here, as `passed`: later ones that were answered, given up, or executed on
//! this node without an id.

use crate::forward::Forward;
use crate::wire::Again;
use model::{NodeId, Term};
use std::collections::{BTreeMap, VecDeque};

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
    /// How many at the front of the queue are the batch that is sent again.
    again: usize,
    /// The leader was told that more of the batch follows.
    open: bool,
    bytes: usize,
    /// Reruns stand before requests with lower numbers: the front is not the lowest.
    shuffled: bool,
    /// While set, the fate of requests executed here is not known yet and nothing is sent.
    frozen: bool,
    /// While set, requests that must run before all of these may still be under way to another shard.
    held: bool,
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
        !self.frozen && !self.held && self.sent == self.queue.len()
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
        self.open = false;
        self.again = self.queue.iter().rposition(Forward::may_have_run).map_or(0, |last| last + 1);
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

    /// A part of the slots of this shard becomes another shard's: marks the requests under way that may have keys
    /// of them, as `moves` says.
    pub fn mark_moving(&mut self, moves: impl Fn(&Forward) -> bool) {
        self.queue.iter_mut().for_each(|forward| forward.before_split |= moves(forward));
    }

    /// True while a request is under way that was marked.
    pub fn has_moving(&self) -> bool {
        self.queue.iter().any(|forward| forward.before_split)
    }

    /// Sends nothing until [`Route::release`]: requests that come from another shard have to run first.
    pub fn hold(&mut self) {
        self.held = true;
    }

    /// Whether it is held.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Goes on, and gives back what was handed in while it was held, to be queued in its order with what has to run first.
    pub fn release(&mut self) -> Vec<Forward> {
        self.held = false;
        (self.sent, self.again, self.bytes) = (0, 0, 0);
        self.queue.drain(..).collect()
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

    /// The next request to hand to the leader, now counted as sent, and its place in the batch that is
    /// sent again, if it is of it. `next_seq` numbers it if it is new.
    pub fn send_next(&mut self, next_seq: &mut u64) -> Option<(&Forward, Option<Again>)> {
        // The leader waits for the end of a batch, so that is sent whatever it comes to.
        let full = self.sent >= MAX_OUTSTANDING.max(self.again);
        if self.frozen || self.held || self.leader.is_none() || full {
            return None;
        }
        let forward = self.queue.get_mut(self.sent)?;
        self.sent += 1;
        let more = self.sent < self.again;
        let again = (self.sent <= self.again).then_some(Again {
            sent: forward.may_have_run(),
            more,
            passed: forward.passed,
            domain: forward.domain,
        });
        self.open = more;
        forward.attempt = self.attempt;
        if forward.seq == 0 {
            forward.seq = *next_seq;
            *next_seq += 1;
        }
        Some((forward, again))
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

    /// The answer to a request came: takes it out. `None` when it is not waited for any more. `wrote`:
    /// it was executed and has effects.
    pub fn answered(&mut self, seq: u64, wrote: bool) -> Option<Forward> {
        let at = self.position(seq)?;
        if wrote {
            self.pass_before(at);
        } else {
            self.pass_those_that_share(at);
        }
        self.take(at)
    }

    /// An answer without effects overtakes those of commands on several keys before it that wait for more
    /// entries. What has been read must not be read older by one after it: if such a command has a key (or
    /// any argument) in common with it, it must not run again.
    fn pass_those_that_share(&mut self, at: usize) {
        let domain = self.queue[at].domain;
        if domain == 0 || !self.queue.range(..at).any(|f| f.domain == domain && f.may_have_run()) {
            return;
        }
        let answered = self.queue[at].request.clone();
        let Ok(answered) = answered.parts() else { return };
        for forward in self.queue.range_mut(..at).filter(|f| f.domain == domain && f.may_have_run()) {
            let shares = forward.request.parts().is_ok_and(|parts| {
                parts.args.iter().skip(1).any(|arg| answered.args.iter().skip(1).any(|other| arg == other))
            });
            forward.passed |= shares;
        }
    }

    /// True when an answer that tells of no effects says nothing any more: it is of an earlier attempt
    /// than the last, and in that the request may have had effects.
    pub fn outdated(&self, attempt: u64, seq: u64) -> bool {
        attempt != self.attempt
            && self.position(seq).is_some_and(|at| {
                let forward = &self.queue[at];
                forward.is_write() && forward.attempt != attempt
            })
    }

    /// Where the request with this number is.
    fn position(&self, seq: u64) -> Option<usize> {
        if self.shuffled {
            return self.queue.iter().position(|f| f.seq == seq);
        }
        // Numbers are given from the front on, so those that have none yet are behind all that have one.
        let number = |f: &Forward| if f.seq == 0 { u64::MAX } else { f.seq };
        self.queue.binary_search_by_key(&seq, number).ok()
    }

    fn take(&mut self, at: usize) -> Option<Forward> {
        let forward = self.queue.remove(at)?;
        self.bytes -= forward.memory();
        self.sent -= usize::from(at < self.sent);
        self.again -= usize::from(at < self.again);
        if self.open && self.sent >= self.again {
            // The leader waits for the end of the batch, and that was it.
            self.restart();
        }
        Some(forward)
    }

    /// What was sent before the request at this place, of its connection, was passed by it.
    fn pass_before(&mut self, at: usize) {
        let domain = self.queue[at].domain;
        if domain != 0 {
            let before = self.queue.range_mut(..at);
            before.filter(|f| f.domain == domain && f.may_have_run()).for_each(|f| f.passed = true);
        }
    }

    /// Commands that this node executed under no id had, or may have had effects: what their
    /// connections sent before was passed. By connection: the order of execution of the last of them.
    pub fn passed_by(&mut self, last: &BTreeMap<u64, u64>) {
        for forward in self.queue.iter_mut().filter(|f| f.may_have_run()) {
            forward.passed |= last.get(&forward.domain).is_some_and(|&order| forward.order < order);
        }
    }

    /// True if a request of the connection will run again that was executed on this node between these
    /// places in its order of execution.
    pub fn runs_again_before(&self, conn: u64, after: u64, before: u64) -> bool {
        let again = |f: &&Forward| f.domain == conn && f.may_have_run() && !f.passed;
        self.queue.iter().filter(again).any(|f| f.order > after && f.order < before)
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
            if self.queue[at].deadline_ms > now_ms {
                continue;
            }
            let unknown = self.queue[at].may_have_run() && self.queue[at].is_write();
            if unknown {
                self.pass_before(at);
            }
            overdue.extend(self.take(at).map(|forward| Overdue { forward, unknown }));
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
        std::iter::from_fn(|| route.send_next(seq).map(|(f, _)| f.seq)).collect()
    }

    #[test]
    fn an_answer_finds_its_request_wherever_that_stands() {
        let (mut route, mut seq) = (Route::default(), 1);
        let push = |route: &mut Route, slots: std::ops::Range<u64>| {
            slots.for_each(|slot| route.push(forward(slot, 9)).unwrap());
        };
        push(&mut route, 0..50);
        route.set_leader(Some(NodeId(1)), 5);
        assert_eq!(sent(&mut route, &mut seq).len(), 50);
        push(&mut route, 50..60);
        let slot = |forward: Option<Forward>| forward.map(|f| f.target);
        let of = |slot| Some(Target::Slot { conn: 1, slot });
        for number in [1, 50, 7, 49, 20] {
            assert_eq!(slot(route.answered(number, true)), of(number - 1));
            assert_eq!(slot(route.answered(number, true)), None, "it was taken out");
        }
        // A rerun is put before those that were sent later and have lower numbers.
        let rerun = Forward { seq: 99, order: 0, ..forward(77, 9) };
        route.freeze();
        route.thaw(vec![rerun]);
        assert_eq!(slot(route.answered(99, true)), of(77));
        assert_eq!(slot(route.answered(30, true)), of(29));
        assert_eq!((slot(route.answered(51, true)), route.len()), (None, 54), "that was never sent");
        let left: Vec<u64> = sent(&mut route, &mut seq);
        assert!(left.is_sorted() && left.len() == 54);
        left.into_iter().for_each(|number| assert!(route.answered(number, false).is_some()));
        assert_eq!(route.low_water(seq), seq);
        push(&mut route, 0..3);
        assert_eq!(sent(&mut route, &mut seq), [61, 62, 63]);
        assert_eq!(slot(route.answered(62, true)), of(1));
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
        assert!(route.answered(2, false).is_some());
        assert!(route.answered(2, false).is_none());
        assert!(!route.set_leader(Some(NodeId(2)), 4), "an older term says nothing");
        assert!(route.set_leader(Some(NodeId(2)), 6));
        route.push(forward(3, 9)).unwrap();
        assert_eq!(sent(&mut route, &mut seq), [1, 3, 4]);
        assert_eq!(route.low_water(seq), 1);
        assert!(route.refused(route.attempt()));
        assert!(!route.refused(route.attempt() - 1));
        assert_eq!(sent(&mut route, &mut seq), [1, 3, 4]);
        [1, 3, 4].iter().for_each(|&s| assert!(route.answered(s, false).is_some()));
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
        assert_eq!(
            route.send_next(&mut seq).map(|(f, _)| target(f)),
            Some(Target::Slot { conn: 1, slot: 6 })
        );
        assert_eq!(
            route.send_next(&mut seq).map(|(f, _)| target(f)),
            Some(Target::Slot { conn: 1, slot: 7 })
        );
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
        assert!(route.answered(1, false).is_some());
        assert_eq!(route.low_water(seq), 2);
        [2, 3].iter().for_each(|&s| assert!(route.answered(s, false).is_some()));
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

    /// Sent before, more to come, passed.
    type Marks = (bool, bool, bool);

    /// What is sent now: number, and place in a batch.
    fn batch(route: &mut Route, seq: &mut u64) -> Vec<(u64, Option<Marks>)> {
        let next = || route.send_next(seq).map(|(f, a)| (f.seq, a.map(|a| (a.sent, a.more, a.passed))));
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn what_is_sent_again_is_marked_up_to_its_last() {
        let (mut route, mut seq) = (Route::default(), 1);
        route.set_leader(Some(NodeId(1)), 5);
        (0..3).for_each(|slot| route.push(forward(slot, 9)).unwrap());
        assert_eq!(batch(&mut route, &mut seq), [(1, None), (2, None), (3, None)]);
        route.push(forward(3, 9)).unwrap();
        let mut rerun = forward(6, 9);
        rerun.order = 1;
        route.freeze();
        route.thaw(vec![rerun]);
        let (new, more, last) = ((false, true, false), (true, true, false), (true, false, false));
        let expected = [(4, Some(new)), (1, Some(more)), (2, Some(more)), (3, Some(last)), (5, None)];
        assert_eq!(batch(&mut route, &mut seq), expected);
    }

    #[test]
    fn a_batch_whose_end_is_answered_begins_anew() {
        let (mut route, mut seq) = (Route::default(), 1);
        route.set_leader(Some(NodeId(1)), 5);
        (0..3).for_each(|slot| route.push(forward(slot, 9)).unwrap());
        assert_eq!(sent(&mut route, &mut seq), [1, 2, 3]);
        route.restart();
        let attempt = route.attempt();
        assert!(route.send_next(&mut seq).is_some_and(|(_, again)| again.is_some_and(|a| a.more)));
        assert!(route.answered(3, false).is_some());
        assert_eq!(route.attempt(), attempt, "2 is still to come");
        assert!(route.answered(2, false).is_some());
        assert_eq!(route.attempt(), attempt + 1, "nobody else can tell that it ends");
        assert_eq!(batch(&mut route, &mut seq), [(1, Some((true, false, false)))]);
    }

    #[test]
    fn what_a_later_one_passed_is_told() {
        let (mut route, mut seq) = (Route::default(), 1);
        route.set_leader(Some(NodeId(1)), 5);
        for (conn, deadline) in [(1, 99), (2, 99), (1, 99), (1, 9), (1, 99)] {
            route.push(forward(0, deadline).in_order_of(conn)).unwrap();
        }
        assert_eq!(sent(&mut route, &mut seq), [1, 2, 3, 4, 5]);
        let passed =
            |route: &Route| -> Vec<u64> { route.iter().filter(|f| f.passed).map(|f| f.seq).collect() };
        route.answered(5, false);
        assert_eq!(passed(&route), []);
        route.answered(3, true);
        assert_eq!(passed(&route), [1], "of the same connection, and sent before");
        let mut route = Route::default();
        route.set_leader(Some(NodeId(1)), 5);
        for (conn, deadline) in [(1, 99), (2, 99), (1, 9), (1, 99)] {
            route.push(forward(0, deadline).in_order_of(conn)).unwrap();
        }
        seq = 1;
        sent(&mut route, &mut seq);
        assert_eq!(route.overdue(9).len(), 1);
        assert_eq!(passed(&route), [1], "what was given up may have been executed");
        route.queue[1].order = 7;
        route.queue[2].order = 9;
        route.passed_by(&BTreeMap::from([(2, 8), (1, 9)]));
        assert_eq!(passed(&route), [1, 2]);
    }

    #[test]
    fn of_an_earlier_attempt_only_effects_count() {
        let (mut route, mut seq) = (Route::default(), 1);
        route.set_leader(Some(NodeId(1)), 5);
        route.push(forward(0, 9)).unwrap();
        sent(&mut route, &mut seq);
        let first = route.attempt();
        assert!(!route.outdated(first, 1));
        route.restart();
        assert!(!route.outdated(first, 1), "nobody else has it yet");
        sent(&mut route, &mut seq);
        assert!(route.outdated(first, 1));
        assert!(!route.outdated(route.attempt(), 1));
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
