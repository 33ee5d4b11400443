//! The bytes: what they are, what is not accepted, and that every changed one is noticed.

use super::*;
use crate::hex;

fn greet(bytes: &[u8]) -> Progress {
    Handshake::accept(member(2)).input(bytes, &mut Knows::default())
}

fn message(version: u8, kind: u8, fields: &[u8]) -> Vec<u8> {
    let mut out = (2 + fields.len() as u32).to_le_bytes().to_vec();
    out.extend_from_slice(&[version, kind]);
    out.extend_from_slice(fields);
    out
}

#[test]
fn the_bytes_on_the_wire_stay_what_they_are() {
    let news = Knows::telling(vec![peer(1, 5, Some(1))], Some(formation(16)));
    let ended = talk((member(1), news), (member(2), Knows::default()));
    assert_eq!(
        hex::encode(&ended.said[0]),
        include_str!("../../../tests/fixtures/handshake-1-dial.hex").trim()
    );
    assert_eq!(
        hex::encode(&ended.said[1]),
        include_str!("../../../tests/fixtures/handshake-1-accept.hex").trim()
    );
}

/// Programs that know no witnesses refuse both the bit and the form; what says nothing of them is as it was.
#[test]
fn a_witness_says_so_and_formations_name_theirs() {
    let identity = |witness: bool, of: Option<u64>| message::Identity {
        purpose: Purpose::Turn,
        cluster: None,
        node: None,
        incarnation: 1,
        boot: Boot([1; 16]),
        token: JoinToken([1; 16]),
        addresses: addresses(1),
        assigned: None,
        news: News {
            members: Vec::new(),
            formation: Some(Formation {
                replicas: 3,
                shards: 4,
                members: [1, 2, 3].map(NodeId).to_vec(),
                witness: of.map(NodeId),
                ..Formation::default()
            }),
        },
        witness,
        levels: None,
    };
    let (plain, said) = (identity(false, None).encode(), identity(true, Some(3)).encode());
    assert_eq!((plain[6], said[6]), (0, 2));
    assert!(plain.ends_with(&[&[1, 3, 4, 1, 2, 3][..], &[]].concat()), "form 1");
    assert!(said.ends_with(&[4, 0, 0, 3, 3, 4, 1, 2, 3]), "form 4");
    for identity in [identity(false, None), identity(true, Some(3)), identity(false, Some(2))] {
        assert_eq!(message::Identity::decode(&identity.encode()[6..]), Ok(identity));
    }
    assert!(message::Identity::decode(&identity(true, Some(4)).encode()[6..]).is_err(), "no member");
}

/// What a member says to another.
fn said(own: Addresses, members: Vec<Peer>) -> message::Identity {
    message::Identity {
        purpose: Purpose::Turn,
        cluster: Some(CLUSTER),
        node: Some(NodeId(1)),
        incarnation: 1,
        boot: Boot([1; 16]),
        token: JoinToken([1; 16]),
        addresses: own,
        assigned: None,
        news: News { members, formation: None },
        witness: false,
        levels: None,
    }
}

/// The addresses of cluster ports follow where a program that does not know them finds no member.
#[test]
fn cluster_ports_follow_the_members() {
    let with_port = |n: u64| Addresses { cluster: format!("h:730{n}"), ..addresses(n) };
    let members = vec![
        Peer { addresses: with_port(1), ..peer(1, 5, Some(1)) },
        peer(2, 5, None),
        Peer { addresses: with_port(3), ..peer(3, 5, None) },
    ];
    let plain = said(addresses(1), vec![peer(1, 5, Some(1)), peer(2, 5, None), peer(3, 5, None)]).encode();
    for (own, members, ports) in [
        (with_port(1), members.clone(), &b"\0\x06h:7301\x01\x06h:7301\x03\x06h:7303"[..]),
        (addresses(1), members, b"\0\0\x01\x06h:7301\x03\x06h:7303"),
    ] {
        let identity = said(own, members);
        let encoded = identity.encode();
        assert_eq!(encoded[6..], [&plain[6..], ports].concat());
        assert_eq!(message::Identity::decode(&encoded[6..]), Ok(identity));
    }
    for bad in [&b"\0"[..], b"\0\x02h", b"\0\0\x04\x01h", b"\0\0\x03\x01h\x01\x01h", b"\0\x03a b"] {
        assert!(message::Identity::decode(&[&plain[6..], bad].concat()).is_err(), "{bad:?}");
    }
}

