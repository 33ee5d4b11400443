//! Options of Redis that have no key of their own here. Programs and test suites ask for them and set
//! them, so `CONFIG` knows them: some are kept and change nothing, because they tune how Redis itself is built;
//! the value of others follows from what Everstore is, and any other value is refused with the way to it.

use std::collections::BTreeMap;

use super::kind::Kind;

/// An option that is kept as it is set and changes nothing.
struct Kept {
    name: &'static str,
    kind: Kind,
    default: &'static str,
}

/// An option that always has the same value.
struct Fixed {
    name: &'static str,
    value: &'static str,
    /// What there is instead, as the end of a sentence; empty if there is nothing.
    instead: &'static str,
}

const fn kept(name: &'static str, kind: Kind, default: &'static str) -> Kept {
    Kept { name, kind, default }
}

const fn fixed(name: &'static str, value: &'static str, instead: &'static str) -> Fixed {
    Fixed { name, value, instead }
}

/// Largest value of Redis's `int` options.
const INT: i64 = i32::MAX as i64;
const COUNT: Kind = Kind::Whole(0, INT, "");
const YES_NO: Kind = Kind::Choice(&["yes", "no"]);
const BYTES: Kind = Kind::Size(0, i64::MAX as u64);

const CACHE: &str = "a keyspace is made a cache by KEYSPACE SET n CACHE policy";
const MODE: &str = "when writes are answered is chosen by KEYSPACE SET n REPLICATION sync|async";
const RAFT: &str = "copies are kept by the nodes of the cluster themselves";

/// Sorted by name; so are [`FIXED`] and [`OTHER_NAMES`].
const KEPT: &[Kept] = &[
    kept("active-expire-effort", Kind::Whole(1, 10, ""), "1"),
    kept("activerehashing", YES_NO, "yes"),
    kept("aof-load-truncated", YES_NO, "yes"),
    kept("aof-rewrite-incremental-fsync", YES_NO, "yes"),
    kept("aof-use-rdb-preamble", YES_NO, "yes"),
    kept("auto-aof-rewrite-min-size", BYTES, "64mb"),
    kept("auto-aof-rewrite-percentage", COUNT, "100"),
    kept("busy-reply-threshold", COUNT, "5000"),
    kept("dynamic-hz", YES_NO, "yes"),
    kept("hz", Kind::Whole(1, 500, ""), "10"),
    kept("jemalloc-bg-thread", YES_NO, "yes"),
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
    kept("rdb-save-incremental-fsync", YES_NO, "yes"),
    kept("rdbchecksum", YES_NO, "yes"),
    kept("rdbcompression", YES_NO, "yes"),
    kept("repl-backlog-size", BYTES, "1mb"),
    kept("repl-backlog-ttl", COUNT, "3600"),
    kept("repl-diskless-load", Kind::Choice(&["disabled", "on-empty-db", "swapdb"]), "disabled"),
    kept("repl-diskless-sync", YES_NO, "yes"),
    kept("repl-diskless-sync-delay", COUNT, "5"),
    kept("repl-ping-replica-period", Kind::Whole(1, INT, ""), "10"),
    kept("repl-timeout", Kind::Whole(1, INT, ""), "60"),
    kept("sanitize-dump-payload", Kind::Choice(&["no", "yes", "clients"]), "no"),
    kept("stop-writes-on-bgsave-error", YES_NO, "yes"),
    kept("tracking-table-max-keys", COUNT, "1000000"),
];

const FIXED: &[Fixed] = &[
    fixed("activedefrag", "no", "memory is moved together by the node itself"),
    fixed("appendfsync", "always", MODE),
    fixed("appendonly", "yes", "every write is in the log before it is answered"),
    fixed("cluster-enabled", "no", "'cluster-port' speaks Redis Cluster"),
    fixed("cluster-require-full-coverage", "no", "each shard answers as long as it has a majority"),
    fixed("daemonize", "no", ""),
    fixed("databases", "16", ""),
    fixed("enable-debug-command", "yes", ""),
    fixed("enable-module-command", "no", ""),
    fixed("io-threads", "1", ""),
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
    fixed("protected-mode", "yes", "other machines are served when 'requirepass' is set"),
    fixed("replica-priority", "100", RAFT),
    fixed("replica-read-only", "yes", RAFT),
    fixed("replica-serve-stale-data", "yes", "'max-staleness' bounds how old it is"),
    fixed("replicaof", "", RAFT),
    fixed("save", "", "every write is in the log before it is answered; checkpoints are made by themselves"),
    fixed("supervised", "no", ""),
    fixed("tls-port", "0", "there is no TLS yet"),
    fixed("unixsocket", "", ""),
];

