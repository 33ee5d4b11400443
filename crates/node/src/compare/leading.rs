//! The leader's part of a comparison: one group at a time, from the point to what is done about a difference.

use super::judge::{Verdict, differing, judge};
use super::{COMPARE_ROW, Point};
use crate::core::Core;
use crate::frame::compared::{Compared, Said};
use crate::layouts::follow_rows;
use cluster::heartbeat::COMPARE_LEVEL;
use cluster::status::ComparedStatus;
use model::limits::SLOTS;
use model::{GroupId, Index, NodeId, Term};
use shard::checkpoint::Scope;
use std::collections::{BTreeMap, BTreeSet};

/// Time between two questions to a member, ms.
const ASK_MS: u64 = 250;
/// Points that are tried for a group before it is left to the next round.
const MAX_TRIES: u32 = 5;
/// Time before another point is tried, ms, times the tries so far.
const AGAIN_MS: u64 = 3000;
/// A member that has not said anything is not waited for any longer after the leader itself is done, ms.
const SILENT_MS: u64 = 10_000;
/// One that is not done gets so many times as long as the leader took, and a minute.
const PATIENCE: u64 = 3;
const MINUTE_MS: u64 = 60_000;
/// So long a damaged follower is told to give its rows up, ms, unless it says that it has none any more.
const TELL_MS: u64 = 20_000;
/// Time before the meta group's leader next looks at what to change, ms, in which a point is put there; up to twice as long.
const QUIET_MS: u64 = 300;
/// Ranges that one message names.
const NAMED: usize = 4;

/// What was found in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// When, wall clock, ms since 1970.
    pub(crate) ms: u64,
    /// Nodes whose rows are not those of the majority, or, if there is none, all whose rows were compared.
    pub(crate) differ: Vec<NodeId>,
    /// No majority has the same rows.
    pub(crate) undecided: bool,
    /// Members whose rows could not be compared.
    pub(crate) missing: Vec<NodeId>,
}

impl Finding {
    /// As it is told.
    pub(crate) fn status(&self) -> ComparedStatus {
        let ids = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect();
        let Finding { ms, differ, undecided, missing } = self;
        ComparedStatus { ms: *ms, differ: ids(differ), undecided: *undecided, missing: ids(missing) }
    }
}

/// A comparison under way.
#[derive(Debug)]
pub(super) struct Led {
    group: GroupId,
    point: Point,
    tries: u32,
    voters: BTreeSet<NodeId>,
    /// Voters and learners that hold rows, this node included.
    members: BTreeSet<NodeId>,
    said: BTreeMap<NodeId, Said>,
    ask_ms: u64,
    began_ms: u64,
    /// When the leader itself was done, monotonic ms.
    own_ms: Option<u64>,
    /// Who is told to give its rows up, and until when.
    damaged: Option<(NodeId, u64)>,
}

/// Why no point can be put now.
enum Not {
    /// There is nothing to compare, or somebody else leads.
    Ever,
    /// Something is in the way.
    Now,
}

impl Core {
    /// All groups that this node leads are to be compared.
    pub(crate) fn queue_comparisons(&mut self) {
        if self.map.level < COMPARE_LEVEL {
            return;
        }
        let led = self.scrub.compare.led.as_ref().map(|led| led.group);
        let leads = self.replicas.iter().flatten().filter(|replica| replica.leading().is_some());
        let groups: Vec<GroupId> = leads.map(|replica| replica.id).filter(|id| Some(*id) != led).collect();
        self.scrub.compare.queue = groups.into_iter().map(|group| (group, 0, 0)).collect();
    }

    /// Now and then: reads what is due, and goes on with the comparison that this node leads.
    pub(crate) fn drive_comparisons(&mut self) {
        self.forget_void();
        self.read_next_part();
        match self.scrub.compare.led.take() {
            // Who leads next begins its own.
            Some(led) if self.leads_in(led.group, led.point.at.1) => self.scrub.compare.led = self.go_on(led),
            Some(led) => {
                tracing::info!(group = %led.group, "a comparison is dropped: another node leads, or will")
            }
            None => self.begin_comparison(),
        }
    }

    fn leads_in(&self, group: GroupId, term: Term) -> bool {
        let replica = self.replicas.get(group.0 as usize).and_then(Option::as_deref);
        replica.is_some_and(|replica| replica.leading() == Some(term))
    }

    /// Puts the next point that is due.
    fn begin_comparison(&mut self) {
        let now_ms = self.now.mono_ms();
        // Changes of the map are refused while an entry of the meta group is not committed, and its leader makes them once a
        // second: a point at the same time each second would keep them away for good.
        let quiet = (QUIET_MS..=2 * QUIET_MS).contains(&self.next_second_ms.saturating_sub(now_ms));
        let may = |(group, _, not_before_ms): &(GroupId, u32, u64)| {
            *not_before_ms <= now_ms && (*group != GroupId::META || quiet)
        };
        let due = self.scrub.compare.queue.iter().position(may);
        let Some((group, tries, _)) = due.and_then(|at| self.scrub.compare.queue.remove(at)) else { return };
        match self.put_point(group, tries) {
            Ok(led) => self.scrub.compare.led = Some(led),
            Err(Not::Now) => self.compare_later(group, tries + 1),
            Err(Not::Ever) => {}
        }
    }

