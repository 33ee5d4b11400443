//! Members by their names: ZSCORE, ZMSCORE, ZRANK, ZREVRANK, ZREM, ZCARD, ZSCAN.

use super::{look, scored};
use crate::commands::{elements, walk};
use crate::data::{Context, Done};
use model::row::kind;

/// `ZSCORE key member`
pub(in crate::commands) fn zscore(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    match look(&mut c.data, key)?.score(args[2]) {
        Some(score) => c.reply.double(score),
        None => c.reply.null(),
    }
    Ok(())
}

/// `ZMSCORE key member [member …]`
pub(in crate::commands) fn zmscore(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let members = look(&mut c.data, key)?;
    c.reply.array(args.len() - 2);
    for member in &args[2..] {
        match members.score(member) {
            Some(score) => c.reply.double(score),
            None => c.reply.null(),
        }
    }
    Ok(())
}

/// `ZRANK key member`
pub(in crate::commands) fn zrank(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    rank(c, args, false)
}

/// `ZREVRANK key member`
pub(in crate::commands) fn zrevrank(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    rank(c, args, true)
}

fn rank(c: &mut Context<'_>, args: &[&[u8]], reverse: bool) -> Done {
    let key = c.data.key(args[1]);
    let members = look(&mut c.data, key)?;
    match members.rank(args[2]) {
        Some(rank) if reverse => c.reply.int((members.len() - 1 - rank) as i64),
        Some(rank) => c.reply.int(rank as i64),
        None => c.reply.null(),
    }
    Ok(())
}

/// `ZREM key member [member …]`
pub(in crate::commands) fn zrem(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    elements::remove(c, args, kind::SORTED_SET)
}

/// `ZCARD key`
pub(in crate::commands) fn zcard(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    elements::count(c, args, kind::SORTED_SET)
}

/// `ZSCAN key cursor [MATCH pattern] [COUNT n]`
pub(in crate::commands) fn zscan(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    walk::walk(
        c,
        args,
        kind::SORTED_SET,
        (2, |reply, pair| {
            let (name, score) = scored(pair);
            reply.bulk(name);
            reply.bulk_str(&model::double::text(score));
        }),
    )
}
