//! The face of a file system: just what log, row store manifests and node identity need.

use std::io;
use std::path::{Path, PathBuf};

/// How to open a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Open {
    /// Make the file if it does not exist. Its name is durable only after [`Disk::sync_dir`].
    pub create: bool,
    /// Refuse writes through this handle.
    pub read_only: bool,
    /// Bypass the page cache. Offsets, lengths and buffers must then be multiples of
    /// [`crate::DIRECT_ALIGN`]. A file system without direct I/O refuses to open with
    /// [`io::ErrorKind::InvalidInput`].
    pub direct: bool,
}

impl Open {
    /// For reading an existing file.
    pub const READ: Open = Open { create: false, read_only: true, direct: false };
    /// For reading and writing an existing file.
    pub const WRITE: Open = Open { create: false, read_only: false, direct: false };
    /// For reading and writing; makes the file if needed.
    pub const CREATE: Open = Open { create: true, read_only: false, direct: false };

    /// The same with direct I/O on or off.
    pub const fn direct(self, direct: bool) -> Open {
        Open { direct, ..self }
    }
}

/// An open file. Every call is positioned; there is no cursor.
pub trait DiskFile: Send {
    /// Writes all of `bytes` at `offset`, growing the file if it ends before. Not durable until
    /// [`DiskFile::sync_data`].
    ///
    /// # Errors
    /// From the file system; how much was written is then unknown.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Fills `buf` from `offset` and answers how many bytes there were (fewer only at the end).
    ///
    /// # Errors
    /// From the file system.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// Makes everything written, and the length, durable (fdatasync).
    ///
    /// # Errors
    /// After an error nothing is known about unsynced bytes; trying again proves nothing.
    fn sync_data(&mut self) -> io::Result<()>;

    /// Reserves space for `len` bytes and extends the file to it with zeros; never shrinks.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] when there is no space.
    fn allocate(&mut self, len: u64) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// From the file system.
    fn size(&self) -> io::Result<u64>;

    /// Cuts the file or extends it with zeros.
    ///
    /// # Errors
    /// From the file system.
    fn set_size(&mut self, len: u64) -> io::Result<()>;
}

/// Keeps a file locked until dropped.
pub trait DiskLock: Send + std::fmt::Debug {}

/// Why a folder could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it; `holder` is the process id found in the file, if any.
    #[error("{} is locked by {}", path.display(),
        holder.map_or("another process".to_owned(), |pid| format!("process {pid}")))]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Process id of the holder.
        holder: Option<u32>,
    },
    /// The lock file could not be opened or written.
    #[error("cannot lock {}: {error}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the operating system answered.
        error: io::Error,
    },
}

/// A file system. Object safe: shared as `Arc<dyn Disk>`.
///
/// Every call returns the error of the operating system (or its simulation) unless it says more.
#[allow(clippy::missing_errors_doc)]
pub trait Disk: Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>>;
    /// Renames a file, replacing what has that name. Durable after [`Disk::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file. Durable after [`Disk::sync_dir`].
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder and all in it; no error if it does not exist.
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Names of the files and folders in `dir`, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes a folder and its parents, durably.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// True if there is a file or folder of that name.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Bytes that can still be written to the file system of `dir`.
    fn free_space(&self, dir: &Path) -> io::Result<u64>;
    /// Locks a file against other processes and writes this process's id into it.
    ///
    /// # Errors
    /// [`LockError::Held`] names the holder.
    fn lock(&self, path: &Path) -> Result<Box<dyn DiskLock>, LockError>;

    /// The whole of a small file.
    ///
    /// # Errors
    /// [`io::ErrorKind::FileTooLarge`] if it is longer than `max` bytes.
    fn read(&self, path: &Path, max: usize) -> io::Result<Vec<u8>> {
        let file = self.open(path, Open::READ)?;
        let size = file.size()?;
        let Some(len) = usize::try_from(size).ok().filter(|&len| len <= max) else {
            let text = format!("{} has {size} bytes, at most {max} allowed", path.display());
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        };
        let mut bytes = vec![0; len];
        let got = file.read_at(0, &mut bytes)?;
        bytes.truncate(got);
        Ok(bytes)
    }

    /// Replaces a small file as a whole: after a crash it has either the old or the new content.
    /// Durable on return.
    fn write_atomic(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut name = path.as_os_str().to_owned();
        name.push(".tmp");
        let temp = PathBuf::from(name);
        let mut file = self.open(&temp, Open::CREATE)?;
        file.set_size(0)?;
        file.write_at(0, bytes)?;
        file.sync_data()?;
        self.rename(&temp, path)?;
        self.sync_dir(parent(path))
    }
}

/// The folder of a file; `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}
