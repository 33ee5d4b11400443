//! Values for a client, such as our own command line.

use super::walk::{Head, Malformed, Shape, Walk, head, shape};

/// Deepest nesting of aggregates that is decoded.
pub const MAX_DEPTH: usize = 64;

/// A decoded reply.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// `+OK`.
    Status(String),
    /// `-ERR …`, without the mark.
    Error(String),
    /// An integer.
    Int(i64),
    /// A binary-safe string.
    Bulk(Vec<u8>),
    /// Any null.
    Null,
    /// An array.
    Array(Vec<Value>),
    /// A map, in the order it was sent.
    Map(Vec<(Value, Value)>),
    /// A set, in the order it was sent.
    Set(Vec<Value>),
    /// A message that answers no request.
    Push(Vec<Value>),
    /// A floating point number.
    Double(f64),
    /// A truth value.
    Bool(bool),
    /// An integer of any size, as text.
    Big(String),
    /// Text with its format.
    Verbatim(String, String),
}

impl Value {
    /// The text of a status, bulk string or verbatim string (lossily), `None` for other values.
    pub fn text(&self) -> Option<String> {
        match self {
            Value::Status(text) | Value::Verbatim(_, text) => Some(text.clone()),
            Value::Bulk(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        }
    }

    /// The value of a key in a map, or in the flat array that RESP2 sends in its place.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let is = |value: &Value| value.text().as_deref() == Some(key);
        match self {
            Value::Map(pairs) => pairs.iter().find(|(k, _)| is(k)).map(|(_, v)| v),
            Value::Array(flat) => flat.chunks_exact(2).find(|pair| is(&pair[0])).map(|pair| &pair[1]),
            _ => None,
        }
    }
}

/// Decodes values from the bytes of a connection, which may arrive in any pieces.
#[derive(Debug)]
pub struct Decoder {
    walk: Walk,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder { walk: Walk::new(0) }
    }
}

impl Decoder {
    /// The value at the start of `buf` and its length in bytes; `None` if it has not arrived. Until
    /// it has, the next call must show the same bytes and more; after it, those behind the value.
    pub fn next(&mut self, buf: &[u8]) -> Result<Option<(Value, usize)>, Malformed> {
        let Some(end) = self.walk.end(buf)? else { return Ok(None) };
        self.walk = Walk::new(0);
        let mut pos = 0;
        let value = decode(&buf[..end], &mut pos, 0)?;
        Ok(Some((value, end)))
    }
}

