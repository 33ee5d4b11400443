use super::*;
use crate::Machine;
use crate::collection::Limits;
use model::change::Change;
use model::effect::{Effect, WriteId};
use model::entry::EntryBuilder;
use model::{Index, KeyHasher, Keyspace, NodeId};
use std::collections::BTreeMap;

type Store = BTreeMap<Vec<u8>, Vec<u8>>;

const SCOPE: Scope = Scope { slots: (0, 16383), spread: 1 };

/// A replica: its rows in memory and those in its store.
struct Replica {
    machine: Machine,
    store: Store,
}

impl Replica {
    fn new(seed: u64, limits: Limits) -> Replica {
        let mut machine = Machine::new(KeyHasher::new(9), 1 << 20, seed);
        machine.set_limits(limits);
        Replica { machine, store: Store::new() }
    }

    fn apply(&mut self, index: Index, effects: &[Effect<'_>]) {
        let mut entry = EntryBuilder::default();
        effects.iter().for_each(|effect| entry.push(*effect));
        self.machine.apply(index, 1, &entry.finish(1000 * index)).unwrap();
    }

    fn checkpoint(&mut self) {
        let mut changes = self.machine.checkpoint().unwrap();
        changes.sort();
        for (name, content) in changes.iter() {
            match content {
                Some(content) => drop(self.store.insert(name.to_vec(), content.to_vec())),
                None => drop(self.store.remove(name)),
            }
        }
    }

    fn hashes(&self, scope: Scope) -> Vec<u64> {
        let mut digest = Digest::new(scope);
        self.store.iter().for_each(|(name, content)| digest.add(name, content).unwrap());
        let (hashes, applied) = digest.finish();
        assert_eq!(applied.unwrap().index, self.machine.applied().0);
        hashes
    }
}

fn put<'a>(key: &'a [u8], value: &'a [u8]) -> Effect<'a> {
    Effect::Put { ks: Keyspace(0), key, kind: kind::STRING, expire: 0, value }
}

fn change<'a>(key: &'a [u8], kind: u8, change: Change<'a>) -> Effect<'a> {
    Effect::Change { ks: Keyspace(0), key, kind, change }
}

fn items(item: &[u8]) -> Vec<u8> {
    crate::collection::encode_items([item])
}

fn few() -> Limits {
    Limits {
        hash_entries: 2,
        sorted_set_entries: 2,
        set_entries: 2,
        integer_set_entries: 2,
        list_entries: 2,
        list_bytes: 20,
        ..Limits::default()
    }
}

/// Writes of all types; `between` is called after each entry.
fn fill(replica: &mut Replica, mut between: impl FnMut(&mut Replica, Index)) {
    let names: Vec<Vec<u8>> = (0..40).map(|n| format!("name{n}").into_bytes()).collect();
    let (mut index, key) = (0, |n: usize| format!("key{n}").into_bytes());
    let mut next = |replica: &mut Replica, effects: &[Effect<'_>]| {
        index += 1;
        replica.apply(index, effects);
        between(replica, index);
    };
    for n in 0..60 {
        next(replica, &[put(&key(n), &names[n % 40])]);
    }
    next(replica, &[Effect::Flush { ks: Keyspace(1) }]);
    for (n, name) in names.iter().enumerate() {
        let score = (n as f64 / 3.0).to_le_bytes();
        next(
            replica,
            &[
                change(b"hash", kind::HASH, Change::Put { name, value: b"value" }),
                change(b"set", kind::SET, Change::Put { name, value: &[] }),
                change(b"sorted", kind::SORTED_SET, Change::Put { name, value: &score }),
                change(b"list", kind::LIST, Change::Splice { at: n as u64, remove: 0, items: &items(name) }),
                change(
                    b"stream",
                    kind::STREAM,
                    Change::PutAbout { name: &(n as u128).to_be_bytes(), value: name, about: name },
                ),
            ],
        );
    }
    next(replica, &[change(b"set", kind::SET, Change::Remove { name: b"name7" })]);
    next(replica, &[Effect::Rename { ks: Keyspace(0), key: b"hash", to_ks: Keyspace(0), to: b"other" }]);
    next(replica, &[Effect::Delete { ks: Keyspace(0), key: b"key3" }]);
    let id = WriteId { origin: NodeId(2), incarnation: 1, seq: 5 };
    next(replica, &[put(b"key9", b"again"), Effect::Answered { id, slot: 7, reply: Some(b"+OK\r\n") }]);
    next(replica, &[Effect::System { name: b"mode/00", value: Some(b"x") }]);
}

#[test]
fn replicas_with_the_same_content_have_the_same_hashes_whatever_is_local() {
    let (mut once, mut often) = (Replica::new(1, Limits::default()), Replica::new(2, few()));
    fill(&mut once, |_, _| ());
    fill(&mut often, |replica, index| {
        if index % 3 == 0 {
            replica.checkpoint();
        }
    });
    once.checkpoint();
    often.checkpoint();
    assert_ne!(once.store, often.store, "forms, numbers and garbage differ");
    let hashes = once.hashes(SCOPE);
    assert_eq!(hashes, often.hashes(SCOPE));
    assert!(
        hashes[OWN_ROWS] != 0
            && hashes[ANSWERS] != 0
            && hashes[KEYS..].iter().filter(|hash| **hash != 0).count() > 20
    );
}

#[test]
fn a_row_that_is_well_formed_and_differs_shows_in_its_range_alone() {
    for limits in [Limits::default(), few()] {
        let mut replica = Replica::new(1, limits);
        fill(&mut replica, |_, _| ());
        replica.checkpoint();
        let hashes = replica.hashes(SCOPE);
        let names: Vec<Vec<u8>> =
            replica.store.keys().filter(|name| *name != &Applied::name()).cloned().collect();
        for name in names {
            let row = replica.store[&name].clone();
            replica.store.remove(&name);
            let without = differing(&hashes, &replica.hashes(SCOPE));
            assert_eq!(without.len(), 1, "{name:?}");
            let number = match name[0] {
                family::SYSTEM => OWN_ROWS,
                family::ANSWER => ANSWERS,
                _ => KEYS + usize::from(row::place(&name).unwrap().2.slot()) / (16384 / RANGES),
            };
            assert_eq!(without, [number]);
            let mut other = row.clone();
            if name[0] == family::KEY && row::split_cell_name(&name).is_none() && other[1] == kind::STRING {
                *other.last_mut().unwrap() ^= 1;
                replica.store.insert(name.clone(), other);
                assert_eq!(differing(&hashes, &replica.hashes(SCOPE)), [number]);
            }
            replica.store.insert(name, row);
        }
        assert_eq!(replica.hashes(SCOPE), hashes);
    }
}

fn differing(a: &[u64], b: &[u64]) -> Vec<usize> {
    (0..HASHES).filter(|at| a[*at] != b[*at]).collect()
}

#[test]
fn what_another_shard_owns_is_left_out_and_all_of_a_single_keyspace_is_not() {
    let mut replica = Replica::new(1, Limits::default());
    fill(&mut replica, |_, _| ());
    replica.checkpoint();
    let half = Scope { slots: (0, 8191), spread: 1 };
    let before = replica.hashes(half);
    let outside = |name: &Vec<u8>| name[0] == family::KEY && row::place(name).unwrap().2.slot() > 8191;
    let gone: Vec<Vec<u8>> = replica.store.keys().filter(|name| outside(name)).cloned().collect();
    assert!(gone.len() > 10);
    let single = Scope { spread: 0, ..half };
    let all = replica.hashes(single);
    gone.iter().for_each(|name| drop(replica.store.remove(name)));
    assert_eq!(replica.hashes(half), before);
    assert_eq!(
        differing(&replica.hashes(single), &all),
        [HASHES - 1],
        "the last range has what is beyond it"
    );
}

#[test]
fn rows_that_can_not_be_read_are_refused_and_ranges_have_names() {
    let mut digest = Digest::new(SCOPE);
    assert!(digest.add(b"\x09", b"").is_err() && digest.add(b"\x02short", b"").is_err());
    let name = row::key_name(Keyspace(0), 0, model::Position(5), b"k");
    assert!(digest.add(&name, &[9, 9]).is_err());
    assert!(digest.add(&name, &[row::FORMAT, kind::SET, 0, 1]).is_err());
    assert_eq!(SCOPE.describe(KEYS + 1), "slots 256 to 511");
    assert_eq!(Scope { slots: (100, 199), spread: 1 }.describe(HASHES - 1), "slots 199 to 199");
    assert_eq!(SCOPE.describe(OWN_ROWS), "its own rows");
}
