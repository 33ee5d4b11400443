//! Files that real servers wrote are read, now and by every later version. `fixtures/make.py` made them.

extern crate everstore_rdb as rdb;

mod support;

use std::collections::BTreeMap;

use rdb::{Error, Item, Reader, Stream, StreamId, Value};
use support::sorted;

const REDIS_5_0: &[u8] = include_bytes!("fixtures/redis-5.0.rdb");
const REDIS_6_2: &[u8] = include_bytes!("fixtures/redis-6.2.rdb");
const REDIS_7_0: &[u8] = include_bytes!("fixtures/redis-7.0.rdb");

fn items(file: &[u8]) -> Vec<Item> {
    let mut reader = Reader::new(file).expect("a header");
    let items = reader.by_ref().collect::<Result<_, _>>().expect("a whole file");
    assert!(reader.is_checked());
    items
}

fn text(text: impl ToString) -> Vec<u8> {
    text.to_string().into_bytes()
}

/// What every version was told to keep, but for the stream.
fn expected() -> BTreeMap<Vec<u8>, Value> {
    let many = |name: &str| (0..10).map(|n| text(format!("{name} {n}"))).collect::<Vec<_>>();
    let scores = (0..8).map(|n| (text(format!("member {n}")), f64::from(n) / 4.0));
    let far = [(text("low"), f64::NEG_INFINITY), (text("far"), 1e300)];
    let values = [
        ("string", Value::String(text("plain"))),
        ("number 7", Value::String(text("-128"))),
        ("number 15", Value::String(text("-32768"))),
        ("number 31", Value::String(text("-2147483648"))),
        ("number 63", Value::String(text("-9223372036854775808"))),
        ("compressed", Value::String(b"abc".repeat(100))),
        ("expiring", Value::String(text("v"))),
        ("list packed", Value::List(["a", "-1", "300"].map(text).into())),
        ("list", Value::List(many("element"))),
        ("set integers", Value::Set(["1", "-40000", "3"].map(text).into())),
        ("set", Value::Set(many("member"))),
        (
            "hash packed",
            Value::Hash([("field", "value"), ("number", "70000")].map(|(f, v)| (text(f), text(v))).into()),
        ),
        ("hash", Value::Hash((0..10).map(|n| (text(format!("field {n}")), text(n))).collect())),
        (
            "sorted set packed",
            Value::SortedSet(
                [("a", 1.0), ("b", 2.5), ("c", f64::INFINITY)].map(|(m, s)| (text(m), s)).into(),
            ),
        ),
        ("sorted set", Value::SortedSet(scores.chain(far).collect())),
        ("other", Value::String(text("keyspace"))),
    ];
    values.into_iter().map(|(key, value)| (text(key), sorted(value))).collect()
}

