//! What every replica does with a committed entry.

use super::Machine;
use crate::data::Key;
use crate::row::Row;
use crate::undo::Before;
use model::effect::Effect;
use model::entry::EntryReader;
use model::planted::{Bug, is_planted};
use model::varint::DecodeError;
use model::{Index, Keyspace, Position, Term};
use smallvec::SmallVec;

/// Most effects read ahead, so that the memory of all their rows is fetched at once.
const AHEAD: usize = 32;

impl Machine {
    /// An entry that this leader executed is committed: what it replaced is forgotten.
    ///
    /// # Errors
    /// A payload that can not be read: the shard must stop.
    pub fn commit_own(&mut self, index: Index, term: Term, payload: &[u8]) -> Result<(), DecodeError> {
        while let Some(change) = self.undo.pop_committed(index) {
            match change.before {
                Before::Space(space) => self.bury(*space),
                Before::Row(row) => self.bury_row(row),
                Before::Moved(moved) => moved.replaced.into_iter().for_each(|row| self.bury_row(row)),
                _ => {}
            }
        }
        while self.changed_uploads.pop_front_if(|(changed, _)| *changed <= index).is_some() {}
        // Window and system rows are changed by commits only, on every replica from the same bytes.
        let reader = EntryReader::new(payload)?;
        // Most entries have no such effects, and need not be read again.
        if self.of_group.pop_front_if(|own| *own <= index).is_some() {
            for effect in reader {
                let effect = effect?;
                if let Effect::Answered { id, .. } = effect {
                    self.in_flight.remove(&id);
                }
                self.apply_to_group(reader.shard_time, effect);
            }
        }
        self.advance(index, term, reader.shard_time, payload);
        Ok(())
    }

