use super::*;
use crate::{GroupConfig, Output, Recovered};
use model::{GroupId, Now};
use raft::eraftpb::HardState;

fn at(ms: u64) -> Now {
    Now { mono_ns: ms * MS, wall_ms: 0 }
}

fn entry(index: u64, term: u64, data: &str) -> Entry {
    Entry { index, term, data: data.as_bytes().to_vec().into(), ..Entry::default() }
}

fn metadata(index: u64, term: u64) -> Entry {
    let mut entry = entry(index, term, "x");
    strip(&mut entry);
    entry
}

fn message(kind: MessageType, (from, to): (u64, u64), term: u64, index: u64) -> Message {
    let mut m = Message { to, from, term, index, ..Message::default() };
    m.set_msg_type(kind);
    m
}

/// Node 3 of three is the witness.
fn group(node: u64, entries: Vec<Entry>) -> Result<Group, crate::GroupError> {
    let term = entries.last().map_or(1, |entry| entry.term);
    let mut found = Recovered { entries, ..Recovered::default() };
    found.conf_state.voters = vec![1, 2, 3];
    found.hard_state = HardState { term, ..HardState::default() };
    let witness = node == 3;
    let mut group =
        Group::new(GroupConfig { witness, ..GroupConfig::new(GroupId(0), NodeId(node), 7) }, found, at(0))?;
    group.set_witnesses([NodeId(3)].into_iter());
    Ok(group)
}

/// Node 1 under test, with the messages that it sent. Its log is synced when the test says so.
struct Leader {
    group: Group,
    sent: Vec<Message>,
    unsynced: Vec<u64>,
    ms: u64,
}

impl Leader {
    /// Elected by the witness.
    fn elected() -> Leader {
        let group = group(1, vec![entry(1, 1, "a")]).unwrap();
        let mut leader = Leader { group, sent: Vec::new(), unsynced: Vec::new(), ms: 0 };
        while !leader.group.is_leader() {
            leader.pass(1);
            assert!(leader.ms < 1000, "it was not elected");
            for asked in std::mem::take(&mut leader.sent) {
                let kind = match asked.msg_type {
                    MessageType::MsgRequestPreVote => MessageType::MsgRequestPreVoteResponse,
                    MessageType::MsgRequestVote => MessageType::MsgRequestVoteResponse,
                    _ => continue,
                };
                leader.group.step(at(leader.ms), message(kind, (asked.to, 1), asked.term, 0));
            }
            leader.sync();
        }
        leader
    }

    fn pass(&mut self, ms: u64) {
        for _ in 0..ms {
            self.ms += 1;
            self.group.tick(at(self.ms));
            self.collect();
        }
    }

    fn collect(&mut self) {
        let mut out = Output::default();
        self.group.ready(&mut out);
        self.unsynced.extend(out.persist.take().map(|persist| persist.number));
        self.sent.append(&mut out.messages);
        out.committed.iter().for_each(|entry| self.group.applied(entry.index));
    }

    fn sync(&mut self) {
        self.collect();
        for number in std::mem::take(&mut self.unsynced) {
            let mut out = Output::default();
            self.group.persisted(number, &mut out);
            self.sent.append(&mut out.messages);
        }
        self.collect();
    }

    fn acknowledge(&mut self, from: u64, index: u64) {
        let ack = message(MessageType::MsgAppendResponse, (from, 1), self.group.term(), index);
        self.group.step(at(self.ms), ack);
        self.collect();
    }

    /// The last entry that the witness has been sent since the last call.
    fn told(&mut self) -> Option<u64> {
        self.collect();
        let sent = std::mem::take(&mut self.sent);
        let appends = sent.iter().filter(|m| m.to == 3 && m.msg_type == MessageType::MsgAppend);
        appends.filter_map(|m| m.entries.last()).map(|entry| entry.index).max()
    }
}

#[test]
fn a_witness_hears_of_an_entry_when_all_who_count_have_it_on_disk() {
    let mut leader = Leader::elected();
    leader.acknowledge(3, 1);
    assert_eq!(leader.told(), None, "nobody has acknowledged the first entry of the term");
    leader.acknowledge(2, 2);
    assert_eq!(leader.told(), Some(2));
    leader.acknowledge(3, 2);
    leader.group.propose(b"b".to_vec()).unwrap();
    leader.sync();
    assert_eq!(leader.told(), None, "the other data node lacks it");
    leader.acknowledge(2, 3);
    assert_eq!(leader.told(), Some(3));
    assert_eq!(leader.group.commit(), 3);
    assert!(!leader.group.rests_on_witness());
}

