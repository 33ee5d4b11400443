//! Collections in a shard against a model: random changes that are committed or taken back, on a leader and a
//! follower that take checkpoints in slices, let rows go, crash and load again.

extern crate everstore_shard as shard;

#[path = "machine/reply.rs"]
mod reply;

use model::change::{Change, put_pair};
use model::row::{family, kind, split_cell_name};
use model::varint::Reader;
use model::{Index, KeyHasher, Keyspace};
use proptest::prelude::*;
use shard::Machine;
use shard::collection::{Elements, Items, Limits, encode_items};
use shard::data::{Context, Done, Key, Stop};
use shard::row::Row;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

const KS: Keyspace = Keyspace(0);
const KEYS: [&[u8]; 5] = [b"a", b"b\0", b"c", b"{x}1578288", b"{x}24c7788"];

/// What a key holds: elements in the order of the model. What a stream says of itself is the value of its first
/// element, which has no name.
type Value = (u8, Vec<(Vec<u8>, Vec<u8>)>);
type Model = BTreeMap<usize, Value>;

#[derive(Debug, Clone)]
enum Op {
    Put(usize, u8, u8, u8),
    Remove(usize, u8),
    /// Several elements: kind, names from the first on, how many, value of the first, which comes again at the end.
    PutSeveral(usize, u8, u8, u8, u8),
    /// What is there of the names from the first on.
    RemoveSeveral(usize, u8, u8),
    Ranks(usize, usize, usize),
    Splice(usize, usize, usize, usize, u8),
    Equal(usize, i64, u8),
    /// Of a stream, maybe together with an entry.
    About(usize, u8, Option<(u8, u8)>),
    Rename(usize, usize),
    Copy(usize, usize),
    Delete(usize),
    String(usize),
}

#[derive(Debug, Clone)]
enum Step {
    Execute(Vec<Op>, bool),
    Propose,
    Commit,
    Follow,
    RollBack,
    Begin(usize),
    Slice(usize, usize),
    LetGo(usize),
    Crash(usize),
    Install,
    Tidy,
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0..KEYS.len();
    let kinds = prop_oneof![Just(kind::HASH), Just(kind::SET), Just(kind::SORTED_SET), Just(kind::STREAM)];
    prop_oneof![
        3 => (key.clone(), kinds.clone(), 0u8..30, 1u8..9, 0u8..4)
            .prop_map(|(k, kind, first, n, v)| Op::PutSeveral(k, kind, first, n, v)),
        2 => (key.clone(), 0u8..30, 1u8..9).prop_map(|(k, first, n)| Op::RemoveSeveral(k, first, n)),
        8 => (key.clone(), kinds, 0u8..30, 0u8..4).prop_map(|(k, kind, n, v)| Op::Put(k, kind, n, v)),
        3 => (key.clone(), 0u8..30).prop_map(|(k, n)| Op::Remove(k, n)),
        1 => (key.clone(), 0usize..9, 0usize..9).prop_map(|(k, a, b)| Op::Ranks(k, a, b)),
        5 => (key.clone(), 0usize..99, 0usize..4, 0usize..5, 0u8..4)
            .prop_map(|(k, at, remove, n, byte)| Op::Splice(k, at, remove, n, byte)),
        1 => (key.clone(), -3i64..4, 0u8..4).prop_map(|(k, count, byte)| Op::Equal(k, count, byte)),
        3 => (key.clone(), any::<u8>(), prop::option::of((0u8..30, 0u8..4)))
            .prop_map(|(k, byte, entry)| Op::About(k, byte, entry)),
        1 => (key.clone(), key.clone()).prop_map(|(a, b)| Op::Rename(a, b)),
        1 => (key.clone(), key.clone()).prop_map(|(a, b)| Op::Copy(a, b)),
        1 => key.clone().prop_map(Op::Delete),
        1 => key.prop_map(Op::String),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (proptest::collection::vec(op(), 1..6), prop::bool::weighted(0.1))
            .prop_map(|(ops, fail)| Step::Execute(ops, fail)),
        5 => Just(Step::Propose),
        4 => Just(Step::Commit),
        3 => Just(Step::Follow),
        1 => Just(Step::RollBack),
        2 => (0usize..2).prop_map(Step::Begin),
        4 => (0usize..2, 1usize..12).prop_map(|(node, rows)| Step::Slice(node, rows)),
        2 => (0usize..2).prop_map(Step::LetGo),
        1 => (0usize..2).prop_map(Step::Crash),
        1 => Just(Step::Install),
        1 => Just(Step::Tidy),
    ]
}

