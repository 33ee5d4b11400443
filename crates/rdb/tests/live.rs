//! Against a real Redis 7.0, where there is one in the PATH; elsewhere these tests say that they skip.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "starts a server and talks with it")]

extern crate everstore_rdb as rdb;

#[path = "support/server.rs"]
mod server;
mod support;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use rdb::{Item, Key, Reader, Value, Writer, dump, restore};
use server::{Answer, Server};
use support::{legacy, sorted, values};

fn ok() -> Answer {
    Answer::Status("OK".into())
}

fn loading(server: &mut Server) {
    while matches!(server.run("PING"), Answer::Error(_)) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// A key with nothing but a value.
fn key(keyspace: u32, name: &str, value: Value) -> Key {
    let key = name.as_bytes().to_vec();
    Key { keyspace, key, expires_ms: None, idle_seconds: None, frequency: None, value }
}

fn some_values(count: usize) -> Vec<Value> {
    let mut runner = TestRunner::deterministic();
    let strategy = values::value();
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("a value").current()).collect()
}

/// Values beyond the bounds up to which collections are packed.
fn large_values() -> Vec<Value> {
    let text = |n: usize| format!("element {n}").into_bytes();
    vec![
        Value::List((0..5000).map(text).chain([vec![b'x'; 100_000], b"1".to_vec()]).collect()),
        Value::Set((0..600).map(|n| n.to_string().into_bytes()).collect()),
        Value::Set((0..600).map(text).collect()),
        Value::Hash((0..600).map(|n| (text(n), text(n + 1))).collect()),
        Value::SortedSet((0..600).map(|n| (text(n), n as f64 / 3.0)).collect()),
        Value::String(vec![b'y'; 1 << 20]),
    ]
}

#[test]
fn redis_restores_what_is_dumped_here_and_dumps_the_same() {
    let Some(mut server) = Server::start(None) else { return };
    for value in some_values(400).into_iter().chain(large_values()) {
        let payload = dump(&value);
        assert_eq!(server.restore("k", &payload), ok(), "{value:?}");
        let back = restore(&server.dump("k")).expect("a payload of Redis is read");
        assert_eq!(sorted(back), sorted(value));
    }
}

#[test]
fn redis_reads_old_encodings_as_they_are_read_here() {
    let Some(mut server) = Server::start(None) else { return };
    for (name, payload, value) in legacy::payloads() {
        assert_eq!(server.restore("k", &payload), ok(), "{name}");
        assert_eq!(sorted(restore(&server.dump("k")).expect(name)), sorted(value), "{name}");
    }
}

#[test]
fn small_values_have_the_encoding_redis_would_choose() {
    let Some(mut server) = Server::start(None) else { return };
    let words = [
        "SET k 12345",
        "SET k hello",
        "RPUSH k a 1 -5000 3",
        "SADD k 1 2 70000",
        "SADD k one",
        "HSET k field 1",
        "ZADD k 1 a 2.5 b",
        "XADD k 5-1 a 1",
    ];
    for words in words {
        server.run("DEL k");
        server.run(words);
        let payload = server.dump("k");
        assert_eq!(dump(&restore(&payload).expect(words)), payload, "{words}");
    }
}

#[test]
fn redis_loads_a_file_that_is_written_here() {
    let values = some_values(60);
    let mut writer = Writer::new(Vec::new()).unwrap();
    writer.aux(b"redis-ver", b"7.0.0").unwrap();
    writer.function(b"#!lua name=lib\nredis.register_function('f', function() return 7 end)").unwrap();
    writer.sizes(0, values.len() as u64, 1).unwrap();
    for (at, value) in values.iter().enumerate() {
        let expires_ms = (at == 0).then_some(4_000_000_000_000);
        writer.key(&Key { expires_ms, ..key(0, &at.to_string(), value.clone()) }).unwrap();
    }
    writer.key(&Key { idle_seconds: Some(100), ..key(3, "other", Value::String(b"v".to_vec())) }).unwrap();
    let file = writer.finish().unwrap();
    let Some(mut server) = Server::start(Some(&file)) else { return };
    loading(&mut server);
    assert_eq!(server.run("DBSIZE"), Answer::Number(values.len() as i64), "{}", server.log());
    for (at, value) in values.into_iter().enumerate() {
        assert_eq!(sorted(restore(&server.dump(&at.to_string())).unwrap()), sorted(value));
    }
    assert_eq!(server.run("PEXPIRETIME 0"), Answer::Number(4_000_000_000_000));
    assert_eq!(server.run("FCALL f 0"), Answer::Number(7));
    assert_eq!(server.run("SELECT 3"), ok());
    assert_eq!(server.run("GET other"), Answer::Bytes(Some(b"v".to_vec())));
}

#[test]
fn a_file_that_redis_saves_is_read() {
    let Some(mut server) = Server::start(None) else { return };
    let values = some_values(60);
    for (at, value) in values.iter().enumerate() {
        assert_eq!(server.restore(&at.to_string(), &dump(value)), ok());
    }
    server.run("SELECT 2");
    assert_eq!(server.run("SET e v PXAT 4000000000000"), ok());
    assert_eq!(server.run("SAVE"), ok());
    let mut reader = Reader::new(std::fs::File::open(server.file()).unwrap()).unwrap();
    let items: Vec<Item> = reader.by_ref().collect::<Result<_, _>>().unwrap();
    assert!(reader.is_checked() && reader.version() == 10);
    let sizes = items.iter().filter(|item| matches!(item, Item::Sizes { keyspace: 2, keys: 1, expiring: 1 }));
    assert_eq!(sizes.count(), 1);
    let mut found = 0;
    for item in items {
        let Item::Key(key) = item else { continue };
        found += 1;
        if key.keyspace == 2 {
            assert_eq!((key.expires_ms, key.value), (Some(4_000_000_000_000), Value::String(b"v".to_vec())));
            continue;
        }
        let at: usize = String::from_utf8(key.key).unwrap().parse().unwrap();
        assert_eq!(sorted(key.value), sorted(values[at].clone()));
    }
    assert_eq!(found, values.len() + 1);
}
