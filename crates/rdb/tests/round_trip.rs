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
