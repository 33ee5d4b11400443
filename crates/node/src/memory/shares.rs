//! Who takes the memory that a node may take, and what of it is left for rows.
//!
//! What is known exactly is counted: rows with their table and orders, the tail of the log, checkpoints on
//! their way into the row store, the row store's cache and indexes. What else the process takes (the
//! program, its threads, what the allocator holds free) is measured: resident memory without all that, and
//! without what has bounds of its own (clients, replication).

use crate::core::Core;
use crate::replica::Replica;

/// One byte in so many stays free for what a tick can bring.
const SPARE_PART: u64 = 16;
/// Rows may take one byte in so many at least, whatever else there is.
const LEAST_PART: u64 = 2;
/// The tail of the log, and checkpoints, count up to one byte in so many each: if they take more, rows that go
/// would not help against it, and evictions would only make them longer.
const PASSING_PART: u64 = 16;
/// What is measured and not known counts up to one byte in so many: the allocator does not give back all
/// that rows leave free, and letting more of them go for it would free nothing.
const OTHER_PART: u64 = 3;
/// A measurement moves what counts by one part in so many.
const SMOOTHING: i64 = 4;
/// What a process takes before there is any data, about, bytes.
pub(super) const PROCESS: u64 = 24 << 20;

/// Who takes how much, bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Shares {
    /// Rows in memory, their table, and the order of all keys.
    pub rows: u64,
    /// Entries of the log in memory.
    pub tail: u64,
    /// Checkpoints that are taken or written.
    pub checkpoints: u64,
    /// Cache and indexes of the row store.
    pub store: u64,
    /// What else the process takes, as measured.
    pub other: u64,
}

impl Shares {
    /// What of `max_memory` is for rows.
    pub(crate) fn room(&self, max_memory: u64) -> u64 {
        let passing = max_memory / PASSING_PART;
        let taken = max_memory / SPARE_PART
            + self.store
            + self.other.min(max_memory / OTHER_PART)
            + self.tail.min(passing)
            + self.checkpoints.min(passing);
        max_memory.saturating_sub(taken).max(max_memory.div_ceil(LEAST_PART))
    }
}

/// What one of so many shards may fill with rows while they are loaded, bytes. `max_memory` 0: no limit. Half of
/// what will be left for rows: the order of keys still to come needs the rest.
pub fn load_limit(max_memory: u64, shards: u64) -> usize {
    if max_memory == 0 {
        return usize::MAX;
    }
    let before = Shares { store: max_memory / SPARE_PART, other: PROCESS, ..Shares::default() };
    usize::try_from(before.room(max_memory) / 2 / shards.max(1)).unwrap_or(usize::MAX)
}

/// What counts for the rest of the process after another measurement.
fn smoothed(before: u64, measured: u64) -> u64 {
    if before == 0 {
        return measured;
    }
    before.saturating_add_signed((measured as i64 - before as i64) / SMOOTHING)
}

impl Core {
    /// Who takes memory now.
    pub(crate) fn memory_shares(&self) -> Shares {
        let sum = |of: fn(&Replica) -> u64| self.replicas.iter().flatten().map(|r| of(r)).sum();
        Shares {
            rows: sum(|r| r.machine.footprint() as u64),
            tail: sum(|r| r.raft.tail_bytes() as u64),
            checkpoints: sum(|r| r.machine.checkpoint_memory() as u64 + r.writing),
            store: self.gauges.store_cache_bytes + self.gauges.store_tables_bytes,
            other: self.memory.other,
        }
    }

    /// The process was measured: what it takes beside what is counted.
    pub(crate) fn weigh_other(&mut self) {
        let Some(measured) = self.gauges.rss_bytes.checked_sub(1) else { return };
        let shares = self.memory_shares();
        let clients: u64 = self.conns.values().map(|conn| conn.memory() as u64).sum();
        let backlog: u64 = self.peers.values().map(|peer| peer.backlog as u64).sum();
        let known = shares.rows + shares.tail + shares.checkpoints + shares.store + clients + backlog;
        self.memory.other = smoothed(self.memory.other, measured.saturating_sub(known));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn rows_get_what_is_left_and_half_at_least() {
        let shares = Shares { store: 16 * MIB, other: 40 * MIB, ..Shares::default() };
        assert_eq!(shares.room(1024 * MIB), (1024 - 64 - 16 - 40) * MIB);
        // A third of 96 MiB counts for the rest of the process, not all of it.
        assert_eq!(shares.room(96 * MIB), 48 * MIB);
        assert_eq!(Shares { store: 2 * MIB, ..shares }.room(96 * MIB), (96 - 6 - 2 - 32) * MIB);
        // A tail that grows makes no more than its share of rows go.
        let behind = Shares { tail: 64 * MIB, checkpoints: MIB, other: 0, ..shares };
        assert_eq!(behind.room(160 * MIB), (160 - 10 - 16 - 10 - 1) * MIB);
        assert_eq!(shares.room(1), 1, "the least there is still is something");
    }

    #[test]
    fn rows_are_loaded_into_what_will_be_left() {
        assert_eq!(load_limit(0, 3), usize::MAX);
        assert_eq!(load_limit(1024 * MIB, 4) as u64, (1024 - 64 - 64 - 24) * MIB / 2 / 4);
        assert_eq!(load_limit(MIB, 2) as u64, (MIB - 2 * (MIB / 16) - MIB / 3) / 2 / 2);
    }

    #[test]
    fn a_single_measurement_moves_little() {
        assert_eq!(smoothed(0, 100), 100);
        assert_eq!((smoothed(100, 200), smoothed(100, 0)), (125, 75));
    }
}
