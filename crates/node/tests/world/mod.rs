//! Cores connected by memory: frames arrive in order, logs are durable at once, time is set by hand.

mod disk;

use cluster::{Addresses, ClusterMap, Formation};
use consensus::{Group, GroupConfig, Recovered};
use everstore_node::core::{Forming, Identity};
use everstore_node::frame::Section;
use everstore_node::replica::Replica;
use everstore_node::{Core, FetchJob, Job, JobDone, Settings};
use model::{GroupId, KeyHasher, NodeId, Now};
use shard::Machine;
use std::collections::{BTreeMap, BTreeSet};
use storage::rows::memory::MemoryStores;

/// A small cluster.
pub struct World {
    pub cores: BTreeMap<u64, Core>,
    pub now: Now,
    /// Nodes that neither run nor hear anything.
    pub frozen: BTreeSet<u64>,
    /// Nodes that hear no answers to their requests, but all else.
    pub deaf: BTreeSet<u64>,
    /// Nodes whose logs are written and not synced.
    pub unsynced: BTreeSet<u64>,
    /// Row stores of nodes that checkpoint, and keep nothing in memory that is in them.
    pub stores: BTreeMap<u64, MemoryStores>,
    /// Fetches are not done, but kept here.
    pub blocked: Option<Vec<(u64, FetchJob)>>,
    /// Nodes whose logs do not even write, and the number of the last batch.
    pub unwritten: BTreeMap<u64, u64>,
    /// Links, from and to, whose frames arrive only when they are taken out of here.
    pub late: BTreeSet<(u64, u64)>,
    /// Wall clocks that are ahead, in ms.
    pub ahead_ms: BTreeMap<u64, u64>,
    /// Loss accounts, by node and name.
    pub losses: BTreeMap<(u64, String), Vec<u8>>,
    /// Nodes whose jobs are not done.
    pub idle: BTreeSet<u64>,
    /// Nodes whose disk is full: how often it was tried to write to it.
    pub full: BTreeMap<u64, u64>,
    /// Sections sent, with their sender, if somebody wants to know.
    pub sent: Option<Vec<(u64, Section)>>,
    buffers: BTreeMap<(u64, u64), Vec<u8>>,
}

fn core(node: u64, formation: &Formation, now: Now, folders: u32) -> Core {
    let address = |kind: &str| format!("{kind}{node}:1");
    let addresses =
        Addresses { redis: address("r"), peer: address("p"), admin: address("a"), cluster: address("x") };
    let me = Identity { node: NodeId(node), incarnation: 1, cluster: "c".into(), addresses, witness: false };
    let mut core = Core::new(Settings::default(), me, 7, Forming { joined: 3, needed: 3 }, now);
    let replicas = (0..=formation.shards).map(|group| {
        let group = GroupId(u32::from(group));
        let mut recovered = Recovered::default();
        recovered.conf_state.voters = formation.voters(group).iter().map(|n| n.0).collect();
        let seed = node * 1000 + u64::from(group.0);
        let config = GroupConfig { member_steps: true, ..GroupConfig::new(group, NodeId(node), seed) };
        let raft = Group::new(config, recovered, now).unwrap();
        let machine = Machine::new(KeyHasher::new(7), model::limits::MAX_VALUE, seed);
        let folder = group.0 % folders;
        let tree = everstore_node::logs::tree_in(folder, u64::from(group.0) + 1);
        let mut replica = Replica::new(group, raft, machine, tree, (0, 0));
        replica.log = folder as usize;
        replica
    });
    let trees: Vec<(u32, u64)> = (0..folders).map(|folder| (folder, 1)).collect();
    core.set_folders(&trees);
    core.start(ClusterMap::new(formation), replicas.collect());
    core
}

