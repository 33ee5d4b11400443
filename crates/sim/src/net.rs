//! The network: connections of bytes between machines, with latency, stalls, cuts and resets.
//!
//! A connection is two pipes. What is sent into a pipe comes out in order, each piece when it is due. As
//! TCP does, a lost packet shows as a stall of everything behind it, and a cut link as silence until it
//! is mended or the connection is given up; nothing is lost inside a connection that goes on. Pieces of
//! different connections between the same machines overtake each other, so what an old connection still
//! carried may arrive after a new one was made.

mod links;
mod pipe;
mod stream;

use crate::time::{S, Time, US};
use env::Rng;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::rc::Rc;

pub use links::{Link, Weather};
pub use stream::SimStream;

use links::Links;
use pipe::{NEVER, Piece, Pipe};

/// A machine: nodes have 1, 2, 3, …, clients those from [`CLIENTS`] on.
pub type Machine = u64;
/// Times at which something arrives are multiples of this, so that a machine looks at its network no more
/// often than a real one would.
pub const GRAIN_NS: u64 = 100 * US;
/// First machine of clients.
pub const CLIENTS: Machine = 1000;
/// Most connections of one world.
const MAX_CONNECTIONS: usize = 1 << 16;

/// Who has one end of a connection: a machine, and which life of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The machine.
    pub machine: Machine,
    /// The life.
    pub life: u64,
}

/// One end of a connection.
#[derive(Debug)]
struct End {
    owner: Owner,
    address: SocketAddr,
    token: Option<usize>,
    /// It was let go; what still comes is answered by nobody.
    closed: bool,
    /// The other end was told that the call is answered, or the listener that somebody calls.
    open: bool,
    /// It wrote into a full pipe and wants to know when there is room.
    wants_room: bool,
    /// There is room, or the call was answered: to be told at this time.
    writable_ns: u64,
}

/// A connection. End 0 called end 1; pipe 0 leads from end 0 to end 1.
struct Connection {
    ends: [End; 2],
    pipes: [Pipe; 2],
    /// Port of the listener that was called.
    port_is_peer: bool,
}

/// Something for a process to look at.
#[derive(Debug, Clone, Copy)]
pub struct Happening {
    /// Token given with [`Network::watch`].
    pub token: usize,
    /// What became possible.
    pub ready: shell::Ready,
}

/// A call that a process has not taken yet.
pub struct Incoming {
    /// Its end of the connection.
    pub stream: SimStream,
    /// Address of the caller.
    pub from: SocketAddr,
    /// It is for the peer port.
    pub for_peers: bool,
}

/// The network's state; shared by all streams.
pub struct State {
    time: Time,
    rng: Rng,
    links: Links,
    /// By number, numbers are not used again.
    connections: Vec<Option<Connection>>,
    /// Who listens at an address, and whether it is a peer port.
    listeners: BTreeMap<SocketAddr, (Owner, bool)>,
    /// What comes to each machine, and on which connection, earliest first.
    coming: BTreeMap<Machine, BinaryHeap<Reverse<(u64, u64)>>>,
    /// Machines that have something coming, with the time: emptied by the world.
    wakes: Vec<(Machine, u64)>,
    looked_at: Vec<u64>,
    /// Machines without power: nothing is answered there.
    dark: BTreeMap<Machine, bool>,
    /// Bytes delivered, for the figures.
    pub delivered: u64,
}

/// The network. Clones are the same one.
#[derive(Clone)]
pub struct Network(Rc<RefCell<State>>);

impl Network {
    /// An idle network of this weather.
    pub fn new(time: Time, weather: Weather, rng: Rng) -> Network {
        Network(Rc::new(RefCell::new(State {
            time,
            rng,
            links: Links::new(weather),
            connections: Vec::new(),
            listeners: BTreeMap::new(),
            coming: BTreeMap::new(),
            wakes: Vec::new(),
            looked_at: Vec::new(),
            dark: BTreeMap::new(),
            delivered: 0,
        })))
    }