/// Second names that Redis has for options: (this name, the option). The option may be a key of ours.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("hash-max-ziplist-entries", "hash-max-listpack-entries"),
    ("hash-max-ziplist-value", "hash-max-listpack-value"),
    ("list-max-ziplist-size", "list-max-listpack-size"),
    ("lua-time-limit", "busy-reply-threshold"),
    ("min-slaves-max-lag", "min-replicas-max-lag"),
    ("min-slaves-to-write", "min-replicas-to-write"),
    ("repl-ping-slave-period", "repl-ping-replica-period"),
    ("slave-priority", "replica-priority"),
    ("slave-read-only", "replica-read-only"),
    ("slave-serve-stale-data", "replica-serve-stale-data"),
    ("slaveof", "replicaof"),
    ("zset-max-ziplist-entries", "zset-max-listpack-entries"),
    ("zset-max-ziplist-value", "zset-max-listpack-value"),
];

/// The options that are kept and were changed, with their values.
#[derive(Debug, Clone, Default)]
pub struct RedisOptions(BTreeMap<&'static str, String>);

impl RedisOptions {
    /// Every option with its value, as `CONFIG GET` shows it.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let kept = KEPT.iter().map(|option| (option.name, self.value(option)));
        let fixed = FIXED.iter().map(|option| (option.name, option.value.to_owned()));
        kept.chain(fixed).collect()
    }

    fn value(&self, option: &Kept) -> String {
        let shown = || option.kind.parse(option.default).map(|value| value.show_for_redis());
        self.0.get(option.name).cloned().or_else(shown).unwrap_or_default()
    }

    /// Sets an option by its first name. `None` if it is none of these.
    ///
    /// # Errors
    /// What is allowed, in words.
    pub fn set(&mut self, name: &str, text: &str) -> Option<Result<(), String>> {
        if let Some(option) = FIXED.iter().find(|option| option.name == name) {
            return Some(if text.eq_ignore_ascii_case(option.value) {
                Ok(())
            } else {
                Err(option.refusal())
            });
        }
        let option = KEPT.iter().find(|option| option.name == name)?;
        let value = option.kind.parse(text);
        Some(match value {
            Some(value) => {
                self.0.insert(option.name, value.show_for_redis());
                Ok(())
            }
            None => Err(format!("allowed: {}", option.kind.allowed())),
        })
    }
}

impl Fixed {
    fn refusal(&self) -> String {
        let always = format!("always '{}' here", self.value);
        if self.instead.is_empty() { always } else { format!("{always}; {}", self.instead) }
    }
}

/// The name under which an option that has several is kept; any other name stays as it is.
pub fn first_name(name: &str) -> &str {
    OTHER_NAMES.iter().find(|(other, _)| *other == name).map_or(name, |(_, first)| first)
}

/// The other names of the options among these rows, with the values of their options.
pub fn other_names(rows: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
    let value = |name: &str| rows.iter().find(|row| row.0 == name).map(|row| row.1.clone());
    OTHER_NAMES.iter().filter_map(|(other, first)| Some((*other, value(first)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KEYS;

    #[test]
    fn every_option_is_there_once_and_every_default_is_allowed() {
        let mut names: Vec<&str> = KEPT.iter().map(|o| o.name).chain(FIXED.iter().map(|o| o.name)).collect();
        names.extend(OTHER_NAMES.iter().map(|(other, _)| other));
        let ours = |name: &&str| KEYS.iter().any(|key| key.name == *name || key.redis == Some(*name));
        assert!(!names.iter().any(ours), "a key of ours has the name of one of these");
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
        for option in KEPT {
            assert!(option.kind.parse(option.default).is_some(), "{}", option.name);
        }
        for (other, first) in OTHER_NAMES {
            let known = RedisOptions::default().rows().iter().any(|row| row.0 == *first);
            assert!(known || KEYS.iter().any(|key| key.redis == Some(first)), "{other}");
        }
    }

    #[test]
    fn what_is_kept_is_checked_and_shown_and_what_is_fixed_says_what_there_is_instead() {
        let mut options = RedisOptions::default();
        assert_eq!(options.set("list-max-listpack-size", "5"), Some(Ok(())));
        assert_eq!(options.set("hz", "0"), Some(Err("allowed: 1 to 500".into())));
        assert_eq!(options.set("repl-backlog-size", "2mb"), Some(Ok(())));
        assert_eq!(options.set("save", ""), Some(Ok(())));
        assert!(
            matches!(options.set("maxmemory-policy", "allkeys-lru"), Some(Err(why)) if why.contains("CACHE"))
        );
        assert_eq!(options.set("nonsense", "1"), None);
        let rows = options.rows();
        let value = |name: &str| rows.iter().find(|row| row.0 == name).map(|row| row.1.as_str());
        assert_eq!(value("list-max-listpack-size"), Some("5"));
        assert_eq!((value("hz"), value("repl-backlog-size")), (Some("10"), Some("2097152")));
        assert_eq!(other_names(&rows)[0].0, "list-max-ziplist-size");
        assert_eq!(first_name("list-max-ziplist-size"), "list-max-listpack-size");
    }
}
