//! How a shard is loaded from its checkpoint, row by row.

use super::{APPLIED, FLOOR, GENERATION, OWN};
use crate::machine::Machine;
use crate::row::Row;
use model::effect::WriteId;
use model::row::{self, family};
use model::varint::{DecodeError, Reader};
use model::{Index, Keyspace, NodeId, Term};

/// Largest applied index that is taken, far below where adding one overflows.
const MAX_INDEX: Index = 1 << 56;

/// What a checkpoint says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Applied {
    /// Index of the last entry in it.
    pub index: Index,
    /// Term of that entry.
    pub term: Term,
    /// Shard time as of then, ms since 1970.
    pub shard_time: u64,
    /// Hash over everything applied.
    pub rolling: u64,
}

impl Applied {
    /// Name of its row.
    pub fn name() -> Vec<u8> {
        [&[family::SYSTEM], APPLIED].concat()
    }

    /// Reads its row.
    ///
    /// # Errors
    /// A row that is none, or of another format.
    pub fn decode(content: &[u8]) -> Result<Applied, DecodeError> {
        let mut r = versioned(content)?;
        let (index, term) = (r.u64()?, r.u64()?);
        if index > MAX_INDEX {
            return Err(DecodeError::Malformed("applied index"));
        }
        Ok(Applied { index, term, shard_time: r.u64()?, rolling: r.u64()? })
    }
}

/// The generation of a keyspace in a checkpoint: rows of others are left over from a flush.
#[derive(Debug)]
pub struct Generation;

impl Generation {
    /// Name of its row. Where there is none it is 0.
    pub fn name(ks: Keyspace) -> Vec<u8> {
        [&[family::SYSTEM], GENERATION, &ks.0.to_be_bytes()[..]].concat()
    }

    /// Reads its row.
    ///
    /// # Errors
    /// A row that is none, or of another format.
    pub fn decode(content: &[u8]) -> Result<u32, DecodeError> {
        u32::try_from(versioned(content)?.u64()?).map_err(|_| DecodeError::Malformed("generation"))
    }
}

fn versioned(content: &[u8]) -> Result<Reader<'_>, DecodeError> {
    let mut r = Reader::new(content);
    match r.u8()? {
        row::FORMAT => Ok(r),
        other => Err(DecodeError::Version(other)),
    }
}

impl Machine {
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
        if let Some((key, id, cell)) = row::split_cell_name(name) {
            return self.load_cell(&row::parse_key_name(key)?, id, cell, content);
        }
        let name = row::parse_key_name(name)?;
        let space = self.spaces.get_mut(usize::from(name.ks.0)).ok_or(DecodeError::Malformed("keyspace"))?;
        if space.generation != name.generation {
            return Ok(false);
        }
        let mut row = Row::stored(name.position, &name.key, content, self.hasher.seed())?;
        row.accessed = (self.shard_time / 1000) as u32;
        let before = space.last_loaded();
        space.load(row);
        self.limit_load(name.ks, before);
        Ok(true)
    }

    /// A cell of a large collection; it comes after the row of its key. False for one of a collection that is
    /// gone: garbage.
    fn load_cell(
        &mut self,
        key: &row::KeyName,
        id: u64,
        cell: u128,
        content: &[u8],
    ) -> Result<bool, DecodeError> {
        let space = self.spaces.get_mut(usize::from(key.ks.0)).ok_or(DecodeError::Malformed("keyspace"))?;
        if space.generation != key.generation {
            return Ok(false);
        }
        space.load_cell(key.position, &key.key, |row| row.load_cell(id, cell, content))
    }

    fn load_system(&mut self, name: &[u8], content: &[u8]) -> Result<(), DecodeError> {
        if let Some(own) = name.strip_prefix(OWN) {
            self.system.insert(own.to_vec(), content.to_vec());
            return Ok(());
        }
        let mut r = versioned(content)?;
        if name == APPLIED {
            let Applied { index, term, shard_time, rolling } = Applied::decode(content)?;
            (self.applied, self.applied_term) = (index, term);
            (self.shard_time, self.rolling) = (shard_time, rolling);
            self.roll_back();
        } else if let Some(ks) = name.strip_prefix(GENERATION) {
            let ks: [u8; 2] = ks.try_into().map_err(|_| DecodeError::Malformed("row name"))?;
            let at = usize::from(u16::from_be_bytes(ks));
            let space = self.spaces.get_mut(at).ok_or(DecodeError::Malformed("keyspace"))?;
            space.generation = Generation::decode(content)?;
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
