//! 1000 nodes, 16 384 shards with three replicas: even, with few moves, and in a bounded number of steps.

use super::super::{Placed, Site, Standing, place_counted};
use crate::map::ZoneRole;
use model::{GroupId, NodeId};
use std::collections::{BTreeMap, BTreeSet};

const NODES: u64 = 1000;
const SHARDS: u32 = 16_384;
const REPLICAS: usize = 3;
/// Replicas of all groups, with those of the meta group.
const ALL: usize = (SHARDS as usize + 1) * REPLICAS;
/// Some looks for each replica. One look at each node for each group would be 16 million.
const MOST_STEPS: u64 = 100 * ALL as u64;

fn site(node: u64, zones: u64) -> Site {
    let zone = if zones == 0 { String::new() } else { format!("z{}", node % zones) };
    Site { node: NodeId(node), zone, role: ZoneRole::Voter, weight: 1, standing: Standing::Serving }
}

fn groups() -> Vec<Placed> {
    let group = |group: u32| Placed {
        group: GroupId(group),
        replicas: Vec::new(),
        learners: Vec::new(),
        bytes: u64::from(group * 7919 % 1000),
        // Few groups have most of the load, as in life.
        load: 1_000_000 / u64::from(1 + group.wrapping_mul(2_654_435_761) % SHARDS),
    };
    (0..=SHARDS).map(group).collect()
}

/// Puts the groups where they should be; answers how many replicas moved and how many leaders changed.
fn settle(sites: &[Site], groups: &mut [Placed]) -> (usize, usize) {
    let (lists, steps) = place_counted(sites, groups, REPLICAS);
    assert!(steps <= MOST_STEPS, "{steps} steps");
    let (mut moved, mut handed) = (0, 0);
    for (group, list) in groups.iter_mut().zip(lists) {
        moved += list.iter().filter(|node| !group.replicas.contains(node)).count();
        handed += usize::from(list.first() != group.replicas.first());
        group.replicas = list;
    }
    (moved, handed)
}

/// The most and the least that serving nodes have in these lists, of a zone.
fn range<'a>(sites: &[Site], zone: &str, lists: impl Iterator<Item = &'a [NodeId]>) -> (usize, usize) {
    let serving = |site: &&Site| site.zone == zone && site.standing == Standing::Serving;
    let mut counts: BTreeMap<NodeId, usize> =
        sites.iter().filter(serving).map(|site| (site.node, 0)).collect();
    for node in lists.flatten() {
        counts.entry(*node).and_modify(|count| *count += 1);
    }
    (*counts.values().max().expect("nodes"), *counts.values().min().expect("nodes"))
}

fn check_even(sites: &[Site], groups: &[Placed]) {
    for zone in sites.iter().map(|site| &site.zone).collect::<BTreeSet<_>>() {
        let (most, least) = range(sites, zone, groups.iter().map(|group| group.replicas.as_slice()));
        assert!(most - least <= 1, "zone {zone:?}: {least} to {most} replicas");
        let (most, least) = range(sites, zone, groups[1..].iter().map(|group| &group.replicas[..1]));
        assert!(most - least <= 1, "zone {zone:?}: {least} to {most} led");
    }
}

#[test]
fn a_large_cluster_is_even_and_changes_little() {
    for zones in [0, 3, 20] {
        let mut sites: Vec<Site> = (1..=NODES).map(|node| site(node, zones)).collect();
        let mut groups = groups();
        assert_eq!(settle(&sites, &mut groups).0, ALL);
        check_even(&sites, &groups);
        assert_eq!(settle(&sites, &mut groups), (0, 0), "it was settled");
        let with = |group: &&Placed| group.replicas.contains(&NodeId(8));
        let partners: BTreeSet<NodeId> =
            groups.iter().filter(with).flat_map(|group| group.replicas.iter().copied()).collect();
        assert!(partners.len() > 50, "only {} nodes take over from one", partners.len());

        sites.push(site(NODES + 1, zones));
        let (moved, handed) = settle(&sites, &mut groups);
        check_even(&sites, &groups);
        assert!(moved <= ALL.div_ceil(NODES as usize) && handed <= 50, "{moved} moved, {handed} handed over");

        let gone = NodeId(8);
        let held = groups.iter().filter(|group| group.replicas.contains(&gone)).count();
        sites[7].standing = Standing::Leaving;
        let (moved, handed) = settle(&sites, &mut groups);
        check_even(&sites, &groups);
        assert!(moved == held && handed <= 50, "{moved} moved of {held}, {handed} handed over");
        assert!(groups.iter().all(|group| !group.replicas.contains(&gone)));
    }
}

#[test]
fn twice_as_many_nodes_take_half_of_the_replicas() {
    let mut sites: Vec<Site> = (1..=NODES / 2).map(|node| site(node, 5)).collect();
    let mut groups = groups();
    settle(&sites, &mut groups);
    sites.extend((NODES / 2 + 1..=NODES).map(|node| site(node, 5)));
    let (moved, _) = settle(&sites, &mut groups);
    check_even(&sites, &groups);
    assert!(moved <= ALL / 2 + 1, "{moved} moved of {ALL}");
}

#[test]
fn few_nodes_with_many_groups_cost_no_more() {
    for zones in [0, 3] {
        let mut sites: Vec<Site> = (1..=3).map(|node| site(node, zones)).collect();
        let mut groups = groups();
        settle(&sites, &mut groups);
        for node in 4..=6 {
            sites.push(site(node, zones));
            settle(&sites, &mut groups);
            check_even(&sites, &groups);
        }
        sites[0].standing = Standing::Leaving;
        settle(&sites, &mut groups);
        check_even(&sites, &groups);
    }
}

#[test]
fn the_least_even_start_costs_no_more() {
    let sites: Vec<Site> = (1..=NODES).map(|node| site(node, 3)).collect();
    let mut groups = groups();
    groups.iter_mut().for_each(|group| group.replicas = vec![NodeId(1), NodeId(2), NodeId(3)]);
    settle(&sites, &mut groups);
    check_even(&sites, &groups);
}
