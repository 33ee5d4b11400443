//! Where the replicas go that never vote: one of each group in each learner zone, evenly over its nodes.
//!
//! Begins with what is, like [`super::place`]: a replica stays where it is unless its node is to leave and
//! another can take it, or the nodes are uneven by more than one. Of a zone that is cut off as a whole nothing
//! changes: what it has is the copy for the day on which the rest is lost.

use super::{Placed, Site, Standing};
use crate::identity::MAX_REPLICAS;
use crate::map::ZoneRole;
use model::NodeId;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// The nodes that should hold a replica without a vote of each group, in the order of `groups`; one for each
/// learner zone that has a node for it. `voters`: who should have one with a vote, as [`super::place`] says. Its own
/// answer put in comes out unchanged.
pub fn place_learners(sites: &[Site], groups: &[Placed], voters: &[Vec<NodeId>]) -> Vec<Vec<NodeId>> {
    let mut zones: BTreeMap<&str, BTreeMap<NodeId, &Site>> = BTreeMap::new();
    for site in sites.iter().filter(|site| site.role == ZoneRole::Learner && !site.zone.is_empty()) {
        zones.entry(&site.zone).or_default().entry(site.node).or_insert(site);
    }
    let mut lists = vec![Vec::new(); groups.len()];
    for nodes in zones.into_values() {
        let held = nodes.keys().map(|node| (*node, 0)).collect();
        let mut zone = Zone { held, takers: takers(&nodes, groups), nodes, groups, voters };
        for (list, node) in lists.iter_mut().zip(zone.place()) {
            list.extend(node);
        }
    }
    lists
}

/// The learners a group should have on its way from those `before` to those of [`place_learners`]: who gives up its
/// copy keeps it until the one that gets it in the same zone has it (`whole`), so that the zone is never without.
/// The target comes first, which is how [`place_learners`] knows it again.
pub fn stage_learners(
    sites: &[Site],
    before: &[NodeId],
    target: &[NodeId],
    whole: impl Fn(NodeId) -> bool,
) -> Vec<NodeId> {
    let zone = |node: &NodeId| sites.iter().find(|site| site.node == *node).map(|site| &site.zone);
    let waits = |node: &NodeId| {
        let heir = target.iter().find(|to| zone(to).is_some() && zone(to) == zone(node));
        !target.contains(node) && heir.is_some_and(|to| !whole(*to))
    };
    target.iter().chain(before.iter().filter(|node| waits(node))).copied().collect()
}

/// The nodes of a zone that take replicas: those that have some first, and no more than can be promoted together when
/// all others are lost ([`MAX_REPLICAS`]). Those that are away and keep theirs count.
fn takers(nodes: &BTreeMap<NodeId, &Site>, groups: &[Placed]) -> BTreeSet<NodeId> {
    let has: BTreeSet<NodeId> = groups.iter().flat_map(|group| &group.learners).copied().collect();
    let stays = |site: &&&Site| match site.standing {
        Standing::Serving => site.weight > 0 || has.contains(&site.node),
        Standing::Away => has.contains(&site.node),
        Standing::Leaving => false,
    };
    let mut stay: Vec<&Site> = nodes.values().filter(stays).copied().collect();
    stay.sort_by_key(|site| (!has.contains(&site.node), site.node));
    stay.truncate(MAX_REPLICAS as usize);
    let takes = |site: &&Site| site.standing == Standing::Serving && site.weight > 0;
    stay.into_iter().filter(takes).map(|site| site.node).collect()
}

/// One learner zone.
struct Zone<'a> {
    takers: BTreeSet<NodeId>,
    nodes: BTreeMap<NodeId, &'a Site>,
    /// Replicas that each node holds.
    held: BTreeMap<NodeId, u64>,
    groups: &'a [Placed],
    voters: &'a [Vec<NodeId>],
}

impl Zone<'_> {
    fn place(&mut self) -> Vec<Option<NodeId>> {
        let mut chosen: Vec<Option<NodeId>> = (0..self.groups.len()).map(|group| self.kept(group)).collect();
        chosen.iter().flatten().for_each(|node| *self.held.entry(*node).or_default() += 1);
        for (group, node) in chosen.iter_mut().enumerate() {
            if node.is_some_and(|node| !self.leaves(node)) {
                continue;
            }
            // What leaves stays until another can take it.
            let Some(to) = self.emptiest(group) else { continue };
            self.shift(node.replace(to), to);
        }
        while let Some((group, to)) = self.move_to_even(&chosen) {
            self.shift(chosen[group].replace(to), to);
        }
        chosen
    }

    fn shift(&mut self, from: Option<NodeId>, to: NodeId) {
        if let Some(held) = from.and_then(|from| self.held.get_mut(&from)) {
            *held -= 1;
        }
        *self.held.entry(to).or_default() += 1;
    }

    fn leaves(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_none_or(|site| site.standing == Standing::Leaving)
    }

    fn takes(&self, node: NodeId) -> bool {
        self.takers.contains(&node)
    }

    /// Whether a node has no replica with a vote of a group: it has one at most.
    fn is_free(&self, group: usize, node: NodeId) -> bool {
        !self.voters[group].contains(&node) && !self.groups[group].replicas.contains(&node)
    }

    /// The replica that a group has in this zone; of several the first on a node that stays.
    fn kept(&self, group: usize) -> Option<NodeId> {
        let here = |node: &NodeId| self.nodes.contains_key(node) && self.is_free(group, *node);
        let mut here: Vec<NodeId> = self.groups[group].learners.iter().copied().filter(here).collect();
        here.sort_by_key(|node| self.leaves(*node));
        here.first().copied()
    }

    /// By how full two nodes are, measured against their weights, if the first got so many more.
    fn fuller(&self, a: NodeId, more: u64, b: NodeId) -> Ordering {
        let full = |node: NodeId| (self.held[&node], u64::from(self.nodes[&node].weight));
        let ((a, a_weight), (b, b_weight)) = (full(a), full(b));
        (a + more).saturating_mul(b_weight).cmp(&b.saturating_mul(a_weight))
    }

    fn emptiest(&self, group: usize) -> Option<NodeId> {
        let able = self.nodes.keys().copied().filter(|node| self.takes(*node) && self.is_free(group, *node));
        able.min_by(|a, b| self.fuller(*a, 0, *b).then(a.cmp(b)))
    }

    /// A replica that goes from the fullest node to one that is then not fuller than that one was without it; one
    /// that is not there yet first, then the smallest.
    fn move_to_even(&self, chosen: &[Option<NodeId>]) -> Option<(usize, NodeId)> {
        let mut able: Vec<NodeId> = self.nodes.keys().copied().filter(|node| self.takes(*node)).collect();
        able.sort_by(|a, b| self.fuller(*a, 0, *b).then(a.cmp(b)));
        for from in able.iter().rev() {
            for to in able.iter().filter(|to| self.fuller(**to, 1, *from) == Ordering::Less) {
                let movable = |group: &usize| chosen[*group] == Some(*from) && self.is_free(*group, *to);
                let cost = |group: &usize| {
                    (self.groups[*group].learners.contains(from), self.groups[*group].bytes, *group)
                };
                if let Some(group) = (0..chosen.len()).filter(movable).min_by_key(cost) {
                    return Some((group, *to));
                }
            }
        }
        None
    }
}
