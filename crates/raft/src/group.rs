//! One replica: how it starts, and how time and messages move it.

use crate::admit::{Dropped, Step, is_from_leader};
use crate::config::{GroupConfig, GroupError, Recovered, check};
use crate::election::Election;
use crate::lease::{Leases, clock_ns};
use crate::logger::logger;
use crate::members::electors;
use crate::promise::Promise;
use crate::ready::PendingReady;
use crate::rebuild::Rebuild;
use crate::tail::Tail;
use crate::transfer::Transfer;
use crate::witness::{Witnesses, strip};
use model::planted::{Bug, is_planted};
use model::time::MS;
use model::{Index, Now, Term};
use raft::eraftpb::{HardState, Message, MessageType};
use raft::{Config, RawNode, ReadOnlyOption, StateRole};
use std::collections::{BTreeMap, VecDeque};

/// Most members whose last contact is remembered.
const MAX_CONTACTS: usize = 64;

/// A replica of one Raft group. See the crate's documentation for the order of calls in a turn.
pub struct Group {
    pub(crate) raw: RawNode<Tail>,
    pub(crate) config: GroupConfig,
    pub(crate) election: Election,
    pub(crate) leases: Leases,
    /// Role, term and leader as of the last look, to notice what a call to the library changed.
    seen: (StateRole, Term, u64),
    /// While leader: index of the no-op of this term.
    pub(crate) noop: Option<Index>,
    next_tick_ns: u64,
    /// (peer, monotonic ns of the last message taken from it).
    pub(crate) contacts: Vec<(u64, u64)>,
    /// Readys not yet complete, oldest first.
    pub(crate) pending: VecDeque<PendingReady>,
    /// The hard state last handed to the log.
    pub(crate) handed: HardState,
    /// Term and vote that are durable.
    pub(crate) durable: (Term, u64),
    /// What it had at its start.
    pub(crate) started: Promise,
    /// What was applied does not name this replica yet, or names one that its node had before.
    pub(crate) joins: bool,
    /// Set while rows are missing, and until what was kept back for them is handed out.
    pub(crate) rebuild: Option<Rebuild>,
    /// The compacted index whose term is only an upper bound.
    pub(crate) guessed: Option<Index>,
    pub(crate) transfer: Option<Transfer>,
    /// Members that keep no data, and what a leader may tell them.
    pub(crate) witnesses: Witnesses,
    /// Snapshots being streamed: peer and index.
    pub(crate) sending: BTreeMap<u64, Index>,
}

impl Group {
    /// Starts a replica from what recovery found. The start counts as word of a leader for the vote
    /// promise: a vote given just before a crash may back a lease. Errors name what is damaged.
    pub fn new(config: GroupConfig, mut recovered: Recovered, now: Now) -> Result<Group, GroupError> {
        check(&config, &mut recovered)?;
        let Recovered { hard_state, entries, compacted, conf_state, applied, .. } = recovered;
        let rebuild = recovered.rows_lost.then(|| Rebuild::new(applied));
        let election = Election::new(&config, &electors(&conf_state), now.mono_ns);
        let library = library_config(&config, applied, conf_state.voters.len());
        let tail = Tail::new(hard_state.clone(), (applied, conf_state), compacted, entries);
        // All of a fresh one is still to be written, and messages wait for it as for any vote.
        let handed = if recovered.fresh { HardState::default() } else { hard_state };
        let raw = RawNode::new(&library, tail, &logger(config.group))
            .map_err(|e| GroupError::Raft(config.group, e.to_string()))?;
        let mut group = Group {
            seen: (raw.raft.state, raw.raft.term, raw.raft.leader_id),
            raw,
            election,
            leases: Leases::new(&config),
            noop: None,
            next_tick_ns: now.mono_ns.saturating_add(config.tick_ms * MS),
            contacts: Vec::new(),
            pending: VecDeque::new(),
            durable: (handed.term, handed.vote),
            started: Promise::default(),
            joins: recovered.joins && !recovered.joined,
            rebuild,
            guessed: None,
            handed,
            transfer: None,
            witnesses: Witnesses::default(),
            sending: BTreeMap::new(),
            config,
        };
        group.started = group.holds();
        group.guessed = recovered.compacted_guessed.then_some(compacted.0);
        group.look();
        Ok(group)
    }

