//! Planned changes of leaders: switchover, the end of a node, and spreading leaders evenly.

use crate::core::Core;
use crate::frame::content::Wish;
use crate::frame::{FrameError, Section};
use cluster::Fitness;
use model::{GroupId, NodeId};

/// A node must be up for this long before leadership is given back to it.
const SETTLED_MS: u64 = 3_000;
/// Groups given back in one second, so that clients meet one short pause after the other.
const GIVEN_BACK: usize = 4;
/// After a switchover leadership stays where it was put for this long.
const SWITCHOVER_REST_MS: u64 = 600_000;
/// A follower this many entries behind is not made leader.
const MAX_LAG: u64 = 1000;

impl Core {
    /// Groups that a node leads, as far as known here.
    pub(crate) fn led_by(&self, node: NodeId) -> Vec<GroupId> {
        let led = |at: &usize| self.routes[*at].leader().is_some_and(|(leader, _)| leader == node);
        (0..self.routes.len()).filter(led).map(|at| GroupId(at as u32)).collect()
    }

    /// Number of groups this node leads.
    pub fn leads(&self) -> usize {
        self.replicas.iter().flatten().filter(|r| r.raft.is_leader()).count()
    }

    /// Hands over everything this node leads. Call until [`Core::leads`] is 0 or time is up.
    pub fn hand_over(&mut self) {
        for group in self.led_by(self.me.node) {
            self.transfer(group, None);
        }
    }

    /// Hands over one group, if this node leads it and another can.
    pub(crate) fn hand_over_group(&mut self, group: GroupId) {
        self.transfer(group, None);
    }

    /// Asks whoever leads a group to hand it to `to`, or to the follower that is best prepared.
    pub(crate) fn wish_transfer(&mut self, group: GroupId, to: Option<NodeId>) {
        let Some((leader, _)) = self.routes[group.0 as usize].leader() else { return };
        if leader == self.me.node {
            return self.transfer(group, to);
        }
        if let Some(peer) = self.peers.get_mut(&leader).filter(|p| p.takes()) {
            peer.frame.section(Section::Wish, |out| Wish::Transfer { group, to }.encode(out));
        }
    }

    pub(crate) fn on_wish(&mut self, content: &[u8]) -> Result<(), FrameError> {
        match Wish::decode(content)? {
            Wish::Rest => self.rebalance_pause_ms = self.now.mono_ms() + SWITCHOVER_REST_MS,
            Wish::Transfer { group, to } => self.transfer(group, to),
        }
        Ok(())
    }

    /// Somebody moves leadership on purpose: no node gives any back for a while.
    pub(crate) fn rest(&mut self) {
        self.rebalance_pause_ms = self.now.mono_ms() + SWITCHOVER_REST_MS;
        for peer in self.peers.values_mut().filter(|p| p.takes()) {
            peer.frame.section(Section::Wish, |out| Wish::Rest.encode(out));
        }
    }

    /// Hands a group led here to another node.
    pub(crate) fn transfer(&mut self, group: GroupId, to: Option<NodeId>) {
        self.propose(group);
        let now = self.now;
        let best = || self.best_successor(group).map(|(node, _)| node);
        let Some(to) = to.or_else(best) else { return };
        let Some(replica) = self.replica(group).filter(|r| r.raft.is_leader()) else { return };
        if replica.raft.transferring().is_some() {
            return;
        }
        if replica.served {
            replica.lease_was_ns = replica.raft.lease_until_ns();
        }
        match replica.raft.transfer(to, now) {
            Ok(()) => replica.active = true,
            Err(refused) => tracing::debug!(%group, %to, %refused, "leadership is not handed over"),
        }
    }

    /// The fittest follower that is up and has the most of the log; among equals another one per group.
    pub(crate) fn best_successor(&self, group: GroupId) -> Option<(NodeId, Fitness)> {
        let replica = self.replicas.get(group.0 as usize)?.as_deref()?;
        let voters = replica.raft.members().voters;
        let votes = |p: &&consensus::PeerView| voters.contains(&p.node.0) && self.is_up(p.node);
        let fit = |p: &consensus::PeerView| self.has_to_lead(p.node, group);
        let peers = replica.raft.peers();
        // A witness may be the only one that knows how far behind the others are.
        let best = peers.iter().filter(votes).map(|p| p.matched).max()?;
        let mut up: Vec<_> = peers.into_iter().filter(|p| votes(&p) && fit(p)).collect();
        up.retain(|p| p.matched + MAX_LAG >= best && !p.in_snapshot);
        let fitness = up.iter().map(|p| self.fitness_of(p.node)).min()?;
        up.retain(|p| self.fitness_of(p.node) == fitness);
        up.get(group.0 as usize % up.len().max(1)).map(|p| (p.node, fitness))
    }

    /// Whether another node has what a leader of a group needs, as far as is known: a replica, and its rows.
    fn has_to_lead(&self, node: NodeId, group: GroupId) -> bool {
        !self.lacks_replica(node, group) && !self.lacks_rows(node, group) && !self.map.is_witness(node)
    }

    /// Gives groups back to the nodes that should lead them, a few at a time.
    pub(crate) fn rebalance(&mut self) {
        let now_ms = self.now.mono_ms();
        if self.ending || now_ms < self.rebalance_pause_ms.max(self.settings.started_ms + SETTLED_MS) {
            return;
        }
        let mut left = GIVEN_BACK;
        for group in self.led_by(self.me.node) {
            let Some(&first) = self.preferred(group).as_ref() else { continue };
            if first == self.me.node || !self.is_up(first) || !self.has_right_time(first) {
                continue;
            }
            if !self.has_to_lead(first, group) || self.fitness_of(first) != Fitness::Fit {
                continue;
            }
            let settled =
                self.peers.get(&first).is_some_and(|p| p.connected && p.up_since_ms + SETTLED_MS < now_ms);
            let Some(replica) = self.replica(group) else { continue };
            let last = replica.raft.last_index();
            let caught_up = replica
                .raft
                .peers()
                .iter()
                .any(|p| p.node == first && p.matched + MAX_LAG >= last && !p.in_snapshot);
            if settled && caught_up && left > 0 {
                left -= 1;
                self.transfer(group, Some(first));
            }
        }
    }

    /// The node that should lead a group: its first voter.
    fn preferred(&self, group: GroupId) -> Option<NodeId> {
        self.voters(group).first().copied()
    }

    /// The node is about to end: it gives leadership away and takes none.
    pub fn begin_end(&mut self) {
        self.ending = true;
        self.hand_over();
    }
}
