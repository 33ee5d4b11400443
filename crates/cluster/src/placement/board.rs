//! The board on which replicas are moved: who holds what, and which node is the emptiest of each zone.
//!
//! Every move keeps the counts and the orders up to date, so that no step looks at all nodes or all groups.

use super::{Placed, Site, Standing};
use crate::map::ZoneRole;
use model::{GroupId, NodeId};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// One replica in the fixed-point numbers of shares: a share is rarely a whole number of replicas.
pub(super) const ONE: i64 = 1 << 20;

/// What may be done with the replicas of a site.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// Takes new ones, and is evened out.
    Takes,
    /// Keeps what it has.
    Keeps,
    /// Is to hold none.
    Leaves,
}

/// A replica of a site. The first in this order are moved first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Held {
    /// It was there before; one that is not there yet costs nothing to put elsewhere.
    pub old: bool,
    /// It was the first of its group: besides being copied it would have to hand over.
    pub led: bool,
    pub bytes: u64,
    pub group: usize,
}

/// A site with what it holds.
pub(super) struct Spot {
    pub node: NodeId,
    pub zone: usize,
    pub weight: u32,
    pub role: Role,
    /// It may lead.
    pub leads: bool,
    /// It is a site, not a node that only a group names.
    pub known: bool,
    /// Its share of all replicas, in 1/[`ONE`].
    pub target: i64,
    /// What it holds, in the order in which it is moved.
    pub held: BTreeSet<Held>,
}

/// A group.
pub(super) struct Team {
    /// Sites with a replica now, in no order.
    pub now: Vec<usize>,
    /// Those it came with, without repetitions.
    pub before: Vec<usize>,
    pub bytes: u64,
    pub load: u64,
    /// Whether its leader counts.
    pub counted: bool,
}

/// Sites, zones and groups, by their numbers.
pub(super) struct Board {
    pub sites: Vec<Spot>,
    pub groups: Vec<Team>,
    /// Of each zone the sites that take replicas, by excess.
    pub zones: Vec<BTreeSet<(i64, usize)>>,
    /// Zones by their least excess; those without a site that takes replicas are not in it.
    pub by_excess: BTreeSet<(i64, usize)>,
    /// Sites whose replicas may be moved off in this pass, by excess.
    pub sources: BTreeSet<(i64, usize)>,
    /// Looks at a zone, replica or candidate so far.
    pub steps: Cell<u64>,
}

impl Board {
    pub fn new(sites: &[Site], groups: &[Placed]) -> Board {
        let mut board = Board {
            sites: Vec::new(),
            groups: Vec::new(),
            zones: Vec::new(),
            by_excess: BTreeSet::new(),
            sources: BTreeSet::new(),
            steps: Cell::new(0),
        };
        let mut numbers = BTreeMap::new();
        let mut zones: BTreeMap<&str, usize> = BTreeMap::new();
        // By id, so that the order in which they are given decides nothing.
        let mut sites: Vec<&Site> = sites.iter().collect();
        sites.sort_by_key(|site| site.node);
        for site in sites {
            if numbers.contains_key(&site.node) {
                continue;
            }
            let zone = zones.get(site.zone.as_str()).copied();
            let spot = board.add_site(site.node, zone);
            if !site.zone.is_empty() {
                zones.insert(&site.zone, board.sites[spot].zone);
            }
            board.sites[spot].known = true;
            board.sites[spot].weight = site.weight;
            let votes = site.role == ZoneRole::Voter;
            board.sites[spot].leads = votes && site.standing == Standing::Serving;
            board.sites[spot].role = match site.standing {
                _ if !votes => Role::Leaves,
                Standing::Serving if site.weight > 0 => Role::Takes,
                Standing::Serving | Standing::Away => Role::Keeps,
                Standing::Leaving => Role::Leaves,
            };
            numbers.insert(site.node, spot);
        }
        for placed in groups {
            board.add_group(placed, &mut numbers);
        }
        board
    }

    /// A site of which nothing is known, in this zone or one of its own.
    fn add_site(&mut self, node: NodeId, zone: Option<usize>) -> usize {
        let zone = zone.unwrap_or_else(|| {
            self.zones.push(BTreeSet::new());
            self.zones.len() - 1
        });
        self.sites.push(Spot {
            node,
            zone,
            weight: 0,
            role: Role::Leaves,
            leads: false,
            known: false,
            target: 0,
            held: BTreeSet::new(),
        });
        self.sites.len() - 1
    }

    fn add_group(&mut self, placed: &Placed, numbers: &mut BTreeMap<NodeId, usize>) {
        let mut before = Vec::new();
        for node in &placed.replicas {
            let site = *numbers.entry(*node).or_insert_with(|| self.add_site(*node, None));
            if !before.contains(&site) {
                before.push(site);
            }
        }
        let group = self.groups.len();
        let counted = placed.group != GroupId::META;
        let (bytes, load) = (placed.bytes, placed.load);
        self.groups.push(Team { now: before.clone(), before: before.clone(), bytes, load, counted });
        for site in before {
            let held = self.held(group, site);
            self.sites[site].held.insert(held);
        }
    }

    /// One more look.
    pub fn step(&self) {
        self.steps.set(self.steps.get() + 1);
    }

    pub fn holds(&self, group: usize, site: usize) -> bool {
        self.groups[group].now.contains(&site)
    }

