//! Commands that wait for something to take, or to read.

mod world;

use model::GroupId;
use world::World;

const SHARD: GroupId = GroupId(1);
const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

/// A cluster of one shard, its leader, a node that follows, and a client of each.
fn cluster() -> (World, u64, [(u64, u64); 2]) {
    let mut world = World::new(3, 1);
    world.run(1000);
    let leader = world.leader(SHARD);
    let follower = leader % 3 + 1;
    let clients = [leader, follower].map(|node| (node, world.connect(node)));
    (world, leader, clients)
}

#[test]
fn a_source_that_becomes_another_type_is_waited_for_as_in_redis() {
    for command in ["BLMOVE src{t} dst{t} LEFT RIGHT 0", "BRPOPLPUSH src{t} dst{t} 0"] {
        let (mut world, leader, clients) = cluster();
        let other = world.connect(leader);
        for (node, client) in clients {
            world.send(node, client, command);
            world.run(10);
            assert_eq!(world.ask(leader, other, "SET src{t} x"), "+OK");
            // Longer than a round: its client's node asks again meanwhile.
            world.run(1500);
            assert_eq!(world.got(node, client), "", "{command}");
            assert_eq!(world.ask(leader, other, "DEL src{t}"), ":1");
            assert_eq!(world.ask(leader, other, "RPUSH src{t} e"), ":1");
            world.run(10);
            assert_eq!(world.got(node, client), "$1\r\ne\r\n", "{command}");
        }
        assert_eq!(world.ask(leader, other, "LLEN dst{t}"), ":2");
    }
}

#[test]
fn a_destination_of_another_type_is_an_error_when_something_is_there_to_move() {
    let (mut world, leader, clients) = cluster();
    let [(node, client), (far, behind)] = clients;
    let other = world.connect(leader);
    assert_eq!(world.ask(leader, other, "SET dst{t} x"), "+OK");
    world.send(node, client, "BLMOVE src{t} dst{t} LEFT RIGHT 0");
    world.run(10);
    world.send(far, behind, "BLPOP src{t} 0");
    world.run(1500);
    assert_eq!(world.got(node, client), "", "it waits until there is something to move");
    assert_eq!(world.ask(leader, other, "RPUSH src{t} e"), ":1");
    world.run(10);
    assert_eq!(world.got(node, client), WRONG_TYPE);
    assert_eq!(world.got(far, behind), "*2\r\n$6\r\nsrc{t}\r\n$1\r\ne\r\n", "who waits behind it is served");
    assert_eq!(world.ask(leader, other, "GET dst{t}"), "$1 x");
}

#[test]
fn more_than_may_wait_are_refused_and_hold_nobody_up() {
    let (mut world, _, [_, (follower, other)]) = cluster();
    for _ in 0..8192 {
        let client = world.connect(follower);
        world.send(follower, client, "BLPOP queue 0");
    }
    world.run(20);
    let client = world.connect(follower);
    let refused = world.ask(follower, client, "BLPOP queue 0");
    let expected = "-ERR too many commands wait for keys of shard 0 through one node, at most 8192 may";
    assert_eq!(refused, expected);
    assert_eq!(world.ask(follower, other, "SET k v"), "+OK");
    assert_eq!(world.ask(follower, other, "GET k"), "$1 v");
}

#[test]
fn who_follows_a_stream_gets_what_fits_and_then_the_rest() {
    let (mut world, _, [_, (follower, client)]) = cluster();
    let value = "v".repeat(7 << 20);
    for id in 1..=3 {
        let reply = world.ask(follower, client, &format!("XADD s {id}-0 f {value}"));
        assert!(reply.ends_with(&format!("{id}-0")), "{}", &reply[..20]);
    }
    let ids = |reply: &str| (1..=3).filter(|id| reply.contains(&format!(" {id}-0 "))).collect::<Vec<_>>();
    let reply = world.ask(follower, client, "XREAD BLOCK 1000 STREAMS s 0");
    assert_eq!(ids(&reply), [1, 2], "16 MiB have room for two of 7 MiB");
    let reply = world.ask(follower, client, "XREAD BLOCK 1000 STREAMS s 2-0");
    assert_eq!(ids(&reply), [3]);
    let reply = world.ask(follower, client, "XREAD COUNT 3 STREAMS s 0");
    assert_eq!(ids(&reply), [1, 2, 3], "who does not wait gets all of it");
}

#[test]
fn a_wait_ends_in_time_though_leaders_change_during_every_round() {
    let (mut world, leader, _) = cluster();
    let nodes = [leader, leader % 3 + 1, (leader + 1) % 3 + 1];
    let clients = nodes.map(|node| (node, world.connect(node)));
    for (node, client) in clients {
        world.send(node, client, "BLPOP queue 1");
    }
    let others = nodes.map(|node| (node, world.connect(node)));
    for round in 0..6 {
        // Each leader begins the round anew: it does not know for how long another has waited.
        world.run(300);
        let (node, client) = others[round % 3];
        assert_eq!(world.ask(node, client, "EVERSTORE SWITCHOVER SHARD 0"), "+OK");
    }
    for (node, client) in clients {
        assert_eq!(world.got(node, client), "*-1\r\n", "of node {node}");
    }
}
