//! The rows a checkpoint writes: encoded into a few large buffers, because the shard thread fills them
//! and a row must cost it little more than copying. Order is made later, where there is time for it.

use crate::collection::large::CellName;
use crate::collection::packed::Packed;
use crate::row::Row;
use model::row::{self, kind};
use model::varint::put_u64;
use model::{Keyspace, Position};

/// Size of a buffer in bytes; a larger row has a buffer of its own.
const BUFFER: usize = 256 << 10;
/// Most bytes of a key's row beside key and value, when the key has no zero bytes.
const OVERHEAD: usize = 17 + 12;

/// Changed rows: names and new contents, encoded as in the row store.
#[derive(Debug, Default)]
pub struct Changes {
    buffers: Vec<Vec<u8>>,
    places: Vec<Place>,
    litter: Vec<Litter>,
}

/// A position where rows of large collections may be that are gone: cells whose number is not that of the row
/// of their key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Litter {
    /// Keyspace of the key.
    pub ks: Keyspace,
    /// The keyspace's generation.
    pub generation: u32,
    /// Slot and hash of the key.
    pub position: Position,
}

/// Where a row is: its content stands behind its name.
#[derive(Debug, Clone, Copy)]
struct Place {
    buffer: u32,
    offset: u32,
    name: u32,
    content: u32,
    state: State,
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// It gets the content.
    Put,
    /// It is removed.
    Removed,
    /// It is removed unless there is another change of the same name.
    Replaceable,
}

impl Changes {
    /// Adds a row with its new content, `None` = removed. No name twice.
    pub fn push(&mut self, name: &[u8], content: Option<&[u8]>) {
        let state = if content.is_some() { State::Put } else { State::Removed };
        let content = content.unwrap_or_default();
        self.write(name.len() + content.len(), state, |out| {
            out.extend_from_slice(name);
            let name = out.len();
            out.extend_from_slice(content);
            name
        });
    }

    /// Adds a key's row as it is; returns the bytes it takes.
    pub(super) fn push_row(&mut self, ks: Keyspace, generation: u32, row: &Row) -> usize {
        let packed = Packed::new(row.kind, row.value());
        let len = OVERHEAD + row.key().len() + packed.max_long();
        self.write(len, State::Put, |out| {
            row::put_key_name(out, ks, generation, row.position, row.key());
            let name = out.len();
            match row.large() {
                None => {
                    row::put_value(out, row.kind, row.expire, &[]);
                    packed.put_long(out);
                }
                Some(large) => {
                    row::put_value(out, row.kind | kind::LARGE, row.expire, &[]);
                    put_u64(out, large.id());
                    out.extend_from_slice(&large.about);
                }
            }
            name
        })
    }

    /// Adds a cell of a large collection.
    pub(super) fn push_cell(
        &mut self,
        (ks, generation): (Keyspace, u32),
        (position, key): (Position, &[u8]),
        (id, cell): (u64, CellName),
        content: Option<&[u8]>,
    ) {
        let bytes = content.unwrap_or_default();
        let state = if content.is_some() { State::Put } else { State::Removed };
        self.write(OVERHEAD + key.len() + row::CELL_BYTES + bytes.len(), state, |out| {
            row::put_key_name(out, ks, generation, position, key);
            row::put_cell_name(out, id, cell);
            let name = out.len();
            if content.is_some() {
                out.push(row::FORMAT);
                out.extend_from_slice(bytes);
            }
            name
        });
    }

    /// Adds that a key is absent, unless it is added as anything else too.
    pub(super) fn push_removed(
        &mut self,
        ks: Keyspace,
        generation: u32,
        position: Position,
        key: &[u8],
    ) -> usize {
        self.write(OVERHEAD + key.len(), State::Replaceable, |out| {
            row::put_key_name(out, ks, generation, position, key);
            out.len()
        })
    }

    /// Adds what `write` appends to a buffer, about `len` bytes; it returns where the content begins.
    #[inline]
    fn write(&mut self, len: usize, state: State, write: impl FnOnce(&mut Vec<u8>) -> usize) -> usize {
        if self.buffers.last().is_none_or(|last| last.capacity() - last.len() < len) {
            self.buffers.push(Vec::with_capacity(len.max(BUFFER)));
        }
        let number = self.buffers.len() - 1;
        let buffer = &mut self.buffers[number];
        let offset = buffer.len();
        let name = write(buffer) - offset;
        let content = buffer.len() - offset - name;
        self.places.push(Place {
            buffer: number as u32,
            offset: offset as u32,
            name: name as u32,
            content: content as u32,
            state,
        });
        name + content
    }

    /// Notes positions to be cleaned once the rows are written.
    pub(super) fn litter(&mut self, places: impl Iterator<Item = Litter>) {
        self.litter.extend(places);
    }

