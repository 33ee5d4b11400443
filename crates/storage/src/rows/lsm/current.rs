//! Checks the engine's list of tables before the engine trusts it.
//!
//! `lsm-tree` 3.1.10 writes a checksum of the version file into `current` and does not compare it on open,
//! so that a turned-over bit there (the sequence number of a table, say) would hide or reorder rows.

use std::path::Path;

use env::Disk;
use xxhash_rust::xxh3::xxh3_128;

use crate::rows::RowError;

/// Largest version file in bytes: some 33 bytes per table.
const MAX_VERSION_BYTES: usize = 64 * 1024 * 1024;

/// True when the folder holds a tree.
pub(super) fn exists(disk: &dyn Disk, folder: &Path) -> Result<bool, RowError> {
    disk.exists(&folder.join("current")).map_err(|source| RowError::Io {
        doing: format!("look for a row tree in {}", folder.display()),
        source,
    })
}

/// Compares the version file that `current` names with its checksum, and removes temporary files that a
/// crash left beside it. A folder without `current` passes: the engine will make a new tree there.
pub(super) fn verify(disk: &dyn Disk, tree: u64, folder: &Path) -> Result<(), RowError> {
    if !exists(disk, folder)? {
        return Ok(());
    }
    let io = |source| RowError::Io { doing: format!("verify {}", folder.display()), source };
    let damaged = |reason: String| RowError::Damaged { tree, reason };
    let current = disk.read(&folder.join("current"), 64).map_err(io)?;
    // u64 number of the version, u128 checksum of its file, u8 kind of checksum (0: xxh3), little-endian.
    let Ok(current) = <[u8; 25]>::try_from(current) else {
        return Err(damaged("file current has a wrong length".into()));
    };
    let (version, rest) = current.split_at(8);
    let (checksum, kind) = rest.split_at(16);
    if kind != [0] {
        return Err(damaged("file current names an unknown checksum".into()));
    }
    let version = u64::from_le_bytes(version.try_into().expect("split at 8"));
    let name = format!("v{version}");
    let path = folder.join(&name);
    if !disk.exists(&path).map_err(io)? {
        return Err(damaged(format!("file {name} is missing")));
    }
    let bytes = disk.read(&path, MAX_VERSION_BYTES).map_err(io)?;
    if xxh3_128(&bytes).to_le_bytes() != checksum {
        return Err(damaged(format!("file {name} does not match its checksum")));
    }
    for name in disk.list(folder).map_err(io)? {
        if name.starts_with(".tmp") {
            disk.remove(&folder.join(name)).map_err(io)?;
        }
    }
    Ok(())
}