fn item(n: usize, byte: u8) -> Vec<u8> {
    vec![byte; n * 900 % 2000]
}

/// A name; ids of streams share milliseconds.
fn name_of(of: u8, number: u8) -> Vec<u8> {
    match of {
        kind::STREAM => (u128::from(number / 5) << 64 | u128::from(number % 5)).to_be_bytes().to_vec(),
        _ => vec![number],
    }
}

fn value_of(of: u8, value: u8) -> Vec<u8> {
    match of {
        kind::HASH | kind::STREAM => vec![value; usize::from(value) * 3],
        kind::SORTED_SET => f64::from(value).to_le_bytes().to_vec(),
        _ => Vec::new(),
    }
}

/// The elements of [`Op::PutSeveral`], as numbers of names and values.
fn several(first: u8, count: u8, value: u8) -> Vec<(u8, u8)> {
    let all = (first..first + count).chain([first]).enumerate();
    all.map(|(i, name)| (name, (value + i as u8) % 4)).collect()
}

/// Several elements of one kind at once.
fn put_several(c: &mut Context<'_>, key: Key<'_>, numbers: &[i64]) -> Done {
    let (of, mut elements) = (numbers[2] as u8, Vec::new());
    for (name, value) in several(numbers[3] as u8, numbers[4] as u8, numbers[5] as u8) {
        put_pair(&mut elements, &name_of(of, name), &value_of(of, value));
    }
    c.data.change(key, of, Change::PutSeveral { elements: &elements })
}

/// Several elements go, those that are there.
fn remove_several(c: &mut Context<'_>, key: Key<'_>, (of, there): Value, numbers: &[i64]) -> Done {
    let range = numbers[2] as u8..(numbers[2] + numbers[3]) as u8;
    let gone: Vec<_> =
        range.map(|n| name_of(of, n)).filter(|n| there.iter().any(|(name, _)| name == n)).collect();
    let names = encode_items(gone.iter().map(|name| &name[..]));
    c.data.change(key, of, Change::RemoveSeveral { names: &names })
}

/// Runs the operations that fit what their keys hold; the script is passed as the text of the operations' numbers.
fn run(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    for arg in &args[1..] {
        let numbers: Vec<i64> =
            std::str::from_utf8(arg).unwrap().split(' ').map(|n| n.parse().unwrap()).collect();
        let at = |i: usize| numbers[i] as usize;
        let key = c.data.key(KEYS[at(1)]);
        let (of, len, names) = match c.data.get(key)? {
            Some(row) => (Some(row.kind), row.elements(), content(row).1),
            None => (None, 0, Vec::new()),
        };
        match numbers[0] {
            0 if of.is_none_or(|of| i64::from(of) == numbers[2]) => {
                let of = numbers[2] as u8;
                let (name, value) = (name_of(of, numbers[3] as u8), value_of(of, numbers[4] as u8));
                c.data.change(key, of, Change::Put { name: &name, value: &value })?;
            }
            1 if of.is_some_and(|of| of != kind::LIST) => {
                let name = name_of(of.unwrap(), numbers[2] as u8);
                if names.iter().any(|(n, _)| *n == name) {
                    c.data.change(key, of.unwrap(), Change::Remove { name: &name })?;
                }
            }
            2 if matches!(of, Some(kind::SORTED_SET | kind::STREAM)) => {
                let from = at(2).min(len);
                let count = at(3).min(len - from) as u64;
                c.data.change(key, of.unwrap(), Change::RemoveRanks { from: from as u64, count })?;
            }
            3 if of.is_none_or(|of| of == kind::LIST) => {
                let place = at(2) % (len + 1);
                let remove = at(3).min(len - place) as u64;
                let items: Vec<_> = (0..at(4)).map(|n| item(n, numbers[5] as u8)).collect();
                let items = encode_items(items.iter().map(|item| &item[..]));
                c.data.change(key, kind::LIST, Change::Splice { at: place as u64, remove, items: &items })?;
            }
            4 if of == Some(kind::LIST) => {
                let item = item(1, numbers[3] as u8);
                c.data.change(key, kind::LIST, Change::RemoveEqual { count: numbers[2], item: &item })?;
            }
            5 if of.is_some() && at(1) != at(2) => {
                let to = c.data.key(KEYS[at(2)]);
                c.data.peek(to)?;
                c.data.rename(key, KS, to)?;
            }
            6 if of.is_some() && at(1) != at(2) => {
                let to = c.data.key(KEYS[at(2)]);
                c.data.peek(to)?;
                c.data.copy(key, KS, to)?;
            }
            9 if of.is_none_or(|of| i64::from(of) == numbers[2]) => put_several(c, key, &numbers)?,
            10 if of.is_some_and(|of| ![kind::LIST, kind::STRING].contains(&of)) => {
                remove_several(c, key, (of.unwrap(), names), &numbers)?;
            }
            11 if of.is_none_or(|of| of == kind::STREAM) => {
                let about = &[numbers[2] as u8; 3][..];
                let entry = numbers.get(3..).and_then(|entry| <[i64; 2]>::try_from(entry).ok());
                let entry =
                    entry.map(|[n, v]| (name_of(kind::STREAM, n as u8), value_of(kind::STREAM, v as u8)));
                let change = match &entry {
                    Some((name, value)) => Change::PutAbout { name, value, about },
                    None => Change::About { bytes: about },
                };
                c.data.change(key, kind::STREAM, change)?;
            }
            7 => drop(c.data.delete(key)?),
            8 => c.data.put_string(key, 0, b"text")?,
            _ => {}
        }
    }
    if args[0] == b"fail" { Err(Stop::error("ERR planned")) } else { Ok(()) }
}

