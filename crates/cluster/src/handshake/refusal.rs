//! Reasons of refusals: to be sent, and to be logged by the side that receives them.

use super::{Known, Local};
use crate::formation::Formation;
use crate::peer::Boot;
use model::NodeId;

/// Longest reason in bytes.
pub const MAX_REFUSAL: usize = 512;

pub(super) const STRANGER: &str =
    "a stranger: it does not know this cluster's secret (another cluster, or a wrong secret file)";
pub(super) const NOT_JOINED: &str = "this node has not joined a cluster itself yet";

/// A reason as it may be logged and sent: printable ASCII, bounded.
pub(super) fn tidy(text: &[u8]) -> String {
    let printable = |&byte: &u8| if (0x20..0x7f).contains(&byte) { char::from(byte) } else { '?' };
    text.iter().take(MAX_REFUSAL).map(printable).collect()
}

/// Safety rule 2: a folder older than one that was seen, or a second copy of it, must not take part.
pub(super) fn of_age(node: NodeId, incarnation: u64, boot: Boot, known: Option<Known>) -> Result<(), String> {
    let Some(known) = known else { return Ok(()) };
    if incarnation < known.incarnation {
        return Err(format!(
            "node {node} comes with an older data folder: incarnation {incarnation}, {} was seen; its replicas \
             can not vote again; replacing it is a membership change",
            known.incarnation
        ));
    }
    if incarnation == known.incarnation && known.boot.is_some_and(|other| other != boot) {
        return Err(format!(
            "node {node} comes with incarnation {incarnation}, which another process had: its data folder was copied"
        ));
    }
    Ok(())
}

/// Whether the node with this id and process is this node itself.
pub(super) fn other_than(local: &Local, node: Option<NodeId>, boot: Boot) -> Result<(), String> {
    if boot == local.boot {
        return Err("this node connected to itself".to_owned());
    }
    match node.filter(|_| node == local.node) {
        Some(node) => Err(format!("two processes say that they are node {node}: its data folder was copied")),
        None => Ok(()),
    }
}

/// Groups that began with different voters must never speak to each other.
pub(super) fn one_formation(own: Option<&Formation>, theirs: Option<&Formation>) -> Result<(), String> {
    match (own, theirs) {
        (Some(own), Some(theirs)) if own != theirs => {
            Err(format!("the cluster was formed twice: with {own}, and with {theirs}"))
        }
        _ => Ok(()),
    }
}
