use super::error::Misfit;
use super::*;
use crate::disk_pool::testing::{Fixture, MAX_VALUE, SEED, TERM, flush, keys, payload, put, puts, same};
use cluster::{Members, Seat, Tenure};
use model::{Index, KeyHasher, Keyspace};
use shard::Machine;
use std::path::PathBuf;
use storage::log::{Damage, Entry, HardState, Install, Recovery};

const NODE: NodeId = NodeId(2);
/// The group the tests look at; its first tree is 3.
const GROUP: GroupId = GroupId(2);
const TREE: u64 = 3;

fn formation() -> Formation {
    Formation { replicas: 3, shards: 3, members: vec![NodeId(1), NODE, NodeId(3)], ..Formation::default() }
}

fn recovered(fixture: &Fixture, log: Recovery) -> Result<(Vec<Replica>, RecoverReport), RecoverError> {
    recover_from(&*fixture.stores, vec![Found { folder: 0, recovery: log }])
}

fn recover_from(
    stores: &dyn storage::rows::RowStores,
    found: Vec<Found>,
) -> Result<(Vec<Replica>, RecoverReport), RecoverError> {
    let formation = formation();
    let timing = Timing { tick_ms: 5, base_election_ms: 120, heartbeat_ms: 20 };
    let now = Now { mono_ns: 1, wall_ms: 1 };
    let start = Start {
        formation: &formation,
        holders: None,
        node: NODE,
        witness: false,
        timing,
        hash_seed: SEED,
        max_value: MAX_VALUE,
        max_memory: 0,
        now,
        clock: &env::RealClock,
        loaders: 2,
        seed: 9,
    };
    recover(stores, found, &start)
}

fn refused(fixture: &Fixture, log: Recovery) -> RecoverError {
    match recovered(fixture, log) {
        Err(error) => error,
        Ok(_) => panic!("it was not refused"),
    }
}

fn misfit(fixture: &Fixture, log: Recovery) -> Misfit {
    match refused(fixture, log) {
        RecoverError::Apart { group: GROUP, what, .. } => what,
        other => panic!("{other}"),
    }
}

fn empty() -> Machine {
    Machine::new(KeyHasher::new(SEED), MAX_VALUE, 1)
}

/// The log of [`GROUP`]: entries of these indexes, each puts its key.
fn log(indexes: impl Iterator<Item = Index>, floor: Index) -> GroupLog {
    let entry = |index: Index| {
        let keys = keys(index as usize..index as usize + 1);
        Entry { index, term: TERM, kind: 0, data: payload(&puts(Keyspace(0), &keys, b"entry")) }
    };
    let entries: Vec<Entry> = indexes.map(entry).collect();
    let last = entries.last().map_or(floor, |entry| entry.index);
    let hard = Some(HardState { term: TERM, vote: 1, commit: last });
    GroupLog { hard, floor, entries, ..GroupLog::default() }
}

fn recovery(log: GroupLog) -> Recovery {
    Recovery { groups: [(GROUP, log)].into(), ..Recovery::default() }
}

/// A machine with the entries of [`log`] up to `index`.
fn machine(index: Index) -> Machine {
    let mut machine = empty();
    (1..=index)
        .for_each(|index| put(&mut machine, index, &keys(index as usize..index as usize + 1), b"entry"));
    machine
}

fn of_group(replicas: &[Replica]) -> &Replica {
    replicas.iter().find(|replica| replica.id == GROUP).unwrap()
}

#[test]
fn a_new_node_gets_empty_replicas_and_their_trees() {
    let fixture = Fixture::new();
    let (replicas, report) = recovered(&fixture, Recovery::default()).unwrap();
    assert_eq!(
        replicas.iter().map(|r| (r.id.0, r.tree, r.stored)).collect::<Vec<_>>(),
        [(0, 1, (0, 0)), (1, 2, (0, 0)), (2, 3, (0, 0)), (3, 4, (0, 0))]
    );
    assert_eq!((report.shards, report.rows, report.entries), (3, 0, 0));
    assert_eq!(fixture.stores.list(), [1, 2, 3, 4]);
    assert_eq!(fixture.stores.next_id(), 5, "later trees get ids above");
    assert_eq!(of_group(&replicas).raft.members().voters, [1, 2, 3]);
}

