//! Reading from the front of a packed string.

use crate::Error;
use crate::error::malformed;

/// What has not been read yet. Never allocates, never panics.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Cursor<'a> {
    /// At the start of `bytes`, which are said to be a `what`.
    pub(super) fn new(bytes: &'a [u8], what: &'static str) -> Cursor<'a> {
        Cursor { rest: bytes, what }
    }

    /// Bytes left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// An error here.
    pub(super) fn wrong(&self, why: &'static str) -> Error {
        malformed(self.what, why)
    }

    /// The next `len` bytes.
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(self.wrong("it ends inside an element"))?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) =
            self.rest.split_first_chunk().ok_or(malformed(self.what, "it ends inside an element"))?;
        self.rest = rest;
        Ok(*head)
    }

    /// The next byte.
    pub(super) fn u8(&mut self) -> Result<u8, Error> {
        Ok(self.array::<1>()?[0])
    }

    /// A number of `N` bytes, lowest first, the last one with the sign.
    pub(super) fn signed<const N: usize>(&mut self) -> Result<i64, Error> {
        let bytes = self.array::<N>()?;
        let negative = bytes[N - 1] & 0x80 != 0;
        let mut wide = if negative { [0xff; 8] } else { [0; 8] };
        wide[..N].copy_from_slice(&bytes);
        Ok(i64::from_le_bytes(wide))
    }

    /// A number of 32 bits, lowest byte first.
    pub(super) fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A number of 16 bits, lowest byte first.
    pub(super) fn u16(&mut self) -> Result<u16, Error> {
        Ok(u16::from_le_bytes(self.array()?))
    }
}
