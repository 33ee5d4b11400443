//! Which nodes hold the replicas of a group, as the cluster wants it: a row of the meta group per group that was
//! ever moved.
//!
//! A move is a change of this row. The group's leader sees it and changes the members of the group step by
//! step, each a committed entry of the group; when members and row agree the row is *settled*, and nodes that
//! left may forget their replicas. Whoever fails in between, the row says what is to be done.

use super::{ClusterMap, FORMAT, Row, format};
use crate::identity::MAX_REPLICAS;
use model::varint::{DecodeError, Reader, put_u64};
use model::{GroupId, NodeId};

/// Most nodes of a set, those on their way out included; as many as a Raft group may have members.
pub const MAX_SEATS: usize = 64;

/// A node's place in a group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Seat {
    /// The node.
    pub node: NodeId,
    /// Tells the replicas that a node has of one group, one after another, from each other: 0 for the first
    /// members of the cluster, else the epoch of the map with which it was given.
    pub generation: u64,
}

/// Who holds the replicas of a group.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReplicaSet {
    /// Incarnation of the cluster in which it was written. In a later one it says nothing: the survivors have
    /// all replicas.
    pub incarnation: u64,
    /// Who should; the first should lead.
    pub wanted: Vec<Seat>,
    /// Who may still have one that is to go.
    pub leaving: Vec<Seat>,
    /// The group's members are those wanted.
    pub settled: bool,
    /// With whom the group began in this incarnation of the cluster, if those are not all of the formation.
    pub first: Vec<NodeId>,
}

impl ReplicaSet {
    /// The place of a node, wanted or leaving.
    pub fn seat(&self, node: NodeId) -> Option<Seat> {
        self.wanted.iter().chain(&self.leaving).copied().find(|seat| seat.node == node)
    }

    /// The nodes wanted, in their order.
    pub fn nodes(&self) -> Vec<NodeId> {
        self.wanted.iter().map(|seat| seat.node).collect()
    }

    /// The content of the row.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        put_u64(&mut out, self.incarnation);
        out.push(u8::from(self.settled));
        for list in [&self.wanted, &self.leaving] {
            put_u64(&mut out, list.len() as u64);
            for seat in list {
                put_u64(&mut out, seat.node.0);
                put_u64(&mut out, seat.generation);
            }
        }
        put_u64(&mut out, self.first.len() as u64);
        self.first.iter().for_each(|node| put_u64(&mut out, node.0));
        out
    }

    /// Reads a row's content.
    ///
    /// # Errors
    /// If it is none, or of a newer format.
    pub fn decode(content: &[u8]) -> Result<ReplicaSet, DecodeError> {
        let bad = DecodeError::Malformed("replica set");
        let mut r = Reader::new(content);
        format(&mut r)?;
        let incarnation = r.u64()?;
        let settled = match r.u8()? {
            0 => false,
            1 => true,
            _ => return Err(bad),
        };
        let mut list = || {
            let count = r.u64()?;
            if count > MAX_SEATS as u64 {
                return Err(bad);
            }
            (0..count).map(|_| Ok(Seat { node: NodeId(r.u64()?), generation: r.u64()? })).collect()
        };
        let (wanted, leaving) = (list()?, list()?);
        let count = r.u64()?;
        if count > MAX_SEATS as u64 {
            return Err(bad);
        }
        let first = (0..count).map(|_| r.u64().map(NodeId)).collect::<Result<_, _>>()?;
        let set = ReplicaSet { incarnation, wanted, leaving, settled, first };
        let mut nodes: Vec<NodeId> = set.wanted.iter().chain(&set.leaving).map(|seat| seat.node).collect();
        nodes.sort_unstable();
        let unique = nodes.windows(2).all(|pair| pair[0] != pair[1]);
        match !unique || set.wanted.is_empty() || nodes[0].0 == 0 || !r.is_empty() {
            true => Err(bad),
            false => Ok(set),
        }
    }
}

/// Changes, as rows to be proposed to the meta group; see the changes of layouts.
impl ClusterMap {
    /// Who holds the replicas of a group.
    pub fn set_of(&self, group: GroupId) -> ReplicaSet {
        self.sets.get(&group).cloned().unwrap_or_else(|| {
            let seat = |node| Seat { node, generation: 0 };
            let wanted = self.formation.voters(group).into_iter().map(seat).collect();
            ReplicaSet { incarnation: self.incarnation, wanted, settled: true, ..ReplicaSet::default() }
        })
    }

    /// Whether the group was ever moved.
    pub fn has_set(&self, group: GroupId) -> bool {
        self.sets.contains_key(&group)
    }

    /// All groups that were ever moved.
    pub fn sets(&self) -> impl Iterator<Item = (GroupId, &ReplicaSet)> {
        self.sets.iter().map(|(group, set)| (*group, set))
    }

    /// All groups whose members are not those wanted.
    pub fn unsettled(&self) -> impl Iterator<Item = (GroupId, &ReplicaSet)> {
        self.sets.iter().filter(|(_, set)| !set.settled).map(|(group, set)| (*group, set))
    }

