use super::*;
use crate::disk_pool::testing::{self, Fixture, MAX_VALUE, SEED, keys, put, same};
use model::{GroupId, KeyHasher, Keyspace, NodeId};
use shard::Machine;
use std::sync::mpsc::{Receiver, channel};
use storage::rows::snapshot::{Staged, staged};

const GROUP: GroupId = GroupId(3);
const TREE: u64 = 4;

fn pool(fixture: &Fixture) -> (DiskPool, Receiver<JobDone>) {
    let (sender, receiver) = channel();
    let stores: Arc<dyn RowStores> = fixture.stores.clone();
    let pool = DiskPool::start(stores, testing::losses(), THREADS, move |done| {
        let _ = sender.send(done);
    });
    (pool.unwrap(), receiver)
}

fn empty() -> Machine {
    Machine::new(KeyHasher::new(SEED), MAX_VALUE, 1)
}

fn checkpoint(pool: &DiskPool, done: &Receiver<JobDone>, machine: &mut Machine) {
    let at = machine.applied();
    let changes = machine.checkpoint().expect("nothing is uncommitted");
    pool.submit(Job::Checkpoint { group: GROUP, tree: TREE, at, changes });
    match done.recv().unwrap() {
        JobDone::Checkpoint { group, at: written, result, .. } => {
            assert_eq!((group, written, result.is_ok()), (GROUP, at, true), "{result:?}");
        }
        other => panic!("{other:?}"),
    }
}

/// Waits for what no answer tells of.
fn idle(pool: &DiskPool) {
    while pool.pending() > 0 {
        std::thread::yield_now();
    }
}

fn read(pool: &DiskPool, done: &Receiver<JobDone>, next: u64) -> Result<(u64, Vec<u8>, bool), String> {
    pool.submit(Job::ReadSnapshot { group: GROUP, tree: TREE, to: NodeId(2), next, metadata: false });
    match done.recv().unwrap() {
        JobDone::SnapshotChunk { group: GROUP, to: NodeId(2), result, .. } => result,
        other => panic!("{other:?}"),
    }
}

fn stage(pool: &DiskPool, done: &Receiver<JobDone>, tree: u64, chunk: &[u8]) -> Result<(u64, bool), String> {
    pool.submit(Job::StageChunk { group: GROUP, from: NodeId(1), tree, chunk: chunk.to_vec() });
    match done.recv().unwrap() {
        JobDone::Staged { group: GROUP, from: NodeId(1), result } => result,
        other => panic!("{other:?}"),
    }
}

