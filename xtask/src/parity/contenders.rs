//! Both sides, each started on free ports of loopback in a folder of its own and ended with this process's run.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::connection::Connection;
use crate::bench::client::figure;
use crate::bench::peer::everstore::Everstore;
use crate::bench::process::{Folder, Process, free_ports, wait_for};

/// The version that replies and errors are compared with.
const VERSION: &str = "7.0.";
/// Keyspaces that scripts and random commands use. Their layout is `single`, so that all commands on several
/// keys work.
const KEYSPACES: u16 = 2;

/// The `redis-server` to compare with: the one named, else the first one in PATH.
///
/// # Errors
/// There is none, or it is no 7.0.
pub fn find_redis(named: Option<&Path>) -> Result<PathBuf, String> {
    let program = named.unwrap_or(Path::new("redis-server"));
    let output = Command::new(program).arg("--version").output().map_err(|e| {
        format!(
            "{}: {e}. A real Redis {VERSION}x is needed: install the distribution's package `redis-server`, \
             or name one with --redis PATH",
            program.display()
        )
    })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !text.contains(&format!("v={VERSION}")) {
        return Err(format!("{}: Redis {VERSION}x is needed, this is {:?}", program.display(), text.trim()));
    }
    Ok(program.to_path_buf())
}

/// A running Redis without files.
#[derive(Debug)]
pub struct Redis {
    address: SocketAddr,
    _process: Process,
    _folder: Folder,
}

impl Redis {
    /// Starts it with these flags.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(program: &Path, flags: &[&str]) -> Result<Redis, String> {
        let (folder, port) = (Folder::make("redis")?, free_ports(1)?);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new(program);
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--enable-debug-command", "yes", "--dir"]);
        command.arg(folder.path()).args(flags);
        let process = Process::start("Redis", &mut command, &folder.path().join("log"))?;
        wait_for("Redis answers", Duration::from_secs(20), || {
            Connection::open("Redis", address, false).ok()
        })?;
        Ok(Redis { address, _process: process, _folder: folder })
    }

    /// A new connection.
    ///
    /// # Errors
    /// It is refused.
    pub fn connect(&self, resp3: bool) -> Result<Connection, String> {
        Connection::open("Redis", self.address, resp3)
    }
}

/// A connection to each side.
#[derive(Debug)]
pub struct Pair {
    /// Everstore.
    pub ours: Connection,
    /// Redis.
    pub theirs: Connection,
}

/// Both sides.
#[derive(Debug)]
pub struct Contenders {
    ours: Everstore,
    redis: Redis,
}

impl Contenders {
    /// Starts both with the flags `both`; ours with so many nodes, flags of its own, and one shard, so that commands
    /// between keyspaces work.
    ///
    /// # Errors
    /// One does not start.
    pub fn start(
        (redis, program): (&Path, &Path),
        nodes: u16,
        flags: &[&str],
        both: &[&str],
    ) -> Result<Contenders, String> {
        let ours = Everstore::start_nodes(program, nodes, None, &[&["--shards", "1"], flags, both].concat())?;
        let mut admin = Connection::open("Everstore", ours.address(0), false)?;
        for keyspace in 0..KEYSPACES {
            admin.must(&format!("KEYSPACE SET {keyspace} LAYOUT single"))?;
        }
        Ok(Contenders { ours, redis: Redis::start(redis, both)? })
    }

    /// Has all nodes, and Redis, obey a `CONFIG SET`.
    ///
    /// # Errors
    /// One refuses.
    pub fn configure(&self, line: &str) -> Result<(), String> {
        for address in self.ours.addresses() {
            Connection::open("Everstore", address, false)?.must(line)?;
        }
        self.redis.connect(false)?.must(line).map(drop)
    }

    /// New connections to both, which are empty then. `turn` picks the node of ours.
    ///
    /// # Errors
    /// One refuses.
    pub fn connect(&self, turn: usize, resp3: bool) -> Result<Pair, String> {
        let address = self.ours.address(turn % self.ours.nodes.len());
        let mut pair =
            Pair { ours: Connection::open("Everstore", address, resp3)?, theirs: self.redis.connect(resp3)? };
        pair.ours.must("FLUSHALL")?;
        pair.theirs.must("FLUSHALL")?;
        Ok(pair)
    }

    /// A connection to ours alone.
    ///
    /// # Errors
    /// It is refused.
    pub fn ours(&self) -> Result<Connection, String> {
        Connection::open("Everstore", self.ours.address(0), false)
    }

    /// Passes a result on. The data and logs of our nodes stay when a side broke, and it says where.
    pub fn kept_if_broken<T>(mut self, outcome: Result<T, String>) -> Result<T, String> {
        outcome.map_err(|error| {
            format!("{error}; data and logs of Everstore are kept in {}", self.ours.keep_folder().display())
        })
    }

    /// How many rows our nodes have fetched from disk so far.
    pub fn fetches(&self) -> u64 {
        let of = |address| {
            let mut client = crate::bench::client::Client::connect(address).ok()?;
            figure(&client.call("INFO everstore").ok()?, "cold_fetches")
        };
        self.ours.addresses().into_iter().filter_map(of).sum()
    }
}
