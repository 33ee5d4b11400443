//! The nodes of a cluster as somebody to talk to.

use std::time::Duration;

use super::batch::MAX_PAYLOAD;
use super::peer::{Manner, Peer};
use crate::cli::CliError;
use crate::cli::link::{Login, PASSWORD_VARIABLE};
use crate::cli::reply::Reply;
use crate::cli::target::TargetArgs;

/// Longest wait for a reply; above the default quorum timeout, so that the node's own answer arrives.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to one of these nodes, which goes on at another node of the cluster when that is gone, whether it was
/// named or not.
///
/// # Errors
/// None of them answers as a node.
pub fn connect(target: &TargetArgs) -> Result<Peer, CliError> {
    let manner = Manner {
        login: Login::of_cluster(),
        patience: PATIENCE,
        max_bulk: MAX_PAYLOAD,
        advice: format!("set {PASSWORD_VARIABLE}"),
        same_process: false,
    };
    let mut peer = Peer::new(target.addresses(), manner);
    peer.connect()?;
    let command: &[&[u8]] = &[b"EVERSTORE", b"STATUS"];
    let status = match peer.ask_one(0, command)? {
        Reply::Text(status) => status,
        reply => return Err(peer.strange(command, &reply)),
    };
    let status: cluster::status::Status = serde_json::from_slice(&status)
        .map_err(|error| CliError::Refused(format!("the node's status cannot be read: {error}")))?;
    peer.add_addresses(status.nodes.into_iter().map(|node| node.redis_address).filter(|a| !a.is_empty()));
    Ok(peer)
}
