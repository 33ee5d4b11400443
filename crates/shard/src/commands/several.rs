//! Several strings at once: MGET, MSET, MSETNX.

use crate::data::{Context, Done, Key, Stop};
use model::row::kind;
use smallvec::SmallVec;

/// Keys whose rows are fetched from memory together.
const TOGETHER: usize = 16;

/// `MGET key [key …]`
pub(super) fn mget(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    c.reply.array(args.len() - 1);
    for some in args[1..].chunks(TOGETHER) {
        let keys: SmallVec<[Key<'_>; TOGETHER]> = some.iter().map(|bytes| c.data.key(bytes)).collect();
        c.data.touch_soon(&keys);
        for key in keys {
            match c.data.get(key)? {
                Some(row) if row.kind == kind::STRING => c.reply.bulk(row.value()),
                Some(row) if row.kind == kind::MANIFEST => return Err(Stop::no_string(row)),
                _ => c.reply.null(),
            }
        }
    }
    Ok(())
}

/// `MSET key value [key value …]`
pub(super) fn mset(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    put_pairs(c, args, "mset")?;
    c.reply.ok();
    Ok(())
}

/// `MSETNX key value [key value …]`: all or nothing.
pub(super) fn msetnx(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let mut free = true;
    if args.len() % 2 == 1 {
        for pair in args[1..].chunks_exact(2) {
            let key = c.data.key(pair[0]);
            if c.data.get(key)?.is_some() {
                free = false;
                break;
            }
        }
    }
    if free {
        put_pairs(c, args, "msetnx")?;
    }
    c.reply.int(free.into());
    Ok(())
}

fn put_pairs(c: &mut Context<'_>, args: &[&[u8]], command: &str) -> Done {
    if args.len().is_multiple_of(2) {
        return Err(Stop::error(format!("ERR wrong number of arguments for '{command}' command")));
    }
    for some in args[1..].chunks(2 * TOGETHER) {
        let keys = some.chunks_exact(2).map(|pair| c.data.key(pair[0]));
        let keys: SmallVec<[Key<'_>; TOGETHER]> = keys.collect();
        c.data.touch_soon(&keys);
        for (key, pair) in keys.into_iter().zip(some.chunks_exact(2)) {
            c.data.put_string(key, 0, pair[1])?;
        }
    }
    Ok(())
}
