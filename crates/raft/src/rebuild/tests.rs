use super::*;
use crate::{Dropped, GroupConfig, Recovered, Step};
use model::time::MS;
use model::{GroupId, Now};
use raft::eraftpb::HardState;

fn at(ms: u64) -> Now {
    Now { mono_ns: ms * MS, wall_ms: 0 }
}

fn entry(index: u64, term: u64) -> Entry {
    Entry { index, term, data: "x".into(), ..Entry::default() }
}

/// A voter of three whose rows are lost. Its log begins after `floor`.
fn group(floor: (Index, Term), guessed: bool, entries: &[(u64, u64)], commit: Index) -> Group {
    let mut found = Recovered { rows_lost: true, compacted_guessed: guessed, ..Recovered::default() };
    found.conf_state.voters = vec![1, 2, 3];
    found.hard_state = HardState { term: 4, commit, ..HardState::default() };
    found.entries = entries.iter().map(|&(index, term)| entry(index, term)).collect();
    (found.compacted, found.applied) = (floor, floor.0);
    let config = GroupConfig { max_apply: 1, ..GroupConfig::new(GroupId(0), NodeId(1), 7) };
    Group::new(config, found, at(0)).unwrap()
}

#[test]
fn a_term_that_is_only_a_bound_is_told_to_nobody() {
    let known = group((5, 2), false, &[(6, 3)], 6);
    assert_eq!((known.term_at(5), known.term_at(6)), (Some(2), Some(3)));
    let guessed = group((5, 3), true, &[(6, 3)], 6);
    assert_eq!((guessed.term_at(5), guessed.term_at(6)), (None, Some(3)));
}

fn message(kind: MessageType, term: u64, index: u64, log_term: u64) -> Message {
    let mut m = Message { to: 1, from: 2, term, index, log_term, ..Message::default() };
    m.set_msg_type(kind);
    m
}

/// Everything durable at once; what leaves, and the indexes handed out.
fn turns(group: &mut Group) -> (Vec<Message>, Vec<Index>) {
    let (mut messages, mut applied) = (Vec::new(), Vec::new());
    loop {
        let mut out = Output::default();
        let more = group.ready(&mut out);
        let wrote = out.persist.take().map(|persist| group.persisted(persist.number, &mut out)).is_some();
        messages.append(&mut out.messages);
        for entry in &out.committed {
            applied.push(entry.index);
            group.applied(entry.index);
        }
        if !more && !wrote {
            return (messages, applied);
        }
    }
}

#[test]
fn it_appends_and_acknowledges_but_neither_leads_nor_applies() {
    let mut group = group((5, 3), false, &[(6, 3), (7, 4)], 6);
    let mut append = message(MessageType::MsgAppend, 4, 7, 4);
    append.entries = vec![entry(8, 4)].into();
    append.commit = 8;
    assert_eq!(group.step(at(1), append), Step::Taken);
    let (messages, applied) = turns(&mut group);
    assert_eq!((messages[0].index, messages[0].reject), (8, false));
    assert_eq!((applied, group.commit(), group.applied_index()), (vec![], 8, 5));
    let timeout_now = message(MessageType::MsgTimeoutNow, 4, 0, 0);
    assert_eq!(group.step(at(2), timeout_now), Step::Dropped(Dropped::TimeoutNow(2)));
    for ms in 0..3000 {
        group.tick(at(ms));
        group.campaign_evidence(at(ms));
        assert_eq!(group.role(), raft::StateRole::Follower);
    }
    assert!(group.is_rebuilding());
}

#[test]
fn it_votes_by_the_whole_of_its_log() {
    for (index, log_term, granted) in [(7, 4, true), (6, 4, false), (9, 3, false), (1, 5, true)] {
        let mut group = group((5, 3), false, &[(6, 3), (7, 4)], 6);
        group.step(at(200), message(MessageType::MsgRequestVote, 6, index, log_term));
        let (messages, _) = turns(&mut group);
        assert_eq!(messages[0].reject, !granted, "({index}, {log_term})");
    }
    // With nothing but the floor, whose term is not known, the durable term is its bound.
    for (index, log_term, granted) in [(5, 4, true), (4, 4, false), (9, 3, false)] {
        let mut group = group((5, 4), true, &[], 5);
        group.step(at(200), message(MessageType::MsgRequestVote, 6, index, log_term));
        let (messages, _) = turns(&mut group);
        assert_eq!(messages[0].reject, !granted, "({index}, {log_term})");
    }
}

