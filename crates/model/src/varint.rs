//! LEB128 integers and length-prefixed bytes, the alphabet of all our own formats.

/// Why bytes could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input ended inside a value.
    #[error("input ends inside a value")]
    Short,
    /// A number of more than 64 bits, a length beyond the input, or an unknown tag.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// Written by a newer version of the program.
    #[error("unknown format version {0}")]
    Version(u8),
}

/// Appends `value` in 1 to 10 bytes.
#[inline]
pub fn put_u64(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends the length of `bytes` and the bytes.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads values from the front of a slice. Never allocates, never panics.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// True at the end of the input.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        let (&first, rest) = self.rest.split_first().ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(first)
    }

    /// The next LEB128 number.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(DecodeError::Malformed("number"));
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::Malformed("number"))
    }

    /// The next `len` bytes.
    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(head)
    }

    /// The next length-prefixed bytes.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.u64()?;
        self.take(usize::try_from(len).map_err(|_| DecodeError::Malformed("length"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_and_bytes_round_trip(n: u64, b: Vec<u8>) {
            let mut out = Vec::new();
            put_u64(&mut out, n);
            put_bytes(&mut out, &b);
            let mut r = Reader::new(&out);
            prop_assert_eq!(r.u64().unwrap(), n);
            prop_assert_eq!(r.bytes().unwrap(), &b[..]);
            prop_assert!(r.is_empty());
        }

        #[test]
        fn any_input_is_read_or_refused(b: Vec<u8>) {
            let mut r = Reader::new(&b);
            while r.bytes().is_ok() && !r.is_empty() {}
        }
    }

    #[test]
    fn too_large_numbers_are_refused() {
        assert_eq!(Reader::new(&[0xff; 10]).u64(), Err(DecodeError::Malformed("number")));
        assert_eq!(Reader::new(&[0x80]).u64(), Err(DecodeError::Short));
    }
}
