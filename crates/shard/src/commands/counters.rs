//! Strings that are numbers: the INCR family.

use super::extended::Extended;
use super::integer;
use crate::data::{Context, Done, Stop};
use crate::row::Form;
use model::row::kind;

/// `INCR key`
pub(super) fn incr(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    add(c, args[1], 1)
}

/// `DECR key`
pub(super) fn decr(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    add(c, args[1], -1)
}

/// `INCRBY key increment`
pub(super) fn incrby(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let increment = integer::argument(args[2])?;
    add(c, args[1], increment)
}

/// `DECRBY key decrement`
pub(super) fn decrby(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let decrement = integer::argument(args[2])?;
    let increment = decrement.checked_neg().ok_or(Stop::error("ERR decrement would overflow"))?;
    add(c, args[1], increment)
}

fn add(c: &mut Context<'_>, key: &[u8], increment: i64) -> Done {
    let key = c.data.key(key);
    let (old, expire) = match c.data.get(key)? {
        None => (0, 0),
        Some(row) if row.kind != kind::STRING => return Err(Stop::no_string(row)),
        Some(row) => (integer::argument(row.value())?, row.expire),
    };
    let overflow = Stop::error("ERR increment or decrement would overflow");
    let new = old.checked_add(increment).ok_or(overflow)?;
    c.data.put_string(key, expire, itoa::Buffer::new().format(new).as_bytes())?;
    c.reply.int(new);
    Ok(())
}

/// `INCRBYFLOAT key increment`
pub(super) fn incrbyfloat(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let float = |bytes| Extended::parse(bytes).ok_or(Stop::error("ERR value is not a valid float"));
    let key = c.data.key(args[1]);
    let (old, expire) = match c.data.get(key)? {
        None => (float(b"0")?, 0),
        Some(row) if row.kind != kind::STRING => return Err(Stop::no_string(row)),
        Some(row) => (float(row.value())?, row.expire),
    };
    let infinite = Stop::error("ERR increment would produce NaN or Infinity");
    let new = old.add(float(args[2])?).ok_or(infinite)?.to_text();
    c.data.put_string(key, expire, new.as_bytes())?;
    c.data.note_form(key, Form::Text);
    c.reply.bulk(new.as_bytes());
    Ok(())
}
