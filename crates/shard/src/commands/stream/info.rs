//! What is known of a stream: XINFO STREAM, XINFO GROUPS.

use super::id::Id;
use super::{Stream, look, range};
use crate::commands::integer;
use crate::data::{Context, Done, Stop};
use model::Reply;

/// Entries that FULL shows if nothing else is said.
const DEFAULT_COUNT: usize = 10;

/// `XINFO GROUPS key`: there are none yet.
pub(in crate::commands) fn groups(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[2]);
    look(&mut c.data, key)?.ok_or(Stop::error("ERR no such key"))?;
    c.reply.array(0);
    Ok(())
}

/// `XINFO STREAM key [FULL [COUNT count]]`
pub(in crate::commands) fn stream(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[2]);
    let stream = look(&mut c.data, key)?.ok_or(Stop::error("ERR no such key"))?;
    let full = full(args)?;
    c.reply.map(if full.is_some() { 9 } else { 10 });
    head(c.reply, &stream);
    match full {
        Some(count) => {
            c.reply.bulk_str("entries");
            range::answer(c.reply, count.min(stream.len()), stream.from(0));
            c.reply.bulk_str("groups");
            c.reply.array(0);
        }
        None => {
            c.reply.bulk_str("groups");
            c.reply.int(0);
            for (name, entry) in [("first-entry", stream.at(0)), ("last-entry", stream.last())] {
                c.reply.bulk_str(name);
                match entry {
                    Some(entry) => entry.answer(c.reply),
                    None => c.reply.null(),
                }
            }
        }
    }
    Ok(())
}

/// How many entries FULL shows, `None` without it.
fn full(args: &[&[u8]]) -> Result<Option<usize>, Stop> {
    let is = |at: usize, word: &[u8]| integer::before_zero(args[at]).eq_ignore_ascii_case(word);
    match args.len() {
        3 => Ok(None),
        4 if is(3, b"full") => Ok(Some(DEFAULT_COUNT)),
        6 if is(3, b"full") && is(4, b"count") => {
            let count = integer::argument(args[5])?;
            Ok(Some(match count {
                0 => usize::MAX,
                _ => usize::try_from(count).unwrap_or(DEFAULT_COUNT),
            }))
        }
        _ => {
            let name = String::from_utf8_lossy(integer::before_zero(args[1])).into_owned();
            Err(Stop::error(format!(
                "ERR unknown subcommand or wrong number of arguments for '{name}'. Try XINFO HELP."
            )))
        }
    }
}

/// What both forms say.
fn head(reply: &mut dyn Reply, stream: &Stream<'_>) {
    let (state, first) = (&stream.state, stream.at(0));
    // Redis's tree of pages, as it would be with all pages from the first to the last.
    let pages = match (&first, stream.last()) {
        (Some(first), Some(last)) => last.page.saturating_sub(first.page) as i64 + 1,
        _ => 0,
    };
    // A tree of several whose paths part at one place.
    let nodes = if pages > 1 { 2 * pages + 2 } else { pages + 1 };
    for (name, number) in
        [("length", stream.len() as i64), ("radix-tree-keys", pages), ("radix-tree-nodes", nodes)]
    {
        reply.bulk_str(name);
        reply.int(number);
    }
    for (name, id) in [("last-generated-id", state.last), ("max-deleted-entry-id", state.max_deleted)] {
        reply.bulk_str(name);
        id.answer(reply);
    }
    reply.bulk_str("entries-added");
    reply.int(state.added as i64);
    reply.bulk_str("recorded-first-entry-id");
    first.map_or(Id::MIN, |entry| entry.id).answer(reply);
}
