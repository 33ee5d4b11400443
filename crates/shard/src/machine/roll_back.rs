//! How the leader takes back what it executed.

use super::Machine;
use crate::space::Space;
use crate::undo::{Before, Change};

impl Machine {
    /// Leadership is lost: takes back everything that is not committed.
    pub fn roll_back(&mut self) {
        while let Some(change) = self.undo.pop_uncommitted(self.applied) {
            self.restore(change);
        }
        self.entry.truncate(0);
        self.in_flight.clear();
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

    fn restore(&mut self, change: Change) {
        let space = self.space_mut(change.ks);
        match change.before {
            Before::Row(row) => {
                space.insert(row);
            }
            Before::Absent(position, key) => {
                space.remove(position, &key);
            }
            Before::Patch(p) => {
                space.update(p.position, &p.key, |row| {
                    row.unpatch(p.offset.min(p.len), &p.old, p.len);
                    row.changed_at = p.changed_at;
                });
            }
            Before::Expire(position, key, expire, changed_at) => {
                space.update(position, &key, |row| {
                    row.expire = expire;
                    row.changed_at = changed_at;
                });
            }
            Before::Space(old) => {
                let new = std::mem::replace(space, *old);
                self.bury(new);
            }
        }
    }
}
