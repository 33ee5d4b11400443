//! The undo log: how to take back what was executed but is not committed.
//!
//! Rows are changed in place when a command runs, so that the next command sees the change. What a
//! change replaced waits here until its entry commits, or is put back when the leader loses its
//! role or a command fails half-way.

use crate::collection::Inverse;
use crate::collection::large::Identity;
use crate::row::{Form, Row};
use crate::space::Space;
use model::{Index, Keyspace, Position};
use smallvec::SmallVec;
use std::collections::VecDeque;

/// Room for so many changes is never given back.
const MIN_ROOM: usize = 1024;

/// How to take back one change of one keyspace. Taking it back tells how to do it again, in the same way.
#[derive(Debug)]
pub enum Before {
    /// The key had this row.
    Row(Row),
    /// The key did not exist.
    Absent(Position, Box<[u8]>),
    /// The value was patched: put these bytes back at the offset and cut to the length.
    Patch(Box<Patched>),
    /// The key had this expiry and change index.
    Expire(Position, Box<[u8]>, u64, Index),
    /// A part of a collection was changed.
    Elements(Box<Elements>),
    /// A row was moved to another key, maybe of another keyspace.
    Moved(Box<Moved>),
    /// The keyspace was flushed: this is what it held.
    Space(Box<Space>),
}

/// What a change of a collection replaced.
#[derive(Debug)]
pub struct Elements {
    /// Where the key stands.
    pub position: Position,
    /// The key: a short one without an allocation of its own.
    pub key: SmallVec<[u8; 24]>,
    /// Takes the change back.
    pub inverse: Inverse,
    /// Change index of the row before.
    pub changed_at: Index,
}

/// Where a row that was moved is, and where it goes back to.
#[derive(Debug)]
pub struct Moved {
    /// The key it has.
    pub from: Box<[u8]>,
    /// The keyspace it goes back to.
    pub to_ks: Keyspace,
    /// The key it goes back to.
    pub to: Box<[u8]>,
    /// Change index of the row before.
    pub changed_at: Index,
    /// What its elements were called in the row store.
    pub(crate) identity: Identity,
    /// The row that it replaced where it is.
    pub replaced: Option<Row>,
}

/// What a patch replaced.
#[derive(Debug)]
pub struct Patched {
    /// Where the key stands.
    pub position: Position,
    /// The key.
    pub key: Box<[u8]>,
    /// First byte that changed.
    pub offset: usize,
    /// The bytes that were overwritten.
    pub old: Vec<u8>,
    /// Length of the value before.
    pub len: usize,
    /// Change index of the row before.
    pub changed_at: Index,
    /// How the string came to be before.
    pub(crate) form: Form,
}

/// One change that is not committed yet.
#[derive(Debug)]
pub struct Change {
    /// The entry that carries the effect.
    pub index: Index,
    /// The keyspace it belongs to.
    pub ks: Keyspace,
    /// What was there before.
    pub before: Before,
}

/// Changes in the order they were made.
#[derive(Debug, Default)]
pub struct UndoLog {
    changes: VecDeque<Change>,
}

impl UndoLog {
    /// Notes a change that was just made.
    #[inline]
    pub fn push(&mut self, index: Index, ks: Keyspace, before: Before) {
        self.changes.push_back(Change { index, ks, before });
    }

    /// Number of changes; a savepoint for [`UndoLog::pop_after`].
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// True when everything is committed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The newest change made after the savepoint.
    pub fn pop_after(&mut self, savepoint: usize) -> Option<Change> {
        if self.changes.len() > savepoint { self.changes.pop_back() } else { None }
    }

    /// The newest change if its entry is above `committed`.
    pub fn pop_uncommitted(&mut self, committed: Index) -> Option<Change> {
        self.changes.pop_back_if(|change| change.index > committed)
    }

    /// The oldest change if its entry is committed.
    pub fn pop_committed(&mut self, committed: Index) -> Option<Change> {
        self.changes.pop_front_if(|change| change.index <= committed)
    }

    /// Gives room back that was needed for many more changes than there are.
    pub fn shrink(&mut self) {
        if self.changes.capacity() > MIN_ROOM.max(8 * self.changes.len()) {
            self.changes.shrink_to(MIN_ROOM.max(2 * self.changes.len()));
        }
    }

    /// Uncommitted changes, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Change> {
        self.changes.iter()
    }
}
