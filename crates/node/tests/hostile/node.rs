//! A simulated node: a core, its log on a simulated disk, its row store, and how it comes back.

use super::jobs::{Jobs, fetch, load};
use cluster::{Addresses, ClusterMap, Formation};
use consensus::{ConfState, Entry, Group, GroupConfig, HardState, Recovered};
use env::{MemDisk, Rng};
use everstore_node::core::{Forming, Identity};
use everstore_node::replica::Replica;
use everstore_node::{Core, JobDone, Settings};
use model::{GroupId, Index, KeyHasher, NodeId, Now};
use shard::Machine;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use storage::log::{Batch, GroupLog, Log, LogOptions};
use storage::rows::memory::MemoryStores;
use storage::rows::{Order, RowRange, RowStores};

/// One node.
pub struct Node {
    pub id: u64,
    pub core: Option<Core>,
    pub incarnation: u64,
    /// How long a sync takes.
    pub sync_ns: u64,
    /// How long a job takes.
    pub job_ns: u64,
    pub wall_skew_ms: i64,
    pub jobs: Jobs,
    /// Rows that were read and have not arrived.
    fetched: VecDeque<(u64, JobDone)>,
    pub stores: MemoryStores,
    /// Trees with damaged rows.
    injured: BTreeSet<u64>,
    disk: MemDisk,
    log: Option<Log>,
    unsynced: VecDeque<(u64, u64, Batch)>,
    floors: BTreeMap<GroupId, Index>,
}

/// A copy of a node's data folder.
pub struct Folder {
    disk: MemDisk,
    stores: MemoryStores,
}

impl Node {
    pub fn new(id: u64) -> Node {
        Node {
            id,
            core: None,
            incarnation: 0,
            sync_ns: 100_000,
            job_ns: 1_000_000,
            wall_skew_ms: 0,
            jobs: Jobs::default(),
            fetched: VecDeque::new(),
            stores: MemoryStores::new(),
            injured: BTreeSet::new(),
            disk: MemDisk::new(),
            log: None,
            unsynced: VecDeque::new(),
            floors: BTreeMap::new(),
        }
    }

    /// The process starts: all replicas are recovered.
    pub fn start(&mut self, formation: &Formation, now: Now, rng: &mut Rng) {
        self.incarnation += 1;
        let mut options = LogOptions::new([7; 16]);
        options.segment_bytes = 1 << 20;
        let (log, mut recovery) =
            Log::open(Arc::new(self.disk.clone()), Path::new("/log"), options, Rng::new(rng.next_u64()))
                .unwrap();
        assert!(recovery.damage.is_empty(), "{:?}", recovery.damage);
        self.log = Some(log);
        self.floors.clear();
        let groups: Vec<GroupId> = formation.groups().collect();
        let replicas: Vec<Replica> = groups
            .iter()
            .map(|&group| {
                let log = recovery.groups.remove(&group).unwrap_or_default();
                self.restore(group, log, formation, now, rng)
            })
            .collect();
        let used: Vec<u64> = replicas.iter().map(|r| r.tree).collect();
        for tree in self.stores.list().into_iter().filter(|tree| !used.contains(tree)) {
            self.stores.destroy(tree).unwrap();
        }
        let address = |kind: &str| format!("{kind}{}:{}", self.id, self.incarnation);
        let addresses = Addresses {
            redis: address("r"),
            peer: address("p"),
            admin: address("a"),
            ..Addresses::default()
        };
        let me = Identity {
            node: NodeId(self.id),
            incarnation: self.incarnation,
            cluster: "c".into(),
            addresses,
            witness: false,
        };
        let settings = Settings {
            checkpoint_log_share: 16 << 10,
            // Every second node keeps no row in memory that is in its row store.
            max_memory: self.id % 2,
            started_ms: now.mono_ms(),
            seed: rng.next_u64(),
            ..Settings::default()
        };
        let forming = Forming { joined: 3, needed: 3 };
        let mut core = Core::new(settings, me, 7, forming, now);
        core.set_now(now);
        core.set_folders(&[(0, self.stores.next_id())]);
        core.start(ClusterMap::new(formation), replicas);
        self.core = Some(core);
    }

