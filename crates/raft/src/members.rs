//! Changing the members of a group, one step at a time.
//!
//! A node comes as a learner, which has no vote, and becomes a voter in a joint configuration (Raft
//! thesis, section 4.3): until that is left, the majority of the old voters and that of the new ones
//! decide together, so there is no instant in which two disjoint majorities could. A step is an entry
//! of its own kind and takes effect where it is applied; the next may be proposed only then. What
//! makes this safe is the library's and rests on that kind: nobody campaigns before it has applied the
//! steps it knows committed. Leaving is a step of ours, never the library's own (safety rule 2).

pub(crate) mod change;

use crate::config::{MAX_MEMBERS, check_members};
use crate::group::Group;
use crate::propose::Refused;
use model::{Index, NodeId, Term};
use raft::eraftpb::{ConfChangeType, ConfChangeV2, ConfState};
use raft::{Changer, StateRole};
use std::collections::BTreeSet;

/// One step of a change of members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberStep {
    /// A new member, which gets entries and snapshots and has no vote.
    AddLearner(NodeId),
    /// A learner is a member no more.
    RemoveLearner(NodeId),
    /// Learners become voters, and voters are to go: the beginning of a joint configuration.
    Enter {
        /// Learners that get a vote. Whether they have caught up is for the caller to see.
        add: Vec<NodeId>,
        /// Voters that are members no more once the joint configuration is left.
        remove: Vec<NodeId>,
    },
    /// The end of a joint configuration.
    Leave,
}

/// Why a step does not fit the members as they are. Nothing has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MembersRefused {
    /// See [`crate::GroupConfig::member_steps`].
    #[error("this replica does not know changes of members")]
    Unknown,
    /// The last step is not applied yet.
    #[error("the last change of members is not applied yet")]
    Pending,
    /// Only [`MemberStep::Leave`] is possible now.
    #[error("the group has a joint configuration, which must be left first")]
    Joint,
    /// There is nothing to leave.
    #[error("the group has no joint configuration to leave")]
    NotJoint,
    /// It is one already.
    #[error("node {0} is a member already")]
    Member(NodeId),
    /// Only learners get a vote or are removed without a joint configuration.
    #[error("node {0} is not a learner")]
    NotLearner(NodeId),
    /// Only voters can be replaced.
    #[error("node {0} is not a voter")]
    NotVoter(NodeId),
    /// A step that would change nothing, or leave no voter.
    #[error("the step would change nothing or leave no voter")]
    Empty,
    /// This replica leads and would have no vote afterwards: it hands over first.
    #[error("the leader has no vote in the new configuration and must hand over first")]
    LeaderGoes,
    /// A witness has a vote only beside two voters that keep data, and there is one at most.
    #[error("a witness votes beside at least two voters that keep data, and no other witness")]
    Witness,
    /// Too many members.
    #[error("{} members are the limit", MAX_MEMBERS)]
    TooMany,
}

impl MemberStep {
    fn change(&self, payload: Vec<u8>) -> ConfChangeV2 {
        use ConfChangeType::{AddLearnerNode, AddNode, RemoveNode};
        let mut change = ConfChangeV2::default();
        match self {
            MemberStep::AddLearner(node) => change::push(&mut change, AddLearnerNode, node.0),
            MemberStep::RemoveLearner(node) => change::push(&mut change, RemoveNode, node.0),
            MemberStep::Enter { add, remove } => {
                change::explicit(&mut change);
                add.iter().for_each(|node| change::push(&mut change, AddNode, node.0));
                remove.iter().for_each(|node| change::push(&mut change, RemoveNode, node.0));
            }
            MemberStep::Leave => {}
        }
        change.context = payload.into();
        change
    }
}

impl Group {
    /// The members after a step, lists ascending, if it were proposed and applied now.
    ///
    /// # Errors
    /// [`MembersRefused`]: it does not fit the members as they are.
    pub fn members_after(&self, step: &MemberStep) -> Result<ConfState, MembersRefused> {
        if !self.config.member_steps {
            return Err(MembersRefused::Unknown);
        }
        if self.raw.raft.has_pending_conf() {
            return Err(MembersRefused::Pending);
        }
        let now = self.members();
        let joint = !now.voters_outgoing.is_empty();
        if joint != (*step == MemberStep::Leave) {
            return Err(if joint { MembersRefused::Joint } else { MembersRefused::NotJoint });
        }
        check_step(&now, step)?;
        let after = self.changed_members(&step.change(Vec::new())).ok_or(MembersRefused::Empty)?;
        if check_members(&after).is_err() {
            return Err(MembersRefused::TooMany);
        }
        // What has begun is always to be ended.
        if *step != MemberStep::Leave && !self.witnesses.may_vote(&after) {
            return Err(MembersRefused::Witness);
        }
        if *step == MemberStep::Leave && !after.voters.contains(&self.config.node.0) {
            return Err(MembersRefused::LeaderGoes);
        }
        Ok(after)
    }

    /// What this replica has applied names it as a member, and not one that its node had before: its log is
    /// as long as what made it one, so it may vote.
    pub fn joined(&mut self) {
        self.joins = false;
    }

    /// False for a replica that was made for a node that is to be a learner, until [`Group::joined`].
    pub fn has_joined(&self) -> bool {
        !self.joins
    }

