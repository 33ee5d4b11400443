//! Parts of strings: APPEND, SETRANGE, GETRANGE, STRLEN.

use super::integer;
use crate::data::{Context, Done, Stop};
use crate::row::Form;
use model::row::kind;

/// `APPEND key value`
pub(super) fn append(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (key, tail) = (c.data.key(args[1]), args[2]);
    let old = match c.data.string(key) {
        Ok(value) => value.map(<[u8]>::len),
        Err(Stop::Fetch) => return Err(Stop::Fetch),
        Err(other) => return super::large::edit(c, key, None, tail, other),
    };
    match old {
        Some(len) if is_cut(c, len + tail.len()) => {
            return super::large::edit(c, key, None, tail, Stop::WRONG_TYPE);
        }
        None => c.data.put_string(key, 0, tail)?,
        Some(_) if tail.is_empty() => c.data.note_form(key, Form::Edited),
        Some(len) => c.data.patch(key, len, tail)?,
    }
    c.reply.int((old.unwrap_or(0) + tail.len()) as i64);
    Ok(())
}

/// `SETRANGE key offset value`
pub(super) fn setrange(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (key, bytes) = (c.data.key(args[1]), args[3]);
    let offset = integer::argument(args[2])?;
    let offset = usize::try_from(offset).map_err(|_| Stop::error("ERR offset is out of range"))?;
    let old = match c.data.string(key) {
        Ok(value) => value.map_or(0, <[u8]>::len),
        Err(Stop::Fetch) => return Err(Stop::Fetch),
        Err(other) => return super::large::edit(c, key, Some(offset as u64), bytes, other),
    };
    if !bytes.is_empty() && is_cut(c, offset.saturating_add(bytes.len())) {
        return super::large::edit(c, key, Some(offset as u64), bytes, Stop::WRONG_TYPE);
    }
    if bytes.is_empty() {
        c.reply.int(old as i64);
        return Ok(());
    }
    c.data.patch(key, offset, bytes)?;
    c.reply.int(old.max(offset + bytes.len()) as i64);
    Ok(())
}

/// Whether a value of so many bytes is cut into chunks: not where `max-value` is below one, as somebody wants short
/// values then.
fn is_cut(c: &Context<'_>, len: usize) -> bool {
    len > c.data.chunk_threshold() && c.data.max_value() >= model::limits::CHUNK
}

/// `GETRANGE key start end`, also under its old name SUBSTR. Both ends are included; negative ones
/// count from the end of the value.
pub(super) fn getrange(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (start, end) = (integer::argument(args[2])?, integer::argument(args[3])?);
    let key = c.data.key(args[1]);
    match c.data.get(key)? {
        Some(row) if row.kind == kind::STRING => {
            let value = row.value();
            c.reply.bulk(&value[bounds(start, end, value.len())]);
        }
        Some(row) => return Err(super::large::pieces_of(row, |length| bounds(start, end, length))),
        None => c.reply.bulk(b""),
    }
    Ok(())
}

/// The bytes that GETRANGE means, by Redis's rules: an end before the start of the value counts as
/// its first byte unless the range was empty to begin with.
fn bounds(start: i64, end: i64, len: usize) -> std::ops::Range<usize> {
    let from_end = |at: i64| if at < 0 { at.saturating_add(len as i64).max(0) as usize } else { at as usize };
    let backwards = start < 0 && end < 0 && start > end;
    let (from, to) = (from_end(start), from_end(end).min(len.wrapping_sub(1)));
    if len == 0 || backwards || from > to { 0..0 } else { from..to + 1 }
}

/// `STRLEN key`
pub(super) fn strlen(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let len = match c.data.get(key)? {
        Some(row) if row.kind == kind::STRING => row.value_len() as u64,
        Some(row) => row.manifest().ok_or(Stop::WRONG_TYPE)??.length,
        None => 0,
    };
    c.reply.int(len as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::bounds;

    #[test]
    fn ranges_follow_redis() {
        for (start, end, expected) in [
            (0, 3, "This"),
            (-3, -1, "ing"),
            (0, -1, "This is a string"),
            (10, 100, "string"),
            (0, -100, "T"),
            (-100, -100, "T"),
            (-1, -2, ""),
            (5, 3, ""),
            (16, 20, ""),
            (i64::MIN, i64::MAX, "This is a string"),
        ] {
            let text = "This is a string";
            assert_eq!(&text[bounds(start, end, text.len())], expected, "{start} {end}");
            assert_eq!(bounds(start, end, 0), 0..0);
        }
    }
}
