//! Witnesses: nodes that vote and keep no data, so that two nodes with data and a tiny third make a safe cluster.
//!
//! What a witness is rests on `consensus` (see its `witness.rs`). Its replica here is one like any other, whose
//! entries have no payload: each of them is applied as nothing, but for the changes of members. So its rows are the
//! few that say who votes, and log, checkpoints and snapshots need nothing special, but that a snapshot for it
//! is cut down to those rows. The rows of the meta group it lacks too, so the map is sent to it.

use crate::core::Core;
use cluster::Health;
use cluster::heartbeat::WITNESS_LEVEL;
use model::{GroupId, NodeId};

/// How a node that joins as a witness is told from others in a request to the meta group.
pub(crate) const WITNESS: &str = "witness";

/// Bytes that an entry without a payload counts in the log, so that checkpoints come also where there are only such.
pub(crate) const METADATA_BYTES: u64 = 32;

impl Core {
    /// Whether all nodes understand what a witness is.
    pub fn takes_witnesses(&self) -> bool {
        self.map.level >= WITNESS_LEVEL
    }

    /// Tells all groups who of their members is a witness, as the map says.
    pub(crate) fn name_witnesses(&mut self) {
        // Of a node that joined later the map may not have come yet.
        let me = Some(self.me.node).filter(|_| self.me.witness);
        let witnesses: Vec<NodeId> = self.map.witnesses().chain(me).collect();
        for replica in self.replicas.iter_mut().flatten() {
            replica.raft.set_witnesses(witnesses.iter().copied());
        }
    }

    /// Tells all groups with a witness which nodes are lost: silent, or known to be gone. One that stands still
    /// is not, it may go on; nor one that was never heard from, it may be about to come.
    pub(crate) fn name_lost(&mut self) {
        if self.map.witnesses().next().is_none() {
            return;
        }
        let now_ns = self.now.mono_ns;
        let gone = |health: Health| matches!(health, Health::Unreachable { .. });
        let lost = self.peers.values().filter(|peer| gone(peer.health.health(now_ns)));
        let lost: Vec<NodeId> = lost.map(|peer| peer.node).collect();
        for replica in self.replicas.iter_mut().flatten().filter(|replica| replica.raft.is_leader()) {
            replica.raft.set_lost(lost.iter().copied());
        }
    }

    /// Whether the writes of a group are on its leader's disk alone, beside a witness, as the leader says.
    pub(crate) fn rests_on_witness(&self, group: GroupId, leader: Option<NodeId>) -> bool {
        let Some(leader) = leader else { return false };
        if leader == self.me.node {
            return self.replicas[group.0 as usize].as_deref().is_some_and(|r| r.raft.rests_on_witness());
        }
        let report = self.peers.get(&leader).and_then(|peer| peer.report.as_ref());
        report.and_then(|r| r.groups.iter().find(|g| g.group == group.0)).is_some_and(|g| g.on_witness)
    }
}
