use super::rows::LostKeys;
use super::{Salvaged, WentOn, salvaged};
use crate::disk_pool::testing::{Fixture, MAX_VALUE, SEED, TERM, add, delete, flush, keys, payload, put};
use model::change::Change;
use model::effect::Effect;
use model::row::kind;
use model::{GroupId, KeyHasher, Keyspace};
use shard::Machine;
use shard::checkpoint::KeyValue;
use storage::log::{Entry, GroupLog};
use storage::rows::RowStores;

fn empty() -> Machine {
    Machine::new(KeyHasher::new(SEED), MAX_VALUE, 1)
}

/// The keys found, in the order of their names, whether the survivor has another one of the name, and how many
/// only it has.
fn found(mut lost: Machine, mut survivor: Machine) -> (Vec<(Vec<u8>, bool, KeyValue)>, u64) {
    let fixture = Fixture::new();
    fixture.write(1, &mut lost);
    fixture.write(2, &mut survivor);
    let store = |tree| fixture.stores.open(tree).unwrap();
    let mut all = LostKeys::new(store(1), store(2), SEED).unwrap();
    let mut found: Vec<_> = all.by_ref().map(Result::unwrap).collect();
    found.sort_by(|a, b| a.key.cmp(&b.key));
    (found.into_iter().map(|key| (key.key, key.differs, key.content.value)).collect(), all.only_survivor())
}

fn string(value: &[u8]) -> KeyValue {
    KeyValue::String(value.to_vec())
}

#[test]
fn keys_that_the_survivor_has_not_or_not_so_are_found() {
    let (mut lost, mut survivor) = (empty(), empty());
    for machine in [&mut lost, &mut survivor] {
        put(machine, 1, &keys(0..100), b"on both");
    }
    put(&mut lost, 2, &keys(20..22), b"changed");
    put(&mut lost, 3, &keys(100..101), b"written");
    delete(&mut survivor, 2, &keys(50..51));
    put(&mut survivor, 3, &keys(200..203), b"since");
    let name = |n: usize| keys(n..n + 1).remove(0);
    let expected = vec![
        (name(20), true, string(b"changed")),
        (name(21), true, string(b"changed")),
        (name(50), false, string(b"on both")),
        (name(100), false, string(b"written")),
    ];
    assert_eq!(found(lost, survivor), (expected, 3));
    assert_eq!(found(empty(), empty()), (Vec::new(), 0));
}

#[test]
fn a_key_that_has_expired_by_now_is_no_loss_and_another_expiry_is_one() {
    let (mut lost, mut survivor) = (empty(), empty());
    let of = |key, expire| Effect::Put { ks: Keyspace(3), key, kind: kind::STRING, expire, value: b"v" };
    // Entries are of that time.
    let now = 1_700_000_000_000;
    let effects = [of(b"gone", now), of(b"later", now + 1), of(b"same", now + 9), of(b"other", now + 9)];
    lost.apply(1, TERM, &payload(&effects)).unwrap();
    survivor.apply(1, TERM, &payload(&[of(b"same", now + 9), of(b"other", 0)])).unwrap();
    let expected = vec![(b"later".to_vec(), false, string(b"v")), (b"other".to_vec(), true, string(b"v"))];
    assert_eq!(found(lost, survivor), (expected, 0));
}

#[test]
fn collections_are_compared_by_what_is_in_them_in_whatever_form() {
    let remove = |machine: &mut Machine, index, key: &[u8], members: &[Vec<u8>]| {
        let gone =
            |name| Effect::Change { ks: Keyspace(0), key, kind: kind::SET, change: Change::Remove { name } };
        let effects: Vec<_> = members.iter().map(|member| gone(member)).collect();
        machine.apply(index, TERM, &payload(&effects)).unwrap();
    };
    let (mut lost, mut survivor) = (empty(), empty());
    add(&mut lost, 1, b"small", &keys(0..3));
    add(&mut lost, 2, b"large", &keys(0..2000));
    add(&mut lost, 3, b"one more", &keys(0..2000));
    // In another order, and rows of their own for what is small there.
    add(&mut survivor, 1, b"large", &keys(1000..2000));
    add(&mut survivor, 2, b"large", &keys(0..1000));
    add(&mut survivor, 3, b"small", &keys(0..2000));
    remove(&mut survivor, 4, b"small", &keys(3..2000));
    add(&mut survivor, 5, b"one more", &keys(0..1999));
    let (found, only_survivor) = found(lost, survivor);
    assert_eq!(
        (found.len(), only_survivor),
        (1, 0),
        "{:?}",
        found.iter().map(|key| &key.0).collect::<Vec<_>>()
    );
    let (name, differs, KeyValue::Dump(dump)) = &found[0] else { panic!("a set is dumped") };
    assert_eq!((&name[..], differs), (&b"one more"[..], &true));
    assert!(dump.len() > 2000 * keys(0..1)[0].len(), "all members are in it");
}

#[test]
fn what_was_flushed_is_not_there() {
    let machine = |flushed: bool| {
        let mut machine = empty();
        put(&mut machine, 1, &keys(0..5), b"v");
        if flushed {
            flush(&mut machine, 2, Keyspace(0));
            put(&mut machine, 3, &keys(4..6), b"v");
        }
        machine
    };
    let names = |lost, survivor| {
        let (found, only_survivor) = found(machine(lost), machine(survivor));
        (found.into_iter().map(|key| key.0).collect::<Vec<_>>(), only_survivor)
    };
    assert_eq!(names(true, true), (Vec::new(), 0));
    assert_eq!(names(false, true), (keys(0..4), 1));
    assert_eq!(names(true, false), (keys(5..6), 4));
}

#[test]
fn what_only_the_lost_node_had_in_its_log() {
    let entry = |index, term| Entry { index, term, kind: 0, data: Vec::new() };
    let went_on = WentOn { last: (5, 10), committed: 8, terms: vec![(9, 5)] };
    let mut log = GroupLog { floor: 7, ..GroupLog::default() };
    log.entries = vec![entry(8, 4), entry(9, 5), entry(10, 6), entry(11, 6)];
    let of = |log: &GroupLog, went_on: Option<&WentOn>| {
        let Salvaged { entries, in_rows, .. } = salvaged(GroupId(1), Some(log), went_on);
        (entries, in_rows)
    };
    assert_eq!(of(&log, Some(&went_on)), (vec![entry(10, 6), entry(11, 6)], 0));
    assert_eq!(of(&log, None).1, 7);
    log = GroupLog { floor: 14, floor_term: Some(5), ..GroupLog::default() };
    assert_eq!(of(&log, Some(&went_on)), (Vec::new(), 4));
}
