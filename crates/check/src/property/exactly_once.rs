//! **Exactly once**: what was sent once is executed once, whatever was forwarded, retried or failed over.
//!
//! Counters to which only 1 is added (in sync keyspaces): no number is answered twice, later ones are higher, the
//! final number lies between what was acknowledged and that plus what is unknown. Appended tokens (in every
//! keyspace): none is seen twice in any read.

use std::collections::{BTreeMap, BTreeSet};

use super::lost::{counter_range, number};
use crate::history::{Action, Bytes, Class, Operation, Outcome, Reply, shown_bytes};
use crate::verdict::Violation;
use crate::view::{KeyView, Kind, View, Wrote, done_by, tokens, wrote};

/// The property's name in verdicts.
pub const NAME: &str = "exactly once";

/// Checks counters and appended tokens.
pub fn check(view: &View<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for key in &view.keys {
        let ones = key.operations.iter().all(|op| !matches!(op.action, Action::IncrBy { by } if by != 1));
        let wrong = match key.kind {
            Kind::Counter if ones && key.key.class == Class::Sync => counter(key),
            Kind::Tokens => twice(key),
            _ => Vec::new(),
        };
        found.extend(wrong.into_iter().map(|(sentence, operations)| Violation {
            property: NAME,
            sentence: format!("key {}: {sentence}", key.name()),
            details: view.lines(operations),
        }));
    }
    found
}

type Wrong<'a> = Vec<(String, Vec<&'a Operation>)>;

fn counter<'a>(key: &KeyView<'a>) -> Wrong<'a> {
    let mut wrong = Wrong::new();
    let numbered = key.operations.iter().copied().filter(|op| wrote(op) == Wrote::Yes);
    let numbered: Vec<(&Operation, i64)> = numbered
        .filter_map(|op| match op.outcome {
            Outcome::Done(Reply::Integer(number)) => Some((op, number)),
            _ => None,
        })
        .collect();
    let mut first: BTreeMap<i64, &Operation> = BTreeMap::new();
    for (op, number) in &numbered {
        if let Some(other) = first.insert(*number, op) {
            wrong.push((format!("{number} was answered twice"), vec![other, op]));
        }
    }
    wrong.extend(backwards(&numbered));
    for (read, value) in key.final_reads() {
        let (low, high) = counter_range(key, read.call_ns);
        if let Some(number) = number(value).filter(|number| !(low..=high).contains(number)) {
            let sentence = format!(
                "the final number is {number}; {low} increments were acknowledged, and {} may have been done",
                high - low
            );
            wrong.push((sentence, vec![read]));
        }
    }
    wrong
}

/// A lower number than one that had returned before the call. The first one is enough.
fn backwards<'a>(by_call: &[(&'a Operation, i64)]) -> Option<(String, Vec<&'a Operation>)> {
    let mut by_return: Vec<&(&Operation, i64)> = by_call.iter().collect();
    by_return.sort_by_key(|(op, _)| done_by(op));
    let mut returned = by_return.into_iter().peekable();
    let mut highest: Option<&(&Operation, i64)> = None;
    for (op, number) in by_call {
        while let Some(next) = returned.next_if(|(other, _)| done_by(other) < op.call_ns) {
            if highest.is_none_or(|highest| next.1 > highest.1) {
                highest = Some(next);
            }
        }
        if let Some((other, before)) = highest.filter(|(_, before)| before > number) {
            let sentence = format!("{number} was answered to a call made after {before} had been answered");
            return Some((sentence, vec![*other, *op]));
        }
    }
    None
}

/// Reads that show a token twice. A value that is the beginning of one already seen shows nothing new.
fn twice<'a>(key: &KeyView<'a>) -> Wrong<'a> {
    let mut reads: Vec<(&Operation, &Bytes)> = key
        .operations
        .iter()
        .filter_map(|op| match (&op.action, &op.outcome) {
            (Action::Get, Outcome::Done(Reply::Value(value))) => Some((*op, value)),
            _ => None,
        })
        .collect();
    reads.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
    let mut wrong = Wrong::new();
    let mut reported: BTreeSet<&[u8]> = BTreeSet::new();
    let mut former: Option<&Bytes> = None;
    for (op, value) in reads {
        if former.is_some_and(|former| former.starts_with(value)) {
            continue;
        }
        former = Some(value);
        let mut seen: BTreeSet<&[u8]> = BTreeSet::new();
        for token in tokens(value).unwrap_or_default() {
            if !seen.insert(token) && reported.insert(token) {
                wrong.push((format!("{} was appended once and is seen twice", shown_bytes(token)), vec![op]));
            }
        }
    }
    wrong
}
