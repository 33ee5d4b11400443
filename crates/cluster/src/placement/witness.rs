//! Where witnesses vote: in groups that lack a replica and have an even number of those with data.
//!
//! A witness takes no replica's place: data is placed as if there were none. What is added to an odd number of
//! voters would help nobody, and beside a single one it would vote for something that is on one disk only.

use super::{Placed, Site, Standing, place};
use model::NodeId;
use std::collections::BTreeMap;

/// [`place`] where some nodes are witnesses: they hold no data and never lead. A group has one at most, the last of
/// its nodes.
pub fn place_with_witnesses(
    sites: &[Site],
    is_witness: &dyn Fn(NodeId) -> bool,
    groups: &[Placed],
    replicas: usize,
) -> Vec<Vec<NodeId>> {
    let data: Vec<Site> = sites.iter().filter(|site| !is_witness(site.node)).cloned().collect();
    if data.len() == sites.len() {
        return place(sites, groups, replicas);
    }
    let bare = |placed: &Placed| {
        let nodes = placed.replicas.iter().copied().filter(|node| !is_witness(*node));
        Placed { replicas: nodes.collect(), ..placed.clone() }
    };
    let of_data: Vec<Placed> = groups.iter().map(bare).collect();
    let mut wanted = place(&data, &of_data, replicas);
    // Seats of each witness that takes new ones; those that keep what they have are not in it.
    let standing = |node: NodeId| sites.iter().find(|site| site.node == node).map(|site| site.standing);
    let takes = sites.iter().filter(|site| is_witness(site.node) && site.standing == Standing::Serving);
    let mut seats: BTreeMap<NodeId, usize> = takes.map(|site| (site.node, 0)).collect();
    let before = |group: usize| groups[group].replicas.iter().copied().find(|node| is_witness(*node));
    let mut open = Vec::new();
    for (group, nodes) in wanted.iter_mut().enumerate() {
        if nodes.len() >= replicas || nodes.len() < 2 || nodes.len() % 2 != 0 {
            continue;
        }
        match before(group) {
            Some(node) if standing(node).is_some_and(|standing| standing != Standing::Leaving) => {
                nodes.push(node);
                seats.entry(node).and_modify(|seats| *seats += 1);
            }
            _ => open.push(group),
        }
    }
    for group in open {
        let emptiest = seats.iter().min_by_key(|(node, seats)| (**seats, **node)).map(|(node, _)| *node);
        // One that is to leave stays until another can take its place.
        wanted[group].extend(emptiest.or_else(|| before(group)));
        emptiest.map(|node| seats.entry(node).and_modify(|seats| *seats += 1));
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::GroupId;

    fn site(node: u64, standing: Standing) -> Site {
        Site { node: NodeId(node), zone: String::new(), weight: 1, standing }
    }

    fn placed(group: u32, nodes: &[u64]) -> Placed {
        let replicas = nodes.iter().copied().map(NodeId).collect();
        Placed { group: GroupId(group), replicas, bytes: 1, load: 0 }
    }

    /// Nodes from 8 on are witnesses.
    fn answer(sites: &[Site], groups: &[Placed], replicas: usize) -> Vec<Vec<u64>> {
        let wanted = place_with_witnesses(sites, &|node| node.0 >= 8, groups, replicas);
        let again: Vec<Placed> =
            groups.iter().zip(&wanted).map(|(g, w)| Placed { replicas: w.clone(), ..g.clone() }).collect();
        assert_eq!(place_with_witnesses(sites, &|node| node.0 >= 8, &again, replicas), wanted, "settled");
        wanted.into_iter().map(|nodes| nodes.into_iter().map(|node| node.0).collect()).collect()
    }

    fn serving(nodes: &[u64]) -> Vec<Site> {
        nodes.iter().map(|node| site(*node, Standing::Serving)).collect()
    }

    #[test]
    fn a_witness_fills_an_even_number_up_and_goes_when_data_can_come() {
        assert_eq!(answer(&serving(&[1, 2, 8]), &[placed(1, &[1, 2])], 3), [[1, 2, 8]]);
        assert_eq!(answer(&serving(&[1, 2, 8]), &[placed(1, &[1, 2, 8])], 3), [[1, 2, 8]]);
        assert_eq!(answer(&serving(&[1, 2, 3, 8]), &[placed(1, &[1, 2, 8])], 3), [[1, 2, 3]]);
        assert_eq!(answer(&serving(&[1, 2, 3, 8]), &[placed(1, &[1, 2, 3])], 5), [[1, 2, 3]]);
        assert_eq!(answer(&serving(&[1, 2, 3, 4, 8]), &[placed(1, &[1, 2, 3, 4])], 5), [[1, 2, 3, 4, 8]]);
        assert_eq!(answer(&serving(&[1, 8]), &[placed(1, &[1])], 3), [[1]]);
        assert_eq!(answer(&serving(&[1, 2, 8]), &[placed(1, &[1, 2])], 1)[0].len(), 1);
    }

    #[test]
    fn data_nodes_that_are_away_or_leave_without_a_successor_keep_their_witness() {
        let mut sites = serving(&[1, 2, 8]);
        for standing in [Standing::Away, Standing::Leaving] {
            sites[1].standing = standing;
            let nodes = &answer(&sites, &[placed(1, &[1, 2, 8])], 3)[0];
            assert_eq!(nodes.last(), Some(&8), "{nodes:?}");
            assert_eq!(nodes.len(), 3);
        }
    }

    #[test]
    fn a_witness_that_leaves_is_replaced_by_another_and_stays_without_one() {
        let mut sites = serving(&[1, 2, 8]);
        sites[2].standing = Standing::Leaving;
        assert_eq!(answer(&sites, &[placed(1, &[1, 2, 8])], 3), [[1, 2, 8]]);
        sites.push(site(9, Standing::Serving));
        assert_eq!(answer(&sites, &[placed(1, &[1, 2, 8])], 3), [[1, 2, 9]]);
    }

    #[test]
    fn groups_are_shared_out_among_witnesses() {
        let groups: Vec<Placed> = (1..=4).map(|group| placed(group, &[1, 2])).collect();
        let wanted = answer(&serving(&[1, 2, 8, 9]), &groups, 3);
        let of = |node: u64| wanted.iter().filter(|nodes| nodes.contains(&node)).count();
        assert_eq!((of(8), of(9)), (2, 2));
    }
}
