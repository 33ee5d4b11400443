use super::*;
use crate::map::{Member, Placement, member_name};
use crate::{Formation, KeyspaceLayout};

fn map(shards: u16) -> ClusterMap {
    let members = [1, 2, 3].map(NodeId).to_vec();
    ClusterMap::new(&Formation { replicas: 3, shards, members, ..Formation::default() })
}

fn apply(map: &mut ClusterMap, mut rows: Vec<Row>) {
    rows.sort();
    for (name, content) in rows {
        assert_eq!(map.apply_row(&name, Some(&content)), Ok(true), "{}", String::from_utf8_lossy(&name));
    }
}

/// How many slots each shard has; every slot has one owner.
fn slots(map: &ClusterMap) -> Vec<u32> {
    let mut counts = vec![0; map.shards.len()];
    for slot in 0..SLOTS {
        let Placement::Shard(shard) = map.shard_of(Keyspace(0), slot) else {
            panic!("slot {slot} is closed")
        };
        assert!(map.shards[usize::from(shard.0)].slots.iter().any(|(a, b)| (*a..=*b).contains(&slot)));
        counts[usize::from(shard.0)] += 1;
    }
    counts
}

#[test]
fn a_split_gives_each_child_the_upper_half_when_it_is_opened_and_not_before() {
    let mut map = map(3);
    let (before, single) = (slots(&map), map.shard_of(Keyspace(2), 9));
    let rows = map.divide_rows().unwrap();
    apply(&mut map, rows);
    assert_eq!((map.epoch, map.last_division(), map.shards.len()), (2, Some(2), 6));
    assert_eq!(slots(&map), [before.clone(), vec![0; 3]].concat());
    assert_eq!(map.shards_of(Keyspace(0)), [0, 1, 2].map(ShardId));
    let (row, child) = map.division_of(ShardId(1)).unwrap();
    assert_eq!((child, row.generation, map.made_of(child)), (ShardId(4), 2, Some((ShardId(1), 2))));
    assert_eq!(Some(row.slots), map.slots_to_be(ShardId(1)));
    let rows = map.open_rows(ShardId(4));
    apply(&mut map, rows);
    assert_eq!(map.open_rows(ShardId(4)), [], "it is open");
    assert_eq!(map.division_of(ShardId(1)), None);
    let now = slots(&map);
    assert_eq!((now[1] + now[4], now[1].abs_diff(now[4]) <= 1), (before[1], true));
    assert_eq!((now[0], now[3], map.is_dividing()), (before[0], 0, true));
    assert_eq!(map.divide_rows().unwrap_err(), "a split is under way: 2 of 3 new shards are to come");
    for shard in [3, 5].map(ShardId) {
        let rows = map.open_rows(shard);
        apply(&mut map, rows);
    }
    assert_eq!(map.shard_of(Keyspace(2), 9), single, "what is in one shard stays there");
    let rows = map.divide_rows().unwrap();
    apply(&mut map, rows);
    assert_eq!(map.made_of(ShardId(4)), Some((ShardId(1), 2)), "it is a parent itself now");
    assert_eq!(map.made_of(ShardId(10)), Some((ShardId(4), map.last_division().unwrap())));
    assert_eq!((map.made_of(ShardId(2)), map.made_of(ShardId(12))), (None, None));
    for shard in (6..12).map(ShardId) {
        let rows = map.open_rows(shard);
        apply(&mut map, rows);
    }
    assert!(slots(&map).iter().all(|count| (1364..=1367).contains(count)), "{:?}", slots(&map));
    assert!(!map.is_dividing());
}

#[test]
fn children_begin_on_the_nodes_of_their_parents_as_replicas_that_were_never_there() {
    let mut map = map(2);
    map.members.insert(NodeId(4), Member::default());
    let moved = map.seat_rows(GroupId(2), &[4, 2, 3].map(NodeId), &[]).unwrap();
    apply(&mut map, moved);
    assert!(map.divide_rows().unwrap_err().starts_with("replicas of group 2 are on their way"));
    let members = map.set_of(GroupId(2)).wanted;
    let rows = map.settle_rows(GroupId(2), &members, &[]);
    apply(&mut map, rows);
    let generation = map.epoch + 1;
    let rows = map.divide_rows().unwrap();
    apply(&mut map, rows);
    let set = map.set_of(GroupId(4));
    assert_eq!(set.nodes(), [2, 3, 4].map(NodeId), "another one than leads the parent comes first");
    assert!(set.settled && set.wanted.iter().all(|seat| seat.generation == generation));
    assert_eq!(map.shards[3].voters, set.nodes());
}

