//! When rows in memory are moved together: after many have left it, until all that stay were looked at once.

use super::shares::PROCESS;
use crate::core::Core;

/// A round begins when rows of one byte of `max-memory` in so many have left since the one before.
const LEFT_PART: u64 = 8;
/// Without so much memory that nobody counts, beside what any process has, there is nothing to give back: one byte
/// of `max-memory` in so many.
const UNCOUNTED_PART: u64 = 16;
/// Places of the tables that are looked at in a tick.
const STEPS: usize = 1024;

/// How far a round is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Gathering {
    /// Bytes of rows that have left memory since the last round began.
    pub left: u64,
    /// The replica, its keyspace and the place in its table that are next; `None` between rounds.
    at: Option<(usize, (u16, usize))>,
}

impl Core {
    /// Once a tick: moves some of the rows that are in pages of the allocator which are mostly free.
    pub(crate) fn gather_rows(&mut self) {
        let limit = self.settings.max_memory;
        let gathering = &mut self.memory.gathering;
        if gathering.at.is_none()
            && gathering.left > limit / LEFT_PART
            && self.memory.other > PROCESS + limit / UNCOUNTED_PART
        {
            *gathering = Gathering { left: 0, at: Some((0, (0, 0))) };
        }
        let (mut at, mut steps) = (gathering.at, STEPS);
        while let Some((replica, from)) = at
            && steps > 0
        {
            let rest = self
                .replicas
                .get_mut(replica)
                .and_then(|replica| replica.as_mut()?.machine.gather(from, &mut steps, env::is_sparse));
            at = match rest {
                Some(from) => Some((replica, from)),
                None if replica + 1 < self.replicas.len() => Some((replica + 1, (0, 0))),
                None => None,
            };
        }
        self.memory.gathering.at = at;
    }
}
