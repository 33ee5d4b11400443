//! A small blocking Redis client for the command line.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::CliError;

/// Longest wait for a connection to one node.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest wait for a reply; above the default quorum timeout, so that the node's own answer arrives.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest bulk string that is read; a status of thousands of shards is far below.
const MAX_BULK: usize = 64 << 20;
/// Deepest nesting of arrays that is read.
const MAX_DEPTH: u32 = 8;
/// Environment variable with the password of the cluster's Redis ports.
pub const PASSWORD_VARIABLE: &str = "EVERSTORE_PASSWORD";

/// One RESP2 reply. An error reply is the `Err` of [`Client::call`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Null bulk string or array.
    Nil,
    /// Integer.
    Integer(i64),
    /// Simple or bulk string, not UTF-8 parts replaced.
    Text(String),
    /// Array; nested errors appear as text.
    Array(Vec<Value>),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Nil => write!(f, "(nil)"),
            Value::Integer(number) => write!(f, "{number}"),
            Value::Text(text) => write!(f, "{text}"),
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(f, "{}", items.join(" "))
            }
        }
    }
}

/// A connection to one node.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
    address: String,
}

impl Client {
    /// Connects to the first of `addresses` that accepts and, with a password in the environment, logs in.
    ///
    /// # Errors
    /// [`CliError::Unreachable`] with one reason per address.
    pub fn connect_any(addresses: &[String]) -> Result<Client, CliError> {
        let mut reasons = Vec::new();
        for address in addresses {
            match Self::connect(address) {
                Ok(client) => return Ok(client),
                Err(CliError::Io { source, .. }) => reasons.push(format!("{address} ({source})")),
                Err(other) => reasons.push(format!("{address} ({other})")),
            }
        }
        Err(CliError::Unreachable(reasons.join(", ")))
    }

    /// Connects to `HOST:PORT`.
    ///
    /// # Errors
    /// The name does not resolve, nobody accepts within two seconds, or the password is refused.
    pub fn connect(address: &str) -> Result<Client, CliError> {
        let failed = |source| CliError::Io { what: address.to_string(), source };
        let mut last = std::io::Error::other("the name has no address");
        for resolved in address.to_socket_addrs().map_err(failed)? {
            match TcpStream::connect_timeout(&resolved, CONNECT_TIMEOUT) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(REPLY_TIMEOUT)).map_err(failed)?;
                    stream.set_write_timeout(Some(REPLY_TIMEOUT)).map_err(failed)?;
                    stream.set_nodelay(true).map_err(failed)?;
                    let mut client = Client { stream: BufReader::new(stream), address: address.into() };
                    if let Ok(password) = std::env::var(PASSWORD_VARIABLE) {
                        client.call(&["AUTH", &password])?;
                    }
                    return Ok(client);
                }
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    /// Sends one command and reads its reply.
    ///
    /// # Errors
    /// [`CliError::Refused`] with the node's error text, or an I/O error.
    pub fn call(&mut self, command: &[&str]) -> Result<Value, CliError> {
        let mut request = format!("*{}\r\n", command.len()).into_bytes();
        for argument in command {
            request.extend_from_slice(format!("${}\r\n{argument}\r\n", argument.len()).as_bytes());
        }
        let what = self.address.clone();
        self.stream.get_mut().write_all(&request).map_err(CliError::io(what.clone()))?;
        let reply = read_value(&mut self.stream, 0).map_err(CliError::io(what))?;
        reply.map_err(|text| match text.split_once(' ') {
            Some(("NOAUTH", _)) => CliError::Refused(format!("{text} (set {PASSWORD_VARIABLE})")),
            _ => CliError::Refused(text),
        })
    }