/// Checks all but the stream, which is the answer.
fn check(file: &[u8], server: &str) -> Stream {
    let (mut found, mut stream) = (BTreeMap::new(), None);
    let mut server_said = None;
    for item in items(file) {
        match item {
            Item::Aux { name, value } if name == b"redis-ver" => server_said = Some(value),
            Item::Aux { .. } | Item::Function(_) => {}
            Item::Sizes { keyspace, keys, expiring } => {
                assert!([(0, 16, 1), (5, 1, 0)].contains(&(keyspace, keys, expiring)));
            }
            Item::Key(key) => {
                assert_eq!(key.keyspace, if key.key == b"other" { 5 } else { 0 });
                assert_eq!(key.expires_ms, (key.key == b"expiring").then_some(4_000_000_000_123));
                match key.value {
                    Value::Stream(it) => stream = Some(it),
                    value => drop(found.insert(key.key, sorted(value))),
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(server_said.expect("a version").starts_with(server.as_bytes()));
    assert_eq!(found, expected());
    stream.expect("a stream")
}

fn id(ms: u64, sequence: u64) -> StreamId {
    StreamId { ms, sequence }
}

/// What all versions agree on.
fn check_stream(stream: &Stream) {
    let ids: Vec<StreamId> = stream.entries.iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [id(1000, 1), id(1000, 3), id(1000, 4), id(1000, 5), id(1001, 0)]);
    assert_eq!(stream.entries[1].fields, [(text("n"), text(2)), (text("same"), text("x"))]);
    assert_eq!(stream.entries[4].fields, [(text("other"), text("fields"))]);
    assert_eq!((stream.first_id, stream.last_id), (id(1000, 1), id(1001, 0)));
    let group = stream.groups.iter().find(|group| group.name == b"group").expect("the group");
    assert_eq!((stream.groups.len(), group.last_id), (2, id(1000, 5)));
    let pending = |consumer: usize| -> Vec<StreamId> {
        let consumer = &group.consumers[consumer];
        assert!(consumer.seen_ms > 1_600_000_000_000 && consumer.active_ms.is_none());
        assert!(consumer.pending.iter().all(|p| p.deliveries == 1 && p.delivered_ms > 1_600_000_000_000));
        consumer.pending.iter().map(|p| p.id).collect()
    };
    assert_eq!((group.consumers[0].name.as_slice(), pending(0)), (&b"one"[..], vec![id(1000, 3)]));
    assert_eq!(
        (group.consumers[1].name.as_slice(), pending(1)),
        (&b"two"[..], vec![id(1000, 4), id(1000, 5)])
    );
}

#[test]
fn ziplists_quicklists_and_streams_of_redis_5_and_6_are_read() {
    for (file, server) in [(REDIS_5_0, "5.0."), (REDIS_6_2, "6.2.")] {
        let stream = check(file, server);
        check_stream(&stream);
        // These versions do not count; what they can not know of the group is not made up.
        assert_eq!((stream.entries_added, stream.max_deleted_id), (5, id(0, 0)));
        let read = |name: &[u8]| stream.groups.iter().find(|g| g.name == name).map(|g| g.entries_read);
        assert_eq!((read(b"group"), read(b"idle")), (Some(None), Some(Some(5))));
    }
}

#[test]
fn the_file_of_redis_7_is_read() {
    let stream = check(REDIS_7_0, "7.0.");
    check_stream(&stream);
    assert_eq!((stream.entries_added, stream.max_deleted_id), (6, id(1000, 2)));
    let functions = items(REDIS_7_0)
        .into_iter()
        .filter(|item| matches!(item, Item::Function(source) if source.starts_with(b"#!lua")));
    assert_eq!(functions.count(), 1);
}

#[test]
fn a_file_cut_anywhere_or_changed_anywhere_is_refused() {
    for file in [REDIS_5_0, REDIS_6_2, REDIS_7_0] {
        let is_whole =
            |bytes: &[u8]| Reader::new(bytes).is_ok_and(|mut reader| reader.all(|item| item.is_ok()));
        assert!(is_whole(file));
        (0..file.len()).for_each(|cut| assert!(!is_whole(&file[..cut]), "cut at {cut}"));
        // Every fifth bit: each bit of a byte, in turn.
        for bit in (0..file.len() * 8).step_by(5) {
            let mut bytes = file.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // A version below 5 says that there is no checksum, which nothing contradicts.
            let unsummed = Reader::new(&bytes[..]).is_ok_and(|reader| reader.version() < 5);
            assert!(unsummed || !is_whole(&bytes), "bit {bit}");
        }
    }
}

#[test]
fn a_checksum_of_zero_is_not_compared_and_an_error_says_where() {
    let body = REDIS_7_0.len() - 8;
    let unchecked = [&REDIS_7_0[..body], &[0; 8]].concat();
    let mut reader = Reader::new(&unchecked[..]).unwrap();
    assert!(reader.by_ref().all(|item| item.is_ok()) && !reader.is_checked());
    let changed = [&REDIS_7_0[..body], &[1; 8]].concat();
    let last = Reader::new(&changed[..]).unwrap().last().unwrap().unwrap_err();
    assert!(matches!(last.error, Error::Checksum { found: 0x0101_0101_0101_0101, .. }));
    assert_eq!((last.offset, last.key), (REDIS_7_0.len() as u64, None));
}
