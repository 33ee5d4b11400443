//! Lists against a model that keeps them as vectors. Items are long enough that lists get an index on the way.

use super::resp::Value;
use super::world::World;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const NOW: u64 = 1_700_000_000_000;

/// Two lists.
type Model = [Vec<Vec<u8>>; 2];

#[derive(Debug, Clone)]
enum Step {
    /// Left or not, items, only to a list that is there.
    Push(bool, Vec<Vec<u8>>, bool),
    Pop(bool, usize),
    Insert(bool, Vec<u8>, Vec<u8>),
    Set(Index, Vec<u8>),
    Trim(i64, i64),
    Remove(i64, Vec<u8>),
    /// From left or not, to left or not, to the same list or not.
    Move(bool, bool, bool),
    Range(i64, i64),
    /// Item, rank, count, most looked at.
    Search(Vec<u8>, i64, usize, usize),
}

fn words(verb: &str, rest: &[&[u8]]) -> Vec<Vec<u8>> {
    std::iter::once(verb.as_bytes()).chain(rest.iter().copied()).map(<[u8]>::to_vec).collect()
}

fn end(left: bool) -> &'static [u8] {
    if left { b"LEFT" } else { b"RIGHT" }
}

fn int(n: i64) -> Value {
    Value::Line(format!(":{n}"))
}

fn many(items: impl IntoIterator<Item = Vec<u8>>) -> Value {
    Value::Many('*', items.into_iter().map(Value::Bulk).collect())
}

/// The places from one index to another, as the documentation has them.
fn places(start: i64, stop: i64, len: usize) -> std::ops::Range<usize> {
    let absolute = |index: i64| if index < 0 { index + len as i64 } else { index };
    let end = (absolute(stop) + 1).clamp(0, len as i64) as usize;
    (absolute(start).clamp(0, len as i64) as usize).min(end)..end
}

impl Step {
    /// The command on the first list; `key` is its name, `other` that of the second.
    fn words(&self, len: usize, key: &[u8], other: &[u8]) -> Vec<Vec<u8>> {
        let n = |n: i64| n.to_string().into_bytes();
        match self {
            Step::Push(left, items, only) => {
                let verb = format!("{}PUSH{}", if *left { "L" } else { "R" }, if *only { "X" } else { "" });
                let rest: Vec<&[u8]> =
                    std::iter::once(key).chain(items.iter().map(|item| &item[..])).collect();
                words(&verb, &rest)
            }
            Step::Pop(left, count) => words(if *left { "LPOP" } else { "RPOP" }, &[key, &n(*count as i64)]),
            Step::Insert(before, pivot, item) => {
                words("LINSERT", &[key, if *before { b"BEFORE" } else { b"AFTER" }, pivot, item])
            }
            Step::Set(at, item) => words("LSET", &[key, &n(at.index(len.max(1)) as i64), item]),
            Step::Trim(start, stop) => words("LTRIM", &[key, &n(*start), &n(*stop)]),
            Step::Remove(count, item) => words("LREM", &[key, &n(*count), item]),
            Step::Move(from, to, same) => {
                words("LMOVE", &[key, if *same { key } else { other }, end(*from), end(*to)])
            }
            Step::Range(start, stop) => words("LRANGE", &[key, &n(*start), &n(*stop)]),
            Step::Search(item, rank, count, most) => {
                let (count, most) = (n(*count as i64), n(*most as i64));
                words("LPOS", &[key, item, b"RANK", &n(*rank), b"COUNT", &count, b"MAXLEN", &most])
            }
        }
    }

    /// The reply, and what becomes of the lists.
    fn run(&self, lists: &mut Model, at: usize) -> Value {
        let (first, second) = lists.split_at_mut(1);
        let (list, other) =
            if at == 0 { (&mut first[0], &mut second[0]) } else { (&mut second[0], &mut first[0]) };
        let len = list.len();
        match self {
            Step::Push(_, _, true) if len == 0 => int(0),
            Step::Push(left, items, _) => {
                for item in items {
                    list.insert(if *left { 0 } else { list.len() }, item.clone());
                }
                int(list.len() as i64)
            }
            Step::Pop(..) if len == 0 => Value::Line("_".into()),
            Step::Pop(true, count) => many(list.drain(..len.min(*count)).collect::<Vec<_>>()),
            Step::Pop(false, count) => {
                many(list.drain(len.saturating_sub(*count)..).rev().collect::<Vec<_>>())
            }
            Step::Insert(before, pivot, item) => match list.iter().position(|i| i == pivot) {
                Some(place) => {
                    list.insert(place + usize::from(!before), item.clone());
                    int(len as i64 + 1)
                }
                None => int(if len == 0 { 0 } else { -1 }),
            },
            Step::Set(..) if len == 0 => Value::Line("-ERR no such key".into()),
            Step::Set(place, item) => {
                list[place.index(len)] = item.clone();
                Value::Line("+OK".into())
            }
            Step::Trim(start, stop) => {
                *list = list[places(*start, *stop, len)].to_vec();
                Value::Line("+OK".into())
            }
            Step::Remove(count, item) => int(remove(list, *count, item)),
            Step::Move(from, to, same) => {
                if len == 0 {
                    return Value::Line("_".into());
                }
                let item = list.remove(if *from { 0 } else { len - 1 });
                let target = if *same { list } else { other };
                target.insert(if *to { 0 } else { target.len() }, item.clone());
                Value::Bulk(item)
            }
            Step::Range(start, stop) => many(list[places(*start, *stop, len)].to_vec()),
            Step::Search(item, rank, count, most) => {
                let mut order: Vec<_> = (0..len).collect();
                if *rank < 0 {
                    order.reverse();
                }
                order.truncate(if *most == 0 { len } else { *most });
                order.retain(|&place| &list[place] == item);
                let found = order.into_iter().skip(rank.unsigned_abs() as usize - 1);
                let found = found.take(if *count == 0 { len } else { *count });
                Value::Many('*', found.map(|place| int(place as i64)).collect())
            }
        }
    }
}

