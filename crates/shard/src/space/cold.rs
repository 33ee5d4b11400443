//! Cold positions: their rows are in the row store only.
//!
//! The order of positions has every key of the keyspace, the rows only what is in memory. A position
//! that is in the order and has no row in memory is *cold*: the row store has exactly one row there, and
//! this is what makes three things cheap. An absent key is known to be absent without the disk. A cold
//! row cannot change, so whatever the row store reads for it is right. And a row has to be fetched before
//! anything at its position is looked at or changed, so all else in this crate sees either all rows of a
//! position or none.
//!
//! Invariant: what leaves memory is unchanged since a checkpoint that is durable and visible to readers.

use super::Space;
use crate::checkpoint::Capture;
use crate::row::Row;
use model::planted::{Bug, is_planted};
use model::{Keyspace, Position};

/// Memory of an entry in the order of expiry times, about, bytes: a B-tree two thirds full, whose nodes of 192
/// and 288 bytes the allocator gives 192 and 320.
const EXPIRY_BYTES: usize = 30;

/// Elements of the largest collection that leaves memory: what brings it back must not hold up the shard.
const MAX_COLD_ELEMENTS: usize = 16_384;

/// What a row adds to the hash over the content of its shard; the order of rows does not matter.
pub(crate) fn content(seed: u64, row: &Row) -> u64 {
    row.content_hash(xxhash_rust::xxh3::xxh3_64_with_seed(row.key(), seed ^ row.expire.rotate_left(32)))
}

impl Space {
    /// Keys whose rows are not in memory.
    #[inline]
    pub fn cold(&self) -> usize {
        self.cold
    }

    /// True when there is a key at the position and its row is not in memory.
    #[inline]
    pub fn is_cold(&self, position: Position) -> bool {
        self.cold > 0 && self.order.contains(position.0) && self.at(position).next().is_none()
    }

    /// The positions from `from` on and below `end`, cold ones included.
    pub fn positions(&self, from: Position, end: Position) -> impl Iterator<Item = Position> {
        self.order.range(from.0, end.0).map(Position)
    }

    /// Keys at the positions from `from` on and below `end`.
    pub fn count(&self, from: Position, end: Position) -> usize {
        // A cold position has one key.
        self.positions(from, end).map(|position| self.at(position).count().max(1)).sum()
    }

    /// Up to `most` cold positions of keys that expire at or before `now`.
    pub(crate) fn cold_and_due(&self, now: u64, most: usize) -> Vec<Position> {
        let due = self.expiry.iter().take_while(|(at, _)| *at <= now).take(most);
        due.map(|&(_, position)| Position(position)).filter(|&position| self.is_cold(position)).collect()
    }

    /// Seed of [`content`] for rows of this keyspace.
    pub(crate) fn content_seed(&self, ks: Keyspace) -> u64 {
        u64::from(ks.0) << 32 | u64::from(self.generation)
    }

    /// Sum of [`content`] over the keyspace.
    pub(crate) fn content_sum(&self, ks: Keyspace) -> u64 {
        let seed = self.content_seed(ks);
        self.iter().fold(self.cold_sum, |sum, row| sum.wrapping_add(content(seed, row)))
    }

    /// Bytes of memory of rows and orders, with the room to spare.
    pub fn footprint(&self) -> usize {
        self.memory
            + self.rows.spare()
            + self.order.memory()
            + self.expiry.len() * EXPIRY_BYTES
            + self.dirty.memory()
    }

    /// Lets rows go that are in the row store, those first that nobody asked for lately: a hand goes round
    /// the rows, halves the counter of each row it passes, and takes those whose counter is used up
    /// (the CLOCK policy with counters). It ends when so many bytes are free, or after `steps` rows.
    /// Only while no checkpoint is taken or written: all that is due for none is in the row store then.
    pub(crate) fn let_go(&mut self, ks: Keyspace, bytes: usize, steps: &mut usize) -> usize {
        let mut freed = 0;
        while freed < bytes && *steps > 0 && !self.rows.is_empty() {
            *steps -= 1;
            self.hand = if self.hand < self.rows.len() { self.hand } else { 0 };
            let Some(row) = self.rows.at_mut(self.hand) else { break };
            let pinned = !self.pinned.is_empty() && self.pinned.contains(&row.position);
            let stays = row.due != 0 || row.frequency > 0 || pinned;
            if row.due == 0 {
                row.frequency /= 2;
            }
            // Where one goes another one stands then, which is next.
            match if stays { 0 } else { self.make_cold(ks, self.hand) } {
                0 => self.hand += 1,
                gone => freed += gone,
            }
        }
        self.rows.shrink();
        freed
    }

