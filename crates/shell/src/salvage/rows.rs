//! The rows of two checkpoints of a shard beside each other: keys that one has, and the other has not or not so.
//!
//! Keys have the same place in the order of rows on all nodes, so both are read once, from the beginning to the
//! end. What is in memory of them is one key of each.

use model::limits::{CHUNKS, SPACES};
use model::row::{self, KeyName, family};
use model::{Keyspace, varint::DecodeError};
use shard::checkpoint::{Applied, Generation, KeyContent};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::sync::Arc;
use storage::rows::{Order, RowIter, RowRange, RowStore};

/// A key of the given up node that the survivor has not, or not so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LostKey {
    /// Its keyspace.
    pub ks: Keyspace,
    /// The key.
    pub key: Vec<u8>,
    /// As the given up node has it.
    pub content: KeyContent,
    /// The survivor has a key of this name, with something else in it or another expiry.
    pub differs: bool,
}

/// Reads both checkpoints and gives the keys of the first that the second has not or not so, in the order of
/// rows. Left out are those that have expired by the shard time of the second. It ends at the first error.
pub struct LostKeys {
    lost: Peekable<Keys>,
    survivor: Peekable<Keys>,
    /// Shard time of the survivor's checkpoint, ms since 1970.
    now_ms: u64,
    hash_seed: u64,
    only_survivor: u64,
    failed: bool,
}

impl LostKeys {
    /// Begins. `hash_seed`: of the cluster, see [`cluster::ClusterId::hash_seed`].
    ///
    /// # Errors
    /// In words for a person: a checkpoint can not be read.
    pub(super) fn new(
        lost: Arc<dyn RowStore>,
        survivor: Arc<dyn RowStore>,
        hash_seed: u64,
    ) -> Result<LostKeys, String> {
        let applied = survivor.get(&Applied::name()).map_err(told("rows of the survivor"))?;
        let applied = applied.as_deref().map(Applied::decode).transpose();
        let now_ms = applied.map_err(told("rows of the survivor"))?.map_or(0, |applied| applied.shard_time);
        Ok(LostKeys {
            lost: Keys::of(lost, "rows of the given up node")?.peekable(),
            survivor: Keys::of(survivor, "rows of the survivor")?.peekable(),
            now_ms,
            hash_seed,
            only_survivor: 0,
            failed: false,
        })
    }

    /// Keys so far that only the survivor has: written since, or deleted by what was lost.
    pub fn only_survivor(&self) -> u64 {
        self.only_survivor
    }

    fn step(&mut self) -> Result<Option<LostKey>, String> {
        loop {
            let order = match (self.lost.peek(), self.survivor.peek()) {
                (Some(Ok(lost)), Some(Ok(survivor))) => lost.place().cmp(&survivor.place()),
                (Some(Ok(_)), None) => Ordering::Less,
                (None, Some(Ok(_))) => Ordering::Greater,
                (None, None) => return Ok(None),
                // The error is taken below.
                (Some(Err(_)), _) => Ordering::Less,
                (_, Some(Err(_))) => Ordering::Greater,
            };
            let lost = if order.is_le() { self.lost.next().transpose()? } else { None };
            let survivor = if order.is_ge() { self.survivor.next().transpose()? } else { None };
            let Some(lost) = lost else {
                self.only_survivor += 1;
                continue;
            };
            if let Some(key) = self.compared(&lost, survivor.as_ref())? {
                return Ok(Some(key));
            }
        }
    }

    fn compared(&self, lost: &Stored, survivor: Option<&Stored>) -> Result<Option<LostKey>, String> {
        if survivor.is_some_and(|other| other.content == lost.content && !row::is_large(&lost.content)) {
            return Ok(None);
        }
        let content = lost.read(self.hash_seed).map_err(told("rows of the given up node"))?;
        if (1..=self.now_ms).contains(&content.expire) {
            return Ok(None);
        }
        let other = survivor.map(|other| other.read(self.hash_seed)).transpose();
        let other = other.map_err(told("rows of the survivor"))?;
        let KeyName { ks, key, .. } = lost.parsed().map_err(told("rows of the given up node"))?;
        let found = LostKey { ks, key, differs: other.is_some(), content };
        Ok((other.as_ref() != Some(&found.content)).then_some(found))
    }
}

