//! The leader of a group changes its members, step by step, until they are those the map wants.
//!
//! Nothing is remembered of a change but the map's row and the members: whoever leads looks at both and takes
//! the next step. So a change that a failure interrupts goes on under the next leader, and one that is not
//! wanted any more is taken back.

use crate::core::Core;
use crate::seats::members_of;
use cluster::heartbeat::{GroupReport, MEMBERS_LEVEL};
use cluster::map::Seat;
use cluster::{MEMBERS_ROW, Members, ReplicaSet};
use consensus::MemberStep;
use model::planted::{Bug, is_planted};
use model::{GroupId, NodeId};

/// A learner this many entries behind gets no vote.
pub(crate) const MAX_LAG: u64 = 1000;

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// This step.
    Step(MemberStep),
    /// The leader has no vote in the next configuration: one of these leads first.
    HandOver(Vec<NodeId>),
    /// Nothing until a learner has caught up.
    Wait,
    /// The members are those wanted.
    Settled,
}

/// The next step from the members as they are to those wanted, as the leader `me` sees it. `ready`: whether a
/// learner has caught up and may vote. `lost`: whether a voter's replica is not there. `witness`: whether a node is one.
///
/// A learner gets a vote only if it is wanted with one. Those wanted without come after everything else and are
/// waited for by nobody.
pub(crate) fn next_step(
    now: &Members,
    set: &ReplicaSet,
    me: NodeId,
    ready: impl Fn(Seat) -> bool,
    lost: impl Fn(Seat) -> bool,
    witness: impl Fn(NodeId) -> bool,
) -> Next {
    if !now.outgoing.is_empty() {
        return match now.voters.contains(&me) {
            true => Next::Step(MemberStep::Leave),
            false => Next::HandOver(now.voters.clone()),
        };
    }
    let seat_of = |node: NodeId| Seat { node, generation: now.generation(node) };
    let votes = |node: &NodeId| set.wanted.contains(&seat_of(*node));
    let learns = |node: &NodeId| set.learners.contains(&seat_of(*node));
    if let Some(node) = now.learners.iter().find(|node| !votes(node) && !learns(node)) {
        return Next::Step(MemberStep::RemoveLearner(*node));
    }
    // A node may have to go before another replica of it can come.
    let absent = |seats: &[Seat]| seats.iter().find(|seat| !now.names(seat.node)).map(|seat| seat.node);
    if let Some(node) = absent(&set.wanted) {
        return Next::Step(MemberStep::AddLearner(node));
    }
    // Planted: see model/planted.rs
    let gets_vote = |node: &NodeId| votes(node) || is_planted(Bug::LearnerGetsVote);
    let add: Vec<NodeId> = now.learners.iter().filter(|node| gets_vote(node)).copied().collect();
    let mut remove: Vec<NodeId> = now.voters.iter().filter(|node| !votes(node)).copied().collect();
    // Where a node gets another replica, no more go than come, and one: they may be all there is. Whose replica is not
    // there goes first: without another one in its place the rest might have no majority, for good.
    let again = |node: &NodeId| set.wanted.iter().any(|seat| seat.node == *node);
    if remove.iter().any(again) {
        remove.sort_by_key(|node| (!lost(seat_of(*node)), again(node)));
        remove.truncate(add.len().max(1));
        // A witness votes beside two others at least. It goes as well, and comes again with the replica.
        let mut stays = now.voters.iter().filter(|node| !remove.contains(node));
        if add.len() + stays.clone().count() < 3 {
            remove.extend(stays.find(|node| witness(**node)));
        }
    }
    if add.is_empty() && remove.is_empty() {
        return absent(&set.learners).map_or(Next::Settled, |node| Next::Step(MemberStep::AddLearner(node)));
    }
    // Who is left must be a majority of what is left, or nobody takes a step any more, not even that for who was lost.
    let stays: Vec<&NodeId> = now.voters.iter().filter(|node| !remove.contains(node)).collect();
    let there = add.len() + stays.iter().filter(|node| !lost(seat_of(***node))).count();
    let goes_on = 2 * there > add.len() + stays.len();
    match goes_on && add.iter().all(|node| ready(seat_of(*node))) {
        true => Next::Step(MemberStep::Enter { add, remove }),
        false => Next::Wait,
    }
}

