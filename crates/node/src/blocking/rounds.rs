//! The rounds of commands that wait in a shard led here.
//!
//! A round is one request of an operation, and has a number: that of the request and of the attempt in which it came.
//! A later round has a request of its own, and what is sent again comes in a later attempt; so of an operation a
//! higher number is newer. Copies of older ones can be left where requests wait for this leader or for rows:
//! those whose round was over, those sent again since, those that another round has replaced. One rule is for all of
//! them: **of an operation the newest round counts, and that until it is answered**. Whatever else comes to run
//! would wait or take for nobody, and does nothing.

use crate::replica::{Parked, Source};
use model::NodeId;
use shard::machine::{Signals, Waited};
use std::collections::BTreeMap;

/// Most commands that wait in one shard. More are refused.
pub(super) const MAX_BLOCKED: usize = 65_536;

/// Who is served first: ms since 1970 at which the client began to wait, its node, and the operation there.
pub(super) type Turn = (u64, NodeId, u64);

/// A command that waits at the leader of its keys.
#[derive(Debug)]
pub(super) struct Waiter {
    /// Its request.
    pub parked: Parked,
    /// What it waits for.
    pub keys: Vec<Waited>,
    /// It takes what it finds; who only reads leaves it for others.
    pub takes: bool,
}

/// Where a round stands.
#[derive(Debug)]
enum State {
    /// Its command runs, or its request waits to run.
    Runs,
    /// Its command waits until one of its keys has changed.
    Waits(Waiter),
    /// It is answered.
    Over,
}

/// Sequence number of a request, and the attempt in which it came. This node's own come once to itself.
type Number = (u64, u64);

fn number(source: Source) -> Number {
    match source {
        Source::Own { seq } => (seq, 0),
        Source::Peer { attempt, seq, .. } => (seq, attempt),
    }
}

#[derive(Debug)]
struct Round {
    number: Number,
    /// Monotonic ms at which it ends.
    until_ms: u64,
    /// Its command has waited before.
    again: bool,
    state: State,
}

/// Rounds by operation, the longest waiting first.
#[derive(Debug, Default)]
pub struct Rounds {
    rounds: BTreeMap<Turn, Round>,
    /// How many of them wait.
    waiting: usize,
    /// That of which the command runs now.
    running: Option<Turn>,
}

impl Rounds {
    /// Commands that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether nothing is known here that could ever be too much.
    pub(crate) fn is_empty(&self) -> bool {
        self.rounds.is_empty()
    }

    /// Whether a command that may wait runs now.
    pub(crate) fn runs(&self) -> bool {
        self.running.is_some()
    }

    /// Whether that command has waited before.
    pub(crate) fn runs_again(&self) -> bool {
        self.running().is_some_and(|round| round.again)
    }

    /// Monotonic ms at which the round of the command that runs now ends; `None`: none runs that may wait.
    pub(crate) fn running_until_ms(&self) -> Option<u64> {
        self.running().map(|round| round.until_ms)
    }

    fn running(&self) -> Option<&Round> {
        self.rounds.get(&self.running?)
    }

    /// A request for a round comes to run: for the first time, because a key has changed, or because the round is
    /// over. False if it does not count any more. `again`: its client has waited in earlier rounds.
    pub(super) fn begin(
        &mut self,
        turn: Turn,
        source: Source,
        until_ms: u64,
        again: bool,
        signals: &mut Signals,
    ) -> bool {
        let number = number(source);
        // What waits is an older copy of it, or of an older round.
        let outdated = self.rounds.get(&turn).is_some_and(|known| {
            number < known.number || number == known.number && matches!(known.state, State::Over)
        });
        if outdated {
            return false;
        }
        self.take(turn, signals);
        let mut round = Round { number, until_ms, again, state: State::Runs };
        if let Some(known) = self.rounds.get(&turn).filter(|known| known.number.0 == number.0) {
            // The same round: it ends when it was to end.
            round = Round { until_ms: known.until_ms, again: again || known.again, ..round };
        }
        self.rounds.insert(turn, round);
        self.running = Some(turn);
        true
    }

