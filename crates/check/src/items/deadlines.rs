//! **Past lives**: no item is seen in a place after a deadline of that place that came after it, and none is gone
//! before one could be over.
//!
//! A place gets a deadline only where it has none, and nothing takes one away. So whatever was put before a deadline
//! was set is gone when that is over, if not sooner. Shard time is within the slack of the world's clock.

use std::collections::BTreeMap;

use super::stays::{Stay, Stays};
use super::{Came, Deed, ItemHistory};
use crate::history::{shown_bytes, shown_time};
use crate::verdict::{Bounds, Violation};

/// The property's name in verdicts.
pub const NAME: &str = "past lives";

const NS_PER_MS: u64 = 1_000_000;

/// A deadline that was, or may have been, set.
struct Deadline {
    /// Called then, ns.
    call: u64,
    /// Set by then, ns, if it was; `u64::MAX` = unknown.
    ret: u64,
    ttl: u64,
    by: usize,
}

/// All deadlines by place.
pub struct Deadlines<'a> {
    of: BTreeMap<&'a str, Vec<Deadline>>,
    slack: u64,
}

impl<'a> Deadlines<'a> {
    /// Reads a history.
    pub fn new(history: &'a ItemHistory, bounds: &Bounds) -> Deadlines<'a> {
        let mut of: BTreeMap<&str, Vec<Deadline>> = BTreeMap::new();
        for (by, handling) in history.handlings.iter().enumerate() {
            let Deed::Expire { place, ttl_ms } = &handling.deed else { continue };
            if matches!(handling.came, Came::Did(true) | Came::Unknown) {
                let ttl = ttl_ms.saturating_mul(NS_PER_MS);
                let deadline = Deadline { call: handling.call_ns, ret: handling.done_by(), ttl, by };
                of.entry(place).or_default().push(deadline);
            }
        }
        Deadlines { of, slack: bounds.expiry_slack_ns }
    }

    fn of(&self, place: &str) -> &[Deadline] {
        self.of.get(place).map_or(&[], |deadlines| deadlines)
    }

    /// Whether a deadline may have ended a stay by `until`, ns.
    pub fn may_have_ended(&self, place: &str, stay: &Stay, until: u64) -> bool {
        self.of(place).iter().any(|deadline| {
            let first = deadline.call.saturating_add(deadline.ttl).saturating_sub(self.slack);
            let last = deadline.ret.saturating_add(deadline.ttl).saturating_add(self.slack);
            // One that was over before the item came ended another life.
            first <= until && last >= stay.came.0
        })
    }

    /// When a stay was over for certain, ns, and the handling that set that deadline.
    fn end(&self, place: &str, stay: &Stay) -> Option<(u64, usize)> {
        let known = self.of(place).iter().filter(|d| d.ret < u64::MAX && stay.came.1 < d.call);
        known.map(|d| (d.ret.saturating_add(d.ttl).saturating_add(self.slack), d.by)).min()
    }
}

/// Checks every item that was seen or taken.
pub fn check(history: &ItemHistory, stays: &Stays, bounds: &Bounds, found: &mut Vec<Violation>) {
    let deadlines = Deadlines::new(history, bounds);
    for (at, handling) in history.handlings.iter().enumerate() {
        let Came::Items(place, items) = &handling.came else { continue };
        for stay in items.iter().filter_map(|item| stays.get(place, item)) {
            let Some((end, by)) = deadlines.end(place, stay) else { continue };
            if handling.call_ns > end {
                let sentence = format!(
                    "{} was seen in {place} {} after the deadline and its slack",
                    shown_bytes(&stay.item),
                    shown_time(handling.call_ns - end)
                );
                found.push(history.violation(NAME, sentence, &[stay.came_by.0, by, at]));
            }
        }
    }
}
