//! The state machine of one shard: on the leader it executes commands ahead of their commit, on
//! every replica it applies committed entries.
//!
//! Here is what the leader calls in a turn, with `transaction` for several commands at once; `apply` is what
//! every replica does with an entry, `roll_back` how the leader takes back, `replica_read` how a follower reads, `housekeeping`, `evict`
//! and `shed` what happens between turns.

mod apply;
mod cold;
mod elements;
mod evict;
mod housekeeping;
mod replica_read;
mod roll_back;
mod shed;
mod signals;
mod transaction;

pub use self::cold::{Fetch, KeyList, Listed, Wanted};
pub use self::replica_read::ReplicaRead;
pub use self::signals::{Signals, Waited};
pub use self::transaction::{MAX_CHANGES, MAX_REPLIES, Step, Transaction, Watched};

use crate::checkpoint::Taking;
use crate::collection::Limits;
use crate::collection::large::Large;
use crate::commands::large::{Edit, Edits, Prepared};
use crate::data::{Context, Data, Handler, Key, Stop};
use crate::space::Space;
use crate::undo::UndoLog;
use crate::window::{MAX_REPLY, Seen, Window};
use model::effect::{Effect, WriteId};
use model::entry::EntryBuilder;
use model::large::UploadId;
use model::limits::{SLOTS, SPACES};
use model::planted::{Bug, is_planted};
use model::slot::Slot;
use model::{Eviction, Index, KeyHasher, Keyspace, NodeId, Position, Reply, Term};
use std::collections::{BTreeMap, VecDeque};

/// What became of one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The reply may be released when this index is committed; 0 = nothing uncommitted was seen.
    pub hold: Index,
    /// The same without the command's own effects: highest uncommitted index of what it looked at.
    pub looked: Index,
    /// The command has effects, so it goes out with the turn's entry.
    pub wrote: bool,
    /// A row must be fetched first; nothing was written to the reply.
    pub fetch: bool,
    /// What it wants to take is not there; nothing was written to the reply.
    pub blocks: bool,
}

/// What a command depends on: the highest index of what it looked at and of what it changed; or a row that
/// must be fetched first.
#[derive(Debug, Clone, Copy, Default)]
struct Ran {
    looked: Index,
    changed: Index,
    fetch: bool,
    blocks: bool,
}

/// The state of one shard on one node.
#[derive(Debug)]
pub struct Machine {
    pub(crate) spaces: Vec<Space>,
    pub(crate) undo: UndoLog,
    pub(crate) entry: EntryBuilder,
    pub(crate) hasher: KeyHasher,
    pub(crate) max_value: usize,
    pub(crate) limits: Limits,
    /// Bytes up to which a HyperLogLog stays sparse; only the leader looks at it.
    pub(crate) hll_sparse_max_bytes: usize,
    pub(crate) system: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) system_changed: Vec<Vec<u8>>,
    pub(crate) system_version: u64,
    pub(crate) window: Window,
    pub(crate) applied: Index,
    pub(crate) applied_term: Term,
    /// Shard time of the last applied entry, ms.
    pub(crate) shard_time: u64,
    /// Hash over all applied payloads, equal on all replicas at the same index.
    pub(crate) rolling: u64,
    /// Shard time the leader executes at, ms; never behind `shard_time`.
    exec_time: u64,
    /// Index that the next entry of this leader will have.
    pending: Index,
    /// The term in which it leads.
    pub(crate) term: Term,
    /// Where the effects of the command executed last begin in the entry.
    executed_from: usize,
    /// Entries executed here and not committed that have effects on the group's own state.
    of_group: VecDeque<Index>,
    /// Forwarded writes executed here whose entries are not committed.
    in_flight: BTreeMap<WriteId, Index>,
    /// Uploads whose rows entries change that were executed here and are not committed.
    pub(crate) changed_uploads: VecDeque<(Index, UploadId)>,
    /// Marks of forwarding nodes that wait for the next entry.
    marks: BTreeMap<(NodeId, u64), u64>,
    /// What flushed keyspaces held, being freed.
    graveyard: Vec<Space>,
    /// Large collections that are gone, being freed.
    dead: Vec<Large>,
    /// The checkpoint being taken.
    pub(crate) taking: Option<Box<Taking>>,
    pub(crate) cold: cold::Fetching,
    load_limit: usize,
    rng: u64,
    /// Keys deleted because their time had come, since start.
    pub expired_keys: u64,
    /// How each keyspace gives up keys, see [`evict`].
    policies: [Eviction; SPACES as usize],
    /// Keys that somebody waits for.
    pub signals: Signals,
    /// The command that runs has waited before: a key of another type than it looks for is to it as an absent one.
    pub waits_again: bool,
    /// Keys given up for want of memory, since start.
    pub evicted_keys: u64,
    /// Bytes above which a string becomes a large value; `None`: none may be made.
    large: Option<usize>,
    /// Edits of large values that wait to be prepared.
    pub(crate) edits: Edits,
    /// Keyspaces of which other shards hold keys as well, a bit each.
    spread: u32,
    /// First and last slot that is owned of those.
    slots: (Slot, Slot),
}

