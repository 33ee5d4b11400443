//! Requests: arrays of bulk strings (`*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`) and inline commands
//! (`GET k\r\n`), read incrementally and without copying.
//!
//! The caller keeps the unread bytes of a connection and shows them from the first byte of the
//! current command. The parser remembers how far it came, so a command that arrives in many pieces
//! is read once. Rules and texts of errors: `processMultibulkBuffer` and `processInlineBuffer` of
//! Redis 7.0. Two differences make the result independent of how the bytes were cut: a line of more
//! than `max_inline` bytes is refused even if its end has arrived, and a zero byte ends no search.

mod inline;
mod limits;
mod line;
mod protocol_error;

#[cfg(test)]
mod tests;

pub use limits::Limits;
pub use protocol_error::ProtocolError;

use line::Line;
pub(crate) use line::integer;
use smallvec::SmallVec;

/// Argument ranges kept allocated between commands; a longer command's list is freed after it.
const KEPT_ARGS: usize = 1024;
/// Bytes kept allocated between inline commands.
const KEPT_INLINE: usize = 4096;

/// What the next bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parsed {
    /// A whole command; its arguments are in [`Parser::args`]. Without arguments (an empty line,
    /// `*0`) there is nothing to do. The first `consumed` bytes are not needed after it.
    Command {
        /// Bytes from the start of the buffer.
        consumed: usize,
    },
    /// More bytes are needed, at least `need`; the next call continues where this one stopped.
    Incomplete {
        /// At least one.
        need: usize,
    },
    /// A bulk string of `len` bytes follows and will be given in pieces. [`Parser::args`] has the
    /// arguments before it; they are gone with the next call.
    BulkStart {
        /// Bytes from the start of the buffer.
        consumed: usize,
        /// Length of the bulk string in bytes.
        len: usize,
    },
    /// The first `len` bytes of the buffer belong to the bulk string; after the last piece come its
    /// remaining arguments, then [`Parsed::Command`] with those.
    BulkPart {
        /// Length of the piece; at least one.
        len: usize,
        /// Bytes of the bulk string still to come.
        rest: usize,
    },
    /// The connection sends nonsense: answer the text and close it. Every later call says the same.
    Error(ProtocolError),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Start,
    Inline,
    Count,
    Args,
    Stream,
    StreamEnd,
    Failed(ProtocolError),
}

/// Reads the commands of one connection.
#[derive(Debug)]
pub struct Parser {
    limits: Limits,
    authenticated: bool,
    stage: Stage,
    /// Read up to here.
    pos: usize,
    /// Looked for the end of a line up to here.
    scanned: usize,
    /// Arguments still to come; in a stream, see `rest` too.
    left: usize,
    /// Length of the bulk string whose head has been read.
    bulk: Option<usize>,
    /// Bytes of a streamed bulk string still to come.
    rest: usize,
    args: Vec<(u32, u32)>,
    /// Arguments of an inline command, quotes and escapes removed.
    inline: Vec<u8>,
    from_inline: bool,
}

impl Parser {
    /// A parser at the start of a connection. Until [`Parser::set_authenticated`] says so, the
    /// limits for unauthenticated connections hold.
    pub fn new(limits: Limits) -> Parser {
        Parser {
            limits,
            authenticated: false,
            stage: Stage::Start,
            pos: 0,
            scanned: 0,
            left: 0,
            bulk: None,
            rest: 0,
            args: Vec::new(),
            inline: Vec::new(),
            from_inline: false,
        }
    }

    /// Lifts or restores the limits for connections that have not yet given a password.
    pub fn set_authenticated(&mut self, authenticated: bool) {
        self.authenticated = authenticated;
    }

    /// Changes the limits; they hold from the next length that is read.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Start and end of each argument in [`Parser::source`].
    #[inline]
    pub fn args(&self) -> &[(u32, u32)] {
        &self.args
    }

    /// Bytes of a streamed bulk string that were not given yet.
    pub fn rest(&self) -> usize {
        self.rest
    }

    /// The bytes that the ranges of [`Parser::args`] point into: `buf` as it was given to
    /// [`Parser::next`], or the parser's own memory for an inline command.
    #[inline]
    pub fn source<'a>(&'a self, buf: &'a [u8]) -> &'a [u8] {
        if self.from_inline { &self.inline } else { buf }
    }

