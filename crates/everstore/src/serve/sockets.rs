//! Listening sockets, and the options of all sockets.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

/// Connections the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;
/// Connections accepted per listener and pass; the rest in the next pass.
const MAX_ACCEPTS: usize = 256;
/// Unacknowledged bytes to another node end the connection after this time.
const PEER_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens a listening socket.
///
/// # Errors
/// In words for a person, with the address.
pub fn listen(ip: IpAddr, port: u16) -> Result<TcpListener, String> {
    let address = SocketAddr::new(ip, port);
    let open = || -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if ip.is_ipv6() {
            // So that `*` can be bound for both families.
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(TcpListener::from_std(socket.into()))
    };
    open().map_err(|error| format!("cannot listen on {address}: {error}"))
}

/// Options of a client's socket. `keepalive_s` 0 = none.
pub fn set_client_options(stream: &TcpStream, keepalive_s: u64) {
    let socket = SockRef::from(stream);
    let mut result = socket.set_tcp_nodelay(true);
    if keepalive_s > 0 {
        let time = Duration::from_secs(keepalive_s);
        let interval = Duration::from_secs((keepalive_s / 3).max(1));
        let keepalive = TcpKeepalive::new().with_time(time).with_interval(interval).with_retries(3);
        result = result.and(socket.set_tcp_keepalive(&keepalive));
    }
    warn(result);
}

/// Options of a socket to another node.
pub fn set_peer_options(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    warn(socket.set_tcp_nodelay(true).and(socket.set_tcp_user_timeout(Some(PEER_TIMEOUT))));
}

/// A socket works without its options, only slower; it may also be closed already.
fn warn(result: io::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%error, "cannot set options of a socket");
    }
}

/// How a round of accepting ended.
#[derive(Debug)]
pub enum Accepted {
    /// Nobody else is waiting.
    All,
    /// There may be more.
    More,
    /// Connections wait that cannot be had now: mostly, there are no file descriptors left.
    Failed(io::Error),
}

/// Accepts at most [`MAX_ACCEPTS`] connections.
pub fn accept(listener: &TcpListener, mut take: impl FnMut(TcpStream, SocketAddr)) -> Accepted {
    for _ in 0..MAX_ACCEPTS {
        match listener.accept() {
            Ok((stream, address)) => take(stream, address),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Accepted::All,
            // This one is gone again; the next may be there.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Accepted::Failed(error),
        }
    }
    Accepted::More
}
