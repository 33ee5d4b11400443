//! Giving ids to joining nodes, and the moment in which the cluster is complete.

use super::Formation;
use crate::identity::{Folder, FolderError};
use crate::peer::{Addresses, Boot, JoinToken, Peer};
use model::NodeId;
use std::collections::BTreeSet;

/// A node that asks for an id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Joiner {
    /// Made with its data folder: the same token gets the same id.
    pub token: JoinToken,
    /// Where it can be reached.
    pub addresses: Addresses,
    /// Number of its start.
    pub incarnation: u64,
    /// Its process.
    pub boot: Boot,
    /// It is to be a witness.
    pub witness: bool,
}

/// What a joining node is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It is this member.
    Member(NodeId),
    /// The cluster was formed without it. It gets an id from the meta group, then
    /// [`Forming::assign_later`], and waits without replicas.
    Later,
    /// Not by this node, or not yet; the text says why.
    NotNow(String),
    /// Not possible until a person does something; the text says why and what.
    Refused(String),
}

/// Gathers the first members, on every node. Everything that must survive is in the [`Folder`].
#[derive(Debug, Default)]
pub struct Forming {
    informed: BTreeSet<NodeId>,
    given_up: BTreeSet<NodeId>,
    recorded: BTreeSet<NodeId>,
}

impl Forming {
    /// Continues what the folder knows; decides at once if the cluster needs no other node.
    ///
    /// # Errors
    /// [`FolderError::Io`]: the node must stop.
    pub fn start(folder: &mut Folder) -> Result<Forming, FolderError> {
        let forming = Forming::default();
        forming.decide(folder)?;
        Ok(forming)
    }

    /// Answers a node that asks for an id. On [`Admission::Member`] the id is durable, and so is
    /// the formation if this node completed the cluster: see [`Folder::formation`].
    ///
    /// # Errors
    /// [`FolderError::Io`]: the node must stop.
    pub fn admit(&mut self, folder: &mut Folder, joiner: &Joiner) -> Result<Admission, FolderError> {
        if let Some(peer) = folder.by_token(joiner.token) {
            let node = peer.node;
            let copied = peer.incarnation > joiner.incarnation
                || (peer.incarnation == joiner.incarnation && peer.boot != Some(joiner.boot));
            if copied {
                let text = format!("this is an older or a second copy of the data folder of node {node}");
                return Ok(Admission::Refused(text));
            }
            folder.learn(&[joiner.as_node(node)])?;
            self.decide(folder)?;
            return Ok(Admission::Member(node));
        }
        if let Some(member) = self.member_at(folder, &joiner.addresses) {
            return Ok(self.judge(folder, &member, joiner));
        }
        if folder.formation().is_some() {
            return Ok(Admission::Later);
        }
        if folder.wish().is_none() {
            let at = folder.peers().find(|peer| peer.node == NodeId(1));
            let at = at.map_or("node 1".to_owned(), |peer| format!("node 1 at {}", peer.addresses.peer));
            return Ok(Admission::NotNow(format!("the cluster is forming: only {at} admits nodes now")));
        }
        if let Some(why) = witness_refused(folder).filter(|_| joiner.witness) {
            return Ok(Admission::Refused(why));
        }
        let node = next_id(folder);
        folder.admitted(&joiner.as_node(node), joiner.token, joiner.witness)?;
        self.decide(folder)?;
        Ok(Admission::Member(node))
    }

    /// Remembers the id that the meta group gave to a node after [`Admission::Later`]. From then on
    /// [`Forming::admit`] answers it with this id on this node.
    ///
    /// # Errors
    /// [`FolderError::Io`]: the node must stop.
    pub fn assign_later(
        &mut self,
        folder: &mut Folder,
        joiner: &Joiner,
        node: NodeId,
    ) -> Result<(), FolderError> {
        folder.admitted(&joiner.as_node(node), joiner.token, joiner.witness)
    }

    /// Members that the cluster has given up: a new node may come at the address of one.
    pub fn give_up(&mut self, nodes: &BTreeSet<NodeId>) {
        if self.given_up != *nodes {
            self.given_up.clone_from(nodes);
        }
    }

    /// Members that the meta group has recorded, as far as this node has heard.
    pub fn recorded(&mut self, nodes: impl Iterator<Item = NodeId>) {
        self.recorded = nodes.collect();
    }

