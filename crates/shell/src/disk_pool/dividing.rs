//! Making the first rows of a shard of a part of another one's.
//!
//! They are written in several batches, the one with the applied index last, into a tree that nothing names yet: after
//! a crash it is removed as any tree without an owner, and made again.

use super::staging::load_rows;
use model::planted::{Bug, is_planted};
use model::row::family;
use model::varint::DecodeError;
use node::dividing::{Made, Part};
use shard::Machine;
use shard::checkpoint::{Applied, Division};
use storage::rows::{Order, Row, RowError, RowRange, RowStore, RowStores, RowView};

/// Bytes of rows that are written as one batch.
const BATCH_BYTES: usize = 8 << 20;

/// Why a shard could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// The row store can not read or write.
    #[error(transparent)]
    Store(#[from] RowError),
    /// A row of the old shard makes no sense.
    #[error("a row can not be read: {0}")]
    Row(#[from] DecodeError),
    /// Any other reason.
    #[error("{0}")]
    Other(String),
}

impl Failed {
    /// It will not pass.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Failed::Store(RowError::Damaged { .. }))
    }
}

/// Where rows go.
struct Target {
    store: std::sync::Arc<dyn RowStore>,
    batch: Vec<(Vec<u8>, Vec<u8>)>,
    bytes: usize,
}

impl Target {
    fn push(&mut self, name: Vec<u8>, content: Vec<u8>) -> Result<(), RowError> {
        self.bytes += name.len() + content.len();
        self.batch.push((name, content));
        if self.bytes >= BATCH_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), RowError> {
        self.bytes = 0;
        let rows = std::mem::take(&mut self.batch);
        if !rows.is_empty() {
            self.store.ingest(&mut rows.into_iter().map(|(name, content)| (name, Some(content))))?;
        }
        Ok(())
    }
}

/// Makes the rows of a part of the shard in `tree` in a new tree, and loads them; or only looks which large values
/// are in it.
pub(super) fn divide(
    stores: &dyn RowStores,
    tree: u64,
    part: &Part,
    to: Option<(u64, Box<Machine>)>,
) -> Result<Made, Failed> {
    let view = stores.open(tree)?.snapshot()?;
    let mut division = Division::new(family_rows(&*view, family::SYSTEM)?.into_iter())?;
    check_index(&*view, part)?;
    part.begin(&mut division)?;
    let mut target = match &to {
        Some((tree, _)) => Some(new_tree(stores, *tree)?),
        None => None,
    };
    for (from, end) in division.ranges() {
        for row in view.range(RowRange::new(&from, &end), Order::Ascending)? {
            let (name, content) = row?;
            if division.takes(&name, &content)?
                && let Some(target) = &mut target
            {
                target.push(name, content)?;
            }
        }
    }
    let uploads = division.uploads();
    let (Some((new, mut machine)), Some(mut target)) = (to, target) else {
        return Ok(Made { child: None, uploads });
    };
    for (name, content) in family_rows(&*view, family::ANSWER)? {
        if division.takes(&name, &content)? {
            target.push(name, content)?;
        }
    }
    target.write()?;
    target.batch = part.own_rows(division);
    target.write()?;
    load_rows(&*target.store, &mut machine).map_err(|error| Failed::Other(error.to_string()))?;
    Ok(Made { child: Some((new, machine)), uploads })
}

/// An empty tree, also after a try that failed.
fn new_tree(stores: &dyn RowStores, tree: u64) -> Result<Target, Failed> {
    let store = stores.open(tree)?;
    if store.range(RowRange::ALL, Order::Ascending)?.next().is_some() {
        return Err(Failed::Other(format!("tree {tree} is not empty")));
    }
    Ok(Target { store, batch: Vec::new(), bytes: 0 })
}

fn family_rows(view: &dyn RowView, family: u8) -> Result<Vec<Row>, RowError> {
    view.range(RowRange::new(&[family], &[family + 1]), Order::Ascending)?.collect()
}

/// The rows must be as of the entry that divided the shard, no earlier and no later.
fn check_index(view: &dyn RowView, part: &Part) -> Result<(), Failed> {
    let row = view.get(&Applied::name())?;
    let applied = row.as_deref().map(Applied::decode).transpose()?;
    match applied {
        Some(applied) if applied.index == part.at => Ok(()),
        // Planted: see model/planted.rs
        Some(_) if is_planted(Bug::ChildOfOldRows) => Ok(()),
        _ => Err(Failed::Other(format!("the rows are not as of entry {}", part.at))),
    }
}

#[cfg(test)]
mod tests;
