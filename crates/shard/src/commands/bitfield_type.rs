//! The integers of BITFIELD: their types, and what happens to a number that does not fit.

use super::integer;
use crate::data::Stop;

/// What becomes of a number outside the range of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overflow {
    /// Its lowest bits are taken.
    Wrap,
    /// The nearest number of the type is taken.
    Saturate,
    /// Nothing is written.
    Fail,
}

impl Overflow {
    pub fn parse(arg: &[u8]) -> Result<Overflow, Stop> {
        match arg {
            _ if arg.eq_ignore_ascii_case(b"wrap") => Ok(Overflow::Wrap),
            _ if arg.eq_ignore_ascii_case(b"sat") => Ok(Overflow::Saturate),
            _ if arg.eq_ignore_ascii_case(b"fail") => Ok(Overflow::Fail),
            _ => Err(Stop::error("ERR Invalid OVERFLOW type specified")),
        }
    }
}

/// The type of a field: `i1` to `i64`, `u1` to `u63`, so that every number of it is an `i64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FieldType {
    signed: bool,
    bits: u32,
}

impl FieldType {
    pub fn parse(arg: &[u8]) -> Result<FieldType, Stop> {
        let wrong = Stop::error(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        );
        let (signed, most, digits) = match arg {
            [b'i', digits @ ..] => (true, 64, digits),
            [b'u', digits @ ..] => (false, 63, digits),
            _ => return Err(wrong),
        };
        let bits = integer::parse(digits).filter(|bits| (1..=most).contains(bits)).ok_or(wrong)?;
        Ok(FieldType { signed, bits: bits as u32 })
    }

    /// Width in bits, 1 to 64.
    pub fn bits(self) -> u32 {
        self.bits
    }

    /// The number that the field's bits mean; bits above its width do not count.
    pub fn decode(self, bits: u64) -> i64 {
        let unused = 64 - self.bits;
        let aligned = bits << unused;
        if self.signed { aligned as i64 >> unused } else { (aligned >> unused) as i64 }
    }

    /// What is stored when the field is set to `value`. A negative one is above the range of an
    /// unsigned type, as in Redis, not below it.
    pub fn set(self, value: i64, overflow: Overflow) -> Option<i64> {
        let value = if self.signed { i128::from(value) } else { i128::from(value as u64) };
        self.fit(value, overflow)
    }

    /// What is stored when `increment` is added to the field's number.
    pub fn add(self, old: i64, increment: i64, overflow: Overflow) -> Option<i64> {
        self.fit(i128::from(old) + i128::from(increment), overflow)
    }

    fn fit(self, value: i128, overflow: Overflow) -> Option<i64> {
        let (min, max) = if self.signed {
            (-(1i128 << (self.bits - 1)), (1i128 << (self.bits - 1)) - 1)
        } else {
            (0, (1i128 << self.bits) - 1)
        };
        match overflow {
            _ if (min..=max).contains(&value) => Some(value as i64),
            Overflow::Wrap => Some(self.decode(value as u64)),
            Overflow::Saturate => Some(value.clamp(min, max) as i64),
            Overflow::Fail => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(name: &str) -> FieldType {
        FieldType::parse(name.as_bytes()).expect(name)
    }

    #[test]
    fn types_are_read_strictly() {
        assert_eq!(field("i64"), FieldType { signed: true, bits: 64 });
        assert_eq!(field("u1"), FieldType { signed: false, bits: 1 });
        for wrong in ["", "i", "u", "i0", "u0", "i65", "u64", "I8", "8", "i-1", "i08", "i 8", "f8", "i8 "] {
            assert!(FieldType::parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn overflow_at_both_ends() {
        use Overflow::{Fail, Saturate, Wrap};
        for (name, old, increment, wrapped, saturated) in [
            ("u2", 3, 1, 0, 3),
            ("u2", 0, -1, 3, 0),
            ("i8", 127, 1, -128, 127),
            ("i8", -128, -1, 127, -128),
            ("i1", 0, 1, -1, 0),
            ("i64", i64::MAX, 1, i64::MIN, i64::MAX),
            ("i64", i64::MIN, i64::MIN, 0, i64::MIN),
            ("u63", i64::MAX, i64::MAX, i64::MAX - 1, i64::MAX),
        ] {
            assert_eq!(field(name).add(old, increment, Wrap), Some(wrapped), "{name}");
            assert_eq!(field(name).add(old, increment, Saturate), Some(saturated), "{name}");
            assert_eq!(field(name).add(old, increment, Fail), None, "{name}");
        }
        assert_eq!(field("u8").set(-1, Saturate), Some(255));
        assert_eq!(field("u8").set(-2, Wrap), Some(254));
        assert_eq!(field("i8").set(i64::MIN, Saturate), Some(-128));
        assert_eq!(field("i64").set(i64::MIN, Fail), Some(i64::MIN));
    }

    proptest! {
        #[test]
        fn what_is_stored_is_read_back(signed: bool, bits in 1u32..=63, value: i64, noise: u64) {
            let field = FieldType { signed, bits };
            for overflow in [Overflow::Wrap, Overflow::Saturate] {
                let stored = field.set(value, overflow).expect("never fails");
                let bits = stored as u64 & ((1 << bits) - 1) | noise << field.bits();
                prop_assert_eq!(field.decode(bits), stored);
            }
            let kept = field.set(value, Overflow::Fail);
            prop_assert_eq!(kept.is_some(), field.set(value, Overflow::Saturate) == Some(value));
        }
    }
}
