//! Connections that choose asynchronous answers in a synchronous keyspace that allows it.

mod world;

use everstore_node::losses::format;
use model::GroupId;
use world::World;

const SHARD: GroupId = GroupId(1);
const REFUSED: &str = "-ERR the write was not done: this connection chose CLIENT REPLICATION async, and keyspace \
                       1 is sync with allow-async no; see KEYSPACE SET 1 ALLOW-ASYNC yes, or CLIENT REPLICATION follow";

/// A cluster with one shard and its leader. Keyspace 1 is synchronous and allows asynchronous connections.
fn allowing(options: &str) -> (World, u64) {
    let mut world = World::new(3, 1);
    world.run(1000);
    let leader = world.leader(SHARD);
    let person = world.connect(leader);
    assert_eq!(world.ask(leader, person, &format!("KEYSPACE SET 1 ALLOW-ASYNC yes{options}")), "+OK");
    (world, leader)
}

/// A connection to keyspace 1 with a choice.
fn connect(world: &mut World, node: u64, choice: &str) -> u64 {
    let client = world.connect(node);
    assert_eq!(world.ask(node, client, "SELECT 1"), "+OK");
    assert_eq!(world.ask(node, client, &format!("CLIENT REPLICATION {choice}")), "+OK");
    client
}

fn others(node: u64) -> impl Iterator<Item = u64> {
    (1..=3).filter(move |n| *n != node)
}

#[test]
fn only_writes_of_connections_that_chose_so_are_answered_before_their_commit() {
    let (mut world, leader) = allowing("");
    let fast = connect(&mut world, leader, "async");
    let (sync, follow) = (connect(&mut world, leader, "sync"), connect(&mut world, leader, "follow"));
    assert_eq!(world.ask(leader, sync, "MSET n 1 other 1"), "+OK");
    world.frozen.extend(others(leader));
    for client in [sync, follow] {
        world.send(leader, client, "SET s 1");
    }
    world.send(leader, fast, "SET k 1");
    world.send(leader, fast, "INCR n");
    world.send(leader, fast, "DEL other");
    world.run(10);
    assert_eq!(world.got(leader, fast), "+OK\r\n:2\r\n:1\r\n");
    assert!(world.cores[&leader].exposed().entries > 0);
    assert_eq!((world.got(leader, sync), world.got(leader, follow)), (String::new(), String::new()));
    world.frozen.clear();
    world.run(200);
    assert_eq!(world.got(leader, sync) + &world.got(leader, follow), "+OK\r\n+OK\r\n");
    assert_eq!(world.cores[&leader].exposed().entries, 0);
}

#[test]
fn nobody_sees_what_could_be_lost() {
    let (mut world, leader) = allowing("");
    let (fast, other) = (connect(&mut world, leader, "async"), connect(&mut world, leader, "async"));
    let sync = connect(&mut world, leader, "sync");
    let reader = connect(&mut world, leader, "follow");
    assert_eq!(world.ask(leader, sync, "SET n 1"), "+OK");
    world.run(50);
    world.frozen.extend(others(leader));
    world.send(leader, fast, "SET k 1");
    world.send(leader, fast, "INCR n");
    world.run(5);
    assert_eq!(world.got(leader, fast), "+OK\r\n:2\r\n");
    // What asks for them waits for their commit, whatever it chose and whether it changes something.
    world.send(leader, reader, "GET k");
    world.send(leader, sync, "INCR n");
    world.send(leader, other, "INCR n");
    world.send(leader, fast, "GET k");
    world.run(10);
    for client in [reader, sync, other, fast] {
        assert_eq!(world.got(leader, client), "", "client {client}");
    }
    world.frozen.clear();
    world.run(200);
    let got = [reader, sync, other, fast].map(|client| world.got(leader, client));
    assert_eq!(got, ["$1\r\n1\r\n", ":3\r\n", ":4\r\n", "$1\r\n1\r\n"]);
}

#[test]
fn writes_of_one_connection_do_not_wait_for_each_other_unless_they_look() {
    let (mut world, leader) = allowing("");
    let fast = connect(&mut world, leader, "async");
    world.frozen.extend(others(leader));
    for n in 0..5 {
        world.send(leader, fast, &format!("SET k {n}"));
        world.run(1);
    }
    world.run(5);
    assert_eq!(world.got(leader, fast), "+OK\r\n".repeat(5));
    world.send(leader, fast, "SETNX k 1");
    world.send(leader, fast, "SET other 1");
    world.run(5);
    assert_eq!(world.got(leader, fast), "", "the second waits behind the first");
    world.frozen.clear();
    world.run(100);
    assert_eq!(world.got(leader, fast), ":0\r\n+OK\r\n");
}

