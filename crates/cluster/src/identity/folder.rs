//! The data folder of one node: opened once, locked, and changed only durably.

use super::node_toml::{Known, MAX_NODE_TOML, Record};
use super::{ClusterId, FolderError, Secret};
use crate::formation::Formation;
use crate::handshake;
use crate::peer::{Addresses, Boot, JoinToken, MAX_MEMBERS, Peer};
use env::{Disk, DiskLock};
use hmac::{Hmac, KeyInit, Mac};
use model::NodeId;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most replicas of a shard: a majority of 7 survives three lost nodes.
pub const MAX_REPLICAS: u32 = 7;
/// Most shards of a cluster.
pub const MAX_SHARDS: u16 = 1024;
/// Largest `secret` file in bytes.
const MAX_SECRET: usize = 256;

const NODE_TOML: &str = "node.toml";
const SECRET: &str = "secret";
const LOCK: &str = "lock";
const LOG: &str = "log";
const ROWS: &str = "rows";
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
    /// The cluster's secret; needed to join, and compared if the folder has one.
    pub secret: Option<Secret>,
    /// Where this node can be reached.
    pub addresses: Addresses,
    /// Fresh bytes of the operating system: all ids and secrets of this start come from them.
    pub random: [u8; 32],
}

/// An open data folder; locked until dropped.
///
/// Every method that changes it returns after the change is durable. After an error nothing is
/// known about what is on the disk: the node must stop.
#[derive(Debug)]
pub struct Folder {
    disk: DiskHandle,
    dir: PathBuf,
    record: Record,
    secret: Secret,
    addresses: Addresses,
    _lock: Box<dyn DiskLock>,
}

struct DiskHandle(Arc<dyn Disk>);

impl std::fmt::Debug for DiskHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Disk")
    }
}

impl Folder {
    /// Opens or creates the folder, locks it, and makes an incarnation one higher durable.
    ///
    /// # Errors
    /// One line that says what is wrong and what is allowed; see [`FolderError`].
    pub fn open(disk: &Arc<dyn Disk>, dir: &Path, start: &Start) -> Result<Folder, FolderError> {
        start.check()?;
        let fail = |doing, error| FolderError::Io { doing, path: dir.to_owned(), error };
        let exists = disk.exists(dir).map_err(|error| fail("look for", error))?;
        if !exists && !start.creates() {
            return Err(FolderError::Empty(dir.to_owned()));
        }
        disk.create_dir_all(dir).map_err(|error| fail("create", error))?;
        let lock = disk.lock(&dir.join(LOCK))?;
        let (record, secret) = match read(disk, &dir.join(NODE_TOML), MAX_NODE_TOML)? {
            Some(bytes) => existing(disk, dir, start, &bytes)?,
            None => create(disk, dir, start)?,
        };
        let disk = DiskHandle(Arc::clone(disk));
        let addresses = start.addresses.clone();
        let mut folder = Folder { disk, dir: dir.to_owned(), record, secret, addresses, _lock: lock };
        let mut next = folder.record.clone();
        next.incarnation += 1;
        next.boot = Boot(derive(&start.random, b"boot"));
        folder.commit(next)?;
        for sub in [LOG, ROWS] {
            let path = dir.join(sub);
            let made = folder.disk.0.create_dir_all(&path);
            made.map_err(|error| FolderError::Io { doing: "create", path, error })?;
        }
        Ok(folder)
    }

    /// Remembers the cluster this node joined, its id in it, and the other members.
    ///
    /// # Errors
    /// [`FolderError::OtherCluster`] if it is a member already, of another cluster or as another
    /// node; [`FolderError::Io`].
    pub fn joined(&mut self, cluster: ClusterId, node: NodeId, members: &[Peer]) -> Result<(), FolderError> {
        if let (Some(own), Some(own_node)) = (self.record.cluster, self.record.node)
            && (own, own_node) != (cluster, node)
        {
            return Err(FolderError::OtherCluster { own, own_node, cluster, node });
        }
        let mut next = self.record.clone();
        (next.cluster, next.node) = (Some(cluster), Some(node));
        merge(&mut next, members);
        self.commit(next)
    }

