//! What failovers exposed of asynchronous connections in synchronous keyspaces.
//!
//! Such a write is answered before it is kept, and nobody sees it before it is: it takes effect between its call and
//! its return, or never. So where a failover exposed it, it is judged like one of unknown outcome; everywhere
//! else, and in all that it shows, like any other. Keyspaces that are asynchronous have properties of their own.

use std::borrow::Cow;

use crate::history::{Class, Failover, History, Operation, Outcome};
use crate::view::{Wrote, done_by, wrote};

const NS_PER_MS: u64 = 1_000_000;

/// Whether an operation was exposed by a failover: acknowledged not longer before it than stated.
pub(crate) fn exposes(failover: &Failover, op: &Operation) -> bool {
    let oldest = failover.at_ns.saturating_sub(failover.exposure.ms.saturating_mul(NS_PER_MS));
    op.call_ns <= failover.at_ns && done_by(op) >= oldest
}

/// The history in which these writes have an unknown outcome.
pub(crate) fn unknown_where_exposed(history: &History) -> Cow<'_, History> {
    let failovers: Vec<&Failover> = history.failovers().collect();
    let exposed = |op: &Operation| {
        op.asynchronous
            && history.key_of(op.key).class == Class::Sync
            && wrote(op) == Wrote::Yes
            && failovers.iter().any(|failover| exposes(failover, op))
    };
    let places: Vec<usize> =
        history.operations().iter().enumerate().filter(|(_, op)| exposed(op)).map(|(at, _)| at).collect();
    if places.is_empty() {
        return Cow::Borrowed(history);
    }
    let mut weaker = history.clone();
    places.into_iter().for_each(|at| weaker.operations_mut()[at].outcome = Outcome::Unknown);
    Cow::Owned(weaker)
}
