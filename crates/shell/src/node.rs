//! The node of a process: its core with everything around it that is not a socket.

use std::sync::Arc;

use ::node::Core;
use ::node::core::Identity;
use cluster::identity::FurtherFolder;
use cluster::{ClusterMap, Folder};
use env::{Clock, Disk, Rng};
use model::{NodeId, Now};
use storage::log::{Log, LogOptions};

use crate::dialer::Dialer;
use crate::folders::{self, Folders};
use crate::heard;
use crate::holders::Holders;
use crate::log_mode::LogWay;
use crate::losses::LossFolder;
use crate::membership::Membership;
use crate::platform::{Opened, Platform};
use crate::recover::{self, RecoverReport};
use crate::setup::Setup;

/// The node.
pub struct Node<D> {
    /// Its core.
    pub core: Core,
    /// Data folder and forming.
    pub membership: Membership,
    /// Whom to call.
    pub dialer: Dialer,
    /// Log and row stores; `None` until the cluster is formed.
    pub disks: Option<D>,
    /// How the log is written.
    pub log_way: LogWay,
    setup: Setup,
    disk: Arc<dyn Disk>,
    rng: Rng,
    /// Further data folders, locked as long as the node runs.
    further: Vec<FurtherFolder>,
    /// When the process started.
    pub started: Now,
}

impl<D> Node<D> {
    /// Opens the data folder and makes a core without replicas. `rng`: where everything random in this
    /// start comes from, except what nobody may guess.
    ///
    /// # Errors
    /// In words for a person: the node must not start.
    pub fn open(setup: Setup, disk: Arc<dyn Disk>, mut rng: Rng, now: Now) -> Result<Node<D>, String> {
        let folder = Folder::open(&disk, &setup.dir, &setup.start).map_err(|error| error.to_string())?;
        let membership = Membership::new(folder, setup.start.replicas).map_err(|error| error.to_string())?;
        let own = membership.folder.addresses().peer.clone();
        let mut dialer = Dialer::new(&setup.start.join, own, Rng::new(rng.next_u64()));
        dialer.learn(membership.folder.peers());
        let core = make_core(&setup, &membership, rng.next_u64(), now, now);
        let log_way = LogWay::new(setup.log_mode);
        folders::check(&setup)?;
        let further = Vec::new();
        Ok(Node { core, membership, dialer, disks: None, log_way, setup, disk, rng, further, started: now })
    }

    /// Replaces the core after this node has got its id.
    pub fn new_core(&mut self, now: Now) {
        tracing::info!(node = %id(&self.membership), cluster = %cluster_id(&self.membership), "joined the cluster");
        self.core = make_core(&self.setup, &self.membership, self.rng.next_u64(), self.started, now);
    }

    /// Starts the groups as soon as the cluster is formed. True when that happened now.
    ///
    /// # Errors
    /// In words: the node can not go on with its data.
    pub fn form<P: Platform<Disks = D>>(
        &mut self,
        platform: &mut P,
        clock: &dyn Clock,
        now: Now,
    ) -> Result<bool, String> {
        if self.disks.is_some() {
            return Ok(false);
        }
        let Some(formation) = self.membership.formation().cloned() else {
            self.core.set_forming(self.membership.progress());
            return Ok(false);
        };
        let seed = self.rng.next_u64();
        let Data { disks, replicas, folders, report } = self.open_data(platform, clock, seed, now)?;
        tracing::info!(node = %id(&self.membership), %formation, "the cluster is formed");
        self.core.set_now(Now { mono_ns: clock.mono_ns(), wall_ms: clock.wall_ms() });
        self.core.set_folders(&folders);
        self.core.set_left(report.left);
        self.core.set_lost(report.lost);
        self.core.amend_logs(&report.unrecorded, &report.stale);
        self.core.start(ClusterMap::new(&formation), replicas);
        self.disks = Some(disks);
        Ok(true)
    }

