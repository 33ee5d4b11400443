//! Requests from a template, and replies that are only counted.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::{Load, Operation, Outcome};

/// Decimal digits of a key.
const DIGITS: usize = 12;
/// Sent behind each write of [`Operation::SetWait`]; the milliseconds bound a broken replica.
const WAIT: &[u8] = b"*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$4\r\n1000\r\n";

/// One connection's view of the protocol.
#[derive(Debug)]
pub struct RespProtocol {
    template: Vec<u8>,
    digits_at: usize,
    operation: Operation,
}

impl RespProtocol {
    /// Selects the keyspace and makes the template.
    pub fn open(stream: &mut TcpStream, load: &Load) -> std::io::Result<RespProtocol> {
        if load.keyspace > 0 {
            stream.write_all(format!("SELECT {}\r\n", load.keyspace).as_bytes())?;
            let mut reply = [0u8; 5];
            stream.read_exact(&mut reply)?;
            if &reply != b"+OK\r\n" {
                return Err(std::io::Error::other(format!("SELECT {} was refused", load.keyspace)));
            }
        }
        let key = format!("$16\r\nkey:{}\r\n", "0".repeat(DIGITS));
        let value = "x".repeat(load.value);
        let mut template = match load.operation {
            Operation::Get => format!("*2\r\n$3\r\nGET\r\n{key}").into_bytes(),
            Operation::Rank => format!("*3\r\n$5\r\nZRANK\r\n$4\r\nzset\r\n{key}").into_bytes(),
            _ => format!("*3\r\n$3\r\nSET\r\n{key}${}\r\n{value}\r\n", value.len()).into_bytes(),
        };
        let digits_at = template.windows(4).position(|part| part == b"key:").unwrap_or(0) + 4;
        if load.operation == Operation::SetWait {
            template.extend_from_slice(WAIT);
        }
        Ok(RespProtocol { template, digits_at, operation: load.operation })
    }

    /// Replies that one operation brings.
    pub fn replies_each(&self) -> u64 {
        if self.operation == Operation::SetWait { 2 } else { 1 }
    }

    /// Appends the request for one key.
    pub fn append(&mut self, key: u64, out: &mut Vec<u8>) {
        if self.operation == Operation::AtRank {
            // Redis takes no number with zeros before it, which a template needs.
            let place = format!("${}\r\n{key}\r\n", key.to_string().len());
            out.extend_from_slice(b"*4\r\n$6\r\nZRANGE\r\n$4\r\nzset\r\n");
            out.extend_from_slice(place.repeat(2).as_bytes());
            return;
        }
        let mut rest = key;
        for digit in self.template[self.digits_at..self.digits_at + DIGITS].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        out.extend_from_slice(&self.template);
    }

    /// Counts complete replies: (bytes used, replies).
    pub fn count(&self, input: &[u8], outcome: &mut Outcome) -> Result<(usize, u64), String> {
        let mut at = 0;
        let mut replies = 0;
        while let Some(line) = input[at..].iter().position(|b| *b == b'\n') {
            let text = &input[at..at + line];
            let mut next = at + line + 1;
            match text.first() {
                Some(b'$') if text.get(1) != Some(&b'-') => {
                    let digits = text[1..].iter().take_while(|b| b.is_ascii_digit());
                    let length = digits.fold(0usize, |sum, b| sum * 10 + usize::from(b - b'0'));
                    next += length + 2;
                    if next > input.len() {
                        break;
                    }
                }
                Some(b'+') => {}
                // What is in it is counted instead.
                Some(b'*') if text == b"*1\r" => {
                    at = next;
                    continue;
                }
                Some(b'$') if matches!(self.operation, Operation::Rank | Operation::AtRank) => {
                    note(outcome, "a member is not there".into());
                }
                Some(b'$') => {}
                Some(b':') if self.operation == Operation::SetWait && text.starts_with(b":0") => {
                    note(outcome, "WAIT reached no replica".into());
                }
                Some(b':') => {}
                Some(b'-') => note(outcome, String::from_utf8_lossy(text).into_owned()),
                Some(b'*') if text == b"*0\r" => note(outcome, "nobody stands there".into()),
                _ => return Err(format!("not a reply: {:?}", String::from_utf8_lossy(text))),
            }
            at = next;
            replies += 1;
        }
        Ok((at, replies))
    }
}

fn note(outcome: &mut Outcome, error: String) {
    outcome.errors += 1;
    outcome.first_error.get_or_insert(error);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Histogram;
    use super::*;

    fn outcome() -> Outcome {
        Outcome {
            operations: 0,
            elapsed: Duration::ZERO,
            times: Histogram::default(),
            errors: 0,
            first_error: None,
        }
    }

    fn protocol() -> RespProtocol {
        RespProtocol { template: b"key:000000000000".to_vec(), digits_at: 4, operation: Operation::Set }
    }

    #[test]
    fn replies_are_counted_wherever_they_are_cut() {
        let bytes = b"+OK\r\n$3\r\nabc\r\n:1\r\n$-1\r\n-ERR no\r\n";
        for cut in 0..bytes.len() {
            let mut outcome = outcome();
            let (used, first) = protocol().count(&bytes[..cut], &mut outcome).expect("replies");
            let (_, second) = protocol().count(&bytes[used..], &mut outcome).expect("replies");
            assert_eq!((first + second, outcome.errors), (5, 1), "cut at {cut}");
        }
        assert!(protocol().count(b"HTTP\r\n", &mut outcome()).is_err());
    }

    #[test]
    fn an_array_of_one_is_one_reply_and_an_empty_one_an_error() {
        let ranks = RespProtocol { operation: Operation::AtRank, ..protocol() };
        let mut outcome = outcome();
        let bytes = b"*1\r\n$3\r\nabc\r\n:0\r\n*0\r\n";
        assert_eq!(ranks.count(bytes, &mut outcome), Ok((bytes.len(), 3)));
        assert_eq!((outcome.errors, outcome.first_error.as_deref()), (1, Some("nobody stands there")));
    }

    #[test]
    fn the_key_is_written_into_the_template() {
        let mut out = Vec::new();
        protocol().append(987, &mut out);
        assert_eq!(out, b"key:000000000987");
        out.clear();
        RespProtocol { operation: Operation::AtRank, ..protocol() }.append(987, &mut out);
        assert_eq!(out, b"*4\r\n$6\r\nZRANGE\r\n$4\r\nzset\r\n$3\r\n987\r\n$3\r\n987\r\n");
    }
}
