//! Just enough of RESP2 to read replies.

/// One reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wire {
    /// `+`
    Simple(String),
    /// `-`
    Error(String),
    /// `:`
    Int(i64),
    /// `$`; none = nil.
    Bulk(Option<Box<[u8]>>),
    /// `*`
    Array(Vec<Wire>),
}

/// What bytes of a node begin with.
#[derive(Debug, PartialEq, Eq)]
pub enum First {
    /// A whole reply, and its length.
    Whole(Wire, usize),
    /// The beginning of one.
    Part,
    /// No reply.
    Nonsense,
}

/// The first reply.
pub fn first(bytes: &[u8]) -> First {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else { return First::Part };
    if end == 0 {
        return First::Nonsense;
    }
    let line = String::from_utf8_lossy(&bytes[1..end]).into_owned();
    let used = end + 2;
    let Ok(number) = line.parse::<i64>() else {
        return match bytes[0] {
            b'+' => First::Whole(Wire::Simple(line), used),
            b'-' => First::Whole(Wire::Error(line), used),
            _ => First::Nonsense,
        };
    };
    match bytes[0] {
        b'+' => First::Whole(Wire::Simple(line), used),
        b':' => First::Whole(Wire::Int(number), used),
        b'$' | b'*' if number < 0 => First::Whole(Wire::Bulk(None), used),
        b'$' => match bytes.get(used..used + number as usize + 2) {
            Some(content) => {
                let content = content[..number as usize].into();
                First::Whole(Wire::Bulk(Some(content)), used + number as usize + 2)
            }
            None => First::Part,
        },
        b'*' => array(bytes, used, number),
        _ => First::Nonsense,
    }
}

fn array(bytes: &[u8], mut used: usize, count: i64) -> First {
    let mut parts = Vec::new();
    for _ in 0..count {
        match first(&bytes[used..]) {
            First::Whole(part, len) => {
                parts.push(part);
                used += len;
            }
            other => return other,
        }
    }
    First::Whole(Wire::Array(parts), used)
}

/// A command as clients send it.
pub fn encode(args: &[Vec<u8>], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for arg in args {
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_whole_or_not_at_all() {
        let bytes = b"*3\r\n$2\r\nab\r\n$-1\r\n:7\r\n+OK\r\n";
        let parts = vec![Wire::Bulk(Some(b"ab"[..].into())), Wire::Bulk(None), Wire::Int(7)];
        for cut in 0..bytes.len() - 5 {
            assert_eq!(first(&bytes[..cut]), First::Part, "{cut}");
        }
        assert_eq!(first(bytes), First::Whole(Wire::Array(parts), bytes.len() - 5));
        assert_eq!(first(b"-ERR x\r\n"), First::Whole(Wire::Error("ERR x".into()), 8));
        assert_eq!(first(b"what\r\n"), First::Nonsense);
    }
}
