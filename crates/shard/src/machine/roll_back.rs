//! How the leader takes back what it executed.

use super::Machine;
use crate::collection::large::Identity;
use crate::collection::{self, Means};
use crate::space::Space;
use crate::undo::{Before, Change, Moved};
use model::planted::{Bug, is_planted};
use model::{Index, Keyspace};

impl Machine {
    /// Leadership is lost: takes back everything that is not committed.
    pub fn roll_back(&mut self) {
        while let Some(change) = self.undo.pop_uncommitted(self.applied) {
            // Planted: see model/planted.rs
            if is_planted(Bug::UndoForgetsElements) && matches!(change.before, Before::Elements(_)) {
                continue;
            }
            self.restore(change);
        }
        self.entry.truncate(0);
        self.of_group.clear();
        self.in_flight.clear();
        self.changed_uploads.clear();
        self.marks.clear();
        // Indexes above the applied one will belong to other entries.
        self.spaces.iter_mut().for_each(Space::forget_all_gone);
        self.exec_time = self.shard_time;
        self.pending = self.applied + 1;
    }

    /// Takes back the changes made after a savepoint.
    pub(super) fn take_back(&mut self, savepoint: usize) {
        while let Some(change) = self.undo.pop_after(savepoint) {
            self.restore(change);
        }
    }

    /// Does `with` while everything that is not committed is taken back.
    pub(crate) fn as_committed(&mut self, with: impl FnOnce(&mut Machine)) {
        let mut again = Vec::with_capacity(self.undo.len());
        while let Some(change) = self.undo.pop_after(0) {
            again.extend(self.restore(change));
        }
        with(self);
        for change in again.into_iter().rev() {
            if let Some(Change { index, ks, before }) = self.restore(change) {
                self.undo.push(index, ks, before);
            }
        }
    }

    /// Takes a change back and returns what does it again; a flush is not done again.
    fn restore(&mut self, change: Change) -> Option<Change> {
        let Change { index, ks, before } = change;
        let before = match before {
            Before::Row(row) => {
                let (position, key) = (row.position, row.key().into());
                match self.space_mut(ks).insert(row) {
                    Some(row) => Before::Row(row),
                    None => Before::Absent(position, key),
                }
            }
            Before::Absent(position, key) => Before::Row(self.space_mut(ks).remove(position, &key)?),
            Before::Patch(mut p) => {
                let (position, key) = (p.position, std::mem::take(&mut p.key));
                self.space_mut(ks).update(position, &key, |row| {
                    p.offset = p.offset.min(p.len);
                    (p.old, p.len) = row.unpatch(p.offset, &p.old, p.len);
                    std::mem::swap(&mut row.changed_at, &mut p.changed_at);
                    std::mem::swap(&mut row.form, &mut p.form);
                })?;
                p.key = key;
                Before::Patch(p)
            }
            Before::Expire(position, key, mut expire, mut changed_at) => {
                self.space_mut(ks).update(position, &key, |row| {
                    std::mem::swap(&mut row.expire, &mut expire);
                    std::mem::swap(&mut row.changed_at, &mut changed_at);
                })?;
                Before::Expire(position, key, expire, changed_at)
            }
            Before::Elements(mut elements) => {
                let key = std::mem::take(&mut elements.key);
                let (limits, seed, id) = (self.limits, self.hasher.seed(), self.new_id());
                let space = self.space_mut(ks);
                elements.inverse = space.change(elements.position, &key, |row, sink| {
                    std::mem::swap(&mut row.changed_at, &mut elements.changed_at);
                    let mut means = Means { limits: &limits, seed, id, sink, undo: true };
                    collection::revert(row, &elements.inverse, &mut means)
                })??;
                elements.key = key;
                Before::Elements(elements)
            }
            Before::Moved(moved) => {
                let Moved { from, to_ks, to, changed_at, identity, replaced } = *moved;
                let back = self.move_row((ks, &from), (to_ks, &to), identity, changed_at)?;
                if let Some(row) = replaced {
                    self.space_mut(ks).insert(row);
                }
                return Some(Change { index, ks: to_ks, before: Before::Moved(Box::new(back)) });
            }
            Before::Space(old) => {
                let new = std::mem::replace(self.space_mut(ks), *old);
                self.bury(new);
                return None;
            }
        };
        Some(Change { index, ks, before })
    }

    /// Moves a row to another key, and says how to take that back. `None` when there is none. The keyspace of
    /// the change is that of the new key.
    pub(crate) fn move_row(
        &mut self,
        (ks, key): (Keyspace, &[u8]),
        (to_ks, to): (Keyspace, &[u8]),
        identity: Identity,
        changed_at: Index,
    ) -> Option<Moved> {
        let (position, target) = (self.hasher.position(key), self.hasher.position(to));
        let row = self.space_mut(ks).remove(position, key)?;
        let changed_before = row.changed_at;
        let (mut row, identity) = row.renamed(target, to, identity);
        row.changed_at = changed_at;
        let replaced = self.space_mut(to_ks).insert(row);
        let (from, to) = (to.into(), key.into());
        Some(Moved { from, to_ks: ks, to, changed_at: changed_before, identity, replaced })
    }
}
