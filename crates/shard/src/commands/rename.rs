//! A key under another name: RENAME, RENAMENX, COPY, MOVE.

use super::integer;
use crate::data::{Context, Done, Stop};
use model::Keyspace;
use model::row::kind;

const SAME: Stop = Stop::Error(std::borrow::Cow::Borrowed("ERR source and destination objects are the same"));

/// `RENAME key newkey`
pub(super) fn rename(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    to_new_name(c, args, false)?;
    c.reply.ok();
    Ok(())
}

/// `RENAMENX key newkey`
pub(super) fn renamenx(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let done = to_new_name(c, args, true)?;
    c.reply.int(done.into());
    Ok(())
}

fn to_new_name(c: &mut Context<'_>, args: &[&[u8]], only_if_absent: bool) -> Result<bool, Stop> {
    let (from, to) = (c.data.key(args[1]), c.data.key(args[2]));
    c.data.get(from)?.ok_or(Stop::error("ERR no such key"))?;
    if from.bytes == to.bytes {
        return Ok(false);
    }
    if only_if_absent && c.data.get(to)?.is_some() {
        return Ok(false);
    }
    // The look first: what has expired there is deleted.
    c.data.peek(to)?;
    let here = c.data.keyspace();
    c.data.rename(from, here, to)?;
    Ok(true)
}

/// `COPY source destination [DB destination-keyspace] [REPLACE]`
///
/// Another keyspace must have the key's slot in this same shard; the router sees to that.
pub(super) fn copy(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let here = c.data.keyspace();
    let (mut there, mut replace) = (here, false);
    let mut options = args[3..].iter();
    while let Some(option) = options.next() {
        if option.eq_ignore_ascii_case(b"replace") {
            replace = true;
        } else if option.eq_ignore_ascii_case(b"db") {
            there = keyspace(options.next().ok_or(Stop::SYNTAX)?)?;
        } else {
            return Err(Stop::SYNTAX);
        }
    }
    if here == there && args[1] == args[2] {
        return Err(SAME);
    }
    let copied = put_there(c, args[1], args[2], there, Put { replace, stays: true })?;
    c.reply.int(copied.into());
    Ok(())
}

/// `MOVE key keyspace`
///
/// The other keyspace must have the key's slot in this same shard; the router sees to that.
pub(super) fn move_to(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let there = keyspace(args[2])?;
    if there == c.data.keyspace() {
        return Err(SAME);
    }
    let moved = put_there(c, args[1], args[1], there, Put { replace: false, stays: false })?;
    c.reply.int(moved.into());
    Ok(())
}

/// How a row gets to another place.
struct Put {
    /// The key that has its new name may go.
    replace: bool,
    /// It stays where it was, too.
    stays: bool,
}

/// Puts a row under a name in a keyspace. False when the row is absent, or the name is taken and may not be
/// replaced.
fn put_there(c: &mut Context<'_>, from: &[u8], to: &[u8], there: Keyspace, how: Put) -> Result<bool, Stop> {
    let (from, to) = (c.data.key(from), c.data.key(to));
    if c.data.get(from)?.is_none() {
        return Ok(false);
    }
    let here = c.data.enter(there)?;
    let free = c.data.get(to)?.is_none() || how.replace;
    c.data.enter(here)?;
    if free
        && how.stays
        && let Some(row) = c.data.peek(from)?
        && row.kind == kind::MANIFEST
    {
        // Two manifests would name the same chunks.
        return Err(Stop::no_string(row));
    }
    match (free, how.stays) {
        (false, _) => {}
        (true, true) => c.data.copy(from, there, to)?,
        (true, false) => c.data.rename(from, there, to)?,
    }
    Ok(free)
}

/// A keyspace by its number; [`crate::data::Data::enter`] checks that it exists.
fn keyspace(number: &[u8]) -> Result<Keyspace, Stop> {
    let number = integer::within(number, i32::MIN.into()..=i32::MAX.into())?;
    match u16::try_from(number) {
        Ok(number) if number < model::limits::KEYSPACES => Ok(Keyspace(number)),
        _ => Err(Stop::NO_KEYSPACE),
    }
}
