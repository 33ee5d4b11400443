//! Frames and the contents of their sections, as nodes write them.

use super::Seed;
use cluster::heartbeat::{GroupReport, KeysReport};
use cluster::status::ReplicaRole;
use cluster::{GroupBeat, Heartbeat, NodeReport};
use consensus::{Entry, Message, MessageType, Promise, wire};
use model::{GroupId, Keyspace, NodeId};
use node::frame::content::{self, Chunk, ChunkAck, Generations, MapNews, Wish};
use node::frame::{Builder, HEAD, Section};
use node::promises;
use router::request::{self, Flags};
use router::wire::{AnswerFrame, ForwardFrame, Status};

pub fn seeds() -> Vec<Seed> {
    let contents = contents();
    let mut builder = Builder::default();
    contents.iter().for_each(|(_, section, bytes)| builder.section(*section, |out| out.extend(bytes)));
    let mut frame = Vec::new();
    builder.flush(&mut frame);
    let mut seeds = vec![("content", frame[HEAD..].to_vec()), ("frame", frame)];
    seeds.extend(contents.into_iter().map(|(name, _, bytes)| (name, bytes)));
    seeds
}

fn contents() -> Vec<(&'static str, Section, Vec<u8>)> {
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        out
    };
    let raft = |message: &Message| written(&|out| content::put_raft(out, GroupId(3), Generations { from: 4, to: 0 }, message));
    let message = |kind| Message { msg_type: kind, to: 2, from: 1, term: 7, ..Message::default() };
    let mut reject = message(MessageType::MsgAppendResponse);
    (reject.index, reject.reject, reject.reject_hint, reject.log_term) = (300, true, 12, 3);
    let mut heartbeat = message(MessageType::MsgHeartbeat);
    (heartbeat.commit, heartbeat.context) = (5, vec![1; 16].into());
    let command = written(&|out| request::encode(Flags::WRITE, Keyspace(0), &[b"set", b"k", b"v"], out));
    let forward = ForwardFrame {
        group: GroupId(3),
        term: 7,
        attempt: 2,
        seq: 900,
        low_water: 800,
        slot: 12182,
        request: &command,
        again: None,
    };
    let answer = AnswerFrame {
        group: GroupId(3),
        attempt: 2,
        seq: 900,
        status: Status::Done,
        written: (7, 301),
        reply: b"+OK\r\n",
    };
    let chunk =
        |message| Chunk { group: GroupId(3), transfer: 1, at: (128, 6), number: 4, bytes: b"chunk", message };
    vec![
        ("append", Section::Raft, raft(&append())),
        ("reject", Section::Raft, raft(&reject)),
        ("raft-heartbeat", Section::Raft, raft(&heartbeat)),
        ("request", Section::Forward, command.clone()),
        ("forward", Section::Forward, written(&|out| forward.encode(out))),
        ("answer", Section::Answer, written(&|out| answer.encode(out))),
        ("heartbeat", Section::Heartbeat, written(&|out| beat().encode(out))),
        ("report", Section::Report, report().encode()),
        (
            "wish",
            Section::Wish,
            written(&|out| {
                Wish::Transfer { group: GroupId(3), to: Some(NodeId(2)) }.encode(out);
            }),
        ),
        ("promises", Section::Promises, written(&|out| promises::encode(1, &promised(), out))),
        (
            "map",
            Section::Map,
            written(&|out| {
                let (member, content) = (cluster::map::member_name(NodeId(2)), cluster::Member::default().encode());
                MapNews { epoch: 300, rows: vec![(&member, &content), (b"epoch", &[1, 2])] }.encode(out);
            }),
        ),
        ("rest", Section::Wish, written(&|out| Wish::Rest.encode(out))),
        ("chunk", Section::Chunk, written(&|out| chunk(None).encode(out))),
        ("last-chunk", Section::Chunk, written(&|out| chunk(Some(snapshot())).encode(out))),
        (
            "ack",
            Section::ChunkAck,
            written(&|out| {
                ChunkAck { group: GroupId(3), transfer: 1, next: 5 }.encode(out);
            }),
        ),
    ]
}

fn append() -> Message {
    let mut append =
        Message { msg_type: MessageType::MsgAppend, to: 2, from: 1, term: 7, ..Message::default() };
    (append.log_term, append.index, append.commit) = (6, 300, 299);
    append.entries = vec![
        Entry { term: 6, index: 301, data: b"ab"[..].into(), ..Entry::default() },
        Entry { term: 7, index: 302, ..Entry::default() },
        Entry { term: 7, index: 303, context: b"c"[..].into(), ..Entry::default() },
    ]
    .into();
    append
}

fn promised() -> Vec<(GroupId, Promise)> {
    (0..3).map(|n| (GroupId(n), Promise { generation: 7, term: 7, index: 300 + u64::from(n) })).collect()
}

/// The message of a snapshot; written out, because the fields of its type are the library's.
fn snapshot() -> Message {
    let bytes = b"\x01\x07\x20\x02\x01\x07\x80\x01\x06\x03\x01\x02\x03\x01\x04\x00\x00\x00\x00";
    wire::decode(bytes).expect("a fixture of version 1")
}

fn beat() -> Heartbeat {
    let group = |n| GroupBeat { group: GroupId(n), term: 7, leader: Some(NodeId(1)), commit: 299 };
    Heartbeat {
        incarnation: 5,
        wall_ms: 1_700_000_000_000,
        stamp_ns: 1 << 40,
        echo_ns: 1 << 39,
        held_ns: 1000,
        turn_age_ns: 0,
        groups: (0..4).map(group).collect(),
    }
}

fn report() -> NodeReport {
    let keys = vec![KeysReport { n: 3, keys: 4, expires: 1 }];
    let group = GroupReport { group: 1, role: ReplicaRole::Leader, applied: 5, last: 6, keys };
    NodeReport { version: "0.1.0".into(), clients: 3, groups: vec![group], ..NodeReport::default() }
}
