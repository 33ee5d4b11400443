//! Reasons of refusals: to be sent, and to be logged by the side that receives them; and what they mean
//! for each side.

use super::{Known, Local};
use crate::formation::Formation;
use crate::peer::Boot;
use model::NodeId;

/// Longest reason in bytes.
pub const MAX_REFUSAL: usize = 512;

pub(super) const STRANGER: &str =
    "a stranger: it does not know this cluster's secret (another cluster, or a wrong secret file)";
pub(super) const NOT_JOINED: &str = "this node has not joined a cluster itself yet";

/// What a refusal means for a side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It may be otherwise the next time.
    Passing,
    /// A node without an id gets none until a person changes something. Not proven: it may come from
    /// anybody, so it says nothing to a node that has an id.
    NotAdmitted,
    /// The other side knows the secret and is of another cluster.
    OtherCluster,
    /// Its data folder is an old one or a copy: it must not take part (safety rule 2).
    Outdated,
    /// Its program does not understand what the cluster uses (safety rule 20).
    TooOld,
    /// It must say what its program understands. Not proven: it changes nothing but the next call.
    Unsaid,
}

/// Why a handshake ended without a connection, as one side sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// In words, printable ASCII.
    pub reason: String,
    /// What it means for this side.
    pub verdict: Verdict,
}

/// A refusal by this side: what it means for this side and for the other.
pub(super) struct Refused {
    pub(super) reason: String,
    pub(super) own: Verdict,
    pub(super) other: Verdict,
}

impl Verdict {
    /// The byte on the wire.
    pub(super) fn code(self) -> u8 {
        match self {
            Verdict::Passing => 0,
            Verdict::NotAdmitted => 1,
            Verdict::OtherCluster => 2,
            Verdict::Outdated => 3,
            Verdict::TooOld => 4,
            Verdict::Unsaid => 5,
        }
    }

    /// Of a byte on the wire; one that a later version may have added is passing.
    pub(super) fn of(code: u8) -> Verdict {
        match code {
            1 => Verdict::NotAdmitted,
            2 => Verdict::OtherCluster,
            3 => Verdict::Outdated,
            4 => Verdict::TooOld,
            5 => Verdict::Unsaid,
            _ => Verdict::Passing,
        }
    }

    /// Whether only a side that has proven that it knows the secret may say so.
    pub(super) fn needs_proof(self) -> bool {
        matches!(self, Verdict::OtherCluster | Verdict::Outdated | Verdict::TooOld)
    }
}

impl Refusal {
    /// A refusal.
    pub fn new(reason: impl Into<String>, verdict: Verdict) -> Refusal {
        Refusal { reason: reason.into(), verdict }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused { reason: refusal.reason, own: Verdict::Passing, other: refusal.verdict }
    }
}

impl From<String> for Refused {
    fn from(reason: String) -> Refused {
        Refused { reason, own: Verdict::Passing, other: Verdict::Passing }
    }
}

impl From<&str> for Refused {
    fn from(reason: &str) -> Refused {
        reason.to_owned().into()
    }
}

impl Refused {
    /// The other side's data folder is outdated.
    pub(super) fn other_outdated(reason: String) -> Refused {
        Refused { reason, own: Verdict::Passing, other: Verdict::Outdated }
    }

    /// This side's program is too old.
    pub(super) fn own_too_old(reason: String) -> Refused {
        Refused { reason, own: Verdict::TooOld, other: Verdict::Passing }
    }

    /// This side's data folder is outdated.
    pub(super) fn own_outdated(reason: String) -> Refused {
        Refused { reason, own: Verdict::Outdated, other: Verdict::Passing }
    }
}

/// A reason as it may be logged and sent: printable ASCII, bounded.
pub(super) fn tidy(text: &[u8]) -> String {
    let printable = |&byte: &u8| if (0x20..0x7f).contains(&byte) { char::from(byte) } else { '?' };
    text.iter().take(MAX_REFUSAL).map(printable).collect()
}

/// Safety rule 2: a folder older than one that was seen, or a second copy of it, must not take part.
pub(super) fn of_age(node: NodeId, incarnation: u64, boot: Boot, known: Option<Known>) -> Result<(), String> {
    let Some(known) = known else { return Ok(()) };
    if known.removed {
        return Err(format!(
            "node {node} was removed from the cluster: its replicas are elsewhere, and its data folder takes no \
             part any more; a node that is to join needs an empty one"
        ));
    }
    if incarnation < known.incarnation {
        return Err(format!(
            "node {node} comes with an older data folder: incarnation {incarnation}, {} was seen; its replicas \
             can not vote again; everstore node replace has them made anew elsewhere",
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

/// Whether the node with this id and process is this node itself. Of two processes of one node the one
/// with the lower incarnation has the older folder; with equal ones the other nodes decide, who know
/// which came first.
pub(super) fn other_than(
    local: &Local,
    node: Option<NodeId>,
    incarnation: u64,
    boot: Boot,
) -> Result<(), Refused> {
    if boot == local.boot {
        return Err("this node connected to itself".into());
    }
    let Some(node) = node.filter(|_| node == local.node) else { return Ok(()) };
    let reason = format!("two processes say that they are node {node}: its data folder was copied");
    Err(match incarnation.cmp(&local.incarnation) {
        std::cmp::Ordering::Greater => Refused::own_outdated(reason),
        std::cmp::Ordering::Less => Refused::other_outdated(reason),
        std::cmp::Ordering::Equal => reason.into(),
    })
}

/// Groups that began with different voters must never speak to each other.
///
/// A cluster that was recovered after a majority was lost goes on without the nodes of before: what they
/// have may contradict what was written since (safety rule 24).
pub(super) fn one_formation(own: Option<&Formation>, theirs: Option<&Formation>) -> Result<(), Refused> {
    let (Some(own), Some(theirs)) = (own, theirs) else { return Ok(()) };
    let (new, old) = (own.incarnation.max(theirs.incarnation), own.incarnation.min(theirs.incarnation));
    let members = if own.incarnation == new { &own.members } else { &theirs.members };
    let reason = || {
        let members: Vec<String> = members.iter().map(NodeId::to_string).collect();
        format!(
            "the cluster was recovered after its majority was lost and is of incarnation {new}, with what node \
             {} had; a data folder of incarnation {old} takes no part any more: keep it to look for what was \
             lost, and join with an empty one",
            members.join(" and ")
        )
    };
    match own.incarnation.cmp(&theirs.incarnation) {
        std::cmp::Ordering::Greater => Err(Refused::other_outdated(reason())),
        std::cmp::Ordering::Less => Err(Refused::own_outdated(reason())),
        std::cmp::Ordering::Equal if own != theirs => {
            Err(format!("the cluster was formed twice: with {own}, and with {theirs}").into())
        }
        std::cmp::Ordering::Equal => Ok(()),
    }
}
