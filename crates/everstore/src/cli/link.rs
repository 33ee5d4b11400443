//! One connection to a node, or to a Redis: commands go out, replies come in, several at a time.

use std::io::{BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::CliError;
use super::reply::Reply;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Environment variable with the password of the cluster's Redis ports.
pub const PASSWORD_VARIABLE: &str = "EVERSTORE_PASSWORD";

/// What a connection says first.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// Name for `AUTH`; `None` = the default user.
    pub user: Option<String>,
    /// Password; `None` = no `AUTH`.
    pub password: Option<String>,
}

impl std::fmt::Debug for Login {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let given = self.password.is_some();
        f.debug_struct("Login").field("user", &self.user).field("password", &given).finish()
    }
}

impl Login {
    /// That of the cluster's own nodes: the password of the environment, if it has one.
    pub fn of_cluster() -> Login {
        Login { user: None, password: std::env::var(PASSWORD_VARIABLE).ok() }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Link {
    stream: BufReader<TcpStream>,
    /// Commands that were not sent yet.
    out: Vec<u8>,
    max_bulk: usize,
    address: String,
}

impl Link {
    /// Connects to `HOST:PORT` and logs in. Replies are waited for at most `patience`; their bulk strings are kept up
    /// to `max_bulk` bytes.
    ///
    /// # Errors
    /// The name does not resolve, nobody accepts within two seconds, or the login is refused.
    pub fn connect(
        address: &str,
        login: &Login,
        patience: Duration,
        max_bulk: usize,
    ) -> Result<Link, CliError> {
        let failed = |source| CliError::Io { what: address.to_string(), source };
        let mut last = std::io::Error::other("the name has no address");
        for resolved in address.to_socket_addrs().map_err(failed)? {
            match TcpStream::connect_timeout(&resolved, CONNECT_TIMEOUT) {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(failed)?;
                    let (stream, out) = (BufReader::new(stream), Vec::new());
                    let mut link = Link { stream, out, max_bulk, address: address.into() };
                    link.set_patience(Some(patience))?;
                    link.log_in(login)?;
                    return Ok(link);
                }
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    fn log_in(&mut self, login: &Login) -> Result<(), CliError> {
        let Some(password) = &login.password else { return Ok(()) };
        let words: Vec<&[u8]> = ["AUTH"]
            .into_iter()
            .chain(login.user.as_deref())
            .chain([&password[..]])
            .map(str::as_bytes)
            .collect();
        match self.call(&words).map_err(CliError::io(self.address.clone()))? {
            Reply::Error(text) => Err(CliError::Refused(text)),
            _ => Ok(()),
        }
    }

    /// Whom it is connected to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How long replies are waited for, and that somebody reads; `None` = as long as it takes.
    ///
    /// # Errors
    /// The operating system refuses it.
    pub fn set_patience(&mut self, patience: Option<Duration>) -> Result<(), CliError> {
        let stream = self.stream.get_ref();
        let set = stream.set_write_timeout(patience).and_then(|()| stream.set_read_timeout(patience));
        set.map_err(CliError::io(self.address.clone()))
    }

    /// Adds a command to those that [`Link::flush`] sends.
    pub fn push(&mut self, command: &[&[u8]]) {
        let header = |out: &mut Vec<u8>, mark: char, n: usize| {
            out.extend_from_slice(format!("{mark}{n}\r\n").as_bytes());
        };
        header(&mut self.out, '*', command.len());
        for argument in command {
            header(&mut self.out, '$', argument.len());
            self.out.extend_from_slice(argument);
            self.out.extend_from_slice(b"\r\n");
        }
    }

    /// Sends what was pushed. After an error nobody knows what has arrived: the connection is of no use any more.
    ///
    /// # Errors
    /// The connection fails, or nobody reads.
    pub fn flush(&mut self) -> std::io::Result<()> {
        let sent = self.stream.get_mut().write_all(&self.out);
        self.out.clear();
        sent
    }

    /// The next reply.
    ///
    /// # Errors
    /// The connection fails or is over, the reply is late, or it is none.
    pub fn read(&mut self) -> std::io::Result<Reply> {
        Reply::read(&mut self.stream, self.max_bulk).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => std::io::Error::new(std::io::ErrorKind::TimedOut, "no reply"),
            _ => error,
        })
    }

    /// Sends one command and reads its reply.
    ///
    /// # Errors
    /// As [`Link::flush`] and [`Link::read`].
    pub fn call(&mut self, command: &[&[u8]]) -> std::io::Result<Reply> {
        self.push(command);
        self.flush()?;
        self.read()
    }
}