    /// The row at a position stays in memory until [`Space::unpin`] was called as often: a command that has to wait for
    /// more than rows would else never meet it there.
    pub(crate) fn pin(&mut self, position: Position) {
        self.pinned.push(position);
    }

    /// The row may go again.
    pub(crate) fn unpin(&mut self, position: Position) {
        if let Some(at) = self.pinned.iter().position(|pinned| *pinned == position) {
            self.pinned.swap_remove(at);
        }
    }

    /// A key at the position was removed, and the row store has it until the next checkpoint: until then
    /// those that share the position stay, so that of a cold position it has one row only.
    pub(crate) fn keep_neighbours(&mut self, position: Position) {
        let due = self.next_checkpoint();
        for place in self.rows.places(position) {
            if let Some(row) = self.rows.at_mut(place)
                && row.due != due
            {
                let memory = row.memory();
                Capture::before_change(&mut self.capture, row);
                self.memory = self.memory - memory + row.memory();
                row.due = due;
                self.dirty.push(position.0);
            }
        }
    }

    /// Lets the only row of a position go, if it has one. Bytes freed.
    pub(crate) fn let_go_at(&mut self, ks: Keyspace, position: Position) -> usize {
        let place = self.rows.places(position).first().copied();
        place.map_or(0, |place| self.make_cold(ks, place))
    }

    fn make_cold(&mut self, ks: Keyspace, place: usize) -> usize {
        let Some(row) = self.rows.at(place) else { return 0 };
        let position = row.position;
        if row.large().is_some_and(|large| large.len() > MAX_COLD_ELEMENTS) {
            return 0;
        }
        if self.at(position).nth(1).is_some() {
            return 0; // Keys that share a position stay: of a cold one only the number of keys is known.
        }
        let Some(row) = self.rows.remove(place) else { return 0 };
        let bytes = row.memory();
        self.memory -= bytes;
        self.traces.left(row.changed_at);
        self.cold += 1;
        self.cold_sum = self.cold_sum.wrapping_add(content(self.content_seed(ks), &row));
        bytes
    }

    /// True when the fetch with this ticket is to bring the row at the position.
    pub(crate) fn fetches(&self, position: Position) -> Option<u64> {
        self.fetching.get(&position.0).copied()
    }

    /// The fetch with this ticket will bring the row at the position.
    pub(crate) fn begin_fetch(&mut self, position: Position, ticket: u64) {
        self.fetching.insert(position.0, ticket);
    }

    /// The fetch is over: true if it was to bring the row at the position, and has not.
    pub(crate) fn end_fetch(&mut self, position: Position, ticket: u64) -> bool {
        let open = self.fetches(position) == Some(ticket);
        if open {
            self.fetching.remove(&position.0);
        }
        open && self.is_cold(position)
    }

    /// A row comes from the row store. Ignored unless its fetch is the one that is awaited and the
    /// position is cold still: what has changed since is newer (safety rule 15).
    pub(crate) fn bring(&mut self, ks: Keyspace, ticket: u64, mut row: Row) {
        if is_planted(Bug::ColdOverwrites) {
            return self.overwrite(row);
        }
        let position = row.position;
        if self.fetches(position) != Some(ticket) || !self.is_cold(position) {
            return;
        }
        self.cold -= 1;
        self.cold_sum = self.cold_sum.wrapping_sub(content(self.content_seed(ks), &row));
        self.memory += row.memory();
        // The row store does not say when it changed. A bound that nothing waits for: what has left was committed.
        row.changed_at = self.traces.came_back();
        self.rows.insert(row);
    }

    /// Planted: the row of a cold position is replaced without a look at it.
    pub(crate) fn forget_cold(&mut self, position: Position) {
        if self.is_cold(position) {
            self.cold -= 1;
            self.order.remove(position.0);
        }
    }

