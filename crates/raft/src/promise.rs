//! What a replica has promised to others, so that they notice when it comes back with less.
//!
//! A promise is a term, and with it how far the log reaches with entries *of that term*:
//!
//! - A message of term `t` leaves only when term `t` is durable, and a durable term never falls.
//! - Entries of term `t` come from the one leader of `t`. Within `t` no leader replaces them, and a
//!   snapshot that would reset the log below them matches it and moves the commit only; so while the
//!   durable term is `t`, the log never ends before an entry of `t` that was acknowledged.
//!
//! Hence a start of an honest replica is never below any of its promises: [`Group::started`] >= promise.
//! And one that lacks an entry that was counted for a commit is always below: the leader of `t` counts
//! acknowledgements only from its no-op on, all entries from there on are of term `t`, and a log whose
//! last entry is of term `t` and at or after `i` holds, by log matching, all that the leader had up to `i`.
//!
//! What an acknowledgement below the no-op says of the index is left out on purpose. The old tail that a
//! follower brings into a term may be longer than what it acknowledges while it is being corrected, so
//! that neither direction above would hold; and nothing is ever committed by it.

use crate::group::Group;
use model::{Index, Term};
use raft::StateRole;
use raft::eraftpb::{Message, MessageType};

/// A position that a replica promised to keep. Ordered: a later term is more than any index, a later replica
/// more than any term: what the ones before it promised ended with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Promise {
    /// Which of the replicas that its node had of the group promised it ([`crate::GroupConfig::generation`]).
    pub generation: u64,
    /// A durable term.
    pub term: Term,
    /// Last index of durable entries of that very term, 0 if there are none.
    pub index: Index,
}

impl Group {
    /// What this replica had when it was recovered. Where the term of its last entry is only an upper
    /// bound ([`crate::Recovered::compacted_guessed`]) that is taken for it: the entry is committed, so
    /// an acknowledgement of a later term below it can not have been counted.
    pub fn started(&self) -> Promise {
        self.started
    }

    /// What it has on disk now. Rises while the node lives, but for the index between two terms.
    pub fn holds(&self) -> Promise {
        let (log, term) = (&self.raw.raft.raft_log, self.durable.0);
        // With a newer term on its way to the disk, older entries may be on theirs out of the log.
        let settled = self.raw.raft.term == term;
        let index = log.persisted;
        let own = settled && self.guessed != Some(index) && log.term(index).is_ok_and(|of| of == term);
        Promise { generation: self.config.generation, term, index: if own { index } else { 0 } }
    }

