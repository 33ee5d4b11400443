//! Floating point numbers as text, the way Redis 7.0 prints them.

/// Significant digits that tell every number from its neighbours.
const DIGITS: usize = 17;
/// Decimals of [`decimal`].
const DECIMALS: usize = 17;
/// Integers below print as such; the first power of ten that has an exponent.
const FIRST_WITH_EXPONENT: f64 = 1e17;

/// C's `%.17g`: 17 significant digits without zeros at the end, with an exponent below 1e-4 and from 1e17 on;
/// `inf`, `-inf`, `nan`. Reads back as the same number.
pub fn text(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    if value.fract() == 0.0 && value.abs() < FIRST_WITH_EXPONENT {
        let sign = if value == 0.0 && value.is_sign_negative() { "-" } else { "" };
        return format!("{sign}{}", value as i64);
    }
    let scientific = format!("{value:.*e}", DIGITS - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..DIGITS as i32).contains(&exponent) {
        let decimals = DIGITS as i32 - 1 - exponent;
        return trimmed(&format!("{value:.*}", decimals as usize)).into();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(mantissa), exponent.unsigned_abs())
}

/// For people: no exponent, at most 17 decimals, no zeros at the end.
pub fn decimal(value: f64) -> String {
    let text = format!("{value:.DECIMALS$}");
    match trimmed(&text) {
        "-0" => "0".into(),
        text => text.into(),
    }
}

/// Without zeros at the end of the decimals, and without a point before none.
fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As `printf` of glibc prints them.
    #[test]
    fn numbers_print_with_17_significant_digits() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-17.0, "-17"),
            (0.1, "0.10000000000000001"),
            (2.75, "2.75"),
            (3.25, "3.25"),
            (1.0 / 3.0, "0.33333333333333331"),
            (1e-4, "0.0001"),
            (1e-5, "1.0000000000000001e-05"),
            (12345.678, "12345.678"),
            (99999999999999984.0, "99999999999999984"),
            (1e17, "1e+17"),
            (-1.5e300, "-1.5000000000000001e+300"),
            (5e-324, "4.9406564584124654e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (0.1 + 0.2, "0.30000000000000004"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(text(value), expected);
        }
    }

    #[test]
    fn decimals_have_no_exponent() {
        for (value, expected) in [
            (13.361389338970184, "13.36138933897018433"),
            (-0.0, "0"),
            (-1e-20, "0"),
            (180.0, "180"),
            (2.5e-7, "0.00000025"),
        ] {
            assert_eq!(decimal(value), expected);
        }
    }

    proptest! {
        #[test]
        fn texts_read_back_as_the_same_number(value: f64) {
            let back: f64 = text(value).parse().unwrap();
            prop_assert!(back == value || back.is_nan() && value.is_nan());
        }
    }
}
