//! `CLUSTER` and `ASKING`, on connections that came by the port that speaks Redis Cluster. The shapes are
//! those of Redis 7.0, lines and maps included.

use super::{Call, Outcome, integer};
use crate::topology::{Node, Topology};
use model::Reply;
use model::limits::SLOTS;
use model::slot::slot_of;
use std::fmt::Write;

const DISABLED: &str = "ERR This instance has cluster support disabled";

/// No slot is ever on its way from one node to another: there is nothing to ask for.
pub(super) fn asking(call: &mut Call<'_>) -> Outcome {
    if call.session.cluster { call.ok() } else { call.error(DISABLED) }
}

pub(super) fn cluster(call: &mut Call<'_>, sub: &str) -> Outcome {
    if !call.session.cluster {
        return call.error(DISABLED);
    }
    match sub {
        "help" => return super::help::help(call, "cluster"),
        "keyslot" => return call.int(i64::from(slot_of(call.args[2]))),
        "countkeysinslot" => return count_keys(call),
        "getkeysinslot" => return get_keys(call),
        _ => {}
    }
    let topology = call.host.topology();
    match sub {
        "slots" => slots(call, &topology),
        "shards" => shards(call, &topology),
        "links" => links(call, &topology),
        "nodes" => {
            let mut text = String::new();
            (0..topology.nodes.len()).for_each(|at| line(&topology, at, None, &mut text));
            return call.verbatim(&text);
        }
        "info" => return call.verbatim(&info(&topology)),
        "replicas" | "slaves" => return replicas(call, &topology),
        "count-failure-reports" => return failure_reports(call, &topology),
        "myshardid" => call.reply().bulk_str(topology.me().map_or("", |me| &me.shard)),
        _ => call.reply().bulk_str(topology.me().map_or("", |me| &me.id)),
    }
    Outcome::Done
}

fn slot(number: i64) -> Option<u16> {
    u16::try_from(number).ok().filter(|slot| *slot < SLOTS)
}

fn count_keys(call: &mut Call<'_>) -> Outcome {
    match integer(call.args[2]).map(slot) {
        None => call.error("ERR value is not an integer or out of range"),
        Some(None) => call.error("ERR Invalid slot"),
        Some(Some(slot)) => Outcome::Slot { slot, keys: None },
    }
}

fn get_keys(call: &mut Call<'_>) -> Outcome {
    let (Some(number), Some(count)) = (integer(call.args[2]), integer(call.args[3])) else {
        return call.error("ERR value is not an integer or out of range");
    };
    match (slot(number), u64::try_from(count)) {
        (Some(slot), Ok(keys)) => Outcome::Slot { slot, keys: Some(keys) },
        _ => call.error("ERR Invalid slot or number of keys"),
    }
}

/// A follower is listed here only if it serves no slots itself: clients keep one role per node, and some
/// take the first they read.
fn slots(call: &mut Call<'_>, topology: &Topology) {
    let mut reply = call.reply();
    reply.array(topology.ranges.len());
    for range in &topology.ranges {
        let idle = |node: &&usize| topology.nodes[**node].is_up && !topology.leads(**node);
        let followers: Vec<usize> = range.followers.iter().filter(idle).copied().collect();
        reply.array(3 + followers.len());
        reply.int(i64::from(range.first));
        reply.int(i64::from(range.last));
        for at in std::iter::once(range.leader).chain(followers) {
            let node = &topology.nodes[at];
            reply.array(4);
            reply.bulk_str(&node.host);
            reply.int(i64::from(node.port));
            reply.bulk_str(&node.id);
            // Further addresses of the node: there are none.
            reply.map(0);
        }
    }
}

/// One shard per node that leads any slot or is a follower of nobody, as in Redis.
fn shards(call: &mut Call<'_>, topology: &Topology) {
    let first = (0..topology.nodes.len()).filter(|at| master(topology, *at).is_none());
    let first: Vec<usize> = first.collect();
    let mut reply = call.reply();
    reply.array(first.len());
    for leader in first {
        let slots = topology.slots_of(leader);
        let followers = topology.followers_of(leader);
        reply.map(2);
        reply.bulk(b"slots");
        reply.array(2 * slots.len());
        for (first, last) in slots {
            reply.int(i64::from(first));
            reply.int(i64::from(last));
        }
        reply.bulk(b"nodes");
        reply.array(1 + followers.len());
        shard_node(&mut reply, &topology.nodes[leader], "master");
        followers.iter().for_each(|at| shard_node(&mut reply, &topology.nodes[*at], "replica"));
    }
}