    fn restore(
        &mut self,
        group: GroupId,
        log: GroupLog,
        formation: &Formation,
        now: Now,
        rng: &mut Rng,
    ) -> Replica {
        let tree = log.install.as_ref().map_or(u64::from(group.0) + 1, |install| install.tree);
        let mut machine = Machine::new(KeyHasher::new(7), model::limits::MAX_VALUE, rng.next_u64());
        machine.set_load_limit(everstore_node::load_limit(self.id % 2, 1));
        let loaded = load(&self.stores, tree, &mut machine);
        // Rows are only ever lost on purpose.
        let rows_lost = self.injured.contains(&tree);
        assert_eq!(loaded.is_err(), rows_lost, "{group}: {loaded:?}");
        let stored = if rows_lost { (log.floor, log.floor_term.unwrap_or(0)) } else { machine.applied() };
        if rows_lost {
            machine = Machine::new(KeyHasher::new(7), model::limits::MAX_VALUE, rng.next_u64());
        }
        assert!(stored.0 >= log.floor && stored.0 <= log.last_index(), "rows and log of {group} do not fit");
        let guessed = rows_lost && log.floor > 0 && log.floor_term.is_none();
        let bound = log.entries.first().map(|e| e.term).or(log.hard.map(|h| h.term)).unwrap_or(0);
        let stored = if guessed { (stored.0, bound) } else { stored };
        let hard = log.hard.map_or_else(HardState::default, |h| HardState {
            term: h.term,
            vote: h.vote,
            commit: h.commit,
            ..HardState::default()
        });
        let entry = |e: storage::log::Entry| Entry {
            index: e.index,
            term: e.term,
            data: e.data.into(),
            ..Entry::default()
        };
        let entries = log.entries.into_iter().filter(|e| e.index > stored.0).map(entry).collect();
        let voters = formation.voters(group).iter().map(|n| n.0).collect();
        let conf_state = ConfState { voters, ..ConfState::default() };
        let recovered = Recovered {
            hard_state: hard,
            entries,
            compacted: stored,
            conf_state,
            applied: stored.0,
            rows_lost,
            compacted_guessed: guessed,
            ..Recovered::default()
        };
        let config = GroupConfig::new(group, NodeId(self.id), rng.next_u64());
        let raft = Group::new(config, recovered, now).unwrap();
        Replica::new(group, raft, machine, tree, if rows_lost { (0, 0) } else { stored })
    }

    /// Turns over a bit of a row in one of the trees, which are only read at the next start. False if
    /// there is no row yet.
    pub fn injure(&mut self, rng: &mut Rng) -> bool {
        let trees = self.stores.list();
        let Some(&tree) = trees.get(rng.below(trees.len().max(1) as u64) as usize) else { return false };
        let rows = self.stores.open(tree).unwrap().range(RowRange::ALL, Order::Ascending).unwrap();
        let Ok(names) = rows.map(|row| row.map(|row| row.0)).collect::<Result<Vec<_>, _>>() else {
            return false;
        };
        let Some(name) = names.get(rng.below(names.len().max(1) as u64) as usize) else { return false };
        self.injured.insert(tree);
        self.stores.flip(tree, name, rng.below(64) as usize)
    }

    /// Damaged rows are not replaced yet.
    pub fn is_injured(&self) -> bool {
        self.stores.list().iter().any(|tree| self.injured.contains(tree))
    }

    /// A copy of the data folder as it is now.
    pub fn copy(&self) -> Folder {
        Folder { disk: self.disk.copy(), stores: self.stores.copy() }
    }

    /// Puts a copy in place of the data folder. The process must not run.
    pub fn put_back(&mut self, folder: Folder) {
        assert!(self.core.is_none());
        (self.disk, self.stores) = (folder.disk, folder.stores);
    }

    /// The process dies. Of what waits for its sync, a part may have been written.
    pub fn kill(&mut self, rng: &mut Rng) {
        self.core = None;
        let written = rng.below(self.unsynced.len() as u64 + 1) as usize;
        let batches: Vec<Batch> = self.unsynced.drain(..).take(written).map(|(_, _, batch)| batch).collect();
        if let Some(mut log) = self.log.take()
            && !batches.is_empty()
        {
            log.append(&batches).unwrap();
        }
        self.disk.crash_process();
        self.stores.crash();
        self.jobs = Jobs::default();
        self.fetched.clear();
    }

    /// What the disk has finished goes into the core.
    pub fn complete(&mut self, now_ns: u64) {
        let (Some(core), Some(log)) = (&mut self.core, &mut self.log) else { return };
        let mut done = None;
        while let Some((_, number, batch)) = self.unsynced.pop_front_if(|(due, ..)| *due <= now_ns) {
            log.append(&[batch]).unwrap();
            if log.reserve_low() {
                log.fill_reserve().unwrap();
            }
            done = Some(number);
        }
        if let Some(number) = done {
            core.log_done(0, number);
        }
        while let Some((_, read)) = self.fetched.pop_front_if(|(due, _)| *due <= now_ns) {
            core.job_done(read);
        }
        while let Some(answer) = self.jobs.run_due(now_ns, &self.stores) {
            if let Some(answer) = answer {
                core.job_done(answer);
            }
        }
    }

    /// Takes the work for the disk out of the core's outbox.
    pub fn take_work(&mut self, now_ns: u64) {
        let (Some(core), Some(log)) = (&mut self.core, &mut self.log) else { return };
        for (_, number, batch) in std::mem::take(&mut core.outbox.log) {
            let due = self.unsynced.back().map_or(0, |b| b.0).max(now_ns + self.sync_ns);
            self.unsynced.push_back((due, number, batch));
        }
        for job in std::mem::take(&mut core.outbox.jobs) {
            self.jobs.push(now_ns + self.job_ns, job);
        }
        for job in std::mem::take(&mut core.outbox.fetches) {
            // Read at once, and there later: what happens in between must not matter.
            self.fetched.push_back((now_ns + self.job_ns, fetch(&self.stores, job)));
        }
        let floors = std::mem::take(&mut core.outbox.floors);
        if !floors.is_empty() {
            for (_, group, index) in floors {
                let floor = self.floors.entry(group).or_default();
                *floor = index.max(*floor);
            }
            log.free(&self.floors).unwrap();
        }
    }
}
