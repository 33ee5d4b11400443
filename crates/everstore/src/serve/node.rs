//! The node of this process: its core with everything around it that is not a socket.

use std::path::Path;
use std::sync::Arc;

use ::node::Core;
use ::node::core::Identity;
use cluster::{ClusterMap, Folder, Secret, Start};
use env::{Disk, RealDisk, Rng};
use model::{NodeId, Now};

use super::admin::{self, AdminState, Counters};
use super::dialer::Dialer;
use super::disks::Disks;
use super::gauges;
use super::membership::Membership;
use super::options::{self, Options};
use super::wake::Wake;
use crate::config::{Config, Effective};

/// How often figures are measured and published, in ms.
const MEASURE_MS: u64 = 1000;
/// The same while the node is not ready for clients, because somebody may wait for that.
const MEASURE_UNREADY_MS: u64 = 100;

/// The node.
pub struct Node {
    /// Its core.
    pub core: Core,
    /// Data folder and forming.
    pub membership: Membership,
    /// Whom to call.
    pub dialer: Dialer,
    /// Log and row stores; `None` until the cluster is formed.
    pub disks: Option<Disks>,
    options: Effective,
    disk: Arc<dyn Disk>,
    rng: Rng,
    admin: Arc<AdminState>,
    started: Now,
    next_measure_ms: u64,
}

impl Node {
    /// Opens the data folder and makes a core without replicas.
    ///
    /// # Errors
    /// In words for a person: the node must not start.
    pub fn open(options: Effective, admin: Arc<AdminState>, now: Now) -> Result<Node, String> {
        let config = options.config();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let mut rng = Rng::from_os().map_err(|error| format!("no random numbers: {error}"))?;
        let folder = Folder::open(&disk, &config.dir, &start(config)?).map_err(|error| error.to_string())?;
        let membership =
            Membership::new(folder, config.replicas as u32).map_err(|error| error.to_string())?;
        let own = membership.folder.addresses().peer.clone();
        let mut dialer = Dialer::new(&config.join, own, Rng::new(rng.next_u64()));
        dialer.learn(membership.folder.peers());
        let core = make_core(&options, &membership, rng.next_u64(), now, now);
        let (disks, started, next_measure_ms) = (None, now, 0);
        Ok(Node { core, membership, dialer, disks, options, disk, rng, admin, started, next_measure_ms })
    }

    /// Seconds between keepalive probes of clients.
    pub fn keepalive_s(&self) -> u64 {
        self.options.config().tcp_keepalive
    }

    /// Replaces the core after this node has got its id.
    pub fn new_core(&mut self, now: Now) {
        tracing::info!(node = %id(&self.membership), cluster = %cluster_id(&self.membership), "joined the cluster");
        self.core = make_core(&self.options, &self.membership, self.rng.next_u64(), self.started, now);
    }

    /// Starts the groups as soon as the cluster is formed. True when that happened now.
    ///
    /// # Errors
    /// In words: the node can not go on with its data.
    pub fn form(&mut self, wake: &Arc<Wake>, now: Now) -> Result<bool, String> {
        if self.disks.is_some() {
            return Ok(false);
        }
        let Some(formation) = self.membership.formation().cloned() else {
            self.core.set_forming(self.membership.progress());
            return Ok(false);
        };
        let seed = self.rng.next_u64();
        let (disks, recovered) =
            Disks::open(&self.disk, self.options.config(), &mut self.membership, wake, seed, now)?;
        tracing::info!(node = %id(&self.membership), %formation, "the cluster is formed");
        self.core.set_now(super::event_loop::now());
        self.core.set_next_tree(recovered.next_tree);
        self.core.start(ClusterMap::new(&formation), recovered.replicas);
        self.disks = Some(disks);
        Ok(true)
    }

    /// Notes that a turn was made.
    #[inline]
    pub fn turned(&self, now: Now) {
        self.admin.turned(now.mono_ms());
    }

