//! Which nodes to call, where, and when: every known node without a connection, again and again.

use cluster::peer::MAX_MEMBERS;
use cluster::{Peer, Purpose};
use env::Rng;
use model::NodeId;
use model::time::MS;

/// First wait after a failed call.
const FIRST_WAIT_NS: u64 = 50 * MS;
/// Longest wait between two calls.
const LAST_WAIT_NS: u64 = 1000 * MS;
/// While a node is missing, another one is asked this often where it is now.
const ASK_NS: u64 = 2000 * MS;

/// Somebody to call.
#[derive(Debug)]
pub struct Target {
    /// The node, unless only an address is known (`join`).
    pub node: Option<NodeId>,
    /// `HOST:PORT`.
    pub address: String,
    /// Where an address of `join` led the last time.
    led_to: Option<NodeId>,
    due_ns: u64,
    wait_ns: u64,
    /// A call is under way.
    calling: bool,
    /// What for: [`Purpose::Snapshot`] means here that only the news of the handshake are wanted.
    purpose: Purpose,
    /// An established connection broke, and nothing is known of the node since.
    broke: bool,
    /// The node there has asked what this program understands: the next call says it.
    asked_for_level: bool,
    /// Last reason of a failure, so that each is logged once.
    complaint: String,
}

impl Target {
    fn new(node: Option<NodeId>, address: String) -> Target {
        let (calling, broke, complaint, purpose) = (false, false, String::new(), Purpose::Turn);
        Target {
            node,
            address,
            led_to: None,
            due_ns: 0,
            wait_ns: FIRST_WAIT_NS,
            calling,
            purpose,
            broke,
            asked_for_level: false,
            complaint,
        }
    }
}

/// All targets. There are at most as many as members and addresses to join.
#[derive(Debug)]
pub struct Dialer {
    targets: Vec<Target>,
    /// Peer address of this node: never called.
    own: String,
    rng: Rng,
    next_ask_ns: u64,
}

impl Dialer {
    /// Calls the addresses of `join`, and the nodes of [`Dialer::learn`].
    pub fn new(join: &[String], own: String, rng: Rng) -> Dialer {
        let targets = join.iter().filter(|address| **address != own);
        let targets = targets.map(|address| Target::new(None, address.clone())).collect();
        Dialer { targets, own, rng, next_ask_ns: 0 }
    }

