//! The operating system of a simulated node.

use crate::disks::{Pace, SimDisks};
use crate::net::{Network, Owner, SimStream};
use crate::process::FURTHER;
use crate::time::Time;
use env::Rng;
use shell::{Opened, Platform, Port};
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use storage::rows::RowStores;
use storage::rows::memory::MemoryStores;

/// What a process gets from its machine.
pub struct SimPlatform {
    /// The network.
    pub net: Network,
    /// The machine and the life of the process.
    pub owner: Owner,
    /// Address from which it calls.
    pub address: SocketAddr,
    /// The world's time.
    pub time: Time,
    /// How fast the disk is.
    pub pace: Rc<RefCell<Pace>>,
    /// The machine's row stores, and those of its further data folder.
    pub stores: [MemoryStores; 2],
    /// Everything random.
    pub rng: Rng,
}

impl Platform for SimPlatform {
    type Stream = SimStream;
    type Disks = SimDisks;
    // One thread, so that a seed replays.
    const LOADERS: usize = 1;
    const READ_BYTES: usize = 32 << 10;

    fn connect(&mut self, address: SocketAddr) -> io::Result<SimStream> {
        self.net.connect(self.owner, self.address, address)
    }

    fn watch(&mut self, stream: &mut SimStream, token: usize) -> io::Result<()> {
        self.net.watch(stream, token);
        Ok(())
    }

    fn tune(&mut self, _stream: &SimStream, _port: Port) {}

    fn resolve(&mut self, _number: usize, _name: &str) -> bool {
        // All addresses of a world are numbers.
        false
    }

    fn resolved(&mut self) -> Option<(usize, Option<SocketAddr>)> {
        None
    }

    fn random(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.rng.fill(bytes);
        Ok(())
    }

    fn open_rows(&mut self, dir: &Path, _folders: usize) -> Result<Arc<dyn RowStores>, String> {
        let further = usize::from(dir.starts_with(FURTHER));
        Ok(Arc::new(self.stores[further].clone()))
    }

    fn start_disks(&mut self, opened: Opened) -> Result<SimDisks, String> {
        let rng = Rng::new(self.rng.next_u64());
        Ok(SimDisks::start(opened, self.time.clone(), Rc::clone(&self.pace), rng))
    }
}
