//! Hashes as a whole: HGETALL, HKEYS, HVALS, HLEN, HSCAN.

use crate::commands::{elements, walk};
use crate::data::{Context, Done};
use model::row::kind;

/// `HGETALL key`
pub(in crate::commands) fn hgetall(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let hash = c.data.elements(key, kind::HASH)?;
    c.reply.map(hash.len());
    for (field, value) in hash.iter() {
        c.reply.bulk(field);
        c.reply.bulk(value);
    }
    Ok(())
}

/// `HKEYS key`
pub(in crate::commands) fn hkeys(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let hash = c.data.elements(key, kind::HASH)?;
    c.reply.array(hash.len());
    hash.iter().for_each(|(field, _)| c.reply.bulk(field));
    Ok(())
}

/// `HVALS key`
pub(in crate::commands) fn hvals(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let hash = c.data.elements(key, kind::HASH)?;
    c.reply.array(hash.len());
    hash.iter().for_each(|(_, value)| c.reply.bulk(value));
    Ok(())
}

/// `HLEN key`
pub(in crate::commands) fn hlen(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    elements::count(c, args, kind::HASH)
}

/// `HSCAN key cursor [MATCH pattern] [COUNT n]`
pub(in crate::commands) fn hscan(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    walk::walk(
        c,
        args,
        kind::HASH,
        (2, |reply, (field, value)| {
            reply.bulk(field);
            reply.bulk(value);
        }),
    )
}
