//! Out of the library and into the log and the network, in an order that keeps its promises.
//!
//! Safety rule 1: what a Ready promises to peers leaves after its fdatasync and that of everything
//! before it. A leader's appends are no promise and may leave at once; a heartbeat response promises
//! only what term and vote already say (rule 5).

use crate::group::Group;
use crate::output::{Install, Output, Persist, SendSnapshot, SoftChange};
use model::planted::{Bug, is_planted};
use model::{Index, NodeId, Term};
use raft::eraftpb::{Message, MessageType};
use raft::{ProgressState, Ready, SnapshotStatus, StateRole};
use std::collections::BTreeSet;

/// A Ready whose promises wait for the log.
#[derive(Debug)]
pub(crate) struct PendingReady {
    number: u64,
    /// It asks for a write. Without one it is complete as soon as all before it are.
    writes: bool,
    /// First and last index it writes; a snapshot overwrites from 0.
    range: Option<(Index, Index)>,
    /// Term and vote it makes durable.
    vote: Option<(Term, u64)>,
    messages: Vec<Message>,
}

impl Group {
    /// Collects what the turn's calls led to. One pass per turn, at its end; if it returns true there
    /// is more than one pass hands out, and the next turn should come without waiting.
    pub fn ready(&mut self, out: &mut Output) -> bool {
        self.report_lost_reads(out);
        self.feed_witnesses();
        if !self.raw.has_ready() {
            if self.catches_up() {
                self.hand_out(Vec::new(), out);
            }
            return self.catches_up();
        }
        let mut rd = self.raw.ready();
        if let Some(soft) = rd.ss() {
            let leader = Some(soft.leader_id).filter(|id| *id != 0).map(NodeId);
            out.soft = Some(SoftChange { role: soft.raft_state, leader, term: self.raw.raft.term });
        }
        let states = rd.take_read_states();
        self.finish_rounds(states, out);
        let mut pending = self.hand_to_log(&mut rd, out);
        let mut messages = rd.take_messages();
        messages.append(&mut rd.take_persisted_messages());
        self.route(messages, &mut pending, out);
        let committed = rd.take_committed_entries();
        self.hand_out(committed, out);
        self.raw.advance_append_async(rd);
        self.pending.push_back(pending);
        self.complete(0, out);
        self.raw.has_ready() || self.catches_up()
    }

    /// Puts entries into the tail and asks for their write. A commit alone asks for none: it is known
    /// again after a restart, and rides along with the next write.
    fn hand_to_log(&mut self, rd: &mut Ready, out: &mut Output) -> PendingReady {
        let hard_state = self.raw.raft.hard_state();
        let voted = (hard_state.term, hard_state.vote) != (self.handed.term, self.handed.vote);
        let meta = rd.snapshot().get_metadata();
        let install = (meta.index != 0).then(|| Install {
            index: meta.index,
            term: meta.term,
            conf_state: meta.get_conf_state().clone(),
        });
        if let Some(install) = &install {
            self.raw.mut_store().restore(install.index, install.term, install.conf_state.clone());
            self.set_successors(&install.conf_state);
            // Its rows are there as well.
            (self.rebuild, self.guessed) = (None, None);
        }
        let entries = rd.take_entries();
        self.raw.mut_store().append(&entries);
        let ends = entries.first().zip(entries.last()).map(|(a, b)| (a.index, b.index));
        let pending = PendingReady {
            number: rd.number(),
            // Planted: see model/planted.rs
            writes: voted && !is_planted(Bug::VoteNotPersisted) || install.is_some() || !entries.is_empty(),
            range: match &install {
                Some(install) => Some((0, ends.map_or(install.index, |e| e.1))),
                None => ends,
            },
            vote: voted.then_some((hard_state.term, hard_state.vote)),
            messages: Vec::new(),
        };
        if pending.writes {
            let changed = hard_state != self.handed;
            if changed {
                self.handed = hard_state.clone();
            }
            let hard_state = changed.then_some(hard_state);
            // A write lost here would be acknowledged later.
            assert!(out.persist.is_none(), "the caller takes what it must persist");
            out.persist = Some(Persist { number: pending.number, install, entries, hard_state });
        }
        pending
    }

    /// Sorts messages into those that may leave and those that wait with their Ready.
    fn route(&mut self, messages: Vec<Message>, pending: &mut PendingReady, out: &mut Output) {
        let raft = &self.raw.raft;
        let term = raft.term;
        let known = pending.vote.is_none() && self.durable == (raft.term, raft.vote);
        let leads = raft.state == StateRole::Leader;
        for m in messages {
            let Some(m) = self.for_witness(m) else { continue };
            match m.msg_type {
                // Deposed in the same turn: the library has forgotten it as well.
                MessageType::MsgSnapshot if !leads => {}
                MessageType::MsgSnapshot => self.send_snapshot(m, out),
                MessageType::MsgTimeoutNow => {
                    self.leases.bar(term);
                    out.messages.push(m);
                }
                MessageType::MsgHeartbeatResponse if known => out.messages.push(m),
                // A single voter takes the lead before its term is durable; learners must not hear of it.
                _ if leads && known => out.messages.push(m),
                _ => pending.messages.push(m),
            }
        }
    }

