//! Walks over elements in steps: HSCAN, SSCAN; and what they share with SCAN.

use super::{glob, integer};
use crate::collection::Pair;
use crate::data::{Context, Done, Stop};

/// Elements visited by one call without COUNT.
const DEFAULT_COUNT: usize = 10;

/// A cursor argument.
///
/// # Errors
/// `ERR invalid cursor`.
pub(super) fn cursor(text: &[u8]) -> Result<u64, Stop> {
    parse_cursor(text).ok_or(Stop::error("ERR invalid cursor"))
}

/// What `strtoul` takes for a number, as Redis reads cursors: an empty text is 0, a sign is allowed.
fn parse_cursor(text: &[u8]) -> Option<u64> {
    let (negative, digits) = match integer::before_zero(text) {
        [] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(if negative { value.wrapping_neg() } else { value })
}

/// The options that every walk has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WalkOptions {
    /// Elements to visit, at least 1.
    pub count: usize,
    /// MATCH: a glob pattern, `None` = every name.
    pub pattern: Option<Vec<u8>>,
}

impl WalkOptions {
    /// Reads `[MATCH pattern] [COUNT n]`, and gives `other` what it does not know: name and value.
    ///
    /// # Errors
    /// A syntax error (also for a COUNT below 1), or a COUNT that is no integer.
    pub fn parse(args: &[&[u8]], mut other: impl FnMut(&[u8], &[u8]) -> Done) -> Result<WalkOptions, Stop> {
        let mut options = WalkOptions { count: DEFAULT_COUNT, pattern: None };
        for option in args.chunks(2) {
            let [name, value] = option else { return Err(Stop::SYNTAX) };
            if name.eq_ignore_ascii_case(b"count") {
                let count = integer::argument(value)?;
                options.count = usize::try_from(count).ok().filter(|n| *n > 0).ok_or(Stop::SYNTAX)?;
            } else if name.eq_ignore_ascii_case(b"match") {
                options.pattern = (*value != b"*").then(|| value.to_vec());
            } else {
                other(name, value)?;
            }
        }
        Ok(options)
    }

    /// Whether a name belongs into the answer.
    pub fn accept(&self, name: &[u8]) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| glob::matches(pattern, name))
    }
}

/// `HSCAN key cursor [MATCH pattern] [COUNT n]` over a collection of this kind: the cursor to go on at, and the
/// elements as `write` answers each, which is `parts` values.
///
/// As in Redis the options of an absent key are not looked at.
pub(super) fn walk(
    c: &mut Context<'_>,
    args: &[&[u8]],
    kind: u8,
    (parts, write): (usize, impl Fn(&mut dyn model::Reply, Pair<'_>)),
) -> Done {
    let cursor = cursor(args[2])?;
    let key = c.data.key(args[1]);
    let elements = c.data.elements(key, kind)?;
    let (mut found, mut next) = (Vec::new(), 0);
    if !elements.is_empty() {
        let options = WalkOptions::parse(&args[3..], |_, _| Err(Stop::SYNTAX))?;
        next = elements.scan(cursor, options.count, |pair| {
            if options.accept(pair.0) {
                found.push(pair);
            }
        });
    }
    c.reply.array(2);
    c.reply.bulk(itoa::Buffer::new().format(next).as_bytes());
    c.reply.array(found.len() * parts);
    found.into_iter().for_each(|pair| write(c.reply, pair));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_like_strtoul() {
        for (text, cursor) in [
            ("0", Some(0)),
            ("", Some(0)),
            ("007", Some(7)),
            ("+5", Some(5)),
            ("-1", Some(u64::MAX)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-", None),
            ("x", None),
            ("1x", None),
            (" 1", None),
        ] {
            assert_eq!(parse_cursor(text.as_bytes()), cursor, "{text:?}");
        }
    }
}
