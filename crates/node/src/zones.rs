//! What zones are for, as a person decides it (`EVERSTORE ZONE`) or as their first node says (`zone-role`).
//!
//! A learner zone is a second site: its nodes hold a replica of every group, together, that never votes. The
//! meta group decides; [`crate::placing`] moves voters out and learners in.

use crate::conn::Conn;
use crate::core::Core;
use cluster::heartbeat::GroupReport;
use cluster::map::Row;
use cluster::status::diagnose::{COPYING, REBUILDING};
use cluster::status::{ReplicaRole, ReplicaStatus, Status, ZoneStatus};
use cluster::{Standing, ZoneRole};
use model::{GroupId, NodeId};

const SYNTAX: &str = "ERR syntax error: ZONE SET name voter|learner";

impl Core {
    /// `EVERSTORE ZONE SET name voter|learner`.
    pub(crate) fn decide_zone(&mut self, conn: &mut Conn, args: &[&[u8]]) -> Result<(), String> {
        let word = |at: usize| args.get(at).map(|arg| String::from_utf8_lossy(arg).into_owned());
        let (Some(verb), Some(zone), Some(role), 5) = (word(2), word(3), word(4), args.len()) else {
            return Err(SYNTAX.to_owned());
        };
        if !verb.eq_ignore_ascii_case("set") {
            return Err(SYNTAX.to_owned());
        }
        let role =
            ZoneRole::parse(&role).ok_or(format!("ERR '{role}' is no role; allowed: voter, learner"))?;
        let mut known: Vec<&str> = self.map.members.values().map(|member| member.zone.as_str()).collect();
        known.retain(|zone| !zone.is_empty());
        known.sort_unstable();
        known.dedup();
        if !known.contains(&&*zone) {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(format!("ERR no node is in zone '{zone}'; zones: {known}"));
        }
        self.have_decided(conn, &["set-zone", &zone, role.name()]);
        Ok(())
    }

    /// Rows of such a decision, on the leader of the meta group.
    pub(crate) fn zone_rows(&self, zone: &str, role: ZoneRole) -> Result<Vec<Row>, String> {
        if role == ZoneRole::Learner {
            self.check_learner_zone(zone)?;
        }
        self.map.zone_rows(zone, role).map_err(|error| format!("ERR {error}"))
    }

    /// Refuses to take the votes of a zone where that would leave too few nodes for the replicas.
    fn check_learner_zone(&self, zone: &str) -> Result<(), String> {
        let votes = |node: &&NodeId| {
            let elsewhere = self.map.members.get(*node).is_some_and(|member| member.zone != zone);
            elsewhere && self.takes_votes(**node)
        };
        let left = self.map.members.keys().filter(votes).count();
        let needed = self.map.replicas as usize;
        if left >= needed {
            return Ok(());
        }
        Err(format!(
            "ERR without zone {zone} only {left} of the {needed} nodes are left that a shard needs for its replicas: \
             add a node to another zone first, or have fewer replicas (EVERSTORE REPLICAS)"
        ))
    }

    /// Refuses a node as a leader that never leads.
    pub(crate) fn check_leads(&self, node: NodeId) -> Result<(), String> {
        match self.map.members.get(&node).filter(|_| self.map.role_of(node) == ZoneRole::Learner) {
            None => Ok(()),
            Some(member) => Err(format!(
                "ERR node {node} is in learner zone {zone} and never leads: EVERSTORE ZONE SET {zone} VOTER first",
                zone = member.zone
            )),
        }
    }

    /// Whether a node may get replicas with rows and a vote now.
    pub(crate) fn takes_votes(&self, node: NodeId) -> bool {
        let voter = self.map.role_of(node) == ZoneRole::Voter && !self.map.is_witness(node);
        voter && self.standing(node) == Standing::Serving
    }

