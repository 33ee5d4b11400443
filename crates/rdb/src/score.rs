//! Scores of sorted sets as text.

use crate::Error;
use crate::error::malformed;
use crate::integer;

/// Longest text of a score that is read, the buffer Redis has for it.
const LONGEST: usize = 128;
/// Integers up to here have an exact double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The score with this text. NaN is refused.
pub(crate) fn parse(text: &[u8]) -> Result<f64, Error> {
    let text = std::str::from_utf8(text).ok().filter(|t| t.len() <= LONGEST);
    let score = text.and_then(|t| t.parse().ok()).ok_or(malformed("a score", "it is not a number"))?;
    checked(score)
}

/// The score itself unless it is NaN, which has no place in an order.
pub(crate) fn checked(score: f64) -> Result<f64, Error> {
    if score.is_nan() { Err(malformed("a score", "it is not a number")) } else { Ok(score) }
}

/// The shortest text that reads as the same double, bit by bit.
pub(crate) fn text(score: f64) -> Vec<u8> {
    let negative_zero = score == 0.0 && score.is_sign_negative();
    if score.is_infinite() {
        return if score > 0.0 { b"inf".to_vec() } else { b"-inf".to_vec() };
    }
    if score.fract() == 0.0 && score.abs() <= EXACT && !negative_zero {
        return integer::text(score as i64);
    }
    ryu::Buffer::new().format(score).as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_of_redis_are_read() {
        assert_eq!(parse(b"3.1000000000000001").unwrap(), 3.1);
        assert_eq!(parse(b"1e+300").unwrap(), 1e300);
        assert_eq!(parse(b"-inf").unwrap(), f64::NEG_INFINITY);
        for refused in [&b"nan"[..], b"-nan", b"", b"1x", b" 1", b"\xff", &[b'1'; 129]] {
            assert!(parse(refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn texts_are_short() {
        assert_eq!(text(-3.0), b"-3");
        assert_eq!(text(-0.0), b"-0.0");
        assert_eq!(text(2.5), b"2.5");
        assert_eq!(text(1e300), b"1e300");
        assert!(text(-f64::MIN_POSITIVE).len() < LONGEST);
    }

    proptest! {
        #[test]
        fn scores_round_trip(bits: u64) {
            let score = f64::from_bits(bits);
            prop_assume!(!score.is_nan());
            prop_assert_eq!(parse(&text(score)).unwrap().to_bits(), score.to_bits());
        }
    }
}