    /// Planted: whatever has come since is overwritten.
    fn overwrite(&mut self, mut row: Row) {
        let position = row.position;
        if self.is_cold(position) {
            self.cold -= 1;
            self.memory += row.memory();
            self.rows.insert(row);
        } else if self.get(position, row.key()).is_some() {
            Capture::before_change(&mut self.capture, &mut row);
            self.insert(row);
        }
    }

    /// A key by a random number, about evenly: a row, or the cold position to fetch first.
    pub(crate) fn sample_any(&self, random: u64) -> Option<Result<&Row, Position>> {
        if self.cold == 0 || random % (self.len() as u64) >= self.cold as u64 {
            return self.sample(random.rotate_left(32)).map(Ok);
        }
        let (first, last) = (self.order.first()?, self.order.last()?);
        let from = first + random.rotate_left(32) % (last - first + 1);
        let position = Position(self.order.next(from)?);
        Some(self.at(position).next().ok_or(position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KS: Keyspace = Keyspace(3);

    fn clean(position: u64, key: &str) -> Row {
        let mut row = Row::new(Position(position), 0, key.as_bytes(), b"value");
        row.frequency = 0;
        row
    }

    #[test]
    fn what_is_pinned_stays_until_all_let_go_of_it() {
        let mut space = Space::default();
        (0..3).for_each(|i| space.load(clean(i, &i.to_string())));
        let in_memory = |space: &mut Space| {
            space.let_go(KS, usize::MAX, &mut 100);
            (0..3).filter(|i| !space.is_cold(Position(*i))).collect::<Vec<u64>>()
        };
        [1, 1, 9].map(Position).into_iter().for_each(|position| space.pin(position));
        assert_eq!(in_memory(&mut space), [1]);
        space.unpin(Position(1));
        assert_eq!(in_memory(&mut space), [1]);
        space.unpin(Position(1));
        assert_eq!(in_memory(&mut space), []);
    }

    #[test]
    fn what_is_let_go_is_known_and_comes_back() {
        let mut space = Space::default();
        (0..100).for_each(|i| space.load(clean(i, &i.to_string())));
        let (sum, memory) = (space.content_sum(KS), space.memory());
        let mut steps = 10_000;
        let freed = space.let_go(KS, memory / 2, &mut steps);
        assert!(freed >= memory / 2 && space.memory() + freed == memory);
        assert_eq!((space.len(), space.content_sum(KS)), (100, sum));
        assert_eq!(space.count(Position(0), Position(100)), 100);
        let cold: Vec<_> =
            space.positions(Position(0), Position(100)).filter(|p| space.is_cold(*p)).collect();
        assert_eq!(cold.len(), space.cold());
        for position in cold {
            space.begin_fetch(position, 7);
            space.bring(KS, 6, clean(position.0, &position.0.to_string()));
            assert!(space.is_cold(position), "another fetch is awaited");
            space.bring(KS, 7, clean(position.0, &position.0.to_string()));
            assert!(!space.is_cold(position) && !space.end_fetch(position, 7));
        }
        assert_eq!((space.cold(), space.content_sum(KS), space.memory()), (0, sum, memory));
    }

    #[test]
    fn changed_rows_asked_for_rows_and_shared_positions_stay() {
        let mut space = Space::default();
        space.insert(clean(1, "changed"));
        space.load(clean(2, "a"));
        space.load(clean(2, "b"));
        let mut row = clean(3, "asked for");
        row.frequency = 3;
        space.load(row);
        let mut steps = 4 * space.rows.len();
        let freed = space.let_go(KS, usize::MAX, &mut steps);
        assert!(freed > 0 && space.is_cold(Position(3)), "its counter is used up after two rounds");
        assert_eq!(space.cold(), 1);
        assert!(!space.end_fetch(Position(3), 1), "nobody fetches it");
        space.begin_fetch(Position(3), 1);
        assert!(space.end_fetch(Position(3), 1), "its row did not come");
    }

    #[test]
    fn a_space_with_cold_rows_is_freed_in_bounded_pieces() {
        let mut space = Space::default();
        (0..1000).for_each(|i| space.load(clean(i, &i.to_string())));
        space.let_go(KS, usize::MAX, &mut 100_000);
        assert_eq!(space.cold(), 1000);
        let mut calls = 0;
        while !space.is_empty() {
            assert!(space.free_some(100, &mut Vec::new()) > 0);
            calls += 1;
        }
        assert!(calls >= 10);
    }
}
