//! Reading a segment from its beginning to its end in pieces, so that what a start takes of memory does
//! not grow with the segments.

use super::MAX_BATCH;
use super::error::{LogError, io};
use super::record::{HEADER, Header, SegmentKey};
use env::{DIRECT_ALIGN, Disk, DiskFile, Open};
use std::path::{Path, PathBuf};

/// Bytes read at a time. A batch that is longer is read as a whole, whose length is bounded by
/// [`MAX_BATCH`], whatever its header says.
pub(super) const PIECE: usize = 1 << 20;

const _: () = assert!(PIECE.is_multiple_of(DIRECT_ALIGN));
const _: () = assert!(PIECE as u64 <= MAX_BATCH);

/// A segment that is read forwards. What it has in memory is a piece or a batch, and what it was told to
/// keep.
pub(super) struct Pieces {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    /// Where the part of the segment ends that is read.
    end: u64,
    /// Content of the segment from `base` on.
    bytes: Vec<u8>,
    base: u64,
    /// From here on nothing is let go.
    keep: u64,
}

impl Pieces {
    /// Opens a segment file to read its first `end` bytes.
    pub(super) fn open(disk: &dyn Disk, path: &Path, end: u64) -> Result<Pieces, LogError> {
        let file = disk.open(path, Open::READ).map_err(io("open", path))?;
        Ok(Pieces { file, path: path.to_owned(), end, bytes: Vec::new(), base: 0, keep: u64::MAX })
    }

    /// The header of the batch at `at`, if there is a valid one; its payload is not checked. `at` never falls
    /// from call to call.
    pub(super) fn header(&mut self, key: SegmentKey, at: u64) -> Result<Option<Header>, LogError> {
        let room = self.end.saturating_sub(at).min(MAX_BATCH);
        Ok(Header::decode(key, self.get(at, HEADER)?, room))
    }

    /// The payload of the batch at `at` with this header, if it is intact.
    pub(super) fn payload(&mut self, header: Header, at: u64) -> Result<Option<&[u8]>, LogError> {
        Ok(header.payload(self.get(at, header.size())?))
    }

    /// What is before `from` may be let go, and nothing after it.
    pub(super) fn keep_from(&mut self, from: u64) {
        self.keep = from;
    }

    /// What was kept, up to `to`, which was read.
    pub(super) fn into_kept(mut self, to: u64) -> Vec<u8> {
        self.bytes.truncate(to.saturating_sub(self.base) as usize);
        let before = self.keep.saturating_sub(self.base) as usize;
        self.bytes.drain(..before.min(self.bytes.len()));
        self.bytes
    }

    /// `len` bytes from `at` on; fewer where the segment ends before.
    fn get(&mut self, at: u64, len: usize) -> Result<&[u8], LogError> {
        let to = self.end.min(at + len as u64).max(at);
        let read_to = self.base + self.bytes.len() as u64;
        if to > read_to {
            self.let_go(at.min(self.keep));
            let from = self.base + self.bytes.len() as u64;
            let more = (to - from).max(PIECE as u64).min(self.end.saturating_sub(from)) as usize;
            self.read(from, more)?;
        }
        Ok(&self.bytes[(at - self.base) as usize..(to - self.base) as usize])
    }

    /// Forgets what is before `before`, when that is worth moving the rest.
    fn let_go(&mut self, before: u64) {
        let gone = before.saturating_sub(self.base) as usize;
        if gone >= self.bytes.len() {
            self.bytes.clear();
            self.base = before;
        } else if gone * 2 >= self.bytes.len() {
            self.bytes.drain(..gone);
            self.base = before;
        }
    }

    /// Reads `more` bytes from `from` on, where what is in memory ends.
    fn read(&mut self, from: u64, more: usize) -> Result<(), LogError> {
        let before = self.bytes.len();
        self.bytes.reserve_exact(more);
        self.bytes.resize(before + more, 0);
        // A file that is shorter than its header says was refused before.
        self.file.read_at(from, &mut self.bytes[before..]).map_err(io("read", &self.path))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use env::MemDisk;

    const MIB: u64 = 1 << 20;

    fn disk(bytes: &[u8]) -> MemDisk {
        let disk = MemDisk::new();
        disk.create_dir_all(Path::new("/log")).unwrap();
        disk.open(path(), Open::CREATE).unwrap().write_at(0, bytes).unwrap();
        disk
    }

    fn path() -> &'static Path {
        Path::new("/log/seg")
    }

    fn content(len: u64) -> Vec<u8> {
        (0..len / 8).flat_map(|i| (i * 0x9e37_79b9).to_le_bytes()).collect()
    }

    #[test]
    fn a_long_segment_takes_a_piece_of_memory() {
        let content = content(9 * MIB);
        let end = content.len() as u64 - 100;
        let mut pieces = Pieces::open(&disk(&content), path(), end).unwrap();
        let (mut at, mut most) = (4096, 0);
        for len in (0..).map(|i| [48, 5000, 300_000][i % 3]) {
            let got = pieces.get(at, len).unwrap();
            let to = (at as usize + len).min(end as usize);
            assert!(got == &content[at as usize..to], "{len} bytes at {at}");
            most = most.max(pieces.bytes.capacity());
            at += len as u64;
            if at >= end {
                break;
            }
        }
        assert!(most <= 3 * PIECE, "{most} bytes");
        assert!(pieces.get(end, 48).unwrap().is_empty() && pieces.get(end + 9 * MIB, 48).unwrap().is_empty());
    }

    #[test]
    fn what_is_kept_is_what_was_read() {
        let content = content(8 * MIB);
        let disk = disk(&content);
        let mut pieces = Pieces::open(&disk, path(), 8 * MIB).unwrap();
        pieces.keep_from(0);
        for at in (4096..5 * MIB).step_by(100_000) {
            pieces.get(at, 48).unwrap();
            pieces.keep_from(at.saturating_sub(2 * MIB));
        }
        assert!(pieces.bytes.capacity() < 6 * PIECE, "{} bytes", pieces.bytes.capacity());
        pieces.keep_from(3 * MIB);
        disk.open(path(), Open::WRITE).unwrap().write_at(0, &vec![0; 8 << 20]).unwrap();
        assert!(pieces.into_kept(4 * MIB + 5) == content[3 << 20..(4 << 20) + 5]);
    }

    #[test]
    fn no_header_is_believed_that_it_has_a_longer_batch_than_any() {
        let key = SegmentKey { number: 1, salt: 2 };
        let synced = crate::log::record::Place::default();
        let mut bytes = vec![0; 8192];
        for (payload_len, believed) in
            [(MAX_BATCH - 48, true), (MAX_BATCH - 47, false), (u64::from(u32::MAX), false)]
        {
            let payload_len = payload_len as u32;
            Header { payload_len, payload_crc: 7, sequence: 1, synced, groups: 1 }
                .encode(key, &mut bytes[4096..]);
            let disk = disk(&bytes);
            let mut pieces = Pieces::open(&disk, path(), 1 << 27).unwrap();
            let header = pieces.header(key, 4096).unwrap();
            assert_eq!(header.is_some(), believed, "{payload_len}");
            let payload = header.map(|header| pieces.payload(header, 4096).unwrap().map(<[u8]>::len));
            assert_eq!(payload, believed.then_some(None), "the checksum is wrong");
            assert!(pieces.bytes.capacity() as u64 <= MAX_BATCH + MIB, "{} bytes", pieces.bytes.capacity());
        }
    }
}
