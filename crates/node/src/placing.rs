//! The node that leads the meta group decides where replicas should be, a few moves at a time.
//!
//! What should be is computed anew each second from the map and from who is heard from
//! ([`cluster::placement`]); what is decided are rows of the map ([`cluster::map::ReplicaSet`]), which the
//! leaders of the groups carry out ([`crate::members`]).

use crate::core::Core;
use crate::members::MAX_LAG;
use crate::replica::Replica;
use cluster::heartbeat::MEMBERS_LEVEL;
use cluster::map::ZoneRole;
use cluster::status::diagnose::{offer_split, saturation};
use cluster::{
    Placed, ReplicaSet, Site, Standing, explain, explain_learners, place_learners, place_with_witnesses,
    stage_learners,
};
use model::{GroupId, NodeId};

/// A member that is not heard from for so long, in ms, leads nothing and gets nothing. Shorter silence, as of a
/// restart, changes nothing.
const AWAY_MS: u64 = 15_000;
/// After it has begun to lead the meta group a node waits so long, in ms, until it has heard from all who are up.
const LOOK_AROUND_MS: u64 = 3_000;
/// How often leaders may move because of what they have to do, in ms: each move is a pause for clients.
const LOAD_MS: u64 = 60_000;
/// Groups of which the order of succession changes at a time.
const MAX_ORDERS: usize = 64;

/// Where a group should be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The group.
    pub group: GroupId,
    /// Nodes with a vote; the first should lead.
    pub voters: Vec<NodeId>,
    /// Nodes without one, also those that keep theirs until others have it.
    pub learners: Vec<NodeId>,
    /// Nodes without one in the end.
    target: Vec<NodeId>,
}

impl Wanted {
    /// As an argument of the request that seats replicas.
    fn show(&self) -> String {
        let list = |nodes: &[NodeId]| nodes.iter().map(NodeId::to_string).collect::<Vec<_>>().join(",");
        match self.learners.is_empty() {
            true => list(&self.voters),
            false => format!("{}/{}", list(&self.voters), list(&self.learners)),
        }
    }
}

/// How many groups may still change, by what is to change.
struct Room {
    /// Their voters.
    moves: usize,
    /// Their learners only: a site that is far away and slow must not hold up the others.
    copies: usize,
    /// The order of succession only.
    orders: usize,
}

impl Room {
    /// What a change takes from.
    fn of(&mut self, set: &ReplicaSet, wanted: &Wanted) -> &mut usize {
        let voters = set.nodes();
        let same =
            wanted.voters.len() == voters.len() && wanted.voters.iter().all(|node| voters.contains(node));
        if !same || !set.settled {
            &mut self.moves
        } else if wanted.learners != set.learner_nodes() {
            &mut self.copies
        } else {
            &mut self.orders
        }
    }
}

/// What the planner remembers while this node leads the meta group.
#[derive(Debug, Default)]
pub(crate) struct Planner {
    /// Since when it leads, monotonic ms.
    since_ms: Option<u64>,
    /// Not before, leaders move because of what they have to do, monotonic ms.
    next_load_ms: u64,
}

impl Core {
    /// Once a second: decides what is to move next.
    pub(crate) fn drive_placement(&mut self) {
        if !self.drives_changes() || self.ending {
            self.planner = Planner::default();
            return;
        }
        let now_ms = self.now.mono_ms();
        let since_ms = *self.planner.since_ms.get_or_insert(now_ms);
        if !self.routes[0].is_empty() {
            return;
        }
        // At once, since all have to be heard from for it.
        if self.map.level < self.settings.level && self.raise_level() || self.map.level < MEMBERS_LEVEL {
            return;
        }
        if now_ms < since_ms + LOOK_AROUND_MS {
            return;
        }
        // Nothing moves while shards are split: their children begin where they are.
        if self.map.is_dividing() {
            return;
        }
        let groups = || (0..=self.map.shards.len() as u32).map(GroupId);
        if self.map.incarnation > 0 && groups().any(|group| !self.map.has_set(group)) {
            return; // Not before the groups have told who has what.
        }
        let left = |busy: usize| self.settings.max_moves.saturating_sub(busy);
        let (moves, copies) = (left(self.map.unsettled().count()), left(self.copies_under_way()));
        let mut room = Room { moves, copies, orders: MAX_ORDERS };
        let mut args: Vec<String> = vec!["seat-replicas".to_owned()];
        let by_load = now_ms >= self.planner.next_load_ms;
        if by_load {
            self.planner.next_load_ms = now_ms + LOAD_MS;
        }
        for wanted in self.plan(by_load) {
            let group = wanted.group;
            let set = self.map.set_of(group);
            let left = room.of(&set, &wanted);
            // One that is on its way is taken to its end first, unless that can not be reached. It has its place among
            // those that move: if all were stuck, none would ever end.
            let stuck = set.wanted.iter().any(|seat| self.is_given_up(seat.node));
            let may = if set.settled { *left > 0 } else { stuck };
            if !may {
                continue;
            }
            *left = left.saturating_sub(usize::from(set.settled));
            let nodes = wanted.show();
            tracing::info!(%group, nodes, "replicas of a group are to be on these nodes");
            args.push(group.0.to_string());
            args.push(nodes);
        }
        if args.len() > 1 {
            let args: Vec<&[u8]> = args.iter().map(String::as_bytes).collect();
            self.ask_meta(&args);
        }
    }

