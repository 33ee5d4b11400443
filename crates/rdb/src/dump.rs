//! Payloads of `DUMP` and `RESTORE`: one value, the version and a checksum.

use crate::crc64::crc64;
use crate::input::Input;
use crate::limits::Limits;
use crate::output::Output;
use crate::read::Decoder;
use crate::{Error, NEWEST_READ, VERSION, Value, kind, write};

/// Bytes behind the value: the version (2, lowest first) and the CRC64 of all before it (8, lowest first).
pub const FOOTER: usize = 10;

/// The payload that `DUMP` answers for a value: what a Redis of version 7.0 or later accepts with `RESTORE`.
///
/// # Panics
/// If an entry of a stream has 4 GiB or more.
pub fn dump(value: &Value) -> Vec<u8> {
    let mut output = Output::new(Vec::new());
    output
        .put(&[write::kind(value)])
        .and_then(|()| write::value(&mut output, value))
        .expect("memory takes it");
    output.put(&VERSION.to_le_bytes()).expect("memory takes it");
    let checksum = output.checksum();
    let mut payload = output.into_sink();
    payload.extend(checksum.to_le_bytes());
    payload
}

/// The value of a payload that `DUMP` answered, here or in Redis up to version 7.0.
///
/// # Errors
/// If version or checksum are wrong ([`Error::is_version_or_checksum`]); other than in a file, a checksum of
/// zero is like any other. If the value is malformed, of a module, above the default [`Limits`], or if
/// there is something behind it.
pub fn restore(payload: &[u8]) -> Result<Value, Error> {
    restore_within(payload, Limits::default())
}

/// [`restore`] with limits of the caller.
///
/// # Errors
/// As [`restore`].
pub fn restore_within(payload: &[u8], limits: Limits) -> Result<Value, Error> {
    decode(opened(payload, VERSION)?, limits)
}

/// A payload of a Redis up to version 7.2 as one that Redis 7.0 and Everstore restore: itself, but for the
/// version and the two encodings that 7.2 added.
///
/// # Errors
/// If version or checksum are wrong; if it must be encoded anew, as [`restore`].
pub fn for_restore(payload: Vec<u8>) -> Result<Vec<u8>, Error> {
    let value = opened(&payload, NEWEST_READ)?;
    if value.first().is_some_and(|kind| *kind > kind::NEWEST_RESTORED) {
        return Ok(dump(&decode(value, Limits::default())?));
    }
    let length = value.len();
    if payload[length..length + 2] == NEWEST_READ.to_le_bytes() {
        let mut payload = payload;
        payload.truncate(length);
        return Ok(closed(payload));
    }
    Ok(payload)
}

/// A payload of a value that is encoded already, its type first.
pub(crate) fn closed(mut value: Vec<u8>) -> Vec<u8> {
    value.extend(VERSION.to_le_bytes());
    let checksum = crc64(0, &value);
    value.extend(checksum.to_le_bytes());
    value
}

/// What stands before a payload's footer, whose version and checksum are right.
pub(crate) fn opened(payload: &[u8], newest: u16) -> Result<&[u8], Error> {
    let (summed, checksum) = payload.split_last_chunk().ok_or(Error::NoFooter(payload.len()))?;
    let (value, version) = summed.split_last_chunk().ok_or(Error::NoFooter(payload.len()))?;
    debug_assert_eq!(value.len() + FOOTER, payload.len());
    let version = u16::from_le_bytes(*version);
    if version == 0 || version > newest {
        return Err(Error::Version { found: version, newest });
    }
    let (found, computed) = (u64::from_le_bytes(*checksum), crc64(0, summed));
    if found != computed {
        return Err(Error::Checksum { found, computed });
    }
    Ok(value)
}

fn decode(value: &[u8], limits: Limits) -> Result<Value, Error> {
    let mut input = Input::plain(value);
    let kind = input.u8("a type")?;
    let value = Decoder::new(&mut input, limits.capped()).value(kind)?;
    match input.into_source().len() {
        0 => Ok(value),
        left => Err(Error::Trailing(left)),
    }
}
