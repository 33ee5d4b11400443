//! Replies as RESP bytes.

use model::Reply;

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
    fn map_of_pairs(&mut self, len: usize) {
        if self.resp3 { self.map(len) } else { self.array(len) }
    }
    fn map_pair(&mut self) {
        if !self.resp3 {
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
