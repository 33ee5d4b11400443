//! Collections: what the leader does when a command changes one, and every replica when an entry does.

use super::Machine;
use crate::collection::large::Identity;
use crate::collection::{self, Means, packed};
use crate::data::Key;
use crate::row::Row;
use crate::undo::{Before, Elements};
use model::change::Change;
use model::row::kind;
use model::{Index, Keyspace, Position};

impl Machine {
    /// A row with a value in one piece, as an effect or a command has it: a collection that is too large for
    /// that form gets an index.
    pub(crate) fn new_row(&mut self, position: Position, kind: u8, key: &[u8], value: &[u8]) -> Row {
        let mut row = Row::new(position, kind, key, value);
        if kind != kind::STRING && !packed::Packed::new(kind, value).fits(&self.limits) {
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

    /// Changes a collection; an absent key becomes one. How to take that back, and the number of elements left;
    /// `None` when the change does not fit. `looked` becomes at least the index of the row's last change.
    pub(crate) fn change_elements(
        &mut self,
        ks: Keyspace,
        key: Key<'_>,
        kind: u8,
        change: Change<'_>,
        index: Index,
        looked: &mut Index,
    ) -> Option<(Before, usize)> {
        let (limits, seed, now, id) = (self.limits, self.hasher.seed(), self.time(), self.new_id());
        let space = self.space_mut(ks);
        let changed = space.change(key.position, key.bytes, |row, sink| {
            if row.kind != kind {
                return None;
            }
            let mut means = Means { limits: &limits, seed, id, sink };
            let inverse = collection::apply(row, change, &mut means)?;
            *looked = (*looked).max(row.changed_at);
            let changed_at = std::mem::replace(&mut row.changed_at, index);
            let (position, key) = (key.position, key.bytes.into());
            Some((
                Before::Elements(Box::new(Elements { position, key, inverse, changed_at })),
                row.elements(),
            ))
        });
        if let Some(result) = changed {
            return result;
        }
        *looked = (*looked).max(space.gone_at(key.position));
        let mut row = match kind {
            kind::HASH | kind::LIST | kind::SET | kind::SORTED_SET => {
                Row::new(key.position, kind, key.bytes, &[0; packed::HEAD])
            }
            kind::STREAM => self.new_row(key.position, kind, key.bytes, &[]),
            _ => return None,
        };
        let mut means = Means { limits: &limits, seed, id, sink: &mut |_, _| () };
        collection::apply(&mut row, change, &mut means)?;
        (row.changed_at, row.accessed) = (index, (now / 1000) as u32);
        let left = row.elements();
        self.space_mut(ks).insert(row);
        Some((Before::Absent(key.position, key.bytes.into()), left))
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
