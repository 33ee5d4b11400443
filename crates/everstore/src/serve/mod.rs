//! A node as a process of this operating system.
//!
//! One thread runs [`event_loop`] around the shell of crate `shell`; beside it are the log thread, the
//! disk pool, the admin port and a resolver of names. Invariant: what can be done without the operating
//! system is done in the shell, so that the simulator does it too.

pub mod admin;
mod disks;
mod event_loop;
mod figures;
mod gauges;
mod logging;
mod options;
mod output_limits;
mod platform;
mod resolver;
mod setup;
mod signals;
mod sockets;
mod wake;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use mio::net::TcpListener;
use thiserror::Error;

use env::{Clock, RealClock, RealDisk, Rng};
use shell::{Port, Shell, Stop};

use self::admin::{Admin, AdminState};
use self::event_loop::EventLoop;
use self::figures::Figures;
use self::platform::Os;
use crate::config::{Config, Effective};

/// Files a node has open beside its clients' sockets: log, row stores, links, ports.
const OTHER_FILES: u64 = 128;

/// Why a node did not start.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct ServeError(String);

/// Runs the node until it is told to stop. A node that must not go on ends the process at once with
/// exit code 1, or 2 if other nodes refuse it for good: what it has not sent must not be sent.
///
/// # Errors
/// The node cannot start; the text is one line for a person.
pub fn run(effective: Effective) -> Result<ExitCode, ServeError> {
    let config = effective.config().clone();
    logging::start(&config);
    raise_open_files(&config);
    let admin_state = Arc::new(AdminState::new());
    let system = |error: std::io::Error| ServeError(format!("cannot start: {error}"));
    let (poll, wake) = EventLoop::wake_and_poll().map_err(system)?;
    let registry = poll.registry().try_clone().map_err(system)?;
    let max_memory = config.max_memory.bytes();
    let os = Os::new(registry, Arc::clone(&wake), config.tcp_keepalive, max_memory).map_err(system)?;
    let rng = Rng::from_os().map_err(system)?;
    let setup = setup::setup(&effective).map_err(ServeError)?;
    let started_ms = RealClock.wall_ms();
    // The folder first: its lock keeps a second process of the same node away from the ports. And all
    // data before the ports: clients must not see a node without it.
    let shell = Shell::open(setup, Arc::new(RealDisk), rng, os, &RealClock).map_err(ServeError)?;
    let sockets = listen(&config)?;
    say_start(&config, &shell);
    let figures = Figures::new(Arc::clone(&admin_state), started_ms);
    let _admin = start_admin(&config, admin_state)?;
    let event_loop = EventLoop::new(poll, wake, sockets, shell, figures).map_err(system)?;
    match event_loop.run() {
        Ok(()) => {
            tracing::info!("ended in good order");
            Ok(ExitCode::SUCCESS)
        }
        Err(Stop::Failed(why)) => {
            tracing::error!(reason = %why, "the node stops at once");
            std::process::exit(1);
        }
        Err(Stop::Refused(why)) => {
            eprintln!("everstore: {why}");
            std::process::exit(2);
        }
    }
}

/// Every client needs an open file; the limit most systems start with is below `max-clients`.
fn raise_open_files(config: &Config) {
    let wanted = config.max_clients + OTHER_FILES;
    match env::raise_open_files() {
        Ok(limit) if limit >= wanted => {}
        Ok(limit) => tracing::warn!(
            limit,
            wanted,
            "the limit of open files is too low for max-clients: raise the hard limit (ulimit -Hn), or lower \
             max-clients"
        ),
        Err(error) => tracing::warn!(%error, "the limit of open files is not known"),
    }
}

/// Opens the ports for clients and nodes.
fn listen(config: &Config) -> Result<Vec<(TcpListener, Port)>, ServeError> {
    let (redis, fewer) = config.redis_interfaces();
    if let Some(why) = fewer {
        tracing::warn!("{why}");
    }
    let with_cluster = redis.iter().filter(|_| config.cluster_port != 0);
    let cluster = with_cluster.map(|&ip| (ip, config.cluster_port, Port::Cluster));
    let redis = redis.iter().map(|&ip| (ip, config.port, Port::Redis));
    let peer = config.bind.iter().map(|&ip| (ip, config.peer_port, Port::Peer));
    let open = |(ip, port, purpose)| Ok((sockets::listen(ip, port).map_err(ServeError)?, purpose));
    redis.chain(cluster).chain(peer).map(open).collect()
}

fn start_admin(config: &Config, state: Arc<AdminState>) -> Result<Option<Admin>, ServeError> {
    if config.admin_port == 0 {
        return Ok(None);
    }
    let addresses: Vec<SocketAddr> =
        config.admin_bind.iter().map(|&ip| SocketAddr::new(ip, config.admin_port)).collect();
    Admin::start(&addresses, state).map(Some).map_err(|error| ServeError(error.to_string()))
}

fn say_start(config: &Config, shell: &Shell<Os>) {
    let folder = &shell.node.membership.folder;
    let shown = |id: Option<String>| id.unwrap_or_else(|| "none yet".to_owned());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        node = shown(folder.node().map(|node| node.to_string())),
        cluster = shown(folder.cluster().map(|cluster| cluster.to_string())),
        incarnation = folder.incarnation(),
        port = config.port,
        cluster_port = config.cluster_port,
        peer_port = config.peer_port,
        admin_port = config.admin_port,
        dir = %config.dir.display(),
        "starting"
    );
}
