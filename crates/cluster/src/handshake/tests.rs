mod too_old;
mod wire;

use super::*;
use crate::formation::lost_folder;
use proptest::prelude::*;
use std::collections::BTreeMap;

const CLUSTER: ClusterId = ClusterId(0xc1);

fn addresses(n: u64) -> Addresses {
    Addresses {
        redis: format!("h:700{n}"),
        peer: format!("h:710{n}"),
        admin: format!("h:720{n}"),
        cluster: String::new(),
    }
}

/// Node `n`, a member; its nonce, boot and token are made of `n`.
fn member(n: u64) -> Local {
    Local {
        cluster: Some(CLUSTER),
        node: Some(NodeId(n)),
        incarnation: 5,
        boot: Boot([n as u8; 16]),
        token: JoinToken([n as u8; 16]),
        witness: false,
        secret: Secret::new([7; 32]),
        addresses: addresses(n),
        levels: Levels::default(),
        nonce: [n as u8; 32],
    }
}

fn joining(n: u64) -> Local {
    Local { cluster: None, node: None, ..member(n) }
}

fn peer(n: u64, incarnation: u64, boot: Option<u8>) -> Peer {
    Peer { node: NodeId(n), addresses: addresses(n), incarnation, boot: boot.map(|b| Boot([b; 16])) }
}

fn formation(shards: u16) -> Formation {
    Formation { replicas: 3, shards, members: vec![NodeId(1), NodeId(2), NodeId(3)], ..Formation::default() }
}

/// A gate that knows what the test says.
#[derive(Default, Clone)]
struct Knows {
    known: BTreeMap<NodeId, Known>,
    admits: Option<Result<u64, Refusal>>,
    asked: Vec<Joiner>,
    called: Vec<Peer>,
    news: News,
}

impl Knows {
    fn of(node: u64, incarnation: u64, boot: Option<u8>) -> Knows {
        let known = Known { incarnation, boot: boot.map(|b| Boot([b; 16])), removed: false };
        Knows { known: BTreeMap::from([(NodeId(node), known)]), ..Knows::default() }
    }

    fn telling(members: Vec<Peer>, formation: Option<Formation>) -> Knows {
        Knows { news: News { members, formation }, ..Knows::default() }
    }
}

impl Gate for Knows {
    fn known(&mut self, node: NodeId) -> Option<Known> {
        self.known.get(&node).copied()
    }

    fn admit(&mut self, joiner: &Joiner) -> Result<NodeId, Refusal> {
        self.asked.push(joiner.clone());
        self.admits.clone().unwrap_or_else(|| Err(passing("nobody is admitted"))).map(NodeId)
    }

    fn called_by(&mut self, member: Peer) {
        self.called.push(member);
    }

    fn news(&mut self) -> News {
        self.news.clone()
    }
}

fn passing(reason: &str) -> Refusal {
    Refusal::new(reason, Verdict::Passing)
}

/// How a conversation ended on both sides, and all bytes of the dialling and the accepting side.
struct Ended {
    dial: State,
    accept: State,
    said: [Vec<u8>; 2],
}

/// Lets two sides speak; `wire` may change the bytes sent by the dialling (true) or accepting side.
fn converse(
    dial: (Local, Knows),
    accept: (Local, Knows),
    step: usize,
    wire: &mut dyn FnMut(bool, &mut Vec<u8>),
) -> Ended {
    let mut sides = [Handshake::dial(dial.0, Purpose::Turn), Handshake::accept(accept.0)];
    let mut gates = [dial.1, accept.1];
    let mut states = [State::Going, State::Going];
    let mut said = [Vec::new(), Vec::new()];
    let mut inboxes = [Vec::new(), Vec::new()];
    let mut first = true;
    loop {
        let mut moved = false;
        for side in 0..2 {
            let due = !inboxes[side].is_empty() || (first && side == 0);
            if states[side] != State::Going || !due {
                continue;
            }
            moved = true;
            let inbox: Vec<u8> = std::mem::take(&mut inboxes[side]);
            let mut at = 0;
            while states[side] == State::Going && (at < inbox.len() || (first && side == 0)) {
                first = false;
                let end = inbox.len().min(at + step);
                let progress = sides[side].input(&inbox[at..end], &mut gates[side]);
                assert!(progress.consumed <= end - at);
                if progress.state == State::Going {
                    assert_eq!(progress.consumed, end - at);
                }
                at = end;
                states[side] = progress.state;
                let mut output = progress.output;
                wire(side == 0, &mut output);
                said[side].extend_from_slice(&output);
                inboxes[1 - side].extend_from_slice(&output);
            }
        }
        if !moved {
            let [dial, accept] = states;
            return Ended { dial, accept, said };
        }
    }
}

