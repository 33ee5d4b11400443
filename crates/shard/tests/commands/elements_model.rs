//! Hashes and sets against maps and sets of the standard library, while they change their form.

use crate::value::Value;
use crate::world::World;
use crate::{FEW, START};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

type Hash = BTreeMap<String, String>;
type Set = BTreeSet<String>;

/// What the keys hold, each of them always the same kind.
#[derive(Default)]
struct Model {
    hashes: BTreeMap<String, Hash>,
    sets: BTreeMap<String, Set>,
}

fn bulk(text: impl AsRef<str>) -> Value {
    Value::Bulk(text.as_ref().as_bytes().to_vec())
}

fn int(number: impl TryInto<i64>) -> Value {
    Value::Line(format!(":{}", number.try_into().ok().expect("a small number")))
}

fn many<'a>(mark: char, parts: impl IntoIterator<Item = &'a String>) -> Value {
    Value::Many(mark, parts.into_iter().map(bulk).collect()).sorted()
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Bulk(bytes) => vec![String::from_utf8(bytes.clone()).expect("ASCII")],
        Value::Many(_, parts) => parts.iter().flat_map(texts).collect(),
        Value::Line(_) => Vec::new(),
    }
}

impl Model {
    /// What a command is answered with, parts of aggregates in order; `None` for one that picks at random.
    fn run(&mut self, args: &[String]) -> Option<Value> {
        let names = &args[2..];
        match args[0].as_str() {
            "HSET" | "HSETNX" | "HINCRBY" | "HDEL" | "HGETALL" | "HMGET" => {
                let hash = self.hashes.entry(args[1].clone()).or_default();
                Some(hash_command(hash, args))
            }
            "SADD" => {
                let set = self.sets.entry(args[1].clone()).or_default();
                Some(int(names.iter().filter(|name| set.insert((*name).clone())).count()))
            }
            "SREM" => {
                let set = self.sets.entry(args[1].clone()).or_default();
                Some(int(names.iter().filter(|name| set.remove(*name)).count()))
            }
            "SMISMEMBER" => {
                let set = self.set(&args[1]);
                let found = names.iter().map(|name| int(u8::from(set.contains(name))));
                Some(Value::Many('*', found.collect()).sorted())
            }
            "SMOVE" => {
                let found = self.sets.entry(args[1].clone()).or_default().remove(&args[3]);
                if found {
                    self.sets.entry(args[2].clone()).or_default().insert(args[3].clone());
                }
                Some(int(u8::from(found)))
            }
            "SUNION" | "SINTER" | "SDIFF" => Some(many('~', &self.combine(&args[0], &args[1..]))),
            "SUNIONSTORE" | "SINTERSTORE" | "SDIFFSTORE" => {
                let set = self.combine(&args[0][..args[0].len() - 5], names);
                let len = int(set.len());
                self.sets.insert(args[1].clone(), set);
                Some(len)
            }
            "SINTERCARD" => Some(int(self.combine("SINTER", &args[2..4]).len().min(3))),
            _ => None,
        }
    }

    fn set(&self, key: &str) -> Set {
        self.sets.get(key).cloned().unwrap_or_default()
    }

    fn combine(&self, how: &str, keys: &[String]) -> Set {
        let mut sets = keys.iter().map(|key| self.set(key));
        let first = sets.next().expect("a key");
        sets.fold(first, |a, b| match how {
            "SUNION" => &a | &b,
            "SINTER" => &a & &b,
            _ => &a - &b,
        })
    }

    /// Checks what was picked at random, and takes it out if it was popped.
    fn check_picks(&mut self, args: &[String], reply: &Value) {
        let (number, picked) = (args[2].parse::<i64>().expect("a count"), texts(reply));
        let different: Set = picked.iter().cloned().collect();
        let all: Set = match args[0].as_str() {
            "HRANDFIELD" => self.hashes.get(&args[1]).into_iter().flat_map(|h| h.keys().cloned()).collect(),
            _ => self.set(&args[1]),
        };
        let wanted = number.unsigned_abs() as usize;
        assert!(different.is_subset(&all), "{args:?}: {picked:?}");
        match number {
            0.. => assert_eq!((picked.len(), different.len()), (wanted.min(all.len()), picked.len())),
            _ => assert_eq!(picked.len(), if all.is_empty() { 0 } else { wanted }),
        }
        if args[0] == "SPOP" {
            self.sets.insert(args[1].clone(), &all - &different);
        }
    }

