//! Streams that come from Redis or go there: DUMP, RESTORE.

use super::entry::{Entry, value};
use super::id::Id;
use super::page::Page;
use super::state::State;
use super::{Stream, put_state};
use crate::collection::{Builder, Limits};
use crate::data::{Data, Done, Key, Stop};
use crate::row::Row;
use model::change::Change;
use model::row::kind;
use rdb::StreamId;

/// A stream as Redis's format has it.
///
/// # Errors
/// A state of a later format.
pub(in crate::commands) fn value_of(row: &Row) -> Result<rdb::Stream, Stop> {
    let stream = Stream::of(row)?;
    let entry = |entry: Entry<'_>| {
        let parts: Vec<&[u8]> = entry.parts().collect();
        let fields = parts.chunks_exact(2).map(|pair| (pair[0].to_vec(), pair[1].to_vec())).collect();
        rdb::Entry { id: outer(entry.id), fields }
    };
    Ok(rdb::Stream {
        entries: stream.from(0).map(entry).collect(),
        last_id: outer(stream.state.last),
        first_id: outer(stream.at(0).map_or(Id::MIN, |entry| entry.id)),
        max_deleted_id: outer(stream.state.max_deleted),
        entries_added: stream.state.added,
        groups: Vec::new(),
    })
}

/// Refuses a stream with what is not kept.
///
/// # Errors
/// It has consumer groups.
pub(in crate::commands) fn check(stream: &rdb::Stream) -> Done {
    match stream.groups.len() {
        0 => Ok(()),
        count => Err(Stop::error(format!(
            "ERR the stream has {count} consumer groups, which are not stored yet: remove them (XGROUP DESTROY) before DUMP"
        ))),
    }
}

/// Gives a key such a stream, whatever it was before. As one effect if it fits a value.
///
/// # Errors
/// As [`Data::put`] and [`Data::change`].
pub(in crate::commands) fn store(
    data: &mut Data<'_>,
    key: Key<'_>,
    expire: u64,
    stream: &rdb::Stream,
) -> Done {
    let (entries, page) = paged(stream, data.limits());
    let state = State {
        last: inner(stream.last_id),
        max_deleted: inner(stream.max_deleted_id),
        added: stream.entries_added,
        page,
    };
    let mut builder = Builder::new(kind::STREAM);
    builder.push(&[], &state.encode());
    for (name, value) in &entries {
        builder.push(name, value);
        if builder.len() > data.max_value() {
            break;
        }
    }
    if builder.len() <= data.max_value() {
        return data.put(key, kind::STREAM, expire, &builder.finish());
    }
    data.delete(key)?;
    put_state(data, key, &state)?;
    for (name, value) in &entries {
        data.change(key, kind::STREAM, Change::Put { name, value })?;
    }
    if expire != 0 {
        data.set_expire(key, expire)?;
    }
    Ok(())
}

/// An entry as an element: its name and its value.
type Element = ([u8; 16], Vec<u8>);

/// Names and values of the entries, and their last page, as if they had been added one by one.
fn paged(stream: &rdb::Stream, limits: &Limits) -> (Vec<Element>, Page) {
    let mut page = Page::default();
    let mut entries = Vec::with_capacity(stream.entries.len());
    for entry in &stream.entries {
        let id = inner(entry.id);
        let parts: Vec<&[u8]> =
            entry.fields.iter().flat_map(|(field, value)| [&field[..], &value[..]]).collect();
        page = page.with(id, &parts, false, limits);
        entries.push((id.name(), value(page.number, entry.fields.len(), parts.into_iter())));
    }
    (entries, page)
}

fn outer(id: Id) -> StreamId {
    StreamId { ms: id.ms, sequence: id.seq }
}

fn inner(id: StreamId) -> Id {
    Id { ms: id.ms, seq: id.sequence }
}
