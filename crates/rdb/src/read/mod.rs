//! Reading a value, in any of its encodings.

mod collections;
mod module;
mod stream;
mod stream_node;
mod string;
mod unique;

use std::io::BufRead;

use crate::input::Input;
use crate::limits::{Budget, Limits};
use crate::{Error, Value, kind};

pub(crate) use module::{skip_aux, skip_value};
pub(crate) use stream_node::SAME_FIELDS;

/// Reads values.
#[derive(Debug)]
pub(crate) struct Decoder<'i, B> {
    input: &'i mut Input<B>,
    limits: Limits,
    budget: Budget,
}

impl<'i, B: BufRead> Decoder<'i, B> {
    /// A decoder of what comes next in `input`.
    pub(crate) fn new(input: &'i mut Input<B>, limits: Limits) -> Decoder<'i, B> {
        Decoder { input, limits, budget: Budget::new(&limits) }
    }

    /// The value that comes next, whose type was read: within the limits, with nothing twice in it and not
    /// empty unless it may be.
    pub(crate) fn value(&mut self, kind: u8) -> Result<Value, Error> {
        let value = match kind {
            kind::STRING => Value::String(self.element()?),
            kind::LIST => Value::List(self.list()?),
            kind::LIST_ZIPLIST => Value::List(self.list_ziplist()?),
            kind::LIST_QUICKLIST => Value::List(self.list_quicklist()?),
            kind::LIST_QUICKLIST_2 => Value::List(self.list_quicklist_2()?),
            kind::SET => Value::Set(self.list()?),
            kind::SET_INTSET => Value::Set(self.set_intset()?),
            kind::SET_LISTPACK => Value::Set(self.set_listpack()?),
            kind::HASH => Value::Hash(self.hash()?),
            kind::HASH_ZIPMAP => Value::Hash(self.hash_zipmap()?),
            kind::HASH_ZIPLIST => Value::Hash(self.hash_ziplist()?),
            kind::HASH_LISTPACK => Value::Hash(self.hash_listpack()?),
            kind::SORTED_SET_TEXT => Value::SortedSet(self.sorted_set_text()?),
            kind::SORTED_SET => Value::SortedSet(self.sorted_set()?),
            kind::SORTED_SET_ZIPLIST => Value::SortedSet(self.sorted_set_ziplist()?),
            kind::SORTED_SET_LISTPACK => Value::SortedSet(self.sorted_set_listpack()?),
            kind::STREAM_1 | kind::STREAM_2 | kind::STREAM_3 => Value::Stream(self.stream(kind)?),
            kind::MODULE | kind::MODULE_PRE_RELEASE => return Err(Error::Module(self.module_name()?)),
            other => return Err(Error::Kind(other)),
        };
        if value.is_void() {
            return Err(Error::Empty(value.name()));
        }
        unique::check(&value)?;
        Ok(value)
    }
}
