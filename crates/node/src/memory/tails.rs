//! What of the log is in memory: what a replica may still lack.
//!
//! An entry that all members of a group have applied is needed by none of them again, whoever leads: they applied it
//! from a synced log. So it leaves memory, on followers too, and in a quiet cluster tails are next to nothing. What a
//! node that is away lacks stays, within the bound of a tail.

use crate::core::Core;
use crate::replica::Replica;
use model::{GroupId, Index, NodeId};
use std::collections::BTreeMap;

/// Short of memory, tails of the log together may take one byte of `max-memory` in so many.
const PART: u64 = 16;
/// The tail of a shard may always take so much, bytes: what a follower lacks that is a moment behind.
const LEAST: usize = 256 << 10;
/// Most entries that leave memory at once: some milliseconds.
const MOST_ENTRIES: u64 = 65_536;

impl Replica {
    /// All members of the group, this node too.
    fn all_members(&self) -> impl Iterator<Item = NodeId> {
        let conf = self.raft.members();
        [conf.voters, conf.learners, conf.voters_outgoing, conf.learners_next]
            .into_iter()
            .flatten()
            .map(NodeId)
    }
}

impl Core {
    /// Entries that live followers have leave memory when it is short.
    pub(super) fn cut_tails(&mut self) {
        let groups = self.replicas.iter().flatten().count().max(1) as u64;
        let share = usize::try_from(self.settings.max_memory / PART / groups).unwrap_or(usize::MAX);
        for replica in self.replicas.iter_mut().flatten() {
            replica.raft.trim(share.max(LEAST));
        }
    }

    /// Once a second: entries that all members have applied, as their nodes have reported, leave memory. Of a node that
    /// was not heard of since the start of this one nothing is known; of one that is away, what it reported last: it can
    /// not have less when it comes back.
    pub(crate) fn drop_applied_entries(&mut self) {
        let mut reported = BTreeMap::<(NodeId, GroupId), Index>::new();
        for peer in self.peers.values() {
            let groups = peer.report.iter().flat_map(|report| &report.groups);
            let whole = groups.filter(|group| !group.rebuilding);
            reported.extend(whole.map(|group| ((peer.node, GroupId(group.group)), group.applied)));
        }
        let own = self.node();
        for replica in self.replicas.iter_mut().flatten() {
            if replica.raft.tail_bytes() == 0 {
                continue;
            }
            let others = replica.all_members().filter(|node| *node != own);
            let applied = others.map(|node| reported.get(&(node, replica.id)).copied().unwrap_or(0)).min();
            let most = replica.raft.compacted().0 + MOST_ENTRIES;
            replica.raft.compact(applied.unwrap_or(Index::MAX).min(most));
        }
    }
}
