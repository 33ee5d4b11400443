//! Tries every order of every choice of unknown operations. Written apart from the search.

use super::{MS, Rules};
use crate::history::{Action, Condition, Operation, Outcome, Reply};

/// What a key holds, and the earliest and latest moment at which it expires, ns.
pub type Content = Option<(Vec<u8>, Option<(u64, u64)>)>;

/// What Redis answers, and what the key holds then. `deadline` turns a time to live, ms, into a deadline.
pub fn execute(content: &Content, action: &Action, deadline: &dyn Fn(i64) -> (u64, u64)) -> (Reply, Content) {
    let bytes = content.as_ref().map(|(bytes, _)| bytes.clone());
    let kept = content.as_ref().and_then(|(_, expires)| *expires);
    let old = bytes.as_ref().map_or(Reply::Nil, |bytes| Reply::Value(bytes.as_slice().into()));
    let same = content.clone();
    let there = i64::from(content.is_some());
    match action {
        Action::Get => (old, same),
        Action::Set { value, condition, get, ttl_ms, keep_ttl } => {
            let write = match condition {
                Condition::None => true,
                Condition::Nx => content.is_none(),
                Condition::Xx => content.is_some(),
            };
            let plain = if write { Reply::Ok } else { Reply::Nil };
            let expires = if *keep_ttl { kept } else { ttl_ms.map(|ms| deadline(ms as i64)) };
            (if *get { old } else { plain }, if write { Some((value.to_vec(), expires)) } else { same })
        }
        Action::GetSet { value } => (old, Some((value.to_vec(), None))),
        Action::GetDel => (old, None),
        Action::Del => (Reply::Integer(there), None),
        Action::Exists => (Reply::Integer(there), same),
        Action::StrLen => (Reply::Integer(bytes.map_or(0, |bytes| bytes.len()) as i64), same),
        Action::Append { value } => {
            let mut bytes = bytes.unwrap_or_default();
            bytes.extend_from_slice(value);
            (Reply::Integer(bytes.len() as i64), Some((bytes, kept)))
        }
        Action::IncrBy { by } => match number(bytes.as_deref()).and_then(|number| number.checked_add(*by)) {
            Some(sum) => (Reply::Integer(sum), Some((sum.to_string().into_bytes(), kept))),
            None => (Reply::Error, same),
        },
        Action::Expire { ttl_ms } => {
            let after = bytes.filter(|_| *ttl_ms > 0).map(|bytes| (bytes, Some(deadline(*ttl_ms))));
            (Reply::Integer(there), after)
        }
        // It may also refuse without a reason, which no case here has.
        Action::Replace { from, value } => match &bytes {
            Some(bytes) if **bytes == **from => (Reply::Ok, Some((value.to_vec(), None))),
            _ => (Reply::Nil, same),
        },
        Action::Persist => (Reply::Integer(i64::from(kept.is_some())), bytes.map(|bytes| (bytes, None))),
    }
}

fn number(bytes: Option<&[u8]>) -> Option<i64> {
    let Some(bytes) = bytes else { return Some(0) };
    let text = std::str::from_utf8(bytes).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn replied(op: &Operation) -> bool {
    matches!(op.outcome, Outcome::Done(_))
}

/// Whether one order explains every reply.
pub fn has_order(operations: &[Operation], rules: Rules) -> bool {
    let left: Vec<&Operation> = operations.iter().filter(|op| op.outcome != Outcome::NotDone).collect();
    extend(&None, 0, &left, rules)
}

/// `time`: the latest call of what is certainly in the order.
fn extend(content: &Content, time: u64, left: &[&Operation], rules: Rules) -> bool {
    let Some(until) = left.iter().filter(|op| replied(op)).filter_map(|op| op.return_ns).min() else {
        return true;
    };
    let expires = content.as_ref().and_then(|(_, expires)| *expires);
    let ends = rules.evicted && content.is_some() || expires.is_some_and(|(earliest, _)| earliest <= until);
    if ends && extend(&None, time, left, rules) {
        return true;
    }
    (0..left.len()).any(|next| {
        let op = left[next];
        let after_own = left.iter().any(|other| {
            let own = other.client == op.client && other.return_ns.is_some_and(|ret| ret <= op.call_ns);
            own && replied(op) && replied(other) && !std::ptr::eq(*other, op)
        });
        let too_late = expires.is_some_and(|(_, latest)| latest < time.max(op.call_ns));
        if op.call_ns > until || after_own || too_late {
            return false;
        }
        let deadline = |ms: i64| {
            let ttl = ms.max(0) as u64 * MS;
            let latest =
                if replied(op) { op.return_ns.unwrap_or(0) + ttl + rules.slack_ns } else { u64::MAX };
            ((op.call_ns + ttl).saturating_sub(rules.slack_ns), latest)
        };
        let (reply, after) = execute(content, &op.action, &deadline);
        if replied(op) && op.outcome != Outcome::Done(reply) {
            return false;
        }
        let mut rest = left.to_vec();
        rest.remove(next);
        let time = if replied(op) { time.max(op.call_ns) } else { time };
        extend(&after, time, &rest, rules)
    })
}
