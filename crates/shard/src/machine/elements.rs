//! Collections: what the leader does when a command changes one, and every replica when an entry does.

use super::Machine;
use crate::collection::large::Identity;
use crate::collection::{self, Inverse, Means, packed};
use crate::data::Key;
use crate::row::Row;
use crate::undo::{Before, Elements};
use model::change::Change;
use model::row::kind;
use model::{Index, Keyspace, Position};
use smallvec::SmallVec;

/// What a change of a collection did.
struct Changed {
    /// How to take it back, and the index of the change before; `None` of a key that was absent.
    was: Option<(Inverse, Index)>,
    /// Number of elements now.
    left: usize,
}

impl Machine {
    /// A row with a value in one piece, as an effect or a command has it: a collection that is too large for
    /// that form gets an index.
    pub(crate) fn new_row(&mut self, position: Position, kind: u8, key: &[u8], value: &[u8]) -> Row {
        let mut row = Row::new(position, kind, key, value);
        if !kind::is_plain(kind) && !packed::Packed::new(kind, value).fits(&self.limits) {
            row.make_large(self.new_id(), self.hasher.seed());
        }
        row
    }

    /// What the cells of a collection are called that had no rows of its own so far. Local to the replica, and
    /// never the same twice for a key: what was kept of an earlier one must not be taken for its own.
    pub(crate) fn new_identity(&mut self) -> Identity {
        Identity::new(self.new_id())
    }

    /// Number of a collection that gets rows for its elements.
    pub(super) fn new_id(&mut self) -> u64 {
        self.random() ^ self.pending_index() << 20
    }

    /// Changes a collection on the leader; an absent key becomes one. How to take that back, and the number of
    /// elements left; `None` when the change does not fit. `looked` becomes at least the index of the row's last
    /// change.
    pub(crate) fn change_elements(
        &mut self,
        ks: Keyspace,
        key: Key<'_>,
        kind: u8,
        change: Change<'_>,
        index: Index,
        looked: &mut Index,
    ) -> Option<(Before, usize)> {
        let Changed { was, left } = self.change_row(ks, key, (kind, change), index, true)?;
        let (position, bytes) = (key.position, key.bytes);
        let before = match was {
            Some((inverse, changed_at)) => {
                *looked = (*looked).max(changed_at);
                let key = SmallVec::from_slice(bytes);
                Before::Elements(Box::new(Elements { position, key, inverse, changed_at }))
            }
            None => {
                *looked = (*looked).max(self.space(ks).gone_at(position));
                Before::Absent(position, bytes.into())
            }
        };
        Some((before, left))
    }

    /// The same where an entry is applied: nobody takes it back. False when the change does not fit.
    pub(super) fn apply_to_elements(
        &mut self,
        ks: Keyspace,
        key: Key<'_>,
        change: (u8, Change<'_>),
        index: Index,
    ) -> bool {
        self.change_row(ks, key, change, index, false).is_some()
    }

    fn change_row(
        &mut self,
        ks: Keyspace,
        key: Key<'_>,
        (kind, change): (u8, Change<'_>),
        index: Index,
        undo: bool,
    ) -> Option<Changed> {
        let (limits, seed, now, id) = (self.limits, self.hasher.seed(), self.time(), self.new_id());
        let changed = self.space_mut(ks).change(key.position, key.bytes, |row, sink| {
            if row.kind != kind {
                return None;
            }
            let mut means = Means { limits: &limits, seed, id, sink, undo };
            let inverse = collection::apply(row, change, &mut means)?;
            let changed_at = std::mem::replace(&mut row.changed_at, index);
            Some(Changed { was: Some((inverse, changed_at)), left: row.elements() })
        });
        if let Some(result) = changed {
            return result;
        }
        let mut row = match kind {
            kind::HASH | kind::LIST | kind::SET | kind::SORTED_SET => {
                Row::new(key.position, kind, key.bytes, &[0; packed::HEAD])
            }
            kind::STREAM => self.new_row(key.position, kind, key.bytes, &[]),
            _ => return None,
        };
        let mut means = Means { limits: &limits, seed, id, sink: &mut |_, _| (), undo: false };
        collection::apply(&mut row, change, &mut means)?;
        (row.changed_at, row.accessed) = (index, (now / 1000) as u32);
        let left = row.elements();
        self.space_mut(ks).insert(row);
        Some(Changed { was: None, left })
    }

    /// Gives a key the value and expiry of another one; the row that was there. `None` without a row to copy.
    pub(crate) fn copy_row(
        &mut self,
        (ks, key): (Keyspace, &[u8]),
        (to_ks, to): (Keyspace, &[u8]),
        index: Index,
    ) -> Option<Option<Row>> {
        let (position, target) = (self.hasher.position(key), self.hasher.position(to));
        let row = self.space(ks).get(position, key)?.clone();
        let (mut row, _) = row.renamed(target, to, self.new_identity());
        row.changed_at = index;
        Some(self.space_mut(to_ks).insert(row))
    }

    /// Frees a row that nobody looks at any more; a large collection bit by bit.
    pub(super) fn bury_row(&mut self, mut row: Row) {
        if let Some(large) = row.take_large() {
            self.dead.push(*large);
        }
    }

    /// Frees up to so many elements of large collections that are gone; how many are left of the number.
    pub(super) fn free_elements(&mut self, mut left: usize) -> usize {
        while left > 0
            && let Some(large) = self.dead.last_mut()
        {
            let freed = large.free_some(left);
            left -= freed;
            if freed == 0 {
                self.dead.pop();
            }
        }
        left
    }

    /// Whether anything waits to be freed.
    pub(super) fn has_dead(&self) -> bool {
        !self.dead.is_empty()
    }
}
