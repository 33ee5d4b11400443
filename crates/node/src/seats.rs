//! Replicas of this node come and go as the map says.
//!
//! A replica that comes is empty. The log says so before anything else of it, with its generation, and that it
//! may not vote yet; rows and entries come from the group's leader. A replica goes when its group has members
//! without it, which the map says once that is committed; then the log says that it has left, and keeps its
//! term and vote, so that a later replica of this node in the same group never votes twice in a term.

use crate::core::Core;
use crate::replica::Replica;
use cluster::map::Seat;
use cluster::{MEMBERS_ROW, Members, Tenure};
use consensus::{ConfState, Group, GroupConfig, HardState, Promise, Recovered};
use model::{GroupId, Index, NodeId, Term};
use shard::Machine;
use storage::log::Install;

/// What is kept of a replica that has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Its generation.
    pub generation: u64,
    /// The last term it knew.
    pub term: Term,
    /// Whom it voted for in it, 0 for nobody.
    pub vote: u64,
}

impl Left {
    /// More than the replica ever promised: others must not ask for it any more.
    pub(crate) fn promise(&self) -> Promise {
        Promise { generation: self.generation + 1, ..Promise::default() }
    }
}

/// The members as Raft has them.
pub fn conf_state(members: &Members) -> ConfState {
    let ids = |list: &[NodeId]| list.iter().map(|node| node.0).collect();
    ConfState {
        voters: ids(&members.voters),
        voters_outgoing: ids(&members.outgoing),
        learners: ids(&members.learners),
        ..ConfState::default()
    }
}

/// The members of Raft as a row has them, with the generations that are known.
pub(crate) fn members_of(conf: &ConfState, incarnation: u64, known: &[Seat]) -> Members {
    let nodes = |list: &[u64]| list.iter().copied().map(NodeId).collect();
    let (voters, outgoing, learners) =
        (nodes(&conf.voters), nodes(&conf.voters_outgoing), nodes(&conf.learners));
    let mut members = Members { incarnation, voters, outgoing, learners, generations: Vec::new() };
    let seats = known.iter().filter(|seat| seat.generation > 0 && members.names(seat.node));
    members.generations = seats.copied().collect();
    members
}

impl Replica {
    /// The members as the rows say, if they ever changed in this incarnation of the cluster.
    pub(crate) fn members_row(&self) -> Option<Members> {
        let row = self.machine.system(MEMBERS_ROW).and_then(|row| Members::decode(row).ok())?;
        match &self.tenure {
            Tenure::Holds { members, .. } if members.incarnation != row.incarnation => None,
            _ => Some(row),
        }
    }

    /// The log's record of the rows in `tree` as of an index, with this replica's tenure and the members then.
    pub(crate) fn install_record(&mut self, tree: u64, at: (Index, Term), conf: &ConfState) -> Install {
        let row = self.members_row();
        if let Tenure::Holds { members, .. } = &mut self.tenure {
            let known = row.map_or(Vec::new(), |row| row.generations);
            *members = members_of(conf, members.incarnation, &known);
        }
        Install { tree, index: at.0, term: at.1, conf_state: self.tenure.encode() }
    }

    /// Whether its rows name it as a member, and not one that its node had before.
    fn is_named(&self) -> bool {
        let (node, generation) = (self.raft.node(), self.raft.generation());
        self.members_row().is_some_and(|row| row.names(node) && row.generation(node) == generation)
    }
}

impl Core {
    /// Which replicas this node had and has no more, as the log says. Before [`Core::start`].
    pub fn set_left(&mut self, left: impl IntoIterator<Item = (GroupId, Left)>) {
        self.left.extend(left);
    }

    /// The recovery that began this incarnation of the cluster found splits.
    pub fn set_found_splits(&mut self, found: cluster::map::FoundSplits) {
        self.moving.found = Some(Box::new(found));
    }

