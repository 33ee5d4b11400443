//! What WATCH must know of keys that have no row to look at: absent ones, and those that left memory.
//!
//! Local to the leader of a term, and conservative: a change is never missed, and one may be seen where
//! another key had it. A transaction that did not run for that reason is tried again by its client.

use model::{Index, Position};

/// Indexes of deletes are kept by so many classes of positions; 32 KiB once a key was deleted.
const CLASSES: usize = 4096;

/// Traces of changes in one keyspace.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    /// Highest index of a delete, by class of position; empty before the first.
    deleted: Vec<Index>,
    /// Highest index at which a key was created.
    created: Index,
    /// The same of what flushes have removed.
    flushed: Index,
    /// Highest index at which a row changed that left memory.
    left: Index,
}

/// The class of a position: neighbours are in different ones.
fn class(position: Position) -> usize {
    (position.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52) as usize
}

impl Traces {
    /// A key was created at this index.
    #[inline]
    pub(crate) fn created(&mut self, index: Index) {
        self.created = self.created.max(index);
    }

    /// A key at the position was deleted at this index.
    pub(crate) fn deleted(&mut self, position: Position, index: Index) {
        self.deleted.resize(CLASSES, 0);
        self.deleted[class(position)] = index;
    }

    /// A row that changed last at this index leaves memory.
    pub(crate) fn left(&mut self, changed_at: Index) {
        self.left = self.left.max(changed_at);
    }

    /// A row comes back to memory: it changed last at this index, or before.
    pub(crate) fn came_back(&self) -> Index {
        self.left
    }

    /// Of the keyspace after it was flushed.
    pub(crate) fn after_flush(&self) -> Traces {
        Traces { flushed: self.created.max(self.flushed), ..Traces::default() }
    }

    /// Whether a key that was absent at an index, and is absent now, may have existed in between.
    pub(crate) fn existed_since(&self, position: Position, index: Index) -> bool {
        let deleted = self.deleted.get(class(position)).copied().unwrap_or(0);
        deleted.max(self.flushed) > index
    }
}

const _: () = assert!(CLASSES == 1 << (64 - 52));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_came_and_went_is_noticed() {
        let (mut traces, key) = (Traces::default(), Position(7));
        assert!(!traces.existed_since(key, 0));
        traces.created(5);
        traces.deleted(key, 6);
        assert!(traces.existed_since(key, 5) && !traces.existed_since(key, 6));
        assert!(!traces.existed_since(Position(8), 0), "another one did not");
    }

    #[test]
    fn a_flush_counts_for_absent_keys_only_if_something_was_created_before_it() {
        let mut traces = Traces::default();
        traces.created(5);
        let flushed = traces.after_flush().after_flush();
        assert!(flushed.existed_since(Position(7), 4) && !flushed.existed_since(Position(7), 5));
    }
}
