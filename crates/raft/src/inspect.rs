//! What others may know about a group.

use crate::group::Group;
use crate::members::sorted;
use model::{GroupId, Index, NodeId, Term};
use raft::StateRole;
use raft::eraftpb::ConfState;

/// The leader's view of another replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerView {
    /// The node of the replica.
    pub node: NodeId,
    /// Last index durable there, as acknowledged in this term; 0 if unknown or this replica does not lead.
    pub matched: Index,
    /// Monotonic time of its last message in ns; `None` if there was none since the start.
    pub last_contact_ns: Option<u64>,
    /// It waits for a snapshot.
    pub in_snapshot: bool,
}

impl Group {
    /// The Raft group.
    pub fn id(&self) -> GroupId {
        self.config.group
    }
    /// The node of this replica.
    pub fn node(&self) -> NodeId {
        self.config.node
    }
    /// Which of the replicas that its node had of the group this is.
    pub fn generation(&self) -> u64 {
        self.config.generation
    }
    /// Its role.
    pub fn role(&self) -> StateRole {
        self.raw.raft.state
    }
    /// True if it leads.
    #[inline]
    pub fn is_leader(&self) -> bool {
        self.raw.raft.state == StateRole::Leader
    }
    /// True if it leads in this term.
    pub fn leads_in(&self, term: Term) -> bool {
        self.is_leader() && self.term() == term
    }
    /// The current term.
    pub fn term(&self) -> Term {
        self.raw.raft.term
    }
    /// Whom it voted for in the current term, if for anybody.
    pub fn vote(&self) -> Option<NodeId> {
        Some(self.raw.raft.vote).filter(|id| *id != 0).map(NodeId)
    }
    /// The leader of the current term, if known.
    pub fn leader(&self) -> Option<NodeId> {
        Some(self.raw.raft.leader_id).filter(|id| *id != 0).map(NodeId)
    }
    /// Last index known to be committed.
    pub fn commit(&self) -> Index {
        self.raw.raft.raft_log.committed
    }
    /// Last index reported by [`Group::applied`].
    pub fn applied_index(&self) -> Index {
        self.raw.raft.raft_log.applied
    }
    /// While it leads: index of the first entry of its term, which it began with.
    pub fn first_of_term(&self) -> Option<Index> {
        self.noop
    }
    /// Last index of the log, durable or not.
    pub fn last_index(&self) -> Index {
        self.raw.raft.raft_log.last_index()
    }
    /// Last index that is durable here.
    pub fn persisted_index(&self) -> Index {
        self.raw.raft.raft_log.persisted
    }
    /// Index and term up to which entries are no longer in memory.
    pub fn compacted(&self) -> (Index, Term) {
        self.raw.store().compacted()
    }
    /// Bytes of entries in memory.
    pub fn tail_bytes(&self) -> usize {
        self.raw.store().bytes()
    }
    /// The members, lists ascending.
    pub fn members(&self) -> ConfState {
        sorted(self.raw.raft.prs().conf().to_conf_state())
    }
    /// The members as of an entry that is applied, from the newest checkpoint that can be sent on.
    pub fn members_as_of(&self, index: Index) -> Option<ConfState> {
        self.raw.store().members_at(index).cloned()
    }
    /// True if a vote request arriving at this monotonic time would be held.
    pub fn vote_promised(&self, now: model::Now) -> bool {
        self.election.promised(now.mono_ns)
    }

    /// The term of the entry at `index`, also of most compacted ones; `None` if it is not known.
    pub fn term_at(&self, index: Index) -> Option<Term> {
        // Where the term is only an upper bound.
        if self.guessed == Some(index) {
            return None;
        }
        let log = &self.raw.raft.raft_log;
        if index > log.store().compacted().0 {
            return log.term(index).ok().filter(|t| *t != 0);
        }
        log.store().term_at(index)
    }

    /// How many *other* voters that keep data have the entry (term, index) on disk; what `WAIT` counts. `None` if
    /// this replica does not lead or its log has another entry there, so that nothing is known of
    /// this one (safety rule 3).
    pub fn synced_followers(&self, term: Term, index: Index) -> Option<usize> {
        if !self.is_leader() || self.term_at(index) != Some(term) {
            return None;
        }
        let tracker = self.raw.raft.prs();
        let voters = tracker.conf().voters();
        let own = self.raw.raft.id;
        let synced = |(id, progress): &(&u64, &raft::Progress)| {
            let copy = voters.contains(**id) && !self.witnesses.is_witness(**id);
            **id != own && copy && progress.matched >= index
        };
        Some(tracker.iter().filter(synced).count())
    }

    /// The other members in the order of their ids.
    pub fn peers(&self) -> Vec<PeerView> {
        let own = self.raw.raft.id;
        let leads = self.is_leader();
        let tracker = self.raw.raft.prs().iter().filter(|(id, _)| **id != own);
        let mut peers: Vec<_> = tracker
            .map(|(&id, progress)| PeerView {
                node: NodeId(id),
                matched: if leads { progress.matched } else { 0 },
                last_contact_ns: self.contacts.iter().find(|(peer, _)| *peer == id).map(|c| c.1),
                in_snapshot: leads && progress.state == raft::ProgressState::Snapshot,
            })
            .collect();
        peers.sort_unstable_by_key(|p| p.node);
        peers
    }
}