fn talk(dial: (Local, Knows), accept: (Local, Knows)) -> Ended {
    converse(dial, accept, usize::MAX / 2, &mut |_, _| {})
}

fn done(state: &State) -> &Established {
    match state {
        State::Done(established) => established,
        other => panic!("not done: {other:?}"),
    }
}

fn refused(state: &State) -> &str {
    match state {
        State::Refused(refusal) => &refusal.reason,
        other => panic!("not refused: {other:?}"),
    }
}

/// What the end means for the dialling and for the accepting side.
fn verdicts(ended: &Ended) -> (Verdict, Verdict) {
    let verdict = |state: &State| match state {
        State::Refused(refusal) => refusal.verdict,
        other => panic!("not refused: {other:?}"),
    };
    (verdict(&ended.dial), verdict(&ended.accept))
}

/// One side refuses with this reason, the other one is told it.
#[track_caller]
fn expect(ended: &Ended, by_dial: bool, reason: &str) {
    let (by, to) = if by_dial { (&ended.dial, &ended.accept) } else { (&ended.accept, &ended.dial) };
    assert_eq!(refused(by), reason);
    assert_eq!(refused(to), format!("refused by the other side: {reason}"));
}

#[test]
fn two_members_learn_everything_of_each_other() {
    for step in [1, 7, 1 << 20] {
        let news = (vec![peer(1, 5, Some(1)), peer(3, 2, None)], Some(formation(16)));
        let told = Knows::telling(news.0.clone(), news.1.clone());
        let ended = converse((member(1), told), (member(2), Knows::default()), step, &mut |_, _| {});
        let at_2 = done(&ended.accept);
        assert_eq!((&at_2.members, &at_2.formation), (&news.0, &news.1));
        assert_eq!((at_2.node, at_2.incarnation, at_2.cluster), (NodeId(1), 5, CLUSTER));
        assert_eq!((at_2.joined, at_2.purpose), (None, Purpose::Turn));
        assert_eq!(at_2.peer(), peer(1, 5, Some(1)));
        let at_1 = done(&ended.dial);
        assert_eq!((at_1.peer(), at_1.members.len(), &at_1.formation), (peer(2, 5, Some(2)), 0, &None));
    }
}

#[test]
fn a_cluster_port_reaches_the_other_side() {
    let with_port = |n: u64| Addresses { cluster: format!("h:730{n}"), ..addresses(n) };
    let told = vec![Peer { addresses: with_port(3), ..peer(3, 2, None) }];
    let dial = Local { addresses: with_port(1), ..member(1) };
    let ended = talk((dial, Knows::telling(told.clone(), None)), (member(2), Knows::default()));
    let at_2 = done(&ended.accept);
    assert_eq!((&at_2.addresses, &at_2.members), (&with_port(1), &told));
    assert_eq!(done(&ended.dial).addresses, addresses(2));
}

