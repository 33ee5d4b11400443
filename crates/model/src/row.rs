//! Rows as the row store and snapshots hold them: order-preserving names and encoded contents.
//!
//! Every name starts with a family byte, so that one range holds one kind of state:
//! system rows (applied index, members, …), keys, keys by expiry, and the dedupe window.

use crate::effect::WriteId;
use crate::ids::{Keyspace, NodeId};
use crate::position::Position;
use crate::slot::Slot;
use crate::varint::{DecodeError, Reader, put_bytes, put_u64};

/// Format version of row contents.
pub const FORMAT: u8 = 1;

/// First byte of a row name.
pub mod family {
    /// State of the group itself.
    pub const SYSTEM: u8 = 1;
    /// Keys: keyspace, generation, position, key.
    pub const KEY: u8 = 2;
    /// The dedupe window: slot, origin, incarnation, sequence number.
    pub const ANSWER: u8 = 4;
}

/// Type tag of a value.
pub mod kind {
    /// A Redis string.
    pub const STRING: u8 = 0;
    /// A hash: fields and values.
    pub const HASH: u8 = 1;
    /// A list.
    pub const LIST: u8 = 2;
    /// A set.
    pub const SET: u8 = 3;
    /// A sorted set: members and scores.
    pub const SORTED_SET: u8 = 4;
    /// A stream: entries by their ids.
    pub const STREAM: u8 = 5;
    /// The manifest of a large value, which is a string to clients: see [`crate::large`].
    pub const MANIFEST: u8 = 6;
    /// Added to a collection whose elements have rows of their own.
    pub const LARGE: u8 = 0x80;

    /// Whether a value of this type has no elements.
    #[inline]
    pub const fn is_plain(kind: u8) -> bool {
        matches!(kind, STRING | MANIFEST)
    }
}

/// Name of a system row.
pub fn system_name(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + name.len());
    out.push(family::SYSTEM);
    out.extend_from_slice(name);
    out
}

/// Where in the name of a key's row the key begins.
const KEY_AT: usize = 15;

/// Name of a key's row: family, keyspace, generation, position, key with 0x00 escaped as 0x00 0xFF
/// and closed by 0x00 0x01, so that rows of a key's elements can follow it in order.
pub fn key_name(ks: Keyspace, generation: u32, position: Position, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(17 + key.len());
    put_key_name(&mut out, ks, generation, position, key);
    out
}

/// Appends what [`key_name`] returns.
pub fn put_key_name(out: &mut Vec<u8>, ks: Keyspace, generation: u32, position: Position, key: &[u8]) {
    out.push(family::KEY);
    out.extend_from_slice(&ks.0.to_be_bytes());
    out.extend_from_slice(&generation.to_be_bytes());
    out.extend_from_slice(&position.0.to_be_bytes());
    if key.contains(&0) {
        for &byte in key {
            out.push(byte);
            if byte == 0 {
                out.push(0xff);
            }
        }
    } else {
        out.extend_from_slice(key);
    }
    out.extend_from_slice(&[0, 1]);
}

/// What the names of all rows at this position and after it begin with or exceed.
pub fn position_name(ks: Keyspace, generation: u32, position: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(15);
    out.push(family::KEY);
    out.extend_from_slice(&ks.0.to_be_bytes());
    out.extend_from_slice(&generation.to_be_bytes());
    out.extend_from_slice(&position.to_be_bytes());
    out
}

/// Bytes of a cell's name behind that of its key.
pub const CELL_BYTES: usize = 24;

/// Appends the name of a cell of a large collection to that of its key: the number of the collection, which is
/// another one each time the key becomes one, and which of its cells it is.
pub fn put_cell_name(out: &mut Vec<u8>, id: u64, cell: u128) {
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&cell.to_be_bytes());
}

