//! A hostile world: three cores whose logs are late, whose connections break, freeze and lose, and
//! whose processes die and come back; with clients that remember what they were told.

pub mod checks;
pub mod client;
mod jobs;
mod network;
mod node;
mod resp;

use client::{Client, Record};
use cluster::{Addresses, Formation};
use env::Rng;
use model::{GroupId, Index, NodeId, Now};
use network::{Event, Network};
use node::{Folder, Node};
use std::collections::BTreeMap;

const NODES: u64 = 3;
const MS: u64 = 1_000_000;

/// The world of one seed.
pub struct World {
    pub rng: Rng,
    pub now: Now,
    pub records: Vec<Record>,
    pub clients: Vec<Client>,
    nodes: BTreeMap<u64, Node>,
    network: Network,
    formation: Formation,
    /// Node and when it goes on.
    frozen: BTreeMap<u64, u64>,
    /// Frozen between the end of a turn and its flush.
    mid_turn: BTreeMap<u64, bool>,
    restarts: BTreeMap<u64, u64>,
    /// Nodes that stopped because they must not take part, and why. They do not come back.
    pub refused: BTreeMap<u64, String>,
    /// Hash of everything applied, by group and index, as the first replica had it.
    rolling: BTreeMap<(GroupId, Index), u64>,
    clock: u64,
    trace: bool,
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut rng = Rng::new(seed);
        let shards = 1 + rng.below(4) as u16;
        let members: Vec<NodeId> = (1..=NODES).map(NodeId).collect();
        let formation = Formation { replicas: NODES as u32, shards, members, ..Formation::default() };
        let now = Now { mono_ns: 1_000_000_000, wall_ms: 1_700_000_000_000 };
        let mut world = World {
            now,
            records: Vec::new(),
            clients: (0..15).map(|id| Client::new(id, 1 + id as u64 % NODES, id as u64 / 3)).collect(),
            nodes: (1..=NODES).map(|id| (id, Node::new(id))).collect(),
            network: Network::new(rng.below(3) * MS),
            formation,
            frozen: BTreeMap::new(),
            mid_turn: BTreeMap::new(),
            restarts: BTreeMap::new(),
            refused: BTreeMap::new(),
            rolling: BTreeMap::new(),
            clock: 0,
            trace: std::env::var("TRACE").is_ok(),
            rng,
        };
        for id in 1..=NODES {
            world.start(id);
        }
        world
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:6} {}", (self.now.mono_ns - 1_000_000_000) / MS, what());
        }
    }

    fn start(&mut self, id: u64) {
        self.say(|| format!("node {id} starts"));
        let now = self.now_of(id);
        let node = self.nodes.get_mut(&id).unwrap();
        node.start(&self.formation, now, &mut self.rng);
    }

    fn now_of(&self, id: u64) -> Now {
        let skew = self.nodes[&id].wall_skew_ms;
        Now { mono_ns: self.now.mono_ns, wall_ms: self.now.wall_ms.saturating_add_signed(skew) }
    }

    fn kill(&mut self, id: u64, for_ns: u64) {
        if self.nodes[&id].core.is_none() {
            return;
        }
        self.say(|| format!("node {id} dies for {} ms", for_ns / MS));
        let now_ns = self.now.mono_ns;
        self.nodes.get_mut(&id).unwrap().kill(&mut self.rng);
        self.frozen.remove(&id);
        self.mid_turn.remove(&id);
        self.restarts.insert(id, now_ns + for_ns);
        for client in self.clients.iter_mut().filter(|c| c.node == id) {
            client.closed(now_ns, &mut self.rng);
        }
        for other in (1..=NODES).filter(|o| *o != id) {
            self.network.cut(id, other, now_ns, for_ns, &mut self.rng);
            if self.rng.chance(1, 2) {
                self.network.refuse(id, other, now_ns + self.rng.below(10 * MS));
            }
        }
        self.network.forget(id);
    }

    /// Something bad happens.
    fn trouble(&mut self) {
        let now_ns = self.now.mono_ns;
        let (a, b) = (1 + self.rng.below(NODES), 1 + self.rng.below(NODES));
        let longest = [5, 60, 300, 1000][self.rng.below(4) as usize];
        let for_ns = self.rng.below(longest) * MS;
        match self.rng.below(10) {
            0 | 1 => self.kill(a, for_ns),
            2 | 3 => {
                let until = now_ns + for_ns;
                self.say(|| format!("node {a} freezes for {} ms", for_ns / MS));
                self.frozen.insert(a, until);
                if self.nodes[&a].core.is_some() && self.rng.chance(1, 2) {
                    self.mid_turn.insert(a, false);
                }
            }
            4 | 5 if a != b => {
                self.say(|| format!("link {a}-{b} is cut for {} ms", for_ns / MS));
                self.network.cut(a, b, now_ns, for_ns, &mut self.rng);
            }
            6 => {
                self.say(|| format!("nothing comes from node {a} for {} ms", for_ns / MS));
                (1..=NODES).for_each(|to| self.network.block(a, to, now_ns + for_ns));
                if self.rng.chance(1, 2) {
                    (1..=NODES).for_each(|from| self.network.block(from, a, now_ns + for_ns));
                }
            }
            7 => {
                let longest = [1, 10, 100][self.rng.below(3) as usize];
                let sync_ns = self.rng.below(longest) * MS;
                self.say(|| format!("syncs of node {a} take {} ms", sync_ns / MS));
                self.nodes.get_mut(&a).unwrap().sync_ns = sync_ns;
            }
            8 => self.nodes.get_mut(&a).unwrap().job_ns = self.rng.below(80) * MS,
            _ => self.nodes.get_mut(&a).unwrap().wall_skew_ms = self.rng.below(2000) as i64 - 1000,
        }
    }

    /// Runs without new trouble.
    pub fn calm(&mut self, ms: u64) {
        (0..ms).for_each(|_| self.step(true));
    }

    /// A node dies, and a row of one of its trees is damaged before it comes back. Trees of other nodes
    /// must be whole. False if there was no row yet, or the node is down already.
    pub fn injure(&mut self, id: u64, for_ns: u64) -> bool {
        if self.nodes[&id].core.is_none() || self.is_rebuilding() {
            return false;
        }
        self.kill(id, for_ns);
        let injured = self.nodes.get_mut(&id).unwrap().injure(&mut self.rng);
        self.say(|| format!("a row of node {id} is damaged: {injured}"));
        injured
    }

    /// Somebody has damaged rows that are not replaced yet.
    pub fn is_rebuilding(&self) -> bool {
        self.nodes.values().any(Node::is_injured)
    }

    /// A copy of a node's data folder as it is now.
    pub fn copy(&self, id: u64) -> Folder {
        self.nodes[&id].copy()
    }

    /// A node dies and is started again with a copy of its folder.
    pub fn bring_back(&mut self, id: u64, folder: Folder) {
        self.kill(id, 0);
        self.nodes.get_mut(&id).unwrap().put_back(folder);
    }

    /// Ids of the nodes that run or will.
    pub fn members(&self) -> Vec<u64> {
        (1..=NODES).filter(|id| !self.refused.contains_key(id)).collect()
    }

    /// Runs with trouble.
    pub fn storm(&mut self, ms: u64) {
        let mut next = 300;
        for at in 0..ms {
            if at == next {
                self.trouble();
                next = at + 1 + self.rng.below(250);
            }
            self.step(true);
        }
    }

    /// All troubles end; runs until all clients have their answers.
    pub fn heal(&mut self) {
        self.say(|| "healed".to_owned());
        let now_ns = self.now.mono_ns;
        self.frozen.values_mut().for_each(|until| *until = now_ns);
        self.restarts.values_mut().for_each(|at| *at = now_ns);
        self.network.heal(now_ns);
        for node in self.nodes.values_mut() {
            (node.sync_ns, node.job_ns) = (100_000, MS);
        }
        for ms in 0.. {
            self.step(false);
            if ms > 2000 && self.clients.iter().all(|c| !c.is_waiting()) {
                return;
            }
            if ms > 60_000 {
                let stuck = self.clients.iter().find(|c| c.is_waiting()).unwrap();
                panic!(
                    "client {} of node {} waits for {:?}",
                    stuck.id,
                    stuck.node,
                    stuck.oldest(&self.records)
                );
            }
        }
    }

    /// Asks for a value over a new connection.
    pub fn ask(&mut self, node: u64, what: client::What) -> Record {
        let at = self.records.len();
        let id = self.clients.len();
        let mut client = Client::new(id, node, 9);
        let core = self.nodes.get_mut(&node).unwrap().core.as_mut().unwrap();
        client.ask(core, what, &mut self.records, &mut self.clock);
        self.clients.push(client);
        for _ in 0..20_000 {
            self.step(false);
            if !self.clients[id].is_waiting() {
                self.clients.pop();
                return self.records[at].clone();
            }
        }
        panic!("no answer to {:?}", self.records[at]);
    }

    /// One millisecond.
    fn step(&mut self, clients: bool) {
        self.now.mono_ns += MS;
        self.now.wall_ms += 1;
        let now_ns = self.now.mono_ns;
        for (id, at) in std::mem::take(&mut self.restarts) {
            if at <= now_ns {
                self.start(id);
            } else {
                self.restarts.insert(id, at);
            }
        }
        for a in 1..=NODES {
            for b in a + 1..=NODES {
                let side = |n: u64| (n, self.nodes[&n].incarnation);
                if self.nodes[&a].core.is_some() && self.nodes[&b].core.is_some() {
                    self.network.connect(side(a), side(b), now_ns);
                }
            }
        }
        for _ in 0..2 {
            for id in 1..=NODES {
                self.run_node(id, clients);
            }
        }
    }

    fn run_node(&mut self, id: u64, clients: bool) {
        let now = self.now_of(id);
        if self.nodes[&id].core.is_none() {
            return;
        }
        match self.frozen.get(&id) {
            Some(until) if *until <= now.mono_ns => {
                self.frozen.remove(&id);
                if self.mid_turn.remove(&id) == Some(true) {
                    return self.end_turn(id, now);
                }
            }
            Some(_) if self.mid_turn.get(&id) != Some(&false) => return,
            _ => {}
        }
        let node = self.nodes.get_mut(&id).unwrap();
        node.core.as_mut().unwrap().set_now(now);
        node.complete(now.mono_ns);
        let core = node.core.as_mut().unwrap();
        for from in (1..=NODES).filter(|from| *from != id) {
            while let Some(event) = self.network.receive(from, id, now.mono_ns) {
                deliver(core, NodeId(from), event);
            }
        }
        if clients {
            for client in self.clients.iter_mut().filter(|c| c.node == id) {
                client.go(core, now.mono_ns, &mut self.rng, &mut self.records, &mut self.clock);
            }
        }
        core.turn(now);
        if let Some(why) = core.outbox.refused.take() {
            self.say(|| format!("node {id} stops: {why}"));
            self.kill(id, 0);
            self.restarts.remove(&id);
            self.refused.insert(id, why);
            return;
        }
        node.take_work(now.mono_ns);
        if let Some(late) = self.mid_turn.get_mut(&id) {
            // It freezes here, with replies that have not left.
            *late = true;
            return;
        }
        self.end_turn(id, now);
    }

    fn end_turn(&mut self, id: u64, now: Now) {
        let node = self.nodes.get_mut(&id).unwrap();
        let core = node.core.as_mut().unwrap();
        core.flush(now);
        for turns in 0.. {
            if !std::mem::take(&mut core.outbox.again) {
                break;
            }
            assert!(turns < 1000, "node {id} never comes to rest");
            core.turn(now);
            core.flush(now);
        }
        node.take_work(now.mono_ns);
        let core = node.core.as_mut().unwrap();
        assert_eq!(core.outbox.fatal, None);
        core.outbox.conns.clear();
        for group in self.formation.groups() {
            let Some((index, hash)) = core.rolling(group) else { continue };
            let first = *self.rolling.entry((group, index)).or_insert(hash);
            assert_eq!(first, hash, "node {id}: group {group} differs at index {index}");
        }
        for other in std::mem::take(&mut core.outbox.hang_up) {
            self.network.cut(id, other.0, now.mono_ns, 0, &mut self.rng);
        }
        for to in core.peers_to_send().collect::<Vec<_>>() {
            let mut frame = Vec::new();
            core.take_frame(to, 0, &mut frame);
            self.network.send(id, to.0, frame, now.mono_ns, &mut self.rng);
        }
        for client in self.clients.iter_mut().filter(|c| c.node == id) {
            let Some(conn) = client.conn else { continue };
            let Some((wire, close)) = core.wire(conn) else { continue };
            client.read(&std::mem::take(wire), &mut self.records, &mut self.clock);
            if close {
                core.on_disconnect(conn);
                client.closed(now.mono_ns, &mut self.rng);
            }
        }
    }

    /// Runs until no replica is without rows.
    pub fn rebuilt(&mut self) {
        for ms in 0..60_000 {
            if !self.is_rebuilding() {
                return;
            }
            // Clients move leadership to and fro, and may do so faster than a snapshot is sent.
            self.step(ms < 20_000);
        }
        panic!("a replica never gets its rows");
    }

    /// Runs until all replicas have applied the same.
    pub fn settle(&mut self) {
        for _ in 0..20_000 {
            self.step(false);
            if self.hashes().values().all(|hashes| hashes.windows(2).all(|w| w[0] == w[1])) {
                return;
            }
        }
        for node in self.nodes.values().filter(|_| self.trace) {
            let shards = node.core.as_ref().map(|c| c.status().shards);
            println!("node {}: {shards:#?}", node.id);
        }
        panic!("replicas differ: {:?}", self.hashes());
    }

    /// Index and hash of every replica of a group that is up.
    pub fn hashes(&self) -> BTreeMap<GroupId, Vec<(Index, u64)>> {
        let cores = || self.nodes.values().filter_map(|n| n.core.as_ref());
        self.formation.groups().map(|g| (g, cores().filter_map(|c| c.rolling(g)).collect())).collect()
    }
}

fn deliver(core: &mut everstore_node::Core, from: NodeId, event: Event) {
    match event {
        Event::Up(_, incarnation) => core.on_peer_up(from, incarnation, Addresses::default()),
        Event::Down => core.on_peer_down(from),
        Event::Refused => core.on_peer_refused(from),
        Event::Data(bytes) => {
            let mut used = 0;
            while let Some((content, len)) = everstore_node::frame::first(&bytes[used..]).unwrap() {
                core.on_peer(from, content).unwrap();
                used += len;
            }
            assert_eq!(used, bytes.len());
        }
    }
}
