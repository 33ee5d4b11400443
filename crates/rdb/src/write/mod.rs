//! Writing a value, in the encoding that Redis 7.0 with its defaults would choose.

mod collections;
mod stream;

use std::io::{self, Write};

use crate::output::Output;
use crate::{Value, kind};

/// The type under which a value is written.
pub(crate) fn kind(value: &Value) -> u8 {
    match value {
        Value::String(_) => kind::STRING,
        Value::List(_) => kind::LIST_QUICKLIST_2,
        Value::Set(members) if collections::integers(members).is_some() => kind::SET_INTSET,
        Value::Set(_) => kind::SET,
        Value::Hash(pairs) if collections::is_small_hash(pairs) => kind::HASH_LISTPACK,
        Value::Hash(_) => kind::HASH,
        Value::SortedSet(members) if collections::is_small_sorted_set(members) => kind::SORTED_SET_LISTPACK,
        Value::SortedSet(_) => kind::SORTED_SET,
        Value::Stream(_) => kind::STREAM_2,
    }
}

/// Writes what follows a value's type and, in files, its key.
pub(crate) fn value<W: Write>(output: &mut Output<W>, value: &Value) -> io::Result<()> {
    match value {
        Value::String(bytes) => output.put_string(bytes),
        Value::List(elements) => collections::list(output, elements, collections::PLAIN_FROM),
        Value::Set(members) => collections::set(output, members),
        Value::Hash(pairs) => collections::hash(output, pairs),
        Value::SortedSet(members) => collections::sorted_set(output, members),
        Value::Stream(stream) => stream::stream(output, stream),
    }
}