    /// Rows with which a group gets these replicas, the first of which should lead. Empty if it has.
    ///
    /// # Errors
    /// In words: what is wrong with the list.
    pub fn seat_rows(&self, group: GroupId, nodes: &[NodeId]) -> Result<Vec<Row>, String> {
        if group.0 as usize > self.shards.len() {
            return Err(format!("there is no group {group}; allowed: 0 to {}", self.shards.len()));
        }
        if nodes.is_empty() || nodes.len() > MAX_REPLICAS as usize {
            return Err(format!("{} replicas; allowed: 1 to {MAX_REPLICAS}", nodes.len()));
        }
        if let Some(node) = nodes.iter().enumerate().find(|(at, node)| nodes[..*at].contains(node)) {
            return Err(format!("node {} twice", node.1));
        }
        if !self.may_vote(nodes) {
            return Err(
                "a witness votes beside at least two nodes that keep data, and no other witness".to_owned()
            );
        }
        let old = self.set_of(group);
        // Of one that was given up a replica may be wanted until another takes its place.
        let known = |node: &&NodeId| self.members.contains_key(node) || old.seat(**node).is_some();
        if let Some(node) = nodes.iter().find(|node| !known(node)) {
            return Err(format!("node {node} is no member of the cluster"));
        }
        if old.nodes() == nodes {
            return Ok(Vec::new());
        }
        let generation = self.epoch + 1;
        let seat = |node: &NodeId| old.seat(*node).unwrap_or(Seat { node: *node, generation });
        let wanted: Vec<Seat> = nodes.iter().map(seat).collect();
        let before = old.wanted.iter().chain(&old.leaving).copied();
        let leaving: Vec<Seat> = before.filter(|seat| !wanted.contains(seat)).collect();
        if leaving.len() + wanted.len() > MAX_SEATS {
            return Err(format!("group {group} has too many replicas on their way; at most {MAX_SEATS}"));
        }
        let grows = wanted.iter().any(|seat| old.seat(seat.node).is_none());
        let settled = old.settled && leaving.is_empty() && !grows;
        Ok(self.set_rows(group, &ReplicaSet { wanted, leaving, settled, ..old }))
    }

    /// Whether nodes may be those of a group, as far as there is a witness among them.
    fn may_vote(&self, nodes: &[NodeId]) -> bool {
        let witnesses = nodes.iter().filter(|node| self.is_witness(**node)).count();
        witnesses == 0 || witnesses == 1 && nodes.len() >= 3
    }

    /// The nodes of a group that are left without one, and without a witness that is of no use to them.
    pub(super) fn seats_without(&self, group: GroupId, gone: NodeId) -> Vec<NodeId> {
        let mut nodes = self.set_of(group).nodes();
        nodes.retain(|node| *node != gone);
        if !self.may_vote(&nodes) {
            nodes.retain(|node| !self.is_witness(*node));
        }
        nodes
    }

    /// Rows that say that the members of a group are those wanted; empty if others are wanted meanwhile.
    pub fn settle_rows(&self, group: GroupId, members: &[Seat]) -> Vec<Row> {
        let set = self.set_of(group);
        if self.incarnation > 0 && !self.has_set(group) {
            let (wanted, first) = (members.to_vec(), members.iter().map(|seat| seat.node).collect());
            return self.set_rows(group, &ReplicaSet { wanted, first, ..set });
        }
        let (mut wanted, mut members) = (set.wanted.clone(), members.to_vec());
        wanted.sort_unstable();
        members.sort_unstable();
        if set.settled || wanted != members {
            return Vec::new();
        }
        self.set_rows(group, &ReplicaSet { leaving: Vec::new(), settled: true, ..set })
    }

    fn set_rows(&self, group: GroupId, set: &ReplicaSet) -> Vec<Row> {
        vec![(set_name(group), set.encode()), self.next_epoch()]
    }

    /// Takes a set over, and what follows from it.
    pub(super) fn apply_set(&mut self, group: GroupId, set: Option<ReplicaSet>) {
        match set.filter(|set| set.incarnation == self.incarnation) {
            Some(set) => self.sets.insert(group, set),
            None => self.sets.remove(&group),
        };
        let voters = self.set_of(group).nodes();
        match group.shard().and_then(|shard| self.shards.get_mut(usize::from(shard.0))) {
            Some(info) => info.voters = voters,
            None => self.meta_voters = voters,
        }
    }
}