    /// Positions to be cleaned once the rows are written.
    pub fn take_litter(&mut self) -> Vec<Litter> {
        std::mem::take(&mut self.litter)
    }

    /// Makes room for so many rows more, so that the list of them is never moved.
    pub(super) fn reserve(&mut self, rows: usize) {
        self.places.reserve(rows);
    }

    /// Adds the rows of `other`, without copying them.
    pub(super) fn append(&mut self, mut other: Changes) {
        let first = self.buffers.len() as u32;
        self.buffers.append(&mut other.buffers);
        self.litter.append(&mut other.litter);
        if self.places.is_empty() {
            self.places = other.places;
            self.places.iter_mut().for_each(|place| place.buffer += first);
        } else {
            let moved = |place: Place| Place { buffer: place.buffer + first, ..place };
            self.places.extend(other.places.into_iter().map(moved));
        }
    }

    /// Brings the rows into the order of names, and leaves one change of every name. Takes about
    /// 100 ns per row: not for a shard thread.
    pub fn sort(&mut self) {
        let buffers = &self.buffers;
        let name = |place: &Place| name(buffers, place);
        self.places.sort_unstable_by(|a, b| name(a).cmp(name(b)).then(a.state.cmp(&b.state)));
        // Whatever else is there twice is an error, which the row store finds.
        self.places.dedup_by(|later, first| later.state == State::Replaceable && name(later) == name(first));
    }

    /// The rows in their order: name and new content, `None` = removed. Sort them first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], Option<&[u8]>)> {
        self.places.iter().map(|place| {
            let start = (place.offset + place.name) as usize;
            let content = &self.buffers[place.buffer as usize][start..start + place.content as usize];
            (name(&self.buffers, place), (place.state == State::Put).then_some(content))
        })
    }

    /// Memory that the rows take here, bytes.
    pub fn memory(&self) -> usize {
        let buffers: usize = self.buffers.iter().map(Vec::capacity).sum();
        buffers + self.places.capacity() * size_of::<Place>()
    }

    /// Number of changes.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True without changes.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

fn name<'a>(buffers: &'a [Vec<u8>], place: &Place) -> &'a [u8] {
    let start = place.offset as usize;
    &buffers[place.buffer as usize][start..start + place.name as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    type Owned = Vec<(Vec<u8>, Option<Vec<u8>>)>;

    fn owned(changes: &Changes) -> Owned {
        changes.iter().map(|(name, content)| (name.to_vec(), content.map(<[u8]>::to_vec))).collect()
    }

    #[test]
    fn rows_of_any_size_come_back_in_order() {
        let mut expected = Owned::new();
        let (mut changes, mut other) = (Changes::default(), Changes::default());
        for n in (0..3000u32).rev() {
            let content = vec![n as u8; (n as usize * 7919) % 600];
            let content = if n == 1002 { vec![1; BUFFER + 5] } else { content };
            let row = (n.to_be_bytes().to_vec(), (n % 5 > 0).then_some(content));
            let target = if n % 2 == 0 { &mut changes } else { &mut other };
            target.push(&row.0, row.1.as_deref());
            expected.insert(0, row);
        }
        assert!(changes.buffers.len() > 2 && other.buffers.len() > 1);
        let mut all = Changes::default();
        all.append(changes);
        all.append(other);
        all.sort();
        assert_eq!(all.len(), 3000);
        assert!(owned(&all) == expected);
    }

    #[test]
    fn a_sorted_set_is_written_with_scores_of_eight_bytes() {
        let mut builder = crate::collection::Builder::new(kind::SORTED_SET);
        (0..200).for_each(|n| builder.push(&[n as u8; 3], &f64::from(n).to_le_bytes()));
        let (value, position) = (builder.finish(), Position(7));
        let mut changes = Changes::default();
        changes.push_row(Keyspace(0), 1, &Row::new(position, kind::SORTED_SET, b"key", &value));
        changes.sort();
        let name = row::key_name(Keyspace(0), 1, position, b"key");
        let content = row::encode_value(kind::SORTED_SET, 0, &value);
        assert_eq!(owned(&changes), [(name, Some(content))]);
    }

    #[test]
    fn a_removed_key_that_came_back_is_there_once() {
        let position = Position(7);
        let mut changes = Changes::default();
        for key in [&b"gone"[..], b"back", b"gone", b"back"] {
            changes.push_removed(Keyspace(0), 1, position, key);
        }
        changes.push_row(Keyspace(0), 1, &Row::new(position, 0, b"back", b"v"));
        changes.sort();
        let name = |key: &[u8]| row::key_name(Keyspace(0), 1, position, key);
        let value = row::encode_value(0, 0, b"v");
        let expected = [(name(b"back"), Some(value)), (name(b"gone"), None)];
        assert_eq!(owned(&changes), expected);
    }
}
