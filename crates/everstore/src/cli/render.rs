//! The status as a person reads it: what is wrong first, then nodes, shards, keyspaces.

use std::fmt::Write;

use cluster::status::diagnose::{COPYING, bytes, span};
use cluster::status::{
    KeyspaceStatus, NodeState, NodeStatus, Problem, ReplicaRole, ReplicaStatus, Severity, ShardStatus,
    Status, exit_code,
};

use super::table::Table;

/// The whole page.
pub fn page(status: &Status, problems: &[Problem]) -> String {
    let mut out = headline(status, problems);
    for problem in problems {
        let mark = match problem.severity {
            Severity::Note => "note",
            Severity::Degraded => "degraded",
            Severity::Unavailable => "UNAVAILABLE",
        };
        let _ = writeln!(out, "  {mark}: {}", problem.text);
    }
    out.push_str(&split(status));
    out.push_str(&moves(status));
    out.push_str(&super::upkeep::line(status));
    let _ = write!(out, "\n{}", nodes(&status.nodes));
    if !status.shards.is_empty() {
        let _ = write!(out, "\n{}", shards(status));
    }
    let used: Vec<&KeyspaceStatus> = status.keyspaces.iter().filter(|k| k.keys > 0 || k.n == 0).collect();
    if !used.is_empty() {
        let _ = write!(out, "\n{}", keyspaces(&used));
    }
    out
}

fn headline(status: &Status, problems: &[Problem]) -> String {
    let health = match exit_code(problems) {
        0 => "healthy",
        1 => "degraded",
        _ => "unavailable",
    };
    let up = status.nodes.iter().filter(|node| node.state.is_up()).count();
    let id = if status.cluster_id.is_empty() { "(no id yet)" } else { &status.cluster_id };
    format!(
        "cluster {id}: {health}; {up} of {} nodes up, {} with {}\n",
        status.nodes.len(),
        counted(status.shards.len(), "shard"),
        counted(status.replicas_wanted as usize, "replica"),
    )
}

/// A line on a split that is under way; empty if there is none.
pub fn split(status: &Status) -> String {
    match status.shards_to_come {
        0 => String::new(),
        left => format!("  shards are being split: {left} new ones are to come\n"),
    }
}

/// Shards with their slots and replicas, as `everstore shards list` prints them.
pub fn shard_list(status: &Status) -> String {
    let mut table = Table::new(&[">SHARD", "SLOTS", ">BYTES", "LEADER", "FOLLOWERS"]);
    for shard in &status.shards {
        let ranges = shard.slot_ranges.iter().map(|(first, last)| format!("{first}-{last}"));
        table.row([
            shard.id.to_string(),
            ranges.collect::<Vec<_>>().join(", "),
            bytes(shard.bytes),
            shard.leader.map_or_else(|| "none".into(), |id| format!("node {id}")),
            followers(status, shard),
        ]);
    }
    table.render()
}

/// A line on shards that are on their way to other nodes; empty if there are none.
pub fn moves(status: &Status) -> String {
    if status.moves.is_empty() && status.planned_moves == 0 {
        return String::new();
    }
    let name = |group: u32| group.checked_sub(1).map_or("meta".to_owned(), |shard| shard.to_string());
    let shown: Vec<String> = status
        .moves
        .iter()
        .map(|of| {
            let list = |nodes: &[u64]| nodes.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
            match (of.from.is_empty(), of.to.is_empty()) {
                (true, _) => format!("{} to {}", name(of.group), list(&of.to)),
                (_, true) => format!("{} off {}", name(of.group), list(&of.from)),
                _ => format!("{} from {} to {}", name(of.group), list(&of.from), list(&of.to)),
            }
        })
        .collect();
    let shards = counted(status.moves.len(), "shard");
    let wait = match status.planned_moves {
        0 => String::new(),
        wait => format!(", {wait} to follow"),
    };
    let now = if shown.is_empty() { String::new() } else { format!(": {}", shown.join("; ")) };
    format!("  moving {shards}{wait}, about {} to copy{now}\n", bytes(status.bytes_to_move))
}

fn counted(n: usize, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}

