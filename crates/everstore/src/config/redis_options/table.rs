//! The options: every name that `CONFIG GET *` of Redis 7.0 shows and that is no key of ours.

use super::{Fixed, Kept};
use crate::config::kind::Kind;

const fn kept(name: &'static str, kind: Kind, default: &'static str) -> Kept {
    Kept { name, kind, default }
}

const fn fixed(name: &'static str, value: &'static str, instead: &'static str) -> Fixed {
    Fixed { name, value, instead }
}

/// Largest value of Redis's `int` options.
const INT: i64 = i32::MAX as i64;
const COUNT: Kind = Kind::Whole(0, INT, "");
const ANY: Kind = Kind::Whole(-INT - 1, INT, "");
const PERCENT: Kind = Kind::Whole(0, 1000, "percent");
const YES_NO: Kind = Kind::Choice(&["yes", "no"]);
const BYTES: Kind = Kind::Size(0, i64::MAX as u64);

const CACHE: &str = "a keyspace is made a cache by KEYSPACE SET n CACHE policy";
const RAFT: &str = "copies are kept by the nodes of the cluster themselves";
const NO_ACL: &str = "there is one user, whose password is 'requirepass'";
const NO_TLS: &str = "there is no TLS yet";
const ADVERTISE: &str = "'cluster-advertise' is set before the start";
const UNIT: &str = "the service manager that starts the node decides that";
const MEMORY: &str = "memory is moved together by the node itself";

/// Sorted by name; so are [`FIXED`] and [`OTHER_NAMES`].
pub(super) const KEPT: &[Kept] = &[
    kept("acllog-max-len", COUNT, "128"),
    kept("active-defrag-cycle-max", Kind::Whole(1, 99, "percent"), "25"),
    kept("active-defrag-cycle-min", Kind::Whole(1, 99, "percent"), "1"),
    kept("active-defrag-ignore-bytes", BYTES, "100mb"),
    kept("active-defrag-max-scan-fields", Kind::Whole(1, i64::MAX, ""), "1000"),
    kept("active-defrag-threshold-lower", PERCENT, "10"),
    kept("active-defrag-threshold-upper", PERCENT, "100"),
    kept("active-expire-effort", Kind::Whole(1, 10, ""), "1"),
    kept("activerehashing", YES_NO, "yes"),
    kept("aof-disable-auto-gc", YES_NO, "no"),
    kept("aof-load-truncated", YES_NO, "yes"),
    kept("aof-rewrite-incremental-fsync", YES_NO, "yes"),
    kept("aof-use-rdb-preamble", YES_NO, "yes"),
    // These ask for as much as every write gets, or for less; when one is answered is chosen by KEYSPACE SET n
    // REPLICATION sync|async.
    kept("appendfsync", Kind::Choice(&["always", "everysec", "no"]), "always"),
    kept("appendonly", YES_NO, "yes"),
    kept("auto-aof-rewrite-min-size", BYTES, "64mb"),
    kept("auto-aof-rewrite-percentage", COUNT, "100"),
    kept("busy-reply-threshold", COUNT, "5000"),
    kept("cluster-link-sendbuf-limit", BYTES, "0"),
    kept("cluster-migration-barrier", COUNT, "1"),
    kept("cluster-node-timeout", COUNT, "15000"),
    kept("cluster-replica-validity-factor", COUNT, "10"),
    kept("crash-log-enabled", YES_NO, "yes"),
    kept("crash-memcheck-enabled", YES_NO, "yes"),
    kept("dynamic-hz", YES_NO, "yes"),
    kept("hz", Kind::Whole(1, 500, ""), "10"),
    kept("jemalloc-bg-thread", YES_NO, "yes"),
    kept("key-load-delay", ANY, "0"),
    kept("latency-tracking", YES_NO, "yes"),
    kept("latency-tracking-info-percentiles", Kind::Text, "50 99 99.9"),
    kept("lazyfree-lazy-eviction", YES_NO, "no"),
    kept("lazyfree-lazy-expire", YES_NO, "no"),
    kept("lazyfree-lazy-server-del", YES_NO, "no"),
    kept("lazyfree-lazy-user-del", YES_NO, "no"),
    kept("lazyfree-lazy-user-flush", YES_NO, "no"),
    kept("lfu-decay-time", COUNT, "1"),
    kept("lfu-log-factor", COUNT, "10"),
    kept("list-compress-depth", COUNT, "0"),
    kept("list-max-listpack-size", Kind::Whole(-INT, INT, ""), "-2"),
    kept("maxmemory-eviction-tenacity", Kind::Whole(0, 100, ""), "10"),
    kept("maxmemory-samples", Kind::Whole(1, INT, ""), "5"),
    kept("no-appendfsync-on-rewrite", YES_NO, "no"),
    kept("rdb-del-sync-files", YES_NO, "no"),
    kept("rdb-key-save-delay", ANY, "0"),
    kept("rdb-save-incremental-fsync", YES_NO, "yes"),
    kept("rdbchecksum", YES_NO, "yes"),
    kept("rdbcompression", YES_NO, "yes"),
    kept("repl-backlog-size", BYTES, "1mb"),
    kept("repl-backlog-ttl", COUNT, "3600"),
    kept("repl-disable-tcp-nodelay", YES_NO, "no"),
    kept("repl-diskless-load", Kind::Choice(&["disabled", "on-empty-db", "swapdb"]), "disabled"),
    kept("repl-diskless-sync", YES_NO, "yes"),
    kept("repl-diskless-sync-delay", COUNT, "5"),
    kept("repl-diskless-sync-max-replicas", COUNT, "0"),
    kept("repl-ping-replica-period", Kind::Whole(1, INT, ""), "10"),
    kept("repl-timeout", Kind::Whole(1, INT, ""), "60"),
    kept("replica-lazy-flush", YES_NO, "no"),
    kept("sanitize-dump-payload", Kind::Choice(&["no", "yes", "clients"]), "no"),
    // Points at which all is saved: every write is in the log before it is answered.
    kept("save", Kind::Text, ""),
    kept("shutdown-timeout", COUNT, "10"),
    kept("stop-writes-on-bgsave-error", YES_NO, "yes"),
    kept("tracking-table-max-keys", COUNT, "1000000"),
];

