//! A world of a few replicas in memory: a network, disks that lose what was not synced, skewed
//! clocks. Every move is explicit, and after each move the promises of consensus are checked.

#![allow(dead_code)]

mod checks;
mod disk;

use checks::Checks;
use disk::Disk;
use everstore_raft::{
    ConfState, Entry, Group, GroupConfig, MemberStep, Message, Output, Persist, RoundId, SendSnapshot, Step,
    entry_kind, is_metadata, wire,
};
use model::{GroupId, Index, NodeId, Now, Term};
use std::collections::{BTreeMap, VecDeque};

/// One node: what survives a crash and what does not.
pub struct Node {
    pub id: u64,
    pub config: GroupConfig,
    pub disk: Disk,
    /// `None` while crashed.
    pub group: Option<Group>,
    /// Handed to the log, not synced.
    pub unsynced: VecDeque<Persist>,
    /// Snapshots asked for and not yet streamed.
    pub snapshots: Vec<SendSnapshot>,
    /// Rounds of reads in flight and the index each must reach.
    pub reads: BTreeMap<RoundId, Index>,
    /// The disk does not finish anything.
    pub slow: bool,
    /// Takes no turns, like a stopped process.
    pub frozen: bool,
    /// Parts per million by which its clock runs fast.
    pub skew_ppm: i64,
}

/// All nodes and what is between them.
pub struct World {
    pub time_us: u64,
    pub nodes: Vec<Node>,
    pub net: VecDeque<Message>,
    /// Links that lose everything.
    pub cut: Vec<(u64, u64)>,
    pub has_spares: bool,
    /// The node that is a witness.
    pub witness: Option<u64>,
    pub checks: Checks,
    /// The snapshot streamed last.
    pub streamed: Option<Message>,
    /// What happened, for scripts.
    pub events: Vec<String>,
}

impl World {
    pub fn new(count: u64, seed: u64, set: impl Fn(&mut GroupConfig)) -> World {
        World::with_spares(count, 0, seed, set)
    }

    /// Beside the first members there are nodes that may become some.
    pub fn with_spares(count: u64, spares: u64, seed: u64, set: impl Fn(&mut GroupConfig)) -> World {
        let mut world = World {
            time_us: 1_000_000,
            nodes: Vec::new(),
            net: VecDeque::new(),
            cut: Vec::new(),
            has_spares: spares > 0,
            witness: None,
            checks: Checks::new(count),
            streamed: None,
            events: Vec::new(),
        };
        for id in 1..=count + spares {
            let mut config = GroupConfig::new(GroupId(0), NodeId(id), seed.wrapping_add(id << 32));
            set(&mut config);
            world.witness = world.witness.or(config.witness.then_some(id));
            world.nodes.push(Node {
                id,
                config,
                disk: Disk::new(id, (1..=count).collect()),
                group: None,
                unsynced: VecDeque::new(),
                snapshots: Vec::new(),
                reads: BTreeMap::new(),
                slow: false,
                frozen: false,
                skew_ppm: 0,
            });
        }
        (1..=count + spares).for_each(|id| world.restart(id));
        world
    }

    pub fn now(&self, id: u64) -> Now {
        let node = &self.nodes[id as usize - 1];
        let skewed = self.time_us as i64 * (1_000_000 + node.skew_ppm) / 1_000_000;
        Now { mono_ns: skewed as u64 * 1000 + id * 77, wall_ms: 0 }
    }

    pub fn node(&mut self, id: u64) -> &mut Node {
        &mut self.nodes[id as usize - 1]
    }

    pub fn alive(&self, id: u64) -> bool {
        let node = &self.nodes[id as usize - 1];
        node.group.is_some() && !node.frozen
    }

    pub fn group(&mut self, id: u64) -> &mut Group {
        self.node(id).group.as_mut().expect("the node runs")
    }

    fn event(&mut self, id: u64, text: String) {
        let ms = self.time_us / 1000 - 1000;
        self.events.push(format!("{ms:5} ms  n{id} {text}"));
    }

    pub fn crash(&mut self, id: u64, keep: usize) {
        let node = self.node(id);
        node.group = None;
        node.frozen = false;
        let kept = keep.min(node.unsynced.len());
        let survived: Vec<_> = node.unsynced.drain(..kept).collect();
        survived.iter().for_each(|p| node.disk.sync(p));
        node.unsynced.clear();
        node.snapshots.clear();
        node.reads.clear();
    }

    pub fn restart(&mut self, id: u64) {
        let now = self.now(id);
        let node = self.node(id);
        let group = Group::new(node.config.clone(), node.disk.recover(), now);
        node.group = Some(group.expect("a synced disk recovers"));
        let witness = self.witness;
        self.group(id).set_witnesses(witness.map(NodeId).into_iter());
    }

