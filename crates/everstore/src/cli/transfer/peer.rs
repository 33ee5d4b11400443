//! The other side: a Redis, or a cluster of which another node is asked when one is gone.

use std::time::{Duration, Instant};

use crate::cli::CliError;
use crate::cli::link::{Link, Login};
use crate::cli::reply::Reply;

/// How long nothing may work before it is given up. A failover takes a second, the start of a node some.
const RETRY_FOR: Duration = Duration::from_secs(60);
/// Time before the next try.
const PAUSE: Duration = Duration::from_millis(200);
/// First words of errors after which the same command may succeed: nothing was done, or nobody knows.
const PASSING: [&str; 9] =
    ["CLUSTERDOWN", "UNKNOWN", "TRYAGAIN", "MISCONF", "OOM", "LOADING", "MASTERDOWN", "BUSY", "NOREPLICAS"];

/// Whether an error is one that passes.
pub fn passes(error: &str) -> bool {
    error.split_whitespace().next().is_some_and(|word| PASSING.contains(&word))
}

/// How somebody is spoken to.
#[derive(Debug, Clone)]
pub struct Manner {
    /// Who asks.
    pub login: Login,
    /// How long a reply is waited for.
    pub patience: Duration,
    /// Longest bulk string that is kept.
    pub max_bulk: usize,
    /// What an error about a missing or wrong password advises.
    pub advice: String,
    /// Whether it is one Redis that must not be restarted meanwhile: what it has told would be void.
    pub same_process: bool,
}

/// Somebody to talk to.
#[derive(Debug)]
pub struct Peer {
    /// All that are as good, tried in turn.
    addresses: Vec<String>,
    manner: Manner,
    at: usize,
    /// The connection, and the keyspace it has selected.
    link: Option<(Link, u32)>,
    run_id: Option<String>,
    /// Since when nothing works.
    trouble: Option<Instant>,
}

impl Peer {
    /// Nobody is connected yet.
    pub fn new(addresses: Vec<String>, manner: Manner) -> Peer {
        Peer { addresses, manner, at: 0, link: None, run_id: None, trouble: None }
    }

    /// Connects to the first that answers.
    ///
    /// # Errors
    /// [`CliError::Unreachable`] with one reason per address; a refused password.
    pub fn connect(&mut self) -> Result<(), CliError> {
        let mut reasons = Vec::new();
        for _ in 0..self.addresses.len() {
            match self.try_connect(0) {
                Ok(()) => return Ok(()),
                Err(CliError::Io { what, source }) => reasons.push((what, source.to_string())),
                Err(other) => return Err(other),
            }
            self.at = (self.at + 1) % self.addresses.len();
        }
        Err(CliError::unreachable(reasons))
    }

    /// More addresses that are as good.
    pub fn add_addresses(&mut self, more: impl IntoIterator<Item = String>) {
        for address in more {
            if !self.addresses.contains(&address) {
                self.addresses.push(address);
            }
        }
    }

    /// Where it is, for messages.
    pub fn address(&self) -> &str {
        &self.addresses[self.at]
    }

    fn try_connect(&mut self, keyspace: u32) -> Result<(), CliError> {
        let Manner { login, patience, max_bulk, advice, same_process } = &self.manner;
        let address = &self.addresses[self.at];
        let advised = |error| match error {
            CliError::Refused(text) => CliError::Refused(format!("{address}: {text} ({advice})")),
            other => other,
        };
        let mut link = Link::connect(address, login, *patience, *max_bulk).map_err(advised)?;
        let failed = |source| CliError::Io { what: address.clone(), source };
        match link.call(&[b"SELECT", keyspace.to_string().as_bytes()]).map_err(failed)? {
            Reply::Error(text) if passes(&text) => return Err(failed(std::io::Error::other(text))),
            Reply::Error(text) if text.starts_with("NOAUTH") => return Err(advised(CliError::Refused(text))),
            Reply::Error(text) => return Err(CliError::Refused(format!("{address}: {text}"))),
            _ => {}
        }
        if *same_process {
            let told = link.call(&[b"INFO", b"server"]).map_err(failed)?;
            let run_id = info_field(&told, "run_id");
            if self.run_id.is_some() && self.run_id != run_id {
                return Err(CliError::Refused(format!("{address} was restarted meanwhile: begin again")));
            }
            self.run_id = run_id;
        }
        self.link = Some((link, keyspace));
        Ok(())
    }

    /// A connection that has a keyspace selected; waits, through a failover, for somebody who answers.
    ///
    /// # Errors
    /// Nobody for a minute, or somebody who refuses.
    pub fn link(&mut self, keyspace: u32) -> Result<&mut Link, CliError> {
        while self.link.as_ref().is_none_or(|(_, selected)| *selected != keyspace) {
            self.link = None;
            match self.try_connect(keyspace) {
                Ok(()) => {}
                Err(CliError::Io { what, source }) => self.lost(&format!("{what}: {source}"))?,
                Err(other) => return Err(other),
            }
        }
        let (link, _) = self.link.as_mut().expect("the loop ends with a connection");
        Ok(link)
    }

