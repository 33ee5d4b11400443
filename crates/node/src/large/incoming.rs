//! A value that a client sends in a command and that is too long for one row: its bytes are taken from the connection
//! as they come, and never gathered. SET has it cut into chunks; of any other command it is skipped, and the answer
//! is an error.

use super::upload::Ready;
use crate::conn::{Blocked, Conn};
use crate::core::Core;
use cluster::heartbeat::MEMBERS_LEVEL;
use model::limits::CHUNK;
use model::{Keyspace, Reply};
use resp::command::admit;
use resp::session::ReplyMode;
use resp::{Parsed, Parser, Resp};
use shard::table::{Spec, flag};

/// What is known of the command while its value comes.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// The upload; 0: the value is skipped.
    op: u64,
    /// The answer, if the value is skipped.
    refusal: Vec<u8>,
    /// Bytes that have not come.
    rest: usize,
    chunk: Vec<u8>,
    /// Replies waiting and bytes on the wire before the command, for CLIENT REPLY.
    before: (usize, usize),
}

impl Incoming {
    /// Whether more is missing than these bytes of input that was not looked at.
    pub(crate) fn lacks(&self, input: usize) -> bool {
        self.rest > input
    }
}

/// An error in the connection's protocol.
fn error(conn: &Conn, text: &str) -> Vec<u8> {
    let mut buf = Vec::new();
    Resp { buf: &mut buf, proto: conn.session.proto }.error(text);
    buf
}

impl Core {
    /// Whether values that are too long for a row are cut into chunks: not if `max-value` is set to less than a chunk,
    /// for then somebody wants short values.
    pub(crate) fn cuts_values(&self) -> bool {
        self.settings.max_value >= CHUNK
    }

    /// Bytes above which values are cut, if all members understand that (see [`shard::Machine::set_large`]).
    pub(crate) fn cuts_above(&self) -> Option<usize> {
        (self.map.level >= MEMBERS_LEVEL).then_some(self.settings.chunk_threshold)
    }

    /// Whether a command has a value that is to be cut.
    #[inline]
    pub(crate) fn goes_in_chunks(&self, spec: &Spec, args: &[&[u8]]) -> bool {
        args.len() >= 3
            && args[2].len() >= CHUNK
            && spec.name == "set"
            && self.cuts_values()
            && self.forming.is_none()
            && (args[2].len() > self.settings.max_value || self.is_cut_by_choice(args))
    }

    /// Whether a value that a row can hold is cut all the same. One is in one piece where the reply is the value before, which
    /// may be long as well.
    fn is_cut_by_choice(&self, args: &[&[u8]]) -> bool {
        self.cuts_above().is_some_and(|above| args[2].len() > above)
            && !args[3..].iter().any(|option| option.eq_ignore_ascii_case(b"get"))
    }

    /// The arguments before a long value have come. False if the command has to wait for the end of a pause.
    pub(crate) fn begin_incoming(&mut self, conn: &mut Conn, parser: &Parser, args: &[Vec<u8>]) -> bool {
        let mut words: Vec<&[u8]> = args.iter().map(|arg| &arg[..]).collect();
        // In the place of the value: what is asked of arguments here does not depend on it.
        words.push(b"");
        let before = (conn.waiting(), conn.wire.len());
        if self.held_by_pause(conn, &words) {
            self.paused.insert(conn.id);
            return false;
        }
        let rest = parser.rest();
        let mut incoming = Incoming { op: 0, refusal: Vec::new(), rest, chunk: Vec::new(), before };
        match self.admit_value(conn, &words) {
            Err(refusal) => incoming.refusal = refusal,
            Ok(()) => {
                let (ks, key) = (conn.session.keyspace, args[1].clone());
                incoming.op = self.begin_upload(conn, ks, key, rest as u64);
            }
        }
        conn.incoming = Some(Box::new(incoming));
        true
    }

