//! The state of the cluster as this node sees it, for `EVERSTORE STATUS`.

use crate::compare::Finding;
use crate::core::Core;
use crate::layouts::shown;
use crate::losses::bound::{self, Possible};
use cluster::status::diagnose::REBUILDING;
use cluster::status::{
    ComparedStatus, Forming, KeyspaceStatus, MoveStatus, NodeState, NodeStatus, PossibleLoss, ReplicaRole,
    ReplicaStatus, SCHEMA, ShardStatus, Status, diagnose,
};
use cluster::{Addresses, Health, NodeReport, Seat};
use model::limits::KEYSPACES;
use model::time::MS;
use model::{GroupId, Keyspace, NodeId};

fn shown_possible(possible: Possible) -> PossibleLoss {
    let Possible { id, node, bound: (bytes, ms), .. } = possible;
    PossibleLoss { id: id.to_string(), node: node.0, bytes, ms }
}

impl Core {
    /// The whole status; problems are in plain words.
    pub fn status(&self) -> Status {
        let mut status = Status {
            schema: SCHEMA,
            cluster_id: self.me.cluster.clone(),
            epoch: self.map.epoch,
            answered_by: self.me.node.0,
            replicas_wanted: self.map.replicas,
            forming: self.forming.map(|f| Forming { joined: f.joined, needed: f.needed }),
            ..Status::default()
        };
        let own = self.report();
        let mut nodes: Vec<NodeId> = self.map.members.keys().chain(self.peers.keys()).copied().collect();
        nodes.push(self.me.node);
        nodes.sort_unstable();
        nodes.dedup();
        let empty = NodeReport::default();
        for node in nodes.into_iter().filter(|n| n.0 != 0) {
            let peer = self.peers.get(&node);
            let report = if node == self.me.node {
                &own
            } else {
                peer.and_then(|p| p.report.as_ref()).unwrap_or(&empty)
            };
            status.nodes.push(self.node_status(node, report));
        }
        status.shards = self.map.open_shards().map(|shard| self.group_status(shard.group())).collect();
        status.shard_target_bytes = self.settings.shard_target_bytes;
        status.shards_to_come = self.map.closed_shards().count() as u32;
        status.meta = self.replicas.first().map(|_| self.group_status(GroupId::META));
        status.zones = self.zone_status(&status);
        status.moves = self.moves();
        let planned = self.planned_moves();
        status.planned_moves = planned.len() as u32;
        let moving = status.moves.iter().map(|of| of.bytes * of.to.len() as u64);
        status.bytes_to_move = moving.chain(planned).sum();
        status.keyspaces = self.keyspace_status();
        status.problems = diagnose(&status);
        status
    }

    /// Bytes to copy for each group that is settled and is to get new replicas.
    fn planned_moves(&self) -> Vec<u64> {
        if self.forming.is_some() {
            return Vec::new();
        }
        let planned = self.plan(false).into_iter().filter_map(|wanted| {
            let set = self.map.set_of(wanted.group);
            let nodes = wanted.voters.iter().chain(&wanted.learners);
            let new = nodes.filter(|node| set.seat(**node).is_none()).count() as u64;
            (set.settled && new > 0).then(|| new * self.bytes_of(wanted.group))
        });
        planned.collect()
    }

    /// Groups whose members are not those wanted.
    fn moves(&self) -> Vec<MoveStatus> {
        let moves = self.map.unsettled().map(|(group, set)| {
            let members = self.replicas[group.0 as usize].as_deref().map(|replica| replica.raft.members());
            let votes = |seat: &&Seat| members.as_ref().is_some_and(|m| m.voters.contains(&seat.node.0));
            let learns = |seat: &&Seat| members.as_ref().is_some_and(|m| m.learners.contains(&seat.node.0));
            let learners = set.learners.iter().filter(|seat| !learns(seat));
            let to = set.wanted.iter().filter(|seat| !votes(seat)).chain(learners).map(|seat| seat.node);
            MoveStatus {
                group: group.0,
                to: to.map(|node| node.0).collect(),
                from: set.leaving.iter().map(|seat| seat.node.0).collect(),
                bytes: self.bytes_of(group),
            }
        });
        moves.collect()
    }

