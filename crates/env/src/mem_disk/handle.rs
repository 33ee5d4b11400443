//! The disk traits on the simulated disk.

use super::faults::Op;
use super::{MemDisk, SECTOR, State};
use crate::DIRECT_ALIGN;
use crate::disk::{Disk, DiskFile, DiskLock, LockError, Open, parent};
use crate::sys;
use std::io;
use std::path::{Path, PathBuf};

struct MemFile {
    disk: MemDisk,
    inode: u64,
    life: u64,
    how: Open,
}

struct MemLock {
    disk: MemDisk,
    path: PathBuf,
    life: u64,
}

fn errno(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

impl State {
    fn check_space(&self, more: u64) -> io::Result<()> {
        match self.capacity {
            Some(capacity) if self.used() + more > capacity => Err(errno(sys::ENOSPC)),
            _ => Ok(()),
        }
    }
}

impl MemFile {
    /// Runs `body` on the file unless a fault hits or the file belongs to a process that died.
    fn with<T>(
        &self,
        op: Option<Op>,
        body: impl FnOnce(&mut State, u64, io::Result<()>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.disk.state();
        if state.life != self.life || !state.inodes.contains_key(&self.inode) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let fault = op.map_or(Ok(()), |op| state.faults.meet(op));
        if self.how.read_only && op == Some(Op::Write) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        body(&mut state, self.inode, fault)
    }

    fn check_aligned(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let aligned = |n: usize| n.is_multiple_of(DIRECT_ALIGN);
        let fine = aligned(offset as usize) && aligned(bytes.len()) && aligned(bytes.as_ptr() as usize);
        if self.how.direct && !fine { Err(errno(sys::EINVAL)) } else { Ok(()) }
    }
}

impl State {
    fn inode(&mut self, inode: u64) -> &mut super::Inode {
        self.inodes.get_mut(&inode).expect("checked by MemFile::with under the same lock")
    }
}

impl DiskFile for MemFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.check_aligned(offset, bytes)?;
        self.with(Some(Op::Write), |state, inode, fault| {
            let len = state.inode(inode).bytes.len() as u64;
            state.check_space((offset + bytes.len() as u64).saturating_sub(len))?;
            let whole = fault.is_ok();
            // A write that fails half way has often reached the page cache in part.
            let part = if whole { bytes } else { &bytes[..bytes.len() / 2 / SECTOR * SECTOR] };
            if !part.is_empty() {
                state.inode(inode).write(offset as usize, part);
            }
            fault
        })
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.with(Some(Op::Read), |state, inode, fault| {
            fault?;
            let bytes = &state.inode(inode).bytes;
            let from = bytes.get(offset as usize..).unwrap_or_default();
            let count = from.len().min(buf.len());
            buf[..count].copy_from_slice(&from[..count]);
            Ok(count)
        })
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.with(Some(Op::Sync), |state, inode, fault| {
            fault?;
            state.inode(inode).sync();
            Ok(())
        })
    }

    fn allocate(&mut self, len: u64) -> io::Result<()> {
        let size = self.size()?;
        if size < len { self.set_size(len) } else { Ok(()) }
    }

    fn size(&self) -> io::Result<u64> {
        self.with(None, |state, inode, _| Ok(state.inode(inode).bytes.len() as u64))
    }

    fn set_size(&mut self, len: u64) -> io::Result<()> {
        self.with(Some(Op::Write), |state, inode, fault| {
            fault?;
            let size = state.inode(inode).bytes.len() as u64;
            state.check_space(len.saturating_sub(size))?;
            state.inode(inode).resize(len as usize);
            Ok(())
        })
    }
}

impl std::fmt::Debug for MemLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemLock({})", self.path.display())
    }
}

impl DiskLock for MemLock {}

impl Drop for MemLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.life == self.life {
            state.locks.remove(&self.path);
        }
    }
}

impl Disk for MemDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        if how.direct && state.refuse_direct {
            return Err(errno(sys::EINVAL));
        }
        let inode = match state.names.files.get(path) {
            Some(&inode) => inode,
            None if how.create && !how.read_only => {
                if !state.names.dirs.contains(parent(path)) {
                    return Err(io::ErrorKind::NotFound.into());
                }
                state.faults.meet(Op::Name)?;
                state.create(path)
            }
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        let life = state.life;
        drop(state);
        Ok(Box::new(MemFile { disk: self.clone(), inode, life, how }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.faults.meet(Op::Name)?;
        if !state.names.files.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.rename(from, to);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.faults.meet(Op::Name)?;
        if !state.names.files.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.remove(path);
        Ok(())
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.faults.meet(Op::Name)?;
        state.remove_dirs(dir);
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        if !state.names.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let all = state.names.files.keys().chain(&state.names.dirs);
        let inside = all.filter(|path| path.parent() == Some(dir));
        let name = |path: &PathBuf| Some(path.file_name()?.to_string_lossy().into_owned());
        let mut names: Vec<String> = inside.filter_map(name).collect();
        names.sort();
        Ok(names)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.faults.meet(Op::Name)?;
        state.make_dirs(dir);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.faults.meet(Op::Sync)?;
        state.sync_dir(dir);
        Ok(())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let names = &self.state().names;
        Ok(names.files.contains_key(path) || names.dirs.contains(path))
    }

    fn free_space(&self, _dir: &Path) -> io::Result<u64> {
        let state = self.state();
        Ok(state.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(state.used())))
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn DiskLock>, LockError> {
        let mut state = self.state();
        if !state.locks.insert(path.to_owned()) {
            return Err(LockError::Held { path: path.to_owned(), holder: None });
        }
        let life = state.life;
        drop(state);
        Ok(Box::new(MemLock { disk: self.clone(), path: path.to_owned(), life }))
    }
}
