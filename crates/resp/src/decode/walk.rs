//! Walks encoded replies: where a value ends, the elements of an array, an integer.

use crate::parse::integer;

/// The bytes are no reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed reply at byte {at}")]
pub struct Malformed {
    /// Offset of the value that cannot be read.
    pub at: usize,
}

/// One line of a reply and what follows it.
pub(super) struct Head<'a> {
    /// The type byte.
    pub mark: u8,
    /// The rest of the line.
    pub text: &'a [u8],
    /// Where the next line, or the body, starts.
    pub next: usize,
}

/// Longest line of a reply that is searched for its end: statuses and errors are short.
const MAX_LINE: usize = 1024 * 1024;

/// The line at `at`; `None` if its end has not arrived.
pub(super) fn head(buf: &[u8], at: usize) -> Result<Option<Head<'_>>, Malformed> {
    let Some((&mark, rest)) = buf.get(at..).and_then(<[u8]>::split_first) else { return Ok(None) };
    let seen = &rest[..rest.len().min(MAX_LINE)];
    match seen.iter().position(|&b| b == b'\r') {
        Some(len) if rest.get(len + 1) == Some(&b'\n') => {
            Ok(Some(Head { mark, text: &rest[..len], next: at + len + 3 }))
        }
        Some(len) if len + 1 == rest.len() => Ok(None),
        None if rest.len() < MAX_LINE => Ok(None),
        _ => Err(Malformed { at }),
    }
}

/// What follows the first line of a value.
pub(super) enum Shape {
    /// Nothing: the value is its line.
    Line,
    /// A body of that many bytes and a line break.
    Body(usize),
    /// That many values.
    Values(usize),
    /// The null bulk string or null array of RESP2.
    Null,
}

/// Reads the length in a first line. `at` is for the error.
pub(super) fn shape(head: &Head<'_>, at: usize) -> Result<Shape, Malformed> {
    let length = || integer(head.text).ok_or(Malformed { at });
    let count = |factor: usize, extra: usize| {
        let len = usize::try_from(length()?).map_err(|_| Malformed { at })?;
        len.checked_mul(factor).and_then(|n| n.checked_add(extra)).ok_or(Malformed { at })
    };
    match head.mark {
        b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => Ok(Shape::Line),
        b'$' | b'*' if head.text == b"-1" => Ok(Shape::Null),
        b'$' | b'=' | b'!' => Ok(Shape::Body(count(1, 0)?)),
        b'*' | b'~' | b'>' => Ok(Shape::Values(count(1, 0)?)),
        b'%' => Ok(Shape::Values(count(2, 0)?)),
        // An attribute stands in front of the value it belongs to.
        b'|' => Ok(Shape::Values(count(2, 1)?)),
        _ => Err(Malformed { at }),
    }
}

/// Finds the end of a value, remembering how far it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    pos: usize,
    pending: usize,
}

impl Walk {
    /// At the start of a value.
    pub(super) fn new(at: usize) -> Walk {
        Walk { pos: at, pending: 1 }
    }

    /// The end of the value, `None` if it has not arrived.
    pub(super) fn end(&mut self, buf: &[u8]) -> Result<Option<usize>, Malformed> {
        while self.pending > 0 {
            let at = self.pos;
            let Some(head) = head(buf, at)? else { return Ok(None) };
            let mut pending = self.pending - 1;
            let next = match shape(&head, at)? {
                Shape::Line | Shape::Null => head.next,
                Shape::Values(count) => {
                    pending = pending.checked_add(count).ok_or(Malformed { at })?;
                    head.next
                }
                Shape::Body(len) => {
                    let end = head.next.checked_add(len).ok_or(Malformed { at })?;
                    match buf.get(end..).unwrap_or_default() {
                        [b'\r', b'\n', ..] => end + 2,
                        [] | [b'\r'] => return Ok(None),
                        _ => return Err(Malformed { at }),
                    }
                }
            };
            self.pending = pending;
            self.pos = next;
        }
        Ok(Some(self.pos))
    }
}

