//! An entry: the value of an element whose name is its id.
//!
//! The number of its page, the number of its fields, and each field and its value with the length before it.

use super::id::Id;
use crate::collection::Pair;
use model::Reply;
use model::varint::{Reader, put_bytes, put_u64};

/// An entry to look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    /// Its id.
    pub id: Id,
    /// Number of its page.
    pub page: u64,
    /// Number of its fields.
    fields: usize,
    rest: &'a [u8],
}

impl<'a> Entry<'a> {
    /// An element as an entry; what does not fit the format ends it.
    pub fn of((name, value): Pair<'a>) -> Entry<'a> {
        let mut r = Reader::new(value);
        let (page, fields) = (r.u64().unwrap_or(0), r.u64().unwrap_or(0));
        // No more fields than bytes: each has two lengths.
        let fields = usize::try_from(fields).unwrap_or(0).min(r.rest().len());
        Entry { id: Id::of_name(name), page, fields, rest: r.rest() }
    }

    /// About how many bytes an answer with it has.
    pub fn bytes(&self) -> usize {
        64 + self.rest.len() + 16 * self.fields
    }

    /// Its fields and their values, in turns.
    pub fn parts(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut r = Reader::new(self.rest);
        (0..2 * self.fields).map(move |_| r.bytes().unwrap_or_default())
    }

    /// Answers with its id and its parts.
    pub fn answer(&self, reply: &mut dyn Reply) {
        reply.array(2);
        self.id.answer(reply);
        reply.array(2 * self.fields);
        self.parts().for_each(|part| reply.bulk(part));
    }
}

/// The value of an entry in this page with so many fields; these and their values come in turns.
pub(super) fn value<'a>(page: u64, fields: usize, parts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    put_u64(&mut out, page);
    put_u64(&mut out, fields as u64);
    parts.for_each(|part| put_bytes(&mut out, part));
    out
}
