//! How bytes get into a segment: through the page cache or around it, behind one small trait.

use super::error::{LogError, io};
use env::{AlignedBuf, DIRECT_ALIGN, Disk, DiskFile, Open};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Writes one segment file.
pub(super) trait SegmentFile: Send {
    /// Writes `buf[from..]` at `base + from`. `base` is a multiple of [`DIRECT_ALIGN`], and
    /// `buf[..from]` holds what is already there, so a writer may write it again.
    fn put(&mut self, base: u64, buf: &mut AlignedBuf, from: usize) -> std::io::Result<()>;

    /// fdatasync.
    fn sync(&mut self) -> std::io::Result<()>;

    /// True if it goes around the page cache.
    fn is_direct(&self) -> bool;
}

/// Through the page cache.
struct Buffered(Box<dyn DiskFile>);

impl SegmentFile for Buffered {
    fn put(&mut self, base: u64, buf: &mut AlignedBuf, from: usize) -> std::io::Result<()> {
        self.0.write_at(base + from as u64, &buf[from..])
    }

    fn sync(&mut self) -> std::io::Result<()> {
        self.0.sync_data()
    }

    fn is_direct(&self) -> bool {
        false
    }
}

/// Around the page cache, in whole blocks. The block in which the last record ends is written again
/// with the next one. That endangers nothing synced: its bytes do not change, and a disk writes
/// a sector as a whole, so whichever sectors a power cut leaves, they carry the same old bytes.
struct Direct(Box<dyn DiskFile>);

impl SegmentFile for Direct {
    fn put(&mut self, base: u64, buf: &mut AlignedBuf, from: usize) -> std::io::Result<()> {
        let first = from / DIRECT_ALIGN * DIRECT_ALIGN;
        let len = buf.len();
        buf.resize_zeroed(len.next_multiple_of(DIRECT_ALIGN));
        let result = self.0.write_at(base + first as u64, &buf[first..]);
        buf.resize_zeroed(len);
        result
    }

    fn sync(&mut self) -> std::io::Result<()> {
        self.0.sync_data()
    }

    fn is_direct(&self) -> bool {
        true
    }
}

/// Opens a segment file for writing, around the page cache if asked for and the file system can.
pub(super) fn open(disk: &dyn Disk, path: &Path, direct: bool) -> Result<Box<dyn SegmentFile>, LogError> {
    if direct {
        match disk.open(path, Open::WRITE.direct(true)) {
            Ok(file) => return Ok(Box::new(Direct(file))),
            // Some file systems have no direct I/O and say so with EINVAL.
            Err(error) if error.kind() == ErrorKind::InvalidInput => {}
            Err(error) => return Err(io("open", path)(error)),
        }
    }
    Ok(Box::new(Buffered(disk.open(path, Open::WRITE).map_err(io("open", path))?)))
}

/// The path of a segment file in the log's folder.
pub(super) fn path(dir: &Path, file: u32) -> PathBuf {
    dir.join(super::segment::file_name(file))
}
