use super::*;
use crate::peer::{Addresses, Boot, JoinToken, Peer};
use model::limits::SLOTS;
use proptest::prelude::*;

fn formation(shards: u16) -> Formation {
    Formation { replicas: 3, shards, members: vec![NodeId(1), NodeId(2), NodeId(3)], ..Formation::default() }
}

/// Applies rows as the meta group would and checks that the epoch rises by one.
fn apply(map: &mut ClusterMap, rows: &[Row]) {
    let before = map.epoch;
    for (name, value) in rows {
        assert_eq!(map.apply_row(name, Some(value)), Ok(true), "{}", String::from_utf8_lossy(name));
    }
    assert_eq!(map.epoch, before + 1);
}

#[test]
fn members_given_up_by_a_recovery_are_none_any_more() {
    let mut map = ClusterMap::new(&formation(2));
    let member = |n: u64| Member { incarnation: n, ..Member::default() };
    let row = |n: u64| (member_name(NodeId(n)), member(n).encode());
    assert_eq!(map.recovery_rows(None), Vec::new(), "nothing was recovered");
    let mut after = ClusterMap::new(&formation(2).of_survivors(&[NodeId(3)]).unwrap());
    for n in [1, 2, 3] {
        let (name, content) = row(n);
        map.apply_row(&name, Some(&content)).unwrap();
        after.apply_row(&name, Some(&content)).unwrap();
    }
    assert_eq!((after.meta_voters.clone(), after.members.len()), (vec![NodeId(3)], 3));
    let rows = after.recovery_rows(None);
    apply(&mut after, &rows);
    assert_eq!(after.members.keys().copied().collect::<Vec<_>>(), [NodeId(3)]);
    assert_eq!(after.recovery_rows(None), Vec::new(), "it is recorded");
    let (name, content) = row(2);
    after.apply_row(&name, Some(&content)).unwrap();
    assert!(!after.members.contains_key(&NodeId(2)), "nor when its row comes later");
    assert!(ClusterMap::new(&formation(2)).apply_row(LOST_ROW, Some(&[FORMAT, 1, 0x80])).is_err());
}

#[test]
fn who_joins_after_a_recovery_gets_an_id_of_nobody_before_and_is_not_given_up_with_them() {
    // The members of before were never written down.
    let mut map = ClusterMap::new(&formation(2).of_survivors(&[NodeId(1)]).unwrap());
    let join = |map: &ClusterMap| map.join_rows(JoinToken([7; 16]), Addresses::default(), false);
    assert_eq!(join(&map).unwrap_err(), "the cluster is still recording whom its recovery gave up");
    let rows = map.recovery_rows(None);
    apply(&mut map, &rows);
    let rows = join(&map).unwrap();
    apply(&mut map, &rows);
    assert_eq!(map.member_by_token(JoinToken([7; 16])), Some(NodeId(4)));
    assert_eq!((join(&map), map.next_node, map.lost.1.len()), (Ok(Vec::new()), NodeId(5), 0));
    // Nor are survivors without a place in the meta group.
    let two = Formation { members: vec![NodeId(1), NodeId(3)], ..map.formation };
    let mut map = ClusterMap::new(&two);
    let rows = map.settle_rows(GroupId::META, &[Seat { node: NodeId(1), generation: 0 }], &[]);
    apply(&mut map, &rows);
    let rows = map.recovery_rows(None);
    apply(&mut map, &rows);
    assert_eq!((map.meta_voters, map.members.len(), map.lost.1.len()), (vec![NodeId(1)], 2, 0));
}

#[test]
fn a_new_map_gives_every_slot_to_one_shard_and_leaders_to_all_nodes() {
    for shards in [1, 2, 3, 16, 1000, 1024] {
        let map = ClusterMap::new(&formation(shards));
        let mut next = 0;
        for (id, shard) in map.shards.iter().enumerate() {
            let [(first, last)] = shard.slots[..] else { panic!("one range at the start") };
            assert_eq!(first, next);
            next = last + 1;
            for slot in [first, last] {
                assert_eq!(map.shard_of(Keyspace(0), slot), Placement::Shard(ShardId(id as u16)));
            }
        }
        assert_eq!(next, SLOTS);
    }
    let map = ClusterMap::new(&formation(16));
    let leaders = |node| map.shards.iter().filter(|shard| shard.voters[0] == NodeId(node)).count();
    assert_eq!([leaders(1), leaders(2), leaders(3)], [5, 6, 5]);
    assert_eq!(map.shards[1].voters, [NodeId(3), NodeId(1), NodeId(2)]);
    assert_eq!((map.epoch, map.next_node, map.members.len()), (1, NodeId(4), 3));
}

