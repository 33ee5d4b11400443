//! Which messages of peers reach the library.
//!
//! The library trusts its input: a heartbeat that commits beyond the log, an entry out of order or a
//! snapshot with a malformed member list makes it panic, a message of term 0 passes for a local one,
//! and a follower forwards proposals. All of that ends here.

use crate::config::{GroupConfig, check_members};
use crate::group::Group;
use model::planted::{Bug, is_planted};
use model::{Index, Term};
use raft::StateRole;
use raft::eraftpb::{Message, MessageType};

/// Largest term or index taken from a peer, far below where adding one overflows.
pub(crate) const MAX_NUMBER: u64 = 1 << 56;

/// What became of a message of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The library has it.
    Taken,
    /// A (pre-)vote request kept until the vote promise ends (safety rule 4).
    Held,
    /// Not processed.
    Dropped(Dropped),
}

/// Why a message was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Dropped {
    /// Addressed to another node, or from this one.
    #[error("message from {from} to {to} does not belong here")]
    Misrouted {
        /// Its sender.
        from: u64,
        /// Its addressee.
        to: u64,
    },
    /// A kind that no peer may send: a local message, or a forwarded proposal or read.
    #[error("a peer must not send {0:?}")]
    Kind(MessageType),
    /// A response from a node that is not a member.
    #[error("response from {0}, which is not a member")]
    NotMember(u64),
    /// Vote requests of too many senders are held already.
    #[error("vote request from {0}, but too many are held")]
    HeldFull(u64),
    /// A message that no correct peer sends.
    #[error("malformed {0:?}: {1}")]
    Malformed(MessageType, &'static str),
    /// The leader knows entries as durable here that are not: this replica lost synced log bytes
    /// and must not vote or acknowledge again under its id (safety rule 2).
    #[error("the leader counts on index {commit}, this log ends at {last}: synced entries were lost")]
    LostLog {
        /// Commit index the leader sent for this replica.
        commit: Index,
        /// Last index here.
        last: Index,
    },
    /// Two nodes claim to lead one term. One of them has lost its vote or its log.
    #[error("{other} claims to lead term {term}, which {leader} leads")]
    TwoLeaders {
        /// The term.
        term: Term,
        /// Who leads it as known here.
        leader: u64,
        /// The other.
        other: u64,
    },
    /// Whoever asks may count on a vote that an earlier replica of this node had: this one's log is not yet
    /// as long as what that one acknowledged.
    #[error("this replica has not heard of itself yet and has no vote")]
    Joins,
    /// This replica waits for rows and keeps as much for them as it may.
    #[error("too many entries wait for rows")]
    NoRows,
    /// The order to take over leadership came from a node that does not lead, or while a snapshot is installed
    /// or rows are missing, or to a witness.
    #[error("order to campaign from {0} does not apply")]
    TimeoutNow(u64),
    /// Another snapshot is being installed; it comes first.
    #[error("a snapshot is being installed")]
    SnapshotPending,
}

/// Messages by which a leader shows itself.
pub(crate) fn is_from_leader(kind: MessageType) -> bool {
    matches!(kind, MessageType::MsgAppend | MessageType::MsgHeartbeat | MessageType::MsgSnapshot)
}

/// Kinds that nodes send each other.
pub(crate) fn is_for_peers(kind: MessageType) -> bool {
    use MessageType::*;
    is_from_leader(kind)
        || matches!(kind, MsgRequestVote | MsgRequestVoteResponse | MsgRequestPreVote)
        || matches!(kind, MsgRequestPreVoteResponse | MsgAppendResponse | MsgHeartbeatResponse)
        || kind == MsgTimeoutNow
}

