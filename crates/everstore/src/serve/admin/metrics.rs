//! Metrics in the text format of Prometheus: base units, one HELP and TYPE per name.

use cluster::status::diagnose::REBUILDING;
use cluster::status::{NodeStatus, ReplicaRole, Severity, ShardStatus, Status};
use std::fmt::{Display, Write};

/// Content type of the text format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Counters and gauges that are not part of the cluster's status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Commands executed since start.
    pub commands: u64,
    /// Error replies since start.
    pub errors: u64,
    /// Client connections accepted since start.
    pub connections: u64,
    /// Client connections refused since start.
    pub rejected_connections: u64,
    /// Bytes from clients since start.
    pub net_input_bytes: u64,
    /// Bytes to clients since start.
    pub net_output_bytes: u64,
    /// Log syncs since start.
    pub log_syncs: u64,
    /// Effects of answered asynchronous writes found lost on this node since start.
    pub lost_effects: u64,
    /// Leaderships lost without being handed over.
    pub leaderships_lost: u64,
    /// Milliseconds since 1970 of the last durable checkpoint, 0 = none since start.
    pub last_checkpoint_ms: u64,
    /// Tries of checkpoints that failed and were repeated ([`crate::serve::disk_pool::DiskPool::retries`]).
    pub checkpoint_retries: u64,
    /// Jobs of the disk pool that wait or run.
    pub disk_jobs: u64,
    /// CPU time of the process in user mode, ms.
    pub cpu_user_ms: u64,
    /// CPU time of the process in the system, ms.
    pub cpu_system_ms: u64,
    /// Milliseconds since 1970 at which the process started.
    pub started_ms: u64,
}

/// The whole page.
pub(super) fn render(status: &Status, counters: &Counters, turn_age_ms: u64) -> String {
    let mut page = Page::default();
    let own = status.node(status.answered_by).cloned().unwrap_or_default();
    of_node(&mut page, &own, turn_age_ms);
    of_clients(&mut page, &own, counters);
    of_disk(&mut page, &own, counters);
    of_losses(&mut page, &own, status, counters);
    of_cluster(&mut page, status, counters);
    of_shards(&mut page, status);
    of_keyspaces(&mut page, status);
    page.0
}

fn of_node(page: &mut Page, own: &NodeStatus, turn_age_ms: u64) {
    page.head("everstore_build_info", "gauge", "Version of the program; always 1.");
    page.labelled("everstore_build_info", &[("version", &own.version)], 1);
    page.one("everstore_node_id", "gauge", "Id of this node; 0 before it has one.", own.id);
    page.one(
        "everstore_uptime_seconds",
        "gauge",
        "Time since the process started.",
        seconds(own.uptime_ms, 3),
    );
    page.one(
        "everstore_turn_age_seconds",
        "gauge",
        "Time since the shard thread's last turn.",
        seconds(turn_age_ms, 3),
    );
    page.one(
        "everstore_shard_thread_busy_percent",
        "gauge",
        "Share of the last seconds in which the shard thread did not wait for something to do.",
        own.busy_percent,
    );
    page.one("process_resident_memory_bytes", "gauge", "Resident memory.", own.rss_bytes);
}

fn of_clients(page: &mut Page, own: &NodeStatus, c: &Counters) {
    page.one("everstore_connected_clients", "gauge", "Connected Redis clients.", own.clients);
    let counters = [
        ("everstore_commands_total", "Commands executed.", c.commands),
        ("everstore_command_errors_total", "Error replies.", c.errors),
        ("everstore_connections_total", "Client connections accepted.", c.connections),
        ("everstore_connections_rejected_total", "Client connections refused.", c.rejected_connections),
        ("everstore_receive_bytes_total", "Bytes from clients.", c.net_input_bytes),
        ("everstore_transmit_bytes_total", "Bytes to clients.", c.net_output_bytes),
    ];
    counters.into_iter().for_each(|(name, help, value)| page.one(name, "counter", help, value));
    page.one(
        "process_cpu_seconds_total",
        "counter",
        "CPU time of the process.",
        seconds(c.cpu_user_ms + c.cpu_system_ms, 3),
    );
    page.one(
        "process_start_time_seconds",
        "gauge",
        "When the process started, since 1970.",
        seconds(c.started_ms, 3),
    );
}

fn of_losses(page: &mut Page, own: &NodeStatus, status: &Status, c: &Counters) {
    let help = "Loss accounts of this node that nobody has acknowledged.";
    page.one("everstore_losses", "gauge", help, own.losses);
    let help = "Effects of answered asynchronous writes found lost on this node.";
    page.one("everstore_lost_effects_total", "counter", help, c.lost_effects);
    let possible: usize = status.shards.iter().map(|shard| shard.possible_losses.len()).sum();
    let help = "Leaders with asynchronous keyspaces that have not come back, as this node knows.";
    page.one("everstore_possible_losses", "gauge", help, possible);
}

fn of_disk(page: &mut Page, own: &NodeStatus, c: &Counters) {
    let name = "everstore_log_sync_seconds";
    page.head(name, "gauge", "Time of one log sync, of the last ones.");
    page.labelled(name, &[("quantile", &"0.5")], seconds(own.sync_p50_us, 6));
    page.labelled(name, &[("quantile", &"0.99")], seconds(own.sync_p99_us, 6));
    page.one("everstore_log_syncs_total", "counter", "Log syncs.", c.log_syncs);
    page.one("everstore_log_bytes", "gauge", "Size of the log.", own.log_bytes);
    page.one("everstore_disk_jobs", "gauge", "Jobs of the disk pool that wait or run.", c.disk_jobs);
    page.one(
        "everstore_checkpoint_retries_total",
        "counter",
        "Tries of checkpoints that failed and were repeated.",
        c.checkpoint_retries,
    );
    page.one(
        "everstore_last_checkpoint_timestamp_seconds",
        "gauge",
        "When the last checkpoint became durable, since 1970; 0 if none has since the start.",
        seconds(c.last_checkpoint_ms, 3),
    );
}

