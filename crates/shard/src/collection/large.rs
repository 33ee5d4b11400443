//! A large collection: elements with an index in memory, and a row of the row store for each.
//!
//! What is kept in one row is a *cell*: the elements whose names share a hash (nearly always one), an entry of
//! a stream, or a piece of a list. The row of the key itself says only that there are cells, and their
//! number `id`, which is part of their names: when the key goes, or becomes something else, its cells mean
//! nothing any more and are removed in the background.
//!
//! A checkpoint writes the cells changed since the one before. As with rows it is taken in slices: cells that
//! are due for it are copied before they change.

use super::cells::Cells;
use super::due::Due;
use super::elements::{Elements, Slot, Spot};
use super::list::List;
use super::packed::{self, Packed};
use model::row::kind;
use model::varint::{DecodeError, Reader, put_bytes};

/// Name of a cell among those of its collection.
pub(crate) type CellName = u128;

/// Takes cells of a checkpoint: name and content, `None` = there is none.
pub(crate) type Sink<'a> = dyn FnMut(CellName, Option<&[u8]>) + 'a;

/// The elements of a large collection.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// A hash, a set, a sorted set or a stream.
    Elements(Elements),
    /// A list.
    List(List),
}

/// What the cells of a collection are called, and which of them the row store does not have as they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity {
    /// Distinguishes it from whatever else its key was or will be.
    pub id: u64,
    /// Cells changed since the last checkpoint began that has looked at this collection.
    fresh: Cells,
    /// The row store has none of its cells.
    new: bool,
}

impl Identity {
    /// A new one, of which the row store has nothing.
    pub fn new(id: u64) -> Identity {
        Identity { id, fresh: Cells::default(), new: true }
    }
}

/// A large collection with what a checkpoint has to know.
#[derive(Debug, Clone)]
pub(crate) struct Large {
    identity: Identity,
    /// What a stream says of itself.
    pub about: Vec<u8>,
    body: Body,
    /// Cells that the checkpoint being taken lacks.
    due: Due,
}

/// The cell of a piece of a list.
fn piece_cell(number: i64) -> CellName {
    // The sign turned, so that cells come in the order of numbers.
    u128::from(number as u64 ^ 1 << 63) << 64
}

fn piece_number(cell: CellName) -> i64 {
    ((cell >> 64) as u64 ^ 1 << 63) as i64
}

/// The cell of an element with this sort key.
fn element_cell(kind: u8, key: u64, name: &[u8]) -> CellName {
    match name.first_chunk() {
        Some(id) if kind == kind::STREAM => u128::from_be_bytes(*id),
        _ => u128::from(key) << 64,
    }
}

impl Large {
    /// One whose cells are going to be loaded from the row store.
    pub fn stored(id: u64, kind: u8, seed: u64) -> Large {
        let mut large = Large::new(id, kind, seed);
        large.identity.new = false;
        large
    }

    /// An empty one of this kind. `seed`: of the hash of names.
    fn new(id: u64, kind: u8, seed: u64) -> Large {
        let body = match kind {
            kind::LIST => Body::List(List::default()),
            _ => Body::Elements(Elements::new(kind, seed)),
        };
        Large { identity: Identity::new(id), about: Vec::new(), body, due: Due::default() }
    }

    /// One made of a small collection.
    pub fn from_packed(id: u64, kind: u8, seed: u64, packed: Packed<'_>) -> Large {
        let mut large = Large::new(id, kind, seed);
        match &mut large.body {
            Body::Elements(elements) => {
                for e in packed.iter() {
                    if kind == kind::STREAM && e.name.is_empty() {
                        large.about = e.value.to_vec();
                    } else {
                        elements.put(e.name, e.value);
                    }
                }
            }
            Body::List(list) => {
                let mut items = Vec::new();
                packed.iter().for_each(|e| put_bytes(&mut items, e.name));
                list.splice(0, 0, &items, &mut |_, _| ());
            }
        }
        large
    }

    /// Distinguishes it from whatever else its key was or will be.
    pub fn id(&self) -> u64 {
        self.identity.id
    }

    /// Gives its cells another identity; the one before is returned. If it is one that they had before, what has
    /// changed since is fresh for it too: taking changes back restores the content, not which piece of a list
    /// has what. A new identity needs them too: by taking back two renames they get to the one before both.
    pub fn replace_identity(&mut self, mut identity: Identity) -> Identity {
        identity.fresh.extend(self.identity.fresh.iter());
        // A copy has what is due of the one it was made of.
        self.due = Due::default();
        std::mem::replace(&mut self.identity, identity)
    }