/// The next number of a xorshift generator; its state is never 0.
fn next_random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

impl Machine {
    /// An empty shard.
    pub fn new(hasher: KeyHasher, max_value: usize, seed: u64) -> Machine {
        Machine {
            spaces: (0..SPACES).map(|_| Space::default()).collect(),
            undo: UndoLog::default(),
            entry: EntryBuilder::default(),
            hasher,
            max_value,
            limits: Limits::default(),
            hll_sparse_max_bytes: 3000,
            system: BTreeMap::new(),
            system_changed: Vec::new(),
            system_version: 0,
            window: Window::default(),
            applied: 0,
            applied_term: 0,
            shard_time: 0,
            rolling: 0,
            exec_time: 0,
            pending: 1,
            term: 0,
            executed_from: 0,
            of_group: VecDeque::new(),
            in_flight: BTreeMap::new(),
            changed_uploads: VecDeque::new(),
            marks: BTreeMap::new(),
            graveyard: Vec::new(),
            dead: Vec::new(),
            taking: None,
            cold: cold::Fetching::default(),
            load_limit: usize::MAX,
            rng: seed | 1,
            expired_keys: 0,
            policies: [Eviction::No; SPACES as usize],
            signals: Signals::default(),
            waits_again: false,
            evicted_keys: 0,
            large: None,
            edits: Edits::default(),
            spread: 0,
            slots: (0, SLOTS - 1),
        }
    }

    /// Hash over the content of all rows, whatever their history; `None` while changes are not committed, and while
    /// rows leave that another shard owns.
    pub fn content_hash(&self) -> Option<u64> {
        if self.undo.iter().next().is_some() || self.has_outside() {
            return None;
        }
        let mut sum = self.window.len() as u64 ^ self.shard_time;
        for (ks, space) in self.spaces.iter().enumerate() {
            sum = sum.wrapping_add(space.content_sum(Keyspace(ks as u16)));
        }
        let systems = self.system.iter();
        let own = systems.map(|(name, value)| {
            let name = xxhash_rust::xxh3::xxh3_64(name);
            xxhash_rust::xxh3::xxh3_64_with_seed(value, name)
        });
        Some(own.fold(sum, u64::wrapping_add))
    }

