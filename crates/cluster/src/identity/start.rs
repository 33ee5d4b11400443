//! How a node is started, and what its data folder is before the start goes on.

use super::node_toml::Record;
use super::{ClusterId, FolderError, Secret};
use crate::peer::{Addresses, Boot, JoinToken};
use env::Disk;
use hmac::{Hmac, KeyInit, Mac};
use model::NodeId;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Most replicas of a shard: a majority of 7 survives three lost nodes.
pub const MAX_REPLICAS: u32 = 7;
/// Most shards of a cluster.
pub const MAX_SHARDS: u16 = 1024;
/// Largest `secret` file in bytes.
const MAX_SECRET: usize = 256;

pub(super) const NODE_TOML: &str = "node.toml";
const SECRET: &str = "secret";
pub(super) const LOCK: &str = "lock";
pub(super) const LOG: &str = "log";
pub(super) const ROWS: &str = "rows";
pub(super) const LOSSES: &str = "losses";
/// What a start that was cut off before `node.toml` was written may leave behind.
const LEFTOVERS: [&str; 4] = [LOCK, SECRET, "secret.tmp", "node.toml.tmp"];

/// How a node is started.
#[derive(Clone, Debug)]
pub struct Start {
    /// Create a cluster if the folder is empty.
    pub bootstrap: bool,
    /// Replicas of each shard of a new cluster: 1, 3, 5 or 7.
    pub replicas: u32,
    /// Shards of a new cluster: 1 to [`MAX_SHARDS`].
    pub shards: u16,
    /// Peer addresses of nodes to ask for an id if the folder is empty.
    pub join: Vec<String>,
    /// The node is a witness: it votes, and keeps no data.
    pub witness: bool,
    /// The cluster's secret; needed to join, and compared if the folder has one.
    pub secret: Option<Secret>,
    /// Where this node can be reached.
    pub addresses: Addresses,
    /// Fresh bytes of the operating system: all ids and secrets of this start come from them.
    pub random: [u8; 32],
}

impl Start {
    pub(super) fn creates(&self) -> bool {
        self.bootstrap || !self.join.is_empty()
    }

    pub(super) fn check(&self) -> Result<(), FolderError> {
        let wrong = |text: String| Err(FolderError::Start(text));
        if self.bootstrap && !self.join.is_empty() {
            return wrong("--bootstrap creates a cluster and --join joins one: give one of them".into());
        }
        if self.bootstrap && self.witness {
            return wrong("--bootstrap creates a cluster, and a witness joins one: give one of them".into());
        }
        if self.bootstrap && !((1..=MAX_REPLICAS).contains(&self.replicas) && self.replicas % 2 == 1) {
            return wrong(format!("replicas {}; allowed: 1, 3, 5 or {MAX_REPLICAS}", self.replicas));
        }
        if self.bootstrap && !(1..=MAX_SHARDS).contains(&self.shards) {
            return wrong(format!("shards {}; allowed: 1 to {MAX_SHARDS}", self.shards));
        }
        self.addresses.check().map_err(FolderError::Start)
    }
}

/// A folder that has a `node.toml`.
pub(super) fn existing(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    given: Option<&Secret>,
    bytes: &[u8],
) -> Result<(Record, Secret), FolderError> {
    let record = Record::decode(&dir.join(NODE_TOML), bytes)?;
    let path = dir.join(SECRET);
    let damaged = |why| FolderError::Damaged { path: path.clone(), why };
    let text = read(disk, &path, MAX_SECRET)?.ok_or_else(|| damaged("it does not exist".into()))?;
    let secret = Secret::parse(&String::from_utf8_lossy(&text)).map_err(damaged)?;
    if given.is_some_and(|given| *given != secret) {
        let cluster = record.cluster.map_or("none yet".to_owned(), |id| id.to_string());
        return Err(FolderError::OtherSecret { path: dir.to_owned(), cluster });
    }
    if let Some(why) = record.outdated {
        return Err(FolderError::Outdated { path: dir.to_owned(), why });
    }
    let log = dir.join(LOG);
    if record.log_started && list(disk, &log)?.is_empty() {
        return Err(FolderError::LostLog { path: log, node: record.node.unwrap_or_default() });
    }
    Ok((record, secret))
}

/// A folder is a witness's from its beginning on or never: what it holds is worth nothing to the other kind.
pub(super) fn same_kind(dir: &Path, is: bool, wanted: bool) -> Result<(), FolderError> {
    let path = dir.display();
    match (is, wanted) {
        (true, false) => Err(FolderError::Start(format!(
            "data folder {path} is that of a witness: start it with --witness; a node that keeps data needs an \
             empty folder"
        ))),
        (false, true) => Err(FolderError::Start(format!(
            "data folder {path} is that of a node that keeps data: start it without --witness; a witness needs \
             an empty folder"
        ))),
        _ => Ok(()),
    }
}

/// An empty folder: a new cluster, or a node without an id. `node.toml` is written last, by the caller.
pub(super) fn create(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    start: &Start,
) -> Result<(Record, Secret), FolderError> {
    if let Some(found) = list(disk, dir)?.into_iter().find(|name| !LEFTOVERS.contains(&name.as_str())) {
        return Err(FolderError::Foreign { path: dir.to_owned(), found });
    }
    if !start.creates() {
        return Err(FolderError::Empty(dir.to_owned()));
    }
    let secret = match (&start.secret, start.bootstrap) {
        (Some(given), _) => given.clone(),
        (None, true) => Secret::new(derive(&start.random, b"secret")),
        (None, false) => return Err(FolderError::NoSecret),
    };
    write(disk, &dir.join(SECRET), format!("{}\n", secret.to_hex()).as_bytes())?;
    let cluster = ClusterId(u128::from_be_bytes(derive(&start.random, b"cluster")));
    let record = Record {
        cluster: start.bootstrap.then_some(cluster),
        node: start.bootstrap.then_some(NodeId(1)),
        incarnation: 0,
        boot: Boot([0; 16]),
        token: JoinToken(derive(&start.random, b"token")),
        log_started: false,
        witness: start.witness,
        outdated: None,
        wish: start.bootstrap.then_some((start.replicas, start.shards)),
        formation: None,
        peers: BTreeMap::new(),
        folders_made: 0,
        further: Vec::new(),
    };
    Ok((record, secret))
}

/// Independent bytes for one purpose out of the random bytes of a start.
pub(super) fn derive<const N: usize>(random: &[u8; 32], purpose: &[u8]) -> [u8; N] {
    let mut mac = Hmac::<Sha256>::new_from_slice(random).expect("HMAC takes keys of any length");
    mac.update(purpose);
    let bytes = mac.finalize().into_bytes();
    std::array::from_fn(|at| bytes[at])
}

pub(super) fn read(disk: &Arc<dyn Disk>, path: &Path, max: usize) -> Result<Option<Vec<u8>>, FolderError> {
    match disk.read(path, max) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FolderError::Io { doing: "read", path: path.to_owned(), error }),
    }
}

fn list(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Vec<String>, FolderError> {
    match disk.list(dir) {
        Ok(names) => Ok(names),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(FolderError::Io { doing: "list", path: dir.to_owned(), error }),
    }
}

pub(super) fn write(disk: &Arc<dyn Disk>, path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let fail = |error| FolderError::Io { doing: "write", path: path.to_owned(), error };
    disk.write_atomic(path, bytes).map_err(fail)
}
