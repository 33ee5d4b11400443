//! Ids of entries: milliseconds and a number, ordered in this way. As the name of an element 16 bytes, big-endian,
//! so that their order is that of the ids.

use crate::commands::integer;
use crate::data::Stop;
use model::Reply;
use std::fmt;

/// Most bytes of an id in a command, as in Redis.
const MAX_LEN: usize = 127;

/// Most bytes of an id as text: two numbers of 20 digits and a dash.
const MAX_TEXT: usize = 41;

const INVALID: Stop =
    Stop::Error(std::borrow::Cow::Borrowed("ERR Invalid stream ID specified as stream command argument"));

/// See above.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    /// Usually ms since 1970 at which the entry came.
    pub ms: u64,
    /// Number among the entries of that ms.
    pub seq: u64,
}

/// What an id in a command leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    /// Nothing.
    Whole(Id),
    /// `ms-*`: the number.
    Time(u64),
}

impl Id {
    /// The lowest one, which no entry has.
    pub const MIN: Id = Id { ms: 0, seq: 0 };
    /// The highest one.
    pub const MAX: Id = Id { ms: u64::MAX, seq: u64::MAX };

    /// As the name of an element.
    pub fn name(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    /// Of the name of an element; [`Id::MIN`] of what is none.
    pub fn of_name(name: &[u8]) -> Id {
        let both = name.try_into().map_or(0, u128::from_be_bytes);
        Id { ms: (both >> 64) as u64, seq: both as u64 }
    }

    /// Answers with it, written as [`fmt::Display`] does.
    pub fn answer(self, reply: &mut dyn Reply) {
        let mut text = [0; MAX_TEXT];
        let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (ms, seq) = (ms.format(self.ms).as_bytes(), seq.format(self.seq).as_bytes());
        let len = ms.len() + 1 + seq.len();
        text[..ms.len()].copy_from_slice(ms);
        text[ms.len()] = b'-';
        text[ms.len() + 1..len].copy_from_slice(seq);
        reply.bulk(&text[..len]);
    }

    /// The next higher one.
    pub fn next(self) -> Option<Id> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Id { seq, ..self }),
            None => self.ms.checked_add(1).map(|ms| Id { ms, seq: 0 }),
        }
    }

    /// The next lower one.
    pub fn before(self) -> Option<Id> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(Id { seq, ..self }),
            None => self.ms.checked_sub(1).map(|ms| Id { ms, seq: u64::MAX }),
        }
    }

    /// The id that an entry gets at this time (ms) behind the last one; `None` behind the highest.
    pub fn behind(last: Id, now: u64) -> Option<Id> {
        if now > last.ms { Some(Id { ms: now, seq: 0 }) } else { last.next() }
    }

    /// An id in a command: `ms-number`, or `ms` alone with this number.
    ///
    /// # Errors
    /// What is none, in Redis's words.
    pub fn parse(arg: &[u8], missing: u64) -> Result<Id, Stop> {
        let (ms, seq) = parts(arg).ok_or(INVALID)?;
        let seq = seq.map_or(Some(missing), number);
        Ok(Id { ms: number(ms).ok_or(INVALID)?, seq: seq.ok_or(INVALID)? })
    }

    /// The same where the number may be `*`; it is 0 if it is not there.
    ///
    /// # Errors
    /// As [`Id::parse`].
    pub fn parse_open(arg: &[u8]) -> Result<Given, Stop> {
        match parts(arg) {
            Some((ms, Some(b"*"))) => number(ms).map(Given::Time).ok_or(INVALID),
            _ => Id::parse(arg, 0).map(Given::Whole),
        }
    }

    /// An end of an interval: `-` and `+` are the lowest and the highest.
    ///
    /// # Errors
    /// As [`Id::parse`].
    pub fn parse_end(arg: &[u8], missing: u64) -> Result<Id, Stop> {
        match integer::before_zero(arg) {
            b"-" => Ok(Id::MIN),
            b"+" => Ok(Id::MAX),
            _ => Id::parse(arg, missing),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// What is before the first dash, and what is behind it.
fn parts(arg: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    if arg.len() > MAX_LEN {
        return None;
    }
    let arg = integer::before_zero(arg);
    let dash = arg.iter().position(|byte| *byte == b'-');
    Some(match dash {
        Some(at) => (&arg[..at], Some(&arg[at + 1..])),
        None => (arg, None),
    })
}

/// A number as Redis reads those of ids: what is no canonical integer is left to `strtoull`, which skips spaces,
/// takes a sign and negates in 64 bits.
fn number(text: &[u8]) -> Option<u64> {
    if let Some(value) = integer::parse(text) {
        return u64::try_from(value).ok();
    }
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |value: u64, byte: &u8| value.checked_mul(10)?.checked_add(u64::from(byte - b'0'));
    let value = digits.iter().try_fold(0, digit)?;
    Some(if negative { value.wrapping_neg() } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_are_read_as_redis_reads_them() {
        let max = u64::MAX;
        for (text, ms, seq) in [
            ("5", 5, 77),
            ("5-0", 5, 0),
            ("0-0", 0, 0),
            ("007-+8", 7, 8),
            (" 7- 8", 7, 8),
            ("1--05", 1, max - 4),
            ("18446744073709551615-18446744073709551615", max, max),
        ] {
            assert_eq!(Id::parse(text.as_bytes(), 77), Ok(Id { ms, seq }), "{text:?}");
        }
        let long = format!("{}1-1", "0".repeat(125));
        for text in [
            "",
            "-",
            "+",
            "-5",
            "5-",
            "x",
            "5-x",
            "5-*",
            "*",
            "1--5",
            "1-2-3",
            "5 ",
            "18446744073709551616",
            &long,
        ] {
            assert_eq!(Id::parse(text.as_bytes(), 0), Err(INVALID), "{text:?}");
        }
        assert_eq!(Id::parse_open(b"5-*"), Ok(Given::Time(5)));
        assert_eq!(Id::parse_open(b"5"), Ok(Given::Whole(Id { ms: 5, seq: 0 })));
        assert_eq!(Id::parse_open(b"x-*"), Err(INVALID));
        assert_eq!((Id::parse_end(b"-", 1), Id::parse_end(b"+", 1)), (Ok(Id::MIN), Ok(Id::MAX)));
    }

    #[test]
    fn ids_follow_the_clock_but_never_go_back() {
        let id = |ms, seq| Id { ms, seq };
        assert_eq!(Id::behind(id(5, 3), 6), Some(id(6, 0)));
        assert_eq!(Id::behind(id(5, 3), 5), Some(id(5, 4)));
        assert_eq!(Id::behind(id(5, u64::MAX), 4), Some(id(6, 0)));
        assert_eq!(Id::behind(Id::MAX, 4), None);
    }

    proptest! {
        #[test]
        fn names_keep_the_order_and_ids_print_back(a: (u64, u64), b: (u64, u64)) {
            let (a, b) = (Id { ms: a.0, seq: a.1 }, Id { ms: b.0, seq: b.1 });
            prop_assert_eq!(a.name().cmp(&b.name()), a.cmp(&b));
            prop_assert_eq!(Id::of_name(&a.name()), a);
            prop_assert_eq!(Id::parse(a.to_string().as_bytes(), 0), Ok(a));
            prop_assert_eq!(a.next().and_then(Id::before), a.next().map(|_| a));
        }
    }
}
