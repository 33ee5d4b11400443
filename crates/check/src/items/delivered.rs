//! **Items**: none is taken twice, or before it was put, or seen after it was taken, or twice at a time.
//!
//! That none is taken twice is noticed when stays are read.

use std::collections::BTreeSet;

use super::stays::{NAME, Stays};
use super::{Came, Deed, ItemHistory};
use crate::history::shown_bytes;
use crate::verdict::Violation;

/// Checks all that was taken or seen.
pub fn check(history: &ItemHistory, stays: &Stays, found: &mut Vec<Violation>) {
    for (at, handling) in history.handlings.iter().enumerate() {
        let Came::Items(place, items) = &handling.came else { continue };
        let mut shown = BTreeSet::new();
        for item in items {
            let mut add = |what: &str, others: &[usize]| {
                let sentence = format!("{} of {place} {what}", shown_bytes(item));
                found.push(history.violation(NAME, sentence, &[others, &[at]].concat()));
            };
            if !shown.insert(item) {
                add("is there twice", &[]);
            }
            let Some(stay) = stays.get(place, item) else { continue };
            if handling.done_by() < stay.came.0 {
                add("was there before it was put", &[stay.came_by.0]);
            }
            let looks = matches!(handling.deed, Deed::Look { .. });
            if let Some((_, left, by)) = stay.left
                && looks
                && handling.call_ns > left
            {
                add("was seen after it had been taken", &[stay.came_by.0, by]);
            }
        }
    }
}
