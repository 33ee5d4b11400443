//! Values of any kind.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use rdb::{Consumer, Entry, Group, Pending, Stream, StreamId, Value};

/// Strings of each form they can take: short and long, numbers of all widths, compressible or not.
pub fn string() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..24),
        2 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        2 => any::<i16>().prop_map(|n| n.to_string().into_bytes()),
        1 => (vec(any::<u8>(), 1..4), 1usize..300).prop_map(|(part, times)| part.repeat(times)),
        1 => vec(any::<u8>(), 60..70),
    ]
}

/// Any value that Redis would take.
pub fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        string().prop_map(Value::String),
        vec(string(), 1..150).prop_map(Value::List),
        btree_set(string(), 1..50).prop_map(|set| Value::Set(set.into_iter().collect())),
        btree_set(any::<i64>(), 1..50).prop_map(integers),
        btree_map(string(), string(), 1..50).prop_map(|hash| Value::Hash(hash.into_iter().collect())),
        btree_map(string(), score(), 1..150).prop_map(|set| Value::SortedSet(set.into_iter().collect())),
        stream().prop_map(Value::Stream),
    ]
}

fn integers(set: BTreeSet<i64>) -> Value {
    Value::Set(set.into_iter().map(|n| n.to_string().into_bytes()).collect())
}

fn score() -> impl Strategy<Value = f64> {
    let special = vec![0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE, 5e-324];
    prop_oneof![
        any::<i32>().prop_map(f64::from),
        any::<u64>().prop_map(f64::from_bits).prop_filter("a number", |score| !score.is_nan()),
        proptest::sample::select(special),
    ]
}

fn id() -> impl Strategy<Value = StreamId> {
    // Near each other, so that nodes hold several entries of one millisecond.
    (1u64..50, 0u64..20).prop_map(|(ms, sequence)| StreamId { ms: 1_700_000_000_000 + ms, sequence })
}

fn fields() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    let names = proptest::sample::select(vec![&b"a"[..], b"temperature", b"7"]);
    vec((names.prop_map(<[u8]>::to_vec), string()), 1..4)
}

fn stream() -> impl Strategy<Value = Stream> {
    let entries = btree_map(id(), fields(), 0..220);
    (entries, id(), 0u64..9, vec(group(), 0..3)).prop_map(|(entries, deleted, more, groups)| {
        let last_id = StreamId { ms: 1_800_000_000_000, sequence: 3 };
        let entries: Vec<Entry> = entries.into_iter().map(|(id, fields)| Entry { id, fields }).collect();
        Stream {
            last_id,
            first_id: entries.first().map_or(StreamId::default(), |entry| entry.id),
            max_deleted_id: if more == 0 { StreamId::default() } else { deleted },
            entries_added: entries.len() as u64 + more,
            entries,
            groups: numbered(groups),
        }
    })
}

/// Names that differ.
fn numbered(groups: Vec<Group>) -> Vec<Group> {
    let name = |(at, group): (usize, Group)| Group { name: format!("group {at}").into_bytes(), ..group };
    groups.into_iter().enumerate().map(name).collect()
}

fn group() -> impl Strategy<Value = Group> {
    let pending = btree_map(id(), (0u64..1 << 42, 1u64..300, 0usize..3), 0..20);
    (id(), proptest::option::of(0u64..100), pending).prop_map(|(last_id, entries_read, pending)| {
        let mut consumers: BTreeMap<usize, Consumer> = BTreeMap::new();
        for (id, (delivered_ms, deliveries, owner)) in pending {
            let name = format!("consumer {owner}").into_bytes();
            let new = Consumer { name, seen_ms: 1_700_000_000_000, ..Consumer::default() };
            let consumer = consumers.entry(owner).or_insert(new);
            consumer.pending.push(Pending { id, delivered_ms, deliveries });
        }
        Group { name: Vec::new(), last_id, entries_read, consumers: consumers.into_values().collect() }
    })
}
