//! This node's replica of one group: the Raft side, the rows, and who waits for which entry.

use crate::again::{Batch, Standing};
use crate::cold::Cold;
use crate::conn::{Fate, Mark};
use crate::exposure::{Bound, Exposure};
use crate::frame::content::Generations;
use crate::freshness::Freshness;
use crate::load::Load;
use crate::losses::Predecessors;
use crate::wait::Synced;
use cluster::{Members, Seat, Tenure};
use consensus::{Entry, Group, MemberStep, Output, Promise, Role};
use model::effect::WriteId;
use model::planted::{Bug, is_planted};
use model::varint::DecodeError;
use model::{GroupId, Index, Keyspace, NodeId, Now, Term};
use shard::Machine;
use std::collections::{BTreeMap, VecDeque};

/// Terms of which the end is remembered, to tell what became of entries proposed in them.
const MAX_TERMS: usize = 64;

/// Nodes of which it is remembered which of their replicas speaks; more than a group has members.
const MAX_GENERATIONS: usize = 128;

/// Who gets a reply that waits for an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// This node's own route, under this sequence number.
    Own {
        /// Sequence number of the request.
        seq: u64,
    },
    /// Another node.
    Peer {
        /// The node.
        node: NodeId,
        /// The attempt of its request.
        attempt: u64,
        /// Sequence number of its request.
        seq: u64,
    },
}

/// The reply of a forwarded request that waits for its entry.
#[derive(Debug)]
pub struct Held {
    /// The entry it waits for.
    pub index: Index,
    /// Who gets it.
    pub source: Source,
    /// It leaves when the entry is written, see [`crate::exposure`].
    pub early: bool,
    /// The reply; for a write that is in flight under its id already, it is taken from the window.
    pub reply: Result<Vec<u8>, WriteId>,
    /// Term and index of the write, (0, 0) for a read.
    pub written: (Term, Index),
}

/// A request as it comes in through a route.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// Who gets the answer.
    pub source: Source,
    /// The connection at its origin whose order it belongs to; 0 = of no order.
    pub domain: u64,
    /// Slot of its first key.
    pub slot: u16,
    /// The encoded request.
    pub request: &'a [u8],
}

impl Arrival<'_> {
    /// The same, to be kept.
    pub(crate) fn park(&self, id: WriteId, standing: Standing) -> Parked {
        let &Arrival { source, domain, slot, request } = self;
        Parked { source, id, domain, slot, request: request.to_vec(), standing }
    }
}

impl Parked {
    /// The request.
    pub(crate) fn arrival(&self) -> Arrival<'_> {
        Arrival { source: self.source, domain: self.domain, slot: self.slot, request: &self.request }
    }
}

/// A forwarded request that came before this leader was ready for it.
#[derive(Debug)]
pub struct Parked {
    /// Who gets the answer.
    pub source: Source,
    /// Its id.
    pub id: WriteId,
    /// The connection at its origin whose order it belongs to; 0 = of no order.
    pub domain: u64,
    /// Slot of its first key.
    pub slot: u16,
    /// The encoded request.
    pub request: Vec<u8>,
    /// Whether it runs when its turn comes.
    pub standing: Standing,
}

