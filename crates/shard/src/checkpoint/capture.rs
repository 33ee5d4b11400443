//! The rows of one keyspace on their way into a checkpoint.

use super::{Changes, Litter, Pile};
use crate::collection::large::CellName;
use crate::row::Row;
use model::planted::{Bug, is_planted};
use model::{Keyspace, Position};

/// Positions looked at together, so that waiting for memory overlaps.
const BATCH: usize = 16;
/// Bytes a slice of a checkpoint may copy for each row it may copy.
const BYTES_PER_ROW: usize = 1024;

/// See [`Bug::CheckpointForgetsRow`]: more than any row that is not read has.
const MOST_FORGOTTEN: u8 = 6;

/// What a slice of a checkpoint may still copy. It ends with the row that uses it up.
#[derive(Debug)]
pub(crate) struct Budget {
    rows: usize,
    bytes: usize,
}

impl Budget {
    /// Room for this many rows of about a KiB.
    pub(crate) fn new(rows: usize) -> Budget {
        Budget { rows, bytes: rows.saturating_mul(BYTES_PER_ROW) }
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.rows == 0 || self.bytes == 0
    }

    fn spend(&mut self, rows: usize, bytes: usize) {
        self.rows = self.rows.saturating_sub(rows);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// What the checkpoint being taken lacks of a keyspace, and what it has of it.
#[derive(Debug)]
pub(crate) struct Capture {
    ks: Keyspace,
    generation: u32,
    /// Number of the checkpoint in the keyspace: rows that carry it are not captured yet.
    number: u32,
    /// Positions that may have such rows. Taken from the end.
    dirty: Pile,
    /// Keys that were removed before the checkpoint began, and possibly put again.
    deleted: Vec<(Position, Box<[u8]>)>,
    changes: Changes,
}

impl Capture {
    pub(crate) fn new(
        ks: Keyspace,
        generation: u32,
        number: u32,
        dirty: Pile,
        deleted: Vec<(Position, Box<[u8]>)>,
    ) -> Capture {
        let mut changes = Changes::default();
        changes.reserve(dirty.len() + deleted.len());
        Capture { ks, generation, number, dirty, deleted, changes }
    }

    /// A row is about to be changed or removed, or just was: the checkpoint being taken gets it as it
    /// was, unless it has it.
    #[inline]
    pub(crate) fn before_change(capture: &mut Option<Box<Capture>>, row: &mut Row) {
        if let Some(capture) = capture
            && row.due == capture.number
        {
            capture.push_row(row);
        }
    }

    /// The same for a row that is replaced or removed: cells that are due go with it.
    #[inline]
    pub(crate) fn before_removal(capture: &mut Option<Box<Capture>>, row: &mut Row) {
        Capture::before_change(capture, row);
        if let Some(capture) = capture {
            capture.take_cells(row, &mut Budget::new(usize::MAX));
        }
    }

    /// Takes a row; of a large collection its cells are due from now on.
    fn push_row(&mut self, row: &mut Row) -> usize {
        let bytes = self.changes.push_row(self.ks, self.generation, row);
        if let Some(large) = row.large_mut() {
            large.begin_capture();
        }
        bytes
    }

    /// Takes a cell of a large collection.
    pub(crate) fn push_cell(
        &mut self,
        (position, key): (Position, &[u8]),
        id: u64,
        cell: CellName,
        content: Option<&[u8]>,
    ) {
        self.changes.push_cell((self.ks, self.generation), (position, key), (id, cell), content);
    }

    /// Takes cells that are due, as many as the budget allows. True when it has them all.
    pub(crate) fn take_cells(&mut self, row: &mut Row, budget: &mut Budget) -> bool {
        let Some(mut large) = row.take_large_if_due() else { return true };
        let (id, mut left) = (large.id(), true);
        while left && !budget.is_used_up() {
            left = large.capture_one(&mut |cell, content| {
                budget.spend(1, content.map_or(0, <[u8]>::len));
                self.push_cell((row.position, row.key()), id, cell, content);
            });
        }
        let all = !large.is_due();
        row.set_large(large);
        all
    }

    /// At these positions are rows of large collections that are gone.
    pub(crate) fn littered(&mut self, positions: Vec<u64>) {
        let place =
            |position| Litter { ks: self.ks, generation: self.generation, position: Position(position) };
        self.changes.litter(positions.into_iter().map(place));
    }

    /// A position is to be looked at again.
    pub(crate) fn again(&mut self, position: Position) {
        self.dirty.push(position.0);
    }

    /// Takes a row at such a position. False if the checkpoint has it, or it changed later.
    pub(crate) fn take(&mut self, row: &mut Row, budget: &mut Budget) -> bool {
        if row.due != self.number {
            return false;
        }
        // Planted: see model/planted.rs
        if is_planted(Bug::CheckpointForgetsRow) && row.frequency > MOST_FORGOTTEN {
            return true;
        }
        let bytes = self.push_row(row);
        budget.spend(0, bytes);
        true
    }

    /// Memory of what it has, and of what is still to be looked at, bytes.
    pub(crate) fn memory(&self) -> usize {
        let deleted = self.deleted.capacity() * size_of::<(Position, Box<[u8]>)>();
        self.changes.memory() + self.dirty.memory() + deleted
    }

    /// Positions and removed keys still to look at.
    pub(crate) fn left(&self) -> usize {
        self.dirty.len() + self.deleted.len()
    }

    /// The next positions to look at.
    pub(crate) fn batch(&self) -> &[u64] {
        self.dirty.top(BATCH)
    }

    /// The next position to look at, `None` when the budget or they are used up.
    pub(crate) fn next(&mut self, budget: &mut Budget) -> Option<Position> {
        if budget.is_used_up() {
            return None;
        }
        let position = self.dirty.pop()?;
        budget.spend(1, 0);
        Some(Position(position))
    }

    /// Takes removed keys once all rows are taken. True when nothing is left.
    pub(crate) fn take_deleted(&mut self, budget: &mut Budget) -> bool {
        if !self.dirty.is_empty() {
            return false;
        }
        while !budget.is_used_up()
            && let Some((position, key)) = self.deleted.pop()
        {
            let bytes = self.changes.push_removed(self.ks, self.generation, position, &key);
            budget.spend(1, bytes);
        }
        self.deleted.is_empty()
    }

    /// The rows of the keyspace.
    pub(crate) fn finish(self) -> Changes {
        debug_assert!(self.dirty.is_empty() && self.deleted.is_empty());
        self.changes
    }
}