    /// Nodes of the cluster and where they are now.
    pub fn learn<'a>(&mut self, peers: impl Iterator<Item = &'a Peer>) {
        for peer in peers {
            if peer.addresses.peer.is_empty() || peer.addresses.peer == self.own {
                continue;
            }
            match self.of_node(peer.node) {
                Some(target) if target.address == peer.addresses.peer => {}
                Some(target) => {
                    target.address.clone_from(&peer.addresses.peer);
                    target.due_ns = 0;
                }
                None => self.targets.push(Target::new(Some(peer.node), peer.addresses.peer.clone())),
            }
        }
    }

    /// A member has called this node, which has no id: it has recorded this node, whose answer was lost, and may be the
    /// only one whose address is still right. Found by the simulator.
    pub fn called_by(&mut self, member: &Peer) {
        if self.targets.len() < MAX_MEMBERS {
            self.learn(std::iter::once(member));
        }
    }

    /// The target of a node, by its id or by an address of `join` that has led to it.
    fn of_node(&mut self, node: NodeId) -> Option<&mut Target> {
        self.targets.iter_mut().find(|target| target.node == Some(node))
    }

    /// The address behind a number.
    pub fn address(&self, number: usize) -> &str {
        &self.targets[number].address
    }

    /// Whether the address was given by a person, and not told by a node.
    pub fn is_given(&self, number: usize) -> bool {
        self.targets[number].node.is_none()
    }

    /// Whether the call under way says what this program understands because it was asked.
    pub fn is_asked_for_level(&self, number: usize) -> bool {
        self.targets[number].asked_for_level
    }

    /// A call was refused; `asks`: because it did not say what this program understands. True if that was not asked
    /// before: it is called again at once. Programs that do not read it refuse a call that says it, so it is said only
    /// where it was asked for last.
    pub fn asked_for_level(&mut self, number: usize, asks: bool) -> bool {
        let target = &mut self.targets[number];
        let asked_before = std::mem::replace(&mut target.asked_for_level, asks);
        let first = asks && !asked_before;
        if first {
            (target.calling, target.due_ns) = (false, 0);
        }
        first
    }

    /// What the call under way is for.
    pub fn purpose(&self, number: usize) -> Purpose {
        self.targets[number].purpose
    }

    /// The next target to call, marked as being called. `up`: nodes with a connection.
    pub fn next(&mut self, now_ns: u64, up: impl Fn(NodeId) -> bool) -> Option<usize> {
        let (number, purpose) = match self.missing(now_ns, &up) {
            Some(number) => (number, Purpose::Turn),
            None => (self.informant(now_ns, &up)?, Purpose::Snapshot),
        };
        (self.targets[number].calling, self.targets[number].purpose) = (true, purpose);
        Some(number)
    }

    /// Somebody without a connection whose time has come.
    fn missing(&self, now_ns: u64, up: &impl Fn(NodeId) -> bool) -> Option<usize> {
        // An address of `join` leads nowhere new while all known nodes are connected, and is no
        // other way to a node whose own address is tried already.
        let complete = self.is_complete(up);
        let taken = |address: &str| self.targets.iter().any(|t| t.node.is_some() && t.address == address);
        let wanted = |target: &Target| match target.node {
            Some(node) => !up(node),
            None => !complete && !taken(&target.address) && !target.led_to.is_some_and(up),
        };
        let due = |target: &Target| !target.calling && target.due_ns <= now_ns && wanted(target);
        self.targets.iter().position(due)
    }

    /// All known nodes, at least one, are connected.
    fn is_complete(&self, up: &impl Fn(NodeId) -> bool) -> bool {
        let mut known = self.targets.iter().filter_map(|target| target.node).peekable();
        known.peek().is_some() && known.all(up)
    }

    /// While a node is missing: somebody connected, to be asked on a connection of its own, because
    /// the missing one may have another address now and have told it to others only.
    fn informant(&mut self, now_ns: u64, up: &impl Fn(NodeId) -> bool) -> Option<usize> {
        if now_ns < self.next_ask_ns || self.is_complete(up) {
            return None;
        }
        self.next_ask_ns = now_ns + ASK_NS;
        let able = |t: &Target| !t.calling && t.due_ns <= now_ns && t.node.is_some_and(up);
        let count = self.targets.iter().filter(|t| able(t)).count();
        let chosen = self.rng.below(count as u64) as usize;
        self.targets.iter().enumerate().filter(|(_, t)| able(t)).map(|(number, _)| number).nth(chosen)
    }

    /// A call has led to a connection with this node.
    pub fn succeeded(&mut self, number: usize, node: NodeId, now_ns: u64) {
        let target = &mut self.targets[number];
        target.calling = false;
        target.complaint.clear();
        target.led_to = Some(node);
        if target.node == Some(node) {
            target.wait_ns = FIRST_WAIT_NS;
        } else {
            // If another node has this address now, the right one is heard of from others.
            target.due_ns = now_ns + LAST_WAIT_NS;
        }
    }

    /// A call has failed. `refused`: the operating system at the other end said that nobody listens.
    /// Answers the node if it was connected before: then its process is gone.
    pub fn failed(&mut self, number: usize, now_ns: u64, refused: bool, why: &str) -> Option<NodeId> {
        let jitter = self.rng.below(FIRST_WAIT_NS);
        let target = &mut self.targets[number];
        target.calling = false;
        target.due_ns = now_ns + target.wait_ns + jitter;
        target.wait_ns = (target.wait_ns * 2).min(LAST_WAIT_NS);
        if target.complaint != why {
            tracing::warn!(address = %target.address, reason = %why, "cannot connect to a node; trying again");
            target.complaint = why.to_owned();
        }
        let broke = std::mem::take(&mut target.broke);
        target.node.filter(|_| broke && refused)
    }

    /// An established connection broke: the node is called again at once.
    pub fn broke(&mut self, node: NodeId) {
        if let Some(target) = self.of_node(node) {
            (target.due_ns, target.wait_ns, target.broke) = (0, FIRST_WAIT_NS, true);
        }
    }

    /// A connection with the node exists, whoever called.
    pub fn connected(&mut self, node: NodeId) {
        if let Some(target) = self.of_node(node) {
            target.broke = false;
            target.wait_ns = FIRST_WAIT_NS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::Addresses;

    fn dialer(join: &[&str]) -> Dialer {
        let join: Vec<String> = join.iter().map(|a| (*a).to_owned()).collect();
        Dialer::new(&join, "me:1".to_owned(), Rng::new(1))
    }

    fn peer(node: u64, address: &str) -> Peer {
        let addresses = Addresses { peer: address.to_owned(), ..Addresses::default() };
        Peer { node: NodeId(node), addresses, incarnation: 1, boot: None }
    }

    fn nobody(_: NodeId) -> bool {
        false
    }

    #[test]
    fn a_node_is_called_again_with_growing_waits_and_at_once_when_its_connection_breaks() {
        let mut dialer = dialer(&[]);
        dialer.learn([peer(2, "b:1"), peer(3, "me:1")].iter());
        assert_eq!(dialer.next(0, nobody), Some(0));
        assert_eq!(dialer.next(0, nobody), None, "a call is under way, and nobody calls himself");
        assert_eq!(dialer.failed(0, 0, true, "refused"), None, "it was never connected");
        assert_eq!(dialer.next(FIRST_WAIT_NS - 1, nobody), None);
        assert_eq!(dialer.next(2 * FIRST_WAIT_NS, nobody), Some(0));
        dialer.succeeded(0, NodeId(2), 0);
        dialer.connected(NodeId(2));
        assert_eq!(dialer.next(u64::MAX, |_| true), None);
        dialer.broke(NodeId(2));
        assert_eq!(dialer.next(0, nobody), Some(0));
        assert_eq!(dialer.failed(0, 0, true, "refused"), Some(NodeId(2)), "its process is gone");
        assert_eq!(dialer.next(u64::MAX, nobody), Some(0));
        assert_eq!(dialer.failed(0, 0, true, "refused"), None, "that is known already");
    }

    #[test]
    fn who_asks_for_the_level_is_called_again_at_once_and_who_then_refuses_is_not() {
        let mut dialer = dialer(&["a:1"]);
        assert_eq!(dialer.next(0, nobody), Some(0));
        assert!(!dialer.is_asked_for_level(0));
        assert!(dialer.asked_for_level(0, true));
        assert_eq!(dialer.next(0, nobody), Some(0), "at once");
        assert!(dialer.is_asked_for_level(0));
        assert!(!dialer.asked_for_level(0, true), "it was said: to be asked again is a failure like others");
        dialer.failed(0, 0, false, "asked twice");
        assert_eq!(dialer.next(0, nobody), None);
        assert!(dialer.is_asked_for_level(0));
        assert!(!dialer.asked_for_level(0, false), "as by an older program that can not read it");
        assert!(!dialer.is_asked_for_level(0));
    }

    #[test]
    fn a_node_without_an_id_calls_back_who_has_called_it() {
        let mut dialer = dialer(&["a:1"]);
        assert_eq!(dialer.next(0, nobody), Some(0));
        dialer.failed(0, 0, true, "nobody is there any more");
        dialer.called_by(&peer(2, "b:1"));
        dialer.called_by(&peer(2, "b:1"));
        assert_eq!(dialer.next(0, nobody), Some(1));
        assert_eq!((dialer.address(1), dialer.is_given(1)), ("b:1", false));
        assert_eq!(dialer.next(0, nobody), None, "it is known once");
        (3..2 * MAX_MEMBERS as u64).for_each(|node| dialer.called_by(&peer(node, &format!("n{node}:1"))));
        assert_eq!(dialer.targets.len(), MAX_MEMBERS);
    }

    #[test]
    fn addresses_to_join_are_called_only_while_nodes_are_missing() {
        let mut dialer = dialer(&["me:1", "a:1"]);
        assert_eq!(dialer.next(0, nobody), Some(0));
        dialer.succeeded(0, NodeId(1), 0);
        // The address of `join` is another name of node 1: no second connection through it.
        dialer.learn([peer(1, "a2:1"), peer(2, "b:1")].iter());
        assert_eq!((dialer.address(1), dialer.address(2)), ("a2:1", "b:1"));
        assert_eq!(dialer.next(LAST_WAIT_NS, |node| node == NodeId(1)), Some(2));
        // Node 2 is being called; meanwhile node 1 is asked where it is, once in a while.
        assert_eq!(dialer.next(LAST_WAIT_NS, |node| node == NodeId(1)), Some(1));
        assert_eq!((dialer.purpose(2), dialer.purpose(1)), (Purpose::Turn, Purpose::Snapshot));
        dialer.succeeded(1, NodeId(1), LAST_WAIT_NS);
        assert_eq!(dialer.next(LAST_WAIT_NS + ASK_NS - 1, |node| node == NodeId(1)), None);
        assert_eq!(dialer.next(LAST_WAIT_NS + ASK_NS, |node| node == NodeId(1)), Some(1));
        dialer.succeeded(1, NodeId(1), LAST_WAIT_NS);
        dialer.learn([peer(2, "moved:1")].iter());
        assert_eq!(dialer.address(2), "moved:1");
        assert_eq!(dialer.next(u64::MAX, |_| true), None);
        assert_eq!(dialer.next(u64::MAX, |node| node == NodeId(2)), Some(0));
    }
}
