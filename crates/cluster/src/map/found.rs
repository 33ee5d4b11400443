//! What is recorded after a recovery from a lost majority: whom it gave up, and what it found of splits.
//!
//! Survivors may know more of splits by their shards than by the map, and less of a shard that a split has made: none
//! of them may have it. The recovery looks at all of their folders, which no node can do later, and the meta group
//! takes over what it found before anything else is decided.

use super::{ClusterMap, DIVISIONS_ROW, Divisions, EPOCH_ROW, ReplicaSet, Row, Seat, number, set_name};
use model::{NodeId, ShardId};
use std::collections::BTreeMap;

/// What a recovery found of splits in the folders of the survivors.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FoundSplits {
    /// All splits; closed are also new shards that no survivor has.
    pub divisions: Divisions,
    /// These, with the survivors that are to make them of their replicas of the parents, ascending.
    pub unmade: BTreeMap<ShardId, Vec<NodeId>>,
}

impl ClusterMap {
    /// Whether it is recorded whom the last recovery gave up, and what it found; or there was none.
    pub fn is_recovery_recorded(&self) -> bool {
        self.lost.0 >= self.incarnation
    }

    /// Rows that give up all members but the survivors of a recovery, and say which splits it found; empty if that
    /// is recorded.
    pub fn recovery_rows(&self, found: Option<&FoundSplits>) -> Vec<Row> {
        if self.is_recovery_recorded() {
            return Vec::new();
        }
        let gone = self.members.keys().filter(|node| !self.formation.members.contains(node)).copied();
        let mut rows = vec![self.lost_row(self.incarnation, gone)];
        let mut epoch = self.epoch + 1;
        if let Some(found) = found {
            rows.push((DIVISIONS_ROW.to_vec(), found.divisions.encode()));
            rows.extend(found.unmade.iter().map(|(shard, makers)| self.unmade_row(found, *shard, makers)));
            // A map of an earlier epoch would say nothing of the shards that a split has made.
            epoch = epoch.max(found.divisions.generations.last().map_or(0, |generation| generation + 1));
        }
        rows.push((EPOCH_ROW.to_vec(), number(epoch)));
        rows
    }

    /// The replicas of a new shard that is still to be made.
    fn unmade_row(&self, found: &FoundSplits, shard: ShardId, makers: &[NodeId]) -> Row {
        let generation = found.divisions.generations.last().copied().unwrap_or_default();
        let mut nodes = makers.to_vec();
        let first = nodes.clone();
        // Another one should lead than leads the parent.
        let by = 1.min(nodes.len());
        nodes.rotate_left(by);
        let wanted = nodes.into_iter().map(|node| Seat { node, generation }).collect();
        let set = ReplicaSet {
            incarnation: self.incarnation,
            wanted,
            settled: true,
            first,
            ..ReplicaSet::default()
        };
        (set_name(shard.group()), set.encode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Formation;
    use std::collections::BTreeSet;

    fn map(incarnation: u64) -> ClusterMap {
        let members = vec![NodeId(1), NodeId(4)];
        ClusterMap::new(&Formation { replicas: 2, shards: 2, members, incarnation, ..Formation::default() })
    }

    #[test]
    fn splits_that_the_map_does_not_know_are_recorded_with_who_makes_their_shards() {
        let mut map = map(1);
        let closed = BTreeSet::from([ShardId(2), ShardId(3)]);
        let unmade = BTreeMap::from([(ShardId(3), vec![NodeId(1), NodeId(4)])]);
        let found = FoundSplits { divisions: Divisions { generations: vec![70], closed }, unmade };
        assert!(!map.is_recovery_recorded());
        for (name, content) in map.recovery_rows(Some(&found)) {
            assert_eq!(map.apply_row(&name, Some(&content)), Ok(true));
        }
        assert!(map.is_recovery_recorded());
        assert_eq!((map.shards.len(), map.epoch, map.last_division()), (4, 71, Some(70)));
        let set = map.set_of(ShardId(3).group());
        assert_eq!(set.seat(NodeId(4)), Some(Seat { node: NodeId(4), generation: 70 }));
        assert_eq!((set.nodes(), set.first), (vec![NodeId(4), NodeId(1)], vec![NodeId(1), NodeId(4)]));
        assert!(!map.has_set(ShardId(2).group()), "its own replicas say who has it");
        assert!(map.division_of(ShardId(1)).is_some() && map.recovery_rows(Some(&found)).is_empty());
    }
}
