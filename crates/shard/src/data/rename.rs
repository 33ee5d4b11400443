//! Rows under another key.

use super::{Data, Done, Key, Stop};
use crate::undo::Before;
use model::effect::Effect;
use model::{Index, Keyspace};

impl Data<'_> {
    /// Moves a row to another key, which it replaces, with its expiry. The caller looked: the row is there.
    ///
    /// # Errors
    /// A key above [`model::limits::MAX_KEY`]; [`Stop::Fetch`] when a row is not in memory.
    pub fn rename(&mut self, key: Key<'_>, to_ks: Keyspace, to: Key<'_>) -> Done {
        let (index, ks) = self.change_target(key, to_ks, to)?;
        self.machine.entry.push(Effect::Rename { ks, key: key.bytes, to_ks, to: to.bytes });
        let identity = self.machine.new_identity();
        let Some(moved) = self.machine.move_row((ks, key.bytes), (to_ks, to.bytes), identity, index) else {
            return Err(Stop::error("ERR no such key"));
        };
        self.looked = self.looked.max(moved.changed_at);
        if let Some(replaced) = &moved.replaced {
            self.free_large(replaced);
        }
        self.large_moved(to_ks, to);
        self.machine.space_mut(ks).note_gone(key.position, index);
        self.machine.undo.push(index, to_ks, Before::Moved(Box::new(moved)));
        Ok(())
    }

    /// Gives a key the value and expiry of another one. The caller looked: the row is there.
    ///
    /// # Errors
    /// As [`Data::rename`].
    pub fn copy(&mut self, key: Key<'_>, to_ks: Keyspace, to: Key<'_>) -> Done {
        let (index, ks) = self.change_target(key, to_ks, to)?;
        self.machine.entry.push(Effect::Copy { ks, key: key.bytes, to_ks, to: to.bytes });
        let before = match self.machine.copy_row((ks, key.bytes), (to_ks, to.bytes), index) {
            None => return Err(Stop::error("ERR no such key")),
            Some(Some(row)) => Before::Row(self.freed(row)),
            Some(None) => Before::Absent(to.position, to.bytes.into()),
        };
        self.machine.undo.push(index, to_ks, before);
        Ok(())
    }

    /// Begins the change of a key that gets another one's row, once it is known of both what they have. Index of the
    /// change and the keyspace it began in.
    fn change_target(
        &mut self,
        key: Key<'_>,
        to_ks: Keyspace,
        to: Key<'_>,
    ) -> Result<(Index, Keyspace), Stop> {
        self.check_size(to, 0)?;
        self.absent(key)?;
        let here = self.enter(to_ks)?;
        let free = self.absent(to);
        self.enter(here)?;
        free?;
        let begun = (self.changing(), self.ks);
        self.machine.signals.changed(to_ks, to.position);
        Ok(begun)
    }
}