impl Core {
    /// Takes the next step in every group this node leads whose members are not those wanted.
    pub(crate) fn drive_members(&mut self) {
        // Safety rule 20: also what a person has decided waits until all understand it.
        if self.map.level < MEMBERS_LEVEL {
            return;
        }
        let mut unsettled: Vec<(GroupId, ReplicaSet)> =
            self.map.unsettled().map(|(group, set)| (group, set.clone())).collect();
        // After a recovery only the groups know who has what.
        if self.map.incarnation > 0 {
            let groups =
                (0..=self.map.shards.len() as u32).map(GroupId).filter(|group| !self.map.has_set(*group));
            let untold: Vec<GroupId> = groups.collect();
            for group in untold {
                let members = self.replica(group).filter(|replica| replica.raft.is_leader());
                let members = members.map(|replica| replica.raft.members().voters);
                let seat = |node: u64| Seat { node: NodeId(node), generation: 0 };
                let set = |voters: Vec<u64>| ReplicaSet {
                    wanted: voters.into_iter().map(seat).collect(),
                    ..ReplicaSet::default()
                };
                unsettled.extend(members.map(|voters| (group, set(voters))));
            }
        }
        for (group, set) in unsettled {
            self.drive_group(group, &set);
        }
    }

    fn drive_group(&mut self, group: GroupId, set: &ReplicaSet) {
        self.propose(group);
        let (me, incarnation) = (self.me.node, self.map.incarnation);
        let Some(replica) = self.replica(group) else { return };
        // No lease is needed: nothing is read.
        if !replica.raft.is_leader() || !replica.can_execute() {
            return;
        }
        let known = replica.members_row().map_or(Vec::new(), |row| row.generations);
        let now = members_of(&replica.raft.members(), incarnation, &known);
        let (ready, lost) =
            (|seat| self.is_ready(group, seat), |seat: Seat| seat.node != me && !self.is_there(group, seat));
        let map = &self.map;
        match next_step(&now, set, me, ready, lost, |node| map.is_witness(node)) {
            Next::Step(step) => self.take_step(group, &step, set, &known),
            Next::HandOver(to) => {
                let best = self.best_successor(group).map(|(node, _)| node).filter(|node| to.contains(node));
                let to = best.or_else(|| to.into_iter().find(|node| self.is_up(*node)));
                self.transfer(group, to);
            }
            Next::Settled => self.make_known(group, &now),
            Next::Wait => {}
        }
    }

    /// Proposes a step, with the row of the members as they are after it.
    fn take_step(&mut self, group: GroupId, step: &MemberStep, set: &ReplicaSet, known: &[Seat]) {
        let (incarnation, at) = (self.map.incarnation, self.now);
        let Some(replica) = self.replica(group) else { return };
        // Refused while the one before is not applied.
        let Ok(after) = replica.raft.members_after(step) else { return };
        let mut generations: Vec<Seat> = known.to_vec();
        if let MemberStep::AddLearner(node) = step {
            generations.retain(|seat| seat.node != *node);
            let seats = set.wanted.iter().chain(&set.learners);
            generations.extend(seats.filter(|seat| seat.node == *node));
            generations.sort_unstable();
        }
        let mut row = Vec::new();
        members_of(&after, incarnation, &generations).encode(&mut row);
        replica.begin(at);
        replica.machine.put_system(MEMBERS_ROW, Some(&row));
        replica.step = Some(step.clone());
        replica.witness = None;
        tracing::info!(%group, ?step, "the members of a group change");
        self.propose(group);
    }

    /// The members are those wanted. Who goes may forget its replica only once those who stay know that durably:
    /// a commit is written with the entry after it, so after a restart of all of them the last step could be in
    /// their logs and not known to be committed, and they would ask the votes of replicas that are gone. An entry
    /// that is proposed after that commit takes it along to a majority.
    fn make_known(&mut self, group: GroupId, members: &Members) {
        let at = self.now;
        let Some(replica) = self.replica(group) else { return };
        // Planted: see model/planted.rs
        if is_planted(Bug::SettledTooEarly) {
            return self.tell_settled(group, members);
        }
        let term = replica.raft.term();
        match replica.witness {
            Some((of, index)) if of == term => {
                if replica.machine.applied().0 >= index {
                    self.tell_settled(group, members);
                }
            }
            _ => {
                let mut row = Vec::new();
                replica.members_row().unwrap_or_else(|| members.clone()).encode(&mut row);
                replica.begin(at);
                replica.machine.put_system(MEMBERS_ROW, Some(&row));
                self.propose(group);
                let Some(replica) = self.replica(group) else { return };
                replica.witness = replica.last_own();
            }
        }
    }

