//! Evens out how many replicas the nodes hold, each measured against its share.
//!
//! A move from one node to another is worth it if they then are nearer to each other than before, so the sum
//! of the squares of all excesses falls with each and this comes to an end. Where no replica may move straight from the
//! fullest node to an emptier one, a chain of moves is looked for: it exists unless the groups can not be
//! placed more evenly.

use super::board::{Board, ONE};
use std::collections::VecDeque;

/// Replicas of a node that are looked at once there is one to move, for one that goes to an emptier node.
const LOOKS: usize = 32;

/// A step of a chain: a replica of this group goes from one site to another.
#[derive(Clone, Copy)]
struct Move {
    group: usize,
    from: usize,
    to: usize,
}

/// Evens out all sites; whether anything moved.
pub(super) fn balance(board: &mut Board) -> bool {
    let mut any = false;
    loop {
        // Replicas that are not there yet are free to go elsewhere; only then those that must be copied.
        let moved = pass(board, true) | chains(board, true) | pass(board, false) | chains(board, false);
        any |= moved;
        if !moved {
            return any;
        }
    }
}

/// Moves what can go straight from the fullest site, then from the next; whether anything moved.
///
/// A replica that can not go anywhere is not looked at again in this pass, so that each is looked at about once;
/// what this misses [`chains`] find.
fn pass(board: &mut Board, new_only: bool) -> bool {
    let mut any = false;
    let mut queues: Vec<Option<VecDeque<usize>>> = vec![None; board.sites.len()];
    board.sources = board.zones.iter().flatten().copied().collect();
    while let Some(site) = fullest(board) {
        let queue = queues[site].get_or_insert_with(|| board.movable(site, new_only).collect());
        match direct(board, site, queue) {
            Some(step) => board.shift(step.group, step.from, step.to),
            None => {
                let key = (board.excess(site), site);
                board.sources.remove(&key);
                continue;
            }
        }
        any = true;
    }
    board.sources.clear();
    any
}

/// Moves along chains from the fullest site, then from the next; whether anything moved.
fn chains(board: &mut Board, new_only: bool) -> bool {
    let mut any = false;
    board.sources = board.zones.iter().flatten().copied().collect();
    while let Some(site) = fullest(board) {
        any |= chain(board, site, new_only);
    }
    board.sources.clear();
    any
}

/// The fullest of the sources, if it is much fuller than the emptiest site.
fn fullest(board: &Board) -> Option<usize> {
    board.step();
    let (high, site) = *board.sources.last()?;
    let (low, _) = *board.by_excess.first()?;
    (high - low > ONE).then_some(site)
}

/// Whether both are more even once a replica has gone from one to the other.
fn helps(board: &Board, from: usize, to: usize) -> bool {
    board.excess(from) - board.excess(to) > ONE
}

/// A replica of this site that can go to a much emptier one. Those that can not are taken out of the queue.
fn direct(board: &Board, from: usize, queue: &mut VecDeque<usize>) -> Option<Move> {
    let zone = board.sites[from].zone;
    let (lowest, _) = *board.by_excess.first()?;
    let mut best: Option<Move> = None;
    let mut found: Vec<usize> = Vec::new();
    while found.len() < LOOKS
        && let Some(group) = queue.pop_front()
    {
        board.step();
        if !board.holds(group, from) {
            continue;
        }
        let limit = board.crowd(group, zone) - 1;
        let Some(to) = board.emptiest(group, limit, Some(zone)) else { continue };
        if !helps(board, from, to) {
            continue;
        }
        found.push(group);
        if best.is_none_or(|best| board.excess(to) < board.excess(best.to)) {
            best = Some(Move { group, from, to });
        }
        if board.excess(to) == lowest {
            break;
        }
    }
    // The others come first the next time, in their order.
    let others = found.into_iter().rev().filter(|group| best.is_none_or(|best| best.group != *group));
    others.for_each(|group| queue.push_front(group));
    best
}

/// Finds the shortest chain of moves from this site to a much emptier one and makes it; whether it did.
///
/// Without one, none of the sites that chains reach is a source any more: they are as even as they can be.
fn chain(board: &mut Board, from: usize, new_only: bool) -> bool {
    let mut came: Vec<Option<Move>> = vec![None; board.sites.len()];
    let mut unseen: Vec<(usize, Vec<usize>)> = Vec::new();
    for (_, zone) in &board.by_excess {
        unseen
            .push((*zone, board.zones[*zone].iter().map(|(_, site)| *site).filter(|s| *s != from).collect()));
    }
    let mut reached = VecDeque::from([from]);
    let mut seen = vec![from];
    while let Some(site) = reached.pop_front() {
        for step in fresh(board, site, new_only, &mut unseen) {
            came[step.to] = Some(step);
            if helps(board, from, step.to) {
                return make(board, from, &came, step.to);
            }
            reached.push_back(step.to);
            seen.push(step.to);
        }
    }
    for site in seen {
        let key = (board.excess(site), site);
        board.sources.remove(&key);
    }
    false
}

/// Moves from a site to such that no chain has reached yet; these are taken out of `unseen`.
fn fresh(board: &Board, from: usize, new_only: bool, unseen: &mut Vec<(usize, Vec<usize>)>) -> Vec<Move> {
    let own = board.sites[from].zone;
    let mut moves = Vec::new();
    for group in board.movable(from, new_only) {
        let crowd = board.crowd(group, own);
        for (zone, sites) in unseen.iter_mut() {
            board.step();
            if *zone != own && board.crowd(group, *zone) + 1 > crowd {
                continue;
            }
            sites.retain(|to| {
                board.step();
                let stays = board.holds(group, *to);
                if !stays {
                    moves.push(Move { group, from, to: *to });
                }
                stays
            });
        }
        unseen.retain(|(_, sites)| !sites.is_empty());
    }
    moves
}

/// Makes a chain from its end on. Two moves of one group can be in each other's way; then all are taken back.
fn make(board: &mut Board, first: usize, came: &[Option<Move>], last: usize) -> bool {
    let mut made: Vec<Move> = Vec::new();
    let mut at = last;
    while let Some(step) = came[at] {
        let (from, to) = (board.sites[step.from].zone, board.sites[step.to].zone);
        let crowded = from != to && board.crowd(step.group, to) + 1 > board.crowd(step.group, from);
        if crowded || board.holds(step.group, step.to) || !board.holds(step.group, step.from) {
            made.iter().rev().for_each(|step| board.shift(step.group, step.to, step.from));
            let key = (board.excess(first), first);
            board.sources.remove(&key);
            return false;
        }
        board.shift(step.group, step.from, step.to);
        made.push(step);
        at = step.from;
    }
    true
}
