//! All replicas that have applied the same index have the same members, and no change of members leaves a group
//! with fewer voters than it should have, unless it had no more.

use super::Seen;
use cluster::Members;
use model::{GroupId, Index, NodeId};
use std::collections::BTreeMap;

/// Members by group and index.
#[derive(Default)]
pub(super) struct MembersSeen {
    /// How many replicas a group should have; 0: nobody joins, and nothing is looked at.
    pub replicas: usize,
    /// Nodes that were given up by force, with their replicas.
    pub forced: usize,
    /// The node that is a witness, 0 = none is.
    pub witness: u64,
    all: BTreeMap<(GroupId, Index), (Members, u64)>,
    /// By machine and group.
    last: BTreeMap<(u64, GroupId), Members>,
}

impl MembersSeen {
    pub(super) fn look(
        &mut self,
        seen: &Seen,
        members: Option<Members>,
    ) -> Result<(), (&'static str, String)> {
        let (group, machine) = (seen.group, seen.machine);
        let Some(members) = members.filter(|_| self.replicas > 0) else { return Ok(()) };
        let index = seen.now.applied.0;
        // One that has just come, or waits for rows, has not applied what made its members.
        if index > 0 {
            let first = self.all.entry((group, index)).or_insert_with(|| (members.clone(), machine));
            if first.0 != members {
                let text = format!(
                    "group {group}: nodes {} and {machine} have other members at index {index}: {:?}, {members:?}",
                    first.1, first.0
                );
                return Err(("members equal", text));
            }
        }
        if !members.outgoing.is_empty() {
            return Ok(());
        }
        let before = self.last.insert((machine, group), members.clone()).filter(|_| seen.before.is_some());
        let had = before.map_or(0, |before| before.voters.len());
        // With one of two data nodes their witness goes.
        let gone = if self.witness > 0 && self.forced > 0 { self.forced + 1 } else { self.forced };
        let least = self.replicas.min(had).saturating_sub(gone);
        if members.voters.len() < least || members.voters.contains(&NodeId(0)) {
            let text = format!(
                "group {group}: node {machine} has voters {:?}, at least {least} must be there",
                members.voters
            );
            return Err(("enough voters", text));
        }
        Ok(())
    }
}
