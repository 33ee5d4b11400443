//! What a checkpoint writes, and how a shard is loaded again.
//!
//! A checkpoint is the committed state at the applied index: rows changed since the last one, with
//! uncommitted changes taken back from a copy, and all of the group's own state. The row store takes
//! it in one atomic step.

use crate::machine::Machine;
use crate::row::Row;
use crate::undo::Before;
use model::effect::WriteId;
use model::limits::KEYSPACES;
use model::row::{self, family};
use model::varint::{DecodeError, Reader, put_u64};
use model::{Index, Keyspace, NodeId, Position, Term};
use std::collections::{BTreeMap, BTreeSet};

/// System row: applied index and term, shard time, rolling hash.
const APPLIED: &[u8] = b"applied";
/// System row prefix: generation of a keyspace.
const GENERATION: &[u8] = b"generation/";
/// System row prefix: floor of an origin of forwarded writes.
const FLOOR: &[u8] = b"floor/";
/// System row prefix: rows set by [`model::effect::Effect::System`].
const OWN: &[u8] = b"own/";

/// Changed rows: name and new content, `None` = removed. Names are unique, in no order.
pub type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Committed images of keys that have uncommitted changes.
type Images = BTreeMap<(Keyspace, Position, Box<[u8]>), Option<Row>>;

impl Machine {
    /// Rows changed since the last checkpoint, about.
    pub fn changed_rows(&self) -> usize {
        self.spaces.iter().map(|s| s.dirty.len() + s.deleted.len()).sum()
    }

    /// The changes since the last checkpoint as of the applied index. `None` while a flush is not
    /// committed: ask again after it is. From now on the rows count as stored; if the checkpoint can
    /// not be written, the node must not go on with this machine.
    pub fn checkpoint(&mut self) -> Option<Changes> {
        if self.undo.iter().any(|change| matches!(change.before, Before::Space(_))) {
            return None;
        }
        let images = self.images();
        let mut changes = Vec::with_capacity(self.changed_rows() + 8);
        for ks in 0..KEYSPACES {
            self.checkpoint_space(Keyspace(ks), &images, &mut changes);
        }
        self.checkpoint_window(&mut changes);
        self.checkpoint_system(&mut changes);
        Some(changes)
    }

    /// Walks back from the present through the undo log to the committed rows.
    fn images(&self) -> Images {
        let mut images = Images::new();
        for change in self.undo.iter().rev() {
            let ks = change.ks;
            let name = |position: Position, key: &[u8]| (ks, position, Box::from(key));
            let now = |position: Position, key: &[u8]| self.space(ks).get(position, key).cloned();
            match &change.before {
                Before::Row(row) => {
                    images.insert(name(row.position, row.key()), Some(row.clone()));
                }
                Before::Absent(position, key) => {
                    images.insert(name(*position, key), None);
                }
                Before::Patch(p) => {
                    // Only the first patch met of a value copies it.
                    let image = images.entry(name(p.position, &p.key));
                    if let Some(row) = image.or_insert_with(|| now(p.position, &p.key)) {
                        row.unpatch(p.offset.min(p.len), &p.old, p.len);
                    }
                }
                Before::Expire(position, key, expire, _) => {
                    let image = images.entry(name(*position, key));
                    if let Some(row) = image.or_insert_with(|| now(*position, key)) {
                        row.expire = *expire;
                    }
                }
                Before::Space(_) => {}
            }
        }
        images
    }

    fn checkpoint_space(&mut self, ks: Keyspace, images: &Images, changes: &mut Changes) {
        let space = self.space_mut(ks);
        let generation = space.generation;
        let mut positions = std::mem::take(&mut space.dirty);
        positions.sort_unstable();
        positions.dedup();
        let mut names = BTreeSet::new();
        for position in positions {
            let dirty = space.at(Position(position)).filter(|row| row.dirty);
            names.extend(dirty.map(|row| (row.position, Box::from(row.key()))));
        }
        names.extend(std::mem::take(&mut space.deleted));
        for (position, key) in names {
            let name = (ks, position, key);
            let (image, uncommitted) = match images.get(&name) {
                Some(image) => (image.as_ref(), true),
                None => (space.get(position, &name.2), false),
            };
            let content = image.map(|row| row::encode_value(row.kind, row.expire, row.value()));
            changes.push((row::key_name(ks, generation, position, &name.2), content));
            // A row with an uncommitted change is due again next time, whatever becomes of it.
            if uncommitted {
                space.keep_dirty(position, name.2);
            } else {
                space.clean(position, &name.2);
            }
        }
    }

    fn checkpoint_window(&mut self, changes: &mut Changes) {
        let dropped = self.window.take_dropped();
        let new = self.window.take_new();
        changes.extend(dropped.into_iter().map(|(slot, id)| (row::answer_name(slot, id), None)));
        changes.extend(new.into_iter().map(|(id, answer)| {
            (
                row::answer_name(answer.slot, id),
                Some(row::encode_answer(answer.time, answer.reply.as_deref())),
            )
        }));
    }

