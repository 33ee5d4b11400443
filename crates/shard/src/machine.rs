//! The state machine of one shard: on the leader it executes commands ahead of their commit, on
//! every replica it applies committed entries.

use crate::data::{Context, Data, Handler, Stop};
use crate::row::Row;
use crate::space::Space;
use crate::undo::{Before, Change, UndoLog};
use crate::window::{MAX_REPLY, Seen, Window};
use model::effect::{Effect, WriteId};
use model::entry::{EntryBuilder, EntryReader};
use model::limits::KEYSPACES;
use model::slot::Slot;
use model::varint::DecodeError;
use model::{Index, KeyHasher, Keyspace, Reply, Term};
use std::collections::{BTreeMap, VecDeque};

/// Rows of a flushed keyspace that are freed per turn.
const FREED_PER_TURN: usize = 2048;
/// Expired keys deleted per turn and keyspace without anybody asking for them.
const EXPIRED_PER_TURN: usize = 256;

/// What became of one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The reply may be released when this index is committed; 0 = nothing uncommitted was seen.
    pub hold: Index,
    /// The command has effects, so it goes out with the turn's entry.
    pub wrote: bool,
    /// A row must be fetched first; nothing was written to the reply.
    pub fetch: bool,
}

/// A write executed here whose entry is not committed.
#[derive(Debug)]
struct InFlight {
    index: Index,
    id: WriteId,
    slot: Slot,
    reply: Option<Box<[u8]>>,
}

/// The state of one shard on one node.
#[derive(Debug)]
pub struct Machine {
    pub(crate) spaces: Vec<Space>,
    pub(crate) undo: UndoLog,
    pub(crate) entry: EntryBuilder,
    pub(crate) hasher: KeyHasher,
    pub(crate) max_value: usize,
    pub(crate) system: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) system_changed: Vec<Vec<u8>>,
    pub(crate) window: Window,
    pub(crate) applied: Index,
    pub(crate) applied_term: Term,
    /// Shard time of the last applied entry, ms.
    pub(crate) shard_time: u64,
    /// Hash over all applied payloads, equal on all replicas at the same index.
    pub(crate) rolling: u64,
    /// Shard time the leader executes at, ms; never behind `shard_time`.
    exec_time: u64,
    pending: Index,
    in_flight: VecDeque<InFlight>,
    /// Highest sequence number in flight per origin: most new writes are above it.
    in_flight_top: BTreeMap<(model::NodeId, u64), u64>,
    marks: BTreeMap<(model::NodeId, u64), u64>,
    graveyard: Vec<Space>,
    rng: u64,
    /// Keys deleted because their time had come, since start.
    pub expired_keys: u64,
}

impl Machine {
    /// An empty shard.
    pub fn new(hasher: KeyHasher, max_value: usize, seed: u64) -> Machine {
        Machine {
            spaces: (0..KEYSPACES).map(|_| Space::default()).collect(),
            undo: UndoLog::default(),
            entry: EntryBuilder::default(),
            hasher,
            max_value,
            system: BTreeMap::new(),
            system_changed: Vec::new(),
            window: Window::default(),
            applied: 0,
            applied_term: 0,
            shard_time: 0,
            rolling: 0,
            exec_time: 0,
            pending: 1,
            in_flight: VecDeque::new(),
            in_flight_top: BTreeMap::new(),
            marks: BTreeMap::new(),
            graveyard: Vec::new(),
            rng: seed | 1,
            expired_keys: 0,
        }
    }

    /// Index and term of the last applied entry.
    pub fn applied(&self) -> (Index, Term) {
        (self.applied, self.applied_term)
    }

    /// Shard time in ms at which commands run now.
    #[inline]
    pub fn time(&self) -> u64 {
        self.exec_time
    }

    /// Hash over everything applied.
    pub fn rolling(&self) -> u64 {
        self.rolling
    }

