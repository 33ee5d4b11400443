//! Replies as RESP bytes, as values to compare and as text to read.

use model::Reply;

/// Bytes of a string that are shown.
const SHOWN: usize = 80;

/// Collects a reply in RESP2 or RESP3, as a real front would write it.
pub struct Recorder {
    pub out: Vec<u8>,
    resp3: bool,
}

impl Recorder {
    pub fn new(resp3: bool) -> Recorder {
        Recorder { out: Vec::new(), resp3 }
    }

    fn line(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }
}

impl Reply for Recorder {
    fn status(&mut self, text: &str) {
        self.line(&format!("+{text}"));
    }
    fn error(&mut self, text: &str) {
        self.line(&format!("-{}", text.replace(['\r', '\n'], " ")));
    }
    fn int(&mut self, value: i64) {
        self.line(&format!(":{value}"));
    }
    fn bulk(&mut self, bytes: &[u8]) {
        self.line(&format!("${}", bytes.len()));
        self.out.extend_from_slice(bytes);
        self.line("");
    }
    fn null(&mut self) {
        self.line(if self.resp3 { "_" } else { "$-1" });
    }
    fn null_array(&mut self) {
        self.line(if self.resp3 { "_" } else { "*-1" });
    }
    fn array(&mut self, len: usize) {
        self.line(&format!("*{len}"));
    }
    fn map(&mut self, len: usize) {
        self.line(&if self.resp3 { format!("%{len}") } else { format!("*{}", 2 * len) });
    }
    fn set(&mut self, len: usize) {
        self.line(&format!("{}{len}", if self.resp3 { '~' } else { '*' }));
    }
    fn pairs(&mut self, len: usize) {
        self.array(if self.resp3 { len } else { 2 * len });
    }
    fn pair(&mut self) {
        if self.resp3 {
            self.array(2);
        }
    }
    fn double_text(&mut self, text: &str) {
        if self.resp3 { self.line(&format!(",{text}")) } else { self.bulk(text.as_bytes()) }
    }
    fn boolean(&mut self, value: bool) {
        if self.resp3 { self.line(if value { "#t" } else { "#f" }) } else { self.int(value.into()) }
    }
    fn verbatim(&mut self, format: &str, text: &str) {
        if self.resp3 {
            self.line(&format!("={}\r\n{format}:{text}", text.len() + 4));
        } else {
            self.bulk(text.as_bytes());
        }
    }
    fn encoded(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }
    fn written(&self) -> usize {
        self.out.len()
    }
    fn truncate(&mut self, written: usize) {
        self.out.truncate(written);
    }
}

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
