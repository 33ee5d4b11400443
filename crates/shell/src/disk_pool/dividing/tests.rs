use super::*;
use crate::disk_pool::testing::{Fixture, MAX_VALUE, SEED, add, keys, payload, put, put_in};
use cluster::map::{Child, SLOTS_ROW, ShardSlots};
use cluster::{MEMBERS_ROW, Members};
use model::effect::Effect;
use model::large::{Manifest, State, Upload, UploadId};
use model::limits::SLOTS;
use model::row::kind;
use model::slot::slot_of;
use model::{KeyHasher, Keyspace, NodeId, ShardId};
use node::dividing::FIRST;

const TREE: u64 = 2;
const NEW: u64 = 9;
/// The only shard of the cluster, divided at this slot by this entry.
const HALF: u16 = SLOTS / 2;
const AT: u64 = 10;

fn child() -> Child {
    let voters = [1, 2, 3].map(NodeId).to_vec();
    Child {
        shard: ShardId(1),
        slots: (HALF, SLOTS - 1),
        at: AT,
        time: 1_700_000_000_000,
        voters,
        parted: false,
    }
}

fn part() -> Part {
    Part::new(1, 4, 0, &child(), child().voters)
}

fn empty() -> Box<Machine> {
    Box::new(Machine::new(KeyHasher::new(SEED), MAX_VALUE, 1))
}

fn upload(number: u8) -> UploadId {
    UploadId([number; 16])
}

/// A value in chunks, of this upload.
fn put_large(machine: &mut Machine, index: u64, key: &[u8], id: UploadId) {
    let manifest =
        Manifest { upload: id, length: 5, chunk: 5, checksum: 0, bound: 5, until: 0, edited: Vec::new() };
    let state = State::Live { ks: Keyspace(0), generation: 0 };
    let row = Upload { state, from: 0, bound: 5, until: 0 };
    let (value, row, name) = (manifest.encode(), row.encode(), id.row_name());
    let put = Effect::Put { ks: Keyspace(0), key, kind: kind::MANIFEST, expire: 0, value: &value };
    machine.apply(index, 3, &payload(&[put, Effect::System { name: &name, value: Some(&row) }])).unwrap();
}

fn upload_row(state: State) -> Vec<u8> {
    Upload { state, from: 0, bound: 5, until: 0 }.encode()
}

/// Uploads that no manifest names: the first one goes with the upper half.
fn under_way() -> [(UploadId, State); 5] {
    let of = |number, ks, slot| UploadId::new([number, 0], Keyspace(ks), slot);
    [
        (of(11, 0, HALF), State::Uploading),
        (of(12, 0, HALF - 1), State::Uploading),
        (of(13, 3, HALF), State::Uploading),
        (of(14, 0, HALF), State::Free),
        (upload(15), State::Uploading),
    ]
}

/// A key in the lower or the upper half.
fn key_in(upper: bool) -> Vec<u8> {
    keys(0..1000).into_iter().find(|key| (slot_of(key) >= HALF) == upper).unwrap()
}

/// A shard as of the entry that divides it.
fn parent() -> Box<Machine> {
    let mut machine = empty();
    put(&mut machine, 1, &keys(0..2000), b"value");
    put_in(&mut machine, Keyspace(3), 2, &keys(0..100), b"in one shard");
    for (at, number) in (3..).zip(0..4) {
        add(&mut machine, at, format!("set:{number}").as_bytes(), &keys(0..500));
    }
    put_large(&mut machine, 7, &key_in(true), upload(1));
    put_large(&mut machine, 8, &key_in(false), upload(2));
    let rows: Vec<_> = under_way().iter().map(|(id, state)| (id.row_name(), upload_row(*state))).collect();
    let rows: Vec<_> = rows.iter().map(|(name, row)| Effect::System { name, value: Some(row) }).collect();
    machine.apply(9, 3, &payload(&rows)).unwrap();
    let row = ShardSlots { generation: 4, slots: (0, HALF - 1), child: Some(child()) }.encode();
    machine.apply(AT, 3, &payload(&[Effect::System { name: SLOTS_ROW, value: Some(&row) }])).unwrap();
    machine
}

