//! What a group is given at start: its settings, and what recovery found.

use crate::members::change::is_readable_step;
use crate::members::is_member;
use crate::witness::is_metadata;
use model::{GroupId, Index, NodeId, Term, limits};
use raft::eraftpb::{ConfState, Entry, EntryType, HardState};

/// Settings of one replica. Times must be the same on all nodes of a cluster: the lease of a leader
/// rests on the vote promise of its followers.
#[derive(Debug, Clone)]
pub struct GroupConfig {
    /// The Raft group.
    pub group: GroupId,
    /// The node this replica is on; must be a member of the group.
    pub node: NodeId,
    /// Tells replicas apart that a node had of this group one after another; later ones have larger numbers.
    /// It is part of what they promise ([`crate::Promise`]).
    pub generation: u64,
    /// Length of Raft's tick in ms, 1 ..= 5 (safety rule 8).
    pub tick_ms: u64,
    /// Base election timeout in ms: the vote promise and the lease are measured by it (rule 4).
    pub base_election_ms: u64,
    /// Time between two heartbeats of a leader in ms; at least one tick, at most a third of the base timeout.
    pub heartbeat_ms: u64,
    /// Time by which each successor in the agreed order waits longer than the one before it, in ms.
    pub successor_ms: u64,
    /// Margin in ms for clocks that run at different rates, subtracted from a lease and added to a promise.
    pub drift_ms: u64,
    /// Decides all random waits of this replica. Should differ between replicas.
    pub seed: u64,
    /// Largest entry in bytes; a larger proposal is refused.
    pub max_entry: usize,
    /// Entries of one append message in bytes (one entry may be larger).
    pub max_append: usize,
    /// Append messages to one follower without an answer.
    pub max_inflight: usize,
    /// Bytes of proposed and not yet committed entries; beyond it proposals are refused.
    pub max_uncommitted: usize,
    /// Bytes of entries kept in memory for followers that are behind; a follower further behind
    /// needs a snapshot. Entries not yet applied are kept regardless (bounded by `max_uncommitted`).
    pub max_tail: usize,
    /// The caller applies entries that change members ([`crate::entry_payload`]) and stores their kind. Without
    /// it they are refused like any entry of an unknown kind, here and from peers.
    pub member_steps: bool,
    /// This replica votes and keeps the metadata of entries, without their payload. It never leads.
    pub witness: bool,
    /// Bytes of committed entries handed out by one [`crate::Group::ready`] (one entry may be larger).
    pub max_apply: usize,
}

impl GroupConfig {
    /// The default settings for a replica of `group` on `node`.
    pub fn new(group: GroupId, node: NodeId, seed: u64) -> GroupConfig {
        GroupConfig {
            group,
            node,
            generation: 0,
            tick_ms: 5,
            base_election_ms: 120,
            heartbeat_ms: 25,
            successor_ms: 10,
            drift_ms: 2,
            seed,
            max_entry: limits::MAX_ENTRY,
            max_append: 1 << 20,
            max_inflight: 256,
            max_uncommitted: 64 << 20,
            max_tail: 64 << 20,
            member_steps: false,
            witness: false,
            max_apply: 16 << 20,
        }
    }

    /// Whether the entry is an ordinary one, or one that changes members, is wanted and can be read. One
    /// whose payload is elsewhere is of use to a witness only: anybody else would apply nothing for it.
    pub(crate) fn is_known(&self, entry: &Entry) -> bool {
        if is_metadata(entry) {
            return self.witness && entry.entry_type == EntryType::EntryNormal && entry.data.is_empty();
        }
        entry.entry_type == EntryType::EntryNormal || self.member_steps && is_readable_step(entry)
    }

    /// Ticks of the base election timeout.
    pub(crate) fn election_ticks(&self) -> usize {
        (self.base_election_ms / self.tick_ms) as usize
    }

    /// Refuses settings under which a promise of the group would not hold.
    fn check(&self) -> Result<(), GroupError> {
        let refuse = |what, value: u64, allowed| Err(GroupError::Setting { what, value, allowed });
        if self.node.0 == 0 {
            return refuse("node", 0, "a node id from 1");
        }
        if !(1..=5).contains(&self.tick_ms) {
            return refuse("tick_ms", self.tick_ms, "1 to 5");
        }
        if self.heartbeat_ms < self.tick_ms || self.heartbeat_ms * 3 > self.base_election_ms {
            return refuse("heartbeat_ms", self.heartbeat_ms, "tick_ms to base_election_ms / 3");
        }
        if self.drift_ms * 4 > self.base_election_ms {
            return refuse("drift_ms", self.drift_ms, "at most base_election_ms / 4");
        }
        if self.successor_ms > self.base_election_ms {
            return refuse("successor_ms", self.successor_ms, "at most base_election_ms");
        }
        // The library counts at least 8 bytes for an entry with data.
        if self.max_append as u64 / 8 > crate::wire::MAX_ENTRIES {
            return refuse("max_append", self.max_append as u64, "at most 2 MiB");
        }
        if self.max_inflight == 0 {
            return refuse("max_inflight", 0, "at least 1");
        }
        if self.max_uncommitted < self.max_append || self.max_uncommitted < self.max_entry {
            let value = self.max_uncommitted as u64;
            return refuse("max_uncommitted", value, "at least max_append and max_entry");
        }
        Ok(())
    }
}

