//! Values that are passed on as they are: from a file to payloads, from payloads to a file.

extern crate everstore_rdb as rdb;

mod support;

use rdb::{Error, Item, Key, Reader, Value, Writer, check, dump, for_restore, restore};
use support::legacy::payload;

const FILES: [&[u8]; 3] = [
    include_bytes!("fixtures/redis-5.0.rdb"),
    include_bytes!("fixtures/redis-6.2.rdb"),
    include_bytes!("fixtures/redis-7.0.rdb"),
];

/// The keys of a file, with their payloads.
fn keys(file: &[u8]) -> Vec<(Key, Vec<u8>)> {
    let mut reader = Reader::new(file).expect("a header");
    reader.keep_payloads();
    let mut keys = Vec::new();
    while let Some(item) = reader.next() {
        if let Item::Key(key) = item.expect("a whole file") {
            let payload = reader.payload(&key.value).expect("it was kept");
            assert_eq!(reader.payload(&key.value), None, "it is handed over once");
            keys.push((*key, payload));
        }
    }
    keys
}

#[test]
fn values_of_files_become_payloads_and_files_again() {
    for file in FILES {
        let keys = keys(file);
        assert!(keys.len() > 10);
        let mut writer = Writer::new(Vec::new()).unwrap();
        for (key, payload) in &keys {
            assert_eq!(restore(payload).unwrap(), key.value, "{:?}", key.key.escape_ascii().to_string());
            assert_eq!(&for_restore(payload.clone()).unwrap(), payload);
            writer.payload(key.keyspace, &key.key, key.expires_ms, payload).unwrap();
        }
        let written = writer.finish().unwrap();
        assert!(check(&written[..], |_| ()).unwrap());
        let about = |key: Key| Key { idle_seconds: None, frequency: None, ..key };
        let again: Vec<Key> = self::keys(&written).into_iter().map(|(key, _)| key).collect();
        assert_eq!(again, keys.into_iter().map(|(key, _)| about(key)).collect::<Vec<_>>());
    }
}

#[test]
fn payloads_of_redis_7_2_are_made_readable() {
    // A string of ten bytes: a listpack of one text.
    let newer = payload(20, b"\x0a\x0a\0\0\0\x01\0\x81a\x02\xff", 11);
    let set = Value::Set(vec![b"a".to_vec()]);
    assert!(matches!(restore(&newer), Err(Error::Version { found: 11, .. })));
    assert_eq!(restore(&for_restore(newer).unwrap()).unwrap(), set);
    // An old encoding stays as it is, but for the version.
    let old = |version| payload(0, b"\x01v", version);
    assert_eq!(for_restore(old(11)).unwrap(), old(10));
    assert_eq!(for_restore(old(9)).unwrap(), old(9));
    assert!(matches!(for_restore(old(12)), Err(Error::Version { found: 12, newest: 11 })));
}

#[test]
fn a_file_takes_only_payloads_that_redis_loads() {
    let mut writer = Writer::new(Vec::new()).unwrap();
    let empty = writer.finish().unwrap();
    writer = Writer::new(Vec::new()).unwrap();
    let mut damaged = dump(&Value::String(b"v".to_vec()));
    damaged[1] ^= 1;
    let refused = [damaged, payload(0, b"\x01v", 11), payload(7, b"x", 10), payload(20, b"x", 10)];
    for payload in refused {
        assert!(writer.payload(0, b"k", Some(1), &payload).is_err());
    }
    assert_eq!(writer.finish().unwrap(), empty, "nothing of them was written");
}

#[test]
fn a_file_is_checked_without_reading_its_values() {
    for file in FILES {
        let mut seen = 0;
        assert!(check(file, |read| seen = read).unwrap());
        assert_eq!(seen, file.len() as u64);
        for length in 0..file.len() {
            assert!(check(&file[..length], |_| ()).is_err(), "cut at {length}");
        }
        for at in [9, file.len() / 2, file.len() - 9, file.len() - 1] {
            let mut damaged = file.to_vec();
            damaged[at] ^= 4;
            assert!(matches!(check(&damaged[..], |_| ()).unwrap_err().error, Error::Checksum { .. }), "{at}");
        }
        let error = check(&[file, b"more"].concat()[..], |_| ()).unwrap_err();
        assert!(matches!(error.error, Error::Checksum { .. }), "bytes behind the end are no part of it");
    }
    assert!(!check(&b"REDIS0004\xff"[..], |_| ()).unwrap(), "there is no checksum in version 4");
    assert!(check(&b"REDIS0004\xfe"[..], |_| ()).is_err());
    assert!(!check(&b"REDIS0010\xff\0\0\0\0\0\0\0\0"[..], |_| ()).unwrap(), "zero is none");
    assert!(matches!(check(&b"*1\r\n$4\r\nPING"[..], |_| ()).unwrap_err().error, Error::Magic { .. }));
}
