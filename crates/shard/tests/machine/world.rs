//! Three replicas of one shard, one log, and what the model expects of them.

use super::reply::Text;
use super::script::{self, End, MAX_VALUE, Op};
use super::state::State;
use super::step::Step;
use model::effect::WriteId;
use model::entry::EntryReader;
use model::{Index, KeyHasher, Keyspace, NodeId, Term};
use shard::{Machine, Outcome};
use std::collections::BTreeMap;

/// Names and contents of rows.
pub type Store = BTreeMap<Vec<u8>, Vec<u8>>;

/// An entry of the log and the model's state after it.
pub struct Entry {
    pub term: Term,
    /// `None` = without payload.
    pub payload: Option<Vec<u8>>,
    pub after: State,
}

/// A replica and its row store.
pub struct Node {
    pub machine: Machine,
    pub store: Store,
    /// Index and term of the checkpoint being taken, and the generations of the keyspaces then.
    pub taking: Option<((Index, Term), Vec<u32>)>,
    /// What was read of the store and has not arrived.
    pub reads: Vec<super::fetch::Read>,
    /// How far its wall clock is ahead, ms.
    skew: u64,
}

/// Everything.
pub struct World {
    pub nodes: Vec<Node>,
    /// Agreed and proposed entries; the first has index 1.
    pub log: Vec<Entry>,
    committed: Index,
    pub leader: usize,
    term: Term,
    wall: u64,
    /// Time of the last turn in this term.
    turn_time: u64,
    /// State of the model with everything executed.
    pub spec: State,
    /// The turn has effects.
    dirty: bool,
    turn_answers: Vec<(WriteId, Vec<u8>)>,
    marks: BTreeMap<(u64, u64), u64>,
    pub issued: Vec<WriteId>,
    /// What the first checkpoint at an index was, for the others to be compared with.
    pub references: BTreeMap<Index, Store>,
    /// Rolling hash by index.
    pub rolling: BTreeMap<Index, u64>,
    empty: State,
}

fn machine() -> Machine {
    Machine::new(KeyHasher::new(0), MAX_VALUE, 1)
}

impl World {
    pub fn new() -> World {
        let node =
            |skew| Node { machine: machine(), store: Store::new(), taking: None, reads: Vec::new(), skew };
        let mut world = World {
            nodes: [0, 35, 7].map(node).into(),
            log: Vec::new(),
            committed: 0,
            leader: 0,
            term: 0,
            wall: 1_000_000,
            turn_time: 0,
            spec: State::default(),
            dirty: false,
            turn_answers: Vec::new(),
            marks: BTreeMap::new(),
            issued: Vec::new(),
            references: BTreeMap::new(),
            rolling: BTreeMap::new(),
            empty: State::default(),
        };
        world.elect(0, 0);
        world
    }

    pub fn state_at(&self, index: Index) -> &State {
        index.checked_sub(1).map_or(&self.empty, |at| &self.log[at as usize].after)
    }

    pub fn applied(&self, node: usize) -> Index {
        self.nodes[node].machine.applied().0
    }

    pub fn next(&self) -> Index {
        self.log.len() as Index + 1
    }

    /// The last index with effects.
    fn last(&self) -> Index {
        if self.dirty { self.next() } else { self.next() - 1 }
    }

    pub fn run(&mut self, step: Step) {
        match step {
            Step::Execute { ks, ops, end } => {
                self.execute(ks, ops, end);
            }
            Step::Forward { origin, again, ops } => self.forward(origin, again, ops),
            Step::Mark { origin, back } => self.mark(origin, back),
            Step::System(name, value) => self.put_system(&[name], value.as_ref().map(std::slice::from_ref)),
            Step::Propose => self.propose(),
            Step::Empty => self.propose_empty(),
            Step::Commit(entries) => self.commit(entries),
            Step::Follow(node, entries) => self.follow(node, entries),
            Step::Elect { node, keep } => self.elect(node, keep),
            Step::Begin(node) => {
                self.begin_checkpoint(node);
            }
            Step::Slice(node, rows) => self.slice(node, rows),
            Step::Checkpoint(node) => self.checkpoint(node),
            Step::Crash(node) => self.crash(node),
            Step::Install { from, to } => self.install(from, to),
            Step::Wait(ms) => self.wall += ms,
            Step::SetClock(node, ahead) => self.nodes[node].skew = ahead,
            Step::ExpireDue => self.expire_due(),
            Step::Tidy(node) => {
                let machine = &mut self.nodes[node].machine;
                machine.tidy();
                machine.forget_gone();
            }
            Step::LetGo(node, bytes) => drop(self.nodes[node].machine.let_go(bytes, true, 0)),
            Step::Arrive(node) => self.nodes[node].arrive(),
            Step::Abandon { ks, keys } => self.abandon(ks, &keys),
        }
    }

