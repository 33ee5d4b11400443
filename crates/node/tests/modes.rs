//! Replication modes: what a reply waits for, and what is exposed.

mod world;

use model::GroupId;
use world::World;

const SHARD: GroupId = GroupId(1);

/// A client of the leader of a cluster with one shard, in keyspace 1, which is asynchronous.
fn in_async_keyspace(options: &str) -> (World, u64, u64) {
    let mut world = World::new(3, 1);
    world.run(1000);
    let leader = world.leader(SHARD);
    let client = world.connect(leader);
    assert_eq!(world.ask(leader, client, &format!("KEYSPACE SET 1 REPLICATION async{options}")), "+OK");
    assert_eq!(world.ask(leader, client, "SELECT 1"), "+OK");
    (world, leader, client)
}

/// Only this node goes on, and none hears of its writes.
fn cut_off(world: &mut World, node: u64) {
    world.frozen.extend((1..=3).filter(|n| *n != node));
}

#[test]
fn an_asynchronous_write_is_answered_before_it_is_committed() {
    let (mut world, leader, client) = in_async_keyspace("");
    let sync = world.connect(leader);
    cut_off(&mut world, leader);
    world.send(leader, sync, "SET k 0");
    world.send(leader, client, "SET k 1");
    world.send(leader, client, "GET k");
    world.send(leader, client, "SET k 2 NX");
    world.run(10);
    assert_eq!(world.got(leader, sync), "", "keyspace 0 waits for a majority");
    assert_eq!(world.got(leader, client), "+OK\r\n$1\r\n1\r\n$-1\r\n");
    let exposed = world.cores[&leader].exposed();
    assert!(exposed.entries >= 1 && exposed.bytes > 0 && exposed.ms <= 10, "{exposed:?}");
    // Without a majority the lease ends, and nothing is answered any more.
    world.run(500);
    world.send(leader, client, "SET k 3");
    world.run(100);
    assert_eq!(world.got(leader, client), "");
    assert_eq!(world.cores[&leader].exposed().entries, 0, "it leads no more");
}

#[test]
fn it_waits_until_it_is_written() {
    let (mut world, leader, client) = in_async_keyspace("");
    world.send(leader, client, "SET k 1");
    let now = world.now;
    let core = world.cores.get_mut(&leader).unwrap();
    core.turn(now);
    core.flush(now);
    assert_eq!(world.got(leader, client), "", "the log has not even begun");
    world.unsynced.extend(1..=3);
    world.run(5);
    assert_eq!(world.got(leader, client), "+OK\r\n");
}

#[test]
fn beyond_the_bound_replies_wait() {
    let (mut world, leader, client) = in_async_keyspace(" MAX-EXPOSURE-BYTES 4096");
    cut_off(&mut world, leader);
    let value = "x".repeat(1500);
    for n in 0..4 {
        world.send(leader, client, &format!("SET k{n} {value}"));
        world.run(1);
    }
    world.run(10);
    assert_eq!(world.got(leader, client), "+OK\r\n+OK\r\n", "6000 bytes are too much");
    assert!(world.cores[&leader].exposed().bytes <= 4096);
    world.frozen.clear();
    world.run(200);
    assert_eq!(world.got(leader, client), "+OK\r\n+OK\r\n");
    assert_eq!(world.cores[&leader].exposed().bytes, 0);
}

#[test]
fn an_old_exposure_makes_later_writes_wait() {
    let (mut world, leader, client) = in_async_keyspace(" MAX-EXPOSURE-MS 20");
    cut_off(&mut world, leader);
    world.send(leader, client, "SET k 1");
    world.run(30);
    world.send(leader, client, "SET k 2");
    world.run(30);
    assert_eq!(world.got(leader, client), "+OK\r\n");
    world.frozen.clear();
    world.run(200);
    assert_eq!(world.got(leader, client), "+OK\r\n");
}

#[test]
fn a_connection_may_ask_for_more_and_not_for_less() {
    let (mut world, leader, client) = in_async_keyspace("");
    assert_eq!(world.ask(leader, client, "CLIENT REPLICATION sync"), "+OK");
    let other = world.connect(leader);
    assert!(world.ask(leader, other, "CLIENT REPLICATION async").starts_with("-ERR keyspace 0 is sync"));
    cut_off(&mut world, leader);
    world.send(leader, client, "SET k 1");
    world.run(10);
    assert_eq!(world.got(leader, client), "");
    world.frozen.clear();
    world.run(200);
    assert_eq!(world.got(leader, client), "+OK\r\n");
    assert_eq!(world.ask(leader, client, "CLIENT REPLICATION async"), "+OK");
}