#[test]
fn when_the_other_is_lost_they_commit_alone_and_only_what_is_on_the_leaders_disk() {
    let mut leader = Leader::elected();
    leader.acknowledge(2, 2);
    leader.acknowledge(3, 2);
    leader.told();
    leader.group.set_lost([NodeId(2)].into_iter());
    leader.pass(5);
    assert!(leader.group.rests_on_witness());
    leader.group.propose(b"b".to_vec()).unwrap();
    assert_eq!(leader.told(), None, "a power cut now would leave it with the witness alone");
    leader.sync();
    assert_eq!(leader.told(), Some(3));
    assert_eq!(leader.group.commit(), 2);
    leader.acknowledge(3, 3);
    assert_eq!(leader.group.commit(), 3);
    // It is back, and behind: they go on without it until it has nearly caught up.
    leader.group.set_lost([].into_iter());
    leader.group.propose(b"c".to_vec()).unwrap();
    leader.sync();
    assert_eq!(leader.told(), Some(4));
    assert!(leader.group.rests_on_witness(), "the witness may know of an entry that the other lacks");
    leader.acknowledge(3, 4);
    leader.pass(10);
    assert!(leader.group.rests_on_witness(), "it is committed");
    leader.acknowledge(2, 4);
    leader.pass(10);
    leader.group.propose(b"d".to_vec()).unwrap();
    leader.sync();
    assert_eq!(leader.told(), None);
    assert!(!leader.group.rests_on_witness());
}

#[test]
fn who_does_not_keep_up_counts_no_more_after_a_while() {
    let mut leader = Leader::elected();
    leader.acknowledge(2, 2);
    leader.acknowledge(3, 2);
    leader.pass(10);
    leader.group.propose(b"b".to_vec()).unwrap();
    leader.sync();
    let alive = |leader: &mut Leader, ms: u64| {
        for _ in 0..ms / 20 {
            leader.pass(20);
            let term = leader.group.term();
            for node in [2, 3] {
                leader
                    .group
                    .step(at(leader.ms), message(MessageType::MsgHeartbeatResponse, (node, 1), term, 0));
            }
        }
    };
    alive(&mut leader, 4000);
    assert_eq!(leader.told(), None, "slow is not lost");
    alive(&mut leader, 2000);
    assert_eq!(leader.told(), Some(3));
}

#[test]
fn leadership_goes_to_no_witness_and_is_taken_by_none() {
    let mut leader = Leader::elected();
    leader.acknowledge(2, 2);
    let refused = leader.group.transfer(NodeId(3), at(leader.ms));
    assert_eq!(refused, Err(crate::TransferRefused::Witness(NodeId(3))));
    assert_eq!(leader.group.synced_followers(2, 2), Some(1));
    leader.acknowledge(3, 2);
    assert_eq!(leader.group.synced_followers(2, 2), Some(1), "a witness is no copy");
    let mut witness = group(3, vec![metadata(1, 1)]).unwrap();
    for ms in 0..2000 {
        witness.tick(at(ms));
        witness.campaign_evidence(at(ms));
        let mut out = Output::default();
        witness.ready(&mut out);
        assert!(out.messages.is_empty(), "it campaigns");
    }
    let append = message(MessageType::MsgHeartbeat, (1, 3), 2, 0);
    witness.step(at(2000), append);
    let order = message(MessageType::MsgTimeoutNow, (1, 3), 2, 0);
    assert_eq!(witness.step(at(2001), order), crate::Step::Dropped(crate::Dropped::TimeoutNow(1)));
}

#[test]
fn a_witness_keeps_no_payload_and_nobody_else_takes_an_entry_without() {
    let mut append = message(MessageType::MsgAppend, (1, 3), 1, 1);
    append.log_term = 1;
    append.entries = vec![entry(2, 1, "secret"), entry(3, 1, "")].into();
    let mut witness = group(3, vec![metadata(1, 1)]).unwrap();
    assert_eq!(witness.step(at(1), append.clone()), crate::Step::Taken);
    let mut out = Output::default();
    witness.ready(&mut out);
    let kept = out.persist.unwrap().entries;
    assert_eq!(kept, [metadata(2, 1), entry(3, 1, "")]);
    assert_eq!(crate::entry_kind(&kept[0]), 2);

    assert!(group(2, vec![metadata(1, 1)]).is_err(), "from its disk");
    let mut data = group(2, vec![entry(1, 1, "a")]).unwrap();
    append.to = 2;
    append.entries = vec![metadata(2, 1)].into();
    let step = data.step(at(1), append);
    assert!(matches!(step, crate::Step::Dropped(crate::Dropped::Malformed(..))), "from a peer: {step:?}");
}

#[test]
fn a_witness_votes_beside_two_others_and_alone_of_its_kind() {
    let witnesses = Witnesses { nodes: BTreeSet::from([3, 4]), ..Witnesses::default() };
    let of = |voters: &[u64]| ConfState { voters: voters.to_vec(), ..ConfState::default() };
    assert!(witnesses.may_vote(&of(&[1, 2, 3])));
    assert!(witnesses.may_vote(&of(&[1])));
    assert!(!witnesses.may_vote(&of(&[1, 3])));
    assert!(!witnesses.may_vote(&of(&[1, 2, 3, 4])));
}

#[test]
fn a_snapshot_that_tells_a_witness_of_more_than_others_have_waits() {
    let mut leader = Leader::elected();
    let mut snapshot = message(MessageType::MsgSnapshot, (1, 3), leader.group.term(), 0);
    snapshot.mut_snapshot().mut_metadata().index = 2;
    assert_eq!(leader.group.for_witness(snapshot.clone()), None);
    leader.acknowledge(2, 2);
    assert_eq!(leader.group.for_witness(snapshot.clone()), Some(snapshot.clone()));
    snapshot.to = 2;
    snapshot.mut_snapshot().mut_metadata().index = 9;
    assert_eq!(leader.group.for_witness(snapshot.clone()), Some(snapshot), "others get what they need");
}
