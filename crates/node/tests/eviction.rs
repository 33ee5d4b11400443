//! Caches: what is given up when memory is short, by whom, and what stays.

mod world;

use model::GroupId;
use world::World;

const SHARD: GroupId = GroupId(1);
const KEYS: u64 = 200;

/// A cluster of one shard with a client of its leader, keyspace 3 being a cache, with as many keys as 0.
fn with_cache(policy: &str) -> (World, u64, u64) {
    let mut world = World::new(3, 1);
    world.run(1000);
    let leader = world.leader(SHARD);
    let client = world.connect(leader);
    assert_eq!(world.ask(leader, client, &format!("KEYSPACE SET 3 CACHE {policy}")), "+OK");
    for ks in [0, 3] {
        assert_eq!(world.ask(leader, client, &format!("SELECT {ks}")), "+OK");
        for n in 0..KEYS {
            assert_eq!(world.ask(leader, client, &format!("SET k{n} {}", value(n))), "+OK");
        }
    }
    (world, leader, client)
}

/// Large beside its place in the table, which does not shrink with every key.
fn value(n: u64) -> String {
    format!("v{n}").repeat(200)
}

fn keys(world: &mut World, node: u64, keyspace: u64) -> u64 {
    let client = world.connect(node);
    assert_eq!(world.ask(node, client, &format!("SELECT {keyspace}")), "+OK");
    world.ask(node, client, "DBSIZE")[1..].parse().unwrap()
}

/// Rows may take so much memory on each node: seven eighths of what it may take, since an eighth is spare or
/// for the log's tail.
fn limit(world: &mut World, bytes: u64) {
    let bytes = bytes.saturating_add(bytes / 7);
    world.cores.values_mut().for_each(|core| core.set_max_memory(bytes));
}

fn used(world: &World, node: u64) -> u64 {
    world.cores[&node].memory_used()
}

#[test]
fn a_cache_gives_up_keys_on_all_replicas_and_others_lose_none() {
    let (mut world, leader, _) = with_cache("allkeys-lru");
    limit(&mut world, u64::MAX);
    world.run(10);
    let before = used(&world, leader);
    limit(&mut world, before / 4 * 3);
    world.run(200);
    let left = keys(&mut world, leader, 3);
    assert!((KEYS / 4..KEYS).contains(&left), "{left}");
    assert!(used(&world, leader) <= before / 4 * 3);
    assert_eq!(keys(&mut world, leader, 0), KEYS);
    let hashes: Vec<_> = world.cores.values().map(|core| core.content_hash(SHARD)).collect();
    assert!(hashes[0].is_some() && hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
    // The next leader has what is left.
    world.frozen.insert(leader);
    world.run(3000);
    let next = world.leader(SHARD);
    assert!(next != leader && keys(&mut world, next, 3) <= left);
    assert_eq!(keys(&mut world, next, 0), KEYS);
}

#[test]
fn what_is_asked_for_stays() {
    let (mut world, leader, client) = with_cache("allkeys-lru");
    world.run(5000);
    for n in 0..20 {
        assert!(world.ask(leader, client, &format!("GET k{n}")).ends_with(&value(n)));
    }
    limit(&mut world, u64::MAX);
    world.run(10);
    let before = used(&world, leader);
    limit(&mut world, before / 3 * 2);
    world.run(200);
    let there: Vec<u64> =
        (0..KEYS).filter(|n| world.ask(leader, client, &format!("EXISTS k{n}")) == ":1").collect();
    assert!(there.len() < KEYS as usize && there[..20] == (0..20).collect::<Vec<_>>(), "{there:?}");
    let info = world.ask(leader, client, "INFO stats");
    assert!(info.contains(&format!("evicted_keys:{}", KEYS - there.len() as u64)), "{info}");
}

#[test]
fn who_reads_that_a_key_was_evicted_waits_for_the_commit() {
    let (mut world, leader, client) = with_cache("allkeys-random");
    world.frozen.extend((1..=3).filter(|node| *node != leader));
    limit(&mut world, 1);
    world.send(leader, client, "GET k1");
    world.run(30);
    let got = world.got(leader, client);
    assert!(got.is_empty() || got.contains(&value(1)), "absent is not committed: {got:?}");
    limit(&mut world, 0);
    world.frozen.clear();
    world.run(3000);
    let got = got + &world.got(leader, client);
    assert!(got == "$-1\r\n" || got.contains(&value(1)), "{got:?}");
}

#[test]
fn a_volatile_cache_keeps_what_does_not_expire_and_no_cache_gives_up_anything() {
    let (mut world, leader, client) = with_cache("volatile-ttl");
    for n in 0..50 {
        assert_eq!(world.ask(leader, client, &format!("EXPIRE k{n} {}", 1000 + n)), ":1");
    }
    limit(&mut world, 1);
    world.run(200);
    assert_eq!(keys(&mut world, leader, 3), KEYS - 50);
    limit(&mut world, 0);
    assert_eq!(world.ask(leader, client, "KEYSPACE SET 3 CACHE noeviction"), "+OK");
    assert_eq!(world.ask(leader, client, "EXPIRE k60 1000"), ":1");
    limit(&mut world, 1);
    world.run(200);
    assert_eq!(keys(&mut world, leader, 3), KEYS - 50);
}

#[test]
fn a_counter_of_accesses_is_shown_where_keys_are_evicted_by_it() {
    let (mut world, leader, client) = with_cache("allkeys-lfu");
    assert!(world.ask(leader, client, "OBJECT FREQ k1").starts_with(':'));
    assert!(
        world
            .ask(leader, client, "OBJECT IDLETIME k1")
            .starts_with("-ERR An LFU maxmemory policy is selected")
    );
    assert_eq!(world.ask(leader, client, "SELECT 0"), "+OK");
    assert!(world.ask(leader, client, "OBJECT FREQ k1").starts_with("-ERR An LFU maxmemory policy is not"));
    assert_eq!(world.ask(leader, client, "OBJECT IDLETIME k1"), ":0");
}
