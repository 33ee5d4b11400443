//! Items that come at an end: LPUSH, RPUSH, LPUSHX, RPUSHX.

use super::super::elements::Names;
use super::{End, insert};
use crate::data::{Context, Done};

/// `LPUSH key element [element …]`: the last one is the first of the list.
pub(in super::super) fn lpush(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    push(c, args, End::Left, false)
}

/// `RPUSH key element [element …]`
pub(in super::super) fn rpush(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    push(c, args, End::Right, false)
}

/// `LPUSHX key element [element …]`: only if there is a list.
pub(in super::super) fn lpushx(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    push(c, args, End::Left, true)
}

/// `RPUSHX key element [element …]`: only if there is a list.
pub(in super::super) fn rpushx(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    push(c, args, End::Right, true)
}

fn push(c: &mut Context<'_>, args: &[&[u8]], end: End, only_to_list: bool) -> Done {
    let (key, new) = (c.data.key(args[1]), &args[2..]);
    for item in new {
        c.data.check_size(key, item.len())?;
    }
    let len = c.data.items(key)?.len();
    if len == 0 && only_to_list {
        c.reply.int(0);
        return Ok(());
    }
    match end {
        End::Right => insert(&mut c.data, key, len, new)?,
        End::Left => {
            let reversed: Names<'_> = new.iter().rev().copied().collect();
            insert(&mut c.data, key, 0, &reversed)?;
        }
    }
    c.reply.int((len + new.len()) as i64);
    Ok(())
}
