//! The leader's right to serve reads: a lease of our own, and single rounds where none may be taken.
//!
//! A lease counts from the instant before the read-index round that proved the quorum was begun
//! (safety rule 7), lasts one tick and the drift margin less than the base election timeout, and rests
//! on the vote promise of those who answered. The caller checks it again after the read.

use crate::config::GroupConfig;
use crate::group::Group;
use crate::output::{Output, ReadDone};
use crate::propose::Refused;
use model::planted::{Bug, is_planted};
use model::time::MS;
use model::{Now, Term};
use raft::{ReadState, StateRole};
use std::collections::VecDeque;

/// Most rounds in flight; a turn's reads share one.
pub(crate) const MAX_ROUNDS: usize = 64;

/// Names a round of [`Group::read_index`] in [`Output::reads`]; unique for the life of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoundId(pub u64);

#[derive(Debug)]
struct Round {
    id: u64,
    /// For the lease, not for a read.
    lease: bool,
    /// Makes the context of each attempt unique: an answer must not be taken for a later attempt's.
    attempt: u64,
    /// The instant before the attempt was begun.
    start_ns: u64,
}

#[derive(Debug)]
pub(crate) struct Leases {
    until_ns: u64,
    length_ns: u64,
    /// An attempt without an outcome is repeated after this long: the library drops them silently
    /// before the term's first commit and on every reset.
    retry_ns: u64,
    /// The term in which MsgTimeoutNow may have been sent (rule 6).
    barred: Term,
    next_id: u64,
    next_attempt: u64,
    rounds: VecDeque<Round>,
    /// Reads whose outcome is that leadership was lost.
    lost: Vec<RoundId>,
}

impl Leases {
    pub(crate) fn new(config: &GroupConfig) -> Leases {
        let length_ms = (config.election_ticks() as u64 - 1) * config.tick_ms - config.drift_ms;
        Leases {
            until_ns: 0,
            length_ns: length_ms * MS,
            retry_ns: config.base_election_ms * MS / 2,
            barred: 0,
            next_id: 1,
            next_attempt: 1,
            rounds: VecDeque::new(),
            lost: Vec::new(),
        }
    }

    /// Term, role or configuration changed.
    pub(crate) fn lose(&mut self) {
        self.until_ns = 0;
        let reads = self.rounds.drain(..).filter(|r| !r.lease);
        self.lost.extend(reads.map(|r| RoundId(r.id)));
    }

    /// A transfer begins: the next leader need not wait for the lease, so it ends now. Rounds of
    /// reads go on, they prove leadership each for itself.
    pub(crate) fn give_up(&mut self) {
        self.until_ns = 0;
        self.rounds.retain(|r| !r.lease);
    }

    /// MsgTimeoutNow is leaving in `term`: its receiver may campaign at any later time.
    pub(crate) fn bar(&mut self, term: Term) {
        self.give_up();
        self.barred = term;
    }

    fn begin(&mut self, lease: bool, now_ns: u64) -> (u64, Vec<u8>) {
        let (id, attempt) = (self.next_id, self.next_attempt);
        self.next_id += 1;
        self.next_attempt += 1;
        self.rounds.push_back(Round { id, lease, attempt, start_ns: now_ns });
        (id, context(id, attempt))
    }

    fn retry(&mut self, now_ns: u64) -> Option<Vec<u8>> {
        let late = |r: &&mut Round| now_ns.saturating_sub(r.start_ns) >= self.retry_ns;
        let round = self.rounds.iter_mut().find(late)?;
        round.attempt = self.next_attempt;
        round.start_ns = now_ns;
        self.next_attempt += 1;
        Some(context(round.id, round.attempt))
    }

    /// The round a quorum has answered, if it still matters.
    fn answered(&mut self, request: &[u8]) -> Option<Round> {
        let (id, attempt) = request.split_at_checked(8)?;
        let id = u64::from_be_bytes(id.try_into().ok()?);
        let attempt = u64::from_be_bytes(attempt.try_into().ok()?);
        let at = self.rounds.iter().position(|r| r.id == id)?;
        // A read is answered by any attempt, all began after it. A lease counts from its attempt.
        if self.rounds[at].lease && self.rounds[at].attempt != attempt {
            return None;
        }
        self.rounds.remove(at)
    }
}