/// Name of the row with the replicas of a group.
pub fn set_name(group: GroupId) -> Vec<u8> {
    format!("{}{:05}", super::SET_PREFIX, group.0).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Formation, Member};

    fn map() -> ClusterMap {
        let members = [1, 2, 3].map(NodeId).to_vec();
        let formation = Formation { replicas: 3, shards: 2, members, ..Formation::default() };
        let mut map = ClusterMap::new(&formation);
        for node in [4, 5] {
            map.members.insert(NodeId(node), Member::default());
        }
        map
    }

    fn place(map: &mut ClusterMap, nodes: [u64; 3]) -> ReplicaSet {
        let rows = map.seat_rows(GroupId(1), &nodes.map(NodeId)).unwrap();
        apply(map, rows);
        map.set_of(GroupId(1))
    }

    fn apply(map: &mut ClusterMap, rows: Vec<Row>) {
        for (name, content) in rows {
            assert_eq!(map.apply_row(&name, Some(&content)), Ok(true));
        }
    }

    fn seats(list: &[(u64, u64)]) -> Vec<Seat> {
        list.iter().map(|&(node, generation)| Seat { node: NodeId(node), generation }).collect()
    }

    #[test]
    fn a_move_is_undone_and_ended_without_losing_sight_of_a_replica() {
        let mut map = map();
        assert!(map.set_of(GroupId(1)).settled);
        assert_eq!(map.shards[0].voters, [2, 3, 1].map(NodeId));
        let set = place(&mut map, [2, 3, 4]);
        let (gone, new) = (seats(&[(1, 0)]), seats(&[(2, 0), (3, 0), (4, 2)]));
        assert_eq!(set, ReplicaSet { wanted: new.clone(), leaving: gone, ..ReplicaSet::default() });
        assert_eq!(map.shards[0].voters, [2, 3, 4].map(NodeId));
        // Another node instead: the first may have its replica already.
        let set = place(&mut map, [2, 3, 5]);
        assert_eq!(set.wanted, seats(&[(2, 0), (3, 0), (5, 3)]));
        assert_eq!(set.leaving, seats(&[(4, 2), (1, 0)]));
        assert_eq!(map.settle_rows(GroupId(1), &new), [], "others are wanted now");
        // A replica on its way out is taken back as what it is.
        assert_eq!(place(&mut map, [2, 3, 1]).leaving, seats(&[(5, 3), (4, 2)]));
        let rows = map.settle_rows(GroupId(1), &seats(&[(1, 0), (2, 0), (3, 0)]));
        apply(&mut map, rows);
        assert_eq!(map.set_of(GroupId(1)).leaving, []);
        assert!(map.set_of(GroupId(1)).settled);
        // A node that comes again gets another generation, and an order alone moves nothing.
        assert_eq!(place(&mut map, [2, 3, 4]).wanted[2].generation, 6);
        assert!(!place(&mut map, [4, 3, 2]).settled);
    }

    #[test]
    fn an_order_of_succession_is_settled_at_once() {
        let mut map = map();
        assert!(place(&mut map, [1, 2, 3]).settled);
        assert_eq!(map.seat_rows(GroupId(1), &[1, 2, 3].map(NodeId)), Ok(Vec::new()));
    }

    #[test]
    fn what_an_earlier_incarnation_wanted_says_nothing() {
        let mut map = map();
        place(&mut map, [2, 3, 4]);
        let row = (set_name(GroupId(1)), map.set_of(GroupId(1)).encode());
        let after =
            Formation { replicas: 1, members: vec![NodeId(2)], incarnation: 1, ..map.formation.clone() };
        let mut map = ClusterMap::new(&after);
        apply(&mut map, vec![row]);
        assert_eq!((map.set_of(GroupId(1)).nodes(), map.has_set(GroupId(1))), (vec![NodeId(2)], false));
    }

    #[test]
    fn a_list_that_makes_no_sense_is_refused() {
        let map = map();
        let refused = |group, nodes: &[u64]| {
            let nodes: Vec<NodeId> = nodes.iter().copied().map(NodeId).collect();
            map.seat_rows(GroupId(group), &nodes).unwrap_err()
        };
        assert_eq!(refused(1, &[1, 2, 1]), "node 1 twice");
        assert_eq!(refused(1, &[1, 2, 9]), "node 9 is no member of the cluster");
        assert_eq!(refused(3, &[1]), "there is no group 3; allowed: 0 to 2");
        assert!(refused(1, &[]).starts_with("0 replicas; allowed: 1 to "));
    }

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let (wanted, leaving) = (seats(&[(2, 0), (300, 7)]), seats(&[(1, 0)]));
        let set = ReplicaSet { wanted, leaving, first: vec![NodeId(5)], ..ReplicaSet::default() };
        let written = [1, 0, 0, 2, 2, 0, 0xac, 2, 7, 1, 1, 0, 1, 5];
        assert_eq!(set.encode(), written, "rows of older versions must be read");
        assert_eq!(ReplicaSet::decode(&written), Ok(set));
        assert_eq!(ReplicaSet::decode(&[2]), Err(DecodeError::Version(2)));
        for bad in [&[1, 2][..], &[1, 0, 0, 0], &[1, 0, 2, 2, 0, 2, 0, 0], &[1, 0, 1, 0, 0, 0], &written[..9]]
        {
            assert!(ReplicaSet::decode(bad).is_err(), "{bad:?}");
        }
    }
}