    /// Whether a learner has what it needs to vote: nearly all entries, and the knowledge that it is a member.
    fn is_ready(&self, group: GroupId, seat: Seat) -> bool {
        let Some(replica) = self.replicas[group.0 as usize].as_deref() else { return false };
        let last = replica.raft.last_index();
        let views = replica.raft.peers();
        let view = views.iter().find(|view| view.node == seat.node);
        let caught_up = view.is_some_and(|view| view.matched + MAX_LAG >= last && !view.in_snapshot);
        caught_up && self.has_joined(group, seat) && self.is_up(seat.node)
    }

    /// Whether a replica of another node knows that it is a member, so that it has rows or all entries.
    pub(crate) fn has_joined(&self, group: GroupId, seat: Seat) -> bool {
        self.report_of(group, seat).is_some_and(|of_group| !of_group.joining)
    }

    /// Whether a node that is up says that it has this replica.
    fn is_there(&self, group: GroupId, seat: Seat) -> bool {
        self.is_up(seat.node) && self.report_of(group, seat).is_some()
    }

    /// What a node says of this replica.
    fn report_of(&self, group: GroupId, seat: Seat) -> Option<&GroupReport> {
        let report = self.peers.get(&seat.node)?.report.as_ref()?;
        report.groups.iter().find(|g| g.group == group.0 && g.generation == seat.generation)
    }

    /// Tells the meta group that the members are those wanted.
    fn tell_settled(&mut self, group: GroupId, members: &Members) {
        if self.routes[0].leader().is_none() || !self.routes[0].is_empty() {
            return;
        }
        let seats = |nodes: &[NodeId]| {
            let seats = nodes.iter().map(|node| format!("{node}:{}", members.generation(*node)));
            seats.collect::<Vec<_>>().join(",")
        };
        let (group, voters, learners) =
            (group.0.to_string(), seats(&members.voters), seats(&members.learners));
        let mut args: Vec<&[u8]> = vec![b"settle-replicas", group.as_bytes(), voters.as_bytes()];
        if !learners.is_empty() {
            args.push(learners.as_bytes());
        }
        self.ask_meta(&args);
    }
}

