//! Fields at random: HRANDFIELD.

use crate::commands::integer;
use crate::commands::pick::Dice;
use crate::data::{Context, Done, Stop};
use model::row::kind;

/// Largest count with values, as in Redis, where the reply has twice as many parts.
const MAX_PAIRS: u64 = i64::MAX as u64 / 2;

/// `HRANDFIELD key [count [WITHVALUES]]`
pub(in crate::commands) fn hrandfield(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let mut dice = Dice::new(&mut c.data);
    let key = c.data.key(args[1]);
    if args.len() == 2 {
        match dice.one(c.data.elements(key, kind::HASH)?) {
            Some((field, _)) => c.reply.bulk(field),
            None => c.reply.null(),
        }
        return Ok(());
    }
    let count = integer::within(args[2], -i64::MAX..=i64::MAX)?;
    let values = match args[3..] {
        [] => false,
        [option] if option.eq_ignore_ascii_case(b"withvalues") => true,
        _ => return Err(Stop::SYNTAX),
    };
    if values && count.unsigned_abs() > MAX_PAIRS {
        return Err(Stop::error("ERR value is out of range"));
    }
    let picked = dice.several(c.data.elements(key, kind::HASH)?, count)?;
    if values {
        c.reply.pairs(picked.len());
    } else {
        c.reply.array(picked.len());
    }
    for (field, value) in picked {
        if values {
            c.reply.pair();
            c.reply.bulk(field);
            c.reply.bulk(value);
        } else {
            c.reply.bulk(field);
        }
    }
    Ok(())
}
