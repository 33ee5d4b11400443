//! Golden scripts: `tests/scripts/*.txt` are stories of a few replicas that a person can read.
//!
//! A line `> command` is run; the lines below it up to the next blank line are what happened. Lines
//! starting with `#` tell the story. `EVERSTORE_UPDATE=1` writes what happens into the files.
//!
//! Commands (nodes are 1, 2, 3 …):
//! - `nodes 3 [spares=1] [group=2] [tail=100]`: a new world with its network empty and its disks fast
//! - `run 200`: everything works for 200 ms; messages take 1 ms, disks none, every node turns each ms
//! - by hand: `time 5` lets clocks move, `tick 1`, `ready 1` (the end of a turn), `persist 1`,
//!   `net` lists messages, `deliver|drop|dup 1 2 [Kind]` the oldest such message
//! - `cut 1`, `cut 1 2`, `heal`; `slow 1` stops its disk, `fast 1`; `stop 1` freezes it, `wake 1`
//! - `crash 1 [writes that survive]`, `restart 1`, `restart 1 commit=9` with that commit on disk
//! - `propose 1 text`, `transfer 1 2`, `evidence 2`, `checkpoint 1`, `stream 1 ok|fail|again`
//! - `members 1 learner 4`, `members 1 forget 4`, `members 1 enter add=4,5 remove=1`, `members 1 leave`
//! - `lease 1` asks, `renew 1` wants one, `read 1` begins a round; `synced 1 term index`
//! - `inject 2 Kind field=value…` hands node 2 a message as if from a peer
//! - `status`

// The test reads, and on request writes, its own scripts.
#![allow(clippy::disallowed_methods)]

mod sim;

use everstore_raft::{MemberStep, Message, MessageType, Step};
use model::NodeId;
use sim::World;
use std::fmt::Write;
use std::path::Path;

#[test]
fn scripts() {
    // Of the clone that runs them: the test may have been built in another one.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let folder = Path::new(&here).join("tests/scripts");
    let update = std::env::var_os("EVERSTORE_UPDATE").is_some();
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    let mut differ = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let now = play(&text);
        if now != text && update {
            std::fs::write(&path, &now).unwrap();
        } else if now != text {
            let line = text.lines().zip(now.lines()).position(|(a, b)| a != b);
            differ.push(format!("{} line {:?}:\n{now}", path.display(), line.map(|l| l + 1)));
        }
    }
    assert!(differ.is_empty(), "{}\nEVERSTORE_UPDATE=1 accepts this", differ.join("\n"));
}

/// The script with what happens now in place of what it expects.
fn play(text: &str) -> String {
    let mut world = None;
    let (mut out, mut expected) = (String::new(), false);
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("> ") {
            writeln!(out, "{line}").unwrap();
            let words: Vec<_> = command.split_whitespace().collect();
            for happened in run(&mut world, &words) {
                writeln!(out, "{}", happened.trim_end()).unwrap();
            }
            expected = true;
        } else if line.is_empty() || line.starts_with('#') {
            writeln!(out, "{line}").unwrap();
            expected = false;
        } else {
            assert!(expected, "neither command, comment nor outcome: {line}");
        }
    }
    out
}

fn option<T: std::str::FromStr>(words: &[&str], name: &str) -> Option<T> {
    let value = words.iter().find_map(|w| w.strip_prefix(name)?.strip_prefix('='))?;
    value.parse().ok()
}

