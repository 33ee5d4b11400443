//! A replica whose rows are lost while its log is whole.
//!
//! Rows are derived from entries; what a replica promised is in its log. So it goes on as a follower:
//! it votes by the whole of its log, appends and acknowledges, and its group needs no other replica in
//! its place. What it can not do is to lead and to apply. Committed entries are kept back until rows of
//! a healthy replica are there ([`Group::rows_arrived`]) and then handed out from where those end.
//!
//! The library's own request for a snapshot is not used: it resets the log to the snapshot, below what
//! was acknowledged if an earlier snapshot arrives late; it stops acknowledgements, with which a group
//! of three with one node down would wait for that node; and it is refused until an entry of the current
//! term is there. Where the rows end beyond this log, the library's way is taken as for any follower.

use crate::group::Group;
use crate::output::{Output, SendSnapshot};
use model::{Index, NodeId, Term};
use raft::GetEntriesContext;
use raft::eraftpb::{Entry, Message, MessageType};
use raft::storage::Storage;

/// Bytes of entries that are kept for the rows to come; beyond it appends are dropped, so that the
/// replica falls behind as a slow one would, instead of filling the memory.
pub(crate) const MAX_KEPT_BACK: usize = 32 << 20;

#[derive(Debug)]
pub(crate) struct Rebuild {
    /// Last committed entry that the library has handed out.
    upto: Index,
    /// The entry that is handed out next; `None` as long as there are no rows.
    next: Option<Index>,
}

impl Rebuild {
    pub(crate) fn new(applied: Index) -> Rebuild {
        Rebuild { upto: applied, next: None }
    }
}

impl Group {
    /// True while this replica has no rows.
    pub fn is_rebuilding(&self) -> bool {
        self.rebuild.as_ref().is_some_and(|rebuild| rebuild.next.is_none())
    }

    /// The rows of this replica turned out to be damaged. All entries that were handed out, the last at `applied`, are
    /// applied or void. From now on it follows without rows. False if it can not now: it leads, it joins,
    /// or rows or a snapshot are on their way already.
    pub fn lose_rows(&mut self, applied: Index) -> bool {
        let known = self.raw.raft.raft_log.applied;
        if self.is_leader() || self.joins || self.installing() || self.rebuild.is_some() || applied < known {
            return false;
        }
        self.rebuild = Some(Rebuild::new(applied));
        true
    }

    /// True when no more can be kept for the rows to come.
    pub(crate) fn keeps_too_much(&self) -> bool {
        self.is_rebuilding() && self.raw.store().bytes() > MAX_KEPT_BACK
    }

    /// Rows as of `index`, committed with `term`, are in the state machine. False if they do not fit this
    /// replica: it needs none, they end before its log begins, or beyond what is durable and committed
    /// here (then the snapshot's message may be stepped, which moves the commit or resets the log).
    pub fn rows_arrived(&mut self, index: Index, term: Term) -> bool {
        let log = &self.raw.raft.raft_log;
        let known = log.committed.min(log.persisted);
        let (floor, applied) = (log.store().compacted().0, log.applied);
        if !self.is_rebuilding() || self.installing() || index < floor || index > known {
            return false;
        }
        if index == floor {
            self.raw.mut_store().learn_compacted(term);
            self.guessed = None;
        }
        if index > applied {
            self.apply_steps(index);
            self.raw.advance_apply_to(index);
        }
        if let Some(rebuild) = &mut self.rebuild {
            rebuild.next = Some(index + 1);
        }
        self.look();
        true
    }

    /// True if there are entries to hand out that were kept back.
    pub(crate) fn catches_up(&self) -> bool {
        self.rebuild.as_ref().is_some_and(|rebuild| rebuild.next.is_some())
    }

    /// Hands committed entries out, or keeps them back; after the rows came, those kept back first and
    /// as many at a time as of others.
    pub(crate) fn hand_out(&mut self, mut committed: Vec<Entry>, out: &mut Output) {
        let Some(rebuild) = &mut self.rebuild else {
            if out.committed.is_empty() {
                out.committed = committed;
            } else {
                out.committed.append(&mut committed);
            }
            return;
        };
        if let Some(last) = committed.last() {
            rebuild.upto = last.index;
        }
        let Some(next) = rebuild.next else { return };
        if next <= rebuild.upto {
            let max = self.config.max_apply as u64;
            let log = &self.raw.raft.raft_log;
            let entries = log.slice(next, rebuild.upto + 1, max, GetEntriesContext::empty(false));
            // They are not applied, so they are neither compacted nor replaced.
            let mut entries = entries.expect("committed entries that are not applied are in the log");
            rebuild.next = entries.last().map_or(Some(next), |last| Some(last.index + 1));
            out.committed.append(&mut entries);
        }
        if rebuild.next == Some(rebuild.upto + 1) {
            self.rebuild = None;
        }
    }

    /// Offers the newest checkpoint to a follower that lost its rows and whose log begins after `floor`.
    /// `None` if this replica does not lead, the follower is being sent one, or there is none that
    /// reaches so far; then one is wanted ([`Group::take_snapshot_wanted`]).
    pub fn offer_snapshot(&mut self, to: NodeId, floor: Index) -> Option<SendSnapshot> {
        let raft = &self.raw.raft;
        let member = raft.prs().get(to.0).is_some() && to != self.config.node;
        if !self.is_leader() || !member || self.sending.contains_key(&to.0) {
            return None;
        }
        let snapshot = self.raw.store().snapshot(floor, to.0).ok()?;
        let (index, term) = (snapshot.get_metadata().index, snapshot.get_metadata().term);
        let mut message = Message { to: to.0, from: raft.id, term: raft.term, ..Message::default() };
        message.set_msg_type(MessageType::MsgSnapshot);
        message.set_snapshot(snapshot);
        self.sending.insert(to.0, index);
        Some(SendSnapshot { to, index, term, message })
    }
}

#[cfg(test)]
mod tests;