    /// Every key is there or not, and has what it has to, also for a walk in steps.
    fn check_all(&self, world: &mut World, now: u64) {
        for (key, hash) in &self.hashes {
            let pairs: Vec<&String> = hash.iter().flat_map(|(field, value)| [field, value]).collect();
            assert_eq!(run(world, &["HGETALL", key], now), many('%', pairs.iter().copied()));
            assert_eq!(walked(world, "HSCAN", key, now), many('*', pairs));
            assert_eq!(run(world, &["EXISTS", key], now), int(u8::from(!hash.is_empty())));
        }
        for (key, set) in &self.sets {
            assert_eq!(run(world, &["SMEMBERS", key], now), many('~', set));
            assert_eq!(walked(world, "SSCAN", key, now), many('*', set));
            assert_eq!(run(world, &["EXISTS", key], now), int(u8::from(!set.is_empty())));
        }
    }
}

fn hash_command(hash: &mut Hash, args: &[String]) -> Value {
    match args[0].as_str() {
        "HSET" => {
            let pairs = args[2..].chunks_exact(2);
            int(pairs.filter(|pair| hash.insert(pair[0].clone(), pair[1].clone()).is_none()).count())
        }
        "HSETNX" => {
            let absent = !hash.contains_key(&args[2]);
            if absent {
                hash.insert(args[2].clone(), args[3].clone());
            }
            int(u8::from(absent))
        }
        "HINCRBY" => {
            let old = hash.get(&args[2]).map_or(Ok(0), |value| value.parse::<i64>());
            let Ok(old) = old else { return Value::Line("-ERR hash value is not an integer".into()) };
            let new = old + args[3].parse::<i64>().expect("an increment");
            hash.insert(args[2].clone(), new.to_string());
            int(new)
        }
        "HDEL" => int(args[2..].iter().filter(|name| hash.remove(*name).is_some()).count()),
        "HMGET" => {
            let null = || Value::Line("_".into());
            Value::Many('*', args[2..].iter().map(|name| hash.get(name).map_or_else(null, bulk)).collect())
                .sorted()
        }
        _ => many('%', hash.iter().flat_map(|(field, value)| [field, value])),
    }
}

fn run(world: &mut World, args: &[&str], now: u64) -> Value {
    let args: Vec<_> = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
    world.run(&args, now).sorted()
}

/// All that a walk in steps of two meets. Nothing changes meanwhile: it meets nothing twice.
fn walked(world: &mut World, command: &str, key: &str, now: u64) -> Value {
    let (mut cursor, mut met) = ("0".to_string(), Vec::new());
    loop {
        let args = [command, key, &cursor, "COUNT", "2"].map(|arg| arg.as_bytes().to_vec());
        let Value::Many('*', parts) = world.run(&args, now) else { panic!("{command} answers two parts") };
        let [next, elements] = &parts[..] else { panic!("{command} answers two parts") };
        met.extend(texts(elements));
        cursor = texts(next).concat();
        if cursor == "0" {
            return many('*', &met);
        }
    }
}

