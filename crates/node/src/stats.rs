//! Counters and gauges of a node.

use crate::settings::Settings;
use resp::command_stats::CommandStats;
use resp::decode::walk;
use resp::latency::Latency;
use resp::slowlog::SlowLog;
use router::{Forward, Target};
use shard::table::Spec;
use std::collections::{BTreeMap, BTreeSet};

/// What only the shell can measure; it sets them about once a second.
#[derive(Debug, Clone, Default)]
pub struct Gauges {
    /// Id of the process.
    pub pid: u32,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// Highest resident memory in bytes.
    pub peak_rss_bytes: u64,
    /// Blocks of the row store in its cache, bytes.
    pub store_cache_bytes: u64,
    /// Memory for indexes and filters of the row store's tables, bytes.
    pub store_tables_bytes: u64,
    /// Tables written by checkpoints and staged snapshots, bytes.
    pub rows_ingested_bytes: u64,
    /// Tables written by compactions, bytes.
    pub rows_compacted_bytes: u64,
    /// Batches written to the log, bytes.
    pub log_written_bytes: u64,
    /// Bytes of log kept.
    pub log_bytes: u64,
    /// Time of a log sync, median, µs.
    pub sync_p50_us: u64,
    /// Time of a log sync, 99th percentile, µs.
    pub sync_p99_us: u64,
    /// Number of log syncs.
    pub syncs: u64,
    /// CPU time of the process in ms: user, system.
    pub cpu_ms: (u64, u64),
}

/// Most kinds of errors that are counted, and bytes of the name of one.
const MAX_ERROR_KINDS: usize = 128;
const MAX_ERROR_KIND: usize = 64;

/// Counters since the start or the last `CONFIG RESETSTAT`.
#[derive(Debug)]
pub struct Stats {
    /// Commands executed.
    pub commands: u64,
    /// Those of them before this turn.
    pub commands_before_turn: u64,
    /// The same by command.
    pub by_command: CommandStats,
    /// The command of a connection that is being executed.
    pub running: Option<&'static Spec>,
    /// Error replies.
    pub errors: u64,
    /// Error replies by their first word, without its dash.
    pub error_kinds: BTreeMap<String, u64>,
    /// Bytes of answered asynchronous writes that were not committed when this node stopped leading.
    pub exposed_at_failovers: u64,
    /// Reads of rows that were not in memory.
    pub cold_fetches: u64,
    /// Reads that a replica of this node answered while another node led.
    pub replica_reads: u64,
    /// Reads of `READONLY` connections that went to the leader although this node has a replica.
    pub replica_reads_forwarded: u64,
    /// Effects of answered asynchronous writes that were found lost on this node.
    pub lost_effects: u64,
    /// Client connections accepted.
    pub connections: u64,
    /// Client connections refused.
    pub rejected_connections: u64,
    /// Bytes from clients.
    pub net_input: u64,
    /// Bytes of snapshots that were sent to other nodes, and that came.
    pub snapshot_bytes: (u64, u64),
    /// Bytes to clients.
    pub net_output: u64,
    /// Commands of the last whole second.
    pub commands_per_second: u64,
    /// Leaderships lost without being handed over.
    pub leaderships_lost: u64,
    /// Milliseconds since 1970 of the last durable checkpoint.
    pub last_save_ms: u64,
    /// Connections that are told of every command (`MONITOR`).
    pub monitors: BTreeSet<u64>,
    /// The slow log.
    pub slowlog: SlowLog,
    /// Latency events.
    pub latency: Latency,
    counted: u64,
}

