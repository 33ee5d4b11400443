//! One connection to another node: handshake, then frames in both directions.

use std::io;

use cluster::{Handshake, Purpose};
use model::NodeId;
use model::limits::MAX_FRAME;
use node::frame::{self, FrameError, HEAD};

use crate::platform::Stream;
use crate::shell::MAX_READ_BYTES;

/// Most bytes kept of an incomplete frame: one frame and what one read brings beyond it.
const MAX_PARTIAL: usize = HEAD + MAX_FRAME + MAX_READ_BYTES;
/// A send buffer that has grown beyond this is given back when it is empty.
const KEEP_BUFFER: usize = 4 << 20;

/// How far a connection has come.
#[derive(Debug)]
pub enum Stage {
    /// Called, not answered.
    Connecting,
    /// Both sides prove who they are.
    Shaking(Box<Handshake>),
    /// Frames go back and forth with this node.
    Up(NodeId),
}

/// One connection.
#[derive(Debug)]
pub struct Link<S> {
    /// Its socket.
    pub stream: S,
    /// How far it has come.
    pub stage: Stage,
    /// The dialer's number, and what for, if this side called.
    pub dialled: Option<(usize, Purpose)>,
    /// Until it is up: closed at this time. Then: when the last byte came. Monotonic ns.
    pub since_ns: u64,
    /// There may be more to read.
    pub ready: bool,
    /// The other side sends no more.
    pub ended: bool,
    /// Incarnation of the node at the other end.
    pub incarnation: u64,
    /// Addresses it named.
    pub addresses: cluster::Addresses,
    /// The other side has heard of the formation.
    pub informed: bool,
    /// The incomplete frame at the end of what was read.
    partial: Vec<u8>,
    out: Vec<u8>,
    sent: usize,
    blocked: bool,
}

/// What a read told about a socket.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    /// That many bytes, and there may be more.
    More(usize),
    /// That many bytes, and no more now.
    Last(usize),
    /// The other side closed it, for this reason.
    Closed(String),
}

impl<S: Stream> Link<S> {
    /// A connection in its first stage.
    pub fn new(stream: S, stage: Stage, dialled: Option<(usize, Purpose)>, deadline_ns: u64) -> Link<S> {
        Link {
            stream,
            stage,
            dialled,
            since_ns: deadline_ns,
            ready: false,
            ended: false,
            incarnation: 0,
            addresses: cluster::Addresses::default(),
            informed: false,
            partial: Vec::new(),
            out: Vec::new(),
            sent: 0,
            blocked: false,
        }
    }

    /// Reads once.
    pub fn read(&mut self, buf: &mut [u8]) -> Input {
        match self.stream.read(buf) {
            Ok(0) => Input::Closed("the other side closed the connection".to_owned()),
            Ok(n) if n < buf.len() && !self.ended => Input::Last(n),
            Ok(n) => Input::More(n),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Input::Last(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Input::More(0),
            Err(error) => Input::Closed(error.to_string()),
        }
    }

    /// Hands every whole frame to `take`, in order, and keeps the rest.
    ///
    /// # Errors
    /// A frame that does not check out, or that `take` refused.
    pub fn frames(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), FrameError>,
    ) -> Result<(), FrameError> {
        if self.partial.is_empty() {
            let used = whole_frames(bytes, &mut take)?;
            self.partial.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        self.partial.extend_from_slice(bytes);
        debug_assert!(self.partial.len() <= MAX_PARTIAL, "a longer frame was refused at its head");
        let used = whole_frames(&self.partial, &mut take)?;
        if used == self.partial.len() && self.partial.capacity() > KEEP_BUFFER {
            self.partial = Vec::new();
        } else {
            self.partial.drain(..used);
        }
        Ok(())
    }

    /// Bytes not sent yet.
    pub fn backlog(&self) -> usize {
        self.out.len() - self.sent
    }

    /// Where bytes to be sent are appended.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// The socket takes bytes again.
    pub fn unblock(&mut self) {
        self.blocked = false;
    }

    /// One send, unless the socket is full.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn send(&mut self) -> io::Result<()> {
        if self.blocked || self.backlog() == 0 {
            return Ok(());
        }
        match self.stream.write(&self.out[self.sent..]) {
            Ok(n) => {
                self.sent += n;
                self.blocked = self.backlog() > 0;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.blocked = true,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if self.backlog() == 0 {
            self.sent = 0;
            self.out.clear();
            if self.out.capacity() > KEEP_BUFFER {
                self.out = Vec::new();
            }
        } else if self.sent > KEEP_BUFFER {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
        Ok(())
    }
}

/// Hands every whole frame to `take`; answers how many bytes they were.
fn whole_frames(
    bytes: &[u8],
    take: &mut impl FnMut(&[u8]) -> Result<(), FrameError>,
) -> Result<usize, FrameError> {
    let mut used = 0;
    while let Some((content, len)) = frame::first(&bytes[used..])? {
        take(content)?;
        used += len;
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_types, reason = "real sockets are what the test is about")]

    use super::*;
    use node::frame::{Builder, Section};
    use std::io::Read;

    /// A socket of the operating system.
    struct Socket(std::net::TcpStream);

    impl io::Read for Socket {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.0.read(buf)
        }
    }

    impl io::Write for Socket {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Stream for Socket {
        fn take_error(&self) -> io::Result<Option<io::Error>> {
            self.0.take_error()
        }

        fn peer_addr(&self) -> io::Result<std::net::SocketAddr> {
            self.0.peer_addr()
        }

        fn local_addr(&self) -> io::Result<std::net::SocketAddr> {
            self.0.local_addr()
        }
    }

    fn link() -> (Link<Socket>, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (other, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        (Link::new(Socket(stream), Stage::Up(NodeId(2)), None, 0), other)
    }

    fn framed(content: &[u8]) -> Vec<u8> {
        let mut builder = Builder::default();
        builder.section(Section::Report, |out| out.extend_from_slice(content));
        let mut out = Vec::new();
        builder.flush(&mut out);
        out
    }

    #[test]
    fn frames_are_whole_however_the_bytes_arrive() {
        let (mut link, _other) = link();
        let mut bytes = framed(&[1; 10]);
        bytes.extend(framed(&[2; 300]));
        bytes.extend(framed(&[]));
        for step in [1, 2, 7, 100, bytes.len()] {
            let mut seen = Vec::new();
            for part in bytes.chunks(step) {
                link.frames(part, |content| {
                    seen.push(content.len());
                    Ok(())
                })
                .unwrap();
            }
            assert_eq!(seen, [15, 305, 5], "a tag and four bytes of length each, in steps of {step}");
        }
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert_eq!(link.frames(&bytes, |_| Ok(())), Err(FrameError::Checksum));
    }

    #[test]
    fn what_the_socket_does_not_take_stays_and_keeps_its_order() {
        let (mut link, mut other) = link();
        let all: Vec<u8> = (0..20_000_000u32).map(|n| (n % 251) as u8).collect();
        link.out().extend_from_slice(&all[..15_000_000]);
        link.send().unwrap();
        assert!(link.backlog() > 0, "no socket takes that much at once");
        link.out().extend_from_slice(&all[15_000_000..]);
        let mut got = Vec::new();
        let mut buf = vec![0; 1 << 20];
        while got.len() < all.len() {
            let n = other.read(&mut buf).unwrap();
            got.extend_from_slice(&buf[..n]);
            link.unblock();
            link.send().unwrap();
        }
        assert!(got == all && link.backlog() == 0);
    }
}
