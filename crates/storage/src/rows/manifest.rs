//! Which trees a row folder holds, and which ids are used up. Format: `docs/formats/rows.md`.
//!
//! Without it a folder that vanished would come back as an empty tree, and one whose removal a crash cut
//! short would come back as a live one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::Disk;
use model::varint::{DecodeError, Reader, put_u64};

use super::RowError;

const MAGIC: &[u8; 4] = b"EVRM";
const FORMAT: u8 = 1;
const FILE: &str = "manifest";

/// Largest manifest read, in bytes: room for a million trees.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Tombstones kept one by one; older ones are covered by the floor.
const MAX_TOMBSTONES: usize = 4096;

/// Life of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Its folder is being made; a crash leaves nothing worth keeping.
    Creating,
    /// Its folder must exist.
    Live,
    /// A tombstone: its folder is being or has been removed, its id is used up.
    Destroyed,
}

/// The manifest of one row folder, in memory as on disk.
pub(super) struct Manifest {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    trees: BTreeMap<u64, State>,
    /// Highest id ever used.
    highest: u64,
    /// Ids up to this one that are not listed count as destroyed.
    floor: u64,
}

impl Manifest {
    /// Reads the manifest of `folder`, or begins one in a folder without trees. Removes what unfinished
    /// creations and removals left behind.
    pub(super) fn open(disk: Arc<dyn Disk>, folder: &Path) -> Result<Manifest, RowError> {
        let io = |source| io_error("open", folder, source);
        disk.create_dir_all(folder).map_err(io)?;
        let path = folder.join(FILE);
        let folders = tree_folders(&*disk, folder)?;
        let mut manifest =
            Manifest { disk, folder: folder.to_path_buf(), trees: BTreeMap::new(), highest: 0, floor: 0 };
        if manifest.disk.exists(&path).map_err(io)? {
            let bytes = manifest.disk.read(&path, MAX_BYTES).map_err(io)?;
            manifest
                .decode(&bytes)
                .map_err(|e| RowError::Manifest(format!("{} is damaged: {e}", path.display())))?;
            manifest.sweep(&folders)?;
        } else if let Some(tree) = folders.first() {
            let text = format!("{} is missing, but tree {tree} exists", path.display());
            return Err(RowError::Manifest(text));
        } else {
            manifest.save()?;
        }
        Ok(manifest)
    }

    /// What is known of an id; `None` means it was never used.
    pub(super) fn state(&self, tree: u64) -> Option<State> {
        let state = self.trees.get(&tree).copied();
        state.or((tree <= self.floor).then_some(State::Destroyed))
    }

    /// Changes the state of a tree, durably. On an error the change may or may not be on disk.
    pub(super) fn set(&mut self, tree: u64, state: State) -> Result<(), RowError> {
        if self.state(tree) == Some(state) {
            return Ok(());
        }
        let before = self.trees.insert(tree, state);
        let highest = self.highest;
        self.highest = highest.max(tree);
        self.save().inspect_err(|_| {
            // A tombstone stays in force for this life: the tree must not be used after a failed removal.
            if state != State::Destroyed {
                self.highest = highest;
                match before {
                    Some(before) => self.trees.insert(tree, before),
                    None => self.trees.remove(&tree),
                };
            }
        })
    }

    /// Live trees, ascending.
    pub(super) fn live(&self) -> Vec<u64> {
        let live = self.trees.iter().filter(|(_, state)| **state == State::Live);
        live.map(|(tree, _)| *tree).collect()
    }

    /// An id above all ids ever used.
    pub(super) fn next_id(&self) -> u64 {
        self.highest + 1
    }

    /// Folder of a tree.
    pub(super) fn tree_folder(&self, tree: u64) -> PathBuf {
        self.folder.join(tree.to_string())
    }

    /// Removes the folder of a destroyed tree, durably.
    pub(super) fn remove_folder(disk: &dyn Disk, folder: &Path) -> Result<(), RowError> {
        let io = |source| io_error("remove", folder, source);
        disk.remove_dir_all(folder).map_err(io)?;
        disk.sync_dir(folder.parent().unwrap_or(folder)).map_err(io)
    }

    /// Finishes what a crash cut short: removals, and creations (whose trees never held a row).
    fn sweep(&mut self, folders: &[u64]) -> Result<(), RowError> {
        for tree in folders {
            match self.state(*tree) {
                Some(State::Live) => {}
                Some(State::Creating | State::Destroyed) => {
                    Manifest::remove_folder(&*self.disk, &self.tree_folder(*tree))?;
                }
                // Left alone: it is not ours to remove, and opening it is refused.
                None => tracing::warn!(tree, "row folder holds a tree the manifest does not know"),
            }
        }
        let before = self.trees.len();
        self.trees.retain(|_, state| *state != State::Creating);
        let dead = |(tree, state): (&u64, &State)| (*state == State::Destroyed).then_some(*tree);
        let dead: Vec<u64> = self.trees.iter().filter_map(dead).collect();
        for tree in &dead[..dead.len().saturating_sub(MAX_TOMBSTONES)] {
            self.floor = self.floor.max(*tree);
            self.trees.remove(tree);
        }
        if self.trees.len() != before {
            self.save()?;
        }
        Ok(())
    }

    fn save(&self) -> Result<(), RowError> {
        let path = self.folder.join(FILE);
        self.disk.write_atomic(&path, &self.encode()).map_err(|source| io_error("write", &path, source))
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(FORMAT);
        put_u64(&mut out, self.highest);
        put_u64(&mut out, self.floor);
        put_u64(&mut out, self.trees.len() as u64);
        for (tree, state) in &self.trees {
            put_u64(&mut out, *tree);
            out.push(*state as u8);
        }
        let check = crc32c::crc32c(&out);
        out.extend_from_slice(&check.to_le_bytes());
        out
    }

    fn decode(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let (body, check) = bytes.split_last_chunk::<4>().ok_or(DecodeError::Short)?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*check) {
            return Err(DecodeError::Malformed("checksum"));
        }
        let mut reader = Reader::new(body);
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(DecodeError::Malformed("magic"));
        }
        match reader.u8()? {
            FORMAT => {}
            newer => return Err(DecodeError::Version(newer)),
        }
        self.highest = reader.u64()?;
        self.floor = reader.u64()?;
        for _ in 0..reader.u64()? {
            let tree = reader.u64()?;
            let state = match reader.u8()? {
                0 => State::Creating,
                1 => State::Live,
                2 => State::Destroyed,
                _ => return Err(DecodeError::Malformed("tree state")),
            };
            self.trees.insert(tree, state);
        }
        match reader.is_empty() {
            true => Ok(()),
            false => Err(DecodeError::Malformed("length")),
        }
    }
}

/// Ids of the folders that look like trees.
fn tree_folders(disk: &dyn Disk, folder: &Path) -> Result<Vec<u64>, RowError> {
    let names = disk.list(folder).map_err(|source| io_error("list", folder, source))?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

fn io_error(doing: &str, path: &Path, source: std::io::Error) -> RowError {
    RowError::Io { doing: format!("{doing} {}", path.display()), source }
}

#[cfg(test)]
mod tests;
