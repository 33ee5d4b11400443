//! Sorted sets against a map of the standard library that is sorted anew for every look, while they change their
//! form.

use crate::value::Value;
use crate::world::World;
use crate::{FEW, START};
use proptest::prelude::*;
use std::collections::BTreeMap;

type Scores = BTreeMap<String, i64>;

/// What the keys hold.
#[derive(Default)]
struct Model(BTreeMap<String, Scores>);

fn int(number: usize) -> Value {
    Value::Line(format!(":{number}"))
}

fn double(number: i64) -> Value {
    Value::Line(format!(",{number}"))
}

/// Members with their scores, as RESP3 has them.
fn pairs(members: &[(String, i64)]) -> Value {
    let pair = |(name, score): &(String, i64)| {
        Value::Many('*', vec![Value::Bulk(name.clone().into_bytes()), double(*score)])
    };
    Value::Many('*', members.iter().map(pair).collect())
}

fn sorted(scores: &Scores) -> Vec<(String, i64)> {
    let mut members: Vec<_> = scores.iter().map(|(name, score)| (name.clone(), *score)).collect();
    members.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
    members
}

fn number(text: &str) -> i64 {
    text.parse().expect("a number")
}

impl Model {
    fn get(&self, key: &str) -> Scores {
        self.0.get(key).cloned().unwrap_or_default()
    }

    /// Takes out what `gone` names and returns it, in order.
    fn take(&mut self, key: &str, gone: impl Fn(usize, usize, i64) -> bool) -> Vec<(String, i64)> {
        let all = sorted(&self.get(key));
        let len = all.len();
        let (gone, kept): (Vec<_>, Vec<_>) =
            all.into_iter().enumerate().partition(|(rank, (_, score))| gone(*rank, len, *score));
        self.0.insert(key.to_string(), kept.into_iter().map(|(_, pair)| pair).collect());
        gone.into_iter().map(|(_, pair)| pair).collect()
    }

    fn run(&mut self, args: &[String]) -> Value {
        let key = &args[1];
        let range = |at: usize| (number(&args[at]), number(&args[at + 1]));
        match args[0].as_str() {
            "ZADD" => self.add(args),
            "ZINCRBY" => {
                let score = self.0.entry(key.clone()).or_default().entry(args[3].clone()).or_default();
                *score += number(&args[2]);
                double(*score)
            }
            "ZREM" => {
                let scores = self.0.entry(key.clone()).or_default();
                int(args[2..].iter().filter(|name| scores.remove(*name).is_some()).count())
            }
            "ZREMRANGEBYRANK" => {
                let (from, to) = range(2);
                let end = |at: i64, len| if at < 0 { at + len } else { at };
                int(self
                    .take(key, |rank, len, _| {
                        let len = len as i64;
                        (end(from, len)..=end(to, len)).contains(&(rank as i64))
                    })
                    .len())
            }
            "ZREMRANGEBYSCORE" => {
                let (from, to) = range(2);
                int(self.take(key, |_, _, score| (from..=to).contains(&score)).len())
            }
            "ZPOPMIN" => {
                let count = number(&args[2]) as usize;
                pairs(&self.take(key, |rank, _, _| rank < count))
            }
            "ZPOPMAX" => {
                let count = number(&args[2]) as usize;
                let mut popped = self.take(key, |rank, len, _| rank + count >= len);
                popped.reverse();
                pairs(&popped)
            }
            "ZRANGEBYSCORE" => {
                let (from, to) = range(2);
                let mut all = sorted(&self.get(key));
                all.retain(|(_, score)| (from..=to).contains(score));
                pairs(&all)
            }
            _ => self.keep(args),
        }
    }

    /// `ZADD key [CH GT | CH LT | CH NX | CH XX] score member …`
    fn add(&mut self, args: &[String]) -> Value {
        let words = if args[2] == "CH" { 2 } else { 0 };
        let how = args[2..2 + words].last().map_or("", String::as_str);
        let scores = self.0.entry(args[1].clone()).or_default();
        let mut count = 0;
        for pair in args[2 + words..].chunks_exact(2) {
            let new = number(&pair[0]);
            let old = scores.get(&pair[1]).copied();
            let fits = match (how, old) {
                ("NX", old) => old.is_none(),
                ("XX", None) => false,
                ("GT", Some(old)) => new > old,
                ("LT", Some(old)) => new < old,
                _ => true,
            };
            if fits && old != Some(new) {
                scores.insert(pair[1].clone(), new);
                count += usize::from(old.is_none() || words > 0);
            }
        }
        int(count)
    }

