//! `CLUSTER` in the shapes of Redis 7.0.15: those of two nodes with slots are as a Redis Cluster of two
//! nodes answered them, ids aside.

use super::*;
use crate::topology::{Link, Node};

fn id(node: usize) -> String {
    format!("{node:040x}")
}

fn node(n: usize) -> Node {
    Node {
        id: id(n),
        shard: id(n + 16),
        host: "127.0.0.1".into(),
        port: 7990 + n as u16,
        peer_port: 17990 + n as u16,
        is_me: n == 1,
        is_up: true,
        heard_ms: if n == 1 { 0 } else { 1_795_661_836_657 },
        epoch: n as u64 - 1,
        offset: 0,
    }
}

/// Node 1 serves three ranges, node 2 one, node 3 nothing; nobody serves slot 6.
fn topology() -> Topology {
    let mut topology = Topology { nodes: vec![node(1), node(2), node(3)], ..Topology::default() };
    topology.serve(0, 5, 0, vec![1, 2]);
    topology.serve(7, 9, 0, vec![1]);
    topology.serve(10, 15_999, 1, vec![0]);
    topology.serve(16_000, 16_383, 0, vec![1]);
    topology.slots_ok = 16_383;
    topology.links = vec![Link { node: id(2), since_ms: 1_795_661_832_481, unsent: 7 }];
    topology
}

fn client(proto: u8) -> Client {
    let mut client = Client::default();
    client.session.cluster = true;
    client.host.topology = topology();
    client.say(&format!("HELLO {proto}"));
    client
}

/// The reply with line breaks as spaces.
fn say(proto: u8, words: &str) -> String {
    client(proto).say(words).replace("\r\n", " ")
}

fn bulk(text: &str) -> String {
    format!("${} {text} ", text.len())
}

#[test]
fn slots_name_the_leader_and_followers_that_lead_nothing() {
    for (proto, empty) in [(2, "*0 "), (3, "%0 ")] {
        let at = |n: usize| format!("*4 $9 127.0.0.1 :{} {}{empty}", 7990 + n, bulk(&id(n)));
        let expected = [
            format!("*4 *4 :0 :5 {}{}", at(1), at(3)),
            format!("*3 :7 :9 {}", at(1)),
            format!("*3 :10 :15999 {}", at(2)),
            format!("*3 :16000 :16383 {}", at(1)),
        ];
        assert_eq!(say(proto, "CLUSTER SLOTS"), expected.concat());
    }
}

#[test]
fn shards_name_all_followers() {
    for (proto, two, seven) in [(2, "*4", "*14"), (3, "%2", "%7")] {
        let at = |n: usize, role: &str, health: &str| {
            format!(
                "{seven} $2 id {}$4 port :{} $2 ip $9 127.0.0.1 $8 endpoint $9 127.0.0.1 $4 role {}$18 \
                 replication-offset :0 $6 health {}",
                bulk(&id(n)),
                7990 + n,
                bulk(role),
                bulk(health)
            )
        };
        let expected = [
            format!("*2 {two} $5 slots *6 :0 :5 :7 :9 :16000 :16383 $5 nodes *3 "),
            at(1, "master", "online") + &at(2, "replica", "online") + &at(3, "replica", "online"),
            format!("{two} $5 slots *2 :10 :15999 $5 nodes *2 "),
            at(2, "master", "online") + &at(1, "replica", "online"),
        ];
        assert_eq!(say(proto, "CLUSTER SHARDS"), expected.concat());
    }
    let mut client = client(3);
    client.host.topology.nodes[2].is_up = false;
    let reply = client.say("CLUSTER SHARDS");
    assert!(reply.starts_with("*3\r\n"), "a node that is down is nobody's replica: {reply}");
    assert_eq!((reply.matches("failed").count(), reply.matches("online").count()), (2, 4));
}

#[test]
fn nodes_have_one_line_each() {
    let mut client = client(2);
    let lines = [
        format!("{} 127.0.0.1:7991@17991 myself,master - 0 0 0 connected 0-5 7-9 16000-16383\n", id(1)),
        format!("{} 127.0.0.1:7992@17992 master - 0 1795661836657 1 connected 10-15999\n", id(2)),
        format!("{} 127.0.0.1:7993@17993 slave {} 0 1795661836657 2 connected\n", id(3), id(1)),
    ];
    assert_eq!(
        client.say("CLUSTER NODES").replacen("\r\n", " ", 1),
        bulk(&lines.concat()).trim_end().to_owned() + "\n\r\n"
    );
    client.host.topology.nodes[2].is_up = false;
    let down = format!("{} 127.0.0.1:7993@17993 master,fail - 0 1795661836657 2 disconnected\n", id(3));
    assert!(client.say("CLUSTER NODES").contains(&down));
    assert!(say(3, "CLUSTER NODES").contains(" txt:00"), "verbatim in RESP3");
}