    /// Proposes a step, as [`Group::propose`] does an entry. The payload comes out with the entry
    /// ([`crate::entry_payload`]) and is applied by the state machine at the same index: it should
    /// hold the members after the step, so that a checkpoint has them (safety rule 18).
    ///
    /// # Errors
    /// [`Refused`]: nothing was proposed.
    pub fn propose_members(&mut self, step: &MemberStep, payload: Vec<u8>) -> Result<(Term, Index), Refused> {
        self.check_propose(payload.len())?;
        self.members_after(step).map_err(Refused::Members)?;
        let (term, index) = (self.raw.raft.term, self.next_index());
        let taken = self.raw.propose_conf_change(Vec::new(), step.change(payload)).is_ok();
        let raft = &self.raw.raft;
        if !taken || raft.raft_log.last_index() != index || raft.pending_conf_index != index {
            return Err(Refused::Dropped);
        }
        Ok((term, index))
    }

    fn changed_members(&self, change: &ConfChangeV2) -> Option<ConfState> {
        let mut changer = Changer::new(self.raw.raft.prs());
        let changed = if change.leave_joint() {
            changer.leave_joint()
        } else if let Some(auto_leave) = change.enter_joint() {
            changer.enter_joint(auto_leave, &change.changes)
        } else {
            changer.simple(&change.changes)
        };
        changed.ok().map(|(conf, _)| sorted(conf.to_conf_state()))
    }

    /// The steps in the entries up to `upto`, which are being applied, take effect.
    ///
    /// # Panics
    /// If one does not fit the members: this replica is not what its log says, and must not go on.
    pub(crate) fn apply_steps(&mut self, upto: Index) {
        let steps = self.raw.store().steps(self.raw.raft.raft_log.applied, upto);
        for (index, data) in steps {
            let change = change::decode(&data).expect("entries are checked before they get here");
            let members = self.raw.apply_conf_change(&change).expect("a committed step fits the members");
            let members = sorted(members);
            self.set_successors(&members);
            self.contacts.retain(|(id, _)| self.raw.raft.prs().get(*id).is_some());
            self.sending.retain(|id, _| self.raw.raft.prs().get(*id).is_some());
            self.raw.mut_store().set_members(index, members);
            // Safety rule 7: no lease outlives the majority that gave it.
            self.leases.give_up();
            self.step_down_without_vote();
            self.look();
        }
    }

    /// Leads no more from now on, without anybody in its place: what it has written can not be made durable any more.
    pub fn resign(&mut self) {
        let raft = &mut self.raw.raft;
        if raft.state == StateRole::Leader {
            let term = raft.term;
            raft.become_follower(term, raft::INVALID_ID);
        }
        self.leases.give_up();
    }

    /// A leader proposes no step that takes its vote, but it may have to commit one of the leader before it.
    fn step_down_without_vote(&mut self) {
        let raft = &mut self.raw.raft;
        if raft.state == StateRole::Leader && !raft.prs().conf().voters().contains(raft.id) {
            let term = raft.term;
            raft.become_follower(term, raft::INVALID_ID);
        }
    }
}

fn check_step(now: &ConfState, step: &MemberStep) -> Result<(), MembersRefused> {
    let count = now.voters.len() + now.learners.len() + now.voters_outgoing.len();
    let learner = |node: &NodeId| match now.learners.contains(&node.0) {
        true => Ok(()),
        false => Err(MembersRefused::NotLearner(*node)),
    };
    match step {
        MemberStep::AddLearner(node) if is_member(now, node.0) => Err(MembersRefused::Member(*node)),
        MemberStep::AddLearner(NodeId(0)) => Err(MembersRefused::Empty),
        MemberStep::AddLearner(_) if count >= MAX_MEMBERS => Err(MembersRefused::TooMany),
        MemberStep::AddLearner(_) | MemberStep::Leave => Ok(()),
        MemberStep::RemoveLearner(node) => learner(node),
        MemberStep::Enter { add, remove } => {
            if add.is_empty() && remove.is_empty() {
                return Err(MembersRefused::Empty);
            }
            add.iter().try_for_each(learner)?;
            match remove.iter().find(|node| !now.voters.contains(&node.0)) {
                Some(node) => Err(MembersRefused::NotVoter(*node)),
                None => Ok(()),
            }
        }
    }
}

/// Whether the node has a place in a configuration.
pub(crate) fn is_member(members: &ConfState, node: u64) -> bool {
    // Next learners are outgoing voters as well.
    [&members.voters, &members.learners, &members.voters_outgoing].iter().any(|list| list.contains(&node))
}

/// Whoever may have to succeed a leader.
pub(crate) fn electors(members: &ConfState) -> Vec<u64> {
    let all: BTreeSet<u64> = members.voters.iter().chain(&members.voters_outgoing).copied().collect();
    all.into_iter().collect()
}

/// With ascending lists: the library keeps its members without an order, and a row of them must be the
/// same on all replicas.
pub(crate) fn sorted(mut members: ConfState) -> ConfState {
    members.voters.sort_unstable();
    members.learners.sort_unstable();
    members.voters_outgoing.sort_unstable();
    members.learners_next.sort_unstable();
    members
}

#[cfg(test)]
mod tests;
