//! Fields that are numbers: HINCRBY, HINCRBYFLOAT.

use crate::commands::extended::Extended;
use crate::commands::integer;
use crate::data::{Context, Done, Stop};
use model::change::Change;
use model::row::kind;

/// `HINCRBY key field increment`
pub(in crate::commands) fn hincrby(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let increment = integer::argument(args[3])?;
    let key = c.data.key(args[1]);
    let old = match c.data.elements(key, kind::HASH)?.get(args[2]) {
        Some(value) => integer::parse(value).ok_or(Stop::error("ERR hash value is not an integer"))?,
        None => 0,
    };
    let overflow = Stop::error("ERR increment or decrement would overflow");
    let new = old.checked_add(increment).ok_or(overflow)?;
    let value = itoa::Buffer::new().format(new).to_owned();
    c.data.change(key, kind::HASH, Change::Put { name: args[2], value: value.as_bytes() })?;
    c.reply.int(new);
    Ok(())
}

/// `HINCRBYFLOAT key field increment`
pub(in crate::commands) fn hincrbyfloat(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let increment = Extended::parse(args[3]).ok_or(Stop::error("ERR value is not a valid float"))?;
    if increment.is_infinite() {
        return Err(Stop::error("ERR value is NaN or Infinity"));
    }
    let key = c.data.key(args[1]);
    let old = match c.data.elements(key, kind::HASH)?.get(args[2]) {
        Some(value) => Extended::parse(value).ok_or(Stop::error("ERR hash value is not a float"))?,
        None => Extended::ZERO,
    };
    let infinite = Stop::error("ERR increment would produce NaN or Infinity");
    let new = old.add(increment).ok_or(infinite)?.to_text();
    c.data.change(key, kind::HASH, Change::Put { name: args[2], value: new.as_bytes() })?;
    c.reply.bulk(new.as_bytes());
    Ok(())
}