    /// Largest allowed value in bytes, changeable at any time (only the leader checks it).
    pub fn set_max_value(&mut self, bytes: usize) {
        self.max_value = bytes;
    }

    /// The rows of a keyspace; the number was checked at the front.
    #[inline]
    pub fn space(&self, ks: Keyspace) -> &Space {
        &self.spaces[usize::from(ks.0)]
    }

    #[inline]
    pub(crate) fn space_mut(&mut self, ks: Keyspace) -> &mut Space {
        &mut self.spaces[usize::from(ks.0)]
    }

    /// A row of the group's own state.
    pub fn system(&self, name: &[u8]) -> Option<&[u8]> {
        self.system.get(name).map(|v| &v[..])
    }

    /// All rows of the group's own state whose names start with `prefix`.
    pub fn systems<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let from = self.system.range(prefix.to_vec()..);
        from.take_while(move |(name, _)| name.starts_with(prefix)).map(|(n, v)| (&n[..], &v[..]))
    }

    pub(crate) fn random(&mut self) -> u64 {
        self.rng ^= self.rng << 13;
        self.rng ^= self.rng >> 7;
        self.rng ^= self.rng << 17;
        self.rng
    }

    // ---- the leader ----

    /// The leader starts to execute: effects from now on go into the entry with index `next`, at the
    /// larger of shard time and the wall clock.
    pub fn begin(&mut self, next: Index, wall_ms: u64) {
        debug_assert!(self.entry.is_empty() || self.pending == next);
        self.pending = next;
        self.exec_time = self.exec_time.max(self.shard_time).max(wall_ms);
    }

    #[inline]
    pub(crate) fn pending_index(&self) -> Index {
        self.pending
    }

    /// Index of the last entry that has effects, executed or applied.
    pub(crate) fn last_index(&self) -> Index {
        if self.entry.is_empty() { self.pending - 1 } else { self.pending }
    }

    /// Bytes of effects waiting to be proposed.
    pub fn pending_bytes(&self) -> usize {
        self.entry.len()
    }

    /// Executes a command. Its reply, or its error, is in `reply` unless a row must be fetched.
    pub fn execute(
        &mut self,
        run: Handler,
        ks: Keyspace,
        touch: bool,
        args: &[&[u8]],
        reply: &mut dyn Reply,
    ) -> Outcome {
        let (undo, entry, written) = (self.undo.len(), self.entry.len(), reply.written());
        let mut context = Context { data: Data::new(self, ks, touch), reply };
        let result = run(&mut context, args);
        let mut hold = context.data.hold();
        let fetch = match result {
            Ok(()) => false,
            Err(stop) => {
                reply.truncate(written);
                self.take_back(undo);
                self.entry.truncate(entry);
                if let Stop::Error(text) = &stop {
                    reply.error(text);
                }
                stop == Stop::Fetch
            }
        };
        if self.entry.is_empty() {
            // What the command changed before it failed is taken back: nothing will have this index.
            hold = hold.min(self.pending - 1);
        }
        Outcome { hold, wrote: self.entry.len() > entry, fetch }
    }

    /// Looks a forwarded write up before it is executed. `Ok(index)`: it waits in the entry at `index`.
    pub fn seen(&self, id: WriteId) -> Result<Index, Seen<'_>> {
        let top = self.in_flight_top.get(&(id.origin, id.incarnation));
        if top.is_some_and(|&top| id.seq <= top)
            && let Some(write) = self.in_flight.iter().find(|w| w.id == id)
        {
            return Ok(write.index);
        }
        Err(self.window.seen(id))
    }

    /// Notes the reply of a forwarded write just executed, in the same entry as its effects.
    pub fn answered(&mut self, id: WriteId, slot: Slot, reply: &[u8]) {
        let reply = (reply.len() <= MAX_REPLY).then_some(reply);
        self.entry.push(Effect::Answered { id, slot, reply });
        let reply = reply.map(Box::from);
        let top = self.in_flight_top.entry((id.origin, id.incarnation)).or_default();
        *top = (*top).max(id.seq);
        self.in_flight.push_back(InFlight { index: self.pending, id, slot, reply });
    }

    /// Notes that an origin has all answers below `seq`; goes out with the next entry that has effects.
    pub fn mark(&mut self, node: model::NodeId, incarnation: u64, seq: u64) {
        if seq > self.window.floor(node, incarnation) {
            self.marks.insert((node, incarnation), seq);
        }
    }

    /// Adds an effect on the group's own state. It takes effect when it is applied.
    pub fn put_system(&mut self, name: &[u8], value: Option<&[u8]>) {
        self.entry.push(Effect::System { name, value });
    }

    /// The turn's entry, if there are effects. The next one will have the index after it.
    pub fn take_entry(&mut self) -> Option<Vec<u8>> {
        if self.entry.is_empty() {
            return None;
        }
        for ((origin, incarnation), seq) in std::mem::take(&mut self.marks) {
            self.entry.push(Effect::Mark { origin, incarnation, seq });
        }
        self.pending += 1;
        Some(self.entry.finish(self.exec_time))
    }

    /// An entry that this leader executed is committed: what it replaced is forgotten.
    ///
    /// # Errors
    /// A payload that can not be read: the shard must stop.
    pub fn commit_own(&mut self, index: Index, term: Term, payload: &[u8]) -> Result<(), DecodeError> {
        while let Some(change) = self.undo.pop_committed(index) {
            if let Before::Space(space) = change.before {
                self.graveyard.push(*space);
            }
        }
        let time = EntryReader::new(payload)?.shard_time;
        while let Some(write) = self.in_flight.pop_front_if(|w| w.index <= index) {
            self.window.answered(write.id, write.slot, time, write.reply.as_deref());
        }
        if self.in_flight.is_empty() {
            self.in_flight_top.clear();
        }
        for effect in EntryReader::new(payload)? {
            match effect? {
                Effect::Mark { origin, incarnation, seq } => self.window.mark(origin, incarnation, seq),
                Effect::System { name, value } => self.set_system(name, value),
                _ => {}
            }
        }
        self.advance(index, term, time, payload);
        Ok(())
    }

    /// Leadership is lost: takes back everything that is not committed.
    pub fn roll_back(&mut self) {
        while let Some(change) = self.undo.pop_uncommitted(self.applied) {
            self.restore(change);
        }
        self.entry.truncate(0);
        self.in_flight.clear();
        self.in_flight_top.clear();
        self.marks.clear();
        self.exec_time = self.shard_time;
        self.pending = self.applied + 1;
    }

    fn take_back(&mut self, savepoint: usize) {
        while let Some(change) = self.undo.pop_after(savepoint) {
            self.restore(change);
        }
    }

    fn restore(&mut self, change: Change) {
        let space = self.space_mut(change.ks);
        match change.before {
            Before::Row(row) => {
                space.insert(row);
            }
            Before::Absent(position, key) => {
                space.remove(position, &key);
            }
            Before::Patch(p) => {
                space.update(p.position, &p.key, |row| {
                    row.unpatch(p.offset.min(p.len), &p.old, p.len);
                    row.changed_at = p.changed_at;
                });
            }
            Before::Expire(position, key, expire, changed_at) => {
                space.update(position, &key, |row| {
                    row.expire = expire;
                    row.changed_at = changed_at;
                });
            }
            Before::Space(old) => *space = *old,
        }
    }

    // ---- every replica ----

    /// Applies a committed entry that was not executed here.
    ///
    /// # Errors
    /// A payload that can not be read, or an effect this version does not know: the shard must stop.
    pub fn apply(&mut self, index: Index, term: Term, payload: &[u8]) -> Result<(), DecodeError> {
        let reader = EntryReader::new(payload)?;
        for effect in reader {
            self.apply_effect(index, reader.shard_time, effect?);
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

    fn apply_effect(&mut self, index: Index, time: u64, effect: Effect<'_>) {
        let hasher = self.hasher;
        match effect {
            Effect::Put { ks, key, kind, expire, value } => {
                let mut row = Row::new(hasher.position(key), kind, key, value);
                row.expire = expire;
                row.changed_at = index;
                row.accessed = (time / 1000) as u32;
                self.space_mut(ks).insert(row);
            }
            Effect::Patch { ks, key, offset, bytes } => {
                self.space_mut(ks).update(hasher.position(key), key, |row| {
                    row.patch(offset as usize, bytes);
                    row.changed_at = index;
                });
            }
            Effect::Expire { ks, key, expire } => {
                self.space_mut(ks).update(hasher.position(key), key, |row| {
                    row.expire = expire;
                    row.changed_at = index;
                });
            }
            Effect::Delete { ks, key } => {
                self.space_mut(ks).remove(hasher.position(key), key);
            }
            Effect::Flush { ks } => {
                let space = self.space_mut(ks);
                let new = Space::new(space.generation.wrapping_add(1), index);
                let old = std::mem::replace(space, new);
                self.graveyard.push(old);
            }
            Effect::Answered { id, slot, reply } => self.window.answered(id, slot, time, reply),
            Effect::Mark { origin, incarnation, seq } => self.window.mark(origin, incarnation, seq),
            Effect::System { name, value } => self.set_system(name, value),
        }
    }

    fn set_system(&mut self, name: &[u8], value: Option<&[u8]>) {
        match value {
            Some(value) => self.system.insert(name.to_vec(), value.to_vec()),
            None => self.system.remove(name),
        };
        self.system_changed.push(name.to_vec());
    }

    fn advance(&mut self, index: Index, term: Term, time: u64, payload: &[u8]) {
        self.window.advance(self.shard_time, time.max(self.shard_time));
        self.shard_time = self.shard_time.max(time);
        self.exec_time = self.exec_time.max(self.shard_time);
        self.rolling = model::position::chain(self.rolling, payload);
        (self.applied, self.applied_term) = (index, term);
    }

    /// Housekeeping at the end of a turn: frees what was flushed, a bounded piece at a time.
    /// Returns true while there is more to free.
    pub fn tidy(&mut self) -> bool {
        if let Some(space) = self.graveyard.last_mut()
            && !space.free_some(FREED_PER_TURN)
        {
            self.graveyard.pop();
        }
        !self.graveyard.is_empty()
    }

    /// Forgets which deletes are uncommitted up to the applied index. Called now and then.
    pub fn forget_gone(&mut self) {
        let applied = self.applied;
        self.spaces.iter_mut().for_each(|space| space.forget_gone(applied));
    }

    /// True when some key's time has come at this wall clock.
    pub fn expiry_due(&self, wall_ms: u64) -> bool {
        let now = self.exec_time.max(wall_ms);
        self.spaces.iter().any(|space| space.first_expiry().is_some_and(|(at, _)| at <= now))
    }

    /// The leader deletes keys whose time has come, a bounded number a turn. Call after
    /// [`Machine::begin`].
    pub fn expire_due(&mut self) {
        let now = self.exec_time;
        for ks in 0..KEYSPACES {
            let ks = Keyspace(ks);
            for _ in 0..EXPIRED_PER_TURN {
                let Some((at, key)) = self.space(ks).first_expiry() else { break };
                if at > now {
                    break;
                }
                let key: Box<[u8]> = key.into();
                self.expired_keys += 1;
                let mut data = Data::new(self, ks, false);
                let key = data.key(&key);
                data.delete(key);
            }
        }
    }

    /// Keys and keys with an expiry in a keyspace.
    pub fn counts(&self, ks: Keyspace) -> (usize, usize) {
        (self.space(ks).len(), self.space(ks).expiring())
    }

    /// Bytes of memory of all rows.
    pub fn memory(&self) -> usize {
        self.spaces.iter().map(Space::memory).sum()
    }
}