#[test]
fn a_joiner_gets_the_id_the_gate_gives() {
    let gate = Knows { admits: Some(Ok(4)), ..Knows::telling(vec![peer(1, 5, Some(1))], Some(formation(4))) };
    let ended = talk((joining(4), Knows::default()), (member(1), gate));
    let (at_joiner, at_member) = (done(&ended.dial), done(&ended.accept));
    assert_eq!((at_joiner.joined, at_joiner.node, at_joiner.cluster), (Some(NodeId(4)), NodeId(1), CLUSTER));
    assert_eq!((at_member.joined, at_member.node), (Some(NodeId(4)), NodeId(4)));
    assert_eq!(at_joiner.formation, Some(formation(4)));
    assert_eq!(at_member.peer(), peer(4, 5, Some(4)));
}

#[test]
fn a_joiner_that_is_not_admitted_is_told_why() {
    let reason = lost_folder(NodeId(2), "h:7102");
    let refusal = Refusal::new(reason.clone(), Verdict::NotAdmitted);
    let gate = Knows { admits: Some(Err(refusal)), ..Knows::default() };
    let ended = talk((joining(2), Knows::default()), (member(1), gate));
    expect(&ended, false, &reason);
    assert_eq!(verdicts(&ended), (Verdict::NotAdmitted, Verdict::Passing));
    let gate = Knows { admits: Some(Err(passing("later"))), ..Knows::default() };
    let ended = talk((joining(2), Knows::default()), (member(1), gate));
    assert_eq!(verdicts(&ended), (Verdict::Passing, Verdict::Passing));
    let both = talk((joining(2), Knows::default()), (joining(3), Knows::default()));
    expect(&both, false, refusal::NOT_JOINED);
    let ended = talk((member(1), Knows::default()), (joining(3), Knows::default()));
    expect(&ended, false, refusal::NOT_JOINED);
}

#[test]
fn a_stranger_and_another_cluster_are_refused() {
    let stranger = || Local { secret: Secret::new([8; 32]), ..member(1) };
    expect(&talk((stranger(), Knows::default()), (member(2), Knows::default())), false, refusal::STRANGER);
    expect(&talk((member(2), Knows::default()), (stranger(), Knows::default())), false, refusal::STRANGER);
    let ended = talk(
        (Local { node: None, cluster: None, ..stranger() }, Knows::default()),
        (member(2), Knows::default()),
    );
    expect(&ended, false, refusal::STRANGER);
    assert_eq!(verdicts(&ended), (Verdict::NotAdmitted, Verdict::Passing));
    let other = Local { cluster: Some(ClusterId(0xc2)), ..stranger() };
    let ended = talk((other, Knows::default()), (member(2), Knows::default()));
    let text = format!("{}; it says it is of cluster {}", refusal::STRANGER, ClusterId(0xc2));
    expect(&ended, false, &text);
    let other = Local { cluster: Some(ClusterId(0xc2)), ..member(1) };
    let ended = talk((other, Knows::default()), (member(2), Knows::default()));
    let text = format!("nodes of two clusters: {CLUSTER} was called by a node of {}", ClusterId(0xc2));
    expect(&ended, false, &text);
    assert_eq!(verdicts(&ended), (Verdict::OtherCluster, Verdict::Passing));
}

/// The gate is asked nothing before the secret is proven.
#[test]
fn a_stranger_is_given_no_id() {
    let mut gate = Knows { admits: Some(Ok(4)), ..Knows::default() };
    let stranger = Local { secret: Secret::new([8; 32]), ..joining(4) };
    let mut dial = Handshake::dial(stranger, Purpose::Turn);
    let mut accept = Handshake::accept(member(1));
    let hello = dial.input(&[], &mut Knows::default()).output;
    let answer = accept.input(&hello, &mut gate).output;
    let identity = dial.input(&answer, &mut Knows::default()).output;
    let end = accept.input(&identity, &mut gate);
    assert_eq!(refused(&end.state), refusal::STRANGER);
    assert_eq!(gate.asked, []);
}

