//! Putting together a snapshot that comes in chunks, in a new tree, and loading it.

use model::varint::{DecodeError, Reader};
use shard::Machine;
use std::collections::BTreeMap;
use storage::rows::snapshot::{Added, SnapshotIngest, Staged, staged};
use storage::rows::{RowError, RowStores, RowView};

/// Takes a chunk; answers the number of the chunk wanted next, and whether the snapshot is complete.
/// After an error the tree is of no use and should be dropped.
pub(super) fn stage(
    staging: &mut BTreeMap<u64, SnapshotIngest>,
    stores: &dyn RowStores,
    tree: u64,
    chunk: &[u8],
) -> Result<(u64, bool), RowError> {
    let mut ingest = match staging.remove(&tree) {
        Some(ingest) => ingest,
        None => SnapshotIngest::start(stores.open(tree)?, stream(chunk)?)?,
    };
    let added = ingest.add(chunk)?;
    let next = ingest.next();
    if matches!(added, Added::Complete { .. }) {
        return Ok((next, true));
    }
    staging.insert(tree, ingest);
    Ok((next, false))
}

/// The stream a chunk belongs to (`docs/formats/snapshot.md`); its checksum is verified when it is added.
fn stream(chunk: &[u8]) -> Result<u64, RowError> {
    let mut reader = Reader::new(chunk);
    let mut field = || {
        let _format_and_kind = reader.take(2)?;
        reader.u64()
    };
    field().map_err(|e: DecodeError| RowError::Stream(format!("chunk: {e}")))
}

/// Reads all rows of a staged tree into a machine.
pub(super) fn load(
    stores: &dyn RowStores,
    tree: u64,
    mut machine: Box<Machine>,
) -> Result<Box<Machine>, String> {
    let store = stores.open(tree).map_err(|e| e.to_string())?;
    match staged(&*store).map_err(|e| e.to_string())? {
        Staged::Complete => {}
        Staged::Partial { next, .. } => return Err(format!("tree {tree} still waits for chunk {next}")),
    }
    load_rows(&*store, &mut machine).map_err(|e| e.to_string())?;
    Ok(machine)
}

/// What [`load_rows`] saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    /// Rows in the tree.
    pub(crate) all: u64,
    /// Those of them that a flush has left behind.
    pub(crate) garbage: u64,
}

/// Why the rows of a tree could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// The row store can not read them.
    #[error(transparent)]
    Store(#[from] RowError),
    /// One makes no sense.
    #[error("{0}")]
    Row(String),
}

/// Puts every row of a tree into a machine.
///
/// # Errors
/// [`Unreadable`]; the text names tree or row.
pub(crate) fn load_rows(view: &dyn RowView, machine: &mut Machine) -> Result<Rows, Unreadable> {
    let mut garbage = 0;
    let mut error = None;
    let all = view.for_each(&mut |name, content| {
        if error.is_some() {
            return;
        }
        match machine.load(name, content) {
            Ok(used) => garbage += u64::from(!used),
            Err(e) => error = Some(format!("row {}: {e}", name[..name.len().min(64)].escape_ascii())),
        }
    });
    let all = all?;
    match error {
        None => Ok(Rows { all, garbage }),
        Some(error) => Err(Unreadable::Row(error)),
    }
}
