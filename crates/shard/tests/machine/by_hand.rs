//! Histories that a person can read.

use super::reply::Text;
use super::script::{self, COLLIDING, End, Op};
use super::step::Step;
use super::world::World;
use model::{KeyHasher, Keyspace};
use shard::machine::ReplicaRead;
use shard::{Machine, Outcome};

#[test]
fn the_colliding_keys_collide() {
    let position = |key: &[u8]| KeyHasher::new(0).position(key);
    assert_eq!(position(COLLIDING[0]), position(COLLIDING[1]));
    assert_eq!(position(COLLIDING[2]), position(COLLIDING[3]));
}

/// What the model test is about, in a few steps.
#[test]
fn a_checkpoint_between_a_proposal_and_its_loss() {
    let mut world = World::new();
    let put = |key| Step::put(0, key, b"v");
    for step in [put(0), put(6), Step::Propose, put(7), Step::Checkpoint(0), Step::Commit(1)] {
        world.run(step);
        world.check();
    }
    world.run(Step::Elect { node: 1, keep: 0 });
    world.check();
    world.settle();
}

fn run(machine: &mut Machine, ops: &[Op], end: End) -> (Outcome, String) {
    let args = script::arguments(ops, end);
    let args: Vec<&[u8]> = args.iter().map(|arg| &arg[..]).collect();
    let mut reply = Text::default();
    let outcome = machine.execute(script::run, Keyspace(0), true, &args, &mut reply);
    (outcome, String::from_utf8(reply.0).unwrap())
}

fn new_machine() -> Machine {
    Machine::new(KeyHasher::new(0), script::MAX_VALUE, 1)
}

/// A leader and a follower that both have key 0 with expiry 1050, applied at index 1.
fn pair_with_expiring_key() -> (Machine, Machine) {
    let (mut leader, mut follower) = (new_machine(), new_machine());
    leader.begin(1, 1000);
    run(&mut leader, &[Op::Put(0, 1050, b"v".to_vec())], End::Done);
    let entry = leader.take_entry().unwrap();
    leader.commit_own(1, 1, &entry).unwrap();
    follower.apply(1, 1, &entry).unwrap();
    (leader, follower)
}

#[test]
fn a_read_that_finds_a_key_expired_deletes_it_and_waits() {
    let (mut leader, mut follower) = pair_with_expiring_key();
    leader.begin(2, 1049);
    let (outcome, reply) = run(&mut leader, &[Op::Get(0)], End::Done);
    assert_eq!(
        (outcome, &reply[..]),
        (Outcome { hold: 1, looked: 1, wrote: false, fetch: false, blocks: false }, "$v\n")
    );

    leader.begin(2, 1050);
    let (outcome, reply) = run(&mut leader, &[Op::Get(0)], End::Done);
    assert_eq!(
        (outcome, &reply[..]),
        (Outcome { hold: 2, looked: 2, wrote: true, fetch: false, blocks: false }, "_\n")
    );
    // The next one finds nothing, and waits for the same delete.
    let (outcome, _) = run(&mut leader, &[Op::Get(0)], End::Done);
    assert_eq!(outcome, Outcome { hold: 2, looked: 2, wrote: false, fetch: false, blocks: false });
    assert_eq!(leader.expired_keys, 1);

    let entry = leader.take_entry().unwrap();
    assert_eq!(follower.counts(Keyspace(0)), (1, 1));
    follower.apply(2, 1, &entry).unwrap();
    assert_eq!(follower.counts(Keyspace(0)), (0, 0));
    assert_eq!(follower.time(), 1050);
}

#[test]
fn an_error_that_rests_on_an_expired_key_waits_too() {
    let (mut leader, _) = pair_with_expiring_key();
    leader.begin(2, 1060);
    let ops = [Op::Put(1, 0, b"taken back".to_vec()), Op::Get(0)];
    let (outcome, reply) = run(&mut leader, &ops, End::Fail);
    assert_eq!(
        (outcome, &reply[..]),
        (Outcome { hold: 2, looked: 2, wrote: true, fetch: false, blocks: false }, "-ERR planned\n")
    );
    assert_eq!((leader.counts(Keyspace(0)), leader.expired_keys), ((0, 0), 1));

    // A key that only the failed command itself made expire is as it was.
    run(&mut leader, &[Op::Put(2, 0, b"lives".to_vec())], End::Done);
    run(&mut leader, &[Op::Put(2, 1, b"dies".to_vec()), Op::Get(2)], End::Fail);
    assert_eq!(run(&mut leader, &[Op::Get(2)], End::Done).1, "$lives\n");
}

