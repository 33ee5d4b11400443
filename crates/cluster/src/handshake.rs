//! How two nodes make sure of each other on a fresh connection, on the peer port.
//!
//! Five messages, strictly in turn, see `docs/formats/handshake.md`: both sides say hello with a
//! nonce, then each says who it is and proves, with an HMAC over everything sent so far, that it
//! knows the cluster's secret; the last message says that the dialling side accepted too. A side
//! that refuses says why. No clock: whoever drives it closes connections that take too long.

mod levels;
mod machine;
mod message;
mod refusal;
#[cfg(test)]
mod tests;
mod transcript;

use crate::formation::{Formation, Joiner};
use crate::identity::{ClusterId, Secret};
use crate::peer::{Addresses, Boot, JoinToken, Peer};
use model::NodeId;

pub use levels::{Levels, too_old};
pub use machine::Handshake;
pub use message::{MAX_MESSAGE, PROTOCOL};
pub use refusal::{MAX_REFUSAL, Refusal, Verdict};

/// What a node says of itself. [`crate::Folder::local`] makes it.
#[derive(Clone, Debug)]
pub struct Local {
    /// Its cluster; `None` while it has not joined one.
    pub cluster: Option<ClusterId>,
    /// Its id; `None` while it has not joined.
    pub node: Option<NodeId>,
    /// Number of its start.
    pub incarnation: u64,
    /// Its process.
    pub boot: Boot,
    /// With which it asks for an id.
    pub token: JoinToken,
    /// It votes, and keeps no data: said while it asks for an id.
    pub witness: bool,
    /// The cluster's secret.
    pub secret: Secret,
    /// Where it can be reached.
    pub addresses: Addresses,
    /// What its program understands, and what it knows the cluster to use.
    pub levels: Levels,
    /// Fresh random bytes, never used in another handshake.
    pub nonce: [u8; 32],
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Frames of turns: Raft messages, heartbeats, forwarded commands.
    Turn,
    /// Snapshots, which must not delay turns.
    Snapshot,
}

/// What is known of a node before it speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    /// Highest incarnation known of it, from itself or through others.
    pub incarnation: u64,
    /// The process that had this incarnation, if known.
    pub boot: Option<Boot>,
    /// The cluster has given it up.
    pub removed: bool,
}

/// What each side tells the other beside who it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct News {
    /// Members it knows, itself or not. As many are sent as fit into a message.
    pub members: Vec<Peer>,
    /// How the cluster was formed, if it knows.
    pub formation: Option<Formation>,
}

/// Questions the handshake asks the node it runs on.
pub trait Gate {
    /// What is known of a node; `None` if it was never heard of.
    fn known(&mut self, node: NodeId) -> Option<Known>;

    /// Gives an id to a node that has the secret and asks to join; on `Ok` the id is durable.
    ///
    /// # Errors
    /// Why not, in words for the log of that node, and what it means for it.
    fn admit(&mut self, joiner: &Joiner) -> Result<NodeId, Refusal>;

    /// A member that knows the secret has called this node, which has no id: it is somebody to ask for one.
    fn called_by(&mut self, member: Peer);

    /// What to tell the other side; asked once, after a possible [`Gate::admit`].
    fn news(&mut self) -> News;
}

/// What both sides know of each other after the handshake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Established {
    /// The cluster of both.
    pub cluster: ClusterId,
    /// The other side's id.
    pub node: NodeId,
    /// Its incarnation.
    pub incarnation: u64,
    /// Its process.
    pub boot: Boot,
    /// Where it can be reached.
    pub addresses: Addresses,
    /// The members it knows.
    pub members: Vec<Peer>,
    /// The formation it has.
    pub formation: Option<Formation>,
    /// The id that was given in this handshake: to this node if it dialled, else to the other.
    pub joined: Option<NodeId>,
    /// What the connection is for.
    pub purpose: Purpose,
}

/// Where a handshake stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// Waiting for bytes of the other side.
    Going,
    /// Both sides are who they say. Bytes that were not consumed belong to the connection's frames.
    Done(Box<Established>),
    /// One side refused; send the output, then close.
    Refused(Refusal),
}

/// What [`Handshake::input`] made of some bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Bytes of the input that were taken; all of them while the handshake is going on.
    pub consumed: usize,
    /// Bytes to send, also when refused.
    pub output: Vec<u8>,
    /// Where it stands now.
    pub state: State,
}

impl Established {
    /// The other side as a peer.
    pub fn peer(&self) -> Peer {
        let Established { node, incarnation, boot, addresses, .. } = self;
        Peer { node: *node, addresses: addresses.clone(), incarnation: *incarnation, boot: Some(*boot) }
    }
}
