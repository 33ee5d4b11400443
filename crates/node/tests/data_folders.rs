//! A further data folder that fails while its node runs takes the replicas in it along, and nothing else.

mod world;

use cluster::map::Seat;
use cluster::{Addresses, ClusterMap, Formation, Tenure};
use consensus::{Group, GroupConfig, Recovered};
use env::{Disk, MemDisk, Rng};
use everstore_node::core::{Forming, Identity};
use everstore_node::losses::account::State;
use everstore_node::replica::Replica;
use everstore_node::seats::Left;
use everstore_node::{Core, Settings};
use model::{GroupId, KeyHasher, NodeId, Now};
use shard::Machine;
use std::path::Path;
use std::sync::Arc;
use storage::log::{Log, LogOptions};
use world::World;

/// In the further folder of each node; the meta group and group 2 are in the home folder.
const LOST: GroupId = GroupId(1);
const KEPT: GroupId = GroupId(2);

fn key_of(group: GroupId) -> String {
    // Two shards: the lower half of the slots is the first one's.
    let lower = group == LOST;
    let key =
        (0..).map(|n| format!("k{n}")).find(|key| (model::slot::slot_of(key.as_bytes()) < 8192) == lower);
    key.unwrap()
}

/// Three nodes with two folders each, the leader of the group to be lost, and a connection to it.
fn with_client() -> (World, u64, u64) {
    let mut world = World::with_folders(3, 2, 2);
    world.run(1000);
    let leader = world.leader(LOST);
    let client = world.connect(leader);
    (world, leader, client)
}

fn fail(world: &mut World, node: u64) {
    let now = world.now;
    let core = world.cores.get_mut(&node).unwrap();
    core.set_now(now);
    core.folder_failed(1, "a sync failed");
}

#[test]
fn what_a_failed_folder_did_not_make_durable_is_never_answered_as_done() {
    let (mut world, leader, client) = with_client();
    let key = key_of(LOST);
    assert_eq!(world.ask(leader, client, &format!("SET {key} 1")), "+OK");
    // Nobody hears of the next write, and it is not durable here.
    let others: Vec<u64> = (1..=3).filter(|node| *node != leader).collect();
    world.late.extend(others.iter().map(|other| (leader, *other)));
    world.unsynced.insert(leader);
    world.send(leader, client, &format!("SET {key} 2"));
    world.step();
    fail(&mut world, leader);
    assert!(world.cores[&leader].inspect(LOST).is_none(), "it votes, acknowledges and leads no more");
    assert!(world.cores[&leader].inspect(KEPT).is_some());
    world.step();
    assert!(world.got(leader, client).starts_with("-UNKNOWN"), "here nobody will learn what becomes of it");
    (world.late, world.unsynced) = Default::default();
    world.run(1000);
    let next = world.leader(LOST);
    assert_ne!(next, leader);
    assert_eq!(world.ask(leader, client, &format!("SET {key} 3")), "+OK", "the node serves as before");
    assert_eq!(world.ask(leader, client, &format!("SET {} 1", key_of(KEPT))), "+OK");
}

#[test]
fn what_failed_is_made_anew_in_a_folder_that_works_as_another_replica() {
    let mut world = World::with_folders(3, 2, 2);
    world.run(1000);
    let victim = (1..=3).find(|node| *node != world.leader(LOST)).unwrap();
    let client = world.connect(victim);
    let key = key_of(LOST);
    assert_eq!(world.ask(victim, client, &format!("SET {key} 1")), "+OK");
    fail(&mut world, victim);
    world.run(20_000);
    let replica = world.cores[&victim].inspect(LOST).expect("another one has come");
    assert!(replica.generation > 0);
    let leader = world.leader(LOST);
    let members = world.cores[&leader].inspect(LOST).unwrap();
    assert!(members.applied.0 > 2, "the group has taken it in");
}

#[test]
fn where_nobody_leads_the_only_copy_is_waited_for() {
    let mut world = World::with_folders(3, 2, 2);
    world.run(1000);
    [1, 2].into_iter().for_each(|node| fail(&mut world, node));
    world.run(20_000);
    for node in [1, 2] {
        assert!(world.cores[&node].inspect(LOST).is_none(), "it may come back as it was");
        assert!(world.cores[&node].inspect(KEPT).is_some());
    }
}

#[test]
fn what_was_answered_early_and_failed_with_its_folder_is_not_left_open() {
    let (mut world, leader, client) = with_client();
    assert_eq!(world.ask(leader, client, "KEYSPACE SET 1 REPLICATION async"), "+OK");
    assert_eq!(world.ask(leader, client, "SELECT 1"), "+OK");
    let key = key_of(LOST);
    assert_eq!(world.ask(leader, client, &format!("SET {key} 1")), "+OK");
    world.run(100);
    let others = (1..=3).filter(|node| *node != leader);
    world.late.extend(others.map(|other| (leader, other)));
    world.send(leader, client, &format!("SET {key} 2"));
    world.run(1);
    assert_eq!(world.got(leader, client), "+OK\r\n", "answered at once");
    fail(&mut world, leader);
    let state =
        |world: &World| world.cores[&leader].losses().map(|account| account.state).collect::<Vec<_>>();
    assert_eq!(
        state(&world),
        [State::Undecided],
        "no replica may ever come here that applies what decides it"
    );
    // The others go on in a later term before they hear of the write.
    world.run(1500);
    world.late.clear();
    world.run(20_000);
    assert_eq!(state(&world), [State::Lost], "whoever leads has told");
    assert_eq!(world.cores[&leader].loss_count().effects, 1);
}

