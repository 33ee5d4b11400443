//! From the state of the cluster to what is wrong, in plain words.

mod saturation;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Fitness, NodeState, NodeStatus, ReplicaRole, ShardStatus, Status};
use crate::health::fitness::QUICK_FOR_NS;
use crate::identity::MAX_SHARDS;
use model::time::MS;

pub use saturation::saturation;

/// A follower this many entries behind its leader is reported.
pub const LAG_WORTH_A_WORD: u64 = 100_000;
/// Log syncs slower than this at the 99th percentile are reported, µs.
pub const SLOW_SYNC_US: u64 = 200_000;
/// State of a replica whose rows are lost.
pub const REBUILDING: &str = "rebuilding";
/// State of a learner that has not got its rows yet.
pub const COPYING: &str = "copying";
/// Most shards that one sentence names.
const NAMED_SHARDS: usize = 8;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; everything promised is kept.
    Note,
    /// Works, but with fewer replicas or slower than it should.
    Degraded,
    /// Some data cannot be written or read now.
    Unavailable,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// One sentence for a person.
    pub text: String,
}

/// Everything that is wrong, worst first. Pure: the same state gives the same words.
pub fn diagnose(status: &Status) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(forming) = status.forming {
        problems.push(Problem {
            severity: Severity::Unavailable,
            text: format!("forming: {} of {} nodes", forming.joined, forming.needed),
        });
        return problems;
    }
    shards_without_majority(status, &mut problems);
    shards_without_leader(status, &mut problems);
    absent_nodes(status, &mut problems);
    writes_on_one_node(status, &mut problems);
    rebuilding_replicas(status, &mut problems);
    lagging_replicas(status, &mut problems);
    slow_disks(status, &mut problems);
    unfit_disks(status, &mut problems);
    damaged_trees(status, &mut problems);
    different_replicas(status, &mut problems);
    lost_folders(status, &mut problems);
    losses(status, &mut problems);
    problems.extend(offer_split(status));
    problems.extend(saturation(status));
    if status.replicas_wanted == 1 {
        problems
            .push(Problem { severity: Severity::Note, text: "replicas = 1: nothing is replicated".into() });
    }
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    problems
}

/// What a scrub has found: being mended, or mended.
fn damaged_trees(status: &Status, problems: &mut Vec<Problem>) {
    for node in status.nodes.iter().filter(|node| node.scrub_found > 0) {
        let (found, left) = (node.scrub_found, node.scrub_damaged);
        let trees = if found == 1 { "row tree was" } else { "row trees were" };
        let now = if left == 0 { "all are replaced".to_owned() } else { format!("{left} not yet replaced") };
        problems.push(Problem {
            severity: if left == 0 { Severity::Note } else { Severity::Degraded },
            text: format!(
                "node {}: {found} {trees} damaged since its start, {now}; look at its disk",
                node.id
            ),
        });
    }
}

/// A split is offered where a shard is larger than it should be, and more shards can be made. Never done by itself.
pub fn offer_split(status: &Status) -> Option<Problem> {
    let (shards, target) = (&status.shards, status.shard_target_bytes);
    let busy = target == 0 || status.shards_to_come > 0 || 2 * shards.len() > usize::from(MAX_SHARDS);
    let large: Vec<&ShardStatus> = shards.iter().filter(|shard| !busy && shard.bytes > target).collect();
    let largest = large.iter().map(|shard| shard.bytes).max()?;
    let names: Vec<String> = large.iter().map(|shard| format!("shard {}", shard.id)).collect();
    let text = format!(
        "{} {} larger than 'shard-target-size' ({}), up to about {}: everstore shards split makes two of each shard",
        listed(&names),
        if names.len() == 1 { "is" } else { "are" },
        bytes(target),
        bytes(largest)
    );
    Some(Problem { severity: Severity::Note, text })
}

