//! Evens out the measured load of leaders without changing how many groups each leads by more than the order
//! of two that differ by one.
//!
//! Loads are never still, so small differences are left alone: a change must move at least an eighth of the mean,
//! and leave at least so much less of a difference. Each lowers the sum of the squares, so this comes to an end.

use super::board::Board;
use super::leaders::Leaders;
use std::cmp::Reverse;

/// Differences below this part of the mean load of a node move nothing.
const SLACK: u64 = 8;

/// Evens out the load of the nodes that lead.
pub(super) fn even_out(board: &Board, lists: &mut [Vec<usize>], leaders: Leaders) {
    let mut loads = Loads { leaders, of_site: vec![0; board.sites.len()], slack: 1 };
    for (site, led) in loads.leaders.led.iter().enumerate() {
        loads.of_site[site] = led.iter().map(|group| u128::from(board.groups[*group].load)).sum();
    }
    let all: u128 = loads.of_site.iter().sum();
    let nodes = board.sites.iter().filter(|spot| spot.leads).count() as u128;
    loads.slack = (all / nodes.max(1) / u128::from(SLACK)).max(1);
    if all == 0 {
        return;
    }
    while loads.pass(board, lists) {}
}

struct Loads {
    leaders: Leaders,
    of_site: Vec<u128>,
    /// The least load that is worth a change.
    slack: u128,
}

/// A group goes from one node to another, and perhaps one comes back.
struct Swap {
    gives: usize,
    takes: Option<usize>,
    /// By how much the one gets less and the other more.
    amount: u128,
}

impl Loads {
    /// Relieves each node, the one with the most load first; whether anything changed.
    fn pass(&mut self, board: &Board, lists: &mut [Vec<usize>]) -> bool {
        let mut sites: Vec<usize> =
            (0..board.sites.len()).filter(|site| !self.leaders.led[*site].is_empty()).collect();
        sites.sort_by_key(|site| (Reverse(self.of_site[*site]), *site));
        let mut any = false;
        for site in sites {
            while let Some((to, swap)) = self.relief(board, lists, site) {
                self.leaders.hand_over(&mut lists[swap.gives], swap.gives, to);
                if let Some(group) = swap.takes {
                    self.leaders.hand_over(&mut lists[group], group, site);
                }
                self.of_site[site] -= swap.amount;
                self.of_site[to] += swap.amount;
                any = true;
            }
        }
        any
    }

    /// A change that relieves a node, with the least loaded node that has one.
    fn relief(&self, board: &Board, lists: &[Vec<usize>], site: usize) -> Option<(usize, Swap)> {
        let load = self.of_site[site];
        let mut partners: Vec<(u128, usize, usize)> = Vec::new();
        for group in &self.leaders.led[site] {
            for to in lists[*group].iter().filter(|to| board.sites[**to].leads) {
                board.step();
                if self.of_site[*to] + 2 * self.slack <= load {
                    partners.push((self.of_site[*to], *to, *group));
                }
            }
        }
        partners.sort_unstable();
        partners.chunk_by(|a, b| a.1 == b.1).find_map(|mine| {
            let to = mine[0].1;
            let mine: Vec<usize> = mine.iter().map(|(.., group)| *group).collect();
            Some((to, self.swap(board, lists, site, to, &mine)?))
        })
    }

    /// The change between two nodes that comes nearest to half of their difference. `mine`: what the first can hand over.
    fn swap(
        &self,
        board: &Board,
        lists: &[Vec<usize>],
        from: usize,
        to: usize,
        mine: &[usize],
    ) -> Option<Swap> {
        let load = |group: usize| u128::from(board.groups[group].load);
        let mut theirs: Vec<(u128, usize)> = Vec::new();
        for group in &self.leaders.led[to] {
            board.step();
            if lists[*group].contains(&from) {
                theirs.push((load(*group), *group));
            }
        }
        theirs.sort_unstable();
        let difference = self.of_site[from] - self.of_site[to];
        let may_give = self.leaders.led[from].len() > self.leaders.led[to].len();
        let mut best: Option<(u128, Swap)> = None;
        let mut consider = |gives: usize, takes: Option<usize>| {
            board.step();
            let back = takes.map_or(0, load);
            let Some(amount) = load(gives).checked_sub(back) else { return };
            let fits = amount >= self.slack && amount + self.slack <= difference;
            let miss = (2 * amount).abs_diff(difference);
            if fits && best.as_ref().is_none_or(|(least, _)| miss < *least) {
                best = Some((miss, Swap { gives, takes, amount }));
            }
        };
        for gives in mine {
            if may_give {
                consider(*gives, None);
            }
            // What comes back should be by half the difference smaller: the nearest on both sides.
            let wanted = load(*gives).saturating_sub(difference / 2);
            let at = theirs.partition_point(|(load, _)| *load < wanted);
            for (_, takes) in &theirs[at.saturating_sub(1)..(at + 1).min(theirs.len())] {
                consider(*gives, Some(*takes));
            }
        }
        best.map(|(_, swap)| swap)
    }
}
