//! Comparing the files of a tree with their checksums, past all caches of ours.

use lsm_tree::AbstractTree;
use xxhash_rust::xxh3::Xxh3;

use super::Shared;
use super::engine::Engine;
use super::tree::damage_or_io;
use crate::rows::{RowError, Verified};
use env::Open;

/// Bytes read at a time.
const PIECE: usize = 1 << 20;

/// Reads the table with the lowest id from `from` on and compares it with the checksum that the tree has of it.
pub(super) fn next(shared: &Shared, engine: &Engine, tree: u64, from: u64) -> Result<Verified, RowError> {
    // Its tables are not removed while it is held.
    let version = engine.tree().current_version();
    let left = version.iter_tables().filter(|table| table.id() >= from);
    let Some(table) = left.min_by_key(|table| table.id()) else { return Ok(Verified::default()) };
    let failed = |error| damage_or_io(tree, "verify", lsm_tree::Error::Io(error));
    let file = shared.disk.open(&table.path, Open::READ).map_err(failed)?;
    let (mut hash, mut at, mut piece) = (Xxh3::new(), 0, vec![0; PIECE]);
    loop {
        let read = file.read_at(at, &mut piece).map_err(failed)?;
        if read == 0 {
            break;
        }
        hash.update(&piece[..read]);
        at += read as u64;
    }
    if hash.digest128() != table.checksum().into_u128() {
        let reason = format!("file {} does not match its checksum", table.path.display());
        return Err(RowError::Damaged { tree, reason });
    }
    Ok(Verified { next: Some(table.id() + 1), bytes: at })
}