    fn send_snapshot(&mut self, message: Message, out: &mut Output) {
        let meta = message.get_snapshot().get_metadata();
        let (to, index, term) = (NodeId(message.to), meta.index, meta.term);
        self.sending.insert(to.0, index);
        out.snapshots.push(SendSnapshot { to, index, term, message });
    }

    /// The log has made the Ready `number` and all before it durable. Releases what they promised.
    /// Call [`Group::ready`] afterwards: entries may have become committed.
    pub fn persisted(&mut self, number: u64, out: &mut Output) {
        self.complete(number, out);
    }

    fn complete(&mut self, number: u64, out: &mut Output) {
        // Number of the last complete Ready and the end of what was written.
        let mut done = None;
        // Planted: see model/planted.rs
        let early = is_planted(Bug::AckBeforeSync);
        while let Some(ready) = self.pending.pop_front_if(|r| !r.writes || r.number <= number || early) {
            let end = done.map_or(0, |(_, end)| end);
            done = Some((ready.number, ready.range.map_or(end, |r| r.1.max(end))));
            self.durable = ready.vote.unwrap_or(self.durable);
            out.messages.extend(ready.messages);
        }
        let Some((number, end)) = done else { return };
        // Entries that a later, unfinished Ready overwrites must not count as durable even if that
        // Ready writes the same entries again: between the two the disk holds others.
        let overwritten = self.pending.iter().filter_map(|p| p.range).any(|r| r.0 <= end);
        if overwritten {
            return;
        }
        self.raw.on_persist_ready(number);
        self.apply_installed();
        self.look();
    }

    /// An installed snapshot is applied by being durable.
    fn apply_installed(&mut self) {
        let log = &self.raw.raft.raft_log;
        let index = log.store().compacted().0;
        if log.applied < index && index <= log.committed.min(log.persisted) {
            self.raw.advance_apply_to(index);
        }
    }

    /// The state machine has applied all committed entries up to `index`. Allows the tail to be
    /// trimmed; a leader may propose once its no-op is applied. An index not handed out is ignored.
    pub fn applied(&mut self, index: Index) {
        let log = &self.raw.raft.raft_log;
        let known = log.committed.min(log.persisted);
        // An installed snapshot is in the state machine before it is durable.
        let handed = known.max(log.store().compacted().0);
        debug_assert!(index <= handed, "applied {index}, handed out at most {handed}");
        if index <= log.applied || index > known {
            return;
        }
        self.apply_steps(index);
        self.raw.advance_apply_to(index);
        let max = self.config.max_tail;
        self.raw.mut_store().trim(index, max);
    }

    /// Drops entries up to `index` from memory, as after a checkpoint. Keeps what is not applied, and
    /// within `max_tail` also what live followers still need and what follows a snapshot being sent.
    /// Returns the index up to which entries are gone now.
    pub fn compact(&mut self, index: Index) -> Index {
        let mut upto = index.min(self.raw.raft.raft_log.applied);
        if self.raw.store().bytes() <= self.config.max_tail && self.is_leader() {
            let own = self.raw.raft.id;
            let peers = self.raw.raft.prs().iter().filter(|(id, _)| **id != own);
            let live = peers.filter(|(_, p)| p.recent_active && p.state != ProgressState::Snapshot);
            let needed = live.map(|(_, p)| p.matched).chain(self.sending.values().copied()).min();
            upto = upto.min(needed.unwrap_or(upto));
        }
        self.raw.mut_store().compact(upto);
        self.compacted().0
    }

    /// Drops what [`Group::compact`] may drop while more than `max_bytes` of entries are in memory, whether or
    /// not a checkpoint has it: a follower that is away for longer needs a snapshot. One that is back keeps
    /// all that follows what it has from being dropped, so the snapshot it needs is not followed by another.
    pub fn trim(&mut self, max_bytes: usize) {
        let surplus = self.raw.store().surplus(max_bytes);
        if surplus > self.compacted().0 {
            self.compact(surplus);
        }
    }

    /// Names the newest durable checkpoint; followers that need a snapshot get this one.
    pub fn set_snapshot_source(&mut self, index: Index, term: Term) {
        if index > 0 && index <= self.raw.raft.raft_log.applied {
            self.raw.mut_store().set_source(index, term);
        }
    }

    /// The followers for which a newer checkpoint is needed, each once: make one and call
    /// [`Group::set_snapshot_source`].
    pub fn take_snapshot_wanted(&mut self) -> BTreeSet<NodeId> {
        self.raw.mut_store().take_wanted().into_iter().map(NodeId).collect()
    }

    /// The outcome of a [`SendSnapshot`]. Must always be reported, or the follower gets nothing more
    /// from this leader (safety rule 19).
    pub fn snapshot_done(&mut self, to: NodeId, ok: bool) {
        self.sending.remove(&to.0);
        let status = if ok { SnapshotStatus::Finish } else { SnapshotStatus::Failure };
        self.raw.report_snapshot(to.0, status);
        self.look();
    }

    /// The connection to `peer` broke: what was sent optimistically is probed again.
    pub fn unreachable(&mut self, peer: NodeId) {
        self.raw.report_unreachable(peer.0);
        self.look();
    }
}