/// Splits the name of a cell: the name of its key, the number of the collection, and which cell it is. `None`:
/// it is the name of a key.
pub fn split_cell_name(name: &[u8]) -> Option<(&[u8], u64, u128)> {
    let end = 2 + key_end(name)?;
    let (key, rest) = name.split_at_checked(end)?;
    let (id, cell) = rest.split_at_checked(8)?;
    Some((key, u64::from_be_bytes(id.try_into().ok()?), u128::from_be_bytes(cell.try_into().ok()?)))
}

/// Where in the name of a row its key is closed.
fn key_end(name: &[u8]) -> Option<usize> {
    let mut at = KEY_AT;
    loop {
        at += name.get(at..)?.iter().position(|byte| *byte == 0)?;
        if name.get(at + 1) == Some(&1) {
            return Some(at);
        }
        at += 2;
    }
}

/// The parts of a key row's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName {
    /// Keyspace of the key.
    pub ks: Keyspace,
    /// Generation of the keyspace; older ones are flushed.
    pub generation: u32,
    /// Slot and hash of the key.
    pub position: Position,
    /// The key.
    pub key: Vec<u8>,
}

/// Reads the name of a key row.
pub fn parse_key_name(name: &[u8]) -> Result<KeyName, DecodeError> {
    let bad = DecodeError::Malformed("row name");
    let (head, rest) = name.split_at_checked(15).ok_or(DecodeError::Short)?;
    if head[0] != family::KEY {
        return Err(bad);
    }
    let mut key = Vec::with_capacity(rest.len());
    let mut bytes = rest.iter();
    loop {
        match bytes.next().ok_or(bad)? {
            0 => match bytes.next().ok_or(bad)? {
                0xff => key.push(0),
                1 if bytes.as_slice().is_empty() => break,
                _ => return Err(bad),
            },
            &byte => key.push(byte),
        }
    }
    Ok(KeyName {
        ks: Keyspace(u16::from_be_bytes([head[1], head[2]])),
        generation: u32::from_be_bytes([head[3], head[4], head[5], head[6]]),
        position: Position(u64::from_be_bytes([
            head[7], head[8], head[9], head[10], head[11], head[12], head[13], head[14],
        ])),
        key,
    })
}

/// Keyspace, generation and position in the name of the row of a key or of a cell.
///
/// # Errors
/// A name that is too short, or of another family.
pub fn place(name: &[u8]) -> Result<(Keyspace, u32, Position), DecodeError> {
    let head: &[u8; KEY_AT] = name.first_chunk().ok_or(DecodeError::Short)?;
    if head[0] != family::KEY {
        return Err(DecodeError::Malformed("row name"));
    }
    let position = name[7..KEY_AT].try_into().map_err(|_| DecodeError::Short)?;
    Ok((
        Keyspace(u16::from_be_bytes([head[1], head[2]])),
        u32::from_be_bytes([head[3], head[4], head[5], head[6]]),
        Position(u64::from_be_bytes(position)),
    ))
}

/// Content of a key's row: format, type tag, expiry (ms of shard time, 0 = never), value.
pub fn encode_value(kind: u8, expire: u64, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + value.len());
    put_value(&mut out, kind, expire, value);
    out
}

/// Appends what [`encode_value`] returns.
pub fn put_value(out: &mut Vec<u8>, kind: u8, expire: u64, value: &[u8]) {
    out.push(FORMAT);
    out.push(kind);
    put_u64(out, expire);
    out.extend_from_slice(value);
}

/// Reads a key row's content: type tag, expiry, value.
pub fn decode_value(content: &[u8]) -> Result<(u8, u64, &[u8]), DecodeError> {
    let mut r = Reader::new(content);
    match r.u8()? {
        FORMAT => Ok((r.u8()?, r.u64()?, r.rest())),
        other => Err(DecodeError::Version(other)),
    }
}

/// Whether the content of a key's row is that of a collection whose elements have rows of their own.
pub fn is_large(content: &[u8]) -> bool {
    content.get(1).is_some_and(|kind| kind & kind::LARGE != 0)
}

