//! The sections of `INFO`: Redis's names where they mean the same here, our own beside them.

use crate::core::Core;
use model::limits::CHUNKS;
use resp::host::{Host, Section};
use resp::session::Session;
use std::fmt::Write;

/// The Redis version by which clients choose their features.
pub const REDIS_VERSION: &str = "7.0.15";

/// Sections in the order they are shown.
pub(crate) const SECTIONS: &[Section] = &[
    Section { name: "Server", default: true },
    Section { name: "Clients", default: true },
    Section { name: "Memory", default: true },
    Section { name: "Persistence", default: true },
    Section { name: "Stats", default: true },
    Section { name: "Replication", default: true },
    Section { name: "CPU", default: true },
    Section { name: "Commandstats", default: false },
    Section { name: "Errorstats", default: true },
    Section { name: "Cluster", default: true },
    Section { name: "Keyspace", default: true },
    Section { name: "Everstore", default: true },
];

/// Collects lines of `INFO`. Writing to a string can not fail.
macro_rules! lines {
    ($out:expr, $($name:literal $value:expr),* $(,)?) => {
        {$(let _ = write!($out, concat!($name, ":{}\r\n"), $value);)*}
    };
}

impl Core {
    pub(crate) fn uptime_ms(&self) -> u64 {
        self.now.mono_ms().saturating_sub(self.settings.started_ms)
    }

    /// Sum of the commit indexes of this node's replicas: rises with every entry.
    pub(crate) fn log_position(&self) -> u64 {
        self.replicas.iter().flatten().map(|r| r.raft.commit()).sum()
    }

    pub(crate) fn info_section(&self, section: &str, session: &Session, out: &mut String) {
        match section {
            "Server" => self.info_server(session, out),
            "Clients" => lines!(out,
                "connected_clients" self.conns.len() + 1,
                "cluster_connections" self.peers.values().filter(|p| p.connected).count(),
                "maxclients" self.settings.max_clients,
                "blocked_clients" self.conns.values().filter(|c| c.session.flags.blocked).count() + self.paused.len(),
            ),
            "Memory" => self.info_memory(out),
            "Persistence" => lines!(out,
                "loading" 0,
                "async_loading" 0,
                "rdb_changes_since_last_save" self.replicas.iter().flatten().map(|r| r.machine.changed_rows()).sum::<usize>(),
                "rdb_bgsave_in_progress" u8::from(self.is_checkpointing()),
                "rdb_last_save_time" self.last_save_s(),
                "rdb_last_bgsave_status" "ok",
                "aof_enabled" 1,
                "aof_rewrite_in_progress" u8::from(self.is_checkpointing()),
                "aof_rewrite_scheduled" 0,
                "aof_last_write_status" "ok",
                "aof_current_size" self.gauges.log_bytes,
            ),
            "Stats" => lines!(out,
                "total_connections_received" self.stats.connections,
                "total_commands_processed" self.stats.commands,
                "instantaneous_ops_per_sec" self.stats.commands_per_second,
                "total_net_input_bytes" self.stats.net_input,
                "total_net_output_bytes" self.stats.net_output,
                "rejected_connections" self.stats.rejected_connections,
                "evicted_keys" self.replicas.iter().flatten().map(|r| r.machine.evicted_keys).sum::<u64>(),
                "expired_keys" self.replicas.iter().flatten().map(|r| r.machine.expired_keys).sum::<u64>(),
                "total_error_replies" self.stats.errors,
                // There is neither a fork, nor MIGRATE, nor PUBLISH.
                "latest_fork_usec" 0,
                "total_forks" 0,
                "migrate_cached_sockets" 0,
                "pubsub_channels" 0,
                "pubsub_patterns" 0,
            ),
            "Replication" => self.info_replication(out),
            "CPU" => lines!(out,
                "used_cpu_sys" self.gauges.cpu_ms.1 as f64 / 1000.0,
                "used_cpu_user" self.gauges.cpu_ms.0 as f64 / 1000.0,
            ),
            "Commandstats" => self.stats.by_command.lines(out),
            "Errorstats" => self.stats.error_kinds.iter().for_each(|(kind, count)| {
                let _ = write!(out, "errorstat_{kind}:count={count}\r\n");
            }),
            "Cluster" => lines!(out, "cluster_enabled" u8::from(session.cluster)),
            "Keyspace" => self.info_keyspace(out),
            "Everstore" => self.info_everstore(out),
            _ => {}
        }
    }

    fn info_server(&self, session: &Session, out: &mut String) {
        let (mode, address) = match session.cluster {
            true => ("cluster", &session.laddr),
            false => ("standalone", &self.me.addresses.redis),
        };
        let port = address.rsplit_once(':').map_or("0", |(_, port)| port);
        let seconds = self.uptime_ms() / 1000;
        lines!(out,
            "redis_version" REDIS_VERSION,
            "everstore_version" env!("CARGO_PKG_VERSION"),
            "redis_git_sha1" "00000000",
            "redis_mode" mode,
            "os" std::env::consts::OS,
            "arch_bits" usize::BITS,
            "multiplexing_api" "epoll",
            "process_id" self.gauges.pid,
            "run_id" format!("{}{:08x}", self.me.cluster, self.me.node.0),
            "tcp_port" port,
            "server_time_usec" self.wall_us(),
            "uptime_in_seconds" seconds,
            "uptime_in_days" seconds / 86_400,
            "hz" 200,
            "configured_hz" 200,
        );
    }

