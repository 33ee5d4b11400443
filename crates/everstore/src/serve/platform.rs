//! The operating system as the shell sees it: sockets, names, random numbers and disks.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use env::{Disk, RealDisk};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use shell::{Opened, Platform, Port};
use storage::rows::RowStores;
use storage::rows::lsm::{LsmOptions, LsmStores};

use super::disks::Disks;
use super::resolver::Resolver;
use super::sockets;
use super::wake::Wake;

/// A socket.
#[derive(Debug)]
pub struct Socket(pub TcpStream);

impl Read for Socket {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Socket {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl shell::Stream for Socket {
    fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.0.take_error()
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// The operating system.
pub struct Os {
    registry: Registry,
    wake: Arc<Wake>,
    resolver: Resolver,
    keepalive_s: u64,
    max_memory: u64,
}

impl Os {
    /// `keepalive_s`: seconds between keepalive probes of clients, 0 = none. `max_memory`: bytes that the
    /// node may take, 0 = no limit; the cache of the row store is a part of them.
    ///
    /// # Errors
    /// There is no thread or file descriptor to be had.
    pub fn new(registry: Registry, wake: Arc<Wake>, keepalive_s: u64, max_memory: u64) -> io::Result<Os> {
        let resolver = Resolver::start(Arc::clone(&wake))?;
        Ok(Os { registry, wake, resolver, keepalive_s, max_memory })
    }
}

impl Platform for Os {
    type Stream = Socket;
    type Disks = Disks;
    // More would not help, a node has few cores to spare.
    const LOADERS: usize = 2;
    const READ_BYTES: usize = shell::MAX_READ_BYTES;

    fn connect(&mut self, address: SocketAddr) -> io::Result<Socket> {
        TcpStream::connect(address).map(Socket)
    }

    fn watch(&mut self, stream: &mut Socket, token: usize) -> io::Result<()> {
        // Both at once and for good: a socket that takes bytes reports nothing, so this saves the
        // calls that would change the interest.
        self.registry.register(&mut stream.0, Token(token), Interest::READABLE | Interest::WRITABLE)
    }

    fn tune(&mut self, stream: &Socket, port: Port) {
        match port {
            Port::Redis | Port::Cluster => sockets::set_client_options(&stream.0, self.keepalive_s),
            Port::Peer => sockets::set_peer_options(&stream.0),
        }
    }

    fn resolve(&mut self, number: usize, name: &str) -> bool {
        self.resolver.ask(number, name)
    }

    fn resolved(&mut self) -> Option<(usize, Option<SocketAddr>)> {
        self.resolver.answer()
    }

    fn random(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        env::os_random(bytes)
    }

    fn open_rows(&mut self, dir: &Path, folders: usize) -> Result<Arc<dyn RowStores>, String> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let options = LsmOptions::within(self.max_memory).shared_by(folders);
        let stores = LsmStores::open(disk, dir, options).map_err(|error| error.to_string())?;
        Ok(Arc::new(stores))
    }

    fn start_disks(&mut self, opened: Opened) -> Result<Disks, String> {
        Disks::start(opened, &self.wake)
    }
}
