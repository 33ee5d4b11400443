//! Fields by their names: HSET, HGET and their relatives.

use crate::commands::elements::{self, distinct, put_all, store};
use crate::data::{Context, Done, Stop};
use model::change::Change;
use model::row::kind;

/// `HSET key field value [field value …]`
pub(in crate::commands) fn hset(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let created = put_pairs(c, args, "hset")?;
    c.reply.int(created as i64);
    Ok(())
}

/// `HMSET key field value [field value …]`
pub(in crate::commands) fn hmset(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    put_pairs(c, args, "hmset")?;
    c.reply.ok();
    Ok(())
}

/// Sets fields; how many there were not before.
fn put_pairs(c: &mut Context<'_>, args: &[&[u8]], command: &str) -> Result<usize, Stop> {
    if !args.len().is_multiple_of(2) {
        return Err(Stop::error(format!("ERR wrong number of arguments for '{command}' command")));
    }
    let pairs = args[2..].chunks_exact(2).map(|pair| (pair[0], pair[1]));
    let key = c.data.key(args[1]);
    let hash = c.data.elements(key, kind::HASH)?;
    let absent = hash.is_empty();
    let created = distinct(pairs.clone().map(|(field, _)| field), |field| !hash.contains(field)).len();
    if absent && created > 1 && created == pairs.len() {
        store(&mut c.data, key, (kind::HASH, 0), pairs)?;
    } else {
        put_all(&mut c.data, key, kind::HASH, pairs)?;
    }
    Ok(created)
}

/// `HSETNX key field value`
pub(in crate::commands) fn hsetnx(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let absent = !c.data.elements(key, kind::HASH)?.contains(args[2]);
    if absent {
        c.data.change(key, kind::HASH, Change::Put { name: args[2], value: args[3] })?;
    }
    c.reply.int(absent.into());
    Ok(())
}

/// `HGET key field`
pub(in crate::commands) fn hget(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    match c.data.elements(key, kind::HASH)?.get(args[2]) {
        Some(value) => c.reply.bulk(value),
        None => c.reply.null(),
    }
    Ok(())
}

/// `HMGET key field [field …]`
pub(in crate::commands) fn hmget(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let hash = c.data.elements(key, kind::HASH)?;
    c.reply.array(args.len() - 2);
    for field in &args[2..] {
        match hash.get(field) {
            Some(value) => c.reply.bulk(value),
            None => c.reply.null(),
        }
    }
    Ok(())
}

/// `HDEL key field [field …]`
pub(in crate::commands) fn hdel(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    elements::remove(c, args, kind::HASH)
}

/// `HEXISTS key field`
pub(in crate::commands) fn hexists(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    elements::exists(c, args, kind::HASH)
}

/// `HSTRLEN key field`
pub(in crate::commands) fn hstrlen(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let len = c.data.elements(key, kind::HASH)?.get(args[2]).map_or(0, <[u8]>::len);
    c.reply.int(len as i64);
    Ok(())
}
