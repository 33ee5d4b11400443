//! Loss accounts: what a returning leader had answered and lost is kept, shown and replayed.

mod world;

use cluster::{ClusterMap, Formation};
use consensus::{Group, GroupConfig, Recovered};
use everstore_node::core::{Forming, Identity};
use everstore_node::losses::account::{Account, Before, LossId, LostEntry, State};
use everstore_node::losses::format;
use everstore_node::replica::Replica;
use everstore_node::{Core, Settings};
use model::effect::Effect;
use model::{GroupId, KeyHasher, Keyspace, NodeId, Now};
use shard::Machine;
use world::World;

const SHARD: GroupId = GroupId(1);

/// A cluster with one shard whose leader is cut off after `SET k 1`, in keyspace 1, which is asynchronous.
fn cut_off() -> (World, u64, u64) {
    let mut world = World::new(3, 1);
    world.run(1000);
    let leader = world.leader(SHARD);
    let client = world.connect(leader);
    assert_eq!(world.ask(leader, client, "KEYSPACE SET 1 REPLICATION async"), "+OK");
    assert_eq!(world.ask(leader, client, "SELECT 1"), "+OK");
    assert_eq!(world.ask(leader, client, "SET k 1"), "+OK");
    world.run(50);
    for other in (1..=3).filter(|n| *n != leader) {
        world.late.insert((leader, other));
    }
    (world, leader, client)
}

/// Writes that the old leader answers alone, and a new leader with its client in keyspace 1. The old one
/// hears it, and does the jobs of its disk unless it is idle.
fn with_losses(writes: &[&str], idle: bool) -> (World, u64, u64, u64) {
    let (mut world, old, client) = cut_off();
    world.idle.extend(idle.then_some(old));
    for write in writes {
        world.send(old, client, write);
    }
    world.run(10);
    let got = world.got(old, client);
    assert_eq!(got.matches("\r\n").count(), writes.len(), "answered at once: {got}");
    world.run(1500);
    let new = world.leader(SHARD);
    assert_ne!(new, old);
    let other = world.connect(new);
    world.ask(new, other, "SELECT 1");
    (world, old, new, other)
}

fn accounts(world: &World, node: u64) -> Vec<Account> {
    let of_node = world.losses.iter().filter(|((of, _), _)| *of == node);
    of_node.map(|(_, content)| format::decode(content).unwrap()).collect()
}

