//! All connections to other nodes: at most one to each carries frames.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use cluster::handshake::Progress;
use cluster::{Established, Handshake, Purpose, Refusal, State, Verdict};
use model::NodeId;
use model::planted::{Bug, is_planted};
use model::time::MS;
use node::Core;

use crate::dialer::Dialer;
use crate::link::{Input, Link, Stage};
use crate::membership::{Membership, Refuser};
use crate::platform::{Platform, Ready, Stream};
use crate::shell::Port;
use crate::slab::Slab;

/// A connection that is not up after this time is closed.
const HANDSHAKE_NS: u64 = 2000 * MS;
/// A connection on which nothing came for this long is closed. Every node says something every few
/// milliseconds, so it is dead although no one has said so.
const SILENCE_NS: u64 = 3000 * MS;
/// Most incoming connections in their handshake; further ones are closed.
const MAX_SHAKING: usize = 64;
/// Reads from one connection per pass; the rest in the next pass.
const MAX_READS: usize = 8;

/// What the work on links needs besides them.
pub struct Around<'a, P> {
    /// The core.
    pub core: &'a mut Core,
    /// Data folder and forming.
    pub membership: &'a mut Membership,
    /// Whom to call.
    pub dialer: &'a mut Dialer,
    /// Where connections come from.
    pub platform: &'a mut P,
    /// Monotonic ns.
    pub now_ns: u64,
}

/// The links of a node.
pub struct Links<P: Platform> {
    links: Slab<Link<P::Stream>>,
    /// The link of each node that has one which is up.
    up: BTreeMap<NodeId, usize>,
    ready: Vec<usize>,
    reading: Vec<usize>,
    /// First token of the sockets.
    base: usize,
    /// Frames for a link that has others to send.
    scratch: Vec<u8>,
    /// This node has got its id in a handshake: the core must learn it.
    joined: bool,
}

impl<P: Platform> Links<P> {
    /// No links. Their tokens start at `base`.
    pub fn new(base: usize) -> Links<P> {
        Links {
            links: Slab::default(),
            up: BTreeMap::new(),
            ready: Vec::new(),
            reading: Vec::new(),
            base,
            scratch: Vec::new(),
            joined: false,
        }
    }

    /// True if there is a connection to the node.
    pub fn is_up(&self, node: NodeId) -> bool {
        self.up.contains_key(&node)
    }

    /// Number of nodes with a connection.
    pub fn count_up(&self) -> usize {
        self.up.len()
    }

    /// True once after this node has got its id.
    pub fn take_joined(&mut self) -> bool {
        std::mem::take(&mut self.joined)
    }

    /// A node has called.
    pub fn accepted(&mut self, stream: P::Stream, address: SocketAddr, around: &mut Around<'_, P>) {
        if self.links.len() - self.up.len() >= MAX_SHAKING {
            tracing::warn!(%address, "too many connections to the peer port at once");
            return;
        }
        if let Some(local) = local(around, false) {
            let stage = Stage::Shaking(Box::new(Handshake::accept(local)));
            self.add(stream, stage, None, around);
        }
    }

    /// Calls a node. `number`: the dialer's.
    pub fn dial(&mut self, number: usize, address: SocketAddr, around: &mut Around<'_, P>) {
        let purpose = around.dialer.purpose(number);
        match around.platform.connect(address) {
            Ok(stream) => self.add(stream, Stage::Connecting, Some((number, purpose)), around),
            Err(error) => call_failed(number, &error, around),
        }
    }

    fn add(
        &mut self,
        stream: P::Stream,
        stage: Stage,
        dialled: Option<(usize, Purpose)>,
        around: &mut Around<'_, P>,
    ) {
        around.platform.tune(&stream, Port::Peer);
        let at = self.links.insert(Link::new(stream, stage, dialled, around.now_ns + HANDSHAKE_NS));
        let link = self.links.get_mut(at).expect("it was just inserted");
        if let Err(error) = around.platform.watch(&mut link.stream, self.base + at) {
            self.close(at, &error.to_string(), around);
        }
    }

