//! **Durable**: what was acknowledged in a sync keyspace is there in the final reads, unless a later write
//! explains its absence. Appended tokens are there in an order that the intervals and connections allow.

use std::collections::BTreeMap;

use super::SHOWN;
use super::lost::{Finding, counter_range, lost, number};
use crate::history::{Action, Bytes, Class, Operation, Outcome, shown_bytes};
use crate::verdict::Violation;
use crate::view::{KeyView, Kind, View, Wrote, done_by, tokens, wrote};

/// The property's name in verdicts.
pub const NAME: &str = "durable";

/// Checks every key of sync keyspaces that has a final GET. Keys with deadlines, and keys on which
/// different kinds of writes are mixed, are judged by the search alone, which sees final reads too.
pub fn check(view: &View<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for key in view.of(Class::Sync) {
        for (read, value) in key.final_reads() {
            final_read(view, key, read, value, &mut found);
        }
    }
    found
}

fn final_read(
    view: &View<'_>,
    key: &KeyView<'_>,
    read: &Operation,
    value: Option<&Bytes>,
    found: &mut Vec<Violation>,
) {
    let mut add = |sentence: String, operations: &[&Operation]| {
        let mut details = view.lines(operations.iter().copied().take(SHOWN));
        details.extend(view.lines([read]));
        found.push(Violation {
            property: NAME,
            sentence: format!("key {}: {sentence}", key.name()),
            details,
        });
    };
    match lost(key, read, value) {
        Finding::Lost(missing) if !missing.is_empty() => {
            add(format!("{} acknowledged writes are missing from the final read", missing.len()), &missing);
        }
        Finding::NeverWritten => add("the final read returned a value that nobody wrote".into(), &[]),
        Finding::Lost(_) | Finding::NotJudged => {}
    }
    match key.kind {
        Kind::Tokens => {
            for (sentence, operations) in token_order(key, value) {
                add(sentence, &operations);
            }
        }
        Kind::Counter => {
            let (low, _) = counter_range(key, read.call_ns);
            match number(value) {
                None => add("the final read of a counter returned no number".into(), &[]),
                Some(number) if number < low => {
                    add(format!("the final number is {number}, but {low} was acknowledged"), &[]);
                }
                Some(_) => {}
            }
        }
        _ => {}
    }
}

/// What is wrong with the tokens that are there.
fn token_order<'a>(key: &KeyView<'a>, value: Option<&Bytes>) -> Vec<(String, Vec<&'a Operation>)> {
    let Some(value) = value else { return Vec::new() };
    let tokens = match tokens(value) {
        Ok(tokens) => tokens,
        Err(rest) => {
            return vec![(format!("the final value is damaged from {} on", shown_bytes(rest)), Vec::new())];
        }
    };
    let mut appends: BTreeMap<&[u8], (usize, &Operation)> = BTreeMap::new();
    for (place, op) in key.operations.iter().copied().enumerate() {
        if let Action::Append { value } = &op.action {
            // A token that was refused and sent again under the same name belongs to the one that was done.
            let known = appends.entry(&**value).or_insert((place, op));
            if known.1.outcome == Outcome::NotDone {
                *known = (place, op);
            }
        }
    }
    let mut wrong = Vec::new();
    // The append called last so far, and the last of each connection: place and operation.
    let mut latest: Option<&Operation> = None;
    let mut of_connection: BTreeMap<u32, (usize, &Operation)> = BTreeMap::new();
    for token in tokens {
        let shown = shown_bytes(token);
        let Some((place, op)) = appends.get(token).copied() else {
            wrong.push((format!("the final value has {shown}, which nobody appended"), Vec::new()));
            continue;
        };
        if op.outcome == Outcome::NotDone {
            wrong.push((format!("the final value has {shown}, which was answered as not done"), vec![op]));
        }
        if let Some(latest) = latest.filter(|latest| done_by(op) < latest.call_ns) {
            wrong.push((
                format!("{shown} had been appended before another was called, but stands behind it"),
                vec![op, latest],
            ));
        }
        if latest.is_none_or(|latest| op.call_ns > latest.call_ns) {
            latest = Some(op);
        }
        if wrote(op) == Wrote::Yes {
            let last = of_connection.entry(op.connection).or_insert((place, op));
            if place < last.0 {
                wrong.push((
                    format!("{shown} stands behind one that its connection sent later"),
                    vec![op, last.1],
                ));
            } else {
                *last = (place, op);
            }
        }
    }
    wrong
}
