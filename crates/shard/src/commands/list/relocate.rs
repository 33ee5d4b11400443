//! An item from one end to another: LMOVE, RPOPLPUSH.

use super::{End, insert, take_out};
use crate::data::{Context, Done};

/// `LMOVE source destination LEFT | RIGHT LEFT | RIGHT`
pub(in super::super) fn lmove(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (from, to) = (End::parse(args[3])?, End::parse(args[4])?);
    relocate(c, args, from, to)
}

/// `RPOPLPUSH source destination`
pub(in super::super) fn rpoplpush(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    relocate(c, args, End::Right, End::Left)
}

fn relocate(c: &mut Context<'_>, args: &[&[u8]], from: End, to: End) -> Done {
    let (source, destination) = (c.data.key(args[1]), c.data.key(args[2]));
    let items = c.data.items(source)?;
    let len = items.len();
    let Some(item) = end_item(from, items) else {
        c.reply.null();
        return Ok(());
    };
    let place = |len: usize| if to == End::Left { 0 } else { len };
    let there = c.data.items_of_other(destination)?.len();
    c.reply.bulk(&item);
    if source.bytes != destination.bytes {
        take_out(&mut c.data, source, from.places(1, len), len == 1)?;
        return insert(&mut c.data, destination, place(there), &[&item]);
    }
    // The list stays where it is, with its expiry: it is never without an item.
    if from == to || len == 1 {
        return Ok(());
    }
    insert(&mut c.data, source, place(len), &[&item])?;
    take_out(&mut c.data, source, from.places(1, len + 1), false)
}

fn end_item(end: End, items: crate::collection::Items<'_>) -> Option<Vec<u8>> {
    end.items(items).next().map(<[u8]>::to_vec)
}
