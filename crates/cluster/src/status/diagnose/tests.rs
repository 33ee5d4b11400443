use super::super::{
    ComparedStatus, Forming, KeyspaceStatus, NodeStatus, PossibleLoss, ReplicaRole, ReplicaStatus, SCHEMA,
};
use super::*;

/// A healthy cluster of three nodes; node `1 + id % 3` leads shard `id`.
pub(super) fn healthy(shards: u16) -> Status {
    let group = |id: u16, group: u32| {
        let leader = 1 + u64::from(id) % 3;
        let replica = |node| ReplicaStatus {
            node,
            role: if node == leader { ReplicaRole::Leader } else { ReplicaRole::Follower },
            matched: 10,
            applied: 10,
            lag: 0,
            lag_ms: 0,
            state: "replicate".into(),
        };
        ShardStatus {
            id,
            group,
            slots: 16384 / u32::from(shards),
            slot_ranges: Vec::new(),
            leader: Some(leader),
            term: 2,
            commit: 10,
            replicas: (1..=3).map(replica).collect(),
            bytes: 1 << 30,
            load: 1000,
            on_witness: false,
            compared: None,
            possible_losses: Vec::new(),
        }
    };
    Status {
        schema: SCHEMA,
        cluster_id: "c0ffee".into(),
        epoch: 1,
        answered_by: 1,
        replicas_wanted: 3,
        nodes: (1..=3).map(|id| NodeStatus { id, state: NodeState::Up, ..NodeStatus::default() }).collect(),
        shards: (0..shards).map(|id| group(id, u32::from(id) + 1)).collect(),
        meta: Some(group(0, 0)),
        keyspaces: vec![KeyspaceStatus { layout: "spread".into(), ..KeyspaceStatus::default() }],
        ..Status::default()
    }
}

/// The node falls silent; its leaders move to node 1 if `moved`.
fn silence(status: &mut Status, id: u64, moved: bool) {
    status.nodes[id as usize - 1].state = NodeState::Unreachable { since_ms: 12_345 };
    for shard in status.shards.iter_mut().chain(&mut status.meta) {
        if moved && shard.leader == Some(id) {
            shard.leader = Some(1);
        }
    }
}

fn texts(status: &Status) -> Vec<String> {
    diagnose(status).into_iter().map(|problem| problem.text).collect()
}

#[test]
fn a_healthy_cluster_has_no_problems() {
    let status = healthy(16);
    assert_eq!(diagnose(&status), vec![]);
    assert_eq!(exit_code(&diagnose(&status)), 0);
}

#[test]
fn one_silent_node_degrades() {
    let mut status = healthy(16);
    silence(&mut status, 3, true);
    assert_eq!(texts(&status), ["node 3 unreachable since 12 s; all shards still have 2 of 3 replicas"]);
    assert_eq!(exit_code(&diagnose(&status)), 1);
}

#[test]
fn shards_led_by_a_silent_node_have_no_leader() {
    let mut status = healthy(16);
    silence(&mut status, 2, false);
    assert_eq!(texts(&status)[0], "shards 1, 4, 7, 10 and 13 have no leader");
    assert_eq!(exit_code(&diagnose(&status)), 2);
    let mut status = healthy(5);
    status.shards[4].leader = None;
    assert_eq!(texts(&status), ["shard 4 has no leader"]);
}

#[test]
fn two_silent_nodes_stop_the_writes() {
    let mut status = healthy(5);
    silence(&mut status, 2, true);
    silence(&mut status, 3, true);
    assert_eq!(
        texts(&status),
        [
            "meta group and shards 0, 1, 2, 3 and 4: 1 of 3 replicas reachable, 2 needed; writes wait",
            "node 2 unreachable since 12 s; all shards have only 1 of 3 replicas",
            "node 3 unreachable since 12 s; all shards have only 1 of 3 replicas",
        ]
    );
    assert_eq!(exit_code(&diagnose(&status)), 2);
    let mut many = healthy(16);
    silence(&mut many, 2, true);
    silence(&mut many, 3, true);
    assert!(texts(&many)[0].starts_with("meta group and 16 shards: 1 of 3"));
}

