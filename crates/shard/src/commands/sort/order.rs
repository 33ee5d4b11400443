//! Bringing elements into order.

use super::pattern::Pattern;
use super::weight;
use crate::data::{Data, Stop};
use std::cmp::Ordering;
use std::ops::Range;

/// By what elements are sorted; with a pattern by what other keys say of them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sorted<'a> {
    /// Not at all.
    No,
    /// By numbers; where they are equal, by the bytes of the elements.
    Number(Option<Pattern<'a>>),
    /// By bytes.
    Text(Option<Pattern<'a>>),
}

/// An element with what it is sorted by, and its place in the collection: what is equal stays in order.
struct Entry {
    weight: Weight,
    element: Box<[u8]>,
    place: usize,
}

enum Weight {
    Number(f64),
    /// `None` is what another key does not say: before everything else.
    Text(Option<Box<[u8]>>),
    Element,
}

impl Entry {
    fn compare(&self, other: &Entry) -> Ordering {
        match (&self.weight, &other.weight) {
            // None is NaN.
            (Weight::Number(a), Weight::Number(b)) => {
                a.partial_cmp(b).unwrap_or(Ordering::Equal).then_with(|| self.element.cmp(&other.element))
            }
            (Weight::Text(a), Weight::Text(b)) => a.cmp(b),
            _ => self.element.cmp(&other.element),
        }
    }
}

/// The elements at some places of the sorted collection. Only those are brought into order.
///
/// # Errors
/// A weight that is to be a number and is none; [`Stop::Fetch`] when a key that has one is not in memory.
pub(super) fn sorted(
    data: &mut Data<'_>,
    elements: Vec<Box<[u8]>>,
    how: Sorted<'_>,
    descending: bool,
    places: Range<usize>,
) -> Result<Vec<Box<[u8]>>, Stop> {
    let mut entries = weighted(data, elements, how)?;
    let order = |a: &Entry, b: &Entry| {
        let order = a.compare(b);
        let order = if descending { order.reverse() } else { order };
        order.then(a.place.cmp(&b.place))
    };
    if places.is_empty() {
        return Ok(Vec::new());
    }
    if places.end < entries.len() {
        entries.select_nth_unstable_by(places.end - 1, order);
        entries.truncate(places.end);
    }
    if places.start > 0 {
        entries.select_nth_unstable_by(places.start, order);
        entries.drain(..places.start);
    }
    entries.sort_unstable_by(order);
    Ok(entries.into_iter().map(|entry| entry.element).collect())
}

fn weighted(data: &mut Data<'_>, elements: Vec<Box<[u8]>>, how: Sorted<'_>) -> Result<Vec<Entry>, Stop> {
    let mut entries = Vec::with_capacity(elements.len());
    let (mut missing, mut wrong) = (false, false);
    for (place, element) in elements.into_iter().enumerate() {
        let mut of_other = |pattern: Pattern<'_>| match pattern.value(data, &element) {
            // The others are looked at all the same: all rows that are not in memory are fetched at once.
            Err(Stop::Fetch) => {
                missing = true;
                Ok(None)
            }
            value => value,
        };
        let mut number = |text: &[u8]| {
            let number = weight::parse(text);
            wrong |= number.is_none();
            Weight::Number(number.unwrap_or(0.0))
        };
        let weight = match how {
            Sorted::No | Sorted::Text(None) => Weight::Element,
            Sorted::Text(Some(by)) => Weight::Text(of_other(by)?),
            Sorted::Number(None) => number(&element),
            Sorted::Number(Some(by)) => of_other(by)?.map_or(Weight::Number(0.0), |text| number(&text)),
        };
        entries.push(Entry { weight, element, place });
    }
    match (missing, wrong) {
        (true, _) => Err(Stop::Fetch),
        (_, true) => Err(Stop::error("ERR One or more scores can't be converted into double")),
        _ => Ok(entries),
    }
}