    /// The arguments of the last command as slices. `buf` as it was given to [`Parser::next`].
    #[inline]
    pub fn slices<'a>(&'a self, buf: &'a [u8]) -> SmallVec<[&'a [u8]; 8]> {
        let source = self.source(buf);
        self.args.iter().map(|&(start, end)| &source[start as usize..end as usize]).collect()
    }

    /// Reads on in `buf`, which starts with the first byte of the current command (or piece).
    #[inline]
    pub fn next(&mut self, buf: &[u8]) -> Parsed {
        loop {
            let stop = match self.stage {
                Stage::Args => self.read_args(buf),
                Stage::Start => self.start(buf),
                Stage::Count => self.read_count(buf),
                Stage::Inline => self.read_inline(buf),
                Stage::Stream => self.read_stream(buf),
                Stage::StreamEnd => self.end_stream(buf),
                Stage::Failed(error) => Some(Parsed::Error(error)),
            };
            if let Some(parsed) = stop {
                return parsed;
            }
        }
    }

    #[inline]
    fn start(&mut self, buf: &[u8]) -> Option<Parsed> {
        self.pos = 0;
        self.scanned = 0;
        self.from_inline = false;
        if self.args.capacity() > KEPT_ARGS {
            self.args = Vec::new();
        }
        self.args.clear();
        self.stage = match buf.first() {
            None => return Some(Parsed::Incomplete { need: 1 }),
            Some(b'*') => Stage::Count,
            Some(_) => Stage::Inline,
        };
        None
    }

    #[inline]
    fn read_count(&mut self, buf: &[u8]) -> Option<Parsed> {
        let count = match line::number(buf, 1, &mut self.scanned, self.limits.max_inline) {
            Line::Number(count, next) => {
                self.pos = next;
                count
            }
            Line::More => return Some(Parsed::Incomplete { need: 1 }),
            Line::TooLong => return self.fail(ProtocolError::TooBigCount),
            Line::Invalid => return self.fail(ProtocolError::InvalidCount),
        };
        if count <= 0 {
            return Some(self.done());
        }
        if count as u64 > self.limits.max_args as u64 {
            return self.fail(ProtocolError::InvalidCount);
        }
        if !self.authenticated && count as u64 > self.limits.unauthenticated_args as u64 {
            return self.fail(ProtocolError::UnauthenticatedCount);
        }
        self.left = count as usize;
        self.bulk = None;
        self.stage = Stage::Args;
        None
    }

    #[inline]
    fn read_args(&mut self, buf: &[u8]) -> Option<Parsed> {
        while self.left > 0 {
            let len = match self.bulk {
                Some(len) => len,
                None => match self.read_head(buf) {
                    Ok(len) => len,
                    Err(parsed) => return Some(parsed),
                },
            };
            let end = self.pos + len;
            if buf.len() < end + 2 {
                if len >= self.limits.stream_from {
                    return Some(self.start_stream(len));
                }
                self.bulk = Some(len);
                return Some(Parsed::Incomplete { need: end + 2 - buf.len() });
            }
            self.args.push((self.pos as u32, end as u32));
            self.pos = end + 2;
            self.left -= 1;
            self.bulk = None;
        }
        Some(self.done())
    }

    /// Reads `$len\r\n`.
    #[inline]
    fn read_head(&mut self, buf: &[u8]) -> Result<usize, Parsed> {
        let at = self.pos;
        self.scanned = self.scanned.max(at);
        let found = line::number(buf, at + 1, &mut self.scanned, at + self.limits.max_inline);
        let error = match found {
            Line::More => return Err(Parsed::Incomplete { need: 1 }),
            Line::TooLong => ProtocolError::TooBigBulkCount,
            _ if buf[at] != b'$' => ProtocolError::ExpectedDollar(buf[at]),
            Line::Number(len, next) if len >= 0 && len as u64 <= self.limits.max_bulk as u64 => {
                let len = len as usize;
                if !self.authenticated && len > self.limits.unauthenticated_bulk {
                    ProtocolError::UnauthenticatedBulk
                } else if len < self.limits.stream_from && next + len > self.limits.max_request {
                    ProtocolError::TooBigRequest
                } else {
                    self.pos = next;
                    return Ok(len);
                }
            }
            _ => ProtocolError::InvalidBulk,
        };
        self.stage = Stage::Failed(error);
        Err(Parsed::Error(error))
    }

    fn read_inline(&mut self, buf: &[u8]) -> Option<Parsed> {
        let Some(len) = line::end(buf, &mut self.scanned, b'\n', self.limits.max_inline) else {
            if buf.len() > self.limits.max_inline {
                return self.fail(ProtocolError::TooBigInline);
            }
            return Some(Parsed::Incomplete { need: 1 });
        };
        self.pos = len + 1;
        self.from_inline = true;
        if self.inline.capacity() > KEPT_INLINE {
            self.inline = Vec::new();
        }
        self.inline.clear();
        let text = buf[..len].strip_suffix(b"\r").unwrap_or(&buf[..len]);
        if !inline::split(text, &mut self.inline, &mut self.args) {
            return self.fail(ProtocolError::UnbalancedQuotes);
        }
        Some(self.done())
    }

    fn start_stream(&mut self, len: usize) -> Parsed {
        let consumed = self.pos;
        self.stage = Stage::Stream;
        self.rest = len;
        Parsed::BulkStart { consumed, len }
    }

    fn read_stream(&mut self, buf: &[u8]) -> Option<Parsed> {
        self.args.clear();
        if self.rest == 0 {
            self.stage = Stage::StreamEnd;
            return None;
        }
        let len = buf.len().min(self.rest);
        if len == 0 {
            return Some(Parsed::Incomplete { need: 1 });
        }
        self.rest -= len;
        Some(Parsed::BulkPart { len, rest: self.rest })
    }

    /// Skips the line break after a streamed bulk string.
    fn end_stream(&mut self, buf: &[u8]) -> Option<Parsed> {
        if buf.len() < 2 {
            return Some(Parsed::Incomplete { need: 2 - buf.len() });
        }
        self.pos = 2;
        self.scanned = 2;
        self.left -= 1;
        self.bulk = None;
        self.stage = Stage::Args;
        None
    }

    #[inline]
    fn done(&mut self) -> Parsed {
        self.stage = Stage::Start;
        Parsed::Command { consumed: self.pos }
    }

    #[cold]
    fn fail(&mut self, error: ProtocolError) -> Option<Parsed> {
        self.stage = Stage::Failed(error);
        Some(Parsed::Error(error))
    }
}