    /// Remembers the decision with which the cluster started.
    ///
    /// # Errors
    /// [`FolderError::OtherFormation`] if it knows another one; [`FolderError::Io`].
    pub fn formed(&mut self, formation: &Formation) -> Result<(), FolderError> {
        if let Some(known) = self.record.formation.as_ref().filter(|&known| known != formation) {
            let (known, given) = (known.to_string(), formation.to_string());
            return Err(FolderError::OtherFormation { known, given });
        }
        let mut next = self.record.clone();
        next.formation = Some(formation.clone());
        self.commit(next)
    }

    /// Remembers where a member is now, without saying anything about its incarnation.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn remember(&mut self, node: NodeId, addresses: &Addresses) -> Result<(), FolderError> {
        let mut next = self.record.clone();
        if Some(node) != next.node {
            let fresh = || Peer { node, addresses: Addresses::default(), incarnation: 0, boot: None };
            let known = next.peers.entry(node).or_insert_with(|| Known { peer: fresh(), token: None });
            known.peer.addresses = addresses.clone();
        }
        self.commit(next)
    }

    /// Remembers what was heard of other members, from themselves or through others: of each the
    /// highest incarnation, with its process and its addresses. Writes only what is new.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn learn(&mut self, peers: &[Peer]) -> Result<(), FolderError> {
        let mut next = self.record.clone();
        merge(&mut next, peers);
        self.commit(next)
    }

    /// Remembers a member that was given an id, and the token with which it asked.
    pub(crate) fn admitted(&mut self, peer: &Peer, token: JoinToken) -> Result<(), FolderError> {
        let mut next = self.record.clone();
        next.peers.insert(peer.node, Known { peer: peer.clone(), token: Some(token) });
        self.commit(next)
    }

    /// To be called when the log has its first durable byte: from then on a start with an empty
    /// `log/` is refused, because votes could have been lost with it (safety rule 2).
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn log_started(&mut self) -> Result<(), FolderError> {
        self.commit(Record { log_started: true, ..self.record.clone() })
    }

    /// The cluster, once this node created or joined it.
    pub fn cluster(&self) -> Option<ClusterId> {
        self.record.cluster
    }

    /// The node's id, once it has one.
    pub fn node(&self) -> Option<NodeId> {
        self.record.node
    }

    /// Number of this start, from 1.
    pub fn incarnation(&self) -> u64 {
        self.record.incarnation
    }

    /// Which process this is.
    pub fn boot(&self) -> Boot {
        self.record.boot
    }

    /// With which this folder asks for an id.
    pub fn token(&self) -> JoinToken {
        self.record.token
    }

    /// The cluster's secret.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Where this node can be reached, as its start said.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// How the cluster was formed, once this node knows.
    pub fn formation(&self) -> Option<&Formation> {
        self.record.formation.as_ref()
    }

    /// Replicas and shards the cluster is to have, on the node that was bootstrapped.
    pub fn wish(&self) -> Option<(u32, u16)> {
        self.record.wish
    }

    /// The other members this node knows, in the order of their ids.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.record.peers.values().map(|known| &known.peer)
    }

    /// This node as its peers should know it; `None` before it has an id.
    pub fn itself(&self) -> Option<Peer> {
        Some(Peer {
            node: self.record.node?,
            addresses: self.addresses.clone(),
            incarnation: self.record.incarnation,
            boot: Some(self.record.boot),
        })
    }

    /// The highest incarnation known of a member, for [`handshake::Gate::known`].
    pub fn known(&self, node: NodeId) -> Option<handshake::Known> {
        let peer = &self.record.peers.get(&node)?.peer;
        Some(handshake::Known { incarnation: peer.incarnation, boot: peer.boot })
    }

    /// What this node says of itself in a handshake; `nonce` must be fresh random bytes each time.
    pub fn local(&self, nonce: [u8; 32]) -> handshake::Local {
        handshake::Local {
            cluster: self.record.cluster,
            node: self.record.node,
            incarnation: self.record.incarnation,
            boot: self.record.boot,
            token: self.record.token,
            secret: self.secret.clone(),
            addresses: self.addresses.clone(),
            nonce,
        }
    }

    /// What this node tells others in a handshake, for [`handshake::Gate::news`].
    pub fn news(&self) -> handshake::News {
        let members = self.peers().cloned().chain(self.itself()).collect();
        handshake::News { members, formation: self.record.formation.clone() }
    }

    /// Folder of the log.
    pub fn log_dir(&self) -> PathBuf {
        self.dir.join(LOG)
    }

    /// Folder of the row stores.
    pub fn rows_dir(&self) -> PathBuf {
        self.dir.join(ROWS)
    }

    /// The member that was given an id for this token.
    pub(crate) fn by_token(&self, token: JoinToken) -> Option<&Peer> {
        self.record.peers.values().find(|known| known.token == Some(token)).map(|known| &known.peer)
    }

    fn commit(&mut self, next: Record) -> Result<(), FolderError> {
        if next != self.record {
            write(&self.disk.0, &self.dir.join(NODE_TOML), next.encode().as_bytes())?;
            self.record = next;
        }
        Ok(())
    }
}

