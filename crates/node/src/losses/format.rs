//! An account as a file; see docs/formats/losses.md.

use super::account::{Account, Before, Last, LossId, LostEntry, LostRow, Outcome, State};
use model::effect::Effect;
use model::limits::KEYSPACES;
use model::varint::{DecodeError, Reader, put_bytes, put_u64};
use model::{GroupId, Keyspace, NodeId};
use std::collections::VecDeque;

/// Format version of account files.
pub const FORMAT: u8 = 1;
/// Bytes of the checksum at the end.
const CHECKSUM: usize = 4;

/// The file's content.
pub fn encode(account: &Account) -> Vec<u8> {
    let Account { id, node, at_ms, state, not_kept, entries, rows } = account;
    let mut out = Vec::with_capacity(account.size() as usize + 64);
    out.push(FORMAT);
    out.push(match state {
        State::Suspected => 1,
        State::Lost => 2,
        State::Undecided => 3,
    });
    for number in [u64::from(id.group.0), id.term, id.index, node.0, *at_ms, not_kept.0, not_kept.1] {
        put_u64(&mut out, number);
    }
    put_u64(&mut out, entries.len() as u64);
    for entry in entries {
        [entry.index, entry.term, entry.time_ms, entry.count].iter().for_each(|n| put_u64(&mut out, *n));
        put_bytes(&mut out, &entry.effects);
    }
    put_u64(&mut out, rows.len() as u64);
    rows.iter().for_each(|row| put_row(&mut out, row));
    let checksum = crc32c::crc32c(&out);
    out.extend_from_slice(&checksum.to_be_bytes());
    out
}

fn put_row(out: &mut Vec<u8>, row: &LostRow) {
    put_u64(out, u64::from(row.ks.0));
    put_bytes(out, &row.key);
    match row.before {
        Before::Unknown => out.push(0),
        Before::Absent => out.push(1),
        Before::Row(digest) => {
            out.push(2);
            out.extend_from_slice(&digest.to_be_bytes());
        }
    }
    match &row.last {
        Last::Unknown => out.push(0),
        Last::Absent => out.push(1),
        Last::Row { kind, expire, value } => {
            out.extend([2, *kind]);
            put_u64(out, *expire);
            put_bytes(out, value);
        }
    }
    out.push(match row.outcome {
        Outcome::Open => 0,
        Outcome::Written => 1,
        Outcome::Already => 2,
        Outcome::Changed => 3,
    });
}

/// Reads a file's content.
///
/// # Errors
/// Another format version, a wrong checksum, or content that no version wrote.
pub fn decode(bytes: &[u8]) -> Result<Account, DecodeError> {
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(DecodeError::Short)?;
    match body.first() {
        Some(&FORMAT) => {}
        Some(&other) => return Err(DecodeError::Version(other)),
        None => return Err(DecodeError::Short),
    }
    if crc32c::crc32c(body) != u32::from_be_bytes(*checksum) {
        return Err(DecodeError::Malformed("checksum"));
    }
    let mut r = Reader::new(&body[1..]);
    let state = match r.u8()? {
        1 => State::Suspected,
        2 => State::Lost,
        3 => State::Undecided,
        _ => return Err(DecodeError::Malformed("state")),
    };
    let group = u32::try_from(r.u64()?).map_err(|_| DecodeError::Malformed("group id"))?;
    let id = LossId { group: GroupId(group), term: r.u64()?, index: r.u64()? };
    let (node, at_ms, not_kept) = (NodeId(r.u64()?), r.u64()?, (r.u64()?, r.u64()?));
    let mut account =
        Account { id, node, at_ms, state, not_kept, entries: VecDeque::new(), rows: Vec::new() };
    for _ in 0..r.u64()? {
        account.entries.push_back(read_entry(&mut r)?);
    }
    for _ in 0..r.u64()? {
        account.rows.push(read_row(&mut r)?);
    }
    if r.is_empty() { Ok(account) } else { Err(DecodeError::Malformed("length")) }
}