#[test]
fn keyspaces_1_to_15_are_single_on_different_shards() {
    let map = ClusterMap::new(&formation(16));
    assert_eq!(map.shards_of(Keyspace(0)).len(), 16);
    let mut homes: Vec<ShardId> = (1..KEYSPACES).flat_map(|ks| map.shards_of(Keyspace(ks))).collect();
    assert_eq!(homes.len(), 15);
    homes.dedup();
    assert_eq!(homes.len(), 15);
    assert_eq!(map.shard_of(Keyspace(2), 0), map.shard_of(Keyspace(2), SLOTS - 1));
    assert!(!homes.contains(&ShardId(15)));
    assert_eq!(KeyspaceLayout::single(Keyspace(0), 16), KeyspaceLayout::Single(ShardId(15)));
    let one = ClusterMap::new(&formation(1));
    assert_eq!(one.shards_of(Keyspace(15)), [ShardId(0)]);
}

#[test]
fn a_change_of_layout_closes_first_and_opens_in_the_new_one_or_the_old_one() {
    let ks = Keyspace(3);
    for finish in [true, false] {
        let mut map = ClusterMap::new(&formation(4));
        let old = map.layout(ks).shown();
        let rows = map.begin_change(ks, KeyspaceLayout::Spread).unwrap();
        apply(&mut map, &rows);
        assert_eq!(map.shard_of(ks, 5), Placement::Closed);
        assert_eq!((map.layout(ks).shown(), map.shards_of(ks).len()), (old, 4));
        assert_eq!(map.layout(ks).for_shards(), ShardLayout { epoch: 2, open: None });
        let change = map.change_of(ks).unwrap();
        assert_eq!(map.begin_change(ks, KeyspaceLayout::Spread), Err(LayoutError::Changing(3)));
        assert_eq!(map.finish_change(ks, change + 1), Err(LayoutError::Over(3, change + 1)));
        let end = if finish { map.finish_change(ks, change) } else { map.abort_change(ks, change) };
        apply(&mut map, &end.unwrap());
        let now = if finish { KeyspaceLayout::Spread } else { old };
        assert_eq!(map.layout(ks), LayoutRow { epoch: 3, phase: Phase::Open(now) });
        assert_eq!(map.change_of(ks), None);
        let (again, over) = (map.abort_change(ks, change), Err(LayoutError::Over(3, change)));
        assert_eq!(again, over);
        assert_eq!(map.finish_change(ks, change), over);
    }
}

#[test]
fn a_layout_that_is_not_possible_is_refused_with_what_is_allowed() {
    let map = ClusterMap::new(&formation(4));
    let text = |ks, to| map.begin_change(Keyspace(ks), to).unwrap_err().to_string();
    let single = |shard| KeyspaceLayout::Single(ShardId(shard));
    assert_eq!(text(16, KeyspaceLayout::Spread), "keyspace 16 does not exist; allowed: 0 to 15");
    assert_eq!(text(0, single(4)), "shard 4 does not exist; allowed: 0 to 3");
    assert_eq!(text(0, KeyspaceLayout::Spread), "keyspace 0 has this layout already");
    assert!(map.begin_change(Keyspace(0), single(3)).is_ok());
    assert_eq!(map.change_of(Keyspace(16)), None);
    // A node that does not know the formation yet has a map without shards.
    let none =
        ClusterMap::new(&Formation { replicas: 0, shards: 0, members: Vec::new(), ..Formation::default() });
    assert_eq!(none.begin_change(Keyspace(0), single(0)), Err(LayoutError::Shard(0, 0)));
    assert_eq!((none.shards_of(Keyspace(0)), none.next_node), (Vec::new(), NodeId(1)));
}

/// The promise of the change: at no point of any interleaving do two shards serve a key.
#[test]
fn no_two_shards_ever_serve_a_single_keyspace() {
    let ks = Keyspace(1);
    let mut map = ClusterMap::new(&formation(3));
    let mut shards = [ShardLayout::first(ks, 3); 3];
    let to = KeyspaceLayout::Single(ShardId(2));
    let mut late = Vec::new();
    let serving = |shards: &[ShardLayout; 3]| {
        (0..3u16).filter(|id| shards[usize::from(*id)].serves(ShardId(*id))).collect::<Vec<_>>()
    };
    assert_eq!(serving(&shards), [0]);
    for finish in [false, true] {
        let rows = map.begin_change(ks, to).unwrap();
        apply(&mut map, &rows);
        late.push(map.layout(ks).for_shards());
        for id in 0..3 {
            let closed = map.layout(ks).for_shards();
            assert!(shards[id].yields_to(&closed));
            shards[id] = closed;
            assert!(serving(&shards).len() <= 1);
        }
        assert_eq!(serving(&shards), [0u16; 0]);
        let change = map.change_of(ks).unwrap();
        let end = if finish { map.finish_change(ks, change) } else { map.abort_change(ks, change) };
        apply(&mut map, &end.unwrap());
        for shard in &mut shards {
            *shard = map.layout(ks).for_shards();
        }
        assert_eq!(serving(&shards), [if finish { 2 } else { 0 }]);
        assert!(late.iter().all(|old| !shards[0].yields_to(old)));
    }
}

