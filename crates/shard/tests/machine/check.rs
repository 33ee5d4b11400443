//! What must hold after every step.

use super::script::KEYS;
use super::state::{Content, State};
use super::world::{Node, Store, World};
use model::limits::KEYSPACES;
use model::row::{decode_value, family, parse_key_name};
use model::{Keyspace, Position};
use shard::Machine;
use std::collections::BTreeMap;

type Rows = BTreeMap<(u16, usize), Content>;

fn number(key: &[u8]) -> usize {
    KEYS.iter().position(|k| *k == key).unwrap()
}

/// What is in memory, and in the store where it is cold.
fn rows(node: &Node) -> Rows {
    let (machine, mut rows) = (&node.machine, Rows::new());
    for (name, content) in node.store.iter().filter(|(name, _)| name[0] == family::KEY) {
        let name = parse_key_name(name).unwrap();
        let space = machine.space(name.ks);
        if space.generation == name.generation && space.is_cold(name.position) {
            let (_, expire, value) = decode_value(content).unwrap();
            rows.insert((name.ks.0, number(&name.key)), Content { expire, value: value.to_vec() });
        }
    }
    assert_eq!(rows.len(), machine.cold_rows());
    for ks in 0..KEYSPACES {
        let space = machine.space(Keyspace(ks));
        let content = |row: &shard::row::Row| Content { expire: row.expire, value: row.value().to_vec() };
        rows.extend(space.iter().map(|row| ((ks, number(row.key())), content(row))));
    }
    for ks in 0..KEYSPACES {
        let of_space = rows.range((ks, 0)..(ks + 1, 0)).map(|(_, content)| content);
        books(machine, Keyspace(ks), &of_space.collect::<Vec<_>>());
    }
    rows
}

/// The side books of a keyspace agree with its rows.
fn books(machine: &Machine, ks: Keyspace, rows: &[&Content]) {
    let space = machine.space(ks);
    let with_expiry = || rows.iter().filter(|row| row.expire != 0);
    assert_eq!(machine.counts(ks), (rows.len(), with_expiry().count()));
    assert_eq!(space.count(Position(0), Position(u64::MAX)), rows.len());
    assert_eq!(space.memory(), space.iter().map(|row| row.memory()).sum::<usize>());
    assert_eq!(space.first_expiry(), with_expiry().map(|row| row.expire).min());
    let ordered: Vec<_> = space.range(Position(0), Position(u64::MAX)).map(|row| row.position).collect();
    assert!(ordered.is_sorted());
    assert_eq!(ordered.len() + space.cold(), space.len());
}

impl World {
    pub fn check(&mut self) {
        for node in 0..self.nodes.len() {
            let applied = self.applied(node);
            let machine = &self.nodes[node].machine;
            let committed = self.state_at(applied);
            let executed = if node == self.leader { &self.spec } else { committed };
            assert_eq!(rows(&self.nodes[node]), executed.rows, "rows of node {node}");
            for name in 0..3u8 {
                assert_eq!(machine.system(&[name]), committed.system.get(&vec![name]).map(|v| &v[..]));
            }
            self.check_window(machine, executed, committed, applied);
            let rolling = machine.rolling();
            let first = *self.rolling.entry(applied).or_insert(rolling);
            assert_eq!(rolling, first, "rolling hash of node {node} at {applied}");
        }
    }

    fn check_window(&self, machine: &Machine, executed: &State, committed: &State, applied: u64) {
        for &id in &self.issued {
            match executed.executed.get(&id) {
                Some(&index) if index > applied => assert_eq!(machine.seen(id), Ok(index)),
                _ => assert_eq!(machine.seen(id), Err(committed.seen(id)), "{id:?}"),
            }
        }
    }

    /// Begins a checkpoint. False when that was refused, which must have a reason.
    pub fn begin_checkpoint(&mut self, node: usize) -> bool {
        let applied = self.applied(node);
        let flushing = node == self.leader && self.spec.flushed.values().any(|&index| index > applied);
        let busy = self.nodes[node].taking.is_some();
        let begun = self.nodes[node].machine.begin_checkpoint();
        assert_eq!(begun, !flushing && !busy);
        if begun {
            let machine = &self.nodes[node].machine;
            let generations = (0..KEYSPACES).map(|ks| machine.space(Keyspace(ks)).generation);
            self.nodes[node].taking = Some((machine.applied(), generations.collect()));
        }
        begun
    }

    /// A slice of the checkpoint that a node takes, if it takes one.
    pub fn slice(&mut self, node: usize, rows: usize) {
        let taking = self.nodes[node].machine.taking_checkpoint().map(|(at, _)| at);
        assert_eq!(taking, self.nodes[node].taking.as_ref().map(|(at, _)| *at));
        let changes = self.nodes[node].machine.checkpoint_slice(rows);
        let Some(mut changes) = changes else { return };
        let (at, generations) = self.nodes[node].taking.take().expect("it was begun");
        let written = changes.len();
        changes.sort();
        assert!(changes.len() <= written);
        let names: Vec<_> = changes.iter().map(|(name, _)| name).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "names are not in order or not unique");
        let store = &mut self.nodes[node].store;
        for (name, content) in changes.iter() {
            match content {
                Some(content) => store.insert(name.to_vec(), content.to_vec()),
                None => store.remove(name),
            };
        }
        let content = store[&shard::checkpoint::applied_name()].clone();
        assert_eq!(shard::checkpoint::stored_applied(&content), Ok(at));

        let live = live(&self.nodes[node].store, &generations);
        assert_eq!(stored_rows(&live), self.state_at(at.0).rows, "checkpoint at {}", at.0);
        let reference = self.references.entry(at.0).or_insert_with(|| live.clone());
        assert_eq!(&live, reference, "checkpoints of two replicas at {}", at.0);
    }

    /// A whole checkpoint of the present, after the one that is being taken.
    pub fn checkpoint(&mut self, node: usize) {
        self.slice(node, usize::MAX);
        if self.begin_checkpoint(node) {
            self.slice(node, usize::MAX);
        }
    }
}

/// The store without rows of flushed generations.
fn live(store: &Store, generations: &[u32]) -> Store {
    let live = |name: &[u8]| {
        let name = parse_key_name(name).ok();
        name.is_none_or(|name| name.generation == generations[usize::from(name.ks.0)])
    };
    store.iter().filter(|(name, _)| live(name)).map(|(n, c)| (n.clone(), c.clone())).collect()
}

fn stored_rows(store: &Store) -> Rows {
    let keys = store.iter().filter(|(name, _)| name[0] == family::KEY);
    let rows = keys.map(|(name, content)| {
        let name = parse_key_name(name).unwrap();
        let (_, expire, value) = decode_value(content).unwrap();
        ((name.ks.0, number(&name.key)), Content { expire, value: value.to_vec() })
    });
    rows.collect()
}
