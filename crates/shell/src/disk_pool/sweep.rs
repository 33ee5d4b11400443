//! Removing what a flush left in a tree. A flush is one effect that raises the keyspace's generation;
//! the rows of older generations mean nothing any more and are deleted here, a bounded number at a time.

use super::lane::{After, Lane, Task};
use model::limits::SPACES;
use model::row::{self, family};
use model::{KeyHasher, Keyspace, Position};
use shard::Machine;
use storage::rows::{Order, RowError, RowRange, RowStore, RowStores};

/// Most rows one step deletes.
pub(super) const SWEEP_ROWS: usize = 100_000;
/// Most bytes of names one step deletes.
const SWEEP_BYTES: usize = 16 << 20;

/// A sweep under way.
#[derive(Debug)]
pub(super) struct Sweep {
    tree: u64,
    /// Name of the last row deleted, so that the tombstones before it are not read again.
    after: Vec<u8>,
    deleted: u64,
}

impl Sweep {
    pub(super) fn new(tree: u64) -> Sweep {
        Sweep { tree, after: Vec::new(), deleted: 0 }
    }

    /// One step; true when there may be more.
    fn step(&mut self, store: &dyn RowStore, generations: &[u32]) -> Result<bool, RowError> {
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut bytes = 0;
        let full = |rows: usize, bytes: usize| rows >= SWEEP_ROWS || bytes >= SWEEP_BYTES;
        for (ks, &generation) in generations.iter().enumerate().filter(|(_, g)| **g > 0) {
            let first = |generation| row::key_name(Keyspace(ks as u16), generation, Position(0), b"");
            let (oldest, current) = (first(0), first(generation));
            let from = oldest.max(self.after.clone());
            for row in store.range(RowRange::new(&from, &current), Order::Ascending)? {
                let (name, _) = row?;
                bytes += name.len();
                names.push(name);
                if full(names.len(), bytes) {
                    break;
                }
            }
            if full(names.len(), bytes) {
                break;
            }
        }
        let (count, more) = (names.len(), full(names.len(), bytes));
        if let Some(last) = names.last() {
            self.after.clone_from(last);
            store.ingest(&mut names.into_iter().map(|name| (name, None)))?;
            self.deleted += count as u64;
        }
        Ok(more)
    }
}

impl Lane {
    /// Deletes a part of the garbage of a tree; the rest comes behind the lane's other tasks.
    pub(super) fn sweep(&mut self, mut sweep: Sweep, stores: &dyn RowStores) -> After {
        let tree = sweep.tree;
        let step = stores.open(tree).and_then(|store| {
            let generations = stored_generations(&*store)?;
            Ok((sweep.step(&*store, &generations)?, generations))
        });
        let more = match step {
            Ok((true, _)) => vec![Task::maintain(tree), Task::Sweep(sweep)],
            Ok((false, generations)) => {
                self.swept.insert(tree, generations);
                match sweep.deleted {
                    0 => Vec::new(),
                    rows => {
                        tracing::debug!(tree, rows, "rows of flushed keyspaces removed");
                        vec![Task::maintain(tree)]
                    }
                }
            }
            Err(error) => {
                // Garbage harms nobody; the checkpoint after the next one or the next start tries again.
                tracing::warn!(tree, %error, "rows of flushed keyspaces stay on disk for now");
                self.swept.remove(&tree);
                Vec::new()
            }
        };
        After { more, retry: None }
    }
}

/// Generations of the keyspaces as the tree has them.
fn stored_generations(store: &dyn RowStore) -> Result<Vec<u32>, RowError> {
    let range = RowRange::new(&[family::SYSTEM], &[family::SYSTEM + 1]);
    let rows = store.range(range, Order::Ascending)?.collect::<Result<Vec<_>, _>>()?;
    Ok(generations(rows.iter().map(|(name, content)| (&name[..], &content[..]))))
}

/// Generation of each keyspace, by its number, as the system rows among these say. The machine knows how
/// to read them; what it cannot read it has refused when it was loaded.
pub(super) fn generations<'a>(rows: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u32> {
    let mut reader = Machine::new(KeyHasher::new(0), 0, 1);
    for (name, content) in rows.filter(|(name, _)| name.first() == Some(&family::SYSTEM)) {
        let _ = reader.load(name, content);
    }
    (0..SPACES).map(|ks| reader.space(Keyspace(ks)).generation).collect()
}