/// The jobs of loss accounts; others are for tests of their own.
fn keep_losses(
    kept: &mut BTreeMap<(u64, String), Vec<u8>>,
    node: u64,
    core: &mut Core,
    mut full: Option<&mut u64>,
) {
    for job in std::mem::take(&mut core.outbox.jobs) {
        match job {
            Job::KeepLoss { group, name, content } => {
                let mut result = Ok(());
                if let Some(tries) = &mut full {
                    **tries += 1;
                    result = Err("no space left on device".to_owned());
                } else {
                    kept.insert((node, name.clone()), content);
                }
                core.job_done(JobDone::LossKept { group, name, result });
            }
            Job::ForgetLoss { name, .. } => drop(kept.remove(&(node, name))),
            _ => {}
        }
    }
}

/// A frame's content less the answers to requests.
fn without_answers(content: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    for section in everstore_node::frame::sections(content) {
        let (section, content) = section.unwrap();
        if section != Section::Answer {
            kept.push(section as u8);
            model::varint::put_bytes(&mut kept, content);
        }
    }
    kept
}

impl World {
    #[allow(dead_code, reason = "not every test needs it")]
    pub fn new(nodes: u64, shards: u16) -> World {
        World::with_folders(nodes, shards, 1)
    }

    /// With so many data folders on each node; a group is in the one of its number modulo that.
    pub fn with_folders(nodes: u64, shards: u16, folders: u32) -> World {
        let members = (1..=nodes).map(NodeId).collect();
        let formation = Formation { replicas: nodes as u32, shards, members, ..Formation::default() };
        let now = Now { mono_ns: 1_000_000_000, wall_ms: 1_700_000_000_000 };
        let cores = (1..=nodes).map(|n| (n, core(n, &formation, now, folders))).collect();
        let mut world = World {
            cores,
            now,
            frozen: BTreeSet::new(),
            deaf: BTreeSet::new(),
            unsynced: BTreeSet::new(),
            stores: BTreeMap::new(),
            blocked: None,
            unwritten: BTreeMap::new(),
            late: BTreeSet::new(),
            ahead_ms: BTreeMap::new(),
            losses: BTreeMap::new(),
            idle: BTreeSet::new(),
            full: BTreeMap::new(),
            sent: None,
            buffers: BTreeMap::new(),
        };
        for a in 1..=nodes {
            for b in (1..=nodes).filter(|b| *b != a) {
                let core = world.cores.get_mut(&a).unwrap();
                core.set_now(now);
                core.on_peer_up(NodeId(b), 1, Addresses::default());
            }
        }
        world
    }

    /// Nodes have row stores from now on, and memory for no row that is in them.
    #[allow(dead_code, reason = "not every test needs it")]
    pub fn keep_rows_on_disk(&mut self) {
        for (node, core) in &mut self.cores {
            core.set_max_memory(1);
            self.stores.insert(*node, MemoryStores::new());
        }
    }

    /// The changed rows of all nodes go into their stores, and leave memory.
    #[allow(dead_code, reason = "not every test needs it")]
    pub fn checkpoint(&mut self) {
        self.run(100); // Followers hear of the last commit.
        self.cores.values_mut().for_each(Core::checkpoint_all);
        self.run(50);
    }

    /// What was blocked is done.
    #[allow(dead_code, reason = "not every test needs it")]
    pub fn unblock(&mut self) {
        for (node, job) in self.blocked.take().unwrap_or_default() {
            let done = disk::fetch(&self.stores[&node], job);
            self.cores.get_mut(&node).unwrap().job_done(done);
        }
    }