#[test]
fn a_change_to_sync_is_obeyed_at_once() {
    let (mut world, leader, client) = in_async_keyspace("");
    let person = world.connect(leader);
    assert_eq!(world.ask(leader, person, "KEYSPACE SET 1 REPLICATION sync"), "+OK");
    cut_off(&mut world, leader);
    world.send(leader, client, "SET k 1");
    world.run(10);
    assert_eq!(world.got(leader, client), "");
    let (mut world, leader, client) = in_async_keyspace("");
    let person = world.connect(leader);
    world.send(leader, person, "KEYSPACE SET 1 REPLICATION sync");
    // From the moment at which the shard's leader has proposed it.
    for _ in 0..200 {
        world.run(1);
        if world.got(leader, person) == "+OK\r\n" {
            break;
        }
        let before = world.cores[&leader].exposed().entries;
        world.send(leader, client, "SET k 1");
        world.run(1);
        world.got(leader, client);
        assert!(before < 3);
    }
    cut_off(&mut world, leader);
    world.send(leader, client, "SET k 2");
    world.run(10);
    assert_eq!(world.got(leader, client), "");
}

#[test]
fn forwarded_writes_obey_the_mode_too() {
    let (mut world, leader, _) = in_async_keyspace("");
    let node = leader % 3 + 1;
    let client = world.connect(node);
    assert_eq!(world.ask(node, client, "SELECT 1"), "+OK");
    assert_eq!(world.ask(node, client, "SET k 1"), "+OK");
    let third = (1..=3).find(|n| *n != leader && *n != node).unwrap();
    world.frozen.insert(third);
    // Its node hears the leader, and the leader nothing of what its node has on disk.
    world.unsynced.insert(node);
    world.send(node, client, "INCR n");
    world.send(node, client, "GET k");
    world.run(20);
    assert_eq!(world.got(node, client), ":1\r\n$1\r\n1\r\n");
}

#[test]
fn what_was_exposed_may_be_lost_and_the_rest_goes_on() {
    let (mut world, leader, client) = in_async_keyspace("");
    assert_eq!(world.ask(leader, client, "SET k 1"), "+OK");
    world.run(50);
    // Its frames do not arrive: the others lead on without it.
    for other in (1..=3).filter(|n| *n != leader) {
        world.late.insert((leader, other));
    }
    world.send(leader, client, "SET k 2");
    world.run(10);
    assert_eq!(world.got(leader, client), "+OK\r\n");
    world.run(1500);
    let next = world.leader(SHARD);
    assert_ne!(next, leader);
    let other = world.connect(next);
    world.ask(next, other, "SELECT 1");
    assert_eq!(world.ask(next, other, "GET k"), "$1 1");
    world.late.clear();
    world.run(1000);
    assert_eq!(world.ask(leader, client, "GET k"), "$1 1", "the old leader follows");
    assert_eq!(world.ask(leader, client, "WAITAOF 1 1 100"), "*2 :0 :0", "another entry has its place");
    assert_eq!(world.ask(leader, client, "SET k 3"), "+OK");
    assert_eq!(world.ask(next, other, "GET k"), "$1 3");
}

#[test]
fn a_switchover_closes_no_connection_that_waits_for_asynchronous_writes() {
    let (mut world, leader, client) = in_async_keyspace("");
    world.unwritten.insert(leader, 0);
    let third = (1..=3).rfind(|node| *node != leader).unwrap();
    world.frozen.insert(third);
    world.send(leader, client, "SET k 1");
    world.step();
    // The successor has everything and is asked to take over; then the log says that the write is in its file.
    world.cores.get_mut(&leader).unwrap().hand_over();
    for _ in 0..4 {
        world.step();
    }
    let (now, number) = (world.now, world.unwritten.remove(&leader).unwrap());
    let core = world.cores.get_mut(&leader).unwrap();
    core.log_written(0, number);
    core.turn(now);
    core.flush(now);
    assert!(core.wire(client).is_none_or(|(_, close)| !close), "closed because leadership is handed over");
    core.log_done(0, number);
    world.frozen.clear();
    world.run(1000);
    assert_eq!(world.got(leader, client), "+OK\r\n");
}