    /// Applies a committed entry that was not executed here. No row that it changes may be cold (see
    /// [`Machine::wants_rows_of`]).
    ///
    /// # Errors
    /// A payload that can not be read, an effect this version does not know, or one that changes a key
    /// which this replica lacks: the shard must stop.
    pub fn apply(&mut self, index: Index, term: Term, payload: &[u8]) -> Result<(), DecodeError> {
        debug_assert!(self.undo.is_empty() && self.entry.is_empty(), "roll back before applying");
        let mut reader = EntryReader::new(payload)?;
        let mut ahead = SmallVec::<[(Effect<'_>, Position); AHEAD]>::new();
        let mut last = (&b""[..], self.hasher.position(b""));
        while reader.left() > 0 {
            ahead.clear();
            for effect in reader.by_ref().take(AHEAD) {
                let effect = effect?;
                let key = effect.keys()[0].map_or(&b""[..], |(_, key)| key);
                // Often one key, a collection, changes many times.
                if key != last.0 {
                    last = (key, self.hasher.position(key));
                }
                ahead.push((effect, last.1));
            }
            self.touch_rows(&ahead);
            for &(effect, position) in &ahead {
                if !self.apply_to_keys(index, reader.shard_time, effect, position) {
                    // The leader had the key when it executed at this index: the replicas differ.
                    return Err(DecodeError::Malformed("state: an effect on a key that is absent here"));
                }
                self.apply_to_group(reader.shard_time, effect);
            }
        }
        self.pending = index + 1;
        self.advance(index, term, reader.shard_time, payload);
        Ok(())
    }

    /// Applies an entry without payload (a new leader's first, a configuration change).
    pub fn apply_empty(&mut self, index: Index, term: Term) {
        if self.entry.is_empty() && self.undo.is_empty() {
            self.pending = self.pending.max(index + 1);
        }
        (self.applied, self.applied_term) = (index, term);
    }

    /// Has the processor fetch the rows of effects that are applied next. A loop of its own, and short: the
    /// processor runs through several rounds of it at a time.
    fn touch_rows(&self, effects: &[(Effect<'_>, Position)]) {
        if effects.len() < 2 {
            return;
        }
        let mut last = None;
        for (effect, position) in effects {
            if let [Some((ks, _)), _] = effect.keys()
                && last.replace(*position) != Some(*position)
            {
                self.touch(ks, *position);
            }
        }
    }

    /// An effect on a key that stands at `position`. False when it needs a key that is absent.
    fn apply_to_keys(&mut self, index: Index, time: u64, effect: Effect<'_>, position: Position) -> bool {
        match effect {
            Effect::Put { ks, key, kind, expire, value } => {
                let mut row = self.new_row(position, kind, key, value);
                row.expire = expire;
                row.changed_at = index;
                row.accessed = (time / 1000) as u32;
                let old = self.space_mut(ks).insert(row);
                old.into_iter().for_each(|row| self.bury_row(row));
            }
            Effect::Change { ks, key, kind, change } => {
                let key = Key { position, bytes: key };
                return self.apply_to_elements(ks, key, (kind, change), index);
            }
            Effect::Rename { ks, key, to_ks, to } => {
                let identity = self.new_identity();
                let moved = self.move_row((ks, key), (to_ks, to), identity, index);
                let Some(moved) = moved else { return false };
                moved.replaced.into_iter().for_each(|row| self.bury_row(row));
                // Planted: see model/planted.rs
                if is_planted(Bug::RenameLosesTarget) {
                    let position = self.hasher.position(to);
                    drop(self.space_mut(to_ks).remove(position, to));
                }
            }
            Effect::Copy { ks, key, to_ks, to } => {
                let Some(old) = self.copy_row((ks, key), (to_ks, to), index) else { return false };
                old.into_iter().for_each(|row| self.bury_row(row));
            }
            Effect::Patch { ks, key, offset, bytes } => {
                let key = Key { position, bytes: key };
                return self.change(ks, key, index, |row| drop(row.patch(offset as usize, bytes)));
            }
            Effect::Expire { ks, key, expire } => {
                let key = Key { position, bytes: key };
                return self.change(ks, key, index, |row| row.expire = expire);
            }
            Effect::Delete { ks, key } => {
                let Some(row) = self.space_mut(ks).remove(position, key) else { return false };
                self.bury_row(row);
            }
            Effect::Flush { ks } => {
                let old = self.replace_space(ks, index);
                self.bury(old);
            }
            Effect::Answered { .. } | Effect::Mark { .. } | Effect::System { .. } | Effect::Early { .. } => {}
        }
        true
    }

    fn change(&mut self, ks: Keyspace, key: Key<'_>, index: Index, change: impl FnOnce(&mut Row)) -> bool {
        let changed = self.space_mut(ks).update(key.position, key.bytes, |row| {
            change(row);
            row.changed_at = index;
        });
        changed.is_some()
    }

    /// Effects on the group's own state, which are the same on the leader: nothing of it changes when
    /// a command is executed.
    fn apply_to_group(&mut self, time: u64, effect: Effect<'_>) {
        match effect {
            Effect::Answered { id, slot, reply } => self.window.answered(id, slot, time, reply),
            Effect::Mark { origin, incarnation, seq } => self.window.mark(origin, incarnation, seq),
            Effect::System { name, value } => self.set_system(name, value),
            Effect::Put { .. }
            | Effect::Patch { .. }
            | Effect::Expire { .. }
            | Effect::Delete { .. }
            | Effect::Change { .. }
            | Effect::Rename { .. }
            | Effect::Copy { .. }
            | Effect::Flush { .. }
            | Effect::Early { .. } => {}
        }
    }

    fn set_system(&mut self, name: &[u8], value: Option<&[u8]>) {
        match value {
            Some(value) => self.system.insert(name.to_vec(), value.to_vec()),
            None => self.system.remove(name),
        };
        self.system_changed.push(name.to_vec());
        self.system_version += 1;
    }

    fn advance(&mut self, index: Index, term: Term, time: u64, payload: &[u8]) {
        self.window.advance(self.shard_time, time.max(self.shard_time));
        self.shard_time = self.shard_time.max(time);
        self.exec_time = self.exec_time.max(self.shard_time);
        self.rolling = model::position::chain(self.rolling, payload);
        (self.applied, self.applied_term) = (index, term);
    }
}
