//! What an observer of the node may look at: nothing here changes anything. The simulator checks its
//! properties with it while the node works.

use crate::core::Core;
use crate::seats::members_of;
use cluster::{ClusterMap, Members};
use model::large::Upload;
use model::limits::CHUNKS;
use model::{GroupId, Index, Now, Term};

/// A replica as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inspect {
    /// It leads in `term`.
    pub leads: bool,
    /// Its term.
    pub term: Term,
    /// Last index known to be committed.
    pub commit: Index,
    /// Last index of its log, durable or not.
    pub last: Index,
    /// Last index applied, and the hash over all it applied.
    pub applied: (Index, u64),
    /// Which of the replicas that its node had of the group it is.
    pub generation: u64,
}

/// How full queues are, the fullest of each kind; their bounds are in the table of ARCHITECTURE.md.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loads {
    /// Requests that wait in a route or were sent and not answered.
    pub route: usize,
    /// Answers kept for exactly-once by a shard.
    pub window: usize,
    /// Requests parked by a leader that is not ready.
    pub parked: usize,
    /// Replies of a connection that are not released.
    pub pipeline: usize,
    /// Bytes on their way to a node.
    pub backlog: usize,
    /// Bytes of log entries in memory of a replica.
    pub tail: usize,
    /// Bytes of replies that wait for a connection.
    pub output: usize,
}

impl Core {
    /// Number of groups, the meta group included; 0 before the cluster is formed.
    pub fn groups(&self) -> u32 {
        self.replicas.len() as u32
    }

    /// This node's replica of a group.
    pub fn inspect(&self, group: GroupId) -> Option<Inspect> {
        let replica = self.replicas.get(group.0 as usize)?.as_deref()?;
        let raft = &replica.raft;
        Some(Inspect {
            leads: raft.is_leader(),
            term: raft.term(),
            commit: raft.commit(),
            last: raft.last_index(),
            applied: (replica.machine.applied().0, replica.machine.rolling()),
            generation: raft.generation(),
        })
    }

    /// The members of a group as this node's replica has applied them.
    pub fn members(&self, group: GroupId) -> Option<Members> {
        let replica = self.replicas.get(group.0 as usize)?.as_deref()?;
        Some(members_of(&replica.raft.members(), self.map.incarnation, &[]))
    }

    /// The map of the cluster as this node knows it.
    pub fn map(&self) -> &ClusterMap {
        &self.map
    }

    /// True if this node's replica of a group may answer reads by itself at this time.
    pub fn may_answer(&self, group: GroupId, now: Now) -> bool {
        let replica = self.replicas.get(group.0 as usize).and_then(Option::as_deref);
        replica.is_some_and(|replica| replica.raft.is_leader() && replica.raft.lease_valid(now))
    }

    /// Term of an entry in the log of this node's replica, if it is known there.
    pub fn term_at(&self, group: GroupId, index: Index) -> Option<Term> {
        self.replicas.get(group.0 as usize)?.as_ref()?.raft.term_at(index)
    }

    /// Keys of a group's replica here whose rows are not in memory.
    pub fn cold_rows(&self, group: GroupId) -> usize {
        let replica = self.replicas.get(group.0 as usize).and_then(Option::as_ref);
        replica.map_or(0, |replica| replica.machine.cold_rows())
    }

    /// Memory of rows at the last tick, bytes; 0 while there is no limit.
    pub fn memory_used(&self) -> u64 {
        self.memory.rows
    }

    /// Memory the node may take, bytes, 0 = no limit; changeable at any time.
    pub fn set_max_memory(&mut self, bytes: u64) {
        self.settings.max_memory = bytes;
    }

    /// What needs memory is refused at once, or not any more, as by a `max-memory` of a byte.
    pub fn set_no_memory(&mut self, none: bool) {
        self.settings.no_memory = none;
    }

    /// Hash over the content of all rows of a replica, whatever their history; `None` while some of it
    /// is not committed, and for a witness, which has none.
    pub fn content_hash(&self, group: GroupId) -> Option<u64> {
        let replica = self.replicas.get(group.0 as usize)?.as_ref()?;
        Some(&replica.machine).filter(|_| !replica.raft.is_witness())?.content_hash()
    }

    /// Of the shards that this node leads: what they know of uploads, and the chunks they hold.
    pub fn large(&self) -> (Vec<Upload>, usize) {
        let (mut uploads, mut chunks) = (Vec::new(), 0);
        for machine in self.replicas.iter().flatten().filter(|r| r.raft.is_leader()).map(|r| &r.machine) {
            let rows = machine.systems(model::large::PREFIX);
            uploads.extend(rows.filter_map(|(_, content)| Upload::decode(content).ok()));
            chunks += machine.counts(CHUNKS).0;
        }
        (uploads, chunks)
    }

    /// How full the queues are.
    pub fn loads(&self) -> Loads {
        let replicas = || self.replicas.iter().flatten();
        Loads {
            route: self.routes.iter().map(router::Route::len).max().unwrap_or(0),
            window: replicas().map(|r| r.machine.answers()).max().unwrap_or(0),
            parked: replicas().map(|r| r.requests_waiting()).max().unwrap_or(0),
            pipeline: self.conns.values().map(|c| c.waiting()).max().unwrap_or(0),
            backlog: self.peers.values().map(|p| p.backlog).max().unwrap_or(0),
            tail: replicas().map(|r| r.raft.tail_bytes()).max().unwrap_or(0),
            output: self.conns.values().map(|c| c.output_bytes()).max().unwrap_or(0),
        }
    }
}
