//! The tail of the log in memory: what the library reads and what is sent to followers.
//!
//! The durable log is elsewhere; an entry stands here from the moment it is handed to the log
//! until it is compacted. Invariant: entries above the applied index are never dropped.

use crate::members::change::is_step;
use crate::members::is_member;
use model::{Index, Term};
use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::storage::{GetEntriesContext, RaftState, Storage};
use raft::{Error, StorageError};
use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;

/// Changes of term remembered below the compacted index, so that a position can still be checked
/// by (term, index) after its entry is gone (safety rule 3).
const MAX_OLD_TERMS: usize = 128;
/// Room for so many entries is never given back.
const MIN_ROOM: usize = 1024;
/// Bytes counted for an entry besides its data.
const ENTRY_OVERHEAD: usize = 64;

#[derive(Debug)]
pub(crate) struct Tail {
    hard_state: HardState,
    /// The members, each with the index from which on they are that. Reaches back to the newest
    /// checkpoint that can be sent, whose members go with it.
    members: VecDeque<(Index, ConfState)>,
    /// Entries that change members.
    steps: BTreeSet<Index>,
    /// Index and term of the entry before `entries[0]`.
    compacted: (Index, Term),
    entries: VecDeque<Entry>,
    bytes: usize,
    /// (first index, term) of the terms below `compacted`, oldest first.
    old_terms: VecDeque<(Index, Term)>,
    /// Index and term of the newest checkpoint that can be sent.
    source: Option<(Index, Term)>,
    /// Peers that need a snapshot for which there is no source. The library asks through `&self`.
    wanted: RefCell<BTreeSet<u64>>,
}

fn size(entry: &Entry) -> usize {
    entry.data.len() + entry.context.len() + ENTRY_OVERHEAD
}

impl Tail {
    pub(crate) fn new(
        hard_state: HardState,
        members: (Index, ConfState),
        compacted: (Index, Term),
        entries: Vec<Entry>,
    ) -> Tail {
        Tail {
            hard_state,
            members: VecDeque::from([members]),
            steps: entries.iter().filter(|entry| is_step(entry)).map(|entry| entry.index).collect(),
            compacted,
            bytes: entries.iter().map(size).sum(),
            entries: entries.into(),
            old_terms: VecDeque::new(),
            source: None,
            wanted: RefCell::default(),
        }
    }

    fn last(&self) -> Index {
        self.compacted.0 + self.entries.len() as u64
    }

    fn at(&self, index: Index) -> Option<&Entry> {
        self.entries.get(index.checked_sub(self.compacted.0 + 1)? as usize)
    }