/// One replica.
pub struct Replica {
    /// The group.
    pub id: GroupId,
    /// Consensus.
    pub raft: Group,
    /// Rows and dedupe window.
    pub machine: Machine,
    /// Replies of forwarded requests, in the order of execution.
    pub held: VecDeque<Held>,
    /// Those of them that leave early, apart: they wait for less.
    pub held_early: VecDeque<Held>,
    /// Requests that wait until this leader is ready.
    pub parked: VecDeque<Parked>,
    /// Batches of requests sent again that are not complete, by the node they come from.
    pub batches: BTreeMap<NodeId, Batch>,
    /// A round that proves leadership for the first so many parked requests, where no lease may be
    /// taken (after a leadership transfer that failed).
    pub round: Option<(consensus::RoundId, usize)>,
    /// Those who wait for rows that are not in memory.
    pub cold: Cold,
    /// How old its rows may be while it follows.
    pub fresh: Freshness,
    /// Committed entries that wait for rows to be applied, in order.
    pub backlog: VecDeque<Entry>,
    /// Bytes of them.
    pub backlog_bytes: usize,
    /// What was applied when those who wait for entries were last looked at.
    pub woken: Index,
    /// Those who wait for replication (WAIT).
    pub waiters: Vec<crate::wait::Waiter>,
    /// Commands that wait for something to take.
    pub blocking: crate::blocking::Blocking,
    /// Connections with a reply that waits for an entry, by index.
    pub waiting: VecDeque<(Index, u64)>,
    /// Scratch space of a turn.
    pub out: Output,
    /// Commands were executed in this turn, so the machine knows its next index.
    pub begun: bool,
    /// Something was executed in this turn whose reply no entry of its own will prove: its lease is
    /// checked once more.
    pub served: bool,
    /// They were executed in the turn in which a round proved leadership: that is enough.
    pub proven: bool,
    /// The lease that a leadership transfer gave up after they were executed lasted until then, in
    /// monotonic ns.
    pub lease_was_ns: u64,
    /// The term in which replies were given whose lease could not be proven again yet.
    pub suspect: Option<Term>,
    /// Keyspaces (bit by number) this shard serves, as of `layouts_seen`.
    pub serves: u32,
    /// Keyspaces (bit by number) whose replies leave before the commit, as of `layouts_seen`.
    pub asynchronous: u32,
    /// Synchronous keyspaces (bit by number) that let connections choose less, as of `layouts_seen`.
    pub allowing: u32,
    /// Keyspaces that an entry not yet applied makes synchronous or keeps so, with its epoch.
    pub to_sync: BTreeMap<Keyspace, u64>,
    /// The bound of what both may expose.
    pub bound: Bound,
    /// What they expose.
    pub exposure: Exposure,
    /// What waits to be proposed holds writes that may be answered before their commit.
    pub exposes: bool,
    /// Somebody waits for what is proposed or appended since the last Ready to be durable.
    pub hurry: bool,
    /// Term and vote that were handed to the log last.
    pub voted: (Term, u64),
    /// Replies that need not wait for the commit may leave up to this index.
    pub early: Index,
    /// By term that this process has led and leads no more: replies of asynchronous writes have left at most
    /// up to this index. Bounded by the terms of which the end is remembered.
    answered: BTreeMap<Term, Index>,
    /// Who led before this node.
    pub predecessors: Predecessors,
    /// Connections with a reply that waits until its entry is written, by index.
    pub waiting_early: VecDeque<(Index, u64)>,
    /// Keyspaces that are closed by an entry not yet applied, with its epoch.
    pub closing: BTreeMap<Keyspace, u64>,
    /// State of the machine's system rows that `serves` was made from.
    pub layouts_seen: Option<u64>,
    /// Bytes of entries in the log since the last checkpoint.
    pub log_share: u64,
    /// Its ticks are in step with the common beat of the groups this node leads.
    pub in_step: bool,
    /// Something happened: the group takes part in the end of the turn.
    pub active: bool,
    /// Which log of its node has its records.
    pub log: usize,
    /// Number of the current tree in the row store.
    pub tree: u64,
    /// Index and term up to which the row store holds the state.
    pub stored: (Index, Term),
    /// Bytes of the row store's files at the last checkpoint, 0 before the first of this process.
    pub stored_bytes: u64,
    /// A checkpoint is being taken or written.
    pub checkpointing: bool,
    /// Memory of the checkpoint that is being written, bytes.
    pub writing: u64,
    /// A checkpoint is wanted although little has changed.
    pub checkpoint_wanted: bool,
    /// Without rows: monotonic ms before which the leader is not asked for them again.
    pub ask_rows_ms: u64,
    /// What other nodes were told it holds.
    pub told: Promise,
    /// Another node is about to lead: what comes waits for it.
    pub leaving: bool,
    /// How much its leader has to do.
    pub load: Load,
    /// What the log says of this replica: rewritten with each record that names its rows.
    pub tenure: Tenure,
    /// The step that what is executed now belongs to.
    pub step: Option<MemberStep>,
    /// The entry with which those who stay learn durably that the last step is committed.
    pub witness: Option<(Term, Index)>,
    /// Replicas that are not the first of their nodes, as the row of `members_seen` says and as was heard.
    generations: Vec<Seat>,
    members_seen: Option<u64>,
    /// Which slots the shard owns.
    pub owned: crate::ownership::Ownership,
    /// The shard met an entry it can not read: it stands still.
    pub broken: Option<DecodeError>,
    leading: Option<Term>,
    /// The term in which the requests came that wait.
    taken: Term,
    own: VecDeque<(Term, Index)>,
    ends: VecDeque<(Term, Index)>,
    /// The fate of entries of terms below can not be told any more.
    floor: Term,
    order: u64,
}