fn read_entry(r: &mut Reader<'_>) -> Result<LostEntry, DecodeError> {
    let (index, term, time_ms, count) = (r.u64()?, r.u64()?, r.u64()?, r.u64()?);
    let effects = r.bytes()?.to_vec();
    let mut inner = Reader::new(&effects);
    let mut found = 0;
    while !inner.is_empty() {
        Effect::decode(&mut inner)?;
        found += 1;
    }
    if found != count {
        return Err(DecodeError::Malformed("number of effects"));
    }
    Ok(LostEntry { index, term, time_ms, count, effects })
}

fn read_row(r: &mut Reader<'_>) -> Result<LostRow, DecodeError> {
    let ks = u16::try_from(r.u64()?).ok().filter(|ks| *ks < KEYSPACES);
    let ks = Keyspace(ks.ok_or(DecodeError::Malformed("keyspace"))?);
    let key = r.bytes()?.to_vec();
    let before = match r.u8()? {
        0 => Before::Unknown,
        1 => Before::Absent,
        2 => {
            let digest = r.take(16)?.first_chunk().copied().ok_or(DecodeError::Short)?;
            Before::Row(u128::from_be_bytes(digest))
        }
        _ => return Err(DecodeError::Malformed("state before")),
    };
    let last = match r.u8()? {
        0 => Last::Unknown,
        1 => Last::Absent,
        2 => Last::Row { kind: r.u8()?, expire: r.u64()?, value: r.bytes()?.to_vec() },
        _ => return Err(DecodeError::Malformed("last state")),
    };
    let outcome = match r.u8()? {
        0 => Outcome::Open,
        1 => Outcome::Written,
        2 => Outcome::Already,
        3 => Outcome::Changed,
        _ => return Err(DecodeError::Malformed("outcome")),
    };
    Ok(LostRow { ks, key, before, last, outcome })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        let ks = Keyspace(1);
        let mut effects = Vec::new();
        Effect::Put { ks, key: b"k", kind: 0, expire: 5, value: b"v" }.encode(&mut effects);
        Effect::Delete { ks, key: b"gone" }.encode(&mut effects);
        let row =
            |key: &[u8], before, last, outcome| LostRow { ks, key: key.to_vec(), before, last, outcome };
        let value = Last::Row { kind: 0, expire: 5, value: b"v".to_vec() };
        Account {
            id: LossId { group: GroupId(2), term: 3, index: 4 },
            node: NodeId(1),
            at_ms: 1_700_000_000_000,
            state: State::Lost,
            not_kept: (0, 0),
            entries: [
                LostEntry { index: 4, term: 3, time_ms: 9, count: 2, effects },
                LostEntry { index: 5, term: 3, ..LostEntry::default() },
            ]
            .into(),
            rows: vec![
                row(b"k", Before::Row(7), value, Outcome::Written),
                row(b"gone", Before::Absent, Last::Absent, Outcome::Changed),
                row(b"", Before::Unknown, Last::Unknown, Outcome::Open),
            ],
        }
    }

    #[test]
    fn an_account_is_read_as_it_was_written() {
        for state in [State::Suspected, State::Lost, State::Undecided] {
            let account = Account { state, ..account() };
            assert_eq!(decode(&encode(&account)), Ok(account));
        }
    }

    /// Written by version 1; later versions must read it.
    const FIXTURE: &str = include_str!("../../tests/fixtures/loss-1.hex");

    #[test]
    fn what_version_1_wrote_is_read() {
        let hex: Vec<u8> = FIXTURE.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let bytes: Vec<u8> = hex.chunks(2).map(byte).collect();
        assert_eq!(decode(&bytes), Ok(account()));
    }

    #[test]
    fn every_flipped_byte_is_found() {
        let good = encode(&account());
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            assert!(decode(&bad).is_err(), "byte {at}");
        }
        assert!((0..good.len()).all(|len| decode(&good[..len]).is_err()));
    }
}