/// What is said of levels ends the message, where a program that does not know it finds no cluster port.
#[test]
fn levels_follow_the_cluster_ports() {
    let own = |cluster: &str| Addresses { cluster: cluster.to_owned(), ..addresses(1) };
    let levels = levels::Said { own: 4, used: 300 };
    for (cluster, ends) in [("", &b"\0\0\0\x04\xac\x02"[..]), ("h:7301", b"\0\x06h:7301\0\x04\xac\x02")] {
        let identity =
            message::Identity { levels: Some(levels), ..said(own(cluster), vec![peer(1, 5, None)]) };
        let encoded = identity.encode();
        assert!(encoded.ends_with(ends), "{encoded:?}");
        assert_eq!(message::Identity::decode(&encoded[6..]), Ok(identity));
        for bad in [&encoded[6..encoded.len() - 1], &[&encoded[6..], &[0]].concat()] {
            assert!(message::Identity::decode(bad).is_err(), "{bad:?}");
        }
    }
}

#[test]
fn other_protocols_and_versions_are_refused() {
    for (bytes, reason) in [
        (&b"GET / HTTP/1.1\r\n"[..], "no Everstore node: a message of 542393671 bytes; allowed: 2 to 65536"),
        (&[0; 8], "no Everstore node: a message of 0 bytes; allowed: 2 to 65536"),
        (&[1, 0, 0, 0, 1], "no Everstore node: a message of 1 bytes; allowed: 2 to 65536"),
        (&[1, 0, 1, 0], "no Everstore node: a message of 65537 bytes; allowed: 2 to 65536"),
        (&message(2, 1, b"future"), "unknown protocol version 2; this node speaks version 1"),
        (&message(1, 1, b"everstorx"), "no Everstore node: malformed hello"),
        (&message(1, 1, b"everstore"), "no Everstore node: malformed hello"),
        (&message(1, 2, &[0; 64]), "unexpected message 2 while waiting for Hello"),
        (&message(1, 9, &[]), "unexpected message 9 while waiting for Hello"),
    ] {
        let progress = greet(bytes);
        assert_eq!(refused(&progress.state), reason);
        assert_eq!(progress.output, message(1, 4, &[b"\0", reason.as_bytes()].concat()));
    }
}

/// A refusal is understood in every version.
#[test]
fn the_bytes_of_a_refusal_stay_what_they_are() {
    let ended = talk((member(1), Knows::default()), (member(2), Knows::of(1, 6, None)));
    assert_eq!(
        hex::encode(&ended.said[1]),
        include_str!("../../../tests/fixtures/handshake-1-refused.hex").trim()
    );
}

#[test]
fn a_reason_cannot_forge_lines_of_a_log() {
    let progress = greet(&message(3, 4, b"\0x\n\x1b[2Jok\xff"));
    assert_eq!(refused(&progress.state), "refused by the other side: x??[2Jok?");
    assert_eq!(progress.output, b"");
    let long = greet(&message(1, 4, &[b"\x01", &[b'y'; 2000][..]].concat()));
    assert_eq!(refused(&long.state).len(), MAX_REFUSAL + "refused by the other side: ".len());
}

#[test]
fn an_identity_without_room_for_its_proof_is_refused() {
    for len in [0, 1, 31, 32, 33] {
        let mut accept = Handshake::accept(member(2));
        let hello = message::hello(&[1; 32]);
        assert_eq!(accept.input(&hello, &mut Knows::default()).state, State::Going);
        let end = accept.input(&message(1, 2, &vec![0; len]), &mut Knows::default());
        assert_eq!(refused(&end.state), refusal::STRANGER, "{len}");
    }
}

/// A recorded conversation is worth nothing: the accepting side's nonce differs.
#[test]
fn a_replayed_conversation_is_refused() {
    let ended = talk((member(1), Knows::default()), (member(2), Knows::default()));
    let other = Local { nonce: [99; 32], ..member(2) };
    let replay = Handshake::accept(other).input(&ended.said[0], &mut Knows::default());
    assert_eq!(refused(&replay.state), refusal::STRANGER);
}

