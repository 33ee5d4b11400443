//! What the core needs to know of the configuration.

use resp::host::ConfigError;
use shard::collection::Limits;

/// The options of the node as `CONFIG` shows and changes them.
pub trait ConfigTable {
    /// Visits every option, name (lower case) and value, in the order of names.
    fn visit(&self, visit: &mut dyn FnMut(&str, &str));
    /// Changes options, all or none, and what follows from them in the settings.
    ///
    /// # Errors
    /// An unknown option, one that can not be changed while the node runs, or a value that is not allowed.
    fn set(&mut self, pairs: &[(String, &[u8])], settings: &mut Settings) -> Result<(), ConfigError>;
    /// Writes the options back to their file.
    ///
    /// # Errors
    /// Why that is not possible, in words.
    fn rewrite(&mut self) -> Result<(), String>;
}

/// Settings of a core. Times in ms, sizes in bytes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a command waits for a shard without a majority.
    pub quorum_timeout_ms: u64,
    /// Age of rows at which a replica does not answer reads of `READONLY` connections any more, unless they
    /// name another.
    pub max_staleness_ms: u64,
    /// Base election timeout; the same on all nodes.
    pub base_election_ms: u64,
    /// Time between two heartbeats of a leader and of a node.
    pub heartbeat_ms: u64,
    /// Largest value.
    pub max_value: usize,
    /// Bytes above which SET, APPEND and SETRANGE cut a value into chunks, if that is below `max_value`.
    pub chunk_threshold: usize,
    /// Bounds of collections without an index.
    pub collections: Limits,
    /// Bytes up to which a HyperLogLog stays sparse.
    pub hll_sparse_max_bytes: usize,
    /// Most client connections.
    pub max_clients: usize,
    /// Most unparsed bytes of one connection.
    pub query_buffer_limit: usize,
    /// Most bytes of replies waiting for one connection.
    pub output_buffer_limit: usize,
    /// A batch for the log of more bytes is complete: with the entry that made it so, which may have 16
    /// MiB, it must fit into the log's segments.
    pub log_batch: u64,
    /// Bytes of memory that the node may take, 0 = no limit (see `memory.rs`).
    pub max_memory: u64,
    /// It was set so low that nothing can become of it: what clients of this node send and needs memory is refused.
    pub no_memory: bool,
    /// Bytes of the log. When entries of all shards that no checkpoint has fill half of it, the shards
    /// that fill it most are checkpointed; no shard keeps more than this from being freed.
    pub checkpoint_log_share: u64,
    /// Bytes per second of a snapshot sent to one node.
    pub snapshot_rate: u64,
    /// A node that is not heard from for so long is given up: its replicas are made anew elsewhere. 0 = never.
    pub replace_after_ms: u64,
    /// All row trees are read this often, to find damage, ms; 0 = only when somebody asks.
    pub scrub_interval_ms: u64,
    /// Bytes per second that are read for it.
    pub scrub_rate: u64,
    /// Groups that change their members at the same time, at most.
    pub max_moves: usize,
    /// A shard with more bytes of rows should be split, 0 = none. Nothing happens by itself.
    pub shard_target_bytes: u64,
    /// What may fail together with this node, as told to the cluster.
    pub zone: String,
    /// What that zone is for, if nobody has decided it yet.
    pub zone_role: Option<cluster::ZoneRole>,
    /// Password of the Redis port, empty = none.
    pub requirepass: String,
    /// Executions that take longer, in µs, enter the slow log; negative = none.
    pub slowlog_slower_than_us: i64,
    /// Most entries of the slow log.
    pub slowlog_max_len: usize,
    /// Keys whose time has come are deleted without being asked for (`DEBUG SET-ACTIVE-EXPIRE`).
    pub active_expire: bool,
    /// Nanoseconds of a clock, to time single commands with; it decides nothing. Always 0 where time stands still.
    pub stopwatch: fn() -> u64,
    /// Executions that take so long, in ms, are latency events; 0 = none.
    pub latency_threshold_ms: u64,
    /// Seconds after which an idle client is closed, 0 = never.
    pub client_timeout_s: u64,
    /// A thread whose last turn is older counts as dead to other nodes.
    pub max_stall_ms: u64,
    /// What this program understands ([`cluster::heartbeat::LEVEL`]). No option: only tests are older than they are.
    pub level: u64,
    /// Seed of everything random in the core.
    pub seed: u64,
    /// When the process started: monotonic ms.
    pub started_ms: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            quorum_timeout_ms: 5000,
            max_staleness_ms: 1000,
            base_election_ms: 120,
            heartbeat_ms: 20,
            max_value: model::limits::MAX_VALUE,
            chunk_threshold: model::limits::MAX_VALUE,
            collections: Limits::default(),
            hll_sparse_max_bytes: 3000,
            max_clients: 10_000,
            query_buffer_limit: 1 << 30,
            output_buffer_limit: 256 << 20,
            log_batch: 4 << 20,
            max_memory: 0,
            no_memory: false,
            checkpoint_log_share: 128 << 20,
            snapshot_rate: 64 << 20,
            replace_after_ms: 600_000,
            scrub_interval_ms: 7 * 86_400_000,
            scrub_rate: 8 << 20,
            max_moves: 2,
            shard_target_bytes: 8 << 30,
            zone: String::new(),
            zone_role: None,
            requirepass: String::new(),
            slowlog_slower_than_us: 10_000,
            slowlog_max_len: 128,
            active_expire: true,
            stopwatch: || 0,
            latency_threshold_ms: 0,
            client_timeout_s: 0,
            max_stall_ms: 1000,
            level: cluster::heartbeat::LEVEL,
            seed: 1,
            started_ms: 0,
        }
    }
}