    /// Groups whose learners, of nodes that are up, have not got their rows yet.
    fn copies_under_way(&self) -> usize {
        let copying = |(group, set): &(GroupId, &ReplicaSet)| {
            set.learners.iter().any(|seat| self.is_up(seat.node) && !self.has_joined(*group, *seat))
        };
        self.map.sets().filter(copying).count()
    }

    /// Whether a learner has its rows and nearly all that others have applied, as they say.
    fn has_copy(&self, group: GroupId, node: NodeId) -> bool {
        let set = self.map.set_of(group);
        let Some(seat) = set.learners.iter().find(|seat| seat.node == node) else { return false };
        let applied = |node| self.reported(node, group);
        let most = set.learner_nodes().into_iter().map(applied).max().unwrap_or(0);
        self.is_up(node) && self.has_joined(group, *seat) && applied(node) + MAX_LAG >= most
    }

    /// Once all members understand what this version does it may be used (safety rule 20).
    /// True if the meta group is asked for it.
    fn raise_level(&mut self) -> bool {
        let level = |node: &NodeId| match self.peers.get(node).and_then(|peer| peer.report.as_ref()) {
            Some(report) if self.is_up(*node) => report.level,
            _ => 0,
        };
        // Nobody waits for one that was given up: should it come back and not understand, its replicas stop.
        let waited_for = |node: &&NodeId| **node != self.me.node && !self.is_given_up(**node);
        let others = self.map.members.keys().filter(waited_for);
        let all = others.map(level).min().unwrap_or(u64::MAX).min(self.settings.level);
        if all <= self.map.level {
            return false;
        }
        self.ask_meta(&[b"raise-level", all.to_string().as_bytes()]);
        true
    }

    /// The groups that should be elsewhere, with the nodes they should be on. `by_load`: leaders are to be even also
    /// by what they have to do, not only by number.
    pub(crate) fn plan(&self, by_load: bool) -> Vec<Wanted> {
        let (sites, groups) = (self.sites(), self.placed(by_load));
        let is_witness = |node: NodeId| self.map.is_witness(node);
        let voters = place_with_witnesses(&sites, &is_witness, &groups, self.map.replicas as usize);
        let all_voters: Vec<Vec<NodeId>> = groups
            .iter()
            .zip(voters)
            .map(|(placed, voters)| self.with_successors(&placed.replicas, voters))
            .collect();
        let learners = place_learners(&sites, &groups, &all_voters);
        let mut plan = Vec::new();
        for ((placed, voters), learners) in groups.iter().zip(all_voters).zip(learners) {
            let (group, target) = (placed.group, self.with_successors(&placed.learners, learners));
            let before: Vec<NodeId> =
                placed.learners.iter().copied().filter(|node| !voters.contains(node)).collect();
            let learners = stage_learners(&sites, &before, &target, |node| self.has_copy(group, node));
            if voters != placed.replicas || learners != placed.learners {
                plan.push(Wanted { group, voters, learners, target });
            }
        }
        plan
    }

    /// The plan in words, a line per group.
    pub(crate) fn explain_plan(&self) -> Vec<String> {
        let (sites, groups) = (self.sites(), self.placed(false));
        let before = |group: GroupId| groups.iter().find(|placed| placed.group == group);
        let plan = self.plan(false);
        let said = plan.iter().flat_map(|wanted| {
            let before = before(wanted.group);
            let moves = before.filter(|before| before.replicas != wanted.voters);
            let moves = moves.map(|before| explain(&sites, before, &wanted.voters));
            let copies = before.and_then(|before| explain_learners(&sites, before, &wanted.target));
            moves.into_iter().chain(copies)
        });
        let status = self.status();
        let offers = [offer_split(&status), saturation(&status)].into_iter().flatten();
        said.chain(offers.map(|offer| offer.text)).collect()
    }

