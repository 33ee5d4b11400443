//! What is written is read as the same, in payloads and in files, and old encodings are read.

extern crate everstore_rdb as rdb;

mod support;

use proptest::prelude::*;
use rdb::{Error, Item, Key, Reader, Value, Writer, dump, restore};
use support::{legacy, sorted, values};

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn payloads_round_trip(value in values::value()) {
        let payload = dump(&value);
        prop_assert_eq!(legacy::crc64(&payload), 0, "a checksum makes that of the whole zero");
        prop_assert_eq!(sorted(restore(&payload).unwrap()), sorted(value));
    }

    #[test]
    fn files_round_trip(keys in proptest::collection::vec(key(), 0..6)) {
        let mut writer = Writer::new(Vec::new()).unwrap();
        writer.aux(b"redis-bits", b"64").unwrap();
        keys.iter().for_each(|key| writer.key(key).unwrap());
        let file = writer.finish().unwrap();
        let mut reader = Reader::new(&file[..]).unwrap();
        let mut items: Vec<Item> = reader.by_ref().collect::<Result<_, _>>().unwrap();
        prop_assert!(reader.is_checked());
        prop_assert_eq!(reader.offset(), file.len() as u64);
        let aux = Item::Aux { name: b"redis-bits".to_vec(), value: b"64".to_vec() };
        prop_assert_eq!(items.remove(0), aux);
        let order = |key: Key| Item::Key(Box::new(Key { value: sorted(key.value), ..key }));
        let read = items.into_iter().map(|item| match item {
            Item::Key(key) => order(*key),
            other => other,
        });
        prop_assert_eq!(read.collect::<Vec<_>>(), keys.into_iter().map(order).collect::<Vec<_>>());
    }
}

fn key() -> impl Strategy<Value = Key> {
    let about = (
        proptest::option::of(any::<i64>()),
        proptest::option::of(any::<u64>()),
        proptest::option::of(any::<u8>()),
    );
    (0u32..3, values::string(), about, values::value()).prop_map(|(keyspace, key, about, value)| {
        let (expires_ms, idle_seconds, frequency) = about;
        Key { keyspace, key, expires_ms, idle_seconds, frequency, value }
    })
}

#[test]
fn old_encodings_are_read() {
    for (name, payload, value) in legacy::payloads() {
        assert_eq!(restore(&payload).expect(name), value, "{name}");
    }
}

#[test]
fn sets_of_redis_7_2_are_read() {
    let set = legacy::raw(b"\x0c\0\0\0\x02\0\x81a\x02\x07\x01\xff");
    let expected = Value::Set(vec![b"a".to_vec(), b"7".to_vec()]);
    assert_eq!(restore(&legacy::payload(20, &set, 10)).unwrap(), expected);
    // But not under the version that has them: DUMP and RESTORE are those of Redis 7.0.
    let error = restore(&legacy::payload(20, &set, 11)).unwrap_err();
    assert!(error.is_version_or_checksum() && matches!(error, Error::Version { found: 11, newest: 10 }));
    let file = [b"REDIS0011\x14\x01k", &set[..], &[0xff], &[0; 8]].concat();
    let items: Vec<Item> = Reader::new(&file[..]).unwrap().collect::<Result<_, _>>().unwrap();
    assert!(matches!(&items[..], [Item::Key(key)] if key.value == expected));
}

/// A stream of type 21 without entries, with a group: its pending entries, then of each consumer its own.
fn stream_of_redis_7_2(pending: &[u8], owned: &[&[u8]]) -> Vec<u8> {
    let entry = |sequence: u8| [&[0; 15][..], &[sequence]].concat();
    let mut body = vec![0, 0, 9, 3, 0, 0, 0, 0, 7, 1, 1, b'g', 9, 3, 6];
    body.push(pending.len() as u8);
    for sequence in pending {
        body.extend([&entry(*sequence)[..], &5i64.to_le_bytes(), &[2]].concat());
    }
    body.push(owned.len() as u8);
    for (at, owned) in owned.iter().enumerate() {
        body.extend([&[1, b'a' + at as u8][..], &8i64.to_le_bytes(), &(-1i64).to_le_bytes()].concat());
        body.push(owned.len() as u8);
        owned.iter().for_each(|sequence| body.extend(entry(*sequence)));
    }
    legacy::payload(21, &body, 10)
}

#[test]
fn streams_of_redis_7_2_are_read() {
    let value = restore(&stream_of_redis_7_2(&[1, 2, 3], &[&[3, 1], &[2]])).unwrap();
    let Value::Stream(stream) = &value else { panic!("{value:?}") };
    let id = |ms, sequence| rdb::StreamId { ms, sequence };
    assert_eq!((stream.last_id, stream.entries_added, stream.entries.len()), (id(9, 3), 7, 0));
    let group = &stream.groups[0];
    assert_eq!((group.last_id, group.entries_read, group.consumers.len()), (id(9, 3), Some(6), 2));
    let pending = |sequence| rdb::Pending { id: id(0, sequence), delivered_ms: 5, deliveries: 2 };
    let first = &group.consumers[0];
    assert_eq!((first.name.as_slice(), first.seen_ms, first.active_ms), (&b"a"[..], 8, Some(-1)));
    assert_eq!(first.pending, [pending(1), pending(3)]);
    assert_eq!(group.consumers[1].pending, [pending(2)]);
}

#[test]
fn each_pending_entry_belongs_to_one_consumer() {
    let refused = |payload: &[u8]| restore(payload).unwrap_err().to_string();
    assert!(refused(&stream_of_redis_7_2(&[1, 2], &[&[1]])).contains("has no consumer"));
    assert!(refused(&stream_of_redis_7_2(&[1], &[&[1], &[1]])).contains("not its group's"));
    assert!(refused(&stream_of_redis_7_2(&[1], &[&[1, 2]])).contains("not its group's"));
    assert_eq!(refused(&stream_of_redis_7_2(&[1, 1], &[&[1]])), "the same pending entry twice in one value");
}
