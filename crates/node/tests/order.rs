//! Commands of one connection keep their order when they are sent to another leader.

mod world;

use model::{GroupId, NodeId};
use world::World;

const SHARD: GroupId = GroupId(1);
const NO_EFFECT: &str =
    "-UNKNOWN the command was executed without effect before the leader changed; its reply is lost\r\n";

/// A client of a node that does not lead has sent these, they are executed and committed, and its node
/// has heard no answer. `nth`: which of the two such nodes.
fn executed_and_not_answered(nth: usize, commands: &[&str]) -> (World, u64, u64) {
    let mut world = World::new(3, 1);
    world.run(1000);
    let leader = world.leader(SHARD);
    let node = (1..=3).filter(|&n| n != leader).nth(nth).unwrap();
    let client = world.connect(node);
    assert_eq!(world.ask(node, client, "SET other 1"), "+OK");
    world.deaf.insert(node);
    for command in commands {
        world.send(node, client, command);
    }
    world.run(30);
    assert_eq!(world.got(node, client), "");
    (world, node, client)
}

/// Its leader falls silent; the others go on.
fn fail_over(world: &mut World) {
    let leader = world.leader(SHARD);
    world.frozen.insert(leader);
    // What it had answered is lost; what its successor answers is not.
    world.run(20);
    world.deaf.clear();
    world.run(2000);
}

#[test]
fn what_had_no_effect_does_not_run_after_later_ones() {
    // One of the two nodes leads next itself, the other does not.
    let mut led = Vec::new();
    for nth in 0..2 {
        let commands = ["SET k a XX", "GET k", "SET k b", "GET k", "SET k c XX GET"];
        let (mut world, node, client) = executed_and_not_answered(nth, &commands);
        fail_over(&mut world);
        led.push(world.leader(SHARD) == node);
        // The first two would see what came after them; the GET before the last known one as well.
        let expected = format!("{NO_EFFECT}{NO_EFFECT}+OK\r\n{NO_EFFECT}$1\r\nb\r\n");
        assert_eq!(world.got(node, client), expected);
        assert_eq!(world.ask(node, client, "GET k"), "$1 c");
    }
    led.sort_unstable();
    assert_eq!(led, [false, true]);
}

#[test]
fn what_nothing_came_after_runs_again() {
    for nth in 0..2 {
        let commands = ["SET k a", "GET k", "SET none b XX", "DEL k2", "GET k"];
        let (mut world, node, client) = executed_and_not_answered(nth, &commands);
        // Another connection's commands are in an order of their own.
        let another = world.connect(node);
        world.send(node, another, "SET none b XX");
        fail_over(&mut world);
        assert_eq!(world.got(node, client), "+OK\r\n$1\r\na\r\n$-1\r\n:0\r\n$1\r\na\r\n");
        assert_eq!(world.got(node, another), "$-1\r\n");
    }
}

#[test]
fn a_command_over_several_shards_keeps_the_order_too() {
    let mut world = World::new(3, 2);
    world.run(1000);
    let leader = world.leader(SHARD);
    let node = (1..=3).find(|&n| n != leader && n != world.leader(GroupId(2))).unwrap_or(leader % 3 + 1);
    let client = world.connect(node);
    // Keys of both shards.
    let keys: Vec<String> = (0..20).map(|i| format!("k{i}")).collect();
    let dels = format!("DEL {}", keys.join(" "));
    assert_eq!(world.ask(node, client, &dels), ":0");
    world.deaf.insert(node);
    world.send(node, client, &dels);
    keys.iter().for_each(|key| world.send(node, client, &format!("SET {key} v")));
    world.run(30);
    fail_over(&mut world);
    world.run(1000);
    let got = world.got(node, client);
    assert!(!got.starts_with(":"), "the DEL ran after the SETs: {got}");
    // Answers of the leader that lives were lost too: those commands end with their time.
    world.run(6000);
    world.got(node, client);
    let gets: String = keys.iter().map(|_| "$1 v ").collect();
    assert_eq!(
        world.ask(node, client, &format!("MGET {}", keys.join(" "))),
        format!("*20 {}", gets.trim_end())
    );
}

#[test]
fn a_broken_connection_between_nodes_is_no_other_case() {
    let (mut world, node, client) = executed_and_not_answered(0, &["SET k a XX", "SET k b"]);
    world.deaf.clear();
    // The same leader gets all again under the next attempt.
    let leader = world.leader(SHARD);
    let core = world.cores.get_mut(&node).unwrap();
    core.on_peer_down(NodeId(leader));
    core.on_peer_up(NodeId(leader), 1, cluster::Addresses::default());
    world.run(100);
    assert_eq!(world.got(node, client), format!("{NO_EFFECT}+OK\r\n"));
    assert_eq!(world.ask(node, client, "GET k"), "$1 b");
}

#[test]
fn what_comes_late_does_not_run_in_a_later_term() {
    let mut world = World::new(3, 1);
    world.run(1000);
    let leader = world.leader(SHARD);
    let [node, other] = [1, 2].map(|n| (leader + n - 1) % 3 + 1);
    let client = world.connect(node);
    world.late.insert((node, leader));
    world.send(node, client, "GETDEL k");
    world.send(node, client, "SET k v");
    world.run(5);
    // The next leader gets both again, and the first has no effect.
    let person = world.connect(other);
    let switchover = |to: u64| format!("EVERSTORE SWITCHOVER SHARD 0 TO {to}");
    world.ask(other, person, &switchover(other));
    assert_eq!(world.got(node, client), "$-1\r\n+OK\r\n");
    // Now the request reaches the node it was sent to first, which leads again.
    world.ask(other, person, &switchover(leader));
    assert_eq!(world.leader(SHARD), leader);
    world.late.clear();
    world.run(100);
    assert_eq!(world.ask(node, client, "GET k"), "$1 v");
}

