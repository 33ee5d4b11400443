//! Members at random: ZRANDMEMBER.

use super::{answer, look, scored};
use crate::commands::integer;
use crate::commands::pick::Dice;
use crate::data::{Context, Done, Stop};

/// Largest count with scores, as in Redis, where the reply has twice as many parts.
const MAX_PAIRS: u64 = i64::MAX as u64 / 2;

/// `ZRANDMEMBER key [count [WITHSCORES]]`
pub(in crate::commands) fn zrandmember(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let mut dice = Dice::new(&mut c.data);
    let key = c.data.key(args[1]);
    if args.len() == 2 {
        match dice.one(look(&mut c.data, key)?) {
            Some((member, _)) => c.reply.bulk(member),
            None => c.reply.null(),
        }
        return Ok(());
    }
    let count = integer::within(args[2], -i64::MAX..=i64::MAX)?;
    let scores = match args[3..] {
        [] => false,
        [option] if option.eq_ignore_ascii_case(b"withscores") => true,
        _ => return Err(Stop::SYNTAX),
    };
    if scores && count.unsigned_abs() > MAX_PAIRS {
        return Err(Stop::error("ERR value is out of range"));
    }
    let picked = dice.several(look(&mut c.data, key)?, count)?;
    answer(c.reply, picked.len(), scores, picked.into_iter().map(scored));
    Ok(())
}
