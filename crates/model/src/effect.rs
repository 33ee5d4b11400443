//! Effects: what a command changed, written by the leader that executed it and applied everywhere.
//!
//! Applying an effect needs nothing but the rows and the effect, never a clock or a configuration,
//! so that two replicas can not come to differ.

use crate::change::Change;
use crate::ids::{Keyspace, NodeId};
use crate::limits::{MAX_VALUE, SLOTS, SPACES};
use crate::slot::Slot;
use crate::varint::{DecodeError, Reader, put_bytes, put_u64};

/// Names one write of one client for ever, so that it is never executed twice.
///
/// The sequence number is unique in the life (incarnation) of the node that forwards the write, so
/// it also stands for the connection and the command's place in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WriteId {
    /// The node that the client is connected to.
    pub origin: NodeId,
    /// Which start of that node.
    pub incarnation: u64,
    /// Rising number of the write.
    pub seq: u64,
}

/// One change of a shard's rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect<'a> {
    /// The key now has this value and expiry, whatever it had before.
    Put {
        /// Keyspace of the key.
        ks: Keyspace,
        /// The key.
        key: &'a [u8],
        /// Type tag of the value, see [`crate::row::Kind`].
        kind: u8,
        /// Shard time in ms at which the key expires, 0 = never.
        expire: u64,
        /// The encoded value.
        value: &'a [u8],
    },
    /// Bytes of an existing string value from `offset` on are replaced; the value grows, with zero
    /// bytes between, where it is shorter. Keeps the expiry.
    Patch {
        /// Keyspace of the key.
        ks: Keyspace,
        /// The key.
        key: &'a [u8],
        /// First byte that changes, at most [`MAX_VALUE`].
        offset: u64,
        /// The new bytes.
        bytes: &'a [u8],
    },
    /// The key, which exists, gets this expiry (0 = never).
    Expire {
        /// Keyspace of the key.
        ks: Keyspace,
        /// The key.
        key: &'a [u8],
        /// Shard time in ms, 0 = never.
        expire: u64,
    },
    /// The key, which exists, is gone.
    Delete {
        /// Keyspace of the key.
        ks: Keyspace,
        /// The key.
        key: &'a [u8],
    },
    /// Every key of this keyspace in this shard is gone.
    Flush {
        /// The keyspace.
        ks: Keyspace,
    },
    /// The write with this id was executed and answered so.
    Answered {
        /// The write.
        id: WriteId,
        /// Slot of its first key.
        slot: Slot,
        /// The reply; `None` = it was too long to keep.
        reply: Option<&'a [u8]>,
    },
    /// The forwarding node has answers to all its writes below `seq`: forget them.
    Mark {
        /// The forwarding node.
        origin: NodeId,
        /// Its incarnation.
        incarnation: u64,
        /// Lowest sequence number that may still be asked for.
        seq: u64,
    },
    /// A row of the group's own state (members, map, options) is set, or removed with `None`.
    System {
        /// Row name.
        name: &'a [u8],
        /// Row content.
        value: Option<&'a [u8]>,
    },
    /// A part of a collection changes. Of an absent key it makes one with the part. Keeps the expiry.
    Change {
        /// Keyspace of the key.
        ks: Keyspace,
        /// The key.
        key: &'a [u8],
        /// Type tag of the collection.
        kind: u8,
        /// What changes.
        change: Change<'a>,
    },
    /// A key, which exists, is at another place from now on, with value and expiry; what was there is gone.
    Rename {
        /// Keyspace of the key.
        ks: Keyspace,
        /// The key.
        key: &'a [u8],
        /// Keyspace of its new place.
        to_ks: Keyspace,
        /// The new key.
        to: &'a [u8],
    },
    /// A key gets the value and expiry of another one, which exists and stays.
    Copy {
        /// Keyspace of the key that is copied.
        ks: Keyspace,
        /// The key that is copied.
        key: &'a [u8],
        /// Keyspace of the copy.
        to_ks: Keyspace,
        /// The key of the copy.
        to: &'a [u8],
    },
    /// The effects in the bytes before this one may have been answered before they were committed, although
    /// their keyspace is synchronous: their connection chose so. Changes nothing; loss accounts need it.
    Early {
        /// Bytes of the effects before this one, all of one command.
        bytes: u64,
    },
}

const PUT: u8 = 1;
const PATCH: u8 = 2;
const EXPIRE: u8 = 3;
const DELETE: u8 = 4;
const FLUSH: u8 = 5;
const ANSWERED: u8 = 6;
const ANSWERED_NOT_KEPT: u8 = 7;
const MARK: u8 = 8;
const SYSTEM_PUT: u8 = 9;
const SYSTEM_DELETE: u8 = 10;
const EARLY: u8 = 11;
const CHANGE: u8 = 12;
const RENAME: u8 = 13;
const COPY: u8 = 14;

