//! Commands parsed ahead of their execution, so that the memory of all their keys is fetched at once
//! instead of one cache miss after the other.

use model::Position;
use resp::{Parsed, Parser, ProtocolError};
use router::request::Args;

/// Most commands parsed ahead.
pub(crate) const MAX_AHEAD: usize = 32;

/// Why parsing stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// There may be more.
    Full,
    /// The next command has not arrived whole.
    Incomplete,
    /// An inline command: its arguments are in the parser until the next is read. Bytes it took.
    Inline(usize),
    /// What follows is no command.
    Error(ProtocolError),
    /// A bulk string that is given in pieces follows.
    Stream {
        /// Bytes up to it, from the start of its command.
        consumed: usize,
    },
}

#[derive(Debug)]
struct Ahead {
    /// Where it starts and ends in the buffer.
    base: usize,
    end: usize,
    /// Its arguments in `ranges`.
    first: usize,
    count: usize,
    /// Position of its first key.
    position: Option<Position>,
}

/// The commands at the front of a buffer.
#[derive(Debug, Default)]
pub(crate) struct Lookahead {
    commands: Vec<Ahead>,
    ranges: Vec<(u32, u32)>,
}

impl Lookahead {
    /// Parses up to `most` commands of `buf`.
    pub fn fill(&mut self, parser: &mut Parser, buf: &[u8], most: usize) -> Stop {
        self.commands.clear();
        self.ranges.clear();
        let mut base = 0;
        while self.commands.len() < most {
            let inline = buf.get(base).is_some_and(|&b| b != b'*');
            if inline && base > 0 {
                return Stop::Full;
            }
            match parser.next(&buf[base..]) {
                Parsed::Command { consumed } if inline => return Stop::Inline(consumed),
                Parsed::Command { consumed } => {
                    let (first, args) = (self.ranges.len(), parser.args());
                    self.ranges.extend_from_slice(args);
                    let (end, count) = (base + consumed, args.len());
                    self.commands.push(Ahead { base, end, first, count, position: None });
                    base = end;
                }
                Parsed::Incomplete { .. } => return Stop::Incomplete,
                Parsed::Error(error) => return Stop::Error(error),
                Parsed::BulkStart { consumed, .. } => return Stop::Stream { consumed },
                // Only after a start, and then nothing is parsed ahead.
                Parsed::BulkPart { .. } => return Stop::Incomplete,
            }
        }
        Stop::Full
    }

    /// Number of commands.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Where command `at` ends in the buffer.
    pub fn end(&self, at: usize) -> usize {
        self.commands[at].end
    }

    /// The arguments of command `at`.
    #[inline]
    pub fn args<'a>(&self, at: usize, buf: &'a [u8]) -> Args<'a> {
        let ahead = &self.commands[at];
        let ranges = &self.ranges[ahead.first..ahead.first + ahead.count];
        let bytes = &buf[ahead.base..];
        ranges.iter().map(|&(start, end)| &bytes[start as usize..end as usize]).collect()
    }

    /// Argument `arg` of command `at`.
    #[inline]
    pub fn arg<'a>(&self, at: usize, arg: usize, buf: &'a [u8]) -> Option<&'a [u8]> {
        let ahead = &self.commands[at];
        let (start, end) = *self.ranges[ahead.first..ahead.first + ahead.count].get(arg)?;
        buf.get(ahead.base + start as usize..ahead.base + end as usize)
    }

    /// Notes the position of the first key of command `at`.
    pub fn set_position(&mut self, at: usize, position: Position) {
        self.commands[at].position = Some(position);
    }

    /// Position of the first key of command `at`, if it was looked for.
    #[inline]
    pub fn position(&self, at: usize) -> Option<Position> {
        self.commands[at].position
    }
}

impl Lookahead {
    /// All positions that were looked for.
    pub fn positions(&self) -> impl Iterator<Item = Position> {
        self.commands.iter().filter_map(|ahead| ahead.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(buf: &[u8], most: usize) -> (Lookahead, Stop) {
        let (mut ahead, mut parser) = (Lookahead::default(), Parser::new(resp::Limits::default()));
        parser.set_authenticated(true);
        let stop = ahead.fill(&mut parser, buf, most);
        (ahead, stop)
    }

    #[test]
    fn whole_commands_are_parsed_up_to_the_first_that_is_not() {
        let buf = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPI";
        let (ahead, stop) = filled(buf, 8);
        assert!(matches!(stop, Stop::Incomplete));
        assert_eq!(ahead.len(), 2);
        assert_eq!(&ahead.args(0, buf)[..], [&b"GET"[..], b"a"]);
        assert_eq!((ahead.arg(0, 1, buf), ahead.arg(0, 2, buf)), (Some(&b"a"[..]), None));
        assert_eq!(&ahead.args(1, buf)[..], [&b"PING"[..]]);
        assert_eq!(&buf[ahead.end(1)..], b"*1\r\n$4\r\nPI");
        let (ahead, stop) = filled(buf, 1);
        assert!(matches!(stop, Stop::Full) && ahead.len() == 1);
    }

    #[test]
    fn inline_commands_come_alone() {
        let (ahead, stop) = filled(b"PING\r\n", 8);
        assert!(matches!(stop, Stop::Inline(6)) && ahead.len() == 0);
        let (ahead, stop) = filled(b"*1\r\n$4\r\nPING\r\nPING\r\n", 8);
        assert!(matches!(stop, Stop::Full) && ahead.len() == 1);
    }
}