#[test]
fn a_single_shard_without_majority_is_named() {
    let mut status = healthy(5);
    status.nodes.push(NodeStatus { id: 4, state: NodeState::NeverSeen, ..NodeStatus::default() });
    status.nodes.push(NodeStatus { id: 5, state: NodeState::NeverSeen, ..NodeStatus::default() });
    status.shards[4].replicas[1].node = 4;
    status.shards[4].replicas[2].node = 5;
    let texts = texts(&status);
    assert_eq!(texts[0], "shard 4: 1 of 3 replicas reachable, 2 needed; writes wait");
    assert_eq!(texts[1], "node 4 not seen since this node's start; shard 4 has only 1 of 3 replicas");
}

#[test]
fn forming_hides_everything_else() {
    let mut status = healthy(16);
    status.forming = Some(Forming { joined: 1, needed: 3 });
    silence(&mut status, 2, false);
    assert_eq!(texts(&status), ["forming: 1 of 3 nodes"]);
    assert_eq!(exit_code(&diagnose(&status)), 2);
}

#[test]
fn without_replication_it_says_so_and_is_healthy() {
    let mut status = healthy(1);
    status.replicas_wanted = 1;
    status.nodes.truncate(1);
    for shard in status.shards.iter_mut().chain(&mut status.meta) {
        shard.leader = Some(1);
        shard.replicas.truncate(1);
    }
    assert_eq!(texts(&status), ["replicas = 1: nothing is replicated"]);
    assert_eq!(exit_code(&diagnose(&status)), 0);
}

#[test]
fn lag_and_slow_disks_are_told() {
    let mut status = healthy(2);
    status.shards[1].replicas[2].lag = LAG_WORTH_A_WORD;
    status.shards[1].replicas[2].state = "snapshot".into();
    status.nodes[0].sync_p99_us = SLOW_SYNC_US + 1;
    assert_eq!(
        texts(&status),
        [
            "shard 1: node 3 is 100000 entries behind and receives a snapshot",
            "node 1: slow disk, a log sync takes 200 ms at the 99th percentile",
        ]
    );
}

#[test]
fn whoever_leads_nothing_for_its_disk_and_why_one_stopped_is_told() {
    let mut status = healthy(2);
    status.nodes[0].disk = Fitness::Slow;
    status.nodes[0].sync_p99_us = SLOW_SYNC_US + 1;
    status.nodes[1].disk = Fitness::Full;
    silence(&mut status, 3, true);
    status.nodes[2].last_words = "the log has failed: input/output error".into();
    assert_eq!(
        texts(&status),
        [
            "node 3 unreachable since 12 s, it stopped: the log has failed: input/output error; all shards \
             still have 2 of 3 replicas",
            "node 1: its disk is far slower than the others'; it leads nothing until it was quick for 30 s",
            "node 2: its disk is full; it leads nothing and takes no writes until there is room",
        ]
    );
}

#[test]
fn json_of_another_version_is_read() {
    let newer = r#"{"schema":1,"new_field":true,"nodes":[{"id":1,"state":{"state":"up"}},
        {"id":2,"state":{"state":"unreachable","since_ms":5}}]}"#;
    let status: Status = serde_json::from_str(newer).expect("readable");
    assert!(status.is_up(1) && !status.is_up(2) && !status.is_up(3));
    let text = serde_json::to_string(&healthy(3)).expect("json");
    assert_eq!(serde_json::from_str::<Status>(&text).expect("round trip"), healthy(3));
}

#[test]
fn spans_are_short() {
    let shown: Vec<String> = [900, 12_000, 300_000, 10_800_000, 432_000_000].map(span).into();
    assert_eq!(shown, ["900 ms", "12 s", "5 min", "3 h", "5 days"]);
}