#[test]
fn a_witness_votes_in_each_child_and_never_comes_first() {
    let mut map = map(3);
    map.members.insert(NodeId(3), Member { witness: true, ..Member::default() });
    map.level = SPLIT_BESIDE_LEVEL - 1;
    let refused = map.divide_rows().unwrap_err();
    assert!(refused.starts_with("node 3 is a witness: shards can be split beside it when"), "{refused}");
    map.level = SPLIT_BESIDE_LEVEL;
    let rows = map.divide_rows().unwrap();
    apply(&mut map, rows);
    for (parent, child) in [(1, 4), (2, 5), (3, 6)] {
        let (parent, set) = (map.set_of(GroupId(parent)), map.set_of(GroupId(child)));
        assert_eq!((set.nodes()[2], set.settled), (NodeId(3), true));
        let leads = parent.nodes().into_iter().find(|node| *node != NodeId(3));
        assert_ne!(Some(set.nodes()[0]), leads, "another one than leads the parent comes first");
        assert_eq!(set.first, parent.nodes());
    }
}

#[test]
fn who_learns_from_a_shard_learns_from_its_child_and_counts_for_nothing() {
    let mut map = map(1);
    for (node, zone) in [(1, "a"), (2, "a"), (3, "a"), (4, "far")] {
        map.members.insert(NodeId(node), Member { zone: zone.to_owned(), ..Member::default() });
    }
    map.level = SPLIT_BESIDE_LEVEL;
    let rows = map.seat_rows(GroupId(1), &[1, 2, 3].map(NodeId), &[NodeId(4)]).unwrap();
    apply(&mut map, rows);
    assert!(map.divide_rows().is_err(), "it is no learner yet");
    let set = map.set_of(GroupId(1));
    let rows = map.settle_rows(GroupId(1), &set.wanted, &set.learners);
    apply(&mut map, rows);
    map.level = SPLIT_BESIDE_LEVEL - 1;
    assert!(map.divide_rows().unwrap_err().starts_with("group 1 has learners: shards can be split"));
    map.level = SPLIT_BESIDE_LEVEL;
    let generation = map.epoch + 1;
    let rows = map.divide_rows().unwrap();
    apply(&mut map, rows);
    let set = map.set_of(GroupId(2));
    assert_eq!(
        (set.nodes(), set.learners),
        ([2, 3, 1].map(NodeId).to_vec(), vec![Seat { node: NodeId(4), generation }])
    );
    assert_eq!((set.settled, set.first), (false, [1, 2, 3].map(NodeId).to_vec()));
}

#[test]
fn a_split_waits_for_whatever_else_changes() {
    let mut changing = map(2);
    let rows = changing.begin_change(Keyspace(3), KeyspaceLayout::Spread).unwrap();
    apply(&mut changing, rows);
    assert_eq!(changing.divide_rows().unwrap_err(), "keyspace 3 is changing its layout");
    let mut draining = map(2);
    let member = Member { draining: true, ..Member::default() };
    apply(&mut draining, vec![(member_name(NodeId(2)), member.encode())]);
    assert_eq!(draining.divide_rows().unwrap_err(), "node 2 is being drained");
    assert_eq!(map(1024).divide_rows().unwrap_err(), "2048 shards; allowed: at most 1024");
    assert!(map(512).divide_rows().is_ok());
}

#[test]
fn rows_are_read_as_they_were_written() {
    let mut map = map(2);
    let rows = map.divide_rows().unwrap();
    let written = [1, 1, 2, 2, 2, 3];
    assert_eq!(rows[0], (DIVISIONS_ROW.to_vec(), written.to_vec()), "rows of older versions must be read");
    for bad in [&[2][..], &[1, 11], &[1, 10], &[1, 1, 2, 1, 1], &[1, 1, 2, 1, 4], &written[..5]] {
        assert!(map.apply_row(DIVISIONS_ROW, Some(bad)).is_err(), "{bad:?}");
    }
    let voters = vec![NodeId(1), NodeId(300)];
    let child = Child { shard: ShardId(3), slots: (8, 9), at: 200, time: 5, voters, parted: true };
    let row = ShardSlots { generation: 2, slots: (0, 7), child: Some(child) };
    let written = [1, 2, 0, 7, 3, 8, 9, 200, 1, 5, 1, 2, 1, 172, 2];
    assert_eq!(row.encode(), written, "rows of older versions must be read");
    assert_eq!(ShardSlots::decode(&written), Ok(row.clone()));
    let alone = ShardSlots { child: None, ..row };
    assert_eq!(ShardSlots::decode(&alone.encode()), Ok(alone));
    for bad in [&[2][..], &[1, 2, 8, 7], &[1, 2, 0, 0x80, 0x80, 1], &written[..8], &written[..14]] {
        assert!(ShardSlots::decode(bad).is_err(), "{bad:?}");
    }
}