    /// Replicas are made and given up as the map says.
    pub(crate) fn follow_seats(&mut self) {
        let me = self.me.node;
        let seats: Vec<(GroupId, Option<Seat>)> =
            self.map.sets().map(|(group, set)| (group, set.seat(me))).collect();
        for (group, seat) in seats {
            let holds = self.replica(group).map(|replica| replica.raft.generation());
            match (holds, seat) {
                (None, Some(seat)) if self.is_to_be_made(group, seat.generation) => {}
                (None, Some(seat)) if self.may_come(group, seat) => self.found(group, seat),
                // A newer one is wanted, and the group goes on without this one.
                (Some(held), Some(seat)) if held < seat.generation && self.called.contains(&group) => {
                    self.give_up(group);
                }
                // An older map than the one that made the replica says nothing of it.
                (Some(held), None) if self.map.epoch > held => self.give_up(group),
                _ => {}
            }
        }
    }

    /// A message for a replica of this node. If it is for a newer one than there is, and the one that the map wants,
    /// then the group has applied that the one before is no member any more: only that makes it safe to forget what
    /// there may be of it, since the map alone may want another one before the group can do without.
    pub(crate) fn note_call(&mut self, group: GroupId, to: u64) {
        let held = self.replica(group).map(|replica| replica.raft.generation());
        if to == 0 || held.is_some_and(|held| held >= to) || self.called.contains(&group) {
            return;
        }
        // They speak to the one that is lost until they have heard of that.
        if self.has_left(group, to) {
            return;
        }
        if self.map.set_of(group).seat(self.me.node).is_some_and(|seat| seat.generation == to) {
            self.called.insert(group);
        }
    }

    fn may_come(&self, group: GroupId, seat: Seat) -> bool {
        let safe = !self.lost_with.contains_key(&group) || self.called.contains(&group);
        safe && seat.generation > 0 && !self.has_left(group, seat.generation)
    }

    /// Whether this node had a replica of this generation, or a later one, and has it no more.
    pub(crate) fn has_left(&self, group: GroupId, generation: u64) -> bool {
        self.left.get(&group).is_some_and(|left| left.generation >= generation)
    }

    /// Makes an empty replica.
    fn found(&mut self, group: GroupId, seat: Seat) {
        let joined = self.is_first_witness(group, seat.generation);
        let log = self.choose_log(group, None);
        let tree = self.logs.new_tree(log);
        let incarnation = self.map.incarnation;
        let mut voters = self.map.set_of(group).first;
        if voters.is_empty() {
            voters = self.map.formation.voters(group);
        }
        voters.sort_unstable();
        let members = Members { incarnation, voters, ..Members::default() };
        let tenure = Tenure::Holds { generation: seat.generation, joined, members: members.clone() };
        let left = self.left.get(&group).copied();
        let (term, vote) = left.map_or((0, 0), |left| (left.term, left.vote));
        let recovered = Recovered {
            conf_state: conf_state(&members),
            hard_state: HardState { term, vote, ..HardState::default() },
            joins: true,
            joined,
            fresh: true,
            ..Recovered::default()
        };
        let seed = self.settings.seed ^ tree.rotate_left(32);
        let config = GroupConfig {
            generation: seat.generation,
            base_election_ms: self.settings.base_election_ms,
            heartbeat_ms: self.settings.heartbeat_ms,
            member_steps: true,
            witness: self.me.witness,
            ..GroupConfig::new(group, self.me.node, seed)
        };
        let raft = match Group::new(config, recovered, self.now) {
            Ok(mut raft) => {
                raft.set_witnesses(self.map.witnesses());
                raft
            }
            Err(error) => {
                self.outbox.fatal = Some(format!("group {group}: a replica can not be made: {error}"));
                return;
            }
        };
        let machine = self.empty_machine(seed);
        let record = Install { tree, conf_state: tenure.encode(), ..Install::default() };
        self.record_anew(log, (group, &tenure), record, (term, vote));
        let mut replica = Replica::new(group, raft, machine, tree, (0, 0));
        (replica.tenure, replica.log) = (tenure, log);
        self.left.remove(&group);
        self.called.remove(&group);
        self.lost_with.remove(&group);
        tracing::info!(%group, generation = seat.generation, "a replica comes to this node");
        self.replicas[group.0 as usize] = Some(Box::new(replica));
    }

