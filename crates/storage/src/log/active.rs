//! The segment that is being written.

use super::append::LogOptions;
use super::error::{LogError, io};
use super::file::{self, SegmentFile};
use super::pieces::PIECE;
use super::record::SegmentKey;
use super::recover::{Found, Tail};
use super::reserve::Spare;
use super::segment::{HEADER_BLOCK, SegmentHeader};
use env::{AlignedBuf, DIRECT_ALIGN, Disk};
use std::path::{Path, PathBuf};

/// Bytes of a block.
pub(super) const BLOCK: u64 = DIRECT_ALIGN as u64;
/// The write buffer keeps at most this many bytes of memory between appends.
const KEEP_BUFFER: usize = 4 << 20;

/// The segment that is written, and what of it is in memory.
pub(super) struct Active {
    pub(super) file: Box<dyn SegmentFile>,
    pub(super) path: PathBuf,
    pub(super) key: SegmentKey,
    /// Size of the file.
    pub(super) bytes: u64,
    /// Content from `base` to `end`; `base` is a multiple of the block size.
    pub(super) buf: AlignedBuf,
    pub(super) base: u64,
    /// The first `written` bytes of `buf` have been written.
    pub(super) written: usize,
}

impl Active {
    pub(super) fn end(&self) -> u64 {
        self.base + self.buf.len() as u64
    }

    pub(super) fn write(&mut self) -> Result<(), LogError> {
        if self.written < self.buf.len() {
            self.file.put(self.base, &mut self.buf, self.written).map_err(io("write", &self.path))?;
        }
        let whole = self.buf.len() / DIRECT_ALIGN * DIRECT_ALIGN;
        self.buf.drop_front(whole);
        self.base += whole as u64;
        self.written = self.buf.len();
        self.buf.shrink_to(KEEP_BUFFER);
        Ok(())
    }

    pub(super) fn sync(&mut self) -> Result<(), LogError> {
        self.file.sync().map_err(io("sync", &self.path))
    }
}

/// Opens a spare file as the segment with this key; its header is in the buffer, not yet written.
pub(super) fn open_segment(
    disk: &dyn Disk,
    dir: &Path,
    options: &LogOptions,
    spare: Spare,
    (key, previous_end, first_sequence): (SegmentKey, u64, u64),
) -> Result<Active, LogError> {
    let path = file::path(dir, spare.file);
    let file = file::open(disk, &path, options.direct)?;
    let (cluster, bytes, direct) = (options.cluster, options.segment_bytes, file.is_direct());
    let header = SegmentHeader { key, cluster, bytes, previous_end, first_sequence, direct };
    let mut buf = AlignedBuf::new();
    buf.extend_from_slice(&header.encode());
    buf.resize_zeroed(HEADER_BLOCK as usize);
    Ok(Active { file, path, key, bytes, buf, base: 0, written: 0 })
}

/// Makes the recovered end of the newest segment certain. Batches that were written but perhaps
/// never synced (the process died, or an fdatasync failed and the page cache now lies) are written
/// again and synced; batches behind the end are overwritten with zeros, so that they can never be
/// taken for followers of what will be written next.
pub(super) fn seal(disk: &dyn Disk, newest: &Found, tail: &Tail) -> Result<Active, LogError> {
    let header = &newest.header;
    let mut file = file::open(disk, &newest.path, header.direct)?;
    let (from, to) = (tail.unsynced_from(), tail.ghosts_end.max(tail.end));
    let (mut buf, mut unsynced) = (AlignedBuf::new(), tail.unsynced.chunks(PIECE));
    for at in (from..to).step_by(PIECE) {
        buf.clear();
        buf.extend_from_slice(unsynced.next().unwrap_or_default());
        buf.resize_zeroed((to - at).min(PIECE as u64) as usize);
        file.put(at, &mut buf, 0).map_err(io("write", &newest.path))?;
    }
    file.sync().map_err(io("sync", &newest.path))?;
    // What the last block holds is written again with what follows it.
    let base = tail.end / BLOCK * BLOCK;
    buf.clear();
    buf.extend_from_slice(tail.unsynced.get((base - from) as usize..).unwrap_or_default());
    let written = buf.len();
    let (path, key, bytes) = (newest.path.clone(), header.key, header.bytes);
    Ok(Active { file, path, key, bytes, buf, base, written })
}

/// Makes a freed segment file one that is not in use. Synced before the file is used again: else a
/// power cut could bring the old header back over the first bytes of the new use, and a segment
/// nobody needs would look damaged.
pub(super) fn wipe_header(disk: &dyn Disk, path: &Path, direct: bool) -> Result<(), LogError> {
    let mut zeros = AlignedBuf::new();
    zeros.resize_zeroed(HEADER_BLOCK as usize);
    let mut file = file::open(disk, path, direct)?;
    file.put(0, &mut zeros, 0).map_err(io("write", path))?;
    file.sync().map_err(io("sync", path))
}
