//! The model of a shard's state.

use model::Index;
use model::effect::WriteId;
use shard::window::{MAX_AGE_MS, Seen};
use std::collections::BTreeMap;

/// A value and its expiry.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Content {
    pub expire: u64,
    pub value: Vec<u8>,
}

/// The writes of one life of a forwarding node.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    pub floor: u64,
    /// Time and reply by sequence number.
    pub answers: BTreeMap<u64, (u64, Vec<u8>)>,
}

/// Everything a shard knows after some entry, and what the model needs besides.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Rows by keyspace and number of the key.
    pub rows: BTreeMap<(u16, usize), Content>,
    /// Index of the last change of a key, deletes included.
    pub touched: BTreeMap<(u16, usize), Index>,
    /// Index of the last flush by keyspace.
    pub flushed: BTreeMap<u16, Index>,
    pub system: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The dedupe window.
    pub origins: BTreeMap<(u64, u64), Origin>,
    /// Entry of every forwarded write that was executed.
    pub executed: BTreeMap<WriteId, Index>,
    pub time: u64,
}

impl State {
    pub fn flush(&mut self, ks: u16, index: Index) {
        self.rows.retain(|key, _| key.0 != ks);
        self.flushed.insert(ks, index);
    }

    pub fn count(&self, ks: u16, now: u64) -> usize {
        self.rows.iter().filter(|(key, row)| key.0 == ks && (row.expire == 0 || row.expire > now)).count()
    }

    /// Deletes everything whose time has come; true if there was something.
    pub fn expire(&mut self, now: u64, index: Index) -> bool {
        let due = |row: &Content| row.expire != 0 && row.expire <= now;
        let keys: Vec<_> = self.rows.iter().filter(|(_, row)| due(row)).map(|(&key, _)| key).collect();
        for key in &keys {
            self.rows.remove(key);
            self.touched.insert(*key, index);
        }
        !keys.is_empty()
    }

    pub fn answered(&mut self, id: WriteId, time: u64, reply: Vec<u8>) {
        let origin = self.origins.entry((id.origin.0, id.incarnation)).or_default();
        if id.seq >= origin.floor {
            origin.answers.insert(id.seq, (time, reply));
        }
    }

    pub fn mark(&mut self, node: u64, incarnation: u64, seq: u64) {
        self.origins.entry((node, incarnation)).or_default().raise(seq);
        for (_, older) in self.origins.range_mut((node, 0)..(node, incarnation)) {
            older.raise(u64::MAX);
        }
    }

    /// Time moves on; every ten seconds old answers are dropped, oldest numbers first.
    pub fn advance(&mut self, to: u64) {
        if self.time / 10_000 != to / 10_000 {
            for origin in self.origins.values_mut() {
                while let Some((&seq, answer)) = origin.answers.first_key_value() {
                    if answer.0 + MAX_AGE_MS >= to {
                        break;
                    }
                    origin.raise(seq + 1);
                }
            }
        }
        self.time = to;
    }

    pub fn seen(&self, id: WriteId) -> Seen<'_> {
        let Some(origin) = self.origins.get(&(id.origin.0, id.incarnation)) else { return Seen::New };
        match origin.answers.get(&id.seq) {
            Some((_, reply)) => Seen::Done(Some(reply)),
            None if id.seq < origin.floor => Seen::Forgotten,
            None => Seen::New,
        }
    }
}

impl Origin {
    fn raise(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
        self.answers.retain(|&seq, _| seq >= self.floor);
    }
}
