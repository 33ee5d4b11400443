//! The bytes of an entry that changes members.
//!
//! The library reads them where they are proposed, so they have its encoding (`ConfChangeV2` in protobuf).
//! What comes from peers or from disk never reaches its decoder: this one takes exactly what is written.

use crate::config::MAX_MEMBERS;
use crate::witness::{is_metadata, mark_metadata};
use model::varint::{DecodeError, Reader};
use raft::eraftpb::{ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, Entry, EntryType};
use std::borrow::Cow;

// Keys of protobuf fields: number << 3 | wire type.
const TRANSITION: u8 = 1 << 3;
const CHANGE: u8 = 2 << 3 | 2;
const CONTEXT: u8 = 3 << 3 | 2;
const KIND: u8 = 1 << 3;
const NODE: u8 = 2 << 3;

/// Number of the transition that is left by a step of its own.
const EXPLICIT: u64 = 2;

pub(super) fn push(change: &mut ConfChangeV2, kind: ConfChangeType, node: u64) {
    let mut single = ConfChangeSingle { node_id: node, ..ConfChangeSingle::default() };
    single.set_change_type(kind);
    change.mut_changes().push(single);
}

pub(super) fn explicit(change: &mut ConfChangeV2) {
    change.set_transition(ConfChangeTransition::Explicit);
}

/// Whether the entry changes members.
pub(crate) fn is_step(entry: &Entry) -> bool {
    entry.entry_type == EntryType::EntryConfChangeV2
}

/// Whether the entry changes members by bytes that we write.
pub(crate) fn is_readable_step(entry: &Entry) -> bool {
    is_step(entry) && decode(&entry.data).is_ok()
}

/// Kind of an entry as the log stores it: 0 an ordinary one, 1 one that changes members, 2 the metadata of an
/// ordinary one, as a witness keeps them.
pub fn entry_kind(entry: &Entry) -> u8 {
    match is_metadata(entry) {
        true => 2,
        false => u8::from(is_step(entry)),
    }
}

/// Makes an entry of its stored kind what it was; of an unknown one it becomes a kind that no group takes.
pub fn set_entry_kind(entry: &mut Entry, kind: u8) {
    entry.set_entry_type(match kind {
        0 => EntryType::EntryNormal,
        1 => EntryType::EntryConfChangeV2,
        2 => EntryType::EntryNormal,
        _ => EntryType::EntryConfChange,
    });
    if kind == 2 {
        mark_metadata(entry);
    }
}

/// What the state machine applies of an entry: all of an ordinary one, the payload of
/// [`crate::Group::propose_members`] of one that changes members.
///
/// # Errors
/// [`DecodeError`]: not the bytes of a change of members.
pub fn entry_payload(entry: &Entry) -> Result<Cow<'_, [u8]>, DecodeError> {
    match is_step(entry) {
        true => Ok(Cow::Owned(decode(&entry.data)?.context.to_vec())),
        false => Ok(Cow::Borrowed(&entry.data)),
    }
}

/// Reads what the library writes for a step of ours, and nothing else.
pub(crate) fn decode(bytes: &[u8]) -> Result<ConfChangeV2, DecodeError> {
    let mut r = Reader::new(bytes);
    let mut change = ConfChangeV2::default();
    if r.rest().first() == Some(&TRANSITION) {
        r.u8()?;
        if r.u64()? != EXPLICIT {
            return Err(DecodeError::Malformed("transition of a change of members"));
        }
        explicit(&mut change);
    }
    while r.rest().first() == Some(&CHANGE) {
        r.u8()?;
        let (kind, node) = single(r.bytes()?)?;
        if change.changes.len() >= 2 * MAX_MEMBERS {
            return Err(DecodeError::Malformed("too many changes of members"));
        }
        push(&mut change, kind, node);
    }
    if r.rest().first() == Some(&CONTEXT) {
        r.u8()?;
        change.context = r.bytes()?.to_vec().into();
    }
    let joint = change.transition == ConfChangeTransition::Explicit;
    if !r.is_empty() || joint && change.changes.is_empty() || !joint && change.changes.len() > 1 {
        return Err(DecodeError::Malformed("change of members"));
    }
    Ok(change)
}

fn single(bytes: &[u8]) -> Result<(ConfChangeType, u64), DecodeError> {
    let mut r = Reader::new(bytes);
    let mut kind = ConfChangeType::AddNode;
    if r.rest().first() == Some(&KIND) {
        r.u8()?;
        kind = match r.u64()? {
            1 => ConfChangeType::RemoveNode,
            2 => ConfChangeType::AddLearnerNode,
            _ => return Err(DecodeError::Malformed("kind of a change of members")),
        };
    }
    if r.u8()? != NODE {
        return Err(DecodeError::Malformed("node of a change of members"));
    }
    let node = r.u64()?;
    if node == 0 || node > crate::admit::MAX_NUMBER || !r.is_empty() {
        return Err(DecodeError::Malformed("node of a change of members"));
    }
    Ok((kind, node))
}
