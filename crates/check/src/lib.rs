//! Judges histories: what clients asked, when, and what they got, against what Everstore promises.
//!
//! It depends on nothing of the store, so that it shares none of its mistakes. The simulator calls it in
//! process; histories of real processes come as JSON lines ([`history::read_json_lines`]).
//!
//! One file per property in [`property`]; [`all`] runs them all. What clients did with items of collections has a
//! history and properties of its own in [`items`], with streams in [`streams`]; what they saw of accounts is in
//! [`balance`], of collections that are moved in [`moved`].

pub mod balance;
mod exposed;
pub mod history;
pub mod items;
mod linearizable;
pub mod moved;
pub mod property;
pub mod streams;
mod verdict;
mod view;

pub use balance::Balance;
pub use history::{Action, Class, Condition, Event, History, Operation, Outcome, Promise, Reply};
pub use items::ItemHistory;
pub use linearizable::STEP_LIMIT;
pub use streams::StreamHistory;
pub use verdict::{Bounds, Searched, Undecided, Verdict, Violation};
pub use view::{KeyView, Kind, View};

/// Checks every property. The same history gives the same verdict.
pub fn all(history: &History, bounds: &Bounds) -> Verdict {
    let history = &*exposed::unknown_where_exposed(history);
    let view = View::new(history);
    let mut verdict = Verdict {
        operations: history.operations().len(),
        keys: history.keys().count(),
        notes: view.notes(),
        ..Verdict::default()
    };
    let linearizable = property::linearizable::check(&view, bounds);
    let staleness = property::staleness::check(&view, bounds);
    for searched in [linearizable, staleness] {
        verdict.violations.extend(searched.violations);
        verdict.undecided.extend(searched.undecided);
        verdict.steps += searched.steps;
    }
    verdict.violations.extend(property::durable::check(&view));
    verdict.violations.extend(property::exactly_once::check(&view));
    verdict.violations.extend(property::expiry::check(&view, bounds));
    verdict.violations.extend(property::exposure::check(&view));
    verdict
}
