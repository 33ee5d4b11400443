//! Reads of `READONLY` connections: answered where they arrive as long as the bound can be proven, and
//! never with anything uncommitted, expired, or older than what the connection itself has written.

mod world;

use everstore_node::frame::Section;
use model::GroupId;
use world::World;

const SHARD: GroupId = GroupId(1);

/// A world of one shard, its leader, and a follower with a connection to each.
fn start() -> (World, [u64; 2], [u64; 2]) {
    let mut world = World::new(3, 1);
    world.run(1000);
    let leader = world.leader(SHARD);
    let follower = leader % 3 + 1;
    let conns = [world.connect(leader), world.connect(follower)];
    (world, [leader, follower], conns)
}

/// Reads that replicas of a node answered, and those it forwarded.
fn counts(world: &mut World, node: u64) -> (u64, u64) {
    let conn = world.connect(node);
    let info = world.ask(node, conn, "INFO everstore");
    let number = |name: &str| {
        let words = info.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix(':'));
        words.and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{name} in {info}"))
    };
    (number("replica_reads"), number("replica_reads_forwarded"))
}

/// What is answered before anything else can happen.
fn at_once(world: &mut World, node: u64, conn: u64, command: &str) -> String {
    world.send(node, conn, command);
    world.got(node, conn).replace("\r\n", " ").trim_end().to_owned()
}

#[test]
fn a_follower_answers_what_it_can_prove_and_sees_the_writes_of_its_connection() {
    let (mut world, [leader, follower], [writer, reader]) = start();
    assert_eq!(world.ask(leader, writer, "SET k one"), "+OK");
    assert_eq!(world.ask(follower, reader, "GET k"), "$3 one");
    assert_eq!(counts(&mut world, follower), (0, 0), "without READONLY nothing is answered here");
    assert_eq!(world.ask(follower, reader, "READONLY"), "+OK");
    // Nothing is proven yet: the first read goes to the leader and has it asked.
    assert_eq!(at_once(&mut world, follower, reader, "GET k"), "");
    world.run(30);
    assert_eq!(world.got(follower, reader), "$3\r\none\r\n");
    assert_eq!(at_once(&mut world, follower, reader, "GET k"), "$3 one");
    assert_eq!(at_once(&mut world, follower, reader, "MGET k nothing"), "*2 $3 one $-1");
    assert_eq!(counts(&mut world, follower), (2, 1));
    // A write is forwarded, and a read behind it waits for it.
    world.send(follower, reader, "SET k two");
    world.send(follower, reader, "GET k");
    world.run(30);
    assert_eq!(world.got(follower, reader), "+OK\r\n$3\r\ntwo\r\n");
    for n in 0..50 {
        assert_eq!(world.ask(follower, reader, &format!("SET k {n:02}")), "+OK");
        assert_eq!(world.ask(follower, reader, "GET k"), format!("$2 {n:02}"));
    }
    assert_eq!(world.ask(follower, reader, "READWRITE"), "+OK");
    assert_eq!(at_once(&mut world, follower, reader, "GET k"), "");
}

#[test]
fn a_follower_that_hears_nothing_answers_within_the_bound_and_then_no_more() {
    let (mut world, [leader, follower], [writer, reader]) = start();
    assert_eq!(world.ask(leader, writer, "SET k old"), "+OK");
    assert_eq!(world.ask(follower, reader, "READONLY MAX-STALENESS 300"), "+OK");
    world.ask(follower, reader, "GET k");
    world.run(30);
    // It is cut off: the others commit without it.
    for other in (1..=3).filter(|other| *other != follower) {
        world.late.insert((other, follower));
    }
    assert_eq!(world.ask(leader, writer, "SET k new"), "+OK");
    assert_eq!(at_once(&mut world, follower, reader, "GET k"), "$3 old", "older, but within the bound");
    world.run(310);
    assert_eq!(at_once(&mut world, follower, reader, "GET k"), "", "past the bound");
    let stale = world.connect(follower);
    assert_eq!(world.ask(follower, stale, "READONLY STALE"), "+OK");
    assert_eq!(at_once(&mut world, follower, stale, "GET k"), "$3 old", "asked for by name");
    world.late.clear();
    world.run(500);
    assert_eq!(world.got(follower, reader), "$3\r\nnew\r\n");
}

#[test]
fn without_a_leader_reads_are_refused_past_the_bound() {
    let (mut world, [leader, follower], [writer, reader]) = start();
    assert_eq!(world.ask(leader, writer, "SET k v"), "+OK");
    assert_eq!(world.ask(follower, reader, "READONLY"), "+OK");
    world.ask(follower, reader, "GET k");
    world.run(30);
    world.frozen.extend((1..=3).filter(|node| *node != follower));
    for _ in 0..9 {
        world.run(100);
        assert_eq!(at_once(&mut world, follower, reader, "GET k"), "$1 v");
    }
    world.run(100);
    let refused = world.ask(follower, reader, "GET k");
    assert!(refused.starts_with("-CLUSTERDOWN "), "{refused}");
}

