//! What a command handler sees: the rows of its shard with everything executed so far, and the means
//! to change them.
//!
//! Every look is noted (the hold rule: a reply waits for the highest uncommitted index of anything
//! the command looked at), every change goes at once into the rows, the undo log and the entry.

mod large;
mod rename;

use crate::collection::{self, Limits};
use crate::machine::Machine;
use crate::row::{Form, Row};
use crate::space::Space;
use crate::undo::{Before, Patched};
use model::change::Change;
use model::effect::Effect;
use model::limits::MAX_EFFECTS;
use model::planted::{Bug, is_planted};
use model::row::kind;
use model::{Eviction, Index, Keyspace, Position, Reply, Term};
use std::borrow::Cow;

/// Most positions that a walk looks at in one call where rows may have to be fetched.
const MAX_WARM: usize = 1024;

/// Why a handler ended without its normal reply. Everything it changed is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The command failed: code, space, text, as the client will read it.
    Error(Cow<'static, str>),
    /// A row it needs is not in memory: it is fetched and the command runs again from the start.
    Fetch,
    /// What it wants to take is not there: it runs again when one of its keys has changed, or answers with
    /// nothing if it may not wait.
    Block,
}

impl Stop {
    /// `WRONGTYPE`, as Redis words it.
    pub const WRONG_TYPE: Stop =
        Stop::Error(Cow::Borrowed("WRONGTYPE Operation against a key holding the wrong kind of value"));
    /// A syntax error, as Redis words it.
    pub const SYNTAX: Stop = Stop::Error(Cow::Borrowed("ERR syntax error"));
    /// Not an integer, as Redis words it.
    pub const NOT_INTEGER: Stop = Stop::Error(Cow::Borrowed("ERR value is not an integer or out of range"));

    /// A keyspace that does not exist, as Redis words it.
    pub const NO_KEYSPACE: Stop = Stop::Error(Cow::Borrowed("ERR DB index is out of range"));

    /// An error with a text made at run time.
    pub fn error(text: impl Into<Cow<'static, str>>) -> Stop {
        Stop::Error(text.into())
    }
}

/// A handler's result.
pub type Done = Result<(), Stop>;
/// A command handler: executes `args` (command name first) in the context.
pub type Handler = fn(&mut Context<'_>, &[&[u8]]) -> Done;

/// Everything a handler works with. The two fields are apart so that a borrowed value can be
/// written straight into the reply.
pub struct Context<'a> {
    /// Rows and changes.
    pub data: Data<'a>,
    /// Where the reply goes.
    pub reply: &'a mut dyn Reply,
}

/// A key with its position, computed once per command.
#[derive(Debug, Clone, Copy)]
pub struct Key<'k> {
    /// Slot and hash.
    pub position: Position,
    /// The key itself.
    pub bytes: &'k [u8],
}

/// The rows of one keyspace as the running command sees them.
pub struct Data<'a> {
    machine: &'a mut Machine,
    ks: Keyspace,
    /// Highest index of anything looked at.
    looked: Index,
    /// Highest index of anything changed.
    changed: Index,
    touch: bool,
    /// A key of the command whose position is known already.
    hint: Option<Key<'a>>,
    /// Keys deleted because they were found expired.
    expired: Vec<Box<[u8]>>,
    /// Where its effects begin in the entry.
    began: usize,
    /// On a replica that does not lead: what has expired is absent, and is not deleted.
    of_replica: bool,
}

