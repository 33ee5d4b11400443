//! A growable byte buffer whose start is aligned for direct I/O.

use crate::DIRECT_ALIGN;
use std::ops::{Deref, DerefMut};

#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Block([u8; DIRECT_ALIGN]);

/// Bytes that start at a multiple of [`DIRECT_ALIGN`]. Its capacity is a multiple of it too and is
/// always initialized, so padding to a whole block is cheap.
#[derive(Default)]
pub struct AlignedBuf {
    blocks: Vec<Block>,
    len: usize,
}

impl AlignedBuf {
    /// An empty buffer; allocates nothing.
    pub fn new() -> AlignedBuf {
        AlignedBuf::default()
    }

    /// Forgets the contents, keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends `bytes`.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let at = self.len;
        self.grow(at + bytes.len());
        self.len = at + bytes.len();
        self[at..].copy_from_slice(bytes);
    }

    /// Sets the length; new bytes are zero.
    pub fn resize_zeroed(&mut self, len: usize) {
        let old = self.len;
        self.grow(len);
        self.len = len;
        if len > old {
            self[old..].fill(0);
        }
    }

    /// Removes the first `count` bytes by moving the rest to the front.
    ///
    /// # Panics
    /// If `count` is larger than the length.
    pub fn drop_front(&mut self, count: usize) {
        let len = self.len;
        self.copy_within(count..len, 0);
        self.len = len - count;
    }

    /// Gives memory above `bytes` back, so that one large write does not keep it for good.
    pub fn shrink_to(&mut self, bytes: usize) {
        let keep = self.len.max(bytes).div_ceil(DIRECT_ALIGN);
        if self.blocks.len() > keep {
            self.blocks.truncate(keep);
            self.blocks.shrink_to_fit();
        }
    }

    fn grow(&mut self, len: usize) {
        let blocks = len.div_ceil(DIRECT_ALIGN);
        if blocks > self.blocks.len() {
            let doubled = blocks.max(self.blocks.len() * 2);
            self.blocks.resize(doubled, Block([0; DIRECT_ALIGN]));
        }
    }
}

impl Deref for AlignedBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `blocks` are plain initialized bytes without padding and `len` is within them.
        unsafe { std::slice::from_raw_parts(self.blocks.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.blocks.as_mut_ptr().cast(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_aligned_and_zeroes_what_was_used_before() {
        let mut buf = AlignedBuf::new();
        assert!(buf.is_empty());
        buf.extend_from_slice(&[7; 5000]);
        assert_eq!(buf.as_ptr() as usize % DIRECT_ALIGN, 0);
        assert_eq!((buf.len(), buf[4999]), (5000, 7));
        buf.clear();
        buf.extend_from_slice(&[1]);
        buf.resize_zeroed(4097);
        assert_eq!(buf[0], 1);
        assert!(buf[1..].iter().all(|&b| b == 0));
        buf.extend_from_slice(&[9, 8]);
        buf.drop_front(4097);
        assert_eq!(&buf[..], &[9, 8]);
        buf.shrink_to(0);
        assert_eq!(&buf[..], &[9, 8]);
    }
}
