use super::*;
use crate::Settings;
use crate::core::{Forming, Identity};
use crate::frame::{self, Section};
use crate::replica::Replica;
use cluster::{Addresses, ClusterMap, Formation};
use consensus::{Entry, Group, GroupConfig, HardState, Message, MessageType, Recovered};
use model::{KeyHasher, Now};
use shard::Machine;

const A: NodeId = NodeId(1);
const B: NodeId = NodeId(2);
const NOW: Now = Now { mono_ns: 1_000_000_000, wall_ms: 1_700_000_000_000 };

/// A core of three members with the meta group and one shard, whose log ends at `index` with an entry
/// of `term`.
fn core(node: NodeId, term: u64, index: u64) -> Core {
    let mut core = empty(node);
    start(&mut core, term, index);
    core
}

fn empty(node: NodeId) -> Core {
    let me = Identity { node, incarnation: 1, ..Identity::default() };
    Core::new(Settings::default(), me, 7, Forming { joined: 3, needed: 3 }, NOW)
}

fn start(core: &mut Core, term: u64, index: u64) {
    let formation =
        Formation { replicas: 3, shards: 1, members: vec![A, B, NodeId(3)], ..Formation::default() };
    let node = core.node();
    let replica = |group| {
        let mut recovered = Recovered::default();
        recovered.conf_state.voters = vec![1, 2, 3];
        recovered.hard_state = HardState { term, ..HardState::default() };
        recovered.entries = (1..=index).map(|index| Entry { index, term, ..Entry::default() }).collect();
        let raft = Group::new(GroupConfig::new(GroupId(group), node, 1), recovered, NOW).unwrap();
        let machine = Machine::new(KeyHasher::new(7), model::limits::MAX_VALUE, 1);
        Replica::new(GroupId(group), raft, machine, u64::from(group) + 1, (0, 0))
    };
    core.start(ClusterMap::new(&formation), vec![replica(0), replica(1)]);
}

fn connect(core: &mut Core, to: NodeId, incarnation: u64) {
    core.on_peer_up(to, incarnation, Addresses::default());
}

/// Hands what `from` has to send to `to`; the sections that were in it.
fn deliver(from: &mut Core, to: &mut Core) -> Vec<Section> {
    let mut bytes = Vec::new();
    from.take_frame(to.node(), 0, &mut bytes);
    let mut sections = Vec::new();
    let mut used = 0;
    while let Some((content, len)) = frame::first(&bytes[used..]).unwrap() {
        sections.extend(frame::sections(content).map(|section| section.unwrap().0));
        to.on_peer(from.node(), content).unwrap();
        used += len;
    }
    sections
}

fn heartbeat_response(core: &mut Core, group: u32, term: u64) {
    let mut message = Message { from: core.node().0, to: A.0, term, ..Message::default() };
    message.set_msg_type(MessageType::MsgHeartbeatResponse);
    let generations = crate::frame::content::Generations::default();
    crate::turn::send_raft(core.peer(A), GroupId(group), generations, &message, Section::Raft);
}

#[test]
fn an_older_start_is_noticed_by_both_sides_before_anything_else() {
    let mut a = core(A, 3, 9);
    let mut b = core(B, 3, 9);
    connect(&mut a, B, 5);
    connect(&mut b, A, 1);
    assert_eq!(deliver(&mut b, &mut a), [Section::Promises; 3]);
    assert!(!a.peer(B).promises.outdated);
    // The same folder, and a newer one: another restart like any.
    for (incarnation, index) in [(6, 9), (7, 11)] {
        let mut b = core(B, 3, index);
        connect(&mut a, B, incarnation);
        connect(&mut b, A, 1);
        deliver(&mut b, &mut a);
        deliver(&mut a, &mut b);
        assert!(!a.peer(B).promises.outdated && b.outbox.refused.is_none());
    }
    // The copy is of an earlier index, and of an earlier term with a longer log.
    for (incarnation, term, index) in [(8, 3, 10), (9, 2, 50)] {
        let mut b = core(B, term, index);
        connect(&mut a, B, incarnation);
        connect(&mut b, A, 1);
        heartbeat_response(&mut b, 1, 8);
        deliver(&mut b, &mut a);
        assert!(a.peer(B).promises.outdated);
        assert_eq!(a.replica(GroupId(1)).unwrap().raft.term(), 3, "what followed was not taken");
        deliver(&mut a, &mut b);
        let why = b.outbox.refused.clone().unwrap();
        assert!(why.contains("node 1 knows that it held group 0 up to index 11 of term 3"), "{why}");
        assert!(why.contains(&format!("ends at index {index} of term {term}")), "{why}");
        // It does nothing any more.
        b.turn(NOW);
        assert!(b.outbox.log.is_empty());
    }
}

