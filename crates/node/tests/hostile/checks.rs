//! What must be true of the answers, whatever happened.

use super::World;
use super::client::{Outcome, Record, What};
use super::resp::Reply;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that can be checked when the storm is over.
pub fn all(world: &mut World) {
    let of = |world: &World, kind: fn(&What) -> bool| -> Vec<Record> {
        world.records.iter().filter(|r| kind(&r.what)).cloned().collect()
    };
    let incrs = of(world, |w| matches!(w, What::Incr(_)));
    let appends = of(world, |w| matches!(w, What::Append(..)));
    let locks = of(world, |w| matches!(w, What::SetNx(..)));
    counters(world, &incrs);
    lists(world, &appends);
    registers(world);
    claims(world, &locks);
    world.settle();
}

fn final_value(world: &mut World, key: &str) -> Option<String> {
    let members = world.members();
    let node = members[world.rng.below(members.len() as u64) as usize];
    match world.ask(node, What::Get(key.to_owned())).outcome {
        Outcome::Done(Reply::Bulk(value)) => value,
        other => panic!("GET {key} after the storm: {other:?}"),
    }
}

fn by_key<'a>(records: &'a [Record], key: fn(&'a What) -> &'a str) -> BTreeMap<&'a str, Vec<&'a Record>> {
    let mut keys: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    records.iter().for_each(|r| keys.entry(key(&r.what)).or_default().push(r));
    keys
}

fn counters(world: &mut World, records: &[Record]) {
    let keys = by_key(records, |what| match what {
        What::Incr(key) => key,
        _ => "",
    });
    for (key, records) in keys {
        let value: u64 = final_value(world, key).map_or(0, |v| v.parse().unwrap());
        let acked: Vec<(&Record, i64)> = records
            .iter()
            .filter_map(|r| match &r.outcome {
                Outcome::Done(Reply::Int(n)) => Some((*r, *n)),
                Outcome::Done(other) => panic!("INCR {key} was answered {other:?}"),
                _ => None,
            })
            .collect();
        let maybe = records.iter().filter(|r| r.outcome == Outcome::Maybe).count() as u64;
        let least = acked.len() as u64;
        assert!(
            (least..=least + maybe).contains(&value),
            "{key} is {value}: {least} were acknowledged, {maybe} are unknown"
        );
        let distinct: BTreeSet<i64> = acked.iter().map(|(_, n)| *n).collect();
        assert_eq!(distinct.len(), acked.len(), "{key}: two got the same number");
        // What ended before another began must have the lower number.
        let mut ends: Vec<(u64, i64)> = acked.iter().map(|(r, n)| (r.end, *n)).collect();
        let mut begins: Vec<(u64, i64)> = acked.iter().map(|(r, n)| (r.begin, *n)).collect();
        ends.sort_unstable();
        begins.sort_unstable();
        let (mut at, mut highest) = (0, 0);
        for (begin, n) in begins {
            while at < ends.len() && ends[at].0 < begin {
                highest = highest.max(ends[at].1);
                at += 1;
            }
            assert!(highest < n, "{key}: {n} was given after {highest}");
        }
    }
}

fn lists(world: &mut World, records: &[Record]) {
    let keys = by_key(records, |what| match what {
        What::Append(key, _) => key,
        _ => "",
    });
    for (key, records) in keys {
        let value = final_value(world, key).unwrap_or_default();
        let mut last: BTreeMap<u64, (usize, &str)> = BTreeMap::new();
        for record in records {
            let What::Append(_, token) = &record.what else { continue };
            let found: Vec<usize> = value.match_indices(token.as_str()).map(|(at, _)| at).collect();
            let allowed = match &record.outcome {
                Outcome::Done(_) => 1..=1,
                Outcome::Maybe => 0..=1,
                Outcome::Not => 0..=0,
            };
            assert!(
                allowed.contains(&found.len()),
                "{key}: {token} ({:?}) is there {} times",
                record.outcome,
                found.len()
            );
            if let (Some(&at), Outcome::Done(_)) = (found.first(), &record.outcome) {
                let owner = (record.client as u64) << 32 | record.conn;
                let before = last.insert(owner, (at, token));
                assert!(before.is_none_or(|b| b.0 < at), "{key}: {token} stands before {before:?}");
            }
        }
    }
}

