//! Streams: entries in the order of their ids, and a state that outlives them. A stream without entries stays.

pub(super) mod add;
pub(super) mod edit;
mod entry;
mod id;
pub(super) mod info;
pub(super) mod moved;
mod page;
pub(super) mod range;
pub(super) mod read;
mod state;
pub(super) mod trim;

use crate::collection::Elements;
use crate::data::{Data, Done, Key, Stop};
use crate::row::Row;
use entry::Entry;
use id::Id;
use model::change::Change;
use model::planted::{Bug, is_planted};
use model::row::kind;
use state::State;
use std::ops::Range;

/// A stream to look at.
struct Stream<'a> {
    state: State,
    entries: Elements<'a>,
}

/// The stream of a key.
///
/// # Errors
/// As [`Data::elements`].
fn look<'d>(data: &'d mut Data<'_>, key: Key<'_>) -> Result<Option<Stream<'d>>, Stop> {
    match data.get(key)? {
        None => Ok(None),
        Some(row) if row.kind == kind::STREAM => Stream::of(row).map(Some),
        Some(_) => Err(Stop::WRONG_TYPE),
    }
}

/// The same without counting as an access: of a key that was looked at before.
fn look_again<'d>(data: &'d mut Data<'_>, key: Key<'_>) -> Result<Option<Stream<'d>>, Stop> {
    data.peek(key)?.filter(|row| row.kind == kind::STREAM).map(Stream::of).transpose()
}

/// Notes what a stream says of itself.
fn put_state(data: &mut Data<'_>, key: Key<'_>, state: &State) -> Done {
    data.change(key, kind::STREAM, Change::About { bytes: &state.encode() })
}

impl<'a> Stream<'a> {
    /// The stream of a row of this kind.
    ///
    /// # Errors
    /// A state of a later format.
    fn of(row: &'a Row) -> Result<Stream<'a>, Stop> {
        let state = State::decode(row.about())
            .map_err(|error| Stop::error(format!("ERR the state of this stream can not be read: {error}")))?;
        let mut stream = Stream { state, entries: Elements::of(row) };
        // Planted: see model/planted.rs
        if is_planted(Bug::LastIdForgotten) {
            stream.state.last = stream.last().map_or(Id::MIN, |entry| entry.id);
        }
        Ok(stream)
    }

    fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry with a rank.
    fn at(&self, rank: usize) -> Option<Entry<'a>> {
        self.entries.at(rank).map(Entry::of)
    }

    fn last(&self) -> Option<Entry<'a>> {
        self.len().checked_sub(1).and_then(|rank| self.at(rank))
    }

    fn contains(&self, id: Id) -> bool {
        self.entries.contains(&id.name())
    }

    /// Number of entries with lower ids.
    fn below(&self, id: Id) -> usize {
        self.entries.count_below(&id.name())
    }

    /// Ranks of the entries from one id up to another one.
    fn ranks(&self, from: Id, to: Id) -> Range<usize> {
        let end = to.next().map_or(self.len(), |end| self.below(end));
        self.below(from).min(end)..end
    }

    /// The entries from a rank on.
    fn from(&self, rank: usize) -> impl Iterator<Item = Entry<'a>> {
        self.entries.starting_at(rank).map(Entry::of)
    }

    /// The entries before a rank, the nearest first.
    fn before(&self, rank: usize) -> impl Iterator<Item = Entry<'a>> {
        self.entries.before_rank(rank).map(Entry::of)
    }
}
