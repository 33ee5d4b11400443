//! Collections to look at, whatever their form.

use super::elements;
use super::large::Body;
use super::list::List;
use super::packed::{Packed, flag};
use super::score::{self, compare_scored};
use crate::row::Row;
use model::row::kind;
use std::ops::Range;

/// Name and value of an element.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// A hash, a set, a sorted set or a stream to look at.
#[derive(Debug, Clone, Copy)]
pub struct Elements<'a> {
    form: Form<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Form<'a> {
    Packed(Packed<'a>),
    Large(&'a elements::Elements),
}

impl<'a> Elements<'a> {
    /// The elements of a row; of a row of another kind: none.
    pub fn of(row: &'a Row) -> Elements<'a> {
        let form = match row.large().map(|large| large.body()) {
            Some(Body::Elements(elements)) => Form::Large(elements),
            Some(Body::List(_)) => Form::Packed(Packed::new(row.kind, &[])),
            None => Form::Packed(Packed::new(row.kind, row.value())),
        };
        Elements { form }
    }

    /// Those of an absent key.
    pub fn none() -> Elements<'static> {
        Elements { form: Form::Packed(Packed::new(kind::SET, &[])) }
    }

    /// Number of elements.
    pub fn len(self) -> usize {
        match self.form {
            Form::Packed(packed) => packed.len(),
            Form::Large(elements) => elements.len(),
        }
    }

    /// True without elements.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether it has an index.
    pub fn is_large(self) -> bool {
        matches!(self.form, Form::Large(_))
    }

    /// Whether all members of a set have always been integers, as far as is known.
    pub fn has_integers_only(self) -> bool {
        matches!(self.form, Form::Packed(packed) if packed.flags() & flag::NOT_INTEGERS == 0)
    }

    /// The value of an element.
    pub fn get(self, name: &[u8]) -> Option<&'a [u8]> {
        match self.form {
            Form::Packed(packed) => packed.find(name).map(|e| e.value),
            Form::Large(elements) => elements.get(name),
        }
    }

    /// Whether there is an element with this name.
    pub fn contains(self, name: &[u8]) -> bool {
        self.get(name).is_some()
    }

    /// The score of a member of a sorted set.
    pub fn score(self, member: &[u8]) -> Option<f64> {
        self.get(member).map(score::of)
    }

    /// The elements in order: of a sorted set by score and member, of a stream by id.
    pub fn iter(self) -> impl Iterator<Item = Pair<'a>> {
        self.starting_at(0)
    }

    /// The elements from a rank (from 0) on in that order.
    pub fn starting_at(self, rank: usize) -> Box<dyn Iterator<Item = Pair<'a>> + 'a> {
        match self.form {
            Form::Packed(packed) => Box::new(packed.iter().skip(rank).map(|e| (e.name, e.value))),
            Form::Large(elements) => elements.starting_at(rank),
        }
    }

    /// The elements before a rank, the nearest first.
    pub fn before_rank(self, rank: usize) -> Box<dyn Iterator<Item = Pair<'a>> + 'a> {
        match self.form {
            Form::Packed(packed) => {
                let pairs: Vec<_> = packed.iter().take(rank).map(|e| (e.name, e.value)).collect();
                Box::new(pairs.into_iter().rev())
            }
            Form::Large(elements) => elements.before_rank(rank),
        }
    }

    /// The element with a rank.
    pub fn at(self, rank: usize) -> Option<Pair<'a>> {
        match self.form {
            Form::Packed(packed) => packed.iter().nth(rank).map(|e| (e.name, e.value)),
            Form::Large(elements) => elements.at(rank),
        }
    }

    /// The rank of an element in the order.
    pub fn rank(self, name: &[u8]) -> Option<usize> {
        match self.form {
            Form::Packed(packed) => packed.iter().position(|e| e.name == name),
            Form::Large(elements) => elements.rank(name),
        }
    }

    /// How many members of a sorted set are before what `before` says of a score and a member; it must be
    /// true of the first ones only.
    pub fn count_before(self, before: impl Fn(f64, &[u8]) -> bool) -> usize {
        match self.form {
            Form::Packed(packed) => packed.iter().take_while(|e| before(score::of(e.value), e.name)).count(),
            Form::Large(elements) => elements.count_before(before),
        }
    }

    /// How many entries of a stream have ids below this one (16 bytes, big-endian).
    pub fn count_below(self, id: &[u8]) -> usize {
        match self.form {
            Form::Packed(packed) => packed.iter().take_while(|e| e.name < id).count(),
            Form::Large(elements) => elements.count_below(id),
        }
    }

    /// A step of a walk (HSCAN and the like): elements from a cursor on, and the cursor to go on at, 0 = that
    /// was all. `visit` is called for `count` elements and those that share the last one's place; a small
    /// collection is visited as a whole. An element that is there during the whole walk is visited.
    pub fn scan(self, cursor: u64, count: usize, mut visit: impl FnMut(Pair<'a>)) -> u64 {
        let elements = match self.form {
            Form::Packed(packed) => {
                packed.iter().for_each(|e| visit((e.name, e.value)));
                return 0;
            }
            Form::Large(elements) => elements,
        };
        let from = elements.rank_of_key(cursor.saturating_sub(1));
        let (mut visited, mut last) = (0, 0);
        for (key, pair) in elements.main_starting_at(from) {
            if visited >= count && key != last {
                return key + 1;
            }
            (visited, last) = (visited + 1, key);
            visit(pair);
        }
        0
    }
}