    /// The leader's turn goes on; its time is returned.
    fn begin(&mut self) -> u64 {
        let next = self.next();
        let node = &mut self.nodes[self.leader];
        let wall = self.wall + node.skew;
        node.machine.begin(next, wall);
        let now = node.machine.time();
        assert!(now >= wall && now >= self.spec.time, "the leader is behind the shard's time");
        assert!(now >= self.turn_time, "time goes backwards under one leader");
        self.turn_time = now;
        now
    }

    fn execute(&mut self, ks: u16, mut ops: Vec<Op>, end: End) -> (Outcome, Text) {
        let now = self.begin();
        for op in &mut ops {
            if let Op::Put(_, expire, _) | Op::Expire(_, expire) = op
                && *expire != 0
            {
                // Now and then in the past already.
                *expire += now - 5;
            }
        }
        let args = script::arguments(&ops, end);
        let args: Vec<&[u8]> = args.iter().map(|arg| &arg[..]).collect();
        let mut reply = Text::default();
        let node = &mut self.nodes[self.leader];
        let outcome = loop {
            let outcome = node.machine.execute(script::run, Keyspace(ks), true, &args, &mut reply);
            if !outcome.fetch || !node.fetch() {
                break outcome;
            }
            assert!(reply.0.is_empty());
        };

        let at = (self.next(), self.last());
        let expected = script::expect(&mut self.spec, ks, (&ops, end), now, at);
        match expected.reply {
            Some(expected) => assert_eq!(reply.0, expected),
            None if outcome.fetch => assert!(reply.0.is_empty()),
            None => assert_eq!(reply.0.first(), Some(&b'-')),
        }
        assert_eq!(outcome.wrote, expected.wrote);
        self.dirty |= outcome.wrote;
        let applied = self.applied(self.leader);
        if expected.hold > applied && !outcome.fetch {
            assert!(outcome.hold >= expected.hold, "released before {}: {outcome:?}", expected.hold);
        }
        if expected.looked > applied && !outcome.fetch {
            assert!(outcome.looked >= expected.looked, "looked at {}: {outcome:?}", expected.looked);
        }
        assert!(outcome.hold <= self.last(), "waits for nothing: {outcome:?}");
        if expected.only_found {
            let bound = expected.hold.max(applied);
            assert!(outcome.hold <= bound, "waits for what it did not see: {outcome:?}");
        }
        (outcome, reply)
    }

    fn forward(&mut self, origin: (u64, u64), again: Option<usize>, ops: Vec<Op>) {
        let of_origin = |id: &&WriteId| (id.origin.0, id.incarnation) == origin;
        let sent: Vec<_> = self.issued.iter().filter(of_origin).copied().collect();
        let id = match again {
            Some(at) if !sent.is_empty() => sent[at % sent.len()],
            _ => WriteId { origin: NodeId(origin.0), incarnation: origin.1, seq: sent.len() as u64 },
        };
        if !self.issued.contains(&id) {
            self.issued.push(id);
        }
        if self.nodes[self.leader].machine.seen(id) != Err(shard::window::Seen::New) {
            return; // that this is right is checked after every step
        }
        let (outcome, reply) = self.execute(0, ops, End::Done);
        if outcome.wrote {
            self.nodes[self.leader].machine.answered(id, 0, &reply.0);
            self.spec.executed.insert(id, self.next());
            self.turn_answers.push((id, reply.0));
        }
    }

    fn mark(&mut self, origin: (u64, u64), back: u64) {
        let sent = self.issued.iter().filter(|id| (id.origin.0, id.incarnation) == origin).count() as u64;
        let seq = sent.saturating_sub(back);
        self.nodes[self.leader].machine.mark(NodeId(origin.0), origin.1, seq);
        let known = self.state_at(self.applied(self.leader)).origins.get(&origin);
        if seq > known.map_or(0, |origin| origin.floor) {
            self.marks.insert(origin, seq);
        }
    }

    fn put_system(&mut self, name: &[u8], value: Option<&[u8]>) {
        self.begin();
        self.nodes[self.leader].machine.put_system(name, value);
        match value {
            Some(value) => self.spec.system.insert(name.to_vec(), value.to_vec()),
            None => self.spec.system.remove(name),
        };
        self.dirty = true;
    }

