//! A witness: a voter that keeps which entries there are, their index and term, and not what is in them.
//!
//! By those it votes like anybody, so Raft's own rules make it safe: who is committed by its acknowledgement
//! can only be succeeded by a candidate whose log is at least as new. It never campaigns, and what its leader
//! sends it has no payload, unless it changes members; it takes payloads out itself too, so that nothing depends
//! on whether a leader knows it for a witness.
//!
//! What is left is that somebody can be elected. A candidate needs its vote where another voter is down, and gets
//! it only if it has all that the witness knows of. So the witness is told of an entry when it is on the disk
//! of every data voter that counts: of the leader itself (else a power cut could leave a witness that
//! knows of an entry which no disk has), and of the others as long as they keep up. Who is lost, or does not
//! keep up, does not count: then leader and witness commit alone, and an entry is on one data disk
//! until the other is back. Who counts is only a matter of being elected, never of safety.

use crate::group::Group;
use crate::members::electors;
use model::time::MS;
use model::{Index, NodeId};
use raft::eraftpb::{ConfState, Entry, EntryType, Message, MessageType};
use raft::{ProgressState, SnapshotStatus, StateRole};
use std::collections::{BTreeMap, BTreeSet};

/// Context of an entry without its payload. No other entry has this one.
const METADATA: &[u8] = b"metadata";
/// A data voter that has acknowledged nothing new for so long, though there was something, does not count.
const PATIENCE_NS: u64 = 5_000 * MS;
/// The same where it has not kept up in this term yet.
const FIRST_PATIENCE_NS: u64 = 1_000 * MS;
/// One that does not count does again when it is no more than this behind.
const NEAR_NS: u64 = 200 * MS;

/// Whether the entry stands for one whose payload is elsewhere. Only a witness has such entries.
pub fn is_metadata(entry: &Entry) -> bool {
    entry.context[..] == *METADATA
}

pub(crate) fn mark_metadata(entry: &mut Entry) {
    entry.context = METADATA.to_vec().into();
}

/// Takes the payload out of an entry. One that changes members keeps it: who votes must be known.
pub(crate) fn strip(entry: &mut Entry) {
    if entry.entry_type == EntryType::EntryNormal && !entry.data.is_empty() {
        entry.data = Vec::new().into();
        mark_metadata(entry);
    }
}

/// How a data voter keeps up with this leader.
#[derive(Debug)]
struct Pace {
    /// Last index of the leader's log at an earlier time, and the time in monotonic ns.
    mark: (Index, u64),
    /// It has reached such a mark in this term.
    kept_up: bool,
    counts: bool,
}

/// Which members are witnesses, and who has to have an entry before they hear of it.
#[derive(Debug, Default)]
pub(crate) struct Witnesses {
    nodes: BTreeSet<u64>,
    /// Data voters that are lost, as the caller says.
    lost: BTreeSet<u64>,
    paces: BTreeMap<u64, Pace>,
}

impl Witnesses {
    pub(crate) fn is_witness(&self, node: u64) -> bool {
        self.nodes.contains(&node)
    }

    /// The term or the role changed.
    pub(crate) fn forget(&mut self) {
        self.paces.clear();
    }

    /// Whether the voters are such that a witness among them, if there is one, may vote.
    pub(crate) fn may_vote(&self, members: &ConfState) -> bool {
        let witnesses = members.voters.iter().filter(|id| self.is_witness(**id)).count();
        witnesses == 0 || witnesses == 1 && members.voters.len() >= 3
    }

    fn counts(&self, node: u64) -> bool {
        !self.lost.contains(&node) && self.paces.get(&node).is_none_or(|pace| pace.counts)
    }

    fn look(&mut self, node: u64, matched: Index, last: Index, now_ns: u64) {
        let fresh = Pace { mark: (last, now_ns), kept_up: false, counts: true };
        let lost = self.lost.contains(&node);
        let pace = self.paces.entry(node).or_insert(fresh);
        let took_ns = now_ns.saturating_sub(pace.mark.1);
        let patience_ns = if pace.kept_up { PATIENCE_NS } else { FIRST_PATIENCE_NS };
        if matched >= pace.mark.0 {
            pace.kept_up = true;
            pace.counts = !lost && (pace.counts || took_ns <= NEAR_NS);
            pace.mark = (last, now_ns);
        } else if lost || took_ns > patience_ns {
            pace.counts = false;
        }
        if !pace.counts && took_ns > patience_ns {
            // What it reaches late says nothing of how far it is behind.
            pace.mark = (last, now_ns);
        }
    }
}

impl Group {
    /// Names the members that are witnesses. At any time; what is not known in time costs no safety.
    pub fn set_witnesses(&mut self, nodes: impl Iterator<Item = NodeId>) {
        let nodes = nodes.map(|node| node.0).collect();
        if self.witnesses.nodes != nodes {
            self.witnesses.nodes = nodes;
            let members = self.members();
            self.set_successors(&members);
            self.set_timeout();
        }
    }

    /// Names the nodes that are lost, not merely slow. While no other data voter counts, entries are committed by
    /// the leader and a witness.
    pub fn set_lost(&mut self, nodes: impl Iterator<Item = NodeId>) {
        self.witnesses.lost = nodes.map(|node| node.0).collect();
    }

