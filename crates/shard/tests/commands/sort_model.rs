//! SORT against the sorting of vectors.

use super::resp::{Recorder, Value};
use super::world::{World, machine};
use everstore_shard::Machine;
use everstore_shard::commands::handler;
use everstore_shard::data::{Context, Done, Handler};
use model::Keyspace;
use model::change::Change;
use model::row::kind;
use proptest::prelude::*;

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
    assert!(stored == expected, "in order");
}

/// Runs a handler in an entry of its own and returns the reply.
fn answer(machine: &mut Machine, ks: u16, run: Handler, args: &[&[u8]]) -> Value {
    let mut out = Recorder::new(true);
    machine.begin(1, NOW);
    machine.execute(run, Keyspace(ks), true, args, &mut out);
    Value::read(&out.out).expect("a complete reply").0
}

fn answer_line(machine: &mut Machine, ks: u16, line: &str) -> Value {
    let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let run = handler(&line[..line.find(' ').unwrap_or(line.len())].to_lowercase()).expect("a handler");
    answer(machine, ks, run, &args)
}

/// Where keys live in other shards as well, only the elements themselves can be asked for.
#[test]
fn patterns_of_other_keys_are_refused_in_a_spread_keyspace() {
    let mut machine = machine();
    machine.set_spread(Keyspace(0), true);
    let mut reply = |ks: u16, line: &str| answer_line(&mut machine, ks, line);
    let empty = Value::Many('*', Vec::new());
    for command in ["SORT", "SORT_RO"] {
        for option in ["BY", "GET"] {
            let denied = format!("-ERR {option} option of SORT denied in cluster mode.");
            assert_eq!(reply(0, &format!("{command} k {option} w_*")), Value::Line(denied));
            assert_eq!(reply(1, &format!("{command} k {option} w_*")), empty, "another keyspace");
        }
        assert_eq!(reply(0, &format!("{command} k BY nosort GET #")), empty);
    }
}

/// Adds elements to a collection: kind, key, then pairs of a name and a value in text.
fn fill(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (kind, key) = (args[0][0], c.data.key(args[1]));
    for pair in args[2..].chunks(2) {
        let text = String::from_utf8_lossy(pair[1]);
        let value = match kind {
            kind::SORTED_SET => text.parse::<f64>().expect("a score").to_le_bytes().to_vec(),
            kind::HASH => pair[1].to_vec(),
            _ => Vec::new(),
        };
        c.data.change(key, kind, Change::Put { name: pair[0], value: &value })?;
    }
    c.reply.ok();
    Ok(())
}

#[test]
fn sets_sorted_sets_and_fields_of_hashes_are_sorted() {
    let mut machine = machine();
    let mut add = |kind: u8, key: &str, pairs: &[&str]| {
        let mut args = vec![std::slice::from_ref(&kind), key.as_bytes()];
        args.extend(pairs.iter().map(|word| word.as_bytes()));
        assert_eq!(answer(&mut machine, 0, fill, &args), Value::Line("+OK".into()));
    };
    add(kind::SORTED_SET, "z", &["10", "3", "9", "1", "8", "2", "7", "4"]);
    add(kind::SET, "s", &["10", "", "9", "", "-8", ""]);
    add(kind::HASH, "h_10", &["f", "1", "g", "text"]);
    add(kind::HASH, "h_9", &["f", "3"]);
    add(kind::HASH, "h_8", &["f", "2"]);
    let many: Vec<String> = (0..300).flat_map(|n| [format!("m{n:03}"), (n / 2).to_string()]).collect();
    add(kind::SORTED_SET, "large", &many.iter().map(|word| &word[..]).collect::<Vec<_>>());
    for (line, expected) in [
        ("SORT z", "7 8 9 10"),
        ("SORT z ALPHA", "10 7 8 9"),
        ("SORT z BY nosort", "9 8 10 7"),
        ("SORT z BY nosort DESC", "7 10 8 9"),
        ("SORT z BY nosort LIMIT 1 2", "8 10"),
        ("SORT z BY nosort DESC LIMIT 1 2", "10 8"),
        ("SORT z BY h_*->f", "7 10 8 9"),
        ("SORT z BY h_*->f DESC LIMIT 0 2 GET h_*->g GET # GET h_*->f", "_ 9 3 _ 8 2"),
        ("SORT z BY h_* GET h_*", "_ _ _ _"),
        ("SORT large BY nosort LIMIT 200 3", "m200 m201 m202"),
        ("SORT large BY nosort DESC LIMIT 200 2", "m099 m098"),
        ("SORT large ALPHA DESC LIMIT 0 2", "m299 m298"),
        ("SORT s", "-8 9 10"),
        ("SORT s ALPHA DESC", "9 10 -8"),
        // A set without an order gets one where it is stored.
        ("SORT s BY nosort STORE d", ":3"),
        ("LRANGE d 0 -1", "-8 10 9"),
    ] {
        let shown = |value: &Value| value.render().concat().replace('"', "");
        let found = match answer_line(&mut machine, 0, line) {
            Value::Many('*', parts) => parts.iter().map(shown).collect::<Vec<_>>().join(" "),
            other => shown(&other),
        };
        assert_eq!(found, expected, "{line}");
    }
    let wrong = answer_line(&mut machine, 0, "SORT h_10");
    assert!(wrong.render().concat().starts_with("-WRONGTYPE"), "{wrong:?}");
}
