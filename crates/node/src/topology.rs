//! The cluster as clients of the cluster ports see it, made of the map, the routes and what is known of
//! other nodes.

use crate::core::Core;
use cluster::map::Placement;
use model::limits::SLOTS;
use model::time::MS;
use model::{GroupId, Keyspace, NodeId, ShardId};
use resp::topology::{Link, Node, Topology};
use std::collections::BTreeMap;

/// The keyspace that cluster clients work in.
const KS: Keyspace = Keyspace(0);

/// Host without brackets and port of an address.
pub(crate) fn host_and_port(address: &str) -> (&str, u16) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "0"));
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    (host, port.parse().unwrap_or(0))
}

/// How cluster clients call a node: 40 hexadecimal digits, the node first, so that it can be read off.
fn node_name(cluster: &str, node: NodeId) -> String {
    format!("{:08x}{cluster:0>32}", node.0 as u32)
}

/// The same for the shard that a node leads in the sense of Redis: all slots it serves.
fn shard_name(cluster: &str, node: NodeId) -> String {
    format!("{cluster:0>32}{:08x}", node.0 as u32)
}

impl Core {
    /// The address for cluster clients of a node; empty if it has none.
    pub(crate) fn cluster_address(&self, node: NodeId) -> &str {
        self.known_addresses(node).map_or("", |addresses| &addresses.cluster)
    }

    /// Whether cluster clients can reach a node now.
    fn serves_cluster_clients(&self, node: NodeId) -> bool {
        (node == self.me.node || self.is_up(node)) && !self.cluster_address(node).is_empty()
    }

    /// The leader of a group, if it is heard from.
    pub(crate) fn living_leader(&self, group: GroupId) -> Option<NodeId> {
        let (leader, _) = self.routes.get(group.0 as usize)?.leader()?;
        (leader == self.me.node || self.is_up(leader)).then_some(leader)
    }

    /// The node that cluster clients are sent to for a group: its leader; without one that they can
    /// reach, a node that can and that passes commands on. All nodes that know the same choose the same,
    /// so that answers of all of them together contain every key once.
    pub(crate) fn seat(&self, group: GroupId) -> Option<NodeId> {
        let leader = self.living_leader(group).filter(|node| self.serves_cluster_clients(*node));
        leader.or_else(|| {
            let members = self.map.members.keys().copied().chain([self.me.node]);
            self.voters(group).into_iter().chain(members).find(|node| self.serves_cluster_clients(*node))
        })
    }

    /// Shards that hold keys of keyspace 0 in the order of their slots, with these.
    fn slots_by_shard(&self) -> Vec<(u16, u16, ShardId)> {
        if self.map.shards.is_empty() {
            return Vec::new();
        }
        if !self.is_spread(KS)
            && let Placement::Shard(shard) = self.map.shard_of(KS, 0)
        {
            return vec![(0, SLOTS - 1, shard)];
        }
        let shards = self.map.shards.iter().enumerate();
        let mut all: Vec<(u16, u16, ShardId)> = shards
            .flat_map(|(at, info)| info.slots.iter().map(move |slots| (slots.0, slots.1, ShardId(at as u16))))
            .collect();
        all.sort_unstable();
        all
    }

    /// What `CLUSTER` tells of.
    pub(crate) fn make_topology(&self) -> Topology {
        let mut ids: Vec<NodeId> = self.map.members.keys().chain(self.peers.keys()).copied().collect();
        ids.push(self.me.node);
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|node| !self.cluster_address(*node).is_empty());
        let place: BTreeMap<NodeId, usize> = ids.iter().enumerate().map(|(at, node)| (*node, at)).collect();
        let mut topology = Topology {
            nodes: ids.iter().map(|node| self.topology_node(*node)).collect(),
            links: self.topology_links(),
            ..Topology::default()
        };
        for (first, last, shard) in self.slots_by_shard() {
            let group = shard.group();
            if self.living_leader(group).is_some() {
                topology.slots_ok += u32::from(last - first) + 1;
            }
            let Some(leader) = self.seat(group).and_then(|node| place.get(&node).copied()) else { continue };
            let mut voters = self.voters(group);
            voters.retain(|node| !self.map.is_witness(*node));
            let mut followers: Vec<usize> =
                voters.iter().filter_map(|node| place.get(node).copied()).collect();
            followers.retain(|at| *at != leader);
            followers.sort_unstable();
            topology.serve(first, last, leader, followers);
        }
        topology
    }

    fn topology_node(&self, node: NodeId) -> Node {
        let (host, port) = host_and_port(self.cluster_address(node));
        let peer_port = self.known_addresses(node).map_or(0, |addresses| host_and_port(&addresses.peer).1);
        let is_me = node == self.me.node;
        let peer = self.peers.get(&node);
        let heard_ns = peer.and_then(|peer| peer.health.last_heard_ns());
        let terms = self.routes.iter().skip(1).filter_map(|route| route.leader());
        let offset = match peer.and_then(|peer| peer.report.as_ref()) {
            _ if is_me => self.log_position(),
            report => report.map_or(0, |report| report.groups.iter().map(|group| group.applied).sum()),
        };
        Node {
            id: node_name(&self.me.cluster, node),
            shard: shard_name(&self.me.cluster, node),
            host: host.to_owned(),
            port,
            peer_port,
            is_me,
            is_up: is_me || self.is_up(node),
            heard_ms: heard_ns.filter(|_| !is_me).map_or(0, |ns| self.wall_of(ns)),
            epoch: terms.filter(|(leader, _)| *leader == node).map(|(_, term)| term).max().unwrap_or(0),
            offset,
        }
    }

    fn topology_links(&self) -> Vec<Link> {
        let connected = self.peers.values().filter(|peer| peer.connected);
        let link = |peer: &crate::peer::Peer| Link {
            node: node_name(&self.me.cluster, peer.node),
            since_ms: self.wall_of(peer.up_since_ms * MS),
            unsent: peer.backlog + peer.frame.len(),
        };
        connected.map(link).collect()
    }

    /// The wall clock when the monotonic one was there, ms.
    fn wall_of(&self, mono_ns: u64) -> u64 {
        self.now.wall_ms.saturating_sub(self.now.mono_ns.saturating_sub(mono_ns) / MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_40_digits_and_differ() {
        let cluster = "00112233445566778899aabbccddeeff";
        assert_eq!(node_name(cluster, NodeId(11)), "0000000b00112233445566778899aabbccddeeff");
        assert_eq!(shard_name(cluster, NodeId(11)), "00112233445566778899aabbccddeeff0000000b");
        assert_eq!((node_name("", NodeId(0)).len(), shard_name("", NodeId(7)).len()), (40, 40));
    }

    #[test]
    fn hosts_lose_their_brackets() {
        assert_eq!(host_and_port("10.0.0.1:7301"), ("10.0.0.1", 7301));
        assert_eq!(host_and_port("[::1]:80"), ("::1", 80));
        assert_eq!(host_and_port(""), ("", 0));
    }
}
