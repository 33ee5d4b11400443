//! Who should lead each group: a node that serves, and all of them about as many groups.
//!
//! As with replicas, a chain of changes is looked for from the node that leads most to one that leads at least two
//! less; without one the numbers are as even as the replicas allow. A change costs nothing but a transfer.

use super::board::Board;
use std::collections::{BTreeSet, VecDeque};

/// Changes that are looked at once there is one that helps, for one that helps more.
const LOOKS: usize = 32;

/// What each site leads, of the groups that count.
pub(super) struct Leaders {
    /// Of each site the groups it leads.
    pub led: Vec<BTreeSet<usize>>,
    /// Sites that may hand over in this pass, by the number of groups they lead.
    sources: BTreeSet<(usize, usize)>,
    /// When a chain has last come to this site; to be compared with `round`.
    seen: Vec<u32>,
    round: u32,
}

impl Leaders {
    /// Makes all sites that may lead sources.
    fn begin(&mut self, board: &Board) {
        let sites = (0..board.sites.len()).filter(|site| board.sites[*site].leads);
        self.sources = sites.map(|site| (self.led[site].len(), site)).collect();
    }

    /// The source that leads most, if it could lead less.
    fn busiest(&self, board: &Board) -> Option<usize> {
        board.step();
        self.sources.last().filter(|(most, _)| *most > 1).map(|(_, site)| *site)
    }

    /// Makes a site the leader of a group in its list.
    pub fn hand_over(&mut self, list: &mut [usize], group: usize, to: usize) {
        let from = list[0];
        put_first(list, to);
        for (site, leads) in [(from, false), (to, true)] {
            let old = (self.led[site].len(), site);
            if leads {
                self.led[site].insert(group);
            } else {
                self.led[site].remove(&group);
            }
            if self.sources.remove(&old) {
                self.sources.insert((self.led[site].len(), site));
            }
        }
    }
}

/// Puts who should lead first in each list; the others keep their order. A group without a node that may lead
/// stays as it is.
pub(super) fn elect(board: &Board, lists: &mut [Vec<usize>]) -> Leaders {
    let mut leaders = Leaders {
        led: vec![BTreeSet::new(); board.sites.len()],
        sources: BTreeSet::new(),
        seen: vec![0; board.sites.len()],
        round: 0,
    };
    let may_lead = |site: &usize| board.sites[*site].leads;
    let stays = |group: usize, list: &[usize]| {
        list.first().is_some_and(|first| board.groups[group].before.first() == Some(first) && may_lead(first))
    };
    for (group, list) in lists.iter().enumerate() {
        if board.groups[group].counted && stays(group, list) {
            leaders.led[list[0]].insert(group);
        }
    }
    for (group, list) in lists.iter_mut().enumerate() {
        if stays(group, list) {
            continue;
        }
        // One that has the data already rather than one that must get it first.
        let is_new = |site: &usize| !board.groups[group].before.contains(site);
        let candidates = list.iter().copied().filter(may_lead);
        let Some(to) = candidates.min_by_key(|site| (is_new(site), leaders.led[*site].len())) else {
            continue;
        };
        put_first(list, to);
        if board.groups[group].counted {
            leaders.led[to].insert(group);
        }
    }
    // A chain changes several groups, so first all that can be had without one.
    while pass(board, lists, &mut leaders) | chains(board, lists, &mut leaders) {}
    leaders.sources.clear();
    leaders
}

/// Moves a site of the list to its beginning; the others keep their order.
pub(super) fn put_first(list: &mut [usize], site: usize) {
    if let Some(place) = list.iter().position(|other| *other == site) {
        list[..=place].rotate_right(1);
    }
}

/// Hands over directly from the site that leads most, then from the next; whether anything changed.
///
/// A group that nobody can take is not looked at again in this pass, so that each is looked at about once; what
/// this misses [`chains`] find.
fn pass(board: &Board, lists: &mut [Vec<usize>], leaders: &mut Leaders) -> bool {
    let mut any = false;
    let mut queues: Vec<Option<Vec<usize>>> = vec![None; board.sites.len()];
    leaders.begin(board);
    while let Some(site) = leaders.busiest(board) {
        let queue = queues[site].get_or_insert_with(|| leaders.led[site].iter().copied().collect());
        match direct(board, lists, leaders, site, queue) {
            Some((group, to)) => leaders.hand_over(&mut lists[group], group, to),
            None => {
                leaders.sources.remove(&(leaders.led[site].len(), site));
                continue;
            }
        }
        any = true;
    }
    any
}

/// Hands over along chains from the site that leads most, then from the next; whether anything changed.
fn chains(board: &Board, lists: &mut [Vec<usize>], leaders: &mut Leaders) -> bool {
    let mut any = false;
    leaders.begin(board);
    while let Some(site) = leaders.busiest(board) {
        any |= chain(board, lists, leaders, site);
    }
    any
}

/// A group that this site can hand to one that leads at least two less. Those that it can not are taken out of the
/// queue.
fn direct(
    board: &Board,
    lists: &[Vec<usize>],
    leaders: &Leaders,
    from: usize,
    queue: &mut Vec<usize>,
) -> Option<(usize, usize)> {
    let most = leaders.led[from].len();
    let mut best: Option<(usize, usize, usize)> = None;
    let mut others: Vec<usize> = Vec::new();
    while others.len() < LOOKS
        && let Some(group) = queue.pop()
    {
        board.step();
        if !leaders.led[from].contains(&group) {
            continue;
        }
        let candidates = lists[group].iter().filter(|site| board.sites[**site].leads);
        let Some((number, to)) = candidates.map(|site| (leaders.led[*site].len(), *site)).min() else {
            continue;
        };
        if number + 2 > most {
            continue;
        }
        let worse = match best {
            Some((least, ..)) if number >= least => Some(group),
            _ => best.replace((number, group, to)).map(|(_, group, _)| group),
        };
        others.extend(worse);
    }
    queue.extend(others);
    best.map(|(_, group, to)| (group, to))
}

/// Finds a chain to a site that leads at least two less, and makes it. Without one, all that chains reach are
/// sources no more.
fn chain(board: &Board, lists: &mut [Vec<usize>], leaders: &mut Leaders, from: usize) -> bool {
    leaders.round += 1;
    let round = leaders.round;
    leaders.seen[from] = round;
    let most = leaders.led[from].len();
    // Each with the change that leads to it, and where in this list that begins.
    let mut reached: Vec<(usize, usize, usize)> = vec![(from, 0, 0)];
    let mut next = VecDeque::from([0]);
    while let Some(at) = next.pop_front() {
        let site = reached[at].0;
        for group in &leaders.led[site] {
            for to in lists[*group].iter().filter(|site| board.sites[**site].leads) {
                board.step();
                if leaders.seen[*to] == round {
                    continue;
                }
                leaders.seen[*to] = round;
                reached.push((*to, *group, at));
                if leaders.led[*to].len() + 2 <= most {
                    make(lists, leaders, &reached);
                    return true;
                }
                next.push_back(reached.len() - 1);
            }
        }
    }
    for (site, ..) in reached {
        let key = (leaders.led[site].len(), site);
        leaders.sources.remove(&key);
    }
    false
}

/// Makes the chain that ends with the last site reached, from its end on.
fn make(lists: &mut [Vec<usize>], leaders: &mut Leaders, reached: &[(usize, usize, usize)]) {
    let mut at = reached.len() - 1;
    while at != 0 {
        let (to, group, before) = reached[at];
        leaders.hand_over(&mut lists[group], group, to);
        at = before;
    }
}
