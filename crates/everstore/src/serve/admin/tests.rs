use super::*;
use cluster::status::{
    Forming, KeyspaceStatus, NodeState, NodeStatus, Problem, ReplicaRole, ReplicaStatus, Severity,
    ShardStatus,
};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

fn shard(id: u16, leader: Option<u64>) -> ShardStatus {
    let replica = |node| ReplicaStatus {
        node,
        role: if Some(node) == leader { ReplicaRole::Leader } else { ReplicaRole::Follower },
        applied: 90 + node,
        lag: if node == 2 { 7 } else { 0 },
        ..ReplicaStatus::default()
    };
    let replicas = [1, 2].map(replica).to_vec();
    ShardStatus {
        id,
        group: u32::from(id) + 1,
        leader,
        term: 4,
        commit: 91,
        replicas,
        ..ShardStatus::default()
    }
}

fn status() -> Status {
    let own = NodeStatus {
        id: 1,
        state: NodeState::Up,
        version: "0.1.0 \"x\"".into(),
        uptime_ms: 61_005,
        busy_percent: 42,
        sync_p50_us: 740,
        sync_p99_us: 1_002_003,
        clients: 3,
        rss_bytes: 1 << 20,
        log_bytes: 64 << 20,
        ..NodeStatus::default()
    };
    let other = NodeStatus { id: 2, state: NodeState::Unreachable { since_ms: 5 }, ..NodeStatus::default() };
    Status {
        epoch: 5,
        answered_by: 1,
        nodes: vec![own, other],
        shards: vec![shard(0, Some(1)), shard(3, Some(2))],
        meta: Some(shard(0, Some(2))),
        keyspaces: vec![KeyspaceStatus { n: 0, keys: 12, expires: 2, ..KeyspaceStatus::default() }],
        problems: vec![Problem { severity: Severity::Degraded, text: "node 2".into() }],
        ..Status::default()
    }
}

fn counters() -> Counters {
    Counters {
        commands: 1_000_000,
        errors: 2,
        cpu_user_ms: 1_500,
        cpu_system_ms: 25,
        started_ms: 1_700_000_000_123,
        ..Counters::default()
    }
}

#[test]
fn the_page_says_what_is_known_in_base_units() {
    let page = metrics::render(&status(), &counters(), 4);
    for line in [
        "everstore_build_info{version=\"0.1.0 \\\"x\\\"\"} 1",
        "everstore_uptime_seconds 61.005",
        "everstore_turn_age_seconds 0.004",
        "everstore_shard_thread_busy_percent 42",
        "everstore_commands_total 1000000",
        "everstore_command_errors_total 2",
        "everstore_connected_clients 3",
        "everstore_log_sync_seconds{quantile=\"0.5\"} 0.000740",
        "everstore_log_sync_seconds{quantile=\"0.99\"} 1.002003",
        "everstore_log_bytes 67108864",
        "everstore_formed 1",
        "everstore_map_epoch 5",
        "everstore_peer_up{node=\"2\"} 0",
        "everstore_problems{severity=\"degraded\"} 1",
        "everstore_problems{severity=\"unavailable\"} 0",
        "everstore_shard_leader{shard=\"3\"} 2",
        "everstore_shard_is_leader{shard=\"0\"} 1",
        "everstore_shard_is_leader{shard=\"3\"} 0",
        "everstore_shard_applied_index{shard=\"3\"} 91",
        "everstore_shard_lag_entries{shard=\"0\",node=\"2\"} 7",
        "everstore_meta_leader 2",
        "everstore_keys{keyspace=\"0\"} 12",
        "everstore_expiring_keys{keyspace=\"0\"} 2",
        "process_cpu_seconds_total 1.525",
        "process_start_time_seconds 1700000000.123",
        "process_resident_memory_bytes 1048576",
    ] {
        assert!(page.lines().any(|l| l == line), "{line} is missing in\n{page}");
    }
    assert!(!page.contains("peer_up{node=\"1\"}"), "a node is not its own peer");
    assert!(!page.contains("lag_entries{shard=\"3\""), "only the leader knows");
}

/// The rules of the text format that a scraper checks.
#[test]
fn every_sample_stands_below_its_help_and_type_once() {
    let page = metrics::render(&status(), &counters(), 0);
    let (mut seen, mut samples, mut current) = (BTreeSet::new(), BTreeSet::new(), String::new());
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(seen.insert(name.to_owned()), "{name} twice");
            assert!(text.ends_with('.') || text.ends_with("1."), "{text}");
            let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {name} ")).unwrap().to_owned();
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
            current = name.to_owned();
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert_eq!(series.split('{').next().unwrap(), current);
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(samples.insert(series.to_owned()), "{series} twice");
    }
    assert!(page.ends_with('\n') && seen.len() > 20);
}

#[test]
fn ready_names_the_reason_in_plain_words() {
    let reason = |status: &Status| ready::check(Some(status)).unwrap_err();
    assert_eq!(ready::check(None).unwrap_err(), "starting: recovery is not complete");
    assert_eq!(ready::check(Some(&status())).unwrap(), "ready: 2 shards have a leader");
    let mut forming = Status { forming: Some(Forming { joined: 1, needed: 3 }), ..Status::default() };
    assert_eq!(reason(&forming), "forming: 1 of 3 nodes have joined");
    forming.forming = None;
    assert_eq!(reason(&forming), "starting: the shards are not known yet");
    let mut none = status();
    none.shards[1].leader = None;
    assert_eq!(reason(&none), "no leader is known of 1 of 2 shards: 3");
    none.shards = (0..20).map(|id| shard(id, None)).collect();
    assert_eq!(reason(&none), "no leader is known of 20 of 20 shards: 0, 1, 2, 3, 4, 5, 6, 7, …");
    none.meta = Some(shard(0, None));
    assert_eq!(reason(&none), "no leader is known of the meta group");
}

fn ask(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn the_port_answers_from_what_was_published() {
    let state = Arc::new(AdminState::new());
    let admin = Admin::start(&["127.0.0.1:0".parse().unwrap()], Arc::clone(&state)).unwrap();
    let address = admin.addresses()[0];
    // Far in the future, so that a slow machine cannot make it stale.
    state.turned(u64::MAX);
    assert!(ask(address, "/healthz").starts_with("HTTP/1.1 200 "));
    assert!(ask(address, "/metrics").starts_with("HTTP/1.1 503 "));
    let ready = ask(address, "/readyz");
    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.ends_with("recovery is not complete\n"), "{ready}");
    state.publish(status(), counters());
    assert!(ask(address, "/readyz").starts_with("HTTP/1.1 200 "));
    let page = ask(address, "/metrics");
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("version=0.0.4"), "{page}");
    assert!(page.contains("\neverstore_commands_total 1000000\n"));
    assert!(ask(address, "/nothing").starts_with("HTTP/1.1 404 "));
    state.turned(0);
    let (health, ready) = (ask(address, "/healthz"), ask(address, "/readyz"));
    assert!(health.starts_with("HTTP/1.1 503 ") && health.contains("has made no turn for"), "{health}");
    assert!(ready.starts_with("HTTP/1.1 503 "), "a stalled node is not ready");
    let taken = Admin::start(&[address], Arc::clone(&state)).unwrap_err();
    assert!(taken.to_string().starts_with(&format!("admin port {address}: ")), "{taken}");
    drop(admin);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_turn_is_healthy_up_to_its_bound() {
    assert!(health(MAX_TURN_AGE_MS).is_ok());
    assert!(health(MAX_TURN_AGE_MS + 1).is_err());
}
