//! When each item was in each place, as far as it is known.

use std::collections::BTreeMap;

use super::{Came, Deed, ItemHistory};
use crate::history::{Bytes, shown_bytes};
use crate::verdict::Violation;

/// The property's name in verdicts.
pub const NAME: &str = "items";

/// The stay of an item in a place. Times in ns.
#[derive(Clone, Debug)]
pub struct Stay {
    /// The item.
    pub item: Bytes,
    /// Its score.
    pub score: i64,
    /// It came not before, and not after; the latter is `u64::MAX` if that is not known.
    pub came: (u64, u64),
    /// The handling by which it came, and its place among the items of that.
    pub came_by: (usize, usize),
    /// It left not before, and not after, by this handling.
    pub left: Option<(u64, u64, usize)>,
    /// Something of unknown outcome, called then, may have removed it; `u64::MAX` = nothing.
    pub may_leave: u64,
    /// It was there until then at least, if it came: called then, somebody took or saw it.
    pub seen_until: u64,
}

impl Stay {
    /// Whether it was there from `from` to `to`, whatever happened.
    pub fn spans(&self, from: u64, to: u64) -> bool {
        self.came.1 < from && self.seen_until > to
    }
}

/// All stays, by place.
pub struct Stays {
    by_place: BTreeMap<String, BTreeMap<Bytes, Stay>>,
}

impl Stays {
    /// Reads a history; what fits no stay is a violation.
    pub fn new(history: &ItemHistory, found: &mut Vec<Violation>) -> Stays {
        let mut stays = Stays { by_place: BTreeMap::new() };
        stays.arrivals(history);
        stays.departures(history, found);
        stays
    }

    /// Stays in a place, by item.
    pub fn of<'a>(&'a self, place: &str) -> impl Iterator<Item = &'a Stay> + use<'a> {
        self.by_place.get(place).into_iter().flat_map(BTreeMap::values)
    }

    /// The stay of an item in a place.
    pub fn get(&self, place: &str, item: &[u8]) -> Option<&Stay> {
        self.by_place.get(place)?.get(item)
    }

    fn arrive(&mut self, place: &str, item: &Bytes, score: i64, came: (u64, u64), came_by: (usize, usize)) {
        let stay =
            Stay { item: item.clone(), score, came, came_by, left: None, may_leave: u64::MAX, seen_until: 0 };
        self.by_place.entry(place.to_owned()).or_default().entry(item.clone()).or_insert(stay);
    }

    fn arrivals(&mut self, history: &ItemHistory) {
        for (at, handling) in history.handlings.iter().enumerate() {
            let came = (handling.call_ns, handling.done_by());
            match (&handling.deed, &handling.came) {
                (_, Came::NotDone) => {}
                (Deed::Put { place, items }, _) => {
                    for (number, item) in items.iter().enumerate() {
                        self.arrive(place, &item.bytes, item.score, came, (at, number));
                    }
                }
                (Deed::Take { into: Some(into), .. }, Came::Items(_, items)) => {
                    for (number, item) in items.iter().enumerate() {
                        self.arrive(into, item, 0, came, (at, number));
                    }
                }
                _ => {}
            }
        }
    }

    fn departures(&mut self, history: &ItemHistory, found: &mut Vec<Violation>) {
        for (at, handling) in history.handlings.iter().enumerate() {
            let (call, ret) = (handling.call_ns, handling.done_by());
            match (&handling.deed, &handling.came) {
                (Deed::Remove { place, item }, came) => {
                    let Some(stay) = self.by_place.get_mut(place).and_then(|stays| stays.get_mut(item))
                    else {
                        continue;
                    };
                    match came {
                        Came::Did(true) => leave(history, place, stay, (call, ret, at), found),
                        Came::Unknown => stay.may_leave = stay.may_leave.min(call),
                        _ => {}
                    }
                }
                (Deed::Take { .. } | Deed::Look { .. }, Came::Items(place, items)) => {
                    let takes = matches!(handling.deed, Deed::Take { .. });
                    for item in items {
                        self.moved_unseen(history, place, item, ret);
                        let stay = self.by_place.get_mut(place).and_then(|stays| stays.get_mut(item));
                        match stay {
                            None => found.push(unknown_item(history, place, item, at)),
                            Some(stay) if takes => leave(history, place, stay, (call, ret, at), found),
                            Some(stay) => stay.seen_until = stay.seen_until.max(call),
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// An item that nobody is known to have put where it is seen at `ret`: a move of unknown outcome may have.
    fn moved_unseen(&mut self, history: &ItemHistory, place: &str, item: &Bytes, ret: u64) {
        if self.get(place, item).is_some() {
            return;
        }
        let moved = history.handlings.iter().enumerate().find_map(|(at, handling)| match &handling.deed {
            Deed::Take { from, into: Some(into), .. }
                if handling.came == Came::Unknown && into == place && handling.call_ns < ret =>
            {
                let origin = from.iter().find_map(|from| self.get(from, item))?;
                (origin.left.is_none() && origin.came.0 < ret).then_some((at, handling.call_ns))
            }
            _ => None,
        });
        if let Some((at, call)) = moved {
            self.arrive(place, item, 0, (call, u64::MAX), (at, 0));
        }
    }
}

fn leave(
    history: &ItemHistory,
    place: &str,
    stay: &mut Stay,
    left: (u64, u64, usize),
    found: &mut Vec<Violation>,
) {
    if let Some((_, _, first)) = stay.left {
        let sentence = format!("{} was taken from {place} twice", shown_bytes(&stay.item));
        return found.push(history.violation(NAME, sentence, &[stay.came_by.0, first, left.2]));
    }
    stay.left = Some(left);
    stay.seen_until = stay.seen_until.max(left.0);
}

fn unknown_item(history: &ItemHistory, place: &str, item: &Bytes, at: usize) -> Violation {
    let sentence = format!("{} was in {place}, where nobody has put it", shown_bytes(item));
    history.violation(NAME, sentence, &[at])
}