#[test]
fn a_replica_without_rows_is_named_and_so_is_what_it_waits_for() {
    let mut status = healthy(5);
    for shard in [3, 4] {
        status.shards[shard].replicas[1].state = REBUILDING.into();
    }
    assert_eq!(texts(&status), ["node 2 rebuilds shards 3 and 4 from a healthy replica"]);
    assert_eq!(exit_code(&diagnose(&status)), 1);
    status.shards[3].replicas.iter_mut().for_each(|replica| replica.state = REBUILDING.into());
    silence(&mut status, 3, true);
    let texts = texts(&status);
    assert_eq!(texts[0], "node 1 waits for a healthy replica to rebuild shard 3; none is reachable");
    assert_eq!(texts[1], "node 2 waits for a healthy replica to rebuild shard 3; none is reachable");
    assert!(texts.contains(&"node 2 rebuilds shard 4 from a healthy replica".to_owned()));
}

#[test]
fn losses_are_named_and_make_nothing_degraded() {
    let mut status = healthy(2);
    (status.nodes[1].losses, status.nodes[1].lost_effects) = (1, 41);
    (status.nodes[2].losses, status.nodes[2].lost_effects) = (2, 7);
    let loss = PossibleLoss { id: "1-2-300".into(), node: 3, bytes: 4096, ms: 1000 };
    status.shards[1].possible_losses.push(loss);
    assert_eq!(
        texts(&status),
        [
            "node 2 keeps the account of 41 asynchronous writes that a failover lost: see everstore losses list",
            "node 3 keeps 2 accounts of 7 asynchronous writes that a failover lost: see everstore losses list",
            "shard 1: up to 4096 bytes of asynchronous writes, of at most 1 s, may be lost until node 3 is back: \
             loss 1-2-300",
        ]
    );
    assert_eq!(exit_code(&diagnose(&status)), 0);
}

#[test]
fn a_split_is_offered_where_a_shard_is_too_large_and_can_be_split() {
    let mut status = healthy(4);
    let offer = |status: &Status| offer_split(status).map(|offer| offer.text);
    assert_eq!(offer(&status), None, "no bound, no offer");
    status.shard_target_bytes = 1 << 30;
    assert_eq!(offer(&status), None, "just as large as it may be");
    status.shards[2].bytes = 3 << 29;
    let one = "shard 2 is larger than 'shard-target-size' (1.0 GiB), up to about 1.5 GiB: everstore shards split makes \
               two of each shard";
    assert_eq!(offer(&status).as_deref(), Some(one));
    let problems = diagnose(&status);
    assert_eq!((problems[0].text.as_str(), exit_code(&problems)), (one, 0), "only a word");
    status.shards[0].bytes = 2 << 30;
    assert!(offer(&status).is_some_and(|text| text.starts_with("shards 0 and 2 are larger")));
    status.shards_to_come = 1;
    assert_eq!(offer(&status), None, "one is under way");
    let mut most = healthy(513);
    most.shard_target_bytes = 1;
    assert_eq!(offer(&most), None, "there can be no more");
}

#[test]
fn bytes_are_short() {
    let shown = [0, 1023, 1024, 1 << 20, 123 << 20, 1_234 << 20].map(bytes);
    assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "123 MiB", "1.2 GiB"]);
}

#[test]
fn replicas_that_differ_are_named_until_they_are_equal() {
    let mut status = healthy(2);
    status.nodes[0].compare_differences = 2;
    let equal = ComparedStatus { ms: 5, ..ComparedStatus::default() };
    status.shards[0].compared = Some(equal.clone());
    assert_eq!(
        texts(&status),
        ["replicas of a shard differed 2 times; all are equal now: look at the logs of the nodes"]
    );
    assert_eq!(exit_code(&diagnose(&status)), 0);
    status.shards[0].compared = Some(ComparedStatus { differ: vec![3], ..equal.clone() });
    status.shards[1].compared = Some(ComparedStatus { differ: vec![1, 2], undecided: true, ..equal });
    assert_eq!(
        texts(&status),
        [
            "shard 0: the rows of node 3 differ from those of the majority and are replaced by them",
            "shard 1: the rows of nodes 1, 2 differ and no majority has the same; nothing was changed, see docs/guide/sick-disks.md",
        ]
    );
    assert_eq!(exit_code(&diagnose(&status)), 1);
}