#[test]
fn members_are_added_and_changed_by_rows_and_never_go_back() {
    let mut map = ClusterMap::new(&formation(2));
    let addresses = Addresses { peer: "h:1".into(), ..Addresses::default() };
    let boot = Some(Boot([1; 16]));
    let peer = Peer { node: NodeId(2), addresses: addresses.clone(), incarnation: 4, boot };
    let member = map.members[&NodeId(2)].heard(&peer);
    let rows = map.member_rows(NodeId(2), &member);
    apply(&mut map, &rows);
    assert_eq!(map.member_at("h:1"), Some(NodeId(2)));
    assert_eq!(map.member_rows(NodeId(2), &member), []);
    assert_eq!(map.member_rows(NodeId(2), &Member { incarnation: 3, ..member.clone() }), []);
    let token = Some(JoinToken([7; 16]));
    let rows = map.member_rows(map.next_node, &Member { token, ..Member::default() });
    apply(&mut map, &rows);
    assert_eq!((map.next_node, map.member_by_token(JoinToken([7; 16]))), (NodeId(5), Some(NodeId(4))));
    assert_eq!(map.member_by_token(JoinToken([8; 16])), None);
    assert_eq!(map.apply_row(b"member/4", None), Ok(true));
    assert_eq!((map.members.len(), map.next_node), (3, NodeId(5)));
}

#[test]
fn rows_of_others_are_left_alone_and_unreadable_ones_are_errors() {
    let mut map = ClusterMap::new(&formation(2));
    let before = map.clone();
    for name in [&b"applied"[..], b"\xff", b"", b"membership"] {
        assert_eq!(map.apply_row(name, Some(b"x")), Ok(false));
    }
    let single_on_shard_2 = [FORMAT, 1, 0, 1, 2];
    for (name, value) in [
        (&b"member/x"[..], &[FORMAT][..]),
        (b"member/1", &[FORMAT]),
        (b"member/1", &[9]),
        (b"layout/16", &[FORMAT, 1, 0, 0]),
        (b"layout/01", &single_on_shard_2),
        (b"layout/01", &[FORMAT, 1, 2]),
        (b"epoch", &[]),
        (b"next_node", &[2, 1]),
    ] {
        assert!(map.apply_row(name, Some(value)).is_err(), "{}", String::from_utf8_lossy(name));
    }
    assert_eq!(map.apply_row(b"next_node", None), Err(DecodeError::Malformed("deleted next_node row")));
    assert_eq!(map, before);
    let rows = map.begin_change(Keyspace(1), KeyspaceLayout::Spread).unwrap();
    apply(&mut map, &rows);
    assert_eq!(map.apply_row(b"layout/01", None), Ok(true));
    assert_eq!(map.apply_row(EPOCH_ROW, None), Ok(true));
    assert_eq!(map, before);
}

#[test]
fn the_bytes_of_rows_stay_what_they_are() {
    let layout = LayoutRow {
        epoch: 300,
        phase: Phase::Closing { from: KeyspaceLayout::Spread, to: KeyspaceLayout::Single(ShardId(5)) },
    };
    assert_eq!(layout.encode(), [1, 0xac, 2, 1, 0, 1, 5]);
    let shard = ShardLayout { epoch: 3, open: Some(KeyspaceLayout::Single(ShardId(1))) };
    assert_eq!(shard.encode(), [1, 3, 1, 1, 1]);
    assert_eq!(ShardLayout { epoch: 3, open: None }.encode(), [1, 3, 0]);
    let addresses = Addresses { redis: "a:1".into(), peer: "b".into(), ..Addresses::default() };
    let mut member = Member { addresses, incarnation: 2, ..Member::default() };
    assert_eq!(member.encode(), b"\x01\x02\x00\x00\x03a:1\x01b\x00");
    member.addresses.cluster = "c:2".into();
    assert_eq!(member.encode(), b"\x01\x02\x00\x00\x03a:1\x01b\x00\x03c:2");
    assert_eq!(Member::decode(&member.encode()), Ok(member.clone()));
    member.witness = true;
    assert_eq!(member.encode(), b"\x01\x02\x00\x00\x03a:1\x01b\x00\x03c:2\x00\x00\x00\x01");
    assert_eq!(Member::decode(&member.encode()), Ok(member));
    assert_eq!(
        (layout_name(Keyspace(5)), member_name(NodeId(12))),
        (b"layout/05".into(), b"member/12".into())
    );
}

