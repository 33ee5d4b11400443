//! What consensus costs: `cargo run --release -p everstore-raft --example cost`. Three replicas in one
//! thread, messages through the wire format, disks that take no time. Prints ns per entry (allocator: the system's) and per idle tick.

// A measurement needs a clock.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use everstore_raft::{ConfState, Group, GroupConfig, Output, Recovered, wire};
use model::{GroupId, NodeId, Now};
use std::time::Instant;

fn main() {
    let mut groups: Vec<Group> = (1..=3).map(group).collect();
    let mut out = Output::default();
    let mut ms = 0;
    while !groups[0].can_propose() {
        ms += 1;
        turn(&mut groups, ms, &mut out);
    }
    for (entries, size) in [(1, 100), (1, 2000), (8, 100), (8, 2000)] {
        let turns = 100_000;
        let start = Instant::now();
        for i in 0..turns {
            for _ in 0..entries {
                groups[0].propose(vec![7; size]).expect("a leader");
            }
            turn(&mut groups, ms + i / 1000, &mut out);
        }
        let each = start.elapsed().as_nanos() / u128::from(turns * entries);
        println!("{entries} entries of {size} bytes a turn: {each} ns per entry, three replicas");
        ms += turns / 1000;
    }
    println!("applied {}", groups[0].applied_index());
    let rounds = 2_000_000;
    let start = Instant::now();
    for i in 0..rounds {
        // Due every time, as one follower's clock moves on; no message ever comes.
        let now = Now { mono_ns: ms * 1_000_000 + i * 200, wall_ms: 0 };
        groups[1].tick(now);
        groups[1].ready(&mut out);
    }
    println!("a turn without anything to do: {} ns", start.elapsed().as_nanos() / u128::from(rounds));
    let rounds = 24;
    let start = Instant::now();
    for _ in 0..rounds {
        ms += 5;
        groups[2].tick(Now { mono_ns: ms * 1_000_000, wall_ms: 0 });
        groups[2].ready(&mut out);
    }
    println!("a tick of an idle follower: {} ns", start.elapsed().as_nanos() / u128::from(rounds as u64));
}

fn group(node: u64) -> Group {
    let config = GroupConfig::new(GroupId(0), NodeId(node), node);
    let conf_state = ConfState { voters: vec![1, 2, 3], ..ConfState::default() };
    let found = Recovered { conf_state, ..Recovered::default() };
    Group::new(config, found, Now::default()).expect("a new group")
}

fn turn(groups: &mut [Group], ms: u64, out: &mut Output) {
    let now = Now { mono_ns: ms * 1_000_000, wall_ms: 0 };
    let mut frames = Vec::new();
    loop {
        for group in groups.iter_mut() {
            group.tick(now);
            group.ready(out);
            while let Some(persist) = out.persist.take() {
                group.persisted(persist.number, out);
                group.ready(out);
            }
            if let Some(last) = out.committed.last() {
                group.applied(last.index);
            }
            out.committed.clear();
            for m in out.messages.drain(..) {
                let mut bytes = Vec::with_capacity(64);
                wire::encode(&m, &mut bytes);
                frames.push((m.to, bytes));
            }
        }
        if frames.is_empty() {
            return;
        }
        for (to, bytes) in frames.drain(..) {
            let m = wire::decode(&bytes).expect("what was encoded");
            groups[to as usize - 1].step(now, m);
        }
    }
}
