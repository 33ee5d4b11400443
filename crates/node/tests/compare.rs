//! Replicas of a shard are compared: what is found, who gives up its rows, and who never does.

mod world;

use cluster::status::ComparedStatus;
use model::GroupId;
use model::row::{family, kind};
use storage::rows::{Order, RowRange, RowStores};
use world::World;

const SHARD: GroupId = GroupId(1);
/// The tree of each node's first replica of it.
const TREE: u64 = 2;

/// A cluster of one shard with some keys, that knows the level at which replicas are compared; and its leader.
fn filled(nodes: u64) -> (World, u64) {
    let mut world = World::new(nodes, 1);
    world.keep_rows_on_disk();
    world.run(3000);
    let leader = world.leader(SHARD);
    let client = world.connect(leader);
    for n in 0..20 {
        assert_eq!(world.ask(leader, client, &format!("SET k{n} v{n}")), "+OK");
        assert!(world.ask(leader, client, &format!("HSET h{} f{n} v", n % 3)).starts_with(':'));
    }
    world.checkpoint();
    (world, leader)
}

/// Changes a row of a string in the row store of a node, so that it is whole and says something else.
fn damage(world: &World, node: u64) {
    let store = world.stores[&node].open(TREE).unwrap();
    let rows = store.range(RowRange::starting_at(&[family::KEY]), Order::Ascending).unwrap();
    let string = |(name, row): &(Vec<u8>, Vec<u8>)| name[0] == family::KEY && row[1] == kind::STRING;
    let (name, mut row) = rows.map(Result::unwrap).find(string).unwrap();
    *row.last_mut().unwrap() ^= 1;
    store.ingest(&mut std::iter::once((name, Some(row)))).unwrap();
}

/// Has a node compare what it leads, and waits for the end.
fn compare(world: &mut World, leader: u64) {
    let client = world.connect(leader);
    assert_eq!(world.ask(leader, client, "EVERSTORE SCRUB"), "+OK");
    for _ in 0..100 {
        world.run(200);
        let status = world.cores[&leader].status();
        if status.node(leader).unwrap().compare_left == 0 {
            return;
        }
    }
    panic!("the comparison has no end");
}

fn rebuilding(world: &World) -> Vec<u64> {
    let lacks = |node: &&u64| world.cores[node].rebuilding().any(|group| group == SHARD);
    world.cores.keys().filter(lacks).copied().collect()
}

fn found(world: &World, node: u64) -> ComparedStatus {
    world.cores[&node].status().shards[0].compared.clone().unwrap()
}

#[test]
fn equal_replicas_are_found_equal_and_all_nodes_know_it() {
    let (mut world, leader) = filled(3);
    compare(&mut world, leader);
    world.run(1500); // Reports go out once a second.
    for node in 1..=3 {
        let found = found(&world, node);
        assert!(found.ms > 0, "node {node}: {found:?}");
        assert_eq!(ComparedStatus { ms: 0, ..found }, ComparedStatus::default());
    }
    assert_eq!(world.cores[&leader].comparisons().differences, 0);
    assert!(rebuilding(&world).is_empty());
}

#[test]
fn a_follower_that_differs_from_the_majority_gives_its_rows_up() {
    let (mut world, leader) = filled(3);
    let other = (1..=3).find(|node| *node != leader).unwrap();
    damage(&world, other);
    let client = world.connect(leader);
    assert_eq!(world.ask(leader, client, "EVERSTORE SCRUB"), "+OK");
    for _ in 0..100 {
        world.run(100);
        if !rebuilding(&world).is_empty() {
            break;
        }
    }
    assert_eq!(rebuilding(&world), [other]);
    assert_eq!(world.cores[&leader].comparisons().differences, 1);
    let found = found(&world, leader);
    assert!(found.differ == [other] && !found.undecided, "{found:?}");
    let problems = world.cores[&leader].status().problems;
    assert!(problems.iter().any(|p| p.text.contains("differ from those of the majority")), "{problems:?}");
}

#[test]
fn a_leader_that_differs_from_the_majority_hands_over_before_it_gives_its_rows_up() {
    let (mut world, leader) = filled(3);
    damage(&world, leader);
    compare(&mut world, leader);
    world.run(3000);
    assert_ne!(world.leader(SHARD), leader);
    assert_eq!(rebuilding(&world), [leader]);
}

#[test]
fn two_replicas_that_differ_are_reported_and_left_alone() {
    for wrong in [1, 2] {
        let (mut world, leader) = filled(2);
        damage(&world, wrong);
        compare(&mut world, leader);
        world.run(3000);
        let found = found(&world, leader);
        assert!(found.undecided && found.differ == [1, 2], "{found:?}");
        assert_eq!((rebuilding(&world), world.leader(SHARD)), (vec![], leader));
        let problems = world.cores[&leader].status().problems;
        assert!(problems.iter().any(|p| p.text.contains("no majority has the same")), "{problems:?}");
    }
}

#[test]
fn nobody_gives_up_rows_where_the_third_replica_can_not_be_compared() {
    let (mut world, leader) = filled(3);
    let others: Vec<u64> = (1..=3).filter(|node| *node != leader).collect();
    damage(&world, others[0]);
    world.frozen.insert(others[1]);
    compare(&mut world, leader);
    world.run(3000);
    let found = found(&world, leader);
    assert!(found.undecided && found.missing == [others[1]], "{found:?}");
    assert!(rebuilding(&world).is_empty());
}