    /// Another point is tried for the group, unless there were many.
    fn compare_later(&mut self, group: GroupId, tries: u32) {
        if tries >= MAX_TRIES {
            self.scrub.compare.given_up += 1;
            tracing::warn!(%group, tries, "its replicas could not be compared; the next scrub tries again");
            return;
        }
        let not_before_ms = self.now.mono_ms() + AGAIN_MS * u64::from(tries);
        self.scrub.compare.queue.push_back((group, tries, not_before_ms));
    }

    fn put_point(&mut self, group: GroupId, tries: u32) -> Result<Led, Not> {
        self.propose(group);
        let (now, me, base) = (self.now, self.me.node, self.map.formation.shards);
        let kept = self.keeps_division(group) || self.disk.is_full() || self.map.level < COMPARE_LEVEL;
        let witnesses: BTreeSet<NodeId> =
            self.map.members.keys().copied().filter(|node| self.map.is_witness(*node)).collect();
        let Some(replica) = self.replica(group) else { return Err(Not::Ever) };
        let Some(term) = replica.leading() else { return Err(Not::Ever) };
        follow_rows(replica, base);
        let conf = replica.raft.members();
        let busy = replica.checkpointing || replica.step.is_some() || !replica.is_undivided();
        if kept || busy || !replica.can_execute() || !conf.voters_outgoing.is_empty() {
            return Err(Not::Now);
        }
        let voters: BTreeSet<NodeId> = conf.voters.iter().copied().map(NodeId).collect();
        let learners = conf.learners.iter().copied().map(NodeId);
        let members: BTreeSet<NodeId> =
            voters.iter().copied().chain(learners).filter(|node| !witnesses.contains(node)).collect();
        if members.len() < 2 {
            return Err(Not::Ever);
        }
        let slots = replica.owned.slots.unwrap_or((0, SLOTS - 1));
        let scope = Scope { slots, spread: replica.owned.spread };
        replica.begin(now);
        let point = Point { at: (replica.raft.next_index(), term), scope };
        replica.machine.put_system(COMPARE_ROW, Some(&point.encode()));
        replica.hurry = true;
        self.propose(group);
        if self.replica(group).and_then(|replica| replica.last_own()) != Some((term, point.at.0)) {
            return Err(Not::Now);
        }
        tracing::debug!(%group, index = point.at.0, "replicas are compared");
        Ok(Led {
            group,
            point,
            tries,
            voters,
            members,
            said: BTreeMap::from([(me, Said::Pending)]),
            ask_ms: 0,
            began_ms: now.mono_ms(),
            own_ms: None,
            damaged: None,
        })
    }

    /// Asks, waits, and ends it.
    fn go_on(&mut self, mut led: Led) -> Option<Led> {
        let (now_ms, me) = (self.now.mono_ms(), self.me.node);
        let own = self.said(led.group, led.point.at);
        if own != Said::Pending && led.own_ms.is_none() {
            led.own_ms = Some(now_ms);
        }
        led.said.insert(me, own);
        if now_ms >= led.ask_ms {
            led.ask_ms = now_ms + ASK_MS;
            if let Some((node, until_ms)) = led.damaged {
                return self.tell_damaged(led, node, until_ms);
            }
            let waits = |node: &&NodeId| !matches!(led.said.get(node), Some(Said::Unable | Said::Hashes(_)));
            let asked: Vec<NodeId> = led.members.iter().filter(waits).copied().collect();
            for node in asked {
                self.tell_compared(node, &Compared { group: led.group, at: led.point.at, said: Said::Asked });
            }
        }
        if led.damaged.is_some() || !self.has_all(&led) {
            return Some(led);
        }
        self.end_comparison(led)
    }

    /// Whether nobody is waited for any more.
    fn has_all(&self, led: &Led) -> bool {
        let Some(own_ms) = led.own_ms else { return false };
        let waited_ms = self.now.mono_ms().saturating_sub(own_ms);
        let patience_ms = PATIENCE * (own_ms - led.began_ms) + MINUTE_MS;
        led.members.iter().all(|node| match led.said.get(node) {
            Some(Said::Hashes(_) | Said::Unable) => true,
            Some(_) => waited_ms > patience_ms,
            None => waited_ms > SILENT_MS || !self.is_up(*node),
        })
    }