/// Sending a side's own words back to it proves nothing.
#[test]
fn a_mirror_is_refused() {
    let mut dial = Handshake::dial(member(1), Purpose::Turn);
    let mut gate = Knows::default();
    let hello = dial.input(&[], &mut gate).output;
    let identity = dial.input(&hello, &mut gate).output;
    assert_eq!(refused(&dial.input(&identity, &mut gate).state), refusal::STRANGER);
}

fn conversation() -> ((Local, Knows), (Local, Knows)) {
    let told = Knows::telling(vec![peer(1, 5, Some(1))], Some(formation(16)));
    ((joining(3), Knows::default()), (member(1), Knows { admits: Some(Ok(3)), ..told }))
}

/// Every bit of every message, one at a time: whoever receives it never ends well. (The sender of
/// the last message cannot know.)
#[test]
fn every_flipped_bit_is_noticed() {
    let (dial, accept) = conversation();
    let said = talk(dial, accept).said.map(|bytes| bytes.len());
    for (side, len) in said.into_iter().enumerate() {
        for bit in 0..len * 8 {
            let mut at = 0;
            let mut flip = |by_dial: bool, bytes: &mut Vec<u8>| {
                if by_dial == (side == 0) {
                    if (at..at + bytes.len()).contains(&(bit / 8)) {
                        bytes[bit / 8 - at] ^= 1 << (bit % 8);
                    }
                    at += bytes.len();
                }
            };
            let (dial, accept) = conversation();
            let ended = converse(dial, accept, usize::MAX / 2, &mut flip);
            assert!(!matches!(ended.accept, State::Done(_)), "side {side} bit {bit}");
            let ready = side == 0 && bit / 8 >= len - (4 + 2 + 32);
            assert_eq!(matches!(ended.dial, State::Done(_)), ready, "side {side} bit {bit}");
        }
    }
}

proptest! {
    #[test]
    fn tampering_is_noticed(by_dial: bool, from in 0usize..400, patch in prop::collection::vec(any::<u8>(), 1..40)) {
        let (mut at, mut changed) = (0, false);
        let mut tamper = |dial: bool, bytes: &mut Vec<u8>| {
            if dial == by_dial {
                for (n, byte) in bytes.iter_mut().enumerate() {
                    if let Some(new) = (at + n).checked_sub(from).and_then(|n| patch.get(n)) {
                        changed |= byte != new;
                        *byte = *new;
                    }
                }
                at += bytes.len();
            }
        };
        let (dial, accept) = conversation();
        let ended = converse(dial, accept, usize::MAX / 2, &mut tamper);
        prop_assert_eq!(matches!(ended.accept, State::Done(_)), !changed);
    }

    #[test]
    fn any_bytes_are_refused_or_waited_for(chunks: Vec<Vec<u8>>, dialled: bool, framed: bool, kind in 0u8..6) {
        let mut side = match dialled {
            true => Handshake::dial(member(1), Purpose::Turn),
            false => Handshake::accept(member(2)),
        };
        for chunk in &chunks {
            let bytes = if framed { message(1, kind, chunk) } else { chunk.clone() };
            match side.input(&bytes, &mut Knows::default()).state {
                State::Going => {}
                State::Done(_) => prop_assert!(false, "done without the secret"),
                State::Refused(_) => break,
            }
        }
    }

    /// A member with the secret but with another idea of the fields: read or refused, never a panic.
    #[test]
    fn any_proven_identity_is_read_or_refused(fields: Vec<u8>, cut in 0usize..200) {
        let told = Knows::telling(vec![peer(1, 5, Some(1))], Some(formation(16)));
        let identity = message::Identity {
            purpose: Purpose::Turn, cluster: Some(CLUSTER), node: Some(NodeId(1)), incarnation: 1,
            boot: Boot([1; 16]), token: JoinToken([1; 16]), addresses: addresses(1), assigned: None, news: told.news,
            witness: false,
            levels: None,
        };
        let encoded = identity.encode();
        let good = &encoded[6..];
        prop_assert_eq!(message::Identity::decode(good), Ok(identity));
        let _ = message::Identity::decode(&fields);
        let mut mixed = good[..cut.min(good.len())].to_vec();
        mixed.extend_from_slice(&fields);
        let _ = message::Identity::decode(&mixed);
    }
}
