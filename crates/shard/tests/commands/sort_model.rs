//! SORT against the sorting of vectors.

use super::resp::Value;
use super::world::World;
use everstore_shard::commands::handler;
use model::Keyspace;
use proptest::prelude::*;
use std::cmp::Ordering;

const NOW: u64 = 1_700_000_000_000;

fn run(world: &mut World, words: &[String]) -> Value {
    world.run(&words.iter().map(|word| word.clone().into_bytes()).collect::<Vec<_>>(), NOW)
}

fn bulk(text: String) -> Value {
    Value::Bulk(text.into_bytes())
}

prop_compose! {
    fn limit()(given: bool, offset in -3i64..40, count in -2i64..40) -> Option<(i64, i64)> {
        given.then_some((offset, count))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn sort_agrees_with_a_sorted_vector(
        elements in prop::collection::vec(-12i64..12, 1..35),
        weights in prop::collection::btree_map(-12i64..12, -3i64..3, 0..20),
        (by, alpha, descending, get, store) in any::<(bool, bool, bool, bool, bool)>(),
        limit in limit(),
    ) {
        let mut world = World::new(true);
        let mut push = vec!["RPUSH".to_string(), "k".into()];
        push.extend(elements.iter().map(i64::to_string));
        run(&mut world, &push);
        for (element, weight) in &weights {
            run(&mut world, &["SET".into(), format!("w_{element}_x"), weight.to_string()]);
        }

        let mut words = vec!["SORT".to_string(), "k".into()];
        let mut add = |given: bool, more: &[&str]| {
            words.extend(more.iter().filter(|_| given).map(|word| word.to_string()));
        };
        add(by, &["BY", "w_*_x"]);
        add(alpha, &["ALPHA"]);
        add(descending, &["DESC"]);
        add(get, &["GET", "#", "GET", "w_*_x"]);
        let (offset, count) = limit.unwrap_or((0, -1));
        add(limit.is_some(), &["LIMIT", &offset.to_string(), &count.to_string()]);
        add(store, &["STORE", "d"]);
        let reply = run(&mut world, &words);

        let weight = |n: &i64| if by { weights.get(n).copied() } else { Some(*n) };
        let text = |n: &i64| weight(n).map(|weight| weight.to_string());
        let compare = |a: &i64, b: &i64| match (alpha, by) {
            (true, _) => text(a).cmp(&text(b)),
            (false, _) => {
                let number = weight(a).unwrap_or(0).cmp(&weight(b).unwrap_or(0));
                number.then_with(|| a.to_string().cmp(&b.to_string()))
            }
        };
        let mut sorted = elements.clone();
        sorted.sort_by(|a, b| if descending { compare(b, a) } else { compare(a, b) });
        let taken = if count < 0 { usize::MAX } else { count as usize };
        let sorted: Vec<i64> = sorted.into_iter().skip(offset.max(0) as usize).take(taken).collect();
        let missing = if store { bulk(String::new()) } else { Value::Line("_".into()) };
        let parts = |n: &i64| {
            let gotten = weights.get(n).map_or(missing.clone(), |weight| bulk(weight.to_string()));
            if get { vec![bulk(n.to_string()), gotten] } else { vec![bulk(n.to_string())] }
        };
        let expected: Vec<Value> = sorted.iter().flat_map(parts).collect();
        if store {
            prop_assert_eq!(reply, Value::Line(format!(":{}", expected.len())), "{}", words.join(" "));
            let stored = run(&mut world, &["LRANGE".into(), "d".into(), "0".into(), "-1".into()]);
            prop_assert_eq!(stored, Value::Many('*', expected), "{}", words.join(" "));
        } else {
            prop_assert_eq!(reply, Value::Many('*', expected), "{}", words.join(" "));
        }
    }
}

/// What is larger than a value may be is stored bit by bit, and replaces what was there with its expiry.
#[test]
fn a_large_result_is_stored() {
    let mut world = World::new(true);
    let item = "x".repeat(999);
    run(&mut world, &["SET".into(), "d".into(), "old".into(), "EX".into(), "100".into()]);
    for half in 0..2 {
        let mut push = vec!["RPUSH".to_string(), "k".into()];
        push.extend((0..150).map(|n| format!("{item}{:03}", half * 150 + n)));
        run(&mut world, &push);
    }
    let words = ["SORT", "k", "ALPHA", "DESC", "STORE", "d"].map(String::from);
    assert_eq!(run(&mut world, &words), Value::Line(":300".into()));
    assert_eq!(run(&mut world, &["TTL".into(), "d".into()]), Value::Line(":-1".into()));
    let Value::Many('*', stored) = run(&mut world, &["LRANGE".into(), "d".into(), "0".into(), "-1".into()])
    else {
        panic!("an array");
    };
    let expected: Vec<_> = (0..300).rev().map(|n| bulk(format!("{item}{n:03}"))).collect();
    assert_eq!(stored.cmp(&expected), Ordering::Equal);
}

/// Where keys live in other shards as well, only the elements themselves can be asked for.
#[test]
fn patterns_of_other_keys_are_refused_in_a_spread_keyspace() {
    let mut machine = super::world::machine();
    machine.set_spread(Keyspace(0), true);
    let mut reply = |ks: u16, line: &str| {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let run = handler(&line[..line.find(' ').unwrap_or(line.len())].to_lowercase()).expect("a handler");
        let mut out = super::resp::Recorder::new(true);
        machine.begin(1, NOW);
        machine.execute(run, Keyspace(ks), true, &args, &mut out);
        String::from_utf8(out.out).expect("text")
    };
    for command in ["SORT", "SORT_RO"] {
        for option in ["BY", "GET"] {
            let denied = format!("-ERR {option} option of SORT denied in cluster mode.\r\n");
            assert_eq!(reply(0, &format!("{command} k {option} w_*")), denied);
            assert_eq!(reply(1, &format!("{command} k {option} w_*")), "*0\r\n", "another keyspace");
        }
        assert_eq!(reply(0, &format!("{command} k BY nosort GET #")), "*0\r\n");
    }
}
