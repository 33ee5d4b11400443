//! Commit never moves back, entries once committed stay what they are, and a leader has them all.

use super::Seen;
use crate::process::Process;
use model::{GroupId, Index, Term};
use std::collections::BTreeMap;

/// Terms of committed entries, by group and index, as they were first seen.
#[derive(Default)]
pub(super) struct Commit {
    terms: BTreeMap<(GroupId, Index), Term>,
    highest: BTreeMap<GroupId, Index>,
}

impl Commit {
    pub(super) fn look(&mut self, seen: &Seen, process: &Process) -> Result<(), (&'static str, String)> {
        let (group, node, now) = (seen.group, seen.machine, seen.now);
        if let Some(before) = seen.before.filter(|before| now.commit < before.commit) {
            let text =
                format!("group {group}: commit of node {node} went from {} to {}", before.commit, now.commit);
            return Err(("commit never moves back", text));
        }
        let Some(core) = process.core() else { return Ok(()) };
        if seen.before.is_none_or(|before| before.commit < now.commit)
            && let Some(term) = core.term_at(group, now.commit)
        {
            let first = *self.terms.entry((group, now.commit)).or_insert(term);
            if first != term {
                let at = now.commit;
                let text = format!(
                    "group {group}: entry {at} was committed in terms {first} and {term} (node {node})"
                );
                return Err(("log matching", text));
            }
        }
        let becomes_leader = now.leads && seen.before.is_none_or(|before| !before.leads);
        if becomes_leader {
            self.complete(seen, process)?;
        }
        let highest = self.highest.entry(group).or_default();
        *highest = now.commit.max(*highest);
        Ok(())
    }

    /// A new leader must have the last committed entry.
    fn complete(&self, seen: &Seen, process: &Process) -> Result<(), (&'static str, String)> {
        let (group, node, now) = (seen.group, seen.machine, seen.now);
        let Some(&highest) = self.highest.get(&group) else { return Ok(()) };
        let Some(&wanted) = self.terms.get(&(group, highest)) else { return Ok(()) };
        // A replica that was elected in a term before that entry's does not know yet that it lost.
        if wanted > now.term {
            return Ok(());
        }
        let has = process.core().and_then(|core| core.term_at(group, highest));
        if now.last >= highest && has.is_none_or(|term| term == wanted) {
            return Ok(());
        }
        let text = format!(
            "group {group}: node {node} leads in term {} without entry {highest} of term {wanted}, which was \
             committed (its log ends at {}, term there {has:?})",
            now.term, now.last
        );
        Err(("leader completeness", text))
    }
}
