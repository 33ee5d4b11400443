//! Everything both sides hold: every key with its type, its expiry and its content.

use std::collections::BTreeMap;

use super::compare::{SLACK, timeless, unsigned_zero};
use super::connection::{Command, Connection};
use super::script::line_of;
use super::value::Value;

/// Keyspaces that random commands may use.
const KEYSPACES: u16 = 2;
/// Keys that are asked for at once.
const AT_ONCE: usize = 16;

/// What is held under a key.
#[derive(Debug, PartialEq, Eq)]
pub struct Held {
    kind: Value,
    /// What OBJECT ENCODING names it.
    form: Value,
    ttl: Value,
    content: Value,
}

/// What one side holds, by keyspace and key.
#[derive(Debug)]
pub struct State(BTreeMap<(u16, Vec<u8>), Held>);

impl State {
    /// Reads everything; the connection is in keyspace 0 then.
    ///
    /// # Errors
    /// The connection breaks or a command fails that must not.
    pub fn read(connection: &mut Connection) -> Result<State, String> {
        let mut state = BTreeMap::new();
        for keyspace in 0..KEYSPACES {
            connection.must(&format!("SELECT {keyspace}"))?;
            let Value::Many(_, keys) = connection.must("KEYS *")? else {
                return Err("KEYS * is answered with no array".into());
            };
            for keys in keys.chunks(AT_ONCE) {
                for (key, held) in held(connection, keys)? {
                    state.insert((keyspace, key), held);
                }
            }
        }
        connection.must("SELECT 0")?;
        Ok(State(state))
    }

    /// The first key that differs, with what both hold. With `form` also if only its form does.
    pub fn difference(&self, other: &State, form: bool) -> Option<(String, String, String)> {
        let about = |key: &(u16, Vec<u8>)| {
            format!("key {} of keyspace {}", line_of(std::slice::from_ref(&key.1)), key.0)
        };
        let shown = |held: Option<&Held>| held.map_or("absent".into(), Held::shown);
        let keys = self.0.keys().chain(other.0.keys());
        let differs = |key: &&(u16, Vec<u8>)| match (self.0.get(*key), other.0.get(*key)) {
            (Some(a), Some(b)) => !a.is_like(b, form),
            _ => true,
        };
        let key = keys.filter(differs).min()?;
        Some((about(key), shown(self.0.get(key)), shown(other.0.get(key))))
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl Held {
    /// Whether both are the same; without `form` they may be kept in different forms.
    pub fn is_like(&self, other: &Held, form: bool) -> bool {
        self.kind == other.kind
            && self.content == other.content
            && self.ttl.near(&other.ttl, SLACK)
            && (self.form == other.form || !form)
    }

    /// On one line.
    pub fn shown(&self) -> String {
        let of = |value: &Value| value.render().join(" ");
        format!("{} {} {} {}", of(&self.kind), of(&self.form), of(&self.ttl), of(&self.content))
    }
}

/// What is under keys of the connection's keyspace.
///
/// # Errors
/// The connection breaks.
pub fn held(connection: &mut Connection, keys: &[Value]) -> Result<Vec<(Vec<u8>, Held)>, String> {
    let names: Vec<&[u8]> = keys
        .iter()
        .filter_map(|key| if let Value::Bulk(bytes) = key { Some(&bytes[..]) } else { None })
        .collect();
    let ask = |start: &str, key: &[u8], end: &str| -> Command {
        let words = |text: &str| text.split_whitespace().map(|w| w.as_bytes().to_vec()).collect::<Vec<_>>();
        [words(start), vec![key.to_vec()], words(end)].concat()
    };
    let about = |key: &&[u8]| [ask("TYPE", key, ""), ask("PTTL", key, ""), ask("OBJECT ENCODING", key, "")];
    let types: Vec<Command> = names.iter().flat_map(about).collect();
    let types = connection.run_all(&types)?;
    let contents: Vec<Command> = names
        .iter()
        .zip(types.chunks(3))
        .map(|(key, of)| match &of[0] {
            Value::Line(line) if line == "+string" => ask("GET", key, ""),
            Value::Line(line) if line == "+list" => ask("LRANGE", key, "0 -1"),
            Value::Line(line) if line == "+set" => ask("SMEMBERS", key, ""),
            Value::Line(line) if line == "+hash" => ask("HGETALL", key, ""),
            Value::Line(line) if line == "+stream" => ask("XINFO STREAM", key, "FULL COUNT 0"),
            Value::Line(line) if line == "+zset" => ask("ZRANGE", key, "0 -1 WITHSCORES"),
            _ => ask("EXISTS", key, ""),
        })
        .collect();
    let contents = connection.run_all(&contents)?;
    let held = types.chunks(3).zip(contents).map(|(of, content)| Held {
        kind: of[0].clone(),
        form: of[2].clone(),
        ttl: of[1].clone(),
        content: canonical(&of[0], content),
    });
    Ok(names.into_iter().map(<[u8]>::to_vec).zip(held).collect())
}

/// Without the order of what has none, and what follows from the clock.
fn canonical(kind: &Value, content: Value) -> Value {
    match (kind, content) {
        (Value::Line(line), content) if line == "+set" => content.sorted(),
        (Value::Line(line), Value::Many(mark, parts)) if line == "+hash" => {
            let mut pairs: Vec<&[Value]> = parts.chunks(2).collect();
            pairs.sort();
            Value::Many(mark, pairs.concat())
        }
        (Value::Line(line), content) if line == "+zset" => unsigned_zero(content),
        (Value::Line(line), content) if line == "+stream" => timeless(content),
        (_, content) => content,
    }
}
