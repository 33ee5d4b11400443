//! One leader per term.

use super::Seen;
use model::{GroupId, Term};
use std::collections::BTreeMap;

/// Who led in which term.
#[derive(Default)]
pub(super) struct Terms {
    leaders: BTreeMap<(GroupId, Term), u64>,
}

impl Terms {
    pub(super) fn look(&mut self, seen: &Seen) -> Result<(), (&'static str, String)> {
        if !seen.now.leads {
            return Ok(());
        }
        let leader = *self.leaders.entry((seen.group, seen.now.term)).or_insert(seen.machine);
        if leader == seen.machine {
            return Ok(());
        }
        Err((
            "one leader per term",
            format!(
                "group {}: nodes {leader} and {} both led in term {}",
                seen.group, seen.machine, seen.now.term
            ),
        ))
    }

    pub(super) fn len(&self) -> usize {
        self.leaders.len()
    }
}