impl Group {
    /// Refuses what the library must not see. The state is only read.
    pub(crate) fn admit(&self, m: &Message) -> Result<(), Dropped> {
        let raft = &self.raw.raft;
        let kind = m.msg_type;
        if m.to != raft.id || m.from == 0 || m.from == raft.id {
            return Err(Dropped::Misrouted { from: m.from, to: m.to });
        }
        if !is_for_peers(kind) {
            return Err(Dropped::Kind(kind));
        }
        if m.term == 0 {
            return Err(Dropped::Malformed(kind, "term 0"));
        }
        let numbers =
            [m.term, m.index, m.log_term, m.commit, m.commit_term, m.reject_hint, m.request_snapshot];
        if numbers.iter().any(|n| *n > MAX_NUMBER) {
            return Err(Dropped::Malformed(kind, "number too large"));
        }
        if is_from_leader(kind) && m.term == raft.term {
            let leader = raft.leader_id;
            if leader != 0 && leader != m.from {
                return Err(Dropped::TwoLeaders { term: m.term, leader, other: m.from });
            }
        }
        match kind {
            // Planted: see model/planted.rs. What it makes does not pass these.
            MessageType::MsgAppend | MessageType::MsgAppendResponse if is_planted(Bug::BatchAppend) => Ok(()),
            MessageType::MsgAppend if self.keeps_too_much() => Err(Dropped::NoRows),
            MessageType::MsgAppend => check_entries(&self.config, m),
            MessageType::MsgHeartbeat => self.check_heartbeat(m),
            MessageType::MsgSnapshot => self.check_snapshot(m),
            MessageType::MsgAppendResponse => self.check_append_response(m),
            MessageType::MsgTimeoutNow => self.check_timeout_now(m),
            // The library would let it pass a live leader's lease; a transfer has no pre-vote.
            MessageType::MsgRequestPreVote if m.context == raft::CAMPAIGN_TRANSFER => {
                Err(Dropped::Malformed(kind, "a transfer has no pre-vote"))
            }
            _ => Ok(()),
        }
    }

    fn check_heartbeat(&self, m: &Message) -> Result<(), Dropped> {
        let last = self.raw.raft.raft_log.last_index();
        if m.term >= self.raw.raft.term && m.commit > last {
            return Err(Dropped::LostLog { commit: m.commit, last });
        }
        Ok(())
    }

    fn check_snapshot(&self, m: &Message) -> Result<(), Dropped> {
        let meta = m.get_snapshot().get_metadata();
        if meta.index == 0 || meta.index > MAX_NUMBER || meta.term == 0 || meta.term > m.term {
            return Err(Dropped::Malformed(m.msg_type, "index or term"));
        }
        check_members(meta.get_conf_state()).map_err(|what| Dropped::Malformed(m.msg_type, what))?;
        if self.installing() {
            return Err(Dropped::SnapshotPending);
        }
        Ok(())
    }

    /// Only an acknowledgement of this term counts, and in its own term the leader's log is the longest.
    fn check_append_response(&self, m: &Message) -> Result<(), Dropped> {
        let raft = &self.raw.raft;
        let counts = m.term == raft.term && raft.state == StateRole::Leader && !m.reject;
        if counts && m.index > raft.raft_log.last_index() {
            return Err(Dropped::Malformed(m.msg_type, "acknowledges entries that do not exist"));
        }
        Ok(())
    }

    fn check_timeout_now(&self, m: &Message) -> Result<(), Dropped> {
        let raft = &self.raw.raft;
        let unable = self.installing() || self.rebuild.is_some() || self.joins || self.config.witness;
        if m.term != raft.term || m.from != raft.leader_id || unable {
            return Err(Dropped::TimeoutNow(m.from));
        }
        Ok(())
    }
}

/// Entries must follow the index before them without a gap, with terms that never fall.
fn check_entries(config: &GroupConfig, m: &Message) -> Result<(), Dropped> {
    let (mut index, mut term) = (m.index, m.log_term);
    for entry in &m.entries {
        index += 1;
        if entry.index != index || entry.term < term || entry.term == 0 || entry.term > m.term {
            return Err(Dropped::Malformed(m.msg_type, "entries out of order"));
        }
        if !config.is_known(entry) {
            return Err(Dropped::Malformed(
                m.msg_type,
                "entry of unknown kind, or of a malformed change of members",
            ));
        }
        term = entry.term;
    }
    Ok(())
}