fn first_tenure(raft: &Group) -> Tenure {
    let voters = raft.members().voters.into_iter().map(NodeId).collect();
    let members = Members { voters, ..Members::default() };
    Tenure::Holds { generation: 0, joined: true, members }
}

impl Replica {
    /// A replica as recovered, the first of its node in a group with its first members; if it is not, its
    /// `tenure` is to be set.
    pub fn new(id: GroupId, raft: Group, machine: Machine, tree: u64, stored: (Index, Term)) -> Replica {
        let (tenure, (index, term)) = (first_tenure(&raft), machine.applied());
        Replica {
            id,
            predecessors: Predecessors::started(&raft),
            raft,
            machine,
            held: VecDeque::new(),
            held_early: VecDeque::new(),
            parked: VecDeque::new(),
            batches: BTreeMap::new(),
            round: None,
            cold: Cold::default(),
            fresh: Freshness::default(),
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            woken: index,
            waiters: Vec::new(),
            blocking: crate::blocking::Blocking::default(),
            waiting: VecDeque::new(),
            out: Output::default(),
            begun: false,
            served: false,
            proven: false,
            lease_was_ns: 0,
            suspect: None,
            serves: 0,
            asynchronous: 0,
            allowing: 0,
            to_sync: BTreeMap::new(),
            bound: Bound { bytes: u64::MAX, ms: u64::MAX },
            exposure: Exposure::default(),
            exposes: false,
            hurry: true,
            voted: (0, 0),
            early: 0,
            answered: BTreeMap::new(),
            waiting_early: VecDeque::new(),
            closing: BTreeMap::new(),
            layouts_seen: None,
            log_share: 0,
            in_step: false,
            active: true,
            log: crate::logs::HOME,
            tree,
            stored,
            stored_bytes: 0,
            checkpointing: false,
            writing: 0,
            checkpoint_wanted: false,
            ask_rows_ms: 0,
            told: Promise::default(),
            leaving: false,
            load: Load::default(),
            tenure,
            step: None,
            witness: None,
            generations: Vec::new(),
            members_seen: None,
            owned: crate::ownership::Ownership::default(),
            broken: None,
            leading: None,
            taken: 0,
            own: VecDeque::new(),
            ends: VecDeque::from([(term, index)]),
            floor: 0,
            order: 0,
        }
    }

    /// Whether what was served since the last call may leave at `now`; `Some(false)` if that can never
    /// be proven, `None` if it may be later.
    pub fn may_leave(&mut self, now: Now) -> Option<bool> {
        let (proven, was_ns) = (std::mem::take(&mut self.proven), std::mem::take(&mut self.lease_was_ns));
        // Planted: see model/planted.rs
        let unchecked = is_planted(Bug::LeaseNotChecked);
        if !std::mem::take(&mut self.served) && self.suspect.is_none() || unchecked {
            return Some(true);
        }
        let term = self.leading;
        let since = *self.suspect.get_or_insert(term.unwrap_or(0));
        let same = term == Some(since);
        if same && (self.raft.lease_valid(now) || proven || now.mono_ns < was_ns) {
            self.suspect = None;
            return Some(true);
        }
        if !same || !self.raft.may_take_lease() {
            self.suspect = None;
            return Some(false);
        }
        self.raft.want_lease(now);
        self.active = true;
        None
    }

