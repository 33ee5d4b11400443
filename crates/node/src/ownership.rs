//! Which slots a shard owns, by its own row (safety rule 20): the map is a hint.
//!
//! A leader that has proposed to divide its shard executes nothing until that is applied, or lost. Commands without keys concern a range of slots, that of the shard as
//! whoever asks knows it: they are refused if that is not the shard's own, and while rows are here that are another
//! shard's.

use crate::layouts::{follow_rows, serves};
use crate::replica::Replica;
use cluster::map::{Child, SLOTS_ROW, ShardSlots};
use model::Keyspace;
use model::planted::{Bug, is_planted};
use model::slot::{Slot, slot_of};
use router::request::Parts;
use shard::table::{Route, Spec};

/// What a replica knows of its shard's slots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ownership {
    /// First and last slot; `None` before the rows were looked at, and for a replica without rows.
    pub(crate) slots: Option<(Slot, Slot)>,
    /// The row that says so, if the shard was ever divided or made by a division.
    pub(crate) row: Option<ShardSlots>,
    /// Keyspaces of which it owns only its slots, a bit each.
    pub(crate) spread: u32,
    /// The shard that is made of this one.
    pub(crate) making: crate::dividing::Making,
    /// No row of another shard is here any more.
    pub(crate) clean: bool,
    /// What it will own, by an entry that this leader has proposed and not applied.
    pub(crate) proposed: Option<(Slot, Slot)>,
}

impl Ownership {
    /// The shard that was made of this one, as long as something of it is still here.
    pub(crate) fn child(&self) -> Option<&Child> {
        self.row.as_ref()?.child.as_ref()
    }

    /// The split that the row is from.
    pub(crate) fn generation(&self) -> u64 {
        self.row.as_ref().map_or(0, |row| row.generation)
    }

    #[inline]
    fn has(&self, slot: Slot) -> bool {
        let slots = self.proposed.or(self.slots);
        // Planted: see model/planted.rs
        if is_planted(Bug::ParentGoesOn) {
            return true;
        }
        slots.is_some_and(|(first, last)| first <= slot && slot <= last)
    }

    #[inline]
    fn is_spread(&self, ks: Keyspace) -> bool {
        self.spread >> ks.0 & 1 == 1
    }
}

impl Replica {
    /// The rows of the group's own state have changed.
    pub(crate) fn follow_slots(&mut self, shards: u16) {
        let row = self.machine.system(SLOTS_ROW).and_then(|row| ShardSlots::decode(row).ok());
        let first = self.id.shard().filter(|shard| shard.0 < shards);
        let first = first.map(|shard| cluster::formation::first_slots(shards, shard));
        let owned = &mut self.owned;
        owned.slots = row.as_ref().map(|row| row.slots).or(first);
        owned.row = row;
        owned.clean = false;
        if let Some(slots) = owned.slots {
            self.machine.set_slots(slots);
        }
    }

    /// Whether the rows of the shard are its own and all of them, so that a command on all of them can run.
    pub(crate) fn is_undivided(&self) -> bool {
        let parted = self.owned.child().is_none_or(|child| child.parted);
        self.owned.proposed.is_none() && parted && (self.owned.clean || !self.machine.has_outside())
    }

    /// Whether the shard owns a slot of a keyspace.
    #[inline]
    pub(crate) fn owns(&mut self, ks: Keyspace, slot: Slot, shards: u16) -> bool {
        follow_rows(self, shards);
        !self.owned.is_spread(ks) || self.owned.has(slot)
    }

    /// Whether the shard owns all that a command without keys concerns, whose last slot is this.
    fn owns_all(&mut self, ks: Keyspace, last: Slot, shards: u16) -> bool {
        follow_rows(self, shards);
        let up_to_date = self.owned.slots.is_some_and(|slots| slots.1 == last);
        self.is_undivided() && (up_to_date || !self.owned.is_spread(ks))
    }

    /// Whether the shard may execute a command, by its own rows: it serves the keyspace, and owns the slots.
    /// `slot`: that of the first key, or the last one that a command without keys concerns.
    #[inline]
    pub(crate) fn may_run(
        &mut self,
        spec: &Spec,
        ks: Keyspace,
        slot: Slot,
        args: &[&[u8]],
        shards: u16,
    ) -> bool {
        match spec.route {
            // FLUSHALL concerns all keyspaces, whatever the shard serves.
            Route::AllShards(_) if spec.name == "flushall" => {
                self.owns_all(model::limits::CHUNKS, slot, shards)
            }
            Route::AllShards(_) | Route::Scan | Route::Random => {
                serves(self, ks, shards) && self.owns_all(ks, slot, shards)
            }
            Route::PerKey(_) => {
                let mut keys = spec.key_positions(args);
                serves(self, ks, shards)
                    && (!self.owned.is_spread(ks) || keys.all(|at| self.owned.has(slot_of(args[at]))))
            }
            _ => serves(self, ks, shards) && self.owns(ks, slot, shards),
        }
    }

    /// Whether the shard may execute an internal request, by its own rows.
    pub(crate) fn may_run_internal(&mut self, parts: &Parts<'_>, slot: Slot, shards: u16) -> bool {
        use crate::internal::{ACKNOWLEDGE, CLOSE, COLLECT, DROP, FIND_LAST, FORGET, MODE, OPEN};
        use crate::internal::{REPLAY, SCAN, SLOT_COUNT, SLOT_KEYS, WATCH};
        match parts.args[0] {
            REPLAY | WATCH | FIND_LAST => serves(self, parts.ks, shards) && self.owns(parts.ks, slot, shards),
            DROP | SLOT_COUNT | SLOT_KEYS => self.owns(parts.ks, slot, shards),
            // The end of its range is a part of it, and may be less than that of the shard.
            SCAN => {
                let mut owns = |slot| self.owns(parts.ks, slot, shards);
                scan_slots(&parts.args).is_some_and(|(first, last)| owns(first) && owns(last))
            }
            // They speak of rows of the shard itself, which a split does not share out before it is over.
            COLLECT | FORGET => self.is_undivided(),
            CLOSE | OPEN | MODE | ACKNOWLEDGE => true,
            _ => true,
        }
    }
}

/// First and last slot that a part of a SCAN looks at.
pub(crate) fn scan_slots(args: &[&[u8]]) -> Option<(Slot, Slot)> {
    let from = crate::internal::number(args.get(1)).ok()?;
    let end = crate::internal::number(args.get(2)).ok()?;
    let last = end.checked_sub(1)?;
    Some((model::Position(from).slot(), model::Position(last.max(from)).slot()))
}

#[cfg(test)]
mod tests;
