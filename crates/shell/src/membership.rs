//! This node among the others: its data folder, the forming of the cluster, and what handshakes tell.

use cluster::handshake::{Gate, Known, News};
use cluster::{
    Admission, Established, Folder, FolderError, Formation, Forming, Joiner, Peer, Refusal, Verdict,
};
use model::NodeId;
use node::Core;
use std::io;

/// The data folder and the forming of the cluster.
#[derive(Debug)]
pub struct Membership {
    /// The open data folder.
    pub folder: Folder,
    forming: Forming,
    /// Replicas a shard should have, for what people are told while the node knows nothing better.
    replicas: u32,
    /// A member that has called this node while it had no id.
    caller: Option<Peer>,
    /// The disk failed during a handshake: the node must stop.
    failed: Option<FolderError>,
    /// The node is not let in, or must not take part: a person has to change something.
    refused: Option<String>,
}

/// Of the connection whose handshake was refused.
#[derive(Debug, Clone, Copy)]
pub struct Refuser<'a> {
    /// Its address, if this node called it.
    pub dialled: Option<&'a str>,
    /// That address was given by a person (`join`).
    pub given: bool,
    /// Number of other members that are connected.
    pub connected: usize,
}

impl Membership {
    /// Goes on with what the folder knows.
    ///
    /// # Errors
    /// The disk failed.
    pub fn new(mut folder: Folder, replicas: u32) -> Result<Membership, FolderError> {
        let forming = Forming::start(&mut folder)?;
        Ok(Membership { folder, forming, replicas, caller: None, failed: None, refused: None })
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
            // For want of space the file is as it was, and the other side tries again.
            if let FolderError::Io { error: cause, .. } = &error
                && cause.kind() != io::ErrorKind::StorageFull
            {
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

    /// A handshake was refused. Decides whether trying again makes sense.
    pub fn refused(&mut self, refusal: &Refusal, by: Refuser<'_>) {
        let ends = match refusal.verdict {
            Verdict::Passing | Verdict::Unsaid => false,
            // Not proven: to a node with an id it says only that the address has another owner now. And who has called
            // may be of another cluster with the same secret, whose member was here before.
            Verdict::NotAdmitted => by.dialled.is_some() && by.given && self.folder.node().is_none(),
            // The same may be the case here, unless a person named the address and nobody else is there.
            Verdict::OtherCluster => by.dialled.is_some() && by.given && by.connected == 0,
            // The folder is whole: a newer program goes on with it.
            Verdict::Outdated | Verdict::TooOld => true,
        };
        if refusal.verdict == Verdict::Outdated {
            self.outdated(&refusal.reason);
        }
        if ends {
            let at = by.dialled.map_or_else(String::new, |address| format!(" (node at {address})"));
            self.refused = Some(format!("this node can not take part: {}{at}", refusal.reason));
        }
    }

    /// A member that has called this node while it had no id, and was not taken note of yet.
    pub fn take_caller(&mut self) -> Option<Peer> {
        self.caller.take()
    }

    /// The folder is an old one, and no later start may take part with it.
    pub fn outdated(&mut self, why: &str) {
        if let Err(error) = self.folder.outdated(why) {
            self.failed = Some(error);
        }
    }

    /// Why a person must change something before this node is started again, if that is so.
    pub fn ends(&mut self) -> Option<String> {
        self.refused.take()
    }

    /// For a handshake.
    pub fn gate<'a>(&'a mut self, core: &'a mut Core) -> impl Gate + 'a {
        Questions { membership: self, core }
    }

    /// Why the node must stop, if it must.
    pub fn failed(&mut self) -> Option<FolderError> {
        self.failed.take()
    }

    fn admit(&mut self, joiner: &Joiner, core: &mut Core) -> Result<NodeId, Refusal> {
        let later = |reason: &str| Refusal::new(reason, Verdict::Passing);
        match self.ask(joiner, core) {
            Ok(Admission::Member(node)) => {
                tracing::info!(%node, address = %joiner.addresses.peer, "a node joins");
                Ok(node)
            }
            Ok(Admission::Later) => Err(later("the cluster is asked for an id: come again")),
            Ok(Admission::NotNow(text)) => Err(later(&text)),
            Ok(Admission::Refused(text)) => Err(Refusal::new(text, Verdict::NotAdmitted)),
            Err(error) => {
                self.failed = Some(error);
                Err(later("the disk failed"))
            }
        }
    }

    /// What the folder says, or for a node that comes after the cluster was formed, the meta group.
    fn ask(&mut self, joiner: &Joiner, core: &mut Core) -> Result<Admission, FolderError> {
        if let Some(node) = core.member_by_token(joiner.token)
            && self.forming.is_unassigned(&self.folder, joiner)
        {
            self.forming.assign_later(&mut self.folder, joiner, node)?;
        }
        self.forming.give_up(&core.map().lost.1);
        self.forming.recorded(core.map().members.keys().copied());
        let admission = self.forming.admit(&mut self.folder, joiner)?;
        if admission != Admission::Later {
            return Ok(admission);
        }
        if joiner.witness && !core.takes_witnesses() {
            let text = "not all nodes of the cluster understand witnesses yet: upgrade them first";
            return Ok(Admission::NotNow(text.to_owned()));
        }
        core.admit_later(joiner.token, &joiner.addresses, joiner.witness);
        Ok(Admission::Later)
    }
}

struct Questions<'a> {
    membership: &'a mut Membership,
    core: &'a mut Core,
}

impl Gate for Questions<'_> {
    fn known(&mut self, node: NodeId) -> Option<Known> {
        if self.core.is_removed(node) {
            return Some(Known { incarnation: 0, boot: None, removed: true });
        }
        let core = self.core.known_incarnation(node);
        match self.membership.folder.known(node) {
            // What the core has heard beyond the folder names no process.
            Some(known) if known.incarnation >= core => Some(known),
            _ if core > 0 => Some(Known { incarnation: core, boot: None, removed: false }),
            known => known,
        }
    }

