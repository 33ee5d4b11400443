//! Contents of the sections that this crate defines; the other ones have their codecs in `router`
//! (requests, answers) and `cluster` (heartbeats, reports). Fields: `docs/formats/peer-frame.md`.
//!
//! Decoding copies nothing but Raft messages, and refuses a group whose number no group has.

use consensus::{Message, wire};
use model::varint::{DecodeError, Reader, put_bytes, put_u64};
use model::{GroupId, Index, NodeId, Term};

/// In a wish, in place of a group: leadership was moved on purpose, give none back for now.
const REST: u64 = u64::MAX;

/// A wish about leadership.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// Leadership was moved on purpose: give none back for a while.
    Rest,
    /// The receiver should hand over a group it leads.
    Transfer {
        /// The group.
        group: GroupId,
        /// To whom; `None`: to the follower that is best prepared.
        to: Option<NodeId>,
    },
}

/// A chunk of a snapshot on its way to a follower.
#[derive(Clone, PartialEq, Debug)]
pub struct Chunk<'a> {
    /// The group whose rows they are.
    pub group: GroupId,
    /// The sender's number of the transfer.
    pub transfer: u64,
    /// Index and term of the snapshot.
    pub at: (Index, Term),
    /// Number of the chunk in the stream.
    pub number: u64,
    /// The chunk, as [`storage::rows::snapshot`] made it.
    pub bytes: &'a [u8],
    /// Raft's own message, with the last chunk.
    pub message: Option<Message>,
}

/// The answer to a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkAck {
    /// The group.
    pub group: GroupId,
    /// The sender's number of the transfer.
    pub transfer: u64,
    /// The chunk wanted next, or one of two numbers that end the transfer.
    pub next: u64,
}

/// A replica that has no rows asks for those of its leader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RowsWanted {
    /// The group.
    pub group: GroupId,
    /// The asker's log begins after this index: rows must not be older.
    pub floor: Index,
}

/// The rows of the cluster map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapNews<'a> {
    /// Epoch of the map.
    pub epoch: u64,
    /// Names and contents.
    pub rows: Vec<(&'a [u8], &'a [u8])>,
}

/// Format version of [`MapNews`].
const MAP_FORMAT: u8 = 1;

impl<'a> MapNews<'a> {
    /// Appends the section's content.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(MAP_FORMAT);
        put_u64(out, self.epoch);
        for (name, content) in &self.rows {
            put_bytes(out, name);
            put_bytes(out, content);
        }
    }

    /// Reads a section's content.
    ///
    /// # Errors
    /// Bytes that are none, or of a newer format.
    pub fn decode(content: &'a [u8]) -> Result<MapNews<'a>, DecodeError> {
        let mut r = Reader::new(content);
        match r.u8()? {
            MAP_FORMAT => {}
            other => return Err(DecodeError::Version(other)),
        }
        let mut news = MapNews { epoch: r.u64()?, rows: Vec::new() };
        while !r.is_empty() {
            news.rows.push((r.bytes()?, r.bytes()?));
        }
        Ok(news)
    }
}

impl RowsWanted {
    /// Appends the section's content.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_u64(out, u64::from(self.group.0));
        put_u64(out, self.floor);
    }

    /// Reads a section's content.
    ///
    /// # Errors
    /// Bytes that are none.
    pub fn decode(content: &[u8]) -> Result<RowsWanted, DecodeError> {
        let mut r = Reader::new(content);
        Ok(RowsWanted { group: read_group(&mut r)?, floor: r.u64()? })
    }
}

/// In a number of a group: generations follow it. Groups have numbers far below.
const WITH_GENERATIONS: u64 = 1 << 32;

/// Which replicas of their nodes the sender of a Raft message is, and takes the receiver for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Generations {
    /// The sender's.
    pub from: u64,
    /// The receiver's, as the sender knows it.
    pub to: u64,
}

/// Appends a Raft message of a group.
pub fn put_raft(out: &mut Vec<u8>, group: GroupId, generations: Generations, message: &Message) {
    if generations == Generations::default() {
        put_u64(out, u64::from(group.0));
    } else {
        put_u64(out, u64::from(group.0) | WITH_GENERATIONS);
        put_u64(out, generations.from);
        put_u64(out, generations.to);
    }
    wire::encode(message, out);
}