    fn node_status(&self, node: NodeId, report: &NodeReport) -> NodeStatus {
        let addresses = self.addresses(node);
        let state = if node == self.me.node {
            NodeState::Up
        } else {
            match self
                .peers
                .get(&node)
                .map(|p| (p.connected, p.health.health(self.now.mono_ns), p.health.last_heard_ns()))
            {
                None | Some((_, Health::NeverSeen, _)) => NodeState::NeverSeen,
                Some((true, Health::Up | Health::Suspect, _)) => NodeState::Up,
                Some((_, _, last)) => {
                    let since = self.now.mono_ns.saturating_sub(last.unwrap_or(0));
                    NodeState::Unreachable { since_ms: since / MS }
                }
            }
        };
        NodeStatus {
            id: node.0,
            redis_address: addresses.redis,
            peer_address: addresses.peer,
            admin_address: addresses.admin,
            cluster_address: addresses.cluster,
            state,
            zone: self.map.members.get(&node).map(|member| member.zone.clone()).unwrap_or_default(),
            witness: self.map.is_witness(node),
            draining: self.map.members.get(&node).is_some_and(|member| member.draining),
            seats: self.seats_of(node),
            version: report.version.clone(),
            pid: report.pid,
            uptime_ms: report.uptime_ms,
            leaders: self.led_by(node).iter().filter(|g| **g != GroupId::META).count() as u32,
            replicas: report.groups.iter().filter(|g| g.group != 0).count() as u32,
            sync_p50_us: report.sync_p50_us,
            sync_p99_us: report.sync_p99_us,
            clients: report.clients,
            busy_percent: report.busy_percent,
            saturated_ms: report.saturated_ms,
            rss_bytes: report.rss_bytes,
            log_bytes: report.log_bytes,
            folders: report.folders.clone(),
            disk: self.fitness_of(node),
            last_words: self.peers.get(&node).and_then(|p| p.farewell.clone()).unwrap_or_default(),
            scrub_last_ms: report.scrub_last_ms,
            scrub_found: report.scrub_found,
            scrub_damaged: report.scrub_damaged,
            compare_last_ms: report.compare_last_ms,
            compare_left: report.compare_left,
            compare_ended: report.compare_ended,
            compare_differences: report.compare_differences,
            losses: report.losses,
            lost_effects: report.lost_effects,
        }
    }

    /// Whether a node holds a replica of any group, or should.
    pub(crate) fn holds_any(&self, node: NodeId) -> bool {
        self.seats_of(node) > 0
    }

    fn seats_of(&self, node: NodeId) -> u32 {
        let groups = (0..self.replicas.len() as u32).map(GroupId);
        groups.filter(|group| self.map.set_of(*group).seat(node).is_some()).count() as u32
    }

    /// Addresses of a member: as told by itself, else as the map knows them.
    pub fn addresses(&self, node: NodeId) -> Addresses {
        self.known_addresses(node).cloned().unwrap_or_default()
    }

    pub(crate) fn known_addresses(&self, node: NodeId) -> Option<&Addresses> {
        if node == self.me.node {
            return Some(&self.me.addresses);
        }
        match self.peers.get(&node) {
            Some(peer) if !peer.addresses.peer.is_empty() => Some(&peer.addresses),
            _ => self.map.members.get(&node).map(|member| &member.addresses),
        }
    }

    fn group_status(&self, group: GroupId) -> ShardStatus {
        let at = group.0 as usize;
        let route = self.routes[at].leader();
        let replica = self.replicas[at].as_deref();
        let shard = group.shard();
        let info = shard.and_then(|s| self.map.shards.get(usize::from(s.0)));
        let slot_ranges = info.map(|info| info.slots.clone()).unwrap_or_default();
        let slots = slot_ranges.iter().map(|(first, last)| u32::from(last - first) + 1).sum();
        let views = replica.map(|r| r.raft.peers()).unwrap_or_default();
        let last = replica.map_or(0, |r| r.raft.last_index());
        let leads = replica.is_some_and(|r| r.raft.is_leader());
        let leader = route.map(|(node, _)| node).filter(|n| *n == self.me.node && leads || self.is_up(*n));
        let replicas = self.voters(group).into_iter().map(|node| {
            let reported = self.reported(node, group);
            let view = views.iter().find(|v| v.node == node);
            let matched = if node == self.me.node {
                replica.map_or(0, |r| r.raft.persisted_index())
            } else {
                view.map_or(0, |v| v.matched)
            };
            let is_leader = leader == Some(node);
            ReplicaStatus {
                node: node.0,
                role: if is_leader { ReplicaRole::Leader } else { ReplicaRole::Follower },
                matched,
                applied: reported,
                lag: if leads { last.saturating_sub(matched) } else { 0 },
                lag_ms: 0,
                state: match view {
                    _ if self.map.is_witness(node) => "witness".to_owned(),
                    _ if self.lacks_rows(node, group) => REBUILDING.to_owned(),
                    Some(v) if leads && v.in_snapshot => "snapshot".to_owned(),
                    Some(_) if leads => "replicate".to_owned(),
                    _ => String::new(),
                },
            }
        });
        let possible = replica.into_iter().flat_map(|replica| bound::possible(&replica.machine));
        ShardStatus {
            id: shard.map_or(0, |s| s.0),
            group: group.0,
            slots,
            slot_ranges,
            leader: leader.map(|n| n.0),
            term: route.map_or(0, |(_, term)| term),
            commit: replica.map_or(0, |r| r.raft.commit()),
            bytes: self.bytes_of(group),
            load: self.load_of(group),
            on_witness: self.rests_on_witness(group, leader),
            compared: self.last_comparison(group),
            replicas: replicas.chain(self.learner_status(group)).collect(),
            possible_losses: possible.map(shown_possible).collect(),
        }
    }