/// Nodes as a table; also what `everstore node list` prints.
pub fn nodes(nodes: &[NodeStatus]) -> String {
    let mut table = Table::new(&[
        ">NODE",
        "REDIS",
        "PEER",
        "STATE",
        "VERSION",
        ">UP",
        ">LEADS",
        ">REPLICAS",
        ">BUSY",
        ">SYNC p50/p99",
        ">CLIENTS",
        ">MEMORY",
        ">LOG",
    ]);
    for node in nodes {
        let known = node.state.is_up();
        let if_known = |text: String| if known { text } else { "-".into() };
        table.row([
            node.id.to_string(),
            node.redis_address.clone(),
            node.peer_address.clone(),
            match node.state {
                NodeState::Up if node.draining => "up, draining".into(),
                NodeState::Up if node.witness => "up, witness".into(),
                NodeState::Up => "up".into(),
                NodeState::Unreachable { since_ms } => format!("unreachable {}", span(since_ms)),
                NodeState::NeverSeen => "never seen".into(),
            },
            node.version.clone(),
            if_known(span(node.uptime_ms)),
            node.leaders.to_string(),
            node.replicas.to_string(),
            if_known(format!("{} %", node.busy_percent)),
            if_known(latency(node)),
            if_known(node.clients.to_string()),
            if_known(bytes(node.rss_bytes)),
            if_known(bytes(node.log_bytes)),
        ]);
    }
    table.render()
}

fn latency(node: &NodeStatus) -> String {
    let ms = |us: u64| format!("{}.{:02}", us / 1000, us % 1000 / 10);
    if node.sync_p99_us == 0 {
        return "-".into();
    }
    format!("{}/{} ms", ms(node.sync_p50_us), ms(node.sync_p99_us))
}

fn shards(status: &Status) -> String {
    let mut table =
        Table::new(&[">SHARD", ">SLOTS", "LEADER", "FOLLOWERS", ">TERM", ">COMMIT", ">WORST LAG"]);
    let meta = status.meta.iter().map(|meta| ("meta".to_string(), meta));
    let shards = status.shards.iter().map(|shard| (shard.id.to_string(), shard));
    for (name, shard) in meta.chain(shards) {
        // Learners say how far behind they are themselves.
        let lag = shard.voters().map(|replica| replica.lag).max().unwrap_or(0);
        table.row([
            name.clone(),
            if name == "meta" { "-".into() } else { shard.slots.to_string() },
            shard.leader.map_or_else(|| "none".into(), |id| format!("node {id}")),
            followers(status, shard),
            shard.term.to_string(),
            shard.commit.to_string(),
            lag.to_string(),
        ]);
    }
    table.render()
}

/// `2, 3`; a replica on a node that is not heard from is marked.
fn followers(status: &Status, shard: &ShardStatus) -> String {
    let followers = shard.replicas.iter().filter(|replica| Some(replica.node) != shard.leader);
    let shown: Vec<String> = followers
        .map(|replica| {
            let mut text = replica.node.to_string();
            if replica.role == ReplicaRole::Learner {
                let _ = write!(text, " learner{}", behind(status, replica));
            }
            if !status.is_up(replica.node) {
                text.push_str(" (away)");
            }
            text
        })
        .collect();
    shown.join(", ")
}

/// ` in far, 12 entries and 3 s behind`
fn behind(status: &Status, replica: &ReplicaStatus) -> String {
    let zone = status.node(replica.node).map_or("", |node| node.zone.as_str());
    let place = if zone.is_empty() { String::new() } else { format!(" in {zone}") };
    match (replica.state.as_str(), replica.lag) {
        (COPYING, _) => format!("{place}, copying"),
        (_, 0) => place,
        (_, lag) => format!("{place}, {lag} entries and {} behind", span(replica.lag_ms)),
    }
}

/// Keyspaces as a table; also what `everstore keyspace list` prints.
pub fn keyspaces(keyspaces: &[&KeyspaceStatus]) -> String {
    let mut table =
        Table::new(&[">KEYSPACE", "LAYOUT", "MODE", "SHARD", ">KEYS", ">EXPIRING", "A REPLY MEANS"]);
    for keyspace in keyspaces {
        table.row([
            keyspace.n.to_string(),
            keyspace.layout.clone(),
            if keyspace.allow_async && keyspace.mode == "sync" {
                "sync, async allowed".into()
            } else {
                keyspace.mode.clone()
            },
            keyspace.shard.map_or_else(|| "all".into(), |shard| shard.to_string()),
            keyspace.keys.to_string(),
            keyspace.expires.to_string(),
            if keyspace.reply_means.is_empty() { "-".into() } else { keyspace.reply_means.clone() },
        ]);
    }
    table.render()
}

/// `[#####.....]`
pub fn bar(done: u64, all: u64) -> String {
    const WIDTH: u64 = 20;
    let full = (done * WIDTH).checked_div(all).unwrap_or(WIDTH) as usize;
    format!("[{}{}]", "#".repeat(full), ".".repeat(WIDTH as usize - full))
}

#[cfg(test)]
mod tests {
    use cluster::status::diagnose;

    use super::*;