pub(super) const FIXED: &[Fixed] = &[
    fixed("acl-pubsub-default", "resetchannels", NO_ACL),
    fixed("aclfile", "", NO_ACL),
    fixed("activedefrag", "no", MEMORY),
    fixed("always-show-logo", "no", ""),
    fixed("aof-timestamp-enabled", "no", "the log needs none"),
    fixed("aof_rewrite_cpulist", "", UNIT),
    fixed("appenddirname", "log", "the log is in that folder of 'dir'"),
    fixed("appendfilename", "", "the log has files of its own"),
    fixed("bgsave_cpulist", "", UNIT),
    fixed("bind-source-addr", "", ""),
    fixed("bio_cpulist", "", UNIT),
    fixed("cluster-allow-pubsubshard-when-down", "yes", ""),
    fixed("cluster-allow-reads-when-down", "no", "a read needs the lease of its shard's leader"),
    fixed("cluster-allow-replica-migration", "yes", RAFT),
    fixed("cluster-announce-bus-port", "0", ADVERTISE),
    fixed("cluster-announce-hostname", "", ADVERTISE),
    fixed("cluster-announce-ip", "", ADVERTISE),
    fixed("cluster-announce-port", "0", ADVERTISE),
    fixed("cluster-announce-tls-port", "0", NO_TLS),
    fixed("cluster-config-file", "node.toml", "the file is in 'dir'"),
    fixed("cluster-enabled", "no", "'cluster-port' speaks Redis Cluster"),
    fixed("cluster-preferred-endpoint-type", "ip", ADVERTISE),
    fixed("cluster-replica-no-failover", "no", "any replica that is complete may lead"),
    fixed("cluster-require-full-coverage", "no", "each shard answers as long as it has a majority"),
    fixed("daemonize", "no", UNIT),
    fixed("databases", "16", ""),
    fixed("dbfilename", "", "'everstore export' writes RDB files"),
    fixed("disable-thp", "yes", ""),
    fixed("enable-debug-command", "yes", ""),
    fixed("enable-module-command", "no", ""),
    fixed("enable-protected-configs", "no", ""),
    fixed("ignore-warnings", "", ""),
    fixed("io-threads", "1", ""),
    fixed("io-threads-do-reads", "no", ""),
    fixed("logfile", "", "messages go to standard error"),
    fixed("loglevel", "notice", "'log-level' is set before the start"),
    fixed("masterauth", "", RAFT),
    fixed("masteruser", "", RAFT),
    fixed(
        "maxmemory-clients",
        "0",
        "'output-buffer-limit' and 'client-query-buffer-limit' bound every client",
    ),
    fixed("maxmemory-policy", "noeviction", CACHE),
    fixed("min-replicas-max-lag", "10", RAFT),
    fixed("min-replicas-to-write", "0", "a write to a sync keyspace always has a majority"),
    fixed("notify-keyspace-events", "", "there is no PUBLISH yet"),
    fixed("oom-score-adj", "no", UNIT),
    fixed("oom-score-adj-values", "0 200 800", UNIT),
    fixed("pidfile", "", UNIT),
    fixed("proc-title-template", "{title}", ""),
    fixed("propagation-error-behavior", "ignore", ""),
    fixed("protected-mode", "yes", "other machines are served when 'requirepass' is set"),
    fixed("replica-announce-ip", "", RAFT),
    fixed("replica-announce-port", "0", RAFT),
    fixed("replica-announced", "yes", RAFT),
    fixed("replica-ignore-disk-write-errors", "no", "a node whose log fails stops"),
    fixed("replica-ignore-maxmemory", "yes", RAFT),
    fixed("replica-priority", "100", RAFT),
    fixed("replica-read-only", "yes", RAFT),
    fixed("replica-serve-stale-data", "yes", "'max-staleness' bounds how old it is"),
    fixed("replicaof", "", RAFT),
    fixed("server_cpulist", "", UNIT),
    fixed("set-proc-title", "no", ""),
    fixed("shutdown-on-sigint", "default", "leaderships are handed over first"),
    fixed("shutdown-on-sigterm", "default", "leaderships are handed over first"),
    fixed("socket-mark-id", "0", ""),
    fixed("supervised", "no", UNIT),
    fixed("syslog-enabled", "no", "messages go to standard error"),
    fixed("syslog-facility", "local0", "messages go to standard error"),
    fixed("syslog-ident", "", "messages go to standard error"),
    fixed("tcp-backlog", "1024", ""),
    fixed("tls-auth-clients", "no", NO_TLS),
    fixed("tls-ca-cert-dir", "", NO_TLS),
    fixed("tls-ca-cert-file", "", NO_TLS),
    fixed("tls-cert-file", "", NO_TLS),
    fixed("tls-ciphers", "", NO_TLS),
    fixed("tls-ciphersuites", "", NO_TLS),
    fixed("tls-client-cert-file", "", NO_TLS),
    fixed("tls-client-key-file", "", NO_TLS),
    fixed("tls-client-key-file-pass", "", NO_TLS),
    fixed("tls-cluster", "no", NO_TLS),
    fixed("tls-dh-params-file", "", NO_TLS),
    fixed("tls-key-file", "", NO_TLS),
    fixed("tls-key-file-pass", "", NO_TLS),
    fixed("tls-port", "0", NO_TLS),
    fixed("tls-prefer-server-ciphers", "no", NO_TLS),
    fixed("tls-protocols", "", NO_TLS),
    fixed("tls-replication", "no", NO_TLS),
    fixed("tls-session-cache-size", "0", NO_TLS),
    fixed("tls-session-cache-timeout", "0", NO_TLS),
    fixed("tls-session-caching", "no", NO_TLS),
    fixed("unixsocket", "", ""),
    fixed("unixsocketperm", "0", ""),
];