#[test]
fn entries_after_the_rows_are_handed_out_once_and_in_order() {
    for rows in 5..=8 {
        let mut group = group((5, 3), false, &[(6, 3), (7, 4), (8, 4), (9, 4)], 8);
        assert_eq!(turns(&mut group).1, Vec::<Index>::new());
        assert!(!group.rows_arrived(4, 3) && !group.rows_arrived(9, 4), "too early and too late");
        assert!(group.rows_arrived(rows, 4));
        assert!(!group.is_rebuilding() && !group.rows_arrived(rows, 4));
        let mut append = message(MessageType::MsgAppend, 4, 9, 4);
        append.commit = 9;
        group.step(at(1), append);
        assert_eq!(turns(&mut group).1, (rows + 1..=9).collect::<Vec<_>>());
        assert_eq!(group.applied_index(), 9);
    }
}

#[test]
fn rows_that_come_before_the_library_handed_anything_out_fit_too() {
    let mut group = group((5, 3), false, &[(6, 3), (7, 4), (8, 4)], 8);
    assert!(group.rows_arrived(7, 4));
    assert_eq!(turns(&mut group).1, [8]);
    assert!(group.rebuild.is_none());
}

#[test]
fn a_snapshot_beyond_the_log_resets_it_and_one_within_does_not() {
    let snapshot = |index, term| {
        let mut m = message(MessageType::MsgSnapshot, 4, 0, 0);
        let meta = m.mut_snapshot().mut_metadata();
        (meta.index, meta.term) = (index, term);
        meta.mut_conf_state().voters = vec![1, 2, 3];
        m
    };
    let mut within = group((5, 3), false, &[(6, 3), (7, 4), (8, 4)], 6);
    assert!(!within.rows_arrived(7, 4), "not known to be committed");
    within.step(at(1), snapshot(7, 4));
    turns(&mut within);
    assert!(within.is_rebuilding() && within.rows_arrived(7, 4));
    assert_eq!((within.last_index(), within.commit()), (8, 7));
    let mut beyond = group((5, 3), false, &[(6, 3), (7, 4), (8, 4)], 6);
    beyond.step(at(1), snapshot(12, 4));
    turns(&mut beyond);
    assert!(!beyond.is_rebuilding() && !beyond.rows_arrived(12, 4));
    assert_eq!((beyond.last_index(), beyond.applied_index()), (12, 12));
}

#[test]
fn nothing_is_claimed_by_a_term_that_is_only_a_bound() {
    use crate::Promise;
    let mut group = group((5, 4), true, &[], 5);
    // It acknowledged up to 5 in term 4 if that is the true term: it is not taken for an older folder.
    assert_eq!(group.started(), Promise { generation: 0, term: 4, index: 5 });
    assert_eq!(group.holds(), Promise { generation: 0, term: 4, index: 0 });
    assert!(group.rows_arrived(5, 3));
    assert_eq!((group.compacted(), group.holds()), ((5, 3), Promise { generation: 0, term: 4, index: 0 }));
}

#[test]
fn what_is_kept_back_is_bounded() {
    let mut group = group((5, 3), false, &[], 5);
    let mut last = (5, 3);
    loop {
        let mut append = message(MessageType::MsgAppend, 4, last.0, last.1);
        append.entries = vec![Entry { data: vec![0; 1 << 20].into(), ..entry(last.0 + 1, 4) }].into();
        match group.step(at(1), append) {
            Step::Taken => last = (last.0 + 1, 4),
            other => {
                assert_eq!(other, Step::Dropped(Dropped::NoRows));
                break;
            }
        }
        turns(&mut group);
    }
    assert!(group.tail_bytes() < MAX_KEPT_BACK + (2 << 20));
}

#[test]
fn a_leader_offers_a_checkpoint_that_reaches_the_followers_log() {
    let mut found = Recovered::default();
    found.conf_state.voters = vec![1];
    found.conf_state.learners = vec![2];
    let mut group = Group::new(GroupConfig::new(GroupId(0), NodeId(1), 7), found, at(0)).unwrap();
    assert!(group.offer_snapshot(NodeId(2), 0).is_none(), "it does not lead");
    for ms in 1..200 {
        group.tick(at(ms));
        turns(&mut group);
    }
    assert!(group.offer_snapshot(NodeId(2), 1).is_none());
    assert_eq!(group.take_snapshot_wanted().into_iter().collect::<Vec<_>>(), [NodeId(2)]);
    group.set_snapshot_source(1, 1);
    assert!(group.offer_snapshot(NodeId(2), 2).is_none() && group.offer_snapshot(NodeId(9), 0).is_none());
    let offer = group.offer_snapshot(NodeId(2), 1).unwrap();
    assert_eq!((offer.to, offer.index, offer.term, offer.message.term), (NodeId(2), 1, 1, group.term()));
    assert!(group.offer_snapshot(NodeId(2), 1).is_none(), "one at a time");
    group.snapshot_done(NodeId(2), true);
    assert!(group.offer_snapshot(NodeId(2), 1).is_some());
}
