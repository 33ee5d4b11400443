use super::super::lane::{Lane, Task};
use super::super::testing::{Fixture, SEED, add, keys, losses, put};
use super::*;
use model::KeyHasher;
use node::Job;
use shard::Machine;
use std::cell::RefCell;

const GROUP: GroupId = GroupId(4);
const SCOPE: Scope = Scope { slots: (0, 16383), spread: 1 };

fn machine(seed: u64) -> Machine {
    Machine::new(KeyHasher::new(SEED), 1 << 20, seed)
}

/// Does one part.
fn part(lane: &mut Lane, fixture: &Fixture, tree: u64, at: Index, first: bool) -> Result<Hashed, String> {
    let job = Job::Compare { group: GROUP, tree, at, first: first.then_some(SCOPE) };
    let done = RefCell::new(Vec::new());
    let losses = losses();
    lane.run(Task::of(job, 0), (&*fixture.stores, &losses), &|outcome| done.borrow_mut().push(outcome));
    match done.into_inner().remove(0) {
        JobDone::Compared { group: GROUP, result, damaged: false, .. } => result,
        other => panic!("{other:?}"),
    }
}

fn hashes(lane: &mut Lane, fixture: &Fixture, tree: u64, at: Index) -> (usize, Vec<u64>) {
    let (mut parts, mut first) = (0, true);
    loop {
        parts += 1;
        let hashed = part(lane, fixture, tree, at, std::mem::take(&mut first)).unwrap();
        if let Some(hashes) = hashed.hashes {
            return (parts, hashes);
        }
    }
}

#[test]
fn a_tree_is_hashed_in_parts_as_it_was_when_that_began() {
    let fixture = Fixture::new();
    let (mut once, mut twice) = (machine(1), machine(2));
    let all = keys(0..3000);
    for replica in [&mut once, &mut twice] {
        put(replica, 1, &all, &[7; 1000]);
        add(replica, 2, b"set", &keys(0..500));
    }
    fixture.write(1, &mut once);
    let mut lane = Lane::default();
    let (parts, expected) = hashes(&mut lane, &fixture, 1, 2);
    assert!(parts >= 3, "{parts} parts");
    assert!(lane.is_empty(), "nothing is kept when all was read");
    // The other replica has written what it has in two steps, and goes on while it is read.
    fixture.write(2, &mut twice);
    assert_eq!(part(&mut lane, &fixture, 2, 2, true).unwrap().hashes, None);
    put(&mut twice, 3, &all[..10], b"later");
    fixture.write(2, &mut twice);
    let (mut last, mut more) = (None, 0);
    while last.is_none() {
        (last, more) = (part(&mut lane, &fixture, 2, 2, false).unwrap().hashes, more + 1);
    }
    assert!(more >= 2);
    assert_eq!(last, Some(expected.clone()));
    // Of what came later it knows nothing; a tree that is not as of the index says so.
    assert_ne!(hashes(&mut lane, &fixture, 2, 3).1, expected);
    let mut refused = part(&mut lane, &fixture, 2, 9, true);
    while let Ok(Hashed { hashes: None, .. }) = refused {
        refused = part(&mut lane, &fixture, 2, 9, false);
    }
    assert!(refused.unwrap_err().contains("not as of entry 9"));
}

#[test]
fn a_view_that_is_gone_is_not_taken_for_another_one() {
    let fixture = Fixture::new();
    let mut replica = machine(1);
    put(&mut replica, 1, &keys(0..2000), &[7; 1000]);
    fixture.write(1, &mut replica);
    let mut lane = Lane::default();
    assert!(part(&mut lane, &fixture, 1, 1, false).unwrap_err().contains("not being read"));
    assert_eq!(part(&mut lane, &fixture, 1, 1, true).unwrap().hashes, None);
    lane.forget_views(1);
    assert!(part(&mut lane, &fixture, 1, 1, false).unwrap_err().contains("not being read"));
}