/// Second names that Redis has for options: (this name, the option). The option may be a key of ours.
pub(super) const OTHER_NAMES: &[(&str, &str)] = &[
    ("cluster-slave-no-failover", "cluster-replica-no-failover"),
    ("cluster-slave-validity-factor", "cluster-replica-validity-factor"),
    ("hash-max-ziplist-entries", "hash-max-listpack-entries"),
    ("hash-max-ziplist-value", "hash-max-listpack-value"),
    ("list-max-ziplist-size", "list-max-listpack-size"),
    ("lua-time-limit", "busy-reply-threshold"),
    ("min-slaves-max-lag", "min-replicas-max-lag"),
    ("min-slaves-to-write", "min-replicas-to-write"),
    ("repl-ping-slave-period", "repl-ping-replica-period"),
    ("slave-announce-ip", "replica-announce-ip"),
    ("slave-announce-port", "replica-announce-port"),
    ("slave-ignore-maxmemory", "replica-ignore-maxmemory"),
    ("slave-lazy-flush", "replica-lazy-flush"),
    ("slave-priority", "replica-priority"),
    ("slave-read-only", "replica-read-only"),
    ("slave-serve-stale-data", "replica-serve-stale-data"),
    ("slaveof", "replicaof"),
    ("zset-max-ziplist-entries", "zset-max-listpack-entries"),
    ("zset-max-ziplist-value", "zset-max-listpack-value"),
];
