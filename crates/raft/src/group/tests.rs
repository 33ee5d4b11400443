use super::*;
use crate::{Output, Persist, Refused};
use model::{GroupId, NodeId};
use raft::eraftpb::{ConfState, Entry};

fn at(ms: u64) -> Now {
    Now { mono_ns: ms * MS, wall_ms: 0 }
}

fn recovered(voters: Vec<u64>) -> Recovered {
    let conf_state = ConfState { voters, ..ConfState::default() };
    Recovered { conf_state, ..Recovered::default() }
}

fn config() -> GroupConfig {
    GroupConfig::new(GroupId(0), NodeId(1), 7)
}

fn entry(index: u64, term: u64, data: &'static str) -> Entry {
    Entry { index, term, data: data.into(), ..Entry::default() }
}

fn append(from: u64, term: u64, after: (u64, u64), entries: Vec<Entry>) -> Message {
    let mut m = Message { to: 1, from, term, index: after.0, log_term: after.1, ..Message::default() };
    m.set_msg_type(MessageType::MsgAppend);
    m.entries = entries.into();
    m
}

fn ready(group: &mut Group) -> (Option<Persist>, Output) {
    let mut out = Output::default();
    group.ready(&mut out);
    (out.persist.take(), out)
}

/// A group of one voter that leads and has applied its no-op.
fn single(config: GroupConfig) -> Group {
    let mut group = Group::new(config, recovered(vec![1]), at(0)).unwrap();
    for ms in 1..200 {
        group.tick(at(ms));
        turn(&mut group);
    }
    assert!(group.can_propose());
    group
}

fn turn(group: &mut Group) {
    let (persist, _) = ready(group);
    if let Some(persist) = persist {
        group.persisted(persist.number, &mut Output::default());
    }
    let (_, out) = ready(group);
    out.committed.iter().for_each(|e| group.applied(e.index));
}

#[test]
fn what_a_later_write_overwrites_is_not_durable() {
    let mut group = Group::new(config(), recovered(vec![1, 2, 3]), at(0)).unwrap();
    let write = |group: &mut Group, m: Message| {
        assert_eq!(group.step(at(1), m), Step::Taken);
        ready(group).0.expect("entries to write").number
    };
    // Entry 1 of term 1, replaced in term 2, and the same again from who leads term 3.
    let first = write(&mut group, append(2, 1, (0, 0), vec![entry(1, 1, "a")]));
    let second = write(&mut group, append(3, 2, (0, 0), vec![entry(1, 2, "b")]));
    let third = write(&mut group, append(2, 3, (0, 0), vec![entry(1, 1, "a"), entry(2, 3, "c")]));
    let mut out = Output::default();
    group.persisted(first, &mut out);
    assert_eq!(group.persisted_index(), 0, "the disk is about to hold another entry 1");
    group.persisted(second, &mut out);
    assert_eq!(group.persisted_index(), 0);
    group.persisted(third, &mut out);
    assert_eq!(group.persisted_index(), 2);
}

#[test]
fn promises_leave_in_order_of_the_log_and_not_before() {
    let mut group = Group::new(config(), recovered(vec![1, 2, 3]), at(0)).unwrap();
    let mut numbers = Vec::new();
    for index in 1..=3 {
        let before = (index - 1, u64::from(index > 1));
        group.step(at(1), append(2, 1, before, vec![entry(index, 1, "a")]));
        let (persist, out) = ready(&mut group);
        assert!(out.messages.is_empty(), "nothing is acknowledged before it is durable");
        numbers.push(persist.expect("an entry to write").number);
    }
    let acknowledged = |out: Output| out.messages.iter().map(|m| m.index).collect::<Vec<_>>();
    let mut out = Output::default();
    group.persisted(numbers[1], &mut out);
    assert_eq!(acknowledged(out), [1, 2]);
    let mut out = Output::default();
    group.persisted(numbers[0], &mut out);
    assert!(out.messages.is_empty(), "an old number releases nothing");
    group.persisted(numbers[2], &mut out);
    assert_eq!(acknowledged(out), [3]);
}

#[test]
fn proposals_are_bounded_by_what_is_not_committed() {
    let config = GroupConfig { max_uncommitted: 100, max_append: 50, max_entry: 60, ..config() };
    let mut group = single(config);
    assert_eq!(group.propose(vec![1; 61]), Err(Refused::TooLarge { size: 61, max: 60 }));
    let (term, index) = group.propose(vec![1; 60]).unwrap();
    assert_eq!(group.propose(vec![1; 41]), Err(Refused::Full { uncommitted: 60, max: 100 }));
    assert_eq!(group.propose(vec![1; 40]), Ok((term, index + 1)));
    turn(&mut group);
    assert_eq!(group.propose(vec![1; 60]), Ok((term, index + 2)));
}

#[test]
fn a_commit_alone_asks_for_no_write() {
    let mut group = single(config());
    group.propose(vec![1]).unwrap();
    let (persist, _) = ready(&mut group);
    group.persisted(persist.expect("an entry").number, &mut Output::default());
    let (persist, out) = ready(&mut group);
    assert_eq!(out.committed.len(), 1);
    assert!(persist.is_none());
    group.propose(vec![2]).unwrap();
    let (persist, _) = ready(&mut group);
    let hard_state = persist.expect("an entry").hard_state.expect("the commit rides along");
    assert_eq!(hard_state.commit, out.committed[0].index);
}