/// Reads what [`put_raft`] wrote.
///
/// # Errors
/// Bytes that are no message of a group.
pub fn raft(content: &[u8]) -> Result<(GroupId, Generations, Message), DecodeError> {
    let mut r = Reader::new(content);
    let (group, with) = read_flagged_group(&mut r)?;
    let mut generations = Generations::default();
    if with {
        generations = Generations { from: r.u64()?, to: r.u64()? };
    }
    Ok((group, generations, wire::decode(r.rest())?))
}

/// The number of a group, and whether generations follow.
pub(crate) fn read_flagged_group(r: &mut Reader<'_>) -> Result<(GroupId, bool), DecodeError> {
    let number = r.u64()?;
    let group = u32::try_from(number & !WITH_GENERATIONS).map_err(|_| DecodeError::Malformed("group"))?;
    Ok((GroupId(group), number & WITH_GENERATIONS != 0))
}

/// Appends the number of a group and, if it is not 0, a generation.
pub(crate) fn put_flagged_group(out: &mut Vec<u8>, group: GroupId, generation: u64) {
    match generation {
        0 => put_u64(out, u64::from(group.0)),
        _ => {
            put_u64(out, u64::from(group.0) | WITH_GENERATIONS);
            put_u64(out, generation);
        }
    }
}

impl Wish {
    /// Appends the section's content.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (group, to) = match self {
            Wish::Rest => (REST, 0),
            Wish::Transfer { group, to } => (u64::from(group.0), to.map_or(0, |node| node.0)),
        };
        put_u64(out, group);
        put_u64(out, to);
    }

    /// Reads a section's content.
    ///
    /// # Errors
    /// Bytes that are no wish.
    pub fn decode(content: &[u8]) -> Result<Wish, DecodeError> {
        let mut r = Reader::new(content);
        if r.u64()? == REST {
            r.u64()?;
            return Ok(Wish::Rest);
        }
        let mut r = Reader::new(content);
        let group = read_group(&mut r)?;
        Ok(Wish::Transfer { group, to: Some(NodeId(r.u64()?)).filter(|node| node.0 != 0) })
    }
}

impl<'a> Chunk<'a> {
    /// Appends the section's content.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for number in [u64::from(self.group.0), self.transfer, self.at.0, self.at.1, self.number] {
            put_u64(out, number);
        }
        put_bytes(out, self.bytes);
        if let Some(message) = &self.message {
            wire::encode(message, out);
        }
    }

    /// Reads a section's content.
    ///
    /// # Errors
    /// Bytes that are no chunk.
    pub fn decode(content: &'a [u8]) -> Result<Chunk<'a>, DecodeError> {
        let mut r = Reader::new(content);
        let group = read_group(&mut r)?;
        let (transfer, at, number) = (r.u64()?, (r.u64()?, r.u64()?), r.u64()?);
        let bytes = r.bytes()?;
        let message = if r.is_empty() { None } else { Some(wire::decode(r.rest())?) };
        Ok(Chunk { group, transfer, at, number, bytes, message })
    }
}

impl ChunkAck {
    /// Appends the section's content.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for number in [u64::from(self.group.0), self.transfer, self.next] {
            put_u64(out, number);
        }
    }

    /// Reads a section's content.
    ///
    /// # Errors
    /// Bytes that are no answer to a chunk.
    pub fn decode(content: &[u8]) -> Result<ChunkAck, DecodeError> {
        let mut r = Reader::new(content);
        Ok(ChunkAck { group: read_group(&mut r)?, transfer: r.u64()?, next: r.u64()? })
    }
}

pub(super) fn read_group(r: &mut Reader<'_>) -> Result<GroupId, DecodeError> {
    u32::try_from(r.u64()?).map(GroupId).map_err(|_| DecodeError::Malformed("group"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_beyond_all_groups_is_not_taken_for_another_one() {
        let mut content = Vec::new();
        put_u64(&mut content, (1 << 33) + 1);
        content.extend_from_slice(&[0; 8]);
        let refused = DecodeError::Malformed("group");
        assert_eq!(raft(&content).map(|_| ()), Err(refused));
        assert_eq!(Wish::decode(&content), Err(refused));
        assert_eq!(Chunk::decode(&content), Err(refused));
        assert_eq!(ChunkAck::decode(&content), Err(refused));
    }
}
