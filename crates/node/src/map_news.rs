//! The map for nodes without a replica of the meta group, or with a witness's: whoever leads that sends them its rows.
//!
//! All rows each time the map has changed, which is seldom: some 60 bytes per moved shard and 100 per member.

use crate::core::Core;
use crate::frame::content::MapNews;
use crate::frame::{FrameError, Section};
use cluster::ClusterMap;
use cluster::map::LEVEL_ROW;
use model::NodeId;

impl Core {
    /// Sends the map to connected nodes that know an older one.
    pub(crate) fn send_map(&mut self) {
        if !self.drives_changes() {
            return;
        }
        let epoch = self.map.epoch;
        let lags = |(_, peer): &(&NodeId, &crate::peer::Peer)| peer.takes() && peer.told_epoch < epoch;
        let mut behind: Vec<NodeId> = self.peers.iter().filter(lags).map(|(node, _)| *node).collect();
        let Some(meta) = self.replicas.first().and_then(Option::as_deref).filter(|_| !behind.is_empty())
        else {
            return;
        };
        let voters = meta.raft.members().voters;
        behind.retain(|node| !voters.contains(&node.0) || self.map.is_witness(*node));
        if behind.is_empty() {
            return;
        }
        let rows = meta.machine.systems(b"").filter(|(name, _)| self.map.knows_row(name)).collect();
        let mut content = Vec::new();
        MapNews { epoch, rows }.encode(&mut content);
        for node in behind {
            let peer = self.peer(node);
            peer.told_epoch = epoch;
            peer.frame.section(Section::Map, |out| out.extend_from_slice(&content));
        }
    }

    /// The map came.
    pub(crate) fn on_map(&mut self, content: &[u8]) -> Result<(), FrameError> {
        let MapNews { epoch, rows } = MapNews::decode(content)?;
        if self.forming.is_some() || epoch <= self.map.epoch {
            return Ok(());
        }
        let level = rows.iter().find(|(name, _)| *name == LEVEL_ROW).map(|(_, content)| *content);
        if !self.understands(level) {
            return Ok(());
        }
        let mut map = ClusterMap::new(&self.map.formation);
        for (name, value) in rows {
            map.apply_row(name, Some(value)).map_err(FrameError::Content)?;
        }
        self.map = map;
        self.map_changed();
        Ok(())
    }

    /// What follows from a new map, wherever it came from.
    pub(crate) fn map_changed(&mut self) {
        let (me, lost) = (self.me.node, &self.map.lost.1);
        if lost.contains(&me) {
            self.outbox.refused = Some(format!(
                "node {me} was removed from the cluster: its replicas are elsewhere; its data folder takes no \
                 part any more, and a node that is to join needs an empty one"
            ));
            return;
        }
        // Nobody who was given up is spoken to.
        let lost = lost.clone();
        self.follow_shards();
        self.outbox.hang_up.extend(self.peers.values().filter(|p| lost.contains(&p.node)).map(|p| p.node));
        self.peers.retain(|node, peer| peer.connected || !lost.contains(node));
        let members: Vec<NodeId> = self.map.members.keys().copied().filter(|node| *node != me).collect();
        for node in members {
            self.peer(node);
        }
        self.follow_seats();
        self.name_witnesses();
    }
}
