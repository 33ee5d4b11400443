//! Rows that are not in memory: who waits for them, and who does not.

mod world;

use cluster::map::Phase;
use model::{GroupId, Keyspace};
use world::World;

const SHARD: GroupId = GroupId(1);

/// A cluster of one shard whose keys k0 to k9, with values v0 to v9, are on disk only; and its leader.
fn cold() -> (World, u64) {
    let mut world = World::new(3, 1);
    world.keep_rows_on_disk();
    world.run(1000);
    let leader = world.leader(SHARD);
    let client = world.connect(leader);
    for n in 0..10 {
        assert_eq!(world.ask(leader, client, &format!("SET k{n} v{n}")), "+OK");
    }
    world.checkpoint();
    let cold = |world: &World, node: u64| world.cores[&node].cold_rows(SHARD);
    assert!((1..=3).all(|node| cold(&world, node) == 10), "all rows have left memory");
    (world, leader)
}

#[test]
fn a_blocked_disk_holds_up_only_those_who_need_it() {
    let (mut world, leader) = cold();
    let other = (1..=3).find(|node| *node != leader).unwrap();
    let (cold, hot) = (world.connect(leader), world.connect(leader));
    let (forwarded_cold, forwarded_hot) = (world.connect(other), world.connect(other));
    assert_eq!(world.ask(leader, hot, "SET hot 1"), "+OK");
    world.blocked = Some(Vec::new());
    world.send(leader, cold, "GET k1");
    world.send(leader, cold, "APPEND hot 0");
    world.send(other, forwarded_cold, "APPEND k2 x");
    world.send(other, forwarded_cold, "INCR hot");
    world.run(20);
    // Everybody else goes on, on the leader and through another node.
    assert_eq!(world.ask(leader, hot, "GET hot"), "$1 1");
    assert_eq!(world.ask(other, forwarded_hot, "INCR hot"), ":2");
    assert_eq!(world.ask(leader, hot, "EXISTS absent"), ":0", "an absent key needs no disk");
    assert_eq!(world.ask(leader, hot, "DBSIZE"), ":11");
    world.run(200);
    assert_eq!(world.got(leader, cold), "");
    assert_eq!(world.got(other, forwarded_cold), "");
    world.unblock();
    world.run(20);
    // The order of each connection is kept: what came after the cold command ran after it.
    assert_eq!(world.got(leader, cold), "$2\r\nv1\r\n:2\r\n");
    let got = world.got(other, forwarded_cold);
    assert!([":3\r\n:3\r\n", ":3\r\n:21\r\n"].contains(&&got[..]), "{got:?}");
}

/// A command on several keys waits until what its connection sent before is answered, and then for rows: it must run,
/// and be answered in its place.
#[test]
fn a_command_that_waited_for_others_and_then_for_rows_runs_in_its_place() {
    let (mut world, leader) = cold();
    let (person, client) = (world.connect(leader), world.connect(leader));
    // It has keys, so that it closes for a moment only.
    world.send(leader, person, "KEYSPACE SET 0 LAYOUT single");
    let closing =
        |world: &World| matches!(world.cores[&leader].map().layout(Keyspace(0)).phase, Phase::Closing { .. });
    while !closing(&world) {
        world.run(1);
    }
    for command in ["GET k1", "DEL k2", "GET k2", "MGET k3 k4", "GET k5"] {
        world.send(leader, client, command);
    }
    world.run(2000);
    let answers = "$2\r\nv1\r\n:1\r\n$-1\r\n*2\r\n$2\r\nv3\r\n$2\r\nv4\r\n$2\r\nv5\r\n";
    assert_eq!(world.got(leader, client), answers);
    assert_eq!(world.ask(leader, client, "EXISTS k2"), ":0");
}

#[test]
fn every_kind_of_access_fetches_what_it_needs() {
    let (mut world, leader) = cold();
    let client = world.connect(leader);
    for (command, reply) in [
        ("MGET k0 nothing k1", "*3 $2 v0 $-1 $2 v1"),
        ("STRLEN k2", ":2"),
        ("EXPIRE k3 100", ":1"),
        ("DEL k4 k4", ":1"),
        ("SET k5 w NX", "$-1"),
        ("SET k6 w GET", "$2 v6"),
        ("GETRANGE k7 1 1", "$1 7"),
        ("DBSIZE", ":9"),
        ("APPEND k8 x", ":3"),
        ("COPY k9 k9 DB 2", ":0"),
    ] {
        world.checkpoint();
        let got = world.ask(leader, client, command);
        assert!(got == reply || command.starts_with("COPY"), "{command}: {got}");
    }
    world.checkpoint();
    let keys = world.ask(leader, client, "KEYS *");
    assert!(keys.starts_with("*9 "), "{keys}");
    let (mut cursor, mut found) = (String::from("0"), 0);
    loop {
        world.checkpoint();
        let reply = world.ask(leader, client, &format!("SCAN {cursor} COUNT 2"));
        let words: Vec<&str> = reply.split(' ').collect();
        found += words.iter().filter(|word| word.starts_with('k')).count();
        cursor = words[2].to_owned();
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(found, 9);
    world.checkpoint();
    assert!(world.ask(leader, client, "RANDOMKEY").contains('k'));
}

#[test]
fn a_walk_over_keys_sees_nothing_of_what_its_connection_sends_after_it() {
    let (mut world, leader) = cold();
    let other = (1..=3).find(|node| *node != leader).unwrap();
    for node in [leader, other] {
        let client = world.connect(node);
        for walk in ["SCAN 0 COUNT 100", "KEYS *", "DBSIZE"] {
            world.checkpoint();
            world.send(node, client, walk);
            world.send(node, client, "SET later 1");
            world.run(200);
            let got = world.got(node, client);
            assert!(!got.contains("later") && !got.contains(":11"), "{walk}: {got}");
            assert!(got.ends_with("+OK\r\n"), "{walk}: {got}");
            assert_eq!(world.ask(node, client, "DEL later"), ":1");
        }
    }
    let client = world.connect(other);
    world.checkpoint();
    world.send(other, client, "RANDOMKEY");
    world.send(other, client, "FLUSHDB");
    world.run(200);
    let got = world.got(other, client);
    assert!(got.starts_with("$2\r\nk") && got.ends_with("+OK\r\n"), "{got}");
}

#[test]
fn keys_expire_that_are_not_in_memory() {
    let (mut world, leader) = cold();
    let client = world.connect(leader);
    assert_eq!(world.ask(leader, client, "PEXPIRE k0 5000"), ":1");
    world.checkpoint();
    world.run(6000);
    assert_eq!(world.ask(leader, client, "DBSIZE"), ":9", "nobody asked for it");
    assert_eq!(world.ask(leader, client, "GET k0"), "$-1");
}

#[test]
fn what_waits_for_a_row_runs_on_the_next_leader() {
    let (mut world, leader) = cold();
    let other = (1..=3).find(|node| *node != leader).unwrap();
    let client = world.connect(other);
    world.blocked = Some(Vec::new());
    world.send(other, client, "APPEND k1 x");
    world.send(other, client, "GET k1");
    world.run(20);
    world.frozen.insert(leader);
    world.blocked = None;
    world.run(2000);
    assert_eq!(world.got(other, client), ":3\r\n$3\r\nv1x\r\n");
}