#[test]
fn a_connection_that_breaks_is_no_start() {
    let mut a = core(A, 3, 9);
    let mut b = core(B, 3, 9);
    for term in 3..6 {
        connect(&mut a, B, 5);
        connect(&mut b, A, 1);
        heartbeat_response(&mut b, 1, term);
        deliver(&mut b, &mut a);
        deliver(&mut a, &mut b);
        assert!(!a.peer(B).promises.outdated && b.outbox.refused.is_none());
    }
    assert_eq!(a.peer(B).promises.remembered[1].now, Promise { generation: 0, term: 5, index: 0 });
    connect(&mut a, B, 6);
    deliver(&mut b, &mut a);
    let mut b = core(B, 4, 9);
    connect(&mut b, A, 1);
    deliver(&mut a, &mut b);
    assert!(b.outbox.refused.unwrap().contains("group 1 up to index 0 of term 5"));
}

#[test]
fn a_folder_of_before_the_forming_is_older_too() {
    let mut a = core(A, 3, 9);
    let mut b = core(B, 3, 9);
    connect(&mut a, B, 5);
    connect(&mut b, A, 1);
    deliver(&mut b, &mut a);
    // It comes back without groups and learns of them while it is connected.
    let mut b = empty(B);
    connect(&mut a, B, 6);
    connect(&mut b, A, 1);
    deliver(&mut b, &mut a);
    deliver(&mut a, &mut b);
    assert!(a.peer(B).promises.outdated, "it had groups before");
    assert!(b.outbox.refused.is_none(), "it does not know yet which there are");
    start(&mut b, 0, 0);
    assert!(b.outbox.refused.is_some());
    deliver(&mut b, &mut a);
    assert!(a.peer(B).promises.outdated);
}

#[test]
fn memory_is_bounded_by_the_groups_and_content_is_checked() {
    let mut a = core(A, 1, 0);
    connect(&mut a, B, 5);
    let mut content = Vec::new();
    encode(
        HOLDS,
        &[(GroupId(1), Promise { generation: 0, term: 4, index: 2 }), (GroupId(9), Promise::default())],
        &mut content,
    );
    a.on_promises(B, &content).unwrap();
    assert_eq!(a.peer(B).promises.remembered.len(), 2);
    for cut in 0..content.len() {
        assert!(a.on_promises(B, &content[..cut]).is_err(), "{cut}");
    }
    content.push(0);
    assert!(a.on_promises(B, &content).is_err());
    assert!(a.on_promises(B, &[9, 0]).is_err());
}

#[test]
fn a_folder_from_before_a_replica_came_is_older_too() {
    let mut a = core(A, 3, 9);
    connect(&mut a, B, 5);
    let held = Promise { generation: 32, term: 4, index: 7 };
    let mut holds = Vec::new();
    encode(HOLDS, &[(GroupId(1), held)], &mut holds);
    a.on_promises(B, &holds).unwrap();
    // It comes back without the replica, or with one of the same generation that is empty; or it has left.
    let left = crate::seats::Left { generation: 32, term: 4, vote: 0 }.promise();
    let empty = Promise { generation: 32, ..Promise::default() };
    for (incarnation, start, outdated) in [(6, None, true), (7, Some(empty), true), (8, Some(left), false)] {
        connect(&mut a, B, incarnation);
        let list: Vec<_> = start.into_iter().map(|start| (GroupId(1), start)).collect();
        let mut said = Vec::new();
        encode(START, &list, &mut said);
        a.on_promises(B, &said).unwrap();
        assert_eq!(a.peer(B).promises.outdated, outdated, "{start:?}");
    }
    // The node itself stops when it hears of it.
    let mut b = core(B, 3, 9);
    connect(&mut b, A, 1);
    b.replicas[1] = None;
    let mut seen = Vec::new();
    encode(SEEN, &[(GroupId(1), held)], &mut seen);
    b.on_promises(A, &seen).unwrap();
    assert!(b.outbox.refused.unwrap().contains("held group 1 up to index 7 of term 4"));
}
