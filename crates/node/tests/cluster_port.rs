//! Clients of the cluster port, on three cores.

mod world;

use cluster::Addresses;
use model::slot::slot_of;
use model::{GroupId, NodeId};
use world::World;

/// A world whose nodes know each other's addresses, and a connection to the cluster port of each.
fn start(shards: u16) -> (World, [u64; 3]) {
    let mut world = World::new(3, shards);
    world.run(5000);
    let conns = [1, 2, 3].map(|node| world.connect_to(node, true));
    (world, conns)
}

/// The node that leads the shard of a key.
fn leader_of(world: &World, key: &str, shards: u32) -> u64 {
    let slot = u32::from(slot_of(key.as_bytes()));
    let shard = (0..shards).rfind(|shard| shard * 16384 / shards <= slot).unwrap();
    world.leader(GroupId(shard + 1))
}

#[test]
fn only_the_leader_runs_a_command_and_the_others_name_it() {
    let (mut world, conns) = start(8);
    for key in ["foo", "bar", "{u}1", "k0", "k1", "k2", "k3"] {
        let leader = leader_of(&world, key, 8);
        let moved = format!("-MOVED {} x{leader}:1", slot_of(key.as_bytes()));
        for node in 1..=3 {
            let conn = conns[node as usize - 1];
            for (command, done) in [("SET K v", "+OK"), ("GET K", "$1 v"), ("MSET K v K v", "+OK")] {
                let expected = if node == leader { done } else { &moved };
                assert_eq!(world.ask(node, conn, &command.replace('K', key)), expected, "{key} at {node}");
            }
        }
    }
    let cross = "-CROSSSLOT Keys in request don't hash to the same slot";
    for command in ["MGET foo bar", "DEL k0 k1", "RENAME foo bar"] {
        assert_eq!(world.ask(2, conns[1], command), cross, "{command}");
    }
    let leader = leader_of(&world, "foo", 8);
    let copied = world.ask(leader, conns[leader as usize - 1], "COPY foo foo DB 1");
    assert_eq!(copied, "-ERR Copying to another database is not allowed in cluster mode");
    // On the plain port nothing has changed.
    let plain = world.connect(2);
    assert_eq!(world.ask(2, plain, "MGET foo bar"), "*2 $1 v $1 v");
    assert_eq!(world.ask(2, plain, "CLUSTER SLOTS"), "-ERR This instance has cluster support disabled");
}

#[test]
fn answers_of_all_nodes_together_contain_every_key_once() {
    let (mut world, conns) = start(8);
    let plain = world.connect(1);
    for i in 0..60 {
        world.ask(1, plain, &format!("SET k{i} v"));
    }
    let (mut size, mut keys, mut scanned) = (0, 0, Vec::new());
    for (node, conn) in (1..=3).zip(conns) {
        size += world.ask(node, conn, "DBSIZE")[1..].parse::<u32>().unwrap();
        keys += world.ask(node, conn, "KEYS *").matches(" k").count();
        let mut cursor = "0".to_owned();
        loop {
            let part = world.ask(node, conn, &format!("SCAN {cursor} COUNT 5"));
            let words: Vec<&str> = part.split(' ').collect();
            scanned.extend(words.iter().filter(|word| word.starts_with('k')).map(|word| word.to_string()));
            cursor = words[2].to_owned();
            if cursor == "0" {
                break;
            }
        }
        assert_ne!(world.ask(node, conn, "RANDOMKEY"), "$-1");
    }
    scanned.sort();
    let before = scanned.len();
    scanned.dedup();
    assert_eq!((size, keys, before, scanned.len()), (60, 60, 60, 60));
    let slot = slot_of(b"k7");
    for (node, conn) in (1..=3).zip(conns) {
        assert_eq!(world.ask(node, conn, &format!("CLUSTER COUNTKEYSINSLOT {slot}")), ":1");
        assert_eq!(world.ask(node, conn, &format!("CLUSTER GETKEYSINSLOT {slot} 9")), "*1 $2 k7");
        assert_eq!(world.ask(node, conn, &format!("CLUSTER GETKEYSINSLOT {slot} 0")), "*0");
    }
    for (node, conn) in (1..=3).zip(conns) {
        assert_eq!(world.ask(node, conn, "FLUSHALL"), "+OK");
    }
    assert_eq!(world.ask(1, plain, "DBSIZE"), ":0");
}