    /// An empty machine with this node's limits.
    pub(crate) fn empty_machine(&self, seed: u64) -> Machine {
        let mut machine = Machine::new(self.hasher, self.settings.max_value, seed);
        machine.set_limits(self.settings.collections);
        machine.set_large(self.cuts_above());
        let shards = self.map.shards.len().max(1) as u64;
        machine.set_load_limit(crate::memory::load_limit(self.settings.max_memory, shards));
        machine
    }

    /// Gives a replica up whose group goes on without it, as soon as nothing is under way with its rows.
    fn give_up(&mut self, group: GroupId) {
        let Some(replica) = self.replica(group) else { return };
        if replica.raft.is_leader() {
            return self.hand_over_group(group);
        }
        if replica.checkpointing || self.transfers.is_busy(group) || self.must_account_all(group) {
            return;
        }
        self.end_sendings(group);
        self.leave_cold(group);
        let Some(replica) = self.replicas[group.0 as usize].take() else { return };
        let (term, vote) = (replica.raft.term(), replica.raft.vote().unwrap_or_default().0);
        let generation = replica.raft.generation();
        let left = Left { generation, term, vote };
        let (tenure, log) = (Tenure::Left { generation }, replica.log);
        let record = Install { conf_state: tenure.encode(), ..Install::default() };
        self.record_anew(log, (group, &tenure), record, (term, vote));
        self.transfers.drop_after((log, self.logs.of(log).next_batch), replica.tree);
        self.left.insert(group, left);
        // Whoever waits for an entry of it learns that its fate can not be told.
        let waiting = replica.waiting.iter().chain(&replica.waiting_early);
        self.touched.extend(waiting.map(|(_, conn)| *conn));
        self.pumping.insert(group);
        tracing::info!(%group, generation, "a replica has left this node");
    }

    /// A replica that has heard of itself may vote, also after a crash.
    pub(crate) fn note_joined(&mut self, group: GroupId) {
        let Some(replica) = self.replica(group) else { return };
        if replica.raft.has_joined() || !replica.is_named() {
            return;
        }
        replica.raft.joined();
        if let Tenure::Holds { joined, .. } = &mut replica.tenure {
            *joined = true;
        }
        let (tree, (index, term)) = (replica.tree, replica.stored);
        let record = Install { tree, index, term, conf_state: replica.tenure.encode() };
        let line = self.line_of(group);
        line.builder.replace_rows(group, record);
        line.urgent = true;
        tracing::info!(%group, "a replica of this node is a member of its group");
        self.send_reports();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::content::Generations;
    use model::{KeyHasher, Now};

    fn replica(generation: u64) -> Replica {
        let members = Members { voters: [1, 2, 3].map(NodeId).to_vec(), ..Members::default() };
        let recovered = Recovered { conf_state: conf_state(&members), ..Recovered::default() };
        let config = GroupConfig { generation, ..GroupConfig::new(GroupId(1), NodeId(1), 7) };
        let raft = Group::new(config, recovered, Now { mono_ns: 1, wall_ms: 1 }).unwrap();
        Replica::new(GroupId(1), raft, Machine::new(KeyHasher::new(1), 1000, 1), 9, (0, 0))
    }

    #[test]
    fn messages_from_and_for_replicas_that_are_gone_count_for_nothing() {
        let mut replica = replica(5);
        let mut counts = |from, to| replica.is_between(NodeId(2), Generations { from, to });
        assert!(!counts(0, 0), "for the first one of this node");
        assert!(!counts(0, 6), "for one that is still to come");
        assert!(counts(0, 5));
        assert!(counts(7, 5), "another one speaks there now");
        assert!(!counts(0, 5), "the first one is gone");
        assert!(!counts(6, 5));
        assert!(counts(7, 5));
        let answer = replica.generations_to(NodeId(2));
        assert_eq!(answer, Generations { from: 5, to: 7 }, "it is answered as what it is");
        assert_eq!(replica.generations_to(NodeId(3)), Generations { from: 5, to: 0 });
    }

    #[test]
    fn who_has_left_promises_more_than_it_ever_held_and_less_than_the_next() {
        let left = Left { generation: 5, term: 9, vote: 2 };
        let held = Promise { generation: 5, term: u64::MAX, index: u64::MAX };
        let next = Promise { generation: 6, term: 1, index: 0 };
        assert!(held < left.promise() && left.promise() < next);
    }
}
