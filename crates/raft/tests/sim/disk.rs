//! What one node has synced.

use everstore_raft::{ConfState, Entry, HardState, Persist, Recovered};
use model::{Index, Term};

pub struct Disk {
    pub hard_state: HardState,
    pub entries: Vec<Entry>,
    pub compacted: (Index, Term),
    pub applied: Index,
    /// The members as of `applied`.
    members: ConfState,
    /// The node of this disk, which may be no member yet.
    node: u64,
    /// It has heard that it is one.
    pub joined: bool,
}

impl Disk {
    pub fn new(node: u64, voters: Vec<u64>) -> Disk {
        let members = ConfState { voters, ..ConfState::default() };
        let hard_state = HardState::default();
        let (joined, entries, compacted, applied) = (false, Vec::new(), (0, 0), 0);
        Disk { hard_state, entries, compacted, applied, members, node, joined }
    }

    /// A write and everything before it is durable.
    pub fn sync(&mut self, write: &Persist) {
        if let Some(install) = &write.install {
            self.entries.clear();
            self.compacted = (install.index, install.term);
            self.applied = install.index;
            self.members = install.conf_state.clone();
        }
        if let Some(first) = write.entries.first() {
            self.entries.retain(|e| e.index < first.index);
            let end = self.entries.last().map_or(self.compacted.0, |e| e.index);
            assert_eq!(end + 1, first.index, "no gap in the log");
            self.entries.extend(write.entries.iter().cloned());
        }
        if let Some(hard_state) = &write.hard_state {
            self.hard_state = hard_state.clone();
        }
    }

    /// Rows up to `index` are durable, and the log before is freed.
    pub fn checkpoint(&mut self, index: Index, term: Term, members: ConfState) {
        if index > self.compacted.0 {
            self.members = members;
            self.entries.retain(|e| e.index > index);
            self.compacted = (index, term);
            self.applied = index;
        }
    }

    /// True if the entry is durable here, in the log or in a checkpoint.
    pub fn holds(&self, term: Term, index: Index) -> bool {
        index <= self.compacted.0 || self.entries.iter().any(|e| (e.term, e.index) == (term, index))
    }

    pub fn recover(&self) -> Recovered {
        let conf = &self.members;
        let known = [&conf.voters, &conf.learners, &conf.voters_outgoing];
        Recovered {
            joined: self.joined,
            joins: !known.iter().any(|list| list.contains(&self.node)),
            hard_state: self.hard_state.clone(),
            entries: self.entries.clone(),
            compacted: self.compacted,
            conf_state: self.members.clone(),
            applied: self.applied,
            ..Recovered::default()
        }
    }
}
