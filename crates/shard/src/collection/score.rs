//! Scores of sorted sets: IEEE 754 doubles.
//!
//! As an element's value a score has 8 bytes, little-endian; so it stands in changes, in the row store and in large
//! sorted sets. Most scores are whole and small, and a small sorted set in memory has many of them, so there they are
//! *short*: 1 to 7 bytes of a whole number, 9 of any other. The first byte says how many; none has 8, so
//! [`of`] reads both. Short scores stay in memory: see [`super::packed`].

use model::varint::{DecodeError, Reader};
use std::cmp::Ordering;

/// Bytes of a score that is not short.
pub(crate) const LONG: usize = 8;
/// First bytes below this are the number itself.
const TWO: u8 = 0xc0;
/// First bytes from [`TWO`] on and below this have the high bits of a number of two bytes.
const SEVERAL: u8 = 0xe0;
/// Added to the number of bytes of a whole number that follow, two's complement, little-endian.
const MOST: u8 = 6;
/// The double itself follows.
const DOUBLE: u8 = 0xff;
/// Whole numbers below this take one byte, and below the second one two.
const ONE_BYTE: i64 = TWO as i64;
const TWO_BYTES: i64 = ONE_BYTE + (((SEVERAL - TWO) as i64) << 8);

/// The score in an element's value, short or not.
#[inline]
pub(crate) fn of(value: &[u8]) -> f64 {
    match value {
        _ if value.len() == LONG => value.try_into().map_or(0.0, f64::from_le_bytes),
        [number] => f64::from(*number),
        [high @ TWO..SEVERAL, low] => {
            f64::from(u32::from(high - TWO) << 8 | u32::from(*low)) + ONE_BYTE as f64
        }
        [DOUBLE, double @ ..] => double.try_into().map_or(0.0, f64::from_le_bytes),
        [_, number @ ..] if number.len() <= usize::from(MOST) => whole(number) as f64,
        _ => 0.0,
    }
}

/// The whole number in up to 8 bytes, with their sign.
fn whole(bytes: &[u8]) -> i64 {
    let mut number = [0; 8];
    number[8 - bytes.len()..].copy_from_slice(bytes);
    i64::from_le_bytes(number) >> (8 * (8 - bytes.len()))
}

/// Appends a score as a short one.
#[inline]
pub(crate) fn put_short(out: &mut Vec<u8>, score: f64) {
    let number = score as i64;
    // Neither a fraction nor a zero with a sign may be lost.
    if (number as f64).to_bits() != score.to_bits() {
        out.push(DOUBLE);
        return out.extend_from_slice(&score.to_le_bytes());
    }
    match number {
        0..ONE_BYTE => out.push(number as u8),
        ONE_BYTE..TWO_BYTES => {
            let rest = (number - ONE_BYTE) as u16;
            out.extend_from_slice(&[TWO + (rest >> 8) as u8, rest as u8]);
        }
        _ => {
            let bits = 65 - (number ^ number >> 63).leading_zeros();
            match bits.div_ceil(8) as u8 {
                bytes @ 1..=MOST => {
                    out.push(SEVERAL + bytes);
                    out.extend_from_slice(&number.to_le_bytes()[..usize::from(bytes)]);
                }
                _ => {
                    out.push(DOUBLE);
                    out.extend_from_slice(&score.to_le_bytes());
                }
            }
        }
    }
}

/// Takes the bytes of a short score.
///
/// # Errors
/// An unknown first byte, or an input that ends before its last one.
#[inline]
pub(crate) fn take_short<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let len = match r.rest().first() {
        None => return Err(DecodeError::Short),
        Some(0..TWO) => 1,
        Some(TWO..SEVERAL) => 2,
        Some(&DOUBLE) => 1 + LONG,
        Some(&first) if (1..=MOST).contains(&(first - SEVERAL)) => usize::from(1 + first - SEVERAL),
        Some(_) => return Err(DecodeError::Malformed("score")),
    };
    r.take(len)
}

/// The order of scores. None is NaN; 0 and -0 are equal, as in Redis.
#[inline]
pub(crate) fn compare(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

/// The order of a sorted set: by score, then by the bytes of the member.
#[inline]
pub(crate) fn compare_scored(a: (f64, &[u8]), b: (f64, &[u8])) -> Ordering {
    compare(a.0, b.0).then_with(|| a.1.cmp(b.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn short(score: f64) -> Vec<u8> {
        let mut out = Vec::new();
        put_short(&mut out, score);
        out
    }

    #[test]
    fn whole_numbers_take_few_bytes() {
        for (score, bytes) in [
            (0.0, 1),
            (191.0, 1),
            (192.0, 2),
            (999.0, 2),
            (8383.0, 2),
            (8384.0, 3),
            (32_767.0, 3),
            (32_768.0, 4),
            (-1.0, 2),
            (-128.0, 2),
            (-129.0, 3),
            (1_700_000_000_000.0, 7),
            (140_737_488_355_327.0, 7),
            (140_737_488_355_328.0, 9),
            (-140_737_488_355_328.0, 7),
            (-0.0, 9),
            (0.5, 9),
            (1e300, 9),
            (f64::INFINITY, 9),
            (f64::NEG_INFINITY, 9),
        ] {
            let short = short(score);
            assert_eq!((short.len(), of(&short).to_bits()), (bytes, score.to_bits()), "{score}");
        }
    }

    proptest! {
        #[test]
        fn scores_are_read_as_they_were_put(bits: u64, whole: i64, shift in 0u32..64, behind: Vec<u8>) {
            for score in [f64::from_bits(bits), (whole >> shift) as f64] {
                let mut bytes = short(score);
                let len = bytes.len();
                prop_assert!(len != LONG);
                bytes.extend_from_slice(&behind);
                let mut r = Reader::new(&bytes);
                let taken = take_short(&mut r).unwrap();
                prop_assert_eq!((taken.len(), r.rest()), (len, &behind[..]));
                prop_assert_eq!(of(taken).to_bits(), score.to_bits());
                prop_assert_eq!(of(&score.to_le_bytes()).to_bits(), score.to_bits());
            }
        }

        #[test]
        fn any_bytes_are_taken_or_refused(bytes: Vec<u8>) {
            let mut r = Reader::new(&bytes);
            while let Ok(taken) = take_short(&mut r) {
                of(taken);
            }
            of(&bytes);
        }
    }
}
