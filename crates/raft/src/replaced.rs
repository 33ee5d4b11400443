//! What a message of a leader would replace of the log, told before it is stepped: whoever must keep what
//! is replaced has to do so before (safety rule 22).

use crate::group::Group;
use model::Index;
use raft::eraftpb::{Entry, Message, MessageType};
use raft::storage::GetEntriesContext;

impl Group {
    /// The first entry of the log that stepping `message` would replace or drop, if there is one. Never
    /// one that is known to be committed.
    pub fn would_replace(&self, message: &Message) -> Option<Index> {
        let raft = &self.raw.raft;
        if message.term < raft.term {
            return None;
        }
        match message.msg_type {
            MessageType::MsgAppend => self.first_conflict(message),
            MessageType::MsgSnapshot => {
                let meta = message.get_snapshot().get_metadata();
                let log = &raft.raft_log;
                let held = meta.index <= log.committed || log.match_term(meta.index, meta.term);
                (!held && log.last_index() > log.committed).then_some(log.committed + 1)
            }
            _ => None,
        }
    }

    fn first_conflict(&self, append: &Message) -> Option<Index> {
        let log = &self.raw.raft.raft_log;
        let last = log.last_index();
        // The common case: it goes on where the log ends.
        if append.index >= last || !log.match_term(append.index, append.log_term) {
            return None;
        }
        let held = append.entries.iter().take_while(|entry| entry.index <= last);
        held.into_iter().find(|entry| !log.match_term(entry.index, entry.term)).map(|entry| entry.index)
    }

    /// The entries of the log from `first` on, which is above what is compacted.
    pub fn entries_from(&self, first: Index) -> Vec<Entry> {
        let log = &self.raw.raft.raft_log;
        let found = log.entries(first, None, GetEntriesContext::empty(false));
        debug_assert!(found.is_ok(), "entries from {first}: {found:?}");
        found.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GroupConfig, Recovered};
    use model::{GroupId, NodeId, Now};

    fn entry(index: u64, term: u64) -> Entry {
        Entry { index, term, data: b"x".to_vec().into(), ..Entry::default() }
    }

    /// A follower with five entries, of which two are committed.
    fn follower() -> Group {
        let mut recovered = Recovered::default();
        recovered.conf_state.voters = vec![1, 2, 3];
        recovered.entries = [1, 1, 2, 2, 2].iter().zip(1..).map(|(term, at)| entry(at, *term)).collect();
        recovered.hard_state.term = 2;
        recovered.hard_state.commit = 2;
        let now = Now { mono_ns: 1_000_000_000, wall_ms: 0 };
        Group::new(GroupConfig::new(GroupId(1), NodeId(1), 7), recovered, now).unwrap()
    }

    fn append(term: u64, before: (u64, u64), entries: Vec<Entry>) -> Message {
        let (from, to, index, log_term) = (2, 1, before.0, before.1);
        let msg_type = MessageType::MsgAppend;
        Message { msg_type, from, to, term, index, log_term, entries: entries.into(), ..Message::default() }
    }

    fn snapshot(index: u64, term: u64) -> Message {
        let mut message = Message { term: 9, ..Message::default() };
        message.msg_type = MessageType::MsgSnapshot;
        let meta = message.mut_snapshot().mut_metadata();
        (meta.index, meta.term) = (index, term);
        message
    }

    #[test]
    fn only_entries_of_another_term_are_replaced() {
        let group = follower();
        let told = |message: &Message| group.would_replace(message);
        assert_eq!(told(&append(3, (5, 2), vec![entry(6, 3)])), None, "it goes on at the end");
        assert_eq!(told(&append(3, (3, 2), vec![entry(4, 2), entry(5, 2)])), None, "it holds them");
        assert_eq!(told(&append(3, (3, 2), vec![entry(4, 2), entry(5, 3)])), Some(5));
        assert_eq!(told(&append(3, (2, 1), vec![entry(3, 3)])), Some(3));
        assert_eq!(told(&append(3, (3, 3), vec![entry(4, 3)])), None, "refused: its log is another one");
        assert_eq!(told(&append(3, (9, 2), vec![entry(10, 3)])), None, "refused: it lacks what comes before");
        assert_eq!(told(&append(1, (2, 1), vec![entry(3, 3)])), None, "of an old term");
        let kept: Vec<u64> = group.entries_from(4).iter().map(|entry| entry.index).collect();
        assert_eq!(kept, [4, 5]);
    }

    #[test]
    fn a_snapshot_drops_all_that_is_not_committed() {
        let group = follower();
        assert_eq!(group.would_replace(&snapshot(9, 3)), Some(3));
        assert_eq!(group.would_replace(&snapshot(4, 3)), Some(3));
        assert_eq!(group.would_replace(&snapshot(4, 2)), None, "the log holds it: it is only committed");
        assert_eq!(group.would_replace(&snapshot(2, 1)), None);
    }

    #[test]
    fn what_is_told_is_what_stepping_does() {
        let mut group = follower();
        let now = Now { mono_ns: 2_000_000_000, wall_ms: 0 };
        let message = append(3, (2, 1), vec![entry(3, 3)]);
        assert_eq!(group.would_replace(&message), Some(3));
        group.step(now, message);
        assert_eq!((group.last_index(), group.term_at(3)), (3, Some(3)));
    }
}