    /// Moves the group's clock if a tick is due; true if it was. Call it in every turn, after the
    /// messages of the turn: a tick before them could start an election against a live leader whose
    /// messages are waiting. Missed ticks are dropped: after a stall the leader gets a chance to be heard.
    pub fn tick(&mut self, now: Now) -> bool {
        let ns = now.mono_ns;
        if self.election.holds_any() && !self.election.promised(ns) {
            for (_, m) in self.election.take_held() {
                self.deliver_held(m);
            }
        }
        if ns < self.next_tick_ns {
            return false;
        }
        let tick_ns = self.config.tick_ms * MS;
        let behind = ns - self.next_tick_ns >= tick_ns;
        self.next_tick_ns = if behind { ns } else { self.next_tick_ns }.saturating_add(tick_ns);
        if self.raw.raft.state == StateRole::Leader {
            self.raw.tick();
            self.watch(ns);
            self.expire_transfer(ns);
            self.look();
            self.expire_rounds(clock_ns(now));
        } else {
            self.tick_follower(ns);
        }
        true
    }

    fn tick_follower(&mut self, ns: u64) {
        let timeout = self.election.timeout();
        let blocked = self.election.promised(ns) || !self.may_campaign();
        let raft = &mut self.raw.raft;
        if blocked && raft.election_elapsed + 1 >= timeout {
            // The library would step MsgHup for itself; it stays one tick short of it.
            raft.election_elapsed = timeout - 2;
        } else if !blocked && raft.state == StateRole::Follower && self.election.evidence_due(ns) {
            raft.election_elapsed = timeout - 1;
        }
        if self.raw.tick() {
            self.election.round_began();
        }
        self.look();
    }

    /// A campaign reads the entries above the applied index and, with a single voter, ends at once
    /// in an assertion that all entries are durable; neither holds while a Ready is unfinished. A witness never
    /// campaigns: it has nothing to lead with.
    fn may_campaign(&self) -> bool {
        let log = &self.raw.raft.raft_log;
        !self.config.witness
            && !self.installing()
            && self.rebuild.is_none()
            && !self.joins
            && log.persisted == log.last_index()
    }

    /// True while a snapshot is on its way into the log.
    pub(crate) fn installing(&self) -> bool {
        let log = &self.raw.raft.raft_log;
        log.unstable_snapshot().is_some() || log.applied < log.store().compacted().0
    }

    /// Processes a message of a peer. A (pre-)vote request inside the vote promise is held; only one
    /// that follows from a leader transfer is exempt (safety rule 4).
    pub fn step(&mut self, now: Now, mut m: Message) -> Step {
        if let Err(why) = self.admit(&m) {
            return self.dropped(m.msg_type, why);
        }
        self.contact(m.from, now.mono_ns);
        if self.config.witness {
            m.entries.iter_mut().for_each(strip);
        }
        let (kind, from, term) = (m.msg_type, m.from, m.term);
        if matches!(kind, MessageType::MsgRequestVote | MessageType::MsgRequestPreVote) {
            return self.step_vote(now.mono_ns, m);
        }
        if self.raw.step(m).is_err() {
            return self.dropped(kind, Dropped::NotMember(from));
        }
        self.look();
        let raft = &self.raw.raft;
        let follows = raft.state == StateRole::Follower && raft.leader_id == from;
        if is_from_leader(kind) && follows && raft.term == term {
            self.election.heard(now.mono_ns, from);
            self.set_timeout();
        }
        Step::Taken
    }

    fn dropped(&self, kind: MessageType, why: Dropped) -> Step {
        tracing::debug!(target: "raft", group = self.config.group.0, ?kind, %why, "dropped a message");
        Step::Dropped(why)
    }

    fn step_vote(&mut self, now_ns: u64, m: Message) -> Step {
        if self.joins {
            return self.dropped(m.msg_type, Dropped::Joins);
        }
        let raft = &self.raw.raft;
        let transfer = m.context == raft::CAMPAIGN_TRANSFER;
        // A leader refuses by the library's own check; a lower term is only told of the higher one.
        let harmless = raft.state == StateRole::Leader || m.term < raft.term;
        if !transfer && !harmless && self.election.promised(now_ns) {
            let (kind, from) = (m.msg_type, m.from);
            return match self.election.hold(m) {
                true => Step::Held,
                false => self.dropped(kind, Dropped::HeldFull(from)),
            };
        }
        self.deliver_vote(m);
        Step::Taken
    }

    /// A held request is of no use any more if the group went on to a later term.
    fn deliver_held(&mut self, m: Message) {
        if m.term >= self.raw.raft.term && self.raw.raft.state != StateRole::Leader {
            self.deliver_vote(m);
        }
    }

