//! Nodes whose shard thread has too much to do, and what would help: more shards, or more nodes.
//!
//! A leader is as quick as the one thread of its node. Leaders are spread by what they have to do, so a node is
//! saturated for long only if nobody else has room, or if what there is to spread comes in too large pieces.

use super::super::{NodeStatus, ShardStatus, Status};
use super::{Problem, Severity, listed, span};
use crate::identity::MAX_SHARDS;

/// A thread that was saturated for so long, ms, is worth a word.
pub const SATURATED_MS: u64 = 60_000;
/// A node that is no busier than this, in percent, could lead more.
pub const ROOM_PERCENT: u32 = 60;
/// With fewer shards for each node that can lead, leaders are spread in too large pieces.
pub const SHARDS_PER_NODE: usize = 4;

/// What is said of nodes that are saturated. Nothing is done by itself.
pub fn saturation(status: &Status) -> Option<Problem> {
    let leading: Vec<&NodeStatus> = status.nodes.iter().filter(|node| can_lead(status, node)).collect();
    let busy: Vec<&NodeStatus> =
        leading.iter().copied().filter(|node| node.saturated_ms >= SATURATED_MS).collect();
    let since_ms = busy.iter().map(|node| node.saturated_ms).max()?;
    let names: Vec<String> = busy.iter().map(|node| format!("node {}", node.id)).collect();
    let (threads, were) = if names.len() == 1 { ("thread", "was") } else { ("threads", "were") };
    let advice = advice(status, &leading, &busy);
    let text = format!(
        "{}: the shard {threads} {were} busy for more than 90 % of the time since {}: {advice}",
        names.join(", "),
        span(since_ms)
    );
    Some(Problem { severity: Severity::Note, text })
}

fn can_lead(status: &Status, node: &NodeStatus) -> bool {
    let learns = |zone: &str| status.zones.iter().any(|of| of.zone == zone && of.role == "learner");
    node.state.is_up() && !node.witness && !node.draining && !learns(&node.zone)
}

fn advice(status: &Status, leading: &[&NodeStatus], busy: &[&NodeStatus]) -> String {
    let more = 2 * status.shards.len() <= usize::from(MAX_SHARDS);
    let split = "everstore shards split makes two of each shard";
    if status.shards_to_come > 0 {
        return "more shards are on their way".to_owned();
    }
    let room = leading.iter().any(|node| node.busy_percent <= ROOM_PERCENT);
    let coarse = status.shards.len() < SHARDS_PER_NODE * leading.len();
    let hot: Vec<String> =
        busy.iter().filter_map(|node| heavy(status, node)).map(|id| format!("shard {id}")).collect();
    match (room && more, hot.is_empty()) {
        (true, false) => format!("{} has most of their load; {split}, which can be spread", listed(&hot)),
        (true, true) if coarse => {
            format!(
                "{} shards are few for {} nodes that lead; {split}, which can be spread",
                status.shards.len(),
                leading.len()
            )
        }
        // Those who come must get something to lead.
        _ if more && status.shards.len() < SHARDS_PER_NODE * (leading.len() + 1) => {
            format!("more nodes are needed, and more shards for them to lead: then {split}")
        }
        _ => "more nodes are needed".to_owned(),
    }
}

/// The shard with more than half of what a node does as a leader, if it leads others or that one alone.
fn heavy(status: &Status, node: &NodeStatus) -> Option<u16> {
    let led: Vec<&ShardStatus> = status.shards.iter().filter(|shard| shard.leader == Some(node.id)).collect();
    let all: u64 = led.iter().map(|shard| shard.load).sum();
    led.iter().find(|shard| 2 * shard.load > all).map(|shard| shard.id)
}

#[cfg(test)]
mod tests {
    use super::super::tests::healthy;
    use super::super::{diagnose, exit_code};
    use super::*;

    /// These nodes have been saturated for two minutes, the others are as busy as this.
    fn status(shards: u16, saturated: &[u64], others: u32) -> Status {
        let mut status = healthy(shards);
        for node in &mut status.nodes {
            let busy = saturated.contains(&node.id);
            (node.busy_percent, node.saturated_ms) = if busy { (97, 2 * SATURATED_MS) } else { (others, 0) };
        }
        status
    }

    fn said(status: &Status) -> String {
        saturation(status).map(|problem| problem.text).unwrap_or_default()
    }

    #[test]
    fn a_split_is_offered_where_leaders_are_few_and_others_have_room() {
        let mut few = status(6, &[2], 30);
        let text = "node 2: the shard thread was busy for more than 90 % of the time since 2 min: 6 shards are few for 3 \
                    nodes that lead; everstore shards split makes two of each shard, which can be spread";
        assert_eq!(said(&few), text);
        let problems = diagnose(&few);
        assert_eq!((problems[0].text.as_str(), exit_code(&problems)), (text, 0), "only a word");
        few.nodes[1].saturated_ms = SATURATED_MS - 1;
        assert_eq!(said(&few), "", "not for a minute yet");
    }

    #[test]
    fn a_shard_with_most_of_the_load_is_named() {
        let mut hot = status(16, &[2], 30);
        hot.shards[4].load = 100_000;
        assert!(said(&hot).ends_with(
            ": shard 4 has most of their load; everstore shards split makes two of each shard, which can be spread"
        ));
        hot.shards_to_come = 3;
        assert!(said(&hot).ends_with(": more shards are on their way"));
    }

    #[test]
    fn more_nodes_are_needed_where_nobody_has_room_or_the_load_is_even() {
        let even = status(16, &[2], 30);
        assert!(said(&even).ends_with("since 2 min: more nodes are needed"), "{}", said(&even));
        let full = status(16, &[1, 2], ROOM_PERCENT + 1);
        assert!(said(&full).starts_with("node 1, node 2: the shard threads were busy"), "{}", said(&full));
        assert!(said(&full).ends_with(": more nodes are needed"));
        let few = status(15, &[1, 2, 3], 0);
        assert!(
            said(&few).contains("more nodes are needed, and more shards for them to lead"),
            "{}",
            said(&few)
        );
        let most = status(1024, &[1], 0);
        assert!(said(&most).ends_with(": more nodes are needed"));
    }

    #[test]
    fn only_nodes_that_can_lead_have_room() {
        let mut two = status(6, &[2], 30);
        two.nodes[0].witness = true;
        two.nodes[2].state = crate::status::NodeState::NeverSeen;
        assert!(said(&two).contains("more nodes are needed"), "{}", said(&two));
    }
}
