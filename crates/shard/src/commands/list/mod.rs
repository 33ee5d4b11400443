//! Commands on lists. Each file has those that do one kind of thing; here is what they share.

mod edit;
mod look;
mod pop;
mod push;
mod relocate;

pub(super) use edit::{linsert, lrem, lset, ltrim};
pub(super) use look::{lindex, llen, lpos, lrange};
pub(super) use pop::{lmpop, lpop, rpop};
pub(super) use push::{lpush, lpushx, rpush, rpushx};
pub(super) use relocate::{lmove, rpoplpush};

use crate::collection::{Items, encode_items};
use crate::data::{Data, Done, Key, Stop};
use model::change::Change;
use model::row::kind;
use std::ops::Range;

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
