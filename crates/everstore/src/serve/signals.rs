//! SIGTERM and SIGINT as bytes in a socket, so that the loop sees them like everything else.

use std::io::{self, Read};
use std::os::unix::net::UnixStream as StdStream;

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGINT, SIGTERM};

/// Receives the signals.
#[derive(Debug)]
pub struct Signals {
    stream: UnixStream,
}

impl Signals {
    /// Catches the signals from now on.
    ///
    /// # Errors
    /// When the operating system has no file descriptor to give.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Signals> {
        let (receiver, sender) = StdStream::pair()?;
        for signal in [SIGTERM, SIGINT] {
            signal_hook::low_level::pipe::register(signal, sender.try_clone()?)?;
        }
        receiver.set_nonblocking(true)?;
        let mut stream = UnixStream::from_std(receiver);
        registry.register(&mut stream, token, Interest::READABLE)?;
        Ok(Signals { stream })
    }

    /// True if a signal came since the last call.
    pub fn came(&mut self) -> bool {
        let mut bytes = [0; 64];
        let mut any = false;
        while matches!(self.stream.read(&mut bytes), Ok(n) if n > 0) {
            any = true;
        }
        any
    }
}
