//! Where bytes go: summed up for the checksum at the end.

use std::io::{self, Write};

use crate::crc64::crc64;
use crate::{integer, kind, lzf};

/// Strings up to here are not compressed, as in Redis.
const NOT_COMPRESSED: usize = 20;
/// Bytes that compression must save at least.
const SAVING: usize = 4;
/// Longest text that can be a number of 32 bits.
const LONGEST_NUMBER: usize = 11;

/// Writes to the end of an output.
#[derive(Debug)]
pub(crate) struct Output<W> {
    sink: W,
    checksum: u64,
}

impl<W: Write> Output<W> {
    /// An output without any bytes yet.
    pub(crate) fn new(sink: W) -> Output<W> {
        Output { sink, checksum: 0 }
    }

    /// The checksum of what was written.
    pub(crate) fn checksum(&self) -> u64 {
        self.checksum
    }

    /// What it writes to.
    pub(crate) fn into_sink(self) -> W {
        self.sink
    }

    /// Bytes as they are.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.checksum = crc64(self.checksum, bytes);
        self.sink.write_all(bytes)
    }

    /// A length, or any other number, in 1 to 9 bytes.
    pub(crate) fn put_length(&mut self, length: u64) -> io::Result<()> {
        match length {
            0..0x40 => self.put(&[length as u8]),
            0x40..0x4000 => self.put(&(length as u16 | 0x4000).to_be_bytes()),
            0x4000..=0xffff_ffff => {
                self.put(&[kind::LENGTH_32])?;
                self.put(&(length as u32).to_be_bytes())
            }
            _ => {
                self.put(&[kind::LENGTH_64])?;
                self.put(&length.to_be_bytes())
            }
        }
    }

    /// A string: as a number, compressed, or as it is, whatever is shorter.
    pub(crate) fn put_string(&mut self, bytes: &[u8]) -> io::Result<()> {
        let number = Some(bytes).filter(|b| b.len() <= LONGEST_NUMBER).and_then(integer::parse);
        if let Some(number) = number.and_then(|n| i32::try_from(n).ok()) {
            return self.put_number(number);
        }
        // What is longer than 32 bits can say is far above every limit; it is only not compressed.
        if bytes.len() > NOT_COMPRESSED
            && u32::try_from(bytes.len()).is_ok()
            && let Some(packed) = lzf::compress(bytes, bytes.len() - SAVING + 1)
        {
            self.put(&[kind::ENCODED | kind::LZF])?;
            self.put_length(packed.len() as u64)?;
            self.put_length(bytes.len() as u64)?;
            return self.put(&packed);
        }
        self.put_raw(bytes)
    }

    /// A string as it is.
    pub(crate) fn put_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.put_length(bytes.len() as u64)?;
        self.put(bytes)
    }

    fn put_number(&mut self, number: i32) -> io::Result<()> {
        if let Ok(small) = i8::try_from(number) {
            self.put(&[kind::ENCODED | kind::INT8, small as u8])
        } else if let Ok(medium) = i16::try_from(number) {
            self.put(&[kind::ENCODED | kind::INT16])?;
            self.put(&medium.to_le_bytes())
        } else {
            self.put(&[kind::ENCODED | kind::INT32])?;
            self.put(&number.to_le_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(bytes: &[u8]) -> Vec<u8> {
        let mut output = Output::new(Vec::new());
        output.put_string(bytes).unwrap();
        output.into_sink()
    }

    #[test]
    fn strings_take_the_shortest_form() {
        assert_eq!(string(b"-128"), [0xc0, 0x80]);
        assert_eq!(string(b"128"), [0xc1, 0x80, 0]);
        assert_eq!(string(b"32768"), [0xc2, 0, 0x80, 0, 0]);
        assert_eq!(string(b"2147483648"), b"\x0a2147483648");
        assert_eq!(string(b"007"), b"\x03007");
        assert_eq!(string(&[b'a'; 20])[0], 20);
        // One literal, then a copy of 20 from one byte before.
        assert_eq!(string(&[b'a'; 21]), [0xc3, 5, 21, 0, b'a', 0xe0, 11, 0]);
    }

    #[test]
    fn lengths_take_one_to_nine_bytes() {
        let cases: [(u64, &[u8]); 6] = [
            (63, &[63]),
            (64, &[0x40, 64]),
            (16383, &[0x7f, 0xff]),
            (16384, &[0x80, 0, 0, 0x40, 0]),
            (u64::from(u32::MAX), &[0x80, 0xff, 0xff, 0xff, 0xff]),
            (1 << 32, &[0x81, 0, 0, 0, 1, 0, 0, 0, 0]),
        ];
        for (length, bytes) in cases {
            let mut output = Output::new(Vec::new());
            output.put_length(length).unwrap();
            assert_eq!(output.checksum(), crc64(0, bytes));
            assert_eq!(output.into_sink(), bytes);
        }
    }
}
