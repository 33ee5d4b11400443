//! The rows of one keyspace in one shard: the rows in memory for point access, the order of positions for
//! SCAN and checkpoints, and the order of expiry times.

pub(crate) mod candidates;
pub(crate) mod cold;
mod gather;
mod positions;
mod rows;
pub(crate) mod traces;

use crate::checkpoint::{Budget, Capture, Changes, Pile};
use crate::collection::large::{Large, Sink};
use crate::row::Row;
use model::planted::{Bug, is_planted};
use model::varint::DecodeError;
use model::{Index, Keyspace, Position};
use positions::Positions;
use rows::Rows;
use std::collections::{BTreeMap, BTreeSet};

/// All keys of one keyspace that live in this shard.
#[derive(Debug, Default)]
pub struct Space {
    rows: Rows,
    /// Positions of all keys, also of those whose rows are not in memory (see [`cold`]).
    order: Positions,
    /// Expiry and position; keys that share both share an entry.
    expiry: BTreeSet<(u64, u64)>,
    /// Keys with an expiry.
    expiring: usize,
    /// Rises with every flush; rows of older generations in the row store are garbage.
    pub generation: u32,
    /// Index of the last flush: every reply that looks at this keyspace depends on it.
    pub flushed_at: Index,
    /// Highest index of an uncommitted delete, by position (a superset of the keys concerned).
    gone: BTreeMap<u64, Index>,
    /// Checkpoints begun; rows changed from now on are due for the one after them.
    checkpoints: u32,
    /// Positions of rows due for the next checkpoint.
    dirty: Pile,
    /// Keys removed since the last checkpoint began.
    deleted: Vec<(Position, Box<[u8]>)>,
    /// Positions where a large collection was removed or replaced since the last checkpoint began, or rows of
    /// one that is gone were met: they are to be removed from the row store.
    littered: Vec<u64>,
    /// The checkpoint being taken, until it has all rows of this keyspace.
    capture: Option<Box<Capture>>,
    /// Bytes of all rows in memory.
    memory: usize,
    /// Keys whose rows are not in memory.
    cold: usize,
    /// What they add to the hash over the content.
    cold_sum: u64,
    /// Cold positions whose rows are on their way, with the ticket of the fetch.
    fetching: BTreeMap<u64, u64>,
    /// Place of the row at which the hand that lets rows go stands.
    hand: usize,
    /// Positions of rows that stay in memory: see [`Space::pin`].
    pinned: Vec<Position>,
    /// Position of the row loaded last.
    loaded: Option<Position>,
    /// Keys that may be evicted next.
    pub(crate) candidates: candidates::Candidates,
    /// What WATCH must know of keys without a row.
    pub(crate) traces: traces::Traces,
}

/// Keys that [`Space::first_due`] looks at: those before that are cold are being fetched.
const DUE_TRIES: usize = 64;

impl Space {
    /// An empty keyspace of this generation.
    pub fn new(generation: u32, flushed_at: Index) -> Space {
        Space { generation, flushed_at, ..Space::default() }
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.rows.len() + self.cold
    }

    /// True without keys.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Number of keys with an expiry.
    pub fn expiring(&self) -> usize {
        self.expiring
    }

    /// Bytes of memory of the rows in memory.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// The row of a key.
    #[inline]
    pub fn get(&self, position: Position, key: &[u8]) -> Option<&Row> {
        self.rows.get(position, key)
    }

    /// Has the processor fetch the row at a position, for a command that comes soon. Several such
    /// calls in a row wait for memory together instead of one after the other.
    #[inline]
    pub fn touch(&self, position: Position) {
        let row = self.rows.at_position(position).next();
        // First and last byte: a row of usual size spans two cache lines.
        std::hint::black_box(row.map(|row| (row.key().first().copied(), row.value().last().copied())));
    }

    /// Where a key's row is, until the next change.
    #[inline]
    pub(crate) fn find(&self, position: Position, key: &[u8]) -> Option<usize> {
        self.rows.find(position, key)
    }

    /// The row at a place found a moment ago.
    #[inline]
    pub(crate) fn at_place(&mut self, place: usize) -> Option<&mut Row> {
        self.rows.at_mut(place)
    }

    /// The row of a key, to change anything but its key, expiry and size (see [`Space::update`]).
    #[inline]
    pub fn get_mut(&mut self, position: Position, key: &[u8]) -> Option<&mut Row> {
        self.rows.get_mut(position, key)
    }

