//! Ranges that are counted or removed: ZCOUNT, ZLEXCOUNT, ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX.

use super::bounds::{Bounds, By};
use super::{look, remove_ranks};
use crate::data::{Context, Done};

/// `ZCOUNT key min max`
pub(in crate::commands) fn zcount(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    count(c, args, By::Score, false)
}

/// `ZLEXCOUNT key min max`
pub(in crate::commands) fn zlexcount(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    count(c, args, By::Lex, false)
}

/// `ZREMRANGEBYRANK key start stop`
pub(in crate::commands) fn zremrangebyrank(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    count(c, args, By::Rank, true)
}

/// `ZREMRANGEBYSCORE key min max`
pub(in crate::commands) fn zremrangebyscore(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    count(c, args, By::Score, true)
}

/// `ZREMRANGEBYLEX key min max`
pub(in crate::commands) fn zremrangebylex(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    count(c, args, By::Lex, true)
}

fn count(c: &mut Context<'_>, args: &[&[u8]], by: By, remove: bool) -> Done {
    let bounds = Bounds::parse(by, args[2], args[3])?;
    let key = c.data.key(args[1]);
    let members = look(&mut c.data, key)?;
    let (ranks, len) = (bounds.ranks(members, false), members.len());
    if remove {
        remove_ranks(&mut c.data, key, &ranks, len)?;
    }
    c.reply.int(ranks.len() as i64);
    Ok(())
}
