//! After a split: rows in slots that the shard does not own any more leave it, a few at a time.
//!
//! No entry says so, and none has to: nobody is served from them, and the shard that owns them has its own. They go
//! as removed keys do, so the row store loses them with the next checkpoint.

use super::Machine;
use model::limits::{SLOTS, SPACES};
use model::slot::Slot;
use model::{Keyspace, Position};

/// Rows not in memory that one call asks for.
const FETCHED: usize = 256;

impl Machine {
    /// Says which slots the shard owns of keyspaces that are spread, the first and the last one; all of them at first.
    pub fn set_slots(&mut self, slots: (Slot, Slot)) {
        self.slots = slots;
    }

    /// Whether the shard owns a slot of a keyspace, as far as it was told.
    pub(crate) fn owns(&self, ks: Keyspace, slot: Slot) -> bool {
        !self.is_spread(ks) || (self.slots.0..=self.slots.1).contains(&slot)
    }

    /// The first position of a spread keyspace that is outside of the slots, from `from` on.
    fn outside(&self, ks: Keyspace, from: Position) -> Option<Position> {
        let (first, last) = self.slots;
        let space = self.space(ks);
        let below = space.next_position(from).filter(|position| position.slot() < first);
        below.or_else(|| space.next_position(Position::slot_start(last + 1).max(from)))
    }

    /// True while there are rows of spread keyspaces outside of the slots.
    pub fn has_outside(&self) -> bool {
        if self.slots == (0, SLOTS - 1) {
            return false;
        }
        let mut spread = (0..SPACES).map(Keyspace).filter(|ks| self.is_spread(*ks));
        spread.any(|ks| self.outside(ks, Position(0)).is_some())
    }

    /// Removes up to `most` rows outside of the slots. Rows that are not in memory are wanted (see
    /// [`Machine::take_fetch`]) and go with a later call. Not while commands that are not committed may have
    /// changed any of them.
    pub fn shed(&mut self, most: usize) {
        let (mut left, mut wanted, spread) = (most, 0, self.spread);
        for ks in (0..SPACES).map(Keyspace).filter(|ks| spread >> ks.0 & 1 == 1) {
            let mut from = Position(0);
            while left > 0
                && wanted < FETCHED
                && let Some(position) = self.outside(ks, from)
            {
                from = Position(position.0 + 1);
                if self.space(ks).is_cold(position) {
                    wanted += 1;
                    self.want(ks, position, None);
                    continue;
                }
                let keys: Vec<Box<[u8]>> = self.space(ks).at(position).map(|row| row.key().into()).collect();
                for key in keys {
                    left = left.saturating_sub(1);
                    if let Some(row) = self.space_mut(ks).remove(position, &key) {
                        self.bury_row(row);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Row;
    use model::KeyHasher;

    /// A shard with a row in each of these slots, in a keyspace that is spread and in one that is not.
    fn machine(slots: &[Slot]) -> Machine {
        let mut machine = Machine::new(KeyHasher::new(1), 1000, 1);
        machine.set_spread(Keyspace(0), true);
        for slot in slots {
            for ks in [Keyspace(0), Keyspace(3)] {
                let row = Row::new(Position::slot_start(*slot), 0, slot.to_string().as_bytes(), b"v");
                machine.space_mut(ks).load(row);
            }
        }
        machine
    }

    fn left(machine: &Machine, ks: u16) -> Vec<Slot> {
        machine.space(Keyspace(ks)).positions(Position(0), Position(u64::MAX)).map(Position::slot).collect()
    }

    #[test]
    fn what_is_outside_goes_in_bounded_pieces_and_nothing_else() {
        let mut machine = machine(&[0, 9, 10, 19, 20, 16383]);
        assert!(!machine.has_outside() && machine.content_hash().is_some());
        machine.set_slots((10, 19));
        assert!(machine.has_outside());
        assert_eq!(machine.content_hash(), None, "what is left of it differs from replica to replica");
        machine.shed(3);
        assert_eq!((left(&machine, 0), machine.has_outside()), (vec![10, 19, 16383], true));
        machine.shed(3);
        assert_eq!((left(&machine, 0), machine.has_outside()), (vec![10, 19], false));
        assert_eq!(left(&machine, 3).len(), 6, "a keyspace in one shard stays there");
        assert_eq!(machine.checkpoint().unwrap().iter().filter(|(_, row)| row.is_none()).count(), 4);
    }

    #[test]
    fn rows_that_are_not_in_memory_are_asked_for() {
        let mut machine = machine(&[5, 15]);
        for position in [5, 15].map(Position::slot_start) {
            let mut steps = 100;
            machine.space_mut(Keyspace(0)).let_go(Keyspace(0), usize::MAX, &mut steps);
            assert!(machine.space(Keyspace(0)).is_cold(position));
        }
        machine.set_slots((10, 19));
        machine.shed(10);
        assert!(machine.has_outside());
        let wanted: Vec<_> =
            machine.take_fetch().0.unwrap().wanted.iter().map(|w| w.position.slot()).collect();
        assert_eq!(wanted, [5]);
    }
}