    /// The elements.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match &self.body {
            Body::Elements(elements) => elements.len(),
            Body::List(list) => list.len(),
        }
    }

    /// Calls with name and value of each element, in the order of the collection.
    pub fn each(&self, mut visit: impl FnMut(&[u8], &[u8])) {
        match &self.body {
            Body::Elements(elements) => elements.starting_at(0).for_each(|(name, value)| visit(name, value)),
            Body::List(list) => list.from(0).for_each(|item| visit(item, &[])),
        }
    }

    /// Bytes of memory, allocations included, about.
    pub fn memory(&self) -> usize {
        let body = match &self.body {
            Body::Elements(elements) => elements.memory(),
            Body::List(list) => list.memory(),
        };
        let cells = self.identity.fresh.memory() + self.due.memory();
        size_of::<Large>() + self.about.capacity() + cells + body
    }

    /// Whether a checkpoint has to write cells.
    pub fn is_due(&self) -> bool {
        !self.due.is_empty()
    }

    // ---- changes: each names the cells it touches before it touches them ----

    fn touch(&mut self, spot: Spot, name: &[u8], sink: &mut Sink<'_>) {
        let Body::Elements(elements) = &self.body else { return };
        self.touch_cell(element_cell(elements.kind(), spot.key, name), sink);
    }

    fn touch_cell(&mut self, cell: CellName, sink: &mut Sink<'_>) {
        if self.due.take(cell) {
            give(&self.body, cell, sink);
        }
        self.identity.fresh.insert(cell);
    }

    /// Sets the value of an element; returns what it was before.
    pub fn put(&mut self, name: &[u8], value: &[u8], sink: &mut Sink<'_>) -> Option<Option<Slot>> {
        let Body::Elements(elements) = &self.body else { return None };
        let spot = elements.spot(name);
        self.touch(spot, name, sink);
        let Body::Elements(elements) = &mut self.body else { return None };
        Some(elements.put_at(spot, name, value))
    }

    /// Removes an element and returns it.
    pub fn remove(&mut self, name: &[u8], sink: &mut Sink<'_>) -> Option<Slot> {
        let Body::Elements(elements) = &self.body else { return None };
        let spot = elements.spot(name);
        let place = spot.place.ok()?;
        self.touch(spot, name, sink);
        let Body::Elements(elements) = &mut self.body else { return None };
        elements.remove_at(place)
    }

    /// Removes the element with a rank in the order of the collection and returns it.
    pub fn remove_rank(&mut self, rank: usize, sink: &mut Sink<'_>) -> Option<Slot> {
        let Body::Elements(elements) = &self.body else { return None };
        let (spot, number) = elements.spot_of_rank(rank)?;
        let cell = element_cell(elements.kind(), spot.key, elements.name(number));
        self.touch_cell(cell, sink);
        let Body::Elements(elements) = &mut self.body else { return None };
        elements.remove_at(spot.place.ok()?)
    }

    /// Replaces items of a list; returns those removed. `None` if they do not exist, or this is no list.
    pub fn splice(&mut self, at: usize, remove: usize, new: &[u8], sink: &mut Sink<'_>) -> Option<Vec<u8>> {
        let (due, fresh) = (&mut self.due, &mut self.identity.fresh);
        let Body::List(list) = &mut self.body else { return None };
        if at.checked_add(remove)? > list.len() {
            return None;
        }
        let removed = list.splice(at, remove, new, &mut |list, number| {
            let cell = piece_cell(number);
            if due.take(cell) {
                sink(cell, list.piece(number));
            }
            fresh.insert(cell);
        });
        Some(removed)
    }

    // ---- checkpoints ----

    /// The checkpoint being taken gets what has changed since the last one.
    pub fn begin_capture(&mut self) {
        debug_assert!(self.due.is_empty(), "one checkpoint at a time");
        let fresh = std::mem::take(&mut self.identity.fresh);
        self.due = if std::mem::take(&mut self.identity.new) { Due::all() } else { Due::named(fresh) };
    }

    /// Copies a cell that is due. False when none is.
    pub fn capture_one(&mut self, sink: &mut Sink<'_>) -> bool {
        let Some(cell) = self.due.pop(&self.body) else { return false };
        give(&self.body, cell, sink);
        true
    }

    /// Loads a cell; those of a list come in the order of names.
    ///
    /// # Errors
    /// Content that can not be read.
    pub fn load(&mut self, kind: u8, cell: CellName, content: &[u8]) -> Result<(), DecodeError> {
        match &mut self.body {
            Body::List(list) => list.load(piece_number(cell), content),
            Body::Elements(elements) => {
                let mut r = Reader::new(content);
                while !r.is_empty() {
                    let name = r.bytes()?;
                    let value = match kind {
                        kind::HASH | kind::STREAM => r.bytes()?,
                        kind::SORTED_SET => r.take(8)?,
                        _ => &[],
                    };
                    elements.put(name, value);
                }
            }
        }
        Ok(())
    }

    /// Frees up to so many elements, or pieces of a list, of a collection that nobody looks at any more; 0 when
    /// all are.
    pub fn free_some(&mut self, elements: usize) -> usize {
        match &mut self.body {
            Body::Elements(all) => all.free_some(elements),
            Body::List(list) => list.free_some(elements),
        }
    }
}

