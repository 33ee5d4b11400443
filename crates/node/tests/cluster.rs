//! Three cores as one cluster.

mod world;

use everstore_node::{DiskState, JobDone};
use model::{GroupId, NodeId};
use world::World;

#[test]
fn any_node_answers_for_all_shards() {
    let mut world = World::new(3, 4);
    world.run(1000);
    for node in 1..=3 {
        let c = world.connect(node);
        for i in 0..20 {
            assert_eq!(world.ask(node, c, &format!("SET k{i} v{node}")), "+OK");
            assert_eq!(world.ask(node, c, &format!("GET k{i}")), format!("$2 v{node}"));
        }
        assert_eq!(world.ask(node, c, "DBSIZE"), if node == 1 { ":20" } else { ":21" });
        assert_eq!(
            world.ask(node, c, "MGET k0 k1 none k2"),
            format!("*4 $2 v{node} $2 v{node} $-1 $2 v{node}")
        );
        assert_eq!(world.ask(node, c, "WAIT 2 1000"), ":2");
        assert_eq!(world.ask(node, c, "INCR n"), format!(":{node}"));
        let scan = world.ask(node, c, "SCAN 0 COUNT 1000");
        assert!(scan.starts_with("*2 $1 0 *21 "), "{scan}");
    }
    let c = world.connect(1);
    assert_eq!(world.ask(1, c, "DEL k0 k1 k2 none"), ":3");
    assert!(world.ask(1, c, "RENAME k3 k4").starts_with("-CROSSSLOT"));
    assert_eq!(world.ask(1, c, "RENAME k3 {k3}4"), "+OK");
    assert_eq!(world.ask(1, c, "FLUSHALL"), "+OK");
    assert_eq!(world.ask(1, c, "DBSIZE"), ":0");
}

#[test]
fn a_counter_counts_exactly_through_a_frozen_leader() {
    let mut world = World::new(3, 2);
    world.run(1000);
    let c = world.connect(1);
    let mut expected = 0;
    for round in 0..6u64 {
        for _ in 0..10 {
            expected += 1;
            assert_eq!(world.ask(1, c, "INCR n"), format!(":{expected}"));
        }
        // Freeze a node other than the one the client talks to, in the middle of a command.
        let victim = 2 + round % 2;
        world.send(1, c, "INCR n");
        expected += 1;
        world.frozen.insert(victim);
        world.run(600);
        assert_eq!(world.got(1, c), format!(":{expected}\r\n"));
        world.frozen.remove(&victim);
        world.run(600);
    }
}

#[test]
fn without_a_majority_commands_end_with_an_explicit_error() {
    let mut world = World::new(3, 1);
    world.run(1000);
    let c = world.connect(1);
    assert_eq!(world.ask(1, c, "SET k v"), "+OK");
    world.frozen.extend([2, 3]);
    world.run(1000);
    let reply = world.ask(1, c, "GET k");
    assert!(reply.starts_with("-CLUSTERDOWN shard 0: 1 of 3 replicas reachable, 2 needed"), "{reply}");
    world.frozen.clear();
    world.run(1000);
    assert_eq!(world.ask(1, c, "GET k"), "$1 v");
}

#[test]
fn switchover_moves_all_leaders_without_an_error() {
    let mut world = World::new(3, 4);
    world.run(1000);
    let c = world.connect(2);
    for node in 1..=3 {
        assert_eq!(world.ask(2, c, &format!("EVERSTORE SWITCHOVER NODE {node}")), "+OK");
        assert_eq!(world.cores[&node].leads(), 0);
        assert_eq!(world.ask(2, c, &format!("SET k{node} v")), "+OK");
    }
}

