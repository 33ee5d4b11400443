//! Whether a file is whole, without reading its values.

use std::io::{BufRead, BufReader, Read};

use super::SUMMED_SINCE;
use super::reader::{FileError, version};
use crate::Error;
use crate::crc64::crc64;
use crate::input::Input;
use crate::kind;

/// Bytes read at a time.
const BUFFER: usize = 256 << 10;
/// Bytes at the end: the opcode that says so, and the checksum.
const TAIL: usize = 9;
/// What an error calls the end of a file.
const END: &str = "the end of an RDB file";

/// Reads a whole file, whose last byte must be the last of `source`, and compares its checksum: much faster than
/// reading its values, and it finds a file that was cut or damaged before any of them is used. True if it has a checksum;
/// false if there is none to compare, because it was written without or before version 5. `progress` is told
/// the bytes read.
///
/// # Errors
/// If it is not an RDB file of version 1 to 11, does not end as one or has another checksum, or if `source` fails.
pub fn check<R: Read>(source: R, mut progress: impl FnMut(u64)) -> Result<bool, FileError> {
    let mut input = Input::summed(BufReader::with_capacity(BUFFER, source));
    let found = version(&mut input);
    let at = |offset, error| FileError { offset, key: None, error };
    let version = found.map_err(|error| at(input.offset(), error))?;
    let (mut offset, mut sum) = (input.offset(), input.checksum());
    let mut source = input.into_source();
    // The newest bytes, not summed up yet: they may turn out to be the end.
    let mut held: Vec<u8> = Vec::with_capacity(BUFFER + TAIL);
    loop {
        let bytes = match source.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(at(offset, error.into())),
        };
        if bytes.is_empty() {
            break;
        }
        held.extend_from_slice(bytes);
        let read = bytes.len();
        source.consume(read);
        offset += read as u64;
        progress(offset);
        if let Some(sure) = held.len().checked_sub(TAIL) {
            sum = crc64(sum, &held[..sure]);
            held.drain(..sure);
        }
    }
    let ended = at(offset, Error::Ended(END));
    if version < SUMMED_SINCE {
        return if held.last() == Some(&kind::END) { Ok(false) } else { Err(ended) };
    }
    let Some((end, found)) = held.split_last_chunk().map(|(end, found)| (end, u64::from_le_bytes(*found)))
    else {
        return Err(ended);
    };
    let computed = crc64(sum, end);
    match found {
        0 if end == [kind::END] => Ok(false),
        0 => Err(ended),
        found if found == computed => Ok(true),
        found => Err(at(offset, Error::Checksum { found, computed })),
    }
}
