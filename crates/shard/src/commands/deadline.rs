//! Times of expiry in commands: what is allowed and how it becomes a point in shard time.

use super::integer;
use crate::data::Stop;

/// How a command gives a time of expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    /// Milliseconds in one unit: 1 or 1000.
    pub ms: i64,
    /// Counted from now, not from 1970.
    pub relative: bool,
}

impl Unit {
    pub const SECONDS: Unit = Unit { ms: 1000, relative: true };
    pub const MILLISECONDS: Unit = Unit { ms: 1, relative: true };
    pub const UNIX_SECONDS: Unit = Unit { ms: 1000, relative: false };
    pub const UNIX_MILLISECONDS: Unit = Unit { ms: 1, relative: false };

    /// The time in ms since 1970 that `amount` of this unit means; `None` when it overflows upwards
    /// or in the conversion to ms.
    pub fn at(self, amount: i64, now: u64) -> Option<i64> {
        let base = if self.relative { now as i64 } else { 0 };
        amount.checked_mul(self.ms)?.checked_add(base)
    }
}

/// The error of a time of expiry that is out of range.
pub(super) fn invalid(command: &str) -> Stop {
    Stop::error(format!("ERR invalid expire time in '{command}' command"))
}

/// The time of expiry of a value that is set: it must be positive, both as given and in the end.
pub(super) fn positive(amount: &[u8], unit: Unit, now: u64, command: &str) -> Result<u64, Stop> {
    let amount = integer::argument(amount)?;
    let at = unit.at(amount, now).filter(|&at| amount > 0 && at > 0);
    at.map(|at| at as u64).ok_or_else(|| invalid(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_a_deadline() {
        let at = |text: &str, unit| positive(text.as_bytes(), unit, 1_000, "set");
        assert_eq!(at("2", Unit::SECONDS), Ok(3_000));
        assert_eq!(at("2", Unit::UNIX_MILLISECONDS), Ok(2));
        assert_eq!(at("9223372036854774807", Unit::MILLISECONDS), Ok(i64::MAX as u64));
        for (text, unit) in [
            ("9223372036854774808", Unit::MILLISECONDS),
            ("9223372036854776", Unit::UNIX_SECONDS),
            ("0", Unit::SECONDS),
            ("-1", Unit::UNIX_SECONDS),
        ] {
            assert_eq!(at(text, unit), Err(invalid("set")), "{text} {unit:?}");
        }
        assert_eq!(at("1.5", Unit::SECONDS), Err(Stop::NOT_INTEGER));
    }
}
