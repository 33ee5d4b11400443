//! Changing a collection, the same on the leader that executes and on every replica that applies. Every change
//! has an inverse, which is a change again: that is how the leader takes back what is not committed.

use super::elements::Slot;
use super::large::{Body, Large, Sink};
use super::limits::Limits;
use super::list::{items, offset};
use super::packed::{HEAD, Packed, flag};
use super::score;
use crate::commands::integer;
use crate::row::Row;
use model::Position;
use model::change::{self, Change};
use model::row::kind;
use model::varint::{DecodeError, put_bytes};

/// A change that owns its bytes: what takes another one back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inverse {
    /// The element has this value: name and value in one allocation.
    Put(Box<[u8]>, usize),
    /// The element is gone.
    Remove(Box<[u8]>),
    /// Items of a list are replaced.
    Splice(usize, usize, Vec<u8>),
    /// What a stream says of itself.
    About(Vec<u8>),
    /// The entry of a stream is gone, and the stream says this of itself: both in one allocation, and the length of
    /// the name.
    RemoveAbout(Box<[u8]>, usize),
    /// Several, in this order.
    Several(Vec<Inverse>),
}

impl From<Slot> for Inverse {
    fn from(slot: Slot) -> Inverse {
        let (bytes, name) = slot.into_parts();
        Inverse::Put(bytes, name)
    }
}

/// What a change needs beside the row.
pub(crate) struct Means<'a> {
    /// Bounds of small collections.
    pub limits: &'a Limits,
    /// Seed of the hash of names.
    pub seed: u64,
    /// Number for a collection that becomes large.
    pub id: u64,
    /// Takes cells before they change, if a checkpoint lacks them.
    pub sink: &'a mut Sink<'a>,
    /// Whether the change may be taken back: else nothing is copied for that, and the inverse is of no use.
    pub undo: bool,
}

impl Means<'_> {
    fn keep(&self, bytes: &[u8]) -> Box<[u8]> {
        if self.undo { bytes.into() } else { Box::default() }
    }

    fn keep_both(&self, name: &[u8], value: &[u8]) -> Box<[u8]> {
        if self.undo { [name, value].concat().into() } else { Box::default() }
    }

    /// The inverse of a change of an element that had this value.
    fn put(&self, name: &[u8], value: &[u8]) -> Inverse {
        Inverse::Put(self.keep_both(name, value), name.len())
    }
}

/// Changes a collection. `None` when the change does not fit it, which is left as it was.
pub(crate) fn apply(row: &mut Row, change: Change<'_>, means: &mut Means<'_>) -> Option<Inverse> {
    match change {
        Change::PutSeveral { elements } => {
            let put = |pair: Result<_, _>| pair.map(|(name, value)| Change::Put { name, value });
            return each(row, change::pairs(elements).map(put), means);
        }
        Change::RemoveSeveral { names } => {
            let remove = |name: Result<_, _>| name.map(|name| Change::Remove { name });
            return each(row, change::names(names).map(remove), means);
        }
        _ => {}
    }
    let inverse = match row.large_mut() {
        Some(large) => apply_large(large, change, means)?,
        None => apply_packed(row, change, means)?,
    };
    // As in Redis a new score of a member that was there before leaves the form as it is.
    let rescored = row.kind == kind::SORTED_SET && matches!(inverse, Inverse::Put(..));
    if matches!(change, Change::Put { .. } | Change::Splice { .. }) && !rescored {
        grow(row, change, means);
    }
    Some(inverse)
}

/// Takes a change back, or does it again: the inverse of what is done is returned.
pub(crate) fn revert(row: &mut Row, inverse: &Inverse, means: &mut Means<'_>) -> Option<Inverse> {
    match inverse {
        Inverse::Put(bytes, name) => {
            let (name, value) = bytes.split_at_checked(*name)?;
            apply(row, Change::Put { name, value }, means)
        }
        Inverse::Remove(name) => apply(row, Change::Remove { name }, means),
        Inverse::Splice(at, remove, items) => {
            apply(row, Change::Splice { at: *at as u64, remove: *remove as u64, items }, means)
        }
        Inverse::About(bytes) => apply(row, Change::About { bytes }, means),
        Inverse::RemoveAbout(bytes, name) => {
            let (name, bytes) = bytes.split_at_checked(*name)?;
            let put = apply(row, Change::Remove { name }, means)?;
            let about = apply(row, Change::About { bytes }, means)?;
            Some(Inverse::Several(vec![about, put]))
        }
        Inverse::Several(all) => {
            let mut back = Vec::with_capacity(all.len());
            for inverse in all {
                back.push(revert(row, inverse, means)?);
            }
            back.reverse();
            Some(Inverse::Several(back))
        }
    }
}