#[test]
fn rows_and_the_entries_after_them_come_back() {
    let fixture = Fixture::new();
    let mut before = machine(6);
    fixture.write(TREE, &mut before);
    let fixture = fixture.restart();
    // The log was not cut at the checkpoint yet.
    let (replicas, report) = recovered(&fixture, recovery(log(3..=9, 2))).unwrap();
    let replica = of_group(&replicas);
    same(&before, &replica.machine);
    assert_eq!((replica.stored, replica.raft.last_index(), replica.raft.term()), ((6, TERM), 9, TERM));
    assert_eq!((report.entries, report.rows), (3, 6 + 1));
    // Entries before the rows are kept for followers; the first one only by its term.
    assert_eq!(replica.raft.compacted(), (3, TERM));
    // Nothing but the rows is left, and nothing but the log.
    let (replicas, _) = recovered(&fixture, recovery(log(7..7, 6))).unwrap();
    assert_eq!(of_group(&replicas).raft.compacted(), (6, TERM));
    let fixture = Fixture::new();
    let (replicas, report) = recovered(&fixture, recovery(log(1..=4, 0))).unwrap();
    assert_eq!((of_group(&replicas).raft.last_index(), report.entries), (4, 4));
    assert_eq!(of_group(&replicas).raft.compacted(), (0, 0));
}

#[test]
fn an_installed_snapshot_is_used_and_other_trees_are_removed() {
    let fixture = Fixture::new();
    recovered(&fixture, Recovery::default()).unwrap();
    let mut before = machine(8);
    fixture.write(20, &mut before);
    fixture.write(21, &mut machine(5));
    let mut log = log(9..=10, 8);
    log.install = Some(Install { tree: 20, index: 8, term: TERM, conf_state: Vec::new() });
    let (replicas, report) = recovered(&fixture, recovery(log)).unwrap();
    same(&before, &of_group(&replicas).machine);
    assert_eq!(of_group(&replicas).tree, 20);
    assert_eq!(report.dropped, [TREE, 21]);
    assert_eq!(fixture.stores.list(), [1, 2, 4, 20]);
    assert_eq!(fixture.stores.next_id(), 22);
}

/// A shard that a split has made, as the log says that it has the rows in tree 20.
fn split_off() -> GroupLog {
    let voters = [1, 2, 3].map(NodeId).to_vec();
    let generations = [1, 2, 3].map(|node| Seat { node: NodeId(node), generation: 6 }).to_vec();
    let members = Members { voters, generations, ..Members::default() };
    let conf_state = Tenure::Holds { generation: 6, joined: true, members }.encode();
    let install = Some(Install { tree: 20, index: 10, term: 1, conf_state });
    GroupLog { install, hard: Some(HardState { term: 1, vote: 0, commit: 0 }), ..log(11..11, 10) }
}

#[test]
fn a_shard_that_a_split_has_made_is_known_by_its_log_and_votes_and_without_that_its_rows_are_nothing() {
    let child = GroupId(9);
    let fixture = Fixture::new();
    recovered(&fixture, Recovery::default()).unwrap();
    let mut rows = empty();
    rows.apply(10, 1, &payload(&puts(Keyspace(0), &keys(0..5), b"of the parent"))).unwrap();
    fixture.write(20, &mut rows);
    let log = Recovery { groups: [(child, split_off())].into(), ..Recovery::default() };
    let (replicas, _) = recovered(&fixture, log).unwrap();
    let replica = replicas.iter().find(|replica| replica.id == child).unwrap();
    same(&rows, &replica.machine);
    assert_eq!((replica.tree, replica.stored, replica.raft.compacted()), (20, (10, 1), (10, 1)));
    assert_eq!((replica.raft.generation(), replica.raft.has_joined()), (6, true));
    // Its log begins there also on the others, so it needs nothing from them.
    assert_eq!((replica.raft.last_index(), replica.raft.term()), (10, 1));
    // The crash came before the log said so: the rows are made anew from those of the parent.
    let (replicas, report) = recovered(&fixture, Recovery::default()).unwrap();
    assert!(replicas.iter().all(|replica| replica.id != child));
    assert_eq!(report.dropped, [20]);
}