    pub fn tick(&mut self, id: u64) {
        let now = self.now(id);
        self.group(id).tick(now);
        self.check();
    }

    /// Delivers a message through the wire format.
    pub fn deliver(&mut self, m: &Message) -> Option<Step> {
        if !self.alive(m.to) {
            return None;
        }
        let mut bytes = Vec::new();
        wire::encode(m, &mut bytes);
        let m = wire::decode(&bytes).expect("what a group sends can be read");
        Some(self.step(m.to, m))
    }

    /// Hands a message to a node as it is.
    pub fn step(&mut self, to: u64, m: Message) -> Step {
        let (from, kind) = (m.from, m.msg_type);
        let now = self.now(to);
        let step = self.group(to).step(now, m);
        match &step {
            Step::Taken => {}
            Step::Held => self.event(to, format!("holds {kind:?} from n{from}")),
            Step::Dropped(why) => self.event(to, format!("drops {kind:?}: {why}")),
        }
        self.check();
        step
    }

    /// The end of a turn.
    pub fn ready(&mut self, id: u64) {
        let mut out = Output::default();
        self.group(id).ready(&mut out);
        self.take(id, out);
    }

    /// The disk finishes up to `count` writes.
    pub fn persist(&mut self, id: u64, count: usize) {
        for _ in 0..count {
            let Some(done) = self.node(id).unsynced.pop_front() else { return };
            self.node(id).disk.sync(&done);
            if let Some(install) = &done.install {
                self.event(id, format!("installed snapshot {} t{}", install.index, install.term));
            }
            let mut out = Output::default();
            self.group(id).persisted(done.number, &mut out);
            self.take(id, out);
        }
    }

    fn take(&mut self, id: u64, out: Output) {
        let group = self.group(id);
        let ConfState { voters, learners, .. } = group.members();
        if voters.contains(&id) || learners.contains(&id) {
            group.joined();
            self.node(id).disk.joined = true;
        }
        if let Some(soft) = out.soft {
            let leader = soft.leader.map_or("nobody".to_owned(), |l| format!("n{l}"));
            self.event(id, format!("is {:?} in term {}, follows {leader}", soft.role, soft.term));
        }
        if let Some(persist) = out.persist {
            self.checks.handed(&persist.entries);
            if self.witness == Some(id) {
                let bare = |e: &Entry| is_metadata(e) || e.data.is_empty() || entry_kind(e) == 1;
                assert!(persist.entries.iter().all(bare), "a witness keeps payloads");
            }
            self.node(id).unsynced.push_back(persist);
        }
        for entry in out.committed {
            self.apply(id, entry);
        }
        for read in out.reads {
            let at_least = self.node(id).reads.remove(&read.id).expect("a read begun here, once");
            match read.index {
                Some(index) => assert!(index >= at_least, "read at {index}, acknowledged {at_least}"),
                None => self.event(id, "lost the lead during a read".to_owned()),
            }
            if let Some(index) = read.index {
                self.event(id, format!("may read at index {index}"));
            }
        }
        for snapshot in out.snapshots {
            self.event(id, format!("wants to send snapshot {} to n{}", snapshot.index, snapshot.to));
            self.node(id).snapshots.push(snapshot);
        }
        for m in out.messages {
            self.check_witness_message(&m);
            if !self.cut.contains(&(m.from, m.to)) {
                self.net.push_back(m);
            }
        }
        self.check();
    }

    /// A witness hears of nothing that is not on the disk of its leader: else nobody could be elected after the
    /// leader's disk stopped short of it.
    fn check_witness_message(&self, m: &Message) {
        if self.witness == Some(m.to) {
            let disk = &self.nodes[m.from as usize - 1].disk;
            for e in &m.entries {
                assert!(
                    disk.holds(e.term, e.index),
                    "the witness hears of {} before its leader's disk",
                    e.index
                );
                assert!(e.data.is_empty() || entry_kind(e) == 1, "a payload goes to a witness");
            }
        }
    }

    /// Whom all take for lost.
    pub fn set_lost(&mut self, lost: &[u64]) {
        for group in self.nodes.iter_mut().filter_map(|node| node.group.as_mut()) {
            group.set_lost(lost.iter().copied().map(NodeId));
        }
    }

    fn apply(&mut self, id: u64, entry: Entry) {
        let holds = |n: &&Node| n.disk.holds(entry.term, entry.index);
        let synced: Vec<u64> = self.nodes.iter().filter(holds).map(|n| n.id).collect();
        let leads = self.group(id).is_leader();
        self.checks.committed(id, &entry, &synced, leads);
        if !entry.data.is_empty() {
            let payload = everstore_raft::entry_payload(&entry).expect("entries are checked before");
            let text = String::from_utf8_lossy(&payload).into_owned();
            self.event(id, format!("applied {} t{}: {text}", entry.index, entry.term));
        }
        let group = self.group(id);
        assert!(entry.index > group.applied_index(), "each entry once, in order");
        let before = group.members();
        group.applied(entry.index);
        let members = group.members();
        if members != before {
            self.event(id, format!("has members {}", named(&members)));
            self.checks.members(entry.index, &members);
        }
    }

