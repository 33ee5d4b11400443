//! Rows and entries: names, contents, effects, and a machine made of any of them.

#[path = "script.rs"]
mod script;

use model::effect::Effect;
use model::entry::{EntryBuilder, EntryReader};
use model::row::{
    answer_name, decode_answer, decode_value, encode_answer, encode_value, family, key_name,
    parse_answer_name, parse_key_name, system_name,
};
use model::varint::{Reader, put_u64};
use model::{KeyHasher, Keyspace};
use script::Script;
use shard::Machine;
use shard::checkpoint::{applied_name, stored_applied};

/// Names are read or refused, are written as they are read, and stand in the order of their parts; so do
/// contents and effects. A machine takes any rows and entries or refuses them, and what it writes as its
/// checkpoint makes an equal one.
///
/// # Panics
/// If not.
pub fn check(data: &[u8]) {
    name(data);
    content(data);
    effects(data);
    order(&mut Script::new(data));
    machine(&mut Script::new(data));
}

fn name(bytes: &[u8]) {
    if let Ok(key) = parse_key_name(bytes) {
        assert_eq!(key_name(key.ks, key.generation, key.position, &key.key), bytes);
    }
    if let Ok((slot, id)) = parse_answer_name(bytes) {
        assert_eq!(answer_name(slot, id), bytes);
    }
}

fn content(bytes: &[u8]) {
    if let Ok((kind, expire, value)) = decode_value(bytes) {
        assert_eq!(decode_value(&encode_value(kind, expire, value)), Ok((kind, expire, value)));
    }
    if let Ok((time, reply)) = decode_answer(bytes) {
        assert_eq!(decode_answer(&encode_answer(time, reply)), Ok((time, reply)));
    }
    let _ = stored_applied(bytes);
}

fn effects(bytes: &[u8]) {
    let mut r = Reader::new(bytes);
    while let Ok(effect) = Effect::decode(&mut r) {
        let mut out = Vec::new();
        effect.encode(&mut out);
        let mut again = Reader::new(&out);
        assert_eq!(Effect::decode(&mut again), Ok(effect));
        assert!(again.is_empty());
    }
    let Ok(entry) = EntryReader::new(bytes) else { return };
    let Ok(all) = entry.collect::<Result<Vec<_>, _>>() else { return };
    let mut builder = EntryBuilder::default();
    all.iter().for_each(|effect| builder.push(*effect));
    let payload = builder.finish(entry.shard_time);
    let again = EntryReader::new(&payload).expect("our own entry");
    assert_eq!((again.shard_time, again.collect()), (entry.shard_time, Ok(all)));
}

/// Two names with their parts from the script: names compare as parts do.
fn order(script: &mut Script<'_>) {
    let mut next = || {
        let key = script.bytes(20).to_vec();
        (script.byte() as u16, script.number() as u32, script.number(), key)
    };
    let (a, b) = (next(), next());
    let name = |k: &(u16, u32, u64, Vec<u8>)| key_name(Keyspace(k.0), k.1, model::Position(k.2), &k.3);
    let (one, two) = (name(&a), name(&b));
    assert_eq!(one.cmp(&two), a.cmp(&b));
    let parsed = parse_key_name(&one).expect("our own name");
    assert_eq!((parsed.ks.0, parsed.generation, parsed.position.0, parsed.key), a);
    // No row of a key lies between a shorter key and what may follow that key's own name.
    assert!(a == b || !two.starts_with(&one));
}

/// Largest index that a machine takes from a row.
const MAX_INDEX: u64 = 1 << 56;

