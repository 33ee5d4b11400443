//! What a stream holds and says, changed by name: XDEL, XSETID.

use super::id::Id;
use super::{look, put_state};
use crate::commands::integer;
use crate::data::{Context, Done, Stop};
use model::change::Change;
use model::row::kind;

/// `XDEL key id [id …]`
pub(in crate::commands) fn xdel(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let Some(stream) = look(&mut c.data, key)? else {
        c.reply.int(0);
        return Ok(());
    };
    let mut ids = Vec::with_capacity(args.len() - 2);
    for arg in &args[2..] {
        ids.push(Id::parse(arg, 0)?);
    }
    ids.retain(|id| stream.contains(*id));
    ids.sort_unstable();
    ids.dedup();
    let mut state = stream.state;
    for id in &ids {
        c.data.change(key, kind::STREAM, Change::Remove { name: &id.name() })?;
    }
    if let Some(highest) = ids.last().filter(|id| **id > state.max_deleted) {
        state.max_deleted = *highest;
        put_state(&mut c.data, key, &state)?;
    }
    c.reply.int(ids.len() as i64);
    Ok(())
}

/// `XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]`
pub(in crate::commands) fn xsetid(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let last = Id::parse(args[2], 0)?;
    let (mut added, mut max_deleted) = (None, Id::MIN);
    for option in args[3..].chunks(2) {
        let [name, value] = option else { return Err(Stop::SYNTAX) };
        let is = |word: &[u8]| integer::before_zero(name).eq_ignore_ascii_case(word);
        if is(b"entriesadded") {
            let count = u64::try_from(integer::argument(value)?);
            added = Some(count.map_err(|_| Stop::error("ERR entries_added must be positive"))?);
        } else if is(b"maxdeletedid") {
            max_deleted = Id::parse(value, 0)?;
            if last < max_deleted {
                return Err(smaller("the provided max_deleted_entry_id"));
            }
        } else {
            return Err(Stop::SYNTAX);
        }
    }
    let key = c.data.key(args[1]);
    let stream = look(&mut c.data, key)?.ok_or(Stop::error("ERR no such key"))?;
    let mut state = stream.state;
    if stream.last().is_some_and(|entry| last < entry.id) {
        return Err(smaller("the target stream top item"));
    }
    if stream.len() > 0 && added.is_some_and(|added| added < stream.len() as u64) {
        let text = "ERR The entries_added specified in XSETID is smaller than the target stream length";
        return Err(Stop::error(text));
    }
    state.last = last;
    state.added = added.unwrap_or(state.added);
    if max_deleted != Id::MIN {
        state.max_deleted = max_deleted;
    }
    put_state(&mut c.data, key, &state)?;
    c.reply.ok();
    Ok(())
}

fn smaller(than: &str) -> Stop {
    Stop::error(format!("ERR The ID specified in XSETID is smaller than {than}"))
}
