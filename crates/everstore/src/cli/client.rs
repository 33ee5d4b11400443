//! A small blocking Redis client for the command line.

use std::time::Duration;

use super::CliError;
use super::link::{Link, Login, PASSWORD_VARIABLE};
use super::reply::Reply;

/// Longest wait for a reply; above the default quorum timeout, so that the node's own answer arrives.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for the first reply of a node while another one can be asked instead: a process that is frozen accepts
/// connections and answers nothing.
const FIRST_REPLY_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest bulk string that is read; a status of thousands of shards is far below.
const MAX_BULK: usize = 64 << 20;

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

impl Value {
    /// For people: an error in an array is its text.
    fn shown(reply: Reply) -> Value {
        match reply {
            Reply::Nil => Value::Nil,
            Reply::Integer(number) => Value::Integer(number),
            Reply::Text(bytes) => Value::Text(String::from_utf8_lossy(&bytes).into_owned()),
            Reply::TooLong(bytes) => Value::Text(format!("(a text of {bytes} bytes)")),
            Reply::Array(items) => Value::Array(items.into_iter().map(Value::shown).collect()),
            Reply::Error(text) => Value::Text(text),
        }
    }
}

/// A connection to one node.
#[derive(Debug)]
pub struct Client {
    link: Link,
}

impl Client {
    /// Connects to the first of `addresses` that answers and, with a password in the environment, logs in.
    ///
    /// # Errors
    /// [`CliError::Unreachable`] with one reason per address.
    pub fn connect_any(addresses: &[String]) -> Result<Client, CliError> {
        let mut reasons = Vec::new();
        for (i, address) in addresses.iter().enumerate() {
            let is_last = i + 1 == addresses.len();
            match if is_last { Self::connect(address) } else { Self::connect_if_awake(address) } {
                Ok(client) => return Ok(client),
                Err(CliError::Io { source, .. }) => reasons.push((address.clone(), source.to_string())),
                Err(other) => reasons.push((address.clone(), other.to_string())),
            }
        }
        Err(CliError::unreachable(reasons))
    }

    /// As [`Client::connect`], if the node answers soon. Any answer will do, also that it wants a password.
    fn connect_if_awake(address: &str) -> Result<Client, CliError> {
        let mut link = Link::connect(address, &Login::of_cluster(), FIRST_REPLY_TIMEOUT, MAX_BULK)?;
        link.call(&[b"PING"]).map_err(CliError::io(address))?;
        link.set_patience(Some(REPLY_TIMEOUT))?;
        Ok(Client { link })
    }

    /// Connects to `HOST:PORT`.
    ///
    /// # Errors
    /// The name does not resolve, nobody accepts within two seconds, or the password is refused.
    pub fn connect(address: &str) -> Result<Client, CliError> {
        Ok(Client { link: Link::connect(address, &Login::of_cluster(), REPLY_TIMEOUT, MAX_BULK)? })
    }

    /// Sends one command and reads its reply.
    ///
    /// # Errors
    /// [`CliError::Refused`] with the node's error text, or an I/O error.
    pub fn call(&mut self, command: &[&str]) -> Result<Value, CliError> {
        let words: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
        match self.link.call(&words) {
            Ok(Reply::Error(text)) if text.starts_with("NOAUTH ") => {
                Err(CliError::Refused(format!("{text} (set {PASSWORD_VARIABLE})")))
            }
            Ok(Reply::Error(text)) => Err(CliError::Refused(text)),
            Ok(reply) => Ok(Value::shown(reply)),
            Err(source) => Err(CliError::Io { what: self.link.address().into(), source }),
        }
    }

    /// Sends one command that may take as long as it needs, and reads its reply.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn call_slowly(&mut self, command: &[&str]) -> Result<Value, CliError> {
        self.link.set_patience(None)?;
        let result = self.call(command);
        self.link.set_patience(Some(REPLY_TIMEOUT))?;
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
                self.link.address(),
                command.join(" ")
            ))),
        }
    }

    /// Sends a command whose reply is a list of texts.
    ///
    /// # Errors
    /// As [`Client::call_for_text`].
    pub fn call_for_texts(&mut self, command: &[&str]) -> Result<Vec<String>, CliError> {
        match self.call(command)? {
            Value::Array(items) => Ok(items.iter().map(Value::to_string).collect()),
            other => Err(CliError::Refused(format!(
                "{} answered {} with {other:?} instead of a list: is it an Everstore node?",
                self.link.address(),
                command.join(" ")
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    fn listener() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        (listener, address)
    }

    #[test]
    fn a_node_that_accepts_and_does_not_answer_is_passed_over() {
        // As of a frozen process: the kernel accepts for it.
        let (_frozen, silent) = listener();
        let (answers, awake) = listener();
        let node = std::thread::spawn(move || {
            let (mut stream, _) = answers.accept().expect("the command connects");
            let mut request = [0; 256];
            while stream.read(&mut request).is_ok_and(|n| n > 0) {
                stream.write_all(b"+PONG\r\n").expect("it reads");
            }
        });
        let (_last, third) = listener();
        let mut client = Client::connect_any(&[silent, awake.clone(), third]).expect("the second answers");
        assert_eq!(client.link.address(), awake);
        assert_eq!(client.call(&["PING"]).expect("it still does"), Value::Text("PONG".into()));
        drop(client);
        node.join().expect("no panic");
    }
}
