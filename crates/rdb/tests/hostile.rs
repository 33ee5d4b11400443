//! Bytes of strangers: each kind of nonsense has its error, and what is read can be written.

extern crate everstore_rdb as rdb;

mod support;

use proptest::prelude::*;
use rdb::{Error, FileError, Item, Limits, Reader, Value, dump, restore, restore_within};
use support::legacy::{payload, raw};
use support::{sorted, values};

fn refused(kind: u8, body: &[u8]) -> String {
    restore(&payload(kind, body, 10)).expect_err("nonsense").to_string()
}

#[test]
fn versions_and_checksums_are_told_from_bad_data() {
    let good = dump(&Value::String(b"v".to_vec()));
    for length in 0..good.len() {
        let error = restore(&good[..length]).unwrap_err();
        assert!(error.is_version_or_checksum(), "{length}: {error}");
    }
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(restore(&bytes).unwrap_err().is_version_or_checksum(), "bit {bit}");
    }
    for version in [0, 11] {
        assert!(matches!(restore(&payload(0, b"\x01v", version)), Err(Error::Version { .. })));
    }
    // Only a file can say that it has no checksum.
    let zero = [&good[..good.len() - 8], &[0; 8]].concat();
    assert!(matches!(restore(&zero), Err(Error::Checksum { found: 0, .. })));
    assert!(!restore(&payload(99, b"", 10)).unwrap_err().is_version_or_checksum());
}

#[test]
fn nothing_is_twice_in_a_value() {
    let twice = [&[2][..], &raw(b"a"), &raw(b"a")].concat();
    assert_eq!(refused(2, &twice), "the same member twice in one value");
    let pairs = [&[2][..], &raw(b"a"), &raw(b"1"), &raw(b"a"), &raw(b"2")].concat();
    assert_eq!(refused(4, &pairs), "the same field twice in one value");
    let members = [&[2][..], &raw(b"a"), &[0; 8], &raw(b"a"), &[0; 8]].concat();
    assert_eq!(refused(5, &members), "the same member twice in one value");
    assert!(restore(&payload(1, &twice, 10)).is_ok());
}

#[test]
fn what_is_empty_or_has_more_or_no_number_is_refused() {
    assert_eq!(refused(1, &[0]), "an empty list");
    assert_eq!(refused(12, &raw(&support::legacy::ziplist(&[]))), "an empty sorted set");
    assert_eq!(refused(0, b"\x01vmore"), "4 bytes behind the value");
    let nan = [&[1][..], &raw(b"a"), &f64::NAN.to_le_bytes()].concat();
    assert_eq!(refused(5, &nan), "malformed a score: it is not a number");
    assert_eq!(refused(3, &[&[1][..], &raw(b"a"), &[253]].concat()), "malformed a score: it is not a number");
    assert_eq!(
        refused(13, &raw(&support::legacy::ziplist(&["f"]))),
        "malformed hash: a field without a value"
    );
    assert_eq!(refused(0, &[0xc4]), "malformed a string: it is encoded in an unknown way");
    assert_eq!(refused(0, &[0x82]), "malformed a length: it begins with an unknown byte");
    assert_eq!(refused(1, &[0xc0, 1]), "malformed a number: it is encoded as strings are");
    assert_eq!(refused(18, &[1, 3, 0]), "malformed list: a node is neither plain nor packed");
    assert_eq!(refused(200, &[]), "unknown type of value or opcode 200");
}

