//! What can happen in the world.

use super::script::{End, KEYS, Op};
use proptest::collection::vec;
use proptest::prelude::*;

/// One thing that happens. Numbers are taken modulo what exists.
#[derive(Debug, Clone)]
pub enum Step {
    /// The leader executes a command. Expiries in it are relative to its time.
    Execute { ks: u16, ops: Vec<Op>, end: End },
    /// The leader executes a write forwarded by a node, new or one that was sent before.
    Forward { origin: (u64, u64), again: Option<usize>, ops: Vec<Op> },
    /// A forwarding node says up to which of its newest writes it needs no answers any more.
    Mark { origin: (u64, u64), back: u64 },
    /// The leader changes a row of the group's own state.
    System(u8, Option<u8>),
    /// The turn ends.
    Propose,
    /// An entry without payload is proposed between turns.
    Empty,
    /// So many more entries are committed.
    Commit(u64),
    /// A follower applies up to so many committed entries.
    Follow(usize, u64),
    /// Another leader, which keeps so many of the entries that were not committed.
    Elect { node: usize, keep: usize },
    /// A node begins a checkpoint.
    Begin(usize),
    /// A node takes a slice of so many rows of the checkpoint it began.
    Slice(usize, usize),
    /// A node writes a checkpoint.
    Checkpoint(usize),
    /// A node starts again from its store; if it leads, another one takes over.
    Crash(usize),
    /// A node starts again from another one's store, if that is not older.
    Install { from: usize, to: usize },
    /// Time passes.
    Wait(u64),
    /// The wall clock of a node is set to so many ms ahead of the others.
    SetClock(usize, u64),
    /// The leader deletes what has expired.
    ExpireDue,
    /// A node does its housekeeping.
    Tidy(usize),
    /// A node lets about so many bytes of rows go.
    LetGo(usize, usize),
    /// What a node has read of its store, and its machine not got yet, arrives.
    Arrive(usize),
    /// A client asks for keys and is gone before their rows are fetched, and so is what it had asked.
    Abandon { ks: u16, keys: Vec<usize> },
}

impl Step {
    /// The leader sets a key.
    pub fn put(ks: u16, key: usize, value: &[u8]) -> Step {
        Step::Execute { ks, ops: vec![Op::Put(key, 0, value.to_vec())], end: End::Done }
    }
}

fn op() -> impl Strategy<Value = Op> {
    let key = || 0..KEYS.len();
    let value = || vec(b'a'..=b'e', 0..12);
    let expire = || prop_oneof![2 => Just(0), 3 => 1..40u64, 1 => 1000..90_000u64];
    prop_oneof![
        4 => key().prop_map(Op::Get),
        6 => (key(), expire(), value()).prop_map(|(k, e, v)| Op::Put(k, e, v)),
        1 => (key(), vec(Just(b'z'), 20..30)).prop_map(|(k, v)| Op::Put(k, 0, v)),
        2 => (key(), value()).prop_map(|(k, v)| Op::PutNew(k, v)),
        4 => (key(), 0..18usize, value()).prop_map(|(k, o, v)| Op::Patch(k, o, v)),
        3 => (key(), expire()).prop_map(|(k, e)| Op::Expire(k, e)),
        5 => key().prop_map(Op::Delete),
        1 => Just(Op::Flush),
        1 => Just(Op::Count),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let ops = || vec(op(), 1..5);
    let end = prop_oneof![6 => Just(End::Done), 2 => Just(End::Fail), 1 => Just(End::Fetch)];
    let origin = || (1..3u64, 1..3u64);
    let again = proptest::option::weighted(0.4, 0..40usize);
    let node = || 0..3usize;
    prop_oneof![
        12 => (0..2u16, ops(), end).prop_map(|(ks, ops, end)| Step::Execute { ks, ops, end }),
        6 => (origin(), again, ops()).prop_map(|(origin, again, ops)| Step::Forward { origin, again, ops }),
        1 => (origin(), 0..4u64).prop_map(|(origin, back)| Step::Mark { origin, back }),
        1 => (0..3u8, proptest::option::of(0..9u8)).prop_map(|(name, value)| Step::System(name, value)),
        8 => Just(Step::Propose),
        1 => Just(Step::Empty),
        5 => (1..4u64).prop_map(Step::Commit),
        6 => (node(), 1..6u64).prop_map(|(node, n)| Step::Follow(node, n)),
        2 => (node(), 0..4usize).prop_map(|(node, keep)| Step::Elect { node, keep }),
        5 => node().prop_map(Step::Begin),
        8 => (node(), 0..4usize).prop_map(|(node, rows)| Step::Slice(node, rows)),
        3 => node().prop_map(Step::Checkpoint),
        2 => node().prop_map(Step::Crash),
        1 => (node(), node()).prop_map(|(from, to)| Step::Install { from, to }),
        4 => prop_oneof![8 => 1..20u64, 1 => 5_000..70_000u64].prop_map(Step::Wait),
        1 => (node(), 0..60u64).prop_map(|(node, ahead)| Step::SetClock(node, ahead)),
        1 => Just(Step::ExpireDue),
        2 => node().prop_map(Step::Tidy),
        6 => (node(), prop_oneof![1..200usize, Just(usize::MAX)]).prop_map(|(node, n)| Step::LetGo(node, n)),
        3 => node().prop_map(Step::Arrive),
        4 => (0..2u16, vec(0..KEYS.len(), 1..4)).prop_map(|(ks, keys)| Step::Abandon { ks, keys }),
    ]
}

/// Up to `most` steps.
pub fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..most)
}