impl<'a> Data<'a> {
    pub(crate) fn new(machine: &'a mut Machine, ks: Keyspace, touch: bool) -> Data<'a> {
        let (looked, began) = (machine.space(ks).flushed_at, machine.entry.len());
        let (hint, expired, of_replica) = (None, Vec::new(), false);
        Data { machine, ks, looked, changed: 0, touch, hint, expired, began, of_replica }
    }

    /// The same with a key whose position was computed when the command was parsed.
    pub(crate) fn hinted(mut self, hint: Option<Key<'a>>) -> Data<'a> {
        self.hint = hint;
        self
    }

    /// The same on a replica that does not lead.
    pub(crate) fn of_replica(mut self) -> Data<'a> {
        self.of_replica = true;
        self
    }

    /// Highest index of anything looked at, and of anything changed, and the keys found expired.
    pub(crate) fn finish(self) -> (Index, Index, Vec<Box<[u8]>>) {
        (self.looked, self.changed, self.expired)
    }

    /// The keyspace the command runs in.
    pub fn keyspace(&self) -> Keyspace {
        self.ks
    }

    /// Whether other shards hold keys of the keyspace as well: a command may look at no key that does not hash
    /// like those it names.
    pub fn is_spread(&self) -> bool {
        self.machine.is_spread(self.ks)
    }

    /// Goes over to another keyspace, as far as it lives in this shard, and returns the one before.
    /// The reply also waits for the new one's last flush.
    ///
    /// # Errors
    /// [`Stop::NO_KEYSPACE`] for a number that is not below [`model::limits::KEYSPACES`].
    pub fn enter(&mut self, ks: Keyspace) -> Result<Keyspace, Stop> {
        if ks.0 >= model::limits::KEYSPACES {
            return Err(Stop::NO_KEYSPACE);
        }
        self.looked = self.looked.max(self.machine.space(ks).flushed_at);
        Ok(std::mem::replace(&mut self.ks, ks))
    }

    /// How keys of the keyspace are evicted.
    pub fn eviction(&self) -> Eviction {
        self.machine.eviction(self.ks)
    }

    /// Shard time in ms since 1970: the only clock of commands.
    pub fn now(&self) -> u64 {
        self.machine.time()
    }

    /// Bounds of small collections.
    pub fn limits(&self) -> &Limits {
        &self.machine.limits
    }

    /// A random number; not part of any replicated state.
    pub fn random(&mut self) -> u64 {
        self.machine.random()
    }

    /// Bytes above which a string is cut into chunks: none is shorter than a chunk, or longer than a row may be.
    pub fn chunk_threshold(&self) -> usize {
        let most = self.machine.max_value;
        self.machine
            .large()
            .map_or(most, |above| above.clamp(model::limits::CHUNK, most.max(model::limits::CHUNK)))
    }

    /// Largest allowed value in bytes.
    pub fn max_value(&self) -> usize {
        self.machine.max_value
    }

    /// Bytes up to which a HyperLogLog stays sparse.
    pub fn hll_sparse_max_bytes(&self) -> usize {
        self.machine.hll_sparse_max_bytes
    }

    /// False on a replica that does not lead: the command must leave no trace.
    pub fn may_change(&self) -> bool {
        !self.of_replica
    }

    /// A key with its position.
    #[inline]
    pub fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        match self.hint {
            Some(known) if std::ptr::eq(known.bytes, bytes) => Key { position: known.position, bytes },
            _ => Key { position: self.machine.hasher.position(bytes), bytes },
        }
    }

