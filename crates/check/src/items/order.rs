//! **Order**: what is taken is the first of what is there, and nothing is taken only where nothing is.
//!
//! An item that was there all the while a command ran must not come before what the command took. Of a queue one
//! comes before another if its put had returned before the other's was called, or if both were put by one
//! connection, or one command, in this order.

use super::stays::{Stay, Stays};
use super::{Came, Deed, ItemHistory, Order};
use crate::history::{Bytes, shown_bytes};
use crate::verdict::Violation;

/// The property's name in verdicts.
pub const NAME: &str = "order of items";

/// Checks what was taken, and what was seen together.
pub fn check(history: &ItemHistory, stays: &Stays, found: &mut Vec<Violation>) {
    for (at, handling) in history.handlings.iter().enumerate() {
        let (call, ret) = (handling.call_ns, handling.done_by());
        match (&handling.deed, &handling.came) {
            (Deed::Take { from, .. }, Came::Nothing) => {
                let there = from
                    .iter()
                    .find_map(|place| Some((place, stays.of(place).find(|stay| stay.spans(call, ret))?)));
                if let Some((place, stay)) = there {
                    let sentence =
                        format!("nothing was taken from {place}, where {} was", shown_bytes(&stay.item));
                    let until = stay.left.map_or(at, |(_, _, by)| by);
                    found.push(history.violation(NAME, sentence, &[stay.came_by.0, at, until]));
                }
            }
            (Deed::Take { .. }, Came::Items(place, items)) => {
                let others =
                    stays.of(place).filter(|stay| stay.spans(call, ret) && !items.contains(&stay.item));
                for other in others {
                    passed(history, stays, place, other, items, at, found);
                }
                sorted(history, stays, place, items, at, found);
            }
            (Deed::Look { .. }, Came::Items(place, items)) => {
                sorted(history, stays, place, items, at, found);
            }
            _ => {}
        }
    }
}

/// Whether `a` is before `b` in the place, whatever happened.
fn before(history: &ItemHistory, order: Order, a: &Stay, b: &Stay) -> bool {
    match order {
        Order::Any => false,
        Order::Scores => (a.score, &a.item) < (b.score, &b.item),
        Order::Came => {
            let connection = |stay: &Stay| history.handlings[stay.came_by.0].connection;
            let known = a.came.1 < u64::MAX && b.came.1 < u64::MAX;
            a.came.1 < b.came.0 || known && connection(a) == connection(b) && a.came_by < b.came_by
        }
    }
}

/// What was taken although another item stood before it all the time.
fn passed(
    history: &ItemHistory,
    stays: &Stays,
    place: &str,
    other: &Stay,
    taken: &[Bytes],
    at: usize,
    found: &mut Vec<Violation>,
) {
    let order = history.order(place);
    let taken = taken.iter().filter_map(|item| stays.get(place, item));
    if let Some(late) = taken.into_iter().find(|stay| before(history, order, other, stay)) {
        let sentence = format!(
            "{} was taken from {place}, where {} stood before it",
            shown_bytes(&late.item),
            shown_bytes(&other.item)
        );
        found.push(history.violation(NAME, sentence, &[other.came_by.0, late.came_by.0, at]));
    }
}

/// Items that were taken or seen together stand in their order: each is compared with the one that follows it.
fn sorted(
    history: &ItemHistory,
    stays: &Stays,
    place: &str,
    items: &[Bytes],
    at: usize,
    found: &mut Vec<Violation>,
) {
    let order = history.order(place);
    let stays: Vec<&Stay> = items.iter().filter_map(|item| stays.get(place, item)).collect();
    for pair in stays.windows(2) {
        if before(history, order, pair[1], pair[0]) {
            let sentence = format!(
                "{} stands before {} in {place}",
                shown_bytes(&pair[0].item),
                shown_bytes(&pair[1].item)
            );
            found.push(history.violation(NAME, sentence, &[pair[1].came_by.0, pair[0].came_by.0, at]));
        }
    }
}