fn context(id: u64, attempt: u64) -> Vec<u8> {
    let mut context = Vec::with_capacity(16);
    context.extend_from_slice(&id.to_be_bytes());
    context.extend_from_slice(&attempt.to_be_bytes());
    context
}

/// The clock by which rounds and leases are measured, ns.
pub(crate) fn clock_ns(now: Now) -> u64 {
    // Planted: see model/planted.rs
    if is_planted(Bug::ClockExtendsLease) { now.wall_ms * MS } else { now.mono_ns }
}

impl Group {
    /// True if this replica may serve a linearizable read at `now` from its applied rows. Ask again
    /// with a later clock after the read: the lease may have ended during it.
    #[inline]
    pub fn lease_valid(&self, now: Now) -> bool {
        clock_ns(now) < self.leases.until_ns && self.may_take_lease()
    }

    /// Monotonic ns at which the lease ends unless it is renewed; 0 without one. To be asked before a
    /// transfer, which gives the lease up, for reads that were executed under it just before.
    pub fn lease_until_ns(&self) -> u64 {
        if self.may_take_lease() { self.leases.until_ns } else { 0 }
    }

    /// Renews the lease if it is missing or past its half and no round is under way. To be called
    /// when reads come, so that a group nobody reads sends nothing.
    pub fn want_lease(&mut self, now: Now) {
        let half = self.leases.until_ns.saturating_sub(self.leases.length_ns / 2);
        if clock_ns(now) < half || !self.may_take_lease() || self.leases.rounds.iter().any(|r| r.lease) {
            return;
        }
        let (_, context) = self.leases.begin(true, clock_ns(now));
        self.raw.read_index(context);
    }

    /// False in a term in which MsgTimeoutNow may have been sent: reads then need a round each.
    #[inline]
    pub fn may_take_lease(&self) -> bool {
        self.transfer.is_none() && self.own_term_applied() && self.leases.barred != self.raw.raft.term
    }

    /// Begins a round that proves leadership for the reads at hand. Its outcome is in
    /// [`Output::reads`] of a later turn; it is repeated until then or until leadership is lost.
    pub fn read_index(&mut self, now: Now) -> Result<RoundId, Refused> {
        if self.raw.raft.state != StateRole::Leader {
            return Err(Refused::NotLeader { leader: self.leader() });
        }
        if !self.own_term_applied() {
            return Err(Refused::NotReady);
        }
        if self.leases.rounds.len() >= MAX_ROUNDS {
            return Err(Refused::Rounds { max: MAX_ROUNDS });
        }
        let (id, context) = self.leases.begin(false, clock_ns(now));
        self.raw.read_index(context);
        Ok(RoundId(id))
    }

    pub(crate) fn expire_rounds(&mut self, now_ns: u64) {
        while !self.leases.rounds.is_empty() {
            let Some(context) = self.leases.retry(now_ns) else { return };
            self.raw.read_index(context);
        }
    }

    /// Reads that lost their leader are reported even in a turn without a Ready.
    pub(crate) fn report_lost_reads(&mut self, out: &mut Output) {
        out.reads.extend(self.leases.lost.drain(..).map(|id| ReadDone { id, index: None }));
    }

    pub(crate) fn finish_rounds(&mut self, states: Vec<ReadState>, out: &mut Output) {
        for state in states {
            match self.leases.answered(&state.request_ctx) {
                Some(round) if round.lease => {
                    let until = round.start_ns.saturating_add(self.leases.length_ns);
                    self.leases.until_ns = self.leases.until_ns.max(until);
                }
                Some(round) => {
                    out.reads.push(ReadDone { id: RoundId(round.id), index: Some(state.index) });
                }
                None => {}
            }
        }
    }
}
