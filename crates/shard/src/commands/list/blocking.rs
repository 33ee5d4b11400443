//! Commands that take an item or wait for one: BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH. Each is its relative
//! that does not wait, with a timeout, which whoever waits has looked at.

use super::{End, lmove, lmpop, rpoplpush, take_out};
use crate::commands::blocking;
use crate::data::{Context, Done, Stop};

/// `BLPOP key [key …] timeout`
pub(in super::super) fn blpop(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    first(c, &args[1..args.len() - 1], End::Left)
}

/// `BRPOP key [key …] timeout`
pub(in super::super) fn brpop(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    first(c, &args[1..args.len() - 1], End::Right)
}

/// Takes an item of the first list that has any.
fn first(c: &mut Context<'_>, keys: &[&[u8]], end: End) -> Done {
    for bytes in keys {
        let key = c.data.key(bytes);
        let items = c.data.items(key)?;
        let len = items.len();
        let Some(item) = end.items(items).next() else { continue };
        c.reply.array(2);
        c.reply.bulk(bytes);
        c.reply.bulk(item);
        return take_out(&mut c.data, key, end.places(1, len), len == 1);
    }
    Err(Stop::Block)
}

/// `BLMPOP timeout numkeys key [key …] LEFT | RIGHT [COUNT count]`
pub(in super::super) fn blmpop(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    blocking::unless_nothing(c, lmpop, &[&[args[0]], &args[2..]].concat())
}

/// `BLMOVE source destination LEFT | RIGHT LEFT | RIGHT timeout`
pub(in super::super) fn blmove(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    blocking::unless_nothing(c, lmove, &args[..5])
}

/// `BRPOPLPUSH source destination timeout`
pub(in super::super) fn brpoplpush(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    blocking::unless_nothing(c, rpoplpush, &args[..3])
}
