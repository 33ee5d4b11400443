//! Numbers as SORT reads them: what C's `strtod` makes of a text that ends at its first zero byte.

use super::super::extended::Extended;

/// What `strtod` skips.
const SPACE: &[u8] = b" \t\n\x0b\x0c\r";

/// The number that a text spells, decimal or hexadecimal, with spaces before it but not behind; 0 if it is
/// empty. `None` for anything else, for NaN, and for what is too large or too small for a double.
pub(super) fn parse(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let number = &text[text.iter().take_while(|byte| SPACE.contains(byte)).count()..];
    let unsigned = number.strip_prefix(b"-").or(number.strip_prefix(b"+")).unwrap_or(number);
    if let [b'0', b'x' | b'X', ..] = unsigned {
        return Extended::parse(number)?.to_double();
    }
    let value = std::str::from_utf8(number).ok()?.parse::<f64>().ok()?;
    let digits = unsigned.iter().take_while(|byte| !byte.eq_ignore_ascii_case(&b'e'));
    let is_zero = digits.clone().all(|digit| matches!(digit, b'0' | b'.'));
    let has_digits = unsigned.iter().any(u8::is_ascii_digit);
    let out_of_range = has_digits && (value.is_infinite() || !is_zero && !value.is_normal());
    (!value.is_nan() && !out_of_range).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_strtod() {
        for (text, value) in [
            ("", 0.0),
            ("0", 0.0),
            ("-0.0e5", 0.0),
            ("12", 12.0),
            (" \t+.5", 0.5),
            ("5.", 5.0),
            ("-1.5E3", -1500.0),
            ("1\0x", 1.0),
            ("\0", 0.0),
            ("0x10", 16.0),
            ("-0x.8p1", -1.0),
            ("inf", f64::INFINITY),
            ("-INFINITY", f64::NEG_INFINITY),
            ("9007199254740993", 9007199254740992.0),
            ("0x20000000000001", 9007199254740992.0),
            ("1.7976931348623157e308", f64::MAX),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(value), "{text:?}");
        }
        for text in [
            " ", "x", "1 ", "1x", "nan", "-NaN", "1e400", "-1e400", "1e-400", "1e-320", "0x", "0xg", "--1",
            "1e", "infin", "1e5.5", "0x1p2000",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse(b"\xff"), None);
    }
}
