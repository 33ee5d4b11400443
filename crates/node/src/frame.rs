//! The frame between two nodes: one per peer and turn, for all shards.
//!
//! Length and CRC32C (4 bytes each, little endian), then sections of a tag and a length-prefixed
//! content. A frame that does not check out ends the connection.

pub mod compared;
pub mod content;
pub mod proof;

use model::limits::MAX_FRAME;
use model::varint::{DecodeError, Reader};

/// Bytes before the sections.
pub const HEAD: usize = 8;

/// Bytes of a section's length: a varint that is always this long, as it is known after the content.
const LENGTH: usize = 4;
const _: () = assert!(MAX_FRAME < 1 << (7 * LENGTH));

/// A length as a varint of [`LENGTH`] bytes.
fn length(len: usize) -> [u8; LENGTH] {
    let bits = |at: usize| (len >> (7 * at)) as u8 & 0x7f;
    [bits(0) | 0x80, bits(1) | 0x80, bits(2) | 0x80, bits(3)]
}

/// What a section holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Section {
    /// Group and a Raft message.
    Raft = 1,
    /// A request for a shard led by the receiver.
    Forward = 2,
    /// The answer to a request.
    Answer = 3,
    /// Node heartbeat.
    Heartbeat = 4,
    /// Node report, once a second.
    Report = 5,
    /// A wish of a node or a person: hand over leadership, change a layout, announce an address.
    Wish = 6,
    /// A chunk of a snapshot.
    Chunk = 7,
    /// Answer to a chunk.
    ChunkAck = 8,
    /// What a node had at its start, holds, or remembers that the receiver held.
    Promises = 9,
    /// A follower lost its rows: it asks the leader of a group for a checkpoint.
    Rows = 10,
    /// The sender stops at once, and why.
    Farewell = 11,
    /// A follower asks leaders what is committed, with a stamp of its clock.
    Probe = 12,
    /// The stamp comes back with what is committed.
    Proof = 13,
    /// As [`Section::Raft`], with entries of asynchronous writes only: the frame, and the sync of what is in
    /// it, may wait for more.
    RaftLater = 14,
    /// The rows of the cluster map, for a node that has no replica of the meta group.
    Map = 15,
    /// Replicas of a shard are compared.
    Compare = 16,
}

impl Section {
    fn from(tag: u8) -> Result<Section, DecodeError> {
        use Section::*;
        let all = [
            Raft, Forward, Answer, Heartbeat, Report, Wish, Chunk, ChunkAck, Promises, Rows, Farewell, Probe,
            Proof, RaftLater, Map, Compare,
        ];
        all.into_iter().find(|s| *s as u8 == tag).ok_or(DecodeError::Malformed("section"))
    }
}

/// Collects the sections for one peer until the turn is flushed.
#[derive(Debug, Default)]
pub struct Builder {
    bytes: Vec<u8>,
    /// Start of the frame under construction.
    open: Option<usize>,
    /// It must not wait.
    urgent: bool,
}

impl Builder {
    /// Adds a section whose content `write` appends, right where it is sent from.
    #[inline]
    pub fn section(&mut self, section: Section, write: impl FnOnce(&mut Vec<u8>)) {
        self.urgent |= section != Section::RaftLater;
        let start = self.open_frame();
        let tag = self.bytes.len();
        self.bytes.push(section as u8);
        self.bytes.extend_from_slice(&[0; LENGTH]);
        write(&mut self.bytes);
        let len = self.bytes.len() - tag - 1 - LENGTH;
        self.bytes[tag + 1..tag + 1 + LENGTH].copy_from_slice(&length(len));
        if self.bytes.len() - start - HEAD > MAX_FRAME && tag > start + HEAD {
            let section = self.bytes.split_off(tag);
            self.close();
            self.open_frame();
            self.bytes.extend_from_slice(&section);
        }
    }

    /// Where the frame under construction starts.
    fn open_frame(&mut self) -> usize {
        *self.open.get_or_insert_with(|| {
            self.bytes.extend_from_slice(&[0; HEAD]);
            self.bytes.len() - HEAD
        })
    }

    fn close(&mut self) {
        if let Some(start) = self.open.take() {
            let len = (self.bytes.len() - start - HEAD) as u32;
            let crc = crc32c::crc32c(&self.bytes[start + HEAD..]);
            self.bytes[start..start + 4].copy_from_slice(&len.to_le_bytes());
            self.bytes[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
        }
    }

    /// Bytes collected and not taken.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// True unless all of it may wait for more.
    pub fn is_urgent(&self) -> bool {
        self.urgent
    }

    /// True when there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Closes the frame and appends everything to `out`.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        self.close();
        self.urgent = false;
        if out.is_empty() {
            std::mem::swap(out, &mut self.bytes);
        } else {
            out.append(&mut self.bytes);
        }
    }