    /// Appends entries; those already held from the first new index on are replaced.
    pub(crate) fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        while self.last() >= first.index {
            match self.entries.pop_back() {
                Some(gone) => self.bytes -= size(&gone),
                None => break,
            }
        }
        debug_assert_eq!(self.last() + 1, first.index, "the library appends without a gap");
        self.steps.retain(|index| *index < first.index);
        self.steps.extend(entries.iter().filter(|entry| is_step(entry)).map(|entry| entry.index));
        self.bytes += entries.iter().map(size).sum::<usize>();
        self.entries.extend(entries.iter().cloned());
    }

    /// Starts the log anew after a snapshot.
    pub(crate) fn restore(&mut self, index: Index, term: Term, conf_state: ConfState) {
        self.entries.clear();
        self.bytes = 0;
        self.old_terms.clear();
        self.compacted = (index, term);
        self.members = VecDeque::from([(index, conf_state)]);
        self.steps.clear();
    }

    /// The term of the compacted index was not known exactly and is now.
    pub(crate) fn learn_compacted(&mut self, term: Term) {
        self.compacted.1 = term;
    }

    /// Drops entries up to `index`. The caller has made sure that they are applied.
    pub(crate) fn compact(&mut self, index: Index) {
        while self.compacted.0 < index {
            let Some(entry) = self.entries.pop_front() else { return };
            self.bytes -= size(&entry);
            if self.old_terms.back().is_none_or(|&(_, term)| term != entry.term) {
                self.old_terms.push_back((entry.index, entry.term));
            }
            self.compacted = (entry.index, entry.term);
            self.steps.remove(&entry.index);
        }
        while self.old_terms.len() > MAX_OLD_TERMS {
            self.old_terms.pop_front();
        }
        if self.entries.capacity() > MIN_ROOM.max(8 * self.entries.len()) {
            self.entries.shrink_to(MIN_ROOM.max(2 * self.entries.len()));
        }
    }

    /// Drops applied entries while there are more than `max_bytes`.
    pub(crate) fn trim(&mut self, applied: Index, max_bytes: usize) {
        while self.bytes > max_bytes && self.compacted.0 < applied {
            self.compact(self.compacted.0 + 1);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The last index that has to go so that no more than `max_bytes` stay.
    pub(crate) fn surplus(&self, max_bytes: usize) -> Index {
        let mut left = self.bytes;
        let surplus = self.entries.iter().take_while(|entry| {
            let more = left > max_bytes;
            left -= size(entry);
            more
        });
        self.compacted.0 + surplus.count() as u64
    }

    pub(crate) fn compacted(&self) -> (Index, Term) {
        self.compacted
    }

    /// The term of the entry at `index`, also of most compacted ones; `None` if it is not known.
    pub(crate) fn term_at(&self, index: Index) -> Option<Term> {
        match self.at(index) {
            Some(entry) => Some(entry.term),
            None if index == self.compacted.0 => Some(self.compacted.1),
            None if index > self.compacted.0 => None,
            None => self.old_terms.iter().rev().find(|(first, _)| *first <= index).map(|t| t.1),
        }
    }

    pub(crate) fn set_source(&mut self, index: Index, term: Term) {
        self.source = Some((index, term));
        while self.members.get(1).is_some_and(|(from, _)| *from <= index) {
            self.members.pop_front();
        }
    }

    /// From the entry at `index` on these are the members.
    pub(crate) fn set_members(&mut self, index: Index, members: ConfState) {
        self.members.push_back((index, members));
    }

    pub(crate) fn members_at(&self, index: Index) -> Option<&ConfState> {
        self.members.iter().rev().find(|(from, _)| *from <= index).map(|(_, members)| members)
    }

    /// Index and data of the entries after `after` and up to `upto` that change members.
    pub(crate) fn steps(&self, after: Index, upto: Index) -> Vec<(Index, Vec<u8>)> {
        let between = (Bound::Excluded(after), Bound::Included(upto));
        if after >= upto {
            return Vec::new();
        }
        let steps = self.steps.range(between);
        steps.filter_map(|index| Some((*index, self.at(*index)?.data.to_vec()))).collect()
    }

    pub(crate) fn take_wanted(&mut self) -> BTreeSet<u64> {
        self.wanted.take()
    }
}

impl Storage for Tail {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let members = self.members.back().map(|(_, members)| members.clone());
        Ok(RaftState::new(self.hard_state.clone(), members.unwrap_or_default()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low <= self.compacted.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        if high > self.last() + 1 {
            return Err(Error::Store(StorageError::Unavailable));
        }
        let from = (low - self.compacted.0 - 1) as usize;
        let upto = (high - self.compacted.0 - 1) as usize;
        let max = max_size.into().map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        let mut bytes = 0usize;
        let mut out = Vec::with_capacity((upto - from).min(1024));
        for entry in self.entries.range(from..upto) {
            bytes = bytes.saturating_add(size(entry));
            if bytes > max && !out.is_empty() {
                break;
            }
            out.push(entry.clone());
        }
        Ok(out)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        if index == self.compacted.0 {
            return Ok(self.compacted.1);
        }
        if index < self.compacted.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        self.at(index).map(|e| e.term).ok_or(Error::Store(StorageError::Unavailable))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.compacted.0 + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    /// Metadata of the newest checkpoint; its rows travel beside it, never through the library.
    fn snapshot(&self, request_index: u64, to: u64) -> raft::Result<Snapshot> {
        let source = self.source.and_then(|(index, term)| Some((index, term, self.members_at(index)?)));
        match source {
            // One that ends before our log begins would only be followed by another snapshot, and one that
            // does not know of the follower is refused by it.
            Some((index, term, members))
                if index >= request_index.max(self.compacted.0) && is_member(members, to) =>
            {
                let mut snapshot = Snapshot::default();
                let meta = snapshot.mut_metadata();
                meta.index = index;
                meta.term = term;
                meta.set_conf_state(members.clone());
                Ok(snapshot)
            }
            _ => {
                self.wanted.borrow_mut().insert(to);
                Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable))
            }
        }
    }
}

#[cfg(test)]
mod tests;