/// The length of the value at the start of `buf` in bytes, `None` if it is not all there.
pub fn value_len(buf: &[u8]) -> Result<Option<usize>, Malformed> {
    Walk::new(0).end(buf)
}

/// True if the reply is an error.
#[inline]
pub fn is_error(reply: &[u8]) -> bool {
    matches!(reply.first(), Some(b'-' | b'!'))
}

/// The integer that the reply is.
pub fn read_int(reply: &[u8]) -> Result<i64, Malformed> {
    match head(reply, 0)? {
        Some(Head { mark: b':', text, next }) if next == reply.len() => {
            integer(text).ok_or(Malformed { at: 0 })
        }
        _ => Err(Malformed { at: 0 }),
    }
}

/// The elements of an array, a set or a push, each still encoded.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    buf: &'a [u8],
    pos: usize,
    left: usize,
}

/// The elements of the array, set or push that the reply is.
pub fn elements(reply: &[u8]) -> Result<Elements<'_>, Malformed> {
    let head = head(reply, 0)?.ok_or(Malformed { at: 0 })?;
    match (head.mark, shape(&head, 0)?) {
        (b'*' | b'~' | b'>', Shape::Values(left)) => Ok(Elements { buf: reply, pos: head.next, left }),
        _ => Err(Malformed { at: 0 }),
    }
}

impl Elements<'_> {
    /// How many elements are still to come, by the array's own count.
    pub fn left(&self) -> usize {
        self.left
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<&'a [u8], Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let start = self.pos;
        match Walk::new(start).end(self.buf) {
            Ok(Some(end)) => {
                self.pos = end;
                Some(Ok(&self.buf[start..end]))
            }
            Ok(None) => {
                self.left = 0;
                Some(Err(Malformed { at: start }))
            }
            Err(error) => {
                self.left = 0;
                Some(Err(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_type_are_skipped() {
        let value =
            b"*9\r\n+a\r\n-ERR\r\n:1\r\n$2\r\n\r\n\r\n*-1\r\n$-1\r\n_\r\n%1\r\n#t\r\n,1.5\r\n~1\r\n(123\r\n";
        let whole = [&value[..], b"+rest\r\n"].concat();
        assert_eq!(value_len(&whole), Ok(Some(value.len())));
        for len in 0..value.len() {
            assert_eq!(value_len(&value[..len]), Ok(None), "cut at {len}");
        }
        assert_eq!(value_len(b"|1\r\n+k\r\n+v\r\n:5\r\n"), Ok(Some(16)));
        assert_eq!(value_len(b"=7\r\ntxt:abc\r\n!3\r\nERR\r\n"), Ok(Some(13)));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "x\r\n",
            "$a\r\n",
            "$-2\r\n",
            "*-2\r\n",
            "%-1\r\n",
            "$1\r\nabc",
            "*99999999999999999999\r\n",
            "+a\rb",
        ] {
            assert!(value_len(bad.as_bytes()).is_err(), "{bad:?}");
        }
        let deep = "*9223372036854775807\r\n".repeat(4);
        assert!(value_len(deep.as_bytes()).is_err());
    }

    #[test]
    fn arrays_are_split_and_integers_read() {
        let parts: Vec<_> = elements(b"*3\r\n$1\r\na\r\n*1\r\n:1\r\n$-1\r\n").expect("an array").collect();
        assert_eq!(parts, [Ok(&b"$1\r\na\r\n"[..]), Ok(b"*1\r\n:1\r\n"), Ok(b"$-1\r\n")]);
        let cut: Vec<_> = elements(b"*3\r\n:1\r\n:").expect("an array").collect();
        assert_eq!(cut, [Ok(&b":1\r\n"[..]), Err(Malformed { at: 8 })]);
        assert!(elements(b"$1\r\na\r\n").is_err() && elements(b"*-1\r\n").is_err());
        assert_eq!(read_int(b":-7\r\n"), Ok(-7));
        assert!(read_int(b":1\r\n:2\r\n").is_err() && read_int(b"+1\r\n").is_err());
        assert!(is_error(b"-ERR x\r\n") && !is_error(b"+OK\r\n"));
    }
}