    /// Opens logs and row stores and brings the replicas back.
    fn open_data<P: Platform<Disks = D>>(
        &mut self,
        platform: &mut P,
        clock: &dyn Clock,
        seed: u64,
        now: Now,
    ) -> Result<Data<D>, String> {
        let folder = &mut self.membership.folder;
        let (Some(cluster), Some(node)) = (folder.cluster(), folder.node()) else {
            return Err("the data folder has a formation but no cluster".to_owned());
        };
        let (direct, keep) = self.log_way.at_start();
        let options = LogOptions {
            segment_bytes: self.setup.segment_bytes,
            direct,
            keep,
            cluster: cluster.0.to_be_bytes(),
            begun: folder.is_log_started(),
        };
        let opened = Log::open(Arc::clone(&self.disk), &folder.log_dir(), options.clone(), Rng::new(seed));
        let (log, recovery) = opened.map_err(|error| error.to_string())?;
        // From here on an empty log folder means that votes were lost (safety rule 2).
        folder.log_started().map_err(|error| error.to_string())?;
        self.log_way.opened(log.is_direct());
        let home = platform.open_rows(&folder.rows_dir(), 1 + self.setup.further.len())?;
        let opening = folders::Opening {
            disk: &self.disk,
            given: &self.setup.further,
            // One way for all logs.
            options: LogOptions { direct: log.is_direct(), keep: false, ..options },
            rng: Rng::new(seed ^ 0x5eed_f01d),
        };
        let opened = opening.open(folder, (log, recovery, home), platform)?;
        let Folders { logs, found, stores, numbers, locked, shown } = opened;
        self.further = locked;
        self.core.set_data_folders(shown);
        let incarnation = folder.formation().map_or(0, |formation| formation.incarnation);
        let holders = match incarnation {
            0 => None,
            _ => Holders::read(self.disk.as_ref(), &self.setup.dir, incarnation)?,
        };
        let start = recover::Start {
            formation: folder.formation().ok_or("the cluster is not formed")?,
            holders: holders.as_ref(),
            node,
            witness: folder.is_witness(),
            timing: self.setup.timing,
            hash_seed: cluster.hash_seed(),
            max_value: self.setup.settings.max_value,
            max_memory: self.setup.settings.max_memory,
            now,
            clock,
            loaders: P::LOADERS,
            seed,
        };
        let (replicas, mut report) =
            recover::recover(stores.as_ref(), found, &start).map_err(|error| error.to_string())?;
        say(node, &report);
        let (losses, accounts) = LossFolder::open(&self.disk, folder.losses_dir())?;
        self.core.set_losses(accounts);
        self.core.set_heard(heard::read(self.disk.as_ref(), &self.setup.dir, incarnation));
        if let Some(found) = holders.and_then(|holders| holders.splits) {
            self.core.set_found_splits(found);
        }
        let folders = stores.next_ids(&numbers);
        let garbage = std::mem::take(&mut report.garbage);
        let disks = platform.start_disks(Opened { logs, stores, losses, garbage })?;
        Ok(Data { disks, replicas, folders, report })
    }
}

/// What a node goes on with after its data is open.
struct Data<D> {
    disks: D,
    replicas: Vec<::node::replica::Replica>,
    /// Number of each folder and the first free id for a tree in it.
    folders: Vec<(u32, u64)>,
    report: RecoverReport,
}

fn say(node: NodeId, report: &RecoverReport) {
    let RecoverReport { shards, rows, entries, ms, .. } = report;
    if !report.lost.is_empty() {
        let groups: Vec<String> = report.lost.iter().map(|(group, _)| group.to_string()).collect();
        tracing::error!(%node, groups = groups.join(","), "replicas of these groups are lost with their data folder");
    }
    tracing::info!(%node, shards, rows, entries, ms, dropped_trees = report.dropped.len(), "data recovered");
}

/// This node's id, 0 before it has one.
fn id(membership: &Membership) -> NodeId {
    membership.folder.node().unwrap_or_default()
}

fn cluster_id(membership: &Membership) -> String {
    membership.folder.cluster().map_or_else(String::new, |id| id.to_string())
}

fn make_core(setup: &Setup, membership: &Membership, seed: u64, started: Now, now: Now) -> Core {
    let folder = &membership.folder;
    let me = Identity {
        node: id(membership),
        incarnation: folder.incarnation(),
        cluster: cluster_id(membership),
        addresses: folder.addresses().clone(),
        witness: folder.is_witness(),
    };
    let hash_seed = folder.cluster().map_or(0, |cluster| cluster.hash_seed());
    let settings = ::node::Settings { seed, started_ms: started.mono_ms(), ..setup.settings.clone() };
    let mut core = Core::new(settings, me, hash_seed, membership.progress(), now);
    if let Some(table) = &setup.table {
        core.set_config_table(table());
    }
    core
}