impl Iterator for LostKeys {
    type Item = Result<LostKey, String>;

    fn next(&mut self) -> Option<Result<LostKey, String>> {
        if self.failed {
            return None;
        }
        let step = self.step();
        self.failed = step.is_err();
        step.transpose()
    }
}

/// A key as a row store has it.
struct Stored {
    name: Vec<u8>,
    content: Vec<u8>,
    /// Rows behind it whose names begin with its name.
    cells: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Stored {
    /// Its place in the order of keys, which is the same on all nodes: keyspace, position, key. How often the
    /// keyspace was flushed stands between, and is left out.
    fn place(&self) -> (&[u8], &[u8]) {
        (&self.name[KEYSPACE_AT..GENERATION_AT], &self.name[POSITION_AT..])
    }

    fn parsed(&self) -> Result<KeyName, DecodeError> {
        row::parse_key_name(&self.name)
    }

    fn read(&self, hash_seed: u64) -> Result<KeyContent, DecodeError> {
        KeyContent::read(&self.parsed()?, &self.content, &self.cells, hash_seed)
    }
}

/// Where the parts of a key's name begin, see [`row::key_name`].
const KEYSPACE_AT: usize = 1;
const GENERATION_AT: usize = 3;
const POSITION_AT: usize = 7;

/// The keys of a row store that no flush has removed, with the cells of large collections.
struct Keys {
    rows: Peekable<RowIter>,
    /// Keyspaces that were flushed.
    generations: BTreeMap<Keyspace, u32>,
    whose: &'static str,
}

impl Keys {
    fn of(store: Arc<dyn RowStore>, whose: &'static str) -> Result<Keys, String> {
        let mut generations = BTreeMap::new();
        for ks in (0..SPACES).map(Keyspace) {
            if let Some(content) = store.get(&Generation::name(ks)).map_err(told(whose))? {
                generations.insert(ks, Generation::decode(&content).map_err(told(whose))?);
            }
        }
        let range = RowRange::new(&[family::KEY], &[family::KEY + 1]);
        let rows = store.range(range, Order::Ascending).map_err(told(whose))?.peekable();
        Ok(Keys { rows, generations, whose })
    }

    /// Whether a row is of the present life of its keyspace.
    fn is_current(&self, name: &[u8]) -> bool {
        let number = |at: std::ops::Range<usize>| {
            name.get(at).map_or(0, |bytes| bytes.iter().fold(0, |n, byte| n << 8 | u32::from(*byte)))
        };
        let ks = Keyspace(number(KEYSPACE_AT..GENERATION_AT) as u16);
        // Chunks are parts of values whose manifests are compared.
        ks != CHUNKS && number(GENERATION_AT..POSITION_AT) == self.generations.get(&ks).copied().unwrap_or(0)
    }
}

impl Iterator for Keys {
    type Item = Result<Stored, String>;

    fn next(&mut self) -> Option<Result<Stored, String>> {
        loop {
            let (name, content) = match self.rows.next()? {
                Ok(row) => row,
                Err(error) => return Some(Err(told(self.whose)(error))),
            };
            // Cells that follow no row of their key are left over.
            if !self.is_current(&name) || row::split_cell_name(&name).is_some() {
                continue;
            }
            let large = row::is_large(&content);
            let mut cells = Vec::new();
            while let Some(row) =
                self.rows.next_if(|row| matches!(row, Ok((cell, _)) if cell.starts_with(&name)))
            {
                cells.extend(row.ok().filter(|_| large));
            }
            return Some(Ok(Stored { name, content, cells }));
        }
    }
}

fn told<E: std::fmt::Display>(whose: &'static str) -> impl Fn(E) -> String {
    move |error| format!("{whose}: {error}")
}
