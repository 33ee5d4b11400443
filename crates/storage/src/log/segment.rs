//! Segment files: their names and their header.

use super::error::LogError;
use super::record::SegmentKey;
use std::path::Path;

/// Bytes before the first batch: the header and zeros, so that batches start at a whole block.
pub(super) const HEADER_BLOCK: u64 = 4096;
/// Bytes of the header proper. It lies in one 512-byte sector, which disks write as a whole.
pub(super) const HEADER_LEN: usize = 96;

const MAGIC: &[u8; 8] = b"EverLog\n";
const FORMAT: u8 = 1;
/// Largest number of a segment or batch, far below where adding one overflows.
const MAX_NUMBER: u64 = 1 << 56;

/// The header of a segment in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SegmentHeader {
    pub(super) key: SegmentKey,
    /// The cluster the log belongs to.
    pub(super) cluster: [u8; 16],
    /// Size of the file.
    pub(super) bytes: u64,
    /// Where the batches of the preceding segment end; it was synced up to there.
    pub(super) previous_end: u64,
    /// Sequence number of the first batch in it.
    pub(super) first_sequence: u64,
    /// Written with direct I/O. The two ways are never mixed in one segment.
    pub(super) direct: bool,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[0..8].copy_from_slice(MAGIC);
        out[8] = FORMAT;
        out[9] = u8::from(self.direct);
        out[16..24].copy_from_slice(&self.key.number.to_le_bytes());
        out[24..32].copy_from_slice(&self.key.salt.to_le_bytes());
        out[32..48].copy_from_slice(&self.cluster);
        out[48..56].copy_from_slice(&self.bytes.to_le_bytes());
        out[56..64].copy_from_slice(&self.previous_end.to_le_bytes());
        out[64..72].copy_from_slice(&self.first_sequence.to_le_bytes());
        let crc = crc32c::crc32c(&out[..HEADER_LEN - 4]);
        out[HEADER_LEN - 4..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The header of a segment file, `None` if the file is not in use (all zeros).
    ///
    /// # Errors
    /// [`LogError::Damaged`] for anything else that is not a header, [`LogError::Version`] for the
    /// header of a newer program.
    pub(super) fn decode(file: &Path, bytes: &[u8; HEADER_LEN]) -> Result<Option<SegmentHeader>, LogError> {
        if bytes.iter().all(|&b| b == 0) {
            return Ok(None);
        }
        let damaged = |why: &str| LogError::Damaged { file: file.to_owned(), offset: 0, why: why.to_owned() };
        if &bytes[0..8] != MAGIC {
            return Err(damaged("segment header has no magic number"));
        }
        let crc = crc32c::crc32c(&bytes[..HEADER_LEN - 4]);
        if crc.to_le_bytes() != bytes[HEADER_LEN - 4..] {
            return Err(damaged("segment header fails its checksum"));
        }
        if bytes[8] != FORMAT {
            return Err(LogError::Version { file: file.to_owned(), found: bytes[8], known: FORMAT });
        }
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        if number(16) > MAX_NUMBER || number(64) > MAX_NUMBER {
            return Err(damaged("segment header has a number that no log reaches"));
        }
        Ok(Some(SegmentHeader {
            key: SegmentKey { number: number(16), salt: number(24) },
            cluster: std::array::from_fn(|i| bytes[32 + i]),
            bytes: number(48),
            previous_end: number(56),
            first_sequence: number(64),
            direct: bytes[9] != 0,
        }))
    }
}

/// Name of the segment file with this number. (The number names the file only; which place in the
/// log it has stands in its header.)
pub(super) fn file_name(file: u32) -> String {
    format!("seg-{file:08}.log")
}

/// The number in a segment file's name.
pub(super) fn file_number(name: &str) -> Option<u32> {
    name.strip_prefix("seg-")?.strip_suffix(".log")?.parse().ok()
}

/// True for a file that was being prepared and did not get ready.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.starts_with("seg-") && name.ends_with(".tmp")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_round_trips_and_every_flipped_bit_is_damage() {
        let header = SegmentHeader {
            key: SegmentKey { number: 12, salt: 7 },
            cluster: [3; 16],
            bytes: 1 << 20,
            previous_end: 8192,
            first_sequence: 77,
            direct: true,
        };
        let file = Path::new(&file_name(12)).to_owned();
        assert_eq!(file, Path::new("seg-00000012.log"));
        assert_eq!(file_number("seg-00000012.log"), Some(12));
        assert_eq!(file_number("seg-x.log"), None);
        let mut bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&file, &bytes).unwrap(), Some(header));
        assert_eq!(SegmentHeader::decode(&file, &[0; HEADER_LEN]).unwrap(), None);
        for bit in 0..HEADER_LEN * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let refused = SegmentHeader::decode(&file, &bytes);
            assert!(matches!(refused, Err(LogError::Damaged { .. })), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        for key in [SegmentKey { number: u64::MAX, ..header.key }, header.key] {
            let first_sequence = u64::MAX;
            let bytes = SegmentHeader { key, first_sequence, ..header }.encode();
            assert!(matches!(SegmentHeader::decode(&file, &bytes), Err(LogError::Damaged { .. })));
        }
    }
}