    fn placed(&self, by_load: bool) -> Vec<Placed> {
        let groups = (0..=self.map.shards.len() as u32).map(GroupId);
        groups
            .map(|group| Placed {
                group,
                replicas: self.map.set_of(group).nodes(),
                learners: self.map.set_of(group).learner_nodes(),
                bytes: self.bytes_of(group),
                load: if by_load { self.load_of(group) } else { 0 },
            })
            .collect()
    }

    /// Bytes of the rows of a group, as the largest of its replicas says.
    pub(crate) fn bytes_of(&self, group: GroupId) -> u64 {
        let own = self.replicas[group.0 as usize].as_deref().map(Replica::bytes);
        let reports = self.peers.values().filter_map(|peer| peer.report.as_ref());
        let others =
            reports.flat_map(|report| &report.groups).filter(|g| g.group == group.0).map(|g| g.bytes);
        others.chain(own).max().unwrap_or(0)
    }

    /// Commands per second that the leader of a group executes, as it says.
    pub(crate) fn load_of(&self, group: GroupId) -> u64 {
        let own = self.replicas[group.0 as usize].as_deref().filter(|r| r.raft.is_leader());
        let reports = self.peers.values().filter_map(|peer| peer.report.as_ref());
        let others = reports.flat_map(|report| &report.groups).filter(|g| g.group == group.0).map(|g| g.load);
        others.chain(own.map(|r| r.load.per_second())).max().unwrap_or(0)
    }

    fn sites(&self) -> Vec<Site> {
        let site = |(node, member): (&NodeId, &cluster::Member)| Site {
            node: *node,
            zone: member.zone.clone(),
            // A witness has no copies, wherever it is.
            role: if member.witness { ZoneRole::Voter } else { self.map.role_of_zone(&member.zone) },
            weight: 1,
            standing: self.standing(*node),
        };
        self.map.members.iter().map(site).collect()
    }

    /// What a member is to do with replicas.
    pub(crate) fn standing(&self, node: NodeId) -> Standing {
        let member = self.map.members.get(&node);
        let draining = member.is_none_or(|member| member.draining);
        // One that joins has not said yet which zone it is in.
        let silent = member.is_some_and(|member| member.incarnation == 0);
        match self.silent_ms(node) {
            _ if silent && !draining && !self.map.formation.members.contains(&node) => Standing::Away,
            _ if draining || self.is_given_up(node) => Standing::Leaving,
            silent if silent > AWAY_MS => Standing::Away,
            _ => Standing::Serving,
        }
    }

    /// Whether nobody waits for a node any more.
    fn is_given_up(&self, node: NodeId) -> bool {
        let after_ms = self.settings.replace_after_ms;
        !self.map.members.contains_key(&node) || after_ms > 0 && self.silent_ms(node) > after_ms
    }

    /// Since when a member is not heard from, in ms. Not since this node leads: where leaders change often nobody
    /// would ever be given up.
    fn silent_ms(&self, node: NodeId) -> u64 {
        if node == self.me.node
            || self.is_up(node) && self.peers.get(&node).is_some_and(|p| p.report.is_some())
        {
            return 0;
        }
        let heard_ns = self.peers.get(&node).and_then(|peer| peer.health.last_heard_ns()).unwrap_or(0);
        self.now.mono_ms().saturating_sub(self.settings.started_ms.max(heard_ns / model::time::MS))
    }

    /// Where a person has named a successor that takes the place of the node it replaces.
    fn with_successors(&self, before: &[NodeId], after: Vec<NodeId>) -> Vec<NodeId> {
        let successor = |node: NodeId| {
            let to = self.map.members.get(&node)?.successor?;
            let able = self.standing(to) == Standing::Serving && !before.contains(&to);
            able.then_some(to)
        };
        if before.iter().all(|node| successor(*node).is_none()) {
            return after;
        }
        // One may succeed several, but has one replica: the others go by the usual way then.
        let mut nodes: Vec<NodeId> = Vec::new();
        for &node in before {
            let next = successor(node).filter(|to| !nodes.contains(to));
            nodes.push(next.unwrap_or(node));
        }
        nodes
    }
}