    /// Whether the command may be one whose value is cut; otherwise the answer to it.
    fn admit_value(&mut self, conn: &mut Conn, words: &[&[u8]]) -> Result<(), Vec<u8>> {
        let spec = match admit(words, conn.session.authenticated) {
            Ok(spec) => spec,
            Err(refusal) => {
                let mut buf = Vec::new();
                Resp { buf: &mut buf, proto: conn.session.proto }.error_bytes(&refusal.text(words));
                self.spoil(conn);
                return Err(buf);
            }
        };
        if conn.in_multi() {
            self.spoil(conn);
            return Err(error(conn, "ERR a value above max-value can not be set in a transaction"));
        }
        if spec.name != "set" || words.len() != 3 {
            let most = self.settings.max_value;
            let text = format!(
                "ERR argument of '{}' is longer than {most} bytes (max-value); only SET takes such a value",
                spec.name
            );
            return Err(error(conn, &text));
        }
        if self.forming.is_some() {
            let text = self.forming_text();
            return Err(error(conn, &text));
        }
        if conn.session.cluster
            && let Some(text) = self.redirect(conn, spec, words)
        {
            return Err(error(conn, &text));
        }
        if self.refuses_memory(spec) {
            return Err(error(conn, crate::memory::OUT_OF_MEMORY));
        }
        debug_assert!(spec.flags.has(flag::WRITE));
        conn.session.begin(spec.name, self.now.mono_ms());
        self.stats.commands += 1;
        Ok(())
    }

    /// Takes what has come of the value and behind it. How many bytes are done with, and whether the next command of
    /// the connection may be looked at.
    pub(crate) fn take_in(&mut self, conn: &mut Conn, parser: &mut Parser, buf: &[u8]) -> (usize, bool) {
        let mut taken = 0;
        while let Some(mut incoming) = conn.incoming.take() {
            let room = match incoming.op {
                0 => incoming.rest,
                op => self.room_for_chunk(op, &mut incoming.chunk),
            };
            if room == 0 && incoming.rest > 0 {
                // The upload unblocks it.
                conn.blocked = Some(Blocked::Answer);
                conn.incoming = Some(incoming);
                return (taken, false);
            }
            let until = if incoming.rest > 0 { buf.len().min(taken + room) } else { buf.len() };
            match parser.next(&buf[taken..until]) {
                Parsed::BulkPart { len, rest } => {
                    if incoming.op > 0 {
                        incoming.chunk.extend_from_slice(&buf[taken..taken + len]);
                    }
                    incoming.rest = rest;
                    taken += len;
                    conn.incoming = Some(incoming);
                }
                Parsed::Incomplete { .. } => {
                    conn.incoming = Some(incoming);
                    return (taken, false);
                }
                Parsed::Command { consumed } => {
                    let rest = parser.slices(&buf[taken..]);
                    self.end_incoming(conn, *incoming, &rest);
                    return (taken + consumed, conn.blocked.is_none());
                }
                Parsed::BulkStart { consumed, len } => {
                    // One more argument of this size: no command has two.
                    let text = "ERR syntax error";
                    self.forget_upload(incoming.op);
                    (incoming.op, incoming.refusal, incoming.rest) = (0, error(conn, text), len);
                    taken += consumed;
                    conn.incoming = Some(incoming);
                }
                Parsed::Error(protocol_error) => {
                    self.forget_upload(incoming.op);
                    let text = protocol_error.text();
                    self.reply_now(conn, |reply| reply.error_bytes(&text));
                    conn.closing = true;
                    return (taken, false);
                }
            }
        }
        (taken, true)
    }

    /// The command has come to its end: the value with these options behind it.
    fn end_incoming(&mut self, conn: &mut Conn, incoming: Incoming, options: &[&[u8]]) {
        let Incoming { op, refusal, chunk, before, .. } = incoming;
        if op == 0 {
            self.reply_now(conn, |reply| reply.encoded(&refusal));
        } else {
            conn.blocked = Some(Blocked::Answer);
            self.finish_upload(op, chunk, options);
        }
        if conn.session.reply != ReplyMode::On && conn.session.swallows_reply() {
            conn.mute(before);
        }
    }

    /// SET with a value that came whole and is too long for a row.
    pub(crate) fn upload_whole(&mut self, conn: &mut Conn, args: &[&[u8]]) {
        let ks: Keyspace = conn.session.keyspace;
        let op = self.begin_upload(conn, ks, args[1].to_vec(), args[2].len() as u64);
        let mut chunks = args[2].chunks(CHUNK).peekable();
        let mut last = Vec::new();
        while let Some(chunk) = chunks.next() {
            if chunks.peek().is_some() {
                self.add_chunk(op, chunk.to_vec(), Ready::Later);
            } else {
                last = chunk.to_vec();
            }
        }
        conn.blocked = Some(Blocked::Answer);
        self.finish_upload(op, last, &args[3..]);
    }
}
