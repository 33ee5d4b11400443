//! **Expiry**: no read returns a value after its deadline by shard time, read-only reads included.
//!
//! Shard time is within the slack of the world's clock, and a deadline begins between call and return of its
//! write. Values that may have got another deadline, or none, afterwards are left to the search.

use super::SHOWN;
use crate::history::{Action, Bytes, Operation, Outcome, Reply, shown_bytes, shown_time};
use crate::verdict::{Bounds, Violation};
use crate::view::{KeyView, Kind, View, Wrote, done_by, wrote};

/// The property's name in verdicts.
pub const NAME: &str = "expiry";

const NS_PER_MS: u64 = 1_000_000;

/// Checks every read of keys with deadlines.
pub fn check(view: &View<'_>, bounds: &Bounds) -> Vec<Violation> {
    let mut found = Vec::new();
    for key in view.keys.iter().filter(|key| key.kind == Kind::Expiring) {
        for op in &key.operations {
            let Some(value) = seen(op) else { continue };
            let Some((deadline, writes)) = deadline(key, value) else { continue };
            let last = deadline.saturating_add(bounds.expiry_slack_ns);
            if op.call_ns <= last {
                continue;
            }
            let sentence = format!(
                "key {}: {} was read by a call {} after its deadline, {} more than the slack",
                key.name(),
                shown_bytes(value),
                shown_time(op.call_ns - deadline),
                shown_time(op.call_ns - last)
            );
            let details = view.lines(writes.into_iter().take(SHOWN).chain([*op]));
            found.push(Violation { property: NAME, sentence, details });
        }
    }
    found
}

/// The value an operation saw.
fn seen(op: &Operation) -> Option<&Bytes> {
    match &op.outcome {
        Outcome::Done(Reply::Value(value)) => Some(value),
        _ => None,
    }
}

/// The latest deadline the value can have had, ns, and what set it. None if it may have had none.
fn deadline<'a>(key: &KeyView<'a>, value: &Bytes) -> Option<(u64, Vec<&'a Operation>)> {
    let mut writes = Vec::new();
    let mut latest = 0;
    for op in key.operations.iter().copied().filter(|op| wrote(op) != Wrote::No) {
        let ms = match &op.action {
            Action::Set { value: written, ttl_ms, .. } if written == value => (*ttl_ms)?,
            Action::GetSet { value: written } if written == value => return None,
            Action::Set { .. } | Action::GetSet { .. } => continue,
            // These may have changed the deadline, or the value from or to this one.
            Action::Persist | Action::Append { .. } | Action::IncrBy { .. } => return None,
            Action::Expire { ttl_ms } => u64::try_from(*ttl_ms).unwrap_or(0),
            _ => continue,
        };
        latest = latest.max(done_by(op).saturating_add(ms.saturating_mul(NS_PER_MS)));
        writes.push(op);
    }
    let written = writes.iter().any(|op| matches!(op.action, Action::Set { .. }));
    written.then_some((latest, writes))
}
