//! All replicas that have applied the same index have applied the same.

use super::Seen;
use model::{GroupId, Index};
use std::collections::BTreeMap;

/// Hash over all that was applied, by group and index, as the first replica had it.
#[derive(Default)]
pub(super) struct Replicas {
    rolling: BTreeMap<(GroupId, Index), (u64, u64)>,
}

impl Replicas {
    pub(super) fn look(&mut self, seen: &Seen) -> Result<(), (&'static str, String)> {
        let (index, hash) = seen.now.applied;
        let (first, by) = *self.rolling.entry((seen.group, index)).or_insert((hash, seen.machine));
        if first == hash {
            return Ok(());
        }
        let text = format!(
            "group {}: nodes {by} and {} have applied something else up to index {index}",
            seen.group, seen.machine
        );
        Err(("replicas equal", text))
    }
}