/// Does several changes one after the other, or none of them.
fn each<'a>(
    row: &mut Row,
    changes: impl Iterator<Item = Result<Change<'a>, DecodeError>>,
    means: &mut Means<'_>,
) -> Option<Inverse> {
    let mut back = Vec::new();
    let undo = std::mem::replace(&mut means.undo, true);
    for change in changes {
        match change.ok().and_then(|change| apply(row, change, means)) {
            Some(inverse) => back.push(inverse),
            None => {
                back.iter().rev().for_each(|inverse| drop(revert(row, inverse, means)));
                return None;
            }
        }
    }
    means.undo = undo;
    back.reverse();
    Some(Inverse::Several(back))
}

/// A small collection that has become too large for its form gets an index.
fn grow(row: &mut Row, change: Change<'_>, means: &Means<'_>) {
    if row.large().is_some() {
        return;
    }
    let packed = Packed::new(row.kind, row.value());
    // What was there fitted before: only what came can be too long.
    let largest = match change {
        Change::Put { name, value } if row.kind == kind::HASH => name.len().max(value.len()),
        Change::Put { name, .. } => name.len(),
        _ => 0,
    };
    let integers = packed.flags() & flag::NOT_INTEGERS == 0;
    if !means.limits.allow(row.kind, integers, packed.len(), largest, row.value_len()) {
        row.make_large(means.id, means.seed);
    }
}

fn apply_large(large: &mut Large, change: Change<'_>, means: &mut Means<'_>) -> Option<Inverse> {
    Some(match change {
        Change::Put { name, value } => match large.put(name, value, means.sink)? {
            Some(old) => old.into(),
            None => Inverse::Remove(means.keep(name)),
        },
        Change::Remove { name } => large.remove(name, means.sink)?.into(),
        Change::RemoveRanks { from, count } => {
            remove_ranks(large, usize::try_from(from).ok()?, usize::try_from(count).ok()?, means.sink)?
        }
        Change::PutAbout { name, value, about } => match large.put(name, value, means.sink)? {
            Some(old) => Inverse::Several(vec![say(large, about), old.into()]),
            None => {
                let inverse = Inverse::RemoveAbout(means.keep_both(name, &large.about), name.len());
                large.about.clear();
                large.about.extend_from_slice(about);
                inverse
            }
        },
        Change::Splice { at, remove, items: new } => {
            let (at, remove) = (usize::try_from(at).ok()?, usize::try_from(remove).ok()?);
            let removed = large.splice(at, remove, new, means.sink)?;
            Inverse::Splice(at, items(new).count(), removed)
        }
        Change::RemoveEqual { count, item } => {
            let Body::List(list) = large.body() else { return None };
            let places = equal_places(list.len(), list.from(0), count, item);
            let sink = &mut means.sink;
            match span(&places, |at| list.from(at), item) {
                Some((at, remove, kept)) => {
                    let removed = large.splice(at, remove, &kept, sink)?;
                    Inverse::Splice(at, remove - places.len(), removed)
                }
                None => {
                    let one =
                        |at| large.splice(at, 1, &[], sink).map(|removed| Inverse::Splice(at, 0, removed));
                    remove_places(&places, one)?
                }
            }
        }
        Change::About { bytes } => say(large, bytes),
        Change::PutSeveral { .. } | Change::RemoveSeveral { .. } => return None,
    })
}

/// A stream says this of itself.
fn say(large: &mut Large, about: &[u8]) -> Inverse {
    Inverse::About(std::mem::replace(&mut large.about, about.to_vec()))
}

fn remove_ranks(large: &mut Large, from: usize, count: usize, sink: &mut Sink<'_>) -> Option<Inverse> {
    let Body::Elements(elements) = large.body() else { return None };
    if from.checked_add(count)? > elements.len() {
        return None;
    }
    if count == 1 {
        return large.remove_rank(from, sink).map(Inverse::from);
    }
    let mut inverse = Vec::with_capacity(count);
    for _ in 0..count {
        inverse.push(large.remove_rank(from, sink)?.into());
    }
    Some(Inverse::Several(inverse))
}

fn apply_packed(row: &mut Row, change: Change<'_>, means: &Means<'_>) -> Option<Inverse> {
    Some(match change {
        Change::Put { name, value } => put_packed(row, name, value, means)?,
        Change::Remove { name } => {
            let (range, inverse) = {
                let found = Packed::new(row.kind, row.value()).find(name)?;
                (found.start..found.end, means.put(found.name, found.value))
            };
            row.edit(range, &[], -1);
            inverse
        }
        Change::RemoveRanks { from, count } => {
            let (from, count) = (usize::try_from(from).ok()?, usize::try_from(count).ok()?);
            let packed = Packed::new(row.kind, row.value());
            if from.checked_add(count)? > packed.len() {
                return None;
            }
            let gone: Vec<_> = packed.iter().skip(from).take(count).collect();
            let range = gone.first().map_or(HEAD..HEAD, |f| f.start..gone.last().map_or(f.end, |l| l.end));
            let inverse = gone.iter().map(|e| means.put(e.name, e.value)).collect();
            row.edit(range, &[], -(count as i64));
            Inverse::Several(inverse)
        }
        Change::Splice { at, remove, items: new } => {
            splice_packed(row, usize::try_from(at).ok()?, usize::try_from(remove).ok()?, new)?
        }
        Change::RemoveEqual { count, item } => {
            let packed = Packed::new(row.kind, row.value());
            let places = equal_places(packed.len(), packed.iter().map(|e| e.name), count, item);
            remove_places(&places, |at| splice_packed(row, at, 1, &[]))?
        }
        Change::About { .. }
        | Change::PutAbout { .. }
        | Change::PutSeveral { .. }
        | Change::RemoveSeveral { .. } => return None,
    })
}

