//! The header of a batch in a segment.

/// Bytes of a batch header.
pub(super) const HEADER: usize = 48;
/// Batches start at multiples of this.
pub(super) const ALIGN: usize = 8;

const MAGIC: u32 = u32::from_le_bytes(*b"EvB1");
const FORMAT: u8 = 1;

/// What ties a record to one use of one segment file, so that records of an earlier use, or bytes
/// that a client stored, are never taken for records of this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SegmentKey {
    /// The segment's number, also its generation: it grows and is never used again.
    pub(super) number: u64,
    /// Random per use.
    pub(super) salt: u64,
}

/// A position in the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u32,
}

/// The header of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) payload_len: u32,
    pub(super) payload_crc: u32,
    /// Grows by one per batch of the node.
    pub(super) sequence: u64,
    /// Everything before this was synced when the batch was written.
    pub(super) synced: Place,
    /// Bit `group % 64` is set for every group in the batch: tells whom damage concerns.
    pub(super) groups: u64,
}

impl Header {
    /// Bytes the batch takes in the segment.
    pub(super) fn size(&self) -> usize {
        size(self.payload_len as usize)
    }

    /// Writes the header to the first [`HEADER`] bytes of `out`.
    pub(super) fn encode(&self, key: SegmentKey, out: &mut [u8]) {
        out[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        out[8..12].copy_from_slice(&self.payload_crc.to_le_bytes());
        out[12..16].copy_from_slice(&self.payload_len.to_le_bytes());
        out[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        out[24..32].copy_from_slice(&self.synced.segment.to_le_bytes());
        out[32..40].copy_from_slice(&self.groups.to_le_bytes());
        out[40..44].copy_from_slice(&self.synced.offset.to_le_bytes());
        out[44..48].copy_from_slice(&[FORMAT, 0, 0, 0]);
        let crc = header_crc(key, &out[8..HEADER]);
        out[4..8].copy_from_slice(&crc.to_le_bytes());
    }

    /// The header at the start of `bytes`, if there is a valid one of this segment whose batch takes no more
    /// than `room` bytes. The payload is not checked.
    pub(super) fn decode(key: SegmentKey, bytes: &[u8], room: u64) -> Option<Header> {
        let head: &[u8; HEADER] = bytes.first_chunk()?;
        if u32_at(head, 0) != MAGIC || u32_at(head, 4) != header_crc(key, &head[8..]) {
            return None;
        }
        let header = Header {
            payload_crc: u32_at(head, 8),
            payload_len: u32_at(head, 12),
            sequence: u64_at(head, 16),
            synced: Place { segment: u64_at(head, 24), offset: u32_at(head, 40) },
            groups: u64_at(head, 32),
        };
        (head[44] == FORMAT && header.size() as u64 <= room).then_some(header)
    }

    /// The payload behind this header, if it is intact.
    pub(super) fn payload<'a>(&self, record: &'a [u8]) -> Option<&'a [u8]> {
        let payload = record.get(HEADER..HEADER + self.payload_len as usize)?;
        (crc32c::crc32c(payload) == self.payload_crc).then_some(payload)
    }
}

/// Bytes of a batch with this payload in the segment.
pub(super) fn size(payload_len: usize) -> usize {
    (HEADER + payload_len).next_multiple_of(ALIGN)
}

fn header_crc(key: SegmentKey, rest: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&key.number.to_le_bytes()), &key.salt.to_le_bytes());
    crc32c::crc32c_append(crc, rest)
}

fn u32_at(bytes: &[u8; HEADER], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

fn u64_at(bytes: &[u8; HEADER], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_only_with_its_key_and_whole() {
        let key = SegmentKey { number: 4, salt: 9 };
        let payload = b"payload";
        let header = Header {
            payload_len: 7,
            payload_crc: crc32c::crc32c(payload),
            sequence: 3,
            synced: Place { segment: 4, offset: 4096 },
            groups: 5,
        };
        let mut record = vec![0; header.size()];
        assert_eq!(record.len(), 56);
        header.encode(key, &mut record);
        record[HEADER..HEADER + 7].copy_from_slice(payload);
        assert_eq!(Header::decode(key, &record[..HEADER], 56), Some(header));
        assert_eq!(header.payload(&record), Some(&payload[..]));
        assert_eq!(Header::decode(SegmentKey { number: 5, ..key }, &record, 56), None);
        assert_eq!(Header::decode(SegmentKey { salt: 8, ..key }, &record, 56), None);
        assert_eq!(Header::decode(key, &record, 55), None);
        assert_eq!(Header::decode(key, &record[..HEADER - 1], 56), None);
        for bit in 0..HEADER * 8 {
            record[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(key, &record, 56), None, "bit {bit}");
            record[bit / 8] ^= 1 << (bit % 8);
        }
        record[HEADER] ^= 1;
        assert_eq!(header.payload(&record), None);
    }
}