    /// Measures once a second what only the shell can, and publishes it.
    pub fn measure(&mut self, now: Now) {
        if now.mono_ms() < self.next_measure_ms {
            return;
        }
        let gauges = gauges::measure(self.disks.as_ref().map(Disks::log_status));
        let stats = self.core.stats();
        let counters = Counters {
            commands: stats.commands,
            errors: stats.errors,
            connections: stats.connections,
            rejected_connections: stats.rejected_connections,
            net_input_bytes: stats.net_input,
            net_output_bytes: stats.net_output,
            log_syncs: gauges.syncs,
            leaderships_lost: stats.leaderships_lost,
            last_checkpoint_ms: stats.last_save_ms,
            checkpoint_retries: self.disks.as_ref().map_or(0, Disks::retries),
            disk_jobs: self.disks.as_ref().map_or(0, Disks::jobs) as u64,
            cpu_user_ms: gauges.cpu_ms.0,
            cpu_system_ms: gauges.cpu_ms.1,
            started_ms: self.started.wall_ms,
        };
        self.core.set_gauges(gauges);
        let status = self.core.status();
        let every = if admin::is_ready(&status) { MEASURE_MS } else { MEASURE_UNREADY_MS };
        self.next_measure_ms = now.mono_ms() + every;
        self.admin.publish(status, counters);
    }
}

/// How the data folder is opened.
fn start(config: &Config) -> Result<Start, String> {
    let mut random = [0; 32];
    env::os_random(&mut random).map_err(|error| format!("no random numbers: {error}"))?;
    let (redis, _) = config.redis_interfaces();
    let shown = |ips: &[std::net::IpAddr], port: u16| {
        let ip = ips.iter().find(|ip| !ip.is_unspecified()).copied();
        let ip = ip.unwrap_or(std::net::Ipv4Addr::LOCALHOST.into());
        std::net::SocketAddr::new(ip, port).to_string()
    };
    let admin = match config.admin_port {
        0 => String::new(),
        port => shown(&config.admin_bind, port),
    };
    Ok(Start {
        bootstrap: config.bootstrap,
        replicas: config.replicas as u32,
        shards: config.shards as u16,
        join: config.join.clone(),
        secret: secret(config)?,
        addresses: cluster::Addresses {
            redis: shown(&redis, config.port),
            peer: config.advertised_peer_address(),
            admin,
        },
        random,
    })
}

/// The secret of the environment, or of the file that the configuration names.
fn secret(config: &Config) -> Result<Option<Secret>, String> {
    let parse =
        |text: &str, place: &str| Secret::parse(text).map(Some).map_err(|why| format!("{place}: {why}"));
    match (&config.secret, &config.secret_file) {
        (Some(text), _) => parse(text, "EVERSTORE_SECRET"),
        (None, Some(path)) => parse(&read_secret(path)?, &path.display().to_string()),
        (None, None) => Ok(None),
    }
}

fn read_secret(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read the secret file {}: {error}", path.display()))
}

fn id(membership: &Membership) -> NodeId {
    membership.folder.node().unwrap_or_default()
}

fn cluster_id(membership: &Membership) -> String {
    membership.folder.cluster().map_or_else(String::new, |id| id.to_string())
}

fn make_core(options: &Effective, membership: &Membership, seed: u64, started: Now, now: Now) -> Core {
    let folder = &membership.folder;
    let me = Identity {
        node: id(membership),
        incarnation: folder.incarnation(),
        cluster: cluster_id(membership),
        addresses: folder.addresses().clone(),
    };
    let hash_seed = folder.cluster().map_or(0, |cluster| cluster.hash_seed());
    let settings = options::settings(options.config(), seed, started.mono_ms());
    let mut core = Core::new(settings, me, hash_seed, membership.progress(), now);
    core.set_config_table(Box::new(Options(options.clone())));
    core
}