#[test]
fn beyond_the_exposure_its_writes_wait_and_synchronous_ones_expose_nothing() {
    let (mut world, leader) = allowing(" MAX-EXPOSURE-BYTES 4096");
    let (fast, sync) = (connect(&mut world, leader, "async"), connect(&mut world, leader, "sync"));
    world.frozen.extend(others(leader));
    let value = "x".repeat(1500);
    world.send(leader, sync, &format!("MSET a {value} b {value} c {value}"));
    world.run(2);
    assert_eq!(world.cores[&leader].exposed().bytes, 0, "a synchronous write");
    for n in 0..4 {
        world.send(leader, fast, &format!("SET k{n} {value}"));
        world.run(1);
    }
    world.run(10);
    assert_eq!(world.got(leader, fast), "+OK\r\n+OK\r\n", "6000 bytes are too much");
    let bytes = world.cores[&leader].exposed().bytes;
    assert!((3000..=4096).contains(&bytes), "{bytes}");
    world.frozen.clear();
    world.run(200);
    assert_eq!(world.got(leader, fast), "+OK\r\n+OK\r\n");
}

#[test]
fn it_is_refused_where_it_is_not_allowed_any_more_and_nothing_is_done() {
    let (mut world, leader) = allowing("");
    let far = leader % 3 + 1;
    let person = world.connect(leader);
    let clients = [leader, far].map(|node| (node, connect(&mut world, node, "async")));
    for (node, client) in clients {
        assert_eq!(world.ask(node, client, "SET k 1"), "+OK");
    }
    let told = world.ask(leader, person, "KEYSPACE GET 1");
    assert!(told.contains("mode $4 sync") && told.contains("$11 allow-async $3 yes"), "{told}");
    assert!(told.contains("on disk on a majority; to connections that chose async: "), "{told}");
    assert_eq!(world.ask(leader, person, "KEYSPACE SET 1 ALLOW-ASYNC no"), "+OK");
    for (node, client) in clients {
        for write in ["SET k 2", "MSET k 2 l 2", "DEL k", "FLUSHDB", "COPY k l", "SETNX new 1"] {
            assert_eq!(world.ask(node, client, write), REFUSED, "{write} at node {node}");
        }
        assert_eq!(world.ask(node, client, "MGET k l new"), "*3 $1 1 $-1 $-1", "and reads go on");
        let refused = world.ask(node, client, "CLIENT REPLICATION async");
        assert!(refused.starts_with("-ERR keyspace 1 is sync with allow-async no"), "{refused}");
    }
    let (_, near) = clients[0];
    assert_eq!(world.ask(leader, near, "FLUSHALL"), "+OK", "always waits for the commit");
    // In a keyspace that is asynchronous it has what it chose.
    assert_eq!(world.ask(leader, person, "KEYSPACE SET 2 REPLICATION async"), "+OK");
    assert_eq!(world.ask(leader, near, "SELECT 2"), "+OK");
    assert_eq!(world.ask(leader, near, "SET k 2"), "+OK");
    assert!(world.ask(leader, near, "COPY k k DB 1").contains("keyspace 1 is sync with allow-async no"));
    assert_eq!(world.ask(leader, near, "SELECT 1"), "+OK");
    assert_eq!(world.ask(leader, near, "SET k 2"), REFUSED);
    assert_eq!(world.ask(leader, near, "CLIENT REPLICATION follow"), "+OK");
    assert_eq!(world.ask(leader, near, "SET k 2"), "+OK");
    let (_, away) = clients[1];
    assert_eq!(world.ask(far, away, "RESET"), "+RESET");
    assert_eq!(world.ask(far, away, "SELECT 1"), "+OK");
    assert_eq!(world.ask(far, away, "SET k 3"), "+OK", "a new choice");
}

