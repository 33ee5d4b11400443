//! A history by key, and what kind of key each is: the plain properties need keys of one kind.

use std::collections::BTreeSet;

use crate::history::{
    Action, Bytes, Class, Condition, History, Key, KeyId, Operation, Outcome, Promise, Reply, certain_by,
    describe, shown_bytes,
};

/// What is done to a key, by the operations that may have been executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only reads.
    Unwritten,
    /// Set, removed and read.
    Register,
    /// Only numbers are added.
    Counter,
    /// Only unique tokens `<...>` are appended.
    Tokens,
    /// Deadlines are set.
    Expiring,
    /// Anything else.
    Mixed,
}

/// One key and its operations.
#[derive(Clone, Debug)]
pub struct KeyView<'a> {
    /// Its id.
    pub id: KeyId,
    /// Its keyspace's class and its name.
    pub key: &'a Key,
    /// What is done to it.
    pub kind: Kind,
    /// By call; those of equal call as they were recorded.
    pub operations: Vec<&'a Operation>,
}

/// A history by key.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// The whole.
    pub history: &'a History,
    /// By class, then by name.
    pub keys: Vec<KeyView<'a>>,
}

impl<'a> View<'a> {
    /// Sorts the operations by key.
    pub fn new(history: &'a History) -> View<'a> {
        let mut by_key: Vec<Vec<&Operation>> = history.keys().map(|_| Vec::new()).collect();
        for operation in history.operations() {
            by_key[operation.key.0 as usize].push(operation);
        }
        let view = |((id, key), mut operations): ((KeyId, &'a Key), Vec<&'a Operation>)| {
            operations.sort_by_key(|operation| operation.call_ns);
            KeyView { id, key, kind: kind(&operations), operations }
        };
        let mut keys: Vec<KeyView<'a>> = history.keys().zip(by_key).map(view).collect();
        keys.sort_by(|a, b| (a.key.class, &a.key.name).cmp(&(b.key.class, &b.key.name)));
        View { history, keys }
    }

    /// Keys of one class.
    pub fn of(&self, class: Class) -> impl Iterator<Item = &KeyView<'a>> {
        self.keys.iter().filter(move |key| key.key.class == class)
    }

    /// Lines that show operations.
    pub(crate) fn lines<'b>(&self, operations: impl IntoIterator<Item = &'b Operation>) -> Vec<String> {
        operations.into_iter().map(|operation| describe(self.history, operation)).collect()
    }

    /// What can not be checked.
    pub(crate) fn notes(&self) -> Vec<String> {
        let unread = self.keys.iter().filter(|key| {
            let acknowledged = key.operations.iter().any(|op| wrote(op) == Wrote::Yes);
            acknowledged && key.final_reads().next().is_none()
        });
        match unread.count() {
            0 => Vec::new(),
            count => vec![format!(
                "{count} of {} keys have acknowledged writes but no answered final read: what they lost is \
                 not seen",
                self.keys.len()
            )],
        }
    }
}

impl<'a> KeyView<'a> {
    /// Final GETs that were answered, with the value they gave.
    pub(crate) fn final_reads(&self) -> impl Iterator<Item = (&'a Operation, Option<&'a Bytes>)> {
        let finals = self.operations.iter().filter(|op| op.promise == Promise::Final);
        finals.filter_map(|op| match (&op.action, &op.outcome) {
            (Action::Get, Outcome::Done(Reply::Nil)) => Some((*op, None)),
            (Action::Get, Outcome::Done(Reply::Value(value))) => Some((*op, Some(value))),
            _ => None,
        })
    }

    /// The name as people read it.
    pub(crate) fn name(&self) -> String {
        shown_bytes(&self.key.name)
    }
}

fn kind(operations: &[&Operation]) -> Kind {
    let writes: Vec<&Action> = operations
        .iter()
        .filter(|op| op.outcome != Outcome::NotDone && !op.action.is_read())
        .map(|op| &op.action)
        .collect();
    if writes.is_empty() {
        return Kind::Unwritten;
    }
    if writes.iter().any(|action| action.concerns_expiry()) {
        return Kind::Expiring;
    }
    let register = |action: &&Action| {
        matches!(action, Action::Set { .. } | Action::GetSet { .. } | Action::GetDel | Action::Del)
    };
    if writes.iter().all(register) {
        return Kind::Register;
    }
    if writes.iter().all(|action| matches!(action, Action::IncrBy { .. })) {
        return Kind::Counter;
    }
    let mut seen: BTreeSet<&[u8]> = BTreeSet::new();
    for action in writes {
        match action {
            Action::Append { value } if is_token(value) && seen.insert(value) => {}
            _ => return Kind::Mixed,
        }
    }
    Kind::Tokens
}

/// Whether the bytes are one token: `<`, anything but `<` and `>`, `>`.
fn is_token(bytes: &[u8]) -> bool {
    tokens(bytes).is_ok_and(|tokens| tokens.len() == 1)
}

/// The tokens of an appended value; an error is what stands where a token should begin or end.
pub(crate) fn tokens(value: &[u8]) -> Result<Vec<&[u8]>, &[u8]> {
    let mut found = Vec::new();
    let mut rest = value;
    while let Some(first) = rest.first() {
        let end = rest.iter().skip(1).position(|byte| matches!(byte, b'<' | b'>')).map(|at| at + 1);
        match end {
            Some(end) if *first == b'<' && rest[end] == b'>' => {
                found.push(&rest[..=end]);
                rest = &rest[end + 1..];
            }
            _ => return Err(rest),
        }
    }
    Ok(found)
}

/// Whether an operation changed the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wrote {
    Yes,
    No,
    /// Its outcome is unknown.
    Maybe,
}

pub(crate) fn wrote(operation: &Operation) -> Wrote {
    if operation.action.is_read() {
        return Wrote::No;
    }
    let reply = match &operation.outcome {
        Outcome::Done(reply) => reply,
        Outcome::NotDone => return Wrote::No,
        Outcome::Unknown => return Wrote::Maybe,
    };
    let yes = match &operation.action {
        Action::Set { condition: Condition::Nx, get: true, .. } => *reply == Reply::Nil,
        Action::Set { condition: Condition::Xx, get: true, .. } | Action::GetDel => {
            matches!(reply, Reply::Value(_))
        }
        Action::Set { get: true, .. } | Action::GetSet { .. } => true,
        Action::Set { .. } | Action::Replace { .. } => *reply == Reply::Ok,
        Action::Del | Action::Expire { .. } | Action::Persist => *reply == Reply::Integer(1),
        Action::IncrBy { .. } | Action::Append { .. } => matches!(reply, Reply::Integer(_)),
        Action::Get | Action::Exists | Action::StrLen => false,
    };
    if yes { Wrote::Yes } else { Wrote::No }
}

/// When it had certainly taken effect if it ever did, ns; see [`certain_by`].
pub(crate) fn done_by(operation: &Operation) -> u64 {
    certain_by(operation.return_ns, operation.outcome != Outcome::Unknown)
}
