//! `EVERSTORE NODE`: what a person decides about members. The meta group answers.

use crate::conn::Conn;
use crate::core::Core;
use cluster::identity::MAX_REPLICAS;
use cluster::map::Row;
use cluster::{Standing, ZoneRole};
use model::{GroupId, Keyspace, NodeId};
use router::{Flags, Forward, Request, Target};

/// How such a request reads.
const SYNTAX: &str =
    "ERR syntax error: NODE DRAIN n [FORCE] | UNDRAIN n | REMOVE n [FORCE] | REPLACE old new";

impl Core {
    /// `EVERSTORE NODE DRAIN n [FORCE] | UNDRAIN n | REMOVE n [FORCE] | REPLACE old new`.
    pub(crate) fn decide_node(&mut self, conn: &mut Conn, args: &[&[u8]]) -> Result<(), String> {
        let word = |at: usize| args.get(at).map(|arg| arg.to_ascii_lowercase()).unwrap_or_default();
        let number = |at: usize| {
            let text = args.get(at).map(|arg| String::from_utf8_lossy(arg)).unwrap_or_default();
            text.parse::<u64>().map_err(|_| format!("ERR '{text}' is no id of a node; allowed: a number"))
        };
        let node = self.member(number(3)?)?.to_string();
        let force = match &word(4)[..] {
            b"force" if args.len() == 5 => "force",
            _ => "",
        };
        let (verb, other) = match (&word(2)[..], args.len()) {
            (b"drain", 4) => ("drain-node", ""),
            (b"drain", 5) if !force.is_empty() => ("drain-node", force),
            (b"undrain", 4) => ("undrain-node", ""),
            (b"remove", 4) => ("remove-node", ""),
            (b"remove", 5) if !force.is_empty() => ("remove-node", force),
            (b"replace", 5) => ("replace-node", &*self.member(number(4)?)?.to_string()),
            _ => return Err(SYNTAX.to_owned()),
        };
        self.have_decided(conn, &[verb, &node, other]);
        Ok(())
    }

    /// `EVERSTORE REPLICAS n`: how many replicas each shard should have.
    pub(crate) fn decide_replicas(&mut self, conn: &mut Conn, args: &[&[u8]]) -> Result<(), String> {
        let text = args.get(2).map(|arg| String::from_utf8_lossy(arg).into_owned()).unwrap_or_default();
        let number = text.parse::<u32>().ok().filter(|n| (1..=MAX_REPLICAS).contains(n));
        let number = number.ok_or(format!("ERR '{text}' replicas; allowed: 1 to {MAX_REPLICAS}"))?;
        self.have_decided(conn, &["set-replicas", &number.to_string()]);
        Ok(())
    }

    /// `EVERSTORE SHARDS SPLIT`: all shards are to be divided in two.
    pub(crate) fn decide_shards(&mut self, conn: &mut Conn, args: &[&[u8]]) -> Result<(), String> {
        if !args[2].eq_ignore_ascii_case(b"split") {
            return Err("ERR syntax error: SHARDS SPLIT".to_owned());
        }
        self.have_decided(conn, &["divide-shards"]);
        Ok(())
    }

    /// Has the meta group decide; its answer is the connection's.
    pub(crate) fn have_decided(&mut self, conn: &mut Conn, words: &[&str]) {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let request = Request::new(Flags::INTERNAL.with(Flags::WRITE, true), Keyspace(0), &words);
        let target = Target::Slot { conn: conn.id, slot: conn.reserve() };
        let deadline_ms = self.now.mono_ms() + self.settings.quorum_timeout_ms;
        if let Err(forward) = self.routes[0].push(Forward::new(target, request, 0, deadline_ms)) {
            self.fail(forward.target, &crate::execute::queue_full(GroupId::META));
        }
        self.pumping.insert(GroupId::META);
    }

    /// Rows of such a decision, on the leader of the meta group.
    pub(crate) fn node_rows(&self, verb: &str, node: NodeId, other: &str) -> Result<Vec<Row>, String> {
        let mut member = self.map.members.get(&node).cloned();
        let member = member.as_mut().ok_or(format!("ERR node {node} is no member of the cluster"))?;
        match verb {
            "drain-node" => {
                self.check_drain(node, other == "force")?;
                member.draining = true;
            }
            "undrain-node" => (member.draining, member.successor) = (false, None),
            "remove-node" => return self.removal(node, other == "force"),
            _ => {
                let to = NodeId(other.parse().map_err(|_| "ERR malformed request")?);
                self.check_successor(node, to)?;
                (member.draining, member.successor) = (true, Some(to));
            }
        }
        Ok(self.map.member_rows(node, member))
    }

