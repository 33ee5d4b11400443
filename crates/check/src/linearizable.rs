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

/// Decides for the operations on one key. `slack_ns` widens when a key may or must have expired.
pub(crate) fn decide(items: &[Item<'_>], slack_ns: u64, limit: u64) -> (Decision, u64) {
    let mut search = search::Search::new(items, slack_ns, limit);
    let decision = search.run();
    (decision, search.steps())
}