fn shard_node(reply: &mut dyn Reply, node: &Node, role: &str) {
    let health = if node.is_up { "online" } else { "failed" };
    reply.map(7);
    reply.bulk(b"id");
    reply.bulk_str(&node.id);
    reply.bulk(b"port");
    reply.int(i64::from(node.port));
    for (name, value) in [("ip", &*node.host), ("endpoint", &node.host), ("role", role)] {
        reply.bulk_str(name);
        reply.bulk_str(value);
    }
    reply.bulk(b"replication-offset");
    reply.int(node.offset as i64);
    reply.bulk(b"health");
    reply.bulk_str(health);
}

/// Whom a node counts as a replica of, if it is none of the masters.
fn master(topology: &Topology, at: usize) -> Option<usize> {
    let idle = topology.nodes[at].is_up && !topology.leads(at);
    topology.followed_by(at).filter(|_| idle)
}

/// Appends a node as `CLUSTER NODES` shows it; `of`: as a replica of this one, whatever it is besides.
fn line(topology: &Topology, at: usize, of: Option<usize>, out: &mut String) {
    let node = &topology.nodes[at];
    let master = of.or_else(|| master(topology, at));
    let mut flags = Vec::new();
    flags.extend(node.is_me.then_some("myself"));
    flags.push(if master.is_some() { "slave" } else { "master" });
    flags.extend((!node.is_up).then_some("fail"));
    // Writing to a string can not fail.
    let _ = write!(
        out,
        "{} {}:{}@{} {} {} 0 {} {} {}",
        node.id,
        node.host,
        node.port,
        node.peer_port,
        flags.join(","),
        master.map_or("-", |at| &topology.nodes[at].id),
        node.heard_ms,
        node.epoch,
        if node.is_up { "connected" } else { "disconnected" },
    );
    if of.is_none() {
        for (first, last) in topology.slots_of(at) {
            let _ = if first == last { write!(out, " {first}") } else { write!(out, " {first}-{last}") };
        }
    }
    out.push('\n');
}

fn info(topology: &Topology) -> String {
    let assigned = topology.slots_assigned();
    let state = if topology.slots_ok == u32::from(SLOTS) { "ok" } else { "fail" };
    let size = (0..topology.nodes.len()).filter(|at| topology.leads(*at)).count();
    let epoch = topology.nodes.iter().map(|node| node.epoch).max().unwrap_or(0);
    let mut out = String::new();
    for (name, value) in [
        ("slots_assigned", u64::from(assigned)),
        ("slots_ok", u64::from(topology.slots_ok)),
        ("slots_pfail", 0),
        ("slots_fail", u64::from(assigned.saturating_sub(topology.slots_ok))),
        ("known_nodes", topology.nodes.len() as u64),
        ("size", size as u64),
        ("current_epoch", epoch),
        ("my_epoch", topology.me().map_or(0, |me| me.epoch)),
    ] {
        let _ = write!(out, "cluster_{name}:{value}\r\n");
    }
    format!("cluster_state:{state}\r\n{out}total_cluster_links_buffer_limit_exceeded:0\r\n")
}

fn unknown_node(call: &mut Call<'_>) -> Outcome {
    call.error_about("ERR Unknown node ", call.args[2], "")
}

fn replicas(call: &mut Call<'_>, topology: &Topology) -> Outcome {
    let Some(at) = topology.find(call.args[2]) else { return unknown_node(call) };
    if master(topology, at).is_some() {
        return call.error("ERR The specified node is not a master");
    }
    let followers = topology.followers_of(at);
    let mut reply = call.reply();
    reply.array(followers.len());
    for follower in followers {
        let mut text = String::new();
        line(topology, follower, Some(at), &mut text);
        reply.bulk_str(text.trim_end());
    }
    Outcome::Done
}

/// Every node judges for itself, so the only report there is is its own.
fn failure_reports(call: &mut Call<'_>, topology: &Topology) -> Outcome {
    match topology.find(call.args[2]) {
        Some(at) => call.int(i64::from(!topology.nodes[at].is_up)),
        None => unknown_node(call),
    }
}

fn links(call: &mut Call<'_>, topology: &Topology) {
    let mut reply = call.reply();
    // One connection carries both directions; Redis has one for each.
    reply.array(2 * topology.links.len());
    for link in &topology.links {
        for direction in ["to", "from"] {
            let unsent = if direction == "to" { link.unsent } else { 0 };
            reply.map(6);
            reply.bulk(b"direction");
            reply.bulk_str(direction);
            reply.bulk(b"node");
            reply.bulk_str(&link.node);
            reply.bulk(b"create-time");
            reply.int(link.since_ms as i64);
            reply.bulk(b"events");
            reply.bulk_str(if unsent > 0 { "rw" } else { "r" });
            reply.bulk(b"send-buffer-allocated");
            reply.int(unsent as i64);
            reply.bulk(b"send-buffer-used");
            reply.int(unsent as i64);
        }
    }
}