    /// Replicas of a group in a zone, without those that are to leave.
    pub fn crowd(&self, group: usize, zone: usize) -> usize {
        let here = |site: &&usize| self.sites[**site].zone == zone && self.sites[**site].role != Role::Leaves;
        self.groups[group].now.iter().filter(here).count()
    }

    /// How far a site is above its share, in 1/[`ONE`].
    pub fn excess(&self, site: usize) -> i64 {
        self.sites[site].held.len() as i64 * ONE - self.sites[site].target
    }

    /// Sets the share of each site and puts those that take replicas in order.
    pub fn set_targets(&mut self, targets: &[i64]) {
        self.by_excess.clear();
        self.zones.iter_mut().for_each(BTreeSet::clear);
        for (site, target) in targets.iter().enumerate() {
            self.sites[site].target = *target;
            if self.sites[site].role == Role::Takes {
                let key = (self.excess(site), site);
                self.zones[self.sites[site].zone].insert(key);
            }
        }
        for (zone, sites) in self.zones.iter().enumerate() {
            self.by_excess.extend(sites.first().map(|(excess, _)| (*excess, zone)));
        }
    }

    fn held(&self, group: usize, site: usize) -> Held {
        let Team { before, bytes, .. } = &self.groups[group];
        Held { old: before.contains(&site), led: before.first() == Some(&site), bytes: *bytes, group }
    }

    pub fn add(&mut self, group: usize, site: usize) {
        self.groups[group].now.push(site);
        let replica = self.held(group, site);
        self.reorder(site, |held| held.insert(replica));
    }

    pub fn remove(&mut self, group: usize, site: usize) {
        self.groups[group].now.retain(|other| *other != site);
        let replica = self.held(group, site);
        self.reorder(site, |held| held.remove(&replica));
    }

    /// The groups of a site in the order in which they are moved; with `new_only` those it did not hold before.
    pub fn movable(&self, site: usize, new_only: bool) -> impl Iterator<Item = usize> + '_ {
        let held = self.sites[site].held.iter();
        held.take_while(move |replica| !(new_only && replica.old)).map(|replica| replica.group)
    }

    pub fn shift(&mut self, group: usize, from: usize, to: usize) {
        self.remove(group, from);
        self.add(group, to);
    }

    /// Changes what a site holds, and its place in all orders.
    fn reorder(&mut self, site: usize, change: impl FnOnce(&mut BTreeSet<Held>) -> bool) {
        let zone = self.sites[site].zone;
        let old = (self.excess(site), site);
        let first = self.zones[zone].first().map(|(excess, _)| (*excess, zone));
        change(&mut self.sites[site].held);
        let new = (self.excess(site), site);
        // Before the shares are set there are no orders.
        if self.zones[zone].remove(&old) {
            self.zones[zone].insert(new);
            first.map(|first| self.by_excess.remove(&first));
            self.by_excess.extend(self.zones[zone].first().map(|(excess, _)| (*excess, zone)));
        }
        if self.sources.remove(&old) {
            self.sources.insert(new);
        }
    }

    /// The emptiest site for a replica of a group: one that takes replicas, holds none of it, and is in zone `own`
    /// or in one with at most `limit` of its replicas.
    pub fn emptiest(&self, group: usize, limit: usize, own: Option<usize>) -> Option<usize> {
        let salt = self.salt(group);
        let mut best: Option<(i64, usize)> = None;
        for (least, zone) in lowest_from(&self.by_excess, salt % self.zones.len().max(1)) {
            self.step();
            if best.is_some_and(|(excess, _)| excess <= *least) {
                break;
            }
            if Some(*zone) != own && self.crowd(group, *zone) > limit {
                continue;
            }
            let mut sites = lowest_from(&self.zones[*zone], salt % self.sites.len());
            let free = sites.find(|(_, site)| !self.holds(group, *site)).copied();
            if free.is_some_and(|free| best.is_none_or(|best| free.0 < best.0)) {
                best = free;
            }
        }
        best.map(|(_, site)| site)
    }

    /// A number that differs from group to group and from replica to replica. It decides where to begin among equals, so
    /// that the groups of a node have the others' replicas on many nodes: all of them take over a part when it dies.
    fn salt(&self, group: usize) -> usize {
        let seed = (group as u64) << 8 | self.groups[group].now.len() as u64;
        (seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize
    }

    /// What each group should have: those it keeps in their order, then the new ones by number.
    pub fn lists(&self) -> Vec<Vec<usize>> {
        let list = |team: &Team| {
            let mut list: Vec<usize> =
                team.before.iter().filter(|site| team.now.contains(site)).copied().collect();
            let kept = list.len();
            list.extend(team.now.iter().filter(|site| !team.before.contains(site)));
            list[kept..].sort_unstable();
            list
        };
        self.groups.iter().map(list).collect()
    }
}

/// All of a set in its order, but those with the lowest excess from this number on, and then from the first.
fn lowest_from(set: &BTreeSet<(i64, usize)>, start: usize) -> impl Iterator<Item = &(i64, usize)> {
    let lowest = set.first().map_or(0, |(excess, _)| *excess);
    let next = (lowest + 1, 0);
    set.range((lowest, start)..next).chain(set.range((lowest, 0)..(lowest, start))).chain(set.range(next..))
}