#[test]
fn a_reply_that_stands_still_past_its_bound_does_not_leave() {
    let (mut world, [leader, follower], [writer, reader]) = start();
    assert_eq!(world.ask(leader, writer, "SET k v"), "+OK");
    assert_eq!(world.ask(follower, reader, "READONLY"), "+OK");
    world.ask(follower, reader, "GET k");
    world.run(30);
    world.send(follower, reader, "GET k");
    // The node is stopped between the turn and sending its results.
    world.now.mono_ns += 1_100_000_000;
    let now = world.now;
    let core = world.cores.get_mut(&follower).unwrap();
    core.flush(now);
    let (wire, close) = core.wire(reader).unwrap();
    assert!(wire.is_empty() && close);
}

#[test]
fn a_leader_that_may_have_a_successor_proves_nothing() {
    let mut world = World::new(5, 1);
    world.run(1000);
    let leader = world.leader(SHARD);
    let follower = leader % 5 + 1;
    let writer = world.connect(leader);
    assert_eq!(world.ask(leader, writer, "SET k old"), "+OK");
    let asks = |world: &mut World| {
        let conn = world.connect(follower);
        assert_eq!(at_once(world, follower, conn, "READONLY MAX-STALENESS 50"), "+OK");
        at_once(world, follower, conn, "GET k")
    };
    asks(&mut world);
    world.run(30);
    assert_eq!(asks(&mut world), "$3 old");
    // Both still hear each other, and nobody else: the other three are a majority.
    for other in (1..=5).filter(|other| *other != leader && *other != follower) {
        for one in [leader, follower] {
            world.late.extend([(one, other), (other, one)]);
        }
    }
    // The lease lasts less than 122 ms; the leader notices later.
    world.run(122 + 51);
    for _ in 0..50 {
        assert_eq!(asks(&mut world), "", "no lease, no proof");
        world.run(5);
    }
}

#[test]
fn what_has_expired_is_absent_before_the_leader_deletes_it() {
    let (mut world, [leader, follower], [writer, reader]) = start();
    assert_eq!(world.ask(follower, reader, "READONLY"), "+OK");
    assert_eq!(world.ask(leader, writer, "SET k v PX 400"), "+OK");
    world.ask(follower, reader, "GET k");
    world.run(100);
    assert_eq!(at_once(&mut world, follower, reader, "GET k"), "$1 v");
    let before = world.cores[&follower].rolling(SHARD);
    // Nothing of the leader arrives any more, so nobody has deleted it here.
    world.late.extend((1..=3).map(|other| (other, follower)));
    world.run(320);
    for (command, reply) in [("GET k", "$-1"), ("EXISTS k", ":0"), ("TTL k", ":-2"), ("TYPE k", "+none")] {
        assert_eq!(at_once(&mut world, follower, reader, command), reply, "{command}");
    }
    assert_eq!(world.cores[&follower].rolling(SHARD), before);
    world.late.clear();
    world.run(200);
    let rolling = |node: u64| world.cores[&node].rolling(SHARD);
    assert_eq!(rolling(follower), rolling(leader));
}

#[test]
fn an_uncommitted_write_is_not_seen() {
    let (mut world, [leader, follower], [writer, reader]) = start();
    assert_eq!(world.ask(leader, writer, "SET k committed"), "+OK");
    assert_eq!(world.ask(follower, reader, "READONLY"), "+OK");
    world.ask(follower, reader, "GET k");
    world.run(30);
    // Nobody syncs: the entry is in every log and not committed.
    world.unsynced.extend(1..=3);
    world.send(leader, writer, "SET k uncommitted");
    world.run(60);
    assert_eq!(world.got(leader, writer), "");
    assert_eq!(at_once(&mut world, follower, reader, "GET k"), "$9 committed");
    // It holds also where the old leader has taken it back, and for any age.
    assert_eq!(world.ask(follower, reader, "READONLY STALE"), "+OK");
    assert_eq!(at_once(&mut world, follower, reader, "GET k"), "$9 committed");
}

#[test]
fn nobody_is_asked_unless_somebody_reads() {
    let (mut world, [_, follower], [_, reader]) = start();
    assert_eq!(probes(&mut world, follower), 0);
    assert_eq!(world.ask(follower, reader, "READONLY"), "+OK");
    world.run(100);
    assert_eq!(probes(&mut world, follower), 0, "the connection has read nothing");
    world.ask(follower, reader, "GET k");
    assert!(probes(&mut world, follower) > 0);
    world.run(11_000);
    assert_eq!(probes(&mut world, follower), 0, "nobody has read for 10 s");
}

/// Questions that a node sends in 200 ms.
fn probes(world: &mut World, node: u64) -> usize {
    world.sent = Some(Vec::new());
    world.run(200);
    let sent = world.sent.take().unwrap();
    sent.iter().filter(|sent| **sent == (node, Section::Probe)).count()
}

#[test]
fn on_the_cluster_port_a_replica_answers_instead_of_sending_the_client_away() {
    let (mut world, [leader, follower], [writer, _]) = start();
    assert_eq!(world.ask(leader, writer, "SET k v"), "+OK");
    let conn = world.connect_to(follower, true);
    world.run(4000);
    assert_eq!(world.ask(follower, conn, "GET k"), format!("-MOVED 7629 x{leader}:1"));
    assert_eq!(world.ask(follower, conn, "READONLY"), "+OK");
    assert_eq!(world.ask(follower, conn, "GET k"), "$1 v");
    world.run(30);
    assert_eq!(at_once(&mut world, follower, conn, "GET k"), "$1 v");
    assert_eq!(world.ask(follower, conn, "SET k x"), format!("-MOVED 7629 x{leader}:1"));
}
