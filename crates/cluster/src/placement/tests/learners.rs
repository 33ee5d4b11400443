//! Replicas without a vote: one in each learner zone, evenly, and voters nowhere near.

use super::world::{World, any_world};
use super::{groups, line, sites};
use crate::map::ZoneRole;
use crate::placement::{Site, Standing, explain_learners, place, place_learners, stage_learners};
use model::NodeId;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The zones `x` and `y` are learner zones.
fn learning(mut sites: Vec<Site>) -> Vec<Site> {
    for site in sites.iter_mut().filter(|site| ["x", "y"].contains(&&*site.zone)) {
        site.role = ZoneRole::Learner;
    }
    sites
}

/// Groups with these voters and learners, a word per group.
fn with_learners(before: &str, learners: &str) -> Vec<crate::Placed> {
    let mut all = groups(before);
    for (group, of) in all.iter_mut().zip(groups(learners)) {
        group.learners = of.replicas;
    }
    all
}

#[test]
fn examples_to_read() {
    for (what, nodes, voters, before, after) in [
        ("one in the zone, evenly", "1 2 3 4:x 5:x", "123 123 123", ". . .", "4 5 4"),
        ("what is there stays", "1 2 3 4:x 5:x", "123 123 123", "5 4 5", "5 4 5"),
        ("one for each zone", "1 2 3 4:x 5:y", "123", ".", "45"),
        ("a node comes", "1 2 3 4:x 5:x", "123 123 123 123", "4 4 4 4", "5 5 4 4"),
        ("a node leaves", "1 2 3 4:x- 5:x", "123 123", "4 5", "5 5"),
        ("nobody can take what leaves", "1 2 3 4:x-", "123 123", "4 4", "4 4"),
        ("the whole zone is away", "1 2 3 4:x? 5:x?", "123 123 123", "4 5 .", "4 5 "),
        ("a member that is gone", "1 2 3 5:x", "123 123", "4 5", "5 5"),
        ("the zone has voters now", "1 2 3 4:a", "123", "4", ""),
        ("a voter is still there", "1 2 3 4:x", "124", ".", ""),
    ] {
        let (sites, groups) = (learning(sites(nodes)), with_learners(voters, before));
        let lists = place(&sites, &groups, 3);
        assert_eq!(line(&place_learners(&sites, &groups, &lists)), after, "{what}: {nodes} | {before}");
    }
}

#[test]
fn no_more_nodes_of_a_zone_have_copies_than_can_be_promoted_together() {
    let nodes: String = (11..=20).map(|node| format!(" {node}:x")).collect();
    let mut sites = learning(sites(&format!("1 2 3{nodes}")));
    let mut groups = with_learners(&"123 ".repeat(21), &". ".repeat(21));
    let mut settle = |sites: &[Site]| {
        let lists = place_learners(sites, &groups, &place(sites, &groups, 3));
        groups.iter_mut().zip(&lists).for_each(|(group, list)| group.learners.clone_from(list));
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        lists.iter().flatten().for_each(|node| *counts.entry(node.0).or_default() += 1);
        counts
    };
    let all = |nodes: &[u64]| nodes.iter().map(|node| (*node, 3)).collect::<BTreeMap<u64, usize>>();
    assert_eq!(settle(&sites), all(&[11, 12, 13, 14, 15, 16, 17]));
    assert_eq!(settle(&sites), all(&[11, 12, 13, 14, 15, 16, 17]));
    // One that leaves makes room for the next; one that is away keeps its copies and its place.
    sites[3].standing = Standing::Leaving;
    sites[4].standing = Standing::Away;
    assert_eq!(settle(&sites), all(&[12, 13, 14, 15, 16, 17, 18]));
}

#[test]
fn voters_leave_a_learner_zone_as_soon_as_others_can_take_them() {
    let placed = |nodes: &str| line(&place(&learning(sites(nodes)), &groups("412 142 124"), 3));
    assert_eq!(placed("1 2 3 4:x"), "213 123 312");
    assert_eq!(placed("1 2 4:x"), "241 142 124", "and lead nothing before");
}

#[test]
fn a_copy_stays_until_the_one_that_takes_its_place_is_whole() {
    let nodes = |list: &[u64]| list.iter().copied().map(NodeId).collect::<Vec<_>>();
    let staged = |line: &str, before: &[u64], target: &[u64], whole: bool| {
        stage_learners(&learning(sites(line)), &nodes(before), &nodes(target), |_| whole)
    };
    assert_eq!(staged("4:x- 5:x 6:y", &[4, 6], &[5, 6], false), nodes(&[5, 6, 4]));
    assert_eq!(staged("4:x- 5:x 6:y", &[5, 6, 4], &[5, 6], false), nodes(&[5, 6, 4]));
    assert_eq!(staged("4:x- 5:x 6:y", &[5, 6, 4], &[5, 6], true), nodes(&[5, 6]));
    // Nobody takes its place, or it is no member any more.
    assert_eq!(staged("4:a 6:y", &[4, 6], &[6], false), nodes(&[6]));
    assert_eq!(staged("5:x", &[4], &[5], false), nodes(&[5]));
    // On the way the target stays what it is, and is taken back if its node leaves.
    let placed = |line: &str| {
        let (sites, groups) = (learning(sites(line)), with_learners("123", "54"));
        place_learners(&sites, &groups, &place(&sites, &groups, 3))[0].clone()
    };
    assert_eq!(placed("1 2 3 4:x 5:x"), nodes(&[5]));
    assert_eq!(placed("1 2 3 4:x 5:x-"), nodes(&[4]));
}