/// What comparisons of replicas have found.
fn different_replicas(status: &Status, problems: &mut Vec<Problem>) {
    let mut open = false;
    for (name, shard) in groups(status) {
        let Some(found) = shard.compared.as_ref().filter(|found| !found.differ.is_empty()) else { continue };
        open = true;
        let nodes: Vec<String> = found.differ.iter().map(ToString::to_string).collect();
        let nodes = nodes.join(", ");
        let text = if found.undecided {
            format!(
                "{name}: the rows of nodes {nodes} differ and no majority has the same; nothing was changed, see docs/guide/sick-disks.md"
            )
        } else {
            format!(
                "{name}: the rows of node {nodes} differ from those of the majority and are replaced by them"
            )
        };
        problems.push(Problem { severity: Severity::Degraded, text });
    }
    let found: u64 = status.nodes.iter().map(|node| node.compare_differences).sum();
    if found > 0 && !open {
        let times = if found == 1 { "once".to_owned() } else { format!("{found} times") };
        let text =
            format!("replicas of a shard differed {times}; all are equal now: look at the logs of the nodes");
        problems.push(Problem { severity: Severity::Note, text });
    }
}

/// Data folders that a node does without.
fn lost_folders(status: &Status, problems: &mut Vec<Problem>) {
    for node in status.nodes.iter().filter(|node| node.state.is_up()) {
        for folder in node.folders.iter().filter(|folder| !folder.lost.is_empty()) {
            let (severity, left) = match folder.replicas {
                0 => (Severity::Note, "what was in it is made anew in the node's other folders".to_owned()),
                left => (Severity::Degraded, format!("{left} replicas in it are lost and not yet made anew")),
            };
            let text =
                format!("node {}: data folder {} is not used, {}; {left}", node.id, folder.path, folder.lost);
            problems.push(Problem { severity, text });
        }
    }
}

/// 0 healthy, 1 degraded, 2 unavailable. A note alone is healthy.
pub fn exit_code(problems: &[Problem]) -> u8 {
    match problems.iter().map(|problem| problem.severity).max() {
        Some(Severity::Unavailable) => 2,
        Some(Severity::Degraded) => 1,
        Some(Severity::Note) | None => 0,
    }
}

fn groups(status: &Status) -> impl Iterator<Item = (String, &ShardStatus)> {
    let meta = status.meta.iter().map(|meta| ("meta group".to_string(), meta));
    let shards = status.shards.iter().map(|shard| (format!("shard {}", shard.id), shard));
    meta.chain(shards)
}

fn reachable(status: &Status, shard: &ShardStatus) -> usize {
    shard.voters().filter(|replica| status.is_up(replica.node)).count()
}

fn has_majority(status: &Status, shard: &ShardStatus) -> bool {
    reachable(status, shard) >= shard.needed()
}

/// Groups in the same plight share a sentence: sixteen shards must not fill the screen.
fn shards_without_majority(status: &Status, problems: &mut Vec<Problem>) {
    let mut plights: BTreeMap<(usize, usize, usize), Vec<String>> = BTreeMap::new();
    for (name, shard) in groups(status).filter(|(_, shard)| !has_majority(status, shard)) {
        let plight = (reachable(status, shard), shard.voters().count(), shard.needed());
        plights.entry(plight).or_default().push(name);
    }
    for ((reachable, total, needed), names) in plights {
        problems.push(Problem {
            severity: Severity::Unavailable,
            text: format!(
                "{}: {reachable} of {total} replicas reachable, {needed} needed; writes wait",
                listed(&names)
            ),
        });
    }
}

fn shards_without_leader(status: &Status, problems: &mut Vec<Problem>) {
    let leaderless = |shard: &ShardStatus| {
        has_majority(status, shard) && shard.leader.is_none_or(|leader| !status.is_up(leader))
    };
    let names: Vec<String> =
        groups(status).filter(|(_, shard)| leaderless(shard)).map(|(name, _)| name).collect();
    if !names.is_empty() {
        let verb = if names.len() == 1 { "has" } else { "have" };
        problems.push(Problem {
            severity: Severity::Unavailable,
            text: format!("{} {verb} no leader", listed(&names)),
        });
    }
}