    /// Puts a row in place, returns the one it replaces. Makes it due for the next checkpoint.
    pub fn insert(&mut self, mut row: Row) -> Option<Row> {
        let due = self.next_checkpoint();
        row.due = due;
        self.memory += row.memory();
        let (position, expire) = (row.position, row.expire);
        if let Some(place) = self.rows.get_mut(position, row.key()) {
            let mut old = std::mem::replace(place, row);
            self.memory -= old.memory();
            Capture::before_removal(&mut self.capture, &mut old);
            if old.large().is_some() {
                self.littered.push(position.0);
            }
            if old.due != due {
                self.dirty.push(position.0);
            }
            self.reschedule(position, old.expire, expire);
            return Some(old);
        }
        self.dirty.push(position.0);
        self.order.insert(position.0);
        self.traces.created(row.changed_at);
        self.rows.insert(row);
        self.reschedule(position, 0, expire);
        None
    }

    /// A row at the position, changed or removed already, had one expiry and now has another.
    #[inline]
    fn reschedule(&mut self, position: Position, old: u64, new: u64) {
        if old == new {
            return;
        }
        if old != 0 {
            self.expiring -= 1;
            if !self.at(position).any(|row| row.expire == old) {
                self.expiry.remove(&(old, position.0));
            }
        }
        if new != 0 {
            self.expiring += 1;
            self.expiry.insert((new, position.0));
        }
    }

    /// Changes a row in place through `change` and keeps the books on expiry and memory.
    /// Returns what `change` returned, `None` when the key is absent.
    pub fn update<T>(
        &mut self,
        position: Position,
        key: &[u8],
        change: impl FnOnce(&mut Row) -> T,
    ) -> Option<T> {
        let due = self.next_checkpoint();
        let row = self.rows.get_mut(position, key)?;
        let (memory, expire) = (row.memory(), row.expire);
        if row.due != due {
            Capture::before_change(&mut self.capture, row);
            row.due = due;
            self.dirty.push(position.0);
        }
        let result = change(row);
        self.memory = self.memory - memory + row.memory();
        let now = row.expire;
        self.reschedule(position, expire, now);
        Some(result)
    }

