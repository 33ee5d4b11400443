//! The log in memory: what all replicas have applied leaves it, what one of them lacks stays.

mod world;

use model::GroupId;
use world::World;

const SHARD: GroupId = GroupId(1);
/// Bytes that each round of [`write`] brings.
const ROUND: u64 = 100 * 1000;

fn write(world: &mut World, node: u64, client: u64, round: u64) {
    for n in 0..100 {
        let command = format!("SET {round}:{n} {}", "x".repeat(1000));
        assert_eq!(world.ask(node, client, &command), "+OK");
    }
}

/// Bytes of all logs in the memory of a node.
fn tail(world: &mut World, node: u64) -> u64 {
    let client = world.connect(node);
    let info = world.ask(node, client, "INFO memory");
    let figure = info.split("used_memory_log_tail:").nth(1).and_then(|rest| rest.split(' ').next());
    figure.and_then(|figure| figure.parse().ok()).expect("a figure")
}

#[test]
fn a_tail_is_kept_for_who_lacks_it_and_for_nobody_else() {
    let mut world = World::new(3, 1);
    world.run(1000);
    let leader = world.leader(SHARD);
    let client = world.connect(leader);
    write(&mut world, leader, client, 0);
    world.run(2500);
    for node in 1..=3 {
        assert!(tail(&mut world, node) < ROUND / 20, "node {node}");
    }
    // Its last report is old, and what it has not reported may be what it lacks.
    let away = leader % 3 + 1;
    world.frozen.insert(away);
    write(&mut world, leader, client, 1);
    world.run(2500);
    for node in (1..=3).filter(|node| *node != away) {
        assert!(tail(&mut world, node) >= ROUND, "node {node}");
    }
    // It comes back, and is brought up to date by whoever leads now, from the log.
    world.frozen.remove(&away);
    world.frozen.insert(leader);
    world.run(2500);
    let next = world.leader(SHARD);
    assert!(next != leader);
    let client = world.connect(next);
    assert_eq!(world.ask(next, client, "DBSIZE"), ":200");
    world.frozen.remove(&leader);
    world.run(4000);
    for node in 1..=3 {
        assert!(tail(&mut world, node) < ROUND / 20, "node {node}");
    }
}