/// Name of a dedupe row.
pub fn answer_name(slot: Slot, id: WriteId) -> Vec<u8> {
    let mut out = Vec::with_capacity(27);
    out.push(family::ANSWER);
    out.extend_from_slice(&slot.to_be_bytes());
    out.extend_from_slice(&id.origin.0.to_be_bytes());
    out.extend_from_slice(&id.incarnation.to_be_bytes());
    out.extend_from_slice(&id.seq.to_be_bytes());
    out
}

/// Reads the name of a dedupe row.
pub fn parse_answer_name(name: &[u8]) -> Result<(Slot, WriteId), DecodeError> {
    if name.len() != 27 || name[0] != family::ANSWER {
        return Err(DecodeError::Malformed("row name"));
    }
    let number = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&name[at..at + 8]);
        u64::from_be_bytes(bytes)
    };
    let id = WriteId { origin: NodeId(number(3)), incarnation: number(11), seq: number(19) };
    Ok((u16::from_be_bytes([name[1], name[2]]), id))
}

/// Content of a dedupe row: shard time of the answer in ms, and the reply if it was kept.
pub fn encode_answer(shard_time: u64, reply: Option<&[u8]>) -> Vec<u8> {
    let mut out = vec![FORMAT];
    put_u64(&mut out, shard_time);
    if let Some(reply) = reply {
        put_bytes(&mut out, reply);
    }
    out
}

/// Reads a dedupe row's content.
pub fn decode_answer(content: &[u8]) -> Result<(u64, Option<&[u8]>), DecodeError> {
    let mut r = Reader::new(content);
    match r.u8()? {
        FORMAT => {
            let time = r.u64()?;
            Ok((time, if r.is_empty() { None } else { Some(r.bytes()?) }))
        }
        other => Err(DecodeError::Version(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn key_names_round_trip_and_keep_the_order(
            a: (u16, u32, u64, Vec<u8>), b: (u16, u32, u64, Vec<u8>)
        ) {
            let name = |k: &(u16, u32, u64, Vec<u8>)| key_name(Keyspace(k.0), k.1, Position(k.2), &k.3);
            prop_assert_eq!(name(&a).cmp(&name(&b)), a.cmp(&b));
            let parsed = parse_key_name(&name(&a)).unwrap();
            prop_assert_eq!((parsed.ks.0, parsed.generation, parsed.position.0, parsed.key), a);
        }

        #[test]
        fn names_of_cells_are_split_and_follow_their_key(key: Vec<u8>, other: Vec<u8>, id: u64, cell: u128) {
            let name = |key: &[u8]| key_name(Keyspace(3), 1, Position(7), key);
            let mut of_cell = name(&key);
            put_cell_name(&mut of_cell, id, cell);
            prop_assert_eq!(split_cell_name(&of_cell), Some((&name(&key)[..], id, cell)));
            prop_assert!(split_cell_name(&name(&key)).is_none());
            prop_assert!(of_cell > name(&key));
            prop_assert_eq!(of_cell.cmp(&name(&other)), if other == key { std::cmp::Ordering::Greater } else { key.cmp(&other) });
            prop_assert!(parse_key_name(&of_cell).is_err());
        }

        #[test]
        fn any_name_is_parsed_or_refused(name: Vec<u8>) {
            let _ = split_cell_name(&name);
            let _ = parse_key_name(&name);
            let _ = parse_answer_name(&name);
            let _ = decode_value(&name);
            let _ = decode_answer(&name);
        }

        #[test]
        fn contents_round_trip(kind: u8, expire: u64, value: Vec<u8>) {
            let content = encode_value(kind, expire, &value);
            prop_assert_eq!(decode_value(&content).unwrap(), (kind, expire, &value[..]));
        }
    }

    #[test]
    fn answers_round_trip() {
        let id = WriteId { origin: NodeId(1), incarnation: 2, seq: 3 };
        assert_eq!(parse_answer_name(&answer_name(9, id)), Ok((9, id)));
        assert_eq!(decode_answer(&encode_answer(5, Some(b""))), Ok((5, Some(&b""[..]))));
        assert_eq!(decode_answer(&encode_answer(5, None)), Ok((5, None)));
    }
}
