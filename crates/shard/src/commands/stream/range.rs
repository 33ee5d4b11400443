//! Looking at entries: XLEN, XRANGE, XREVRANGE.

use super::entry::Entry;
use super::id::Id;
use super::look;
use crate::commands::integer;
use crate::data::{Context, Done, Stop};
use model::Reply;

/// `XLEN key`
pub(in crate::commands) fn xlen(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let len = look(&mut c.data, key)?.map_or(0, |stream| stream.len());
    c.reply.int(len as i64);
    Ok(())
}

/// `XRANGE key start end [COUNT count]`
pub(in crate::commands) fn xrange(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    range(c, args, (args[2], args[3]), false)
}

/// `XREVRANGE key end start [COUNT count]`
pub(in crate::commands) fn xrevrange(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    range(c, args, (args[3], args[2]), true)
}

fn range(c: &mut Context<'_>, args: &[&[u8]], (from, to): (&[u8], &[u8]), backwards: bool) -> Done {
    let (from, excluded) = end(from, 0)?;
    let from = if excluded { from.next() } else { Some(from) };
    let from = from.ok_or(Stop::error("ERR invalid start ID for the interval"))?;
    let (to, excluded) = end(to, u64::MAX)?;
    let to = if excluded { to.before() } else { Some(to) };
    let to = to.ok_or(Stop::error("ERR invalid end ID for the interval"))?;
    let count = count(&args[4..])?;
    let key = c.data.key(args[1]);
    let Some(stream) = look(&mut c.data, key)? else {
        c.reply.array(0);
        return Ok(());
    };
    if count == Some(0) {
        c.reply.null_array();
        return Ok(());
    }
    let ranks = stream.ranks(from, to);
    let len = count.map_or(ranks.len(), |count| count.min(ranks.len()));
    if backwards {
        answer(c.reply, len, stream.before(ranks.end));
    } else {
        answer(c.reply, len, stream.from(ranks.start));
    }
    Ok(())
}

/// An end of an interval, and whether it is left out of it (`(`).
fn end(arg: &[u8], missing: u64) -> Result<(Id, bool), Stop> {
    match arg {
        [b'(', id @ ..] if !id.is_empty() => Id::parse(id, missing).map(|id| (id, true)),
        _ => Id::parse_end(arg, missing).map(|id| (id, false)),
    }
}

/// The last COUNT of the options; a negative one counts as 0.
fn count(options: &[&[u8]]) -> Result<Option<usize>, Stop> {
    let mut count = None;
    for option in options.chunks(2) {
        match option {
            [name, n] if integer::before_zero(name).eq_ignore_ascii_case(b"count") => {
                count = Some(usize::try_from(integer::argument(n)?).unwrap_or(0));
            }
            _ => return Err(Stop::SYNTAX),
        }
    }
    Ok(count)
}

/// Answers with the first `len` of these entries, which are there.
pub(super) fn answer<'a>(reply: &mut dyn Reply, len: usize, entries: impl Iterator<Item = Entry<'a>>) {
    reply.array(len);
    entries.take(len).for_each(|entry| entry.answer(reply));
}
