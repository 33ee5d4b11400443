//! Where bytes come from: counted, and summed up for the checksum at the end of a file.

use std::io::{self, BufRead};

use crate::Error;
use crate::crc64::crc64;

/// Memory taken at first for a string whose bytes have not come yet.
const FIRST_STEP: usize = 64 << 10;

/// Reads from the front of an input. What it takes of memory follows the bytes that come, not lengths they state.
#[derive(Debug)]
pub(crate) struct Input<B> {
    source: B,
    offset: u64,
    /// Checksum of what was read; `None` where nobody asks for it.
    checksum: Option<u64>,
    /// A copy of what is read, while somebody wants one.
    kept: Option<Vec<u8>>,
}

impl<B: BufRead> Input<B> {
    /// An input that is summed up.
    pub(crate) fn summed(source: B) -> Input<B> {
        Input { source, offset: 0, checksum: Some(0), kept: None }
    }

    /// An input whose checksum is known already.
    pub(crate) fn plain(source: B) -> Input<B> {
        Input { source, offset: 0, checksum: None, kept: None }
    }

    /// Bytes read so far.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The checksum of what was read so far; 0 if it is not summed up.
    pub(crate) fn checksum(&self) -> u64 {
        self.checksum.unwrap_or(0)
    }

    /// What the input reads from, behind what was read.
    pub(crate) fn into_source(self) -> B {
        self.source
    }

    /// Begins a copy of what is read from now on, with these bytes in front.
    pub(crate) fn keep(&mut self, front: &[u8]) {
        self.kept = Some(front.to_vec());
    }

    /// Ends the copy and hands it over; `None` if none was begun.
    pub(crate) fn take_kept(&mut self) -> Option<Vec<u8>> {
        self.kept.take()
    }

    /// Hands some of the next bytes, at least one and at most `max`, to `take`. `what` is being read.
    fn some(&mut self, max: usize, what: &'static str, take: impl FnOnce(&[u8])) -> Result<usize, Error> {
        loop {
            let bytes = match self.source.fill_buf() {
                Ok([]) => return Err(Error::Ended(what)),
                Ok(bytes) => &bytes[..bytes.len().min(max)],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            take(bytes);
            if let Some(kept) = &mut self.kept {
                kept.extend_from_slice(bytes);
            }
            self.checksum = self.checksum.map(|sum| crc64(sum, bytes));
            let taken = bytes.len();
            self.source.consume(taken);
            self.offset += taken as u64;
            return Ok(taken);
        }
    }

    /// The next byte.
    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, Error> {
        Ok(self.array::<1>(what)?[0])
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Error> {
        let mut out = [0; N];
        let mut filled = 0;
        while filled < N {
            let rest = &mut out[filled..];
            filled += self.some(rest.len(), what, |bytes| rest[..bytes.len()].copy_from_slice(bytes))?;
        }
        Ok(out)
    }

    /// The next `len` bytes, which the caller has compared with a limit.
    pub(crate) fn bytes(&mut self, len: usize, what: &'static str) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(len.min(FIRST_STEP));
        while out.len() < len {
            if out.len() == out.capacity() {
                // As much again as has come already, but not more than is announced.
                out.reserve_exact((len - out.len()).min(out.len().max(FIRST_STEP)));
            }
            let room = (out.capacity() - out.len()).min(len - out.len());
            self.some(room, what, |bytes| out.extend_from_slice(bytes))?;
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Read};

    /// Gives one byte at a time, and is interrupted before each.
    struct Dripping(Vec<u8>, bool);

    impl Read for Dripping {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            match self.0.pop() {
                Some(byte) if !out.is_empty() => out[0] = byte,
                _ => return Ok(0),
            }
            Ok(1)
        }
    }

    #[test]
    fn slow_and_interrupted_input_is_read_whole() {
        let mut input = Input::summed(BufReader::new(Dripping(b"987654321".to_vec(), false)));
        assert_eq!(input.array::<4>("x").unwrap(), *b"1234");
        assert_eq!(input.bytes(5, "x").unwrap(), b"56789");
        assert_eq!((input.offset(), input.checksum()), (9, 0xe9c6_d914_c4b8_d9ca));
        assert!(matches!(input.u8("the end"), Err(Error::Ended("the end"))));
    }

    #[test]
    fn an_announced_length_is_not_believed() {
        let mut input = Input::plain(&b"short"[..]);
        assert!(matches!(input.bytes(usize::MAX, "it"), Err(Error::Ended("it"))));
        let long = vec![7u8; 3 * FIRST_STEP + 1];
        let read = Input::plain(&long[..]).bytes(long.len(), "it").unwrap();
        assert!(read == long && read.capacity() <= long.len());
    }
}