    /// Hands a vote request to the library after our own promise was checked. The library's check
    /// counts ticks, of which some may have been dropped; it must not refuse where the promise ended.
    fn deliver_vote(&mut self, m: Message) {
        let raft = &mut self.raw.raft;
        let (elapsed, enough) = (raft.election_elapsed, raft.election_timeout());
        let lift = raft.state != StateRole::Leader && elapsed < enough;
        if lift {
            raft.election_elapsed = enough;
        }
        let _ = self.raw.step(m);
        let raft = &mut self.raw.raft;
        if lift && raft.election_elapsed == enough {
            raft.election_elapsed = elapsed;
        }
        self.look();
    }

    /// The caller knows that the leader is dead, as after a refused connection. The promise stands;
    /// what ends early is the wait beyond it.
    pub fn campaign_evidence(&mut self, now: Now) {
        if self.raw.raft.state == StateRole::Leader {
            return;
        }
        self.election.leader_is_dead();
        self.look();
        let due = self.election.evidence_due(now.mono_ns) && !self.election.promised(now.mono_ns);
        let idle = self.raw.raft.state == StateRole::Follower && self.raw.raft.promotable();
        if due && idle && self.may_campaign() {
            let _ = self.raw.campaign();
            self.election.round_began();
            self.look();
        }
    }

    /// This node should not lead: in the agreed order it comes after all others. That order is only the
    /// first round's (safety rule 8), so a group that no other can lead has a leader soon enough.
    pub fn campaign_last(&mut self, last: bool) {
        self.election.set_last(last);
        self.set_timeout();
    }

    /// Notices what a call to the library changed. To be called after each: it also sets the election
    /// timeout again, which the library redraws from a thread rng whenever it resets (rule 8).
    pub(crate) fn look(&mut self) {
        let raft = &self.raw.raft;
        let now = (raft.state, raft.term, raft.leader_id);
        if now != self.seen {
            let before = std::mem::replace(&mut self.seen, now);
            self.changed(before);
        }
        self.set_timeout();
    }

    pub(crate) fn set_timeout(&mut self) {
        let timeout = self.election.timeout();
        self.raw.raft.set_randomized_election_timeout(timeout);
    }

    fn changed(&mut self, before: (StateRole, Term, u64)) {
        let (role, term, leader) = self.seen;
        let was_leader = before.0 == StateRole::Leader;
        if term != before.1 || (role == StateRole::Leader) != was_leader {
            // Safety rule 7: no lease outlives its term or role.
            self.leases.lose();
            self.transfer = None;
            self.sending.clear();
            self.witnesses.forget();
            self.noop = None;
        }
        if role == StateRole::Leader {
            self.election.take_held();
            if self.noop.is_none() {
                // The library appends the no-op as it takes the lead, before anything else.
                self.noop = Some(self.raw.raft.raft_log.last_index());
            }
        } else if (term != before.1 && leader == 0) || was_leader {
            self.election.round_began();
        }
    }

    fn contact(&mut self, peer: u64, now_ns: u64) {
        if let Some((_, at)) = self.contacts.iter_mut().find(|(id, _)| *id == peer) {
            *at = now_ns;
        } else if self.contacts.len() < MAX_CONTACTS {
            self.contacts.push((peer, now_ns));
        }
    }
}

/// The library's settings. Each line that is not a number is a rule learned from a failure.
fn library_config(config: &GroupConfig, applied: Index, voters: usize) -> Config {
    Config {
        id: config.node.0,
        election_tick: config.election_ticks(),
        heartbeat_tick: (config.heartbeat_ms / config.tick_ms) as usize,
        applied,
        max_size_per_msg: config.max_append as u64,
        max_inflight_msgs: config.max_inflight,
        check_quorum: true,
        pre_vote: true,
        min_election_tick: config.election_ticks(),
        max_election_tick: Election::max_ticks(config, voters.max(MAX_CONTACTS)),
        // Its lease mode serves stale reads; ours is in `lease`.
        read_only_option: ReadOnlyOption::Safe,
        // Followers learn a commit from the next append or heartbeat; an empty append per commit
        // would cost as much as an entry.
        skip_bcast_commit: true,
        // With it, reordered messages acknowledge entries that are not held.
        // Planted: see model/planted.rs
        batch_append: is_planted(Bug::BatchAppend),
        // Other values can deadlock a group for good (rule 8).
        priority: 0,
        max_uncommitted_size: config.max_uncommitted as u64,
        max_committed_size_per_ready: config.max_apply as u64,
    }
}

#[cfg(test)]
mod tests;