    /// Makes a checkpoint of what is applied, and frees the log before it.
    pub fn checkpoint(&mut self, id: u64) -> Index {
        let group = self.group(id);
        let index = group.applied_index();
        let Some(term) = group.term_at(index).filter(|_| index > 0) else { return 0 };
        group.set_snapshot_source(index, term);
        group.take_snapshot_wanted();
        let gone = group.compact(index);
        let members = group.members();
        self.node(id).disk.checkpoint(index, term, members);
        gone
    }

    /// Streams the oldest wanted snapshot; the rows are those of the checkpoint, so only the message counts.
    pub fn stream(&mut self, id: u64, ok: bool) {
        let Some(send) = self.node(id).snapshots.pop() else { return };
        if ok {
            self.deliver(&send.message);
            self.streamed = Some(send.message);
        }
        self.group(id).snapshot_done(send.to, ok);
        self.check();
    }

    pub fn read(&mut self, id: u64) -> Result<(), everstore_raft::Refused> {
        let now = self.now(id);
        let at_least = self.checks.acknowledged();
        let round = self.group(id).read_index(now)?;
        self.node(id).reads.insert(round, at_least);
        Ok(())
    }

    pub fn propose(&mut self, id: u64, text: &str) -> Result<(Term, Index), everstore_raft::Refused> {
        let group = self.group(id);
        let expected = (group.term(), group.next_index());
        let ready = group.check_propose(text.len()).is_ok();
        let result = group.propose(text.as_bytes().to_vec());
        assert_eq!(ready, result.is_ok(), "what is announced is kept");
        if let Ok(at) = result {
            assert_eq!(at, expected, "what is announced is kept");
        }
        self.check();
        result
    }

    pub fn propose_members(
        &mut self,
        id: u64,
        step: &MemberStep,
    ) -> Result<(Term, Index), everstore_raft::Refused> {
        let group = self.group(id);
        let expected = (group.term(), group.next_index());
        let fits = group.members_after(step);
        let result = group.propose_members(step, format!("{step:?}").into_bytes());
        match result {
            Ok(at) => assert!(at == expected && fits.is_ok(), "what is announced is kept"),
            Err(everstore_raft::Refused::Members(why)) => assert_eq!(fits, Err(why)),
            Err(_) => {}
        }
        self.check();
        result
    }

    /// What must hold at every instant.
    pub fn check(&mut self) {
        let mut holders = Vec::new();
        for node in &self.nodes {
            let Some(group) = &node.group else { continue };
            if group.is_leader() {
                assert_ne!(self.witness, Some(node.id), "a witness leads");
                self.checks.leads(node.id, group.term());
            }
            if group.lease_valid(self.now(node.id)) {
                holders.push((node.id, group.term(), group.applied_index()));
            }
        }
        self.checks.leases(&holders);
    }

    /// Lets everything work for a while in steps of 1 ms: messages take 1 ms, disks none.
    pub fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.time_us += 1000;
            let arriving: Vec<_> = self.net.drain(..).collect();
            for m in arriving {
                match self.nodes[m.to as usize - 1].frozen {
                    // The kernel keeps what a stopped process does not read.
                    true => self.net.push_back(m),
                    false => drop(self.deliver(&m)),
                }
            }
            for id in 1..=self.nodes.len() as u64 {
                if self.alive(id) {
                    self.turn(id);
                }
            }
        }
    }

    /// One whole turn of a node.
    pub fn turn(&mut self, id: u64) {
        self.tick(id);
        self.ready(id);
        if !self.node(id).slow {
            self.persist(id, usize::MAX);
            self.ready(id);
            self.persist(id, usize::MAX);
        }
    }

    pub fn leader(&self) -> Option<u64> {
        let leads = |n: &&Node| n.group.as_ref().is_some_and(|g| g.is_leader());
        let leaders = self.nodes.iter().filter(leads);
        leaders.max_by_key(|n| n.group.as_ref().map(|g| g.term())).map(|n| n.id)
    }
}

/// Members as scripts and failures show them.
pub fn named(members: &ConfState) -> String {
    let ConfState { voters, learners, voters_outgoing, learners_next, .. } = members;
    let mut text = format!("{voters:?}");
    for (name, list) in
        [("before", voters_outgoing), ("learners", learners), ("next learners", learners_next)]
    {
        if !list.is_empty() {
            text.push_str(&format!(", {name} {list:?}"));
        }
    }
    text
}
