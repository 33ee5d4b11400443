//! Listpacks: elements in a row, each with its length before and behind it.
//!
//! Bytes in all (4, lowest first), elements (2; 65535 if there are more), elements, 0xff. An element is a head of one to
//! five bytes that tells kind and length, its bytes, and the length of both written so that it can be read from behind.

use super::Element;
use super::cursor::Cursor;
use crate::{Error, integer};

const WHAT: &str = "listpack";
/// Bytes in front of the elements.
const HEADER: usize = 6;
/// Behind the last element.
const END: u8 = 0xff;
/// The count that says: not counted.
const UNCOUNTED: u16 = u16::MAX;

/// The elements of a listpack. The first error is the last item.
#[derive(Clone, Debug)]
pub(crate) struct Listpack<'a> {
    cursor: Cursor<'a>,
    /// As the header says.
    count: u16,
    seen: usize,
    over: bool,
}

impl<'a> Listpack<'a> {
    /// Begins to read; the elements and the end are looked at on the way.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Listpack<'a>, Error> {
        let mut cursor = Cursor::new(bytes, WHAT);
        if cursor.u32()? as usize != bytes.len() {
            return Err(cursor.wrong("it has another length than its header says"));
        }
        let count = cursor.u16()?;
        Ok(Listpack { cursor, count, seen: 0, over: false })
    }

    fn element(&mut self) -> Result<Option<Element<'a>>, Error> {
        let before = self.cursor;
        let cursor = &mut self.cursor;
        let head = cursor.u8()?;
        let element = match head {
            0..0x80 => Element::Integer(i64::from(head)),
            0x80..0xc0 => Element::Bytes(cursor.take(usize::from(head & 0x3f))?),
            0xc0..0xe0 => {
                let bits = i64::from(head & 0x1f) << 8 | i64::from(cursor.u8()?);
                Element::Integer(if bits < 0x1000 { bits } else { bits - 0x2000 })
            }
            0xe0..0xf0 => {
                let length = usize::from(head & 0x0f) << 8 | usize::from(cursor.u8()?);
                Element::Bytes(cursor.take(length)?)
            }
            0xf0 => {
                let length = cursor.u32()? as usize;
                Element::Bytes(cursor.take(length)?)
            }
            0xf1 => Element::Integer(cursor.signed::<2>()?),
            0xf2 => Element::Integer(cursor.signed::<3>()?),
            0xf3 => Element::Integer(cursor.signed::<4>()?),
            0xf4 => Element::Integer(cursor.signed::<8>()?),
            0xf5..END => return Err(cursor.wrong("an element of an unknown kind")),
            END => return self.end().map(|()| None),
        };
        let size = before.left() - cursor.left();
        let (behind, length) = backward(size);
        if cursor.take(length)? != &behind[..length] {
            return Err(cursor.wrong("the length behind an element is not the one before it"));
        }
        Ok(Some(element))
    }

    fn end(&self) -> Result<(), Error> {
        if self.cursor.left() != 0 {
            return Err(self.cursor.wrong("it ends before its last byte"));
        }
        if self.count != UNCOUNTED && usize::from(self.count) != self.seen {
            return Err(self.cursor.wrong("it has another number of elements than its header says"));
        }
        Ok(())
    }
}

impl<'a> Iterator for Listpack<'a> {
    type Item = Result<Element<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.element().transpose();
        self.over = !matches!(next, Some(Ok(_)));
        self.seen += 1;
        next
    }
}

/// The length of an element to be read from behind: seven bits a byte, the highest first, all bytes but that
/// one with their high bit set. Redis takes a byte more than needed for 16383, 2097151 and 268435455.
fn backward(size: usize) -> ([u8; 5], usize) {
    let length = match size {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    };
    let mut bytes = [0; 5];
    for (at, byte) in bytes[..length].iter_mut().enumerate() {
        let seven = (size as u64 >> (7 * (length - 1 - at))) as u8 & 0x7f;
        *byte = if at == 0 { seven } else { seven | 0x80 };
    }
    (bytes, length)
}

/// Makes a listpack.
#[derive(Debug)]
pub(crate) struct Builder {
    bytes: Vec<u8>,
    count: usize,
}

impl Builder {
    /// One without elements.
    pub(crate) fn new() -> Builder {
        Builder { bytes: vec![0; HEADER], count: 0 }
    }

    /// Appends an element, as a number if it is the text of one.
    pub(crate) fn push(&mut self, text: &[u8]) {
        match integer::parse(text) {
            Some(value) => self.push_integer(value),
            None => self.push_bytes(text),
        }
    }

    /// Appends a number.
    pub(crate) fn push_integer(&mut self, value: i64) {
        let start = self.bytes.len();
        let wide = value.to_le_bytes();
        match value {
            0..0x80 => self.bytes.push(value as u8),
            -0x1000..0x1000 => self.bytes.extend([0xc0 | (value >> 8) as u8 & 0x1f, value as u8]),
            -0x8000..0x8000 => self.extend(0xf1, &wide[..2]),
            -0x80_0000..0x80_0000 => self.extend(0xf2, &wide[..3]),
            -0x8000_0000..0x8000_0000 => self.extend(0xf3, &wide[..4]),
            _ => self.extend(0xf4, &wide),
        }
        self.close(start);
    }

    fn push_bytes(&mut self, bytes: &[u8]) {
        let start = self.bytes.len();
        match bytes.len() {
            0..0x40 => self.extend(0x80 | bytes.len() as u8, bytes),
            0x40..0x1000 => {
                self.bytes.push(0xe0 | (bytes.len() >> 8) as u8);
                self.extend(bytes.len() as u8, bytes);
            }
            _ => {
                self.extend(0xf0, &(bytes.len() as u32).to_le_bytes());
                self.bytes.extend_from_slice(bytes);
            }
        }
        self.close(start);
    }

    fn extend(&mut self, head: u8, bytes: &[u8]) {
        self.bytes.push(head);
        self.bytes.extend_from_slice(bytes);
    }

    fn close(&mut self, start: usize) {
        let (behind, length) = backward(self.bytes.len() - start);
        self.bytes.extend_from_slice(&behind[..length]);
        self.count += 1;
    }

    /// The listpack.
    ///
    /// # Panics
    /// If it has 4 GiB or more: no value that was read or that a client may write is so large.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.push(END);
        let size = u32::try_from(self.bytes.len()).expect("a value within its limit fits into a listpack");
        let count = u16::try_from(self.count).unwrap_or(UNCOUNTED);
        self.bytes[..4].copy_from_slice(&size.to_le_bytes());
        self.bytes[4..HEADER].copy_from_slice(&count.to_le_bytes());
        self.bytes
    }
}

#[cfg(test)]
#[path = "listpack_tests.rs"]
mod tests;
