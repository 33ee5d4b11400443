//! What a node says first, peers and formations, and scripts of two sides.

use super::Seed;
use cluster::peer::{Addresses, Boot, JoinToken, Peer};
use cluster::{Formation, Gate, Handshake, Joiner, Known, Local, News, Purpose, Refusal, Secret, Verdict};
use model::NodeId;

pub fn seeds() -> Vec<Seed> {
    let addresses = Addresses { redis: "h:1".into(), peer: "h:2".into(), ..Addresses::default() };
    let local = Local {
        witness: false,
        cluster: Some(cluster::ClusterId(0xc1)),
        node: Some(NodeId(2)),
        incarnation: 5,
        boot: Boot([2; 16]),
        token: JoinToken([2; 16]),
        secret: Secret::new([8; 32]),
        addresses: addresses.clone(),
        levels: cluster::handshake::Levels::default(),
        nonce: [2; 32],
    };
    // A dialling side with another secret, and its answer to a hello.
    let mut side = Handshake::dial(local.clone(), Purpose::Turn);
    let mut said = side.input(&[], &mut Silent).output;
    let hello = said.clone();
    said.extend(side.input(&hello, &mut Silent).output);
    let mut refused = hello.clone();
    refused.extend_from_slice(b"\x09\0\0\0\x01\x04\x01no room");
    let mut peer = Vec::new();
    Peer { node: NodeId(2), addresses, incarnation: 5, boot: Some(Boot([2; 16])) }.encode(&mut peer);
    let mut formation = Vec::new();
    let members = vec![NodeId(1), NodeId(2), NodeId(3)];
    Formation { replicas: 3, shards: 16, members, ..Formation::default() }.encode(&mut formation);
    let stranger = |bytes: Vec<u8>| [&[0][..], &bytes].concat();
    vec![
        ("hello", stranger(hello)),
        ("identity", stranger(said)),
        ("refused", stranger(refused)),
        ("redis-client", stranger(b"*1\r\n$4\r\nPING\r\n".to_vec())),
        ("peer", peer),
        ("formation", formation),
        ("two-members", vec![1, 0, 0, 0, 0]),
        // The first one has not joined; the second one admits it as node 9, or does not.
        ("joins", vec![1, 1, 0, 0, 4, 0, 9]),
        ("not-admitted", vec![1, 1, 0, 0, 0]),
        // Another cluster, another secret, an older incarnation, a formation on each side.
        ("other-cluster", vec![1, 2, 7, 0, 0, 0]),
        ("other-secret", vec![1, 32, 1, 0, 0, 0]),
        ("outdated", vec![1, 8, 0, 1, 0, 0, 0, 0, 1, 0, 9]),
        ("formations", vec![1, 0, 8, 2, 16, 0, 0, 8, 2, 16, 0]),
        ("members", vec![1, 0, 2, 0, 3, 0, 0, 9, 2, b'a', b'b', 0, 4, 1, 0, 2, 0, 0]),
        ("bit-of-identity", vec![1, 0, 0, 0, 0, 1, 2, 40, 0, 3]),
        ("bit-of-ready", vec![1, 0, 0, 0, 0, 1, 4, 10, 0, 1]),
    ]
}

struct Silent;

impl Gate for Silent {
    fn known(&mut self, _: NodeId) -> Option<Known> {
        None
    }

    fn admit(&mut self, _: &Joiner) -> Result<NodeId, Refusal> {
        Err(Refusal::new("no", Verdict::NotAdmitted))
    }

    fn called_by(&mut self, _: Peer) {}

    fn news(&mut self) -> News {
        News::default()
    }
}