    /// Sends one command that may take as long as it needs, and reads its reply.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn call_slowly(&mut self, command: &[&str]) -> Result<Value, CliError> {
        let set = |client: &Self, limit| client.stream.get_ref().set_read_timeout(limit);
        set(self, None).map_err(CliError::io(self.address.clone()))?;
        let result = self.call(command);
        set(self, Some(REPLY_TIMEOUT)).map_err(CliError::io(self.address.clone()))?;
        result
    }

    /// Sends a command whose reply is one text.
    ///
    /// # Errors
    /// As [`Client::call`], and if the reply is something else.
    pub fn call_for_text(&mut self, command: &[&str]) -> Result<String, CliError> {
        match self.call(command)? {
            Value::Text(text) => Ok(text),
            other => Err(CliError::Refused(format!(
                "{} answered {} with {other:?} instead of a text: is it an Everstore node?",
                self.address,
                command.join(" ")
            ))),
        }
    }
}

/// `Ok(Err(text))` is an error reply of the node.
fn read_value(reader: &mut impl BufRead, depth: u32) -> std::io::Result<Result<Value, String>> {
    let line = read_line(reader)?;
    let Some((kind, rest)) = line.split_at_checked(1) else {
        return Err(malformed("an empty line"));
    };
    let number = || rest.parse::<i64>().map_err(|_| malformed("not a number"));
    let value = match kind {
        "+" => Value::Text(rest.to_string()),
        "-" => return Ok(Err(rest.to_string())),
        ":" => Value::Integer(number()?),
        "$" => match number()? {
            -1 => Value::Nil,
            length => Value::Text(read_bulk(reader, length)?),
        },
        "*" if depth >= MAX_DEPTH => return Err(malformed("arrays nested too deeply")),
        "*" => match number()? {
            -1 => Value::Nil,
            length => {
                let items: Result<Vec<Value>, std::io::Error> = (0..length)
                    .map(|_| Ok(read_value(reader, depth + 1)?.unwrap_or_else(Value::Text)))
                    .collect();
                Value::Array(items?)
            }
        },
        _ => return Err(malformed("not a Redis reply")),
    };
    Ok(Ok(value))
}

fn read_bulk(reader: &mut impl BufRead, length: i64) -> std::io::Result<String> {
    let fits = usize::try_from(length).ok().filter(|length| *length <= MAX_BULK);
    let length = fits.ok_or_else(|| malformed("a bulk string of impossible length"))?;
    let mut bytes = vec![0; length + 2];
    reader.read_exact(&mut bytes)?;
    bytes.truncate(length);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn read_line(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = Vec::new();
    reader.take(MAX_BULK as u64).read_until(b'\n', &mut line)?;
    if !line.ends_with(b"\r\n") {
        return Err(std::io::Error::new(
            std::io::ErrorKind::UnexpectedEof,
            "the connection was closed before the reply was complete",
        ));
    }
    line.truncate(line.len() - 2);
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn malformed(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, format!("bad reply: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut bytes: &[u8]) -> std::io::Result<Result<Value, String>> {
        read_value(&mut bytes, 0)
    }

    #[test]
    fn every_reply_type_is_read() {
        assert_eq!(read(b"+OK\r\n").unwrap(), Ok(Value::Text("OK".into())));
        assert_eq!(read(b"-ERR no\r\n").unwrap(), Err("ERR no".into()));
        assert_eq!(read(b":-7\r\n").unwrap(), Ok(Value::Integer(-7)));
        assert_eq!(read(b"$3\r\na\nb\r\n").unwrap(), Ok(Value::Text("a\nb".into())));
        assert_eq!(read(b"$-1\r\n").unwrap(), Ok(Value::Nil));
        let nested = read(b"*2\r\n*1\r\n:1\r\n-ERR x\r\n").unwrap();
        let inner = Value::Array(vec![Value::Integer(1)]);
        assert_eq!(nested, Ok(Value::Array(vec![inner, Value::Text("ERR x".into())])));
    }

    #[test]
    fn nonsense_is_an_error_and_not_a_hang_or_a_panic() {
        let deep = b"*1\r\n".repeat(100);
        for bad in
            [&b""[..], b"\r\n", b"HTTP/1.1 200\r\n", b"$99999999999\r\n", b":x\r\n", b"$5\r\nab", &deep]
        {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