    /// Has the processor fetch the rows of keys that are looked at or changed next: waiting for memory overlaps.
    pub fn touch_soon(&self, keys: &[Key<'_>]) {
        if keys.len() > 1 {
            keys.iter().for_each(|key| self.machine.touch(self.ks, key.position));
        }
    }

    /// The row of a key, `None` when it is absent or expired. An expired row is deleted on the way.
    ///
    /// # Errors
    /// [`Stop::Fetch`] when the row is not in memory.
    #[inline]
    pub fn get(&mut self, key: Key<'_>) -> Result<Option<&Row>, Stop> {
        self.look(key, self.touch)
    }

    /// Like [`Data::get`] without counting as an access (TTL, OBJECT, TYPE, SCAN).
    ///
    /// # Errors
    /// [`Stop::Fetch`] when the row is not in memory.
    pub fn peek(&mut self, key: Key<'_>) -> Result<Option<&Row>, Stop> {
        self.look(key, false)
    }

    /// Counts as an access of the key even if the connection asked for none (TOUCH). False when the
    /// key is absent.
    ///
    /// # Errors
    /// [`Stop::Fetch`] when the row is not in memory.
    pub fn touch(&mut self, key: Key<'_>) -> Result<bool, Stop> {
        Ok(self.look(key, true)?.is_some())
    }

    fn look(&mut self, key: Key<'_>, touch: bool) -> Result<Option<&Row>, Stop> {
        let now = self.machine.time();
        let space = self.machine.space_mut(self.ks);
        let Some(place) = space.find(key.position, key.bytes) else {
            self.looked = self.looked.max(space.gone_at(key.position));
            return self.absent(key).map(|()| None);
        };
        let Some(row) = space.at_place(place) else { return Ok(None) };
        self.looked = self.looked.max(row.changed_at);
        if row.expired(now) {
            if !self.of_replica {
                self.delete_expired(key)?;
            }
            return Ok(None);
        }
        let random = if touch { self.machine.random_for_lfu(self.ks) } else { None };
        // Looked at a second time by its place, without a search: the first borrow can not be returned.
        let Some(row) = self.machine.space_mut(self.ks).at_place(place) else { return Ok(None) };
        if touch {
            row.asked_for((now / 1000) as u32, random);
        }
        Ok(Some(row))
    }

    /// A key that is not in memory: it is absent, unless its row is cold.
    #[inline]
    fn absent(&mut self, key: Key<'_>) -> Done {
        if self.machine.space(self.ks).is_cold(key.position) {
            self.machine.want(self.ks, key.position, Some(key.bytes));
            return Err(Stop::Fetch);
        }
        Ok(())
    }

    /// Whether a key changed after an index of this term at which it was there, or was not: what WATCH asks.
    /// May be true without a change, never false with one.
    ///
    /// # Errors
    /// [`Stop::Fetch`] when the row is not in memory.
    pub fn changed_since(&mut self, key: Key<'_>, index: Index, there: bool) -> Result<bool, Stop> {
        let changed_at = self.peek(key)?.map(|row| row.changed_at);
        Ok(match changed_at {
            Some(changed_at) => !there || changed_at > index,
            None => there || self.machine.space(self.ks).traces.existed_since(key.position, index),
        })
    }

    /// Term of the leader that executes, and index of the last entry with effects: what changes from now on is
    /// above it, if that entry is proposed before anything else is executed.
    pub fn moment(&self) -> (Term, Index) {
        (self.machine.term, self.machine.last_index())
    }

    /// The value of a string key.
    ///
    /// # Errors
    /// `WRONGTYPE` when the key holds something else.
    #[inline]
    pub fn string(&mut self, key: Key<'_>) -> Result<Option<&[u8]>, Stop> {
        match self.get(key)? {
            Some(row) if row.kind == kind::STRING => Ok(Some(row.value())),
            Some(row) => Err(Stop::no_string(row)),
            None => Ok(None),
        }
    }

    /// Sets a key to a value and an expiry (shard time in ms, 0 = never), whatever it was before.
    ///
    /// # Errors
    /// A value above [`Data::max_value`] or a key above [`model::limits::MAX_KEY`]; [`Stop::Fetch`] when the
    /// row it replaces is not in memory.
    pub fn put(&mut self, key: Key<'_>, kind: u8, expire: u64, value: &[u8]) -> Done {
        self.check_size(key, value.len())?;
        self.put_of_any_size(key, kind, expire, value)
    }

    fn put_of_any_size(&mut self, key: Key<'_>, kind: u8, expire: u64, value: &[u8]) -> Done {
        if is_planted(Bug::ColdOverwrites) {
            self.machine.space_mut(self.ks).forget_cold(key.position);
        }
        self.absent(key)?;
        let index = self.changing();
        self.machine.signals.changed(self.ks, key.position);
        self.machine.entry.push(Effect::Put { ks: self.ks, key: key.bytes, kind, expire, value });
        let mut row = self.machine.new_row(key.position, kind, key.bytes, value);
        row.expire = expire;
        row.changed_at = index;
        row.accessed = (self.machine.time() / 1000) as u32;
        self.inherit_frequency(&mut row);
        let before = match self.machine.space_mut(self.ks).insert(row) {
            Some(old) => Before::Row(self.freed(old)),
            None => Before::Absent(key.position, key.bytes.into()),
        };
        self.machine.undo.push(index, self.ks, before);
        Ok(())
    }

    /// A key that is evicted by how often it is asked for keeps its counter with a new value, as in Redis.
    #[inline]
    fn inherit_frequency(&mut self, row: &mut Row) {
        if let Some(random) = self.machine.random_for_lfu(self.ks)
            && let Some(old) = self.machine.space(self.ks).get(row.position, row.key())
        {
            (row.frequency, row.accessed) = (old.frequency, old.accessed);
            row.asked_for((self.machine.time() / 1000) as u32, Some(random));
        }
    }

    /// Sets a string key (no expiry).
    ///
    /// # Errors
    /// As [`Data::put`].
    pub fn put_string(&mut self, key: Key<'_>, expire: u64, value: &[u8]) -> Done {
        self.put(key, kind::STRING, expire, value)
    }

    /// Replaces bytes of an existing or absent string from `offset` on (see [`Effect::Patch`]).
    ///
    /// # Errors
    /// When the value would be larger than [`Data::max_value`]; [`Stop::Fetch`] when the row is not in
    /// memory.
    pub fn patch(&mut self, key: Key<'_>, offset: usize, bytes: &[u8]) -> Done {
        self.check_size(key, offset.saturating_add(bytes.len()))?;
        self.absent(key)?;
        if self.machine.space(self.ks).get(key.position, key.bytes).is_none() {
            let mut value = vec![0; offset];
            value.extend_from_slice(bytes);
            self.put_string(key, 0, &value)?;
            self.note_form(key, Form::Edited);
            return Ok(());
        }
        let index = self.changing();
        self.machine.entry.push(Effect::Patch { ks: self.ks, key: key.bytes, offset: offset as u64, bytes });
        let looked = &mut self.looked;
        let before = self.machine.space_mut(self.ks).update(key.position, key.bytes, |row| {
            let (len, changed_at, form) = (row.value_len(), row.changed_at, row.form);
            *looked = (*looked).max(changed_at);
            let old = row.patch(offset, bytes);
            row.changed_at = index;
            let key = key.bytes.into();
            let position = row.position;
            Before::Patch(Box::new(Patched { position, key, offset, old, len, changed_at, form }))
        });
        if let Some(before) = before {
            self.machine.undo.push(index, self.ks, before);
        }
        Ok(())
    }

    /// Notes how a string in memory came to be. Changes nothing that is replicated; a replica that does not lead
    /// notes nothing.
    pub(crate) fn note_form(&mut self, key: Key<'_>, form: Form) {
        if self.of_replica {
            return;
        }
        if let Some(row) = self.machine.space_mut(self.ks).get_mut(key.position, key.bytes) {
            row.form = form;
        }
    }

    /// Whether the command has waited before: a key of another type than it looks for is as an absent one.
    pub fn waits_again(&self) -> bool {
        self.machine.waits_again
    }

    /// Elements of a key that holds a collection of this kind (see [`model::row::kind`]); none of an absent key.
    ///
    /// # Errors
    /// `WRONGTYPE` when the key holds something else; [`Stop::Fetch`] when the row is not in memory.
    pub fn elements(&mut self, key: Key<'_>, kind: u8) -> Result<collection::Elements<'_>, Stop> {
        let again = self.waits_again();
        match self.get(key)? {
            Some(row) if row.kind == kind => Ok(collection::Elements::of(row)),
            Some(_) if !again => Err(Stop::WRONG_TYPE),
            _ => Ok(collection::Elements::none()),
        }
    }

    /// The rows of several keys, each as by [`Data::get`], to look at together.
    ///
    /// # Errors
    /// [`Stop::Fetch`] when rows are not in memory: all that are not are fetched.
    pub fn rows(&mut self, keys: &[Key<'_>]) -> Result<Vec<Option<&Row>>, Stop> {
        let mut cold = None;
        for key in keys {
            cold = self.get(*key).err().or(cold);
        }
        if let Some(stop) = cold {
            return Err(stop);
        }
        let (now, space) = (self.now(), self.machine.space(self.ks));
        let live = |key: &Key<'_>| space.get(key.position, key.bytes).filter(|row| !row.expired(now));
        Ok(keys.iter().map(live).collect())
    }

    /// Items of a key that holds a list; none of an absent key.
    ///
    /// # Errors
    /// As [`Data::elements`].
    pub fn items(&mut self, key: Key<'_>) -> Result<collection::Items<'_>, Stop> {
        let again = self.waits_again();
        match self.get(key)? {
            Some(row) if row.kind == kind::LIST => Ok(collection::Items::of(row)),
            Some(_) if !again => Err(Stop::WRONG_TYPE),
            _ => Ok(collection::Items::none()),
        }
    }

    /// Changes a collection; an absent key becomes one of this kind. One that has no elements left is deleted,
    /// unless it is a stream. The caller looked: the key is absent or of this kind, and the change fits it.
    ///
    /// # Errors
    /// A name or value above [`Data::max_value`], a key above [`model::limits::MAX_KEY`], more than
    /// [`model::limits::MAX_EFFECTS`] bytes of effects; [`Stop::Fetch`] when the row is not in memory.
    pub fn change(&mut self, key: Key<'_>, kind: u8, change: Change<'_>) -> Done {
        self.check_size(key, change.largest())?;
        self.absent(key)?;
        let index = self.changing();
        self.machine.signals.changed(self.ks, key.position);
        self.machine.entry.push(Effect::Change { ks: self.ks, key: key.bytes, kind, change });
        self.check_effects()?;
        let looked = &mut self.looked;
        let Some((before, left)) = self.machine.change_elements(self.ks, key, kind, change, index, looked)
        else {
            debug_assert!(false, "a change that does not fit: {change:?}");
            return Err(Stop::error("ERR internal: a change does not fit its collection"));
        };
        self.machine.undo.push(index, self.ks, before);
        if left == 0 && kind != kind::STREAM {
            self.delete(key)?;
        }
        Ok(())
    }

    /// Whether the effects of the running command fit an entry with those before it.
    fn check_effects(&self) -> Done {
        let bytes = self.machine.entry.len().saturating_sub(self.began);
        if bytes > MAX_EFFECTS {
            let text = format!(
                "ERR the command would change more than it may at once: {bytes} bytes of changes, at most {MAX_EFFECTS} are allowed"
            );
            return Err(Stop::error(text));
        }
        Ok(())
    }

    /// Gives an existing key another expiry (shard time in ms, 0 = never). False when it is absent.
    ///
    /// # Errors
    /// [`Stop::Fetch`] when the row is not in memory.
    pub fn set_expire(&mut self, key: Key<'_>, expire: u64) -> Result<bool, Stop> {
        self.absent(key)?;
        let index = self.machine.pending_index();
        let space = self.machine.space_mut(self.ks);
        let looked = &mut self.looked;
        let before = space.update(key.position, key.bytes, |row| {
            *looked = (*looked).max(row.changed_at);
            let before = Before::Expire(key.position, key.bytes.into(), row.expire, row.changed_at);
            row.expire = expire;
            row.changed_at = index;
            before
        });
        let Some(before) = before else {
            self.looked = self.looked.max(space.gone_at(key.position));
            return Ok(false);
        };
        self.changing();
        self.machine.entry.push(Effect::Expire { ks: self.ks, key: key.bytes, expire });
        self.machine.undo.push(index, self.ks, before);
        Ok(true)
    }

    /// Deletes a key. False when it is absent (the caller looked, so an expired key is gone already).
    ///
    /// # Errors
    /// [`Stop::Fetch`] when the row is not in memory.
    pub fn delete(&mut self, key: Key<'_>) -> Result<bool, Stop> {
        self.absent(key)?;
        let index = self.machine.pending_index();
        let space = self.machine.space_mut(self.ks);
        let Some(row) = space.remove(key.position, key.bytes) else {
            self.looked = self.looked.max(space.gone_at(key.position));
            return Ok(false);
        };
        space.note_gone(key.position, index);
        self.looked = self.looked.max(row.changed_at);
        self.changing();
        self.machine.entry.push(Effect::Delete { ks: self.ks, key: key.bytes });
        let row = self.freed(row);
        self.machine.undo.push(index, self.ks, Before::Row(row));
        Ok(true)
    }

    /// Deletes a key that was found expired.
    ///
    /// # Errors
    /// [`Stop::Fetch`] when the row is not in memory.
    pub fn delete_expired(&mut self, key: Key<'_>) -> Done {
        self.machine.expired_keys += 1;
        self.delete(key)?;
        // That its time has come is known for good only with this effect.
        self.looked = self.looked.max(self.changed);
        self.expired.push(key.bytes.into());
        Ok(())
    }

    /// Deletes every key of the keyspace in this shard.
    pub fn flush(&mut self) {
        let index = self.changing();
        self.machine.entry.push(Effect::Flush { ks: self.ks });
        let old = self.machine.replace_space(self.ks, index);
        self.machine.undo.push(index, self.ks, Before::Space(Box::new(old)));
    }

    /// The whole keyspace in this shard, to look at. The reply waits for everything executed so far.
    /// It has the rows that are in memory; see [`Data::warm`] and [`Data::cold_keys`] for the others. Expired rows may still be in it: filter by [`Row::expired`] with [`Data::now`].
    pub fn space(&mut self) -> &Space {
        self.looked = self.looked.max(self.machine.last_index());
        self.machine.space(self.ks)
    }

    /// Some row of the keyspace, expired ones included; not part of any replicated state. The reply
    /// waits for everything executed so far.
    ///
    /// # Errors
    /// [`Stop::Fetch`] when the row is not in memory.
    pub fn sample(&mut self) -> Result<Option<&Row>, Stop> {
        self.looked = self.looked.max(self.machine.last_index());
        self.machine.sample(self.ks)
    }

    /// Has the rows at the first positions of a range in memory, for a walk over [`Data::space`]. Returns
    /// how many positions such a walk may look at: fewer than `most` where rows may have to be fetched.
    ///
    /// # Errors
    /// [`Stop::Fetch`] when a row among them is not in memory.
    pub fn warm(&mut self, from: Position, end: Position, most: usize) -> Result<usize, Stop> {
        let space = self.machine.space(self.ks);
        if space.cold() == 0 {
            return Ok(most);
        }
        let most = most.min(MAX_WARM);
        let walk: Vec<_> = space.positions(from, end).take(most).filter(|&p| space.is_cold(p)).collect();
        if walk.is_empty() {
            return Ok(most);
        }
        walk.into_iter().for_each(|position| self.machine.want(self.ks, position, None));
        Err(Stop::Fetch)
    }

    /// The keys that match and whose rows are not in memory, expired ones left out.
    ///
    /// # Errors
    /// [`Stop::Fetch`] while they are not listed.
    pub fn cold_keys(&mut self, pattern: &[u8]) -> Result<Vec<Vec<u8>>, Stop> {
        let now = self.now();
        self.machine.cold_keys(self.ks, pattern, now).ok_or(Stop::Fetch)
    }

    /// A row of the group's own state, as committed.
    pub fn system(&self, name: &[u8]) -> Option<&[u8]> {
        self.machine.system(name)
    }

    /// Sets a row of the group's own state. It takes effect when it is applied.
    pub fn put_system(&mut self, name: &[u8], value: Option<&[u8]>) {
        self.changing();
        self.machine.put_system(name, value);
    }

    #[inline]
    fn changing(&mut self) -> Index {
        let index = self.machine.pending_index();
        self.changed = self.changed.max(index);
        index
    }

    /// Whether a key may have a value of so many bytes: to be asked before memory is taken for it.
    ///
    /// # Errors
    /// A value above [`Data::max_value`] or a key above [`model::limits::MAX_KEY`].
    pub fn check_size(&self, key: Key<'_>, value: usize) -> Done {
        if value > self.machine.max_value {
            return Err(Stop::error(format!(
                "ERR string exceeds maximum allowed size (max-value): {value} bytes, at most {} are allowed",
                self.machine.max_value
            )));
        }
        if key.bytes.len() > model::limits::MAX_KEY {
            return Err(Stop::error(format!(
                "ERR key of {} bytes, at most {} are allowed",
                key.bytes.len(),
                model::limits::MAX_KEY
            )));
        }
        Ok(())
    }
}
