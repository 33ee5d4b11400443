//! The disk of the operating system.

use crate::disk::{Disk, DiskFile, DiskLock, LockError, Open, parent};
use crate::sys;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// The file system as the process sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

struct RealFile(File);

#[derive(Debug)]
struct RealLock(#[allow(dead_code)] File);

impl DiskLock for RealLock {}

impl DiskFile for RealFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.0.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(got) => done += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn allocate(&mut self, len: u64) -> io::Result<()> {
        sys::allocate(&self.0, len)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_size(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        // Data, and above all the cluster's secret, is nobody else's to read.
        options.read(true).write(!how.read_only).create(how.create && !how.read_only).mode(0o600);
        if how.direct {
            options.custom_flags(sys::O_DIRECT);
        }
        Ok(Box::new(RealFile(options.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        if let Some(above) = dir.parent().filter(|above| !above.as_os_str().is_empty()) {
            self.create_dir_all(above)?;
        }
        match fs::create_dir(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.sync_dir(parent(dir))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn free_space(&self, dir: &Path) -> io::Result<u64> {
        sys::free_space(dir)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn DiskLock>, LockError> {
        let io = |error| LockError::Io { path: path.to_owned(), error };
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(io(error)),
            Err(TryLockError::WouldBlock) => {
                // The id is for the message only, so a file without one is no error.
                let mut text = String::new();
                let holder = file.read_to_string(&mut text).ok().and(text.trim().parse().ok());
                return Err(LockError::Held { path: path.to_owned(), holder });
            }
        }
        file.set_len(0).map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Box::new(RealLock(file)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AlignedBuf, DIRECT_ALIGN};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_are_written_read_listed_and_replaced() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("a/b");
        RealDisk.create_dir_all(&dir).unwrap();
        RealDisk.create_dir_all(&dir).unwrap();
        let path = dir.join("x");
        RealDisk.write_atomic(&path, b"one").unwrap();
        RealDisk.write_atomic(&path, b"two!").unwrap();
        assert_eq!(RealDisk.read(&path, 4).unwrap(), b"two!");
        let refused = RealDisk.read(&path, 3).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
        let mut file = RealDisk.open(&path, Open::WRITE).unwrap();
        file.allocate(100).unwrap();
        assert_eq!(file.size().unwrap(), 100);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        file.set_size(6).unwrap();
        let mut buf = [1; 10];
        assert_eq!(file.read_at(2, &mut buf).unwrap(), 4);
        assert_eq!(&buf[..4], b"o!\0\0");
        RealDisk.rename(&path, &dir.join("y")).unwrap();
        assert_eq!(RealDisk.list(&dir).unwrap(), ["y"]);
        assert!(!RealDisk.exists(&path).unwrap());
        RealDisk.remove(&dir.join("y")).unwrap();
        RealDisk.remove_dir_all(&dir).unwrap();
        RealDisk.remove_dir_all(&dir).unwrap();
        assert!(RealDisk.free_space(temp.path()).unwrap() > 0);
        assert!(RealDisk.open(&path, Open::READ).is_err());
    }

    #[test]
    fn a_second_lock_names_the_holder() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("lock");
        let held = RealDisk.lock(&path).unwrap();
        let refused = RealDisk.lock(&path).unwrap_err().to_string();
        assert!(refused.ends_with(&format!("process {}", std::process::id())), "{refused}");
        drop(held);
        RealDisk.lock(&path).unwrap();
    }

    #[test]
    fn direct_io_takes_aligned_blocks_where_the_file_system_has_it() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("x");
        let Ok(mut file) = RealDisk.open(&path, Open::CREATE.direct(true)) else { return };
        let mut block = AlignedBuf::new();
        block.resize_zeroed(DIRECT_ALIGN);
        block[5] = 5;
        file.write_at(0, &block).unwrap();
        file.sync_data().unwrap();
        assert_eq!(RealDisk.read(&path, DIRECT_ALIGN).unwrap()[5], 5);
    }
}
