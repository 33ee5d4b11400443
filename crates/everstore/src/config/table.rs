//! The one declarative table of all configuration keys. The file, the flags, the environment,
//! `everstore config`, `CONFIG GET/SET` and the typed [`Config`] are made from it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::kind::{Field, Kind, Value};
use super::memory::Memory;

/// Highest TCP port.
const MAX_PORT: i64 = 65_535;
/// One mebibyte in bytes.
const MIB: u64 = 1 << 20;
/// One gibibyte in bytes.
const GIB: u64 = 1 << 30;
/// What [`Config::peer_port`] adds to the Redis port when it is not given.
pub const PEER_PORT_OFFSET: u16 = 10_000;
/// What [`Config::admin_port`] adds to the Redis port when it is not given.
pub const ADMIN_PORT_OFFSET: u16 = 20_000;

/// One configuration key.
#[derive(Debug)]
pub struct Key {
    /// Name in the file; the flag is `--name`, the environment variable `EVERSTORE_NAME` with `_`.
    pub name: &'static str,
    /// What it accepts.
    pub kind: Kind,
    /// Default as text; empty where the key may be unset.
    pub default: &'static str,
    /// Whether `CONFIG SET` may change it while the node runs.
    pub online: bool,
    /// The name under which `CONFIG GET` and `CONFIG SET` of Redis know it.
    pub redis: Option<&'static str>,
    /// One or two sentences for a person.
    pub about: &'static str,
}