fn argument(op: &Op) -> String {
    match op {
        Op::Put(k, kind, n, v) => format!("0 {k} {kind} {n} {v}"),
        Op::Remove(k, n) => format!("1 {k} {n}"),
        Op::Ranks(k, from, count) => format!("2 {k} {from} {count}"),
        Op::Splice(k, at, remove, n, byte) => format!("3 {k} {at} {remove} {n} {byte}"),
        Op::Equal(k, count, byte) => format!("4 {k} {count} {byte}"),
        Op::About(k, byte, None) => format!("11 {k} {byte}"),
        Op::About(k, byte, Some((n, v))) => format!("11 {k} {byte} {n} {v}"),
        Op::Rename(a, b) => format!("5 {a} {b}"),
        Op::Copy(a, b) => format!("6 {a} {b}"),
        Op::PutSeveral(k, kind, first, n, v) => format!("9 {k} {kind} {first} {n} {v}"),
        Op::RemoveSeveral(k, first, n) => format!("10 {k} {first} {n}"),
        Op::Delete(k) => format!("7 {k}"),
        Op::String(k) => format!("8 {k}"),
    }
}

fn score(value: &[u8]) -> f64 {
    f64::from_le_bytes(value.try_into().unwrap())
}

/// What a key holds that is absent, before the first change.
fn fresh(of: u8) -> Value {
    (of, if of == kind::STREAM { vec![Default::default()] } else { Vec::new() })
}

/// Removes items of a list that equal this one: so many, from the end if negative; 0 = all.
fn remove_equal(items: &mut Vec<(Vec<u8>, Vec<u8>)>, count: i64, byte: u8) {
    let mut left = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let mut keep = |(i, _): &(Vec<u8>, Vec<u8>)| {
        let goes = left > 0 && *i == item(1, byte);
        left -= usize::from(goes);
        !goes
    };
    if count < 0 {
        items.reverse();
        items.retain(&mut keep);
        items.reverse();
    } else {
        items.retain(&mut keep);
    }
}

fn expect_put(model: &mut Model, key: usize, of: u8, (name, value): (u8, u8)) {
    let entry = model.entry(key).or_insert_with(|| fresh(of));
    if entry.0 != of {
        return;
    }
    let (name, value) = (name_of(of, name), value_of(of, value));
    match entry.1.iter_mut().find(|(n, _)| *n == name) {
        Some(place) => place.1 = value,
        None => entry.1.push((name, value)),
    }
    sort(entry);
}

