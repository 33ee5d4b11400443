//! Writing a checkpoint: one atomic ingestion, tried again while the trouble may pass.

use super::cleaning::Cleaning;
use super::lane::{After, Lane, Task};
use super::sweep;
use model::{GroupId, Index, Term};
use node::JobDone;
use shard::checkpoint::Changes;
use storage::rows::{RowError, RowStores};

/// First wait after a failed try, in ms; it doubles from try to try.
const FIRST_WAIT_MS: u64 = 50;
/// Longest wait between two tries, in ms.
const MAX_WAIT_MS: u64 = 5_000;
/// Tries before a failure counts that should have passed, other than a full disk: about five minutes.
/// For a full disk there is no such limit, because the node is of use without checkpoints until its log
/// needs the space, and stopping it would free none.
const MAX_TRIES: u32 = 64;

/// A checkpoint on its way to a tree.
#[derive(Debug)]
pub(super) struct Write {
    group: GroupId,
    tree: u64,
    at: (Index, Term),
    changes: Changes,
    tries: u32,
}

impl Write {
    pub(super) fn new(group: GroupId, tree: u64, at: (Index, Term), changes: Changes) -> Write {
        Write { group, tree, at, changes, tries: 0 }
    }

    pub(super) fn tree(&self) -> u64 {
        self.tree
    }

    /// The answer where it is not tried any more.
    pub(super) fn given_up(&self) -> JobDone {
        let result = Err("its data folder has failed".to_owned());
        JobDone::Checkpoint { group: self.group, tree: self.tree, at: self.at, result }
    }
}

impl Lane {
    /// Writes a checkpoint and reports it, or asks for another try.
    pub(super) fn write(
        &mut self,
        mut write: Write,
        stores: &dyn RowStores,
        done: &dyn Fn(JobDone),
    ) -> After {
        if write.tries == 0 {
            write.changes.sort();
        }
        let (group, tree, at) = (write.group, write.tree, write.at);
        // A second try needs the rows again, so the store gets copies.
        let result = {
            let mut rows = write.changes.iter().map(|(name, row)| (name.to_vec(), row.map(<[u8]>::to_vec)));
            let store = stores.open(tree);
            store.and_then(|store| store.ingest(&mut rows).map(|rows| (rows, store.bytes_on_disk())))
        };
        let error = match result {
            Ok((rows, bytes)) => {
                tracing::debug!(%group, tree, rows, index = at.0, tries = write.tries, "checkpoint");
                done(JobDone::Checkpoint { group, tree, at, result: Ok(bytes) });
                return self.written(tree, write.changes);
            }
            Err(error) => error,
        };
        write.tries += 1;
        if !may_pass(&error, write.tries) {
            done(JobDone::Checkpoint { group, tree, at, result: Err(error.to_string()) });
            return After::default();
        }
        // After a failed write the tree must be reopened, which its readers prevent. Raft asks for their
        // snapshots again.
        self.forget_views(tree);
        let wait_ms = (FIRST_WAIT_MS << (write.tries - 1).min(16)).min(MAX_WAIT_MS);
        tracing::warn!(%group, tree, %error, tries = write.tries, "a checkpoint failed and will be tried again");
        After { more: Vec::new(), retry: Some((Task::Write(write), wait_ms)) }
    }

    /// What a checkpoint leaves to do: compaction, and sweeping if keyspaces were flushed.
    fn written(&mut self, tree: u64, mut changes: Changes) -> After {
        let mut more = vec![Task::maintain(tree)];
        let litter = changes.take_litter();
        if !litter.is_empty() {
            more.insert(0, Task::Clean(Cleaning::new(tree, litter)));
        }
        let rows = changes.iter().filter_map(|(name, content)| Some((name, content?)));
        let generations = sweep::generations(rows);
        let flushed = generations.iter().any(|generation| *generation > 0);
        if flushed && self.swept.get(&tree) != Some(&generations) {
            more.insert(0, Task::sweep(tree));
        }
        After { more, retry: None }
    }
}

/// True when the same write may succeed later without anybody repairing anything.
fn may_pass(error: &RowError, tries: u32) -> bool {
    error.is_no_space() || (error.is_transient() && tries < MAX_TRIES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn only_a_full_disk_is_waited_for_without_end() {
        let io = |kind: io::ErrorKind| RowError::Io { doing: "write".to_owned(), source: kind.into() };
        assert!(may_pass(&io(io::ErrorKind::StorageFull), 1_000_000));
        assert!(may_pass(&RowError::ReopenWaits { tree: 1, readers: 1 }, MAX_TRIES - 1));
        assert!(!may_pass(&RowError::ReopenWaits { tree: 1, readers: 1 }, MAX_TRIES));
        assert!(!may_pass(&io(io::ErrorKind::PermissionDenied), 1));
    }
}