impl Stats {
    /// All zero.
    pub fn new(settings: &Settings) -> Stats {
        let mut slowlog = SlowLog::default();
        slowlog.threshold_us = settings.slowlog_slower_than_us;
        slowlog.max_len = settings.slowlog_max_len;
        let mut latency = Latency::default();
        latency.threshold_ms = settings.latency_threshold_ms;
        Stats {
            commands: 0,
            commands_before_turn: 0,
            by_command: CommandStats::default(),
            running: None,
            errors: 0,
            error_kinds: BTreeMap::new(),
            exposed_at_failovers: 0,
            cold_fetches: 0,
            replica_reads: 0,
            replica_reads_forwarded: 0,
            lost_effects: 0,
            connections: 0,
            rejected_connections: 0,
            net_input: 0,
            snapshot_bytes: (0, 0),
            net_output: 0,
            commands_per_second: 0,
            leaderships_lost: 0,
            last_save_ms: 0,
            monitors: BTreeSet::new(),
            slowlog,
            latency,
            counted: 0,
        }
    }

    /// Counts the reply of a command if it is an error.
    #[inline]
    pub fn note_reply(&mut self, reply: &[u8]) {
        if reply.first() == Some(&b'-') {
            self.note_error(reply);
        }
    }

    /// The answer of another node to a client's command.
    pub fn note_answer(&mut self, forward: &Forward, reply: &[u8]) {
        if let Target::Slot { .. } = forward.target
            && walk::is_error(reply)
            && let Ok(parts) = forward.request.parts()
            && let Ok(spec) = shard::table::resolve(parts.args[0], parts.args.get(1).copied())
        {
            self.by_command.failed(spec);
        }
    }

    /// The answer of a command that had to be pieced together or to wait; if its connection has sent others since,
    /// of the last of them.
    pub fn note_end(&mut self, name: &str, reply: &[u8]) {
        if walk::is_error(reply)
            && let Some(spec) = shard::table::lookup(name.as_bytes())
        {
            self.by_command.failed(spec);
        }
    }

    #[cold]
    fn note_error(&mut self, reply: &[u8]) {
        self.errors += 1;
        if let Some(spec) = self.running {
            self.by_command.failed(spec);
        }
        let end = reply.iter().position(|byte| b" \r".contains(byte)).unwrap_or(reply.len());
        let kind = String::from_utf8_lossy(&reply[1..end.min(MAX_ERROR_KIND)]);
        // Clients name kinds with DEBUG ERROR as they like.
        let room = self.error_kinds.len() < MAX_ERROR_KINDS;
        if room || self.error_kinds.contains_key(&*kind) {
            *self.error_kinds.entry(kind.into_owned()).or_default() += 1;
        }
    }

    /// Closes the count of a second.
    pub fn each_second(&mut self) {
        self.commands_per_second = self.commands.saturating_sub(self.counted);
        self.counted = self.commands;
    }

    /// `CONFIG RESETSTAT`.
    pub fn reset(&mut self) {
        (self.commands, self.errors, self.connections, self.rejected_connections) = (0, 0, 0, 0);
        (self.net_input, self.net_output, self.leaderships_lost, self.counted) = (0, 0, 0, 0);
        self.commands_before_turn = 0;
        self.error_kinds.clear();
        self.by_command = CommandStats::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_their_first_word_within_bounds() {
        let mut stats = Stats::new(&Settings::default());
        for reply in
            ["+OK\r\n", "-ERR no\r\n", "-ERR such\r\n", "-WRONGTYPE x\r\n", "$1\r\n-\r\n", "-ALONE\r\n", ""]
        {
            stats.note_reply(reply.as_bytes());
        }
        let kinds: Vec<(&str, u64)> = stats.error_kinds.iter().map(|(k, n)| (&k[..], *n)).collect();
        assert_eq!((stats.errors, kinds), (4, vec![("ALONE", 1), ("ERR", 2), ("WRONGTYPE", 1)]));
        for n in 0..1000 {
            stats.note_reply(format!("-{n}{} text\r\n", "K".repeat(n)).as_bytes());
        }
        assert!(stats.error_kinds.len() == MAX_ERROR_KINDS && stats.errors == 1004);
        assert!(stats.error_kinds.keys().all(|kind| kind.len() < MAX_ERROR_KIND));
        stats.reset();
        assert!(stats.errors == 0 && stats.error_kinds.is_empty());
    }
}