impl Key {
    /// The key called `name`.
    pub fn find(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The environment variable of this key.
    pub fn env_name(&self) -> String {
        format!("EVERSTORE_{}", self.name.replace('-', "_").to_ascii_uppercase())
    }

    /// Whether the value must not be printed.
    pub fn is_secret(&self) -> bool {
        self.kind == Kind::Password
    }

    /// Whether the key can be given in the environment only.
    pub fn env_only(&self) -> bool {
        self.name == "secret"
    }
}

macro_rules! keys {
    ($($name:literal $field:ident: $type:ty, $kind:expr, $default:literal, $online:ident, $redis:expr, $about:literal;)*) => {
        /// Every key, in the order in which the file prints them.
        pub const KEYS: &[Key] = &[$(Key {
            name: $name, kind: $kind, default: $default, online: keys!(@$online), redis: $redis, about: $about,
        }),*];

        /// The effective configuration of a node, checked and typed.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Config {
            $(#[doc = $about] pub $field: $type,)*
        }

        impl Config {
            /// Makes the struct from one value per key. `None` only if the table gives a key a kind
            /// that does not fit its field's type.
            pub(super) fn from_values(value_of: impl Fn(&'static str) -> Value) -> Option<Config> {
                Some(Config { $($field: <$type as Field>::from_value(&value_of($name))?,)* })
            }
        }
    };
    (@online) => { true };
    (@restart) => { false };
}

// name, field: type, kind, default, when a change takes effect, name in Redis, description.
keys! {
    "dir" dir: PathBuf, Kind::Path, "everstore-data", restart, Some("dir"),
        "Folder with everything this node keeps. Made if it does not exist; one node per folder.";
    "data-dir" data_dir: Vec<PathBuf>, Kind::PathList, "", restart, None,
        "Data folders on different disks, instead of 'dir'; as a flag once for each. The first is what 'dir' is, shards are spread over all.";
    "port" port: u16, Kind::Whole(1, MAX_PORT, ""), "6379", restart, Some("port"),
        "Port for Redis clients.";
    "cluster-port" cluster_port: u16, Kind::Whole(0, MAX_PORT, ""), "0", restart, None,
        "Port that speaks Redis Cluster for keyspace 0, so that cluster clients go straight to leaders; 0 turns it off.";
    "cluster-advertise" cluster_advertise: Option<String>, Kind::Address, "", restart, None,
        "Address under which cluster clients reach this node. Default: first address of 'bind' and 'cluster-port'.";
    "bind" bind: Vec<IpAddr>, Kind::IpList, "127.0.0.1", restart, Some("bind"),
        "Interfaces for Redis clients and other nodes. Without 'requirepass' Redis clients are served on loopback only, whatever stands here.";
    "peer-port" peer_port: u16, Kind::Derived(1, MAX_PORT), "", restart, None,
        "Port for the other nodes of the cluster. Default: port + 10000.";
    "peer-advertise" peer_advertise: Option<String>, Kind::Address, "", restart, None,
        "Address under which the other nodes reach this one. Default: first address of 'bind' and 'peer-port'.";
    "admin-port" admin_port: u16, Kind::Derived(0, MAX_PORT), "", restart, None,
        "Port for /metrics, /healthz and /readyz; 0 turns it off. Default: port + 20000.";
    "admin-bind" admin_bind: Vec<IpAddr>, Kind::IpList, "127.0.0.1", restart, None,
        "Interfaces of the admin port. It has no password: keep it on loopback or behind a firewall.";
    "bootstrap" bootstrap: bool, Kind::Flag, "false", restart, None,
        "Create a new cluster: its id and its secret. For the first node, on its first start.";
    "replicas" replicas: u64, Kind::Whole(1, 7, "odd"), "3", restart, None,
        "Replicas of each shard, read at bootstrap. The cluster starts when as many nodes have joined. 1 replicates nothing.";
    "shards" shards: u64, Kind::Whole(1, 1024, "shards"), "16", restart, None,
        "Shards of the cluster, read at bootstrap.";
    "join" join: Vec<String>, Kind::AddressList, "", restart, None,
        "Peer addresses of nodes of the cluster: to enter it, and later to find it again when all addresses changed.";
    "witness" witness: bool, Kind::Flag, "false", restart, None,
        "This node votes and keeps no data, so that two nodes with data and this one survive the loss of any. Given at every start of the node, and only with 'join' at the first.";
    "secret-file" secret_file: Option<PathBuf>, Kind::Path, "", restart, None,
        "File with the secret that nodes of one cluster share (DIR/secret of its first node). Needed for the first --join only.";
    "secret" secret: Option<String>, Kind::Password, "", restart, None,
        "The secret itself, from the environment only (EVERSTORE_SECRET), because flags are visible to every user of the machine.";
    "requirepass" requirepass: Option<String>, Kind::Password, "", online, Some("requirepass"),
        "Password of Redis clients.";
    "max-clients" max_clients: u64, Kind::Whole(1, 1_000_000, "connections"), "10000", online, Some("maxclients"),
        "Most client connections at a time; more are refused with an error.";
    "timeout" timeout: u64, Kind::Whole(0, 2_147_483_647, "seconds"), "0", online, Some("timeout"),
        "Idle client connections are closed after this many seconds; 0 keeps them.";
    "tcp-keepalive" tcp_keepalive: u64, Kind::Whole(0, 86_400, "seconds"), "300", restart, Some("tcp-keepalive"),
        "Seconds between TCP keepalive probes of client connections; 0 turns them off.";
    "max-value" max_value: u64, Kind::Size(1024, 8 * MIB), "8mb", online, None,
        "Largest value. A write that would exceed it is refused and changes nothing.";
    "chunk-threshold" chunk_threshold: u64, Kind::Size(MIB, 8 * MIB), "8mb", online, None,
        "Longer values of SET, APPEND and SETRANGE are cut into chunks of 1 MiB that are spread over all shards; what is above 'max-value' always is.";
    "hll-sparse-max-bytes" hll_sparse_max_bytes: u64, Kind::Size(0, i64::MAX as u64), "3000", online, Some("hll-sparse-max-bytes"),
        "Bytes up to which a HyperLogLog stays sparse: smaller, and slower to change.";
    "proto-max-bulk-len" proto_max_bulk_len: u64, Kind::Size(MIB, i64::MAX as u64), "512mb", online, Some("proto-max-bulk-len"),
        "Longest bulk string of a request. A longer one is a protocol error and ends the connection.";
    "query-buffer-limit" query_buffer_limit: u64, Kind::Size(MIB, i64::MAX as u64), "64mb", online, Some("client-query-buffer-limit"),
        "Most unprocessed request bytes of one connection; past it the connection is closed.";
    "output-buffer-limit" output_buffer_limit: u64, Kind::Size(MIB, 4 * GIB), "64mb", online, None,
        "Most unsent reply bytes of one connection; past it a slow reader is cut off.";
    "quorum-timeout" quorum_timeout: Duration, Kind::Time(100, 600_000), "5s", online, None,
        "How long writes and linearizable reads wait for a majority before they answer CLUSTERDOWN or UNKNOWN.";
    "max-staleness" max_staleness: Duration, Kind::Time(10, 3_600_000), "1s", online, None,
        "Oldest state a follower may answer READONLY connections from; past it their reads go to the leader.";
    "base-election-timeout" base_election_timeout: Duration, Kind::Time(50, 60_000), "120ms", restart, None,
        "Silence after which a leader may be replaced. Equal on all nodes; at least 3 heartbeat intervals.";
    "heartbeat-interval" heartbeat_interval: Duration, Kind::Time(5, 10_000), "20ms", restart, None,
        "Time between two heartbeats of a pair of nodes.";
    "segment-size" segment_size: u64, Kind::Size(32 * MIB, GIB), "64mb", restart, None,
        "Size of one preallocated log file.";
    "log-mode" log_mode: String, Kind::Choice(&["auto", "direct", "buffered"]), "auto", restart, None,
        "How the log is written: direct (past the page cache, best where writes wait for a sync), buffered (best where they do \
         not), or auto: direct until a keyspace is asynchronous.";
    "max-memory" max_memory: Memory, Kind::Memory(MIB), "50%", online, Some("maxmemory"),
        "Memory the node may take. Rows get what the rest leaves; those not asked for lately are read from the disk when needed.";
    "hash-max-listpack-entries" hash_max_listpack_entries: u64, Kind::Whole(0, i64::MAX, "elements"), "512", online, Some("hash-max-listpack-entries"),
        "Fields of a hash beyond which they get an index; at most 1000000 are kept without one.";
    "hash-max-listpack-value" hash_max_listpack_value: u64, Kind::Size(0, i64::MAX as u64), "64", online, Some("hash-max-listpack-value"),
        "Bytes of a field or value beyond which the fields of a hash get an index.";
    "zset-max-listpack-entries" zset_max_listpack_entries: u64, Kind::Whole(0, i64::MAX, "elements"), "128", online, Some("zset-max-listpack-entries"),
        "Members of a sorted set beyond which they get an index; at most 1000000 are kept without one.";
    "zset-max-listpack-value" zset_max_listpack_value: u64, Kind::Size(0, i64::MAX as u64), "64", online, Some("zset-max-listpack-value"),
        "Bytes of a member beyond which the members of a sorted set get an index.";
    "set-max-intset-entries" set_max_intset_entries: u64, Kind::Whole(0, i64::MAX, "elements"), "512", online, Some("set-max-intset-entries"),
        "Members of a set of integers beyond which they get an index; at most 1000000 are kept without one.";
    "stream-node-max-entries" stream_node_max_entries: u64, Kind::Whole(0, i64::MAX, "entries"), "100", online, Some("stream-node-max-entries"),
        "Entries of a page of a stream; XADD and XTRIM with ~ remove whole pages. 0 sets no bound.";
    "stream-node-max-bytes" stream_node_max_bytes: u64, Kind::Size(0, i64::MAX as u64), "4kb", online, Some("stream-node-max-bytes"),
        "Bytes of a page of a stream, counted as Redis packs entries. 0 sets no bound.";
    "checkpoint-log-share" checkpoint_log_share: u64, Kind::Size(8 * MIB, 1024 * GIB), "128mb", online, None,
        "Log kept before shards are checkpointed to free it. More means rarer checkpoints and a longer start.";
    "snapshot-rate" snapshot_rate: u64, Kind::Size(64 * 1024, 100 * GIB), "64mb", online, None,
        "Most bytes per second of one snapshot to a follower that is too far behind; fewer while writes of clients are slow.";
    "replace-after" replace_after: Duration, Kind::Time(0, 31_536_000_000), "10m", online, None,
        "A node that is not heard from for so long is given up and its replicas are made anew on others; 0 never does so.";
    "scrub-interval" scrub_interval: Duration, Kind::Time(0, 31_536_000_000), "168h", online, None,
        "How often everything on the disk is read to find damage, which is mended from a healthy replica; 0 only on demand.";
    "scrub-rate" scrub_rate: u64, Kind::Size(64 * 1024, 100 * GIB), "8mb", online, None,
        "Most bytes per second that are read for it.";
    "max-moves" max_moves: u64, Kind::Whole(1, 64, "shards"), "2", online, None,
        "Shards that change their nodes at the same time.";
    "shard-target-size" shard_target_size: u64, Kind::Size(0, i64::MAX as u64), "8gb", online, None,
        "A shard with more bytes of rows should be split: 'everstore status' and 'everstore plan' then say so, and nothing is done by itself. 0 = never.";
    "zone" zone: Option<String>, Kind::Text, "", restart, None,
        "What may fail as a whole with this node, such as a rack or a building; replicas of a shard go to different zones.";
    "zone-role" zone_role: String, Kind::Choice(&["decided", "voter", "learner"]), "decided", restart, None,
        "What the node's zone is for, if that is not decided yet: voter, or learner (copies that never vote). Later 'everstore zone set' decides.";
    "threads" threads: u64, Kind::Whole(1, 1, "one shard thread; more are not supported by this version"), "1", restart, None,
        "Shard threads. This version runs exactly one.";
    "log-format" log_format: String, Kind::Choice(&["auto", "human", "json"]), "auto", restart, None,
        "Messages of the node: human, json, or auto (human on a terminal or file). Written to standard error.";
    "log-level" log_level: String, Kind::Choice(&["error", "warn", "info", "debug", "trace"]), "info", restart, None,
        "Least important message that is still written.";
    "slowlog-log-slower-than" slowlog_log_slower_than: i64, Kind::Whole(-1, i64::MAX, "microseconds; -1 off"), "10000", online, Some("slowlog-log-slower-than"),
        "Commands that take longer are kept in the slow log; 0 keeps all, -1 none.";
    "slowlog-max-len" slowlog_max_len: u64, Kind::Whole(0, 100_000, "commands"), "128", online, Some("slowlog-max-len"),
        "Length of the slow log.";
    "latency-monitor-threshold" latency_monitor_threshold: u64, Kind::Whole(0, 86_400_000, "milliseconds; 0 off"), "0", online, Some("latency-monitor-threshold"),
        "Commands that take at least so long are events of LATENCY; 0 keeps none.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_defaults_are_allowed() {
        let mut names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KEYS.len());
        for key in KEYS {
            let value = key.kind.parse(key.default);
            assert!(value.is_some(), "default of {}", key.name);
            assert!(key.about.ends_with('.'), "{} is described in sentences", key.name);
        }
    }

    #[test]
    fn the_environment_name_follows_from_the_name() {
        let key = Key::find("peer-port").expect("a key");
        assert_eq!(key.env_name(), "EVERSTORE_PEER_PORT");
    }
}
