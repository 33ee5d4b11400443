//! The promises of consensus, checked against everything that ever happened in a world.

use everstore_raft::{ConfState, Entry, is_metadata};
use model::{Index, Term};
use std::collections::BTreeMap;

pub struct Checks {
    /// The members, each from this index on.
    members: BTreeMap<Index, ConfState>,
    leaders: BTreeMap<Term, u64>,
    /// Every entry ever handed to a log.
    logged: BTreeMap<(Index, Term), Vec<u8>>,
    /// Every entry ever committed.
    pub committed: BTreeMap<Index, (Term, Vec<u8>)>,
    /// Highest index a leader has applied, so that a client may know of it.
    acknowledged: Index,
}

impl Checks {
    pub fn new(nodes: u64) -> Checks {
        let members = ConfState { voters: (1..=nodes).collect(), ..ConfState::default() };
        Checks {
            members: BTreeMap::from([(0, members)]),
            leaders: BTreeMap::new(),
            logged: BTreeMap::new(),
            committed: BTreeMap::new(),
            acknowledged: 0,
        }
    }

    /// At most one leader per term.
    pub fn leads(&mut self, id: u64, term: Term) {
        let leader = *self.leaders.entry(term).or_insert(id);
        assert_eq!(leader, id, "two leaders in term {term}");
    }

    /// Log matching: one term and index, one entry.
    pub fn handed(&mut self, entries: &[Entry]) {
        for e in entries {
            if is_metadata(e) {
                continue; // Its payload is with the leader it came from.
            }
            let known = self.logged.entry((e.index, e.term)).or_insert_with(|| e.data.to_vec());
            assert_eq!(known[..], e.data[..], "two entries at index {} term {}", e.index, e.term);
        }
    }

    /// What is committed never changes, and was on the disks of a majority before anyone learned of it.
    pub fn committed(&mut self, id: u64, e: &Entry, synced: &[u64], leads: bool) {
        // A witness may be the first to hear of it.
        let logged = self.logged.get(&(e.index, e.term)).cloned();
        let data = if is_metadata(e) { logged.expect("some log has its payload") } else { e.data.to_vec() };
        let new = (e.term, data);
        let known = self.committed.entry(e.index).or_insert_with(|| new.clone());
        assert_eq!(*known, new, "n{id}: committed entry {} changed", e.index);
        // Members change where a step is applied, so those before the last step may have committed it.
        let mut members = self.members.range(..e.index).rev().take(2).map(|(_, members)| members);
        assert!(members.any(|m| is_quorum(m, synced)), "n{id}: {} is committed on {synced:?}", e.index);
        if leads {
            self.acknowledged = self.acknowledged.max(e.index);
        }
    }

    /// All replicas see the same members from an index on.
    pub fn members(&mut self, index: Index, members: &ConfState) {
        let known = self.members.entry(index).or_insert_with(|| members.clone());
        assert_eq!(known, members, "members from index {index} on");
    }

    /// Changes of members so far.
    pub fn steps(&self) -> u64 {
        self.members.len() as u64 - 1
    }

    pub fn acknowledged(&self) -> Index {
        self.acknowledged
    }

    /// At most one node may serve reads, and it knows all that was acknowledged.
    pub fn leases(&self, holders: &[(u64, Term, Index)]) {
        assert!(holders.len() < 2, "two leases: {holders:?}");
        for (id, term, applied) in holders {
            let known = self.acknowledged;
            assert!(*applied >= known, "n{id} t{term} reads at {applied}, acknowledged {known}");
        }
    }
}

/// Whether these nodes are a majority, in a joint configuration of both.
fn is_quorum(members: &ConfState, nodes: &[u64]) -> bool {
    let majority = |voters: &[u64]| {
        let have = voters.iter().filter(|id| nodes.contains(id)).count();
        voters.is_empty() || have > voters.len() / 2
    };
    majority(&members.voters) && majority(&members.voters_outgoing)
}
