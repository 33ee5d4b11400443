use super::change::{decode, entry_payload};
use super::*;
use crate::config::{GroupConfig, Recovered};
use crate::output::Output;
use model::{GroupId, Now};
use raft::eraftpb::{Entry, EntryType};

fn all_steps() -> Vec<MemberStep> {
    vec![
        MemberStep::AddLearner(NodeId(4)),
        MemberStep::RemoveLearner(NodeId(1 << 40)),
        MemberStep::Enter { add: vec![NodeId(4), NodeId(300)], remove: vec![NodeId(1)] },
        MemberStep::Enter { add: Vec::new(), remove: vec![NodeId(1)] },
        MemberStep::Leave,
    ]
}

fn encoded(change: &ConfChangeV2) -> Vec<u8> {
    protobuf::Message::write_to_bytes(change).unwrap()
}

fn entry(step: &MemberStep, payload: &[u8]) -> Entry {
    let mut entry = Entry { data: encoded(&step.change(payload.to_vec())).into(), ..Entry::default() };
    entry.set_entry_type(EntryType::EntryConfChangeV2);
    entry
}

#[test]
fn what_the_library_writes_is_read_back() {
    for step in all_steps() {
        for payload in [&b""[..], b"rows", &[7; 300]] {
            let change = step.change(payload.to_vec());
            let bytes = encoded(&change);
            assert_eq!(decode(&bytes).as_ref(), Ok(&change), "{step:?}");
            assert_eq!(entry_payload(&entry(&step, payload)).unwrap(), payload);
            // Every shorter one is refused or another step without the payload; none makes a panic.
            for cut in 0..bytes.len() {
                assert_ne!(decode(&bytes[..cut]).as_ref(), Ok(&change));
            }
            for at in 0..bytes.len() {
                let mut other = bytes.clone();
                other[at] ^= 0x55;
                if let Ok(read) = decode(&other) {
                    assert_eq!(decode(&encoded(&read)), Ok(read), "what is read can be written");
                }
            }
        }
    }
}

#[test]
fn bytes_that_no_step_of_ours_has_are_refused() {
    let mut twice = encoded(&MemberStep::AddLearner(NodeId(4)).change(Vec::new()));
    twice.extend(twice.clone());
    let auto = [&[0x08, 1][..], &encoded(&MemberStep::AddLearner(NodeId(4)).change(Vec::new()))].concat();
    let no_node = [0x12, 2, 0x08, 2];
    let zero = [0x12, 2, 0x10, 0];
    for bytes in [&twice[..], &auto, &no_node, &zero, &[0x08, 2], &[0x20, 1], &[0x1a, 200]] {
        assert!(decode(bytes).is_err(), "{bytes:?}");
    }
}

/// A group of one voter, which leads it.
fn alone() -> Group {
    let now = |ms: u64| Now { mono_ns: ms * 1_000_000, wall_ms: 0 };
    let mut config = GroupConfig::new(GroupId(1), NodeId(1), 7);
    config.member_steps = true;
    let mut recovered = Recovered::default();
    recovered.conf_state.voters = vec![1];
    let mut group = Group::new(config, recovered, now(0)).unwrap();
    for ms in (0..2000).step_by(5) {
        group.tick(now(ms));
        settle(&mut group);
    }
    assert!(group.can_propose());
    group
}

/// Everything that is asked of log and state machine is done.
fn settle(group: &mut Group) {
    for _ in 0..4 {
        let mut out = Output::default();
        group.ready(&mut out);
        if let Some(persist) = out.persist.take() {
            group.persisted(persist.number, &mut out);
        }
        for entry in &out.committed {
            group.applied(entry.index);
        }
    }
}

fn taken(group: &mut Group, step: MemberStep) -> ConfState {
    let after = group.members_after(&step).unwrap();
    group.propose_members(&step, b"rows".to_vec()).unwrap();
    assert_eq!(group.members_after(&step), Err(MembersRefused::Pending));
    settle(group);
    assert_eq!(group.members(), after);
    after
}

#[test]
fn a_step_that_does_not_fit_is_refused_by_name() {
    let mut group = alone();
    let enter = |add: &[u64], remove: &[u64]| MemberStep::Enter {
        add: add.iter().copied().map(NodeId).collect(),
        remove: remove.iter().copied().map(NodeId).collect(),
    };
    let refused = |group: &Group, step: &MemberStep| group.members_after(step).unwrap_err();
    assert_eq!(refused(&group, &MemberStep::AddLearner(NodeId(1))), MembersRefused::Member(NodeId(1)));
    assert_eq!(refused(&group, &MemberStep::AddLearner(NodeId(0))), MembersRefused::Empty);
    assert_eq!(refused(&group, &MemberStep::RemoveLearner(NodeId(1))), MembersRefused::NotLearner(NodeId(1)));
    assert_eq!(refused(&group, &MemberStep::Leave), MembersRefused::NotJoint);
    assert_eq!(refused(&group, &enter(&[], &[])), MembersRefused::Empty);
    assert_eq!(refused(&group, &enter(&[2], &[])), MembersRefused::NotLearner(NodeId(2)));
    assert_eq!(refused(&group, &enter(&[], &[2])), MembersRefused::NotVoter(NodeId(2)));
    assert_eq!(refused(&group, &enter(&[], &[1])), MembersRefused::Empty, "no voter would be left");

    let members = taken(&mut group, MemberStep::AddLearner(NodeId(2)));
    assert_eq!((members.voters, members.learners), (vec![1], vec![2]));
    let members = taken(&mut group, enter(&[2], &[1]));
    assert_eq!((&members.voters, &members.voters_outgoing), (&vec![2], &vec![1]));
    assert_eq!(refused(&group, &MemberStep::AddLearner(NodeId(3))), MembersRefused::Joint);
    assert_eq!(refused(&group, &MemberStep::Leave), MembersRefused::LeaderGoes);
}