#[test]
fn reasons_for_people() {
    for (nodes, before, after, text) in [
        ("1 2 3 4:x", ".", "4", Some("shard 0: node 4 gets a learner: zone x has none")),
        (
            "1 2 3 4:x- 5:x",
            "4",
            "5",
            Some("shard 0: node 5 gets the learner of node 4: node 4 is to hold nothing"),
        ),
        ("1 2 3 4:a", "4", ".", Some("shard 0: node 4 gives up its learner: zone a is to have voters")),
        ("1 2 3 4:x", "4", "4", None),
    ] {
        let after = groups(after)[0].replicas.clone();
        let said = explain_learners(&learning(sites(nodes)), &with_learners("123", before)[0], &after);
        assert_eq!(said.as_deref(), text);
    }
}

/// A world of which some zones are learner zones.
fn learner_world() -> impl Strategy<Value = World> {
    (any_world(), prop::collection::vec(prop::collection::vec(1..13u64, 0..3), 40)).prop_map(
        |(mut world, had)| {
            for site in world.sites.iter_mut().filter(|site| ["c", "d"].contains(&&*site.zone)) {
                site.role = ZoneRole::Learner;
            }
            for (group, had) in world.groups.iter_mut().zip(had) {
                let free = had.into_iter().map(NodeId).filter(|node| !group.replicas.contains(node));
                group.learners = free.collect();
                group.learners.dedup();
            }
            world
        },
    )
}

proptest! {
    #[test]
    fn no_voter_comes_to_a_learner_zone_and_no_node_has_two_replicas(world in learner_world()) {
        let lists = world.place();
        let learners = place_learners(&world.sites, &world.groups, &lists);
        for ((group, voters), learners) in world.groups.iter().zip(&lists).zip(&learners) {
            let learns = |node: &NodeId| world.site(*node).is_some_and(|site| site.role == ZoneRole::Learner);
            let new = voters.iter().find(|node| learns(node) && !group.replicas.contains(node));
            prop_assert_eq!(new, None, "a voter comes to a learner zone");
            let other = voters.iter().any(|node| world.serves(*node) && !learns(node));
            prop_assert!(!other || !learns(&voters[0]), "a learner zone leads: {:?}", voters);
            let stray = learners.iter().find(|node| !learns(node) || voters.contains(node));
            prop_assert_eq!(stray, None, "a learner elsewhere, or beside a voter");
        }
    }

    #[test]
    fn each_zone_has_one_where_it_can_and_even_nodes(world in learner_world()) {
        let lists = world.place();
        let learners = place_learners(&world.sites, &world.groups, &lists);
        for zone in ["c", "d"] {
            let here = |node: &NodeId| world.zone(*node) == zone;
            // Of more not all take copies.
            if world.sites.iter().filter(|site| site.zone == zone).count() > 7 {
                continue;
            }
            let able: Vec<&Site> = world.takers().into_iter().filter(|site| site.zone == zone).collect();
            let mut counts: BTreeMap<NodeId, usize> = able.iter().map(|site| (site.node, 0)).collect();
            for ((group, voters), learners) in world.groups.iter().zip(&lists).zip(&learners) {
                let mine: Vec<&NodeId> = learners.iter().filter(|node| here(node)).collect();
                prop_assert!(mine.len() <= 1);
                let free = |site: &&&Site| !voters.contains(&site.node) && !group.replicas.contains(&site.node);
                prop_assert!(mine.len() == 1 || able.iter().find(free).is_none(), "none, and there is room");
                mine.iter().for_each(|node| *counts.entry(**node).or_default() += 1);
                let leaves = |node: &&&NodeId| world.leaves(***node);
                prop_assert!(mine.iter().find(leaves).is_none() || able.iter().find(free).is_none());
            }
            // Where no voter is in the way and all weigh the same, the nodes are even.
            let in_way = world.groups.iter().flat_map(|group| &group.replicas).any(here);
            let pinned = learners.iter().flatten().filter(|node| here(node)).any(|node| !counts.contains_key(node));
            if !in_way && !pinned && able.windows(2).all(|pair| pair[0].weight == pair[1].weight) && !able.is_empty() {
                let of = able.iter().map(|site| counts[&site.node]);
                prop_assert!(of.clone().max().unwrap_or(0) - of.min().unwrap_or(0) <= 1, "{:?}", counts);
            }
        }
    }

    #[test]
    fn what_is_settled_stays(world in learner_world()) {
        let mut settled = world.settled();
        let lists = settled.place();
        let learners = place_learners(&settled.sites, &settled.groups, &lists);
        settled.groups.iter_mut().zip(&learners).for_each(|(group, list)| group.learners = list.clone());
        prop_assert_eq!(place_learners(&settled.sites, &settled.groups, &settled.place()), learners);
    }

    #[test]
    fn a_zone_that_is_cut_off_keeps_its_copies(world in learner_world()) {
        let mut world = world;
        let gone = [Standing::Away, Standing::Leaving];
        world.sites.iter_mut().filter(|site| site.zone == "c").for_each(|site| site.standing = gone[site.node.0 as usize % 2]);
        let learners = place_learners(&world.sites, &world.groups, &world.place());
        for (group, learners) in world.groups.iter().zip(learners) {
            let here = |node: &&NodeId| world.zone(**node) == "c" && world.site(**node).is_some();
            let had = group.learners.iter().any(|node| here(&node));
            prop_assert_eq!(had, learners.iter().any(|node| here(&node)), "{:?}", group);
        }
    }
}
