//! How many replicas a group has, and in which zones: what is too much goes, what is missing or leaves is
//! put where there is most room, and no zone has two replicas where another could have one.

use super::board::{Board, Role};
use std::cmp::Ordering;

/// Takes replicas away from nodes of weight 0 where the group has another one in the same zone, and a zone
/// without one can take it instead. Replicas on other nodes are moved by [`spread`]; these belong to no share,
/// so how many stay must be known before the shares are.
pub(super) fn uncrowd(board: &mut Board) {
    let mut open = vec![false; board.zones.len()];
    let takers = board.sites.iter().filter(|spot| spot.role == Role::Takes);
    takers.for_each(|spot| open[spot.zone] = true);
    let zones = open.iter().filter(|open| **open).count();
    for group in 0..board.groups.len() {
        let mut used: Vec<usize> =
            board.groups[group].now.iter().map(|site| board.sites[*site].zone).collect();
        used.retain(|zone| open[*zone] && board.crowd(group, *zone) > 0);
        used.sort_unstable();
        used.dedup();
        // Each takes a zone of its own, so that the group gets back what it gives up here.
        for _ in used.len()..zones {
            let crowded = board.groups[group].now.iter().copied().find(|site| {
                let spot = &board.sites[*site];
                spot.role == Role::Keeps && spot.leads && board.crowd(group, spot.zone) > 1
            });
            let Some(site) = crowded else { break };
            board.remove(group, site);
        }
    }
}

/// Takes away replicas above the wanted number.
pub(super) fn trim(board: &mut Board, replicas: usize) {
    for group in 0..board.groups.len() {
        while board.groups[group].now.len() > replicas {
            let Some(site) = superfluous(board, group) else { break };
            board.remove(group, site);
        }
    }
}

/// The replica that a group with too many misses least.
fn superfluous(board: &Board, group: usize) -> Option<usize> {
    let rank = |site: usize| {
        let spot = &board.sites[site];
        match (spot.role, spot.known) {
            (Role::Leaves, false) => (4, 0),
            (Role::Leaves, true) => (3, 0),
            // It crowds its zone, then: it is down, then: it takes nothing new.
            (role, _) => {
                let crowd = board.crowd(group, spot.zone).max(1);
                let standing = if !spot.leads { 2 } else { usize::from(role == Role::Keeps) };
                (if crowd > 1 { 2 } else { 1 }, crowd * 4 + standing)
            }
        }
    };
    let fuller = |a: usize, b: usize| -> Ordering {
        let (a, b) = (&board.sites[a], &board.sites[b]);
        let (left, right) =
            (a.held.len() as u64 * u64::from(b.weight), b.held.len() as u64 * u64::from(a.weight));
        left.cmp(&right)
    };
    let now = board.groups[group].now.iter().copied();
    now.max_by(|a, b| rank(*a).cmp(&rank(*b)).then_with(|| fuller(*a, *b)).then_with(|| a.cmp(b)))
}

/// Gives each group the replicas it lacks, and replaces those that are to leave, as far as there are nodes
/// that can take them.
pub(super) fn fill(board: &mut Board, replicas: usize) {
    for group in 0..board.groups.len() {
        while board.groups[group].now.len() < replicas {
            let Some(site) = roomiest(board, group) else { break };
            board.add(group, site);
        }
        while let Some(leaving) = leaving(board, group) {
            let Some(site) = roomiest(board, group) else { break };
            board.shift(group, leaving, site);
        }
    }
}

/// A replica that is to leave; those on nodes that are no members first, for they are gone.
fn leaving(board: &Board, group: usize) -> Option<usize> {
    let now = board.groups[group].now.iter().copied();
    now.filter(|site| board.sites[*site].role == Role::Leaves)
        .min_by_key(|site| (board.sites[*site].known, *site))
}

/// The emptiest site of the zones with the fewest replicas of a group.
fn roomiest(board: &Board, group: usize) -> Option<usize> {
    (0..=board.groups[group].now.len()).find_map(|limit| board.emptiest(group, limit, None))
}

/// Moves replicas from zones with several of a group to such with fewer; whether there were any.
pub(super) fn spread(board: &mut Board) -> bool {
    let mut any = false;
    for group in 0..board.groups.len() {
        while let Some((from, to)) = less_crowded(board, group) {
            board.shift(group, from, to);
            any = true;
        }
    }
    any
}

/// A replica in a crowded zone, the one of the fullest node, and where it is not crowded.
fn less_crowded(board: &Board, group: usize) -> Option<(usize, usize)> {
    let now = board.groups[group].now.iter().copied().filter(|site| board.sites[*site].role == Role::Takes);
    let crowd = |site: usize| board.crowd(group, board.sites[site].zone);
    let from = now.max_by_key(|site| (crowd(*site), board.excess(*site), *site))?;
    let limit = crowd(from).checked_sub(2)?;
    let to = (0..=limit).find_map(|limit| board.emptiest(group, limit, None))?;
    Some((from, to))
}