/// An access to a register: the value written or read, `None` = absent.
struct Access<'a> {
    value: Option<&'a str>,
    begin: u64,
    end: u64,
    record: &'a Record,
}

fn registers(world: &World) {
    let mut writes: BTreeMap<&str, Vec<Access<'_>>> = BTreeMap::new();
    let mut reads: BTreeMap<&str, Vec<Access<'_>>> = BTreeMap::new();
    for record in &world.records {
        let (begin, end) = (record.begin, record.end);
        let access = |value| Access { value, begin, end, record };
        let mut write = |key, value| writes.entry(key).or_default().push(access(value));
        match (&record.what, &record.outcome) {
            (_, Outcome::Not) => {}
            (What::Set(key, value), _) => write(key, Some(value)),
            (What::Del(key), _) => write(key, None),
            (What::MSet(pairs), _) => pairs.iter().for_each(|(k, v)| write(k, Some(v))),
            (What::Get(key), Outcome::Done(Reply::Bulk(value))) if key.starts_with("reg") => {
                reads.entry(key).or_default().push(access(value.as_deref()));
            }
            (What::MGet(keys), Outcome::Done(Reply::Array(values))) => {
                assert_eq!(keys.len(), values.len());
                for (key, value) in keys.iter().zip(values) {
                    let Reply::Bulk(value) = value else { panic!("MGET holds {value:?}") };
                    reads.entry(key).or_default().push(access(value.as_deref()));
                }
            }
            _ => {}
        }
    }
    for (key, reads) in &reads {
        check_register(key, writes.get(key).map_or(&[], |w| &w[..]), reads);
    }
}

fn check_register(key: &str, writes: &[Access<'_>], reads: &[Access<'_>]) {
    // For each read the writes it may have seen; a later read must not see what was surely replaced.
    for read in reads {
        let overwritten =
            |end: u64| writes.iter().any(|w| end < w.begin && w.end < read.begin && w.end != u64::MAX);
        let first = read.value.is_none() && !overwritten(0);
        let seen = writes
            .iter()
            .filter(|w| w.value == read.value && w.begin < read.end)
            .any(|w| w.end == u64::MAX || !overwritten(w.end));
        assert!(first || seen, "{key}: {:?} is stale or was never written", read.record);
    }
    let mut by_end: Vec<&Access<'_>> = reads.iter().filter(|r| r.value.is_some()).collect();
    by_end.sort_unstable_by_key(|r| r.end);
    for later in reads.iter().filter(|r| r.value.is_some()) {
        let write = writes.iter().find(|w| w.value == later.value);
        let Some(write) = write.filter(|w| w.end != u64::MAX) else { continue };
        for earlier in by_end.iter().take_while(|r| r.end < later.begin) {
            let before = writes.iter().find(|w| w.value == earlier.value);
            let back = before.is_some_and(|b| write.end < b.begin);
            assert!(!back, "{key}: {:?} was read after {:?}", later.record, earlier.record);
        }
    }
}

fn claims(world: &mut World, records: &[Record]) {
    let keys = by_key(records, |what| match what {
        What::SetNx(key, _) => key,
        _ => "",
    });
    for (key, records) in keys {
        let value = final_value(world, key);
        let won = |r: &&&Record| matches!(&r.outcome, Outcome::Done(Reply::Simple(_)));
        let winners: Vec<_> = records.iter().filter(won).collect();
        assert!(winners.len() <= 1, "{key} was given twice: {winners:?}");
        if let Some(Record { what: What::SetNx(_, theirs), .. }) = winners.first() {
            assert_eq!(value.as_ref(), Some(theirs), "{key} has another owner");
        }
    }
}