    /// Answers kept for exactly-once.
    pub fn answers(&self) -> usize {
        self.window.len()
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

    /// Shard time in ms of what is applied; 0 if nothing with a time is.
    pub fn applied_time(&self) -> u64 {
        self.shard_time
    }

    /// Hash over everything applied.
    pub fn rolling(&self) -> u64 {
        self.rolling
    }

    /// Largest allowed value in bytes, changeable at any time (only the leader checks it).
    pub fn set_max_value(&mut self, bytes: usize) {
        self.max_value = bytes;
    }

    /// Sets the bounds of small collections, changeable at any time: they apply to what grows from then on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Says whether other shards hold keys of the keyspace as well.
    pub fn set_spread(&mut self, ks: Keyspace, spread: bool) {
        self.spread = self.spread & !(1 << ks.0) | u32::from(spread) << ks.0;
    }

    /// Whether other shards hold keys of the keyspace as well.
    pub(crate) fn is_spread(&self, ks: Keyspace) -> bool {
        self.spread >> ks.0 & 1 == 1
    }

    /// Bytes up to which a HyperLogLog stays sparse, 3000 at first; changeable at any time.
    pub fn set_hll_sparse_max_bytes(&mut self, bytes: usize) {
        self.hll_sparse_max_bytes = bytes;
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

    /// Rises whenever a row of the group's own state changes.
    pub fn system_version(&self) -> u64 {
        self.system_version
    }

    /// All rows of the group's own state whose names start with `prefix`.
    pub fn systems<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let from = self.system.range(prefix.to_vec()..);
        from.take_while(move |(name, _)| name.starts_with(prefix)).map(|(n, v)| (&n[..], &v[..]))
    }

    /// Of these rows those behind a name.
    pub fn systems_after<'a>(
        &'a self,
        prefix: &'a [u8],
        name: &[u8],
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let from = self.system.range(name.max(prefix).to_vec()..);
        let (name, of_prefix) = (name.to_vec(), move |name: &[u8]| name.starts_with(prefix));
        let all = from.take_while(move |(name, _)| of_prefix(name)).map(|(n, v)| (&n[..], &v[..]));
        all.filter(move |(found, _)| *found > &name[..])
    }

    pub(crate) fn random(&mut self) -> u64 {
        next_random(&mut self.rng)
    }

    /// Says whether large values may be made, only if all members of the cluster understand them, and above how many
    /// bytes APPEND and SETRANGE make one of a string in one piece. Not at first.
    pub fn set_large(&mut self, above: Option<usize>) {
        self.large = above;
    }

    /// The bytes above which a string becomes a large value; `None`: none may be made.
    pub(crate) fn large(&self) -> Option<usize> {
        self.large
    }

    /// The edit that the command executed last wants to have prepared.
    pub fn take_wanted_edit(&mut self) -> Option<Box<Edit>> {
        self.edits.wanted.take()
    }

    /// The row of a key whose edit is being prepared stays in memory, or may go again.
    pub fn keep_for_edit(&mut self, ks: Keyspace, key: &[u8], keep: bool) {
        let position = self.position(key);
        match keep {
            true => self.space_mut(ks).pin(position),
            false => self.space_mut(ks).unpin(position),
        }
    }

    /// An edit is prepared: the command that wanted it runs next. Gives back one that was not used.
    pub fn set_prepared(&mut self, prepared: Option<Box<Prepared>>) -> Option<Box<Prepared>> {
        std::mem::replace(&mut self.edits.prepared, prepared)
    }

    // ---- the leader ----

    /// The leader starts to execute: effects from now on go into the entry with index `next`, at the
    /// larger of shard time and the wall clock.
    pub fn begin(&mut self, next: Index, wall_ms: u64) {
        debug_assert!(self.entry.is_empty() || self.pending == next);
        self.pending = next;
        self.exec_time = self.exec_time.max(self.shard_time).max(wall_ms);
    }