/// A leader has executed these of a client in their order, the parts of those over two shards through its
/// routes, and they are in the logs of the others when it stands still; the next leader sets `mine` to 2 if
/// `between`. What the client gets in the end, and `mine` then. `mine` is a key of the shard.
fn resolved_by_the_next(commands: &[&str], between: bool) -> (String, String) {
    let mut world = World::new(3, 2);
    world.run(1000);
    let leader = world.leader(SHARD);
    let client = world.connect(leader);
    let keys: Vec<String> = (0..40).map(|i| format!("k{i}")).collect();
    let of_shard = |key: &&String| model::slot::slot_of(key.as_bytes()) < 8192;
    let mine = keys.iter().find(of_shard).unwrap();
    let other = keys.iter().find(|key| !of_shard(key)).unwrap();
    assert_eq!(world.ask(leader, client, &format!("SET {mine} 0")), "+OK");
    // What it sends arrives, and it hears of nothing.
    for follower in (1..=3).filter(|n| *n != leader) {
        world.late.insert((follower, leader));
    }
    for command in commands {
        let two = keys.iter().rfind(of_shard).unwrap();
        let command = command.replace("mine", mine).replace("other", other).replace("two", two);
        world.send(leader, client, &command);
        world.run(1);
    }
    world.frozen.insert(leader);
    world.run(1000);
    let next = world.leader(SHARD);
    let another = world.connect(next);
    if between {
        assert_eq!(world.ask(next, another, &format!("SET {mine} 2")), "+OK");
    }
    world.frozen.clear();
    world.late.clear();
    world.run(3000);
    (world.got(leader, client), world.ask(next, another, &format!("GET {mine}")))
}

#[test]
fn a_read_is_not_older_than_one_before_it() {
    let (got, at_last) = resolved_by_the_next(&["SET mine 1", "MGET mine other", "GET mine"], true);
    assert_eq!(got, "+OK\r\n*2\r\n$1\r\n2\r\n$-1\r\n$1\r\n2\r\n");
    assert_eq!(at_last, "$1 2");
}

#[test]
fn nor_does_it_see_what_came_after_it() {
    let commands = ["SET mine 1", "MGET mine other", "GET mine", "MSET mine 5 other 5"];
    let (got, at_last) = resolved_by_the_next(&commands, false);
    let lines: Vec<&str> = got.split("\r\n").collect();
    assert_eq!((lines[0], lines[3], at_last.as_str()), ("+OK", "+OK", "$1 5"), "{got:?}");
    assert!(lines[1..3].iter().all(|line| line.starts_with("-UNKNOWN")), "{got:?}");
}

#[test]
fn what_waits_for_nothing_is_not_older_either() {
    // The MGET waits for the SET, the GET behind it does not.
    let mut commands = vec!["SET two 1", "MGET mine two other", "GET mine"];
    let (got, at_last) = resolved_by_the_next(&commands, true);
    assert_eq!(got, "+OK\r\n*3\r\n$1\r\n2\r\n$1\r\n1\r\n$-1\r\n$1\r\n2\r\n");
    assert_eq!(at_last, "$1 2");
    commands.push("MSET mine 5 other 5");
    let (got, at_last) = resolved_by_the_next(&commands, false);
    let lines: Vec<&str> = got.split("\r\n").collect();
    assert_eq!((lines[0], lines[3], at_last.as_str()), ("+OK", "+OK", "$1 5"), "{got:?}");
    assert!(lines[1..3].iter().all(|line| line.starts_with("-UNKNOWN")), "{got:?}");
}

#[test]
fn an_answer_that_overtakes_one_with_a_key_in_common_ends_it() {
    let mut world = World::new(3, 2);
    world.run(1000);
    let leader = world.leader(SHARD);
    let node = leader % 3 + 1;
    let client = world.connect(node);
    // Two keys of the shard, read together, of which one is not committed.
    let keys: Vec<String> = (0..40).map(|i| format!("k{i}")).collect();
    let of_shard = |key: &&String| model::slot::slot_of(key.as_bytes()) < 8192;
    let (a, b) = (keys.iter().find(of_shard).unwrap(), keys.iter().rfind(of_shard).unwrap());
    assert_eq!(world.ask(node, client, &format!("SET {a} 0")), "+OK");
    for follower in (1..=3).filter(|n| *n != leader) {
        world.unsynced.insert(follower);
    }
    for command in [format!("SET {b} 1"), format!("MGET {a} {b}"), format!("GET {a}")] {
        world.send(node, client, &command);
        world.run(2);
    }
    world.frozen.insert(leader);
    world.unsynced.clear();
    world.run(1000);
    let next = world.leader(SHARD);
    let another = world.connect(next);
    assert_eq!(world.ask(next, another, &format!("SET {a} 2")), "+OK");
    world.run(3000);
    let got = world.got(node, client);
    let lines: Vec<&str> = got.split("\r\n").collect();
    assert!(lines[1].starts_with("-UNKNOWN") || got.contains("*2\r\n$1\r\n0"), "{got:?}");
    assert!(got.ends_with("$1\r\n0\r\n"), "{got:?}");
}
