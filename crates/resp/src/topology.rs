//! The cluster in the terms of Redis Cluster: nodes with an address for cluster clients, and which of
//! them serves which slots.
//!
//! Redis knows one role per node, while here a node leads some shards and follows others. A node that
//! leads any slot is a master; what it follows besides is told only where the reply has a place for it.

/// A node that cluster clients can reach.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Node {
    /// 40 hexadecimal digits.
    pub id: String,
    /// Id of the shard that it leads, in the sense of `CLUSTER SHARDS`: 40 hexadecimal digits.
    pub shard: String,
    /// Its address for cluster clients, without brackets.
    pub host: String,
    /// The port to it.
    pub port: u16,
    /// Its port for other nodes.
    pub peer_port: u16,
    /// It is the node that answers.
    pub is_me: bool,
    /// It is heard from.
    pub is_up: bool,
    /// When it was last heard from, ms since 1970; 0 if never, or if it is the node that answers.
    pub heard_ms: u64,
    /// Highest term in which it leads; 0 if it leads nothing.
    pub epoch: u64,
    /// How far its log is.
    pub offset: u64,
}

/// Slots that one node serves. Nodes are places in [`Topology::nodes`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Range {
    /// First slot.
    pub first: u16,
    /// Last slot.
    pub last: u16,
    /// Whom clients ask.
    pub leader: usize,
    /// Who else has a replica, ascending.
    pub followers: Vec<usize>,
}

/// A connection between two nodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Id of the other node.
    pub node: String,
    /// Since when, ms since 1970.
    pub since_ms: u64,
    /// Bytes that wait to be sent.
    pub unsent: usize,
}

/// What `CLUSTER` tells of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Topology {
    /// The node that answers, and all others that cluster clients can reach.
    pub nodes: Vec<Node>,
    /// Ascending and without overlaps; see [`Topology::serve`].
    pub ranges: Vec<Range>,
    /// Slots of shards whose leader is known and heard from.
    pub slots_ok: u32,
    /// Connections to other nodes.
    pub links: Vec<Link>,
}

impl Topology {
    /// Adds slots behind those that are there. They become one range with the last one if they continue
    /// it and nothing else differs.
    pub fn serve(&mut self, first: u16, last: u16, leader: usize, followers: Vec<usize>) {
        if let Some(range) = self.ranges.last_mut()
            && range.last + 1 == first
            && (range.leader, &range.followers) == (leader, &followers)
        {
            range.last = last;
        } else {
            self.ranges.push(Range { first, last, leader, followers });
        }
    }

    /// The slots that a node serves, as few ranges as possible.
    pub fn slots_of(&self, node: usize) -> Vec<(u16, u16)> {
        let mut slots: Vec<(u16, u16)> = Vec::new();
        for range in self.ranges.iter().filter(|range| range.leader == node) {
            match slots.last_mut() {
                Some((_, last)) if *last + 1 == range.first => *last = range.last,
                _ => slots.push((range.first, range.last)),
            }
        }
        slots
    }

    /// Whether a node serves any slot.
    pub fn leads(&self, node: usize) -> bool {
        self.ranges.iter().any(|range| range.leader == node)
    }

    /// Nodes with a replica of anything that a node serves, ascending.
    pub fn followers_of(&self, node: usize) -> Vec<usize> {
        let of = self.ranges.iter().filter(|range| range.leader == node);
        let mut followers: Vec<usize> = of.flat_map(|range| range.followers.iter().copied()).collect();
        followers.sort_unstable();
        followers.dedup();
        followers
    }

    /// Of a node that serves nothing: whom it follows in most slots.
    pub fn followed_by(&self, node: usize) -> Option<usize> {
        let slots = |leader: usize| -> u32 {
            let both = |range: &&Range| range.leader == leader && range.followers.contains(&node);
            self.ranges.iter().filter(both).map(|range| u32::from(range.last - range.first) + 1).sum()
        };
        let leaders = (0..self.nodes.len()).filter(|leader| slots(*leader) > 0);
        leaders.max_by_key(|leader| (slots(*leader), std::cmp::Reverse(*leader)))
    }

    /// The node that answers.
    pub fn me(&self) -> Option<&Node> {
        self.nodes.iter().find(|node| node.is_me)
    }

    /// The node with this id.
    pub fn find(&self, id: &[u8]) -> Option<usize> {
        self.nodes.iter().position(|node| node.id.as_bytes() == id)
    }

    /// Slots that are served.
    pub fn slots_assigned(&self) -> u32 {
        self.ranges.iter().map(|range| u32::from(range.last - range.first) + 1).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(parts: &[(u16, u16, usize, &[usize])]) -> Topology {
        let mut topology = Topology { nodes: vec![Node::default(); 3], ..Topology::default() };
        parts
            .iter()
            .for_each(|(first, last, leader, by)| topology.serve(*first, *last, *leader, by.to_vec()));
        topology
    }

    #[test]
    fn slots_that_continue_each_other_become_one_range() {
        let topology = served(&[
            (0, 9, 0, &[1, 2]),
            (10, 19, 0, &[1, 2]),
            (20, 29, 1, &[0, 2]),
            (30, 39, 0, &[1, 2]),
            (50, 59, 0, &[1, 2]),
        ]);
        let ranges: Vec<_> = topology.ranges.iter().map(|r| (r.first, r.last, r.leader)).collect();
        assert_eq!(ranges, [(0, 19, 0), (20, 29, 1), (30, 39, 0), (50, 59, 0)]);
        assert_eq!(topology.slots_of(0), [(0, 19), (30, 39), (50, 59)]);
        assert_eq!((topology.slots_assigned(), topology.slots_of(2)), (50, vec![]));
        assert_eq!((topology.leads(1), topology.leads(2)), (true, false));
    }

    #[test]
    fn other_followers_begin_another_range_but_not_other_slots() {
        let topology = served(&[(0, 9, 0, &[1]), (10, 19, 0, &[2]), (20, 16383, 1, &[2])]);
        assert_eq!(topology.ranges.len(), 3);
        assert_eq!(topology.slots_of(0), [(0, 19)]);
        assert_eq!((topology.followers_of(0), topology.followers_of(2)), (vec![1, 2], vec![]));
        // Whoever serves nothing counts as the follower of the one it follows most.
        assert_eq!((topology.followed_by(2), topology.followed_by(0)), (Some(1), None));
        assert_eq!(served(&[(0, 9, 0, &[2]), (10, 19, 1, &[2])]).followed_by(2), Some(0));
    }
}