    /// `ZUNIONSTORE to 2 a b WEIGHTS wa wb AGGREGATE how`, and the same of ZINTERSTORE; `ZDIFFSTORE to 2 a b`
    fn keep(&mut self, args: &[String]) -> Value {
        let (a, b) = (self.get(&args[3]), self.get(&args[4]));
        let of = |at: usize| args.get(at).map_or(1, |weight| number(weight));
        let (weight_a, weight_b) = (of(6), of(7));
        let mut result = Scores::new();
        for name in a.keys().chain(b.keys()) {
            let (a, b) = (a.get(name).map(|s| s * weight_a), b.get(name).map(|s| s * weight_b));
            let both = a.zip(b).map(|(a, b)| match args.get(9).map_or("", String::as_str) {
                "MIN" => a.min(b),
                "MAX" => a.max(b),
                _ => a + b,
            });
            let score = match args[0].as_str() {
                "ZUNIONSTORE" => both.or(a).or(b),
                "ZINTERSTORE" => both,
                _ => a.filter(|_| b.is_none()),
            };
            result.extend(score.map(|score| (name.clone(), score)));
        }
        let len = result.len();
        self.0.insert(args[1].clone(), result);
        int(len)
    }

    /// Every key is there or not, in its order and found by rank, score and walk.
    fn check_all(&self, world: &mut World, now: u64) {
        for (key, scores) in &self.0 {
            let members = sorted(scores);
            let mut back = members.clone();
            back.reverse();
            assert_eq!(run(world, &["ZRANGE", key, "0", "-1", "WITHSCORES"], now), pairs(&members));
            assert_eq!(run(world, &["ZREVRANGE", key, "0", "-1", "WITHSCORES"], now), pairs(&back));
            assert_eq!(run(world, &["EXISTS", key], now), int(usize::from(!members.is_empty())));
            for (rank, (name, score)) in members.iter().enumerate() {
                assert_eq!(run(world, &["ZRANK", key, name], now), int(rank));
                assert_eq!(run(world, &["ZSCORE", key, name], now), double(*score));
            }
            for bound in -3..3i64 {
                let text = format!("({bound}");
                let above = scores.values().filter(|score| **score > bound).count();
                assert_eq!(run(world, &["ZCOUNT", key, &text, "+inf"], now), int(above));
            }
            let flat = |(name, score): &(String, i64)| [name.clone(), score.to_string()];
            let mut walked = walk(world, key, now);
            walked.sort();
            let mut expected: Vec<_> = members.iter().map(flat).collect();
            expected.sort();
            assert_eq!(walked, expected);
        }
    }
}

fn run(world: &mut World, args: &[&str], now: u64) -> Value {
    let args: Vec<_> = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
    world.run(&args, now)
}

/// All that ZSCAN in steps of two meets.
fn walk(world: &mut World, key: &str, now: u64) -> Vec<[String; 2]> {
    let text = |value: &Value| match value {
        Value::Bulk(bytes) => String::from_utf8(bytes.clone()).expect("ASCII"),
        other => panic!("{:?} is no string", other.render()),
    };
    let (mut cursor, mut met) = ("0".to_string(), Vec::new());
    loop {
        let Value::Many('*', parts) = run(world, &["ZSCAN", key, &cursor, "COUNT", "2"], now) else {
            panic!("ZSCAN answers two parts")
        };
        let [next, Value::Many('*', elements)] = &parts[..] else { panic!("ZSCAN answers two parts") };
        met.extend(elements.chunks_exact(2).map(|pair| [text(&pair[0]), text(&pair[1])]));
        cursor = text(next);
        if cursor == "0" {
            return met;
        }
    }
}

