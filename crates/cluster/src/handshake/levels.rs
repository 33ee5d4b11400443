//! Whether a program understands what the cluster has written: levels, see [`crate::heartbeat::LEVEL`].
//!
//! A program that is too old must hear of it before it is a member, or reads a map that it would misread. Programs
//! below [`SAID_LEVEL`] neither say a level nor read one, so it is said only where it is of use: by a node that knows
//! its cluster to use that level, or that was asked for it ([`Verdict::Unsaid`]).

use super::Local;
use super::refusal::{Refusal, Refused, Verdict};
use crate::heartbeat::{LEVEL, SAID_LEVEL};
use model::NodeId;
use model::varint::{DecodeError, Reader, put_u64};

/// The levels of a side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Levels {
    /// What its program understands.
    pub own: u64,
    /// What the cluster uses, as far as it knows; 0 if it knows nothing.
    pub used: u64,
    /// Whether the other side is told when this one dials.
    pub said: bool,
}

impl Default for Levels {
    /// Those of this program in a cluster of which nothing is known.
    fn default() -> Levels {
        Levels { own: LEVEL, used: 0, said: false }
    }
}

/// What a side says of its levels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Said {
    pub(super) own: u64,
    pub(super) used: u64,
}

impl Said {
    pub(super) fn encode(self, out: &mut Vec<u8>) {
        put_u64(out, self.own);
        put_u64(out, self.used);
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Said, DecodeError> {
        Ok(Said { own: r.u64()?, used: r.u64()? })
    }
}

impl Levels {
    /// What is said to a side that reads it.
    pub(super) fn say(self) -> Said {
        Said { own: self.own, used: self.used }
    }
}

/// The text for people about a program that is too old.
pub fn too_old(who: &str, used: u64, understood: u64) -> String {
    format!(
        "the cluster uses formats of level {used}, and the program of {who} understands those up to level \
         {understood}: start it with the version that the other nodes run"
    )
}

/// Each side must understand what the other one knows to be in use (safety rule 20).
pub(super) fn check(local: &Local, other: Option<NodeId>, said: Option<Said>) -> Result<(), Refused> {
    let Levels { own, used, .. } = local.levels;
    let name =
        |node: Option<NodeId>| node.map_or("a node that joins".to_owned(), |node| format!("node {node}"));
    let Some(said) = said else {
        if used < SAID_LEVEL {
            return Ok(());
        }
        let reason = format!(
            "the cluster uses formats of level {used}, and {} does not say which its program understands: one that \
             can not say so is too old",
            name(other)
        );
        return Err(Refusal::new(reason, Verdict::Unsaid).into());
    };
    if said.own < used {
        return Err(Refusal::new(too_old(&name(other), used, said.own), Verdict::TooOld).into());
    }
    if own < said.used {
        return Err(Refused::own_too_old(too_old(&name(local.node), said.used, own)));
    }
    Ok(())
}
