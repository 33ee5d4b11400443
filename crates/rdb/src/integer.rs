//! Integers as text: what Redis stores as a number, and turns back into the same text.

/// Longest text of a 64-bit integer.
const LONGEST: usize = 20;

/// The number whose decimal text is exactly `text`: no plus sign, no leading zeros, no `-0`.
pub(crate) fn parse(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [] => return None,
        [b'0'] if !negative => return Some(0),
        [b'0', ..] => return None,
        _ if text.len() > LONGEST => return None,
        _ => {}
    }
    let value = digits.iter().try_fold(0u64, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|d| *d < 10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })?;
    if negative { 0i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// The decimal text of a number.
pub(crate) fn text(value: i64) -> Vec<u8> {
    itoa::Buffer::new().format(value).as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_is_printed_the_same_is_a_number() {
        for same in ["0", "-1", "7", "-9223372036854775808", "9223372036854775807", "1000"] {
            assert_eq!(parse(same.as_bytes()).map(text), Some(same.as_bytes().to_vec()));
        }
        let others = ["", "-", "-0", "+1", "01", "-01", "1 ", " 1", "1.0", "9223372036854775808"];
        for other in others.iter().chain(&["-9223372036854775809", "99999999999999999999", "0x1", "1/"]) {
            assert_eq!(parse(other.as_bytes()), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn numbers_round_trip(value: i64) {
            prop_assert_eq!(parse(&text(value)), Some(value));
        }

        #[test]
        fn any_text_is_refused_or_kept(bytes in proptest::collection::vec(b'-'..=b':', 0..21)) {
            if let Some(value) = parse(&bytes) {
                prop_assert_eq!(text(value), bytes);
            }
        }
    }
}