    fn admit(&mut self, joiner: &Joiner) -> Result<NodeId, Refusal> {
        self.membership.admit(joiner, self.core)
    }

    fn called_by(&mut self, member: Peer) {
        self.membership.caller = Some(member);
    }

    fn news(&mut self) -> News {
        self.membership.folder.news()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use cluster::{Addresses, ClusterId, Secret, Start};
    use env::{Disk, MemDisk};

    use super::*;

    fn membership(member: bool) -> Membership {
        let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
        let start = Start {
            bootstrap: false,
            replicas: 3,
            shards: 4,
            join: vec!["h:1".to_owned()],
            witness: false,
            secret: Some(Secret::new([7; 32])),
            addresses: Addresses { peer: "h:2".to_owned(), ..Addresses::default() },
            random: [1; 32],
        };
        let mut folder = Folder::open(&disk, Path::new("/data"), &start).unwrap();
        if member {
            folder.joined(ClusterId(1), NodeId(2), &[]).unwrap();
        }
        Membership::new(folder, 3).unwrap()
    }

    fn ends(member: bool, verdict: Verdict, dialled: bool, given: bool, connected: usize) -> bool {
        let mut membership = membership(member);
        let dialled = dialled.then_some("h:1");
        membership.refused(&Refusal::new("why", verdict), Refuser { dialled, given, connected });
        let why = membership.ends();
        assert!(why.as_ref().is_none_or(|why| why.starts_with("this node can not take part: why")));
        why.is_some()
    }

    #[test]
    fn only_what_can_not_pass_ends_a_node() {
        for (member, given, connected) in [(false, true, 0), (true, true, 0), (true, false, 2)] {
            assert!(!ends(member, Verdict::Passing, true, given, connected));
            assert!(ends(member, Verdict::Outdated, true, given, connected));
            assert!(ends(member, Verdict::Outdated, false, false, connected));
            assert!(ends(member, Verdict::TooOld, true, given, connected));
            assert!(ends(member, Verdict::TooOld, false, false, connected));
            assert!(!ends(member, Verdict::Unsaid, true, given, connected));
        }
    }

    #[test]
    fn a_stranger_ends_only_who_asked_to_join() {
        assert!(ends(false, Verdict::NotAdmitted, true, true, 0));
        assert!(!ends(false, Verdict::NotAdmitted, false, false, 0), "who calls decides nothing");
        assert!(!ends(true, Verdict::NotAdmitted, true, true, 0), "the address has another owner now");
        assert!(!ends(false, Verdict::NotAdmitted, true, false, 0), "nobody sent it to who has called it");
    }

    #[test]
    fn another_cluster_ends_only_who_was_sent_there() {
        assert!(ends(true, Verdict::OtherCluster, true, true, 0));
        assert!(!ends(true, Verdict::OtherCluster, true, true, 1), "its own cluster is there");
        assert!(!ends(true, Verdict::OtherCluster, true, false, 0), "a member has moved away from there");
        assert!(!ends(true, Verdict::OtherCluster, false, false, 0));
    }
}