#[test]
fn a_layout_is_chosen_while_the_keyspace_is_empty() {
    let mut world = World::new(3, 4);
    world.run(1000);
    let c = world.connect(2);
    assert_eq!(world.ask(2, c, "KEYSPACE SET 3 LAYOUT spread"), "+OK");
    assert_eq!(world.ask(2, c, "SELECT 3"), "+OK");
    assert_eq!(world.ask(2, c, "SET k v"), "+OK");
    assert_eq!(world.ask(2, c, "MSETNX a 1 b 2").split(' ').next(), Some("-CROSSSLOT"));
    assert!(world.ask(2, c, "KEYSPACE SET 3 LAYOUT single").starts_with("-ERR keyspace 3 holds keys"));
    assert_eq!(world.ask(2, c, "GET k"), "$1 v");
    assert_eq!(world.ask(2, c, "DEL k"), ":1");
    assert_eq!(world.ask(2, c, "KEYSPACE SET 3 LAYOUT single"), "+OK");
    assert_eq!(world.ask(2, c, "MSETNX a 1 b 2"), ":1");
}

#[test]
fn flushall_reaches_every_shard_from_any_keyspace() {
    let mut world = World::new(3, 4);
    world.run(1000);
    let c = world.connect(2);
    for i in 0..8 {
        assert_eq!(world.ask(2, c, &format!("SET k{i} v")), "+OK");
    }
    assert_eq!(world.ask(2, c, "SELECT 1"), "+OK");
    assert_eq!(world.ask(2, c, "SET k v"), "+OK");
    assert_eq!(world.ask(2, c, "FLUSHALL"), "+OK");
    assert_eq!(world.ask(2, c, "DBSIZE"), ":0");
    assert_eq!(world.ask(2, c, "SELECT 0"), "+OK");
    assert_eq!(world.ask(2, c, "DBSIZE"), ":0");
}

#[test]
fn what_fits_no_entry_and_no_frame_is_refused() {
    let mut world = World::new(3, 2);
    world.run(1000);
    let big = "x".repeat(6 << 20);
    for node in 1..=3 {
        let c = world.connect(node);
        // Slots of both shards, so that it is split; the larger part does not fit one entry.
        let reply = world.ask(node, c, &format!("MSET {{b}}1 {big} {{b}}2 {big} {{b}}3 {big} a 1 c 1 d 1"));
        assert!(reply.starts_with("-ERR command of 188"), "{}", &reply[..80]);
        assert_eq!(world.ask(node, c, &format!("SET k {big}")), "+OK");
        // Six of them make a reply that no frame takes; here it may come from another node or not.
        assert_eq!(world.ask(node, c, "SELECT 1"), "+OK");
        assert_eq!(world.ask(node, c, &format!("SET k {big}")), "+OK");
        let reply = world.ask(node, c, "MGET k k k k k k");
        let refused = reply.starts_with("-ERR reply of 377");
        assert!(refused || reply.len() > 6 * big.len(), "{}", &reply[..80]);
        assert_eq!(world.ask(node, c, "STRLEN k"), format!(":{}", big.len()));
    }
}

#[test]
fn a_pipeline_longer_than_the_queue_goes_on_behind_a_wait() {
    let mut world = World::new(3, 2);
    world.run(1000);
    let c = world.connect(1);
    let commands = everstore_node::conn::MAX_PIPELINE + 5000;
    world.send(1, c, "INCR n");
    world.send(1, c, "WAIT 1 1000");
    (1..commands).for_each(|_| world.send(1, c, "INCR n"));
    let mut got = String::new();
    for _ in 0..500 {
        world.run(1);
        got += &world.got(1, c);
    }
    assert_eq!(got.lines().count(), commands + 1);
    assert!(got.ends_with(&format!(":{commands}\r\n")));
}

#[test]
fn a_wait_that_never_ends_leaves_nothing_behind_its_client() {
    let mut world = World::new(3, 2);
    world.run(1000);
    let c = world.connect(1);
    assert_eq!(world.ask(1, c, "SET k v"), "+OK");
    world.send(1, c, "WAIT 7 0");
    world.run(3000);
    assert_eq!(world.got(1, c), "");
    let other = world.connect(1);
    assert_eq!(world.ask(1, other, &format!("CLIENT UNBLOCK {c}")), ":1");
    world.run(10);
    assert_eq!(world.got(1, c), ":2\r\n");
}

