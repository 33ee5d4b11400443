//! Removing what large collections left in a tree that are gone. A collection goes with the row of its key; its
//! cells mean nothing any more, because their names have its number, and are removed here, a bounded number at
//! a time.

use super::lane::{After, Task};
use model::row::{self, kind};
use model::varint::Reader;
use shard::checkpoint::Litter;
use storage::rows::{Order, RowError, RowRange, RowStore, RowStores};

/// Most rows that one step looks at.
const CLEAN_ROWS: usize = 100_000;

/// A cleaning under way.
#[derive(Debug)]
pub(super) struct Cleaning {
    tree: u64,
    places: Vec<Litter>,
    /// Where at the last place it goes on.
    from: Vec<u8>,
    deleted: usize,
}

impl Cleaning {
    pub(super) fn new(tree: u64, places: Vec<Litter>) -> Cleaning {
        Cleaning { tree, places, from: Vec::new(), deleted: 0 }
    }

    /// One step; the rest comes behind the lane's other tasks.
    pub(super) fn run(mut self, stores: &dyn RowStores) -> After {
        let tree = self.tree;
        let step = stores.open(tree).and_then(|store| self.step(&*store));
        let more = match step {
            Ok(()) if !self.places.is_empty() => vec![Task::maintain(tree), Task::Clean(self)],
            Ok(()) => {
                tracing::debug!(tree, rows = self.deleted, "rows of collections that are gone were removed");
                vec![Task::maintain(tree)]
            }
            Err(error) => {
                // They harm nobody, and the next start meets them.
                tracing::warn!(tree, %error, "rows of collections that are gone stay on disk for now");
                Vec::new()
            }
        };
        After { more, retry: None }
    }

    fn step(&mut self, store: &dyn RowStore) -> Result<(), RowError> {
        let (mut names, mut left) = (Vec::new(), CLEAN_ROWS);
        while left > 0
            && let Some(place) = self.places.last()
        {
            let head = |position| row::position_name(place.ks, place.generation, position);
            let end = place.position.0.checked_add(1).map(head);
            if self.from.is_empty() {
                self.from = head(place.position.0);
            }
            let next = look(store, (&self.from, end.as_deref()), &mut left, &mut names)?;
            match next {
                Some(next) => self.from = next,
                None => {
                    self.places.pop();
                    self.from.clear();
                }
            }
        }
        self.deleted += names.len();
        if !names.is_empty() {
            // Places come in no order, and some twice.
            names.sort_unstable();
            names.dedup();
            store.ingest(&mut names.into_iter().map(|name| (name, None)))?;
        }
        Ok(())
    }
}

/// Finds cells whose collection is gone. Where to go on when `left` rows were looked at.
fn look(
    store: &dyn RowStore,
    (from, to): (&[u8], Option<&[u8]>),
    left: &mut usize,
    names: &mut Vec<Vec<u8>>,
) -> Result<Option<Vec<u8>>, RowError> {
    let mut known: Option<(Vec<u8>, Option<u64>)> = None;
    for found in store.range(RowRange { from, to }, Order::Ascending)? {
        let (name, _) = found?;
        if *left == 0 {
            return Ok(Some(name));
        }
        *left -= 1;
        let Some((key, id, _)) = row::split_cell_name(&name) else { continue };
        let current = match &known {
            Some((of, current)) if of == key => *current,
            _ => {
                let current = store.get(key)?.as_deref().and_then(number);
                known = Some((key.to_vec(), current));
                current
            }
        };
        if current != Some(id) {
            names.push(name);
        }
    }
    Ok(None)
}

/// The number of a large collection, from the content of its key's row.
fn number(content: &[u8]) -> Option<u64> {
    let (of, _, value) = row::decode_value(content).ok()?;
    (of & kind::LARGE != 0).then(|| Reader::new(value).u64().ok())?
}
