//! The keyspace as a whole, as far as it lives in this shard: KEYS, RANDOMKEY, DBSIZE, FLUSHDB,
//! FLUSHALL.

use super::glob;
use crate::data::{Context, Data, Done, Stop};
use model::Keyspace;
use model::limits::KEYSPACES;

/// Expired keys that a command deletes on its way. One would do to keep all others away from later
/// readers, because its entry carries the shard time; more save the memory earlier.
pub(super) const MAX_EXPIRED: usize = 256;

/// Tries of RANDOMKEY to hit a key that is not expired before it looks at all of them.
const RANDOM_TRIES: usize = 100;

/// Deletes keys that a walk over the keyspace found expired: who reads that a key is gone must wait
/// for an entry that says so.
pub(super) fn delete_expired(data: &mut Data<'_>, expired: &[Box<[u8]>]) -> Done {
    for bytes in expired.iter().take(MAX_EXPIRED) {
        let key = data.key(bytes);
        data.delete_expired(key)?;
    }
    Ok(())
}

/// `KEYS pattern`
pub(super) fn keys(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let now = c.data.now();
    let all = args[1] == b"*";
    let cold = c.data.cold_keys(args[1])?;
    let space = c.data.space();
    let wanted: Vec<_> = space.iter().filter(|row| all || glob::matches(args[1], row.key())).collect();
    let expired: Vec<Box<[u8]>> =
        wanted.iter().filter(|row| row.expired(now)).take(MAX_EXPIRED).map(|row| row.key().into()).collect();
    let live = || wanted.iter().filter(|row| !row.expired(now));
    c.reply.array(live().count() + cold.len());
    live().for_each(|row| c.reply.bulk(row.key()));
    cold.iter().for_each(|key| c.reply.bulk(key));
    delete_expired(&mut c.data, &expired)
}

/// `RANDOMKEY`
pub(super) fn randomkey(c: &mut Context<'_>, _: &[&[u8]]) -> Done {
    let now = c.data.now();
    for _ in 0..RANDOM_TRIES {
        let Some(row) = c.data.sample()? else { break };
        if !row.expired(now) {
            c.reply.bulk(row.key());
            return Ok(());
        }
        let key: Box<[u8]> = row.key().into();
        delete_expired(&mut c.data, &[key])?;
    }
    match c.data.space().iter().find(|row| !row.expired(now)) {
        Some(row) => c.reply.bulk(row.key()),
        None => c.reply.null(),
    }
    Ok(())
}

/// `DBSIZE`: expired keys that nobody has deleted yet are counted, as in Redis.
pub(super) fn dbsize(c: &mut Context<'_>, _: &[&[u8]]) -> Done {
    let len = c.data.space().len();
    c.reply.int(len as i64);
    Ok(())
}

/// `FLUSHDB [ASYNC | SYNC]`
pub(super) fn flushdb(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    check_flush_option(args)?;
    c.data.flush();
    c.reply.ok();
    Ok(())
}

/// `FLUSHALL [ASYNC | SYNC]`
pub(super) fn flushall(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    check_flush_option(args)?;
    let here = c.data.keyspace();
    for keyspace in 0..KEYSPACES {
        c.data.enter(Keyspace(keyspace))?;
        c.data.flush();
    }
    c.data.enter(here)?;
    c.reply.ok();
    Ok(())
}

/// Both options mean the same here: one effect now, the memory is freed bit by bit.
fn check_flush_option(args: &[&[u8]]) -> Done {
    match args[1..] {
        [] => Ok(()),
        [option] if [&b"async"[..], b"sync"].iter().any(|o| option.eq_ignore_ascii_case(o)) => Ok(()),
        _ => Err(Stop::SYNTAX),
    }
}
