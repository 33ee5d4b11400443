//! Is there one order of the operations on a key that explains every reply?
//!
//! Search by Wing and Gong with the memory of Lowe: a configuration is the set of operations already in
//! the order, and the state they lead to; one that was explored in vain is never explored again. Keys are
//! independent, so each is searched alone. What keeps the search small is in [`search`], how a failure is
//! made readable in [`shorten`].

mod item;
mod lanes;
mod model;
mod numbers;
mod outlook;
mod search;
mod shorten;
mod unknowns;
mod values;

#[cfg(test)]
mod tests;

use crate::history::Class;
use crate::verdict::Bounds;
use crate::view::KeyView;

pub(crate) use item::Item;
pub(crate) use shorten::{Failure, shorten};

/// Steps of the search of one key after which it gives up.
pub const STEP_LIMIT: u64 = 2_000_000;

/// What a search found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Decision {
    /// There is an order.
    Yes,
    /// There is none.
    No,
    /// The limit was reached before either was known.
    Undecided,
}

/// When a key may be gone without an operation that removes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Widens when a key may or must have expired, ns.
    pub slack_ns: u64,
    /// At any time: it is evicted.
    pub evicted: bool,
}

impl Rules {
    /// Those of a key.
    pub fn of(key: &KeyView<'_>, bounds: &Bounds) -> Rules {
        Rules { slack_ns: bounds.expiry_slack_ns, evicted: key.key.class == Class::Cache }
    }
}

/// Decides for the operations on one key.
pub(crate) fn decide(items: &[Item<'_>], rules: Rules, limit: u64) -> (Decision, u64) {
    let mut search = search::Search::new(items, rules, limit);
    let decision = search.run();
    (decision, search.steps())
}