    /// What the sender of a message promises with it. To be asked before the message is stepped, and
    /// remembered if it was taken, with the generation of the sender, which the caller knows. `None`: it needs nothing durable (pre-votes), or comes from a leader
    /// without waiting for its disk (snapshots).
    pub fn promise_of(&self, m: &Message) -> Option<Promise> {
        use MessageType::*;
        let raft = &self.raw.raft;
        let index = match m.msg_type {
            // A rejected append names what it rejects, not what is there.
            MsgAppendResponse if !m.reject => {
                let counts = raft.state == StateRole::Leader && m.term == raft.term;
                if counts && self.noop.is_some_and(|noop| m.index >= noop) { m.index } else { 0 }
            }
            MsgAppendResponse | MsgAppend | MsgHeartbeat | MsgHeartbeatResponse => 0,
            MsgRequestVote | MsgRequestVoteResponse => 0,
            _ => return None,
        };
        Some(Promise { generation: 0, term: m.term, index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GroupConfig, Output, Recovered};
    use model::time::MS;
    use model::{GroupId, NodeId, Now};
    use raft::eraftpb::{Entry, HardState};

    fn at(ms: u64) -> Now {
        Now { mono_ns: ms * MS, wall_ms: 0 }
    }

    fn entry(index: u64, term: u64) -> Entry {
        Entry { index, term, data: "x".into(), ..Entry::default() }
    }

    fn group(term: u64, entries: &[(u64, u64)]) -> Group {
        let mut found = Recovered::default();
        found.conf_state.voters = vec![1, 2, 3];
        found.hard_state = HardState { term, ..HardState::default() };
        found.entries = entries.iter().map(|&(index, term)| entry(index, term)).collect();
        Group::new(GroupConfig::new(GroupId(0), NodeId(1), 7), found, at(0)).unwrap()
    }

    fn message(kind: MessageType, from: u64, term: u64, index: u64) -> Message {
        let mut m = Message { to: 1, from, term, index, ..Message::default() };
        m.set_msg_type(kind);
        m
    }

    fn promise(term: u64, index: u64) -> Promise {
        Promise { generation: 0, term, index }
    }

    #[test]
    fn a_start_counts_entries_of_the_durable_term_only() {
        assert_eq!(group(0, &[]).started(), promise(0, 0));
        assert_eq!(group(3, &[(1, 1), (2, 3)]).started(), promise(3, 2));
        // The tail of an older term may still be replaced.
        assert_eq!(group(4, &[(1, 1), (2, 3)]).started(), promise(4, 0));
        assert!(promise(4, 0) > promise(3, 99));
    }

    #[test]
    fn what_is_held_follows_the_disk() {
        let mut group = group(1, &[(1, 1), (2, 1), (3, 1)]);
        assert_eq!(group.holds(), promise(1, 3));
        let mut append = message(MessageType::MsgAppend, 2, 2, 1);
        append.log_term = 1;
        append.entries = vec![entry(2, 2)].into();
        group.step(at(1), append);
        let mut out = Output::default();
        group.ready(&mut out);
        assert_eq!(group.holds(), promise(1, 0), "the tail of term 1 is being replaced");
        group.persisted(out.persist.take().unwrap().number, &mut out);
        assert_eq!(group.holds(), promise(2, 2));
        assert_eq!(group.started(), promise(1, 3), "the start stays what it was");
    }

    #[test]
    fn acknowledgements_count_from_the_no_op_of_the_leader_on() {
        use MessageType::*;
        let mut group = group(4, &[(1, 1), (2, 3)]);
        let of = |group: &Group, kind, index| group.promise_of(&message(kind, 2, 5, index));
        assert_eq!(of(&group, MsgAppendResponse, 2), Some(promise(5, 0)), "this one does not lead");
        for kind in [MsgRequestVote, MsgRequestVoteResponse, MsgHeartbeat, MsgHeartbeatResponse, MsgAppend] {
            assert_eq!(of(&group, kind, 9), Some(promise(5, 0)));
        }
        for kind in [MsgRequestPreVote, MsgRequestPreVoteResponse, MsgSnapshot, MsgTimeoutNow] {
            assert_eq!(of(&group, kind, 9), None);
        }
        elect(&mut group);
        assert_eq!((group.term(), group.noop), (5, Some(3)));
        assert_eq!(of(&group, MsgAppendResponse, 2), Some(promise(5, 0)));
        assert_eq!(of(&group, MsgAppendResponse, 3), Some(promise(5, 3)));
        let mut rejected = message(MsgAppendResponse, 2, 5, 3);
        rejected.reject = true;
        assert_eq!(group.promise_of(&rejected), Some(promise(5, 0)));
        let other_term = message(MsgAppendResponse, 2, 4, 3);
        assert_eq!(group.promise_of(&other_term), Some(promise(4, 0)));
    }

    fn elect(group: &mut Group) {
        for ms in 1..1000 {
            group.tick(at(ms));
            let mut out = Output::default();
            group.ready(&mut out);
            if let Some(persist) = out.persist.take() {
                group.persisted(persist.number, &mut out);
            }
            for asked in std::mem::take(&mut out.messages) {
                let kind = match asked.msg_type {
                    MessageType::MsgRequestPreVote => MessageType::MsgRequestPreVoteResponse,
                    MessageType::MsgRequestVote => MessageType::MsgRequestVoteResponse,
                    _ => continue,
                };
                group.step(at(ms), message(kind, asked.to, asked.term, 0));
            }
            if group.is_leader() {
                return;
            }
        }
        panic!("it was not elected");
    }
}