#[test]
fn too_many_members_are_refused() {
    let mut group = alone();
    for node in 2..=MAX_MEMBERS as u64 {
        taken(&mut group, MemberStep::AddLearner(NodeId(node)));
    }
    let more = MemberStep::AddLearner(NodeId(1000));
    assert_eq!(group.members_after(&more), Err(MembersRefused::TooMany));
    assert_eq!(group.propose_members(&more, vec![1]), Err(Refused::Members(MembersRefused::TooMany)));
    taken(&mut group, MemberStep::RemoveLearner(NodeId(2)));
    taken(&mut group, more);
}

#[test]
fn a_lease_ends_with_the_majority_that_gave_it() {
    let mut group = alone();
    let now = Now { mono_ns: 2_000_000_000, wall_ms: 0 };
    group.want_lease(now);
    settle(&mut group);
    assert!(group.lease_valid(now));
    taken(&mut group, MemberStep::AddLearner(NodeId(2)));
    assert!(!group.lease_valid(now));
}

#[test]
fn whoever_does_not_apply_steps_takes_none() {
    let config = |steps| GroupConfig { member_steps: steps, ..GroupConfig::new(GroupId(1), NodeId(1), 7) };
    let mut step = entry(&MemberStep::AddLearner(NodeId(2)), b"rows");
    (step.index, step.term) = (1, 1);
    let recovered = |entry: &Entry| {
        let mut recovered = Recovered { entries: vec![entry.clone()], ..Recovered::default() };
        recovered.conf_state.voters = vec![1];
        recovered.hard_state.term = 1;
        recovered
    };
    let now = Now { mono_ns: 0, wall_ms: 0 };
    assert!(Group::new(config(true), recovered(&step), now).is_ok());
    let group =
        Group::new(config(false), recovered(&Entry { index: 1, term: 1, ..Entry::default() }), now).unwrap();
    assert_eq!(group.members_after(&MemberStep::AddLearner(NodeId(2))), Err(MembersRefused::Unknown));
    let refused = |entry: &Entry, steps| Group::new(config(steps), recovered(entry), now).is_err();
    assert!(refused(&step, false));
    step.data = b"no step".to_vec().into();
    assert!(refused(&step, true), "not the bytes of a step");
}

/// The second of three nodes gets a replica that comes; it knew term 4 and voted for node 3 before.
fn newcomer(joined: bool, fresh: bool) -> Group {
    let hard_state = raft::eraftpb::HardState { term: 4, vote: 3, ..Default::default() };
    let mut recovered = Recovered { hard_state, joins: true, joined, fresh, ..Recovered::default() };
    recovered.conf_state.voters = vec![1, 2, 3];
    let config = GroupConfig { generation: 9, ..GroupConfig::new(GroupId(1), NodeId(2), 7) };
    Group::new(config, recovered, Now { mono_ns: 0, wall_ms: 0 }).unwrap()
}

fn vote_request(from: u64, term: u64) -> raft::eraftpb::Message {
    let mut message =
        raft::eraftpb::Message { to: 2, from, term, index: 5, log_term: 3, ..Default::default() };
    message.set_msg_type(raft::eraftpb::MessageType::MsgRequestVote);
    message
}

#[test]
fn who_comes_says_nothing_before_the_log_has_written_of_it() {
    let mut group = newcomer(false, true);
    assert_eq!(
        (group.term(), group.holds().term),
        (4, 0),
        "it knows a term that is not on the disk as its own"
    );
    // The leader of the term that the replica before it knew.
    let mut append =
        raft::eraftpb::Message { to: 2, from: 1, term: 4, index: 7, log_term: 4, ..Default::default() };
    append.set_msg_type(raft::eraftpb::MessageType::MsgAppend);
    assert_eq!(group.step(Now { mono_ns: 1, wall_ms: 0 }, append), crate::Step::Taken);
    let mut out = crate::Output::default();
    group.ready(&mut out);
    let persist = out.persist.take().expect("term and vote are written, although they are as they were");
    assert_eq!(persist.hard_state.map(|hard| (hard.term, hard.vote)), Some((4, 3)));
    assert!(out.messages.is_empty(), "the answer waits for it");
    group.persisted(persist.number, &mut out);
    assert_eq!((out.messages.len(), group.holds().term), (1, 4));
}

#[test]
fn who_comes_has_no_vote_until_it_knows_that_it_is_a_member() {
    let late = Now { mono_ns: 10_000_000_000, wall_ms: 0 };
    let mut group = newcomer(false, false);
    assert_eq!(group.step(late, vote_request(1, 5)), crate::Step::Dropped(crate::Dropped::Joins));
    assert_eq!((group.term(), group.has_joined()), (4, false));
    group.joined();
    assert_eq!(group.step(late, vote_request(1, 5)), crate::Step::Taken);
    assert_eq!((group.term(), group.vote()), (5, Some(NodeId(1))));
}

#[test]
fn who_comes_keeps_the_vote_of_the_replica_before_it() {
    let late = Now { mono_ns: 10_000_000_000, wall_ms: 0 };
    let mut group = newcomer(true, false);
    group.step(late, vote_request(1, 4));
    assert_eq!((group.term(), group.vote()), (4, Some(NodeId(3))));
}
