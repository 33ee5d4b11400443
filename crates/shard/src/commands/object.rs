//! What is known about a key besides its value: OBJECT, MEMORY USAGE.

use super::integer;
use crate::collection::Elements;
use crate::data::{Context, Done, Stop};
use crate::row::{Form, Row};
use model::row::kind;

/// Longest value that Redis keeps in one allocation with its header.
const EMBEDDED: usize = 44;
/// The first integer that Redis does not share between keys, and what it says of those that it does.
const SHARED_INTEGERS: i64 = 10_000;
const SHARED: i64 = i32::MAX as i64;

/// The lines of OBJECT HELP, each a status in an array; the front answers it.
pub const OBJECT_HELP: [&str; 15] = [
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
    "HELP",
    "    Prints this help.",
];

/// `OBJECT ENCODING key`: what Redis 7.0 would name the value's form. How a string came to be is known on the node that
/// executed the commands, as long as its row stays in memory.
pub(super) fn encoding(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[2]);
    match c.data.peek(key)? {
        Some(row) => c.reply.bulk_str(encoding_of(row)),
        None => c.reply.null(),
    }
    Ok(())
}

/// Whether Redis would have an index for this sorted set.
pub(super) fn is_skiplist(row: &Row) -> bool {
    row.form == Form::Indexed || Elements::of(row).is_large()
}

pub(super) fn encoding_of(row: &Row) -> &'static str {
    match row.kind {
        kind::HASH if !Elements::of(row).is_large() => "listpack",
        kind::SET if Elements::of(row).has_integers_only() => "intset",
        kind::HASH | kind::SET => "hashtable",
        kind::SORTED_SET if is_skiplist(row) => "skiplist",
        kind::SORTED_SET => "listpack",
        kind::LIST => "quicklist",
        kind::STREAM => "stream",
        kind::MANIFEST => "raw",
        _ if row.form == Form::Edited => "raw",
        _ if row.form == Form::Afresh && integer::parse(row.value()).is_some() => "int",
        _ if row.value_len() <= EMBEDDED => "embstr",
        _ => "raw",
    }
}

/// `OBJECT REFCOUNT key`: 1, because no value is shared, or what Redis answers for the small integers that it shares
/// between all keys.
pub(super) fn refcount(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let evicts = c.data.eviction().is_cache();
    int_of(c, args[2], |row, _| {
        let small = |n: i64| (0..SHARED_INTEGERS).contains(&n);
        let shared = !evicts && encoding_of(row) == "int" && integer::parse(row.value()).is_some_and(small);
        if shared { SHARED } else { 1 }
    })
}

/// `OBJECT IDLETIME key`: seconds of shard time since the last access on this node. As in Redis refused
/// where keys are evicted by how often they are asked for.
pub(super) fn idletime(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    if c.data.eviction().is_lfu() {
        let text = "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when \
                    switching between policies at runtime LRU and LFU data will take some time to adjust.";
        return refuse_of(c, args[2], text);
    }
    int_of(c, args[2], |row, now| ((now / 1000) as u32).wrapping_sub(row.accessed).into())
}

/// `OBJECT FREQ key`: the counter of accesses on this node, where keys are evicted by it.
pub(super) fn freq(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    if !c.data.eviction().is_lfu() {
        let text = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that \
                    when switching between policies at runtime LRU and LFU data will take some time to adjust.";
        return refuse_of(c, args[2], text);
    }
    int_of(c, args[2], |row, now| row.frequency_at((now / 1000) as u32).into())
}

/// Null when the key is absent, the error when it is there.
fn refuse_of(c: &mut Context<'_>, key: &[u8], text: &'static str) -> Done {
    let key = c.data.key(key);
    if c.data.peek(key)?.is_some() {
        return Err(Stop::error(text));
    }
    c.reply.null();
    Ok(())
}

/// `MEMORY USAGE key [SAMPLES n]`: bytes of the row; nothing needs sampling.
pub(super) fn memory_usage(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    for option in args[3..].chunks(2) {
        match option {
            [name, n] if name.eq_ignore_ascii_case(b"samples") && integer::argument(n)? >= 0 => {}
            _ => return Err(Stop::SYNTAX),
        }
    }
    int_of(c, args[2], |row, _| row.memory() as i64)
}

/// Answers with a number about a row and now (shard time in ms), null when the key is absent.
fn int_of(c: &mut Context<'_>, key: &[u8], number: impl Fn(&Row, u64) -> i64) -> Done {
    let (key, now) = (c.data.key(key), c.data.now());
    match c.data.peek(key)? {
        Some(row) => c.reply.int(number(row, now)),
        None => c.reply.null(),
    }
    Ok(())
}