impl Body {
    /// The first cell with this name or a later one.
    pub(super) fn next_cell(&self, from: CellName) -> Option<CellName> {
        match self {
            Body::List(list) => {
                // Between two pieces there is no name: the lower half of one counts as the next.
                let lower = u128::from(u64::MAX);
                let first = from.checked_add(lower)? & !lower;
                list.number_from(piece_number(first)).map(piece_cell)
            }
            Body::Elements(elements) => {
                let before = match elements.kind() {
                    kind::STREAM => elements.count_below(&from.to_be_bytes()),
                    _ => elements.rank_of_key(u64::try_from(from.div_ceil(1 << 64)).ok()?),
                };
                let (_, (name, _)) = elements.main_starting_at(before).next()?;
                Some(elements.cell(name))
            }
        }
    }
}

impl Elements {
    fn cell(&self, name: &[u8]) -> CellName {
        element_cell(self.kind(), self.sort_key(name), name)
    }
}

/// Hands a cell to a sink.
fn give(body: &Body, cell: CellName, sink: &mut Sink<'_>) {
    match body {
        Body::List(list) => sink(cell, list.piece(piece_number(cell))),
        Body::Elements(elements) if elements.kind() == kind::STREAM => {
            // Any number of entries may be of one millisecond: each is looked up.
            let id = cell.to_be_bytes();
            let mut content = Vec::new();
            let value =
                elements.get(&id).map(|value| packed::put_element(&mut content, kind::STREAM, &id, value));
            sink(cell, value.map(|()| &content[..]));
        }
        Body::Elements(elements) => {
            let key = (cell >> 64) as u64;
            let from = elements.rank_of_key(key);
            let mut content = Vec::new();
            let sharing =
                elements.main_starting_at(from).take_while(|(k, _)| *k == key).map(|(_, pair)| pair);
            for (name, value) in sharing.filter(|(name, _)| elements.cell(name) == cell) {
                packed::put_element(&mut content, elements.kind(), name, value);
            }
            sink(cell, (!content.is_empty()).then_some(&content[..]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::packed::Builder;
    use super::*;
    use std::collections::BTreeMap;

    fn capture(large: &mut Large, stored: &mut BTreeMap<CellName, Vec<u8>>) {
        large.begin_capture();
        while large.capture_one(&mut |cell, content| {
            match content {
                Some(content) => stored.insert(cell, content.to_vec()),
                None => stored.remove(&cell),
            };
        }) {}
    }

    #[test]
    fn a_list_that_had_two_names_and_has_its_first_again_is_stored_as_it_is() {
        let mut builder = Builder::new(kind::LIST);
        (0..2000u32).for_each(|n| builder.push(&n.to_be_bytes(), &[]));
        let mut list = Large::from_packed(1, kind::LIST, 7, Packed::new(kind::LIST, &builder.finish()));
        let mut stored = BTreeMap::new();
        capture(&mut list, &mut stored);

        let first = list.replace_identity(Identity::new(2));
        let second = list.replace_identity(Identity::new(3));
        // What is put back after it was removed may stand in other pieces.
        let sink: &mut Sink<'_> = &mut |_, _| ();
        let removed = list.splice(100, 1500, &[], sink).unwrap();
        list.splice(100, 0, &removed, sink).unwrap();
        list.replace_identity(second);
        list.replace_identity(first);

        capture(&mut list, &mut stored);
        let mut whole = BTreeMap::new();
        list.replace_identity(Identity::new(4));
        capture(&mut list, &mut whole);
        assert_eq!(stored, whole);
    }
}