impl<'a> Effect<'a> {
    /// Appends the encoded effect.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Effect::Put { ks, key, kind, expire, value } => {
                head(out, PUT, ks, key);
                out.push(kind);
                put_u64(out, expire);
                put_bytes(out, value);
            }
            Effect::Patch { ks, key, offset, bytes } => {
                head(out, PATCH, ks, key);
                put_u64(out, offset);
                put_bytes(out, bytes);
            }
            Effect::Expire { ks, key, expire } => {
                head(out, EXPIRE, ks, key);
                put_u64(out, expire);
            }
            Effect::Delete { ks, key } => head(out, DELETE, ks, key),
            Effect::Flush { ks } => {
                out.push(FLUSH);
                put_u64(out, u64::from(ks.0));
            }
            Effect::Answered { id, slot, reply } => {
                out.push(if reply.is_some() { ANSWERED } else { ANSWERED_NOT_KEPT });
                put_u64(out, id.origin.0);
                put_u64(out, id.incarnation);
                put_u64(out, id.seq);
                put_u64(out, u64::from(slot));
                if let Some(reply) = reply {
                    put_bytes(out, reply);
                }
            }
            Effect::Mark { origin, incarnation, seq } => {
                out.push(MARK);
                put_u64(out, origin.0);
                put_u64(out, incarnation);
                put_u64(out, seq);
            }
            Effect::Change { ks, key, kind, change } => {
                head(out, CHANGE, ks, key);
                out.push(kind);
                change.encode(out);
            }
            Effect::Rename { ks, key, to_ks, to } => {
                head(out, RENAME, ks, key);
                put_u64(out, u64::from(to_ks.0));
                put_bytes(out, to);
            }
            Effect::Copy { ks, key, to_ks, to } => {
                head(out, COPY, ks, key);
                put_u64(out, u64::from(to_ks.0));
                put_bytes(out, to);
            }
            Effect::Early { bytes } => {
                out.push(EARLY);
                put_u64(out, bytes);
            }
            Effect::System { name, value } => {
                out.push(if value.is_some() { SYSTEM_PUT } else { SYSTEM_DELETE });
                put_bytes(out, name);
                if let Some(value) = value {
                    put_bytes(out, value);
                }
            }
        }
    }

    /// The keys that are changed or looked at, each with its keyspace; of a flush and of what is no key: none.
    pub fn keys(&self) -> [Option<(Keyspace, &'a [u8])>; 2] {
        match *self {
            Effect::Put { ks, key, .. }
            | Effect::Patch { ks, key, .. }
            | Effect::Expire { ks, key, .. }
            | Effect::Change { ks, key, .. }
            | Effect::Delete { ks, key } => [Some((ks, key)), None],
            Effect::Rename { ks, key, to_ks, to } | Effect::Copy { ks, key, to_ks, to } => {
                [Some((ks, key)), Some((to_ks, to))]
            }
            Effect::Flush { .. }
            | Effect::Answered { .. }
            | Effect::Mark { .. }
            | Effect::System { .. }
            | Effect::Early { .. } => [None, None],
        }
    }

    /// Whether it changes the group's own state: answers kept for exactly-once, and system rows.
    #[inline]
    pub fn is_of_group(&self) -> bool {
        match self {
            Effect::Answered { .. } | Effect::Mark { .. } | Effect::System { .. } => true,
            Effect::Put { .. }
            | Effect::Patch { .. }
            | Effect::Expire { .. }
            | Effect::Delete { .. }
            | Effect::Flush { .. }
            | Effect::Change { .. }
            | Effect::Rename { .. }
            | Effect::Copy { .. }
            | Effect::Early { .. } => false,
        }
    }

    /// Reads the next effect. A tag this version does not know is an error: the replica must stop,
    /// never skip.
    pub fn decode(r: &mut Reader<'a>) -> Result<Effect<'a>, DecodeError> {
        Ok(match r.u8()? {
            PUT => {
                let (ks, key) = read_head(r)?;
                let kind = r.u8()?;
                Effect::Put { ks, key, kind, expire: r.u64()?, value: r.bytes()? }
            }
            PATCH => {
                let (ks, key) = read_head(r)?;
                let offset = r.u64()?;
                if offset > MAX_VALUE as u64 {
                    return Err(DecodeError::Malformed("offset"));
                }
                Effect::Patch { ks, key, offset, bytes: r.bytes()? }
            }
            EXPIRE => {
                let (ks, key) = read_head(r)?;
                Effect::Expire { ks, key, expire: r.u64()? }
            }
            DELETE => {
                let (ks, key) = read_head(r)?;
                Effect::Delete { ks, key }
            }
            FLUSH => Effect::Flush { ks: read_keyspace(r)? },
            tag @ (ANSWERED | ANSWERED_NOT_KEPT) => {
                let id = WriteId { origin: NodeId(r.u64()?), incarnation: r.u64()?, seq: r.u64()? };
                let slot = below(r.u64()?, SLOTS).ok_or(DecodeError::Malformed("slot"))?;
                let reply = if tag == ANSWERED { Some(r.bytes()?) } else { None };
                Effect::Answered { id, slot, reply }
            }
            MARK => Effect::Mark { origin: NodeId(r.u64()?), incarnation: r.u64()?, seq: r.u64()? },
            SYSTEM_PUT => Effect::System { name: r.bytes()?, value: Some(r.bytes()?) },
            SYSTEM_DELETE => Effect::System { name: r.bytes()?, value: None },
            EARLY => Effect::Early { bytes: r.u64()? },
            CHANGE => {
                let (ks, key) = read_head(r)?;
                Effect::Change { ks, key, kind: r.u8()?, change: Change::decode(r)? }
            }
            RENAME => {
                let (ks, key) = read_head(r)?;
                let (to_ks, to) = read_head(r)?;
                Effect::Rename { ks, key, to_ks, to }
            }
            COPY => {
                let (ks, key) = read_head(r)?;
                let (to_ks, to) = read_head(r)?;
                Effect::Copy { ks, key, to_ks, to }
            }
            _ => return Err(DecodeError::Malformed("effect")),
        })
    }
}

#[inline]
fn head(out: &mut Vec<u8>, tag: u8, ks: Keyspace, key: &[u8]) {
    out.push(tag);
    put_u64(out, u64::from(ks.0));
    put_bytes(out, key);
}

#[inline]
fn read_head<'a>(r: &mut Reader<'a>) -> Result<(Keyspace, &'a [u8]), DecodeError> {
    Ok((read_keyspace(r)?, r.bytes()?))
}

