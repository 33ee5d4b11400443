//! Commands of clients: what is sent, and what a reply says of each key.

use super::reply::Wire;
use check::{Action, Condition, Outcome, Reply};

/// What a client asks.
#[derive(Clone, Debug)]
pub struct Command {
    /// As it is sent.
    pub args: Vec<Vec<u8>>,
    /// What it means for each key; empty if nobody checks it.
    pub parts: Vec<(String, Action)>,
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
        };
        Command { args, parts: vec![(key, action)] }
    }

    /// `MGET`: for each key a read with the same interval.
    pub fn mget(keys: Vec<String>) -> Command {
        let mut args = vec![b"MGET".to_vec()];
        args.extend(keys.iter().map(|key| key.as_bytes().to_vec()));
        Command { args, parts: keys.into_iter().map(|key| (key, Action::Get)).collect() }
    }

    /// `MSET`: for each key a write with the same interval. Keys must differ.
    pub fn mset(pairs: Vec<(String, Vec<u8>)>) -> Command {
        let mut args = vec![b"MSET".to_vec()];
        pairs.iter().for_each(|(key, value)| args.extend([key.as_bytes().to_vec(), value.clone()]));
        let parts = pairs.into_iter().map(|(key, value)| (key, Action::set(&value))).collect();
        Command { args, parts }
    }

    /// A command that nobody checks, with its words.
    pub fn noise(text: &str) -> Command {
        Command { args: text.split(' ').map(|w| w.as_bytes().to_vec()).collect(), parts: Vec::new() }
    }

    /// What a reply says of each part, in order.
    ///
    /// # Errors
    /// The reply makes no sense for the command; that is a finding.
    pub fn outcomes(&self, wire: &Wire) -> Result<Vec<Outcome>, String> {
        let all = |outcome: Outcome| Ok(vec![outcome; self.parts.len()]);
        match wire {
            Wire::Error(text) => match text.split(' ').next().unwrap_or_default() {
                "UNKNOWN" => all(Outcome::Unknown),
                // Other parts of the command may have been executed.
                "CLUSTERDOWN" | "TRYAGAIN" | "MISCONF" if self.parts.len() > 1 => all(Outcome::Unknown),
                "CLUSTERDOWN" | "TRYAGAIN" | "MISCONF" => all(Outcome::NotDone),
                _ if self.parts.is_empty() => Ok(Vec::new()),
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
