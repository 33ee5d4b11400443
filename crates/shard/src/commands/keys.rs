//! Keys of any type: DEL, UNLINK, EXISTS, TOUCH, TYPE.

use crate::data::{Context, Done};
use model::row::kind;

/// Name of a type tag, as TYPE answers and SCAN's TYPE option takes it.
pub fn type_name(kind: u8) -> &'static str {
    match kind {
        kind::STRING | kind::MANIFEST => "string",
        kind::HASH => "hash",
        kind::LIST => "list",
        kind::SET => "set",
        kind::SORTED_SET => "zset",
        kind::STREAM => "stream",
        _ => "unknown",
    }
}

/// `DEL key [key …]`, `UNLINK key [key …]`: the memory is freed after the commit in both cases.
pub(super) fn del(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let mut deleted = 0;
    for bytes in &args[1..] {
        let key = c.data.key(bytes);
        // The look first: a key that is expired is deleted, but was not there to the client.
        deleted += i64::from(c.data.peek(key)?.is_some() && c.data.delete(key)?);
    }
    c.reply.int(deleted);
    Ok(())
}

/// `EXISTS key [key …]`: a key given twice counts twice.
pub(super) fn exists(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let mut found = 0;
    for bytes in &args[1..] {
        let key = c.data.key(bytes);
        found += i64::from(c.data.peek(key)?.is_some());
    }
    c.reply.int(found);
    Ok(())
}

/// `TOUCH key [key …]`
pub(super) fn touch(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let mut found = 0;
    for bytes in &args[1..] {
        let key = c.data.key(bytes);
        found += i64::from(c.data.touch(key)?);
    }
    c.reply.int(found);
    Ok(())
}

/// `TYPE key`
pub(super) fn type_of(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let name = c.data.peek(key)?.map_or("none", |row| type_name(row.kind));
    c.reply.status(name);
    Ok(())
}