/// The cluster has recorded it, and the answer was lost: who has it at its address may be the only one that it can ask.
#[test]
fn a_node_without_an_id_hears_who_of_the_members_called_it() {
    let callers = [
        (member(1), vec![peer(1, 5, Some(1))]),
        (joining(4), Vec::new()),
        (Local { secret: Secret::new([8; 32]), ..member(1) }, Vec::new()),
    ];
    for (caller, heard) in callers {
        let mut gate = Knows::default();
        let mut dial = Handshake::dial(caller, Purpose::Turn);
        let mut accept = Handshake::accept(joining(3));
        let hello = dial.input(&[], &mut Knows::default()).output;
        let answer = accept.input(&hello, &mut gate).output;
        let identity = dial.input(&answer, &mut Knows::default()).output;
        assert!(matches!(accept.input(&identity, &mut gate).state, State::Refused(_)));
        assert_eq!(gate.called, heard);
    }
}

#[test]
fn an_older_or_copied_data_folder_is_refused_on_both_sides() {
    let older = "node 1 comes with an older data folder: incarnation 5, 6 was seen; its replicas can not vote \
                 again; everstore node replace has them made anew elsewhere";
    let copied = "node 1 comes with incarnation 5, which another process had: its data folder was copied";
    for (incarnation, boot, reason) in [(6, Some(1), older), (6, None, older), (5, Some(9), copied)] {
        let knows = || Knows::of(1, incarnation, boot);
        let told = || Knows::telling(vec![peer(1, incarnation, boot)], None);
        // With `told` the folder's own node learns it from what others know of it.
        for (gate, by_dial) in [(knows(), false), (told(), true)] {
            let ended = talk((member(1), Knows::default()), (member(2), gate));
            expect(&ended, by_dial, reason);
            assert_eq!(verdicts(&ended), (Verdict::Outdated, Verdict::Passing));
        }
        for (gate, by_dial) in [(knows(), true), (told(), false)] {
            let ended = talk((member(2), gate), (member(1), Knows::default()));
            expect(&ended, by_dial, reason);
            assert_eq!(verdicts(&ended), (Verdict::Passing, Verdict::Outdated));
        }
    }
    for (incarnation, boot) in [(5, Some(1)), (5, None), (4, Some(9)), (4, None)] {
        let ended = talk((member(1), Knows::default()), (member(2), Knows::of(1, incarnation, boot)));
        assert_eq!(done(&ended.accept).incarnation, 5);
        assert_eq!(done(&ended.dial).node, NodeId(2));
    }
}

#[test]
fn a_node_that_connects_to_itself_or_to_its_copy_is_refused() {
    let ended =
        talk((member(1), Knows::default()), (Local { nonce: [9; 32], ..member(1) }, Knows::default()));
    expect(&ended, false, "this node connected to itself");
    let twin = Local { boot: Boot([9; 16]), ..member(1) };
    let ended = talk((member(1), Knows::default()), (twin, Knows::default()));
    expect(&ended, false, "two processes say that they are node 1: its data folder was copied");
    // Which of them is the copy is for others to say, unless one folder is older.
    assert_eq!(verdicts(&ended), (Verdict::Passing, Verdict::Passing));
    for (incarnation, expected) in
        [(6, (Verdict::Outdated, Verdict::Passing)), (4, (Verdict::Passing, Verdict::Outdated))]
    {
        let twin = Local { boot: Boot([9; 16]), incarnation, ..member(1) };
        assert_eq!(verdicts(&talk((member(1), Knows::default()), (twin, Knows::default()))), expected);
    }
}

/// Only a node that knows the secret can stop another one with what it says.
#[test]
fn a_verdict_without_a_proof_is_not_believed() {
    for verdict in [Verdict::OtherCluster, Verdict::Outdated, Verdict::TooOld] {
        let said = [message::refused(verdict, "stop"), vec![0; 32]].concat();
        let mut dial = Handshake::dial(member(1), Purpose::Turn);
        dial.input(&[], &mut Knows::default());
        for mut side in [dial, Handshake::accept(member(1))] {
            let end = side.input(&said, &mut Knows::default()).state;
            assert_eq!(end, State::Refused(passing("refused by the other side: stop")));
        }
        // On the way somebody changes one bit of the reason.
        let flip = &mut |by_dial: bool, bytes: &mut Vec<u8>| {
            if !by_dial && bytes.get(5) == Some(&message::REFUSED) {
                bytes[10] ^= 1;
            }
        };
        let ended =
            converse((member(1), Knows::default()), (member(2), Knows::of(1, 6, None)), 1 << 20, flip);
        assert_eq!(verdicts(&ended), (Verdict::Passing, Verdict::Passing));
    }
}