    /// Ends the connection; the next command gets a new one.
    pub fn disconnect(&mut self) {
        self.link = None;
    }

    /// The connection is of no use any more: another one is tried, after a pause.
    ///
    /// # Errors
    /// Nothing has worked for a minute.
    pub fn lost(&mut self, why: &str) -> Result<(), CliError> {
        self.link = None;
        self.at = (self.at + 1) % self.addresses.len();
        self.wait(why)
    }

    /// Something failed that may pass: waits before the next try.
    ///
    /// # Errors
    /// Nothing has worked for a minute.
    pub fn wait(&mut self, why: &str) -> Result<(), CliError> {
        let since = *self.trouble.get_or_insert_with(Instant::now);
        if since.elapsed() >= RETRY_FOR {
            let seconds = RETRY_FOR.as_secs();
            return Err(CliError::Refused(format!("given up after {seconds} s without success: {why}")));
        }
        std::thread::sleep(PAUSE);
        Ok(())
    }

    /// Something was done: the next trouble has the whole patience again.
    pub fn works(&mut self) {
        self.trouble = None;
    }

    /// Replies to commands that may be repeated, in their order; errors that pass are waited for.
    ///
    /// # Errors
    /// As [`Peer::link`].
    pub fn ask(&mut self, keyspace: u32, commands: &[Vec<&[u8]>]) -> Result<Vec<Reply>, CliError> {
        loop {
            let link = self.link(keyspace)?;
            commands.iter().for_each(|command| link.push(command));
            let replies = link.flush().and_then(|()| commands.iter().map(|_| link.read()).collect());
            let replies: Vec<Reply> = match replies {
                Ok(replies) => replies,
                Err(error) => {
                    self.lost(&format!("{}: {error}", self.address()))?;
                    continue;
                }
            };
            let passing = replies.iter().find_map(|reply| match reply {
                Reply::Error(text) if passes(text) => Some(text.clone()),
                _ => None,
            });
            match passing {
                Some(text) => self.wait(&format!("{}: {text}", self.address()))?,
                None => {
                    self.works();
                    return Ok(replies);
                }
            }
        }
    }

    /// The reply to one command that may be repeated.
    ///
    /// # Errors
    /// As [`Peer::link`].
    pub fn ask_one(&mut self, keyspace: u32, command: &[&[u8]]) -> Result<Reply, CliError> {
        Ok(self.ask(keyspace, &[command.to_vec()])?.remove(0))
    }

    /// The number that a command answers.
    ///
    /// # Errors
    /// As [`Peer::link`]; [`CliError::Refused`] if it answers something else.
    pub fn ask_number(&mut self, keyspace: u32, command: &[&[u8]]) -> Result<u64, CliError> {
        let reply = self.ask_one(keyspace, command)?;
        match &reply {
            Reply::Integer(number) => Ok(u64::try_from(*number).unwrap_or(0)),
            _ => Err(self.strange(command, &reply)),
        }
    }

    /// An error about a reply that should have been another.
    pub fn strange(&self, command: &[&[u8]], reply: &Reply) -> CliError {
        let (name, address) = (String::from_utf8_lossy(command[0]), self.address());
        CliError::Refused(match reply {
            Reply::Error(text) => format!("{address}: {name}: {text}"),
            _ => format!("{address} answered {name} with something else: is it a Redis?"),
        })
    }
}

/// A field of an answer to `INFO`.
pub fn info_field(reply: &Reply, name: &str) -> Option<String> {
    let Reply::Text(bytes) = reply else { return None };
    let text = String::from_utf8_lossy(bytes);
    let field = text.lines().find_map(|line| line.split_once(':').filter(|(known, _)| *known == name));
    field.map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_pass_are_told_from_those_that_do_not() {
        for passing in
            ["CLUSTERDOWN shard 1: ...", "LOADING Redis is loading", "UNKNOWN the outcome", "OOM x"]
        {
            assert!(passes(passing), "{passing}");
        }
        for lasting in
            ["", "ERR CLUSTERDOWN", "BUSYKEY Target key name already exists.", "WRONGTYPE", "NOAUTH x"]
        {
            assert!(!passes(lasting), "{lasting}");
        }
    }

    #[test]
    fn fields_of_info_are_found() {
        let reply = Reply::Text(b"# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\n".to_vec());
        assert_eq!(info_field(&reply, "run_id").as_deref(), Some("abc"));
        assert_eq!(info_field(&reply, "run"), None);
    }
}
