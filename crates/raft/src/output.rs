//! What a turn of a group asks its caller to do.

use crate::lease::RoundId;
use model::{Index, NodeId, Term};
use raft::StateRole;
use raft::eraftpb::{ConfState, Entry, HardState, Message};

/// Filled by [`crate::Group::ready`] and [`crate::Group::persisted`]; the caller drains it. Lists are
/// appended to, so one output can be reused without allocating.
#[derive(Debug, Default)]
pub struct Output {
    /// Messages that may be sent now.
    pub messages: Vec<Message>,
    /// What the log must make durable.
    pub persist: Option<Persist>,
    /// Committed entries, in order, each once. An entry without data is the no-op by which a leader
    /// starts its term; it only moves the applied index. Match own proposals by (term, index).
    pub committed: Vec<Entry>,
    /// The role or the leader changed.
    pub soft: Option<SoftChange>,
    /// Outcomes of rounds started by [`crate::Group::read_index`].
    pub reads: Vec<ReadDone>,
    /// Snapshots to stream to followers; each outcome goes to [`crate::Group::snapshot_done`].
    pub snapshots: Vec<SendSnapshot>,
}

/// Must be written to the log and covered by an fdatasync, with everything before it, before
/// [`crate::Group::persisted`] is told its number (safety rule 1).
#[derive(Debug, Clone)]
pub struct Persist {
    /// Number of the Ready, increasing; not every number asks for a write.
    pub number: u64,
    /// Comes before the entries: the log of this group starts anew after it.
    pub install: Option<Install>,
    /// Entries to append. The first may have an index the log already has: then the old entries from
    /// there on are discarded. Within a batch they stand before the hard state (rule 11).
    pub entries: Vec<Entry>,
    /// Set if term, vote or commit changed since the last one handed out.
    pub hard_state: Option<HardState>,
}

/// A staged snapshot takes effect with the log record of its [`Persist`] (safety rule 19). If none
/// comes out of the turn in which its message was stepped, the staged data is of no use.
#[derive(Debug, Clone, PartialEq)]
pub struct Install {
    /// Last index the snapshot holds.
    pub index: Index,
    /// Term of that entry.
    pub term: Term,
    /// The members as of that index.
    pub conf_state: ConfState,
}

/// The role of this replica or its leader changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoftChange {
    /// The role now.
    pub role: StateRole,
    /// The leader now, if known.
    pub leader: Option<NodeId>,
    /// The term now.
    pub term: Term,
}

/// The outcome of a read-index round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadDone {
    /// The round.
    pub id: RoundId,
    /// Reads may be served once this index is applied. `None`: leadership was lost, ask elsewhere.
    pub index: Option<Index>,
}

/// A follower needs the checkpoint (index, term). The caller streams the rows and, once they are
/// staged there, `message`, which the other side steps.
#[derive(Debug, Clone)]
pub struct SendSnapshot {
    /// The follower.
    pub to: NodeId,
    /// Last index the checkpoint holds.
    pub index: Index,
    /// Term of that entry.
    pub term: Term,
    /// The library's message to step at the follower.
    pub message: Message,
}