fn decode(buf: &[u8], pos: &mut usize, depth: usize) -> Result<Value, Malformed> {
    let at = *pos;
    let error = Malformed { at };
    let head = head(buf, at)?.ok_or(error)?;
    if depth > MAX_DEPTH {
        return Err(error);
    }
    *pos = head.next;
    match shape(&head, at)? {
        Shape::Null => Ok(Value::Null),
        Shape::Line => line(&head).ok_or(error),
        Shape::Body(len) => {
            let body = buf.get(head.next..head.next + len).ok_or(error)?;
            *pos = head.next + len + 2;
            body_value(head.mark, body).ok_or(error)
        }
        Shape::Values(count) => values(head.mark, count, buf, pos, depth),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn line(head: &Head<'_>) -> Option<Value> {
    Some(match head.mark {
        b'+' => Value::Status(text(head.text)),
        b'-' => Value::Error(text(head.text)),
        b':' => Value::Int(crate::parse::integer(head.text)?),
        b'_' => Value::Null,
        b'#' => Value::Bool(match head.text {
            b"t" => true,
            b"f" => false,
            _ => return None,
        }),
        b',' => Value::Double(std::str::from_utf8(head.text).ok()?.parse().ok()?),
        _ => Value::Big(text(head.text)),
    })
}

fn body_value(mark: u8, body: &[u8]) -> Option<Value> {
    Some(match mark {
        b'!' => Value::Error(text(body)),
        b'=' => {
            let (format, rest) = body.split_at_checked(4)?;
            Value::Verbatim(text(format.strip_suffix(b":")?), text(rest))
        }
        _ => Value::Bulk(body.to_vec()),
    })
}

fn values(mark: u8, count: usize, buf: &[u8], pos: &mut usize, depth: usize) -> Result<Value, Malformed> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(decode(buf, pos, depth + 1)?);
    }
    Ok(match mark {
        b'%' => {
            let mut pairs = Vec::with_capacity(all.len() / 2);
            let mut rest = all.into_iter();
            while let (Some(key), Some(value)) = (rest.next(), rest.next()) {
                pairs.push((key, value));
            }
            Value::Map(pairs)
        }
        b'~' => Value::Set(all),
        b'>' => Value::Push(all),
        // What an attribute says is of no use here; the value behind it is the answer.
        b'|' => all.pop().unwrap_or(Value::Null),
        _ => Value::Array(all),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(bytes: &[u8]) -> Value {
        let (value, len) = Decoder::default().next(bytes).expect("well formed").expect("complete");
        assert_eq!(len, bytes.len());
        value
    }

    #[test]
    fn every_type_is_decoded() {
        assert_eq!(one(b"+OK\r\n"), Value::Status("OK".into()));
        assert_eq!(one(b"-ERR x\r\n"), Value::Error("ERR x".into()));
        assert_eq!(one(b"!5\r\nERR y\r\n"), Value::Error("ERR y".into()));
        assert_eq!(one(b"$-1\r\n"), Value::Null);
        assert_eq!(
            one(b"*2\r\n:1\r\n$1\r\na\r\n"),
            Value::Array(vec![Value::Int(1), Value::Bulk(b"a".into())])
        );
        assert_eq!(one(b"#t\r\n"), Value::Bool(true));
        assert_eq!(one(b",inf\r\n"), Value::Double(f64::INFINITY));
        assert_eq!(one(b"(12\r\n"), Value::Big("12".into()));
        assert_eq!(one(b"=5\r\ntxt:a\r\n"), Value::Verbatim("txt".into(), "a".into()));
        assert_eq!(one(b"|1\r\n+k\r\n+v\r\n:5\r\n"), Value::Int(5));
        assert_eq!(one(b"~1\r\n_\r\n"), Value::Set(vec![Value::Null]));
        assert_eq!(one(b">1\r\n#f\r\n"), Value::Push(vec![Value::Bool(false)]));
        let map = one(b"%1\r\n+role\r\n+leader\r\n");
        assert_eq!(map.get("role"), Some(&Value::Status("leader".into())));
        assert_eq!(one(b"*2\r\n+a\r\n:1\r\n").get("a"), Some(&Value::Int(1)));
        assert_eq!(map.get("none"), None);
    }

    #[test]
    fn deep_nesting_is_refused_and_bounded_nesting_is_not() {
        let nested = |depth: usize| [b"*1\r\n".repeat(depth), b":1\r\n".to_vec()].concat();
        assert!(Decoder::default().next(&nested(MAX_DEPTH)).is_ok());
        assert!(Decoder::default().next(&nested(MAX_DEPTH + 1)).is_err());
        assert!(Decoder::default().next(&nested(100_000)).is_err());
        assert!(
            Decoder::default().next(b"#x\r\n").is_err() && Decoder::default().next(b"=2\r\nab\r\n").is_err()
        );
    }

    proptest! {
        #[test]
        fn any_bytes_in_pieces_give_the_same_or_are_refused(bytes: Vec<u8>, cut: prop::sample::Index) {
            let whole = Decoder::default().next(&bytes);
            let mut decoder = Decoder::default();
            let first = decoder.next(&bytes[..cut.index(bytes.len() + 1)]);
            if matches!(first, Ok(None)) {
                let (a, b) = (format!("{whole:?}"), format!("{:?}", decoder.next(&bytes)));
                prop_assert_eq!(a, b);
            }
        }
    }
}
