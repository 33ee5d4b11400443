//! Proposals: refused before anything is executed for them, never dropped silently (safety rule 9).

use crate::group::Group;
use crate::members::MembersRefused;
use model::{Index, NodeId, Term};
use raft::StateRole;

/// Why a proposal or a read was not taken. Nothing has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The entry is too large for this group.
    #[error("entry of {size} bytes, allowed are {max}")]
    TooLarge {
        /// Size of the entry in bytes.
        size: usize,
        /// Largest size in bytes.
        max: usize,
    },
    /// An entry without data is the no-op of a new leader; a proposal needs data.
    #[error("entry of 0 bytes, at least 1 is needed")]
    Empty,
    /// Another node leads.
    #[error("this replica does not lead the group")]
    NotLeader {
        /// Who does, if known.
        leader: Option<NodeId>,
    },
    /// The no-op of this term is not applied yet: the leader does not know all that is committed.
    #[error("the leader is not ready in this term yet")]
    NotReady,
    /// Leadership is being handed over.
    #[error("leadership is being handed to node {to}")]
    Transferring {
        /// The next leader.
        to: NodeId,
    },
    /// Too much is proposed and not committed.
    #[error("{uncommitted} bytes are not committed yet, allowed are {max}")]
    Full {
        /// Bytes now.
        uncommitted: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Too many read-index rounds are in flight.
    #[error("{max} read rounds are in flight, which is the limit")]
    Rounds {
        /// The limit.
        max: usize,
    },
    /// The step does not fit the members.
    #[error("{0}")]
    Members(MembersRefused),
    /// The library refused although all checks passed.
    #[error("the consensus library dropped the proposal")]
    Dropped,
}

impl Group {
    /// True if a proposal that is small enough would be taken now: to be asked before a turn executes.
    #[inline]
    pub fn can_propose(&self) -> bool {
        self.check_propose(1).is_ok()
    }

    /// The index the next accepted proposal gets, if this replica leads.
    #[inline]
    pub fn next_index(&self) -> Index {
        self.raw.raft.raft_log.last_index() + 1
    }

    /// The checks of [`Group::propose`] for an entry of `size` bytes, the size first.
    pub fn check_propose(&self, size: usize) -> Result<(), Refused> {
        if size > self.config.max_entry {
            return Err(Refused::TooLarge { size, max: self.config.max_entry });
        }
        if size == 0 {
            return Err(Refused::Empty);
        }
        if self.raw.raft.state != StateRole::Leader {
            return Err(Refused::NotLeader { leader: self.leader() });
        }
        if let Some(to) = self.transferring() {
            return Err(Refused::Transferring { to });
        }
        if !self.own_term_applied() {
            return Err(Refused::NotReady);
        }
        let (uncommitted, max) = (self.raw.raft.uncommitted_size(), self.config.max_uncommitted);
        if uncommitted > 0 && uncommitted + size > max {
            return Err(Refused::Full { uncommitted, max });
        }
        Ok(())
    }

    /// Proposes an entry. Its term and index are those announced by [`Group::next_index`]; whether it
    /// is committed is known when an entry of this index comes out, and it is the one proposed only
    /// if the term is the same (safety rule 3).
    pub fn propose(&mut self, data: Vec<u8>) -> Result<(Term, Index), Refused> {
        self.check_propose(data.len())?;
        let (term, index) = (self.raw.raft.term, self.next_index());
        let taken = self.raw.propose(Vec::new(), data).is_ok();
        let log = &self.raw.raft.raft_log;
        if !taken || log.last_index() != index || log.last_term() != term {
            return Err(Refused::Dropped);
        }
        Ok((term, index))
    }

    /// Execute nothing and read nothing before this: what earlier leaders committed is only known here
    /// once the no-op of the own term is applied.
    #[inline]
    pub(crate) fn own_term_applied(&self) -> bool {
        self.noop.is_some_and(|noop| self.raw.raft.raft_log.applied >= noop)
    }
}
