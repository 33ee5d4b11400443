//! Commands that take an item or wait for one: BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH. Each is its relative
//! that does not wait, with a timeout.

use super::pop::pop_of_first;
use super::{End, lmove, rpoplpush, take_out};
use crate::commands::blocking::{check_timeout, unless_nothing};
use crate::data::{Context, Done, Stop};

/// `BLPOP key [key …] timeout`
pub(in super::super) fn blpop(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    first(c, args, End::Left)
}

/// `BRPOP key [key …] timeout`
pub(in super::super) fn brpop(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    first(c, args, End::Right)
}

/// Takes an item of the first list that has any.
fn first(c: &mut Context<'_>, args: &[&[u8]], end: End) -> Done {
    check_timeout(args)?;
    for bytes in &args[1..args.len() - 1] {
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
    unless_nothing(c, |c| pop_of_first(c, &args[2..], || check_timeout(args)))
}

/// `BLMOVE source destination LEFT | RIGHT LEFT | RIGHT timeout`
pub(in super::super) fn blmove(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let _ends = (End::parse(args[3])?, End::parse(args[4])?);
    check_timeout(args)?;
    unless_nothing(c, |c| lmove(c, &args[..5]))
}

/// `BRPOPLPUSH source destination timeout`
pub(in super::super) fn brpoplpush(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    check_timeout(args)?;
    unless_nothing(c, |c| rpoplpush(c, &args[..3]))
}