    /// The term in which this replica leads, `None` if it does not.
    pub fn leading(&self) -> Option<Term> {
        self.leading
    }

    /// True when commands may be executed here now. Asks for a new lease in time.
    #[inline]
    pub fn ready(&mut self, now: Now) -> bool {
        if self.leading.is_none() {
            return false;
        }
        self.raft.want_lease(now);
        self.active = true;
        self.raft.lease_valid(now) && self.can_execute()
    }

    /// True when whatever a turn executes would be accepted, apart from the right to read.
    #[inline]
    pub fn can_execute(&self) -> bool {
        // One entry more than what is waiting now must fit, however large.
        !self.leaving
            && self.owned.proposed.is_none()
            && self.broken.is_none()
            && self.raft.check_propose(model::limits::MAX_ENTRY).is_ok()
    }

    /// Makes the machine ready to execute in this turn.
    #[inline]
    pub fn begin(&mut self, now: Now) {
        self.load.commands += 1;
        if !self.begun {
            self.begun = true;
            self.machine.lead(self.raft.term());
            self.machine.begin(self.raft.next_index(), now.wall_ms);
        }
    }

    /// Index and term of the last committed entry known here.
    pub fn committed(&self) -> (Term, Index) {
        let (index, term) = self.machine.applied();
        (term, index)
    }

    /// Up to this index nothing holds a reply back; `early`: one that need not wait for the commit.
    #[inline]
    pub fn free_upto(&self, early: bool) -> Index {
        let applied = self.machine.applied().0;
        if early { self.early.max(applied) } else { applied }
    }

    /// The next number in the order of execution.
    #[inline]
    pub fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    /// Whether a Raft message is from and for replicas that are not gone, as far as is known here.
    #[inline]
    pub(crate) fn is_between(&mut self, from: NodeId, generations: Generations) -> bool {
        self.follow_members();
        let known = self.generation_of(from);
        if generations.to != self.raft.generation() || generations.from < known {
            return false;
        }
        // One that has just come has no rows that tell whom it answers.
        if generations.from > known && self.generations.len() < MAX_GENERATIONS {
            self.generations.retain(|seat| seat.node != from);
            self.generations.push(Seat { node: from, generation: generations.from });
        }
        true
    }

    /// What a Raft message to another node says of both ends.
    #[inline]
    pub(crate) fn generations_to(&mut self, to: NodeId) -> Generations {
        self.follow_members();
        Generations { from: self.raft.generation(), to: self.generation_of(to) }
    }

    #[inline]
    fn generation_of(&self, node: NodeId) -> u64 {
        self.generations.iter().find(|seat| seat.node == node).map_or(0, |seat| seat.generation)
    }

    #[inline]
    fn follow_members(&mut self) {
        if self.members_seen != Some(self.machine.system_version()) {
            self.members_seen = Some(self.machine.system_version());
            let mut newest = self.members_row().map_or(Vec::new(), |members| members.generations);
            for heard in std::mem::take(&mut self.generations) {
                match newest.iter_mut().find(|seat| seat.node == heard.node) {
                    Some(seat) => seat.generation = seat.generation.max(heard.generation),
                    None => newest.push(heard),
                }
            }
            newest.truncate(MAX_GENERATIONS);
            self.generations = newest;
        }
    }

