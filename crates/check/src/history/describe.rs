//! Operations as people read them.

use std::fmt::Write;

use super::{Action, Condition, History, Operation, Outcome, Promise, Reply};

/// Longest part of a value that is shown, bytes at each end.
const SHOWN: usize = 40;

/// One line: who, when, what, and how it ended.
pub fn describe(history: &History, operation: &Operation) -> String {
    let Operation { client, connection, call_ns, return_ns, .. } = operation;
    let until = return_ns.map_or_else(|| "never".to_owned(), shown_time);
    let key = shown_bytes(&history.key_of(operation.key).name);
    let action = shown_action(&operation.action, &key);
    let outcome = match &operation.outcome {
        Outcome::Done(reply) => shown_reply(reply),
        Outcome::NotDone => "not done".into(),
        Outcome::Unknown => "unknown".into(),
    };
    let promise = match operation.promise {
        Promise::Usual => String::new(),
        Promise::Final => " (final read)".into(),
        Promise::ReadOnly { max_staleness_ns } => {
            format!(" (read-only, at most {} old)", shown_time(max_staleness_ns))
        }
    };
    let choice = if operation.asynchronous { " (asynchronous)" } else { "" };
    let from = shown_time(*call_ns);
    format!(
        "[{from} .. {until}] client {client}, connection {connection}: {action} -> {outcome}{promise}{choice}"
    )
}

/// ns as seconds, all digits.
pub fn shown_time(ns: u64) -> String {
    format!("{}.{:09} s", ns / 1_000_000_000, ns % 1_000_000_000)
}

/// Bytes with what is not printable escaped, and the middle of long ones left out.
pub fn shown_bytes(bytes: &[u8]) -> String {
    if bytes.len() <= 2 * SHOWN {
        return format!("\"{}\"", bytes.escape_ascii());
    }
    let (head, tail) = (&bytes[..SHOWN], &bytes[bytes.len() - SHOWN..]);
    format!("\"{}...{}\" ({} bytes)", head.escape_ascii(), tail.escape_ascii(), bytes.len())
}

/// A reply as people read it.
pub(crate) fn shown_reply(reply: &Reply) -> String {
    match reply {
        Reply::Ok => "OK".into(),
        Reply::Nil => "nil".into(),
        Reply::Value(value) => shown_bytes(value),
        Reply::Integer(number) => number.to_string(),
        Reply::Error => "error".into(),
    }
}

fn shown_action(action: &Action, key: &str) -> String {
    match action {
        Action::Get => format!("GET {key}"),
        Action::Set { value, condition, get, ttl_ms, keep_ttl } => {
            let mut text = format!("SET {key} {}", shown_bytes(value));
            text += match condition {
                Condition::None => "",
                Condition::Nx => " NX",
                Condition::Xx => " XX",
            };
            if *get {
                text += " GET";
            }
            if let Some(ms) = ttl_ms {
                // Writing to a string can not fail.
                let _ = write!(text, " PX {ms}");
            }
            if *keep_ttl {
                text += " KEEPTTL";
            }
            text
        }
        Action::GetSet { value } => format!("GETSET {key} {}", shown_bytes(value)),
        Action::GetDel => format!("GETDEL {key}"),
        Action::Del => format!("DEL {key}"),
        Action::Exists => format!("EXISTS {key}"),
        Action::IncrBy { by } => format!("INCRBY {key} {by}"),
        Action::Append { value } => format!("APPEND {key} {}", shown_bytes(value)),
        Action::StrLen => format!("STRLEN {key}"),
        Action::Expire { ttl_ms } => format!("PEXPIRE {key} {ttl_ms}"),
        Action::Persist => format!("PERSIST {key}"),
        Action::Replace { from, value } => {
            format!("SET {key} {} in a transaction that watched {}", shown_bytes(value), shown_bytes(from))
        }
    }
}
