//! **Linearizable**: for each key of a sync keyspace, or of a cache, there is one order of the operations, each between its
//! call and its return, in which every reply is right.
//!
//! Operations of one connection are in the order they were sent. One of unknown outcome is executed once, at
//! any time after its call, or never. A key with a deadline may be gone from (call of its write + time to live,
//! less slack) on and must be gone for reads that are called after (return + time to live + slack). One of a
//! cache may be removed at any time besides.

use super::SHOWN;
use crate::history::{Class, Promise, describe, shown_bytes};
use crate::linearizable::{Decision, Failure, Item, Rules, decide, shorten};
use crate::verdict::{Bounds, Searched, Undecided, Violation};
use crate::view::{KeyView, View};

/// The property's name in verdicts.
pub const NAME: &str = "linearizable";

/// Steps that each search for a shorter failure has beyond twice those of the failure.
const SHORTEN_STEPS: u64 = 20_000;

/// Checks every key of sync keyspaces and of caches.
pub fn check(view: &View<'_>, bounds: &Bounds) -> Searched {
    let mut found = Searched::default();
    for key in view.of(Class::Sync).chain(view.of(Class::Cache)) {
        let usual = key.operations.iter().filter(|op| !matches!(op.promise, Promise::ReadOnly { .. }));
        let items: Vec<Item<'_>> = usual.filter_map(|op| Item::new(op)).collect();
        search(view, key, &items, bounds, NAME, &mut found);
    }
    found
}

/// Searches one key and adds what was found.
pub(super) fn search(
    view: &View<'_>,
    key: &KeyView<'_>,
    items: &[Item<'_>],
    bounds: &Bounds,
    property: &'static str,
    found: &mut Searched,
) {
    let rules = Rules::of(key, bounds);
    let (decision, steps) = decide(items, rules, bounds.step_limit);
    found.steps += steps;
    match decision {
        Decision::Yes => {}
        Decision::No => {
            // Making it readable must not cost many times what finding it did.
            let limit = (2 * steps + SHORTEN_STEPS).min(bounds.step_limit);
            let failure = shorten(items, rules, limit);
            found.violations.extend(failure.map(|failure| violation(view, key, &failure, property)));
        }
        Decision::Undecided => found.undecided.push(Undecided {
            property,
            sentence: format!(
                "key {}: no order of {} operations was found or excluded within {} steps",
                key.name(),
                items.len(),
                bounds.step_limit
            ),
        }),
    }
}

fn violation(view: &View<'_>, key: &KeyView<'_>, failure: &Failure<'_>, property: &'static str) -> Violation {
    let could: Vec<String> = failure
        .could_be
        .iter()
        .map(|value| value.as_ref().map_or_else(|| "nil".to_owned(), |value| shown_bytes(value)))
        .collect();
    let could = match could.len() {
        0 => String::new(),
        _ => format!("; {} would have been right", could.join(" or ")),
    };
    let sentence = format!(
        "key {}: no order of the operations explains {}{could}",
        key.name(),
        describe(view.history, failure.failing)
    );
    let left_out = failure.kept.len().saturating_sub(SHOWN);
    let mut details = Vec::new();
    if left_out > 0 {
        details.push(format!("({left_out} earlier operations are not shown)"));
    }
    for op in failure.kept.iter().skip(left_out) {
        let line = describe(view.history, op);
        let mark = if std::ptr::eq(*op, failure.failing) { "  <- this one" } else { "" };
        details.push(format!("{line}{mark}"));
    }
    let kept = |op: &&crate::Operation| failure.kept.iter().any(|kept| std::ptr::eq(*kept, *op));
    let others = failure.concurrent.iter().copied().filter(|op| !kept(op)).take(SHOWN);
    details.extend(view.lines(others).into_iter().map(|line| format!("concurrent: {line}")));
    Violation { property, sentence, details }
}
