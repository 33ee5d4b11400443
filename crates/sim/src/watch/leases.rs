//! No lease is held by a deposed leader after its successor has committed.

use super::Seen;
use crate::process::Process;
use model::{GroupId, Term};
use std::collections::BTreeMap;

/// The latest term of each group in which an entry of that term was committed by its leader.
#[derive(Default)]
pub(super) struct Leases {
    reigns: BTreeMap<GroupId, (Term, u64)>,
}

impl Leases {
    /// Notes a leader that has committed an entry of its own term.
    pub(super) fn note(&mut self, seen: &Seen, process: &Process) {
        let now = seen.now;
        let own = || process.core().and_then(|core| core.term_at(seen.group, now.commit)) == Some(now.term);
        if now.leads && own() {
            let reign = self.reigns.entry(seen.group).or_default();
            *reign = (*reign).max((now.term, seen.machine));
        }
    }

    pub(super) fn look(&self, seen: &Seen, process: &Process) -> Result<(), (&'static str, String)> {
        let now = seen.now;
        if !now.leads {
            return Ok(());
        }
        let Some(&(term, successor)) = self.reigns.get(&seen.group) else { return Ok(()) };
        if term <= now.term || !process.core().is_some_and(|core| core.may_answer(seen.group, process.now()))
        {
            return Ok(());
        }
        let text = format!(
            "group {}: node {} may answer reads in term {} while node {successor} has committed in term {term}",
            seen.group, seen.machine, now.term
        );
        Err(("leases", text))
    }
}
