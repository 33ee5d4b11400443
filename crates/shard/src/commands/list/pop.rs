//! Items taken from an end: LPOP, RPOP, LMPOP.

use super::super::integer;
use super::{End, take_out};
use crate::data::{Context, Done, Key, Stop};

/// `LPOP key [count]`
pub(in super::super) fn lpop(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    pop(c, args, End::Left, "lpop")
}

/// `RPOP key [count]`: the last item first.
pub(in super::super) fn rpop(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    pop(c, args, End::Right, "rpop")
}

fn pop(c: &mut Context<'_>, args: &[&[u8]], end: End, command: &str) -> Done {
    let count = match args[2..] {
        [] => None,
        [count] => Some(integer::at_least(count, 0, "ERR value is out of range, must be positive")?),
        _ => return Err(Stop::error(format!("ERR wrong number of arguments for '{command}' command"))),
    };
    let key = c.data.key(args[1]);
    let (len, one) = (c.data.items(key)?.len(), count.is_none());
    match (len, one) {
        (0, true) => c.reply.null(),
        (0, false) => c.reply.null_array(),
        (_, true) => {
            let items = c.data.items(key)?;
            let place = end.places(1, len);
            items.each(place.clone(), |item| c.reply.bulk(item));
            take_out(&mut c.data, key, place, len == 1)?;
        }
        (_, false) => pop_several(c, key, end, count.unwrap_or(0))?,
    }
    Ok(())
}

/// Takes up to `count` items from an end of a list and answers with an array of them.
fn pop_several(c: &mut Context<'_>, key: Key<'_>, end: End, count: usize) -> Done {
    let items = c.data.items(key)?;
    let len = items.len();
    let count = count.min(len);
    c.reply.array(count);
    end.items(items).take(count).for_each(|item| c.reply.bulk(item));
    take_out(&mut c.data, key, end.places(count, len), count == len)
}

/// `LMPOP numkeys key [key …] LEFT | RIGHT [COUNT count]`
pub(in super::super) fn lmpop(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    pop_of_first(c, &args[1..], || Ok(()))
}

/// Pops of the first list that there is, from the number of keys on; `check` is asked once all that was read.
pub(super) fn pop_of_first(c: &mut Context<'_>, args: &[&[u8]], check: impl FnOnce() -> Done) -> Done {
    let number = integer::at_least(args[0], 1, "ERR numkeys should be greater than 0")?;
    let Some((keys, options)) = args[1..].split_at_checked(number) else { return Err(Stop::SYNTAX) };
    let [end, options @ ..] = options else { return Err(Stop::SYNTAX) };
    let end = End::parse(end)?;
    let count = match options {
        [] => 1,
        [word, count, rest @ ..] if word.eq_ignore_ascii_case(b"count") => {
            let count = integer::at_least(count, 1, "ERR count should be greater than 0")?;
            if !rest.is_empty() {
                return Err(Stop::SYNTAX);
            }
            count
        }
        _ => return Err(Stop::SYNTAX),
    };
    check()?;
    for bytes in keys {
        let key = c.data.key(bytes);
        if !c.data.items(key)?.is_empty() {
            c.reply.array(2);
            c.reply.bulk(bytes);
            return pop_several(c, key, end, count);
        }
    }
    c.reply.null_array();
    Ok(())
}