fn command() -> impl Strategy<Value = Vec<String>> {
    let name =
        || prop_oneof![6 => (0i32..12).prop_map(|n| n.to_string()), 2 => "[a-d]", 1 => Just("n".repeat(21))];
    let value = || prop_oneof![4 => (-9i32..9).prop_map(|n| n.to_string()), 1 => Just("v".repeat(21))];
    let names = || prop::collection::vec(name(), 1..8);
    let pairs = prop::collection::vec((name(), value()).prop_map(|(n, v)| vec![n, v]), 1..6);
    let hash = || prop_oneof![Just("h1"), Just("h2")].prop_map(str::to_string);
    let set = || prop_oneof![Just("s1"), Just("s2"), Just("s3")].prop_map(str::to_string);
    let count = || (-4i32..12).prop_map(|n| n.to_string());
    let store = prop_oneof![Just("SUNIONSTORE"), Just("SINTERSTORE"), Just("SDIFFSTORE")];
    let show = prop_oneof![Just("SUNION"), Just("SINTER"), Just("SDIFF")];
    let line = |name: &'static str, args: BoxedStrategy<Vec<String>>| {
        args.prop_map(move |args| std::iter::once(name.to_string()).chain(args).collect::<Vec<_>>())
    };
    let with = |key: BoxedStrategy<String>, rest: BoxedStrategy<Vec<String>>| {
        (key, rest).prop_map(|(key, rest)| std::iter::once(key).chain(rest).collect::<Vec<_>>()).boxed()
    };
    let one = |a: BoxedStrategy<String>| a.prop_map(|a| vec![a]).boxed();
    let two =
        |a: BoxedStrategy<String>, b: BoxedStrategy<String>| (a, b).prop_map(|(a, b)| vec![a, b]).boxed();
    let sets = || prop::collection::vec(set(), 1..4).boxed();
    prop_oneof![
        4 => line("HSET", with(hash().boxed(), pairs.prop_map(|p| p.concat()).boxed())),
        1 => line("HSETNX", with(hash().boxed(), two(name().boxed(), value().boxed()))),
        1 => line("HINCRBY", with(hash().boxed(), two(name().boxed(), (-9i32..9).prop_map(|n| n.to_string()).boxed()))),
        3 => line("HDEL", with(hash().boxed(), names().boxed())),
        1 => line("HMGET", with(hash().boxed(), names().boxed())),
        1 => line("HRANDFIELD", with(hash().boxed(), one(count().boxed()))),
        4 => line("SADD", with(set().boxed(), names().boxed())),
        3 => line("SREM", with(set().boxed(), names().boxed())),
        1 => line("SMISMEMBER", with(set().boxed(), names().boxed())),
        2 => line("SMOVE", with(set().boxed(), two(set().boxed(), name().boxed()))),
        1 => (show, sets()).prop_map(|(name, keys)| [vec![name.to_string()], keys].concat()),
        2 => (store, set(), sets()).prop_map(|(name, to, keys)| [vec![name.to_string(), to], keys].concat()),
        1 => line("SINTERCARD", two(set().boxed(), set().boxed()))
            .prop_map(|l| [vec![l[0].clone(), "2".into()], l[1..].to_vec(), vec!["LIMIT".into(), "3".into()]].concat()),
        1 => line("SRANDMEMBER", with(set().boxed(), one(count().boxed()))),
        2 => line("SPOP", with(set().boxed(), one((0i32..9).prop_map(|n| n.to_string()).boxed()))),
    ]
}

proptest! {
    #[test]
    fn hashes_and_sets_agree_with_a_model(commands in prop::collection::vec(command(), 1..80)) {
        let (mut world, mut model) = (World::new(true), Model::default());
        world.set_limits(FEW);
        for (step, args) in commands.iter().enumerate() {
            let now = START + step as u64;
            let bytes: Vec<_> = args.iter().map(|arg| arg.clone().into_bytes()).collect();
            let reply = world.run(&bytes, now);
            match model.run(args) {
                Some(expected) => prop_assert_eq!(reply.sorted(), expected, "{:?}", args),
                None => model.check_picks(args, &reply),
            }
        }
        model.check_all(&mut world, START + 1000);
    }
}

/// `SADD key`, with so many members of so many bytes, 8 at least.
fn many_members(key: &str, number: usize, bytes: usize) -> Vec<Vec<u8>> {
    let members = (0..number).map(|n| (format!("{n:08}") + &"m".repeat(bytes - 8)).into_bytes());
    [b"SADD".to_vec(), key.into()].into_iter().chain(members).collect()
}