#[test]
fn announced_lengths_are_compared_with_limits_first() {
    let long = [&[0x80][..], &(513u32 << 20).to_be_bytes()].concat();
    assert_eq!(refused(0, &long), "a string of 537919488 bytes, at most 536870912 allowed");
    assert_eq!(
        refused(0, &[0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        format!("a string of {} bytes, at most 536870912 allowed", u64::MAX)
    );
    assert_eq!(
        refused(1, &[0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        "the input ends inside a length"
    );
    let bomb = [&[0xc3, 1, 0x80][..], &(512u32 << 20).to_be_bytes(), b"x"].concat();
    assert!(refused(0, &bomb).contains("so few bytes"));
    let list = dump(&Value::List(vec![vec![]; 100]));
    let limits = Limits { value: 99 * 32, ..Limits::default() };
    assert!(matches!(restore_within(&list, limits), Err(Error::ValueTooLarge { max: 3168 })));
    assert!(restore_within(&list, Limits { value: 100 * 32, ..limits }).is_ok());
    let string = dump(&Value::String(vec![b'x'; 100]));
    let limits = Limits { string: 99, ..Limits::default() };
    assert!(matches!(restore_within(&string, limits), Err(Error::StringTooLong { bytes: 100, max: 99 })));
}

#[test]
fn a_stream_can_not_repeat_long_fields_without_end() {
    let field = vec![b'f'; 1 << 16];
    let entry = |sequence| rdb::Entry {
        id: rdb::StreamId { ms: 1, sequence },
        fields: vec![(field.clone(), vec![])],
    };
    let stream = |count| {
        let last_id = rdb::StreamId { ms: 1, sequence: count };
        Value::Stream(rdb::Stream {
            entries: (1..=count).map(entry).collect(),
            last_id,
            ..Default::default()
        })
    };
    let payload = dump(&stream(64));
    let limits = Limits { value: 32 << 16, ..Limits::default() };
    assert!(matches!(restore_within(&payload, limits), Err(Error::ValueTooLarge { .. })));
    assert!(restore_within(&dump(&stream(16)), limits).is_ok());
}

#[test]
fn modules_and_functions_of_release_candidates_are_refused_by_name() {
    // The id is nine letters of six bits and a version of ten.
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let six = |letter: &u8| letters.iter().position(|l| l == letter).unwrap() as u64;
    let id = b"ReJSON-RL".iter().fold(0, |id, letter| id << 6 | six(letter)) << 10 | 3;
    let id = [&[0x81][..], &id.to_be_bytes()].concat();
    assert!(refused(7, &id).contains("module type \"ReJSON-RL\""));
    assert!(refused(6, &id).contains("modules are not supported"));
    // Data outside of keys: when to load it, then one of each kind, then the end.
    let data =
        [&id[..], &[2, 2, 1, 9, 2, 9, 3, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 5, 1, b's', 0]].concat();
    let items = file(10, &[&[247], &data[..], &[0, 1, b'k', 1, b'v']].concat()).unwrap();
    assert_eq!(items[0], Item::ModuleAux("ReJSON-RL".into()));
    assert!(matches!(&items[1], Item::Key(key) if key.key == b"k"));
    // A key of a module is told by name, and does not keep the others from being read.
    let value = [&id[..], &[2, 9, 5, 1, b's', 0]].concat();
    let items = file(10, &[&[7, 1, b'm'], &value[..], &[0, 1, b'k', 1, b'v']].concat()).unwrap();
    let module = Item::ModuleKey { keyspace: 0, key: b"m".to_vec(), module: "ReJSON-RL".into() };
    assert_eq!(items[0], module);
    assert!(matches!(&items[1], Item::Key(key) if key.key == b"k"));
    assert!(matches!(file(10, &[246]), Err(FileError { error: Error::PreReleaseFunction, .. })));
}

/// A file without a checksum of this version.
fn file(version: u16, body: &[u8]) -> Result<Vec<Item>, FileError> {
    let end = if version < 5 { &[255][..] } else { &[255, 0, 0, 0, 0, 0, 0, 0, 0] };
    let bytes = [format!("REDIS{version:04}").as_bytes(), body, end].concat();
    Reader::new(&bytes[..])?.collect()
}

#[test]
fn headers_and_opcodes_are_looked_at() {
    let header = |bytes: &[u8]| Reader::new(bytes).unwrap_err().to_string();
    assert!(header(b"RODIS0010").contains("begins with \"RODIS0010\""));
    assert!(header(b"REDIS001x").contains("not an RDB file"));
    assert!(header(b"REDIS0012").ends_with("RDB version 12, allowed are 1 to 11"));
    assert!(header(b"REDIS").contains("the input ends inside the header"));
    // Version 1 has no checksum; seconds become milliseconds, also those before 1970.
    let items = file(1, b"\xfd\xff\xff\xff\xff\x00\x01k\x01v").unwrap();
    assert!(matches!(&items[..], [Item::Key(key)] if key.expires_ms == Some(-1000)));
    let items = file(9, b"\xfe\x07\xf8\x40\xff\xf9\x05\x00\x01k\x01v").unwrap();
    let Item::Key(key) = &items[0] else { panic!("{items:?}") };
    assert_eq!((key.keyspace, key.idle_seconds, key.frequency), (7, Some(255), Some(5)));
    let empty = Item::EmptyKey { keyspace: 0, key: b"k".to_vec() };
    assert_eq!(file(9, b"\x02\x01k\x00").unwrap(), [empty]);
    let error = file(9, b"\xfe\x81\x00\x00\x00\x01\x00\x00\x00\x00").unwrap_err();
    assert!(error.to_string().contains("keyspace number 4294967296"));
    let error = file(9, b"\xf9\x05\xfe\x00").unwrap_err();
    assert!(error.to_string().contains("without a key"));
    let error = file(9, b"\x00\x01v\x01v\x63\x03k\"\xff").unwrap_err();
    let expected = "RDB file, before byte 19, key \"k\\\"\\xff\": unknown type of value or opcode 99";
    assert_eq!(error.to_string(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_payload_is_read_or_refused(kind in 0u8..24, body: Vec<u8>) {
        if let Ok(value) = restore(&payload(kind, &body, 10)) {
            prop_assert_eq!(sorted(restore(&dump(&value)).unwrap()), sorted(value));
        }
    }

    #[test]
    fn a_changed_payload_is_read_or_refused(
        value in values::value(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let good = dump(&value);
        let mut body = good[1..good.len() - 10].to_vec();
        prop_assume!(!body.is_empty());
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Ok(value) = restore(&payload(good[0], &body, 10)) {
            prop_assert_eq!(sorted(restore(&dump(&value)).unwrap()), sorted(value));
        }
    }

    #[test]
    fn any_file_ends(body: Vec<u8>, version in 1u16..12) {
        let bytes = [format!("REDIS{version:04}").as_bytes(), &body[..]].concat();
        let items = Reader::new(&bytes[..]).unwrap().count();
        prop_assert!(items <= body.len() + 1);
    }
}
