//! Programs that do not understand what the cluster uses.

use super::*;
use crate::heartbeat::SAID_LEVEL;

/// A side whose program understands `own`, in a cluster that is known to use `used`.
fn at(local: Local, own: u64, used: u64) -> Local {
    Local { levels: Levels { own, used, said: used >= SAID_LEVEL }, ..local }
}

fn talks(dial: Local, accept: Local) -> Ended {
    let gate = Knows { admits: Some(Ok(4)), ..Knows::default() };
    talk((dial, Knows::default()), (accept, gate))
}

fn text(node: &str, used: u64, understood: u64) -> String {
    format!(
        "the cluster uses formats of level {used}, and the program of {node} understands those up to level \
         {understood}: start it with the version that the other nodes run"
    )
}

#[test]
fn who_understands_less_than_is_used_is_too_old_whoever_calls() {
    // It has seen the level before this one, and so it says its own.
    let (new, old) = (at(member(2), 6, 6), at(member(1), 5, 4));
    let ended = talks(old.clone(), new.clone());
    expect(&ended, false, &text("node 1", 6, 5));
    assert_eq!(verdicts(&ended), (Verdict::TooOld, Verdict::Passing));
    let ended = talks(new.clone(), old);
    expect(&ended, false, &text("node 1", 6, 5));
    assert_eq!(verdicts(&ended), (Verdict::Passing, Verdict::TooOld), "it has found out by itself");
    // One that does not know the cluster's level any more is told what is used when it is called.
    let ended = talks(new, at(member(1), 5, 0));
    assert_eq!(verdicts(&ended), (Verdict::Passing, Verdict::TooOld));
}

#[test]
fn who_understands_all_that_is_used_is_let_in() {
    for (dial, accept) in
        [((6, 6), (6, 6)), ((7, 6), (6, 5)), ((6, 5), (7, 6)), ((5, 3), (4, 3)), ((3, 3), (9, 3))]
    {
        let ended = talks(at(member(1), dial.0, dial.1), at(member(2), accept.0, accept.1));
        assert_eq!((done(&ended.dial).node, done(&ended.accept).node), (NodeId(2), NodeId(1)));
    }
}

/// Before the gate is asked for an id.
#[test]
fn a_node_that_joins_is_asked_what_it_understands_and_gets_no_id_if_that_is_too_little() {
    let accept = || at(member(1), 6, 6);
    let ended = talks(joining(4), accept());
    let asks = "the cluster uses formats of level 6, and a node that joins does not say which its program \
                understands: one that can not say so is too old";
    expect(&ended, false, asks);
    assert_eq!(verdicts(&ended), (Verdict::Unsaid, Verdict::Passing));
    let says = |own| Local { levels: Levels { own, used: 0, said: true }, ..joining(4) };
    assert_eq!(done(&talks(says(6), accept()).dial).joined, Some(NodeId(4)));
    let mut gate = Knows { admits: Some(Ok(4)), ..Knows::default() };
    let mut dial = Handshake::dial(says(5), Purpose::Turn);
    let mut accept = Handshake::accept(accept());
    let hello = dial.input(&[], &mut Knows::default()).output;
    let answer = accept.input(&hello, &mut gate).output;
    let identity = dial.input(&answer, &mut Knows::default()).output;
    let end = accept.input(&identity, &mut gate);
    assert_eq!(refused(&end.state), text("a node that joins", 6, 5));
    assert_eq!(gate.asked, []);
    let end = dial.input(&end.output, &mut Knows::default()).state;
    assert!(matches!(end, State::Refused(Refusal { verdict: Verdict::TooOld, .. })), "{end:?}");
}

/// Nothing is added to what such a program reads, as long as the cluster does not use a level that says it.
#[test]
fn a_program_that_knows_no_levels_is_spoken_to_as_ever_and_refused_once_the_level_is_used() {
    let before = talks(member(1), member(2)).said;
    let ended = talks(at(member(1), 9, SAID_LEVEL - 1), at(member(2), 9, SAID_LEVEL - 1));
    assert_eq!(ended.said, before);
    let ended = talks(member(1), at(member(2), 9, SAID_LEVEL));
    assert_eq!(verdicts(&ended), (Verdict::Unsaid, Verdict::Passing));
    // Of one that does not know this verdict the text is all that is left, and it has no proof in it.
    assert!(refused(&ended.dial).ends_with("one that can not say so is too old"));
}
