//! Integers in commands and values: the strict, canonical decimal form that Redis accepts.

use crate::data::Stop;
use std::ops::RangeInclusive;

/// Longest canonical `i64`: a sign and 19 digits.
const MAX_LEN: usize = 20;

/// The integer that these bytes spell in canonical form: no sign but a leading `-`, no leading zeros,
/// no spaces, within `i64`. What it accepts, and nothing else, prints back as the same bytes.
pub fn parse(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, bytes),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if bytes.len() <= MAX_LEN => {}
        _ => return None,
    }
    let mut value: u64 = 0;
    for &digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    if negative { 0i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// An integer argument.
///
/// # Errors
/// [`Stop::NOT_INTEGER`].
#[inline]
pub fn argument(bytes: &[u8]) -> Result<i64, Stop> {
    parse(bytes).ok_or(Stop::NOT_INTEGER)
}

/// An integer argument within bounds.
///
/// # Errors
/// [`Stop::NOT_INTEGER`]; a value out of range, as Redis words it.
pub(super) fn within(bytes: &[u8], range: RangeInclusive<i64>) -> Result<i64, Stop> {
    let value = argument(bytes)?;
    if range.contains(&value) {
        return Ok(value);
    }
    let (least, most) = range.into_inner();
    Err(Stop::error(format!("ERR value is out of range, value must between {least} and {most}")))
}

/// A count of `least` or more.
///
/// # Errors
/// This text, also for what is no integer.
pub(super) fn at_least(least: i64, bytes: &[u8], text: &'static str) -> Result<usize, Stop> {
    let count = parse(bytes).filter(|count| *count >= least.max(0));
    count.and_then(|count| usize::try_from(count).ok()).ok_or(Stop::error(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_canonical_form_is_an_integer() {
        for (text, value) in
            [("0", 0), ("-1", -1), ("9223372036854775807", i64::MAX), ("-9223372036854775808", i64::MIN)]
        {
            assert_eq!(parse(text.as_bytes()), Some(value));
        }
        let wrong = "|-|+1|01|-0|00| 1|1 |1.0|1e3|0x1|9223372036854775808|-9223372036854775809\
            |18446744073709551616|99999999999999999999999|1-|--1|:|/";
        for text in wrong.split('|') {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_prints_back_the_same(bytes in "[-+0-9 ]{0,22}") {
            let standard = bytes.parse::<i64>().ok().filter(|value| value.to_string() == bytes);
            prop_assert_eq!(parse(bytes.as_bytes()), standard);
        }

        #[test]
        fn every_integer_is_accepted(value: i64) {
            prop_assert_eq!(parse(value.to_string().as_bytes()), Some(value));
        }
    }
}
