//! SET of a value that goes into chunks: this node uploads it for its client, with some chunks under way, and then
//! has the key get the manifest. The client is answered as for any SET; if it goes before, or a chunk can not be
//! written, nothing has happened.

use crate::conn::Conn;
use crate::core::Core;
use crate::ops::Op;
use cluster::map::Placement;
use model::large::UploadId;
use model::limits::{CHUNK, CHUNKS};
use model::slot::slot_of;
use model::{Keyspace, Slot};
use resp::decode::walk;
use router::{Flags, Request};
use std::collections::VecDeque;

/// Chunks of one upload under way (few, for small writes of others wait behind them), and those that wait for them before the client is not read any more.
const UNDER_WAY: usize = 2;
const WAITING: usize = 1;
/// Lease of an upload, and the time after which it is renewed, in ms.
const LEASE_MS: &[u8] = b"30000";
const RENEW_MS: u64 = 8_000;

/// Parts of the operation beside chunks, whose part is their number.
const BEGIN: u32 = u32::MAX;
const RENEW: u32 = u32::MAX - 1;
const COMMIT: u32 = u32::MAX - 2;

/// When a chunk is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ready {
    /// As soon as may be.
    Now,
    /// With the next one that is.
    Later,
}

/// A value on its way from a client into chunks.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) conn: u64,
    pub(crate) place: u64,
    ks: Keyspace,
    key: Vec<u8>,
    bound: u64,
    flags: Flags,
    /// Its id, and the end of its lease; `None` until the shard of the key has answered.
    id: Option<(UploadId, u64)>,
    /// When the lease was asked for, monotonic ms.
    leased_ms: u64,
    waiting: VecDeque<Vec<u8>>,
    under_way: usize,
    /// Number of the next chunk.
    next: u64,
    length: u64,
    checksum: u32,
    /// Words behind the value, once all of it is here.
    options: Option<Vec<Vec<u8>>>,
    committing: bool,
    /// The first error: nothing more is written, and it is the answer.
    failed: Option<Vec<u8>>,
}

impl Core {
    /// Begins an upload for a connection, whose next reply it will be.
    pub(super) fn begin_upload(&mut self, conn: &mut Conn, ks: Keyspace, key: Vec<u8>, bound: u64) -> u64 {
        let flags = self.session_flags(conn).with(Flags::WRITE, true);
        let upload = Upload {
            conn: conn.id,
            place: conn.reserve(),
            ks,
            key,
            bound,
            flags,
            id: None,
            leased_ms: self.now.mono_ms(),
            waiting: VecDeque::new(),
            under_way: 0,
            next: 0,
            length: 0,
            checksum: 0,
            options: None,
            committing: false,
            failed: None,
        };
        let op = self.open(Op::Upload(Box::new(upload)));
        let size = bound.to_string();
        self.ask_shard_of_key(op, BEGIN, b"BEGIN", &[size.as_bytes(), b"LEASE", LEASE_MS]);
        op
    }

    /// Bytes that may be added to a chunk; a full one is taken first, if there is room for it.
    pub(super) fn room_for_chunk(&mut self, op: u64, chunk: &mut Vec<u8>) -> usize {
        let upload = match self.ops.get(&op) {
            Some(Op::Upload(upload)) if upload.failed.is_none() => upload,
            // What comes is skipped.
            _ => {
                chunk.clear();
                return CHUNK;
            }
        };
        if chunk.len() == CHUNK {
            if upload.waiting.len() >= WAITING {
                return 0;
            }
            self.add_chunk(op, std::mem::take(chunk), Ready::Now);
        }
        CHUNK - chunk.len()
    }

    pub(super) fn add_chunk(&mut self, op: u64, chunk: Vec<u8>, ready: Ready) {
        let Some(Op::Upload(upload)) = self.ops.get_mut(&op) else { return };
        upload.length += chunk.len() as u64;
        upload.checksum = crc32c::crc32c_append(upload.checksum, &chunk);
        upload.waiting.push_back(chunk);
        if ready == Ready::Now {
            self.upload_on(op);
        }
    }

    /// All of the value is here: its last chunk, and the options behind it.
    pub(super) fn finish_upload(&mut self, op: u64, last: Vec<u8>, options: &[&[u8]]) {
        if let Some(Op::Upload(upload)) = self.ops.get_mut(&op) {
            upload.options = Some(options.iter().map(|word| word.to_vec()).collect());
        }
        if !last.is_empty() {
            self.add_chunk(op, last, Ready::Later);
        }
        self.upload_on(op);
    }

    /// Does what can be done: writes chunks, renews the lease, commits, or answers.
    fn upload_on(&mut self, op: u64) {
        let now_ms = self.now.mono_ms();
        while let Some(Op::Upload(upload)) = self.ops.get_mut(&op) {
            if upload.failed.is_some() {
                return self.fail_upload(op);
            }
            let Some((id, until)) = upload.id else { return };
            if now_ms.saturating_sub(upload.leased_ms) > RENEW_MS && !upload.committing {
                upload.leased_ms = now_ms;
                let (id, size) = (id.to_string(), upload.bound.to_string());
                let words: [&[u8]; 4] = [id.as_bytes(), size.as_bytes(), b"LEASE", LEASE_MS];
                self.ask_shard_of_key(op, RENEW, b"RENEW", &words);
                continue;
            }
            if upload.under_way < UNDER_WAY
                && let Some(chunk) = upload.waiting.pop_front()
            {
                let number = upload.next;
                upload.next += 1;
                upload.under_way += 1;
                self.write_chunk(op, (id, until), number, &chunk);
                continue;
            }
            if upload.under_way > 0 || upload.options.is_none() || upload.committing {
                let (conn, reads) = (upload.conn, upload.options.is_none() && upload.waiting.len() < WAITING);
                if reads {
                    self.read_more(conn);
                }
                return;
            }
            upload.committing = true;
            let (id, length, sum) =
                (id.to_string(), upload.length.to_string(), format!("{:08x}", upload.checksum));
            let options = upload.options.clone().unwrap_or_default();
            let mut words: Vec<&[u8]> = vec![id.as_bytes(), length.as_bytes(), sum.as_bytes()];
            words.extend(options.iter().map(|word| &word[..]));
            self.ask_shard_of_key(op, COMMIT, b"COMMIT", &words);
        }
    }

