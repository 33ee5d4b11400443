//! What clients saw: every operation with its interval, and the events that explain losses.

mod bytes;
mod describe;
mod lines;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use describe::{describe, shown_bytes, shown_time};
pub use lines::{Error, FORMAT, MAX_LINE, read_json_lines, write_json_lines};

/// When what a client did had certainly taken effect if it ever did, ns: when the client was `told` its outcome;
/// `u64::MAX` = nobody knows.
pub(crate) fn certain_by(return_ns: Option<u64>, told: bool) -> u64 {
    return_ns.filter(|_| told).unwrap_or(u64::MAX)
}

/// A key or value.
pub type Bytes = Box<[u8]>;

/// Most operations of one history.
pub const MAX_OPERATIONS: usize = 4_000_000;
/// Most events of one history.
pub const MAX_EVENTS: usize = 100_000;

/// What a keyspace promises.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Acknowledged means kept; reads are linearizable.
    Sync,
    /// A failover may lose acknowledged writes, up to the exposure.
    Async,
    /// As [`Class::Sync`], but a key may be removed at any time, as if by a client.
    Cache,
}

/// A key of one history; made by [`History::key`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyId(pub(crate) u32);

/// A key: the same bytes in keyspaces of different class are different keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// What its keyspace promises.
    pub class: Class,
    /// Its name.
    pub name: Bytes,
}

/// `NX` and `XX` of `SET`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Set whatever was there.
    #[default]
    None,
    /// Only if the key is absent.
    Nx,
    /// Only if the key is there.
    Xx,
}

/// A command on one key, with the meaning it has in Redis.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Reply: value or nil.
    Get,
    /// Reply: ok, or nil if the condition refused; with `get` the former value or nil.
    Set {
        /// What is written.
        #[serde(with = "bytes")]
        value: Bytes,
        /// When it is written.
        #[serde(default)]
        condition: Condition,
        /// Reply with the former value.
        #[serde(default)]
        get: bool,
        /// Expires after this, ms, at least 1. None clears a former deadline.
        #[serde(default)]
        ttl_ms: Option<u64>,
        /// The former deadline stays; not together with `ttl_ms`.
        #[serde(default)]
        keep_ttl: bool,
    },
    /// Reply: the former value or nil.
    GetSet {
        /// What is written.
        #[serde(with = "bytes")]
        value: Bytes,
    },
    /// Reply: the value that was removed, or nil.
    GetDel,
    /// Reply: 1 if the key was removed, else 0.
    Del,
    /// Reply: 1 or 0.
    Exists,
    /// Reply: the new number, or error if the value is no integer or the sum is none.
    IncrBy {
        /// What is added.
        by: i64,
    },
    /// Reply: the new length.
    Append {
        /// What is added at the end.
        #[serde(with = "bytes")]
        value: Bytes,
    },
    /// Reply: the length, 0 if absent.
    StrLen,
    /// Reply: 1 if the key is there, else 0. A deadline that is not in the future removes the key.
    Expire {
        /// Time to live from now, ms.
        ttl_ms: i64,
    },
    /// Reply: 1 if a deadline was removed, else 0.
    Persist,
    /// A transaction that sets the key only if it is as it was watched. Reply: ok, or nil if it was not executed,
    /// which may happen although nothing has changed.
    Replace {
        /// What it held when it was watched.
        #[serde(with = "bytes")]
        from: Bytes,
        /// What is written; the deadline goes.
        #[serde(with = "bytes")]
        value: Bytes,
    },
}

impl Action {
    /// A plain `SET key value`.
    pub fn set(value: &[u8]) -> Action {
        let value = value.into();
        Action::Set { value, condition: Condition::None, get: false, ttl_ms: None, keep_ttl: false }
    }

    /// Whether it never changes anything.
    pub fn is_read(&self) -> bool {
        matches!(self, Action::Get | Action::Exists | Action::StrLen)
    }

    /// Whether it sets, keeps or removes a deadline.
    pub fn concerns_expiry(&self) -> bool {
        match self {
            Action::Set { ttl_ms, keep_ttl, .. } => ttl_ms.is_some() || *keep_ttl,
            Action::Expire { .. } | Action::Persist => true,
            _ => false,
        }
    }
}

/// What the client got.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// `OK`.
    Ok,
    /// No value, or a condition that refused.
    Nil,
    /// A value.
    Value(#[serde(with = "bytes")] Bytes),
    /// A number, a length or a count.
    Integer(i64),
    /// The command was executed and answered that it can not be done (no integer, overflow).
    Error,
}

/// How an operation ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Executed once, with this reply.
    Done(Reply),
    /// Certainly not executed: refused, or never sent.
    NotDone,
    /// Executed at most once, at any time from its call on, also long after the client gave up.
    Unknown,
}

/// What a read promises.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// What the keyspace promises.
    #[default]
    Usual,
    /// The same, read at the end, when the world was healed and the writers had stopped.
    Final,
    /// Read from a replica: a value that was current at a moment of [call - bound, return].
    ReadOnly {
        /// The bound, ns.
        max_staleness_ns: u64,
    },
}

/// One command on one key. A command on several keys is one operation per key with the same interval.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operation {
    /// The client: it calls again only after its former operation returned, unless it pipelines.
    pub client: u32,
    /// The connection, unique in the history. What it sends takes effect in the order sent.
    pub connection: u32,
    /// When it was called, ns of the world's clock.
    pub call_ns: u64,
    /// When the client had the outcome, ns; none if it never did.
    pub return_ns: Option<u64>,
    /// The key.
    pub key: KeyId,
    /// What is promised about it.
    pub promise: Promise,
    /// Its connection may have chosen that its writes are answered before they are kept, in a keyspace that
    /// is synchronous: what a failover exposed of them may be lost.
    pub asynchronous: bool,
    /// What was asked.
    pub action: Action,
    /// How it ended.
    pub outcome: Outcome,
}