    fn node(id: u64, state: NodeState) -> NodeStatus {
        NodeStatus {
            id,
            redis_address: format!("127.0.0.1:700{id}"),
            peer_address: format!("127.0.0.1:710{id}"),
            state,
            version: "0.1.0".into(),
            uptime_ms: 65_000,
            leaders: 1,
            replicas: 2,
            busy_percent: 37,
            sync_p50_us: 130,
            sync_p99_us: 1_240,
            clients: 12,
            rss_bytes: 31 << 20,
            log_bytes: 128 << 20,
            ..NodeStatus::default()
        }
    }

    fn shard(id: u16, leader: u64) -> ShardStatus {
        let replica = |node| ReplicaStatus { node, ..ReplicaStatus::default() };
        ShardStatus {
            id,
            slots: 8192,
            leader: Some(leader),
            term: 2,
            commit: 1234,
            replicas: [1, 2, 3].map(replica).to_vec(),
            ..ShardStatus::default()
        }
    }

    #[test]
    fn the_page_is_readable() {
        let away = NodeState::Unreachable { since_ms: 12_000 };
        let status = Status {
            cluster_id: "c0ffee".into(),
            replicas_wanted: 3,
            nodes: vec![node(1, NodeState::Up), node(2, NodeState::Up), node(3, away)],
            shards: vec![shard(0, 1), shard(1, 2)],
            keyspaces: vec![
                KeyspaceStatus {
                    n: 0,
                    layout: "spread".into(),
                    mode: "sync".into(),
                    reply_means: "on disk on a majority".into(),
                    keys: 10,
                    ..KeyspaceStatus::default()
                },
                KeyspaceStatus {
                    n: 1,
                    layout: "single".into(),
                    mode: "async".into(),
                    shard: Some(1),
                    keys: 2,
                    expires: 1,
                    ..KeyspaceStatus::default()
                },
                KeyspaceStatus {
                    n: 2,
                    layout: "single".into(),
                    mode: "sync".into(),
                    shard: Some(2),
                    ..KeyspaceStatus::default()
                },
            ],
            ..Status::default()
        };
        let expected = "\
cluster c0ffee: degraded; 2 of 3 nodes up, 2 shards with 3 replicas
  degraded: node 3 unreachable since 12 s; all shards still have 2 of 3 replicas

NODE  REDIS           PEER            STATE             VERSION    UP  LEADS  REPLICAS  BUSY  SYNC p50/p99  CLIENTS    MEMORY      LOG
   1  127.0.0.1:7001  127.0.0.1:7101  up                0.1.0    65 s      1         2  37 %  0.13/1.24 ms       12  31.0 MiB  128 MiB
   2  127.0.0.1:7002  127.0.0.1:7102  up                0.1.0    65 s      1         2  37 %  0.13/1.24 ms       12  31.0 MiB  128 MiB
   3  127.0.0.1:7003  127.0.0.1:7103  unreachable 12 s  0.1.0       -      1         2     -             -        -         -        -

SHARD  SLOTS  LEADER  FOLLOWERS    TERM  COMMIT  WORST LAG
    0   8192  node 1  2, 3 (away)     2    1234          0
    1   8192  node 2  1, 3 (away)     2    1234          0

KEYSPACE  LAYOUT  MODE   SHARD  KEYS  EXPIRING  A REPLY MEANS
       0  spread  sync   all      10         0  on disk on a majority
       1  single  async  1         2         1  -
";
        assert_eq!(page(&status, &diagnose(&status)), expected);
    }

    #[test]
    fn learners_say_where_they_are_and_how_far_behind() {
        let learner = |node, lag, state: &str| ReplicaStatus {
            node,
            role: ReplicaRole::Learner,
            lag,
            lag_ms: 2000,
            state: state.into(),
            ..ReplicaStatus::default()
        };
        let far = NodeStatus { zone: "far".into(), ..node(4, NodeState::Up) };
        let mut status = Status { nodes: vec![far, node(5, NodeState::NeverSeen)], ..Status::default() };
        let mut shard = ShardStatus { replicas: vec![learner(4, 0, "replicate")], ..ShardStatus::default() };
        assert_eq!(followers(&status, &shard), "4 learner in far");
        shard.replicas = vec![learner(4, 7, "replicate"), learner(5, 9, COPYING)];
        let shown = "4 learner in far, 7 entries and 2 s behind, 5 learner, copying (away)";
        assert_eq!(followers(&status, &shard), shown);
        status.shards = vec![shard];
        assert!(shards(&status).trim_end().ends_with(" 0"), "nobody waits for learners");
    }

    #[test]
    fn a_bar_is_as_full_as_what_is_done() {
        assert_eq!(bar(0, 4), "[....................]");
        assert_eq!(bar(1, 4), "[#####...............]");
        assert_eq!(bar(4, 4), "[####################]");
        assert_eq!(bar(0, 0), "[####################]");
    }
}