    /// Rows for a node that was started with a role for its zone. They decide only what nobody has decided, and
    /// where other nodes of the zone may have votes it stays what it is: no flag takes votes away.
    pub(crate) fn first_zone_rows(
        &self,
        zone: &str,
        role: ZoneRole,
        node: NodeId,
    ) -> Result<Vec<Row>, String> {
        if self.map.is_decided(zone) {
            return Ok(Vec::new());
        }
        let other = self.map.members.iter().any(|(other, member)| *other != node && member.zone == zone);
        let has_replicas = self.holds_any(node);
        let role = match role {
            ZoneRole::Learner if !other && !has_replicas => role,
            _ => ZoneRole::Voter,
        };
        self.map.zone_rows(zone, role).map_err(|error| format!("ERR {error}"))
    }

    /// Asks the meta group for the role of this node's zone that it was started with, if nobody has decided it.
    /// True until that is known.
    pub(crate) fn wishes_for_zone(&mut self) -> bool {
        let Some(wish) = self.settings.zone_role else { return false };
        let zone = self.settings.zone.clone();
        if self.map.is_decided(&zone) {
            let role = self.map.role_of_zone(&zone);
            if role != wish {
                tracing::warn!(%zone, role = role.name(), wish = wish.name(),
                    "the zone has another role than this node was started with: everstore zone set decides");
            }
            return false;
        }
        let node = self.me.node.to_string();
        self.ask_meta(&[b"first-zone", zone.as_bytes(), wish.name().as_bytes(), node.as_bytes()]);
        true
    }

    /// What is known of the learners of a group, from what all say of themselves.
    pub(crate) fn learner_status(&self, group: GroupId) -> Vec<ReplicaStatus> {
        let leader = self.routes[group.0 as usize].leader().and_then(|(node, _)| self.said_of(node, group));
        let leader = leader.unwrap_or_default();
        let learners = self.map.set_of(group).learners.into_iter().map(|seat| {
            let said = self.said_of(seat.node, group).filter(|said| said.generation == seat.generation);
            let of = said.clone().unwrap_or_default();
            let lag = leader.applied.saturating_sub(of.applied);
            let whole = said.is_some_and(|said| !said.joining);
            ReplicaStatus {
                node: seat.node.0,
                role: ReplicaRole::Learner,
                matched: of.last,
                applied: of.applied,
                lag,
                lag_ms: if lag == 0 { 0 } else { leader.time_ms.saturating_sub(of.time_ms) },
                state: match whole {
                    false => COPYING.to_owned(),
                    true if self.lacks_rows(seat.node, group) => REBUILDING.to_owned(),
                    true => "replicate".to_owned(),
                },
            }
        });
        learners.collect()
    }

    /// What a node said last of its replica of a group.
    fn said_of(&self, node: NodeId, group: GroupId) -> Option<GroupReport> {
        let of = |groups: &[GroupReport]| groups.iter().find(|g| g.group == group.0).cloned();
        if node == self.me.node {
            return of(&self.report().groups);
        }
        of(&self.peers.get(&node)?.report.as_ref()?.groups)
    }

    /// All zones, and how far behind the learner zones are.
    pub(crate) fn zone_status(&self, status: &Status) -> Vec<ZoneStatus> {
        let zones = self.map.zones().into_iter().map(|zone| {
            let nodes: Vec<u64> = status.nodes.iter().filter(|n| n.zone == zone).map(|n| n.id).collect();
            let groups = status.shards.iter().chain(&status.meta);
            let here = |r: &&ReplicaStatus| r.role == ReplicaRole::Learner && nodes.contains(&r.node);
            let copies: Vec<&ReplicaStatus> =
                groups.clone().flat_map(|group| &group.replicas).filter(here).collect();
            let whole = copies.iter().filter(|copy| copy.state == "replicate");
            ZoneStatus {
                role: self.map.role_of_zone(&zone).name().to_owned(),
                copies: whole.count() as u32,
                groups: groups.count() as u32,
                lag: copies.iter().map(|copy| copy.lag).max().unwrap_or(0),
                lag_ms: copies.iter().map(|copy| copy.lag_ms).max().unwrap_or(0),
                zone,
                nodes,
            }
        });
        zones.collect()
    }
}