    fn expire_due(&mut self) {
        let now = self.begin();
        let next = self.next();
        let node = &mut self.nodes[self.leader];
        node.machine.expire_due();
        while node.fetch() {
            node.machine.expire_due();
        }
        self.dirty |= self.spec.expire(now, next);
    }

    fn propose(&mut self) {
        self.begin();
        let payload = self.nodes[self.leader].machine.take_entry();
        assert_eq!(payload.is_some(), self.dirty);
        let Some(payload) = payload else { return };
        let time = EntryReader::new(&payload).unwrap().shard_time;
        assert!(time >= self.spec.time, "shard time goes backwards");
        for (id, reply) in std::mem::take(&mut self.turn_answers) {
            self.spec.answered(id, time, reply);
        }
        for ((node, incarnation), seq) in std::mem::take(&mut self.marks) {
            self.spec.mark(node, incarnation, seq);
        }
        self.spec.advance(time);
        self.dirty = false;
        self.log.push(Entry { term: self.term, payload: Some(payload), after: self.spec.clone() });
    }

    fn propose_empty(&mut self) {
        if !self.dirty {
            self.log.push(Entry { term: self.term, payload: None, after: self.spec.clone() });
        }
    }

    fn commit(&mut self, entries: u64) {
        self.committed = (self.committed + entries).min(self.log.len() as Index);
        for index in self.applied(self.leader) + 1..=self.committed {
            let entry = &self.log[index as usize - 1];
            let machine = &mut self.nodes[self.leader].machine;
            match &entry.payload {
                Some(payload) => machine.commit_own(index, entry.term, payload).unwrap(),
                None => machine.apply_empty(index, entry.term),
            }
        }
    }

    fn follow(&mut self, node: usize, entries: u64) {
        if node == self.leader {
            return;
        }
        let applied = self.applied(node);
        for index in applied + 1..=(applied + entries).min(self.committed) {
            let entry = &self.log[index as usize - 1];
            let node = &mut self.nodes[node];
            while let Some(payload) = &entry.payload
                && node.machine.wants_rows_of(payload).unwrap()
            {
                assert!(node.fetch());
            }
            let machine = &mut node.machine;
            match &entry.payload {
                Some(payload) => machine.apply(index, entry.term, payload).unwrap(),
                None => machine.apply_empty(index, entry.term),
            }
            assert_eq!(machine.time(), entry.after.time);
        }
    }

    fn elect(&mut self, node: usize, keep: usize) {
        self.nodes[self.leader].machine.roll_back();
        self.log.truncate(self.committed as usize + keep);
        self.term += 1;
        self.spec = self.state_at(self.next() - 1).clone();
        self.dirty = false;
        self.turn_answers.clear();
        self.marks.clear();
        self.turn_time = 0;
        // The new leader's first entry; it executes nothing before that is applied.
        self.log.push(Entry { term: self.term, payload: None, after: self.spec.clone() });
        self.committed = self.log.len() as Index;
        self.leader = usize::MAX;
        self.follow(node, u64::from(u32::MAX));
        self.leader = node;
    }

    fn crash(&mut self, node: usize) {
        let mut fresh = machine();
        if self.log.len().is_multiple_of(2) {
            // Memory for one row or two.
            fresh.set_load_limit(400);
        }
        let store = &mut self.nodes[node].store;
        store.retain(|name, content| fresh.load(name, content).unwrap());
        self.nodes[node].machine = fresh;
        self.nodes[node].taking = None;
        self.nodes[node].reads.clear();
        if node == self.leader {
            self.elect((node + 1) % 3, 1);
        }
    }

    fn install(&mut self, from: usize, to: usize) {
        let stored = |store: &Store| store.get(&shard::checkpoint::applied_name()).cloned();
        let Some(content) = stored(&self.nodes[from].store) else { return };
        let (index, _) = shard::checkpoint::stored_applied(&content).unwrap();
        if index >= self.applied(to) && to != self.leader {
            self.nodes[to].store = self.nodes[from].store.clone();
            self.crash(to);
        }
    }

    /// Everything is committed and applied everywhere, and all checkpoints are the same.
    pub fn settle(&mut self) {
        self.run(Step::Propose);
        self.commit(u64::from(u32::MAX));
        for node in 0..self.nodes.len() {
            self.follow(node, u64::from(u32::MAX));
        }
        self.check();
        for node in 0..self.nodes.len() {
            self.checkpoint(node);
            self.crash(node);
        }
        self.check();
    }
}
