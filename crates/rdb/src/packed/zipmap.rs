//! Zipmaps: small hashes of Redis 2.0 to 2.4. Only read.
//!
//! Pairs (one byte; 254 or more if they are not counted), then field and value in turn, each with its length (one byte, or 254
//! and four bytes, lowest first); a value has one more byte that says how many unused bytes follow it. 0xff at the end.

use super::cursor::Cursor;
use crate::Error;

const WHAT: &str = "zipmap";
/// Behind the last pair.
const END: u8 = 0xff;
/// A length of four more bytes; as the number of pairs: not counted.
const LONG: u8 = 0xfe;

/// A field and its value.
type Pair<'a> = (&'a [u8], &'a [u8]);

/// The pairs of a zipmap. The first error is the last item.
#[derive(Clone, Debug)]
pub(crate) struct Zipmap<'a> {
    cursor: Cursor<'a>,
    count: u8,
    seen: usize,
    over: bool,
}

impl<'a> Zipmap<'a> {
    /// Begins to read; pairs and end are looked at on the way.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Zipmap<'a>, Error> {
        let mut cursor = Cursor::new(bytes, WHAT);
        let count = cursor.u8()?;
        Ok(Zipmap { cursor, count, seen: 0, over: false })
    }

    fn pair(&mut self) -> Result<Option<Pair<'a>>, Error> {
        let Some(length) = self.length()? else { return self.end().map(|()| None) };
        let field = self.cursor.take(length)?;
        let length = self.length()?.ok_or(self.cursor.wrong("a field without a value"))?;
        let unused = self.cursor.u8()?;
        let value = self.cursor.take(length)?;
        self.cursor.take(usize::from(unused))?;
        Ok(Some((field, value)))
    }

    /// The next length, `None` at the end.
    fn length(&mut self) -> Result<Option<usize>, Error> {
        Ok(match self.cursor.u8()? {
            END => None,
            LONG => Some(self.cursor.u32()? as usize),
            short => Some(usize::from(short)),
        })
    }

    fn end(&self) -> Result<(), Error> {
        if self.cursor.left() != 0 {
            return Err(self.cursor.wrong("it ends before its last byte"));
        }
        if self.count < LONG && usize::from(self.count) != self.seen {
            return Err(self.cursor.wrong("it has another number of pairs than it says"));
        }
        Ok(())
    }
}

impl<'a> Iterator for Zipmap<'a> {
    type Item = Result<Pair<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.pair().transpose();
        self.over = !matches!(next, Some(Ok(_)));
        self.seen += 1;
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Vec<Pair<'_>>, Error> {
        Zipmap::open(bytes)?.collect()
    }

    #[test]
    fn pairs_are_read_and_unused_bytes_skipped() {
        let bytes = b"\x02\x03foo\x03\x00bar\x02hi\x05\x02there--\xff";
        let expected: [(&[u8], &[u8]); 2] = [(b"foo", b"bar"), (b"hi", b"there")];
        assert_eq!(read(bytes).unwrap(), expected);
        let long = [&b"\xfe\xfe\x2c\x01\0\0"[..], &[b'k'; 300], b"\x01\x00v\xff"].concat();
        assert_eq!(read(&long).unwrap(), [(&[b'k'; 300][..], &b"v"[..])]);
        assert_eq!(read(b"\0\xff").unwrap(), []);
    }

    #[test]
    fn damage_is_refused() {
        let refused: [(&[u8], &str); 6] = [
            (b"", "ends inside"),
            (b"\x01\x01a\xff", "without a value"),
            (b"\x02\x01a\x01\x00b\xff", "another number"),
            (b"\x01\x01a\x01\x05b\xff", "ends inside"),
            (b"\x01\x01a\x01\x00b\xff\xff", "before its last byte"),
            (b"\x01\xfe\xff\xff\xff\xffa", "ends inside"),
        ];
        for (bytes, why) in refused {
            let error = read(bytes).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_input_is_read_or_refused(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
