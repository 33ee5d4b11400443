//! The bytes of a Raft message between nodes; the page is `docs/formats/peer-raft.md`.
//!
//! Our own format and not protobuf: bytes of peers never reach the library's decoder. Decoding
//! allocates no more than the input is long, and refuses what no node sends.

use crate::admit::{MAX_NUMBER, is_for_peers};
use crate::config::MAX_MEMBERS;
use crate::members::change::is_step;
use crate::witness::{is_metadata, mark_metadata};
use model::limits::MAX_FRAME;
use model::varint::{DecodeError, Reader, put_bytes, put_u64};
use raft::eraftpb::{ConfState, Entry, EntryType, Message, MessageType, Snapshot};

/// Version of the format; the first byte of every message.
pub const VERSION: u8 = 1;
/// Most entries of one message: small ones take far more memory than bytes on the wire.
pub const MAX_ENTRIES: u64 = 1 << 18;
/// Longest context of a message in bytes; ours have 16.
pub const MAX_CONTEXT: usize = 64;

// Bits of the field mask: a field is present if it is not empty.
const LOG_TERM: u64 = 1;
const INDEX: u64 = 1 << 1;
const ENTRIES: u64 = 1 << 2;
const COMMIT: u64 = 1 << 3;
const COMMIT_TERM: u64 = 1 << 4;
const SNAPSHOT: u64 = 1 << 5;
const REQUEST_SNAPSHOT: u64 = 1 << 6;
const REJECT: u64 = 1 << 7;
const REJECT_HINT: u64 = 1 << 8;
const CONTEXT: u64 = 1 << 9;
const ALL_FIELDS: u64 = (1 << 10) - 1;

/// Bits of an entry's mask.
const ENTRY_CONTEXT: u8 = 1;
/// The entry changes members.
const ENTRY_STEP: u8 = 1 << 1;
/// The entry has a payload, which is not here: it is for a witness.
const ENTRY_METADATA: u8 = 1 << 2;

/// Appends a message that came out of a group. Priority and deprecated fields are not carried; the
/// indexes of entries follow from the message's index.
pub fn encode(m: &Message, out: &mut Vec<u8>) {
    out.extend_from_slice(&[VERSION, m.msg_type as u8]);
    put_u64(out, mask(m));
    put_u64(out, m.to);
    put_u64(out, m.from);
    put_u64(out, m.term);
    for number in [m.log_term, m.index, m.commit, m.commit_term, m.request_snapshot, m.reject_hint] {
        if number != 0 {
            put_u64(out, number);
        }
    }
    if !m.context.is_empty() {
        put_bytes(out, &m.context);
    }
    if let Some(snapshot) = m.snapshot.as_ref() {
        put_snapshot(out, snapshot);
    }
    if !m.entries.is_empty() {
        put_u64(out, m.entries.len() as u64);
        for entry in &m.entries {
            put_entry(out, entry);
        }
    }
}

fn mask(m: &Message) -> u64 {
    let bit = |present: bool, bit: u64| if present { bit } else { 0 };
    bit(m.log_term != 0, LOG_TERM)
        | bit(m.index != 0, INDEX)
        | bit(!m.entries.is_empty(), ENTRIES)
        | bit(m.commit != 0, COMMIT)
        | bit(m.commit_term != 0, COMMIT_TERM)
        | bit(m.snapshot.is_some(), SNAPSHOT)
        | bit(m.request_snapshot != 0, REQUEST_SNAPSHOT)
        | bit(m.reject, REJECT)
        | bit(m.reject_hint != 0, REJECT_HINT)
        | bit(!m.context.is_empty(), CONTEXT)
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    if is_metadata(entry) {
        out.push(ENTRY_METADATA);
        put_u64(out, entry.term);
        return put_bytes(out, &[]);
    }
    let step = if is_step(entry) { ENTRY_STEP } else { 0 };
    out.push(step | if entry.context.is_empty() { 0 } else { ENTRY_CONTEXT });
    put_u64(out, entry.term);
    put_bytes(out, &entry.data);
    if !entry.context.is_empty() {
        put_bytes(out, &entry.context);
    }
}

fn put_snapshot(out: &mut Vec<u8>, snapshot: &Snapshot) {
    let meta = snapshot.get_metadata();
    put_u64(out, meta.index);
    put_u64(out, meta.term);
    let conf = meta.get_conf_state();
    for list in [&conf.voters, &conf.learners, &conf.voters_outgoing, &conf.learners_next] {
        put_u64(out, list.len() as u64);
        list.iter().for_each(|id| put_u64(out, *id));
    }
    out.push(u8::from(conf.auto_leave));
    put_bytes(out, &snapshot.data);
}

