//! A node of a stream: a listpack of entries that are written as differences to its first one.
//!
//! First, of the node: entries, deleted entries, fields, each field, 0. Then, of each entry: flags, time and number of
//! its id less those of the node's id, unless it has the fields of the node their number, then its fields with their
//! values (or, if it has, its values), last how many elements all this was.

use crate::error::malformed;
use crate::limits::Budget;
use crate::packed::Element;
use crate::packed::listpack::Listpack;
use crate::{Entry, Error, StreamId};

const WHAT: &str = "stream node";
/// The entry was deleted.
const DELETED: i64 = 1;
/// The entry has the fields of the node.
pub(crate) const SAME_FIELDS: i64 = 2;

/// Appends the entries of a node that are not deleted.
///
/// # Errors
/// If the node is not what it says, or an id is not above the one before it.
pub(super) fn read(
    id: StreamId,
    packed: &[u8],
    budget: &mut Budget,
    out: &mut Vec<Entry>,
) -> Result<(), Error> {
    let mut node = Node { elements: Listpack::open(packed)?, taken: 0, id };
    let (live, deleted) = (node.number()?, node.number()?);
    let mut fields = Vec::new();
    for _ in 0..node.number()? {
        budget.charge(0)?;
        fields.push(node.element()?);
    }
    if node.number()? != 0 {
        return Err(malformed(WHAT, "its fields do not end with a zero"));
    }
    let (mut seen_live, mut seen_deleted) = (0, 0);
    let mut last = out.last().map(|entry| entry.id);
    while let Some((flags, entry)) = node.entry(&fields, budget)? {
        if last.is_some_and(|last| entry.id <= last) {
            return Err(malformed(WHAT, "an id is not above the one before it"));
        }
        last = Some(entry.id);
        if flags & DELETED != 0 {
            seen_deleted += 1;
        } else {
            seen_live += 1;
            out.push(entry);
        }
    }
    if (live, deleted) != (seen_live, seen_deleted) {
        return Err(malformed(WHAT, "it has another number of entries than it says"));
    }
    Ok(())
}

struct Node<'a> {
    elements: Listpack<'a>,
    /// Elements read of the current entry.
    taken: i64,
    id: StreamId,
}

impl<'a> Node<'a> {
    fn element(&mut self) -> Result<Element<'a>, Error> {
        self.taken += 1;
        self.elements.next().unwrap_or(Err(malformed(WHAT, "it ends inside an entry")))
    }

    fn number(&mut self) -> Result<i64, Error> {
        self.element()?.integer().ok_or(malformed(WHAT, "something is not a number"))
    }

    /// The next entry with its flags. What it takes is charged before it is copied: a short entry can repeat
    /// long fields of the node.
    fn entry(&mut self, fields: &[Element<'a>], budget: &mut Budget) -> Result<Option<(i64, Entry)>, Error> {
        self.taken = 0;
        let flags = match self.elements.next() {
            None => return Ok(None),
            Some(flags) => flags?.integer().ok_or(malformed(WHAT, "flags are not a number"))?,
        };
        self.taken = 1;
        if flags & !(DELETED | SAME_FIELDS) != 0 {
            return Err(malformed(WHAT, "an entry has unknown flags"));
        }
        // As in Redis: a number may be below that of the node, if the time is above.
        let ms = self.id.ms.wrapping_add_signed(self.number()?);
        let sequence = self.id.sequence.wrapping_add_signed(self.number()?);
        let mut pairs = Vec::new();
        budget.charge(size_of::<Entry>())?;
        let mut push = |field: Element<'_>, value: Element<'_>| {
            budget.charge(field.len())?;
            budget.charge(value.len())?;
            pairs.push((field.to_vec(), value.to_vec()));
            Ok::<(), Error>(())
        };
        if flags & SAME_FIELDS != 0 {
            for field in fields {
                push(*field, self.element()?)?;
            }
        } else {
            for _ in 0..self.number()? {
                push(self.element()?, self.element()?)?;
            }
        }
        let taken = self.taken;
        if self.number()? != taken {
            return Err(malformed(WHAT, "an entry has another number of elements than it says"));
        }
        Ok(Some((flags, Entry { id: StreamId { ms, sequence }, fields: pairs })))
    }
}