/// What an async keyspace may lose by a failover.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exposure {
    /// Writes.
    pub entries: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// Age of the oldest, ms.
    pub ms: u64,
}

/// A leader was replaced without handing over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failover {
    /// When its successor began to serve, ns of the world's clock.
    pub at_ns: u64,
    /// What was stated to be exposed at most.
    pub exposure: Exposure,
}

/// A write in a loss account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loss {
    /// The key.
    pub key: KeyId,
    /// The whole value the key had after the write; none if it was removed.
    pub value: Option<Bytes>,
}

/// An old leader came back with its log and listed what was lost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LossAccount {
    /// `at_ns` of the failover it belongs to.
    pub failover_ns: u64,
    /// What was lost.
    pub losses: Vec<Loss>,
}

/// What happened besides operations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A leader was replaced without handing over.
    Failover(Failover),
    /// A loss account was read.
    LossAccount(LossAccount),
}

/// Why an operation or event can not be part of a history.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Invalid {
    /// `return_ns` is before `call_ns`.
    #[error("it returned before it was called")]
    ReturnsBeforeCall,
    /// `done` without `return_ns`.
    #[error("it is done, but has no time of return")]
    DoneWithoutReturn,
    /// A promise of reads on an operation that is none.
    #[error("only get, exists and str_len can be a final or read-only read")]
    PromiseOfNoRead,
    /// A time to live of 0.
    #[error("ttl_ms of set is at least 1")]
    NoTimeToLive,
    /// Both.
    #[error("set takes either ttl_ms or keep_ttl")]
    TwoDeadlines,
    /// The key belongs to another history.
    #[error("its key is not one of this history")]
    UnknownKey,
    /// Bound of the history.
    #[error("a history has at most {MAX_OPERATIONS} operations and {MAX_EVENTS} events")]
    TooLong,
}

/// All operations of a run. Order matters only where call times of one connection are equal.
#[derive(Clone, Debug, Default)]
pub struct History {
    keys: Vec<Key>,
    /// One per class.
    by_name: [BTreeMap<Bytes, KeyId>; 3],
    operations: Vec<Operation>,
    events: Vec<Event>,
}

impl History {
    /// An empty one.
    pub fn new() -> History {
        History::default()
    }

    /// The id of a key, made when it is first asked for.
    pub fn key(&mut self, class: Class, name: &[u8]) -> KeyId {
        let names = &mut self.by_name[class as usize];
        if let Some(id) = names.get(name) {
            return *id;
        }
        // Each key stands for an operation or a loss, and those are bounded far below u32.
        let id = KeyId(self.keys.len() as u32);
        names.insert(name.into(), id);
        self.keys.push(Key { class, name: name.into() });
        id
    }

    /// Adds an operation.
    pub fn push(&mut self, operation: Operation) -> Result<(), Invalid> {
        let Operation { call_ns, return_ns, key, promise, action, outcome, .. } = &operation;
        if key.0 as usize >= self.keys.len() {
            return Err(Invalid::UnknownKey);
        }
        if return_ns.is_some_and(|at| at < *call_ns) {
            return Err(Invalid::ReturnsBeforeCall);
        }
        if return_ns.is_none() && matches!(outcome, Outcome::Done(_)) {
            return Err(Invalid::DoneWithoutReturn);
        }
        if *promise != Promise::Usual && !action.is_read() {
            return Err(Invalid::PromiseOfNoRead);
        }
        match action {
            Action::Set { ttl_ms: Some(0), .. } => return Err(Invalid::NoTimeToLive),
            Action::Set { ttl_ms: Some(_), keep_ttl: true, .. } => return Err(Invalid::TwoDeadlines),
            _ => {}
        }
        if self.operations.len() >= MAX_OPERATIONS {
            return Err(Invalid::TooLong);
        }
        self.operations.push(operation);
        Ok(())
    }

    /// Adds an event.
    pub fn push_event(&mut self, event: Event) -> Result<(), Invalid> {
        if self.events.len() >= MAX_EVENTS {
            return Err(Invalid::TooLong);
        }
        if let Event::LossAccount(account) = &event
            && account.losses.iter().any(|loss| loss.key.0 as usize >= self.keys.len())
        {
            return Err(Invalid::UnknownKey);
        }
        self.events.push(event);
        Ok(())
    }

    /// A key by its id.
    ///
    /// # Panics
    /// If the id is of another history.
    pub fn key_of(&self, id: KeyId) -> &Key {
        &self.keys[id.0 as usize]
    }

    /// All keys, in the order of their ids.
    pub fn keys(&self) -> impl Iterator<Item = (KeyId, &Key)> {
        self.keys.iter().enumerate().map(|(at, key)| (KeyId(at as u32), key))
    }

    /// All operations, as they were added.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    pub(crate) fn operations_mut(&mut self) -> &mut [Operation] {
        &mut self.operations
    }

    /// Leaders that were replaced without handing over.
    pub fn failovers(&self) -> impl Iterator<Item = &Failover> {
        self.events.iter().filter_map(|event| match event {
            Event::Failover(failover) => Some(failover),
            Event::LossAccount(_) => None,
        })
    }

    /// All events, as they were added.
    pub fn events(&self) -> &[Event] {
        &self.events
    }
}
