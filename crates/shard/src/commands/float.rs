//! Floating point numbers in arguments, as C's `strtod` reads them: decimal or hexadecimal, with or without an
//! exponent, or infinite.

use crate::data::Stop;

/// Bits of the mantissa of a normal number.
const MANTISSA: i32 = f64::MANTISSA_DIGITS as i32;
/// Exponent of the highest bit of the smallest normal number.
const MIN_EXPONENT: i32 = f64::MIN_EXP - 1;
/// An exponent beyond this makes zero or infinity of any mantissa that an argument can have.
const EXPONENT_CAP: i64 = 1 << 32;

/// The number that the whole text spells. `None` for anything else, for NaN, and for what is too large or too
/// small to be told from infinity or zero.
pub(super) fn parse(text: &[u8]) -> Option<f64> {
    let number = read(text)?;
    (!number.overflows && !number.vanishes).then_some(number.value)
}

/// A floating point argument.
///
/// # Errors
/// As Redis words it.
pub(super) fn argument(text: &[u8]) -> Result<f64, Stop> {
    parse(text).ok_or(Stop::error("ERR value is not a valid float"))
}

/// An end of a range of scores, less strict as in Redis: with spaces before it, up to a zero byte, as infinity or
/// zero if it is too large or small, and no text at all for zero.
pub(super) fn lenient(text: &[u8]) -> Option<f64> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let space = |byte: &&u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let spaces = text.iter().take_while(space).count();
    read(&text[spaces..]).map(|number| number.value)
}

struct Number {
    value: f64,
    /// Infinite because it is too large.
    overflows: bool,
    /// Zero because it is too small.
    vanishes: bool,
}

fn read(text: &[u8]) -> Option<Number> {
    let (sign, rest) = match text {
        [b'-', rest @ ..] => (-1.0, rest),
        [b'+', rest @ ..] => (1.0, rest),
        _ => (1.0, text),
    };
    if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") {
        return Some(Number { value: sign * f64::INFINITY, overflows: false, vanishes: false });
    }
    let (value, is_zero) = match rest {
        [b'0', b'x' | b'X', hexadecimal @ ..] => from_hexadecimal(hexadecimal)?,
        [b'0'..=b'9' | b'.', ..] => {
            let digits = rest.split(|byte| byte.eq_ignore_ascii_case(&b'e')).next().unwrap_or_default();
            let is_zero = !digits.iter().any(|digit| matches!(digit, b'1'..=b'9'));
            (std::str::from_utf8(rest).ok()?.parse::<f64>().ok()?, is_zero)
        }
        _ => return None,
    };
    Some(Number { value: sign * value, overflows: value.is_infinite(), vanishes: value == 0.0 && !is_zero })
}

/// Reads what stands behind `0x`: the value, and whether all digits are zeros.
fn from_hexadecimal(text: &[u8]) -> Option<(f64, bool)> {
    let (digits, exponent) = match text.iter().position(|byte| byte.eq_ignore_ascii_case(&b'p')) {
        Some(at) => (&text[..at], binary_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let (mut mantissa, mut exponent, mut point, mut any) = (0u64, exponent, false, false);
    for &byte in digits {
        if byte == b'.' && !point {
            point = true;
            continue;
        }
        let digit = u64::from(char::from(byte).to_digit(16)?);
        any = true;
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | digit;
            exponent -= if point { 4 } else { 0 };
        } else {
            // Only whether anything follows is of interest.
            mantissa |= u64::from(digit > 0);
            exponent += if point { 0 } else { 4 };
        }
    }
    any.then(|| (scaled(mantissa, exponent), mantissa == 0))
}

fn binary_exponent(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(sign * digits.iter().fold(0, |n: i64, d| (n * 10 + i64::from(d - b'0')).min(EXPONENT_CAP)))
}

/// `mantissa * 2^exponent`, to the nearest, ties to even.
fn scaled(mantissa: u64, exponent: i64) -> f64 {
    let bits = (u64::BITS - mantissa.leading_zeros()) as i32;
    let Some(exponent) = i32::try_from(exponent).ok().filter(|e| e.unsigned_abs() < 1 << 16) else {
        return if exponent > 0 && mantissa > 0 { f64::INFINITY } else { 0.0 };
    };
    // Below the normal numbers fewer bits are left.
    let kept = (MANTISSA + (exponent + bits - 1 - MIN_EXPONENT).min(0)).max(0);
    let drop = (bits - kept).max(0);
    let (mut kept, rest) = match drop {
        64.. => (0, mantissa),
        _ => (mantissa >> drop, mantissa & ((1 << drop) - 1)),
    };
    if drop > 0 && drop <= 64 {
        let half = 1u64 << (drop - 1);
        kept += u64::from(rest > half || rest == half && kept & 1 == 1);
    }
    // In two steps, each exact, so that no power of two leaves the range.
    let exponent = exponent + drop;
    let power = |e: i32| 2f64.powi(e);
    let half = exponent / 2;
    kept as f64 * power(half) * power(exponent - half)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arguments_are_read_like_strtod() {
        for (text, value) in [
            ("0", 0.0),
            ("-1.5", -1.5),
            ("+.5", 0.5),
            ("1.", 1.0),
            ("1e3", 1000.0),
            ("1.e-2", 0.01),
            ("INF", f64::INFINITY),
            ("-infinity", f64::NEG_INFINITY),
            ("0e999999999", 0.0),
            ("5e-324", 5e-324),
            ("0x10", 16.0),
            ("-0X1.8p1", -3.0),
            ("0x.8", 0.5),
            ("0x1p-1074", 5e-324),
            ("0x1.00000000000008p0", 1.0),
            ("0x1.000000000000080000000000000000001p0", 1.0 + f64::EPSILON),
            ("0x1fffffffffffff8", 144115188075855872.0),
            ("0x0p99999999999999999999", 0.0),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(value), "{text}");
        }
        let wrong = "| 1|1 |nan|-nan|nan(1)|1e|e5|.|-|+-1|1e400|-1e400|1e-400|0x|0x.|0xg|0x1p|0x1p1024|0x1p-1076\
            |0x1p99999999999999999999|1_0|1x|infin|1\0";
        for text in wrong.split('|') {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn ends_of_ranges_are_read_less_strictly() {
        for (text, value) in [
            ("", 0.0),
            (" \t1", 1.0),
            ("1\0x", 1.0),
            ("1e400", f64::INFINITY),
            ("-1e-400", -0.0),
            ("\0", 0.0),
        ] {
            assert_eq!(lenient(text.as_bytes()), Some(value), "{text:?}");
        }
        for text in [" ", "1 ", "nan", "x"] {
            assert_eq!(lenient(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn hexadecimal_numbers_are_exact(value: f64, digits in 0usize..40) {
            prop_assume!(value.is_finite());
            let bits = value.to_bits();
            let (mantissa, exponent) = match bits >> 52 & 0x7ff {
                0 => (bits & ((1 << 52) - 1), -1074),
                e => (bits & ((1 << 52) - 1) | 1 << 52, e as i64 - 1075),
            };
            let sign = if value.is_sign_negative() { "-" } else { "" };
            let zeros = "0".repeat(digits);
            let text = format!("{sign}0x{zeros}{mantissa:x}.{zeros}p{exponent}");
            prop_assert_eq!(parse(text.as_bytes()), Some(value));
        }
    }
}
