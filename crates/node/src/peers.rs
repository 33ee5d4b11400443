//! Other nodes: connections that come and go, heartbeats, reports, and what silence means.

use crate::compare::Finding;
use crate::core::Core;
use crate::frame::{FrameError, Section};
use crate::peer::Peer;
use cluster::heartbeat::{GroupReport, KeysReport};
use cluster::status::ReplicaRole;
use cluster::{GroupBeat, Health, Heartbeat, NodeReport};
use model::limits::KEYSPACES;
use model::time::MS;
use model::varint::Reader;
use model::{GroupId, Keyspace, NodeId};

fn own_role(replica: &crate::replica::Replica) -> ReplicaRole {
    if replica.raft.is_leader() {
        return ReplicaRole::Leader;
    }
    match replica.raft.members().learners.contains(&replica.raft.node().0) {
        true => ReplicaRole::Learner,
        false => ReplicaRole::Follower,
    }
}

impl Core {
    /// A connection to a node is established. Frames of an older one are not taken any more.
    pub fn on_peer_up(&mut self, node: NodeId, incarnation: u64, addresses: cluster::Addresses) {
        let now_ns = self.now.mono_ns;
        let peer = self.peer(node);
        peer.connected = true;
        peer.frame.clear();
        peer.answers.clear();
        peer.probes.clear();
        peer.backlog = 0;
        peer.up_since_ms = now_ns / MS;
        peer.addresses = addresses;
        peer.farewell = None;
        peer.told_epoch = 0;
        peer.health.heard(now_ns, 0);
        let restarted = std::mem::replace(&mut peer.incarnation, incarnation) != incarnation;
        peer.promises.connected();
        if restarted {
            peer.promises.restarted();
        }
        self.greet(node);
        if restarted {
            self.inbound.retain(|(from, _), _| *from != node);
            // Numbers of requests begin anew: answers to the old ones must not meet them.
            self.replicas.iter_mut().flatten().for_each(|replica| replica.forget_peer(node));
        }
        self.resume_sendings(node, restarted);
        for at in 0..self.routes.len() {
            if self.routes[at].leader().is_some_and(|(leader, _)| leader == node) {
                self.routes[at].restart();
                self.pumping.insert(GroupId(at as u32));
            }
        }
    }

    /// The connection to a node is gone.
    pub fn on_peer_down(&mut self, node: NodeId) {
        let peer = self.peer(node);
        peer.connected = false;
        peer.frame.clear();
        peer.answers.clear();
        peer.probes.clear();
        for replica in self.replicas.iter_mut().flatten() {
            replica.raft.unreachable(node);
        }
        if self.is_removed(node) {
            self.peers.remove(&node);
        }
    }

    /// A connection was refused right after it broke: the process is gone. Shortens the wait of
    /// successors, never the promise of voters.
    pub fn on_peer_refused(&mut self, node: NodeId) {
        if self.is_removed(node) {
            return; // It is forgotten, and would be known again.
        }
        self.peer(node).health.refused();
        self.campaign_against(node);
    }

    fn campaign_against(&mut self, node: NodeId) {
        let now = self.now;
        for replica in self.replicas.iter_mut().flatten() {
            if replica.raft.leader() == Some(node) {
                replica.raft.campaign_evidence(now);
                replica.active = true;
            }
        }
    }

    /// True when a node is heard from.
    pub fn is_up(&self, node: NodeId) -> bool {
        let Some(peer) = self.peers.get(&node) else { return false };
        peer.connected
            && matches!(
                peer.health.health(self.now.mono_ns),
                Health::Up | Health::Suspect | Health::NeverSeen
            )
    }

    /// Whether the cluster has given a node up.
    pub fn is_removed(&self, node: NodeId) -> bool {
        self.map.lost.1.contains(&node)
    }

    /// The highest incarnation of a node that this one knows of.
    pub fn known_incarnation(&self, node: NodeId) -> u64 {
        let row = self.map.members.get(&node).map_or(0, |m| m.incarnation);
        row.max(self.peers.get(&node).map_or(0, |p| p.incarnation))
    }

    pub(crate) fn send_heartbeats(&mut self) {
        let now = self.now;
        let beats: Vec<GroupBeat> = self
            .replicas
            .iter()
            .flatten()
            .map(|replica| GroupBeat {
                group: replica.id,
                term: replica.raft.term(),
                leader: replica.raft.leader(),
                commit: replica.raft.commit(),
            })
            .collect();
        let disk = self.disk.beat();
        for peer in self.peers.values_mut().filter(|p| p.takes()) {
            let (echo_ns, came_ns) = peer.echo;
            let heartbeat = Heartbeat {
                incarnation: self.me.incarnation,
                wall_ms: self.true_wall_ms,
                stamp_ns: now.mono_ns,
                echo_ns,
                held_ns: now.mono_ns.saturating_sub(came_ns),
                // Sent from the turn itself: the thread is alive.
                turn_age_ns: 0,
                groups: beats.clone(),
                disk,
            };
            peer.frame.section(Section::Heartbeat, |out| heartbeat.encode(out));
        }
    }

