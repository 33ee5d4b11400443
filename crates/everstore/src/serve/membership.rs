//! This node among the others: its data folder, the forming of the cluster, and what handshakes tell.

use cluster::handshake::{Gate, Known, News};
use cluster::{Admission, Established, Folder, FolderError, Formation, Forming, Joiner};
use model::NodeId;
use node::Core;

/// The data folder and the forming of the cluster.
#[derive(Debug)]
pub struct Membership {
    /// The open data folder.
    pub folder: Folder,
    forming: Forming,
    /// Replicas a shard should have, for what people are told while the node knows nothing better.
    replicas: u32,
    /// The disk failed during a handshake: the node must stop.
    failed: Option<FolderError>,
}

impl Membership {
    /// Goes on with what the folder knows.
    ///
    /// # Errors
    /// The disk failed.
    pub fn new(mut folder: Folder, replicas: u32) -> Result<Membership, FolderError> {
        let forming = Forming::start(&mut folder)?;
        Ok(Membership { folder, forming, replicas, failed: None })
    }

    /// The decision with which the cluster started, once this node knows it.
    pub fn formation(&self) -> Option<&Formation> {
        self.folder.formation()
    }

    /// How far the cluster is formed.
    pub fn progress(&self) -> node::core::Forming {
        let known = self.folder.peers().count() as u32 + u32::from(self.folder.node().is_some());
        let (joined, needed) = self.forming.progress(&self.folder).unwrap_or((known, self.replicas));
        node::core::Forming { joined, needed }
    }

    /// Takes over what the other side said. True if this node got its id with it.
    ///
    /// # Errors
    /// In words: what was said contradicts the folder, or the disk failed and the node must stop; the
    /// connection must be closed.
    pub fn learn(&mut self, other: &Established, dialled: bool) -> Result<bool, String> {
        self.remember(other, dialled).map_err(|error| {
            let text = error.to_string();
            if matches!(error, FolderError::Io { .. }) {
                self.failed = Some(error);
            }
            text
        })
    }

    fn remember(&mut self, other: &Established, dialled: bool) -> Result<bool, FolderError> {
        let given = other.joined.filter(|_| dialled && self.folder.node().is_none());
        if let Some(node) = given {
            self.folder.joined(other.cluster, node, &[])?;
        }
        let mut said = other.members.clone();
        said.push(other.peer());
        self.folder.learn(&said)?;
        if let Some(formation) = &other.formation {
            self.folder.formed(formation)?;
            self.forming.informed(other.node);
        }
        Ok(given.is_some())
    }

    /// For a handshake.
    pub fn gate<'a>(&'a mut self, core: &'a Core) -> impl Gate + 'a {
        Questions { membership: self, core }
    }

    /// Why the node must stop, if it must.
    pub fn failed(&mut self) -> Option<FolderError> {
        self.failed.take()
    }

    fn admit(&mut self, joiner: &Joiner) -> Result<NodeId, String> {
        match self.forming.admit(&mut self.folder, joiner) {
            Ok(Admission::Member(node)) => {
                tracing::info!(%node, address = %joiner.addresses.peer, "a node joins");
                Ok(node)
            }
            Ok(Admission::Later) => {
                Err("the cluster has all its nodes; this version adds none later".to_owned())
            }
            Ok(Admission::Refused(text)) => Err(text),
            Err(error) => {
                self.failed = Some(error);
                Err("the disk failed".to_owned())
            }
        }
    }
}

struct Questions<'a> {
    membership: &'a mut Membership,
    core: &'a Core,
}

impl Gate for Questions<'_> {
    fn known(&mut self, node: NodeId) -> Option<Known> {
        let core = self.core.known_incarnation(node);
        match self.membership.folder.known(node) {
            // What the core has heard beyond the folder names no process.
            Some(known) if known.incarnation >= core => Some(known),
            _ if core > 0 => Some(Known { incarnation: core, boot: None }),
            known => known,
        }
    }

    fn admit(&mut self, joiner: &Joiner) -> Result<NodeId, String> {
        self.membership.admit(joiner)
    }

    fn news(&mut self) -> News {
        self.membership.folder.news()
    }
}
