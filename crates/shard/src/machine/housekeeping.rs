//! What happens between turns: freeing, expiring, counting.

use super::Machine;
use crate::space::Space;
use model::limits::KEYSPACES;
use model::{Index, Keyspace};

/// Rows of a flushed keyspace that are freed per turn.
const FREED_PER_TURN: usize = 2048;
/// Expired keys deleted per turn and keyspace without anybody asking for them.
const EXPIRED_PER_TURN: usize = 256;
/// Bytes of effects beyond which a turn deletes no more keys that nobody asked to delete: far below what
/// an entry may hold, which keys of the largest size would exceed.
pub(super) const EFFECT_BYTES_PER_TURN: usize = 1024 * 1024;

impl Machine {
    /// Empties a keyspace at this index and returns what it held. A checkpoint being taken has that.
    pub(crate) fn replace_space(&mut self, ks: Keyspace, index: Index) -> Space {
        self.finish_capture(ks);
        let space = self.space_mut(ks);
        let mut new = Space::new(space.generation.wrapping_add(1), index);
        new.traces = space.traces.after_flush();
        std::mem::replace(space, new)
    }

    /// Keeps what nobody looks at any more until [`Machine::tidy`] has freed it.
    pub(super) fn bury(&mut self, space: Space) {
        if !space.is_empty() {
            self.graveyard.push(space);
        }
    }

    /// Housekeeping at the end of a turn: frees what was flushed, a bounded piece at a time.
    /// Returns true while there is more to free.
    pub fn tidy(&mut self) -> bool {
        let mut left = self.free_elements(FREED_PER_TURN);
        while left > 0
            && let Some(space) = self.graveyard.last_mut()
        {
            left = left.saturating_sub(space.free_some(left, &mut self.dead));
            if space.is_empty() {
                self.graveyard.pop();
            }
        }
        !self.graveyard.is_empty() || self.has_dead()
    }

    /// Forgets which deletes are uncommitted up to the applied index, and gives back the room of an undo log that was
    /// long. Called now and then.
    pub fn forget_gone(&mut self) {
        let applied = self.applied;
        self.undo.shrink();
        self.spaces.iter_mut().for_each(|space| space.forget_gone(applied));
    }

    /// True when some key's time has come at this wall clock.
    pub fn expiry_due(&self, wall_ms: u64) -> bool {
        let now = self.exec_time.max(wall_ms);
        self.spaces.iter().any(|space| space.first_expiry().is_some_and(|at| at <= now))
    }

    /// The leader deletes keys whose time has come, a bounded number a turn; rows of others have to be
    /// fetched first (see [`Machine::take_fetch`]). Call after [`Machine::begin`].
    pub fn expire_due(&mut self) {
        let now = self.exec_time;
        for ks in 0..KEYSPACES {
            let ks = Keyspace(ks);
            if self.space(ks).cold() > 0 {
                let cold = self.space(ks).cold_and_due(now, EXPIRED_PER_TURN);
                cold.into_iter().for_each(|position| self.want(ks, position, None));
            }
            for _ in 0..EXPIRED_PER_TURN {
                let Some(key) = self.space(ks).first_due(now) else { break };
                if self.pending_bytes() > EFFECT_BYTES_PER_TURN {
                    return;
                }
                let key: Box<[u8]> = key.into();
                self.delete_expired(ks, &key);
            }
        }
    }

    /// Keys and keys with an expiry in a keyspace.
    pub fn counts(&self, ks: Keyspace) -> (usize, usize) {
        (self.space(ks).len(), self.space(ks).expiring())
    }

    /// Keys of all keyspaces.
    pub fn rows(&self) -> usize {
        self.spaces.iter().map(Space::len).sum()
    }

    /// Bytes of memory of all rows in memory.
    pub fn memory(&self) -> usize {
        self.spaces.iter().map(Space::memory).sum()
    }
}
