//! SORT and SORT_RO: the elements of a list, a set or a sorted set in another order.
//!
//! `options` reads the call, `order` brings the elements into order, `pattern` finds what BY and GET ask of
//! other keys, `weight` reads numbers.

mod options;
mod order;
mod pattern;
mod weight;

use self::options::Options;
use self::order::{Sorted, sorted};
use self::pattern::Get;
use crate::collection::{Elements, Items};
use crate::commands::list;
use crate::data::{Context, Data, Done, Key, Stop};
use crate::row::{Form, Row};
use model::row::kind;
use std::ops::Range;

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA] [STORE destination]`
pub(super) fn sort(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let options = Options::parse(&args[2..], true, c.data.is_spread())?;
    let result = run(c, args[1], &options)?;
    match options.store {
        None => answer(c, &result),
        Some(destination) => store(c, destination, &result),
    }
}

/// `SORT_RO`: the same without STORE.
pub(super) fn sort_ro(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let options = Options::parse(&args[2..], false, c.data.is_spread())?;
    let result = run(c, args[1], &options)?;
    answer(c, &result)
}

/// A part of the result; `None` where GET found nothing.
type Part = Option<Box<[u8]>>;

fn run(c: &mut Context<'_>, bytes: &[u8], options: &Options<'_>) -> Result<Vec<Part>, Stop> {
    let key = c.data.key(bytes);
    let (kind, len) = c.data.get(key)?.map_or((kind::LIST, 0), |row| (row.kind, row.elements()));
    if !matches!(kind, kind::LIST | kind::SET | kind::SORTED_SET) {
        return Err(Stop::WRONG_TYPE);
    }
    if kind == kind::SORTED_SET {
        c.data.note_form(key, Form::Indexed);
    }
    let range = options.range(len);
    let elements = match options.sorted(kind) {
        Sorted::No => in_place(&mut c.data, key, range, options.descending)?,
        how => {
            let all = in_place(&mut c.data, key, 0..len, false)?;
            sorted(&mut c.data, all, how, options.descending, range)?
        }
    };
    if options.gets.is_empty() {
        return Ok(elements.into_iter().map(Some).collect());
    }
    let mut result = Vec::with_capacity(elements.len() * options.gets.len());
    let mut missing = false;
    for element in &elements {
        for get in &options.gets {
            match get {
                Get::Element => result.push(Some(element.clone())),
                // What is not in memory is fetched for all of them at once.
                Get::Nothing => result.push(None),
                Get::Other(pattern) => match pattern.value(&mut c.data, element) {
                    Ok(value) => result.push(value),
                    Err(Stop::Fetch) => missing = true,
                    Err(error) => return Err(error),
                },
            }
        }
    }
    if missing { Err(Stop::Fetch) } else { Ok(result) }
}

/// The elements at some places as they stand in the collection, or in its reverse.
fn in_place(
    data: &mut Data<'_>,
    key: Key<'_>,
    places: Range<usize>,
    reverse: bool,
) -> Result<Vec<Box<[u8]>>, Stop> {
    let Some(row) = data.get(key)? else { return Ok(Vec::new()) };
    let (skip, take) = (places.start, places.len());
    Ok(match (row.kind, reverse) {
        (kind::LIST, false) => copied(Items::of(row).from(skip), take),
        (kind::LIST, true) => copied(Items::of(row).before(row.elements() - skip), take),
        // A set has no order that could be reversed.
        (kind::SORTED_SET, true) => copied(names(Elements::of(row).before_rank(row.elements() - skip)), take),
        _ => copied(names(Elements::of(row).starting_at(skip)), take),
    })
}

fn names<'a>(pairs: impl Iterator<Item = crate::collection::Pair<'a>>) -> impl Iterator<Item = &'a [u8]> {
    pairs.map(|(name, _)| name)
}

fn copied<'a>(elements: impl Iterator<Item = &'a [u8]>, most: usize) -> Vec<Box<[u8]>> {
    elements.take(most).map(Box::from).collect()
}

fn answer(c: &mut Context<'_>, result: &[Part]) -> Done {
    c.reply.array(result.len());
    for part in result {
        match part {
            Some(value) => c.reply.bulk(value),
            None => c.reply.null(),
        }
    }
    Ok(())
}

/// Makes the result the list at a key, whatever was there; without parts the key is deleted.
fn store(c: &mut Context<'_>, destination: &[u8], result: &[Part]) -> Done {
    let key = c.data.key(destination);
    // The look first: what has expired is deleted.
    c.data.peek(key)?;
    let items = result.iter().map(|part| part.as_deref().unwrap_or_default());
    list::store(&mut c.data, key, 0, items)?;
    c.reply.int(result.len() as i64);
    Ok(())
}

/// Bytes of a row that is a string, or of a field in a hash.
fn value_of(row: &Row, field: Option<&[u8]>) -> Part {
    match (row.kind, field) {
        (kind::STRING, None) => Some(row.value().into()),
        (kind::HASH, Some(field)) => Elements::of(row).get(field).map(Box::from),
        _ => None,
    }
}
