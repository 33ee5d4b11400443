//! **Staleness**: a `READONLY` read returns a value that was current at a moment between (call - bound) and
//! its return.
//!
//! That is an ordinary read with a longer interval, so the search decides it exactly. Two such reads may see
//! the values in another order than the writes, as long as each keeps its bound.

use super::linearizable::search;
use crate::history::{Class, Promise};
use crate::linearizable::{Decision, Item, Rules, decide};
use crate::verdict::{Bounds, Searched};
use crate::view::View;

/// The property's name in verdicts.
pub const NAME: &str = "staleness";

/// Checks every key of sync keyspaces and of caches that is read so. A key that is not linearizable without these reads is
/// left to that property.
pub fn check(view: &View<'_>, bounds: &Bounds) -> Searched {
    let mut found = Searched::default();
    for key in view.of(Class::Sync).chain(view.of(Class::Cache)) {
        let read_only = |op: &&crate::Operation| matches!(op.promise, Promise::ReadOnly { .. });
        if !key.operations.iter().copied().any(|op| read_only(&op)) {
            continue;
        }
        let usual = key.operations.iter().copied().filter(|op| !read_only(op));
        let usual: Vec<Item<'_>> = usual.filter_map(Item::new).collect();
        let rules = Rules::of(key, bounds);
        let (without, steps) = decide(&usual, rules, bounds.step_limit);
        found.steps += steps;
        if without == Decision::Yes {
            let all: Vec<Item<'_>> = key.operations.iter().filter_map(|op| Item::new(op)).collect();
            search(view, key, &all, bounds, NAME, &mut found);
        }
    }
    found
}