    fn state(&self) -> std::cell::RefMut<'_, State> {
        self.0.borrow_mut()
    }

    /// A process listens at an address.
    pub fn listen(&self, address: SocketAddr, owner: Owner, for_peers: bool) {
        self.state().listeners.insert(address, (owner, for_peers));
    }

    /// Calls an address; the answer comes later.
    ///
    /// # Errors
    /// There are too many connections.
    pub fn connect(&self, owner: Owner, from: SocketAddr, to: SocketAddr) -> std::io::Result<SimStream> {
        let id = self.state().call(owner, from, to)?;
        Ok(SimStream::new(self.0.clone(), id, 0))
    }

    /// Tells from now on what happens at an end of a connection.
    pub fn watch(&self, stream: &SimStream, token: usize) {
        if let Some(connection) = self.state().get_mut(stream.id) {
            connection.ends[stream.end].token = Some(token);
        }
    }

    /// What has happened for a process until now, and the calls that it has not taken.
    pub fn happened(&self, owner: Owner, out: &mut Vec<Happening>, calls: &mut Vec<Incoming>) {
        let mut state = self.state();
        let now = state.time.ns();
        let mut ids = std::mem::take(&mut state.looked_at);
        if let Some(coming) = state.coming.get_mut(&owner.machine) {
            while let Some(Reverse((due, id))) = coming.peek().copied() {
                if due > now {
                    break;
                }
                coming.pop();
                ids.push(id);
            }
        }
        ids.sort_unstable();
        ids.dedup();
        for id in ids.drain(..) {
            for end in 0..2 {
                match state.look(id, end, owner, now) {
                    Look::Nothing => {}
                    Look::Happened(happening) => out.push(happening),
                    Look::Call { from, for_peers } => {
                        let stream = SimStream::new(self.0.clone(), id, end);
                        calls.push(Incoming { stream, from, for_peers });
                    }
                }
            }
        }
        state.looked_at = ids;
    }

    /// The next time at which something comes to a machine.
    pub fn next_ns(&self, machine: Machine) -> u64 {
        let state = self.state();
        let first = state.coming.get(&machine).and_then(BinaryHeap::peek);
        first.map_or(NEVER, |Reverse((due, _))| *due)
    }

    /// Machines for which something is coming, and when.
    pub fn take_wakes(&self, out: &mut Vec<(Machine, u64)>) {
        out.append(&mut self.state().wakes);
    }

    /// A process has died. With its machine alive the kernel closes its connections; without power
    /// nobody is told anything.
    pub fn died(&self, owner: Owner, power: bool) {
        let mut state = self.state();
        state.listeners.retain(|_, (listener, _)| *listener != owner);
        if !power {
            state.dark.insert(owner.machine, true);
        }
        for id in 0..state.connections.len() as u64 {
            for end in 0..2 {
                if state.get(id).is_some_and(|c| c.ends[end].owner == owner) {
                    state.close(id, end, power, true);
                }
            }
        }
    }

    /// A machine has power again.
    pub fn powered(&self, machine: Machine) {
        self.state().dark.remove(&machine);
    }

    /// Breaks every connection between two machines.
    pub fn reset(&self, a: Machine, b: Machine) {
        let mut state = self.state();
        let between = |c: &Connection| {
            let (x, y) = (c.ends[0].owner.machine, c.ends[1].owner.machine);
            (x, y) == (a, b) || (x, y) == (b, a)
        };
        for id in 0..state.connections.len() as u64 {
            if state.get(id).is_some_and(between) {
                state.send(id, 0, Piece::Reset);
                state.send(id, 1, Piece::Reset);
            }
        }
    }

    /// Changes a link in one direction, from now on and for what is held back.
    pub fn change(&self, from: Machine, to: Machine, change: impl FnOnce(&mut Link)) {
        let mut state = self.state();
        change(state.links.get_mut(from, to));
        if state.links.get(from, to).is_some_and(|link| !link.cut) {
            state.release(from, to);
        }
    }

    /// Bytes delivered so far.
    pub fn delivered(&self) -> u64 {
        self.state().delivered
    }
}

/// What there is at one end of a connection.
enum Look {
    Nothing,
    Happened(Happening),
    Call { from: SocketAddr, for_peers: bool },
}

impl State {
    fn get(&self, id: u64) -> Option<&Connection> {
        self.connections.get(id as usize)?.as_ref()
    }

    fn get_mut(&mut self, id: u64) -> Option<&mut Connection> {
        self.connections.get_mut(id as usize)?.as_mut()
    }

    /// Something comes to a machine.
    fn comes(&mut self, machine: Machine, due: u64, id: u64) {
        if due != NEVER {
            self.coming.entry(machine).or_default().push(Reverse((due, id)));
            self.wakes.push((machine, due));
        }
    }

    fn call(&mut self, owner: Owner, from: SocketAddr, to: SocketAddr) -> std::io::Result<u64> {
        if self.connections.len() >= MAX_CONNECTIONS {
            return Err(std::io::ErrorKind::ConnectionRefused.into());
        }
        let id = self.connections.len() as u64;
        // Who answers is decided when the call arrives; the machine is in the address.
        let machine = machine_of(to);
        let end = |owner: Owner, address: SocketAddr| End {
            owner,
            address,
            token: None,
            closed: false,
            open: false,
            wants_room: false,
            writable_ns: NEVER,
        };
        let ends = [end(owner, from), end(Owner { machine, life: 0 }, to)];
        let pipes = [Pipe::default(), Pipe::default()];
        self.connections.push(Some(Connection { ends, pipes, port_is_peer: false }));
        self.send(id, 0, Piece::Call);
        self.arrivals(id);
        Ok(id)
    }

    /// Puts a piece into the pipe that leads away from an end.
    fn send(&mut self, id: u64, end: usize, piece: Piece) {
        let now = self.time.ns();
        let Some(Some(connection)) = self.connections.get_mut(id as usize) else { return };
        let (from, to) = (connection.ends[end].owner.machine, connection.ends[1 - end].owner.machine);
        let transit = self.links.transit(from, to, piece.len(), &mut self.rng);
        let due = connection.pipes[end].push(now, transit, piece);
        self.comes(to, due, id);
    }