fn machine(script: &mut Script<'_>) {
    let hasher = KeyHasher::new(7);
    let mut machine = Machine::new(hasher, 1 << 20, 1);
    let mut loaded = false;
    for _ in 0..script.below(8) {
        let (name, content) = row(script, hasher);
        loaded |= machine.load(&name, &content).is_ok();
    }
    for _ in 0..script.below(6) {
        let (applied, term) = machine.applied();
        if applied >= MAX_INDEX {
            break;
        }
        let payload = payload(script);
        // A replica that cannot apply an entry stops: nothing of it is used any more.
        if machine.apply(applied + 1, term, &payload).is_err() {
            return;
        }
    }
    let Some(changes) = machine.checkpoint() else { panic!("nothing is being flushed or taken") };
    let mut again = Machine::new(hasher, 1 << 20, 1);
    for (name, content) in changes.iter() {
        if let Some(content) = content {
            again.load(name, content).expect("our own row");
        }
    }
    assert_eq!((again.applied(), again.rolling()), (machine.applied(), machine.rolling()));
    assert_eq!(again.time(), machine.time());
    // What was loaded counts as stored already and is not in the checkpoint.
    if !loaded {
        assert!((0..16).map(Keyspace).all(|ks| again.counts(ks) == machine.counts(ks)));
        assert!(again.systems(b"").eq(machine.systems(b"")));
    }
    assert_eq!(changes.iter().filter(|(name, _)| **name == applied_name()).count(), 1);
    machine.forget_gone();
    while machine.tidy() {}
}

/// A row: mostly one that a machine knows, with numbers of any size.
fn row(script: &mut Script<'_>, hasher: KeyHasher) -> (Vec<u8>, Vec<u8>) {
    let numbers = |script: &mut Script<'_>, count: usize| {
        let mut out = vec![1];
        (0..count).for_each(|_| put_u64(&mut out, script.number()));
        out
    };
    let ks = |script: &mut Script<'_>| Keyspace(u16::from(script.byte() % 18));
    match script.byte() % 8 {
        0 => (applied_name(), numbers(script, 4)),
        1 => {
            let name = [&b"generation/"[..], &ks(script).0.to_be_bytes()].concat();
            (system_name(&name), numbers(script, 1))
        }
        2 => {
            let (node, incarnation) = (script.number() % 4, script.number() % 4);
            let name = [&b"floor/"[..], &node.to_be_bytes(), &incarnation.to_be_bytes()].concat();
            (system_name(&name), numbers(script, 1))
        }
        3 => (system_name(&[b"own/", script.bytes(8)].concat()), script.bytes(16).to_vec()),
        4 => {
            let mut name = vec![family::ANSWER];
            for len in [2, 8, 8, 8] {
                name.extend_from_slice(&(script.number() % 5).to_be_bytes()[8 - len..]);
            }
            let mut content = numbers(script, 1);
            content.extend_from_slice(script.bytes(8));
            (name, content)
        }
        5 | 6 => {
            let (ks, generation, key) = (ks(script), u32::from(script.byte() % 3), script.bytes(6));
            let position = hasher.position(key);
            let mut content = vec![1, script.byte() % 2];
            put_u64(&mut content, script.number());
            content.extend_from_slice(script.bytes(24));
            (key_name(ks, generation, position, key), content)
        }
        _ => (script.bytes(40).to_vec(), script.bytes(24).to_vec()),
    }
}

/// An entry of known effects on few keys, so that they meet; sometimes any bytes.
fn payload(script: &mut Script<'_>) -> Vec<u8> {
    if script.byte() % 8 == 7 {
        return script.bytes(64).to_vec();
    }
    let mut builder = EntryBuilder::default();
    for _ in 0..1 + script.below(5) {
        let ks = Keyspace(u16::from(script.byte() % 16));
        let key: &[u8] = [&b"a"[..], b"b", b"{a}", b""][usize::from(script.byte() % 4)];
        let id = model::effect::WriteId {
            origin: model::NodeId(u64::from(script.byte() % 3)),
            incarnation: u64::from(script.byte() % 3),
            seq: script.number(),
        };
        builder.push(match script.byte() % 8 {
            0 | 1 => Effect::Put { ks, key, kind: 0, expire: script.number(), value: script.bytes(24) },
            2 => Effect::Patch { ks, key, offset: script.below(300) as u64, bytes: script.bytes(24) },
            3 => Effect::Expire { ks, key, expire: script.number() },
            4 => Effect::Delete { ks, key },
            5 if script.byte().is_multiple_of(2) => Effect::Flush { ks },
            5 => Effect::Mark { origin: id.origin, incarnation: id.incarnation, seq: id.seq },
            6 => Effect::Answered { id, slot: script.below(16384) as u16, reply: Some(script.bytes(8)) },
            _ => Effect::System { name: key, value: Some(script.bytes(8)).filter(|v| !v.is_empty()) },
        });
    }
    builder.finish(script.number())
}