fn run(world: &mut Option<World>, words: &[&str]) -> Vec<String> {
    let number = |at: usize| words.get(at).and_then(|w| w.parse::<u64>().ok());
    if words[0] == "nodes" {
        let spares = option(words, "spares").unwrap_or(0);
        *world = Some(World::with_spares(number(1).expect("how many"), spares, 7, |config| {
            config.group.0 = option(words, "group").unwrap_or(0);
            config.max_tail = option(words, "tail").unwrap_or(config.max_tail);
            config.member_steps = true;
            config.max_entry = 100;
        }));
        return Vec::new();
    }
    let world = world.as_mut().expect("a script starts with `nodes`");
    let id = number(1).unwrap_or(0);
    let mut said = match words[0] {
        "run" | "time" | "cut" | "heal" | "slow" | "fast" | "stop" | "wake" | "crash" | "restart" => {
            surroundings(world, words, id)
        }
        "tick" | "ready" | "persist" | "net" | "deliver" | "drop" | "dup" | "inject" => {
            by_hand(world, words, id)
        }
        "status" => status(world),
        _ => ask(world, words, id),
    };
    let mut happened = std::mem::take(&mut world.events);
    happened.append(&mut said);
    happened
}

fn surroundings(world: &mut World, words: &[&str], id: u64) -> Vec<String> {
    let count = world.nodes.len() as u64;
    match (words[0], words.get(2)) {
        ("run", _) => world.run(id),
        ("time", _) => world.time_us += id * 1000,
        ("heal", _) => world.cut.clear(),
        ("cut", Some(other)) => {
            let other = other.parse().expect("a node");
            world.cut.extend([(id, other), (other, id)]);
        }
        ("cut", None) => world.cut.extend((1..=count).flat_map(|o| [(id, o), (o, id)])),
        ("slow", _) => world.node(id).slow = true,
        ("fast", _) => world.node(id).slow = false,
        ("stop", _) => world.node(id).frozen = true,
        ("wake", _) => world.node(id).frozen = false,
        ("crash", keep) => world.crash(id, keep.map_or(0, |k| k.parse().expect("a number"))),
        ("restart", _) => {
            if let Some(commit) = option(words, "commit") {
                world.node(id).disk.hard_state.commit = commit;
            }
            world.restart(id);
            let group = world.group(id);
            return vec![format!("n{id} commit {} applied {}", group.commit(), group.applied_index())];
        }
        _ => panic!("unknown {words:?}"),
    }
    Vec::new()
}

fn by_hand(world: &mut World, words: &[&str], id: u64) -> Vec<String> {
    match words[0] {
        "tick" => world.tick(id),
        "ready" => world.ready(id),
        "persist" => world.persist(id, 1),
        "net" => return world.net.iter().map(show).collect(),
        "inject" => {
            let m = message(words, id);
            let step = world.step(id, m);
            return if step == Step::Taken { vec![format!("n{id} takes it")] } else { Vec::new() };
        }
        _ => {
            let to: u64 = words[2].parse().expect("a node");
            let fits = |m: &&Message| {
                let kind = words.get(3).is_none_or(|kind| kind_name(m) == *kind);
                (m.from, m.to) == (id, to) && kind
            };
            let Some(at) = world.net.iter().position(|m| fits(&m)) else {
                return vec!["no such message".to_owned()];
            };
            let m = world.net[at].clone();
            if words[0] != "dup" {
                world.net.remove(at);
            }
            if words[0] != "drop" {
                world.deliver(&m);
            }
            return vec![show(&m)];
        }
    }
    Vec::new()
}

fn member_step(words: &[&str]) -> MemberStep {
    let nodes = |name| {
        let list: String = option(words, name).unwrap_or_default();
        list.split(',').filter_map(|id| id.parse().ok()).map(NodeId).collect()
    };
    let node = || NodeId(words[3].parse().expect("a node"));
    match words[2] {
        "learner" => MemberStep::AddLearner(node()),
        "forget" => MemberStep::RemoveLearner(node()),
        "enter" => MemberStep::Enter { add: nodes("add"), remove: nodes("remove") },
        "leave" => MemberStep::Leave,
        other => panic!("no step of members: {other}"),
    }
}

