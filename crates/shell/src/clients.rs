//! Client connections: bytes from their sockets into the core, and replies back.

use std::io;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use node::Core;
use std::net::SocketAddr;

use crate::platform::{Platform, Ready, Stream};
use crate::shell::Port;
use crate::slab::Slab;

/// A reply buffer that has grown beyond this is given back when it is empty.
const KEEP_BUFFER: usize = 256 * 1024;

/// One client's socket.
#[derive(Debug)]
struct Client<S> {
    stream: S,
    /// Its number in the core.
    id: u64,
    /// There may be more to read: it is in `ready`.
    ready: bool,
    /// The other side sends no more: a short read does not mean that nothing is left to be seen.
    ended: bool,
    /// The socket took less than it was given; it reports when it takes more.
    blocked: bool,
}

/// All client sockets.
#[derive(Debug)]
pub struct Clients<S> {
    clients: Slab<Client<S>>,
    by_id: HashMap<u64, usize, FixedState>,
    /// Sockets that were not read until they were empty.
    ready: Vec<usize>,
    reading: Vec<usize>,
    /// Connections whose replies may go out since this pass: after quarantine, or when a socket takes more.
    unsent: Vec<u64>,
    sending: Vec<u64>,
    /// Connections whose other side is gone: closed after the replies of this pass.
    gone: Vec<u64>,
    /// First token of the sockets.
    base: usize,
}

impl<S: Stream> Clients<S> {
    /// No clients. Their tokens start at `base`.
    pub fn new(base: usize) -> Clients<S> {
        Clients {
            clients: Slab::default(),
            by_id: HashMap::with_hasher(FixedState::default()),
            ready: Vec::new(),
            reading: Vec::new(),
            unsent: Vec::new(),
            sending: Vec::new(),
            gone: Vec::new(),
            base,
        }
    }

    /// A client has connected to this port.
    pub fn accepted<P: Platform<Stream = S>>(
        &mut self,
        port: Port,
        mut stream: S,
        address: SocketAddr,
        platform: &mut P,
        core: &mut Core,
    ) {
        platform.tune(&stream, port);
        let local = stream.local_addr().map_or_else(|_| String::new(), |a| a.to_string());
        let id = match core.on_connect(address.to_string(), local, port == Port::Cluster) {
            Ok(id) => id,
            Err(text) => {
                // A fresh socket takes a line; if not, the client sees the close only.
                let _ = stream.write(text.as_bytes());
                return;
            }
        };
        let at = self.clients.insert(Client { stream, id, ready: false, ended: false, blocked: false });
        self.by_id.insert(id, at);
        let client = self.clients.get_mut(at).expect("it was just inserted");
        if let Err(error) = platform.watch(&mut client.stream, self.base + at) {
            tracing::warn!(%error, "cannot watch a client's socket");
            self.close(core, id);
        }
    }

    /// Something happened on a socket.
    pub fn event(&mut self, token: usize, ready: Ready) {
        let at = token - self.base;
        let Some(client) = self.clients.get_mut(at) else { return };
        client.ended |= ready.closed;
        if (ready.readable || client.ended) && !client.ready {
            client.ready = true;
            self.ready.push(at);
        }
        if ready.writable && client.blocked {
            client.blocked = false;
            self.unsent.push(client.id);
        }
    }

    /// Reads once from every socket that has something. True if some may have more.
    pub fn read(&mut self, core: &mut Core, buf: &mut [u8]) -> bool {
        let mut more = false;
        std::mem::swap(&mut self.ready, &mut self.reading);
        let mut reading = std::mem::take(&mut self.reading);
        for at in reading.drain(..) {
            let Some(client) = self.clients.get_mut(at) else { continue };
            if core.is_full(client.id) {
                // Looked at again in every pass, but no reason for one.
                self.ready.push(at);
                continue;
            }
            match read(client, core, buf) {
                Read1::Empty => client.ready = false,
                Read1::More => {
                    more = true;
                    self.ready.push(at);
                }
                Read1::Gone => {
                    let id = client.id;
                    self.gone.push(id);
                }
            }
        }
        self.reading = reading;
        more
    }

    /// Sends the replies of these connections and of those left over.
    pub fn write(&mut self, core: &mut Core, ids: &mut Vec<u64>) {
        std::mem::swap(&mut self.unsent, &mut self.sending);
        let mut sending = std::mem::take(&mut self.sending);
        for id in sending.drain(..).chain(ids.drain(..)) {
            self.write_one(core, id);
        }
        self.sending = sending;
        let mut gone = std::mem::take(&mut self.gone);
        gone.drain(..).for_each(|id| self.close(core, id));
        self.gone = gone;
    }

    fn write_one(&mut self, core: &mut Core, id: u64) {
        let Some(&at) = self.by_id.get(&id) else { return };
        let Some(client) = self.clients.get_mut(at) else { return };
        let Some((wire, close)) = core.wire(id) else {
            self.unsent.push(id);
            return;
        };
        if client.blocked && !wire.is_empty() {
            return;
        }
        match send(client, wire) {
            Ok(()) if close && wire.is_empty() => self.close(core, id),
            Ok(()) => {}
            Err(error) => {
                tracing::debug!(client = id, %error, "a client is gone");
                self.close(core, id);
            }
        }
    }

    fn close(&mut self, core: &mut Core, id: u64) {
        core.on_disconnect(id);
        if let Some(at) = self.by_id.remove(&id) {
            // Closing the socket ends its registration.
            self.clients.remove(at);
        }
    }

    /// Closes all connections: the core that knew them is replaced.
    pub fn close_all(&mut self, core: &mut Core) {
        let ids: Vec<u64> = self.by_id.keys().copied().collect();
        ids.into_iter().for_each(|id| self.close(core, id));
    }
}

/// What a read told about a socket.
enum Read1 {
    Empty,
    More,
    Gone,
}

fn read<S: Stream>(client: &mut Client<S>, core: &mut Core, buf: &mut [u8]) -> Read1 {
    match client.stream.read(buf) {
        Ok(0) => {
            core.on_eof(client.id);
            Read1::Empty
        }
        Ok(n) => {
            core.on_data(client.id, &buf[..n]);
            // A short read has emptied the socket: what comes later is reported anew.
            if n < buf.len() && !client.ended { Read1::Empty } else { Read1::More }
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Read1::Empty,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Read1::More,
        Err(_) => Read1::Gone,
    }
}

/// One send; what the socket does not take stays.
fn send<S: Stream>(client: &mut Client<S>, wire: &mut Vec<u8>) -> io::Result<()> {
    if wire.is_empty() {
        return Ok(());
    }
    match client.stream.write(wire) {
        Ok(n) if n == wire.len() => {
            wire.clear();
            if wire.capacity() > KEEP_BUFFER {
                *wire = Vec::new();
            }
        }
        Ok(n) => {
            wire.drain(..n);
            client.blocked = true;
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => client.blocked = true,
        Err(error) => return Err(error),
    }
    Ok(())
}
