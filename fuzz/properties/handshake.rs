//! The handshake of two nodes: bytes of a stranger, and two real sides with something changed between.

#[path = "allocated.rs"]
mod allocated;
#[path = "script.rs"]
mod script;

use allocated::bounded;
use cluster::handshake::{Levels, MAX_MESSAGE, MAX_REFUSAL};
use cluster::peer::{Addresses, Boot, JoinToken, Peer};
use cluster::{
    ClusterId, Formation, Gate, Handshake, Joiner, Known, Local, News, Purpose, Refusal, Secret, State,
    Verdict,
};
use model::NodeId;
use model::varint::Reader;
use script::Script;

/// What a message makes a side allocate: so many times its length (a member of six bytes becomes a
/// structure with three texts), beside one message of its own.
const TIMES: usize = 64;
const MORE: usize = 4 * MAX_MESSAGE;

/// A stranger's bytes are refused, whatever pieces they come in, and never establish anything. Two real
/// sides agree on what each said of itself; if one bit between them was turned over, not both do.
///
/// # Panics
/// If not.
pub fn check(data: &[u8]) {
    parts(data);
    let mut script = Script::new(data);
    match script.byte() % 2 {
        0 => stranger(script.rest()),
        _ => two_sides(&mut script),
    }
}

/// The parts of a message: read or refused, and written as they are read.
fn parts(data: &[u8]) {
    if let Ok(peer) = bounded(data.len(), TIMES, MORE, || Peer::decode(&mut Reader::new(data))) {
        assert_eq!(peer.addresses.check(), Ok(()));
        let mut out = Vec::new();
        peer.encode(&mut out);
        assert_eq!(Peer::decode(&mut Reader::new(&out)), Ok(peer));
    }
    if let Ok(formation) = bounded(data.len(), TIMES, MORE, || Formation::decode(&mut Reader::new(data))) {
        let mut out = Vec::new();
        formation.encode(&mut out);
        assert_eq!(Formation::decode(&mut Reader::new(&out)), Ok(formation));
    }
}

