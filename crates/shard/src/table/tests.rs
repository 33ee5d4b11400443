use super::*;
use std::collections::BTreeSet;

/// Those that no client sees yet as well: what is described must be right before anybody switches it on.
fn every_container() -> impl Iterator<Item = &'static Spec> {
    commands().iter().chain(lookup::coming())
}

fn every() -> impl Iterator<Item = &'static Spec> {
    every_container().chain(every_container().flat_map(|c| c.subcommands))
}

fn named(name: &str) -> &'static Spec {
    every().find(|spec| spec.name == name).expect(name)
}

fn words(call: &str) -> Vec<&[u8]> {
    call.split_whitespace().map(str::as_bytes).collect()
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
        for wrong in [format!("{}q", spec.name), format!("{} ", spec.name), format!("{}\0", spec.name)] {
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
    for container in every_container() {
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
fn groups_are_sorted_by_name() {
    let groups = [
        hash::HASH,
        list::LIST,
        list::LIST_BLOCKING,
        set::SET,
        sorted_set::SORTED_SET,
        sorted_set::SORTED_SET_BLOCKING,
        sorted_set_range::SORTED_SET_RANGE,
        sorted_set_several::SORTED_SET_SEVERAL,
        geo::GEO,
        stream::STREAM,
        sort::SORT,
        dump::DUMP,
    ];
    for group in groups {
        assert!(group.is_sorted_by(|a, b| a.name < b.name), "{}", group[0].name);
    }
}

#[test]
fn keys_routes_and_key_specs_agree() {
    for spec in every() {
        let with_keys = matches!(spec.route, Route::Key | Route::PerKey(_)) || spec.name == "watch";
        let movable = spec.flags.has(flag::MOVABLE_KEYS);
        assert_eq!(spec.key_specs.is_empty(), !with_keys, "{}: route and key specs", spec.name);
        assert!(movable || (spec.keys != Keys::NONE) == with_keys, "{}: route and keys", spec.name);
        assert!(spec.subcommands.is_empty() || spec.route == Route::Front, "{}", spec.name);
        let args: Vec<&[u8]> = vec![b"1"; spec.arity.unsigned_abs() as usize + 1];
        let mut from_specs = BTreeSet::new();
        for key_spec in spec.key_specs {
            if let Found::Keys { range, step } = key_spec.find(&args) {
                from_specs.extend(range.step_by(step));
            }
        }
        let found: BTreeSet<usize> = spec.key_positions(&args).collect();
        assert_eq!(from_specs, found, "{}", spec.name);
        if matches!(spec.route, Route::PerKey(_)) {
            assert!(!movable && spec.keys.last == -1, "{}: can be split", spec.name);
        }
        if movable && spec.keys != Keys::NONE {
            // The dispatcher takes the first argument for the first key before it looks at the others.
            assert_eq!(spec.keys, Keys::ONE, "{}", spec.name);
            assert_eq!(spec.key_specs[0].begin, Begin::Index(1), "{}", spec.name);
            assert_eq!(spec.key_positions(&args).next(), Some(1), "{}", spec.name);
        }
    }
}

#[test]
fn arguments_name_key_specs_that_exist() {
    fn check(spec: &Spec, args: &[Arg]) {
        for arg in args {
            match arg.kind {
                ArgKind::Key(at) | ArgKind::KeyPattern(at) => {
                    assert!((at as usize) < spec.key_specs.len(), "{}: {}", spec.name, arg.name);
                }
                ArgKind::OneOf(inner) | ArgKind::Block(inner) => check(spec, inner),
                _ => {}
            }
        }
    }
    every().for_each(|spec| check(spec, spec.args));
}

#[test]
fn only_what_moves_is_marked_as_movable() {
    for spec in every() {
        let fixed =
            |key: &KeySpec| matches!((key.begin, key.find), (Begin::Index(_), Find::Range { limit: 0, .. }));
        let moves = !spec.key_specs.iter().all(fixed);
        assert_eq!(spec.flags.has(flag::MOVABLE_KEYS), moves, "{}", spec.name);
    }
}

/// Positions of the keys of a call.
fn at(call: &str) -> Vec<usize> {
    let args = words(call);
    named(&call[..call.find(' ').unwrap_or(call.len())]).key_positions(&args).collect()
}

#[test]
fn key_positions_follow_redis() {
    assert_eq!(at("get k"), [1]);
    assert_eq!(at("set k v EX 1"), [1]);
    assert_eq!(at("mset a 1 b 2 c 3"), [1, 3, 5]);
    assert_eq!(at("del a b c"), [1, 2, 3]);
    assert_eq!(at("rename a b"), [1, 2]);
    assert_eq!(at("bitop AND d a b c"), [2, 3, 4, 5]);
    assert_eq!(at("ping x"), [0usize; 0]);
    assert_eq!(at("mget"), [0usize; 0]);
    assert_eq!(named("get").key_positions(&[]).count(), 0);
    assert_eq!(at("blpop a b 0"), [1, 2]);
    assert_eq!(at("sinterstore d a b"), [1, 2, 3]);
    assert_eq!(at("smove a b m"), [1, 2]);
}

#[test]
fn counted_keys_are_found_if_their_number_is_right() {
    assert_eq!(at("lmpop 2 a b LEFT"), [2, 3]);
    assert_eq!(at("blmpop 0 2 a b LEFT"), [3, 4]);
    assert_eq!(at("bzmpop 1.5 1 a MIN COUNT 2"), [3]);
    assert_eq!(at("sintercard 3 a b c LIMIT 1"), [2, 3, 4]);
    assert_eq!(at("zunionstore d 2 a b WEIGHTS 1 2"), [1, 3, 4]);
    assert_eq!(at("zdiff 1 a"), [2]);
    for wrong in ["0", "-1", "3", "x", "02", "+2", "1.0", "9223372036854775807", "99999999999999999999"] {
        assert_eq!(at(&format!("sintercard {wrong} a b")), [0usize; 0], "{wrong}");
        assert_eq!(at(&format!("zinterstore d {wrong} a b")), [1], "{wrong}");
        let call = format!("sintercard {wrong} a b");
        assert_eq!(named("sintercard").key_specs[0].find(&words(&call)), Found::Wrong, "{wrong}");
    }
    assert_eq!(at("sintercard"), [0usize; 0]);
}

#[test]
fn keys_behind_words_are_found() {
    assert_eq!(at("xread STREAMS a 0"), [2]);
    assert_eq!(at("xread COUNT 2 BLOCK 0 streams STREAMS b 0 0"), [6, 7]);
    assert_eq!(at("xread COUNT 2 a 0"), [0usize; 0]);
    assert_eq!(at("xread COUNT 2 STREAMS a"), [0usize; 0]);
    assert_eq!(at("xread COUNT 2 STREAMS"), [0usize; 0]);
    assert_eq!(at("georadius k 1 2 3 m"), [1]);
    assert_eq!(at("georadius k 1 2 3 m COUNT 5 store d"), [1, 9]);
    assert_eq!(at("georadius k 1 2 3 m STORE d STOREDIST e"), [1, 7, 9]);
    assert_eq!(at("georadius k 1 2 3 m STORE a STORE b"), [1, 9]);
    assert_eq!(at("georadius k 1 2 3 m STORE STORE ASC"), [1, 7]);
    assert_eq!(at("georadius k 1 2 3 m STORE"), [1]);
    assert_eq!(at("georadiusbymember k STORE 3 m STOREDIST STORE"), [1, 6]);
    assert_eq!(at("georadiusbymember_ro k STORE 3 m"), [1]);
}

#[test]
fn sort_writes_what_its_last_store_names() {
    assert_eq!(at("sort k"), [1]);
    assert_eq!(at("sort k BY w_* GET # GET o_* LIMIT 0 5 ALPHA STORE d"), [1, 13]);
    assert_eq!(at("sort k BY STORE GET STORE DESC"), [1]);
    assert_eq!(at("sort k STORE GET STORE d"), [1, 5]);
    assert_eq!(at("sort k STORE a STORE STORE"), [1, 5]);
    assert_eq!(at("sort k ALPHA STORE"), [1]);
    assert_eq!(at("sort_ro k BY w_* STORE d"), [1]);
}

#[test]
fn resolving_finds_subcommands() {
    let name = |n: &str, first: Option<&str>| resolve(n.as_bytes(), first.map(str::as_bytes)).map(|s| s.name);
    assert_eq!(name("Client", Some("nO-eVict")), Ok("client|no-evict"));
    assert_eq!(name("client", None), Ok("client"));
    assert_eq!(name("object", Some("encoding")), Ok("object|encoding"));
    assert_eq!(name("get", Some("id")), Ok("get"));
    assert_eq!(name("client", Some("nope")), Err(Unknown::Subcommand("client")));
    assert_eq!(name("nosuch", None), Err(Unknown::Command));
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
        pexpire pexpireat ttl pttl expiretime pexpiretime persist rename renamenx copy move keys scan randomkey \
        dbsize flushdb flushall object swapdb ping echo quit reset select auth hello client command config \
         info time lastsave role wait waitaof debug latency memory slowlog shutdown acl lolwut asking cluster readonly \
         readwrite keyspace losses failover everstore bitcount bitfield bitfield_ro bitop bitpos getbit setbit \
        hdel hexists hget hgetall hincrby hincrbyfloat hkeys hlen hmget hmset hrandfield hscan hset hsetnx hstrlen \
        hvals blmove blmpop blpop brpop brpoplpush lindex linsert llen lmove lmpop lpop lpos lpush lpushx lrange \
        lrem lset ltrim rpop rpoplpush rpush rpushx sadd scard sdiff sdiffstore sinter sintercard sinterstore \
        sismember smembers smismember smove spop srandmember srem sscan sunion sunionstore bzmpop bzpopmax bzpopmin \
        zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard zinterstore zlexcount zmpop zmscore zpopmax \
        zpopmin zrandmember zrange zrangebylex zrangebyscore zrangestore zrank zrem zremrangebylex zremrangebyrank \
        zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore zunion zunionstore geoadd \
        geodist geohash geopos georadius georadius_ro georadiusbymember georadiusbymember_ro geosearch \
        geosearchstore xadd xdel xinfo xlen xrange xread xrevrange xsetid xtrim sort sort_ro dump restore \
        pfadd pfcount pfdebug pfmerge pfselftest multi exec discard watch unwatch save bgsave bgrewriteaof \
        monitor replicaof slaveof module function script large";
    let names: BTreeSet<_> = every_container().map(|spec| spec.name).collect();
    for name in all.split_whitespace() {
        assert!(names.contains(name), "{name}");
    }
    assert_eq!(all.split_whitespace().count(), names.len());
}
