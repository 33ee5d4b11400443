//! When a node is ready for clients, and if not, why, in plain words.

use cluster::status::Status;

/// Most shards that the reason names.
const NAMED: usize = 8;

/// Ready: the cluster is formed and this node knows a leader of every shard, so that it can forward any
/// command.
pub(super) fn check(status: Option<&Status>) -> Result<String, String> {
    let Some(status) = status else { return Err("starting: recovery is not complete".to_owned()) };
    if let Some(forming) = status.forming {
        return Err(format!("forming: {} of {} nodes have joined", forming.joined, forming.needed));
    }
    if status.shards.is_empty() {
        return Err("starting: the shards are not known yet".to_owned());
    }
    if status.meta.as_ref().is_some_and(|meta| meta.leader.is_none()) {
        return Err("no leader is known of the meta group".to_owned());
    }
    let without: Vec<u16> = status.shards.iter().filter(|s| s.leader.is_none()).map(|s| s.id).collect();
    if without.is_empty() {
        return Ok(format!("ready: {} shards have a leader", status.shards.len()));
    }
    let mut named: Vec<String> = without.iter().take(NAMED).map(u16::to_string).collect();
    if without.len() > NAMED {
        named.push("…".to_owned());
    }
    let (count, all) = (without.len(), status.shards.len());
    Err(format!("no leader is known of {count} of {all} shards: {}", named.join(", ")))
}
