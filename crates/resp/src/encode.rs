//! Replies as RESP2 and RESP3 write them.

use model::Reply;

/// The version of the protocol that a connection speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Proto {
    /// RESP2, the protocol of every connection until `HELLO 3`.
    #[default]
    Resp2,
    /// RESP3.
    Resp3,
}

impl Proto {
    /// 2 or 3.
    pub fn number(self) -> i64 {
        match self {
            Proto::Resp2 => 2,
            Proto::Resp3 => 3,
        }
    }
}

/// Writes replies to the end of a buffer.
#[derive(Debug)]
pub struct Resp<'a> {
    /// The connection's reply buffer.
    pub buf: &'a mut Vec<u8>,
    /// The connection's protocol.
    pub proto: Proto,
}

/// Appends `mark`, the text with line breaks turned into spaces (those at its end are dropped, as
/// in Redis), and a line break.
pub(crate) fn put_line(out: &mut Vec<u8>, mark: u8, text: &[u8]) {
    let end = text.iter().rposition(|b| !matches!(b, b'\r' | b'\n')).map_or(0, |last| last + 1);
    out.push(mark);
    let start = out.len();
    out.extend_from_slice(&text[..end]);
    for byte in &mut out[start..] {
        if matches!(*byte, b'\r' | b'\n') {
            *byte = b' ';
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends `mark`, a number and a line break.
#[inline]
fn put_number(out: &mut Vec<u8>, mark: u8, value: i64) {
    if (0..10).contains(&value) {
        out.extend_from_slice(&[mark, b'0' + value as u8, b'\r', b'\n']);
        return;
    }
    out.push(mark);
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[inline]
fn put_bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.len() < 10 {
        // Put together first: replies of many short elements are mostly this.
        let mut whole = *b"$0\r\n............";
        whole[1] += bytes.len() as u8;
        whole[4..4 + bytes.len()].copy_from_slice(bytes);
        whole[4 + bytes.len()..6 + bytes.len()].copy_from_slice(b"\r\n");
        let end = out.len() + 6 + bytes.len();
        out.extend_from_slice(&whole);
        out.truncate(end);
        return;
    }
    out.reserve(bytes.len() + 16);
    put_number(out, b'$', bytes.len() as i64);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Appends a request as clients send it.
pub fn put_command<A: AsRef<[u8]>>(out: &mut Vec<u8>, args: &[A]) {
    put_number(out, b'*', args.len() as i64);
    for arg in args {
        put_bulk(out, arg.as_ref());
    }
}

impl Resp<'_> {
    /// An error whose text need not be UTF-8, such as one that quotes an argument.
    pub fn error_bytes(&mut self, text: &[u8]) {
        put_line(self.buf, b'-', text);
    }

    /// A status whose text need not be UTF-8.
    pub fn status_bytes(&mut self, text: &[u8]) {
        put_line(self.buf, b'+', text);
    }

    fn is_3(&self) -> bool {
        self.proto == Proto::Resp3
    }
}

impl Reply for Resp<'_> {
    fn speak(&mut self, richer: bool) {
        self.proto = if richer { Proto::Resp3 } else { Proto::Resp2 };
    }

    fn status(&mut self, text: &str) {
        put_line(self.buf, b'+', text.as_bytes());
    }

    fn error(&mut self, text: &str) {
        put_line(self.buf, b'-', text.as_bytes());
    }

    #[inline]
    fn int(&mut self, value: i64) {
        put_number(self.buf, b':', value);
    }

    #[inline]
    fn bulk(&mut self, bytes: &[u8]) {
        put_bulk(self.buf, bytes);
    }

    #[inline]
    fn null(&mut self) {
        let text: &[u8] = if self.is_3() { b"_\r\n" } else { b"$-1\r\n" };
        self.buf.extend_from_slice(text);
    }

    fn null_array(&mut self) {
        let text: &[u8] = if self.is_3() { b"_\r\n" } else { b"*-1\r\n" };
        self.buf.extend_from_slice(text);
    }

    fn array(&mut self, len: usize) {
        put_number(self.buf, b'*', len as i64);
    }

    fn map(&mut self, len: usize) {
        match self.proto {
            Proto::Resp2 => put_number(self.buf, b'*', 2 * len as i64),
            Proto::Resp3 => put_number(self.buf, b'%', len as i64),
        }
    }

    fn set(&mut self, len: usize) {
        let mark = if self.is_3() { b'~' } else { b'*' };
        put_number(self.buf, mark, len as i64);
    }

    fn pairs(&mut self, len: usize) {
        self.array(if self.is_3() { len } else { 2 * len });
    }

    fn pair(&mut self) {
        if self.is_3() {
            self.array(2);
        }
    }

    fn map_of_pairs(&mut self, len: usize) {
        if self.is_3() { self.map(len) } else { self.array(len) }
    }

    fn map_pair(&mut self) {
        if !self.is_3() {
            self.array(2);
        }
    }

    fn double_text(&mut self, text: &str) {
        match self.proto {
            Proto::Resp2 => put_bulk(self.buf, text.as_bytes()),
            Proto::Resp3 => put_line(self.buf, b',', text.as_bytes()),
        }
    }

    fn boolean(&mut self, value: bool) {
        let text: &[u8] = match (self.proto, value) {
            (Proto::Resp2, true) => b":1\r\n",
            (Proto::Resp2, false) => b":0\r\n",
            (Proto::Resp3, true) => b"#t\r\n",
            (Proto::Resp3, false) => b"#f\r\n",
        };
        self.buf.extend_from_slice(text);
    }

    fn verbatim(&mut self, format: &str, text: &str) {
        if !self.is_3() {
            return put_bulk(self.buf, text.as_bytes());
        }
        put_number(self.buf, b'=', format.len() as i64 + 1 + text.len() as i64);
        for part in [format, ":", text, "\r\n"] {
            self.buf.extend_from_slice(part.as_bytes());
        }
    }

    #[inline]
    fn encoded(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    #[inline]
    fn written(&self) -> usize {
        self.buf.len()
    }

    fn truncate(&mut self, written: usize) {
        self.buf.truncate(written);
    }

    #[inline]
    fn ok(&mut self) {
        self.buf.extend_from_slice(b"+OK\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(write: impl Fn(&mut Resp<'_>)) -> (String, String) {
        let text = |proto| {
            let mut buf = Vec::new();
            write(&mut Resp { buf: &mut buf, proto });
            String::from_utf8(buf).expect("the test writes text")
        };
        (text(Proto::Resp2), text(Proto::Resp3))
    }

    #[track_caller]
    fn check(write: impl Fn(&mut Resp<'_>), resp2: &str, resp3: &str) {
        assert_eq!(both(write), (resp2.to_string(), resp3.to_string()));
    }

    #[test]
    fn values_that_both_versions_write_alike() {
        check(|r| r.ok(), "+OK\r\n", "+OK\r\n");
        check(|r| r.status("PONG"), "+PONG\r\n", "+PONG\r\n");
        check(|r| r.int(-12), ":-12\r\n", ":-12\r\n");
        check(|r| r.int(i64::MIN), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n");
        check(|r| r.bulk(b"a\r\nb"), "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n");
        check(|r| r.bulk(b""), "$0\r\n\r\n", "$0\r\n\r\n");
        check(|r| r.bulk(b"9 bytes ."), "$9\r\n9 bytes .\r\n", "$9\r\n9 bytes .\r\n");
        check(|r| r.bulk(b"10 bytes ."), "$10\r\n10 bytes .\r\n", "$10\r\n10 bytes .\r\n");
        check(|r| r.array(10), "*10\r\n", "*10\r\n");
    }

    #[test]
    fn values_that_resp3_writes_in_its_own_way() {
        check(|r| r.null(), "$-1\r\n", "_\r\n");
        check(|r| r.null_array(), "*-1\r\n", "_\r\n");
        check(|r| r.map(3), "*6\r\n", "%3\r\n");
        check(|r| r.set(3), "*3\r\n", "~3\r\n");
        let pair = |r: &mut Resp<'_>| {
            r.pairs(1);
            r.pair();
        };
        check(pair, "*2\r\n", "*1\r\n*2\r\n");
        check(|r| r.boolean(true), ":1\r\n", "#t\r\n");
        check(|r| r.boolean(false), ":0\r\n", "#f\r\n");
        check(|r| r.verbatim("txt", "hi\n"), "$3\r\nhi\n\r\n", "=7\r\ntxt:hi\n\r\n");
        check(|r| r.double(2.75), "$4\r\n2.75\r\n", ",2.75\r\n");
        check(|r| r.double(10.0), "$2\r\n10\r\n", ",10\r\n");
        check(|r| r.double(f64::NEG_INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n");
        check(|r| r.double(f64::NAN), "$3\r\nnan\r\n", ",nan\r\n");
    }

    #[test]
    fn an_error_stays_on_its_line() {
        check(|r| r.error("ERR a\r\nb\r\n"), "-ERR a  b\r\n", "-ERR a  b\r\n");
        check(|r| r.error_bytes(b"ERR \n"), "-ERR \r\n", "-ERR \r\n");
    }

    #[test]
    fn a_savepoint_takes_back() {
        let mut buf = b"+x\r\n".to_vec();
        let mut resp = Resp { buf: &mut buf, proto: Proto::Resp2 };
        let save = resp.written();
        resp.bulk(b"gone");
        resp.truncate(save);
        resp.encoded(b":1\r\n");
        assert_eq!(buf, b"+x\r\n:1\r\n");
    }
}
