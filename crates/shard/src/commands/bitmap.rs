//! Single bits of strings, and bits in ranges: SETBIT, GETBIT, BITCOUNT, BITPOS.

use super::bits::{self, Unit};
use super::integer;
use crate::data::{Context, Done, Stop};
use crate::row::Form;

/// `SETBIT key offset value`
pub(super) fn setbit(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (byte, mask) = bits::place(bits::offset(args[2])?);
    let on = match integer::parse(args[3]) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(Stop::error("ERR bit is not an integer or out of range")),
    };
    let key = c.data.key(args[1]);
    let found = c.data.string(key)?.and_then(|value| value.get(byte).copied());
    let old = found.unwrap_or(0);
    let new = if on { old | mask } else { old & !mask };
    // A bit behind the end makes the value longer even when it is zero.
    if found != Some(new) {
        c.data.patch(key, byte, &[new])?;
    }
    c.data.note_form(key, Form::Edited);
    c.reply.int((old & mask != 0).into());
    Ok(())
}

/// `GETBIT key offset`
pub(super) fn getbit(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (byte, mask) = bits::place(bits::offset(args[2])?);
    let key = c.data.key(args[1]);
    let value = c.data.string(key)?.unwrap_or_default();
    let found = value.get(byte).is_some_and(|byte| byte & mask != 0);
    c.reply.int(found.into());
    Ok(())
}

/// `BITCOUNT key [start end [BYTE | BIT]]`: the arguments are checked even if the key is absent, as in
/// Redis since 7.2.
pub(super) fn bitcount(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    // What the key holds counts before the range.
    let key = c.data.key(args[1]);
    c.data.string(key)?;
    let (start, end, unit) = match args[2..] {
        [] => (0, -1, Unit::Byte),
        [start, end] => (integer::argument(start)?, integer::argument(end)?, Unit::Byte),
        [start, end, unit] => (integer::argument(start)?, integer::argument(end)?, Unit::parse(unit)?),
        _ => return Err(Stop::SYNTAX),
    };
    let value = c.data.string(key)?.unwrap_or_default();
    // Otherwise both ends of such a range might be moved to the first byte and meet there.
    let backwards = start < 0 && end < 0 && start > end;
    let range = if backwards { 0..0 } else { bits::range(start, end, unit, value.len()) };
    c.reply.int(bits::count(value, range) as i64);
    Ok(())
}

/// `BITPOS key bit [start [end [BYTE | BIT]]]`
///
/// A range without an end goes on behind the value, where all bits are zero; one with an end does not.
/// The arguments are checked even if the key is absent, as in Redis since 7.2.
pub(super) fn bitpos(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let bit = match integer::argument(args[2])? {
        0 => false,
        1 => true,
        _ => return Err(Stop::error("ERR The bit argument must be 1 or 0.")),
    };
    let key = c.data.key(args[1]);
    c.data.string(key)?;
    let (start, end, unit) = match args[3..] {
        [] => (0, None, Unit::Byte),
        [start] => (integer::argument(start)?, None, Unit::Byte),
        [start, end] => (integer::argument(start)?, Some(integer::argument(end)?), Unit::Byte),
        [start, end, unit] => {
            // The unit before the end: the order in which Redis finds fault.
            let (start, unit) = (integer::argument(start)?, Unit::parse(unit)?);
            (start, Some(integer::argument(end)?), unit)
        }
        _ => return Err(Stop::SYNTAX),
    };
    let Some(value) = c.data.string(key)? else {
        c.reply.int(if bit { -1 } else { 0 });
        return Ok(());
    };
    let range = bits::range(start, end.unwrap_or(-1), unit, value.len());
    let behind = !bit && end.is_none() && !range.is_empty();
    let found = match bits::find(value, bit, range) {
        Some(offset) => offset as i64,
        None if behind => value.len() as i64 * 8,
        None => -1,
    };
    c.reply.int(found);
    Ok(())
}
