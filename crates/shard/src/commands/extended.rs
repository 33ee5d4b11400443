//! Floating point numbers as Redis computes INCRBYFLOAT with them: the 80-bit format of x86 with its
//! mantissa of 64 bits, in software, so that every machine gets the digits that Redis prints.
//!
//! All conversions are exact and round to the nearest, ties to even. Denormals are not modelled: they
//! are far below the 17 decimals that are printed.

use super::big::Big;

/// Longest text that is taken for a number, as in Redis.
const MAX_LEN: usize = 5 * 1024;
/// Exponent of the largest numbers' highest bit.
const MAX_EXPONENT: i32 = 16383;
/// Exponent of the highest bit below which a number rounds to zero.
const MIN_EXPONENT: i32 = -16446;
/// Decimals that are printed; trailing zeros are cut.
const DECIMALS: u32 = 17;
/// Digits of an exponent beyond this cannot change whether a number overflows.
const EXPONENT_CAP: i64 = 1_000_000;

/// A number: mantissa times two to the exponent, with a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extended {
    negative: bool,
    /// Highest bit set, except in zero.
    mantissa: u64,
    exponent: i32,
    infinite: bool,
}

impl Extended {
    pub const ZERO: Extended = Extended { negative: false, mantissa: 0, exponent: 0, infinite: false };

    /// What `strtold` reads, provided it takes the whole text: decimal or hexadecimal, with or without
    /// exponent, or `inf`. `None` for anything else, for NaN, and for what overflows or vanishes.
    pub fn parse(text: &[u8]) -> Option<Extended> {
        if text.len() >= MAX_LEN {
            return None;
        }
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let number = match rest {
            _ if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") => {
                Extended { infinite: true, ..Extended::ZERO }
            }
            [b'0', b'x' | b'X', hex @ ..] => from_hexadecimal(hex)?,
            _ => from_decimal(rest)?,
        };
        Some(Extended { negative, ..number })
    }

    /// The nearest number to `value * 2^exponent`, of which `more` says that it is cut off below.
    /// `value` has at least 66 bits if `more`. `None` when it rounds to zero.
    fn nearest(value: u128, exponent: i32, more: bool) -> Option<Extended> {
        let bits = 128 - value.leading_zeros() as i32;
        if bits == 0 || exponent + bits - 1 < MIN_EXPONENT {
            return None;
        }
        let (mut mantissa, mut exponent, drop) = (value, exponent, bits - 64);
        if drop > 0 {
            let (rest, half) = (value & ((1 << drop) - 1), 1 << (drop - 1));
            mantissa = value >> drop;
            if rest > half || rest == half && (more || mantissa & 1 == 1) {
                mantissa += 1;
            }
            exponent += drop;
        } else {
            mantissa <<= -drop;
            exponent += drop;
        }
        if mantissa >> 64 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
        let infinite = exponent + 63 > MAX_EXPONENT;
        Some(Extended { negative: false, mantissa: mantissa as u64, exponent, infinite })
    }

    /// Whether it is one of the two infinities.
    pub fn is_infinite(self) -> bool {
        self.infinite
    }

    /// The sum; `None` when it is not a finite number.
    pub fn add(self, other: Extended) -> Option<Extended> {
        if self.infinite || other.infinite {
            return None;
        }
        let (mut big, mut small) = (self, other);
        if big.mantissa == 0 || small.mantissa != 0 && small.exponent > big.exponent {
            (big, small) = (small, big);
        }
        if small.mantissa == 0 {
            return Some(big);
        }
        // Two bits of room above for the carry, 62 below for what is shifted out.
        let distance = (big.exponent - small.exponent) as u32;
        let small_bits = u128::from(small.mantissa) << 62;
        let shifted = small_bits.checked_shr(distance).unwrap_or(0);
        let more = shifted.checked_shl(distance).unwrap_or(0) != small_bits;
        let big_bits = u128::from(big.mantissa) << 62;
        let (negative, sum) = if big.negative == small.negative {
            (big.negative, big_bits + shifted)
        } else if big_bits >= shifted {
            (big.negative, big_bits - shifted - u128::from(more))
        } else {
            (small.negative, shifted - big_bits)
        };
        if sum == 0 {
            return Some(Extended::ZERO);
        }
        let sum = Extended::nearest(sum, big.exponent - 62, more).unwrap_or(Extended::ZERO);
        if sum.infinite { None } else { Some(Extended { negative, ..sum }) }
    }

    /// The nearest double; `None` when there is none that is normal, zero or infinite.
    pub fn to_double(self) -> Option<f64> {
        let sign = if self.negative { -1.0 } else { 1.0 };
        if self.infinite {
            return Some(sign * f64::INFINITY);
        }
        // The conversion rounds, the powers of two are exact as long as nothing is below the normal numbers.
        let half = self.exponent / 2;
        let value = self.mantissa as f64 * 2f64.powi(half) * 2f64.powi(self.exponent - half);
        (value == 0.0 && self.mantissa == 0 || value.is_normal()).then_some(sign * value)
    }

    /// As Redis prints it for people: no exponent, at most 17 decimals, no trailing zeros.
    pub fn to_text(self) -> String {
        let (whole, fraction) = if self.exponent >= 0 {
            let mut whole = Big::new(self.mantissa);
            whole.shift_left(self.exponent as u32);
            (whole.into_decimal(), 0)
        } else {
            let unit = 10u128.pow(DECIMALS);
            let scaled = round_shift(u128::from(self.mantissa) * unit, self.exponent.unsigned_abs());
            ((scaled / unit).to_string(), scaled % unit)
        };
        let fraction = format!("{fraction:017}");
        let fraction = fraction.trim_end_matches('0');
        let sign = if self.negative && (whole != "0" || !fraction.is_empty()) { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{whole}{point}{fraction}")
    }
}