fn of_cluster(page: &mut Page, status: &Status, c: &Counters) {
    page.one("everstore_map_epoch", "gauge", "Epoch of the cluster map.", status.epoch);
    page.one("everstore_formed", "gauge", "1 when the cluster is formed.", formed(status));
    page.head("everstore_peer_up", "gauge", "1 when the other node is heard from.");
    for node in status.nodes.iter().filter(|node| node.id != status.answered_by) {
        page.labelled("everstore_peer_up", &[("node", &node.id)], u8::from(node.state.is_up()));
    }
    page.one(
        "everstore_leaderships_lost_total",
        "counter",
        "Leaderships of this node that ended without being handed over.",
        c.leaderships_lost,
    );
    page.head("everstore_problems", "gauge", "What is wrong as this node sees it, by severity.");
    for (name, severity) in
        [("note", Severity::Note), ("degraded", Severity::Degraded), ("unavailable", Severity::Unavailable)]
    {
        let count = status.problems.iter().filter(|problem| problem.severity == severity).count();
        page.labelled("everstore_problems", &[("severity", &name)], count);
    }
}

fn formed(status: &Status) -> u8 {
    u8::from(status.forming.is_none() && !status.shards.is_empty())
}

fn rebuilding(status: &Status) -> usize {
    let replicas = status.shards.iter().chain(&status.meta).flat_map(|shard| &shard.replicas);
    replicas.filter(|r| r.node == status.answered_by && r.state == REBUILDING).count()
}

/// Value of a metric of one shard.
type OfShard<'a> = Box<dyn Fn(&ShardStatus) -> u64 + 'a>;

fn of_shards(page: &mut Page, status: &Status) {
    let me = status.answered_by;
    let own =
        move |shard: &ShardStatus| shard.replicas.iter().find(|r| r.node == me).map_or(0, |r| r.applied);
    let metrics: [(&str, &str, OfShard<'_>); 5] = [
        (
            "everstore_shard_leader",
            "Node that leads the shard, 0 if none is known.",
            Box::new(|shard| shard.leader.unwrap_or(0)),
        ),
        (
            "everstore_shard_is_leader",
            "1 when this node leads the shard.",
            Box::new(move |shard| u64::from(shard.leader == Some(me))),
        ),
        ("everstore_shard_term", "Raft term of the shard.", Box::new(|shard| shard.term)),
        (
            "everstore_shard_commit_index",
            "Highest committed index this node knows of.",
            Box::new(|shard| shard.commit),
        ),
        ("everstore_shard_applied_index", "Highest index this node has applied.", Box::new(own)),
    ];
    for (name, help, value) in &metrics {
        page.head(name, "gauge", help);
        status.shards.iter().for_each(|shard| page.labelled(name, &[("shard", &shard.id)], value(shard)));
    }
    page.one(
        "everstore_replicas_rebuilding",
        "gauge",
        "Replicas of this node, the meta group's included, whose rows are lost and come from another node.",
        rebuilding(status),
    );
    let name = "everstore_shard_lag_entries";
    page.head(name, "gauge", "Entries a replica lacks; told by the node that leads the shard.");
    for shard in status.shards.iter().filter(|shard| shard.leader == Some(me)) {
        for replica in shard.replicas.iter().filter(|replica| replica.role != ReplicaRole::Leader) {
            page.labelled(name, &[("shard", &shard.id), ("node", &replica.node)], replica.lag);
        }
    }
    let meta = status.meta.as_ref().and_then(|meta| meta.leader).unwrap_or(0);
    page.one("everstore_meta_leader", "gauge", "Node that leads the meta group, 0 if none is known.", meta);
}

fn of_keyspaces(page: &mut Page, status: &Status) {
    page.head("everstore_keys", "gauge", "Keys of a keyspace in the whole cluster, as known here.");
    for keyspace in &status.keyspaces {
        page.labelled("everstore_keys", &[("keyspace", &keyspace.n)], keyspace.keys);
    }
    page.head("everstore_expiring_keys", "gauge", "Keys of a keyspace that expire.");
    for keyspace in &status.keyspaces {
        page.labelled("everstore_expiring_keys", &[("keyspace", &keyspace.n)], keyspace.expires);
    }
}

/// A number of 1 / 10^`digits` seconds, without rounding.
fn seconds(parts: u64, digits: u32) -> String {
    let unit = 10u64.pow(digits);
    format!("{}.{:0width$}", parts / unit, parts % unit, width = digits as usize)
}

/// The text so far. Writing into it cannot fail.
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        let _ = writeln!(self.0, "{name} {value}");
    }

    fn labelled(&mut self, name: &str, labels: &[(&str, &dyn Display)], value: impl Display) {
        let label =
            |(label, value): &(&str, &dyn Display)| format!("{label}=\"{}\"", escaped(&value.to_string()));
        let labels: Vec<String> = labels.iter().map(label).collect();
        let _ = writeln!(self.0, "{name}{{{}}} {value}", labels.join(","));
    }
}

/// A label's value: the version of another program may hold anything.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
