//! Comparing a part of a tree with its checksums, for nothing but to see whether it is damaged.

use model::GroupId;
use node::JobDone;
use storage::rows::{RowError, RowStores};

/// Goes on at `from`.
pub(super) fn scrub(stores: &dyn RowStores, group: GroupId, tree: u64, from: u64) -> JobDone {
    let result = stores.open(tree).and_then(|store| store.verify(from));
    let damaged = matches!(result, Err(RowError::Damaged { .. }));
    let result = result.map(|part| (part.next, part.bytes)).map_err(|error| error.to_string());
    JobDone::Scrubbed { group, tree, result, damaged }
}