    /// Whether this replica is one.
    pub fn is_witness(&self) -> bool {
        self.config.witness
    }

    /// While this replica leads: something committed is on its own disk alone, beside a witness, or would be; or the
    /// witness knows of something that no other has, so that nobody could succeed this replica.
    pub fn rests_on_witness(&self) -> bool {
        let voters = electors(&self.members());
        if !self.is_leader() || !voters.iter().any(|id| self.witnesses.is_witness(*id)) {
            return false;
        }
        let others = || self.data_voters().filter(|id| *id != self.config.node.0);
        let (tracker, commit) = (self.raw.raft.prs(), self.raw.raft.raft_log.committed);
        let told = |progress: &raft::Progress| match progress.state {
            ProgressState::Replicate => progress.next_idx.saturating_sub(1),
            _ => progress.matched,
        };
        let of_witnesses = voters.iter().filter(|id| self.witnesses.is_witness(**id));
        let told = of_witnesses.filter_map(|id| tracker.get(*id)).map(told).max().unwrap_or(0);
        let has = |id: u64| tracker.get(id).is_some_and(|progress| progress.matched >= commit.max(told));
        // Before its first entry is committed a leader does not know who has what.
        let known = self.noop.is_some_and(|noop| commit >= noop);
        !others().any(|id| self.witnesses.counts(id)) || known && !others().any(has)
    }

    /// The voters that keep data, this replica's node included.
    fn data_voters(&self) -> impl Iterator<Item = u64> + '_ {
        electors(&self.members()).into_iter().filter(|id| !self.witnesses.is_witness(*id))
    }

    /// Whoever may have to succeed a leader.
    pub(crate) fn set_successors(&mut self, members: &ConfState) {
        let mut successors = electors(members);
        successors.retain(|id| !self.witnesses.is_witness(*id));
        self.election.set_voters(&successors);
    }

    /// At each tick of a leader: who keeps up.
    pub(crate) fn watch(&mut self, now_ns: u64) {
        if self.witnesses.nodes.is_empty() {
            return;
        }
        let raft = &self.raw.raft;
        let (own, last) = (raft.id, raft.raft_log.last_index());
        let others: Vec<u64> = self.data_voters().filter(|id| *id != own).collect();
        self.witnesses.paces.retain(|id, _| others.contains(id));
        for id in others {
            if let Some(progress) = self.raw.raft.prs().get(id) {
                self.witnesses.look(id, progress.matched, last, now_ns);
            }
        }
    }

    /// The last entry that a witness may hear of.
    fn witness_cap(&self) -> Index {
        let (own, tracker) = (self.raw.raft.id, self.raw.raft.prs());
        let counts = |id: &u64| *id == own || self.witnesses.counts(*id);
        let matched = self
            .data_voters()
            .filter(counts)
            .filter_map(|id| tracker.get(id))
            .map(|progress| progress.matched);
        matched.min().unwrap_or(0)
    }

    /// Sends witnesses what they may hear of now: the library sends when entries come, not when others have them.
    pub(crate) fn feed_witnesses(&mut self) {
        if self.witnesses.nodes.is_empty() || self.raw.raft.state != StateRole::Leader {
            return;
        }
        let cap = self.witness_cap();
        for id in self.witnesses.nodes.clone() {
            let progress = self.raw.raft.prs().get(id);
            let due = progress.is_some_and(|p| p.state == ProgressState::Replicate && p.next_idx <= cap);
            if due {
                self.raw.raft.send_append(id);
            }
        }
    }

    /// What of a message of this leader goes to its receiver: all of it, or for a witness the metadata of what it
    /// may hear of. `None`: nothing.
    pub(crate) fn for_witness(&mut self, mut m: Message) -> Option<Message> {
        let of_leader = matches!(m.msg_type, MessageType::MsgAppend | MessageType::MsgSnapshot);
        if !of_leader || !self.witnesses.is_witness(m.to) {
            return Some(m);
        }
        if self.raw.raft.state != StateRole::Leader {
            return None; // Deposed in the same turn: nothing is known any more of what others have.
        }
        let cap = self.witness_cap();
        if m.msg_type == MessageType::MsgSnapshot {
            if m.get_snapshot().get_metadata().index > cap {
                // Later: the library asks again with the next heartbeat.
                self.raw.report_snapshot(m.to, SnapshotStatus::Failure);
                return None;
            }
            return Some(m);
        }
        let asked = m.entries.len();
        let mut entries: Vec<Entry> = m.take_entries().into();
        entries.retain(|entry| entry.index <= cap);
        entries.iter_mut().for_each(strip);
        let (end, cut) = (m.index + entries.len() as u64, entries.len() < asked);
        let progress = self.raw.raft.mut_prs().get_mut(m.to)?;
        if progress.state == ProgressState::Replicate {
            if m.index >= progress.next_idx {
                return None; // It follows what was held back.
            }
            if cut {
                // The library takes it for sent.
                progress.next_idx = progress.next_idx.min(end + 1);
                progress.ins.reset();
                if entries.is_empty() {
                    return None;
                }
            }
        }
        m.set_entries(entries.into());
        Some(m)
    }
}

#[cfg(test)]
mod tests;