#[test]
fn a_replica_that_its_group_goes_on_without_starts_until_it_has_left() {
    let fixture = Fixture::new();
    let mut row = Vec::new();
    let members = Members { voters: [1, 3].map(NodeId).to_vec(), ..Members::default() };
    members.encode(&mut row);
    let mut rows = machine(5);
    let gone = model::effect::Effect::System { name: cluster::MEMBERS_ROW, value: Some(&row) };
    rows.apply(6, TERM, &payload(&[gone])).unwrap();
    fixture.write(TREE, &mut rows);
    let (replicas, _) = recovered(&fixture, recovery(log(1..=6, 0))).unwrap();
    assert_eq!(of_group(&replicas).raft.members().voters, [1, 3]);
}

#[test]
fn a_new_node_spreads_its_replicas_over_its_folders() {
    let fixture = Fixture::new();
    let further = storage::rows::memory::MemoryStores::new();
    let home: std::sync::Arc<dyn storage::rows::RowStores> = fixture.stores.clone();
    let stores = crate::spread::Spread::new(vec![(0, home), (7, std::sync::Arc::new(further.clone()))]);
    let found = |folder| Found { folder, recovery: Recovery::default() };
    let (replicas, report) = recover_from(&stores, vec![found(0), found(7)]).unwrap();
    let places: Vec<(u32, usize)> = replicas.iter().map(|replica| (replica.id.0, replica.log)).collect();
    assert_eq!(places, [(0, 0), (1, 1), (2, 0), (3, 1)]);
    assert_eq!(report.unrecorded, [(1, GroupId(1)), (1, GroupId(3))], "the home log is to say so");
    assert_eq!((fixture.stores.list(), storage::rows::RowStores::list(&further)), (vec![1, 3], vec![2, 4]));
}

#[test]
fn rows_beyond_the_log_are_refused() {
    let fixture = Fixture::new();
    fixture.write(TREE, &mut machine(6));
    let apart = |log| misfit(&fixture, recovery(log));
    assert_eq!(apart(log(1..=5, 0)), Misfit::Short { rows: 6, last: 5 });
    assert_eq!(apart(GroupLog::default()), Misfit::Short { rows: 6, last: 0 });
    let mut other = log(1..=9, 0);
    other.entries[5].term = TERM - 1;
    assert_eq!(apart(other), Misfit::Term { index: 6, rows: TERM, log: TERM - 1 });
}

/// The replica of [`GROUP`], which has no rows; its log is checked.
fn without_rows(fixture: &Fixture, log: GroupLog, compacted: (Index, u64)) {
    let last = log.last_index();
    let (replicas, _) = recovered(fixture, recovery(log)).unwrap();
    let replica = of_group(&replicas);
    assert!(replica.raft.is_rebuilding());
    assert_eq!((replica.machine.applied(), replica.stored), ((0, 0), (0, 0)));
    assert_eq!((replica.raft.compacted(), replica.raft.last_index()), (compacted, last));
    assert_eq!(replica.raft.term(), TERM, "its vote is kept");
    assert!(replicas.iter().all(|r| r.id == GROUP || !r.raft.is_rebuilding()), "others are whole");
}

#[test]
fn a_replica_with_a_whole_log_starts_without_rows_that_are_lost_or_too_old() {
    let fixture = Fixture::new();
    fixture.write(TREE, &mut machine(6));
    // A gap between rows and log. The term at the floor: of the entry, else of the one after it, else of
    // the hard state.
    without_rows(&fixture, GroupLog { floor_term: Some(2), ..log(9..=9, 8) }, (8, 2));
    let mut newer = log(9..=9, 8);
    newer.hard = Some(HardState { term: TERM, vote: 1, commit: 9 });
    newer.entries[0].term = TERM - 1;
    without_rows(&fixture, newer, (8, TERM - 1));
    without_rows(&fixture, log(9..9, 8), (8, TERM));
    let mut older = log(8..=8, 7);
    older.install = Some(Install { tree: TREE, index: 7, term: TERM, conf_state: Vec::new() });
    without_rows(&fixture, older.clone(), (7, TERM));
    older.install.as_mut().unwrap().tree = 50;
    without_rows(&fixture, older, (7, TERM));
    assert!(!fixture.stores.list().contains(&50), "looking for a tree does not make it");
    without_rows(&Fixture::new(), log(4..=5, 3), (3, TERM));
}