/// What the operation does to the model.
fn expect(model: &mut Model, op: &Op) {
    match op {
        Op::Put(key, of, name, value) => expect_put(model, *key, *of, (*name, *value)),
        Op::PutSeveral(key, of, first, count, value) => {
            for (name, value) in several(*first, *count, *value) {
                expect_put(model, *key, *of, (name, value));
            }
        }
        Op::RemoveSeveral(key, first, count) => {
            (*first..first + count).for_each(|name| expect(model, &Op::Remove(*key, name)));
        }
        Op::Remove(key, name) => {
            if let Some((of, elements)) =
                model.get_mut(key).filter(|(of, _)| ![kind::LIST, kind::STRING].contains(of))
            {
                let name = name_of(*of, *name);
                elements.retain(|(n, _)| *n != name);
            }
        }
        Op::Ranks(key, from, count) => {
            let of = |(of, _): &&mut Value| [kind::SORTED_SET, kind::STREAM].contains(of);
            if let Some((of, elements)) = model.get_mut(key).filter(of) {
                let first = usize::from(*of == kind::STREAM);
                let from = (from + first).min(elements.len());
                elements.drain(from..from + count.min(&(elements.len() - from)));
            }
        }
        Op::Splice(key, at, remove, n, byte) => {
            let entry = model.entry(*key).or_insert((kind::LIST, Vec::new()));
            if entry.0 == kind::LIST {
                let at = at % (entry.1.len() + 1);
                let remove = *remove.min(&(entry.1.len() - at));
                entry.1.splice(at..at + remove, (0..*n).map(|n| (item(n, *byte), Vec::new())));
            }
        }
        Op::Equal(key, count, byte) => {
            if let Some((_, items)) = model.get_mut(key).filter(|(of, _)| *of == kind::LIST) {
                remove_equal(items, *count, *byte);
            }
        }
        Op::About(key, byte, put) => {
            if let Some(put) = put {
                expect_put(model, *key, kind::STREAM, *put);
            }
            let entry = model.entry(*key).or_insert_with(|| fresh(kind::STREAM));
            if entry.0 == kind::STREAM {
                entry.1[0].1 = vec![*byte; 3];
            }
        }
        Op::Rename(a, b) if a != b => {
            if let Some(value) = model.remove(a) {
                model.insert(*b, value);
            }
        }
        Op::Copy(a, b) if a != b => {
            if let Some(value) = model.get(a).cloned() {
                model.insert(*b, value);
            }
        }
        Op::Rename(..) | Op::Copy(..) => {}
        Op::Delete(key) => drop(model.remove(key)),
        Op::String(key) => drop(model.insert(*key, (kind::STRING, vec![(b"text".to_vec(), Vec::new())]))),
    }
    // A stream stays with what it says of itself.
    model.retain(|_, (_, elements)| !elements.is_empty());
}

fn sort(value: &mut Value) {
    match value.0 {
        kind::SORTED_SET => {
            value.1.sort_by(|a, b| score(&a.1).total_cmp(&score(&b.1)).then_with(|| a.0.cmp(&b.0)));
        }
        kind::HASH | kind::SET | kind::STREAM => value.1.sort(),
        _ => {}
    }
}

fn content(row: &Row) -> Value {
    let pair = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
    let elements = match row.kind {
        kind::STRING => vec![(row.value().to_vec(), Vec::new())],
        kind::LIST => Items::of(row).from(0).map(|item| (item.to_vec(), Vec::new())).collect(),
        kind::STREAM => {
            let whole = row.whole();
            let (mut r, mut elements) = (Reader::new(&whole[5..]), Vec::new());
            while !r.is_empty() {
                elements.push(pair((r.bytes().unwrap(), r.bytes().unwrap())));
            }
            assert!(elements[1..].iter().map(|(name, _)| name).is_sorted(), "entries in the order of ids");
            elements
        }
        kind::SORTED_SET => {
            let of = Elements::of(row);
            let score = |name: &[u8]| of.score(name).expect("a member").to_le_bytes().to_vec();
            of.iter().map(|(name, _)| (name.to_vec(), score(name))).collect()
        }
        _ => Elements::of(row).iter().map(pair).collect(),
    };
    let mut value = (row.kind, elements);
    sort(&mut value);
    value
}