#[test]
fn what_is_too_large_for_one_effect_is_several() {
    let mut world = World::new(true);
    assert_eq!(world.run(&many_members("big", 1500, 200), START), int(1500));
    assert_eq!(run(&mut world, &["SET", "copy", "a string"], START), Value::Line("+OK".into()));
    assert_eq!(run(&mut world, &["SUNIONSTORE", "copy", "big"], START), int(1500));
    assert_eq!(run(&mut world, &["SDIFF", "big", "copy"], START), many('~', []));
    assert_eq!(run(&mut world, &["SINTERCARD", "2", "copy", "big"], START), int(1500));
    // Few are left: what stays is put anew, and keeps its time.
    assert_eq!(run(&mut world, &["EXPIRE", "copy", "100"], START), int(1));
    assert_eq!(texts(&run(&mut world, &["SPOP", "copy", "1400"], START)).len(), 1400);
    assert_eq!(run(&mut world, &["TTL", "copy"], START), int(100));
    assert_eq!(run(&mut world, &["SCARD", "copy"], START), int(100));
    let mut rest = many_members("big", 6000, 200);
    rest[0] = b"SREM".to_vec();
    assert_eq!(world.run(&rest, START), int(1500));
    assert_eq!(run(&mut world, &["EXISTS", "big"], START), int(0));
    // More are left than fit a value.
    assert_eq!(world.run(&many_members("huge", 9000, 200), START), int(9000));
    assert_eq!(run(&mut world, &["EXPIRE", "huge", "100"], START), int(1));
    assert_eq!(texts(&run(&mut world, &["SPOP", "huge", "7600"], START)).len(), 7600);
    assert_eq!(run(&mut world, &["TTL", "huge"], START), int(100));
    assert_eq!(run(&mut world, &["SCARD", "huge"], START), int(1400));
}

#[test]
fn a_command_has_bounded_effects_and_picks_a_bounded_reply() {
    let mut world = World::new(true);
    let error = |value: Value, text: &str| match value {
        Value::Line(line) => assert!(line.starts_with(text), "{line}"),
        other => panic!("{:?} is no error", other.render()),
    };
    error(world.run(&many_members("s", 70, 190_000), START), "-ERR the command would change more than");
    error(world.run(&many_members("s", 1, 200_001), START), "-ERR string exceeds maximum allowed size");
    assert_eq!(world.run(&many_members("s", 40, 190_000), START), int(40));
    assert_eq!(texts(&run(&mut world, &["SRANDMEMBER", "s", "-80"], START)).len(), 80);
    error(
        run(&mut world, &["SRANDMEMBER", "s", "-90"], START),
        "-ERR the elements picked have 17100000 bytes",
    );
    error(run(&mut world, &["SRANDMEMBER", "s", "-1048577"], START), "-ERR value is out of range: 1048577");
}

/// 40 MB of changes if each had the key.
#[test]
fn a_long_key_counts_once_for_many_elements() {
    let (mut world, key) = (World::new(true), "k".repeat(20_000));
    assert_eq!(run(&mut world, &["SADD", &key, "x"], START), int(1));
    let mut members = many_members(&key, 2000, 20);
    assert_eq!(world.run(&members, START), int(2000));
    members[0] = b"SREM".to_vec();
    assert_eq!(world.run(&members, START), int(2000));
    let (command, key): (_, Vec<u8>) = (|name: &str| name.as_bytes().to_vec(), key.into());
    let pairs = (0..4000).map(|n| n.to_string().into_bytes());
    for (name, first) in [("ZADD", "0"), ("HSET", "f")] {
        world.run(&[command("DEL"), key.clone()], START);
        assert_eq!(world.run(&[command(name), key.clone(), command(first), command("x")], START), int(1));
        let all: Vec<_> = [command(name), key.clone()].into_iter().chain(pairs.clone()).collect();
        assert_eq!(world.run(&all, START), int(2000));
    }
}