    /// Something happened on a socket.
    pub fn event(&mut self, token: usize, ready: Ready, around: &mut Around<'_, P>) {
        let at = token - self.base;
        let Some(link) = self.links.get_mut(at) else { return };
        link.ended |= ready.closed;
        if matches!(link.stage, Stage::Connecting) {
            if ready.writable || link.ended {
                self.answered(at, around);
            }
            return;
        }
        if ready.writable {
            link.unblock();
        }
        if (ready.readable || link.ended) && !link.ready {
            link.ready = true;
            self.ready.push(at);
        }
    }

    /// A call was answered, or failed.
    fn answered(&mut self, at: usize, around: &mut Around<'_, P>) {
        let Some(link) = self.links.get_mut(at) else { return };
        let result = match link.stream.take_error() {
            Ok(Some(error)) | Err(error) => Err(error),
            Ok(None) => link.stream.peer_addr().map(drop),
        };
        match result {
            Ok(()) => {
                let Some((number, purpose)) = link.dialled else { return };
                let Some(local) = local(around, around.dialer.is_asked_for_level(number)) else { return };
                link.stage = Stage::Shaking(Box::new(Handshake::dial(local, purpose)));
                self.shake(at, &[], around);
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
            Err(error) => {
                let number = link.dialled;
                self.links.remove(at);
                if let Some((number, _)) = number {
                    call_failed(number, &error, around);
                }
            }
        }
    }

    /// Reads what came from other nodes and hands it to the core. True if there may be more.
    pub fn read(&mut self, buf: &mut [u8], around: &mut Around<'_, P>) -> bool {
        std::mem::swap(&mut self.ready, &mut self.reading);
        let mut reading = std::mem::take(&mut self.reading);
        let mut more = false;
        for at in reading.drain(..) {
            if self.read_one(at, buf, around) {
                more = true;
                self.ready.push(at);
            }
        }
        self.reading = reading;
        more
    }

    fn read_one(&mut self, at: usize, buf: &mut [u8], around: &mut Around<'_, P>) -> bool {
        for _ in 0..MAX_READS {
            let Some(link) = self.links.get_mut(at) else { return false };
            let (len, last) = match link.read(buf) {
                Input::More(len) => (len, false),
                Input::Last(len) => (len, true),
                Input::Closed(why) => {
                    self.close(at, &why, around);
                    return false;
                }
            };
            self.take(at, &buf[..len], around);
            if last {
                if let Some(link) = self.links.get_mut(at) {
                    link.ready = false;
                }
                return false;
            }
        }
        true
    }

    /// Bytes of another node.
    fn take(&mut self, at: usize, bytes: &[u8], around: &mut Around<'_, P>) {
        if bytes.is_empty() {
            return;
        }
        let Some(link) = self.links.get_mut(at) else { return };
        match link.stage {
            Stage::Connecting => {}
            Stage::Shaking(_) => self.shake(at, bytes, around),
            Stage::Up(node) => {
                link.since_ns = around.now_ns;
                if let Err(error) = link.frames(bytes, |content| around.core.on_peer(node, content)) {
                    self.close(at, &format!("unreadable frame: {error}"), around);
                }
            }
        }
    }

    /// Bytes of a handshake, and possibly of frames behind it.
    fn shake(&mut self, at: usize, bytes: &[u8], around: &mut Around<'_, P>) {
        let Some(link) = self.links.get_mut(at) else { return };
        let Stage::Shaking(handshake) = &mut link.stage else { return };
        let progress = handshake.input(bytes, &mut around.membership.gate(around.core));
        let Progress { consumed, output, state } = progress;
        link.out().extend_from_slice(&output);
        let sent = link.send();
        match (state, sent) {
            (State::Refused(refusal), _) => self.refused(at, &refusal, around),
            (_, Err(error)) => self.close(at, &error.to_string(), around),
            (State::Going, Ok(())) => {}
            (State::Done(other), Ok(())) => {
                if self.established(at, *other, around) {
                    self.take(at, &bytes[consumed..], around);
                }
            }
        }
    }

    fn refused(&mut self, at: usize, refusal: &Refusal, around: &mut Around<'_, P>) {
        let number = self.links.get(at).and_then(|link| link.dialled).map(|(number, _)| number);
        let refuser = Refuser {
            dialled: number.map(|number| around.dialer.address(number)),
            given: number.is_some_and(|number| around.dialer.is_given(number)),
            connected: self.up.len(),
        };
        around.membership.refused(refusal, refuser);
        if let Some(member) = around.membership.take_caller() {
            around.dialer.called_by(&member);
        }
        let asks = refusal.verdict == Verdict::Unsaid;
        if number.is_some_and(|number| around.dialer.asked_for_level(number, asks)) {
            // Not worth a word: the next call says it.
            self.links.remove(at);
            return;
        }
        self.close(at, &refusal.reason, around);
    }

    /// Both sides know each other. False if the link is not kept.
    fn established(&mut self, at: usize, other: Established, around: &mut Around<'_, P>) -> bool {
        let Some(link) = self.links.get(at) else { return false };
        let dialled = link.dialled;
        // Its last bytes may have been on their way for so long that the node has started again meanwhile.
        // Found by the simulator: such a ghost took the place of the living.
        // Planted: see model/planted.rs
        let stale_ones = is_planted(Bug::StaleFrames);
        if other.incarnation < around.core.known_incarnation(other.node) && !stale_ones {
            self.close(at, "it is from an earlier start of the node", around);
            return false;
        }
        match around.membership.learn(&other, dialled.is_some()) {
            Ok(joined) => self.joined |= joined,
            Err(why) => {
                self.close(at, &why, around);
                return false;
            }
        }
        around.dialer.learn(around.membership.folder.peers());
        if let Some((number, _)) = dialled {
            around.dialer.succeeded(number, other.node, around.now_ns);
        }
        let for_turns = other.purpose == Purpose::Turn;
        if !for_turns || !self.is_preferred(&other, dialled.is_some(), around) {
            // Not a failure: it was for the news only, or the other link goes on.
            self.links.remove(at);
            return false;
        }
        self.put_up(at, other, around);
        true
    }

    /// Of two links between the same processes both sides must keep the same one: the one dialled by
    /// the lower id, and of those the newer.
    fn is_preferred(&self, other: &Established, dialled: bool, around: &Around<'_, P>) -> bool {
        let Some(old) = self.up.get(&other.node).and_then(|&at| self.links.get(at)) else { return true };
        let own = around.membership.folder.node().unwrap_or_default();
        let dialler = |by_me: bool| if by_me { own } else { other.node };
        other.incarnation > old.incarnation || dialler(dialled) <= dialler(old.dialled.is_some())
    }

    fn put_up(&mut self, at: usize, other: Established, around: &mut Around<'_, P>) {
        let node = other.node;
        if let Some(old) = self.up.insert(node, at) {
            // Its unread frames must not come after frames of the new link.
            // Planted: see model/planted.rs
            if !is_planted(Bug::StaleFrames) {
                self.links.remove(old);
            }
            around.core.on_peer_down(node);
        }
        let Some(link) = self.links.get_mut(at) else { return };
        link.stage = Stage::Up(node);
        link.since_ns = around.now_ns;
        link.incarnation = other.incarnation;
        link.addresses = other.addresses;
        link.informed = other.formation.is_some() || around.membership.formation().is_some();
        around.dialer.connected(node);
        around.core.on_peer_up(node, link.incarnation, link.addresses.clone());
        tracing::info!(%node, incarnation = link.incarnation, address = %link.addresses.peer, "connected to a node");
    }

    /// Tells a new core which nodes are connected.
    pub fn announce(&self, core: &mut Core) {
        for (&node, &at) in &self.up {
            if let Some(link) = self.links.get(at) {
                core.on_peer_up(node, link.incarnation, link.addresses.clone());
            }
        }
    }

    fn close(&mut self, at: usize, why: &str, around: &mut Around<'_, P>) {
        let Some(link) = self.links.remove(at) else { return };
        match (link.stage, link.dialled) {
            (Stage::Up(node), _) => {
                self.up.remove(&node);
                tracing::warn!(%node, reason = %why, "connection to a node is gone");
                around.core.on_peer_down(node);
                around.dialer.broke(node);
            }
            (_, Some((number, _))) => {
                around.dialer.failed(number, around.now_ns, false, why);
            }
            (_, None) => {
                let from = link.stream.peer_addr().map_or_else(|_| "?".to_owned(), |from| from.to_string());
                tracing::warn!(%from, reason = %why, "a connection to the peer port came to nothing");
            }
        }
    }

    /// Closes the connection to a node.
    pub fn hang_up(&mut self, node: NodeId, why: &str, around: &mut Around<'_, P>) {
        if let Some(&at) = self.up.get(&node) {
            self.close(at, why, around);
        }
    }

    /// The cluster is formed: handshakes made before must be repeated, since they tell it to others.
    pub fn tell_formation(&mut self, around: &mut Around<'_, P>) {
        let uninformed = |at: &usize| self.links.get(*at).is_some_and(|link| !link.informed);
        let nodes: Vec<NodeId> =
            self.up.iter().filter(|(_, at)| uninformed(at)).map(|(&node, _)| node).collect();
        for node in nodes {
            self.hang_up(node, "the cluster is formed: telling the others", around);
        }
    }

    /// Sends the frames of this turn: to each node at once, in one send.
    pub fn write(&mut self, around: &mut Around<'_, P>) {
        let mut failed: Option<(NodeId, String)> = None;
        for (&node, &at) in &self.up {
            let Some(link) = self.links.get_mut(at) else { continue };
            let backlog = link.backlog();
            if backlog == 0 {
                around.core.take_frame(node, 0, link.out());
            } else {
                // Also without frames: the core must hear when a full link takes some again.
                around.core.take_frame(node, backlog, &mut self.scratch);
                link.out().append(&mut self.scratch);
            }
            if let Err(error) = link.send() {
                failed = Some((node, error.to_string()));
            }
        }
        // One is enough: the next pass meets the next.
        if let Some((node, why)) = failed {
            self.hang_up(node, &why, around);
        }
    }

    /// Closes what has been silent for too long.
    pub fn expire(&mut self, around: &mut Around<'_, P>) {
        let now = around.now_ns;
        let late = |link: &Link<P::Stream>| match link.stage {
            Stage::Up(_) => link.since_ns + SILENCE_NS < now,
            _ => link.since_ns < now,
        };
        loop {
            let found = self.links.iter().find_map(|(at, link)| late(link).then_some(at));
            let Some(at) = found else { return };
            self.close(at, "no answer", around);
        }
    }
}

/// What this node says of itself. `asked`: the other side wants to know what this program understands. `None` after an
/// error that is logged.
fn local<P: Platform>(around: &mut Around<'_, P>, asked: bool) -> Option<cluster::Local> {
    let mut nonce = [0; 32];
    let mut levels = around.core.levels();
    levels.said |= asked;
    match around.platform.random(&mut nonce) {
        Ok(()) => Some(cluster::Local { levels, ..around.membership.folder.local(nonce) }),
        Err(error) => {
            tracing::error!(%error, "no random numbers for a handshake");
            None
        }
    }
}

/// A call led to no connection.
fn call_failed<P: Platform>(number: usize, error: &io::Error, around: &mut Around<'_, P>) {
    let refused = error.kind() == io::ErrorKind::ConnectionRefused;
    if let Some(node) = around.dialer.failed(number, around.now_ns, refused, &error.to_string()) {
        around.core.on_peer_refused(node);
    }
}