#[test]
fn a_replica_with_damaged_rows_starts_without_them_and_keeps_them_for_a_look() {
    for floor in [0, 5] {
        let fixture = Fixture::new();
        fixture.write(TREE, &mut machine(6));
        let store = fixture.stores.open(TREE).unwrap();
        store.ingest(&mut [(b"\x63x".to_vec(), Some(Vec::new()))].into_iter()).unwrap();
        drop(store);
        without_rows(&fixture, log(floor + 1..=9, floor), (floor, if floor == 0 { 0 } else { TERM }));
        assert!(fixture.stores.list().contains(&TREE));
    }
}

#[test]
fn a_damaged_log_is_refused_and_the_place_is_named() {
    let fixture = Fixture::new();
    let damage = |group| Damage { file: PathBuf::from("log/7.seg"), offset: 4096, groups: vec![group] };
    let log = Recovery { damage: vec![damage(GROUP)], ..Recovery::default() };
    let text = refused(&fixture, log).to_string();
    assert!(text.starts_with("log damaged: log/7.seg at offset 4096 held entries of group 2 "), "{text}");
    let marked = GroupLog { damaged: true, ..GroupLog::default() };
    assert!(matches!(refused(&fixture, recovery(marked)), RecoverError::LostBefore { group: GROUP }));
    assert!(fixture.stores.list().is_empty(), "nothing was touched");
    // A group that is not ours any more does not matter.
    let log = Recovery { damage: vec![damage(GroupId(99))], ..Recovery::default() };
    recovered(&fixture, log).unwrap();
}

#[test]
fn unreadable_rows_are_refused_and_named() {
    let fixture = Fixture::new();
    let store = fixture.stores.open(TREE).unwrap();
    store.ingest(&mut [(b"\x63x".to_vec(), Some(Vec::new()))].into_iter()).unwrap();
    drop(store);
    let text = refused(&fixture, Recovery::default()).to_string();
    assert!(text.starts_with("group 2, row tree 3 is damaged: row cx: "), "{text}");
}

#[test]
fn what_a_flush_left_is_reported_and_not_loaded() {
    let fixture = Fixture::new();
    let mut before = machine(6);
    fixture.write(TREE, &mut before);
    flush(&mut before, 7, Keyspace(0));
    put(&mut before, 8, &keys(0..2), b"new");
    fixture.write(TREE, &mut before);
    let (replicas, report) = recovered(&fixture, recovery(log(9..9, 8))).unwrap();
    same(&before, &of_group(&replicas).machine);
    assert_eq!(report.garbage, [(GROUP, TREE)]);
    assert_eq!(report.rows, 2 + 2, "keys, the applied row and the generation");
}

/// Not a test: prints how long a start takes. With `cargo test --release -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
#[allow(clippy::disallowed_methods, reason = "how many rows is asked of the environment")]
fn measure_a_million_rows() {
    let fixture = Fixture::new();
    let rows: usize = std::env::var("ROWS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let groups = u64::from(formation().shards);
    let mut logs = Recovery::default();
    for group in 1..=groups {
        let mut machine = empty();
        let per = rows / groups as usize;
        let keys = keys(group as usize * per..(group as usize + 1) * per);
        for (n, part) in keys.chunks(1000).enumerate() {
            put(&mut machine, n as u64 + 1, part, &[b'x'; 100]);
        }
        let floor = machine.applied().0;
        fixture.write(group + 1, &mut machine);
        logs.groups.insert(GroupId(group as u32), log(1..1, floor));
    }
    let fixture = fixture.restart();
    let (replicas, report) = recovered(&fixture, logs).unwrap();
    println!("{} replicas, {} rows in {} ms", replicas.len(), report.rows, report.ms);
}
