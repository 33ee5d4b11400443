//! GET and GETRANGE of large values: chunks are asked for some ahead and go to the client as they come, in order. Nothing
//! is gathered: what is kept for one client is bounded, however long the value is.

use super::super::ops::Op;
use crate::core::Core;
use model::limits::{CHUNK, CHUNKS};
use model::{GroupId, Reply};
use resp::decode::walk;
use resp::{Proto, Resp};
use router::{Flags, Request, Target};
use shard::commands::large::Pieces;
use std::collections::BTreeMap;

/// Chunks of one client that are asked for, or came before those in front of them.
const AHEAD: usize = 4;
/// Bytes of one client that are on their way through this node.
const MAX_BYTES: usize = 8 << 20;
/// Longest reply, as in Redis.
const MAX_REPLY: u64 = super::MAX_BULK as u64;

/// A part of a large value that a client reads.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) conn: u64,
    pub(crate) place: u64,
    pieces: Pieces,
    /// Next chunk to ask for, and to send.
    ask: u64,
    send: u64,
    /// Behind the last chunk.
    end: u64,
    /// The length was sent: an error can only break the connection.
    begun: bool,
    /// Chunks that came before those in front of them.
    came: BTreeMap<u64, Vec<u8>>,
}

impl Reading {
    fn new(conn: u64, place: u64, pieces: Pieces) -> Reading {
        let first = pieces.from / pieces.chunk;
        let end = pieces.to.div_ceil(pieces.chunk);
        Reading { conn, place, pieces, ask: first, send: first, end, begun: false, came: BTreeMap::new() }
    }

    /// The bytes of a chunk that belong to the part.
    fn cut<'a>(&self, number: u64, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let begins = number * self.pieces.chunk;
        let from = self.pieces.from.saturating_sub(begins) as usize;
        let to = (self.pieces.to - begins).min(self.pieces.chunk) as usize;
        bytes.get(from..to)
    }
}

/// Checksum and bytes of a chunk in an answer to LARGE READ, if they belong together.
pub(super) fn chunk_of(reply: &[u8]) -> Option<&[u8]> {
    let mut parts = walk::elements(reply).ok()?;
    let (sum, bytes) = (bulk(parts.next()?.ok()?)?, bulk(parts.next()?.ok()?)?);
    let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
    (crc32c::crc32c(bytes) == sum).then_some(bytes)
}

/// The content of an encoded bulk string.
pub(super) fn bulk(encoded: &[u8]) -> Option<&[u8]> {
    let at = encoded.iter().position(|&b| b == b'\n')? + 1;
    encoded.get(at..encoded.len().checked_sub(2)?)
}

impl Core {
    /// A shard has said where the value is that a client asked for. False: it said nothing that makes sense.
    #[cold]
    pub(crate) fn begin_reading(&mut self, conn: u64, place: u64, reply: &[u8]) -> bool {
        let Some(pieces) = Pieces::read(reply) else { return false };
        let length = pieces.to - pieces.from;
        let reading = Reading::new(conn, place, pieces);
        let op = self.open(Op::Read(Box::new(reading)));
        if length > MAX_REPLY {
            let text = format!(
                "ERR reply of {length} bytes, at most {MAX_REPLY} are allowed: read the value in pieces (GETRANGE), or \
                 with 'everstore get'"
            );
            self.fail_reading(op, &text);
        } else if length == 0 {
            self.end(op, b"$0\r\n\r\n");
        } else {
            self.large.readings.push(op);
        }
        true
    }

    /// Asks for the next chunks of all readings whose clients have room.
    pub(crate) fn drive_readings(&mut self) {
        if self.large.readings.is_empty() {
            return;
        }
        for op in self.large.readings.clone() {
            self.read_on(op);
        }
        let ops = &self.ops;
        self.large.readings.retain(|op| ops.contains_key(op));
    }

