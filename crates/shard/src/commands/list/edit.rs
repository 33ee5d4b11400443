//! Items changed in the middle of a list: LINSERT, LSET, LTRIM, LREM.

use super::super::{integer, range};
use super::{insert, take_out};
use crate::collection::encode_items;
use crate::data::{Context, Done, Stop};
use model::change::Change;
use model::row::kind;

/// `LINSERT key BEFORE | AFTER pivot element`
pub(in super::super) fn linsert(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let behind = match args[2] {
        word if word.eq_ignore_ascii_case(b"after") => 1,
        word if word.eq_ignore_ascii_case(b"before") => 0,
        _ => return Err(Stop::SYNTAX),
    };
    let key = c.data.key(args[1]);
    c.data.check_size(key, args[4].len())?;
    let items = c.data.items(key)?;
    let (len, pivot) = (items.len(), items.from(0).position(|item| item == args[3]));
    match pivot {
        Some(at) => {
            insert(&mut c.data, key, at + behind, &[args[4]])?;
            c.reply.int(len as i64 + 1);
        }
        None => c.reply.int(if len == 0 { 0 } else { -1 }),
    }
    Ok(())
}

/// `LSET key index element`
pub(in super::super) fn lset(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let len = c.data.items(key)?.len();
    if len == 0 {
        return Err(Stop::error("ERR no such key"));
    }
    let index = integer::argument(args[2])?;
    c.data.check_size(key, args[3].len())?;
    let at = range::place(index, len).ok_or(Stop::error("ERR index out of range"))?;
    let items = encode_items([args[3]]);
    c.data.change(key, kind::LIST, Change::Splice { at: at as u64, remove: 1, items: &items })?;
    c.reply.ok();
    Ok(())
}

/// `LTRIM key start stop`
pub(in super::super) fn ltrim(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (start, stop) = (integer::argument(args[2])?, integer::argument(args[3])?);
    let key = c.data.key(args[1]);
    let len = c.data.items(key)?.len();
    let kept = range::places(start, stop, len);
    if kept.is_empty() && len > 0 {
        c.data.delete(key)?;
    } else {
        take_out(&mut c.data, key, kept.end..len, false)?;
        take_out(&mut c.data, key, 0..kept.start, false)?;
    }
    c.reply.ok();
    Ok(())
}

/// `LREM key count element`: from the end if the count is negative, all if it is 0.
pub(in super::super) fn lrem(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let count = integer::argument(args[2])?;
    let key = c.data.key(args[1]);
    let items = c.data.items(key)?;
    let most =
        if count == 0 { usize::MAX } else { usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX) };
    let (len, equal) = (items.len(), items.from(0).filter(|item| *item == args[3]).take(most).count());
    if equal > 0 && equal == len {
        c.data.delete(key)?;
    } else if equal > 0 {
        c.data.change(key, kind::LIST, Change::RemoveEqual { count, item: args[3] })?;
    }
    c.reply.int(equal as i64);
    Ok(())
}
