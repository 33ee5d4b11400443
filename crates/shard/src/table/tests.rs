use super::*;
use std::collections::BTreeSet;

fn every() -> impl Iterator<Item = &'static Spec> {
    commands().iter().chain(commands().iter().flat_map(|c| c.subcommands))
}

#[test]
fn every_name_is_found_in_any_case_and_no_other() {
    for (id, spec) in commands().iter().enumerate() {
        let folds = |b: u8| b.is_ascii_lowercase() || b == b'_';
        assert!(spec.name.bytes().all(folds), "{}: letters and _ only", spec.name);
        for name in [spec.name.to_uppercase(), spec.name.to_string()] {
            let found = lookup(name.as_bytes()).expect("a command of the table");
            assert_eq!((found.name, found.id()), (spec.name, id));
        }
        for wrong in [format!("{}x", spec.name), format!("{} ", spec.name), format!("{}\0", spec.name)] {
            assert!(lookup(wrong.as_bytes()).is_none(), "{wrong:?}");
        }
    }
    for wrong in [
        "",
        "\u{1}et",
        "g t",
        "abcdefghijklmnop",
        "abcdefghijklmnopq",
        "GE\x14",
        "bitfield\x7fro",
        "BITFIELD?RO",
    ] {
        assert!(lookup(wrong.as_bytes()).is_none(), "{wrong:?}");
    }
}

#[test]
fn names_are_unique_and_subcommands_carry_their_container() {
    let names: BTreeSet<_> = every().map(|s| s.name).collect();
    assert_eq!(names.len(), every().count());
    for container in commands() {
        for sub in container.subcommands {
            assert_eq!(sub.name, format!("{}|{}", container.name, sub.short_name()));
            assert_eq!(sub.id(), usize::from(u16::MAX));
        }
    }
}

#[test]
fn every_command_is_documented_and_has_an_arity() {
    for spec in every() {
        assert!(!spec.summary.is_empty() && !spec.since.is_empty() && spec.arity != 0, "{}", spec.name);
    }
}

#[test]
fn keys_routes_and_key_specs_agree() {
    for spec in every() {
        let with_keys = matches!(spec.route, Route::Key | Route::PerKey(_)) || spec.name == "watch";
        assert_eq!(spec.keys != Keys::NONE, with_keys, "{}: route and keys", spec.name);
        assert_eq!(spec.key_specs.is_empty(), !with_keys, "{}: route and key specs", spec.name);
        let argc = spec.arity.unsigned_abs() as usize + 1;
        let from_specs: BTreeSet<usize> =
            spec.key_specs.iter().flat_map(|k| k.keys().positions(argc)).collect();
        let from_keys: BTreeSet<usize> = spec.keys.positions(argc).collect();
        assert_eq!(from_specs, from_keys, "{}", spec.name);
        if matches!(spec.route, Route::PerKey(_)) {
            assert_eq!(spec.keys.last, -1, "{}: can be split", spec.name);
        }
        assert!(spec.subcommands.is_empty() || spec.route == Route::Front, "{}", spec.name);
    }
}

#[test]
fn key_positions_follow_redis() {
    let at = |name: &str, argc| lookup(name.as_bytes()).expect(name).keys.positions(argc).collect::<Vec<_>>();
    assert_eq!(at("get", 2), [1]);
    assert_eq!(at("set", 5), [1]);
    assert_eq!(at("mset", 7), [1, 3, 5]);
    assert_eq!(at("del", 4), [1, 2, 3]);
    assert_eq!(at("rename", 3), [1, 2]);
    assert_eq!(at("bitop", 6), [2, 3, 4, 5]);
    assert_eq!(at("ping", 2), [0usize; 0]);
    assert_eq!(at("mget", 1), [0usize; 0]);
    assert_eq!(at("get", 0), [0usize; 0]);
}

#[test]
fn resolving_finds_subcommands() {
    let name = |n: &str, first: Option<&str>| resolve(n.as_bytes(), first.map(str::as_bytes)).map(|s| s.name);
    assert_eq!(name("Client", Some("nO-eVict")), Ok("client|no-evict"));
    assert_eq!(name("client", None), Ok("client"));
    assert_eq!(name("object", Some("encoding")), Ok("object|encoding"));
    assert_eq!(name("get", Some("id")), Ok("get"));
    assert_eq!(name("client", Some("nope")), Err(Unknown::Subcommand("client")));
    assert_eq!(name("hgetall", None), Err(Unknown::Command));
}

#[test]
fn arity_and_implied_categories_follow_redis() {
    let get = lookup(b"get").expect("get");
    assert!(get.accepts(2) && !get.accepts(1) && !get.accepts(3));
    let set = lookup(b"set").expect("set");
    assert!(set.accepts(3) && set.accepts(9) && !set.accepts(2));
    assert_eq!(get.all_categories().names().collect::<Vec<_>>(), ["read", "string", "fast"]);
    let kill = resolve(b"client", Some(b"kill")).expect("client kill");
    assert_eq!(
        kill.all_categories().names().collect::<Vec<_>>(),
        ["admin", "slow", "dangerous", "connection"]
    );
}

#[test]
fn the_issue_commands_are_all_there() {
    let all = "append decr decrby get getdel getex getrange getset incr incrby incrbyfloat lcs mget mset \
        msetnx psetex set setex setnx setrange strlen substr del unlink exists touch type expire expireat \
        pexpire pexpireat ttl pttl expiretime pexpiretime persist rename renamenx copy keys scan randomkey \
        dbsize flushdb flushall object swapdb ping echo quit reset select auth hello client command config \
         info time lastsave role wait waitaof debug latency memory slowlog shutdown acl lolwut asking cluster readonly \
         readwrite keyspace losses failover everstore bitcount bitfield bitfield_ro bitop bitpos getbit setbit \
         multi exec discard watch unwatch";
    for name in all.split_whitespace() {
        assert!(lookup(name.as_bytes()).is_some(), "{name}");
    }
    assert_eq!(all.split_whitespace().count(), commands().len());
}