/// Nothing promised is broken: asynchronous keyspaces may lose that much. But somebody has to look.
fn losses(status: &Status, problems: &mut Vec<Problem>) {
    for node in status.nodes.iter().filter(|node| node.losses > 0) {
        let text = format!(
            "node {} keeps {} of {} asynchronous writes that a failover lost: see everstore losses list",
            node.id,
            if node.losses == 1 { "the account".to_owned() } else { format!("{} accounts", node.losses) },
            node.lost_effects
        );
        problems.push(Problem { severity: Severity::Note, text });
    }
    for (name, shard) in groups(status) {
        for loss in &shard.possible_losses {
            let text = format!(
                "{name}: up to {} bytes of asynchronous writes, of at most {}, may be lost until node {} is back: \
                 loss {}",
                loss.bytes,
                span(loss.ms),
                loss.node,
                loss.id
            );
            problems.push(Problem { severity: Severity::Note, text });
        }
    }
}

fn absent_nodes(status: &Status, problems: &mut Vec<Problem>) {
    for node in &status.nodes {
        let silence = match node.state {
            NodeState::Up => continue,
            NodeState::Unreachable { since_ms } => format!("unreachable since {}", span(since_ms)),
            NodeState::NeverSeen => "not seen since this node's start".to_string(),
        };
        let why = match node.last_words.as_str() {
            "" => String::new(),
            why => format!(", it stopped: {why}"),
        };
        problems.push(Problem {
            severity: Severity::Degraded,
            text: format!("node {} {silence}{why}; {}", node.id, consequence(status, node.id)),
        });
    }
}

/// A majority that is a leader and a witness: acknowledged writes are on one disk until the other data node is back.
fn writes_on_one_node(status: &Status, problems: &mut Vec<Problem>) {
    let names: Vec<String> =
        groups(status).filter(|(_, shard)| shard.on_witness).map(|(name, _)| name).collect();
    if !names.is_empty() {
        problems.push(Problem {
            severity: Severity::Degraded,
            text: format!("{}: writes are on one data node and a witness", listed(&names)),
        });
    }
}

/// What the absence of one node means for the shards it holds replicas of.
fn consequence(status: &Status, node: u64) -> String {
    let held: Vec<&ShardStatus> = status
        .shards
        .iter()
        .filter(|shard| shard.replicas.iter().any(|replica| replica.node == node))
        .collect();
    let worst = held.iter().min_by_key(|shard| reachable(status, shard));
    let Some(worst) = worst else {
        return "it holds no replicas".into();
    };
    let (reachable, total) = (reachable(status, worst), worst.voters().count());
    let broken = held.iter().filter(|shard| !has_majority(status, shard)).count();
    let (all, has) = match held.as_slice() {
        _ if held.len() == status.shards.len() => ("all shards".to_string(), "have"),
        [one] => (format!("shard {}", one.id), "has"),
        many => (format!("its {} shards", many.len()), "have"),
    };
    match broken {
        0 => format!("{all} still {has} {reachable} of {total} replicas"),
        n if n == held.len() => format!("{all} {has} only {reachable} of {total} replicas"),
        n => format!("{n} of {} shards have lost their majority", held.len()),
    }
}

fn lagging_replicas(status: &Status, problems: &mut Vec<Problem>) {
    for (name, shard) in groups(status) {
        for replica in shard.replicas.iter().filter(|replica| status.is_up(replica.node)) {
            if replica.lag < LAG_WORTH_A_WORD && replica.state != "snapshot" {
                continue;
            }
            let how = if replica.state == "snapshot" { " and receives a snapshot" } else { "" };
            // Nobody waits for a learner.
            let learns = replica.role == ReplicaRole::Learner;
            problems.push(Problem {
                severity: if learns { Severity::Note } else { Severity::Degraded },
                text: format!("{name}: node {} is {} entries behind{how}", replica.node, replica.lag),
            });
        }
    }
}

