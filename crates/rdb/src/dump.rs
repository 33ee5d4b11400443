//! Payloads of `DUMP` and `RESTORE`: one value, the version and a checksum.

use crate::crc64::crc64;
use crate::input::Input;
use crate::limits::Limits;
use crate::output::Output;
use crate::read::Decoder;
use crate::{Error, VERSION, Value, write};

/// Bytes behind the value: the version (2, lowest first) and the CRC64 of all before it (8, lowest first).
const FOOTER: usize = 10;

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
    let (summed, checksum) = payload.split_last_chunk().ok_or(Error::NoFooter(payload.len()))?;
    let (value, version) = summed.split_last_chunk().ok_or(Error::NoFooter(payload.len()))?;
    debug_assert_eq!(value.len() + FOOTER, payload.len());
    let version = u16::from_le_bytes(*version);
    if version == 0 || version > VERSION {
        return Err(Error::Version { found: version, newest: VERSION });
    }
    let (found, computed) = (u64::from_le_bytes(*checksum), crc64(0, summed));
    if found != computed {
        return Err(Error::Checksum { found, computed });
    }
    let mut input = Input::plain(value);
    let kind = input.u8("a type")?;
    let value = Decoder::new(&mut input, limits.capped()).value(kind)?;
    match input.into_source().len() {
        0 => Ok(value),
        left => Err(Error::Trailing(left)),
    }
}