    pub(crate) fn on_heartbeat(&mut self, from: NodeId, content: &[u8]) -> Result<(), FrameError> {
        let heartbeat = Heartbeat::decode(&mut Reader::new(content))?;
        let (now, wall_ms) = (self.now, self.true_wall_ms);
        let peer = self.peer(from);
        peer.health.heard(now.mono_ns, heartbeat.turn_age_ns);
        peer.disk = heartbeat.disk;
        peer.echo = (heartbeat.stamp_ns, now.mono_ns);
        if let Some(round_trip) = heartbeat.round_trip_ns(now.mono_ns) {
            peer.health.wall().sample(wall_ms, heartbeat.wall_ms, round_trip);
        }
        let keeps_heard = self.keeps_heard();
        for beat in heartbeat.groups {
            if keeps_heard {
                self.note_heard(from, &beat, heartbeat.wall_ms);
            }
            let at = beat.group.0 as usize;
            // Where this node has a replica, that knows better, unless nobody tells it anything any more.
            let knows = |replica: &crate::replica::Replica| {
                replica.raft.leader().is_some() || replica.raft.term() >= beat.term
            };
            if at < self.routes.len()
                && !self.replicas[at].as_deref().is_some_and(knows)
                && self.routes[at].set_leader(beat.leader, beat.term)
            {
                self.pumping.insert(beat.group);
            }
        }
        Ok(())
    }

    /// A peer that fell silent leads nothing any more: its successors need not wait longer than the
    /// vote promise demands.
    pub(crate) fn notice_silence(&mut self) {
        let now_ns = self.now.mono_ns;
        let silent = |peer: &&Peer| matches!(peer.health.health(now_ns), Health::Unreachable { .. });
        let silent: Vec<NodeId> = self.peers.values().filter(silent).map(|p| p.node).collect();
        for node in silent {
            self.campaign_against(node);
        }
    }

    /// This node's report, for its peers and its own status.
    pub(crate) fn report(&self) -> NodeReport {
        let (losses, now_ms) = (self.loss_count(), self.now.mono_ms());
        let groups = self.replicas.iter().flatten().map(|replica| {
            let exposed = replica.exposure.exposed(now_ms);
            let keys = (0..KEYSPACES).filter_map(|n| {
                let (keys, expires) = replica.machine.counts(Keyspace(n));
                (keys > 0).then_some(KeysReport { n, keys: keys as u64, expires: expires as u64 })
            });
            GroupReport {
                group: replica.id.0,
                role: own_role(replica),
                applied: replica.machine.applied().0,
                last: replica.raft.last_index(),
                time_ms: replica.machine.applied_time(),
                rebuilding: replica.raft.is_rebuilding(),
                generation: replica.raft.generation(),
                joining: !replica.raft.has_joined(),
                on_witness: replica.raft.rests_on_witness(),
                bytes: replica.bytes(),
                load: if replica.raft.is_leader() { replica.load.per_second() } else { 0 },
                exposed_entries: exposed.entries,
                exposed_bytes: exposed.bytes,
                compared: self.scrub.compare.found.get(&replica.id).map(Finding::status),
                keys: keys.collect(),
            }
        });
        NodeReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            level: self.settings.level,
            pid: self.gauges.pid,
            uptime_ms: self.now.mono_ms().saturating_sub(self.settings.started_ms),
            sync_p50_us: self.gauges.sync_p50_us,
            sync_p99_us: self.gauges.sync_p99_us,
            clients: self.conns.len() as u32,
            busy_percent: self.busyness.percent(),
            saturated_ms: self.busyness.saturated_ms(),
            rss_bytes: self.gauges.rss_bytes,
            log_bytes: self.gauges.log_bytes,
            losses: losses.accounts,
            lost_effects: losses.effects,
            scrub_last_ms: self.scrub.last_ms,
            scrub_found: self.scrub.found,
            scrub_damaged: self.scrub.damaged() as u64,
            compare_last_ms: self.scrub.compare.last_ms,
            compare_left: self.scrub.compare.left() as u64,
            compare_ended: self.scrub.compare.ended,
            compare_differences: self.scrub.compare.differences,
            folders: self.folder_reports(),
            groups: groups.collect(),
        }
    }

    pub(crate) fn send_reports(&mut self) {
        let report = self.report().encode();
        for peer in self.peers.values_mut().filter(|p| p.takes()) {
            peer.frame.section(Section::Report, |out| out.extend_from_slice(&report));
        }
    }

    pub(crate) fn on_report(&mut self, from: NodeId, content: &[u8]) {
        match NodeReport::decode(content) {
            Ok(report) => self.peer(from).report = Some(report),
            Err(error) => tracing::warn!(%from, %error, "report of a node can not be read"),
        }
    }
}