impl Start {
    fn creates(&self) -> bool {
        self.bootstrap || !self.join.is_empty()
    }

    fn check(&self) -> Result<(), FolderError> {
        let wrong = |text: String| Err(FolderError::Start(text));
        if self.bootstrap && !self.join.is_empty() {
            return wrong("--bootstrap creates a cluster and --join joins one: give one of them".into());
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
fn existing(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    start: &Start,
    bytes: &[u8],
) -> Result<(Record, Secret), FolderError> {
    let record = Record::decode(&dir.join(NODE_TOML), bytes)?;
    let path = dir.join(SECRET);
    let damaged = |why| FolderError::Damaged { path: path.clone(), why };
    let text = read(disk, &path, MAX_SECRET)?.ok_or_else(|| damaged("it does not exist".into()))?;
    let secret = Secret::parse(&String::from_utf8_lossy(&text)).map_err(damaged)?;
    if start.secret.as_ref().is_some_and(|given| *given != secret) {
        let cluster = record.cluster.map_or("none yet".to_owned(), |id| id.to_string());
        return Err(FolderError::OtherSecret { path: dir.to_owned(), cluster });
    }
    let log = dir.join(LOG);
    if record.log_started && list(disk, &log)?.is_empty() {
        return Err(FolderError::LostLog { path: log, node: record.node.unwrap_or_default() });
    }
    Ok((record, secret))
}

/// An empty folder: a new cluster, or a node without an id. `node.toml` is written last, by the caller.
fn create(disk: &Arc<dyn Disk>, dir: &Path, start: &Start) -> Result<(Record, Secret), FolderError> {
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
        wish: start.bootstrap.then_some((start.replicas, start.shards)),
        formation: None,
        peers: BTreeMap::new(),
    };
    Ok((record, secret))
}

/// Takes over what is newer in `peers`.
fn merge(record: &mut Record, peers: &[Peer]) {
    for peer in peers.iter().filter(|peer| Some(peer.node) != record.node) {
        let room = record.peers.len() < MAX_MEMBERS;
        match record.peers.get_mut(&peer.node) {
            Some(known) => {
                // The first process seen with an incarnation keeps it.
                let of_same = known.peer.incarnation == peer.incarnation
                    && (known.peer.boot.is_none() || known.peer.boot == peer.boot);
                if peer.incarnation > known.peer.incarnation || of_same {
                    known.peer = Peer { boot: peer.boot.or(known.peer.boot), ..peer.clone() };
                }
            }
            None if room => {
                record.peers.insert(peer.node, Known { peer: peer.clone(), token: None });
            }
            None => {}
        }
    }
}

/// Independent bytes for one purpose out of the random bytes of a start.
fn derive<const N: usize>(random: &[u8; 32], purpose: &[u8]) -> [u8; N] {
    let mut mac = Hmac::<Sha256>::new_from_slice(random).expect("HMAC takes keys of any length");
    mac.update(purpose);
    let bytes = mac.finalize().into_bytes();
    std::array::from_fn(|at| bytes[at])
}

fn read(disk: &Arc<dyn Disk>, path: &Path, max: usize) -> Result<Option<Vec<u8>>, FolderError> {
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

fn write(disk: &Arc<dyn Disk>, path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let fail = |error| FolderError::Io { doing: "write", path: path.to_owned(), error };
    disk.write_atomic(path, bytes).map_err(fail)
}
