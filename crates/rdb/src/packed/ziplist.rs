//! Ziplists: what listpacks have replaced. Only read.
//!
//! Bytes in all (4, lowest first), place of the last element (4), elements (2; 65535 if there are more), elements, 0xff. An
//! element begins with the length of the one before it (one byte, or 0xfe and four), then kind and length, then bytes.

use super::Element;
use super::cursor::Cursor;
use crate::Error;

const WHAT: &str = "ziplist";
/// Bytes in front of the elements.
const HEADER: usize = 10;
/// Behind the last element.
const END: u8 = 0xff;
/// The length of the element before takes four more bytes.
const LONG: u8 = 0xfe;
/// The count that says: not counted.
const UNCOUNTED: u16 = u16::MAX;

/// The elements of a ziplist. The first error is the last item.
#[derive(Clone, Debug)]
pub(crate) struct Ziplist<'a> {
    cursor: Cursor<'a>,
    /// Bytes of the whole.
    size: usize,
    /// Where the last element is, and how many there are, as the header says.
    tail: usize,
    count: u16,
    seen: usize,
    /// Place and length of the element read last.
    last: (usize, usize),
    over: bool,
}

impl<'a> Ziplist<'a> {
    /// Begins to read; the elements and the end are looked at on the way.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Ziplist<'a>, Error> {
        let mut cursor = Cursor::new(bytes, WHAT);
        let size = bytes.len();
        if cursor.u32()? as usize != size {
            return Err(cursor.wrong("it has another length than its header says"));
        }
        let tail = cursor.u32()? as usize;
        let count = cursor.u16()?;
        Ok(Ziplist { cursor, size, tail, count, seen: 0, last: (HEADER, 0), over: false })
    }

    fn element(&mut self) -> Result<Option<Element<'a>>, Error> {
        let place = self.size - self.cursor.left();
        let cursor = &mut self.cursor;
        let before = match cursor.u8()? {
            END => return self.end().map(|()| None),
            LONG => cursor.u32()? as usize,
            short => usize::from(short),
        };
        if before != self.last.1 {
            return Err(cursor.wrong("an element has another length than the next one says"));
        }
        let element = self.body()?;
        self.last = (place, self.size - self.cursor.left() - place);
        Ok(Some(element))
    }

    fn body(&mut self) -> Result<Element<'a>, Error> {
        let cursor = &mut self.cursor;
        let head = cursor.u8()?;
        Ok(match head {
            0..0x40 => Element::Bytes(cursor.take(usize::from(head))?),
            0x40..0x80 => {
                let length = usize::from(head & 0x3f) << 8 | usize::from(cursor.u8()?);
                Element::Bytes(cursor.take(length)?)
            }
            0x80 => {
                // The only number here with its highest byte first.
                let length = u32::from_be_bytes(cursor.array()?) as usize;
                Element::Bytes(cursor.take(length)?)
            }
            0xc0 => Element::Integer(cursor.signed::<2>()?),
            0xd0 => Element::Integer(cursor.signed::<4>()?),
            0xe0 => Element::Integer(cursor.signed::<8>()?),
            0xf0 => Element::Integer(cursor.signed::<3>()?),
            0xfe => Element::Integer(cursor.signed::<1>()?),
            0xf1..=0xfd => Element::Integer(i64::from(head & 0x0f) - 1),
            _ => return Err(cursor.wrong("an element of an unknown kind")),
        })
    }

    fn end(&self) -> Result<(), Error> {
        if self.cursor.left() != 0 {
            return Err(self.cursor.wrong("it ends before its last byte"));
        }
        if self.count != UNCOUNTED && usize::from(self.count) != self.seen {
            return Err(self.cursor.wrong("it has another number of elements than its header says"));
        }
        if self.tail != self.last.0 {
            return Err(self.cursor.wrong("its last element is not where its header says"));
        }
        Ok(())
    }
}

impl<'a> Iterator for Ziplist<'a> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        Ziplist::open(bytes)?.map(|element| element.map(Element::to_vec)).collect()
    }

    /// A ziplist of elements without the lengths before them, which are added.
    fn list(elements: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        let (mut before, mut tail) = (0usize, HEADER);
        for element in elements {
            tail = bytes.len();
            if before < usize::from(LONG) {
                bytes.push(before as u8);
            } else {
                bytes.push(LONG);
                bytes.extend((before as u32).to_le_bytes());
            }
            bytes.extend_from_slice(element);
            before = bytes.len() - tail;
        }
        bytes.push(END);
        let size = bytes.len() as u32;
        bytes[..4].copy_from_slice(&size.to_le_bytes());
        bytes[4..8].copy_from_slice(&(tail as u32).to_le_bytes());
        bytes[8..10].copy_from_slice(&(elements.len() as u16).to_le_bytes());
        bytes
    }

    #[test]
    fn every_kind_of_element_is_read() {
        let medium = [&[0x41, 0x2c][..], &[b'm'; 300]].concat();
        let long = [&[0x80, 0, 0, 0x41, 0][..], &[b'l'; 16_640]].concat();
        let elements: [&[u8]; 12] = [
            &[2, b'h', b'i'],
            &medium,
            &[0xf1],
            &long,
            &[0xfd],
            &[0xfe, 0x80],
            &[0xc0, 0xff, 0x7f],
            &[0xf0, 0, 0, 0x80],
            &[0xd0, 0, 0, 0, 0x80],
            &[0xe0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[0],
            &[0xfe, 5],
        ];
        let texts = read(&list(&elements)).unwrap();
        let text = |at: usize| std::str::from_utf8(&texts[at]).unwrap();
        assert_eq!((text(0), text(2), text(4), text(5)), ("hi", "0", "12", "-128"));
        assert_eq!((text(6), text(7), text(8)), ("32767", "-8388608", "-2147483648"));
        assert_eq!((text(9), text(10), text(11)), ("9223372036854775807", "", "5"));
        assert_eq!((texts[1].len(), texts[3].len()), (300, 16_640));
        assert_eq!(read(&list(&[])).unwrap(), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn damage_is_refused() {
        let good = list(&[&[2, b'h', b'i'], &[0xf3]]);
        let spoiled = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            read(&bytes).unwrap_err().to_string()
        };
        assert!(spoiled(0, 1).contains("another length than its header"));
        assert!(spoiled(4, 1).contains("not where"));
        assert!(spoiled(8, 1).contains("another number"));
        assert!(spoiled(10, 1).contains("than the next one says"));
        assert!(spoiled(11, 0xff).contains("unknown kind"));
        assert!(spoiled(11, 30).contains("ends inside"));
        assert!(spoiled(14, 5).contains("than the next one says"));
        assert!(spoiled(14, 0xff).contains("before its last byte"));
    }

    proptest! {
        #[test]
        fn any_input_is_read_or_refused(mut bytes: Vec<u8>) {
            let _ = read(&bytes);
            if bytes.len() >= 4 {
                let length = bytes.len() as u32;
                bytes[..4].copy_from_slice(&length.to_le_bytes());
                let _ = read(&bytes);
            }
        }
    }
}
