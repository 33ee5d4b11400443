//! Memory of rows: what is in the row store and was not asked for lately leaves it.
//!
//! Keys of caches are given up instead, by their leader: see `Core::let_go`.
//!
//! Two bounds. Above what `max-memory` leaves for them ([`shares`]) rows are let go, a bounded piece a
//! tick; the tail of the log is cut, and once changed rows take too much of it, shards are checkpointed sooner, because
//! only what is in the row store can go. A sixteenth of `max-memory` above it (at least two of the largest values)
//! commands that may need memory wait, and halfway there those that write chunks of large values: a load that is faster than the disk slows down instead of failing.
//! If that does not help for a while, keys and their order alone exceed the bound, and such commands
//! are answered with an error. Nothing is ever lost by it.

mod gather;
mod shares;
mod tails;

pub use shares::load_limit;

use crate::cold::MEMORY;
use crate::core::Core;
use crate::layouts::follow_rows;
use crate::replica::Replica;
use model::{GroupId, Now};
use shard::table::{Spec, flag};

/// Commands that need memory wait so long, in tenths of the time that a command may take, before they are
/// refused: whoever sent them must hear of it before giving up.
const GIVE_UP_TENTHS: u64 = 6;
/// Commands wait no sooner than so many bytes above the bound: two values of the largest size, of which one
/// may be on its way into the row store.
const MIN_SLACK: u64 = 2 * model::limits::MAX_VALUE as u64;
/// Waiting commands begin so high above the room for rows: one byte of `max-memory` in so many.
const SLACK_PART: u64 = 16;
/// A shard whose changed rows take less, bytes, is not checkpointed for the sake of memory while no
/// command waits for it.
const MIN_CHANGED: u64 = 256 << 10;
/// Shards are checkpointed for the sake of memory when one byte in so many of the rows in memory is changed.
/// The fewer and larger checkpoints are, the less often compactions write the same rows again; the other
/// rows are what is asked for often.
const CHANGED_PART: u64 = 2;

/// Puts a chunk. Such commands come in masses and wait half a slack earlier than others: what is small then runs beside an upload
/// that is faster than the disk.
const CHUNK_WRITE: &str = "large|write";

/// The error when no row can be let go any more.
pub(crate) const OUT_OF_MEMORY: &str = "OOM command not allowed when used memory > 'maxmemory': what is left \
    in memory can not leave it; delete keys, or give the node more (max-memory)";

/// How much memory the rows take.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Bytes of rows at the last tick.
    pub rows: u64,
    /// What there was for them.
    room: u64,
    /// Bytes that the process takes beside what is counted, see [`shares`].
    other: u64,
    /// Since when commands wait for it, monotonic ms.
    pub full_since_ms: Option<u64>,
    /// Since when chunks of large values wait for it.
    crowded_since_ms: Option<u64>,
    /// Rows let go since the start, bytes.
    pub let_go: u64,
    /// The shard that lets rows go first the next time.
    turn: usize,
    /// How far the rows that stay have been moved together.
    gathering: gather::Gathering,
}

/// What a command that may need memory has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// It runs.
    Enough,
    /// It waits.
    Wait,
    /// It is refused.
    None,
}

impl Replica {
    /// The leader gives up keys of caches, about so many bytes of memory. Returns how many.
    fn evict(&mut self, now: Now, bytes: u64, shards: u16) -> u64 {
        follow_rows(self, shards);
        if !self.is_undivided() || self.machine.caches() == 0 || !self.ready(now) {
            return 0;
        }
        self.begin(now);
        self.machine.evict(bytes as usize) as u64
    }
}

impl Core {
    /// Whether there is memory for a command.
    #[inline]
    pub(crate) fn room_for(&self, spec: &Spec) -> Room {
        let Memory { full_since_ms, crowded_since_ms, .. } = self.memory;
        match if spec.name == CHUNK_WRITE { crowded_since_ms } else { full_since_ms } {
            None => Room::Enough,
            Some(_) if !spec.flags.has(flag::DENYOOM) => Room::Enough,
            Some(since) if !self.gives_up(since) => Room::Wait,
            Some(_) => Room::None,
        }
    }

    /// True for what needs memory where none was given, whichever node leads: it is the client's own node that has none.
    #[inline]
    pub(crate) fn refuses_memory(&self, spec: &Spec) -> bool {
        self.settings.no_memory && spec.flags.has(flag::DENYOOM)
    }

    fn gives_up(&self, since_ms: u64) -> bool {
        let waited = self.now.mono_ms().saturating_sub(since_ms);
        waited >= self.settings.quorum_timeout_ms * GIVE_UP_TENTHS / 10
    }