fn divided(fixture: &Fixture) -> (Box<Machine>, Vec<Vec<u8>>) {
    let made = divide(&*fixture.stores, TREE, &part(), Some((NEW, empty()))).unwrap();
    let (tree, machine) = made.child.unwrap();
    assert_eq!(tree, NEW);
    (machine, made.uploads)
}

#[test]
fn a_child_has_the_upper_half_of_what_is_spread_and_its_own_rows() {
    let fixture = Fixture::new();
    let mut parent = parent();
    fixture.write(TREE, &mut parent);
    let (child, uploads) = divided(&fixture);
    assert_eq!((child.applied(), child.counts(Keyspace(3)).0), (FIRST, 0));
    let mut count = 0;
    for row in parent.space(Keyspace(0)).iter() {
        let upper = slot_of(row.key()) >= HALF;
        let found = child.space(Keyspace(0)).get(row.position, row.key());
        assert_eq!(found.is_some(), upper, "{}", row.key().escape_ascii());
        assert!(found.is_none_or(|found| found.whole() == row.whole()), "also if it has rows of its own");
        count += usize::from(upper);
    }
    assert!(count > 900 && count == child.counts(Keyspace(0)).0);
    let members = Members::decode(child.system(MEMBERS_ROW).unwrap()).unwrap();
    assert_eq!((members.voters.len(), members.generation(NodeId(3))), (3, 4));
    let owned = ShardSlots::decode(child.system(SLOTS_ROW).unwrap()).unwrap();
    assert_eq!(owned, ShardSlots { generation: 4, slots: (HALF, SLOTS - 1), child: None });
    // Of large values only those whose manifests it has.
    let [goes, stay @ ..] = under_way();
    assert_eq!(uploads, [goes.0.row_name(), upload(1).row_name()]);
    assert_eq!(child.system(&goes.0.row_name()), Some(&upload_row(State::Uploading)[..]));
    assert!(stay.iter().all(|(id, _)| child.system(&id.row_name()).is_none()));
    let has = |number| child.system(&upload(number).row_name()).is_some();
    assert_eq!((has(1), has(2)), (true, false));
}

#[test]
fn all_replicas_make_the_same_and_a_crash_in_between_begins_anew() {
    let fixture = Fixture::new();
    fixture.write(TREE, &mut parent());
    let (first, _) = divided(&fixture);
    // Another replica has come to the same rows by another way: it has written them in two checkpoints.
    let other = Fixture::new();
    let mut machine = empty();
    put(&mut machine, 1, &keys(0..2000), b"value");
    other.write(TREE, &mut machine);
    other.write(TREE, &mut parent());
    // A try before that did not come to its end.
    let row = (b"\x02half".to_vec(), Some(b"written".to_vec()));
    other.stores.open(NEW).unwrap().ingest(&mut [row].into_iter()).unwrap();
    let failed = divide(&*other.stores, TREE, &part(), Some((NEW, empty()))).unwrap_err();
    assert_eq!(failed.to_string(), format!("tree {NEW} is not empty"));
    other.stores.destroy(NEW).unwrap();
    let made = divide(&*other.stores, TREE, &part(), Some((NEW + 1, empty()))).unwrap();
    let (_, second) = made.child.unwrap();
    assert_eq!((first.content_hash(), first.rolling()), (second.content_hash(), second.rolling()));
    assert!(first.content_hash().is_some());
}

#[test]
fn rows_of_another_entry_are_not_divided() {
    let fixture = Fixture::new();
    let mut parent = parent();
    put(&mut parent, AT + 1, &keys(0..1), b"later");
    fixture.write(TREE, &mut parent);
    let failed = divide(&*fixture.stores, TREE, &part(), Some((NEW, empty()))).unwrap_err();
    assert_eq!(failed.to_string(), format!("the rows are not as of entry {AT}"));
}

#[test]
fn who_has_the_child_already_only_learns_what_is_its_alone() {
    let fixture = Fixture::new();
    fixture.write(TREE, &mut parent());
    let made = divide(&*fixture.stores, TREE, &part(), None).unwrap();
    let gone = vec![under_way()[0].0.row_name(), upload(1).row_name()];
    assert_eq!((made.child.is_none(), made.uploads), (true, gone));
    assert_eq!(fixture.stores.list(), [TREE]);
}