/// `value / 2^bits`, to the nearest, ties to even. `value` is below 2^127.
fn round_shift(value: u128, bits: u32) -> u128 {
    if bits >= 128 {
        return 0;
    }
    let (quotient, rest, half) = (value >> bits, value & ((1 << bits) - 1), 1u128 << (bits - 1));
    quotient + u128::from(rest > half || rest == half && quotient & 1 == 1)
}

/// Splits `digits [. digits] [mark [sign] digits]`: digits before and behind the point, exponent.
fn split(text: &[u8], mark: u8, digit: fn(&u8) -> bool) -> Option<(&[u8], &[u8], i64)> {
    let run = |text: &[u8]| text.iter().take_while(|b| digit(b)).count();
    let (whole, rest) = text.split_at(run(text));
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => rest.split_at(run(rest)),
        _ => (&rest[..0], rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let exponent = match rest {
        [] => 0,
        [m, rest @ ..] if m.eq_ignore_ascii_case(&mark) => {
            let (sign, digits) = match rest {
                [b'-', digits @ ..] => (-1, digits),
                [b'+', digits @ ..] => (1, digits),
                _ => (1, rest),
            };
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            let fold = |n: i64, d: &u8| (n * 10 + i64::from(d - b'0')).min(EXPONENT_CAP);
            sign * digits.iter().fold(0, fold)
        }
        _ => return None,
    };
    Some((whole, fraction, exponent))
}

fn from_decimal(text: &[u8]) -> Option<Extended> {
    let (whole, fraction, exponent) = split(text, b'e', u8::is_ascii_digit)?;
    let mut number = Big::from_digits(whole.iter().chain(fraction).copied());
    if number.is_zero() {
        return Some(Extended::ZERO);
    }
    let power = exponent - fraction.len() as i64;
    // Bounds of the powers below, and certain overflow or zero beyond them.
    let magnitude = power + i64::from(number.bits()) * 30103 / 100_000;
    if !(-5000..5000).contains(&magnitude) {
        return None;
    }
    if power >= 0 {
        number.multiply_ten_to(power as u32);
        let (top, more) = number.top();
        let exponent = number.bits().saturating_sub(128) as i32;
        return Extended::nearest(top, exponent, more).filter(|n| !n.infinite);
    }
    let mut divisor = Big::new(1);
    divisor.multiply_ten_to(power.unsigned_abs() as u32);
    // Both get the same number of bits, so that the quotient starts at its first or second bit.
    let shift = divisor.bits() as i32 - number.bits() as i32;
    number.shift_left(shift.max(0) as u32);
    divisor.shift_left((-shift).max(0) as u32);
    const BITS: i32 = 72;
    let mut quotient = 0u128;
    for _ in 0..BITS {
        let fits = number >= divisor;
        quotient = quotient << 1 | u128::from(fits);
        if fits {
            number.subtract(&divisor);
        }
        number.shift_left(1);
    }
    Extended::nearest(quotient, 1 - BITS - shift, !number.is_zero()).filter(|n| !n.infinite)
}

fn from_hexadecimal(text: &[u8]) -> Option<Extended> {
    let (whole, fraction, exponent) = split(text, b'p', u8::is_ascii_hexdigit)?;
    let mut number = Big::new(0);
    for &digit in whole.iter().chain(fraction) {
        number.multiply_add(16, u64::from(char::from(digit).to_digit(16)?));
    }
    if number.is_zero() {
        return Some(Extended::ZERO);
    }
    let (top, more) = number.top();
    let exponent = exponent + i64::from(number.bits().saturating_sub(128)) - 4 * fraction.len() as i64;
    Extended::nearest(top, exponent as i32, more).filter(|n| !n.infinite)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Option<Extended> {
        Extended::parse(text.as_bytes())
    }

    fn sum(a: &str, b: &str) -> String {
        parse(a).and_then(|a| a.add(parse(b)?)).map_or("none".into(), Extended::to_text)
    }

    /// Answers of INCRBYFLOAT of Redis 7.0.15 on x86-64.
    #[test]
    fn sums_print_as_in_redis() {
        for (a, b, expected) in [
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("0.1", "0.2", "0.3"),
            ("3", "1.1", "4.1"),
            ("1", "-1", "0"),
            ("-0", "-0.0", "0"),
            ("1.5", "-1.5", "0"),
            ("0x10", "0x.8p1", "17"),
            ("1e-17", "0", "0.00000000000000001"),
            ("-1e-18", "0", "0"),
            ("17179869184.5", "1", "17179869185.5"),
            ("18446744073709551615", "1", "18446744073709551616"),
            ("1e30", "1", "1000000000000000000024696061952"),
            ("3.0000000000000000001", "0", "3"),
        ] {
            assert_eq!(sum(a, b), expected, "{a} + {b}");
        }
        assert_eq!(sum("inf", "1"), "none");
        assert_eq!(sum("1.18e4932", "1.18e4932"), "none");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            "+",
            ".",
            "e5",
            "1e",
            "1e+",
            "1.2.3",
            " 1",
            "1 ",
            "nan",
            "0x",
            "0x.",
            "0xg",
            "1f",
            "1e5000",
            "1e-5000",
            "1e99999999999999999999",
            "infin",
            "--1",
            "1\0",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        for text in ["1.", ".5", "+1", "1E5", "INFINITY", "0e99999999999", "0X1P3", "1e-4940"] {
            assert!(parse(text).is_some(), "{text:?}");
        }
        assert_eq!(parse(&"1".repeat(MAX_LEN)), None);
    }

    proptest! {
        /// Within 64 bits of mantissa sums of integers and of halves are exact.
        #[test]
        fn sums_of_integers_are_exact(a: i64, b: i64, half_a: bool, half_b: bool) {
            let text = |n: i64, half: bool| format!("{}{}", n >> 2, if half { ".5" } else { "" });
            let value = |n: i64, half: bool| {
                i128::from(n >> 2) * 2 + if half { if n >> 2 < 0 { -1 } else { 1 } } else { 0 }
            };
            let twice = value(a, half_a) + value(b, half_b);
            let expected = format!(
                "{}{}{}",
                if twice < 0 { "-" } else { "" },
                twice.unsigned_abs() / 2,
                if twice % 2 == 0 { "" } else { ".5" }
            );
            prop_assert_eq!(sum(&text(a, half_a), &text(b, half_b)), expected);
        }

        /// Below 64 the 17 decimals that are printed survive the 64 bits.
        #[test]
        fn short_decimals_print_back(whole in 0u64..64, fraction in "[0-9]{1,17}") {
            let text = format!("{whole}.{fraction}");
            let printed = text.trim_end_matches('0').trim_end_matches('.');
            prop_assert_eq!(sum(&text, "0"), printed);
        }

        #[test]
        fn any_bytes_are_parsed_or_refused(text: Vec<u8>, number in "[-+]?[0-9.]{1,30}(e[-+]?[0-9]{1,4})?") {
            for text in [&text[..], number.as_bytes()] {
                if let Some(value) = Extended::parse(text) {
                    value.add(value).map(Extended::to_text);
                }
            }
        }
    }
}
