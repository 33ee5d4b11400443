//! Bits of a string: how commands name them, and how they are counted and found.
//!
//! Bit 0 is the highest bit of the first byte. Ranges are in bits here, whatever unit a command uses.

use super::integer;
use crate::data::Stop;
use std::ops::Range;

/// Bits of Redis's largest string, 512 MiB: an offset from here on is no offset. A value of ours ends
/// sooner, at `max-value`; what lies between reads as zero and can not be written.
const MAX_OFFSET: u64 = 512 * 1024 * 1024 * 8;
/// Bytes that are compared at once when a bit is looked for.
const STRIDE: usize = 64;

/// The unit of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Byte,
    Bit,
}

impl Unit {
    pub fn parse(arg: &[u8]) -> Result<Unit, Stop> {
        match arg {
            _ if arg.eq_ignore_ascii_case(b"byte") => Ok(Unit::Byte),
            _ if arg.eq_ignore_ascii_case(b"bit") => Ok(Unit::Bit),
            _ => Err(Stop::SYNTAX),
        }
    }
}

/// The offset of a bit: an integer from 0 to 2^32 - 1.
pub(super) fn offset(arg: &[u8]) -> Result<u64, Stop> {
    scaled_offset(arg, 1)
}

/// The offset of a bit as an integer times `scale`.
pub(super) fn scaled_offset(arg: &[u8], scale: u32) -> Result<u64, Stop> {
    integer::parse(arg)
        .and_then(|offset| u64::try_from(offset).ok())
        .and_then(|offset| offset.checked_mul(scale.into()))
        .filter(|offset| *offset < MAX_OFFSET)
        .ok_or(Stop::error("ERR bit offset is not an integer or out of range"))
}

/// The byte that holds a bit, and the bit in it.
pub(super) fn place(offset: u64) -> (usize, u8) {
    ((offset / 8) as usize, 0x80 >> (offset % 8))
}

/// The bits from `start` to `end` of a value of `len` bytes. Both ends are included; negative ones count
/// from the end of the value, and what lies outside of it does not count.
pub(super) fn range(start: i64, end: i64, unit: Unit, len: usize) -> Range<u64> {
    let (total, bits) = match unit {
        Unit::Byte => (len as i64, 8),
        Unit::Bit => (len as i64 * 8, 1),
    };
    let from_end = |at: i64| if at < 0 { at.saturating_add(total).max(0) } else { at };
    let (from, to) = (from_end(start), from_end(end).min(total - 1));
    if from > to { 0..0 } else { from as u64 * bits..(to as u64 + 1) * bits }
}

/// How many bits of a range within the value are one.
pub(super) fn count(value: &[u8], range: Range<u64>) -> u64 {
    if range.is_empty() {
        return 0;
    }
    let (first, last) = (place(range.start).0, place(range.end - 1).0);
    let (words, rest) = value[first..=last].as_chunks::<8>();
    let ones = |byte: u8| u64::from(byte.count_ones());
    let whole: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    let whole = whole + rest.iter().map(|byte| ones(*byte)).sum::<u64>();
    let before = value[first] & !(0xff >> (range.start % 8));
    let behind = value[last] & (0x7f >> ((range.end - 1) % 8));
    whole - ones(before) - ones(behind)
}

/// The first bit of a range within the value that is `bit`.
pub(super) fn find(value: &[u8], bit: bool, range: Range<u64>) -> Option<u64> {
    if range.is_empty() {
        return None;
    }
    let (first, last) = (place(range.start).0, place(range.end - 1).0);
    // All bits as if a one was looked for, the ones in front of the range cut off.
    let without = if bit { 0x00 } else { 0xff };
    let head = (value[first] ^ without) & (0xff >> (range.start % 8));
    let (byte, found) = if head != 0 {
        (first, head)
    } else {
        let byte = first + 1 + first_other(&value[first + 1..=last], without)?;
        (byte, value[byte] ^ without)
    };
    let offset = byte as u64 * 8 + u64::from(found.leading_zeros());
    (offset < range.end).then_some(offset)
}

/// The place of the first byte that is not `usual`.
fn first_other(bytes: &[u8], usual: u8) -> Option<usize> {
    let differs = |part: &[u8]| part.iter().fold(0, |all, byte| all | (byte ^ usual)) != 0;
    let start = bytes.chunks(STRIDE).position(differs)? * STRIDE;
    let byte = bytes[start..].iter().position(|byte| *byte != usual)?;
    Some(start + byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn offsets_have_bounds() {
        assert_eq!(offset(b"4294967295"), Ok(MAX_OFFSET - 1));
        assert_eq!(scaled_offset(b"134217727", 32), Ok(MAX_OFFSET - 32));
        for wrong in ["4294967296", "-1", "", "1.0", "#1", "9223372036854775808"] {
            assert!(offset(wrong.as_bytes()).is_err(), "{wrong}");
        }
        for wrong in ["134217728", "9223372036854775807", "576460752303423488"] {
            assert!(scaled_offset(wrong.as_bytes(), 32).is_err(), "{wrong}");
        }
    }

    fn bit_at(value: &[u8], offset: u64) -> bool {
        let (byte, mask) = place(offset);
        value[byte] & mask != 0
    }

    proptest! {
        /// Mostly uniform values, so that whole strides are passed over.
        #[test]
        fn bits_are_counted_and_found_as_one_by_one(
            usual in prop::sample::select(vec![0u8, 0xff]),
            len in 1usize..300,
            others in prop::collection::vec((0usize..300, any::<u8>()), 0..3),
            from in 0u64..2400,
            to in 0u64..2400,
            bit: bool,
        ) {
            let mut value = vec![usual; len];
            others.into_iter().for_each(|(at, byte)| value[at % len] = byte);
            let bits = len as u64 * 8;
            let range = from % bits..to % (bits + 1);
            let ones = range.clone().filter(|at| bit_at(&value, *at)).count() as u64;
            prop_assert_eq!(count(&value, range.clone()), ones);
            let found = range.clone().find(|at| bit_at(&value, *at) == bit);
            prop_assert_eq!(find(&value, bit, range), found);
        }

        #[test]
        fn a_range_has_the_units_between_its_ends(start in -30i64..30, end in -30i64..30, len in 0usize..4) {
            for (unit, total) in [(Unit::Byte, len as i64), (Unit::Bit, len as i64 * 8)] {
                let absolute = |at: i64| if at < 0 { (at + total).max(0) } else { at };
                let within: Vec<i64> =
                    (0..total).filter(|at| (absolute(start)..=absolute(end)).contains(at)).collect();
                let scale = if unit == Unit::Byte { 8 } else { 1 };
                let range = range(start, end, unit, len);
                prop_assert_eq!(range.end - range.start, within.len() as u64 * scale);
                if let Some(first) = within.first() {
                    prop_assert_eq!(range.start, *first as u64 * scale);
                }
            }
        }
    }

    #[test]
    fn the_ends_of_a_range_may_be_any_integer() {
        assert_eq!(range(i64::MIN, i64::MAX, Unit::Byte, 3), 0..24);
        assert_eq!(range(i64::MIN, i64::MIN, Unit::Bit, 3), 0..1);
        assert_eq!(range(i64::MAX, i64::MAX, Unit::Bit, 3), 0..0);
        assert_eq!(range(0, -1, Unit::Bit, 0), 0..0);
    }
}
