//! A leader that stood still between reading its clock and executing answers nothing by an old lease.

mod world;

use model::GroupId;
use world::World;

const SHARD: GroupId = GroupId(1);

/// A leader executes commands of a client at a time that is over: it read its clock, stood still, and
/// then found them. Meanwhile another leads and `k` is 2. Returns what the client gets in the end and
/// whether its connection was closed.
fn told_by_an_old_leader(before: &[&str], commands: &[&str]) -> (String, bool) {
    let mut world = World::new(3, 1);
    world.run(1000);
    let leader = world.leader(SHARD);
    let client = world.connect(leader);
    assert_eq!(world.ask(leader, client, "SET k 1"), "+OK");
    let old = world.now;
    // What it sends from now on does not arrive, nor does it hear anything.
    world.frozen.insert(leader);
    before.iter().for_each(|command| world.send(leader, client, command));
    let core = world.cores.get_mut(&leader).unwrap();
    core.turn(old);
    core.flush(old);
    world.run(1000);
    let next = world.leader(SHARD);
    let other = world.connect(next);
    assert_eq!(world.ask(next, other, "SET k 2"), "+OK");
    assert_eq!(world.ask(next, other, "RPUSH queue 1"), ":1");
    let fresh = world.now;
    world.now = old;
    commands.iter().for_each(|command| world.send(leader, client, command));
    let core = world.cores.get_mut(&leader).unwrap();
    core.turn(old);
    core.flush(fresh);
    world.now = fresh;
    world.frozen.clear();
    let mut got = String::new();
    for _ in 0..3000 {
        world.run(1);
        let core = world.cores.get_mut(&leader).unwrap();
        if let Some((wire, close)) = core.wire(client) {
            got.push_str(&String::from_utf8(std::mem::take(wire)).unwrap());
            if close {
                return (got, true);
            }
        }
    }
    (got, false)
}

#[test]
fn a_read_by_an_old_lease_is_not_answered() {
    assert_eq!(told_by_an_old_leader(&[], &["GET k"]), (String::new(), true));
}

#[test]
fn nor_is_one_that_waits_behind_a_write() {
    // The write is not done by the old leader; its reply would let the read's go.
    let (got, closed) = told_by_an_old_leader(&["SET other 1"], &["GET k"]);
    assert!(!got.contains("$1"), "{got:?}");
    assert!(closed);
}

#[test]
fn nor_is_one_that_waits_for_an_entry() {
    // It sees an effect that is not committed.
    let (got, closed) = told_by_an_old_leader(&["SET k 3", "SET k 1"], &["GET k", "SET k 9 NX"]);
    assert!(!got.contains('$'), "{got:?}");
    assert!(closed);
}

#[test]
fn a_write_finds_out_what_became_of_it() {
    let (got, closed) = told_by_an_old_leader(&["SET other 1"], &["SET other 2", "INCR n"]);
    assert_eq!((got.as_str(), closed), ("+OK\r\n+OK\r\n:1\r\n", false));
}

#[test]
fn nor_is_one_that_waited_in_vain() {
    // Its round is over when the node goes on, and it is not served by then.
    let (got, closed) = told_by_an_old_leader(&[], &["BLPOP queue 0.001"]);
    assert!(!got.contains("*-1"), "{got:?}");
    assert!(closed || got.contains("queue"), "{got:?}");
}

#[test]
fn who_waits_in_vain_is_told_so_when_that_is_committed() {
    let mut world = World::new(3, 1);
    world.run(1000);
    let leader = world.leader(SHARD);
    let (client, other) = (world.connect(leader), world.connect(leader));
    assert_eq!(world.ask(leader, client, "RPUSH queue 1"), ":1");
    // What it sends from now on does not arrive, but its lease is good for a while.
    let followers: Vec<u64> = (1..=3).filter(|node| *node != leader).collect();
    world.late.extend(followers.iter().map(|follower| (leader, *follower)));
    world.send(leader, other, "LPOP queue");
    world.run(1);
    world.send(leader, client, "BLPOP queue 0.01");
    world.run(40);
    assert_eq!(world.got(leader, client), "", "the queue is empty only if LPOP is committed");
    world.late.clear();
    world.run(50);
    assert_eq!(world.got(leader, other), "$1\r\n1\r\n");
    assert_eq!(world.got(leader, client), "*-1\r\n");
}