    /// The command of a round has run. `waits`: its request runs once more, when rows are there.
    pub(super) fn has_run(&mut self, turn: Turn, waits: bool) {
        self.running = None;
        let Some(round) = self.rounds.get_mut(&turn) else { return };
        if waits || !matches!(round.state, State::Runs) {
            return;
        }
        // Of a first round that was answered by effects all copies have their answer in the window.
        if round.again {
            round.state = State::Over;
        } else {
            self.rounds.remove(&turn);
        }
    }

    /// The command that runs now has found nothing, and its client is told so.
    pub(super) fn answered_with_nothing(&mut self) {
        let round = self.running.and_then(|turn| self.rounds.get_mut(&turn));
        round.into_iter().for_each(|round| round.state = State::Over);
    }

    /// The command that runs now waits.
    pub(super) fn wait(&mut self, waiter: Waiter, signals: &mut Signals) {
        let Some(round) = self.running.and_then(|turn| self.rounds.get_mut(&turn)) else { return };
        waiter.keys.iter().for_each(|key| signals.wait(*key));
        (round.again, round.state) = (true, State::Waits(waiter));
        self.waiting += 1;
    }

    /// Takes what waits out, to run.
    pub(super) fn take(&mut self, turn: Turn, signals: &mut Signals) -> Option<Parked> {
        let round = self.rounds.get_mut(&turn)?;
        match std::mem::replace(&mut round.state, State::Runs) {
            State::Waits(waiter) => {
                waiter.keys.iter().for_each(|key| signals.leave(*key));
                self.waiting -= 1;
                Some(waiter.parked)
            }
            other => {
                round.state = other;
                None
            }
        }
    }

    /// A round ends now, wherever its request is. What waited has to run once more.
    pub(super) fn end(&mut self, turn: Turn, now_ms: u64, signals: &mut Signals) -> Option<Parked> {
        let round = self.rounds.get_mut(&turn)?;
        round.until_ms = round.until_ms.min(now_ms);
        self.take(turn, signals)
    }

    /// A round is answered without another look, if it waits: its client is gone.
    pub(super) fn abandon(&mut self, turn: Turn, now_ms: u64, signals: &mut Signals) -> Option<Parked> {
        let parked = self.end(turn, now_ms, signals)?;
        self.rounds.get_mut(&turn).into_iter().for_each(|round| round.state = State::Over);
        Some(parked)
    }

    /// Those who wait for a key, in their order, and whether they take.
    pub(super) fn who_wait_for(&self, key: Waited) -> Vec<(Turn, bool)> {
        let waits = |(turn, round): (&Turn, &Round)| match &round.state {
            State::Waits(waiter) if waiter.keys.contains(&key) => Some((*turn, waiter.takes)),
            _ => None,
        };
        self.rounds.iter().filter_map(waits).collect()
    }

    /// Whether an operation waits.
    pub(super) fn waits(&self, turn: Turn) -> bool {
        self.rounds.get(&turn).is_some_and(|round| matches!(round.state, State::Waits(_)))
    }

    /// Operations of which the round is over and that wait.
    pub(super) fn due(&self, now_ms: u64) -> Vec<Turn> {
        let due =
            |(_, round): &(&Turn, &Round)| round.until_ms <= now_ms && matches!(round.state, State::Waits(_));
        self.rounds.iter().filter(due).map(|(turn, _)| *turn).collect()
    }

    /// No request waits to run here: of what does not wait there are no copies.
    pub(super) fn forget_answered(&mut self) {
        if self.rounds.len() > self.waiting {
            self.rounds.retain(|_, round| matches!(round.state, State::Waits(_)));
        }
    }

