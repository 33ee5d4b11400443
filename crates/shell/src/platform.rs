//! What the shell needs of the operating system, or of its simulation.

use model::GroupId;
use node::{Core, DiskState};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use storage::log::Log;
use storage::rows::RowStores;

use crate::losses::LossFolder;
use crate::shell::Port;

/// A connection that never blocks: [`io::ErrorKind::WouldBlock`] where others would wait.
pub trait Stream: Read + Write {
    /// The error that a call or a transfer met, once.
    ///
    /// # Errors
    /// From the operating system.
    fn take_error(&self) -> io::Result<Option<io::Error>>;

    /// Address of the other side.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotConnected`] while a call is not answered.
    fn peer_addr(&self) -> io::Result<SocketAddr>;

    /// Address of this side.
    ///
    /// # Errors
    /// From the operating system.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// What became possible on a socket since the last time it was said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ready {
    /// There is something to read.
    pub readable: bool,
    /// It takes bytes, or the call was answered.
    pub writable: bool,
    /// The other side sends no more, or the connection failed.
    pub closed: bool,
}

/// What recovery has opened and the disks go on with.
pub struct Opened {
    /// The logs, that of the home folder first.
    pub logs: Vec<Log>,
    /// The row stores of all folders.
    pub stores: Arc<dyn RowStores>,
    /// Where loss accounts are kept.
    pub losses: LossFolder,
    /// Groups and trees with rows that a flush has left behind.
    pub garbage: Vec<(GroupId, u64)>,
}

/// The log and the disk pool at work.
pub trait Disks {
    /// Hands to the core what was done since the last call.
    ///
    /// # Errors
    /// In words: the log has failed, the node must stop.
    fn done(&mut self, core: &mut Core) -> Result<(), String>;

    /// Takes over what the core has for the disks. Never waits for them. True: something that somebody waits
    /// for is in the log file already, so another turn can answer it.
    ///
    /// # Errors
    /// In words: the log takes nothing more, the node must stop.
    fn hand_over(&mut self, core: &mut Core) -> Result<bool, String>;

    /// The log goes around the page cache from now on, or through it. False: not now, try again.
    fn set_direct(&mut self, direct: bool) -> bool;

    /// So much waits to be written that clients must wait.
    fn is_full(&self) -> bool;

    /// Everything handed over is durable.
    fn is_flushed(&self) -> bool;

    /// How the disk of the log is, as of `now_ns` on the node's monotonic clock.
    fn state(&self, now_ns: u64) -> DiskState;

    /// Ends the log, which writes what it has.
    fn stop(self);
}

/// The operating system, or its simulation.
pub trait Platform {
    /// Its connections.
    type Stream: Stream;
    /// Its disks.
    type Disks: Disks;
    /// Threads that load row trees at start, at least 1.
    const LOADERS: usize;
    /// Bytes read from a connection at a time, at most [`crate::MAX_READ_BYTES`].
    const READ_BYTES: usize;

    /// Calls an address. That the call was answered is told by [`Ready::writable`].
    ///
    /// # Errors
    /// From the operating system.
    fn connect(&mut self, address: SocketAddr) -> io::Result<Self::Stream>;

    /// Tells from now on what becomes possible on a connection, under this token.
    ///
    /// # Errors
    /// From the operating system.
    fn watch(&mut self, stream: &mut Self::Stream, token: usize) -> io::Result<()>;

    /// Sets the options that suit the purpose of a connection.
    fn tune(&mut self, stream: &Self::Stream, port: Port);

    /// Asks for the address of a name; the answer comes with [`Platform::resolved`]. False if too many wait.
    fn resolve(&mut self, number: usize, name: &str) -> bool;

    /// The next answer: number of the question, and the first address if there is one.
    fn resolved(&mut self) -> Option<(usize, Option<SocketAddr>)>;

    /// Random bytes that nobody can guess.
    ///
    /// # Errors
    /// From the operating system.
    fn random(&mut self, bytes: &mut [u8]) -> io::Result<()>;

    /// Opens the row stores below a folder, one of so many of this node that share its memory.
    ///
    /// # Errors
    /// In words for a person.
    fn open_rows(&mut self, dir: &Path, folders: usize) -> Result<Arc<dyn RowStores>, String>;

    /// Puts log and row stores to work.
    ///
    /// # Errors
    /// In words for a person.
    fn start_disks(&mut self, opened: Opened) -> Result<Self::Disks, String>;
}