/// What recovery found: the last checkpoint and the log after it.
#[derive(Debug, Clone, Default)]
pub struct Recovered {
    /// Last durable term, vote and commit. The commit may be behind or ahead of what the log and
    /// the checkpoint show; it is clamped (safety rule 18).
    pub hard_state: HardState,
    /// The entries after `compacted`, without a gap.
    pub entries: Vec<Entry>,
    /// Index and term of the last entry that is no longer in the log; (0, 0) if none was removed.
    pub compacted: (Index, Term),
    /// The rows are lost and the log is whole: the replica follows and waits for rows. `applied` is
    /// then the compacted index.
    pub rows_lost: bool,
    /// The compacted term is not known but an upper bound: that of the first entry, else the durable
    /// term. It makes this replica refuse a candidate too many, never one too few; it claims nothing by it.
    pub compacted_guessed: bool,
    /// The members as of `applied`.
    pub conf_state: ConfState,
    /// This replica was made for a node that is to be a learner: the members as of `applied` do not name it
    /// yet.
    pub joins: bool,
    /// If it joins: it has heard before that it is a member. Else it neither votes nor campaigns until
    /// [`crate::Group::joined`] is called.
    pub joined: bool,
    /// It was made just now: the log has no durable record of it yet, so it must promise nothing, not even that it is
    /// there, before the log has written something of it.
    pub fresh: bool,
    /// Last index the state machine has applied; at least `compacted`.
    pub applied: Index,
}

/// Why a group could not be started. All of them but a setting mean a damaged data folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// A setting is outside its range.
    #[error("{what} is {value}, allowed is {allowed}")]
    Setting {
        /// Name of the setting.
        what: &'static str,
        /// The value given.
        value: u64,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The node is not a member of the group.
    #[error("node {node} is not a member of group {group}: voters {voters:?}, learners {learners:?}")]
    NotMember {
        /// This node.
        node: NodeId,
        /// The group.
        group: GroupId,
        /// The voters found.
        voters: Vec<u64>,
        /// The learners found.
        learners: Vec<u64>,
    },
    /// The members found are not a configuration.
    #[error("members of group {0} are malformed: {1}")]
    Members(GroupId, &'static str),
    /// The recovered log is not one log.
    #[error("log of group {group} is damaged at index {index}: {what}")]
    Log {
        /// The group.
        group: GroupId,
        /// Where.
        index: Index,
        /// What is wrong.
        what: &'static str,
    },
    /// The library refused the configuration.
    #[error("raft refused group {0}: {1}")]
    Raft(GroupId, String),
}

/// Checks settings and recovery together, and clamps the commit into what exists: the library
/// panics on a commit outside [compacted, last] or on applied beyond commit (safety rule 18).
pub(crate) fn check(config: &GroupConfig, recovered: &mut Recovered) -> Result<(), GroupError> {
    config.check()?;
    let group = config.group;
    let conf = &recovered.conf_state;
    check_members(conf).map_err(|what| GroupError::Members(group, what))?;
    if !recovered.joins && !is_member(conf, config.node.0) {
        return Err(GroupError::NotMember {
            node: config.node,
            group,
            voters: conf.voters.clone(),
            learners: conf.learners.clone(),
        });
    }
    let last = check_log(config, recovered)?;
    if recovered.applied < recovered.compacted.0 || recovered.applied > last {
        let what = "the applied index lies outside of the log";
        return Err(GroupError::Log { group, index: recovered.applied, what });
    }
    recovered.hard_state.commit = recovered.hard_state.commit.clamp(recovered.applied, last);
    Ok(())
}

/// Checks that entries follow each other without a gap and with terms that never fall.
fn check_log(config: &GroupConfig, recovered: &Recovered) -> Result<Index, GroupError> {
    let (group, (mut index, mut term)) = (config.group, recovered.compacted);
    let damaged = |index, what| Err(GroupError::Log { group, index, what });
    for entry in &recovered.entries {
        if entry.index != index + 1 {
            return damaged(entry.index, "not the index after the one before");
        }
        if entry.term < term.max(1) {
            return damaged(entry.index, "its term is below the one before");
        }
        if !config.is_known(entry) {
            return damaged(entry.index, "an entry of unknown kind, or not the bytes of a change of members");
        }
        (index, term) = (entry.index, entry.term);
    }
    if recovered.hard_state.term < term {
        return damaged(index, "its term is above the durable term");
    }
    Ok(index)
}

/// Most members of a group, learners and outgoing voters included.
pub(crate) const MAX_MEMBERS: usize = 64;

/// True configurations only: a malformed one makes the library panic.
pub(crate) fn check_members(conf: &ConfState) -> Result<(), &'static str> {
    let disjoint = |a: &[u64], b: &[u64]| a.iter().all(|id| !b.contains(id));
    let lists = [&conf.voters, &conf.learners, &conf.voters_outgoing, &conf.learners_next];
    if conf.voters.is_empty() {
        return Err("no voters");
    }
    for list in lists {
        let unique = list.iter().enumerate().all(|(i, id)| *id != 0 && !list[..i].contains(id));
        if !unique || list.len() > MAX_MEMBERS {
            return Err("an id twice, an id of 0, or too many members");
        }
    }
    if !disjoint(&conf.learners, &conf.voters) || !disjoint(&conf.learners, &conf.voters_outgoing) {
        return Err("a learner that also votes");
    }
    let next_leaves = conf.learners_next.iter().all(|id| conf.voters_outgoing.contains(id));
    if !next_leaves || !disjoint(&conf.learners_next, &conf.voters) {
        return Err("a next learner that is not an outgoing voter");
    }
    // Safety rule 2: leaving a joint configuration is explicit, never the library's own.
    if conf.auto_leave {
        return Err("auto_leave");
    }
    Ok(())
}