/// One item at a time, as long as any is to go.
fn remove(list: &mut Vec<Vec<u8>>, count: i64, item: &[u8]) -> i64 {
    let mut removed = 0;
    while count == 0 || removed < count.abs() {
        let found = |i: &Vec<u8>| i == item;
        let place = if count < 0 { list.iter().rposition(found) } else { list.iter().position(found) };
        let Some(place) = place else { break };
        list.remove(place);
        removed += 1;
    }
    removed
}

/// Few different ones, so that they are found again; some long.
fn item() -> impl Strategy<Value = Vec<u8>> {
    (0u8..4, select(vec![0usize, 1, 20, 300, 5000])).prop_map(|(byte, len)| vec![b'a' + byte; len])
}

fn place() -> impl Strategy<Value = i64> {
    prop_oneof![-5i64..5, -200i64..200]
}

fn step() -> impl Strategy<Value = Step> {
    let push = |most| (any::<bool>(), prop::collection::vec(item(), 1..most), any::<bool>());
    prop_oneof![
        4 => push(4).prop_map(|(left, items, only)| Step::Push(left, items, only)),
        1 => push(150).prop_map(|(left, items, only)| Step::Push(left, items, only)),
        2 => (any::<bool>(), 0usize..9).prop_map(|(left, count)| Step::Pop(left, count)),
        2 => (any::<bool>(), item(), item()).prop_map(|(before, pivot, item)| Step::Insert(before, pivot, item)),
        1 => (any::<Index>(), item()).prop_map(|(at, item)| Step::Set(at, item)),
        1 => (place(), place()).prop_map(|(start, stop)| Step::Trim(start, stop)),
        1 => (-3i64..4, item()).prop_map(|(count, item)| Step::Remove(count, item)),
        2 => any::<(bool, bool, bool)>().prop_map(|(from, to, same)| Step::Move(from, to, same)),
        1 => (place(), place()).prop_map(|(start, stop)| Step::Range(start, stop)),
        1 => (item(), select(vec![1i64, 2, 5, -1, -2]), 0usize..4, 0usize..50)
            .prop_map(|(item, rank, count, most)| Step::Search(item, rank, count, most)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// [`World::run`] takes each command back and repeats it, and compares with a follower.
    #[test]
    fn lists_agree_with_vectors(steps in prop::collection::vec((step(), 0usize..2), 1..40)) {
        let (mut world, mut model) = (World::new(true), Model::default());
        let keys = [&b"k"[..], b"other"];
        for (step, at) in steps {
            let words = step.words(model[at].len(), keys[at], keys[1 - at]);
            let reply = world.run(&words, NOW);
            prop_assert_eq!(reply, step.run(&mut model, at), "{:?}", step);
            for (key, list) in keys.iter().zip(&model) {
                let range = world.run(&self::words("LRANGE", &[key, b"0", b"-1"]), NOW);
                prop_assert_eq!(range, many(list.clone()), "after {:?}", step);
                let there = world.run(&self::words("EXISTS", &[key]), NOW);
                prop_assert_eq!(there, int(i64::from(!list.is_empty())), "no list without items");
            }
        }
    }
}

/// So many that they are not removed one by one.
#[test]
fn many_equal_items_are_removed() {
    let item = |n: usize| if n % 3 == 0 { vec![b'x'; 30] } else { n.to_string().into_bytes() };
    for count in [0, 90, -90, 63, 64, -64, 1000, -1000] {
        let (mut world, mut list) = (World::new(true), (0..500).map(item).collect::<Vec<_>>());
        let push: Vec<&[u8]> = std::iter::once(&b"k"[..]).chain(list.iter().map(|item| &item[..])).collect();
        world.run(&words("RPUSH", &push), NOW);
        let reply = world.run(&words("LREM", &[b"k", count.to_string().as_bytes(), &item(0)]), NOW);
        assert_eq!(reply, int(remove(&mut list, count, &item(0))));
        assert_eq!(world.run(&words("LRANGE", &[b"k", b"0", b"-1"]), NOW), many(list), "{count}");
    }
}
