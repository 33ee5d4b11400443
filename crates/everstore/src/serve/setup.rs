//! From the configuration to what the shell needs of it.

use std::path::Path;

use cluster::{Secret, Start};
use shell::recover::Timing;
use shell::{LogMode, Setup};

use super::options::{self, Options};
use crate::config::{Config, Effective};

/// Length of Raft's tick in ms.
const TICK_MS: u64 = 5;
/// Bytes of a segment of a witness's log. The metadata of an entry are some 20 bytes in it.
const WITNESS_SEGMENT_BYTES: u64 = 4 << 20;

/// How the node is set up.
///
/// # Errors
/// In words for a person: there are no random numbers, or the secret can not be read.
pub fn setup(options: &Effective) -> Result<Setup, String> {
    let config = options.config();
    let table = options.clone();
    Ok(Setup {
        dir: config.dir.clone(),
        further: config.data_dir.iter().skip(1).cloned().collect(),
        start: start(config)?,
        settings: settings(config),
        timing: Timing {
            tick_ms: TICK_MS,
            base_election_ms: config.base_election_timeout.as_millis() as u64,
            // Groups beat half as often as nodes, all of a node in the same frame.
            heartbeat_ms: (2 * config.heartbeat_interval).min(config.base_election_timeout / 3).as_millis()
                as u64,
        },
        segment_bytes: if config.witness { WITNESS_SEGMENT_BYTES } else { config.segment_size },
        log_mode: match config.log_mode.as_str() {
            "direct" => LogMode::Direct,
            "buffered" => LogMode::Buffered,
            _ => LogMode::Auto,
        },
        table: Some(Box::new(move || Box::new(Options::new(table.clone())))),
    })
}

/// The settings of the core. A witness's log has small entries only, so a small part of it is enough.
fn settings(config: &Config) -> node::Settings {
    let settings = options::settings(config);
    match config.witness {
        true => node::Settings { log_batch: WITNESS_SEGMENT_BYTES / 4, ..settings },
        false => settings,
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
    let cluster = match (config.cluster_port, &config.cluster_advertise) {
        (0, _) => String::new(),
        (_, Some(address)) => address.clone(),
        (port, None) => shown(&redis, port),
    };
    Ok(Start {
        bootstrap: config.bootstrap,
        replicas: config.replicas as u32,
        shards: config.shards as u16,
        join: config.join.clone(),
        witness: config.witness,
        secret: secret(config)?,
        addresses: cluster::Addresses {
            redis: shown(&redis, config.port),
            peer: config.advertised_peer_address(),
            admin,
            cluster,
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