/// Reads what [`Core::tell_settled`] has written.
pub(crate) fn parse_seats(text: &str) -> Option<Vec<Seat>> {
    let seat = |text: &str| {
        let (node, generation) = text.split_once(':')?;
        Some(Seat { node: NodeId(node.parse().ok()?), generation: generation.parse().ok()? })
    };
    text.split(',').map(seat).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(list: &[u64]) -> Vec<NodeId> {
        list.iter().copied().map(NodeId).collect()
    }

    fn members(voters: &[u64], outgoing: &[u64], learners: &[u64]) -> Members {
        let (voters, outgoing, learners) = (nodes(voters), nodes(outgoing), nodes(learners));
        Members { voters, outgoing, learners, ..Members::default() }
    }

    fn seats(list: &[u64]) -> Vec<Seat> {
        nodes(list).into_iter().map(|node| Seat { node, generation: 0 }).collect()
    }

    fn next(now: &Members, wanted: &[u64], me: u64, ready: bool) -> Next {
        next_step(now, &set(wanted, &[]), NodeId(me), |_| ready, |_| false, |_| false)
    }

    fn set(wanted: &[u64], learners: &[u64]) -> ReplicaSet {
        ReplicaSet { wanted: seats(wanted), learners: seats(learners), ..ReplicaSet::default() }
    }

    fn seat((node, generation): (u64, u64)) -> Seat {
        Seat { node: NodeId(node), generation }
    }

    /// Wanted are these nodes, with the generations of their replicas.
    fn set_of(list: &[(u64, u64)]) -> ReplicaSet {
        ReplicaSet { wanted: list.iter().copied().map(seat).collect(), ..ReplicaSet::default() }
    }

    fn enter(add: &[u64], remove: &[u64]) -> Next {
        Next::Step(MemberStep::Enter { add: nodes(add), remove: nodes(remove) })
    }

    #[test]
    fn a_voter_is_replaced_in_four_steps() {
        let mut now = members(&[1, 2, 3], &[], &[]);
        assert_eq!(next(&now, &[1, 2, 3], 1, true), Next::Settled);
        assert_eq!(next(&now, &[1, 2, 4], 1, true), Next::Step(MemberStep::AddLearner(NodeId(4))));
        now.learners = nodes(&[4]);
        assert_eq!(next(&now, &[1, 2, 4], 1, false), Next::Wait);
        let enter = MemberStep::Enter { add: nodes(&[4]), remove: nodes(&[3]) };
        assert_eq!(next(&now, &[1, 2, 4], 1, true), Next::Step(enter));
        now = members(&[1, 2, 4], &[1, 2, 3], &[]);
        assert_eq!(next(&now, &[1, 2, 4], 1, true), Next::Step(MemberStep::Leave));
        assert_eq!(next(&members(&[1, 2, 4], &[], &[]), &[1, 2, 4], 1, true), Next::Settled);
    }

    #[test]
    fn a_joint_configuration_is_left_whatever_is_wanted_then_and_by_one_who_stays() {
        let now = members(&[1, 2, 4], &[1, 2, 3], &[]);
        assert_eq!(next(&now, &[1, 2, 3], 1, true), Next::Step(MemberStep::Leave));
        assert_eq!(next(&now, &[1, 2, 4], 3, true), Next::HandOver(nodes(&[1, 2, 4])));
    }

    #[test]
    fn what_is_not_wanted_any_more_is_taken_back() {
        let now = members(&[1, 2, 3], &[], &[4]);
        assert_eq!(next(&now, &[1, 2, 3], 1, true), Next::Step(MemberStep::RemoveLearner(NodeId(4))));
        // Also a learner that is not the replica that is wanted now.
        let wanted = vec![seats(&[1])[0], seats(&[2])[0], Seat { node: NodeId(4), generation: 9 }];
        let wanted = ReplicaSet { wanted, ..ReplicaSet::default() };
        let step = next_step(&now, &wanted, NodeId(1), |_| true, |_| false, |_| false);
        assert_eq!(step, Next::Step(MemberStep::RemoveLearner(NodeId(4))));
    }

    #[test]
    fn voters_that_come_again_as_other_replicas_go_one_by_one() {
        let two = set_of(&[(1, 9), (2, 9), (3, 0)]);
        let next = |now: &Members| next_step(now, &two, NodeId(3), |_| true, |_| false, |_| false);
        let mut now = members(&[1, 2, 3], &[], &[]);
        assert_eq!(next(&now), enter(&[], &[1]));
        now = members(&[2, 3], &[], &[]);
        assert_eq!(next(&now), Next::Step(MemberStep::AddLearner(NodeId(1))));
        now.learners = nodes(&[1]);
        now.generations = vec![Seat { node: NodeId(1), generation: 9 }];
        assert_eq!(next(&now), enter(&[1], &[2]));
        now.voters = nodes(&[1, 3]);
        now.learners.clear();
        assert_eq!(next(&now), Next::Step(MemberStep::AddLearner(NodeId(2))));
    }

    #[test]
    fn of_voters_that_come_again_who_is_not_there_goes_first() {
        // The first came back with its folder; without it the second, which is lost, would be needed for good.
        let is_second = |seat: Seat| seat.node == NodeId(2);
        let now = members(&[1, 2, 3], &[], &[]);
        let both = set_of(&[(1, 9), (2, 9), (3, 0)]);
        assert_eq!(next_step(&now, &both, NodeId(3), |_| true, is_second, |_| false), enter(&[], &[2]));
        // Another one that is to go anyway stays as long as it is needed.
        let fewer = set_of(&[(2, 9), (3, 0)]);
        assert_eq!(next_step(&now, &fewer, NodeId(3), |_| true, is_second, |_| false), enter(&[], &[2]));
        assert_eq!(next_step(&now, &fewer, NodeId(3), |_| true, |_| false, |_| false), enter(&[], &[1]));
        let with_new = members(&[1, 2, 3], &[], &[4]);
        let moved = set_of(&[(2, 9), (3, 0), (4, 0)]);
        assert_eq!(
            next_step(&with_new, &moved, NodeId(3), |_| true, is_second, |_| false),
            enter(&[4], &[2])
        );
    }

    #[test]
    fn nobody_goes_as_long_as_the_rest_would_have_no_majority() {
        let lost = |dead: u64| move |seat: Seat| seat.node == NodeId(dead);
        // The second lost its folder and came back with it, and the first is down: both that are left are needed.
        let (now, again) = (members(&[1, 2, 3], &[], &[]), set_of(&[(1, 0), (2, 9), (3, 0)]));
        let next = |now: &Members, wanted: &ReplicaSet, dead| {
            next_step(now, wanted, NodeId(2), |_| true, lost(dead), |_| false)
        };
        assert_eq!(next(&now, &again, 1), Next::Wait);
        assert_eq!(next(&now, &again, 9), enter(&[], &[2]), "it is back");
        // Or it is given up, and goes first.
        assert_eq!(next(&now, &set_of(&[(2, 9), (3, 0)]), 1), enter(&[], &[1]));
        // With another one in its place.
        let with_new = members(&[1, 2, 3], &[], &[4]);
        assert_eq!(next(&with_new, &set_of(&[(2, 0), (3, 0), (4, 0)]), 1), enter(&[4], &[1]));
        assert_eq!(next(&with_new, &set_of(&[(1, 0), (2, 0), (4, 0)]), 1), enter(&[4], &[3]));
        assert_eq!(next(&now, &set_of(&[(1, 0), (2, 0)]), 1), Next::Wait);
    }

    #[test]
    fn beside_a_witness_one_of_two_comes_again_with_it() {
        let set = set_of(&[(1, 9), (2, 0), (3, 0)]);
        let next =
            |now: &Members| next_step(now, &set, NodeId(2), |_| true, |_| false, |node| node == NodeId(3));
        let mut now = members(&[1, 2, 3], &[], &[]);
        let mut seen = Vec::new();
        loop {
            match next(&now) {
                Next::Step(step) => {
                    now = after(&now, &step);
                    now.generations = vec![seat((
                        1,
                        if now.voters.contains(&NodeId(1)) && seen.is_empty() { 0 } else { 9 },
                    ))];
                    let alone = now.voters.len() < 3 && now.voters.contains(&NodeId(3));
                    assert!(!alone, "a witness beside one other: {now:?}");
                    seen.push(step);
                }
                Next::Settled => break,
                other => panic!("{other:?}"),
            }
        }
        let (first, last) = (&seen[0], &seen[seen.len() - 2]);
        assert_eq!(*first, MemberStep::Enter { add: Vec::new(), remove: nodes(&[1, 3]) });
        assert_eq!(*last, MemberStep::Enter { add: nodes(&[1, 3]), remove: Vec::new() });
    }

    #[test]
    fn all_learners_come_before_any_voter_goes() {
        let now = members(&[1], &[], &[2]);
        assert_eq!(next(&now, &[2, 3, 4], 1, true), Next::Step(MemberStep::AddLearner(NodeId(3))));
        let now = members(&[1], &[], &[2, 3, 4]);
        let enter = MemberStep::Enter { add: nodes(&[2, 3, 4]), remove: nodes(&[1]) };
        assert_eq!(next(&now, &[2, 3, 4], 1, true), Next::Step(enter));
        // Only fewer of them: nobody has to catch up.
        let now = members(&[1, 2, 3], &[], &[]);
        let enter = MemberStep::Enter { add: nodes(&[]), remove: nodes(&[3]) };
        assert_eq!(next(&now, &[1, 2], 1, false), Next::Step(enter));
    }

    #[test]
    fn a_learner_that_is_wanted_without_a_vote_never_gets_one_and_holds_nobody_up() {
        let wanted = set(&[1, 2, 3], &[5]);
        let next = |now: &Members, ready| next_step(now, &wanted, NodeId(1), |_| ready, |_| false, |_| false);
        assert_eq!(
            next(&members(&[1, 2, 3], &[], &[]), false),
            Next::Step(MemberStep::AddLearner(NodeId(5)))
        );
        // Ready or not: it stays what it is, and the group is as it should be.
        assert_eq!(next(&members(&[1, 2, 3], &[], &[5]), true), Next::Settled);
        assert_eq!(next(&members(&[1, 2, 3], &[], &[5]), false), Next::Settled);
        // A voter is replaced beside it, and before it comes.
        let comes = Next::Step(MemberStep::AddLearner(NodeId(3)));
        assert_eq!(next(&members(&[1, 2, 4], &[], &[]), true), comes);
        let enter = MemberStep::Enter { add: nodes(&[3]), remove: nodes(&[4]) };
        assert_eq!(next(&members(&[1, 2, 4], &[], &[3, 5]), true), Next::Step(enter));
        assert_eq!(next(&members(&[1, 2, 4], &[], &[3, 5]), false), Next::Wait);
        // A voter that is to be a learner gives its vote up, and comes again.
        let enter = MemberStep::Enter { add: Vec::new(), remove: nodes(&[5]) };
        assert_eq!(next(&members(&[1, 2, 3, 5], &[], &[]), true), Next::Step(enter));
        // Only a person's word gives it one.
        let step = next_step(
            &members(&[1, 2, 3], &[], &[5]),
            &set(&[1, 2, 5], &[]),
            NodeId(1),
            |_| true,
            |_| false,
            |_| false,
        );
        assert_eq!(step, Next::Step(MemberStep::Enter { add: nodes(&[5]), remove: nodes(&[3]) }));
    }

    /// Carries a step out on the lists, as the group does.
    fn after(now: &Members, step: &MemberStep) -> Members {
        let mut next = now.clone();
        match step {
            MemberStep::AddLearner(node) => next.learners.push(*node),
            MemberStep::RemoveLearner(node) => next.learners.retain(|other| other != node),
            MemberStep::Enter { add, remove } => {
                next.outgoing.clone_from(&now.voters);
                next.voters.retain(|node| !remove.contains(node));
                next.voters.extend(add);
                next.learners.retain(|node| !add.contains(node));
            }
            MemberStep::Leave => next.outgoing.clear(),
        }
        next
    }

    proptest::proptest! {
        #[test]
        fn every_change_ends_with_what_is_wanted_and_gives_no_other_vote(
            voters in proptest::collection::btree_set(1..9u64, 1..5),
            learners in proptest::collection::btree_set(1..9u64, 0..4),
            wanted in proptest::collection::btree_set(1..9u64, 1..5),
            copies in proptest::collection::btree_set(1..9u64, 0..4),
        ) {
            let list = |set: &std::collections::BTreeSet<u64>| nodes(&set.iter().copied().collect::<Vec<_>>());
            let without = |set: &std::collections::BTreeSet<u64>, other: &std::collections::BTreeSet<u64>| set - other;
            let (learners, copies) = (without(&learners, &voters), without(&copies, &wanted));
            let mut now = Members { voters: list(&voters), learners: list(&learners), ..Members::default() };
            let before = now.clone();
            let seats = |set| list(set).into_iter().map(|node| Seat { node, generation: 0 }).collect();
            let set = ReplicaSet { wanted: seats(&wanted), learners: seats(&copies), ..ReplicaSet::default() };
            let mut me = now.voters[0];
            for _ in 0..40 {
                match next_step(&now, &set, me, |_| true, |_| false, |_| false) {
                    Next::Step(step) => now = after(&now, &step),
                    Next::HandOver(to) => me = to[0],
                    Next::Wait => proptest::prop_assert!(false, "all are ready"),
                    Next::Settled => break,
                }
                for node in &now.voters {
                    proptest::prop_assert!(before.voters.contains(node) || wanted.contains(&node.0), "{now:?}");
                }
            }
            now.voters.sort_unstable();
            now.learners.sort_unstable();
            proptest::prop_assert_eq!((now.voters, now.learners), (list(&wanted), list(&copies)));
        }
    }

    #[test]
    fn seats_are_read_as_they_were_written() {
        let seat = |node, generation| Seat { node: NodeId(node), generation };
        assert_eq!(parse_seats("1:0,4:37"), Some(vec![seat(1, 0), seat(4, 37)]));
        assert_eq!((parse_seats(""), parse_seats("1"), parse_seats("1:x")), (None, None, None));
    }
}
