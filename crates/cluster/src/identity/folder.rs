//! The data folder of one node: opened once, locked, and changed only durably.

use super::node_toml::{Known, MAX_NODE_TOML, Record};
use super::start::{self, LOCK, LOG, LOSSES, NODE_TOML, ROWS, Start, derive};
use super::{ClusterId, FolderError, Further, Secret};
use crate::formation::Formation;
use crate::handshake;
use crate::peer::{Addresses, Boot, JoinToken, MAX_MEMBERS, Peer};
use env::{Disk, DiskLock};
use model::NodeId;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most characters that are kept of why a folder is outdated.
const MAX_WHY: usize = 1024;

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
        let (record, secret) = match start::read(disk, &dir.join(NODE_TOML), MAX_NODE_TOML)? {
            Some(bytes) => {
                let (record, secret) = start::existing(disk, dir, start.secret.as_ref(), &bytes)?;
                start::same_kind(dir, record.witness, start.witness)?;
                (record, secret)
            }
            None => start::create(disk, dir, start)?,
        };
        let disk = DiskHandle(Arc::clone(disk));
        let addresses = start.addresses.clone();
        let mut folder = Folder { disk, dir: dir.to_owned(), record, secret, addresses, _lock: lock };
        let mut next = folder.record.clone();
        next.incarnation += 1;
        next.boot = Boot(derive(&start.random, b"boot"));
        folder.commit(next)?;
        for sub in [LOG, ROWS, LOSSES] {
            let path = dir.join(sub);
            let made = folder.disk.0.create_dir_all(&path);
            made.map_err(|error| FolderError::Io { doing: "create", path, error })?;
        }
        Ok(folder)
    }

    /// Opens the folder of a node that does not run, to look at it or to recover it: no start is counted.
    ///
    /// # Errors
    /// As [`Folder::open`]; [`FolderError::NoNode`] if there is no node in it.
    pub fn open_offline(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Folder, FolderError> {
        let Some(bytes) = start::read(disk, &dir.join(NODE_TOML), MAX_NODE_TOML)? else {
            return Err(FolderError::NoNode(dir.to_owned()));
        };
        let lock = disk.lock(&dir.join(LOCK))?;
        let (record, secret) = start::existing(disk, dir, None, &bytes)?;
        let (disk, addresses) = (DiskHandle(Arc::clone(disk)), Addresses::default());
        Ok(Folder { disk, dir: dir.to_owned(), record, secret, addresses, _lock: lock })
    }

    /// Goes on with the survivors alone: the groups get their voters from this formation, and nobody of an
    /// earlier incarnation of the cluster is spoken to again. Offline only, and only when a majority is
    /// gone for good.
    ///
    /// # Errors
    /// [`FolderError::OtherFormation`] if it does not follow from the one the folder knows;
    /// [`FolderError::Io`].
    pub fn recover(&mut self, formation: &Formation) -> Result<(), FolderError> {
        let known = self.record.formation.as_ref();
        let own = self.record.node.is_some_and(|node| formation.members.contains(&node));
        let follows = known.is_some_and(|known| {
            own && known.shards == formation.shards && known.incarnation + 1 == formation.incarnation
        });
        if known != Some(formation) && !follows {
            let known = known.map_or("none".to_owned(), Formation::to_string);
            return Err(FolderError::OtherFormation { known, given: formation.to_string() });
        }
        let mut next = self.record.clone();
        next.formation = Some(formation.clone());
        next.peers.retain(|node, _| formation.members.contains(node));
        self.commit(next)
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
            let known = next.peers.entry(node).or_insert_with(|| Known {
                peer: fresh(),
                token: None,
                witness: false,
            });
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
    pub(crate) fn admitted(
        &mut self,
        peer: &Peer,
        token: JoinToken,
        witness: bool,
    ) -> Result<(), FolderError> {
        let mut next = self.record.clone();
        next.peers.insert(peer.node, Known { peer: peer.clone(), token: Some(token), witness });
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

    /// Remembers for good that this folder is older than what its node promised: no further start takes
    /// part, even when those who know it have forgotten. Of a folder without a log nothing is to be feared.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn outdated(&mut self, why: &str) -> Result<(), FolderError> {
        if !self.record.log_started {
            return Ok(());
        }
        let why: String = why.chars().take(MAX_WHY).collect();
        self.commit(Record { outdated: Some(why), ..self.record.clone() })
    }

    /// The further data folders that this node has, in the order of their numbers.
    pub fn further(&self) -> &[Further] {
        &self.record.further
    }

    /// Remembers the further data folders, and new ones under numbers that no other ever had.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn set_further(&mut self, mut further: Vec<Further>) -> Result<(), FolderError> {
        further.sort_unstable_by_key(|folder| folder.number);
        let made = further.last().map_or(0, |last| last.number).max(self.record.folders_made);
        self.commit(Record { further, folders_made: made, ..self.record.clone() })
    }

    /// A number for a new further data folder.
    pub fn next_further(&self) -> u32 {
        self.record.folders_made + 1
    }

    /// The member that asked this node for its id as a witness, if one did.
    pub(crate) fn admitted_witness(&self) -> Option<NodeId> {
        self.record.peers.values().find(|known| known.witness).map(|known| known.peer.node)
    }

    /// Whether the node votes and keeps no data.
    pub fn is_witness(&self) -> bool {
        self.record.witness
    }

    /// Whether a log was begun in an earlier start.
    pub fn is_log_started(&self) -> bool {
        self.record.log_started
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
        Some(handshake::Known { incarnation: peer.incarnation, boot: peer.boot, removed: false })
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
            witness: self.record.witness,
            addresses: self.addresses.clone(),
            levels: handshake::Levels::default(),
            nonce,
        }
    }

    /// What this node tells others in a handshake, for [`handshake::Gate::news`].
    pub fn news(&self) -> handshake::News {
        let members = self.peers().cloned().chain(self.itself()).collect();
        handshake::News { members, formation: self.record.formation.clone() }
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Folder of the log.
    pub fn log_dir(&self) -> PathBuf {
        self.dir.join(LOG)
    }

    /// Folder of the row stores.
    pub fn rows_dir(&self) -> PathBuf {
        self.dir.join(ROWS)
    }

    /// The folder of the loss accounts.
    pub fn losses_dir(&self) -> PathBuf {
        self.dir.join(LOSSES)
    }

    /// The member that was given an id for this token.
    pub(crate) fn by_token(&self, token: JoinToken) -> Option<&Peer> {
        self.record.peers.values().find(|known| known.token == Some(token)).map(|known| &known.peer)
    }

    fn commit(&mut self, next: Record) -> Result<(), FolderError> {
        if next != self.record {
            start::write(&self.disk.0, &self.dir.join(NODE_TOML), next.encode().as_bytes())?;
            self.record = next;
        }
        Ok(())
    }
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
                record.peers.insert(peer.node, Known { peer: peer.clone(), token: None, witness: false });
            }
            None => {}
        }
    }
}