/// Runs until the map of a node wants a later replica of the lost group there than this one.
fn until_renewed(world: &mut World, node: u64, before: u64) -> u64 {
    for _ in 0..20_000 {
        world.run(1);
        let seat = world.cores[&node].map().set_of(LOST).seat(NodeId(node)).unwrap();
        if seat.generation > before {
            return seat.generation;
        }
    }
    panic!("no other replica is wanted");
}

#[test]
fn a_later_replica_that_is_lost_is_waited_for_until_the_group_goes_on_without_it_too() {
    // Folders 1 and 2 hold nothing but what is made in them: the first is the lost group's.
    let mut world = World::with_folders(3, 1, 3);
    world.run(1000);
    let leader = world.leader(LOST);
    let victim = (1..=3).find(|node| *node != leader).unwrap();
    let third = 6 - leader - victim;
    fail(&mut world, victim);
    world.run(20_000);
    let second = world.cores[&victim].inspect(LOST).expect("another one has come").generation;
    assert!(second > 0);
    let now = world.now;
    let core = world.cores.get_mut(&victim).unwrap();
    core.set_now(now);
    core.folder_failed(2, "a sync failed");
    assert!(core.inspect(LOST).is_none(), "it was in the folder that was empty");
    // The map wants a third one, and the group can not change its members: the others speak to the second one still.
    until_renewed(&mut world, victim, second);
    world.frozen.insert(third);
    world.run(5000);
    assert!(world.cores[&victim].inspect(LOST).is_none(), "its folder may come back, and the group need it");
    world.frozen.clear();
    world.run(20_000);
    assert!(world.cores[&victim].inspect(LOST).expect("the group has called it").generation > second);
}

const LOG_CLUSTER: [u8; 16] = [7; 16];

/// What the log of a further folder says after a crash, of the batches that a core has handed over.
fn replayed(core: &mut Core, log: usize) -> storage::log::Recovery {
    let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
    let (dir, options) = (Path::new("/log"), LogOptions { direct: false, ..LogOptions::new(LOG_CLUSTER) });
    let batches = std::mem::take(&mut core.outbox.log);
    let of_log = batches.into_iter().filter(|(of, ..)| *of == log).map(|(_, _, batch)| batch);
    let (mut opened, _) = Log::open(Arc::clone(&disk), dir, options, Rng::new(1)).unwrap();
    opened.append(&of_log.collect::<Vec<_>>()).unwrap();
    opened.close().unwrap();
    Log::read(&*disk, dir, LOG_CLUSTER, false).unwrap()
}

#[test]
fn what_a_start_forgets_of_a_folder_is_not_the_record_of_who_comes_in_it() {
    let (now, me) = (Now { mono_ns: 1_000_000_000, wall_ms: 1_700_000_000_000 }, NodeId(1));
    let members = [1, 2, 3].map(NodeId).to_vec();
    let formation = Formation { replicas: 3, shards: 1, members, ..Formation::default() };
    // The map wants a second replica of the group here, as the meta group's rows said at the start.
    let mut map = ClusterMap::new(&formation);
    for (name, content) in map.renew_rows(LOST, Seat { node: me, generation: 0 }) {
        map.apply_row(&name, Some(&content)).unwrap();
    }
    let wanted = map.set_of(LOST).seat(me).unwrap().generation;
    let address = || "n:1".to_owned();
    let addresses = Addresses { redis: address(), peer: address(), admin: address(), cluster: address() };
    let identity = Identity { node: me, incarnation: 1, cluster: "c".into(), addresses, witness: false };
    let mut core = Core::new(Settings::default(), identity, 7, Forming { joined: 3, needed: 3 }, now);
    let mut recovered = Recovered::default();
    recovered.conf_state.voters = vec![1, 2, 3];
    let raft = Group::new(GroupConfig::new(GroupId::META, me, 5), recovered, now).unwrap();
    let meta = Replica::new(GroupId::META, raft, Machine::new(KeyHasher::new(7), 1000, 5), 1, (0, 0));
    core.set_folders(&[(0, 9), (1, 9)]);
    // Power went off after the home log had said that the first one has left, and before the other log had.
    core.set_left([(LOST, Left { generation: 0, term: 3, vote: 2 })]);
    core.amend_logs(&[], &[(1, LOST)]);
    core.start(map, vec![meta]);
    core.turn(now);
    assert_eq!(core.inspect(LOST).expect("it has come").generation, wanted);
    let log = replayed(&mut core, 1);
    let install = log.groups[&LOST].install.as_ref().expect("its record is in the log");
    let tenure = Tenure::decode(&install.conf_state).unwrap();
    assert!(matches!(tenure, Some(Tenure::Holds { generation, .. }) if generation == wanted), "{tenure:?}");
}