    /// One turn of every core.
    pub fn step(&mut self) {
        let nodes: Vec<u64> = self.cores.keys().copied().collect();
        for &node in nodes.iter().filter(|n| !self.frozen.contains(n)) {
            let now = self.now_at(node);
            let core = self.cores.get_mut(&node).unwrap();
            core.set_now(now);
            for &from in nodes.iter().filter(|from| !self.late.contains(&(**from, node))) {
                let buffer = self.buffers.entry((from, node)).or_default();
                let mut used = 0;
                while let Some((content, len)) = everstore_node::frame::first(&buffer[used..]).unwrap() {
                    if self.deaf.contains(&node) {
                        core.on_peer(NodeId(from), &without_answers(content)).unwrap();
                    } else {
                        core.on_peer(NodeId(from), content).unwrap();
                    }
                    used += len;
                }
                buffer.drain(..used);
            }
            core.turn(now);
            if let Some(stores) = self.stores.get(&node) {
                disk::work(core, stores, node, &mut self.blocked);
            }
            let batches = std::mem::take(&mut core.outbox.log);
            for (log, number, _) in &batches {
                if let Some(last) = self.unwritten.get_mut(&node) {
                    *last = *number;
                } else if self.unsynced.contains(&node) {
                    core.log_written(*log, *number);
                } else {
                    core.log_done(*log, *number);
                }
            }
            if !batches.is_empty() {
                core.turn(now);
            }
            let full = self.full.get_mut(&node);
            if !self.idle.contains(&node) {
                keep_losses(&mut self.losses, node, core, full);
            }
            core.flush(now);
            assert_eq!(core.outbox.fatal, None);
            for to in core.peers_to_send().collect::<Vec<_>>() {
                let mut bytes = Vec::new();
                core.take_frame(to, 0, &mut bytes);
                if let Some(sent) = &mut self.sent {
                    let (content, _) = everstore_node::frame::first(&bytes).unwrap().unwrap();
                    sent.extend(everstore_node::frame::sections(content).map(|s| (node, s.unwrap().0)));
                }
                self.buffers.entry((node, to.0)).or_default().append(&mut bytes);
            }
        }
    }

    fn now_at(&self, node: u64) -> Now {
        let ahead_ms = self.ahead_ms.get(&node).copied().unwrap_or(0);
        Now { wall_ms: self.now.wall_ms + ahead_ms, ..self.now }
    }

    /// Runs for some milliseconds.
    pub fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now.mono_ns += 1_000_000;
            self.now.wall_ms += 1;
            self.step();
            self.step();
        }
    }

    /// The node that leads a group.
    pub fn leader(&self, group: GroupId) -> u64 {
        let leads = |core: &Core| core.inspect(group).is_some_and(|i| i.leads);
        self.cores.iter().find(|(n, core)| !self.frozen.contains(n) && leads(core)).map(|(n, _)| *n).unwrap()
    }

    pub fn connect(&mut self, node: u64) -> u64 {
        self.connect_to(node, false)
    }

    /// A client of the plain or of the cluster port.
    pub fn connect_to(&mut self, node: u64, cluster: bool) -> u64 {
        self.cores.get_mut(&node).unwrap().on_connect("c:1".into(), "s:1".into(), cluster).unwrap()
    }

    pub fn send(&mut self, node: u64, conn: u64, command: &str) {
        let mut bytes = Vec::new();
        let args: Vec<&str> = command.split(' ').collect();
        bytes.extend(format!("*{}\r\n", args.len()).bytes());
        args.iter().for_each(|a| bytes.extend(format!("${}\r\n{a}\r\n", a.len()).bytes()));
        let now = self.now_at(node);
        let core = self.cores.get_mut(&node).unwrap();
        core.set_now(now);
        core.on_data(conn, &bytes);
    }

    /// What a client has got so far, taken away.
    pub fn got(&mut self, node: u64, conn: u64) -> String {
        let core = self.cores.get_mut(&node).unwrap();
        let (wire, _) = core.wire(conn).unwrap();
        String::from_utf8(std::mem::take(wire)).unwrap()
    }

    /// Sends a command and runs until its reply is there.
    pub fn ask(&mut self, node: u64, conn: u64, command: &str) -> String {
        self.send(node, conn, command);
        for _ in 0..8000 {
            self.run(1);
            let got = self.got(node, conn);
            if !got.is_empty() {
                return got.replace("\r\n", " ").trim_end().to_owned();
            }
        }
        panic!("no reply to {command}");
    }
}
