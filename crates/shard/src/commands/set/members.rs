//! Members by name and sets as a whole: SADD, SREM, SISMEMBER, SMEMBERS and their relatives.

use crate::commands::elements::{self, distinct, put_all, store};
use crate::commands::walk;
use crate::data::{Context, Done};
use model::change::Change;
use model::row::kind;

/// `SADD key member [member …]`
pub(in crate::commands) fn sadd(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let set = c.data.elements(key, kind::SET)?;
    let absent = set.is_empty();
    let new = distinct(args[2..].iter().copied(), |member| !set.contains(member));
    if absent && new.len() > 1 {
        store(&mut c.data, key, (kind::SET, 0), new.iter().map(|member| (*member, &b""[..])))?;
    } else {
        put_all(&mut c.data, key, kind::SET, new.iter().map(|name| (*name, &b""[..])))?;
    }
    c.reply.int(new.len() as i64);
    Ok(())
}

/// `SREM key member [member …]`
pub(in crate::commands) fn srem(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    elements::remove(c, args, kind::SET)
}

/// `SMOVE source destination member`
pub(in crate::commands) fn smove(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (from, to, name) = (c.data.key(args[1]), c.data.key(args[2]), args[3]);
    let source = c.data.elements(from, kind::SET)?;
    let (absent, found) = (source.is_empty(), source.contains(name));
    // As in Redis an absent source is answered before the destination is looked at.
    if !absent {
        let there = c.data.elements(to, kind::SET)?.contains(name);
        if found && from.bytes != to.bytes {
            c.data.change(from, kind::SET, Change::Remove { name })?;
            if !there {
                c.data.change(to, kind::SET, Change::Put { name, value: b"" })?;
            }
        }
    }
    c.reply.int(found.into());
    Ok(())
}

/// `SISMEMBER key member`
pub(in crate::commands) fn sismember(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    elements::exists(c, args, kind::SET)
}

/// `SMISMEMBER key member [member …]`
pub(in crate::commands) fn smismember(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let set = c.data.elements(key, kind::SET)?;
    c.reply.array(args.len() - 2);
    args[2..].iter().for_each(|member| c.reply.int(set.contains(member).into()));
    Ok(())
}

/// `SCARD key`
pub(in crate::commands) fn scard(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    elements::count(c, args, kind::SET)
}

/// `SMEMBERS key`
pub(in crate::commands) fn smembers(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let set = c.data.elements(key, kind::SET)?;
    c.reply.set(set.len());
    set.iter().for_each(|(member, _)| c.reply.bulk(member));
    Ok(())
}

/// `SSCAN key cursor [MATCH pattern] [COUNT n]`
pub(in crate::commands) fn sscan(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    walk::walk(c, args, kind::SET, (1, |reply, (member, _)| reply.bulk(member)))
}
