//! What the core knows of another node, and the frame it is about to send to it.

use crate::frame::Builder;
use crate::frame::proof::Probe;
use crate::promises::Promises;
use cluster::{NodeReport, PeerHealth};
use model::NodeId;

/// Most bytes that wait to be sent to one node; beyond it Raft messages are dropped (Raft sends them
/// again) and requests wait in their routes.
pub const MAX_BACKLOG: usize = 64 << 20;

/// A frame that may wait leaves this long after the one before it, ns, or when it has so many bytes.
const FRAME_PACE_NS: u64 = model::time::MS;
const FRAME_PACE_BYTES: usize = 256 << 10;

/// Another node.
#[derive(Debug)]
pub struct Peer {
    /// Its id.
    pub node: NodeId,
    /// A connection to it is established.
    pub connected: bool,
    /// The frame of this turn.
    pub frame: Builder,
    /// When the last frame left, monotonic ns.
    pub sent_ns: u64,
    /// Bytes of earlier turns that the shell has not sent.
    pub backlog: usize,
    /// Liveness.
    pub health: PeerHealth,
    /// Its last report.
    pub report: Option<NodeReport>,
    /// Incarnation of the node at the other end.
    pub incarnation: u64,
    /// Answers that leave with the flush, after the lease was checked once more.
    pub answers: Vec<u8>,
    /// Its questions what is committed, answered with the flush.
    pub probes: Vec<Probe>,
    /// Where it is reached.
    pub addresses: cluster::Addresses,
    /// Stamp of its last heartbeat and when it came, ns: sent back to it.
    pub echo: (u64, u64),
    /// Monotonic ms since which it is up without a break.
    pub up_since_ms: u64,
    /// The disk of its log, as said in its last heartbeat.
    pub disk: cluster::DiskBeat,
    /// Why it stopped, if it said so and was not heard from since.
    pub farewell: Option<String>,
    /// Epoch of the map that it was sent last.
    pub told_epoch: u64,
    /// What it promised to keep.
    pub promises: Promises,
}

impl Peer {
    /// A node that has not been heard of.
    pub fn new(node: NodeId, health: PeerHealth) -> Peer {
        Peer {
            node,
            connected: false,
            frame: Builder::default(),
            sent_ns: 0,
            backlog: 0,
            health,
            report: None,
            incarnation: 0,
            answers: Vec::new(),
            probes: Vec::new(),
            addresses: cluster::Addresses::default(),
            echo: (0, 0),
            up_since_ms: 0,
            disk: cluster::DiskBeat::default(),
            farewell: None,
            told_epoch: 0,
            promises: Promises::default(),
        }
    }

    /// When the frame leaves, monotonic ns; 0 = now, `None` = there is none.
    pub fn frame_due_ns(&self) -> Option<u64> {
        if self.frame.is_empty() {
            return None;
        }
        let waits = !self.frame.is_urgent() && self.frame.len() < FRAME_PACE_BYTES;
        Some(if waits { self.sent_ns + FRAME_PACE_NS } else { 0 })
    }

    /// True when another answer may be made for it.
    pub fn takes_answers(&self) -> bool {
        self.backlog + self.frame.len() + self.answers.len() < MAX_BACKLOG
    }

    /// True when a message can be handed over now.
    pub fn takes(&self) -> bool {
        self.connected && self.backlog + self.frame.len() < MAX_BACKLOG
    }
}
