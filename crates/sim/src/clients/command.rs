//! Commands of clients: what is sent, and what a reply says of each key.

use super::handled::Handled;
use super::hoards::Sighted;
use super::reply::Wire;
use super::streams::{Form, Streamed};
use super::uploads::{Uploading, is_undone};
use check::{Action, Condition, Outcome, Reply};

/// What a command is among those that its client sends with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Nothing depends on its answer.
    #[default]
    Alone,
    /// `WATCH`: what follows is right only if it is answered with OK.
    Watches,
    /// What its client asks next depends on the answer.
    Asks,
}

/// What is done with the answer to a command with [`Role::Asks`], where that does not follow from its keys.
#[derive(Clone, Debug)]
pub enum Next {
    /// It is remembered how far streams were read.
    Learn,
    /// A hoard is made if it is nowhere.
    Make(String),
    /// What a key holds is restored under another.
    Restore {
        /// Where it is.
        source: String,
        /// Where it goes.
        target: String,
    },
    /// An upload goes on.
    Upload(Box<Uploading>),
}

/// What a client asks.
#[derive(Clone, Debug, Default)]
pub struct Command {
    /// As it is sent.
    pub args: Vec<Vec<u8>>,
    /// What it means for each key; empty if nobody checks it. Those of `EXEC` are of the first commands of its
    /// transaction, one each.
    pub parts: Vec<(String, Action)>,
    /// What it does with items.
    pub handled: Option<Handled>,
    /// The set of accounts all of which its answer shows, at its end.
    pub bank: Option<String>,
    /// What it does with streams.
    pub streamed: Option<Streamed>,
    /// What its answer says of a hoard.
    pub sighted: Option<Sighted>,
    /// Its role.
    pub role: Role,
    /// What comes next.
    pub next: Option<Next>,
}

impl Command {
    /// A command on one checked key.
    pub fn of(key: String, action: Action) -> Command {
        let key_bytes = || key.as_bytes().to_vec();
        let word = |w: &str| w.as_bytes().to_vec();
        let number = |n: i64| n.to_string().into_bytes();
        let args = match &action {
            Action::Get => vec![word("GET"), key_bytes()],
            Action::Set { value, condition, get, ttl_ms, keep_ttl } => {
                let mut args = vec![word("SET"), key_bytes(), value.to_vec()];
                match condition {
                    Condition::None => {}
                    Condition::Nx => args.push(word("NX")),
                    Condition::Xx => args.push(word("XX")),
                }
                if let Some(ms) = ttl_ms {
                    args.extend([word("PX"), ms.to_string().into_bytes()]);
                }
                args.extend(keep_ttl.then(|| word("KEEPTTL")));
                args.extend(get.then(|| word("GET")));
                args
            }
            Action::GetSet { value } => vec![word("GETSET"), key_bytes(), value.to_vec()],
            Action::GetDel => vec![word("GETDEL"), key_bytes()],
            Action::Del => vec![word("DEL"), key_bytes()],
            Action::Exists => vec![word("EXISTS"), key_bytes()],
            Action::IncrBy { by: 1 } => vec![word("INCR"), key_bytes()],
            Action::IncrBy { by } => vec![word("INCRBY"), key_bytes(), number(*by)],
            Action::Append { value } => vec![word("APPEND"), key_bytes(), value.to_vec()],
            Action::StrLen => vec![word("STRLEN"), key_bytes()],
            Action::Expire { ttl_ms } => vec![word("PEXPIRE"), key_bytes(), number(*ttl_ms)],
            Action::Persist => vec![word("PERSIST"), key_bytes()],
            // Its client watches the key, and sends it as a transaction.
            Action::Replace { value, .. } => vec![word("SET"), key_bytes(), value.to_vec()],
        };
        Command { args, parts: vec![(key, action)], ..Command::default() }
    }

    /// `MGET`: for each key a read with the same interval.
    pub fn mget(keys: Vec<String>) -> Command {
        let mut args = vec![b"MGET".to_vec()];
        args.extend(keys.iter().map(|key| key.as_bytes().to_vec()));
        let parts = keys.into_iter().map(|key| (key, Action::Get)).collect();
        Command { args, parts, ..Command::default() }
    }

    /// `MSET`: for each key a write with the same interval. Keys must differ.
    pub fn mset(pairs: Vec<(String, Vec<u8>)>) -> Command {
        let mut args = vec![b"MSET".to_vec()];
        pairs.iter().for_each(|(key, value)| args.extend([key.as_bytes().to_vec(), value.clone()]));
        let parts = pairs.into_iter().map(|(key, value)| (key, Action::set(&value))).collect();
        Command { args, parts, ..Command::default() }
    }

    /// A command that nobody checks, with its words.
    pub fn noise(text: &str) -> Command {
        Command { args: text.split(' ').map(|w| w.as_bytes().to_vec()).collect(), ..Command::default() }
    }

    /// A command that does something with items.
    pub fn handling(args: Vec<Vec<u8>>, handled: Handled) -> Command {
        Command { args, handled: Some(handled), ..Command::default() }
    }