#[test]
fn a_clock_that_is_ahead_leads_nothing_and_kills_no_key_early() {
    let mut world = World::new(3, 4);
    world.run(1000);
    let c = world.connect(2);
    assert_eq!(world.ask(2, c, "SET k v EX 60"), "+OK");
    world.ahead_ms.insert(1, 3_600_000);
    world.run(6000);
    assert_eq!(world.cores[&1].leads(), 0);
    let c = world.connect(1);
    assert_eq!(world.ask(1, c, "GET k"), "$1 v");
    world.ahead_ms.clear();
    world.run(15_000);
    assert!(world.cores[&1].leads() > 0, "its share is given back when its clock is right");
}

#[test]
fn a_full_log_refuses_writes_and_gives_leadership_away() {
    let mut world = World::new(3, 2);
    world.run(1000);
    let c = world.connect(1);
    assert_eq!(world.ask(1, c, "SET k v"), "+OK");
    let full = |world: &mut World, node: u64, full: bool| {
        world.cores.get_mut(&node).unwrap().set_disk(DiskState { full, ..DiskState::default() });
    };
    full(&mut world, 1, true);
    assert_eq!(world.ask(1, c, "SET k w"), "+OK", "it waits for the next leader");
    assert_eq!(world.cores[&1].leads(), 0);
    world.run(6000);
    assert_eq!(world.cores[&1].leads(), 0, "nobody gives it back");
    for node in 2..=3 {
        full(&mut world, node, true);
    }
    world.run(100);
    assert!(world.ask(1, c, "SET k x").starts_with("-MISCONF the disk of node"));
    assert_eq!(world.ask(1, c, "GET k"), "$1 w");
    for node in 1..=3 {
        full(&mut world, node, false);
    }
    assert_eq!(world.ask(1, c, "SET k y"), "+OK");
    world.run(12_000);
    assert!(world.cores[&1].leads() > 0, "with room it gets its share back by itself");
}

#[test]
fn a_log_without_any_segment_left_takes_no_entries_until_there_is_room() {
    let mut world = World::new(3, 1);
    world.run(1000);
    let exhausted = DiskState { full: true, exhausted: true, latency_ns: 0 };
    world.cores.get_mut(&3).unwrap().set_disk(exhausted);
    world.run(200);
    let (shard, leader) = (GroupId(1), world.leader(GroupId(1)));
    let c = world.connect(leader);
    let before = world.cores[&3].inspect(shard).unwrap().last;
    for _ in 0..50 {
        assert_eq!(world.ask(leader, c, "INCR n").chars().next(), Some(':'));
    }
    assert_eq!(world.cores[&3].inspect(shard).unwrap().last, before);
    world.cores.get_mut(&3).unwrap().set_disk(DiskState::default());
    world.run(500);
    let last = |node: u64| world.cores[&node].inspect(shard).unwrap().last;
    assert_eq!(last(3), last(leader), "it catches up");
}

#[test]
fn a_leader_with_a_disk_far_slower_than_the_others_hands_over_within_three_seconds() {
    let mut world = World::new(3, 4);
    world.run(1000);
    let latency = |world: &mut World, node: u64, ms: u64| {
        let latency_ns = ms * 1_000_000;
        world.cores.get_mut(&node).unwrap().set_disk(DiskState { latency_ns, ..DiskState::default() });
    };
    (1..=3).for_each(|node| latency(&mut world, node, 1));
    world.run(4000);
    assert!(world.cores[&1].leads() > 0);
    latency(&mut world, 1, 30);
    world.run(3000);
    assert_eq!(world.cores[&1].leads(), 0);
    latency(&mut world, 1, 1);
    world.run(25_000);
    assert_eq!(world.cores[&1].leads(), 0, "not yet");
    world.run(12_000);
    assert!(world.cores[&1].leads() > 0, "its share is given back");
}

#[test]
fn whoever_finds_its_rows_damaged_lets_another_send_them() {
    let mut world = World::new(3, 1);
    world.run(1000);
    let leader = |world: &World| world.leader(GroupId(1));
    let before = leader(&world);
    let result = Err("tree 2 is damaged".to_owned());
    let chunk = JobDone::SnapshotChunk { group: GroupId(1), to: NodeId(9), result, damaged: true };
    world.cores.get_mut(&before).unwrap().job_done(chunk);
    world.run(300);
    assert_ne!(leader(&world), before);
}
