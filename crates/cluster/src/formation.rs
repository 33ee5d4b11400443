//! How a cluster starts: the bootstrap node gathers as many nodes as replicas, then decides, once
//! and durably, with which members all groups begin.

mod forming;
#[cfg(test)]
mod tests;

use crate::identity::{MAX_REPLICAS, MAX_SHARDS};
use model::limits::SLOTS;
use model::varint::{DecodeError, Reader, put_u64};
use model::{GroupId, NodeId, ShardId, Slot};
use std::fmt;

pub use forming::{Admission, Forming, Joiner, lost_folder};

/// First and last slot that a shard owns at the start of a cluster of so many shards.
pub fn first_slots(shards: u16, shard: ShardId) -> (Slot, Slot) {
    let start = |n: u16| (u32::from(n) * u32::from(SLOTS) / u32::from(shards.max(1))) as Slot;
    (start(shard.0), start(shard.0 + 1) - 1)
}

/// The decision with which the meta group and all shards start at once, with their full voter sets.
/// Made once in the life of a cluster; every replica derives the same first configuration from it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Formation {
    /// Replicas of each group: 1 to [`MAX_REPLICAS`], as many as there are members.
    pub replicas: u32,
    /// Number of shards: 1 to [`MAX_SHARDS`].
    pub shards: u16,
    /// The first members, ascending.
    pub members: Vec<NodeId>,
    /// The incarnation of the cluster: 0, and one higher with each recovery after a majority was lost, which
    /// also replaces the members by the survivors. Nodes of different ones have nothing to do with each
    /// other (safety rule 24).
    pub incarnation: u64,
    /// The highest id of a first member of an earlier incarnation, 0 in the first one: such ids are not given
    /// again, and there may be no row that says so.
    pub before: NodeId,
    /// Who of the members is a witness: it votes, and keeps no data.
    pub witness: Option<NodeId>,
}

impl Formation {
    /// All groups in the order of their ids, the meta group first.
    pub fn groups(&self) -> impl Iterator<Item = GroupId> + use<> {
        (0..=u32::from(self.shards)).map(GroupId)
    }

    /// The first voters of a group. The first of them should lead it, the others succeed in this
    /// order: rotated from shard to shard, so that every node leads its part. A witness is the last.
    pub fn voters(&self, group: GroupId) -> Vec<NodeId> {
        let data = |node: &&NodeId| Some(**node) != self.witness;
        let mut voters: Vec<NodeId> = self.members.iter().filter(data).copied().collect();
        // The same order in which the replicas of a group succeed each other.
        let by = group.0 as usize % voters.len().max(1);
        voters.rotate_left(by);
        voters.extend(self.witness);
        voters
    }

    /// First and last slot a shard owns at the start; of all shards together every slot once.
    pub fn slots(&self, shard: ShardId) -> (Slot, Slot) {
        first_slots(self.shards, shard)
    }

    /// The formation with which the survivors of a lost majority go on; `None` if they are no members, or a
    /// majority themselves, or one of them is a witness.
    pub fn of_survivors(&self, survivors: &[NodeId]) -> Option<Formation> {
        let mut members = survivors.to_vec();
        members.sort_unstable();
        members.dedup();
        let minority = !members.is_empty() && members.len() <= self.members.len() / 2;
        // What a witness has is not enough to go on with.
        let known = members.iter().all(|node| self.members.contains(node) && Some(*node) != self.witness);
        (minority && known).then(|| self.followed_by(members))
    }

    /// The formation of the next incarnation of the cluster, with these members, ascending.
    pub fn followed_by(&self, members: Vec<NodeId>) -> Formation {
        let (replicas, incarnation) = (members.len() as u32, self.incarnation + 1);
        let (shards, before) = (self.shards, self.highest_id());
        Formation { replicas, shards, members, incarnation, before, witness: None }
    }

    /// The highest id that a first member has or had.
    pub fn highest_id(&self) -> NodeId {
        self.members.iter().copied().fold(self.before, NodeId::max)
    }

    /// Appends the formation, without what tells it from those of other incarnations.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_u64(out, u64::from(self.replicas));
        put_u64(out, u64::from(self.shards));
        self.members.iter().for_each(|node| put_u64(out, node.0));
    }

    /// Reads what [`Formation::encode`] wrote; it is one of the first incarnation then.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] if a number is out of its bounds.
    pub fn decode(r: &mut Reader<'_>) -> Result<Formation, DecodeError> {
        let bad = DecodeError::Malformed("formation");
        let replicas = u32::try_from(r.u64()?).ok().filter(|n| (1..=MAX_REPLICAS).contains(n)).ok_or(bad)?;
        let shards = u16::try_from(r.u64()?).ok().filter(|n| (1..=MAX_SHARDS).contains(n)).ok_or(bad)?;
        let members = (0..replicas).map(|_| r.u64().map(NodeId)).collect::<Result<Vec<_>, _>>()?;
        let ascending = members.windows(2).all(|pair| pair[0] < pair[1]);
        if members[0].0 == 0 || !ascending {
            return Err(bad);
        }
        Ok(Formation { replicas, shards, members, ..Formation::default() })
    }
}

impl fmt::Display for Formation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<String> = self.members.iter().map(NodeId::to_string).collect();
        write!(f, "{} replicas, {} shards, nodes {}", self.replicas, self.shards, members.join(" "))?;
        if let Some(witness) = self.witness {
            write!(f, ", node {witness} is a witness")?;
        }
        match self.incarnation {
            0 => Ok(()),
            recovered => write!(f, ", cluster incarnation {recovered}"),
        }
    }
}