#[test]
fn shard_time_never_goes_back_when_the_new_leader_has_a_slow_clock() {
    let (mut old, mut new) = pair_with_expiring_key();
    old.begin(2, 1060);
    run(&mut old, &[Op::Get(0)], End::Done);
    let entry = old.take_entry().unwrap();
    new.apply(2, 1, &entry).unwrap();
    old.commit_own(2, 1, &entry).unwrap();
    old.roll_back();

    new.apply_empty(3, 2);
    new.begin(4, 900);
    assert_eq!(new.time(), 1060);
    run(&mut new, &[Op::Put(1, 1070, b"v".to_vec())], End::Done);
    let entry = new.take_entry().unwrap();
    old.apply_empty(3, 2);
    old.apply(4, 2, &entry).unwrap();
    new.commit_own(4, 2, &entry).unwrap();
    assert_eq!((old.time(), old.rolling()), (new.time(), new.rolling()));

    // Nobody asks for the key: the leader notices by itself.
    assert!(!new.expiry_due(1069) && new.expiry_due(1070));
    new.begin(5, 1070);
    new.expire_due();
    assert!(new.take_entry().is_some());
    assert_eq!(new.counts(Keyspace(0)), (0, 0));
}

#[test]
fn an_effect_on_a_key_that_is_absent_stops_the_replica() {
    let (mut leader, _) = pair_with_expiring_key();
    for op in [Op::Delete(0), Op::Expire(0, 0), Op::Patch(0, 1, b"x".to_vec())] {
        leader.begin(2, 1000);
        run(&mut leader, &[op], End::Done);
        let entry = leader.take_entry().unwrap();
        leader.roll_back();
        assert!(new_machine().apply(2, 1, &entry).is_err());
    }
}

fn read(machine: &mut Machine, ops: &[Op], end: End, wall_ms: u64) -> (ReplicaRead, String) {
    let args = script::arguments(ops, end);
    let args: Vec<&[u8]> = args.iter().map(|arg| &arg[..]).collect();
    let mut reply = Text::default();
    let read = machine.execute_read(script::run, (Keyspace(0), true), wall_ms, None, &args, &mut reply);
    (read, String::from_utf8(reply.0).unwrap())
}

#[test]
fn a_replica_hides_what_has_expired_and_leaves_it_to_the_leader() {
    let (mut leader, mut follower) = pair_with_expiring_key();
    let before = follower.content_hash();
    for (wall_ms, reply) in [(1049, "$v\n"), (1050, "_\n"), (1049, "$v\n")] {
        let read = read(&mut follower, &[Op::Get(0)], End::Done, wall_ms);
        assert_eq!(read, (ReplicaRead::Done, reply.to_owned()), "at {wall_ms}");
    }
    assert_eq!((follower.content_hash(), follower.expired_keys, follower.time()), (before, 0, 1000));
    // The leader's delete finds the row.
    leader.begin(2, 1050);
    run(&mut leader, &[Op::Get(0)], End::Done);
    let entry = leader.take_entry().unwrap();
    leader.commit_own(2, 1, &entry).unwrap();
    follower.apply(2, 1, &entry).unwrap();
    assert_eq!(leader.content_hash(), follower.content_hash());
}

#[test]
fn effects_that_are_not_applied_are_no_answer() {
    let (mut leader, _) = pair_with_expiring_key();
    leader.begin(2, 1000);
    run(&mut leader, &[Op::Put(0, 0, b"uncommitted".to_vec())], End::Done);
    assert_eq!(read(&mut leader, &[Op::Get(0)], End::Done, 0), (ReplicaRead::Leader, String::new()));
    let entry = leader.take_entry().unwrap();
    assert_eq!(read(&mut leader, &[Op::Get(0)], End::Done, 0), (ReplicaRead::Leader, String::new()));
    leader.commit_own(2, 1, &entry).unwrap();
    assert_eq!(read(&mut leader, &[Op::Get(0)], End::Done, 0).1, "$uncommitted\n");
}