fn command() -> impl Strategy<Value = Vec<String>> {
    let key = || prop_oneof![Just("z1"), Just("z2"), Just("z3")].prop_map(str::to_string);
    let name = || prop_oneof![6 => (0i32..14).prop_map(|n| n.to_string()), 1 => Just("n".repeat(21))];
    let score = || (-3i64..4).prop_map(|n| n.to_string());
    let pair = move || (score(), name()).prop_map(|(score, name)| vec![score, name]);
    let pairs = move || prop::collection::vec(pair(), 1..8).prop_map(|pairs| pairs.concat());
    let how = || prop_oneof![Just("NX"), Just("XX"), Just("GT"), Just("LT")].prop_map(str::to_string);
    let word = |word: &str| vec![word.to_string()];
    let line = move |name: &'static str, args: BoxedStrategy<Vec<String>>| {
        (key(), args).prop_map(move |(key, args)| [vec![name.to_string(), key], args].concat())
    };
    let ranks = || (-9i32..9, -9i32..9).prop_map(|(a, b)| vec![a.to_string(), b.to_string()]).boxed();
    let scores = move || (score(), score()).prop_map(|(a, b)| vec![a, b]);
    let count = || (0i32..6).prop_map(|n| vec![n.to_string()]).boxed();
    let by = prop_oneof![Just("SUM"), Just("MIN"), Just("MAX")].prop_map(str::to_string);
    let joined = (key(), key(), key(), scores(), by, prop_oneof![Just("ZUNIONSTORE"), Just("ZINTERSTORE")]);
    prop_oneof![
        4 => line("ZADD", pairs().boxed()),
        2 => line("ZADD", (how(), pairs()).prop_map(move |(how, p)| [word("CH"), vec![how], p].concat()).boxed()),
        2 => line("ZINCRBY", pair().boxed()),
        2 => line("ZREM", prop::collection::vec(name(), 1..5).boxed()),
        1 => line("ZREMRANGEBYRANK", ranks()),
        1 => line("ZREMRANGEBYSCORE", scores().boxed()),
        1 => line("ZPOPMIN", count()),
        1 => line("ZPOPMAX", count()),
        1 => line("ZRANGEBYSCORE", scores().prop_map(move |s| [s, word("WITHSCORES")].concat()).boxed()),
        2 => joined.prop_map(|(to, a, b, weights, by, name)| {
            let line = vec![name.to_string(), to, "2".into(), a, b, "WEIGHTS".into()];
            [line, weights, vec!["AGGREGATE".into(), by]].concat()
        }),
        1 => (key(), key(), key()).prop_map(|(to, a, b)| vec!["ZDIFFSTORE".into(), to, "2".into(), a, b]),
    ]
}

proptest! {
    #[test]
    fn sorted_sets_agree_with_a_model(commands in prop::collection::vec(command(), 1..80)) {
        let (mut world, mut model) = (World::new(true), Model::default());
        world.set_limits(FEW);
        for (step, args) in commands.iter().enumerate() {
            let bytes: Vec<_> = args.iter().map(|arg| arg.clone().into_bytes()).collect();
            prop_assert_eq!(world.run(&bytes, START + step as u64), model.run(args), "{:?}", args);
        }
        model.check_all(&mut world, START + 1000);
    }
}

#[test]
fn what_is_too_large_for_one_effect_is_several() {
    let mut world = World::new(true);
    let mut add: Vec<Vec<u8>> = [&b"ZADD"[..], b"big"].iter().map(|arg| arg.to_vec()).collect();
    for n in 0..1500 {
        add.extend([n.to_string().into_bytes(), format!("{n:0200}").into_bytes()]);
    }
    assert_eq!(world.run(&add, START), int(1500));
    run(&mut world, &["SET", "copy", "a string"], START);
    assert_eq!(run(&mut world, &["ZUNIONSTORE", "copy", "1", "big"], START), int(1500));
    assert_eq!(run(&mut world, &["ZRANGESTORE", "copy", "big", "0", "1399"], START), int(1400));
    assert_eq!(run(&mut world, &["ZINTERCARD", "2", "copy", "big"], START), int(1400));
    assert_eq!(run(&mut world, &["ZREMRANGEBYRANK", "copy", "0", "-1"], START), int(1400));
    assert_eq!(run(&mut world, &["EXISTS", "copy"], START), int(0));
}