    /// Proposes what was executed since the last call. An error means that leadership is gone: the
    /// caller treats it as lost.
    pub fn propose(&mut self, now_ms: u64) -> Result<(), consensus::Refused> {
        if let Some(payload) = self.machine.take_entry() {
            let bytes = payload.len();
            let entry = match self.step.take() {
                Some(step) => self.raft.propose_members(&step, payload)?,
                None => self.raft.propose(payload)?,
            };
            self.own.push_back(entry);
            if std::mem::take(&mut self.exposes) {
                self.exposure.proposed(entry.1, bytes, now_ms);
            }
            self.active = true;
        }
        Ok(())
    }

    /// Bytes of its rows, about: those in memory, or where some are not, those on disk, of which some may be old.
    pub(crate) fn bytes(&self) -> u64 {
        let memory = self.machine.memory() as u64;
        if self.machine.cold_rows() == 0 { memory } else { memory.max(self.stored_bytes) }
    }

    /// The last entry proposed here, if it is not yet applied.
    pub(crate) fn last_own(&self) -> Option<(Term, Index)> {
        self.own.back().copied()
    }

    /// A request comes in. None runs in a later term than the one it came in: those of an earlier one
    /// are forgotten, and whoever sent them sends them again.
    pub fn take_in(&mut self) {
        let term = self.raft.term();
        if self.taken != term {
            self.forget_requests();
            self.taken = term;
        }
    }

    fn forget_requests(&mut self) {
        self.parked.clear();
        self.batches.clear();
        self.cold.forget_requests();
        self.round = None;
    }

    /// The role changed. Returns true when this replica stopped leading, be it to lead again in a later
    /// term: what it executed and is not committed is taken back.
    pub fn role_changed(&mut self, role: Role, term: Term) -> bool {
        let leads = (role == Role::Leader).then_some(term);
        // Requests may also have come while this replica led for less than a turn.
        let idle = self.requests_waiting() == 0;
        let led = self.leading.or((!idle).then_some(self.taken));
        let before = std::mem::replace(&mut self.leading, leads);
        let lost = led.is_some() && led != leads;
        if lost {
            self.note_answered(before);
            self.machine.roll_back();
            self.step = None;
            self.own.clear();
            self.closing.clear();
            self.owned.proposed = None;
            self.to_sync.clear();
            self.exposure.clear();
            self.exposes = false;
            self.early = 0;
            self.forget_requests();
            self.waiters.clear();
            self.blocking = Default::default();
            self.machine.signals = shard::machine::Signals::default();
            self.begun = false;
        }
        lost
    }

    fn note_answered(&mut self, led: Option<Term>) {
        let Some(term) = led else { return };
        self.answered.insert(term, self.early);
        if self.answered.len() > MAX_TERMS {
            self.answered.pop_first();
        }
    }

    /// False if it is known that no reply to the writes of an entry has left before its commit.
    pub fn may_have_answered(&self, term: Term, index: Index) -> bool {
        self.answered.get(&term).is_none_or(|upto| index <= *upto)
    }

    /// Nobody waits any more for answers to requests of a node that was started anew.
    pub fn forget_peer(&mut self, node: NodeId) {
        let other = |source: &Source| !matches!(source, Source::Peer { node: n, .. } if *n == node);
        self.held.retain(|held| other(&held.source));
        self.held_early.retain(|held| other(&held.source));
        self.waiters.retain(|waiter| other(&waiter.source));
        self.blocking.rounds.forget_peer(node, &mut self.machine.signals);
        self.parked.retain(|parked| other(&parked.source));
        self.batches.remove(&node);
        self.cold.forget_peer(node);
        // The round speaks of a number of parked requests: another one is begun.
        self.round = None;
    }

    /// True for an entry that was executed here: applying it needs no rows.
    #[inline]
    pub(crate) fn is_own(&self, entry: &Entry) -> bool {
        self.own.front() == Some(&(entry.term, entry.index))
    }