#[test]
fn what_was_answered_and_replaced_is_kept_with_its_values() {
    let (mut world, old, new, client) =
        with_losses(&["SET k 2", "SETRANGE k 1 xyz", "DEL k", "SET n 5"], false);
    assert_eq!(world.ask(new, client, "GET k"), "$1 1");
    world.late.clear();
    world.run(1000);
    assert_eq!(
        world.cores[&old].inspect(SHARD).unwrap().applied,
        world.cores[&new].inspect(SHARD).unwrap().applied
    );
    let kept = accounts(&world, old);
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].state, kept[0].effects(), kept[0].keys()), (State::Lost, 4, 2));
    assert_eq!(accounts(&world, new), []);
    assert_eq!(world.cores[&old].losses().cloned().collect::<Vec<_>>(), kept);
    assert_eq!((world.cores[&old].loss_count().accounts, world.cores[&old].loss_count().effects), (1, 4));
    let person = world.connect(old);
    let list = world.ask(old, person, "LOSSES LIST");
    for part in [&kept[0].id.to_string(), "state $4 lost", "effects :4", "keys :2"] {
        assert!(list.contains(part), "{part} in {list}");
    }
    let shown = world.ask(old, person, &format!("LOSSES SHOW {}", kept[0].id));
    assert!(shown.contains(r#""bytes":"xyz""#) && shown.contains(r#""effect":"delete""#), "{shown}");
}

#[test]
fn nothing_is_replaced_before_its_account_is_durable() {
    let (mut world, old, new, _) = with_losses(&["SET k 2"], true);
    let lost = world.cores[&old].inspect(SHARD).unwrap().last;
    let term = world.cores[&old].term_at(SHARD, lost);
    world.late.clear();
    world.run(1000);
    assert_eq!(world.cores[&old].term_at(SHARD, lost), term, "its log is what it was");
    assert!(
        world.cores[&old].inspect(SHARD).unwrap().term > term.unwrap(),
        "and it has heard the new leader"
    );
    assert_eq!(world.cores[&old].loss_count().accounts, 0, "suspected is not lost");
    world.idle.clear();
    world.run(1000);
    assert_ne!(world.cores[&old].term_at(SHARD, lost), term);
    assert_eq!(
        world.cores[&old].inspect(SHARD).unwrap().applied,
        world.cores[&new].inspect(SHARD).unwrap().applied
    );
    assert_eq!(accounts(&world, old)[0].state, State::Lost);
}

#[test]
fn a_full_disk_makes_the_old_leader_lag_and_loses_nothing() {
    let (mut world, old, client) = cut_off();
    world.full.insert(old, 0);
    world.send(old, client, "SET k 2");
    world.run(10);
    assert_eq!(world.got(old, client), "+OK\r\n");
    let lost = world.cores[&old].inspect(SHARD).unwrap().last;
    let term = world.cores[&old].term_at(SHARD, lost);
    world.run(1500);
    world.late.clear();
    world.run(4000);
    assert_eq!(world.cores[&old].term_at(SHARD, lost), term);
    let tries = world.full.remove(&old).unwrap();
    assert!((2..=7).contains(&tries), "{tries} tries in five seconds");
    world.run(2000);
    assert_ne!(world.cores[&old].term_at(SHARD, lost), term);
    assert_eq!(accounts(&world, old)[0].state, State::Lost);
}

#[test]
fn a_replay_of_many_keys_has_a_line_for_each() {
    let writes: Vec<String> = (0..200).map(|n| format!("SET k{n} {n}")).collect();
    let writes: Vec<&str> = writes.iter().map(String::as_str).collect();
    let (mut world, old, new, client) = with_losses(&writes, false);
    world.late.clear();
    world.run(1000);
    let id = accounts(&world, old)[0].id;
    let person = world.connect(old);
    let replayed = world.ask(old, person, &format!("LOSSES REPLAY {id}"));
    assert!(replayed.starts_with("*200 "), "{replayed}");
    assert_eq!(replayed.matches(r#""outcome":"written""#).count(), 200);
    assert_eq!(world.ask(new, client, "GET k199"), "$3 199");
}

/// A node that starts with these accounts, and with rows as of index 10, term 3.
fn started_with(accounts: Vec<Account>) -> Vec<Account> {
    let formation =
        Formation { replicas: 3, shards: 1, members: (1..=3).map(NodeId).collect(), ..Formation::default() };
    let now = Now { mono_ns: 1_000_000_000, wall_ms: 1_700_000_000_000 };
    let me = Identity { node: NodeId(1), incarnation: 1, ..Identity::default() };
    let mut core = Core::new(Settings::default(), me, 7, Forming { joined: 3, needed: 3 }, now);
    core.set_losses(accounts);
    let replicas = [GroupId::META, SHARD].map(|group| {
        let mut recovered = Recovered { compacted: (10, 3), applied: 10, ..Recovered::default() };
        recovered.conf_state.voters = vec![1, 2, 3];
        (recovered.hard_state.term, recovered.hard_state.commit) = (3, 10);
        let raft = Group::new(GroupConfig::new(group, NodeId(1), 1), recovered, now).unwrap();
        let mut machine = Machine::new(KeyHasher::new(7), 1 << 20, 1);
        machine.apply_empty(10, 3);
        Replica::new(group, raft, machine, u64::from(group.0) + 1, (10, 3))
    });
    core.start(ClusterMap::new(&formation), replicas.into());
    core.losses().cloned().collect()
}

#[test]
fn what_was_not_judged_before_a_crash_is_judged_by_terms_at_the_next_start() {
    let suspected = |term: u64, indexes: std::ops::RangeInclusive<u64>| {
        let mut effects = Vec::new();
        Effect::Put { ks: Keyspace(1), key: b"k", kind: 0, expire: 0, value: b"v" }.encode(&mut effects);
        let id = LossId { group: SHARD, term, index: *indexes.start() };
        let entry = |index| LostEntry { index, term, time_ms: 0, count: 1, effects: effects.clone() };
        let (node, state, rows) = (NodeId(1), State::Suspected, Vec::new());
        Account { id, node, at_ms: 0, state, not_kept: (0, 0), entries: indexes.map(entry).collect(), rows }
    };
    let judged = |account: &Account| {
        let now = started_with(vec![account.clone()]);
        now.first().map(|account| (account.state, account.entries.len(), account.rows.len()))
    };
    assert_eq!(judged(&suspected(4, 9..=12)), Some((State::Lost, 4, 1)), "what is committed there is older");
    assert_eq!(judged(&suspected(2, 9..=12)), Some((State::Undecided, 4, 1)), "it may be in the rows");
    assert_eq!(judged(&suspected(3, 8..=10)), None, "it is in the rows");
    assert_eq!(judged(&suspected(3, 9..=12)), Some((State::Suspected, 2, 0)), "a part of it is in the rows");
    assert_eq!(judged(&suspected(4, 11..=12)), Some((State::Suspected, 2, 0)), "nothing is known yet");
}

#[test]
fn who_was_there_tells_what_became_of_an_undecided_account() {
    let (mut world, old, new, client) = with_losses(&["SET k 2"], false);
    world.late.clear();
    world.run(1000);
    let lost = accounts(&world, old).remove(0);
    let (term, index) = (lost.id.term, lost.id.index);
    let committed = LostEntry { index: index - 1, ..lost.entries[0].clone() };
    assert_eq!(world.cores[&new].term_at(SHARD, index - 1), Some(term));
    let undecided = |name: u64, entries: Vec<LostEntry>| {
        let (id, entries) = (LossId { index: name, ..lost.id }, entries.into());
        Account { id, state: State::Undecided, entries, ..lost.clone() }
    };
    let both = vec![committed.clone(), lost.entries[0].clone()];
    let found =
        vec![undecided(1, vec![committed]), undecided(2, both), undecided(3, lost.entries.clone().into())];
    world.cores.get_mut(&old).unwrap().set_losses(found);
    world.run(3000);
    let told =
        |account: &Account| (account.id.index, account.state, account.entries.len(), account.rows[0].before);
    let told: Vec<_> = world.cores[&old].losses().filter(|a| a.id != lost.id).map(told).collect();
    let known = lost.rows[0].before;
    assert_eq!(told, [(2, State::Lost, 1, Before::Unknown), (3, State::Lost, 1, known)]);
    assert_eq!(world.ask(new, client, "GET k"), "$1 1");
}

#[test]
fn writes_that_waited_for_a_majority_are_not_lost_and_not_kept() {
    let (mut world, old, client) = cut_off();
    let sync = world.connect(old);
    world.send(old, sync, "SET s 1");
    world.send(old, client, "CLIENT REPLICATION sync");
    world.run(10);
    world.got(old, client);
    world.run(1500);
    world.late.clear();
    world.run(1000);
    assert_eq!(accounts(&world, old), []);
    assert_eq!(world.cores[&old].loss_count().accounts, 0);
}

#[test]
fn replay_writes_what_was_not_changed_since_and_names_the_rest() {
    let (mut world, old, new, client) = with_losses(&["SET k 2", "SET n 5", "SET m 6", "APPEND k 7"], false);
    assert_eq!(world.ask(new, client, "SET n 50"), "+OK");
    world.late.clear();
    world.run(1000);
    let id = accounts(&world, old)[0].id;
    let person = world.connect(old);
    let replayed = world.ask(old, person, &format!("LOSSES REPLAY {id}"));
    for line in [
        r#"{"key":"k","keyspace":1,"outcome":"written"}"#,
        r#"{"key":"m","keyspace":1,"outcome":"written"}"#,
        r#"{"key":"n","keyspace":1,"outcome":"changed"}"#,
    ] {
        assert!(replayed.contains(line), "{line} in {replayed}");
    }
    assert_eq!(world.ask(new, client, "MGET k n m"), "*3 $2 27 $2 50 $1 6");
    let again = world.ask(old, person, &format!("LOSSES REPLAY {id}"));
    assert!(again.contains(r#""keyspace":1,"outcome":"already""#), "{again}");
    let list = world.ask(old, person, "LOSSES LIST");
    assert!(list.contains("replayed-keys :2") && list.contains("changed-keys :1"), "{list}");
    let forced = world.ask(old, person, &format!("LOSSES REPLAY {id} FORCE"));
    assert!(forced.contains(r#"{"key":"n","keyspace":1,"outcome":"written"}"#), "{forced}");
    assert_eq!(world.ask(new, client, "GET n"), "$1 5");
    assert_eq!(world.ask(old, person, &format!("LOSSES ACKNOWLEDGE {id}")), "+OK");
    assert_eq!(world.ask(old, person, "LOSSES LIST"), "*0");
    assert_eq!(accounts(&world, old), []);
}

#[test]
fn while_the_old_leader_is_away_the_bound_of_the_loss_is_known_everywhere() {
    let (mut world, old, client) = cut_off();
    world.send(old, client, "SET k 2");
    world.run(10);
    assert_eq!(world.got(old, client), "+OK\r\n");
    world.frozen.insert(old);
    world.run(4000);
    let new = world.leader(SHARD);
    for node in (1..=3).filter(|node| *node != old) {
        let possible = world.cores[&node].possible_losses();
        assert_eq!(possible.len(), 1, "node {node}");
        assert_eq!((possible[0].node.0, possible[0].bound), (old, (4 << 20, 1000)));
    }
    let person = world.connect(new);
    let list = world.ask(new, person, "LOSSES LIST");
    assert!(list.contains("state $8 possible") && list.contains("bound-bytes :4194304"), "{list}");
    let status = world.ask(new, person, "EVERSTORE STATUS TEXT");
    assert!(status.contains("up to 4194304 bytes of asynchronous writes"), "{status}");
    let id = world.cores[&new].possible_losses()[0].id;
    world.frozen.clear();
    world.late.clear();
    world.run(4000);
    assert_eq!(world.cores[&new].possible_losses(), [], "it is back");
    let kept = accounts(&world, old);
    assert_eq!(
        (kept.len(), kept[0].id, kept[0].state),
        (1, id, State::Lost),
        "and has accounted under this name"
    );
}

#[test]
fn the_bound_is_known_also_if_the_next_leader_does_not_lead_for_long() {
    let (mut world, old, client) = cut_off();
    world.send(old, client, "SET k 2");
    world.run(10);
    assert_eq!(world.got(old, client), "+OK\r\n");
    world.frozen.insert(old);
    world.run(600);
    let next = world.leader(SHARD);
    let person = world.connect(next);
    assert_eq!(world.ask(next, person, "EVERSTORE SWITCHOVER SHARD 0"), "+OK");
    world.run(4000);
    let new = world.leader(SHARD);
    assert!(new != old && new != next);
    for node in [next, new] {
        let possible: Vec<_> = world.cores[&node].possible_losses().iter().map(|row| row.node.0).collect();
        assert_eq!(possible, [old], "node {node}");
    }
    let id = world.cores[&new].possible_losses()[0].id;
    world.frozen.clear();
    world.late.clear();
    world.run(4000);
    assert_eq!(world.cores[&new].possible_losses(), [], "it is back");
    assert_eq!(accounts(&world, old).iter().map(|account| account.id).collect::<Vec<_>>(), [id]);
}

#[test]
fn a_bound_goes_when_it_is_acknowledged_and_never_comes_where_nothing_was_asynchronous() {
    let (mut world, old, _) = cut_off();
    world.frozen.insert(old);
    world.run(4000);
    let new = world.leader(SHARD);
    let id = world.cores[&new].possible_losses()[0].id;
    let person = world.connect(new);
    assert_eq!(world.ask(new, person, &format!("LOSSES ACKNOWLEDGE {id}")), "+OK");
    world.run(3000);
    assert_eq!(world.ask(new, person, "LOSSES LIST"), "*0");

    let mut world = World::new(3, 1);
    world.run(1000);
    let old = world.leader(SHARD);
    world.frozen.insert(old);
    world.run(4000);
    let new = world.leader(SHARD);
    assert_eq!(world.cores[&new].possible_losses(), []);
}

#[test]
fn a_switchover_leaves_no_bound() {
    let (mut world, old, client) = cut_off();
    world.late.clear();
    world.run(500);
    assert_eq!(world.ask(old, client, "EVERSTORE SWITCHOVER SHARD 0"), "+OK");
    world.run(4000);
    let new = world.leader(SHARD);
    assert_ne!(new, old);
    assert_eq!(world.cores[&new].possible_losses(), []);
    assert_eq!(accounts(&world, old), []);
}

#[test]
fn what_is_asked_wrongly_is_told_so() {
    let mut world = World::new(3, 1);
    world.run(1000);
    let person = world.connect(1);
    let ask = |world: &mut World, command: &str| world.ask(1, person, command);
    assert_eq!(ask(&mut world, "LOSSES LIST"), "*0");
    assert_eq!(
        ask(&mut world, "LOSSES SHOW x"),
        "-ERR 'x' names no loss; allowed: SHARD-TERM-INDEX, as LOSSES LIST shows it"
    );
    assert_eq!(ask(&mut world, "LOSSES ACKNOWLEDGE 0-1-2"), "-ERR node 1 has no loss 0-1-2; see LOSSES LIST");
    assert!(ask(&mut world, "LOSSES REPLAY 0-1-2 NOW").starts_with("-ERR syntax error"));
    assert!(ask(&mut world, "LOSSES SHOW").contains("wrong number of arguments"));
    assert!(ask(&mut world, "LOSSES HELP").contains("ACKNOWLEDGE <id>"));
}
