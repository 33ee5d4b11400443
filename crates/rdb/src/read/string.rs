//! Lengths and strings.

use std::io::BufRead;

use super::Decoder;
use crate::error::malformed;
use crate::{Error, integer, kind, lzf};

/// What stands where a length can.
enum Length {
    /// A length, or any other number.
    Plain(u64),
    /// How the string that follows is encoded.
    Encoded(u8),
}

impl<B: BufRead> Decoder<'_, B> {
    fn length(&mut self) -> Result<Length, Error> {
        const WHAT: &str = "a length";
        let head = self.input.u8(WHAT)?;
        Ok(match head {
            0..0x40 => Length::Plain(u64::from(head)),
            0x40..0x80 => {
                let low = self.input.u8(WHAT)?;
                Length::Plain(u64::from(head & 0x3f) << 8 | u64::from(low))
            }
            kind::LENGTH_32 => Length::Plain(u64::from(u32::from_be_bytes(self.input.array(WHAT)?))),
            kind::LENGTH_64 => Length::Plain(u64::from_be_bytes(self.input.array(WHAT)?)),
            kind::ENCODED.. => Length::Encoded(head & !kind::ENCODED),
            _ => return Err(malformed(WHAT, "it begins with an unknown byte")),
        })
    }

    /// A count or any other number.
    pub(crate) fn number(&mut self) -> Result<u64, Error> {
        match self.length()? {
            Length::Plain(number) => Ok(number),
            Length::Encoded(_) => Err(malformed("a number", "it is encoded as strings are")),
        }
    }

    /// A string that is not part of what the value may take, but within the limit of a string.
    pub(crate) fn string(&mut self) -> Result<Vec<u8>, Error> {
        const WHAT: &str = "a string";
        let encoding = match self.length()? {
            Length::Plain(length) => return self.input.bytes(self.limits.string(length)?, WHAT),
            Length::Encoded(encoding) => encoding,
        };
        Ok(match encoding {
            kind::INT8 => integer::text(i64::from(i8::from_le_bytes(self.input.array(WHAT)?))),
            kind::INT16 => integer::text(i64::from(i16::from_le_bytes(self.input.array(WHAT)?))),
            kind::INT32 => integer::text(i64::from(i32::from_le_bytes(self.input.array(WHAT)?))),
            kind::LZF => {
                let packed = self.number()?;
                let packed = self.limits.string(packed)?;
                let size = self.number()?;
                let size = self.limits.string(size)?;
                let packed = self.input.bytes(packed, "a compressed string")?;
                lzf::decompress(&packed, size)?
            }
            _ => return Err(malformed(WHAT, "it is encoded in an unknown way")),
        })
    }

    /// A string that is part of the value.
    pub(super) fn element(&mut self) -> Result<Vec<u8>, Error> {
        let bytes = self.string()?;
        self.budget.charge(bytes.len())?;
        Ok(bytes)
    }

    /// A time in milliseconds.
    pub(crate) fn milliseconds(&mut self) -> Result<i64, Error> {
        Ok(i64::from_le_bytes(self.input.array("a time")?))
    }
}