#[test]
fn the_tail_is_trimmed_by_bytes_and_kept_for_live_followers() {
    let mut group = single(GroupConfig { max_tail: 2000, ..config() });
    for _ in 0..100 {
        group.propose(vec![0; 100]).unwrap();
        turn(&mut group);
    }
    assert!(group.tail_bytes() <= 2000, "{} bytes", group.tail_bytes());
    let (gone, _) = group.compacted();
    assert!(gone > 80 && gone < group.applied_index());
    let (term, index) = (group.term(), group.applied_index());
    assert_eq!(group.term_at(2), Some(term), "compacted, but its term is known");
    assert_eq!(group.compact(index + 10), index, "not beyond what is applied");
    assert_eq!(group.synced_followers(term, 2), Some(0));
    assert_eq!(group.synced_followers(term + 1, 2), None);
}

type Change<'a> = &'a dyn Fn(&mut GroupConfig, &mut Recovered);

#[test]
fn what_recovery_must_not_give_is_refused() {
    let refused = |change: Change<'_>| {
        let (mut config, mut found) = (config(), recovered(vec![1, 2, 3]));
        found.hard_state.term = 5;
        found.entries = vec![entry(1, 1, "a"), entry(2, 4, "b")];
        change(&mut config, &mut found);
        Group::new(config, found, at(0)).err().map(|e| e.to_string()).unwrap_or_default()
    };
    assert_eq!(refused(&|_, _| ()), "");
    let table: &[(Change<'_>, &str)] = &[
        (&|c, _| c.tick_ms = 6, "tick_ms is 6, allowed is 1 to 5"),
        (&|c, _| c.heartbeat_ms = 50, "heartbeat_ms is 50"),
        (&|c, _| c.node = NodeId(9), "node 9 is not a member of group 0"),
        (&|_, f| f.conf_state.voters = vec![1, 1], "an id twice"),
        (&|_, f| f.conf_state.auto_leave = true, "auto_leave"),
        (&|_, f| f.entries[1].index = 3, "not the index after the one before"),
        (&|_, f| f.entries[0].term = 5, "its term is below the one before"),
        (&|_, f| f.hard_state.term = 3, "above the durable term"),
        (&|_, f| f.applied = 3, "the applied index lies outside of the log"),
        (&|_, f| f.compacted = (1, 1), "not the index after"),
    ];
    for (change, text) in table {
        let error = refused(change);
        assert!(error.contains(text), "{error:?} should say {text:?}");
    }
}

#[test]
fn missed_ticks_are_dropped() {
    let mut group = Group::new(config(), recovered(vec![1, 2, 3]), at(0)).unwrap();
    assert!(!group.tick(at(4)) && group.tick(at(5)));
    // A stall of a second is one tick, and no election yet although the promise has ended.
    assert!(group.tick(at(1005)));
    assert!(!group.tick(at(1006)), "the missed ones are not made up for");
    assert_eq!(group.role(), StateRole::Follower);
    for ms in 1006..1200 {
        group.tick(at(ms));
    }
    assert_eq!(group.role(), StateRole::PreCandidate);
}

#[test]
fn malformed_appends_and_snapshots_never_reach_the_library() {
    let mut group = Group::new(config(), recovered(vec![1, 2, 3]), at(0)).unwrap();
    let mut conf_change = entry(1, 1, "x");
    conf_change.set_entry_type(raft::eraftpb::EntryType::EntryConfChange);
    for entries in [
        vec![entry(2, 1, "gap")],
        vec![entry(1, 0, "no term")],
        vec![entry(1, 3, "above the message")],
        vec![entry(1, 2, "a"), entry(2, 1, "falls")],
        vec![conf_change],
    ] {
        let step = group.step(at(1), append(2, 2, (0, 0), entries));
        assert!(matches!(step, Step::Dropped(Dropped::Malformed(..))), "{step:?}");
    }
    let mut snapshot = append(2, 2, (0, 0), Vec::new());
    snapshot.set_msg_type(MessageType::MsgSnapshot);
    let meta = snapshot.mut_snapshot().mut_metadata();
    (meta.index, meta.term) = (9, 2);
    meta.mut_conf_state().voters = vec![1, 2, 2];
    let step = group.step(at(1), snapshot);
    assert!(matches!(step, Step::Dropped(Dropped::Malformed(..))), "{step:?}");
    assert_eq!((group.term(), group.last_index()), (0, 0));
}

#[test]
fn a_tail_is_trimmed_to_its_bound_and_no_further_than_what_is_applied() {
    let mut group = single(config());
    for _ in 0..20 {
        group.propose(vec![7; 1000]).unwrap();
        turn(&mut group);
    }
    let (applied, before) = (group.applied_index(), group.tail_bytes());
    group.trim(before);
    assert_eq!(group.tail_bytes(), before, "within its bound");
    group.trim(5000);
    assert!((4000..=5000).contains(&group.tail_bytes()), "{}", group.tail_bytes());
    assert!(group.term_at(group.compacted().0).is_some(), "terms are still known");
    group.trim(0);
    assert_eq!((group.compacted().0, group.tail_bytes()), (applied, 0));
}