    /// The leader that executes does so in this term.
    pub fn lead(&mut self, term: Term) {
        self.term = term;
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

    /// Where a key stands; also tells its slot.
    #[inline]
    pub fn position(&self, key: &[u8]) -> Position {
        self.hasher.position(key)
    }

    /// Announces that a command on this position comes soon: who touches the keys of all commands
    /// of a turn before executing them waits for memory once, not once per command.
    #[inline]
    pub fn touch(&self, ks: Keyspace, position: Position) {
        self.space(ks).touch(position);
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
        self.execute_at(run, ks, touch, None, args, reply)
    }

    /// [`Machine::execute`] for a caller that knows the position of one of the keys in `args`.
    pub fn execute_at(
        &mut self,
        run: Handler,
        ks: Keyspace,
        touch: bool,
        hint: Option<Key<'_>>,
        args: &[&[u8]],
        reply: &mut dyn Reply,
    ) -> Outcome {
        let entry = self.entry.len();
        self.cold.forget_wanted();
        let ran = self.run(run, ks, touch, hint, args, reply);
        self.outcome(entry, ran)
    }

    /// Runs a command between savepoints of its own: if it fails, what it changed is taken back.
    #[inline]
    fn run(
        &mut self,
        run: Handler,
        ks: Keyspace,
        touch: bool,
        hint: Option<Key<'_>>,
        args: &[&[u8]],
        reply: &mut dyn Reply,
    ) -> Ran {
        let (undo, entry, written) = (self.undo.len(), self.entry.len(), reply.written());
        let expired_keys = self.expired_keys;
        let mut context = Context { data: Data::new(self, ks, touch).hinted(hint), reply };
        let result = run(&mut context, args);
        let (looked, changed, expired) = context.data.finish();
        if let Err(stop) = &result {
            reply.truncate(written);
            self.take_back(undo);
            self.entry.truncate(entry);
            self.expired_keys = expired_keys;
            if let Stop::Error(text) = stop {
                reply.error(text);
            }
            if *stop != Stop::Fetch {
                // The reply may rest on their absence: they are deleted, and it waits for that.
                expired.iter().for_each(|key| self.delete_expired(ks, key));
            }
        }
        Ran { looked, changed, fetch: result == Err(Stop::Fetch), blocks: result == Err(Stop::Block) }
    }

    /// What became of commands whose effects begin at `entry`.
    #[inline]
    fn outcome(&mut self, entry: usize, ran: Ran) -> Outcome {
        let Ran { looked, changed, fetch, blocks } = ran;
        let wrote = self.entry.len() > entry;
        // Planted: see model/planted.rs
        let hold = if is_planted(Bug::ReadsNotHeld) && !wrote { 0 } else { looked.max(changed) };
        self.executed_from = entry;
        Outcome {
            // What a failed command changed is taken back: nothing may have its index.
            hold: hold.min(self.last_index()),
            looked: looked.min(self.last_index()),
            wrote,
            fetch,
            blocks,
        }
    }

    /// Deletes a key if its time has come.
    fn delete_expired(&mut self, ks: Keyspace, key: &[u8]) {
        let mut data = Data::new(self, ks, false);
        let key = data.key(key);
        // A look deletes it on the way. Only a row in memory is known to have expired.
        let _ = data.peek(key);
    }

    /// Notes that the command executed last may be answered before its effects are committed, although its
    /// keyspace is synchronous: if they are lost, they belong into a loss account. To be called before anything
    /// else is executed or noted.
    pub fn note_early(&mut self) {
        let bytes = (self.entry.len() - self.executed_from) as u64;
        self.entry.push(Effect::Early { bytes });
    }

    /// Looks a forwarded write up before it is executed. `Ok(index)`: it waits in the entry at `index`.
    pub fn seen(&self, id: WriteId) -> Result<Index, Seen<'_>> {
        if let Some(&index) = self.in_flight.get(&id) {
            return Ok(index);
        }
        Err(self.window.seen(id))
    }

    /// Notes the reply of a forwarded write just executed, in the same entry as its effects.
    pub fn answered(&mut self, id: WriteId, slot: Slot, reply: &[u8]) {
        let reply = (reply.len() <= MAX_REPLY).then_some(reply);
        self.entry.push(Effect::Answered { id, slot, reply });
        self.in_flight.insert(id, self.pending);
    }

    /// Notes that an origin has all answers below `seq`; goes out with the next entry that has effects.
    pub fn mark(&mut self, node: NodeId, incarnation: u64, seq: u64) {
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
        if self.entry.is_of_group() {
            self.of_group.push_back(self.pending);
        }
        self.pending += 1;
        Some(self.entry.finish(self.exec_time))
    }
}