    /// Commands as one transaction; what they mean for keys is said by the answer to `EXEC`. `shows`: the set of
    /// accounts that they show, all together or the last of them.
    pub fn transaction(commands: Vec<Command>, shows: Option<String>) -> Vec<Command> {
        let exec = Command {
            parts: commands.iter().flat_map(|command| command.parts.clone()).collect(),
            bank: shows,
            ..Command::noise("EXEC")
        };
        let queued = commands.into_iter().map(|command| Command { args: command.args, ..Command::default() });
        std::iter::once(Command::noise("MULTI")).chain(queued).chain([exec]).collect()
    }

    /// With another role.
    pub fn with_role(self, role: Role) -> Command {
        Command { role, ..self }
    }

    /// The parts of a transaction.
    fn executed(&self, wire: &Wire) -> Result<Vec<Outcome>, String> {
        let all = |outcome: Outcome| Ok(vec![outcome; self.parts.len()]);
        match wire {
            Wire::Error(text) => match text.split(' ').next().unwrap_or_default() {
                "UNKNOWN" => all(Outcome::Unknown),
                // All of it is one request to one shard.
                "EXECABORT" | "CLUSTERDOWN" | "TRYAGAIN" | "MISCONF" => all(Outcome::NotDone),
                _ => Err(format!("an error that no client expects: {text}")),
            },
            // A watched key has changed.
            Wire::Bulk(None) => {
                let refused = |(_, action): &(String, Action)| match action {
                    Action::Replace { .. } => Outcome::Done(Reply::Nil),
                    _ => Outcome::NotDone,
                };
                Ok(self.parts.iter().map(refused).collect())
            }
            Wire::Array(answers) if answers.len() >= self.parts.len() => {
                let answers = answers.iter().take(self.parts.len());
                answers.map(|answer| single(answer).map(Outcome::Done)).collect()
            }
            _ => Err(format!("a reply of another shape: {wire:?}")),
        }
    }

    /// Whether its answer says something that is checked.
    pub fn is_checked(&self) -> bool {
        let shows = self.bank.is_some() || self.sighted.is_some();
        !self.parts.is_empty() || self.handled.is_some() || self.streamed.is_some() || shows
    }

    /// Whether it only looks at items, entries or accounts, by itself.
    pub fn is_look(&self) -> bool {
        let looks = self.handled.as_ref().is_some_and(|h| matches!(h.deed, check::items::Deed::Look { .. }));
        let reads = self.streamed.as_ref().is_some_and(|streamed| streamed.form == Form::Entries);
        looks || reads || self.bank.is_some() && self.args[0] != b"EXEC"
    }

    /// What each account of a set holds, if the reply says it.
    pub fn amounts(&self, wire: &Wire) -> Option<Vec<i64>> {
        let Wire::Array(answers) = wire else { return None };
        let answers = match answers.last() {
            Some(Wire::Array(last)) => last,
            _ => answers,
        };
        let amount = |answer: &Wire| match answer {
            Wire::Bulk(None) => Some(0),
            Wire::Bulk(Some(bytes)) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            Wire::Int(number) => Some(*number),
            _ => None,
        };
        answers.iter().map(amount).collect()
    }

    /// What a reply says of each part, in order.
    ///
    /// # Errors
    /// The reply makes no sense for the command; that is a finding.
    pub fn outcomes(&self, wire: &Wire) -> Result<Vec<Outcome>, String> {
        let all = |outcome: Outcome| Ok(vec![outcome; self.parts.len()]);
        if self.args[0] == b"EXEC" {
            return self.executed(wire);
        }
        match wire {
            Wire::Error(text) => match text.split(' ').next().unwrap_or_default() {
                "UNKNOWN" => all(Outcome::Unknown),
                // Other parts of the command may have been executed.
                "CLUSTERDOWN" | "TRYAGAIN" | "MISCONF" if self.parts.len() > 1 => all(Outcome::Unknown),
                "CLUSTERDOWN" | "TRYAGAIN" | "MISCONF" => all(Outcome::NotDone),
                _ if self.parts.is_empty() => Ok(Vec::new()),
                _ if is_undone(text) => all(Outcome::NotDone),
                // Its connection is asynchronous, and that is not allowed any more.
                _ if text.contains("with allow-async no") => all(Outcome::NotDone),
                _ if text.contains("not an integer") => all(Outcome::Done(Reply::Error)),
                _ => Err(format!("an error that no client expects: {text}")),
            },
            _ if self.parts.is_empty() => Ok(Vec::new()),
            Wire::Array(parts) if parts.len() == self.parts.len() && self.args[0] == b"MGET" => {
                parts.iter().map(|part| single(part).map(Outcome::Done)).collect()
            }
            _ if self.parts.len() > 1 && *wire == Wire::Simple("OK".to_owned()) => {
                all(Outcome::Done(Reply::Ok))
            }
            _ if self.parts.len() == 1 => Ok(vec![Outcome::Done(single(wire)?)]),
            _ => Err(format!("a reply of another shape: {wire:?}")),
        }
    }
}

fn single(wire: &Wire) -> Result<Reply, String> {
    Ok(match wire {
        Wire::Simple(text) if text == "OK" => Reply::Ok,
        Wire::Bulk(None) => Reply::Nil,
        Wire::Bulk(Some(value)) => Reply::Value(value.clone()),
        Wire::Int(number) => Reply::Integer(*number),
        other => return Err(format!("a reply of another shape: {other:?}")),
    })
}