#[test]
fn while_it_is_withdrawn_writes_wait_and_what_was_answered_stays_exposed() {
    let (mut world, leader) = allowing("");
    let (fast, person) = (connect(&mut world, leader, "async"), world.connect(leader));
    assert_eq!(world.ask(leader, fast, "SET k 1"), "+OK");
    world.run(50);
    // The meta group has its leader elsewhere or here: what counts is when the shard has proposed it.
    world.send(leader, person, "KEYSPACE SET 1 ALLOW-ASYNC no");
    let mut answers = String::new();
    for n in 0..100 {
        world.send(leader, fast, &format!("SET k{n} 1"));
        world.run(1);
        answers += &world.got(leader, fast);
    }
    world.run(100);
    answers += &world.got(leader, fast);
    let done = answers.matches("+OK").count();
    assert_eq!(answers.matches("\r\n").count(), 100);
    assert_eq!(answers, "+OK\r\n".repeat(done) + &format!("{REFUSED}\r\n").repeat(100 - done));
    assert!(done < 100);
    let keys = world.ask(leader, person, "KEYSPACE GET 1");
    assert!(keys.contains(&format!("keys :{}", done + 1)), "what was refused was not done: {keys}");
    // Cut off with the option on: what was answered counts until it is committed.
    assert_eq!(world.ask(leader, person, "KEYSPACE SET 1 ALLOW-ASYNC yes"), "+OK");
    world.frozen.extend(others(leader));
    world.send(leader, fast, "SET k 2");
    world.run(5);
    assert_eq!(world.got(leader, fast), "+OK\r\n");
    world.send(leader, person, "KEYSPACE SET 1 ALLOW-ASYNC no");
    world.run(20);
    assert_eq!(world.cores[&leader].exposed().entries, 1);
}

#[test]
fn a_forwarded_choice_counts_at_the_leader() {
    let (mut world, leader) = allowing("");
    let node = leader % 3 + 1;
    let fast = connect(&mut world, node, "async");
    let sync = connect(&mut world, node, "sync");
    assert_eq!(world.ask(node, fast, "SET k 1"), "+OK");
    let third = (1..=3).find(|n| *n != leader && *n != node).unwrap();
    world.frozen.insert(third);
    // Its node hears the leader, and the leader nothing of what its node has on disk.
    world.unsynced.insert(node);
    world.send(node, sync, "SET s 1");
    world.send(node, fast, "SET k 2");
    world.run(20);
    assert_eq!(world.got(node, fast), "+OK\r\n", "nor does it wait behind the other");
    world.send(node, sync, "GET k");
    world.run(20);
    assert_eq!(world.got(node, sync), "");
    world.frozen.clear();
    world.unsynced.clear();
    world.run(200);
    assert_eq!(world.got(node, sync), "+OK\r\n$1\r\n2\r\n");
}

#[test]
fn a_failover_may_lose_its_writes_and_they_alone_are_accounted_for() {
    let (mut world, old) = allowing("");
    let (fast, sync) = (connect(&mut world, old, "async"), connect(&mut world, old, "sync"));
    assert_eq!(world.ask(old, sync, "SET kept 1"), "+OK");
    world.run(50);
    for other in others(old) {
        world.late.insert((old, other));
    }
    world.send(old, sync, "SET waits 1");
    world.send(old, fast, "SET lost 1");
    world.send(old, fast, "DEL kept");
    world.run(10);
    world.send(old, sync, "GET kept");
    world.run(10);
    assert_eq!(world.got(old, fast), "+OK\r\n:1\r\n");
    assert_eq!(world.got(old, sync), "", "neither the write nor the read");
    world.run(1500);
    world.late.clear();
    world.run(2000);
    assert_eq!(world.got(old, sync), "+OK\r\n$1\r\n1\r\n", "written and read after the failover");
    let of_old = world.losses.iter().filter(|((node, _), _)| *node == old);
    let accounts: Vec<_> = of_old.map(|(_, content)| format::decode(content).unwrap()).collect();
    assert_eq!(accounts.len(), 1);
    let keys: Vec<_> = accounts[0].rows.iter().map(|row| String::from_utf8_lossy(&row.key)).collect();
    assert_eq!(keys, ["kept", "lost"]);
    let reader = world.connect(old);
    assert_eq!(world.ask(old, reader, "SELECT 1"), "+OK");
    assert_eq!(world.ask(old, reader, "MGET kept lost waits"), "*3 $1 1 $-1 $1 1");
}
