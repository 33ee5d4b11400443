//! Rows, entries and a checkpoint, as a machine writes them.

use super::Seed;
use model::effect::{Effect, WriteId};
use model::entry::EntryBuilder;
use model::row::{answer_name, encode_answer, encode_value, key_name};
use model::{KeyHasher, Keyspace, NodeId, Position};

pub fn seeds() -> Vec<Seed> {
    let id = WriteId { origin: NodeId(3), incarnation: 9, seq: 1 << 40 };
    let ks = Keyspace(3);
    let effects = [
        Effect::Put { ks, key: b"k", kind: 0, expire: 7, value: b"v" },
        Effect::Patch { ks, key: b"k", offset: 300, bytes: b"x" },
        Effect::Expire { ks, key: b"k", expire: 0 },
        Effect::Delete { ks, key: b"k" },
        Effect::Flush { ks },
        Effect::Answered { id, slot: 16383, reply: Some(b"+OK\r\n") },
        Effect::Answered { id, slot: 0, reply: None },
        Effect::Mark { origin: NodeId(1), incarnation: 2, seq: 3 },
        Effect::System { name: b"map", value: Some(b"") },
        Effect::System { name: b"map", value: None },
    ];
    let mut all = Vec::new();
    effects.iter().for_each(|effect| effect.encode(&mut all));
    let mut builder = EntryBuilder::default();
    effects.iter().for_each(|effect| builder.push(*effect));
    vec![
        ("effects", all),
        ("entry", builder.finish(1_700_000_000_000)),
        ("key-name", key_name(ks, 1, KeyHasher::new(7).position(b"key"), b"key")),
        ("key-with-zeros", key_name(ks, 0, Position(u64::MAX), b"\0a\0\0")),
        ("answer-name", answer_name(77, id)),
        ("value", encode_value(0, 1 << 41, b"value")),
        ("answer", encode_answer(5, Some(b":1\r\n"))),
        ("answer-not-kept", encode_answer(5, None)),
        // Scripts of a machine: no rows, then entries; an applied row of large numbers; two keys.
        ("puts", vec![0, 3, 0, 1, 0, 0, 0, 1, 0, 0, 0, 5, 2, b'v', b'w', 0, 9, 0, 0, 1, 0, 0, 0, 1, 4]),
        ("applied", vec![2, 0, 0, 9, 0, 1, 0, 5, 0, 7, 0, 253, 255]),
        (
            "keys",
            vec![2, 5, 0, 0, 3, b'a', b'b', b'c', 0, 0, 9, 4, b'v', b'v', 5, 0, 0, 1, b'a', 0, 0, 0, 1, b'w'],
        ),
    ]
}
