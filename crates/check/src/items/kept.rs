//! **Items are kept**: one whose put was acknowledged is in its place until it is taken.
//!
//! Commands of unknown outcome may have taken some: no more than they ask for. Deadlines end places.

use super::deadlines::Deadlines;
use super::stays::{Stay, Stays};
use super::{Came, Deed, Handling, ItemHistory};
use crate::history::shown_bytes;
use crate::verdict::{Bounds, Violation};

/// The property's name in verdicts.
pub const NAME: &str = "items are kept";

/// Checks every look.
pub fn check(history: &ItemHistory, stays: &Stays, bounds: &Bounds, found: &mut Vec<Violation>) {
    let deadlines = Deadlines::new(history, bounds);
    for (at, handling) in history.handlings.iter().enumerate() {
        let (Deed::Look { .. }, Came::Items(place, items)) = (&handling.deed, &handling.came) else {
            continue;
        };
        let (call, ret) = (handling.call_ns, handling.done_by());
        let missing = |stay: &&Stay| {
            stay.came.1 < call && !items.contains(&stay.item) && !deadlines.may_have_ended(place, stay, ret)
        };
        let missing: Vec<&Stay> = stays.of(place).filter(missing).collect();
        // Taken or seen later: it was there.
        if let Some(stay) = missing.iter().find(|stay| stay.seen_until > ret) {
            let sentence = format!("{} was not seen in {place}, where it was", shown_bytes(&stay.item));
            let until = stay.left.map_or(at, |(_, _, by)| by);
            found.push(history.violation(NAME, sentence, &[stay.came_by.0, at, until]));
        }
        let gone: Vec<&Stay> = missing
            .into_iter()
            .filter(|stay| stay.seen_until <= ret && stay.left.is_none() && stay.may_leave > ret)
            .collect();
        let taken_unseen = taken_unseen(history, place, ret);
        if gone.len() as u64 > taken_unseen
            && let Some(first) = gone.first()
        {
            let sentence = format!(
                "{} acknowledged items of {place} are gone and nobody has them, the first is {}; commands without a \
                 known outcome may have taken {taken_unseen}",
                gone.len(),
                shown_bytes(&first.item)
            );
            let shown: Vec<usize> = gone.iter().take(8).map(|stay| stay.came_by.0).chain([at]).collect();
            found.push(history.violation(NAME, sentence, &shown));
        }
    }
}

/// How many items commands of unknown outcome, called before `until`, may have taken from a place.
fn taken_unseen(history: &ItemHistory, place: &str, until: u64) -> u64 {
    let unseen = |handling: &&Handling| handling.came == Came::Unknown && handling.call_ns < until;
    let of = |handling: &Handling| match &handling.deed {
        Deed::Take { from, most, .. } if from.iter().any(|from| from == place) => *most,
        _ => 0,
    };
    history.handlings.iter().filter(unseen).map(of).fold(0, u64::saturating_add)
}