fn stranger(bytes: &[u8]) {
    for dials in [false, true] {
        let whole = heard(dials, &[bytes]);
        let pieces: Vec<&[u8]> = bytes.chunks(7).collect();
        assert_eq!(whole, heard(dials, &pieces));
        if let State::Refused(refusal) = &whole.1 {
            // Only the secret's proof makes a node doubt itself.
            let harmless =
                matches!(refusal.verdict, Verdict::Passing | Verdict::NotAdmitted | Verdict::Unsaid);
            assert!(harmless, "{refusal:?}");
            assert!(refusal.reason.len() <= MAX_REFUSAL + 64);
            assert!(refusal.reason.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        }
        assert!(!matches!(whole.1, State::Done(_)), "nobody knows the secret by chance");
    }
}

/// What a side sends to a stranger, and where it stands then.
fn heard(dials: bool, pieces: &[&[u8]]) -> (Vec<u8>, State) {
    let mut side = match dials {
        true => Handshake::dial(local(1), Purpose::Turn),
        false => Handshake::accept(local(1)),
    };
    let mut gate = Answers::default();
    let mut sent = side.input(&[], &mut gate).output;
    for piece in pieces {
        let len = piece.len();
        let progress = bounded(len, TIMES, MORE, || side.input(piece, &mut gate));
        assert!(progress.consumed <= len);
        sent.extend_from_slice(&progress.output);
        if progress.state != State::Going {
            return (sent, progress.state);
        }
        assert_eq!(progress.consumed, len);
    }
    (sent, State::Going)
}

/// Lets two sides of the script talk, with a bit turned over where it says.
fn two_sides(script: &mut Script<'_>) {
    let (mut one, mut two) = (local(1), local(2));
    let (mut gate_one, mut gate_two) = (Answers::default(), Answers::default());
    for (local, gate) in [(&mut one, &mut gate_one), (&mut two, &mut gate_two)] {
        change(script, local);
        gate.tell(script);
    }
    let flip = (script.below(4) == 1).then(|| (script.below(5), script.below(1 << 16), script.byte() % 8));
    let purpose = if script.byte().is_multiple_of(2) { Purpose::Turn } else { Purpose::Snapshot };
    let (mut a, mut b) = (Handshake::dial(one.clone(), purpose), Handshake::accept(two.clone()));
    let mut wire = a.input(&[], &mut gate_one).output;
    let (mut of_a, mut of_b) = (State::Going, State::Going);
    let mut flipped = false;
    // Hello, hello, identity, identity, ready; a refusal ends it earlier.
    for turn in 0..6 {
        if let Some((_, byte, bit)) = flip.filter(|(at, ..)| *at == turn && !wire.is_empty()) {
            let byte = byte % wire.len();
            wire[byte] ^= 1 << bit;
            flipped = true;
        }
        let (side, gate, state) = match turn % 2 {
            0 => (&mut b, &mut gate_two, &mut of_b),
            _ => (&mut a, &mut gate_one, &mut of_a),
        };
        if *state != State::Going || wire.is_empty() {
            break;
        }
        let progress = bounded(wire.len(), TIMES, MORE, || side.input(&wire, gate));
        *state = progress.state;
        wire = progress.output;
    }
    agreed(&one, &two, (&of_a, &of_b), flipped);
}

fn agreed(one: &Local, two: &Local, states: (&State, &State), flipped: bool) {
    match states {
        (State::Done(a), State::Done(b)) => {
            assert!(!flipped, "a changed message was believed");
            assert_eq!(one.secret.to_hex(), two.secret.to_hex());
            if one.levels.said {
                assert!(one.levels.own >= two.levels.used && two.levels.own >= one.levels.used, "too old");
            }
            assert_eq!((Some(a.cluster), a.cluster), (two.cluster, b.cluster));
            assert_eq!((a.incarnation, a.boot, &a.addresses), (two.incarnation, two.boot, &two.addresses));
            assert_eq!((b.incarnation, b.boot, &b.addresses), (one.incarnation, one.boot, &one.addresses));
            assert_eq!((Some(a.node), a.purpose, a.joined), (two.node, b.purpose, b.joined));
            assert_eq!(Some(b.node), one.node.or(b.joined));
        }
        // The accepting side never establishes what the dialling one has not.
        (_, State::Done(b)) => panic!("only one side believes in {b:?}"),
        _ => {}
    }
}

fn local(n: u8) -> Local {
    Local {
        witness: false,
        cluster: Some(ClusterId(0xc1)),
        node: Some(NodeId(u64::from(n))),
        incarnation: 5,
        boot: Boot([n; 16]),
        token: JoinToken([n; 16]),
        secret: Secret::new([7; 32]),
        addresses: addresses(b""),
        levels: Levels::default(),
        nonce: [n; 32],
    }
}

fn addresses(text: &[u8]) -> Addresses {
    let host: String = text.iter().map(|byte| char::from(0x21 + byte % 0x5e)).collect();
    let cluster = if host.is_empty() { String::new() } else { format!("h{host}:3") };
    Addresses { redis: format!("h{host}:1"), peer: "h:2".into(), admin: String::new(), cluster }
}

/// What the script says a side is, beside the usual.
fn change(script: &mut Script<'_>, local: &mut Local) {
    let what = script.byte();
    if what & 1 != 0 {
        (local.cluster, local.node) = (None, None);
    }
    if what & 2 != 0 {
        local.cluster = Some(ClusterId(u128::from(script.byte())));
    }
    if what & 4 != 0 {
        local.node = Some(NodeId(script.number().max(1)));
    }
    if what & 8 != 0 {
        local.incarnation = script.number();
    }
    if what & 16 != 0 {
        local.boot = Boot([script.byte() % 4; 16]);
    }
    if what & 32 != 0 {
        local.secret = Secret::new([script.byte(); 32]);
    }
    if what & 64 != 0 {
        local.addresses = addresses(script.bytes(200));
    }
    if what & 128 != 0 {
        let (own, used) = (script.number(), script.number());
        local.levels = Levels { own, used, said: script.byte().is_multiple_of(2) };
    }
}

/// A node's answers to the handshake's questions.
#[derive(Default)]
struct Answers {
    known: Option<Known>,
    admits: Option<u64>,
    news: News,
}

impl Answers {
    fn tell(&mut self, script: &mut Script<'_>) {
        let what = script.byte();
        if what & 1 != 0 {
            let boot = Some(Boot([script.byte() % 4; 16])).filter(|_| what & 2 != 0);
            self.known = Some(Known { incarnation: script.number(), boot, removed: false });
        }
        if what & 4 != 0 {
            self.admits = Some(script.number().max(1));
        }
        if what & 8 != 0 {
            let (replicas, shards) = (1 + script.below(7) as u32, 1 + script.below(1024) as u16);
            let members = (1..=u64::from(replicas)).map(NodeId).collect();
            self.news.formation = Some(Formation { replicas, shards, members, ..Formation::default() });
        }
        for _ in 0..script.byte() % 8 {
            let node = NodeId(script.number().max(1));
            let boot = Some(Boot([script.byte(); 16])).filter(|boot| boot.0[0].is_multiple_of(2));
            let (incarnation, addresses) = (script.number(), addresses(script.bytes(16)));
            self.news.members.push(Peer { node, addresses, incarnation, boot });
        }
    }
}

impl Gate for Answers {
    fn known(&mut self, _: NodeId) -> Option<Known> {
        self.known
    }

    fn admit(&mut self, _: &Joiner) -> Result<NodeId, Refusal> {
        self.admits.map(NodeId).ok_or_else(|| Refusal::new("full", Verdict::NotAdmitted))
    }

    fn called_by(&mut self, _: Peer) {}

    fn news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }
}