    /// Applies the next committed entry.
    ///
    /// # Errors
    /// An entry this version can not read: the replica stops (it is never skipped).
    pub fn apply(&mut self, entry: &Entry) -> Result<(), DecodeError> {
        let (index, term) = (entry.index, entry.term);
        let payload = consensus::entry_payload(entry)?;
        if payload.is_empty() {
            self.machine.apply_empty(index, term);
        } else if self.is_own(entry) {
            self.own.pop_front();
            self.machine.commit_own(index, term, &payload)?;
        } else {
            self.machine.apply(index, term, &payload)?;
        }
        self.note_applied(index, term);
        Ok(())
    }

    fn note_applied(&mut self, index: Index, term: Term) {
        match self.ends.back_mut() {
            Some(last) if last.0 == term => last.1 = index,
            _ => self.ends.push_back((term, index)),
        }
        if self.ends.len() > MAX_TERMS
            && let Some((term, _)) = self.ends.pop_front()
        {
            self.floor = self.floor.max(term + 1);
        }
    }

    /// A snapshot replaced rows and log up to this index.
    pub fn installed(&mut self, machine: Machine, tree: u64) {
        let (index, term) = machine.applied();
        self.machine = machine;
        // They are part of it.
        self.backlog.retain(|entry| entry.index > index);
        self.backlog_bytes = self.backlog.iter().map(|entry| entry.data.len()).sum();
        self.cold.replaced();
        self.fresh.forget();
        self.tree = tree;
        self.stored = (index, term);
        self.stored_bytes = 0;
        self.checkpointing = false;
        self.writing = 0;
        self.layouts_seen = None;
        self.members_seen = None;
        self.owned.making = Default::default();
        self.floor = self.floor.max(term);
        self.note_applied(index, term);
    }

    /// What became of an entry this node proposed. The entries of a term are one run of the log, so
    /// one of them is committed exactly if it lies at or before the end of that run; once an entry
    /// of a later term is applied the end is known (safety rule 3).
    #[inline]
    pub fn fate(&self, mark: &Mark) -> Fate {
        if mark.early && mark.index <= self.early && self.leading == Some(mark.term) {
            return Fate::Committed; // As far as its reply is concerned.
        }
        let (index, term) = self.machine.applied();
        if mark.term == term {
            return if mark.index <= index { Fate::Committed } else { Fate::Pending };
        }
        self.fate_of_old(mark, term)
    }

    fn fate_of_old(&self, mark: &Mark, applied_term: Term) -> Fate {
        if mark.term > applied_term {
            return Fate::Pending;
        }
        match self.ends.iter().find(|(term, _)| *term == mark.term) {
            Some((_, end)) if mark.index <= *end => Fate::Committed,
            _ if mark.term < self.floor => Fate::Unknown,
            _ => Fate::NotDone,
        }
    }

    /// Last index of the committed entries of a term that is over, 0 = there are none; `None` if this replica
    /// can not tell, as it was not there then.
    pub fn end_of_term(&self, term: Term) -> Option<Index> {
        let (_, applied_term) = self.machine.applied();
        let known_from = self.ends.front().map_or(Term::MAX, |(first, _)| *first).max(self.floor);
        if term < known_from || term >= applied_term {
            return None;
        }
        Some(self.ends.iter().find(|(of, _)| *of == term).map_or(0, |(_, end)| *end))
    }

    /// Index of the first committed entry behind those of a term and of earlier ones; `None` if this replica can
    /// not tell, as it was not there then.
    pub fn first_after(&self, term: Term) -> Option<Index> {
        self.ends.iter().rfind(|(of, _)| *of <= term).map(|(_, end)| end + 1)
    }

    /// Whose disks hold the entry (term, index), as WAIT and WAITAOF count them: nobody's, if this replica
    /// can not tell. Index 0: followers that answer at all.
    pub fn synced(&self, term: Term, index: Index) -> Synced {
        let last = self.machine.applied();
        let (term, index) = if index == 0 { (last.1, last.0) } else { (term, index) };
        match self.raft.synced_followers(term, index) {
            Some(followers) => {
                Synced { local: index <= self.raft.persisted_index(), followers: followers as i64 }
            }
            None => Synced::default(),
        }
    }
}