/// First bytes and lengths, for messages.
fn short(value: &Option<Value>) -> String {
    let Some((of, elements)) = value else { return "absent".to_owned() };
    let elements = elements.iter().map(|(name, v)| format!("{:?}*{}={v:?}", name.first(), name.len()));
    format!("type {of}: {}", elements.collect::<Vec<_>>().join(" "))
}

struct Node {
    machine: Machine,
    store: BTreeMap<Vec<u8>, Vec<u8>>,
}

struct World {
    nodes: [Node; 2],
    log: Vec<(Vec<u8>, Model)>,
    committed: usize,
    spec: Model,
}

fn machine() -> Machine {
    // As in a node, random numbers are others after each start.
    static STARTS: AtomicU64 = AtomicU64::new(1);
    let mut machine = Machine::new(KeyHasher::new(0), 4096, STARTS.fetch_add(0x9E37_79B9, Ordering::Relaxed));
    let few = Limits::default();
    let few =
        Limits { hash_entries: 4, sorted_set_entries: 4, set_entries: 4, integer_set_entries: 4, ..few };
    machine.set_limits(Limits { list_entries: 4, list_bytes: 1500, ..few });
    machine
}

impl Node {
    fn fetch(&mut self) -> bool {
        let (fetch, ticket) = self.machine.take_fetch();
        if let Some(fetch) = fetch {
            let mut rows = Vec::new();
            for wanted in &fetch.wanted {
                let from = model::row::position_name(wanted.ks, wanted.generation, wanted.position.0);
                let there = self.store.range(from.clone()..).take_while(|(name, _)| name.starts_with(&from));
                rows.extend(there.map(|(name, content)| (name.clone(), content.clone())));
            }
            self.machine.fetched(fetch.ticket, rows, Vec::new()).unwrap();
        }
        ticket > 0
    }

    fn slice(&mut self, rows: usize, log: &[(Vec<u8>, Model)]) {
        let Some(mut changes) = self.machine.checkpoint_slice(rows) else { return };
        changes.sort();
        let names: Vec<_> = changes.iter().map(|(name, _)| name.to_vec()).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "names are not in order or not unique");
        for (name, content) in changes.iter() {
            match content {
                Some(content) => self.store.insert(name.to_vec(), content.to_vec()),
                None => self.store.remove(name),
            };
        }
        // It is the state as of its index, and nothing else.
        let (at, _) =
            shard::checkpoint::stored_applied(&self.store[&shard::checkpoint::applied_name()]).unwrap();
        let mut loaded = machine();
        for (name, content) in &self.store {
            loaded.load(name, content).unwrap();
        }
        check(&loaded, &state_at(log, at), "a checkpoint");
    }

    fn crash(&mut self) {
        let mut fresh = machine();
        if self.store.len().is_multiple_of(2) {
            fresh.set_load_limit(900);
        }
        self.store.retain(|name, content| fresh.load(name, content).unwrap());
        self.machine = fresh;
    }
}

fn state_at(log: &[(Vec<u8>, Model)], index: Index) -> Model {
    index.checked_sub(1).map_or(Model::new(), |at| log[at as usize].1.clone())
}

/// The machine has exactly this content, as far as it is in memory.
fn check(machine: &Machine, model: &Model, what: &str) {
    let space = machine.space(KS);
    assert_eq!(space.len(), model.len(), "{what}: keys");
    for (number, key) in KEYS.iter().enumerate() {
        let position = machine.position(key);
        if space.is_cold(position) {
            let there = model.keys().filter(|&&n| machine.position(KEYS[n]) == position).count();
            assert_eq!(there, 1, "{what}: {number} is cold");
            continue;
        }
        let found = space.get(position, key).map(content);
        let mut expected = model.get(&number).cloned();
        expected.iter_mut().for_each(sort);
        assert!(found == expected, "{what}: key {number}: {} not {}", short(&found), short(&expected));
    }
    let memory: usize = space.iter().map(Row::memory).sum();
    assert_eq!(memory, space.memory(), "{what}: memory");
}