    fn write_chunk(&mut self, op: u64, (id, until): (UploadId, u64), number: u64, chunk: &[u8]) {
        let Some((group, slot)) = self.shard_of_chunk(id, number) else { return };
        let (id, digits, until) = (id.to_string(), number.to_string(), until.to_string());
        let sum = format!("{:08x}", crc32c::crc32c(chunk));
        let words: [&[u8]; 7] =
            [b"LARGE", b"WRITE", id.as_bytes(), digits.as_bytes(), until.as_bytes(), sum.as_bytes(), chunk];
        let flags = Flags::COMMITTED.with(Flags::WRITE, true);
        self.ask(op, number as u32, group, slot, Request::new(flags, CHUNKS, &words));
    }

    /// `LARGE sub key words…` in the shard of the key, in the order of the connection.
    fn ask_shard_of_key(&mut self, op: u64, part: u32, sub: &[u8], words: &[&[u8]]) {
        let Some(Op::Upload(upload)) = self.ops.get(&op) else { return };
        let (ks, conn, slot): (_, _, Slot) = (upload.ks, upload.conn, slot_of(&upload.key));
        let request =
            Request::new(upload.flags, ks, &[&[b"LARGE", sub, &upload.key[..]][..], words].concat());
        match self.map.shard_of(ks, slot) {
            Placement::Shard(shard) => self.ask_in_order_of(conn, op, part, shard.group(), slot, request),
            Placement::Closed => {
                let reply = format!("-{}\r\n", crate::dispatch::closed(ks));
                self.upload_part(op, part, reply.as_bytes());
            }
        }
    }

    /// An answer to one of its requests.
    pub(crate) fn upload_part(&mut self, op: u64, part: u32, reply: &[u8]) {
        let Some(Op::Upload(upload)) = self.ops.get_mut(&op) else { return };
        match part {
            COMMIT => {
                // A condition that does not hold leaves what was uploaded to nobody.
                if reply != b"+OK\r\n" {
                    self.free_upload(op);
                }
                return self.end(op, reply);
            }
            BEGIN => match begun(reply) {
                Some(begun) => upload.id = Some(begun),
                None => upload.failed = Some(reply.to_vec()),
            },
            RENEW => match (walk::read_int(reply), &mut upload.id) {
                (Ok(until), Some((_, lease))) => *lease = until as u64,
                _ => upload.failed = Some(reply.to_vec()),
            },
            _ => {
                upload.under_way -= 1;
                if reply != b"+OK\r\n" && upload.failed.is_none() {
                    upload.failed = Some(reply.to_vec());
                }
            }
        }
        self.upload_on(op);
    }

    /// There is room for more of a value: its connection is read again. One that is being read goes on anyhow.
    fn read_more(&mut self, conn: u64) {
        if self.busy != Some(conn) {
            self.unblock(conn);
        }
    }

    /// Answers with the error, as soon as all of the value has come.
    fn fail_upload(&mut self, op: u64) {
        let Some(Op::Upload(upload)) = self.ops.get_mut(&op) else { return };
        upload.waiting.clear();
        if upload.options.is_none() {
            let conn = upload.conn;
            return self.read_more(conn);
        }
        let reply = upload.failed.clone().unwrap_or_default();
        self.free_upload(op);
        self.end(op, &reply);
    }

    /// The shard of the key is told that nobody wants what was uploaded; if it does not hear it, the lease ends.
    fn free_upload(&mut self, op: u64) {
        let Some(Op::Upload(upload)) = self.ops.get(&op) else { return };
        let Some((id, _)) = upload.id else { return };
        let (ks, slot, id) = (upload.ks, slot_of(&upload.key), id.to_string());
        let flags = Flags::default().with(Flags::WRITE, true);
        let request = Request::new(flags, ks, &[b"LARGE", b"ABORT", &upload.key, id.as_bytes()]);
        if let Placement::Shard(shard) = self.map.shard_of(ks, slot) {
            self.ask(0, 0, shard.group(), slot, request);
        }
    }

    /// The client of an upload is gone, or has sent nonsense.
    pub(super) fn forget_upload(&mut self, op: u64) {
        self.free_upload(op);
        self.ops.remove(&op);
    }

    /// A connection is gone: so are uploads of which it had not sent all.
    pub(crate) fn forget_uploads(&mut self, conn: u64) {
        let open =
            |op: &Op| matches!(op, Op::Upload(upload) if upload.conn == conn && upload.options.is_none());
        let found: Vec<u64> = self.ops.iter().filter(|(_, op)| open(op)).map(|(id, _)| *id).collect();
        found.into_iter().for_each(|op| self.forget_upload(op));
    }
}

/// Id and end of the lease in an answer to LARGE BEGIN, or to that of an edit.
pub(super) fn begun(reply: &[u8]) -> Option<(UploadId, u64)> {
    let mut parts = walk::elements(reply).ok()?;
    let id = UploadId::parse(super::read::bulk(parts.next()?.ok()?)?)?;
    let until = walk::read_int(parts.next()?.ok()?).ok()?;
    Some((id, u64::try_from(until).ok()?))
}
