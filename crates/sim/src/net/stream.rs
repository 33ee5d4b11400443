//! One end of a connection, as a socket that never blocks.

use super::State;
use super::pipe::{Got, Piece};
use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;

/// Time until a sender learns that there is room again, ns.
const ROOM_NS: u64 = super::GRAIN_NS;

/// One end of a connection. Dropping it closes it.
pub struct SimStream {
    net: Rc<RefCell<State>>,
    pub(super) id: u64,
    pub(super) end: usize,
}

impl SimStream {
    pub(super) fn new(net: Rc<RefCell<State>>, id: u64, end: usize) -> SimStream {
        SimStream { net, id, end }
    }

    /// True when the other side has answered the call, or this side was called.
    fn is_connected(state: &mut State, id: u64, end: usize) -> io::Result<bool> {
        let now = state.time.ns();
        let connection = state.get_mut(id).ok_or(io::ErrorKind::ConnectionReset)?;
        if end == 1 || connection.ends[0].open {
            return Ok(true);
        }
        if connection.pipes[1].is_broken(now) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        connection.ends[0].open = connection.pipes[1].take_answer(now);
        Ok(connection.ends[0].open)
    }
}

impl Read for SimStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut state = self.net.borrow_mut();
        if !SimStream::is_connected(&mut state, self.id, self.end)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let now = state.time.ns();
        let connection = state.get_mut(self.id).ok_or(io::ErrorKind::ConnectionReset)?;
        let pipe = &mut connection.pipes[1 - self.end];
        let got = pipe.read(now, buf);
        let other = &mut connection.ends[1 - self.end];
        if pipe.has_room() && std::mem::take(&mut other.wants_room) {
            other.writable_ns = now + ROOM_NS;
            let machine = other.owner.machine;
            state.comes(machine, now + ROOM_NS, self.id);
        }
        match got {
            Got::Bytes(count) => {
                state.delivered += count as u64;
                Ok(count)
            }
            Got::Nothing => Err(io::ErrorKind::WouldBlock.into()),
            Got::End => Ok(0),
            Got::Reset => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }
}

impl Write for SimStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.net.borrow_mut();
        if !SimStream::is_connected(&mut state, self.id, self.end)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let now = state.time.ns();
        let connection = state.get_mut(self.id).ok_or(io::ErrorKind::ConnectionReset)?;
        if connection.pipes[1 - self.end].is_broken(now) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if !connection.pipes[self.end].has_room() {
            connection.ends[self.end].wants_room = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.send(self.id, self.end, Piece::Data(bytes.to_vec()));
        state.bounce(self.id, self.end);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl shell::Stream for SimStream {
    fn take_error(&self) -> io::Result<Option<io::Error>> {
        let mut state = self.net.borrow_mut();
        Ok(SimStream::is_connected(&mut state, self.id, self.end).err())
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        let mut state = self.net.borrow_mut();
        if !SimStream::is_connected(&mut state, self.id, self.end)? {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let connection = state.get(self.id).ok_or(io::ErrorKind::NotConnected)?;
        Ok(connection.ends[1 - self.end].address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        let state = self.net.borrow();
        let connection = state.get(self.id).ok_or(io::ErrorKind::NotConnected)?;
        Ok(connection.ends[self.end].address)
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        // A world that ends drops everything at once, its network perhaps first.
        if let Ok(mut state) = self.net.try_borrow_mut() {
            state.close(self.id, self.end, true, false);
        }
    }
}
