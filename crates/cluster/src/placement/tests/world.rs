//! Random clusters, and what is counted in them.

use super::super::{Placed, Site, Standing, place};
use crate::map::ZoneRole;
use model::{GroupId, NodeId};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A cluster: its nodes, its groups, and how many replicas each should have.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub sites: Vec<Site>,
    pub groups: Vec<Placed>,
    pub replicas: usize,
}

impl World {
    pub fn place(&self) -> Vec<Vec<NodeId>> {
        place(&self.sites, &self.groups, self.replicas)
    }

    /// The same with its groups as they should be.
    pub fn settled(&self) -> World {
        let mut world = self.clone();
        world.groups.iter_mut().zip(self.place()).for_each(|(group, list)| group.replicas = list);
        world
    }

    pub fn site(&self, node: NodeId) -> Option<&Site> {
        self.sites.iter().find(|site| site.node == node)
    }

    pub fn serves(&self, node: NodeId) -> bool {
        self.site(node).is_some_and(|site| site.standing == Standing::Serving)
    }

    pub fn leaves(&self, node: NodeId) -> bool {
        self.site(node).is_none_or(|site| site.standing == Standing::Leaving)
    }

    /// Nodes that may get replicas.
    pub fn takers(&self) -> Vec<&Site> {
        self.sites.iter().filter(|site| site.standing == Standing::Serving && site.weight > 0).collect()
    }

    pub fn zone(&self, node: NodeId) -> String {
        let zone = self.site(node).map_or("", |site| &site.zone);
        if zone.is_empty() { format!("of node {node}") } else { zone.to_owned() }
    }

    /// Replicas of a list in a zone that are not to leave.
    pub fn crowd(&self, list: &[NodeId], zone: &str) -> usize {
        list.iter().filter(|node| !self.leaves(**node) && self.zone(**node) == zone).count()
    }
}

/// Replicas of each site.
pub(super) fn counts(world: &World, lists: &[Vec<NodeId>]) -> BTreeMap<NodeId, usize> {
    let mut counts: BTreeMap<NodeId, usize> = world.sites.iter().map(|site| (site.node, 0)).collect();
    for node in lists.iter().flatten() {
        *counts.entry(*node).or_default() += 1;
    }
    counts
}

/// Groups that each site leads, without the meta group.
pub(super) fn leads(world: &World, lists: &[Vec<NodeId>]) -> BTreeMap<NodeId, usize> {
    let counted = world.groups.iter().zip(lists).filter(|(group, _)| group.group != GroupId::META);
    counts(world, &counted.map(|(_, list)| list.iter().take(1).copied().collect()).collect::<Vec<_>>())
}

/// Replicas that are somewhere else than before.
pub(super) fn moved(before: &[Placed], after: &[Vec<NodeId>]) -> usize {
    before.iter().zip(after).map(|(b, a)| a.iter().filter(|node| !b.replicas.contains(node)).count()).sum()
}

pub(super) fn range(counts: &BTreeMap<NodeId, usize>) -> usize {
    counts.values().max().unwrap_or(&0) - counts.values().min().unwrap_or(&0)
}

fn groups(nodes: u64, most: usize) -> impl Strategy<Value = Vec<Placed>> {
    let group = (prop::collection::vec(1..=nodes, 0..6), 0..5u64, prop_oneof![Just(0), 0..1000u64]);
    prop::collection::vec(group, 0..most).prop_map(|groups| {
        let placed = |(number, (nodes, bytes, load)): (usize, (Vec<u64>, u64, u64))| Placed {
            group: GroupId(number as u32),
            replicas: nodes.into_iter().map(NodeId).collect(),
            learners: Vec::new(),
            bytes,
            load,
        };
        groups.into_iter().enumerate().map(placed).collect()
    })
}

/// Everything that may happen, also nodes that are no sites and nodes that are named twice.
pub(super) fn any_world() -> impl Strategy<Value = World> {
    let standing = prop_oneof![
        6 => Just(Standing::Serving),
        1 => Just(Standing::Leaving),
        1 => Just(Standing::Away)
    ];
    let zone = prop_oneof![Just(""), Just("a"), Just("b"), Just("c"), Just("d")];
    let site = (zone, prop_oneof![6 => 1..4u32, 1 => Just(0), 1 => Just(u32::MAX)], standing);
    (prop::collection::vec(site, 0..12), groups(13, 40), 0..6usize).prop_map(|(sites, groups, replicas)| {
        let site = |(number, (zone, weight, standing)): (usize, (&str, u32, Standing))| Site {
            node: NodeId(number as u64 + 1),
            zone: zone.to_owned(),
            role: ZoneRole::Voter,
            weight,
            standing,
        };
        World { sites: sites.into_iter().enumerate().map(site).collect(), groups, replicas }
    })
}

/// All nodes serve, without zones, at least as many as replicas; groups anyhow.
pub(super) fn serving_world(weights: std::ops::Range<u32>) -> impl Strategy<Value = World> {
    let sites = (1..5usize, prop::collection::vec(weights, 4..14));
    (sites, groups(15, 60)).prop_map(|((replicas, weights), groups)| {
        let site = |(number, weight): (usize, u32)| Site {
            node: NodeId(number as u64 + 1),
            zone: String::new(),
            role: ZoneRole::Voter,
            weight,
            standing: Standing::Serving,
        };
        World { sites: weights.into_iter().enumerate().map(site).collect(), groups, replicas }
    })
}

/// All nodes serve, in at least as many zones as there are replicas.
pub(super) fn zoned_world(weights: std::ops::Range<u32>) -> impl Strategy<Value = World> {
    let weights = prop::collection::vec(weights, 20);
    (1..4usize, 0..3u8, prop::collection::vec(0..5u8, 0..12), weights, groups(15, 60)).prop_map(
        |(replicas, more, zones, weights, groups)| {
            let least = replicas as u8 + more;
            let zones = (0..least).chain(zones.into_iter().map(|zone| zone % least));
            let site = |(number, zone): (usize, u8)| Site {
                node: NodeId(number as u64 + 1),
                zone: zone.to_string(),
                role: ZoneRole::Voter,
                weight: weights[number],
                standing: Standing::Serving,
            };
            World { sites: zones.enumerate().map(site).collect(), groups, replicas }
        },
    )
}

/// Splits a total in proportion to weights, no part above `most`.
fn split(mut left: f64, most: f64, weights: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]));
    let mut parts = vec![0.0; weights.len()];
    for (place, part) in order.iter().enumerate() {
        let all: f64 = order[place..].iter().map(|part| weights[*part]).sum();
        parts[*part] = (left * weights[*part] / all).min(most);
        left -= parts[*part];
    }
    parts
}

/// Share of each node where all serve, in at least as many zones as there are replicas.
pub(super) fn shares(world: &World) -> BTreeMap<NodeId, f64> {
    let most = world.groups.len() as f64;
    let mut zones: BTreeMap<String, Vec<&Site>> = BTreeMap::new();
    for site in &world.sites {
        zones.entry(world.zone(site.node)).or_default().push(site);
    }
    let weights = |sites: &Vec<&Site>| sites.iter().map(|site| f64::from(site.weight)).collect::<Vec<_>>();
    let of_zones: Vec<f64> = zones.values().map(|sites| weights(sites).iter().sum()).collect();
    let of_zones = split(most * world.replicas as f64, most, &of_zones);
    let shares = zones.values().zip(of_zones).flat_map(|(sites, total)| {
        let nodes = sites.iter().map(|site| site.node);
        nodes.zip(split(total, most, &weights(sites))).collect::<Vec<_>>()
    });
    shares.collect()
}