/// Reads one message that fills `bytes`. Errors: [`DecodeError`]; nothing of the input is used then.
pub fn decode(bytes: &[u8]) -> Result<Message, DecodeError> {
    if bytes.len() > MAX_FRAME {
        return Err(DecodeError::Malformed("message longer than a frame"));
    }
    let mut r = Reader::new(bytes);
    match r.u8()? {
        VERSION => {}
        other => return Err(DecodeError::Version(other)),
    }
    let mut m = Message { msg_type: kind(r.u8()?)?, ..Message::default() };
    let mask = r.u64()?;
    if mask & !ALL_FIELDS != 0 {
        return Err(DecodeError::Malformed("field mask"));
    }
    (m.to, m.from, m.term) = (number(&mut r)?, number(&mut r)?, number(&mut r)?);
    m.reject = mask & REJECT != 0;
    for (bit, field) in [
        (LOG_TERM, &mut m.log_term),
        (INDEX, &mut m.index),
        (COMMIT, &mut m.commit),
        (COMMIT_TERM, &mut m.commit_term),
        (REQUEST_SNAPSHOT, &mut m.request_snapshot),
        (REJECT_HINT, &mut m.reject_hint),
    ] {
        if mask & bit != 0 {
            *field = number(&mut r)?;
        }
    }
    if mask & CONTEXT != 0 {
        m.context = context(&mut r)?.into();
    }
    if mask & SNAPSHOT != 0 {
        m.set_snapshot(snapshot(&mut r)?);
    }
    if mask & ENTRIES != 0 {
        m.entries = entries(&mut r, m.index)?.into();
    }
    match r.is_empty() {
        true => Ok(m),
        false => Err(DecodeError::Malformed("bytes after the message")),
    }
}

/// Only kinds that nodes send each other: no local ones, no forwarded proposals.
fn kind(byte: u8) -> Result<MessageType, DecodeError> {
    use protobuf::ProtobufEnum;
    let known = MessageType::from_i32(i32::from(byte)).filter(|kind| is_for_peers(*kind));
    known.ok_or(DecodeError::Malformed("message type"))
}

/// A term, index or id, far below where adding one overflows.
fn number(r: &mut Reader<'_>) -> Result<u64, DecodeError> {
    let number = r.u64()?;
    if number > MAX_NUMBER {
        return Err(DecodeError::Malformed("number too large"));
    }
    Ok(number)
}

fn context(r: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    let bytes = r.bytes()?;
    if bytes.len() > MAX_CONTEXT {
        return Err(DecodeError::Malformed("context too long"));
    }
    Ok(bytes.to_vec())
}

fn entries(r: &mut Reader<'_>, before: u64) -> Result<Vec<Entry>, DecodeError> {
    let count = number(r)?;
    if count > MAX_ENTRIES {
        return Err(DecodeError::Malformed("too many entries"));
    }
    // An entry takes three bytes at least, so the count cannot ask for more memory than was sent.
    if count > r.rest().len() as u64 / 3 {
        return Err(DecodeError::Short);
    }
    let mut entries = Vec::with_capacity(count.min(1024) as usize);
    for i in 1..=count {
        let mask = r.u8()?;
        let alone = mask & ENTRY_METADATA == 0 || mask == ENTRY_METADATA;
        if mask & !(ENTRY_CONTEXT | ENTRY_STEP | ENTRY_METADATA) != 0 || !alone {
            return Err(DecodeError::Malformed("entry mask"));
        }
        let mut entry = Entry { term: number(r)?, index: before + i, ..Entry::default() };
        entry.data = r.bytes()?.to_vec().into();
        if mask == ENTRY_METADATA {
            if !entry.data.is_empty() {
                return Err(DecodeError::Malformed("metadata with a payload"));
            }
            mark_metadata(&mut entry);
        }
        if mask & ENTRY_STEP != 0 {
            entry.set_entry_type(EntryType::EntryConfChangeV2);
        }
        if mask & ENTRY_CONTEXT != 0 {
            entry.context = context(r)?.into();
            if is_metadata(&entry) {
                return Err(DecodeError::Malformed("context of an entry"));
            }
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn snapshot(r: &mut Reader<'_>) -> Result<Snapshot, DecodeError> {
    let mut snapshot = Snapshot::default();
    let meta = snapshot.mut_metadata();
    (meta.index, meta.term) = (number(r)?, number(r)?);
    let conf_state = ConfState {
        voters: members(r)?,
        learners: members(r)?,
        voters_outgoing: members(r)?,
        learners_next: members(r)?,
        auto_leave: match r.u8()? {
            0 => false,
            1 => true,
            _ => return Err(DecodeError::Malformed("auto_leave")),
        },
        ..ConfState::default()
    };
    meta.set_conf_state(conf_state);
    snapshot.data = r.bytes()?.to_vec().into();
    Ok(snapshot)
}

fn members(r: &mut Reader<'_>) -> Result<Vec<u64>, DecodeError> {
    let count = r.u64()?;
    if count > MAX_MEMBERS as u64 {
        return Err(DecodeError::Malformed("too many members"));
    }
    (0..count).map(|_| number(r)).collect()
}

#[cfg(test)]
mod tests;
