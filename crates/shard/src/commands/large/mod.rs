//! Large values: LARGE, and what GET and GETRANGE say of one to the node that asks for its client.
//!
//! A client uploads chunks under an id that it got (`upload.rs`, `chunk.rs`); only then its key gets a manifest. The
//! lease of an upload is judged by shard time, so that the shards of the chunks and the shard of the key agree when
//! it is over, but for the difference of two leaders' clocks, which is far below [`model::large::GRACE_MS`].

mod chunk;
mod edit;
mod upload;

pub use chunk::drop_chunk;
pub(super) use chunk::{read, write};
pub(crate) use edit::Edits;
pub(super) use edit::edit;
pub use edit::{Edit, Prepared, Sums, begin_edit};
pub(super) use upload::{abort, begin, commit, renew, stat};
pub use upload::{collect, forget};

use super::integer;
use crate::data::{Data, Stop};
use crate::row::Row;
use model::large::UploadId;
use std::ops::Range;

/// Longest lease of an upload, in ms.
const MAX_LEASE_MS: u64 = 3_600_000;

/// First word of the error with which a shard tells the node of a client where a value is. Clients see it only
/// where a reply is part of another one, as in EXEC.
pub const PIECES: &str = "LARGE ";

/// A part of a large value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    /// Whose chunks it consists of.
    pub upload: UploadId,
    /// Bytes of each chunk but the last.
    pub chunk: u64,
    /// First byte.
    pub from: u64,
    /// Behind the last byte.
    pub to: u64,
    /// Chunks of other uploads.
    pub edited: Vec<(u64, UploadId)>,
}

impl Pieces {
    /// The upload that has written a chunk.
    pub fn owner(&self, number: u64) -> UploadId {
        let found = self.edited.iter().find(|(edited, _)| *edited == number);
        found.map_or(self.upload, |(_, upload)| *upload)
    }

    /// Reads the error of a shard: an encoded reply.
    pub fn read(reply: &[u8]) -> Option<Pieces> {
        let text = reply.strip_prefix(b"-")?.strip_prefix(PIECES.as_bytes())?;
        let end = text.iter().position(|byte| *byte == b':')?;
        let mut words = text[..end].split(|byte| *byte == b' ');
        let upload = UploadId::parse(words.next()?)?;
        let number = |word: &[u8]| u64::try_from(integer::parse(word)?).ok();
        let (chunk, from, to) = (number(words.next()?)?, number(words.next()?)?, number(words.next()?)?);
        let mut edited = Vec::new();
        while let Some(word) = words.next() {
            edited.push((number(word)?, UploadId::parse(words.next()?)?));
        }
        let pieces = Pieces { upload, chunk, from, to, edited };
        (pieces.chunk > 0 && pieces.from <= pieces.to).then_some(pieces)
    }
}

/// The answer to a command that wants bytes of a row that holds no ordinary string: which ones, of its length.
pub(super) fn pieces_of(row: &Row, range: impl FnOnce(usize) -> Range<usize>) -> Stop {
    match row.manifest() {
        None => Stop::WRONG_TYPE,
        Some(Err(stop)) => stop,
        Some(Ok(manifest)) => {
            let Range { start, end } = range(manifest.length as usize);
            let chunks = start as u64 / manifest.chunk..(end as u64).div_ceil(manifest.chunk);
            let edited = manifest.edited.iter().filter(|(number, _)| chunks.contains(number));
            let edited: String = edited.map(|(number, upload)| format!(" {number} {upload}")).collect();
            Stop::error(format!(
                "{PIECES}{} {} {start} {end}{edited}: the value has {} bytes and is kept in chunks, it can not be read here",
                manifest.upload, manifest.chunk, manifest.length
            ))
        }
    }
}

/// The id of an upload in the arguments.
fn upload_id(arg: &[u8]) -> Result<UploadId, Stop> {
    UploadId::parse(arg).ok_or_else(|| {
        let given = String::from_utf8_lossy(&arg[..arg.len().min(40)]).into_owned();
        Stop::error(format!("ERR upload '{given}' is no id: 32 hexadecimal digits, as LARGE BEGIN gives it"))
    })
}

/// A number in the arguments that is at most so much.
fn number(arg: &[u8], what: &str, most: u64) -> Result<u64, Stop> {
    let number = integer::parse(arg).and_then(|n| u64::try_from(n).ok()).filter(|n| *n <= most);
    number.ok_or_else(|| {
        let given = String::from_utf8_lossy(&arg[..arg.len().min(40)]).into_owned();
        Stop::error(format!("ERR {what} '{given}' is not allowed; allowed: 0 to {most}"))
    })
}

/// A checksum in the arguments: 8 hexadecimal digits.
fn checksum(arg: &[u8]) -> Result<u32, Stop> {
    let digits = arg.len() == 8 && arg.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(arg).ok().filter(|_| digits);
    text.and_then(|text| u32::from_str_radix(text, 16).ok()).ok_or_else(|| {
        let given = String::from_utf8_lossy(&arg[..arg.len().min(40)]).into_owned();
        Stop::error(format!(
            "ERR checksum '{given}' is not allowed; allowed: a CRC-32C as 8 hexadecimal digits"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Row;
    use model::Position;
    use model::large::Manifest;
    use model::row::kind;

    #[test]
    fn what_a_shard_says_of_a_large_value_is_read_by_the_node_that_asks() {
        let upload = UploadId([7; 16]);
        let other = UploadId([9; 16]);
        let edited = vec![(0, other), (4, other), (7, other)];
        let manifest =
            Manifest { upload, length: 7500, chunk: 1000, checksum: 1, bound: 5000, until: 9, edited };
        let row = Row::new(Position(1), kind::MANIFEST, b"k", &manifest.encode());
        let Stop::Error(text) = pieces_of(&row, |length| 1010..length - 500) else { panic!("an error") };
        let reply = format!("-{text}\r\n");
        let edited = vec![(4, other)];
        let pieces = Pieces { upload, chunk: 1000, from: 1010, to: 7000, edited };
        assert_eq!(Pieces::read(reply.as_bytes()), Some(pieces));
        for other in ["-ERR x", "-LARGE x: y", "+OK", "", "-LARGE 0 0 0 0", &reply.replace(" 1000 ", " 0 ")] {
            assert_eq!(Pieces::read(other.as_bytes()), None, "{other}");
        }
        let string = Row::new(Position(1), kind::HASH, b"k", &[0; 5]);
        assert_eq!(pieces_of(&string, |_| 0..0), Stop::WRONG_TYPE);
    }
}