    /// True when rows leave memory or soon will.
    pub(crate) fn is_short_of_memory(&self) -> bool {
        self.settings.max_memory > 0 && self.memory.rows > self.memory.room / 16 * 15
    }

    /// Shards to be checkpointed so that rows can leave memory: those with most changed rows, until few
    /// enough of the rows in memory are changed.
    pub(crate) fn due_for_memory(&self) -> Vec<GroupId> {
        let waits = self.memory.full_since_ms.or(self.memory.crowded_since_ms).is_some();
        let replicas = || self.replicas.iter().flatten();
        let in_memory: u64 = replicas().map(|r| r.machine.memory() as u64).sum();
        // An entry may be one of a large row where rows are small on the average.
        let changed = |r: &Replica| (r.machine.changed_memory() as u64).max(r.log_share);
        let mut shares: Vec<_> =
            replicas().filter(|r| !r.checkpointing).map(|r| (changed(r), r.id)).collect();
        shares.sort_unstable_by(|a, b| b.cmp(a));
        let mut left: u64 = shares.iter().map(|(bytes, _)| bytes).sum();
        let (least, enough) = if waits { (1, 0) } else { (MIN_CHANGED, in_memory / CHANGED_PART) };
        let large = shares.into_iter().take_while(|&(bytes, _)| {
            let due = left > enough && bytes >= least;
            left = left.saturating_sub(bytes);
            due
        });
        large.map(|(_, group)| group).collect()
    }

    /// Once a tick: lets rows go that are too many, and those run that waited for that.
    pub(crate) fn keep_within_memory(&mut self) {
        let limit = self.settings.max_memory;
        if limit == 0 {
            return;
        }
        self.weigh();
        if self.is_short_of_memory() {
            self.cut_tails();
        }
        self.gather_rows();
        let most = self.memory.room.saturating_add((limit / SLACK_PART).max(MIN_SLACK));
        if self.memory.rows > self.memory.room {
            self.let_go(self.memory.rows - self.memory.room, self.memory.rows > most);
            self.weigh();
        }
        let crowded = self.memory.room.saturating_add((most - self.memory.room) / 2);
        let ends = self.end_waits(most, |memory| &mut memory.full_since_ms);
        if self.end_waits(crowded, |memory| &mut memory.crowded_since_ms) || ends {
            for at in 0..self.replicas.len() {
                self.run_again(GroupId(at as u32), Some(MEMORY));
            }
        }
    }

    /// Notes since when rows take more than so many bytes. True if those who wait for that are to run again, or to hear
    /// that it does not end.
    fn end_waits(&mut self, most: u64, since_ms: impl Fn(&mut Memory) -> &mut Option<u64>) -> bool {
        let (now_ms, above) = (self.now.mono_ms(), self.memory.rows > most);
        let since = since_ms(&mut self.memory);
        let waited = *since;
        *since = above.then(|| waited.unwrap_or(now_ms));
        waited.is_some_and(|since| !above || self.gives_up(since))
    }

    fn weigh(&mut self) {
        let shares = self.memory_shares();
        let memory = &mut self.memory;
        (memory.rows, memory.room) = (shares.rows, shares.room(self.settings.max_memory));
    }

    /// Caches give up keys where this node leads them. What other nodes lead is left to them, whose memory
    /// is about as full, until it is urgent: for a key that is evicted, a row that left memory is fetched.
    fn let_go(&mut self, mut bytes: u64, urgent: bool) {
        let (count, shards, now) = (self.replicas.len(), self.base_shards(), self.now);
        let evicts = !self.disk.is_full(); // With a full log what is left of it is for others.
        for at in 0..count {
            let at = (self.memory.turn + at) % count;
            let Some(replica) = self.replicas[at].as_deref_mut() else { continue };
            let evicted = if evicts { replica.evict(now, bytes, shards) } else { 0 };
            self.memory.gathering.left += evicted;
            bytes = bytes.saturating_sub(evicted);
            if bytes > 0 && !replica.checkpointing {
                let spare = if urgent && evicted == 0 { 0 } else { replica.machine.caches() };
                let freed = replica.machine.let_go(bytes as usize, urgent, spare) as u64;
                self.memory.let_go += freed;
                self.memory.gathering.left += freed;
                bytes = bytes.saturating_sub(freed);
            }
            if bytes == 0 {
                break;
            }
        }
        self.memory.turn = (self.memory.turn + 1) % count.max(1);
    }
}