    fn read_on(&mut self, op: u64) {
        loop {
            let Some(Op::Read(reading)) = self.ops.get_mut(&op) else { return };
            let Some(conn) = self.conns.get_mut(&reading.conn) else {
                self.ops.remove(&op);
                return;
            };
            if !conn.is_next(reading.place) {
                return; // Its turn has not come: until then nothing is kept for it.
            }
            if conn.cut {
                // Its place stays open: what stands behind it must not be taken for its reply on the way out.
                self.ops.remove(&op);
                return;
            }
            if conn.is_next_muted() {
                return self.end(op, b"");
            }
            let ahead = (reading.ask - reading.send) as usize;
            let full = conn.wire.len() + (ahead + 1) * CHUNK > MAX_BYTES;
            if reading.ask == reading.end || ahead >= AHEAD || full {
                return;
            }
            let (number, upload) = (reading.ask, reading.pieces.owner(reading.ask));
            reading.ask += 1;
            let Some((group, slot)) = self.shard_of_chunk(upload, number) else {
                return self.fail_reading(op, "TRYAGAIN the chunks of the value can not be reached");
            };
            let (id, digits) = (upload.to_string(), number.to_string());
            let args: [&[u8]; 4] = [b"LARGE", b"READ", id.as_bytes(), digits.as_bytes()];
            self.ask(op, number as u32, group, slot, Request::new(Flags::default(), CHUNKS, &args));
        }
    }

    /// A chunk, or an error in its place.
    pub(crate) fn read_part(&mut self, op: u64, number: u32, reply: &[u8]) {
        let number = u64::from(number);
        let Some(Op::Read(reading)) = self.ops.get_mut(&op) else { return };
        let cut = chunk_of(reply).and_then(|bytes| reading.cut(number, bytes)).map(<[u8]>::to_vec);
        let Some(bytes) = cut else {
            let text = match std::str::from_utf8(reply).ok().and_then(|text| text.strip_prefix('-')) {
                Some(error) => error.trim_end().to_owned(),
                None => format!(
                    "ERR chunk {number} of the value is gone or damaged: the value was replaced or removed while it was read"
                ),
            };
            return self.fail_reading(op, &text);
        };
        reading.came.insert(number, bytes);
        let Some(conn) = self.conns.get_mut(&reading.conn) else { return };
        while let Some(bytes) = reading.came.remove(&reading.send) {
            if !reading.begun {
                reading.begun = true;
                let length = reading.pieces.to - reading.pieces.from;
                conn.wire.extend_from_slice(format!("${length}\r\n").as_bytes());
            }
            conn.wire.extend_from_slice(&bytes);
            reading.send += 1;
        }
        self.touched.push(reading.conn);
        if reading.send == reading.end {
            self.end(op, b"\r\n");
        }
    }

    /// The part can not be read: the client gets an error or, in the middle of its reply, no more of it.
    fn fail_reading(&mut self, op: u64, text: &str) {
        let Some(Op::Read(reading)) = self.ops.remove(&op) else { return };
        if reading.begun {
            tracing::warn!(
                client = reading.conn,
                error = text,
                "a large value can not be read to its end, closing"
            );
            if let Some(conn) = self.conns.get_mut(&reading.conn) {
                (conn.closing, conn.cut) = (true, true);
                self.outbox.conns.push(reading.conn);
            }
            return;
        }
        let mut reply = Vec::new();
        Resp { buf: &mut reply, proto: Proto::Resp2 }.error(text);
        let target = Target::Slot { conn: reading.conn, slot: reading.place };
        self.complete(target, &reply, GroupId::META, (0, 0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::large::UploadId;

    #[test]
    fn each_chunk_gives_what_belongs_to_the_part() {
        let reading = |from, to| {
            Reading::new(1, 1, Pieces { upload: UploadId([0; 16]), chunk: 10, from, to, edited: Vec::new() })
        };
        let bytes = b"0123456789";
        let r = reading(12, 35);
        assert_eq!((r.ask, r.end), (1, 4));
        assert_eq!(r.cut(1, bytes), Some(&b"23456789"[..]));
        assert_eq!(r.cut(2, bytes), Some(&bytes[..]));
        assert_eq!(r.cut(3, &bytes[..7]), Some(&b"01234"[..]));
        assert_eq!(r.cut(3, &bytes[..4]), None, "a chunk that is too short");
        let r = reading(10, 20);
        assert_eq!((r.ask, r.end), (1, 2));
        assert_eq!(reading(13, 14).cut(1, bytes), Some(&b"3"[..]));
    }

    #[test]
    fn a_chunk_counts_only_with_its_checksum() {
        let sum = format!("{:08x}", crc32c::crc32c(b"abc"));
        let reply = |sum: &str| format!("*2\r\n$8\r\n{sum}\r\n$3\r\nabc\r\n");
        assert_eq!(chunk_of(reply(&sum).as_bytes()), Some(&b"abc"[..]));
        for bad in
            [reply("00000000"), "*-1\r\n".into(), "-ERR x\r\n".into(), "$3\r\nabc\r\n".into(), String::new()]
        {
            assert_eq!(chunk_of(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
