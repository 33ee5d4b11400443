use super::*;
use crate::seats::conf_state;
use cluster::Members;
use consensus::{Group, GroupConfig, Recovered};
use model::effect::Effect;
use model::entry::EntryBuilder;
use model::limits::SLOTS;
use model::{KeyHasher, NodeId, Now, ShardId};
use router::{Flags, Request};
use shard::Machine;

/// The cluster began with one shard.
const SHARDS: u16 = 1;
const HALF: Slot = SLOTS / 2;

fn replica() -> Replica {
    let members = Members { voters: [1, 2, 3].map(NodeId).to_vec(), ..Members::default() };
    let recovered = Recovered { conf_state: conf_state(&members), ..Recovered::default() };
    let group = ShardId(0).group();
    let config = GroupConfig::new(group, NodeId(1), 7);
    let raft = Group::new(config, recovered, Now { mono_ns: 1, wall_ms: 1 }).unwrap();
    Replica::new(group, raft, Machine::new(KeyHasher::new(1), 1000, 1), 9, (0, 0))
}

/// The entry that divides the shard is applied, or the one that says that it is parted.
fn divide(replica: &mut Replica, index: u64, parted: bool) {
    let child = Child {
        shard: ShardId(1),
        slots: (HALF, SLOTS - 1),
        at: 1,
        time: 5,
        voters: vec![NodeId(1)],
        parted,
    };
    let row = ShardSlots { generation: 2, slots: (0, HALF - 1), child: Some(child) }.encode();
    let mut entry = EntryBuilder::default();
    entry.push(Effect::System { name: SLOTS_ROW, value: Some(&row) });
    replica.machine.apply(index, 1, &entry.finish(5)).unwrap();
}

/// A key in one of the halves.
fn key(upper: bool) -> Vec<u8> {
    let keys = (0..100).map(|n| format!("key{n}").into_bytes());
    keys.into_iter().find(|key| (slot_of(key) >= HALF) == upper).unwrap()
}

fn runs(replica: &mut Replica, ks: u16, slot: Slot, args: &[&[u8]]) -> bool {
    let spec = shard::table::resolve(args[0], args.get(1).copied()).unwrap();
    replica.may_run(spec, Keyspace(ks), slot, args, SHARDS)
}

fn of_key(replica: &mut Replica, key: &[u8]) -> bool {
    runs(replica, 0, slot_of(key), &[b"GET", key])
}

fn scans(replica: &mut Replica, from: Slot, end: u16) -> bool {
    let numbers = [u64::from(from) << 48, u64::from(end) << 48].map(|n| n.to_string());
    let request = Request::new(
        Flags::INTERNAL,
        Keyspace(0),
        &[crate::internal::SCAN, numbers[0].as_bytes(), numbers[1].as_bytes(), b"10"],
    );
    replica.may_run_internal(&request.parts().unwrap(), from, SHARDS)
}

#[test]
fn what_is_another_shards_is_refused_from_the_proposal_on_and_for_good_once_it_is_applied() {
    let (mut replica, low, high) = (replica(), key(false), key(true));
    assert!(of_key(&mut replica, &low) && of_key(&mut replica, &high));
    replica.owned.proposed = Some((0, HALF - 1));
    assert!(of_key(&mut replica, &low) && !of_key(&mut replica, &high));
    // The entry is lost with the leadership.
    replica.owned.proposed = None;
    assert!(of_key(&mut replica, &high));
    divide(&mut replica, 1, false);
    assert!(of_key(&mut replica, &low) && !of_key(&mut replica, &high));
    let both = |replica: &mut Replica, args: &[&[u8]]| runs(replica, 0, slot_of(&low), args);
    assert!(both(&mut replica, &[b"MGET", &low]));
    assert!(!both(&mut replica, &[b"MGET", &low, &high]), "one of its keys is not here any more");
    assert!(!both(&mut replica, &[b"MSET", &low, b"1", &high, b"2"]));
    // A keyspace that is in this shard as a whole stays.
    assert!(runs(&mut replica, 3, slot_of(&high), &[b"GET", &high]));
}

#[test]
fn commands_on_all_of_a_shard_run_when_all_of_it_is_its_own_and_the_asker_knows_that() {
    let mut replica = replica();
    let size = |replica: &mut Replica, slot| runs(replica, 0, slot, &[b"DBSIZE"]);
    assert!(size(&mut replica, SLOTS - 1) && !size(&mut replica, HALF - 1));
    replica.owned.proposed = Some((0, HALF - 1));
    for slot in [HALF - 1, SLOTS - 1] {
        assert!(!size(&mut replica, slot), "what it will be is not certain");
        assert!(!runs(&mut replica, 3, slot, &[b"FLUSHDB"]), "nor may it be emptied when it is divided");
    }
    replica.owned.proposed = None;
    divide(&mut replica, 1, false);
    assert!(!size(&mut replica, HALF - 1) && !size(&mut replica, SLOTS - 1), "it is not parted");
    divide(&mut replica, 2, true);
    assert!(size(&mut replica, HALF - 1));
    assert!(!size(&mut replica, SLOTS - 1), "whoever asks so would miss the other half");
    assert!(!runs(&mut replica, 0, SLOTS - 1, &[b"FLUSHALL"]));
    assert!(runs(&mut replica, 3, SLOTS - 1, &[b"DBSIZE"]), "a keyspace in one shard is all here");
}

#[test]
fn rows_of_another_shard_that_are_still_here_are_not_counted() {
    let mut replica = replica();
    let high = key(true);
    let mut entry = EntryBuilder::default();
    entry.push(Effect::Put { ks: Keyspace(0), key: &high, kind: 0, expire: 0, value: b"v" });
    replica.machine.apply(1, 1, &entry.finish(5)).unwrap();
    divide(&mut replica, 2, true);
    let size = |replica: &mut Replica| runs(replica, 0, HALF - 1, &[b"DBSIZE"]);
    assert!(!size(&mut replica));
    replica.machine.shed(100);
    assert!(size(&mut replica));
}

#[test]
fn a_part_of_a_scan_must_end_where_the_shard_does_or_before() {
    let mut replica = replica();
    divide(&mut replica, 1, true);
    assert!(scans(&mut replica, 0, HALF) && scans(&mut replica, 7, 9));
    assert!(!scans(&mut replica, 0, SLOTS), "the rest of it is in another shard");
    assert!(!scans(&mut replica, HALF, SLOTS));
}