/// Replicas without rows: those that get them from another, and those for which there is none.
fn rebuilding_replicas(status: &Status, problems: &mut Vec<Problem>) {
    let mut found: BTreeMap<(u64, bool), Vec<String>> = BTreeMap::new();
    for (name, shard) in groups(status) {
        let whole = shard.replicas.iter().any(|r| r.state != REBUILDING && status.is_up(r.node));
        for replica in shard.replicas.iter().filter(|r| r.state == REBUILDING && status.is_up(r.node)) {
            found.entry((replica.node, whole)).or_default().push(name.clone());
        }
    }
    for ((node, whole), names) in found {
        let names = listed(&names);
        problems.push(match whole {
            true => Problem {
                severity: Severity::Degraded,
                text: format!("node {node} rebuilds {names} from a healthy replica"),
            },
            false => Problem {
                severity: Severity::Unavailable,
                text: format!(
                    "node {node} waits for a healthy replica to rebuild {names}; none is reachable"
                ),
            },
        });
    }
}

fn slow_disks(status: &Status, problems: &mut Vec<Problem>) {
    let slow = |node: &&NodeStatus| node.sync_p99_us > SLOW_SYNC_US && node.disk == Fitness::Fit;
    for node in status.nodes.iter().filter(slow) {
        problems.push(Problem {
            severity: Severity::Degraded,
            text: format!(
                "node {}: slow disk, a log sync takes {} ms at the 99th percentile",
                node.id,
                node.sync_p99_us / 1000
            ),
        });
    }
}

/// Nodes that lead nothing because of their disks.
fn unfit_disks(status: &Status, problems: &mut Vec<Problem>) {
    for node in status.nodes.iter().filter(|node| node.state.is_up()) {
        let what = match node.disk {
            Fitness::Fit => continue,
            Fitness::Full => {
                "its disk is full; it leads nothing and takes no writes until there is room".into()
            }
            Fitness::Slow => format!(
                "its disk is far slower than the others'; it leads nothing until it was quick for {}",
                span(QUICK_FOR_NS / MS)
            ),
        };
        problems.push(Problem { severity: Severity::Degraded, text: format!("node {}: {what}", node.id) });
    }
}

/// `shard 4`, `shards 1, 4 and 7`, `16 shards`; groups of other kinds by name.
fn listed(names: &[String]) -> String {
    let (shards, others): (Vec<&String>, Vec<&String>) =
        names.iter().partition(|name| name.starts_with("shard "));
    let ids: Vec<&str> = shards.iter().filter_map(|name| name.strip_prefix("shard ")).collect();
    let shards = match ids.as_slice() {
        [] => None,
        [one] => Some(format!("shard {one}")),
        many if many.len() > NAMED_SHARDS => Some(format!("{} shards", many.len())),
        [first @ .., last] => Some(format!("shards {} and {last}", first.join(", "))),
    };
    let parts: Vec<String> = others.into_iter().cloned().chain(shards).collect();
    parts.join(" and ")
}

/// `12 s`, `3 min`, `2 h`: as exact as a person needs.
pub fn span(ms: u64) -> String {
    match ms / 1000 {
        0 => format!("{ms} ms"),
        s @ 1..=119 => format!("{s} s"),
        s @ 120..=7199 => format!("{} min", s / 60),
        s @ 7200..=172_799 => format!("{} h", s / 3600),
        s => format!("{} days", s / 86_400),
    }
}

/// `17.0 KiB`, `1.5 GiB`, `123 MiB`: as exact as a person needs.
pub fn bytes(n: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let Some((shift, name)) = units.into_iter().find(|(shift, _)| n >> shift > 0) else {
        return format!("{n} B");
    };
    let tenths = (u128::from(n) * 10) >> shift;
    if tenths >= 1000 {
        format!("{} {name}", tenths / 10)
    } else {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests;