    /// A node was started anew: nobody there waits for answers to its requests.
    pub(crate) fn forget_peer(&mut self, node: NodeId, signals: &mut Signals) {
        let turns: Vec<Turn> = self.rounds.keys().filter(|(_, of, _)| *of == node).copied().collect();
        for turn in turns {
            self.take(turn, signals);
            self.rounds.remove(&turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::again::Standing;
    use model::effect::WriteId;
    use model::{Keyspace, Position};

    const TURN: Turn = (5, NodeId(2), 7);
    const KEY: Waited = (Keyspace(0), Position(9));

    fn source(seq: u64, attempt: u64) -> Source {
        Source::Peer { node: NodeId(2), attempt, seq }
    }

    fn waiter(source: Source) -> Waiter {
        let id = WriteId { origin: NodeId(2), incarnation: 1, seq: 1 };
        let parked = Parked { source, id, domain: 0, slot: 0, request: Vec::new(), standing: Standing::Runs };
        Waiter { parked, keys: vec![KEY], takes: true }
    }

    /// Begins a round, which finds nothing and waits.
    fn waits(rounds: &mut Rounds, signals: &mut Signals, of: Source, until_ms: u64) {
        assert!(rounds.begin(TURN, of, until_ms, false, signals));
        rounds.wait(waiter(of), signals);
        rounds.has_run(TURN, false);
    }

    #[test]
    fn an_older_copy_never_runs_beside_a_newer_one() {
        let (mut rounds, mut signals) = (Rounds::default(), Signals::default());
        waits(&mut rounds, &mut signals, source(10, 1), 100);
        // Its round is over, and its request waits to run when the same comes again, in a later attempt.
        assert_eq!(rounds.end(TURN, 100, &mut signals).map(|parked| parked.source), Some(source(10, 1)));
        assert!(rounds.begin(TURN, source(10, 2), 900, false, &mut signals));
        assert_eq!(rounds.running_until_ms(), Some(100), "the same round ends when it was to end");
        rounds.answered_with_nothing();
        rounds.has_run(TURN, false);
        assert!(!rounds.begin(TURN, source(10, 1), 100, false, &mut signals), "older");
        // The next round: the old copy does not replace it.
        assert!(rounds.begin(TURN, source(11, 2), 1100, true, &mut signals));
        assert!(rounds.runs_again());
        rounds.wait(waiter(source(11, 2)), &mut signals);
        rounds.has_run(TURN, false);
        assert!(!rounds.begin(TURN, source(10, 1), 100, false, &mut signals));
        assert!(rounds.waits(TURN) && rounds.waiting() == 1);
    }

    #[test]
    fn what_was_answered_is_not_answered_twice() {
        let (mut rounds, mut signals) = (Rounds::default(), Signals::default());
        let own = Source::Own { seq: 3 };
        waits(&mut rounds, &mut signals, own, 100);
        assert!(rounds.end(TURN, 100, &mut signals).is_some());
        assert!(rounds.begin(TURN, own, 900, false, &mut signals));
        rounds.answered_with_nothing();
        rounds.has_run(TURN, false);
        // A copy that this node sent itself again meanwhile.
        assert!(!rounds.begin(TURN, own, 900, false, &mut signals));
        rounds.forget_answered();
        assert!(rounds.is_empty());
    }

    #[test]
    fn who_is_gone_waits_no_more_and_leaves_no_signals() {
        let (mut rounds, mut signals) = (Rounds::default(), Signals::default());
        waits(&mut rounds, &mut signals, source(1, 1), 100);
        assert_eq!(rounds.who_wait_for(KEY), [(TURN, true)]);
        assert!(rounds.due(99).is_empty() && rounds.due(100) == [TURN]);
        assert!(rounds.abandon(TURN, 50, &mut signals).is_some());
        assert_eq!((rounds.waiting(), rounds.who_wait_for(KEY)), (0, vec![]));
        assert!(!rounds.begin(TURN, source(1, 1), 100, false, &mut signals));
        rounds.forget_peer(NodeId(2), &mut signals);
        assert!(rounds.is_empty());
    }
}
