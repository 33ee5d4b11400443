//! A further data folder that fails while its node runs takes the replicas in it along, and nothing else.

mod world;

use model::GroupId;
use world::World;

/// In the further folder of each node; the meta group and group 2 are in the home folder.
const LOST: GroupId = GroupId(1);
const KEPT: GroupId = GroupId(2);

fn key_of(group: GroupId) -> String {
    // Two shards: the lower half of the slots is the first one's.
    let lower = group == LOST;
    let key =
        (0..).map(|n| format!("k{n}")).find(|key| (model::slot::slot_of(key.as_bytes()) < 8192) == lower);
    key.unwrap()
}

fn fail(world: &mut World, node: u64) {
    let now = world.now;
    let core = world.cores.get_mut(&node).unwrap();
    core.set_now(now);
    core.folder_failed(1, "a sync failed");
}

#[test]
fn what_a_failed_folder_did_not_make_durable_is_never_answered_as_done() {
    let mut world = World::with_folders(3, 2, 2);
    world.run(1000);
    let leader = world.leader(LOST);
    let client = world.connect(leader);
    let key = key_of(LOST);
    assert_eq!(world.ask(leader, client, &format!("SET {key} 1")), "+OK");
    // Nobody hears of the next write, and it is not durable here.
    let others: Vec<u64> = (1..=3).filter(|node| *node != leader).collect();
    world.late.extend(others.iter().map(|other| (leader, *other)));
    world.unsynced.insert(leader);
    world.send(leader, client, &format!("SET {key} 2"));
    world.step();
    fail(&mut world, leader);
    assert!(world.cores[&leader].inspect(LOST).is_none(), "it votes, acknowledges and leads no more");
    assert!(world.cores[&leader].inspect(KEPT).is_some());
    world.step();
    assert!(world.got(leader, client).starts_with("-UNKNOWN"), "here nobody will learn what becomes of it");
    (world.late, world.unsynced) = Default::default();
    world.run(1000);
    let next = world.leader(LOST);
    assert_ne!(next, leader);
    assert_eq!(world.ask(leader, client, &format!("SET {key} 3")), "+OK", "the node serves as before");
    assert_eq!(world.ask(leader, client, &format!("SET {} 1", key_of(KEPT))), "+OK");
}

#[test]
fn what_failed_is_made_anew_in_a_folder_that_works_as_another_replica() {
    let mut world = World::with_folders(3, 2, 2);
    world.run(1000);
    let victim = (1..=3).find(|node| *node != world.leader(LOST)).unwrap();
    let client = world.connect(victim);
    let key = key_of(LOST);
    assert_eq!(world.ask(victim, client, &format!("SET {key} 1")), "+OK");
    fail(&mut world, victim);
    world.run(20_000);
    let replica = world.cores[&victim].inspect(LOST).expect("another one has come");
    assert!(replica.generation > 0);
    let leader = world.leader(LOST);
    let members = world.cores[&leader].inspect(LOST).unwrap();
    assert!(members.applied.0 > 2, "the group has taken it in");
}

#[test]
fn where_nobody_leads_the_only_copy_is_waited_for() {
    let mut world = World::with_folders(3, 2, 2);
    world.run(1000);
    [1, 2].into_iter().for_each(|node| fail(&mut world, node));
    world.run(20_000);
    for node in [1, 2] {
        assert!(world.cores[&node].inspect(LOST).is_none(), "it may come back as it was");
        assert!(world.cores[&node].inspect(KEPT).is_some());
    }
}