/// A list to look at.
#[derive(Debug, Clone, Copy)]
pub struct Items<'a> {
    form: ListForm<'a>,
}

#[derive(Debug, Clone, Copy)]
enum ListForm<'a> {
    Packed(Packed<'a>),
    Large(&'a List),
}

impl<'a> Items<'a> {
    /// The items of a row; of a row that is no list: none.
    pub fn of(row: &'a Row) -> Items<'a> {
        let form = match row.large().map(|large| large.body()) {
            Some(Body::List(list)) => ListForm::Large(list),
            Some(Body::Elements(_)) => ListForm::Packed(Packed::new(kind::LIST, &[])),
            None => ListForm::Packed(Packed::new(row.kind, row.value())),
        };
        Items { form }
    }

    /// Those of an absent key.
    pub fn none() -> Items<'static> {
        Items { form: ListForm::Packed(Packed::new(kind::LIST, &[])) }
    }

    /// Number of items.
    pub fn len(self) -> usize {
        match self.form {
            ListForm::Packed(packed) => packed.len(),
            ListForm::Large(list) => list.len(),
        }
    }

    /// True without items.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The items from a place (from 0) on.
    pub fn from(self, at: usize) -> Box<dyn Iterator<Item = &'a [u8]> + 'a> {
        match self.form {
            ListForm::Packed(packed) => Box::new(packed.iter().skip(at).map(|e| e.name)),
            ListForm::Large(list) => Box::new(list.from(at)),
        }
    }

    /// Calls with each of the items at some places, which exist, one after the other.
    pub fn each(self, places: Range<usize>, mut visit: impl FnMut(&'a [u8])) {
        match self.form {
            ListForm::Packed(packed) => {
                packed.iter().skip(places.start).take(places.len()).for_each(|e| visit(e.name));
            }
            ListForm::Large(list) => list.each(places, visit),
        }
    }

    /// The items before a place, the nearest first.
    pub fn before(self, at: usize) -> Box<dyn Iterator<Item = &'a [u8]> + 'a> {
        match self.form {
            ListForm::Packed(packed) => {
                let items: Vec<_> = packed.iter().take(at).map(|e| e.name).collect();
                Box::new(items.into_iter().rev())
            }
            ListForm::Large(list) => Box::new(list.before(at)),
        }
    }

    /// The item at a place.
    pub fn get(self, at: usize) -> Option<&'a [u8]> {
        match self.form {
            ListForm::Packed(packed) => packed.iter().nth(at).map(|e| e.name),
            ListForm::Large(list) => list.from(at).next(),
        }
    }
}

/// Orders pairs of a member and the value that is its score, as a sorted set has them.
pub fn compare_pairs(a: Pair<'_>, b: Pair<'_>) -> std::cmp::Ordering {
    compare_scored((score::of(a.1), a.0), (score::of(b.1), b.0))
}