    fn check_drain(&self, node: NodeId, force: bool) -> Result<(), String> {
        if self.map.role_of(node) == ZoneRole::Learner && !self.map.is_witness(node) {
            return self.check_learner_drain(node, force);
        }
        let others = || self.map.members.keys().copied().filter(|other| *other != node);
        let data = others().filter(|other| self.takes_votes(*other)).count();
        let votes = |other: NodeId| self.map.is_witness(other) && self.standing(other) == Standing::Serving;
        // What a data node holds goes to others; of witnesses a group has one at most.
        let left = data + usize::from(self.map.is_witness(node) && others().any(votes));
        let needed = self.map.replicas as usize;
        if left >= needed || force {
            return Ok(());
        }
        Err(format!(
            "ERR without node {node} only {left} of the {needed} nodes are left that a shard needs for its replicas: add a node first; \
             with FORCE it gives up what others can take, and keeps the rest until one comes"
        ))
    }

    /// Its learners need another node of the same zone.
    fn check_learner_drain(&self, node: NodeId, force: bool) -> Result<(), String> {
        let zone = |node: NodeId| self.map.members.get(&node).map(|member| member.zone.as_str());
        let takes = |other: &NodeId| *other != node && zone(*other) == zone(node);
        let mut others = self.map.members.keys().copied().filter(takes);
        if force || others.any(|other| self.standing(other) == Standing::Serving) {
            return Ok(());
        }
        let zone = zone(node).unwrap_or_default();
        Err(format!(
            "ERR node {node} is the only one of learner zone {zone} that serves: add a node to the zone first; with \
             FORCE it keeps what it has until one comes, or until the zone has another role"
        ))
    }

    fn check_successor(&self, node: NodeId, to: NodeId) -> Result<(), String> {
        if node == to {
            return Err(format!("ERR node {node} can not replace itself"));
        }
        if self.map.is_witness(node) != self.map.is_witness(to) {
            return Err(
                "ERR a witness replaces a witness, and a node that keeps data one that does".to_owned()
            );
        }
        let (old, new) = (self.map.role_of(node), self.map.role_of(to));
        let zone = |node: NodeId| self.map.members.get(&node).map(|member| member.zone.as_str());
        if old != new || old == ZoneRole::Learner && zone(node) != zone(to) {
            return Err(format!(
                "ERR node {to} can not replace node {node}: the zones of both must have the same role, and learners \
                 stay in their zone"
            ));
        }
        match self.standing(to) {
            Standing::Serving => Ok(()),
            Standing::Leaving => Err(format!("ERR node {to} is being drained, or was given up")),
            Standing::Away => Err(format!("ERR node {to} is not heard from")),
        }
    }

    /// Rows that remove a member: only one without replicas, or by force one that others do not need.
    fn removal(&self, node: NodeId, force: bool) -> Result<Vec<Row>, String> {
        let groups = || (0..=self.map.shards.len() as u32).map(GroupId);
        let holds = |group: &GroupId| self.map.set_of(*group).seat(node).is_some();
        let held = groups().filter(holds).count();
        if held > 0 && !force {
            return Err(format!(
                "ERR node {node} still holds {held} replicas: drain it first (EVERSTORE NODE DRAIN {node}), or \
                 remove it with FORCE if it is lost for good"
            ));
        }
        if node == self.me.node {
            return Err(format!(
                "ERR node {node} leads the cluster's own group: ask again when another one does"
            ));
        }
        if self.is_up(node) && held > 0 {
            return Err(format!(
                "ERR node {node} is up: drain it, its replicas are needed until they are elsewhere"
            ));
        }
        for group in groups().filter(holds) {
            let voters = self.map.set_of(group).nodes();
            let up = |other: &&NodeId| **other != node && (**other == self.me.node || self.is_up(**other));
            let up = voters.iter().filter(up).count();
            if up <= voters.len() / 2 {
                return Err(format!(
                    "ERR group {group} has {up} of {} replicas without node {node}, which is no majority",
                    voters.len()
                ));
            }
        }
        self.map.removal_rows(node).map_err(|error| format!("ERR {error}"))
    }

    /// Rows with which groups get other replicas. Arguments: group, nodes, and so on; learners follow the nodes
    /// after a `/`.
    pub(crate) fn seating_rows(&self, args: &[&[u8]]) -> Result<Vec<Row>, String> {
        let bad = || "ERR malformed request".to_owned();
        let text = |arg: &[u8]| std::str::from_utf8(arg).map(str::to_owned).map_err(|_| bad());
        let mut rows = Vec::new();
        for pair in args[1..].chunks(2) {
            let [group, nodes] = pair else { return Err(bad()) };
            let group = GroupId(text(group)?.parse().map_err(|_| bad())?);
            let nodes = text(nodes)?;
            let (voters, learners) = nodes.split_once('/').unwrap_or((&nodes, ""));
            let list = |list: &str| -> Option<Vec<NodeId>> {
                let nodes = list.split(',').filter(|node| !node.is_empty());
                nodes.map(|node| Some(NodeId(node.parse().ok()?))).collect()
            };
            let (voters, learners) = (list(voters).ok_or_else(bad)?, list(learners).ok_or_else(bad)?);
            let seated = self.map.seat_rows(group, &voters, &learners);
            rows.extend(seated.map_err(|error| format!("ERR {error}"))?);
        }
        Ok(rows)
    }
}
