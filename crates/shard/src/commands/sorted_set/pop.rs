//! Members taken from an end: ZPOPMIN, ZPOPMAX, ZMPOP, and their relatives that wait for one.

use super::{look, remove_ranks, scored};
use crate::commands::blocking::{check_timeout, unless_nothing};
use crate::commands::elements::at_most;
use crate::commands::integer;
use crate::data::{Context, Done, Key, Stop};

/// The end of a sorted set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Min,
    Max,
}

/// How the members that are popped stand in the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum As {
    /// One array of members and scores.
    Flat,
    /// Pairs as in other replies.
    Pairs,
    /// Pairs that are arrays in both protocols.
    Nested,
}

/// `ZPOPMIN key [count]`
pub(in crate::commands) fn zpopmin(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    pop_of_one(c, args, From::Min)
}

/// `ZPOPMAX key [count]`
pub(in crate::commands) fn zpopmax(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    pop_of_one(c, args, From::Max)
}

fn pop_of_one(c: &mut Context<'_>, args: &[&[u8]], from: From) -> Done {
    at_most(args, 3)?;
    let (count, form) = match args.get(2) {
        Some(count) => {
            (integer::at_least(count, 0, "ERR value is out of range, must be positive")?, As::Pairs)
        }
        None => (1, As::Flat),
    };
    let key = c.data.key(args[1]);
    pop(c, key, from, count, form)
}

/// `ZMPOP numkeys key [key …] MIN | MAX [COUNT count]`
pub(in crate::commands) fn zmpop(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    pop_of_first(c, &args[1..], || Ok(()))
}

/// Pops of the first sorted set that there is, from the number of keys on; `check` is asked once all that was read.
fn pop_of_first(c: &mut Context<'_>, args: &[&[u8]], check: impl FnOnce() -> Done) -> Done {
    let number = integer::at_least(args[0], 1, "ERR numkeys should be greater than 0")?;
    let Some((keys, [end, options @ ..])) = args[1..].split_at_checked(number) else {
        return Err(Stop::SYNTAX);
    };
    let from = match () {
        () if end.eq_ignore_ascii_case(b"min") => From::Min,
        () if end.eq_ignore_ascii_case(b"max") => From::Max,
        () => return Err(Stop::SYNTAX),
    };
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
        if !look(&mut c.data, key)?.is_empty() {
            c.reply.array(2);
            c.reply.bulk(bytes);
            return pop(c, key, from, count, As::Nested);
        }
    }
    c.reply.null_array();
    Ok(())
}

/// `BZPOPMIN key [key …] timeout`
pub(in crate::commands) fn bzpopmin(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    first(c, args, From::Min)
}

/// `BZPOPMAX key [key …] timeout`
pub(in crate::commands) fn bzpopmax(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    first(c, args, From::Max)
}

/// Takes a member of the first sorted set that has any, or waits for one.
fn first(c: &mut Context<'_>, args: &[&[u8]], from: From) -> Done {
    check_timeout(args)?;
    for bytes in &args[1..args.len() - 1] {
        let key = c.data.key(bytes);
        let members = look(&mut c.data, key)?;
        let len = members.len();
        let (rank, found) = match from {
            From::Min => (0, members.starting_at(0).next()),
            From::Max => (len.wrapping_sub(1), members.before_rank(len).next()),
        };
        let Some((name, score)) = found.map(scored) else { continue };
        c.reply.array(3);
        c.reply.bulk(bytes);
        c.reply.bulk(name);
        c.reply.double(score);
        return remove_ranks(&mut c.data, key, &(rank..rank + 1), len);
    }
    Err(Stop::Block)
}

/// `BZMPOP timeout numkeys key [key …] MIN | MAX [COUNT count]`
pub(in crate::commands) fn bzmpop(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    unless_nothing(c, |c| pop_of_first(c, &args[2..], || check_timeout(args)))
}

/// Removes up to `count` members from an end and answers with them, the outermost first.
fn pop(c: &mut Context<'_>, key: Key<'_>, from: From, count: usize, form: As) -> Done {
    let members = look(&mut c.data, key)?;
    let len = members.len();
    let count = count.min(len);
    let (ranks, popped) = match from {
        From::Min => (0..count, members.starting_at(0)),
        From::Max => (len - count..len, members.before_rank(len)),
    };
    match form {
        As::Flat => c.reply.array(2 * count),
        As::Pairs => c.reply.pairs(count),
        As::Nested => c.reply.array(count),
    }
    for (name, score) in popped.take(count).map(scored) {
        match form {
            As::Flat => {}
            As::Pairs => c.reply.pair(),
            As::Nested => c.reply.array(2),
        }
        c.reply.bulk(name);
        c.reply.double(score);
    }
    remove_ranks(&mut c.data, key, &ranks, len)
}