    fn info_memory(&self, out: &mut String) {
        let (memory, shares) = (self.memory(), self.memory_shares());
        lines!(out,
            "used_memory" memory.total,
            "used_memory_human" human(memory.total),
            "used_memory_rss" memory.resident,
            "used_memory_rss_human" human(memory.resident),
            "used_memory_peak" memory.peak,
            "used_memory_peak_human" human(memory.peak),
            "used_memory_dataset" memory.dataset,
            "used_memory_rows" shares.rows,
            "used_memory_log_tail" shares.tail,
            "used_memory_checkpoints" shares.checkpoints,
            "used_memory_row_store" shares.store,
            "used_memory_other" shares.other,
            "maxmemory" self.settings.max_memory,
            "maxmemory_human" human(self.settings.max_memory),
            "maxmemory_policy" "noeviction",
            "mem_clients_normal" memory.clients,
            "mem_allocator" "mimalloc",
            // What a command lets go of is free at once.
            "lazyfree_pending_objects" 0,
            "lazyfreed_objects" 0,
        );
    }

    fn info_replication(&self, out: &mut String) {
        let copies = |node: &&model::NodeId| self.is_up(**node) && !self.map.is_witness(**node);
        let up: Vec<_> = self.peers.keys().filter(copies).copied().collect();
        lines!(out, "role" "master", "connected_slaves" up.len());
        for (i, node) in up.iter().enumerate() {
            let address = self.addresses(*node).redis;
            let (ip, port) = address.rsplit_once(':').unwrap_or(("", "0"));
            let report = self.peers.get(node).and_then(|p| p.report.as_ref());
            let applied: u64 = report.map_or(0, |r| r.groups.iter().map(|g| g.applied).sum());
            let _ = write!(out, "slave{i}:ip={ip},port={port},state=online,offset={applied},lag=0\r\n");
        }
        lines!(out,
            "master_failover_state" "no-failover",
            "master_replid" format!("{:0>40}", self.me.cluster),
            "master_repl_offset" self.log_position(),
        );
    }

    fn info_keyspace(&self, out: &mut String) {
        for ks in self.keyspace_status().into_iter().filter(|ks| ks.keys > 0) {
            let _ = write!(out, "db{}:keys={},expires={},avg_ttl=0\r\n", ks.n, ks.keys, ks.expires);
        }
    }

    fn info_everstore(&self, out: &mut String) {
        let leads = self.replicas.iter().skip(1).flatten().filter(|r| r.raft.is_leader()).count();
        let (exposed, losses) = (self.exposed(), self.loss_count());
        lines!(out,
            "node_id" self.me.node,
            "cluster_id" self.me.cluster,
            "incarnation" self.me.incarnation,
            "epoch" self.map.epoch,
            "shards" self.map.shards.len(),
            "shards_led" leads,
            "replicas_rebuilding" self.rebuilding().count(),
            "nodes_known" self.map.members.len(),
            "nodes_up" 1 + self.peers.keys().filter(|n| self.is_up(**n)).count(),
            "log_sync_p50_usec" self.gauges.sync_p50_us,
            "log_sync_p99_usec" self.gauges.sync_p99_us,
            "log_bytes" self.gauges.log_bytes,
            "large_values" self.uploads(),
            "large_chunks" self.replicas.iter().flatten().map(|r| r.machine.counts(CHUNKS).0).sum::<usize>(),
            "rows_cold" self.replicas.iter().flatten().map(|r| r.machine.cold_rows()).sum::<usize>(),
            "rows_memory_bytes" self.memory.rows,
            "rows_let_go_bytes" self.memory.let_go,
            "rows_ingested_bytes" self.gauges.rows_ingested_bytes,
            "rows_compacted_bytes" self.gauges.rows_compacted_bytes,
            "scrub_running_bytes" self.scrub.progress().unwrap_or(0),
            "scrub_last_ms" self.scrub.last_ms,
            "scrub_last_bytes" self.scrub.last_bytes,
            "scrub_damaged_found" self.scrub.found,
            "scrub_damaged_repaired" self.scrub.repaired,
            "compare_last_ms" self.scrub.compare.last_ms,
            "compare_left" self.scrub.compare.left(),
            "compare_ended" self.scrub.compare.ended,
            "compare_given_up" self.scrub.compare.given_up,
            "compare_differences" self.scrub.compare.differences,
            "compare_undecided" self.scrub.compare.found.values().filter(|found| found.undecided).count(),
            "snapshot_sent_bytes" self.stats.snapshot_bytes.0,
            "snapshot_received_bytes" self.stats.snapshot_bytes.1,
            "log_written_bytes" self.gauges.log_written_bytes,
            "cold_fetches" self.stats.cold_fetches,
            "replica_reads" self.stats.replica_reads,
            "replica_reads_forwarded" self.stats.replica_reads_forwarded,
            "exposed_entries" exposed.entries,
            "exposed_bytes" exposed.bytes,
            "exposed_ms" exposed.ms,
            "exposed_at_failovers_bytes" self.stats.exposed_at_failovers,
            "losses" losses.accounts,
            "lost_effects" losses.effects,
            "possible_losses" self.possible_losses().len(),
        );
    }
}

/// Bytes as Redis shows them to people.
fn human(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        b if b < 1024.0 => format!("{b}B"),
        b if b < 1048576.0 => format!("{:.2}K", b / 1024.0),
        b if b < 1073741824.0 => format!("{:.2}M", b / 1048576.0),
        b => format!("{:.2}G", b / 1073741824.0),
    }
}