fn put_packed(row: &mut Row, name: &[u8], value: &[u8], means: &Means<'_>) -> Option<Inverse> {
    let of = row.kind;
    if !matches!(of, kind::HASH | kind::SET | kind::SORTED_SET) {
        return None;
    }
    let packed = Packed::new(of, row.value());
    let mut element = Vec::with_capacity(name.len() + value.len() + 10);
    packed.layout().put(&mut element, name, value);
    let old = packed.find(name).map(|e| (e.start..e.end, means.put(name, e.value)));
    let end = row.value_len().max(HEAD);
    let (range, inverse) = match old {
        Some((range, inverse)) if of == kind::SORTED_SET => {
            // Its place in the order of scores may be another one.
            row.edit(range, &[], -1);
            let place = Packed::new(of, row.value()).place(score::of(value), name);
            (place..place, inverse)
        }
        Some((range, inverse)) => {
            row.edit(range, &element, 0);
            return Some(inverse);
        }
        None => {
            let place = if of == kind::SORTED_SET { packed.place(score::of(value), name) } else { end };
            (place..place, Inverse::Remove(means.keep(name)))
        }
    };
    row.edit(range, &element, 1);
    if of == kind::SET && integer::parse(name).is_none() {
        row.set_flags(flag::NOT_INTEGERS);
    }
    Some(inverse)
}

fn splice_packed(row: &mut Row, at: usize, remove: usize, new: &[u8]) -> Option<Inverse> {
    let packed = Packed::new(row.kind, row.value());
    if row.kind != kind::LIST || at.checked_add(remove)? > packed.len() {
        return None;
    }
    let elements = row.value().get(HEAD..).unwrap_or_default();
    let from = offset(elements, at);
    let to = from + offset(&elements[from..], remove);
    let removed = elements[from..to].to_vec();
    let count = items(new).count();
    row.edit(HEAD + from..HEAD + to, new, count as i64 - remove as i64);
    Some(Inverse::Splice(at, count, removed))
}

/// Places of the items to remove, in the order in which they go: the last one first.
fn equal_places<'a>(
    len: usize,
    items: impl Iterator<Item = &'a [u8]>,
    count: i64,
    item: &[u8],
) -> Vec<usize> {
    let mut places: Vec<_> =
        items.take(len).enumerate().filter(|(_, i)| *i == item).map(|(at, _)| at).collect();
    let most = match count {
        0 => places.len(),
        _ => usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX).min(places.len()),
    };
    match count {
        ..0 => drop(places.drain(..places.len() - most)),
        _ => places.truncate(most),
    }
    places.reverse();
    places
}

/// From how many items on that go all those from the first to the last of them are replaced by what stays:
/// each for itself would have to be looked up.
const MANY: usize = 64;

/// If many items are to go: place of the first, number of items up to the last, and those among them that
/// stay. The places come in falling order; no other item from the first to the last equals `item`.
fn span<'a, I: Iterator<Item = &'a [u8]>>(
    places: &[usize],
    from: impl Fn(usize) -> I,
    item: &[u8],
) -> Option<(usize, usize, Vec<u8>)> {
    let (&last, &first) = (places.first()?, places.last()?);
    if places.len() < MANY {
        return None;
    }
    let among = from(first).take(last - first + 1);
    Some((first, last - first + 1, encode_items(among.filter(|i| *i != item))))
}

fn remove_places(places: &[usize], mut one: impl FnMut(usize) -> Option<Inverse>) -> Option<Inverse> {
    let mut inverse = Vec::with_capacity(places.len());
    for &at in places {
        inverse.push(one(at)?);
    }
    inverse.reverse();
    Some(Inverse::Several(inverse))
}

/// The value in one piece of a collection after a change, `Some(None)` if it has no elements left and is no stream;
/// `None` when the change does not fit.
pub fn changed(kind: u8, value: &[u8], change: Change<'_>) -> Option<Option<Vec<u8>>> {
    let value = if value.is_empty() { &[0; HEAD] } else { value };
    let mut row = Row::new(Position(0), kind, b"", value);
    if kind == kind::STREAM {
        row.make_large(0, 0);
    }
    let limits = Limits::default();
    let mut means = Means { limits: &limits, seed: 0, id: 0, sink: &mut |_, _| (), undo: false };
    apply(&mut row, change, &mut means)?;
    Some((row.elements() > 0 || kind == kind::STREAM).then(|| row.whole().into_owned()))
}

/// The items of a list as a change has them.
pub fn encode_items<'a>(items: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    items.into_iter().for_each(|item| put_bytes(&mut out, item));
    out
}