fn read_keyspace(r: &mut Reader<'_>) -> Result<Keyspace, DecodeError> {
    below(r.u64()?, SPACES).map(Keyspace).ok_or(DecodeError::Malformed("keyspace"))
}

/// The number, if it is below the bound: nothing later is indexed with what a damaged entry says.
fn below(number: u64, bound: u16) -> Option<u16> {
    u16::try_from(number).ok().filter(|&n| n < bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_effect_round_trips() {
        let id = WriteId { origin: NodeId(3), incarnation: 9, seq: 1 << 40 };
        let ks = Keyspace(15);
        let effects = [
            Effect::Put { ks, key: b"k", kind: 0, expire: 7, value: b"v" },
            Effect::Patch { ks, key: b"k", offset: 300, bytes: b"x" },
            Effect::Expire { ks, key: b"k", expire: 0 },
            Effect::Delete { ks, key: b"" },
            Effect::Flush { ks },
            Effect::Answered { id, slot: 16383, reply: Some(b"+OK\r\n") },
            Effect::Answered { id, slot: 0, reply: None },
            Effect::Mark { origin: NodeId(1), incarnation: 2, seq: 3 },
            Effect::System { name: b"map", value: Some(b"") },
            Effect::System { name: b"map", value: None },
            Effect::Early { bytes: 300 },
            Effect::Change { ks, key: b"k", kind: 1, change: Change::Put { name: b"n", value: b"v" } },
            Effect::Rename { ks, key: b"k", to_ks: Keyspace(2), to: b"l" },
            Effect::Copy { ks: Keyspace(0), key: b"k", to_ks: ks, to: b"" },
        ];
        assert_eq!(effects.iter().filter(|effect| effect.is_of_group()).count(), 5);
        let mut out = Vec::new();
        effects.iter().for_each(|e| e.encode(&mut out));
        let mut r = Reader::new(&out);
        for effect in effects {
            assert_eq!(Effect::decode(&mut r), Ok(effect));
        }
        assert!(r.is_empty());
    }

    #[test]
    fn numbers_out_of_bounds_are_refused() {
        let id = WriteId { origin: NodeId(3), incarnation: 9, seq: 1 };
        for (effect, what) in [
            (Effect::Flush { ks: Keyspace(SPACES) }, "keyspace"),
            (Effect::Delete { ks: Keyspace(700), key: b"k" }, "keyspace"),
            (Effect::Answered { id, slot: 16384, reply: None }, "slot"),
            (Effect::Patch { ks: Keyspace(0), key: b"k", offset: u64::MAX, bytes: b"x" }, "offset"),
        ] {
            let mut out = Vec::new();
            effect.encode(&mut out);
            assert_eq!(Effect::decode(&mut Reader::new(&out)), Err(DecodeError::Malformed(what)));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(bytes: Vec<u8>) {
            let mut r = Reader::new(&bytes);
            while !r.is_empty() && Effect::decode(&mut r).is_ok() {}
        }
    }
}
