//! Members by their names: ZSCORE, ZMSCORE, ZRANK, ZREVRANK, ZREM, ZCARD, ZSCAN.

use super::{look, scored};
use crate::collection::Pair;
use crate::commands::object::is_skiplist;
use crate::commands::{elements, walk};
use crate::data::{Context, Done};
use model::Reply;
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
    let key = c.data.key(args[1]);
    // Redis keeps whole numbers of small sorted sets as integers, and shows them so here.
    let text = if c.data.peek(key)?.is_some_and(is_skiplist) { model::double::text } else { whole_or_double };
    let write = |reply: &mut dyn Reply, pair: Pair<'_>| {
        let (name, score) = scored(pair);
        reply.bulk(name);
        reply.bulk_str(&text(score));
    };
    walk::walk(c, args, kind::SORTED_SET, (2, write))
}

/// Whole numbers up to half of the integers without an exponent.
fn whole_or_double(score: f64) -> String {
    if score.fract() == 0.0 && score.abs() <= (i64::MAX / 2) as f64 {
        return (score as i64).to_string();
    }
    model::double::text(score)
}
