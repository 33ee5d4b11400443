//! The value of a BITFIELD while its steps run: what they write goes into copies of the touched bytes,
//! and into the rows at the end, as few patches as make sense.
//!
//! A patch for each step would repeat the key with every one of them, and a command with many steps on
//! a long key would not fit into an entry. One patch from the first to the last change would carry
//! megabytes for two far counters. So pieces that are nearer to each other than a patch costs are one.

use std::ops::Range;

/// What a patch costs in an entry beside its key and its bytes, at most.
const PATCH: usize = 32;
/// Bytes that a field of 64 bits can touch.
const SPAN: usize = 9;

/// Bytes of the value from `start` on, as they will be.
struct Piece {
    start: usize,
    bytes: Vec<u8>,
}

impl Piece {
    fn end(&self) -> usize {
        self.start + self.bytes.len()
    }
}

/// A value, and pieces that hide its bytes.
pub(super) struct Draft<'v> {
    value: &'v [u8],
    /// In ascending order, apart from each other.
    pieces: Vec<Piece>,
}

impl<'v> Draft<'v> {
    /// A draft of a value (`None`: the key is absent) in which only the bytes in `written` will be
    /// written. It takes no more memory than the value will have.
    pub fn new(value: Option<&'v [u8]>, mut written: Vec<Range<usize>>, key_len: usize) -> Draft<'v> {
        // A value that comes into being is one piece.
        let gap = if value.is_some() { key_len + PATCH } else { usize::MAX };
        if value.is_none() && !written.is_empty() {
            written.push(0..0);
        }
        written.sort_unstable_by_key(|bytes| bytes.start);
        let mut ranges = Vec::<Range<usize>>::new();
        for bytes in written {
            match ranges.last_mut() {
                Some(last) if bytes.start <= last.end.saturating_add(gap) => {
                    last.end = last.end.max(bytes.end);
                }
                _ => ranges.push(bytes),
            }
        }
        let value = value.unwrap_or_default();
        let piece = |range: Range<usize>| {
            let mut bytes = vec![0; range.len()];
            overlay(&mut bytes, range.start, value, 0);
            Piece { start: range.start, bytes }
        };
        Draft { value, pieces: ranges.into_iter().map(piece).collect() }
    }

    /// `bits` bits (1 to 64) from `offset` on, the first one highest; zero behind the end.
    pub fn read(&self, offset: u64, bits: u32) -> u64 {
        (self.load((offset / 8) as usize) >> unused(offset, bits)) as u64 & mask(bits)
    }

    /// Replaces `bits` bits (1 to 64), which are within the written bytes; higher bits of `new` do not
    /// count.
    pub fn write(&mut self, offset: u64, bits: u32, new: u64) {
        let (start, unused) = ((offset / 8) as usize, unused(offset, bits));
        let kept = self.load(start) & !(u128::from(mask(bits)) << unused);
        let span = (kept | u128::from(new & mask(bits)) << unused).to_be_bytes();
        let at = self.pieces.partition_point(|piece| piece.end() <= start);
        if let Some(piece) = self.pieces.get_mut(at) {
            overlay(&mut piece.bytes, piece.start, &span[span.len() - SPAN..], start);
        }
    }

    /// The [`SPAN`] bytes from `start` on as one number.
    fn load(&self, start: usize) -> u128 {
        let mut span = [0; SPAN];
        overlay(&mut span, start, self.value, 0);
        let at = self.pieces.partition_point(|piece| piece.end() <= start);
        for piece in self.pieces[at..].iter().take_while(|piece| piece.start < start + SPAN) {
            overlay(&mut span, start, &piece.bytes, piece.start);
        }
        span.iter().fold(0, |all, byte| all << 8 | u128::from(*byte))
    }

    /// What has to be patched, as offset and bytes in ascending order: bytes that are as before are left
    /// out at the ends of each patch, and so are patches without any change.
    pub fn changes(self) -> Vec<(usize, Vec<u8>)> {
        let value = self.value;
        let changed = |piece: Piece| {
            let Piece { start, mut bytes } = piece;
            let old = value.get(start..).unwrap_or_default();
            if start + bytes.len() <= value.len() {
                let same = bytes.iter().zip(old).rposition(|(new, old)| new != old);
                bytes.truncate(same.map_or(0, |last| last + 1));
            }
            let same = bytes.iter().zip(old).take_while(|(new, old)| new == old).count();
            bytes.drain(..same);
            (!bytes.is_empty()).then_some((start + same, bytes))
        };
        self.pieces.into_iter().filter_map(changed).collect()
    }
}

/// Bits of a span behind a field that starts in its first byte.
fn unused(offset: u64, bits: u32) -> u32 {
    SPAN as u32 * 8 - (offset % 8) as u32 - bits
}

fn mask(bits: u32) -> u64 {
    u64::MAX >> (64 - bits)
}

/// Copies into `to`, which starts at byte `to_start` of a value, what `from` has of it, which starts at
/// byte `from_start`.
fn overlay(to: &mut [u8], to_start: usize, from: &[u8], from_start: usize) {
    let start = to_start.max(from_start);
    let end = (to_start + to.len()).min(from_start + from.len());
    if start < end {
        to[start - to_start..end - to_start].copy_from_slice(&from[start - from_start..end - from_start]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(offset: u64, bits: u32) -> Range<usize> {
        (offset / 8) as usize..(offset + u64::from(bits)).div_ceil(8) as usize
    }

    proptest! {
        /// The model writes one bit at a time into a copy of the whole value.
        #[test]
        fn a_draft_agrees_with_a_whole_copy(
            value in prop::option::of(prop::collection::vec(any::<u8>(), 0..200)),
            fields in prop::collection::vec((0u64..3000, 1u32..=64, any::<u64>(), any::<bool>()), 0..12),
            key_len in 0usize..40,
        ) {
            let writes = fields.iter().filter(|field| field.3);
            let written: Vec<_> = writes.clone().map(|field| bytes(field.0, field.1)).collect();
            let end = written.iter().map(|bytes| bytes.end).max().unwrap_or(0);
            let old = value.clone().unwrap_or_default();
            let mut model = old.clone();
            model.resize(old.len().max(end), 0);
            let mut draft = Draft::new(value.as_deref(), written, key_len);
            for &(offset, bits, new, write) in &fields {
                let place = |at: u64| ((at / 8) as usize, 7 - at % 8);
                let bit = |at: u64| model.get(place(at).0).map_or(0, |byte| byte >> place(at).1 & 1);
                let all = (offset..offset + u64::from(bits)).fold(0, |n, at| n << 1 | u64::from(bit(at)));
                prop_assert_eq!(draft.read(offset, bits), all);
                if write {
                    draft.write(offset, bits, new);
                    for i in 0..u64::from(bits) {
                        let (byte, shift) = place(offset + i);
                        let one = (new >> (u64::from(bits) - 1 - i) & 1) as u8;
                        model[byte] = model[byte] & !(1 << shift) | one << shift;
                    }
                }
            }
            let (mut patched, mut last) = (old, 0);
            for (offset, bytes) in draft.changes() {
                prop_assert!(!bytes.is_empty() && offset >= last, "in order, apart, not empty");
                last = offset + bytes.len();
                let old = patched.get(offset..last.min(patched.len()));
                prop_assert!(old != Some(&bytes[..]), "a change");
                patched.resize(patched.len().max(last), 0);
                patched[offset..last].copy_from_slice(&bytes);
            }
            prop_assert_eq!(patched, model);
        }
    }

    #[test]
    fn far_writes_are_patches_of_their_own_and_near_ones_share_one() {
        let value = vec![0; 1000];
        let patches = |places: &[u64], value: Option<&[u8]>| {
            let written = places.iter().map(|offset| bytes(*offset, 8)).collect();
            let mut draft = Draft::new(value, written, 10);
            places.iter().for_each(|offset| draft.write(*offset, 8, 1));
            draft.changes().into_iter().map(|(offset, bytes)| (offset, bytes.len())).collect::<Vec<_>>()
        };
        assert_eq!(patches(&[7000, 0], Some(&value)), [(0, 1), (875, 1)]);
        assert_eq!(patches(&[0, 80], Some(&value)), [(0, 11)]);
        assert_eq!(patches(&[7000, 0], None), [(0, 876)]);
        assert_eq!(patches(&[8080], Some(&value)), [(1010, 1)]);
        assert_eq!(patches(&[], None), []);
    }
}