#[test]
fn a_cluster_that_was_formed_twice_is_refused() {
    let knows = |shards| Knows::telling(Vec::new(), Some(formation(shards)));
    let text = "the cluster was formed twice: with 3 replicas, 16 shards, nodes 1 2 3, and with 3 replicas, \
                4 shards, nodes 1 2 3";
    expect(&talk((member(1), knows(4)), (member(2), knows(16))), false, text);
    assert!(matches!(talk((member(1), knows(4)), (member(2), knows(4))).dial, State::Done(_)));
}

#[test]
fn whoever_comes_from_before_a_recovery_is_outdated_whoever_calls() {
    let survivor = formation(4).of_survivors(&[NodeId(1)]).unwrap();
    let knows = |formation: &Formation| Knows::telling(Vec::new(), Some(formation.clone()));
    let verdict = |state: &State| match state {
        State::Refused(refusal) => (refusal.verdict, refusal.reason.clone()),
        other => panic!("not refused: {other:?}"),
    };
    let text =
        "the cluster was recovered after its majority was lost and is of incarnation 1, with what node 1";
    let ended = talk((member(2), knows(&formation(4))), (member(1), knows(&survivor)));
    let (returning, reason) = verdict(&ended.dial);
    assert!(reason.contains(text), "{reason}");
    assert_eq!((returning, verdict(&ended.accept).0), (Verdict::Outdated, Verdict::Passing));
    let ended = talk((member(1), knows(&survivor)), (member(2), knows(&formation(4))));
    let (returning, reason) = verdict(&ended.accept);
    assert!(reason.contains(text), "{reason}");
    assert_eq!((verdict(&ended.dial).0, returning), (Verdict::Passing, Verdict::Outdated));
    let ended = talk((member(1), knows(&survivor)), (member(4), knows(&survivor)));
    assert_eq!(done(&ended.accept).formation, Some(survivor.clone()));
    assert_eq!(done(&ended.dial).formation, Some(survivor));
}

#[test]
fn the_purpose_reaches_the_other_side() {
    let mut dial = Handshake::dial(member(1), Purpose::Snapshot);
    let mut accept = Handshake::accept(member(2));
    let mut gate = Knows::default();
    let hello = dial.input(&[], &mut gate).output;
    let answer = accept.input(&hello, &mut gate).output;
    let identity = dial.input(&answer, &mut gate).output;
    let answer = accept.input(&identity, &mut gate).output;
    let end = dial.input(&answer, &mut gate);
    assert_eq!(done(&end.state).purpose, Purpose::Snapshot);
    // What follows the last message belongs to the connection.
    let mut last = end.output;
    let len = last.len();
    last.extend_from_slice(b"frame");
    let end = accept.input(&last, &mut gate);
    assert_eq!((end.consumed, done(&end.state).purpose), (len, Purpose::Snapshot));
}

#[test]
fn as_many_members_are_told_as_fit() {
    let many: Vec<Peer> = (1..=1024).map(|n| Peer { addresses: long(), ..peer(n, 1, Some(3)) }).collect();
    let ended = talk((member(2000), Knows::telling(many.clone(), None)), (member(2001), Knows::default()));
    let told = &done(&ended.accept).members;
    assert!(told.len() > 50 && told.len() < 1024, "{}", told.len());
    assert_eq!(told[..], many[..told.len()]);
}

fn long() -> Addresses {
    let text = "x".repeat(crate::peer::MAX_ADDRESS);
    Addresses { redis: text.clone(), peer: text.clone(), admin: text.clone(), cluster: text }
}
