//! What is sent again after a change of leaders: no command runs after a later one of its connection
//! that was executed already.
//!
//! A command without effects (a condition that failed, a read) is recorded nowhere: only its reply
//! tells that it was executed, and that may be lost with the leader. Run again after a later command of
//! its connection it would see what that did: of `SET k a XX`, `SET k b` the wrong one would stay. But
//! a leader takes the requests of an attempt in their order, and those of a connection are sent in
//! theirs; so if the window knows one of them, all before it had their turn, and those of them that the
//! window does not know had no effects. Such a one is answered with [`Status::NoEffect`], which is an
//! error for the client, and never runs.
//!
//! The window has to be asked for the whole batch ([`router::wire::Again`]) before any of it runs, and
//! not before this leader has applied an entry of its own term: only then it knows all that earlier
//! leaders did. It can not have lost what is asked for: what is not answered is above the mark of its
//! origin, and what left the window for lack of room is known to be forgotten, which counts as
//! executed. What has no id, or is not asked for any more, its origin knows (`Route::passed_by`).
//!
//! Until the last of a batch has come its requests wait apart, so that an origin that falls silent in
//! the middle holds nobody else up.

use crate::core::Core;
use crate::replica::{Arrival, Parked, Replica};
use model::{GroupId, NodeId};
use router::Flags;
use router::wire::{Again, Status};
use shard::window::Seen;
use std::collections::BTreeSet;

/// The part of a batch that has come from a node.
#[derive(Debug)]
pub struct Batch {
    attempt: u64,
    parked: Vec<Parked>,
}

/// What is known of a parked request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It runs when its turn comes.
    Runs,
    /// Part of a batch that is complete and not judged.
    Open(Again),
    /// It must not run: a later one of its connection was executed.
    NoEffect,
}

impl Replica {
    /// Requests that wait for this leader, for the end of their batch, or for rows.
    pub fn requests_waiting(&self) -> usize {
        self.parked.len()
            + self.cold.requests()
            + self.batches.values().map(|batch| batch.parked.len()).sum::<usize>()
    }

    /// Judges the batch at the front of the parked requests, if there is one. This leader is ready.
    fn judge(&mut self) {
        let mut batch = Vec::new();
        for parked in &self.parked {
            let Standing::Open(again) = parked.standing else { break };
            batch.push(again);
            if !again.more {
                break;
            }
        }
        let mut passed = BTreeSet::new();
        for (at, again) in batch.into_iter().enumerate().rev() {
            let write = Flags(self.parked[at].request.first().copied().unwrap_or(0)).has(Flags::WRITE);
            let known = write && self.machine.seen(self.parked[at].id) != Err(Seen::New);
            let gone = again.sent && !known && (again.passed || passed.contains(&again.domain));
            self.parked[at].standing = if gone { Standing::NoEffect } else { Standing::Runs };
            if known && again.domain != 0 {
                passed.insert(again.domain);
            }
        }
    }
}

impl Core {
    /// A request of an attempt of a node (or of this one): runs, or waits for its leader or its batch.
    pub(crate) fn receive(
        &mut self,
        group: GroupId,
        from: NodeId,
        attempt: u64,
        arrival: Arrival<'_>,
        again: Option<Again>,
    ) {
        let id = self.id_of(arrival.source);
        let Some(replica) = self.replica(group) else { return };
        replica.take_in();
        replica.cold.begin_attempt(from, attempt);
        if again.is_none() && replica.batches.is_empty() {
            return self.submit(group, arrival);
        }
        // Of an earlier attempt nothing more will come.
        let open = replica.batches.remove(&from).filter(|batch| batch.attempt == attempt);
        if again.is_none() && open.is_none() {
            return self.submit(group, arrival);
        }
        let mut batch = open.unwrap_or(Batch { attempt, parked: Vec::new() });
        let standing = again.map_or(Standing::Runs, Standing::Open);
        batch.parked.push(arrival.park(id, standing));
        if again.is_some_and(|again| again.more) {
            replica.batches.insert(from, batch);
        } else {
            replica.parked.extend(batch.parked);
            replica.active = true;
        }
    }

    /// An attempt of a node is over: what has come of an incomplete batch is sent again.
    pub(crate) fn end_batch(&mut self, group: GroupId, from: NodeId) {
        let replica = self.replicas.get_mut(group.0 as usize).and_then(Option::as_deref_mut);
        if let Some(replica) = replica {
            replica.batches.remove(&from);
        }
    }

    /// Executes the first parked request. The leader is ready. False if there is none.
    pub(crate) fn run_parked(&mut self, group: GroupId) -> bool {
        let Some(replica) = self.replica(group) else { return false };
        replica.judge();
        let Some(p) = replica.parked.pop_front() else { return false };
        if p.standing == Standing::NoEffect {
            self.answer(group, p.source, Status::NoEffect, (0, 0), &[]);
        } else {
            self.execute(group, p.id, p.arrival());
        }
        true
    }
}
