//! One direction of a connection: pieces that come out in order, each when it is due.

use super::GRAIN_NS;
use std::collections::VecDeque;

/// The time of what does not come.
pub(super) const NEVER: u64 = u64::MAX;
/// Bytes on their way or unread, beyond which a sender has to wait, as with a socket's buffers.
pub(super) const WINDOW: usize = 512 << 10;

/// What travels.
#[derive(Debug)]
pub(super) enum Piece {
    /// The first of a connection.
    Call,
    /// The answer to it.
    Answer,
    Data(Vec<u8>),
    /// No more comes.
    End,
    /// The connection is broken.
    Reset,
}

impl Piece {
    pub(super) fn len(&self) -> usize {
        match self {
            Piece::Data(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

/// What a read found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Got {
    Bytes(usize),
    Nothing,
    End,
    Reset,
}

/// The pieces on their way.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    pieces: VecDeque<(u64, Piece)>,
    last_ns: u64,
    /// Bytes of the first piece that were read.
    read: usize,
    bytes: usize,
    /// An end was read: it stays.
    over: bool,
    broken: bool,
}

impl Pipe {
    /// Sends a piece; answers when it comes out. `transit`: `None` while the way is cut.
    pub(super) fn push(&mut self, now: u64, transit: Option<u64>, piece: Piece) -> u64 {
        let held = self.pieces.back().is_some_and(|(due, _)| *due == NEVER);
        let due = match transit {
            Some(ns) if !held => (now + ns).max(self.last_ns).next_multiple_of(GRAIN_NS),
            _ => NEVER,
        };
        if due != NEVER {
            self.last_ns = due;
        }
        self.bytes += piece.len();
        self.pieces.push_back((due, piece));
        due
    }

    /// The way is free again from `at` on: what was held back follows, `apart` ns from each other. Adds
    /// when each piece comes out.
    pub(super) fn release(&mut self, at: u64, apart: u64, dues: &mut Vec<u64>) {
        let mut due = at.max(self.last_ns).next_multiple_of(GRAIN_NS);
        for piece in self.pieces.iter_mut().filter(|piece| piece.0 == NEVER) {
            piece.0 = due;
            self.last_ns = due;
            dues.push(due);
            due += apart;
        }
    }

    /// True when the call at its beginning has arrived.
    pub(super) fn called(&self, now: u64) -> bool {
        matches!(self.pieces.front(), Some((due, Piece::Call)) if *due <= now)
    }

    /// Takes an answer that has arrived.
    pub(super) fn take_answer(&mut self, now: u64) -> bool {
        let here = matches!(self.pieces.front(), Some((due, Piece::Answer | Piece::Call)) if *due <= now);
        if here {
            self.pieces.pop_front();
        }
        here
    }

    /// Whether something can be read, and whether the end or a reset is among it.
    pub(super) fn state(&self, now: u64) -> (bool, bool) {
        let mut here = self.pieces.iter().take_while(|(due, _)| *due <= now).peekable();
        let readable = here.peek().is_some() || self.over || self.broken;
        (readable, self.over || self.broken || here.any(|(_, p)| matches!(p, Piece::End | Piece::Reset)))
    }

    /// Whether a reset is what comes first.
    pub(super) fn is_broken(&self, now: u64) -> bool {
        self.broken || matches!(self.pieces.front(), Some((due, Piece::Reset)) if *due <= now)
    }

    pub(super) fn has_room(&self) -> bool {
        self.bytes < WINDOW
    }

    pub(super) fn read(&mut self, now: u64, buf: &mut [u8]) -> Got {
        let mut done = 0;
        while done < buf.len() {
            if self.broken {
                return if done > 0 { Got::Bytes(done) } else { Got::Reset };
            }
            match self.pieces.front() {
                Some((due, piece)) if *due <= now => match piece {
                    Piece::Call | Piece::Answer => {
                        self.pieces.pop_front();
                    }
                    Piece::Data(bytes) => {
                        let part = &bytes[self.read..];
                        let count = part.len().min(buf.len() - done);
                        buf[done..done + count].copy_from_slice(&part[..count]);
                        done += count;
                        self.read += count;
                        if self.read == bytes.len() {
                            self.bytes -= bytes.len();
                            self.read = 0;
                            self.pieces.pop_front();
                        }
                    }
                    Piece::End => {
                        if done > 0 {
                            return Got::Bytes(done);
                        }
                        self.over = true;
                        return Got::End;
                    }
                    Piece::Reset => {
                        // What the receiver had not read is lost with the connection.
                        self.broken = true;
                    }
                },
                _ if self.over => return Got::End,
                _ => break,
            }
        }
        if done > 0 { Got::Bytes(done) } else { Got::Nothing }
    }
}
