//! Commands on lists. Each file has those that do one kind of thing; here is what they share.

mod blocking;
mod edit;
mod look;
mod pop;
mod push;
mod relocate;

pub(super) use blocking::{blmove, blmpop, blpop, brpop, brpoplpush};
pub(super) use edit::{linsert, lrem, lset, ltrim};
pub(super) use look::{lindex, llen, lpos, lrange};
pub(super) use pop::{lmpop, lpop, rpop};
pub(super) use push::{lpush, lpushx, rpush, rpushx};
pub(super) use relocate::{lmove, rpoplpush};

use crate::collection::{Builder, Items, encode_items};
use crate::data::{Data, Done, Key, Stop};
use model::change::Change;
use model::row::kind;
use std::ops::Range;

/// Bytes of items that one change stores, where the result is too large for a value in one piece.
const STORED_AT_ONCE: usize = 256 * 1024;

/// An end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Left,
    Right,
}

impl End {
    /// `LEFT` or `RIGHT`.
    fn parse(word: &[u8]) -> Result<End, Stop> {
        if word.eq_ignore_ascii_case(b"left") {
            Ok(End::Left)
        } else if word.eq_ignore_ascii_case(b"right") {
            Ok(End::Right)
        } else {
            Err(Stop::SYNTAX)
        }
    }

    /// The places of the `count` items at this end of a list of `len` items, which has as many.
    fn places(self, count: usize, len: usize) -> Range<usize> {
        match self {
            End::Left => 0..count,
            End::Right => len - count..len,
        }
    }

    /// The items of a list, those at this end first.
    fn items(self, items: Items<'_>) -> Box<dyn Iterator<Item = &[u8]> + '_> {
        match self {
            End::Left => items.from(0),
            End::Right => items.before(items.len()),
        }
    }
}

/// Puts items into a list, the first of them at a place from 0 to its length.
fn insert(data: &mut Data<'_>, key: Key<'_>, at: usize, items: &[&[u8]]) -> Done {
    let items = encode_items(items.iter().copied());
    data.change(key, kind::LIST, Change::Splice { at: at as u64, remove: 0, items: &items })
}

/// Takes the items at some places, which exist, out of a list; `all` of them if it has no others.
fn take_out(data: &mut Data<'_>, key: Key<'_>, places: Range<usize>, all: bool) -> Done {
    if all {
        return data.delete(key).map(drop);
    }
    if places.is_empty() {
        return Ok(());
    }
    let (at, remove) = (places.start as u64, places.len() as u64);
    data.change(key, kind::LIST, Change::Splice { at, remove, items: &[] })
}

/// Gives a key a list of these items, whatever it was before; without items it is deleted. As one effect if
/// it fits a value.
///
/// # Errors
/// As [`Data::put`] and [`Data::change`].
pub(super) fn store<'a>(
    data: &mut Data<'_>,
    key: Key<'_>,
    expire: u64,
    items: impl ExactSizeIterator<Item = &'a [u8]> + Clone,
) -> Done {
    let bytes: usize = items.clone().map(|item| item.len() + 10).sum();
    if items.len() > 0 && bytes < data.max_value() {
        let mut list = Builder::new(kind::LIST);
        items.for_each(|item| list.push(item, &[]));
        return data.put(key, kind::LIST, expire, &list.finish());
    }
    data.delete(key)?;
    append_all(data, key, items)?;
    if expire != 0 {
        data.set_expire(key, expire)?;
    }
    Ok(())
}

/// Appends items to a list that is absent so far, piece by piece.
fn append_all<'a>(data: &mut Data<'_>, key: Key<'_>, items: impl Iterator<Item = &'a [u8]>) -> Done {
    let (mut at, mut batch, mut bytes) = (0, Vec::new(), 0);
    let mut append = |batch: &mut Vec<&[u8]>| {
        let items = encode_items(batch.iter().copied());
        let done = data.change(key, kind::LIST, Change::Splice { at, remove: 0, items: &items });
        at += batch.len() as u64;
        batch.clear();
        done
    };
    for item in items {
        batch.push(item);
        bytes += item.len();
        if bytes >= STORED_AT_ONCE {
            append(&mut batch)?;
            bytes = 0;
        }
    }
    if batch.is_empty() { Ok(()) } else { append(&mut batch) }
}
