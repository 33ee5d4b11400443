//! Acknowledged writes that a final read shows to be missing.

use std::collections::BTreeSet;

use crate::history::{Action, Bytes, Operation};
use crate::view::{KeyView, Kind, Wrote, done_by, tokens, wrote};

/// What a final GET says.
pub(super) enum Finding<'a> {
    /// These acknowledged writes are missing; none if everything is explained.
    Lost(Vec<&'a Operation>),
    /// Nobody wrote what it returned.
    NeverWritten,
    /// Keys of this kind are not judged by it.
    NotJudged,
}

/// Judges the final GET `read`, which returned `value`.
pub(super) fn lost<'a>(key: &KeyView<'a>, read: &Operation, value: Option<&Bytes>) -> Finding<'a> {
    let acknowledged =
        key.operations.iter().copied().filter(|op| wrote(op) == Wrote::Yes && done_by(op) < read.call_ns);
    match key.kind {
        Kind::Register => {
            let written_by = key.operations.iter().copied().filter(|op| may_have_left(op, value));
            let last = written_by.map(done_by).max();
            match (last, value) {
                (None, Some(_)) => Finding::NeverWritten,
                // Absent from the beginning: every acknowledged write is missing.
                (None, None) => Finding::Lost(acknowledged.collect()),
                (Some(last), _) => Finding::Lost(acknowledged.filter(|op| op.call_ns > last).collect()),
            }
        }
        Kind::Tokens => {
            let there: BTreeSet<&[u8]> =
                value.and_then(|value| tokens(value).ok()).into_iter().flatten().collect();
            let missing = acknowledged.filter(|op| match &op.action {
                Action::Append { value } => !there.contains(&**value),
                _ => false,
            });
            Finding::Lost(missing.collect())
        }
        Kind::Unwritten if value.is_some() => Finding::NeverWritten,
        Kind::Unwritten | Kind::Counter | Kind::Expiring | Kind::Mixed => Finding::NotJudged,
    }
}

/// Whether the operation may have left the key of kind register with this value, or removed it.
fn may_have_left(op: &Operation, value: Option<&Bytes>) -> bool {
    if wrote(op) == Wrote::No {
        return false;
    }
    match (&op.action, value) {
        (Action::Set { value, .. } | Action::GetSet { value }, Some(read)) => value == read,
        (Action::Del | Action::GetDel, None) => true,
        _ => false,
    }
}

/// What all acknowledged additions of a counter sum up to by `until`, ns, with the least and the most that
/// the others may have added.
pub(super) fn counter_range(key: &KeyView<'_>, until: u64) -> (i128, i128) {
    let (mut low, mut high) = (0, 0);
    for op in &key.operations {
        let Action::IncrBy { by } = op.action else { continue };
        let by = i128::from(by);
        match wrote(op) {
            Wrote::Yes if done_by(op) < until => {
                low += by;
                high += by;
            }
            Wrote::No => {}
            _ => {
                low += by.min(0);
                high += by.max(0);
            }
        }
    }
    (low, high)
}

/// The number a counter's GET returned; none if it is not a number.
pub(super) fn number(value: Option<&Bytes>) -> Option<i128> {
    match value {
        None => Some(0),
        Some(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
    }
}