#[test]
fn while_no_leader_is_heard_from_a_command_waits_for_the_next_one() {
    let (mut world, conns) = start(1);
    let old = leader_of(&world, "k", 1);
    assert_eq!(world.ask(old, conns[old as usize - 1], "SET k before"), "+OK");
    let node = old % 3 + 1;
    let conn = conns[node as usize - 1];
    // A reader of replicas is not sent away, though the leader answers.
    assert_eq!(world.ask(node, conn, "READONLY"), "+OK");
    assert_eq!(world.ask(node, conn, "GET k"), "$6 before");
    assert_eq!(world.ask(node, conn, "SET k x"), format!("-MOVED 7629 x{old}:1"));
    assert_eq!(world.ask(node, conn, "READWRITE"), "+OK");
    assert_eq!(world.ask(node, conn, "GET k"), format!("-MOVED 7629 x{old}:1"));
    world.frozen.insert(old);
    // As soon as it counts as gone, nobody is sent to it any more.
    let mut redirected = 0;
    loop {
        let reply = world.ask(node, conn, "SET k after");
        if reply == "+OK" {
            break;
        }
        assert!(reply.starts_with("-MOVED 7629 x"), "{reply}");
        redirected += 1;
        if !reply.contains(&format!("x{old}:1")) {
            let next: u64 = reply[13..14].parse().unwrap();
            assert_eq!(world.ask(next, conns[next as usize - 1], "SET k after"), "+OK");
            break;
        }
    }
    assert!(redirected < 300, "{redirected} ms");
    world.run(500);
    let new = leader_of(&world, "k", 1);
    let slots = world.ask(new, conns[new as usize - 1], "CLUSTER SLOTS");
    assert!(slots.starts_with("*1 *4 :0 :16383 ") && slots.contains(&format!("x{new}")), "{slots}");
    assert!(!slots.contains(&format!("x{old}")), "who is gone is not listed: {slots}");
    let nodes = world.ask(new, conns[new as usize - 1], "CLUSTER NODES");
    assert!(nodes.contains(&format!("x{old}:1@1 master,fail - ")), "{nodes}");
    world.frozen.clear();
    // Whoever leads then, perhaps the old one again: nobody answers from the past.
    world.run(500);
    let leader = leader_of(&world, "k", 1);
    for (node, conn) in (1..=3).zip(conns) {
        let moved = format!("-MOVED 7629 x{leader}:1");
        let expected = if node == leader { "$5 after" } else { &moved };
        assert_eq!(world.ask(node, conn, "GET k"), expected, "node {node}");
    }
}

#[test]
fn a_leader_without_a_cluster_port_is_asked_by_the_node_itself() {
    let (mut world, conns) = start(4);
    // Node 1 hears that the others have started anew without the port.
    for other in [2, 3] {
        let addresses = Addresses { peer: format!("p{other}:1"), ..Addresses::default() };
        world.cores.get_mut(&1).unwrap().on_peer_up(NodeId(other), 1, addresses);
    }
    world.run(100);
    for i in 0..20 {
        assert_eq!(world.ask(1, conns[0], &format!("SET k{i} v")), "+OK");
    }
    assert_eq!(world.ask(1, conns[0], "DBSIZE"), ":20");
    let slots = world.ask(1, conns[0], "CLUSTER SLOTS");
    assert!(slots.starts_with("*1 *3 :0 :16383 *4 $2 x1 :1 $40 00000001"), "{slots}");
}