fn load(pool: &DiskPool, done: &Receiver<JobDone>, tree: u64) -> Result<Box<Machine>, String> {
    pool.submit(Job::LoadStaged { group: GROUP, tree, machine: Box::new(empty()) });
    match done.recv().unwrap() {
        JobDone::Loaded { group: GROUP, tree: loaded, result } if loaded == tree => result,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_checkpoint_loads_as_the_machine_it_was_taken_from() {
    let fixture = Fixture::new();
    let (pool, done) = pool(&fixture);
    let mut machine = empty();
    put(&mut machine, 1, &keys(0..500), b"first");
    checkpoint(&pool, &done, &mut machine);
    put(&mut machine, 2, &keys(400..700), b"second");
    testing::delete(&mut machine, 3, &keys(0..50));
    checkpoint(&pool, &done, &mut machine);
    same(&machine, &load(&pool, &done, TREE).unwrap());
    // Also after a restart.
    drop(pool);
    let fixture = fixture.restart();
    let (pool, done) = self::pool(&fixture);
    same(&machine, &load(&pool, &done, TREE).unwrap());
}

#[test]
fn a_snapshot_arrives_as_the_rows_of_its_moment() {
    let fixture = Fixture::new();
    let (pool, done) = pool(&fixture);
    let mut machine = empty();
    put(&mut machine, 1, &keys(0..3000), &[7; 300]);
    checkpoint(&pool, &done, &mut machine);
    let mut sent = empty();
    put(&mut sent, 1, &keys(0..3000), &[7; 300]);

    let mut next = 0;
    let mut chunks = Vec::new();
    loop {
        let (number, chunk, last) = read(&pool, &done, next).unwrap();
        assert_eq!(number, next);
        // Its answer may be lost; only asking for the first chunk begins anew.
        assert!(next == 0 || read(&pool, &done, next).unwrap().1 == chunk);
        if next == 1 {
            // What is written meanwhile is not part of it.
            put(&mut machine, 2, &keys(0..2000), b"later");
            checkpoint(&pool, &done, &mut machine);
        }
        let (wanted, complete) = stage(&pool, &done, 9, &chunk).unwrap();
        assert_eq!((wanted, complete), (next + 1, last));
        chunks.push(chunk);
        if last {
            break;
        }
        if next == 2 {
            assert!(load(&pool, &done, 9).unwrap_err().contains("still waits for chunk"));
            // The follower lost its place.
            assert!(read(&pool, &done, 1).unwrap().1 == chunks[1]);
        }
        next = wanted;
    }
    assert!(chunks.len() > 4, "{} chunks", chunks.len());
    assert_eq!(staged(&*fixture.stores.open(9).unwrap()).unwrap(), Staged::Complete);
    same(&sent, &load(&pool, &done, 9).unwrap());

    assert!(read(&pool, &done, next + 1).unwrap_err().contains("the stream has"));
    pool.submit(Job::EndSnapshot { group: GROUP, to: NodeId(2) });
    let ended = read(&pool, &done, 1).unwrap_err();
    assert_eq!(ended, "snapshot stream: chunk 1 asked for, but the snapshot is not open any more");
    let newest = read(&pool, &done, 0).unwrap().1;
    assert!(newest != chunks[0], "a new snapshot of newer rows");
}

#[test]
fn chunks_of_another_stream_and_damaged_ones_are_errors() {
    let fixture = Fixture::new();
    let (pool, done) = pool(&fixture);
    let mut machine = empty();
    put(&mut machine, 1, &keys(0..3000), &[7; 300]);
    checkpoint(&pool, &done, &mut machine);
    let first = read(&pool, &done, 0).unwrap().1;
    let second = read(&pool, &done, 1).unwrap().1;
    read(&pool, &done, 0).unwrap();
    let other = read(&pool, &done, 1).unwrap().1;
    assert!(second != other, "each snapshot is a stream of its own");
    assert_eq!(stage(&pool, &done, 9, &first), Ok((1, false)));
    assert!(stage(&pool, &done, 9, &other).unwrap_err().contains("is under way"));
    let mut damaged = first;
    damaged[100] ^= 1;
    for bad in [&damaged[..], &damaged[..2], &[]] {
        assert!(stage(&pool, &done, 10, bad).is_err());
    }
}

#[test]
fn dropped_trees_are_gone_behind_the_jobs_that_use_them() {
    let fixture = Fixture::new();
    let (pool, done) = pool(&fixture);
    let mut machine = empty();
    put(&mut machine, 1, &keys(0..10), b"v");
    checkpoint(&pool, &done, &mut machine);
    pool.submit(Job::LoadStaged { group: GROUP, tree: TREE, machine: Box::new(empty()) });
    pool.submit(Job::DropTree { tree: TREE });
    pool.submit(Job::DropTree { tree: 77 });
    assert!(matches!(done.recv().unwrap(), JobDone::Loaded { result: Ok(_), .. }));
    idle(&pool);
    assert!(fixture.stores.list().is_empty());
    assert_eq!(load(&pool, &done, TREE).unwrap_err(), format!("tree {TREE} was destroyed"));
    assert!(fixture.stores.next_id() > 77, "an unknown tree's id is used up too");
}

/// Rows in the tree, the group's own ones included.
fn stored(fixture: &Fixture) -> u64 {
    fixture.stores.open(TREE).unwrap().for_each(&mut |_, _| ()).unwrap()
}

#[test]
fn rows_of_a_flushed_keyspace_are_removed_after_the_checkpoint_that_says_so() {
    let fixture = Fixture::new();
    let (pool, done) = pool(&fixture);
    let mut machine = empty();
    put(&mut machine, 1, &keys(0..1000), b"old");
    testing::put_in(&mut machine, Keyspace(5), 2, &keys(0..10), b"stays");
    checkpoint(&pool, &done, &mut machine);
    let own = stored(&fixture) - 1010;
    testing::flush(&mut machine, 3, Keyspace(0));
    put(&mut machine, 4, &keys(0..20), b"new");
    checkpoint(&pool, &done, &mut machine);
    idle(&pool);
    assert_eq!(stored(&fixture), own + 1 + 30, "the row of the generation is new");
    same(&machine, &load(&pool, &done, TREE).unwrap());
}

#[test]
fn garbage_found_at_start_is_removed_step_by_step() {
    let fixture = Fixture::new();
    let mut machine = empty();
    let many = sweep::SWEEP_ROWS + 10;
    put(&mut machine, 1, &keys(0..many), b"");
    let old = fixture.write(TREE, &mut machine);
    testing::flush(&mut machine, 2, Keyspace(0));
    put(&mut machine, 3, &keys(0..5), b"new");
    fixture.write(TREE, &mut machine);
    assert_eq!(stored(&fixture), old + 1 + 5);
    let (pool, done) = pool(&fixture);
    pool.sweep(GROUP, TREE);
    idle(&pool);
    assert_eq!(stored(&fixture), old - many as u64 + 1 + 5);
    same(&machine, &load(&pool, &done, TREE).unwrap());
}

#[test]
fn a_checkpoint_waits_for_space_and_a_lasting_failure_is_told() {
    let fixture = Fixture::new();
    let (pool, done) = pool(&fixture);
    let mut machine = empty();
    put(&mut machine, 1, &keys(0..10), b"v");
    checkpoint(&pool, &done, &mut machine);
    let first = read(&pool, &done, 0).unwrap();
    assert!(first.1.len() > 10);
    put(&mut machine, 2, &keys(0..10), b"w");
    fixture.disk.set_full(true);
    let at = machine.applied();
    let changes = machine.checkpoint().unwrap();
    pool.submit(Job::Checkpoint { group: GROUP, tree: TREE, at, changes });
    while pool.retries() < 2 {
        std::thread::yield_now();
    }
    assert!(done.try_recv().is_err(), "nothing is told while it may pass");
    fixture.disk.set_full(false);
    assert!(matches!(done.recv().unwrap(), JobDone::Checkpoint { result: Ok(_), .. }));
    same(&machine, &load(&pool, &done, TREE).unwrap());

    let mut changes = shard::checkpoint::Changes::default();
    changes.push(b"", None);
    pool.submit(Job::Checkpoint { group: GROUP, tree: TREE, at, changes });
    match done.recv().unwrap() {
        JobDone::Checkpoint { result: Err(text), .. } => {
            assert!(text.contains("a row key of 0 bytes"), "{text}")
        }
        other => panic!("{other:?}"),
    }
}

/// Cells of large collections in the tree.
fn cells(fixture: &Fixture) -> usize {
    let store = fixture.stores.open(TREE).unwrap();
    let mut cells = 0;
    store.for_each(&mut |name, _| cells += usize::from(model::row::split_cell_name(name).is_some())).unwrap();
    cells
}

#[test]
fn a_collection_that_is_gone_leaves_nothing_and_one_that_follows_it_stays() {
    let fixture = Fixture::new();
    let (pool, done) = pool(&fixture);
    let mut machine = empty();
    testing::add(&mut machine, 1, b"gone", &keys(0..1000));
    testing::add(&mut machine, 2, b"again", &keys(0..2000));
    checkpoint(&pool, &done, &mut machine);
    assert_eq!(cells(&fixture), 3000);
    testing::delete(&mut machine, 3, &[b"gone".to_vec(), b"again".to_vec()]);
    testing::add(&mut machine, 4, b"again", &keys(500..900));
    checkpoint(&pool, &done, &mut machine);
    idle(&pool);
    assert_eq!(cells(&fixture), 400);
    same(&machine, &load(&pool, &done, TREE).unwrap());
    // Also if the node ended before they were removed: whoever loads them removes them.
    testing::delete(&mut machine, 5, &[b"again".to_vec()]);
    let written = fixture.write(TREE, &mut machine);
    assert!(written > 0 && cells(&fixture) == 400);
    let mut loaded = *load(&pool, &done, TREE).unwrap();
    checkpoint(&pool, &done, &mut loaded);
    idle(&pool);
    assert_eq!(cells(&fixture), 0);
}

#[test]
fn a_cold_collection_comes_back_with_all_its_elements() {
    let fixture = Fixture::new();
    let (pool, done) = pool(&fixture);
    let mut machine = empty();
    testing::add(&mut machine, 1, b"members", &keys(0..1000));
    put(&mut machine, 2, &keys(0..10), b"beside");
    checkpoint(&pool, &done, &mut machine);
    let whole = load(&pool, &done, TREE).unwrap();
    (0..4).for_each(|_| _ = machine.let_go(usize::MAX, true, 0));
    assert_eq!(machine.cold_rows(), 11);
    let position = machine.position(b"members");
    for key in [Some(&b"members"[..]), None] {
        machine.want(Keyspace(0), position, key);
        let (fetch, ticket) = machine.take_fetch();
        pool.fetch(FetchJob { group: GROUP, tree: TREE, fetch: fetch.unwrap() });
        let JobDone::Fetched { result, .. } = done.recv().unwrap() else { panic!() };
        let read = result.unwrap();
        machine.fetched(ticket, read.rows, read.listed).unwrap();
        assert_eq!(machine.cold_rows(), 10);
        assert_eq!(machine.content_hash(), whole.content_hash());
        (0..4).for_each(|_| _ = machine.let_go(usize::MAX, true, 0));
    }
}