    /// The newest comparison of a group's replicas that is known of.
    fn last_comparison(&self, group: GroupId) -> Option<ComparedStatus> {
        let own = self.scrub.compare.found.get(&group).map(Finding::status);
        let reports = self.peers.values().filter_map(|peer| peer.report.as_ref());
        let others = reports.flat_map(|report| &report.groups).filter(|of| of.group == group.0);
        let others = others.filter_map(|of| of.compared.clone());
        others.chain(own).max_by_key(|found| found.ms)
    }

    /// Whether a node's replica of a group waits for rows, as far as is known.
    pub(crate) fn lacks_rows(&self, node: NodeId, group: GroupId) -> bool {
        if node == self.me.node {
            return self.replicas[group.0 as usize].as_deref().is_some_and(|r| r.raft.is_rebuilding());
        }
        let report = self.peers.get(&node).filter(|p| p.connected).and_then(|p| p.report.as_ref());
        report.and_then(|r| r.groups.iter().find(|g| g.group == group.0)).is_some_and(|g| g.rebuilding)
    }

    /// Whether a node has told what it has and a replica of a group is not in it: that was lost with its data folder.
    pub(crate) fn lacks_replica(&self, node: NodeId, group: GroupId) -> bool {
        let report = self.peers.get(&node).filter(|p| p.connected).and_then(|p| p.report.as_ref());
        report.is_some_and(|report| {
            // Right after its start it may have told nothing yet.
            let tells =
                !report.groups.is_empty() || report.folders.iter().any(|folder| !folder.lost.is_empty());
            tells && !report.groups.iter().any(|of| of.group == group.0)
        })
    }

    pub(crate) fn reported(&self, node: NodeId, group: GroupId) -> u64 {
        if node == self.me.node {
            return self.replicas[group.0 as usize].as_deref().map_or(0, |r| r.machine.applied().0);
        }
        let report = self.peers.get(&node).and_then(|p| p.report.as_ref());
        report.and_then(|r| r.groups.iter().find(|g| g.group == group.0)).map_or(0, |g| g.applied)
    }

    /// Keys per keyspace, from this node's replicas or, where it has none, from reports.
    pub(crate) fn keyspace_status(&self) -> Vec<KeyspaceStatus> {
        let mut counts = vec![(0, 0); usize::from(KEYSPACES)];
        for at in 1..self.replicas.len() {
            if let Some(replica) =
                self.replicas[at].as_ref().filter(|r| !r.raft.is_rebuilding() && !r.raft.is_witness())
            {
                for (n, count) in counts.iter_mut().enumerate() {
                    let (keys, expires) = replica.machine.counts(Keyspace(n as u16));
                    *count = (count.0 + keys as u64, count.1 + expires as u64);
                }
                continue;
            }
            let reports = self.peers.values().filter_map(|p| p.report.as_ref());
            let best =
                reports.flat_map(|r| &r.groups).filter(|g| g.group as usize == at).max_by_key(|g| g.applied);
            for keys in best.iter().flat_map(|g| &g.keys) {
                if let Some(count) = counts.get_mut(usize::from(keys.n)) {
                    *count = (count.0 + keys.keys, count.1 + keys.expires);
                }
            }
        }
        let keyspace = |(n, (keys, expires)): (usize, (u64, u64))| {
            let (layout, shard) = shown(&self.map, Keyspace(n as u16));
            let mode = self.map.mode(Keyspace(n as u16)).mode;
            KeyspaceStatus {
                n: n as u16,
                layout: layout.to_owned(),
                mode: mode.replication.to_string(),
                max_exposure_bytes: mode.max_bytes,
                max_exposure_ms: mode.max_ms,
                cache: mode.eviction.name().to_owned(),
                allow_async: mode.allow_async,
                reply_means: mode.promise(),
                shard,
                keys,
                expires,
            }
        };
        counts.into_iter().enumerate().map(keyspace).collect()
    }
}
