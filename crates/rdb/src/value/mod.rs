//! What a key holds, whatever its encoding.

mod stream;

pub use stream::{Consumer, Entry, Group, Pending, Stream, StreamId};

/// The value of a key. What is read has at least one element (but for strings and streams), no member or field
/// twice and no score that is NaN; what is written must be so as well, or Redis refuses it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string.
    String(Vec<u8>),
    /// Elements from left to right.
    List(Vec<Vec<u8>>),
    /// Members in any order.
    Set(Vec<Vec<u8>>),
    /// Fields with their values, in any order.
    Hash(Vec<(Vec<u8>, Vec<u8>)>),
    /// Members with their scores, in any order.
    SortedSet(Vec<(Vec<u8>, f64)>),
    /// A stream, which may have no entries.
    Stream(Stream),
}

impl Value {
    /// The name of its type, as `TYPE` answers it but `zset`.
    pub fn name(&self) -> &'static str {
        match self {
            Value::String(_) => "string",
            Value::List(_) => "list",
            Value::Set(_) => "set",
            Value::Hash(_) => "hash",
            Value::SortedSet(_) => "sorted set",
            Value::Stream(_) => "stream",
        }
    }

    /// True for a collection without elements, which Redis does not keep.
    pub fn is_void(&self) -> bool {
        match self {
            Value::String(_) | Value::Stream(_) => false,
            Value::List(elements) | Value::Set(elements) => elements.is_empty(),
            Value::Hash(pairs) => pairs.is_empty(),
            Value::SortedSet(members) => members.is_empty(),
        }
    }

    /// The same value with what has no order in one order: so that equal values are equal.
    #[must_use]
    pub fn in_order(mut self) -> Value {
        match &mut self {
            Value::Set(members) => members.sort(),
            Value::Hash(pairs) => pairs.sort(),
            Value::SortedSet(members) => members.sort_by(|a, b| a.0.cmp(&b.0)),
            Value::Stream(stream) => {
                stream.groups.sort_by(|a, b| a.name.cmp(&b.name));
                stream
                    .groups
                    .iter_mut()
                    .for_each(|group| group.consumers.sort_by(|a, b| a.name.cmp(&b.name)));
            }
            Value::String(_) | Value::List(_) => {}
        }
        self
    }
}
