//! Strings as a whole: GET, SET and their relatives on one key.

use super::deadline::{self, Unit};
use super::set_options::{Expiry, Of, SetOptions};
use crate::data::{Context, Done, Stop};
use model::row::kind;

/// `GET key`
pub(super) fn get(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    match c.data.get(key)? {
        Some(row) if row.kind == kind::STRING => c.reply.bulk(row.value()),
        Some(row) => return Err(super::large::pieces_of(row, |length| 0..length)),
        None => c.reply.null(),
    }
    Ok(())
}

/// GET for commands that change the key as well: only of what is not in chunks.
fn get_whole(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    match c.data.string(key)? {
        Some(value) => c.reply.bulk(value),
        None => c.reply.null(),
    }
    Ok(())
}

/// `SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`
pub(super) fn set(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    if args.len() == 3 {
        c.data.put_string(key, 0, args[2])?;
        c.reply.ok();
        return Ok(());
    }
    let options = SetOptions::parse(&args[3..], Of::Set)?;
    let deadline = options.deadline(c.data.now(), "set")?;
    let (found, kept) = match c.data.get(key)? {
        Some(row) => {
            if options.get {
                if row.kind != kind::STRING {
                    return Err(Stop::no_string(row));
                }
                c.reply.bulk(row.value());
            }
            (true, row.expire)
        }
        None => {
            if options.get {
                c.reply.null();
            }
            (false, 0)
        }
    };
    let refused = options.nx && found || options.xx && !found;
    if !refused {
        let expire = if options.expiry == Expiry::Keep { kept } else { deadline.unwrap_or(0) };
        c.data.put_string(key, expire, args[2])?;
    }
    match (options.get, refused) {
        (true, _) => {}
        (false, true) => c.reply.null(),
        (false, false) => c.reply.ok(),
    }
    Ok(())
}

/// `SETNX key value`
pub(super) fn setnx(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let absent = c.data.get(key)?.is_none();
    if absent {
        c.data.put_string(key, 0, args[2])?;
    }
    c.reply.int(absent.into());
    Ok(())
}

/// `SETEX key seconds value`
pub(super) fn setex(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    set_for(c, args, Unit::SECONDS, "setex")
}

/// `PSETEX key milliseconds value`
pub(super) fn psetex(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    set_for(c, args, Unit::MILLISECONDS, "psetex")
}

fn set_for(c: &mut Context<'_>, args: &[&[u8]], unit: Unit, command: &str) -> Done {
    let expire = deadline::positive(args[2], unit, c.data.now(), command)?;
    let key = c.data.key(args[1]);
    c.data.put_string(key, expire, args[3])?;
    c.reply.ok();
    Ok(())
}

/// `GETSET key value`
pub(super) fn getset(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    get_whole(c, args)?;
    let key = c.data.key(args[1]);
    c.data.put_string(key, 0, args[2])
}

/// `GETDEL key`
pub(super) fn getdel(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    get_whole(c, args)?;
    let key = c.data.key(args[1]);
    c.data.delete(key)?;
    Ok(())
}

/// `GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]`
pub(super) fn getex(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let options = SetOptions::parse(&args[2..], Of::GetEx)?;
    let (key, now) = (c.data.key(args[1]), c.data.now());
    let Some(row) = c.data.get(key)? else {
        c.reply.null();
        return Ok(());
    };
    if row.kind != kind::STRING {
        return Err(Stop::no_string(row));
    }
    let expires = row.expire != 0;
    // Only now: as in Redis an absent key is answered before the time is looked at.
    let deadline = options.deadline(now, "getex")?;
    c.reply.bulk(row.value());
    match deadline {
        Some(at) if at <= now => {
            c.data.delete(key)?;
        }
        Some(at) => {
            c.data.set_expire(key, at)?;
        }
        None if options.expiry == Expiry::Remove && expires => {
            c.data.set_expire(key, 0)?;
        }
        None => {}
    }
    Ok(())
}