    fn checkpoint_system(&mut self, changes: &mut Changes) {
        let mut put = |prefix: &[u8], name: &[u8], content: Vec<u8>| {
            changes.push((row::system_name(&[prefix, name].concat()), Some(content)));
        };
        let numbers = |numbers: &[u64]| {
            let mut out = vec![row::FORMAT];
            numbers.iter().for_each(|&n| put_u64(&mut out, n));
            out
        };
        put(APPLIED, b"", numbers(&[self.applied, self.applied_term, self.shard_time, self.rolling]));
        for (ks, space) in self.spaces.iter().enumerate().filter(|(_, s)| s.generation > 0) {
            put(GENERATION, &(ks as u16).to_be_bytes(), numbers(&[u64::from(space.generation)]));
        }
        if std::mem::take(&mut self.window.floors_changed) {
            for (node, incarnation, floor) in self.window.floors() {
                let name = [node.0.to_be_bytes(), incarnation.to_be_bytes()].concat();
                put(FLOOR, &name, numbers(&[floor]));
            }
        }
        let changed: BTreeSet<_> = std::mem::take(&mut self.system_changed).into_iter().collect();
        for name in changed {
            let content = self.system.get(&name).cloned();
            changes.push((row::system_name(&[OWN, &name].concat()), content));
        }
    }

    /// Puts one row from the row store or a snapshot in place. Rows come in the order of names, so
    /// generations are known before keys. Returns false for rows of a flushed generation: garbage.
    ///
    /// # Errors
    /// A row that can not be read.
    pub fn load(&mut self, name: &[u8], content: &[u8]) -> Result<bool, DecodeError> {
        match name.first().copied() {
            Some(family::SYSTEM) => self.load_system(&name[1..], content)?,
            Some(family::KEY) => return self.load_key(name, content),
            Some(family::ANSWER) => {
                let (slot, id): (_, WriteId) = row::parse_answer_name(name)?;
                let (time, reply) = row::decode_answer(content)?;
                self.window.load(slot, id, time, reply);
            }
            _ => return Err(DecodeError::Malformed("row family")),
        }
        Ok(true)
    }

    fn load_key(&mut self, name: &[u8], content: &[u8]) -> Result<bool, DecodeError> {
        let name = row::parse_key_name(name)?;
        let (kind, expire, value) = row::decode_value(content)?;
        let space = self.spaces.get_mut(usize::from(name.ks.0)).ok_or(DecodeError::Malformed("keyspace"))?;
        if space.generation != name.generation {
            return Ok(false);
        }
        let mut row = Row::new(name.position, kind, &name.key, value);
        row.expire = expire;
        row.accessed = (self.shard_time / 1000) as u32;
        space.load(row);
        Ok(true)
    }

    fn load_system(&mut self, name: &[u8], content: &[u8]) -> Result<(), DecodeError> {
        if let Some(own) = name.strip_prefix(OWN) {
            self.system.insert(own.to_vec(), content.to_vec());
            return Ok(());
        }
        let mut r = Reader::new(content);
        let format = r.u8()?;
        if format != row::FORMAT {
            return Err(DecodeError::Version(format));
        }
        if name == APPLIED {
            (self.applied, self.applied_term) = (r.u64()?, r.u64()?);
            (self.shard_time, self.rolling) = (r.u64()?, r.u64()?);
            self.roll_back();
        } else if let Some(ks) = name.strip_prefix(GENERATION) {
            let ks: [u8; 2] = ks.try_into().map_err(|_| DecodeError::Malformed("row name"))?;
            let at = usize::from(u16::from_be_bytes(ks));
            let space = self.spaces.get_mut(at).ok_or(DecodeError::Malformed("keyspace"))?;
            space.generation = r.u64()? as u32;
        } else if let Some(origin) = name.strip_prefix(FLOOR) {
            let (node, incarnation) = origin.split_at_checked(8).ok_or(DecodeError::Short)?;
            let number = |b: &[u8]| b.try_into().map(u64::from_be_bytes);
            let bad = |_| DecodeError::Malformed("row name");
            let (node, incarnation) = (number(node).map_err(bad)?, number(incarnation).map_err(bad)?);
            self.window.load_floor(NodeId(node), incarnation, r.u64()?);
        } else {
            return Err(DecodeError::Malformed("system row"));
        }
        Ok(())
    }
}

/// Applied index and term of a stored shard, read from its checkpoint without loading it.
///
/// # Errors
/// A row that can not be read.
pub fn stored_applied(content: &[u8]) -> Result<(Index, Term), DecodeError> {
    let mut r = Reader::new(content);
    match r.u8()? {
        row::FORMAT => Ok((r.u64()?, r.u64()?)),
        other => Err(DecodeError::Version(other)),
    }
}

/// Name of the row that [`stored_applied`] reads.
pub fn applied_name() -> Vec<u8> {
    row::system_name(APPLIED)
}