    /// Forgets everything: the connection it was meant for is gone.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.open = None;
    }
}

/// Why a peer's bytes are refused; its connection is closed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FrameError {
    /// The frame is longer than allowed.
    #[error("frame of {0} bytes, at most {MAX_FRAME} are allowed")]
    TooLong(usize),
    /// Bytes were changed on the way.
    #[error("checksum of a frame does not match")]
    Checksum,
    /// The sections can not be read.
    #[error("{0}")]
    Content(#[from] DecodeError),
}

/// The content of the first whole frame in `bytes` and its full length; `None` if more is needed.
///
/// # Errors
/// A frame that is too long or damaged.
pub fn first(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, FrameError> {
    let Some(head) = bytes.first_chunk::<HEAD>() else { return Ok(None) };
    let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let crc = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    if len > MAX_FRAME {
        return Err(FrameError::TooLong(len));
    }
    let Some(content) = bytes.get(HEAD..HEAD + len) else { return Ok(None) };
    if crc32c::crc32c(content) != crc {
        return Err(FrameError::Checksum);
    }
    Ok(Some((content, HEAD + len)))
}

/// The sections of a frame's content. Ends after the first error.
pub struct Sections<'a> {
    rest: Reader<'a>,
}

/// Walks the sections of a frame's content.
pub fn sections(content: &[u8]) -> Sections<'_> {
    Sections { rest: Reader::new(content) }
}

impl<'a> Sections<'a> {
    fn read(&mut self) -> Result<(Section, &'a [u8]), FrameError> {
        Ok((Section::from(self.rest.u8()?)?, self.rest.bytes()?))
    }
}

impl<'a> Iterator for Sections<'a> {
    type Item = Result<(Section, &'a [u8]), FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let section = self.read();
        if section.is_err() {
            self.rest = Reader::new(&[]);
        }
        Some(section)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_of_a_turn_travel_in_one_frame() {
        let mut builder = Builder::default();
        builder.section(Section::Raft, |out| out.extend_from_slice(b"one"));
        builder.section(Section::Answer, |out| out.extend_from_slice(&[7; 300]));
        let mut out = Vec::new();
        builder.flush(&mut out);
        assert!(builder.is_empty());
        assert_eq!(first(&out[..out.len() - 1]), Ok(None));
        let (content, len) = first(&out).unwrap().unwrap();
        assert_eq!(len, out.len());
        let found: Vec<_> = sections(content).map(|s| s.unwrap()).collect();
        assert_eq!(found, [(Section::Raft, &b"one"[..]), (Section::Answer, &[7; 300][..])]);
    }

    #[test]
    fn what_is_too_long_for_one_frame_goes_into_the_next() {
        let mut builder = Builder::default();
        let half = MAX_FRAME / 2;
        for tag in [1, 2] {
            builder.section(Section::Raft, |out| out.resize(out.len() + half, tag));
        }
        builder.section(Section::Answer, |out| out.push(3));
        let mut out = Vec::new();
        builder.flush(&mut out);
        let (content, len) = first(&out).unwrap().unwrap();
        assert_eq!(sections(content).map(|s| s.unwrap().1.len()).collect::<Vec<_>>(), [half]);
        let (content, rest) = first(&out[len..]).unwrap().unwrap();
        assert_eq!(len + rest, out.len());
        let found: Vec<_> = sections(content).map(|s| s.unwrap()).collect();
        assert_eq!(found, [(Section::Raft, &vec![2; half][..]), (Section::Answer, &[3][..])]);
    }

    #[test]
    fn damage_is_noticed() {
        let mut builder = Builder::default();
        builder.section(Section::Heartbeat, |out| out.push(1));
        let mut out = Vec::new();
        builder.flush(&mut out);
        let last = out.len() - 1;
        out[last] ^= 1;
        assert_eq!(first(&out), Err(FrameError::Checksum));
        assert_eq!(first(&[0xff; 8]), Err(FrameError::TooLong(u32::MAX as usize)));
        assert!(sections(&[99, 0]).next().unwrap().is_err());
        assert_eq!(sections(&[1, 5, 0]).count(), 1);
    }
}