#[test]
fn replicas_are_told_of_every_master() {
    let of = |n: usize, master: usize| {
        format!("{} slave {}", format_args!("127.0.0.1:{}@{}", 7990 + n, 17990 + n), id(master))
    };
    let reply = say(2, &format!("CLUSTER REPLICAS {}", id(1)));
    assert!(reply.starts_with("*2 ") && reply.contains(&of(2, 1)) && reply.contains(&of(3, 1)), "{reply}");
    assert!(!reply.contains("10-15999"), "{reply}");
    let reply = say(3, &format!("CLUSTER SLAVES {}", id(2)));
    assert!(reply.starts_with("*1 ") && reply.contains("myself,slave"), "{reply}");
    assert_eq!(say(2, &format!("CLUSTER REPLICAS {}", id(3))), "-ERR The specified node is not a master ");
    assert_eq!(say(2, "CLUSTER REPLICAS abc"), "-ERR Unknown node abc ");
    assert_eq!(say(2, "CLUSTER COUNT-FAILURE-REPORTS abc"), "-ERR Unknown node abc ");
    assert_eq!(say(2, &format!("CLUSTER COUNT-FAILURE-REPORTS {}", id(2))), ":0 ");
}

#[test]
fn links_go_both_ways() {
    for (proto, six) in [(2, "*12"), (3, "%6")] {
        let link = |direction: &str, events: &str, unsent: u32| {
            format!(
                "{six} $9 direction {}$4 node {}$11 create-time :1795661832481 $6 events {}$21 \
                 send-buffer-allocated :{unsent} $16 send-buffer-used :{unsent} ",
                bulk(direction),
                bulk(&id(2)),
                bulk(events)
            )
        };
        let expected = format!("*2 {}{}", link("to", "rw", 7), link("from", "r", 0));
        assert_eq!(say(proto, "CLUSTER LINKS"), expected);
    }
}

#[test]
fn info_says_fail_as_long_as_a_slot_has_no_leader() {
    let text = client(2).say("CLUSTER INFO");
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "cluster_state:fail",
            "cluster_slots_assigned:16383",
            "cluster_slots_ok:16383",
            "cluster_slots_pfail:0",
            "cluster_slots_fail:0",
            "cluster_known_nodes:3",
            "cluster_size:2",
            "cluster_current_epoch:2",
            "cluster_my_epoch:0",
            "total_cluster_links_buffer_limit_exceeded:0",
            "",
        ]
    );
    let mut client = client(3);
    client.host.topology.slots_ok = 16_384;
    assert!(client.say("CLUSTER INFO").contains("txt:cluster_state:ok\r\n"));
}

#[test]
fn what_needs_no_cluster_is_answered_at_once() {
    assert_eq!(say(2, "CLUSTER MYID"), bulk(&id(1)));
    assert_eq!(say(2, "CLUSTER MYSHARDID"), bulk(&id(17)));
    assert_eq!(say(2, "CLUSTER KEYSLOT foo"), ":12182 ");
    assert_eq!(say(2, "CLUSTER COUNTKEYSINSLOT 99999"), "-ERR Invalid slot ");
    assert_eq!(say(2, "CLUSTER COUNTKEYSINSLOT x"), "-ERR value is not an integer or out of range ");
    assert_eq!(say(2, "CLUSTER GETKEYSINSLOT 1 -1"), "-ERR Invalid slot or number of keys ");
    assert_eq!(say(2, "CLUSTER GETKEYSINSLOT 1 x"), "-ERR value is not an integer or out of range ");
    assert_eq!(say(2, "CLUSTER MEET 1 2"), "-ERR unknown subcommand 'MEET'. Try CLUSTER HELP. ");
    let outcome = |words: [&[u8]; 4]| client(2).call(&words[..if words[3].is_empty() { 3 } else { 4 }]);
    let count = Outcome::Slot { slot: 16_383, keys: None };
    assert_eq!(outcome([b"CLUSTER", b"COUNTKEYSINSLOT", b"16383", b""]), (vec![], count));
    let keys = Outcome::Slot { slot: 0, keys: Some(5) };
    assert_eq!(outcome([b"CLUSTER", b"GETKEYSINSLOT", b"0", b"5"]), (vec![], keys));
}

#[test]
fn the_plain_port_is_no_cluster_and_the_cluster_port_has_one_database() {
    const DISABLED: &str = "-ERR This instance has cluster support disabled\r\n";
    let mut plain = Client::default();
    for words in ["CLUSTER SLOTS", "CLUSTER HELP", "CLUSTER KEYSLOT foo", "ASKING"] {
        assert_eq!(plain.say(words), DISABLED, "{words}");
    }
    assert!(plain.say("HELLO 2").contains("standalone") && plain.say("INFO").contains("about:Server\r"));
    assert_eq!(plain.say("SELECT 1"), "+OK\r\n");
    let mut client = client(2);
    assert!(
        client.say("HELLO 2").contains("$7\r\ncluster\r\n")
            && client.say("INFO").contains("about:Server cluster")
    );
    assert_eq!(client.say("ASKING"), "+OK\r\n");
    assert_eq!(client.say("READONLY"), "+OK\r\n");
    assert!(client.session.flags.readonly);
    assert_eq!(client.say("READWRITE"), "+OK\r\n");
    assert!(!client.session.flags.readonly);
    assert_eq!(client.say("SELECT 0"), "+OK\r\n");
    assert_eq!(client.say("SELECT 1"), "-ERR SELECT is not allowed in cluster mode\r\n");
    assert_eq!(client.say("SELECT x"), "-ERR value is not an integer or out of range\r\n");
    assert_eq!(client.say("SWAPDB 0 1"), "-ERR SWAPDB is not allowed in cluster mode\r\n");
    assert!(client.say("CLUSTER HELP").contains("+CLUSTER <subcommand>"));
}