    /// A member has said something.
    pub(super) fn heard_compared(&mut self, from: NodeId, group: GroupId, at: (Index, Term), said: Said) {
        let current =
            |led: &&mut Led| led.group == group && led.point.at == at && led.members.contains(&from);
        if let Some(led) = self.scrub.compare.led.as_mut().filter(current) {
            led.said.insert(from, said);
        }
    }

    /// All is said. What goes on with it is returned.
    fn end_comparison(&mut self, led: Led) -> Option<Led> {
        let (group, now_ms) = (led.group, self.now.mono_ms());
        let conf = self.replica(group).map(|replica| replica.raft.members());
        let same = conf.is_some_and(|conf| {
            conf.voters_outgoing.is_empty()
                && conf.voters.into_iter().map(NodeId).eq(led.voters.iter().copied())
        });
        let hashes = |said: &Said| if let Said::Hashes(hashes) = said { Some(hashes.clone()) } else { None };
        let said: BTreeMap<NodeId, Vec<u64>> =
            led.said.iter().filter_map(|(node, said)| Some((*node, hashes(said)?))).collect();
        if !same || !said.contains_key(&self.me.node) || said.len() < 2 {
            self.compare_later(group, led.tries + 1);
            return None;
        }
        let missing: Vec<NodeId> =
            led.members.iter().filter(|node| !said.contains_key(node)).copied().collect();
        let verdict = judge(&led.voters, &said);
        let (differ, undecided) = match &verdict {
            Verdict::Equal => (Vec::new(), false),
            Verdict::Damaged { wrong, .. } => (wrong.iter().copied().collect(), false),
            Verdict::Undecided => (said.keys().copied().collect(), true),
        };
        self.report_difference(&led, &said, &differ, undecided);
        (self.scrub.compare.last_ms, self.scrub.compare.ended) =
            (self.true_wall_ms, self.scrub.compare.ended + 1);
        let again = missing.iter().any(|node| self.is_up(*node));
        self.scrub.compare.found.insert(group, Finding { ms: self.true_wall_ms, differ, undecided, missing });
        match verdict {
            Verdict::Damaged { right, wrong } => {
                let node = self.who_is_rebuilt(&led, &right, &wrong)?;
                if node == self.me.node {
                    // It hands over first.
                    self.tree_is_damaged(group);
                    return None;
                }
                Some(Led { damaged: Some((node, now_ms + TELL_MS)), ask_ms: 0, ..led })
            }
            _ => {
                // Who is up and had a checkpoint under way, or was behind, may be able next time.
                if again && led.tries + 1 < MAX_TRIES {
                    self.compare_later(group, led.tries + 1);
                }
                None
            }
        }
    }

    fn report_difference(
        &mut self,
        led: &Led,
        said: &BTreeMap<NodeId, Vec<u64>>,
        differ: &[NodeId],
        undecided: bool,
    ) {
        if differ.is_empty() {
            return;
        }
        self.scrub.compare.differences += 1;
        let numbers = differing(said);
        let named: Vec<String> =
            numbers.iter().take(NAMED).map(|number| led.point.scope.describe(*number)).collect();
        let (group, index, ranges) = (led.group, led.point.at.0, numbers.len());
        let nodes = differ.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let named = named.join("; ");
        if undecided {
            tracing::error!(%group, index, nodes, ranges, named, "replicas differ and no majority has the same: nothing is changed");
        } else {
            tracing::error!(%group, index, nodes, ranges, named, "rows of these nodes differ from those of the majority");
        }
    }

    /// Who gives up its rows now: one at a time, and only while a majority of the voters has the right ones and is up.
    fn who_is_rebuilt(
        &mut self,
        led: &Led,
        right: &BTreeSet<NodeId>,
        wrong: &BTreeSet<NodeId>,
    ) -> Option<NodeId> {
        let (group, me) = (led.group, self.me.node);
        let up = |node: &NodeId| *node == me || self.is_up(*node);
        let whole = right.iter().filter(|node| up(node) && !self.lacks_rows(**node, group)).count();
        let one_lacks = led.members.iter().any(|node| self.lacks_rows(*node, group));
        if one_lacks || whole < led.voters.len() / 2 + 1 {
            tracing::error!(%group, "no rows are given up: too few replicas with the right ones are there now");
            self.compare_later(group, led.tries + 1);
            return None;
        }
        if wrong.contains(&me) {
            return Some(me);
        }
        let first = wrong.iter().copied().find(|node| self.is_up(*node));
        if first.is_none() {
            self.compare_later(group, led.tries + 1);
        }
        first
    }

    /// A follower is told until it has no rows; then all are compared once more, when it may have them again.
    fn tell_damaged(&mut self, led: Led, node: NodeId, until_ms: u64) -> Option<Led> {
        if self.lacks_rows(node, led.group) || self.now.mono_ms() > until_ms {
            self.compare_later(led.group, led.tries + 1);
            return None;
        }
        self.tell_compared(node, &Compared { group: led.group, at: led.point.at, said: Said::Differs });
        Some(led)
    }
}