impl World {
    fn run(&mut self, step: Step) {
        match step {
            Step::Execute(ops, fail) => self.execute(&ops, fail),
            Step::Propose => self.propose(),
            Step::Commit => {
                for index in self.applied(0) + 1..=self.log.len() as Index {
                    let payload = &self.log[index as usize - 1].0;
                    self.nodes[0].machine.commit_own(index, 1, payload).unwrap();
                }
                self.committed = self.log.len();
            }
            Step::Follow => self.follow(),
            Step::RollBack => {
                self.nodes[0].machine.roll_back();
                self.log.truncate(self.committed);
                self.spec = state_at(&self.log, self.committed as Index);
            }
            Step::Begin(node) => drop(self.nodes[node].machine.begin_checkpoint()),
            Step::Slice(node, rows) => self.nodes[node].slice(rows, &self.log),
            Step::LetGo(node) => {
                let machine = &mut self.nodes[node].machine;
                (0..4).for_each(|_| _ = machine.let_go(usize::MAX, true, 0));
            }
            Step::Crash(0) => {
                // The leader loses what is not committed, and applies the rest again.
                self.run(Step::RollBack);
                self.nodes[0].crash();
                self.replay(0);
            }
            Step::Crash(node) => self.nodes[node].crash(),
            Step::Install => {
                if !self.nodes[0].store.is_empty() {
                    let store = self.nodes[0].store.clone();
                    self.nodes[1].store = store;
                    self.nodes[1].crash();
                }
            }
            Step::Tidy => self.nodes.iter_mut().for_each(|node| _ = node.machine.tidy()),
        }
    }

    fn applied(&self, node: usize) -> Index {
        self.nodes[node].machine.applied().0
    }

    fn execute(&mut self, ops: &[Op], fail: bool) {
        let next = self.log.len() as Index + 1;
        let mut args = vec![if fail { b"fail".to_vec() } else { b"done".to_vec() }];
        args.extend(ops.iter().map(|op| argument(op).into_bytes()));
        let args: Vec<&[u8]> = args.iter().map(|arg| &arg[..]).collect();
        let node = &mut self.nodes[0];
        node.machine.begin(next, 1_000_000);
        let mut reply = reply::Text::default();
        while node.machine.execute(run, KS, true, &args, &mut reply).fetch {
            assert!(node.fetch());
        }
        if !fail {
            ops.iter().for_each(|op| expect(&mut self.spec, op));
        }
    }

    fn propose(&mut self) {
        if let Some(payload) = self.nodes[0].machine.take_entry() {
            self.log.push((payload, self.spec.clone()));
        }
    }

    fn follow(&mut self) {
        self.replay(1);
    }

    fn replay(&mut self, node: usize) {
        for index in self.applied(node) + 1..=self.committed as Index {
            let (payload, _) = &self.log[index as usize - 1];
            let node = &mut self.nodes[node];
            while node.machine.wants_rows_of(payload).unwrap() {
                assert!(node.fetch());
            }
            node.machine.apply(index, 1, payload).unwrap();
        }
    }

    fn check(&self) {
        check(&self.nodes[0].machine, &self.spec, "leader");
        check(&self.nodes[1].machine, &state_at(&self.log, self.applied(1)), "follower");
        if self.applied(0) == self.applied(1)
            && let (Some(a), Some(b)) =
                (self.nodes[0].machine.content_hash(), self.nodes[1].machine.content_hash())
            && self.nodes[0].machine.pending_bytes() == 0
        {
            assert_eq!(a, b, "content hashes");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn collections_follow_the_model(steps in proptest::collection::vec(step(), 1..150)) {
        let node = || Node { machine: machine(), store: BTreeMap::new() };
        let mut world = World { nodes: [node(), node()], log: Vec::new(), committed: 0, spec: Model::new() };
        for step in steps {
            world.run(step);
            world.check();
        }
        for step in [Step::Propose, Step::Commit, Step::Follow] {
            world.run(step);
            world.check();
        }
        for node in 0..2 {
            world.nodes[node].slice(usize::MAX, &world.log);
            assert!(world.nodes[node].machine.begin_checkpoint());
            world.nodes[node].slice(usize::MAX, &world.log);
            world.run(Step::Crash(node));
            world.check();
            // Cells of collections that are gone were dropped when it was loaded.
            let keys = world.nodes[node].store.keys().filter(|name| name[0] == family::KEY);
            let cells = keys.filter(|name| split_cell_name(name).is_some()).count();
            prop_assert!(cells <= world.spec.values().map(|(_, elements)| elements.len()).sum());
        }
    }
}
