//! Which nodes hold the replicas of a group, as the cluster wants it: a row of the meta group per group that was
//! ever moved.
//!
//! A move is a change of this row. The group's leader sees it and changes the members of the group step by
//! step, each a committed entry of the group; when members and row agree the row is *settled*, and nodes that
//! left may forget their replicas. Whoever fails in between, the row says what is to be done.

use super::{ClusterMap, FORMAT, Row, format};
use crate::heartbeat::LEARNERS_LEVEL;
use crate::identity::MAX_REPLICAS;
use model::varint::{DecodeError, Reader, put_u64};
use model::{GroupId, NodeId};

/// Format version of a set with learners; one without them has that of the other rows.
const WITH_LEARNERS: u8 = 2;
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
    /// Who should have one with a vote; the first should lead.
    pub wanted: Vec<Seat>,
    /// Who should have one that never votes.
    pub learners: Vec<Seat>,
    /// Who may still have one that is to go.
    pub leaving: Vec<Seat>,
    /// The group's members are those wanted.
    pub settled: bool,
    /// With whom the group began in this incarnation of the cluster, if those are not all of the formation.
    pub first: Vec<NodeId>,
}

impl ReplicaSet {
    fn seats(&self) -> impl Iterator<Item = Seat> {
        self.wanted.iter().chain(&self.learners).chain(&self.leaving).copied()
    }

    /// The place of a node, wanted or leaving.
    pub fn seat(&self, node: NodeId) -> Option<Seat> {
        self.seats().find(|seat| seat.node == node)
    }

    /// The nodes that should have a vote, in their order.
    pub fn nodes(&self) -> Vec<NodeId> {
        self.wanted.iter().map(|seat| seat.node).collect()
    }

    /// The nodes that should have a replica without a vote.
    pub fn learner_nodes(&self) -> Vec<NodeId> {
        self.learners.iter().map(|seat| seat.node).collect()
    }