fn ask(world: &mut World, words: &[&str], id: u64) -> Vec<String> {
    let now = world.now(id);
    let number = |at: usize| words[at].parse::<u64>().expect("a number");
    let answer = match words[0] {
        "propose" => match world.propose(id, &words[2..].join(" ")) {
            Ok((term, index)) => format!("n{id} proposed {index} t{term}"),
            Err(refused) => format!("n{id} refused: {refused}"),
        },
        "members" => match world.propose_members(id, &member_step(words)) {
            Ok((term, index)) => format!("n{id} proposed {index} t{term}"),
            Err(refused) => format!("n{id} refused: {refused}"),
        },
        "transfer" => match world.group(id).transfer(NodeId(number(2)), now) {
            Ok(()) => format!("n{id} hands over"),
            Err(refused) => format!("n{id} refused: {refused}"),
        },
        "lease" => {
            let group = world.group(id);
            let (valid, may) = (group.lease_valid(now), group.may_take_lease());
            let text = if valid { "a lease" } else { "no lease" };
            format!("n{id} has {text}{}", if may { "" } else { " and may not take one" })
        }
        "renew" => {
            world.group(id).want_lease(now);
            return Vec::new();
        }
        "read" => match world.read(id) {
            Ok(()) => return Vec::new(),
            Err(refused) => format!("n{id} refused: {refused}"),
        },
        "evidence" => {
            world.group(id).campaign_evidence(now);
            return Vec::new();
        }
        "checkpoint" => format!("n{id} freed its log up to {}", world.checkpoint(id)),
        "stream" if words[2] == "again" => {
            let m = world.streamed.clone().expect("a snapshot was streamed");
            world.deliver(&m);
            return Vec::new();
        }
        "stream" => {
            world.stream(id, words[2] == "ok");
            return Vec::new();
        }
        "synced" => {
            let synced = world.group(id).synced_followers(number(2), number(3));
            synced.map_or("unknown".to_owned(), |n| format!("on {n} followers"))
        }
        _ => panic!("unknown {words:?}"),
    };
    vec![answer]
}

fn status(world: &mut World) -> Vec<String> {
    let show = |node: &sim::Node| match &node.group {
        None => format!("n{} is down", node.id),
        Some(g) => format!(
            "n{} {:?} term {} follows {} last {} synced {} commit {} applied {}",
            node.id,
            g.role(),
            g.term(),
            g.leader().map_or("nobody".to_owned(), |l| format!("n{l}")),
            g.last_index(),
            g.persisted_index(),
            g.commit(),
            g.applied_index(),
        ),
    };
    world.nodes.iter().map(show).collect()
}

fn kind_name(m: &Message) -> String {
    format!("{:?}", m.msg_type).trim_start_matches("Msg").to_owned()
}

fn show(m: &Message) -> String {
    let mut text = format!("n{} -> n{} {} t{}", m.from, m.to, kind_name(m), m.term);
    let fields =
        [("index", m.index), ("log_term", m.log_term), ("commit", m.commit), ("hint", m.reject_hint)];
    for (name, value) in fields.into_iter().filter(|f| f.1 != 0) {
        write!(text, " {name}={value}").unwrap();
    }
    if !m.entries.is_empty() {
        write!(text, " entries={}", m.entries.len()).unwrap();
    }
    if m.reject {
        text.push_str(" reject");
    }
    text
}

fn message(words: &[&str], to: u64) -> Message {
    use MessageType::*;
    let kinds = [
        MsgHup,
        MsgBeat,
        MsgPropose,
        MsgAppend,
        MsgAppendResponse,
        MsgRequestVote,
        MsgSnapshot,
        MsgHeartbeat,
        MsgHeartbeatResponse,
        MsgCheckQuorum,
        MsgTransferLeader,
        MsgTimeoutNow,
        MsgReadIndex,
        MsgReadIndexResp,
        MsgRequestPreVote,
    ];
    let named = |kind: &MessageType| format!("{kind:?}") == format!("Msg{}", words[2]);
    let number = |name| option(words, name).unwrap_or(0);
    Message {
        msg_type: kinds.into_iter().find(named).expect("a kind of message"),
        to: option(words, "to").unwrap_or(to),
        from: number("from"),
        term: number("term"),
        index: number("index"),
        log_term: number("log_term"),
        commit: number("commit"),
        ..Message::default()
    }
}
