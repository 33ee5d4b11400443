//! Handing leadership to another voter.

use crate::group::Group;
use model::time::MS;
use model::{NodeId, Now};
use raft::StateRole;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Transfer {
    to: NodeId,
    deadline_ns: u64,
}

/// Why a transfer was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransferRefused {
    /// Another node leads.
    #[error("this replica does not lead the group")]
    NotLeader,
    /// Only another voter can take over.
    #[error("node {0} is not another voter of the group")]
    NotVoter(NodeId),
    /// A witness has nothing to lead with.
    #[error("node {0} is a witness, which never leads")]
    Witness(NodeId),
    /// One transfer at a time.
    #[error("leadership is already being handed to node {0}")]
    Pending(NodeId),
}

impl Group {
    /// Begins to hand leadership to `to`. The lease ends now and proposals are refused until the term
    /// changes or the transfer is given up after one base election timeout (see
    /// [`Group::transferring`]). Once the order to campaign may have left, no lease is taken again in
    /// this term (safety rule 6).
    pub fn transfer(&mut self, to: NodeId, now: Now) -> Result<(), TransferRefused> {
        if self.raw.raft.state != StateRole::Leader {
            return Err(TransferRefused::NotLeader);
        }
        if let Some(pending) = self.transferring() {
            return Err(TransferRefused::Pending(pending));
        }
        let voter = self.raw.raft.prs().conf().voters().contains(to.0);
        if !voter || to == self.config.node {
            return Err(TransferRefused::NotVoter(to));
        }
        if self.witnesses.is_witness(to.0) {
            return Err(TransferRefused::Witness(to));
        }
        // Before the library hears of it, so that there is no instant with both.
        self.leases.give_up();
        let deadline_ns = now.mono_ns.saturating_add(self.config.base_election_ms * MS);
        self.transfer = Some(Transfer { to, deadline_ns });
        self.raw.transfer_leader(to.0);
        self.look();
        Ok(())
    }

    /// The node leadership is being handed to; `None` when it is done or given up.
    #[inline]
    pub fn transferring(&self) -> Option<NodeId> {
        self.transfer.map(|t| t.to)
    }

    /// Gives a transfer up that takes too long. The library has its own limit in ticks; either ends both.
    pub(crate) fn expire_transfer(&mut self, now_ns: u64) {
        let Some(transfer) = self.transfer else { return };
        if now_ns >= transfer.deadline_ns {
            self.raw.raft.abort_leader_transfer();
        }
        if self.raw.raft.lead_transferee.is_none() {
            self.transfer = None;
        }
    }
}
