//! The share of each node: how many replicas it should hold, as a fraction, in proportion to its weight.
//!
//! Zones come first: where there are as many zones as replicas, no zone can hold more than one of a group,
//! so a zone with few nodes fills them more. Shares are worked out for zones, then within each zone. They are
//! what the nodes are evened out towards, not a promise that every share can be reached.

use super::board::{Board, ONE, Role};
use std::collections::BTreeMap;

/// Something that gets a part in proportion to its weight, within bounds (in 1/[`ONE`]).
struct Part {
    weight: u64,
    least: i64,
    most: i64,
}

/// The share of each site in 1/[`ONE`], 0 for those that take no replicas.
pub(super) fn targets(board: &Board, replicas: usize) -> Vec<i64> {
    let mut zones: Vec<Vec<usize>> = vec![Vec::new(); board.zones.len()];
    for (site, spot) in board.sites.iter().enumerate() {
        if spot.role == Role::Takes {
            zones[spot.zone].push(site);
        }
    }
    let sizes: Vec<usize> = zones.iter().map(Vec::len).collect();
    let room = Room::new(board, replicas, sizes);
    let weight = |site: &usize| u64::from(board.sites[*site].weight);
    let part = |zone: usize| Part {
        weight: zones[zone].iter().map(weight).sum(),
        least: room.least[zone] * ONE,
        most: room.most[zone] * ONE,
    };
    let of_zones = split(room.total * ONE, &(0..zones.len()).map(part).collect::<Vec<_>>());
    let mut targets = vec![0; board.sites.len()];
    for (zone, total) in zones.iter().zip(of_zones) {
        let most = board.groups.len() as i64 * ONE;
        let parts: Vec<Part> =
            zone.iter().map(|site| Part { weight: weight(site), least: 0, most }).collect();
        for (site, target) in zone.iter().zip(split(total, &parts)) {
            targets[*site] = target;
        }
    }
    targets
}

/// How many replicas can be in each zone, all groups together.
struct Room {
    least: Vec<i64>,
    most: Vec<i64>,
    /// Replicas on nodes that take some.
    total: i64,
}

impl Room {
    /// `sizes`: nodes of each zone that take replicas.
    ///
    /// A group has so many replicas in the fullest of its zones as it must (its *level*), and at least one less in the
    /// others, as far as they have nodes. So the bounds follow from the number of groups with each level, and
    /// from what the few groups with replicas on nodes that keep theirs have less of.
    fn new(board: &Board, replicas: usize, sizes: Vec<usize>) -> Room {
        let fits = Fits::new(&sizes);
        let open: usize = sizes.iter().sum();
        let mut levels: BTreeMap<usize, i64> = BTreeMap::new();
        let zones = sizes.len();
        let mut room = Room { least: vec![0; zones], most: vec![0; zones], total: 0 };
        for team in &board.groups {
            let mut kept: BTreeMap<usize, usize> = BTreeMap::new();
            for site in team.now.iter().filter(|site| board.sites[**site].role == Role::Keeps) {
                *kept.entry(board.sites[*site].zone).or_default() += 1;
            }
            let pinned: usize = kept.values().sum();
            let taken = replicas.saturating_sub(pinned).min(open);
            if taken == 0 {
                continue;
            }
            room.total += taken as i64;
            let level = fits.level(taken + pinned, &kept, &sizes);
            *levels.entry(level).or_default() += 1;
            for (zone, kept) in kept {
                let less = |level: usize| {
                    sizes[zone].min(level) as i64 - sizes[zone].min(level.saturating_sub(kept)) as i64
                };
                room.most[zone] -= less(level);
                room.least[zone] -= less(level - 1);
            }
        }
        for (level, groups) in levels {
            for (zone, size) in sizes.iter().enumerate() {
                room.most[zone] += groups * (*size).min(level) as i64;
                room.least[zone] += groups * (*size).min(level - 1) as i64;
            }
        }
        room
    }
}

/// How many replicas of a group fit in all zones together, by how many each may have.
struct Fits(Vec<usize>);

impl Fits {
    fn new(sizes: &[usize]) -> Fits {
        // For each level, the zones with so many nodes: each level adds as many as there are of these.
        let largest = sizes.iter().copied().max().unwrap_or(0);
        let mut zones = vec![0; largest + 2];
        sizes.iter().for_each(|size| zones[*size] += 1);
        for level in (0..=largest).rev() {
            zones[level] += zones[level + 1];
        }
        let mut all = vec![0; largest + 1];
        for level in 1..=largest {
            all[level] = all[level - 1] + zones[level];
        }
        Fits(all)
    }

    /// The lowest level at which `total` replicas fit, some of which are kept where they are; at least 1.
    fn level(&self, total: usize, kept: &BTreeMap<usize, usize>, sizes: &[usize]) -> usize {
        let fit = |level: usize| {
            let more = |(zone, kept): (&usize, &usize)| {
                (*kept).max((sizes[*zone] + kept).min(level)) - sizes[*zone].min(level)
            };
            self.0[level.min(self.0.len() - 1)] + kept.iter().map(more).sum::<usize>()
        };
        (1..total).find(|level| fit(*level) >= total).unwrap_or(total.max(1))
    }
}

/// Splits a total in proportion to the weights, as far as the bounds allow; a little less is given out than there
/// is, because parts are rounded down, or all bounds if they are below the total.
fn split(total: i64, parts: &[Part]) -> Vec<i64> {
    // A part is its weight times the same rate. The more digits the rate has, the less is lost by rounding.
    let part = |rate: u128, part: &Part| -> i64 {
        let exact = rate.saturating_mul(u128::from(part.weight)) >> 64;
        (exact.min(part.most.max(0) as u128) as i64).max(part.least)
    };
    let all = |rate: u128| parts.iter().map(|p| part(rate, p)).sum::<i64>();
    // The highest rate that does not give out too much.
    let mut rate: u128 = 0;
    for bit in (0..120).rev() {
        let higher = rate | 1 << bit;
        if all(higher) <= total {
            rate = higher;
        }
    }
    parts.iter().map(|p| part(rate, p)).collect()
}