    /// Changes elements of a collection in place through `change`, which says which cells it touches before it
    /// touches them. Keeps the books on memory. `None` when the key is absent.
    pub(crate) fn change<T>(
        &mut self,
        position: Position,
        key: &[u8],
        change: impl FnOnce(&mut Row, &mut Sink<'_>) -> T,
    ) -> Option<T> {
        let due = self.next_checkpoint();
        let row = self.rows.get_mut(position, key)?;
        // Before it is captured: that forgets what changed in it.
        let memory = row.memory();
        if row.due != due {
            Capture::before_change(&mut self.capture, row);
            row.due = due;
            self.dirty.push(position.0);
        }
        let (capture, id) = (&mut self.capture, row.large().map_or(0, Large::id));
        let (small, expire) = (row.large().is_none(), row.expire);
        let result = change(row, &mut |cell, content| {
            if let Some(capture) = capture {
                capture.push_cell((position, key), id, cell, content);
            }
        });
        self.memory = self.memory - memory + row.memory();
        // Planted: see model/planted.rs
        if is_planted(Bug::LargeForgetsExpiry) && small && row.large().is_some() {
            row.expire = 0;
            self.reschedule(position, expire, 0);
        }
        Some(result)
    }

    /// Removes a key and returns its row.
    pub fn remove(&mut self, position: Position, key: &[u8]) -> Option<Row> {
        let place = self.rows.find(position, key)?;
        let mut row = self.rows.remove(place)?;
        self.memory -= row.memory();
        Capture::before_removal(&mut self.capture, &mut row);
        if row.large().is_some() {
            self.littered.push(position.0);
        }
        self.deleted.push((position, key.into()));
        if self.at(position).next().is_none() {
            self.order.remove(position.0);
        } else {
            self.keep_neighbours(position);
        }
        self.reschedule(position, row.expire, 0);
        Some(row)
    }

    /// All rows at a position (more than one only when hashes collide).
    pub fn at(&self, position: Position) -> impl Iterator<Item = &Row> {
        self.rows.at_position(position)
    }

    /// Rows in memory in the order of positions, from `from` on and below `end`.
    pub fn range(&self, from: Position, end: Position) -> impl Iterator<Item = &Row> {
        self.order.range(from.0, end.0).flat_map(|p| self.at(Position(p)))
    }

    /// All rows in memory, in no useful order.
    pub fn iter(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }

    /// A row chosen by a random number, evenly; `None` without rows.
    pub fn sample(&self, random: u64) -> Option<&Row> {
        let place = random.checked_rem(self.rows.len() as u64)?;
        self.rows.at(place as usize)
    }

    /// The first position at or after `from` that has a key.
    pub fn next_position(&self, from: Position) -> Option<Position> {
        self.order.next(from.0).map(Position)
    }

    /// When the first key expires.
    pub fn first_expiry(&self) -> Option<u64> {
        self.expiry.first().map(|&(at, _)| at)
    }

    /// A key in memory that expires at or before `now`.
    pub fn first_due(&self, now: u64) -> Option<&[u8]> {
        let due = self.expiry.iter().take_while(|(at, _)| *at <= now).take(DUE_TRIES);
        let mut rows = due.flat_map(|&(at, p)| self.at(Position(p)).find(|row| row.expire == at));
        rows.next().map(Row::key)
    }

    /// Notes that a delete at this position waits for `index`.
    pub fn note_gone(&mut self, position: Position, index: Index) {
        self.gone.insert(position.0, index);
        self.traces.deleted(position, index);
    }

    /// The index that an answer "absent" at this position depends on.
    #[inline]
    pub fn gone_at(&self, position: Position) -> Index {
        if self.gone.is_empty() { 0 } else { self.gone.get(&position.0).copied().unwrap_or(0) }
    }

    /// Forgets deletes that are committed.
    pub fn forget_gone(&mut self, committed: Index) {
        if !self.gone.is_empty() {
            self.gone.retain(|_, index| *index > committed);
        }
    }

    /// Forgets all deletes: those above the commit index were taken back.
    pub(crate) fn forget_all_gone(&mut self) {
        self.gone.clear();
    }

    // ---- checkpoints, see `checkpoint` ----

    /// The checkpoint for which rows changed now are due.
    #[inline]
    fn next_checkpoint(&self) -> u32 {
        self.checkpoints + 1
    }

    /// Rows due for the next checkpoint and keys removed since the last one began, about.
    pub(crate) fn changed(&self) -> usize {
        self.dirty.len() + self.deleted.len()
    }

    /// What the checkpoint being taken has still to look at: positions and removed keys.
    pub(crate) fn uncaptured(&self) -> usize {
        self.capture.as_ref().map_or(0, |capture| capture.left())
    }

    /// Memory of the checkpoint being taken of this keyspace, bytes.
    pub(crate) fn capture_memory(&self) -> usize {
        self.capture.as_ref().map_or(0, |capture| capture.memory())
    }

    /// Begins the next checkpoint: what is due for it must not change any more before it is captured.
    pub(crate) fn begin_capture(&mut self, ks: Keyspace) {
        debug_assert!(self.capture.is_none(), "one checkpoint at a time");
        self.checkpoints += 1;
        let dirty = std::mem::take(&mut self.dirty);
        let deleted = std::mem::take(&mut self.deleted);
        let littered = std::mem::take(&mut self.littered);
        if !dirty.is_empty() || !deleted.is_empty() || !littered.is_empty() {
            let mut capture = Capture::new(ks, self.generation, self.checkpoints, dirty, deleted);
            capture.littered(littered);
            self.capture = Some(Box::new(capture));
        }
    }

    /// Copies rows that are due for the checkpoint being taken, as many as the budget allows. `Some`
    /// when it has all of them.
    pub(crate) fn capture_some(&mut self, budget: &mut Budget) -> Option<Changes> {
        let Some(mut capture) = self.capture.take() else { return Some(Changes::default()) };
        while !budget.is_used_up() && !capture.batch().is_empty() {
            let batch = capture.batch().len();
            capture.batch().iter().for_each(|&position| self.touch(Position(position)));
            for _ in 0..batch {
                let Some(position) = capture.next(budget) else { break };
                let mut all = true;
                for place in self.rows.places(position) {
                    let Some(row) = self.rows.at_mut(place) else { continue };
                    let memory = row.memory();
                    if capture.take(row, budget) {
                        row.due = 0;
                    }
                    all &= capture.take_cells(row, budget);
                    self.memory = self.memory - memory + row.memory();
                }
                if !all {
                    capture.again(position);
                }
            }
        }
        if capture.take_deleted(budget) {
            return Some(capture.finish());
        }
        self.capture = Some(capture);
        None
    }

    /// Puts a row from the row store in place: not changed since the checkpoint.
    pub fn load(&mut self, row: Row) {
        self.memory += row.memory();
        let (position, expire) = (row.position, row.expire);
        self.loaded = Some(position);
        self.order.insert(position.0);
        self.rows.insert(row);
        self.reschedule(position, 0, expire);
    }

    /// Puts a part of a row that was loaded in place through `load`. False without the row.
    pub(crate) fn load_cell(
        &mut self,
        position: Position,
        key: &[u8],
        load: impl FnOnce(&mut Row) -> Result<bool, DecodeError>,
    ) -> Result<bool, DecodeError> {
        let loaded = match self.rows.get_mut(position, key) {
            Some(row) => {
                let memory = row.memory();
                let loaded = load(row)?;
                self.memory = self.memory - memory + row.memory();
                loaded
            }
            None => false,
        };
        if !loaded && self.littered.last() != Some(&position.0) {
            self.littered.push(position.0);
        }
        Ok(loaded)
    }

    /// Position of the row that was loaded last.
    pub(crate) fn last_loaded(&self) -> Option<Position> {
        self.loaded
    }

    /// Frees the keys at up to `positions` positions of a space that nobody looks at any more; how many
    /// positions is returned. Large collections are left to the caller, who frees them bit by bit.
    pub(crate) fn free_some(&mut self, positions: usize, large: &mut Vec<Large>) -> usize {
        let mut freed = 0;
        while freed < positions
            && let Some(position) = self.order.pop_first()
        {
            freed += 1;
            while let Some(&place) = self.rows.places(Position(position)).first()
                && let Some(mut row) = self.rows.remove(place)
            {
                large.extend(row.take_large().map(|large| *large));
            }
        }
        while self.expiry.len() > self.order.len() {
            self.expiry.pop_last();
        }
        freed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(position: u64, key: &str, expire: u64) -> Row {
        let mut row = Row::new(Position(position), 0, key.as_bytes(), b"v");
        row.expire = expire;
        row
    }

    #[test]
    fn keys_that_share_a_position_are_told_apart() {
        let mut space = Space::default();
        space.insert(row(5, "a", 0));
        space.insert(row(5, "b", 7));
        assert_eq!(space.at(Position(5)).count(), 2);
        assert!(space.remove(Position(5), b"a").is_some());
        assert_eq!(space.get(Position(5), b"b").unwrap().expire, 7);
        assert_eq!(space.range(Position(0), Position(9)).count(), 1);
        assert!(space.remove(Position(5), b"b").is_some());
        assert_eq!(space.next_position(Position(0)), None);
        assert_eq!((space.len(), space.memory(), space.expiring()), (0, 0, 0));
    }

    #[test]
    fn expiry_order_follows_every_change() {
        let mut space = Space::default();
        space.insert(row(1, "a", 10));
        space.insert(row(2, "b", 5));
        assert_eq!((space.first_expiry(), space.first_due(7)), (Some(5), Some(&b"b"[..])));
        space.update(Position(2), b"b", |r| r.expire = 20);
        assert_eq!((space.first_expiry(), space.first_due(9)), (Some(10), None));
        space.insert(row(1, "a", 0));
        assert_eq!((space.first_due(20), space.expiring()), (Some(&b"b"[..]), 1));
        space.insert(row(2, "b", 20));
        assert_eq!(space.expiring(), 1);
        // Another key with the same position and expiry: each counts.
        space.insert(row(2, "c", 20));
        assert_eq!(space.expiring(), 2);
        space.remove(Position(2), b"b");
        assert_eq!((space.first_due(20), space.expiring()), (Some(&b"c"[..]), 1));
        space.remove(Position(2), b"c");
        assert_eq!((space.first_expiry(), space.expiring()), (None, 0));
    }

    #[test]
    fn a_sample_reaches_every_row_and_finds_the_last_one() {
        let mut space = Space::default();
        assert!(space.sample(1).is_none());
        for i in 0..1000 {
            space.insert(row(i, &i.to_string(), 0));
        }
        let seen: BTreeSet<u64> = (0..20_000)
            .filter_map(|r| space.sample(u64::wrapping_mul(r, 0x1234_5678_9ABC_DEF1)))
            .map(|r| r.position.0)
            .collect();
        assert_eq!(seen.len(), 1000);
        for i in 0..999 {
            space.remove(Position(i), i.to_string().as_bytes());
        }
        assert!((0..100).all(|r| space.sample(r).is_some_and(|row| row.key() == b"999")));
    }

    #[test]
    fn freeing_some_ends() {
        let mut space = Space::default();
        for i in 0..100 {
            space.insert(row(i, &i.to_string(), i));
        }
        space.insert(row(5, "another at this position", 0));
        assert_eq!(space.free_some(6, &mut Vec::new()), 6);
        while space.free_some(7, &mut Vec::new()) > 0 {}
        assert!(space.is_empty());
    }
}
