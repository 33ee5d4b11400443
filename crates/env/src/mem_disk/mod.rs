//! A simulated disk in memory that models what a crash leaves behind.
//!
//! Each file has its content as the process sees it and its content as it is durable, with the
//! writes in between; likewise the names. A crash of the process keeps everything written; a power
//! cut keeps what was synced and, of each unsynced write, any subset of its 512-byte sectors, so a
//! newer write may survive and an older one be lost.

mod faults;
mod handle;
mod inode;

use crate::rng::Rng;
use faults::Faults;
use inode::Inode;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use faults::Op;

/// The unit that a power cut keeps or loses as a whole, in bytes.
pub(crate) const SECTOR: usize = 512;

/// A simulated disk; clones share it.
#[derive(Clone, Default)]
pub struct MemDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Default)]
pub(crate) struct State {
    pub(crate) inodes: BTreeMap<u64, Inode>,
    pub(crate) names: Names,
    durable_names: Names,
    /// Changes of names not yet durable, oldest first.
    renames: Vec<NameChange>,
    next_inode: u64,
    pub(crate) faults: Faults,
    pub(crate) capacity: Option<u64>,
    pub(crate) refuse_direct: bool,
    /// Counts crashes; a handle of an earlier life answers errors.
    pub(crate) life: u64,
    pub(crate) locks: BTreeSet<PathBuf>,
}

#[derive(Clone, Default)]
pub(crate) struct Names {
    pub(crate) files: BTreeMap<PathBuf, u64>,
    pub(crate) dirs: BTreeSet<PathBuf>,
}

#[derive(Clone)]
enum NameChange {
    Set(PathBuf, u64),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl NameChange {
    fn touches(&self, dir: &Path) -> bool {
        let within = |path: &Path| crate::disk::parent(path) == dir;
        match self {
            NameChange::Set(path, _) | NameChange::Remove(path) => within(path),
            NameChange::Rename(from, to) => within(from) || within(to),
        }
    }

    fn apply(&self, files: &mut BTreeMap<PathBuf, u64>) {
        match self {
            NameChange::Set(path, inode) => {
                files.insert(path.clone(), *inode);
            }
            NameChange::Remove(path) => {
                files.remove(path);
            }
            NameChange::Rename(from, to) => {
                if let Some(inode) = files.remove(from) {
                    files.insert(to.clone(), inode);
                }
            }
        }
    }
}

impl MemDisk {
    /// An empty disk without faults and of unlimited size.
    pub fn new() -> MemDisk {
        MemDisk::default()
    }

    /// Another disk with the same content, as a copy of all files made now: nothing is locked or open
    /// there, and no faults are to come.
    pub fn copy(&self) -> MemDisk {
        let mut state = self.state().clone();
        state.end_life();
        MemDisk { state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A panic of a test while it held the lock leaves plain data behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process dies: everything written stays, locks and handles are gone, faults are cleared.
    pub fn crash_process(&self) {
        self.state().end_life();
    }

    /// The power fails: unsynced writes are lost or torn per 512-byte sector in any order, and the
    /// newest of the unsynced creations, renames and removals are undone.
    pub fn power_cut(&self, rng: &mut Rng) {
        let mut state = self.state();
        state.end_life();
        let kept = rng.below(state.renames.len() as u64 + 1) as usize;
        let changes = std::mem::take(&mut state.renames);
        for change in &changes[..kept] {
            change.apply(&mut state.durable_names.files);
        }
        state.names = state.durable_names.clone();
        for inode in state.inodes.values_mut() {
            inode.power_cut(rng);
        }
        state.drop_unnamed();
    }

    /// The next operation of this kind after `skip` more of them fails with EIO, once.
    pub fn fail_once(&self, op: Op, skip: u64) {
        self.state().faults.fail_once(op, skip);
    }

    /// No operation fails any more because of [`MemDisk::fail_once`] or [`MemDisk::halt_after`].
    pub fn fail_no_more(&self) {
        self.state().faults = Faults::default();
    }

    /// After `ops` more writes, syncs and changes of names every operation fails with EIO until a
    /// crash; the write that meets the limit is done in part.
    pub fn halt_after(&self, ops: u64) {
        self.state().faults.halt_after(ops);
    }

    /// Limits the sum of all file sizes to `bytes`; beyond it operations fail with ENOSPC.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// True while [`MemDisk::set_capacity`] limits it.
    pub fn is_limited(&self) -> bool {
        self.state().capacity.is_some()
    }

    /// Bytes of all files that have a name now.
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// Makes opening with direct I/O fail, as some file systems do.
    pub fn refuse_direct(&self, refuse: bool) {
        self.state().refuse_direct = refuse;
    }

    /// Flips one bit of a file, durably and unnoticed.
    ///
    /// # Errors
    /// If there is no such file or byte.
    pub fn flip_bit(&self, path: &Path, offset: u64, bit: u8) -> io::Result<()> {
        let mut state = self.state();
        let inode = *state.names.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        let inode = state.inodes.get_mut(&inode).ok_or(io::ErrorKind::NotFound)?;
        inode.flip(offset as usize, bit).ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }
}

impl State {
    fn end_life(&mut self) {
        self.life += 1;
        self.locks.clear();
        self.faults = Faults::default();
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names.files);
        self.renames.push(change);
        self.drop_unnamed();
    }

    pub(crate) fn create(&mut self, path: &Path) -> u64 {
        let inode = self.next_inode;
        self.next_inode += 1;
        self.inodes.insert(inode, Inode::default());
        self.change_name(NameChange::Set(path.to_owned(), inode));
        inode
    }

    pub(crate) fn remove(&mut self, path: &Path) {
        self.change_name(NameChange::Remove(path.to_owned()));
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) {
        self.change_name(NameChange::Rename(from.to_owned(), to.to_owned()));
    }

    pub(crate) fn make_dirs(&mut self, dir: &Path) {
        for dir in dir.ancestors() {
            self.names.dirs.insert(dir.to_owned());
            self.durable_names.dirs.insert(dir.to_owned());
        }
    }

    pub(crate) fn remove_dirs(&mut self, dir: &Path) {
        let inside: Vec<PathBuf> =
            self.names.files.keys().filter(|path| path.starts_with(dir)).cloned().collect();
        inside.iter().for_each(|path| self.remove(path));
        self.names.dirs.retain(|path| !path.starts_with(dir));
        self.durable_names.dirs.retain(|path| !path.starts_with(dir));
    }

    pub(crate) fn sync_dir(&mut self, dir: &Path) {
        let (done, open) =
            std::mem::take(&mut self.renames).into_iter().partition(|change| change.touches(dir));
        self.renames = open;
        let done: Vec<NameChange> = done;
        done.iter().for_each(|change| change.apply(&mut self.durable_names.files));
        self.drop_unnamed();
    }

    /// Forgets files that no name, durable or not, can bring back. (An open handle of a removed
    /// file then answers NotFound; nothing here needs more.)
    fn drop_unnamed(&mut self) {
        let pending = self.renames.iter().filter_map(|change| match change {
            NameChange::Set(_, inode) => Some(*inode),
            _ => None,
        });
        let named: BTreeSet<u64> = pending
            .chain(self.names.files.values().copied())
            .chain(self.durable_names.files.values().copied())
            .collect();
        self.inodes.retain(|inode, _| named.contains(inode));
    }

    /// Bytes of all files that have a name now.
    pub(crate) fn used(&self) -> u64 {
        let size = |inode| self.inodes.get(inode).map_or(0, |i: &Inode| i.bytes.len() as u64);
        self.names.files.values().map(size).sum()
    }
}

#[cfg(test)]
mod tests;