    /// The content of the row.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![if self.learners.is_empty() { FORMAT } else { WITH_LEARNERS }];
        put_u64(&mut out, self.incarnation);
        out.push(u8::from(self.settled));
        let put = |out: &mut Vec<u8>, list: &[Seat]| {
            put_u64(out, list.len() as u64);
            for seat in list {
                put_u64(out, seat.node.0);
                put_u64(out, seat.generation);
            }
        };
        put(&mut out, &self.wanted);
        put(&mut out, &self.leaving);
        put_u64(&mut out, self.first.len() as u64);
        self.first.iter().for_each(|node| put_u64(&mut out, node.0));
        if !self.learners.is_empty() {
            put(&mut out, &self.learners);
        }
        out
    }

    /// Reads a row's content.
    ///
    /// # Errors
    /// If it is none, or of a newer format.
    pub fn decode(content: &[u8]) -> Result<ReplicaSet, DecodeError> {
        let bad = DecodeError::Malformed("replica set");
        let mut r = Reader::new(content);
        let with_learners = content.first() == Some(&WITH_LEARNERS);
        match with_learners {
            true => _ = r.u8()?,
            false => format(&mut r)?,
        }
        let incarnation = r.u64()?;
        let settled = match r.u8()? {
            0 => false,
            1 => true,
            _ => return Err(bad),
        };
        let list = |r: &mut Reader<'_>| {
            let count = r.u64()?;
            if count > MAX_SEATS as u64 {
                return Err(bad);
            }
            (0..count).map(|_| Ok(Seat { node: NodeId(r.u64()?), generation: r.u64()? })).collect()
        };
        let (wanted, leaving): (Vec<Seat>, Vec<Seat>) = (list(&mut r)?, list(&mut r)?);
        let count = r.u64()?;
        if count > MAX_SEATS as u64 {
            return Err(bad);
        }
        let first = (0..count).map(|_| r.u64().map(NodeId)).collect::<Result<_, _>>()?;
        let learners = if with_learners { list(&mut r)? } else { Vec::new() };
        let set = ReplicaSet { incarnation, wanted, learners, leaving, settled, first };
        let mut nodes: Vec<NodeId> = set.seats().map(|seat| seat.node).collect();
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

    /// Rows with which a group gets these replicas, the first of which should lead, and these learners. Empty
    /// if it has.
    ///
    /// # Errors
    /// In words: what is wrong with the lists.
    pub fn seat_rows(
        &self,
        group: GroupId,
        nodes: &[NodeId],
        learners: &[NodeId],
    ) -> Result<Vec<Row>, String> {
        if group.0 as usize > self.shards.len() {
            return Err(format!("there is no group {group}; allowed: 0 to {}", self.shards.len()));
        }
        if nodes.is_empty() || nodes.len() > MAX_REPLICAS as usize {
            return Err(format!("{} replicas; allowed: 1 to {MAX_REPLICAS}", nodes.len()));
        }
        let all: Vec<NodeId> = nodes.iter().chain(learners).copied().collect();
        if let Some(node) = all.iter().enumerate().find(|(at, node)| all[..*at].contains(node)) {
            return Err(format!("node {} twice", node.1));
        }
        if !self.may_vote(nodes) {
            return Err(
                "a witness votes beside at least two nodes that keep data, and no other witness".to_owned()
            );
        }
        if let Some(node) = learners.iter().find(|node| self.is_witness(**node)) {
            return Err(format!("node {node} is a witness: it holds no copies"));
        }
        if !learners.is_empty() && self.level < LEARNERS_LEVEL {
            return Err("learners are not understood by all nodes".to_owned());
        }
        let old = self.set_of(group);
        // Of one that was given up a replica may be wanted until another takes its place.
        let known = |node: &&NodeId| self.members.contains_key(node) || old.seat(**node).is_some();
        if let Some(node) = all.iter().find(|node| !known(node)) {
            return Err(format!("node {node} is no member of the cluster"));
        }
        if old.nodes() == nodes && old.learner_nodes() == learners {
            return Ok(Vec::new());
        }
        let generation = self.epoch + 1;
        let seat = |node: &NodeId| old.seat(*node).unwrap_or(Seat { node: *node, generation });
        let wanted: Vec<Seat> = nodes.iter().map(seat).collect();
        let learners: Vec<Seat> = learners.iter().map(seat).collect();
        let stays = |seat: &Seat| wanted.contains(seat) || learners.contains(seat);
        let leaving: Vec<Seat> = old.seats().filter(|seat| !stays(seat)).collect();
        if leaving.len() + all.len() > MAX_SEATS {
            return Err(format!("group {group} has too many replicas on their way; at most {MAX_SEATS}"));
        }
        let same = |new: &[Seat], old: &[Seat]| new.iter().all(|seat| old.contains(seat));
        let same = same(&wanted, &old.wanted) && same(&learners, &old.learners);
        let settled = old.settled && leaving.is_empty() && same;
        Ok(self.set_rows(group, &ReplicaSet { wanted, learners, leaving, settled, ..old }))
    }

    /// Rows with which a node gets another replica of a group in place of the one of this generation, which it has lost
    /// and says so: the group's members change as if it went and came. Empty if that one is not wanted any more.
    pub fn renew_rows(&self, group: GroupId, lost: Seat) -> Vec<Row> {
        // After a recovery the default set names all survivors, also those without a replica: nothing is built on it.
        if group.0 as usize > self.shards.len() || self.incarnation > 0 && !self.has_set(group) {
            return Vec::new();
        }
        let mut set = self.set_of(group);
        let seats = set.wanted.iter_mut().chain(&mut set.learners);
        let Some(seat) = seats.into_iter().find(|seat| **seat == lost) else { return Vec::new() };
        seat.generation = self.epoch + 1;
        self.set_rows(group, &ReplicaSet { settled: false, ..set })
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

    /// Rows that say that the members of a group, with and without a vote, are those wanted; empty if others are
    /// wanted meanwhile.
    pub fn settle_rows(&self, group: GroupId, members: &[Seat], learners: &[Seat]) -> Vec<Row> {
        let set = self.set_of(group);
        if self.incarnation > 0 && !self.has_set(group) {
            let (wanted, first) = (members.to_vec(), members.iter().map(|seat| seat.node).collect());
            return self.set_rows(group, &ReplicaSet { wanted, first, ..set });
        }
        let differ = |wanted: &[Seat], are: &[Seat]| {
            let (mut wanted, mut are) = (wanted.to_vec(), are.to_vec());
            wanted.sort_unstable();
            are.sort_unstable();
            wanted != are
        };
        if set.settled || differ(&set.wanted, members) || differ(&set.learners, learners) {
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
        let rows = map.seat_rows(GroupId(1), &nodes.map(NodeId), &[]).unwrap();
        apply(map, rows);
        map.set_of(GroupId(1))
    }

    fn apply(map: &mut ClusterMap, rows: Vec<Row>) {
        for (name, content) in rows {
            assert_eq!(map.apply_row(&name, Some(&content)), Ok(true));
        }
    }

    #[test]
    fn who_lost_a_replica_gets_another_one() {
        let mut map = map();
        let lost = Seat { node: NodeId(2), generation: 0 };
        let rows = map.renew_rows(GroupId(1), lost);
        apply(&mut map, rows);
        let set = map.set_of(GroupId(1));
        let epoch = map.epoch;
        assert!(epoch > 0 && !set.settled && set.leaving.is_empty());
        assert_eq!(set.seat(NodeId(2)), Some(Seat { node: NodeId(2), generation: epoch }));
        assert_eq!(set.nodes(), map.formation.voters(GroupId(1)), "nobody else comes or goes");
        assert!(map.renew_rows(GroupId(1), lost).is_empty(), "it was replaced already");
        assert!(map.renew_rows(GroupId(1), Seat { node: NodeId(4), generation: 0 }).is_empty());
        assert!(map.renew_rows(GroupId(9), lost).is_empty());
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
        assert_eq!(map.settle_rows(GroupId(1), &new, &[]), [], "others are wanted now");
        // A replica on its way out is taken back as what it is.
        assert_eq!(place(&mut map, [2, 3, 1]).leaving, seats(&[(5, 3), (4, 2)]));
        let rows = map.settle_rows(GroupId(1), &seats(&[(1, 0), (2, 0), (3, 0)]), &[]);
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
        assert_eq!(map.seat_rows(GroupId(1), &[1, 2, 3].map(NodeId), &[]), Ok(Vec::new()));
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
        let unknown = Seat { node: NodeId(2), generation: 0 };
        assert!(map.renew_rows(GroupId(1), unknown).is_empty(), "nobody has said yet who has it");
        let told = map.settle_rows(GroupId(1), &[unknown], &[]);
        apply(&mut map, told);
        assert!(!map.renew_rows(GroupId(1), unknown).is_empty());
    }

    #[test]
    fn a_list_that_makes_no_sense_is_refused() {
        let map = map();
        let refused = |group, nodes: &[u64]| {
            let nodes: Vec<NodeId> = nodes.iter().copied().map(NodeId).collect();
            map.seat_rows(GroupId(group), &nodes, &[]).unwrap_err()
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
        assert_eq!(ReplicaSet::decode(&[3]), Err(DecodeError::Version(3)));
        for bad in [&[1, 2][..], &[1, 0, 0, 0], &[1, 0, 2, 2, 0, 2, 0, 0], &[1, 0, 1, 0, 0, 0], &written[..9]]
        {
            assert!(ReplicaSet::decode(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn learners_are_written_only_where_all_understand_them() {
        let mut map = map();
        let (voters, learners) = ([2, 3, 1].map(NodeId), [NodeId(4)]);
        assert!(map.seat_rows(GroupId(1), &voters, &learners).unwrap_err().contains("not understood"));
        map.level = LEARNERS_LEVEL;
        assert_eq!(map.seat_rows(GroupId(1), &voters, &[NodeId(2)]).unwrap_err(), "node 2 twice");
        let rows = map.seat_rows(GroupId(1), &voters, &learners).unwrap();
        assert_eq!(
            rows[0].1,
            [2, 0, 0, 3, 2, 0, 3, 0, 1, 0, 0, 0, 1, 4, 2],
            "rows of older versions must be read"
        );
        apply(&mut map, rows);
        let set = map.set_of(GroupId(1));
        assert_eq!((set.learners.clone(), set.settled), (seats(&[(4, 2)]), false));
        assert_eq!(map.shards[0].voters, voters, "it is no voter");
        assert_eq!(set.seat(NodeId(4)), Some(seats(&[(4, 2)])[0]), "its node makes it");
        assert_eq!(map.settle_rows(GroupId(1), &set.wanted, &[]), [], "the learner is not there yet");
        let rows = map.settle_rows(GroupId(1), &set.wanted, &set.learners);
        apply(&mut map, rows);
        assert!(map.set_of(GroupId(1)).settled);
        // With a vote it is the same replica; that it is to vote is a move all the same.
        let rows = map.seat_rows(GroupId(1), &[2, 3, 4].map(NodeId), &[]).unwrap();
        apply(&mut map, rows);
        let set = map.set_of(GroupId(1));
        assert_eq!((set.wanted[2], set.leaving, set.settled), (seats(&[(4, 2)])[0], seats(&[(1, 0)]), false));
    }

    #[test]
    fn a_member_that_is_removed_is_no_learner_any_more() {
        let mut map = map();
        map.level = LEARNERS_LEVEL;
        let rows = map.seat_rows(GroupId(1), &[2, 3, 1].map(NodeId), &[NodeId(4)]).unwrap();
        apply(&mut map, rows);
        let rows = map.removal_rows(NodeId(4)).unwrap();
        apply(&mut map, rows);
        let set = map.set_of(GroupId(1));
        assert_eq!((set.learners, set.leaving), (Vec::new(), seats(&[(4, 2)])));
    }
}