#[test]
fn a_keyspace_tells_what_a_reply_means() {
    let (mut world, leader, client) = in_async_keyspace(" MAX-EXPOSURE-BYTES 4096 MAX-EXPOSURE-MS 50");
    let told = world.ask(leader, client, "KEYSPACE GET 1");
    assert!(told.starts_with("*22 "), "{told}");
    let promise = "in the leader's log file; a failover may drop at most 4096 bytes and 50 ms per shard";
    assert!(told.contains(&format!("$11 reply-means ${} {promise} ", promise.len())), "{told}");
    let told = world.ask(leader, client, "KEYSPACE GET 0");
    assert!(told.contains("$11 reply-means $21 on disk on a majority "), "{told}");
}

#[test]
fn waitaof_counts_the_disks_of_leader_and_followers() {
    let (mut world, leader, client) = in_async_keyspace("");
    let follower = leader % 3 + 1;
    for node in [leader, follower] {
        let client = world.connect(node);
        assert_eq!(world.ask(node, client, "WAITAOF 1 0 1000"), "*2 :1 :2", "nothing is written");
        assert_eq!(world.ask(node, client, "SELECT 1"), "+OK");
        assert_eq!(world.ask(node, client, "SET k 1"), "+OK");
        assert_eq!(world.ask(node, client, "WAITAOF 1 2 1000"), "*2 :1 :2");
        assert_eq!(world.ask(node, client, "HELLO 3").chars().next(), Some('%'));
        assert_eq!(world.ask(node, client, "WAITAOF 0 2 1000"), "*2 :1 :2");
    }
    // Written, and on no disk.
    world.unsynced.extend(1..=3);
    assert_eq!(world.ask(leader, client, "SET k 2"), "+OK");
    assert_eq!(world.ask(leader, client, "WAITAOF 1 0 20"), "*2 :0 :0");
    assert_eq!(world.ask(leader, client, "WAITAOF 0 0 0"), "*2 :0 :0", "it asks for nothing");
    world.send(leader, client, "WAITAOF 1 0 0");
    world.run(20);
    assert_eq!(world.got(leader, client), "");
    world.unsynced.remove(&leader);
    // A log syncs all it has written with the next batch.
    let other = world.connect(leader);
    world.send(leader, other, "SET other 1");
    world.run(20);
    assert_eq!(world.got(leader, client), "*2\r\n:1\r\n:0\r\n", "no follower has it");
}

#[test]
fn a_waitaof_is_unblocked_with_what_is_known() {
    let (mut world, leader, client) = in_async_keyspace("");
    let person = world.connect(leader);
    assert_eq!(world.ask(leader, client, "SET k 1"), "+OK");
    for (how, reply) in
        [("", "*2\r\n:1\r\n:2\r\n"), (" ERROR", "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n")]
    {
        world.send(leader, client, "WAITAOF 1 7 0");
        world.run(100);
        assert_eq!(world.got(leader, client), "");
        assert_eq!(world.ask(leader, person, &format!("CLIENT UNBLOCK {client}{how}")), ":1");
        world.run(10);
        assert_eq!(world.got(leader, client), reply);
    }
    assert_eq!(
        world.ask(leader, client, "WAITAOF 2 0 0"),
        "-ERR value is out of range, value must between 0 and 1"
    );
    assert_eq!(
        world.ask(leader, client, "WAITAOF 1 0"),
        "-ERR wrong number of arguments for 'waitaof' command"
    );
}

#[test]
fn two_who_change_a_mode_do_not_undo_each_other_for_ever() {
    let mut world = World::new(3, 1);
    world.run(1000);
    let clients = [1, 2].map(|node| (node, world.connect(node)));
    for (node, client) in clients {
        world.send(node, client, &format!("KEYSPACE SET 1 REPLICATION async MAX-EXPOSURE-MS {node}00"));
    }
    world.run(2000);
    let got = clients.map(|(node, client)| world.got(node, client));
    assert!(got.contains(&"+OK\r\n".to_owned()), "{got:?}");
    assert!(got.iter().all(|reply| reply == "+OK\r\n" || reply.contains("came in between")), "{got:?}");
    // What was answered last stays, whoever else has asked before.
    let (node, client) = clients[0];
    assert_eq!(world.ask(node, client, "KEYSPACE SET 1 REPLICATION sync"), "+OK");
    world.run(3000);
    assert!(!world.cores[&node].is_any_async(), "it is sync");
}