/// Three nodes, the third of them a witness.
fn with_witness() -> ClusterMap {
    let formation = Formation { witness: Some(NodeId(3)), ..formation(2) };
    ClusterMap::new(&formation)
}

#[test]
fn a_witness_stays_one_and_joins_where_all_understand_it() {
    let mut map = with_witness();
    assert_eq!(map.shards[0].voters, [2, 1, 3].map(NodeId), "it is the last to lead: never");
    assert_eq!(map.shards[1].voters, [1, 2, 3].map(NodeId));
    assert_eq!(map.witnesses().collect::<Vec<_>>(), [NodeId(3)]);
    // What a node of an older version wrote of it does not say so.
    let old = Member { incarnation: 2, ..Member::default() };
    map.apply_row(&member_name(NodeId(3)), Some(&old.encode())).unwrap();
    assert!(map.is_witness(NodeId(3)) && map.members[&NodeId(3)].witness);
    let join = |map: &ClusterMap| map.join_rows(JoinToken([7; 16]), Addresses::default(), true);
    assert_eq!(join(&map).unwrap_err(), "not all nodes understand witnesses yet: upgrade them first");
    let rows = map.level_rows(crate::heartbeat::WITNESS_LEVEL);
    apply(&mut map, &rows);
    let rows = join(&map).unwrap();
    apply(&mut map, &rows);
    assert!(map.is_witness(NodeId(4)) && !map.is_witness(NodeId(2)));
}

#[test]
fn a_witness_has_no_seat_beside_one_data_node_or_another_witness() {
    let mut map = with_witness();
    map.members.insert(NodeId(4), Member { witness: true, ..Member::default() });
    let refused = |nodes: &[u64]| {
        let nodes: Vec<NodeId> = nodes.iter().copied().map(NodeId).collect();
        map.seat_rows(GroupId(1), &nodes, &[]).unwrap_err()
    };
    for nodes in [&[1, 3][..], &[1, 2, 3, 4], &[3]] {
        assert!(refused(nodes).starts_with("a witness votes beside at least two nodes"), "{nodes:?}");
    }
    // Nor when one of two data nodes is given up.
    let rows = map.removal_rows(NodeId(2)).unwrap();
    apply(&mut map, &rows);
    assert_eq!(map.set_of(GroupId(1)).nodes(), [NodeId(1)]);
    assert!(with_witness().removal_rows(NodeId(3)).is_ok(), "two with data go on without it");
}

fn layouts() -> impl Strategy<Value = KeyspaceLayout> {
    let single = (0u16..16).prop_map(|shard| KeyspaceLayout::Single(ShardId(shard)));
    prop_oneof![Just(KeyspaceLayout::Spread), single]
}

#[test]
fn the_number_of_replicas_is_changed_by_a_row_of_this_incarnation() {
    let mut map = ClusterMap::new(&formation(2));
    let rows = map.replicas_rows(5).unwrap();
    for (name, content) in &rows {
        assert_eq!(map.apply_row(name, Some(content)), Ok(true));
    }
    assert_eq!((map.replicas, map.replicas_rows(5)), (5, Ok(Vec::new())));
    assert_eq!(map.replicas_rows(8).unwrap_err(), "8 replicas; allowed: 1 to 7");
    let mut after = ClusterMap::new(&formation(2).of_survivors(&[NodeId(3)]).unwrap());
    assert_eq!(after.apply_row(&rows[0].0, Some(&rows[0].1)), Ok(true));
    assert_eq!(after.replicas, 1, "it was said of the cluster before the recovery");
}

proptest! {
    #[test]
    fn rows_round_trip(epoch: u64, from in layouts(), to in layouts(), open: bool, boot: Option<[u8; 16]>) {
        let phase = if open { Phase::Open(from) } else { Phase::Closing { from, to } };
        let row = LayoutRow { epoch, phase };
        prop_assert_eq!(LayoutRow::decode(&row.encode(), 16), Ok(row));
        let shard = row.for_shards();
        prop_assert_eq!(ShardLayout::decode(&shard.encode(), 16), Ok(shard));
        let member = Member { boot: boot.map(Boot), incarnation: epoch, ..Member::default() };
        prop_assert_eq!(Member::decode(&member.encode()), Ok(member));
    }

    #[test]
    fn any_row_is_applied_or_refused(n in 0u8..20, value: Vec<u8>) {
        let mut map = ClusterMap::new(&formation(16));
        for name in [format!("layout/{n:02}"), format!("member/{n}"), "epoch".into(), "next_node".into()] {
            let _ = map.apply_row(name.as_bytes(), Some(&value));
        }
        let _ = ShardLayout::decode(&value, 16);
        for ks in 0..KEYSPACES {
            prop_assert!(map.shards_of(Keyspace(ks)).iter().all(|shard| shard.0 < 16));
        }
    }
}
