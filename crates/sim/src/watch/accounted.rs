//! Nothing that was answered in an asynchronous keyspace, or to an asynchronous connection, is lost silently: at the end it is there, or in the
//! loss account of a node. Asked where every node still has all it had written.

use check::history::{KeyId, Reply};
use check::{Action, Operation, Outcome, Promise};
use model::effect::Effect;
use model::varint::Reader;
use node::losses::account::Account;
use std::collections::{BTreeMap, BTreeSet};

/// Name of the property.
const NAME: &str = "accounted";

/// Tokens are written as `<client.number:...>`; these are those in some bytes.
fn tokens(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'>')
}

/// What the effects of an account wrote.
fn kept(account: &Account, into: &mut BTreeSet<Vec<u8>>) {
    for entry in &account.entries {
        let mut r = Reader::new(&entry.effects);
        while let Ok(effect) = Effect::decode(&mut r) {
            if let Effect::Put { value: bytes, .. } | Effect::Patch { bytes, .. } = effect {
                into.extend(tokens(bytes).map(<[u8]>::to_vec));
            }
        }
    }
}

/// Checks what clients appended and were told is done. `asynchronous`: whether that need not have been committed.
///
/// # Errors
/// The property and what is missing.
pub fn check<'a>(
    operations: &[Operation],
    asynchronous: impl Fn(&Operation) -> bool,
    accounts: impl Iterator<Item = &'a Account>,
) -> Result<(), (&'static str, String)> {
    let mut last: BTreeMap<KeyId, &[u8]> = BTreeMap::new();
    for operation in operations.iter().filter(|operation| operation.promise == Promise::Final) {
        match &operation.outcome {
            Outcome::Done(Reply::Value(value)) => drop(last.insert(operation.key, value)),
            Outcome::Done(Reply::Nil) => drop(last.insert(operation.key, b"")),
            _ => {}
        }
    }
    let mut accounted = BTreeSet::new();
    accounts.for_each(|account| kept(account, &mut accounted));
    let there: BTreeMap<KeyId, BTreeSet<&[u8]>> =
        last.into_iter().map(|(key, value)| (key, tokens(value).collect())).collect();
    let missing: Vec<&Operation> = operations
        .iter()
        .filter(|operation| asynchronous(operation) && matches!(operation.outcome, Outcome::Done(_)))
        .filter(|operation| match &operation.action {
            Action::Append { value } => {
                let read = there.get(&operation.key);
                read.is_some_and(|read| !read.contains(&value[..])) && !accounted.contains(&value[..])
            }
            _ => false,
        })
        .collect();
    let Some(first) = missing.first() else { return Ok(()) };
    Err((
        NAME,
        format!(
            "{} answered asynchronous writes are neither there nor in a loss account; the first was asked \
             by client {} at {} us",
            missing.len(),
            first.client,
            first.call_ns / 1000
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{GroupId, Keyspace, NodeId};
    use node::losses::account::{LossId, LostEntry, State};

    fn append(key: KeyId, token: &str) -> Operation {
        let action = Action::Append { value: token.as_bytes().into() };
        let outcome = Outcome::Done(Reply::Integer(1));
        Operation {
            client: 1,
            connection: 1,
            call_ns: 5000,
            return_ns: Some(6000),
            key,
            promise: Promise::Usual,
            asynchronous: false,
            action,
            outcome,
        }
    }

    #[test]
    fn what_is_neither_there_nor_kept_is_found() {
        let mut history = check::History::new();
        let key = history.key(check::Class::Async, b"k");
        let read = Operation {
            promise: Promise::Final,
            action: Action::Get,
            outcome: Outcome::Done(Reply::Value(b"<1.1:x><1.3:>"[..].into())),
            ..append(key, "")
        };
        let operations = [append(key, "<1.1:x>"), append(key, "<1.2:yy>"), append(key, "<1.3:>"), read];
        let mut effects = Vec::new();
        let (ks, bytes) = (Keyspace(1), &b"<1.2:yy>"[..]);
        Effect::Patch { ks, key: b"k", offset: 7, bytes }.encode(&mut effects);
        let account = Account {
            id: LossId { group: GroupId(1), term: 1, index: 1 },
            node: NodeId(1),
            at_ms: 0,
            state: State::Lost,
            not_kept: (0, 0),
            entries: [LostEntry { index: 1, term: 1, time_ms: 0, count: 1, effects }].into(),
            rows: Vec::new(),
        };
        assert_eq!(check(&operations, |_| true, [&account].into_iter()), Ok(()));
        let found = check(&operations, |_| true, [].into_iter()).unwrap_err();
        assert!(found.1.starts_with("1 answered asynchronous writes are neither"), "{found:?}");
        assert_eq!(check(&operations, |_| false, [].into_iter()), Ok(()));
        assert_eq!(check(&operations[..3], |_| true, [].into_iter()), Ok(()), "nobody has looked");
    }
}
