//! What the connection and server commands need from the node.

use crate::command_stats::CommandStats;
use crate::latency::Latency;
use crate::session::Session;
use crate::slowlog::SlowLog;
use crate::topology::Topology;

/// What `ROLE`, `HELLO` and `INFO replication` say. A node that leads any shard, or forwards to one,
/// is `master` to clients: it takes writes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Role {
    /// Takes writes. Position in the log, and the followers as (ip, port, acknowledged position).
    Leader(u64, Vec<(String, u16, u64)>),
    /// Takes no writes. The leader's ip and port, the state of the link, the own position.
    Follower(String, u16, &'static str, u64),
}

/// Which commands `CLIENT PAUSE` holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PauseScope {
    /// Commands that may write.
    Writes,
    /// All commands.
    All,
}

/// Why `CONFIG SET` changed nothing. A set of several values is all or nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConfigError {
    /// There is no such option.
    Unknown(String),
    /// The option and what is wrong with the value, such as `argument must be a memory value`.
    Refused(String, String),
}

/// A section of `INFO`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Section {
    /// As written in its heading, such as `Server`.
    pub name: &'static str,
    /// Shown without being asked for.
    pub default: bool,
}

/// Figures for `MEMORY STATS`, in bytes unless said otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Memory {
    /// Most that was ever in use.
    pub peak: u64,
    /// In use.
    pub total: u64,
    /// In use right after the start.
    pub startup: u64,
    /// Resident size of the process.
    pub resident: u64,
    /// Buffers of clients.
    pub clients: u64,
    /// Buffers of the log.
    pub log: u64,
    /// Keys on this node, a number.
    pub keys: u64,
    /// Keys and values.
    pub dataset: u64,
}

/// The node as the commands of a connection see it. No method blocks.
pub trait Host {
    /// Microseconds since 1970.
    fn wall_us(&self) -> u64;
    /// Milliseconds of the monotonic clock, as in [`Session::created_ms`].
    fn mono_ms(&self) -> u64;
    /// The Redis version that clients choose their features by, such as `7.0.15`.
    fn redis_version(&self) -> &str;
    /// The version of the program.
    fn version(&self) -> &str;
    /// The password (`requirepass`), if one is set.
    fn password(&self) -> Option<&[u8]>;
    /// The role towards clients.
    fn role(&self) -> Role;
    /// Begins checkpoints of everything on this node.
    fn save(&mut self);
    /// Lets the node delete keys whose time has come before somebody asks for them, or not.
    fn set_active_expire(&mut self, on: bool);
    /// Seconds since 1970 of the last durable checkpoint.
    fn last_save_s(&self) -> u64;

    /// Visits every connection of the node but the calling one, in any order.
    fn each_client(&self, visit: &mut dyn FnMut(&Session));
    /// Closes another connection. False if there is none with this id.
    fn kill(&mut self, id: u64) -> bool;
    /// Ends the wait of a connection in a blocking command, as by its timeout or with an error.
    /// False if it does not exist or does not wait.
    fn unblock(&mut self, id: u64, with_error: bool) -> bool;
    /// Holds the commands of all clients for that many milliseconds.
    fn pause(&mut self, ms: u64, scope: PauseScope);
    /// Ends the pause.
    fn unpause(&mut self);

    /// Visits every option of `CONFIG GET`, name (lower case) and value, in the order of names.
    fn config(&self, visit: &mut dyn FnMut(&str, &str));
    /// Changes options, all or none. Names are lower case and unique.
    fn config_set(&mut self, pairs: &[(String, &[u8])]) -> Result<(), ConfigError>;
    /// Writes the options back to their file, or says why not (without `ERR`).
    fn config_rewrite(&mut self) -> Result<(), String>;
    /// Sets the counters of `INFO stats` to zero.
    fn reset_stats(&mut self);

    /// The sections of `INFO` in the order they are shown.
    fn sections(&self) -> &[Section];
    /// Appends the lines `field:value\r\n` of a section, as a connection is told them.
    fn info(&self, section: &'static str, session: &Session, out: &mut String);
    /// The cluster as clients of its cluster ports see it.
    fn topology(&self) -> Topology;
    /// Figures for `MEMORY`.
    fn memory(&self) -> Memory;
    /// The slow log.
    fn slowlog(&mut self) -> &mut SlowLog;
    /// How often the commands were called, and how long they took.
    fn command_stats(&self) -> &CommandStats;
    /// The latency events.
    fn latency(&mut self) -> &mut Latency;
    /// Calls off a shutdown that has been asked for. False if there is none.
    fn abort_shutdown(&mut self) -> bool;
}
