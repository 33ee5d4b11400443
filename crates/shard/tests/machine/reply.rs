//! A reply as plain text.

use model::Reply;

/// Collects a reply so that a test can compare it.
#[derive(Default)]
pub struct Text(pub Vec<u8>);

impl Text {
    fn line(&mut self, mark: char, bytes: &[u8]) {
        self.0.push(mark as u8);
        self.0.extend_from_slice(bytes);
        self.0.push(b'\n');
    }
}

impl Reply for Text {
    fn status(&mut self, text: &str) {
        self.line('+', text.as_bytes());
    }
    fn error(&mut self, text: &str) {
        self.line('-', text.as_bytes());
    }
    fn int(&mut self, value: i64) {
        self.line(':', value.to_string().as_bytes());
    }
    fn bulk(&mut self, bytes: &[u8]) {
        self.line('$', bytes);
    }
    fn null(&mut self) {
        self.line('_', b"");
    }
    fn null_array(&mut self) {
        self.line('_', b"*");
    }
    fn array(&mut self, len: usize) {
        self.line('*', len.to_string().as_bytes());
    }
    fn map(&mut self, len: usize) {
        self.line('%', len.to_string().as_bytes());
    }
    fn set(&mut self, len: usize) {
        self.line('~', len.to_string().as_bytes());
    }
    fn pairs(&mut self, len: usize) {
        self.array(len);
    }
    fn pair(&mut self) {
        self.array(2);
    }
    fn map_of_pairs(&mut self, len: usize) {
        self.map(len);
    }
    fn map_pair(&mut self) {}
    fn double_text(&mut self, text: &str) {
        self.line(',', text.as_bytes());
    }
    fn boolean(&mut self, value: bool) {
        self.line('#', value.to_string().as_bytes());
    }
    fn verbatim(&mut self, format: &str, text: &str) {
        self.line('=', format!("{format}:{text}").as_bytes());
    }
    fn encoded(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
    fn written(&self) -> usize {
        self.0.len()
    }
    fn truncate(&mut self, written: usize) {
        self.0.truncate(written);
    }
}
