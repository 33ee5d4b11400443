//! Lines that hold a number, and the search for their end.

/// A line with a number.
pub(super) enum Line {
    /// The number and where the next line starts.
    Number(i64, usize),
    /// The end of the line has not arrived.
    More,
    /// The line has no end within the limit.
    TooLong,
    /// The line is no number.
    Invalid,
}

/// Digits that the fast path reads; any longer number takes the slow path.
const FAST_DIGITS: usize = 7;

/// The number in the line that starts at `start`. `scanned` is where the search for its end
/// resumes; `limit` is the position up to which the end must come.
#[inline]
pub(super) fn number(buf: &[u8], start: usize, scanned: &mut usize, limit: usize) -> Line {
    let mut value = 0i64;
    for (i, &byte) in buf.get(start..).unwrap_or_default().iter().take(FAST_DIGITS + 1).enumerate() {
        match byte {
            b'0'..=b'9' => value = value * 10 + i64::from(byte - b'0'),
            b'\r' if i > 0 && start + i + 1 < buf.len() && (i == 1 || buf[start] != b'0') => {
                return Line::Number(value, start + i + 2);
            }
            _ => break,
        }
    }
    number_slow(buf, start, scanned, limit)
}

#[cold]
fn number_slow(buf: &[u8], start: usize, scanned: &mut usize, limit: usize) -> Line {
    match end(buf, scanned, b'\r', limit) {
        // The line break has two bytes; the second one is not looked at, as in Redis.
        Some(at) if at + 1 < buf.len() => match buf.get(start..at).and_then(integer) {
            Some(value) => Line::Number(value, at + 2),
            None => Line::Invalid,
        },
        Some(at) => {
            *scanned = at;
            Line::More
        }
        None if buf.len() > limit => Line::TooLong,
        None => Line::More,
    }
}

/// Position of the first `byte` from `scanned` on and up to `limit`; remembers the search.
pub(super) fn end(buf: &[u8], scanned: &mut usize, byte: u8, limit: usize) -> Option<usize> {
    let until = buf.len().min(limit.saturating_add(1));
    let from = (*scanned).min(until);
    let found = buf[from..until].iter().position(|&b| b == byte);
    *scanned = found.map_or(until, |at| from + at);
    found.map(|at| from + at)
}

/// A decimal number in the one form Redis accepts: no sign but `-`, no leading zeros, no spaces.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let zero = digits == b"0" && text.len() == 1;
    let plain = digits.first().is_some_and(|b| (b'1'..=b'9').contains(b));
    if !(zero || plain) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