    /// Bytes for an end that is gone are answered with a reset, if anybody is there to answer.
    fn bounce(&mut self, id: u64, end: usize) {
        let Some(connection) = self.get(id) else { return };
        let other = &connection.ends[1 - end];
        if other.closed && !self.dark.contains_key(&other.owner.machine) {
            self.send(id, 1 - end, Piece::Reset);
        }
    }

    /// A link carries again: what was held back comes, in order.
    fn release(&mut self, from: Machine, to: Machine) {
        let now = self.time.ns();
        for id in 0..self.connections.len() {
            let Some(connection) = &mut self.connections[id] else { continue };
            let mut dues = Vec::new();
            for end in 0..2 {
                let side = &connection.ends;
                if side[end].owner.machine == from && side[1 - end].owner.machine == to {
                    // The sender tries again when its timer says so.
                    let later = self.rng.below(S / 5);
                    connection.pipes[end].release(now + later, GRAIN_NS, &mut dues);
                }
            }
            dues.into_iter().for_each(|due| self.comes(to, due, id as u64));
        }
    }

    fn look(&mut self, id: u64, end: usize, owner: Owner, now: u64) -> Look {
        self.arrive(id, end, owner, now);
        let Some(connection) = self.get_mut(id) else { return Look::Nothing };
        let incoming = &mut connection.pipes[1 - end];
        let side = &mut connection.ends[end];
        if side.owner != owner || side.closed {
            return Look::Nothing;
        }
        if end == 1 && !side.open && side.token.is_none() {
            if !incoming.called(now) {
                return Look::Nothing;
            }
            side.open = true;
            return Look::Call { from: connection.ends[0].address, for_peers: connection.port_is_peer };
        }
        let Some(token) = side.token else { return Look::Nothing };
        if end == 0 && !side.open && incoming.take_answer(now) {
            side.open = true;
            side.writable_ns = now;
        }
        let (readable, closed) = incoming.state(now);
        let writable = side.writable_ns <= now;
        if writable {
            side.writable_ns = NEVER;
        }
        if !(readable || closed || writable) {
            return Look::Nothing;
        }
        Look::Happened(Happening { token, ready: shell::Ready { readable, writable, closed } })
    }

    /// A call arrives at its machine: somebody listens, or it is refused, or nobody is there at all.
    fn arrive(&mut self, id: u64, end: usize, owner: Owner, now: u64) {
        let Some(Some(connection)) = self.connections.get_mut(id as usize) else { return };
        let waits = end == 1 && connection.ends[1].owner == Owner { machine: owner.machine, life: 0 };
        if !waits || !connection.pipes[0].called(now) {
            return;
        }
        match self.listeners.get(&connection.ends[1].address) {
            Some((listener, for_peers)) => {
                connection.ends[1].owner = *listener;
                connection.port_is_peer = *for_peers;
                self.send(id, 1, Piece::Answer);
            }
            None => self.refuse(id),
        }
    }

    fn refuse(&mut self, id: u64) {
        self.send(id, 1, Piece::Reset);
        if let Some(connection) = self.get_mut(id) {
            connection.ends[1].closed = true;
        }
    }

    /// Calls to machines where no process looks at its network are answered by the kernel.
    fn arrivals(&mut self, id: u64) {
        let Some(connection) = self.get(id) else { return };
        let (machine, address) = (connection.ends[1].owner.machine, connection.ends[1].address);
        let nobody = !self.listeners.contains_key(&address);
        if nobody
            && !self.dark.contains_key(&machine)
            && !self.links.is_cut(connection.ends[0].owner.machine, machine)
        {
            self.refuse(id);
        }
    }

    /// An end is let go. `told`: the other end hears of it; `hard`: as a reset.
    fn close(&mut self, id: u64, end: usize, told: bool, hard: bool) {
        let now = self.time.ns();
        let Some(connection) = self.get_mut(id) else { return };
        if std::mem::replace(&mut connection.ends[end].closed, true) {
            return;
        }
        // As TCP does: unread bytes turn the farewell into a reset.
        let unread = connection.pipes[1 - end].state(now).0;
        if told && !connection.ends[1 - end].closed {
            self.send(id, end, if hard || unread { Piece::Reset } else { Piece::End });
        }
        if self.get(id).is_some_and(|c| c.ends.iter().all(|end| end.closed)) {
            self.connections[id as usize] = None;
        }
    }
}

/// The machine is in the address: 10.0.0.N for nodes, 10.1.H.L for clients.
pub fn machine_of(address: SocketAddr) -> Machine {
    match address {
        SocketAddr::V4(v4) => match v4.ip().octets() {
            [10, 0, _, n] => Machine::from(n),
            [10, 1, high, low] => CLIENTS + Machine::from(high) * 256 + Machine::from(low),
            _ => 0,
        },
        SocketAddr::V6(_) => 0,
    }
}

#[cfg(test)]
mod tests;
