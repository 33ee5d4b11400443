//! Replies as values to compare and as text to read. `cargo xtask parity` reads replies with it too.

/// Bytes of a string that are shown.
const SHOWN: usize = 80;

/// A reply, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Anything of one line, with its first byte: status, error, number, null.
    Line(String),
    /// A string.
    Bulk(Vec<u8>),
    /// An aggregate with its first byte and its announced length; a map has twice as many parts.
    Many(char, Vec<Value>),
}

impl Value {
    /// Reads a value and says how many bytes it took; `None` while it is not complete.
    pub fn read(bytes: &[u8]) -> Option<(Value, usize)> {
        let end = bytes.windows(2).position(|w| w == b"\r\n")?;
        let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let (mark, rest) = line.split_at(1);
        let mut used = end + 2;
        let len = rest.parse::<usize>();
        match (mark, len) {
            ("$" | "=", Ok(len)) => {
                let content = bytes.get(used..used + len)?.to_vec();
                bytes.get(used + len..used + len + 2)?;
                Some((Value::Bulk(content), used + len + 2))
            }
            ("*" | "%" | "~", Ok(len)) => {
                let mut parts = Vec::new();
                for _ in 0..if mark == "%" { 2 * len } else { len } {
                    let (part, part_used) = Value::read(&bytes[used..])?;
                    used += part_used;
                    parts.push(part);
                }
                Some((Value::Many(mark.chars().next()?, parts), used))
            }
            _ => Some((Value::Line(line), used)),
        }
    }

    /// The lines of its text: parts of an aggregate follow it, indented.
    pub fn render(&self) -> Vec<String> {
        match self {
            Value::Line(line) => vec![line.clone()],
            Value::Bulk(bytes) if bytes.len() > SHOWN => {
                vec![format!("\"{}…\" {} bytes", bytes[..SHOWN].escape_ascii(), bytes.len())]
            }
            Value::Bulk(bytes) => vec![format!("\"{}\"", bytes.escape_ascii())],
            Value::Many(mark, parts) => {
                let len = if *mark == '%' { parts.len() / 2 } else { parts.len() };
                let mut lines = vec![format!("{mark}{len}")];
                lines.extend(parts.iter().flat_map(Value::render).map(|line| format!("  {line}")));
                lines
            }
        }
    }

    /// The same with the parts of every aggregate in order.
    pub fn sorted(self) -> Value {
        match self {
            Value::Many(mark, parts) => {
                let mut parts: Vec<_> = parts.into_iter().map(Value::sorted).collect();
                parts.sort();
                Value::Many(mark, parts)
            }
            other => other,
        }
    }

    /// True when the values are equal but for integers that differ by at most `slack`.
    pub fn near(&self, other: &Value, slack: u64) -> bool {
        let int = |line: &str| line.strip_prefix(':').and_then(|n| n.parse::<i64>().ok());
        match (self, other) {
            (Value::Many(a, x), Value::Many(b, y)) => {
                a == b && x.len() == y.len() && x.iter().zip(y).all(|(x, y)| x.near(y, slack))
            }
            (Value::Line(a), Value::Line(b)) => match (int(a), int(b)) {
                (Some(a), Some(b)) => (a < 0) == (b < 0) && a.abs_diff(b) <= slack,
                _ => a == b,
            },
            _ => self == other,
        }
    }

    pub fn is_error(&self) -> bool {
        matches!(self, Value::Line(line) if line.starts_with('-'))
    }
}