    /// A node without an id calls from the address of a member whose token is not its own here. Safety rule 2:
    /// a member that comes without its folder must not get its old id again, and giving it a new one would
    /// hide that its replicas are gone. But the very process that was admitted elsewhere has only not heard of
    /// its id yet, while others have; and so has one that was started again since, as long as its token may be the
    /// one that the meta group has recorded and this node has not heard of.
    fn judge(&self, folder: &Folder, member: &Peer, joiner: &Joiner) -> Admission {
        let (node, at) = (member.node, &joiner.addresses.peer);
        let is_first = folder.formation().is_none_or(|formation| formation.members.contains(&node));
        if member.boot == Some(joiner.boot) || !is_first && !self.recorded.contains(&node) {
            return Admission::NotNow(format!("this node is being admitted as node {node} by another one"));
        }
        Admission::Refused(lost_folder(node, at))
    }

    /// The member at an address.
    fn member_at(&self, folder: &Folder, addresses: &Addresses) -> Option<Peer> {
        let own = folder.itself();
        let mut all = folder.peers().filter(|peer| !self.given_up.contains(&peer.node)).chain(own.as_ref());
        all.find(|peer| peer.addresses.peer == addresses.peer).cloned()
    }

    /// Whether this node has not heard yet that the meta group gave an id to this joiner.
    pub fn is_unassigned(&self, folder: &Folder, joiner: &Joiner) -> bool {
        folder.by_token(joiner.token).is_none()
    }

    /// Nodes that have joined, and nodes that must have joined before the cluster starts; `None` on
    /// a node that does not gather them.
    pub fn progress(&self, folder: &Folder) -> Option<(u32, u32)> {
        let (replicas, _) = folder.wish()?;
        Some((1 + folder.peers().count() as u32, replicas))
    }

    /// To be called when a peer said in a handshake which formation it has.
    pub fn informed(&mut self, node: NodeId) {
        self.informed.insert(node);
    }

    /// Members that have not said yet that they have the formation: every handshake tells them
    /// again, so connections to them are to be made anew.
    pub fn uninformed(&self, folder: &Folder) -> Vec<NodeId> {
        let members = folder.formation().map_or(&[][..], |formation| &formation.members);
        let other = |node: &&NodeId| Some(**node) != folder.node() && !self.informed.contains(node);
        members.iter().filter(other).copied().collect()
    }

    /// Decides as soon as as many nodes as replicas have joined. Until the decision is durable
    /// nobody hears of it, so a crash before leaves the same members to decide about.
    fn decide(&self, folder: &mut Folder) -> Result<(), FolderError> {
        let (Some((replicas, shards)), Some(own)) = (folder.wish(), folder.node()) else { return Ok(()) };
        if folder.formation().is_some() {
            return Ok(());
        }
        let mut members: Vec<NodeId> = folder.peers().map(|peer| peer.node).chain([own]).collect();
        members.sort_unstable();
        if members.len() < replicas as usize {
            return Ok(());
        }
        members.truncate(replicas as usize);
        let witness = folder.admitted_witness().filter(|node| members.contains(node));
        folder.formed(&Formation { replicas, shards, members, witness, ..Formation::default() })
    }
}

impl Joiner {
    /// This joiner as the member it became.
    pub fn as_node(&self, node: NodeId) -> Peer {
        let Joiner { addresses, incarnation, boot, .. } = self;
        Peer { node, addresses: addresses.clone(), incarnation: *incarnation, boot: Some(*boot) }
    }
}

/// What a node without a data folder is told at the address of a member.
pub fn lost_folder(node: NodeId, address: &str) -> String {
    format!(
        "node {node} at {address} was a member and lost its data folder; its replicas can not vote again; \
         everstore node replace has them made anew elsewhere"
    )
}

/// Why no witness can be among the first members, if that is so.
pub(super) fn witness_refused(folder: &Folder) -> Option<String> {
    let (replicas, _) = folder.wish()?;
    if replicas < 3 {
        return Some(format!(
            "a witness votes beside at least two nodes that keep data: the cluster needs --replicas 3 or more, \
             it has {replicas}"
        ));
    }
    let other = folder.admitted_witness()?;
    Some(format!("node {other} is a witness already, and a cluster is formed with one at most"))
}

/// Ids are given in the order of joining and never again.
fn next_id(folder: &Folder) -> NodeId {
    let highest = folder.peers().map(|peer| peer.node).max().max(folder.node());
    NodeId(highest.unwrap_or_default().0 + 1)
}
