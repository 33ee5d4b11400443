//! What a node or a Redis answers over RESP2, byte by byte as it came.

use std::io::{BufRead, Read};

/// Longest line: a status or an error is far below.
const MAX_LINE: u64 = 1 << 20;
/// Deepest nesting of arrays that is read.
const MAX_DEPTH: u32 = 8;

/// One reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Null bulk string or array.
    Nil,
    /// Integer.
    Integer(i64),
    /// Simple or bulk string.
    Text(Vec<u8>),
    /// A bulk string of so many bytes, more than the reader takes: they were skipped.
    TooLong(u64),
    /// Array.
    Array(Vec<Reply>),
    /// An error.
    Error(String),
}

impl Reply {
    /// Reads one reply, whose bulk strings are kept up to `max_bulk` bytes.
    ///
    /// # Errors
    /// The connection fails or is over, or what comes is no reply.
    pub fn read(reader: &mut impl BufRead, max_bulk: usize) -> std::io::Result<Reply> {
        read(reader, max_bulk, 0)
    }
}

fn read(reader: &mut impl BufRead, max_bulk: usize, depth: u32) -> std::io::Result<Reply> {
    let mut line = Vec::new();
    reader.take(MAX_LINE).read_until(b'\n', &mut line)?;
    if !line.ends_with(b"\r\n") {
        return Err(ended());
    }
    line.truncate(line.len() - 2);
    let Some((kind, rest)) = line.split_first() else { return Err(malformed("an empty line")) };
    let text = || String::from_utf8_lossy(rest);
    let number = || text().parse::<i64>().map_err(|_| malformed("not a number"));
    Ok(match kind {
        b'+' => Reply::Text(rest.to_vec()),
        b'-' => Reply::Error(text().into_owned()),
        b':' => Reply::Integer(number()?),
        b'$' => match number()? {
            -1 => Reply::Nil,
            length => read_bulk(reader, length, max_bulk)?,
        },
        b'*' if depth >= MAX_DEPTH => return Err(malformed("arrays nested too deeply")),
        b'*' => match number()? {
            -1 => Reply::Nil,
            length => {
                let items: std::io::Result<Vec<Reply>> =
                    (0..length).map(|_| read(reader, max_bulk, depth + 1)).collect();
                Reply::Array(items?)
            }
        },
        _ => return Err(malformed("not a Redis reply")),
    })
}

fn read_bulk(reader: &mut impl BufRead, length: i64, max_bulk: usize) -> std::io::Result<Reply> {
    let length = u64::try_from(length).map_err(|_| malformed("a bulk string of impossible length"))?;
    let kept = usize::try_from(length).ok().filter(|length| *length <= max_bulk);
    let reply = match kept {
        Some(length) => {
            let mut bytes = vec![0; length];
            reader.read_exact(&mut bytes)?;
            Reply::Text(bytes)
        }
        None => {
            if std::io::copy(&mut reader.take(length), &mut std::io::sink())? < length {
                return Err(ended());
            }
            Reply::TooLong(length)
        }
    };
    let mut end = [0; 2];
    reader.read_exact(&mut end)?;
    if end == *b"\r\n" { Ok(reply) } else { Err(malformed("a bulk string without an end")) }
}

fn ended() -> std::io::Error {
    let text = "the connection was closed before the reply was complete";
    std::io::Error::new(std::io::ErrorKind::UnexpectedEof, text)
}

fn malformed(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, format!("bad reply: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut bytes: &[u8]) -> std::io::Result<Reply> {
        Reply::read(&mut bytes, 8)
    }

    #[test]
    fn every_reply_type_is_read() {
        assert_eq!(read(b"+OK\r\n").unwrap(), Reply::Text(b"OK".to_vec()));
        assert_eq!(read(b"-ERR no\r\n").unwrap(), Reply::Error("ERR no".into()));
        assert_eq!(read(b":-7\r\n").unwrap(), Reply::Integer(-7));
        assert_eq!(read(b"$4\r\n\r\n\xff\0\r\n").unwrap(), Reply::Text(b"\r\n\xff\0".to_vec()));
        assert_eq!(read(b"$-1\r\n").unwrap(), Reply::Nil);
        let nested = read(b"*2\r\n*1\r\n:1\r\n-ERR x\r\n").unwrap();
        let inner = Reply::Array(vec![Reply::Integer(1)]);
        assert_eq!(nested, Reply::Array(vec![inner, Reply::Error("ERR x".into())]));
    }

    #[test]
    fn a_longer_string_than_wanted_is_skipped() {
        let mut bytes = &b"$9\r\n123456789\r\n:1\r\n"[..];
        assert_eq!(Reply::read(&mut bytes, 8).unwrap(), Reply::TooLong(9));
        assert_eq!(Reply::read(&mut bytes, 8).unwrap(), Reply::Integer(1));
    }

    #[test]
    fn nonsense_is_an_error_and_not_a_hang_or_a_panic() {
        let deep = b"*1\r\n".repeat(100);
        let bad = [
            &b""[..],
            b"\r\n",
            b"HTTP/1.1 200\r\n",
            b"$99999999999\r\n",
            b"$-2\r\n",
            b":x\r\n",
            b"$5\r\nab",
            b"$1\r\nabc",
            &deep,
        ];
        for bad in bad {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
