//! Items of collections, each of them unique in a run: put into places, taken out of them, moved, looked at.
//!
//! A *place* is a key that holds a collection. That an item was put once, and is taken at most once, is what makes
//! histories of queues easy to judge: of every item its *stay* in a place is known ([`stays`]), and what other
//! clients saw meanwhile must fit it. No search is needed, and nothing is ever undecided.

mod deadlines;
mod delivered;
mod kept;
mod order;
mod stays;
mod waits;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::history::{Bytes, certain_by, shown_bytes, shown_time};
use crate::verdict::{Bounds, Violation};
use stays::Stays;

/// Most handlings of one history.
pub const MAX_HANDLINGS: usize = 4_000_000;

/// In which order items leave a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// In that in which they came: put at one end, taken at the other.
    Came,
    /// That of their scores, then of their bytes.
    Scores,
    /// In none.
    Any,
}

/// An item that is put somewhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// Its bytes, which no other item of the history has.
    pub bytes: Bytes,
    /// Its score, where places have that order.
    pub score: i64,
}

/// What a client asked for. Names of places are keys, different in different keyspaces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Deed {
    /// These are put into a place, in this order.
    Put {
        /// Where.
        place: String,
        /// What.
        items: Vec<Item>,
    },
    /// The first items are taken out of the first of the places that has any.
    Take {
        /// Where from.
        from: Vec<String>,
        /// And put into this place, by the same command.
        into: Option<String>,
        /// How many at most.
        most: u64,
        /// Waits so long if there is nothing, ms.
        wait_ms: Option<u64>,
    },
    /// One item is taken away.
    Remove {
        /// Where.
        place: String,
        /// Which.
        item: Bytes,
    },
    /// All items of a place are read.
    Look {
        /// Where.
        place: String,
    },
    /// A place that has no deadline gets one, after which it is empty.
    Expire {
        /// Which.
        place: String,
        /// Time to live from now, ms.
        ttl_ms: u64,
    },
}

impl Deed {
    /// The places it concerns.
    pub fn places(&self) -> impl Iterator<Item = &String> {
        let (one, many, into) = match self {
            Deed::Put { place, .. }
            | Deed::Remove { place, .. }
            | Deed::Look { place }
            | Deed::Expire { place, .. } => (Some(place), &[][..], None),
            Deed::Take { from, into, .. } => (None, &from[..], into.as_ref()),
        };
        one.into_iter().chain(many).chain(into)
    }
}

/// How it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Came {
    /// Executed at most once, at any time from its call on.
    Unknown,
    /// Certainly not executed.
    NotDone,
    /// A deed without items to tell of: whether it did something.
    Did(bool),
    /// Items that were taken from a place, or seen in it.
    Items(String, Vec<Bytes>),
    /// Nothing was there to take.
    Nothing,
}

/// One deed of a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handling {
    /// The client.
    pub client: u32,
    /// The connection, unique in the history; what it sends takes effect in the order sent.
    pub connection: u32,
    /// When it was called, ns of the world's clock.
    pub call_ns: u64,
    /// When the client had the outcome, ns; none if it never did.
    pub return_ns: Option<u64>,
    /// What was asked.
    pub deed: Deed,
    /// How it ended.
    pub came: Came,
}

impl Handling {
    /// When it had certainly taken effect if it ever did, ns; see [`certain_by`].
    fn done_by(&self) -> u64 {
        certain_by(self.return_ns, self.came != Came::Unknown)
    }

    /// In one line.
    fn describe(&self) -> String {
        let until = self.return_ns.map_or("?".to_owned(), shown_time);
        let names =
            |items: &[Bytes]| items.iter().map(|item| shown_bytes(item)).collect::<Vec<_>>().join(" ");
        let deed = match &self.deed {
            Deed::Put { place, items } => {
                let items: Vec<Bytes> = items.iter().map(|item| item.bytes.clone()).collect();
                format!("put {} into {place}", names(&items))
            }
            Deed::Take { from, into, most, wait_ms } => {
                let into = into.as_ref().map_or(String::new(), |into| format!(" into {into}"));
                let wait = wait_ms.map_or(String::new(), |ms| format!(", waiting {ms} ms"));
                format!("take {most} of {}{into}{wait}", from.join(" "))
            }
            Deed::Remove { place, item } => format!("remove {} of {place}", shown_bytes(item)),
            Deed::Look { place } => format!("look at {place}"),
            Deed::Expire { place, ttl_ms } => format!("expire {place} in {ttl_ms} ms"),
        };
        let came = match &self.came {
            Came::Items(place, items) => format!("{place}: {}", names(items)),
            other => format!("{other:?}"),
        };
        format!("[{} .. {until}] client {}: {deed} -> {came}", shown_time(self.call_ns), self.client)
    }
}

/// Everything clients did with items.
#[derive(Clone, Default, Debug)]
pub struct ItemHistory {
    places: BTreeMap<String, Order>,
    handlings: Vec<Handling>,
}

impl ItemHistory {
    /// Adds a handling that is not over; its number. `order_of`: of each place.
    pub fn call(&mut self, handling: Handling, order_of: impl Fn(&str) -> Order) -> usize {
        for place in handling.deed.places() {
            if !self.places.contains_key(place) {
                self.places.insert(place.clone(), order_of(place));
            }
        }
        self.handlings.push(handling);
        self.handlings.len() - 1
    }

    /// A handling is over.
    pub fn answer(&mut self, number: usize, now_ns: u64, came: Came) {
        if let Some(handling) = self.handlings.get_mut(number) {
            (handling.return_ns, handling.came) = (Some(now_ns), came);
        }
    }

    /// Names of all places, ascending.
    pub fn places(&self) -> impl Iterator<Item = &String> {
        self.places.keys()
    }

    /// Number of handlings.
    pub fn len(&self) -> usize {
        self.handlings.len()
    }

    /// Whether nothing was done.
    pub fn is_empty(&self) -> bool {
        self.handlings.is_empty()
    }

    fn order(&self, place: &str) -> Order {
        self.places.get(place).copied().unwrap_or(Order::Any)
    }

    fn violation(&self, property: &'static str, sentence: String, shown: &[usize]) -> Violation {
        let details = shown.iter().filter_map(|at| self.handlings.get(*at)).map(Handling::describe).collect();
        Violation { property, sentence, details }
    }
}

/// Checks every property of items. The same history gives the same violations.
pub fn check(history: &ItemHistory, bounds: &Bounds) -> Vec<Violation> {
    let mut found = Vec::new();
    let stays = Stays::new(history, &mut found);
    delivered::check(history, &stays, &mut found);
    order::check(history, &stays, &mut found);
    kept::check(history, &stays, bounds, &mut found);
    deadlines::check(history, &stays, bounds, &mut found);
    waits::check(history, &mut found);
    found
}
