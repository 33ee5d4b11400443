//! The rows in memory: one after the other in pages, and hash tables of their places.
//!
//! A hash table has up to twice as many places as entries. An entry of six bytes may have that; rows stand without
//! gaps, and a table that grows moves no row. There are several tables, of shares so different that they double at
//! different times: what one has to spare the others lack, and none takes long to grow.

use crate::row::Row;
use hashbrown::HashTable;
use model::Position;
use smallvec::SmallVec;

/// Rows of a page. To align it the allocator may take up to 63 bytes more, and it has room for 128 KiB and next for 160: with
/// one row more a page would take a quarter more.
const PAGE: usize = 2047;
const _: () = assert!(PAGE * size_of::<Line>() + align_of::<Line>() <= 128 << 10);

/// Shares of the tables, in 256ths: each has one by the eighth root of two less than the one before.
const SHARES: [u16; PARTS] = [43, 39, 36, 33, 30, 27, 25, 23];
const PARTS: usize = 8;
/// The table of a row by the first byte of its tag.
const PART_OF: [u8; 256] = parts();

const fn parts() -> [u8; 256] {
    let (mut of, mut part, mut end, mut byte) = ([0; 256], 0, SHARES[0] as usize, 0);
    while byte < 256 {
        if byte == end {
            part += 1;
            end += SHARES[part] as usize;
        }
        of[byte] = part as u8;
        byte += 1;
    }
    assert!(end == 256 && part == PARTS - 1, "all bytes are shared out");
    of
}

/// A row in a cache line of its own.
#[derive(Debug)]
#[repr(align(64))]
struct Line(Row);

/// A row by a part of its tag, so that lookups touch hardly ever another row. In halves, so that it has no padding.
#[derive(Debug, Clone, Copy)]
struct Entry {
    tag: u16,
    place: [u16; 2],
}

impl Entry {
    fn new(tag: u32, place: u32) -> Entry {
        Entry { tag: (tag >> 16) as u16, place: [(place >> 16) as u16, place as u16] }
    }

    #[inline]
    fn place(self) -> usize {
        (usize::from(self.place[0]) << 16) | usize::from(self.place[1])
    }

    /// Whether its row may have this tag.
    #[inline]
    fn may_be(self, tag: u32) -> bool {
        self.tag == (tag >> 16) as u16
    }
}

/// Rows of a keyspace. Places of rows are below their number; a row that is removed leaves its place to the last.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    index: [HashTable<Entry>; PARTS],
    /// All full but the last; only the first grows bit by bit.
    pages: Vec<Vec<Line>>,
    len: usize,
}

/// Spreads positions, whose high bits are few slots. Its high bits find the table and are in the entry, the low ones
/// find the bucket.
#[inline]
fn tag(position: Position) -> u32 {
    (position.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
}

/// The hash of a tag: its low bits find the bucket, its high ones tell neighbours apart.
#[inline]
fn hash(tag: u32) -> u64 {
    u64::from(tag).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The hash of an entry in its table.
fn rehash(pages: &[Vec<Line>], entry: &Entry) -> u64 {
    let line = pages.get(entry.place() / PAGE).and_then(|page| page.get(entry.place() % PAGE));
    line.map_or(0, |line| hash(tag(line.0.position)))
}

impl Rows {
    #[inline]
    fn part(&self, tag: u32) -> &HashTable<Entry> {
        &self.index[usize::from(PART_OF[(tag >> 24) as usize])]
    }

    #[inline]
    fn part_mut(&mut self, tag: u32) -> &mut HashTable<Entry> {
        &mut self.index[usize::from(PART_OF[(tag >> 24) as usize])]
    }

    /// Number of rows.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory beside the rows themselves: index and free places.
    pub fn spare(&self) -> usize {
        let places: usize = match &self.pages[..] {
            [] => 0,
            [first, rest @ ..] => first.capacity() + rest.len() * PAGE,
        };
        let index: usize = self.index.iter().map(HashTable::allocation_size).sum();
        index + (places - self.len) * size_of::<Line>()
    }

    /// The row at a place.
    #[inline]
    pub fn at(&self, place: usize) -> Option<&Row> {
        self.pages.get(place / PAGE)?.get(place % PAGE).map(|line| &line.0)
    }

    /// The row at a place, to change it.
    #[inline]
    pub fn at_mut(&mut self, place: usize) -> Option<&mut Row> {
        self.pages.get_mut(place / PAGE)?.get_mut(place % PAGE).map(|line| &mut line.0)
    }

    /// Where a key's row is, until the next one is removed.
    #[inline]
    pub fn find(&self, position: Position, key: &[u8]) -> Option<usize> {
        let tag = tag(position);
        let is_it = |entry: &Entry| {
            let row = self.at(entry.place());
            entry.may_be(tag) && row.is_some_and(|row| row.position == position && row.key() == key)
        };
        self.part(tag).find(hash(tag), is_it).map(|entry| entry.place())
    }

    /// The row of a key.
    #[inline]
    pub fn get(&self, position: Position, key: &[u8]) -> Option<&Row> {
        self.find(position, key).and_then(|place| self.at(place))
    }

    /// The row of a key, to change it.
    #[inline]
    pub fn get_mut(&mut self, position: Position, key: &[u8]) -> Option<&mut Row> {
        self.find(position, key).and_then(|place| self.at_mut(place))
    }

    /// The rows at a position.
    #[inline]
    pub fn at_position(&self, position: Position) -> impl Iterator<Item = &Row> {
        let tag = tag(position);
        let same = self.part(tag).iter_hash(hash(tag)).filter(move |entry| entry.may_be(tag));
        let rows = same.filter_map(|entry| self.at(entry.place()));
        rows.filter(move |row| row.position == position)
    }

    /// Places of the rows at a position; more than one only when hashes collide.
    pub fn places(&self, position: Position) -> SmallVec<[usize; 2]> {
        let tag = tag(position);
        let same = self.part(tag).iter_hash(hash(tag)).filter(|entry| entry.may_be(tag));
        let places = same.map(|entry| entry.place());
        places.filter(|&place| self.at(place).is_some_and(|row| row.position == position)).collect()
    }

    /// All rows in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = &Row> {
        self.pages.iter().flatten().map(|line| &line.0)
    }

    /// Adds a row whose key is not there.
    pub fn insert(&mut self, row: Row) {
        let (tag, place) = (tag(row.position), self.len);
        if self.pages.len() * PAGE == place {
            let page = if place == 0 { Vec::new() } else { Vec::with_capacity(PAGE) };
            self.pages.push(page);
        }
        self.pages[place / PAGE].push(Line(row));
        self.len += 1;
        let Rows { index, pages, .. } = self;
        let part = &mut index[usize::from(PART_OF[(tag >> 24) as usize])];
        part.insert_unique(hash(tag), Entry::new(tag, place as u32), |entry| rehash(pages, entry));
    }

    /// Removes the row at a place, which the last row gets.
    pub fn remove(&mut self, place: usize) -> Option<Row> {
        let gone = tag(self.at(place)?.position);
        let entry = self.part_mut(gone).find_entry(hash(gone), |entry| entry.place() == place);
        entry.ok()?.remove();
        self.len -= 1;
        let last = self.pages[self.len / PAGE].pop()?;
        // One free page stays: keys that come and go at its border must not cost one each.
        self.pages.truncate(self.len.div_ceil(PAGE) + 1);
        if place == self.len {
            return Some(last.0);
        }
        let (moved, from) = (tag(last.0.position), self.len);
        if let Some(entry) = self.part_mut(moved).find_mut(hash(moved), |entry| entry.place() == from) {
            *entry = Entry::new(moved, place as u32);
        }
        self.at_mut(place).map(|row| std::mem::replace(row, last.0))
    }

    /// Gives room of the index back if it was made for many more rows.
    pub fn shrink(&mut self) {
        let Rows { index, pages, .. } = self;
        for part in index.iter_mut().filter(|part| part.len() < part.num_buckets() / 8) {
            part.shrink_to(part.len() * 2, |entry| rehash(pages, entry));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn row(position: u64, key: &str) -> Row {
        Row::new(Position(position), 0, key.as_bytes(), b"value")
    }

    #[test]
    fn rows_are_found_wherever_they_have_moved() {
        let (mut rows, mut model, mut state) = (Rows::default(), BTreeMap::new(), 5_u64);
        for step in 0..40_000u64 {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            // Several keys share a position, and several pages come and go.
            let (number, grows) = (state >> 40 & 8191, step % 20_000 < 12_000);
            let (position, key) = (Position(number / 3), number.to_string());
            assert_eq!(rows.find(position, key.as_bytes()).is_some(), model.contains_key(&number));
            match rows.find(position, key.as_bytes()) {
                Some(place) if !grows || state >> 20 & 7 == 0 => {
                    let gone = rows.remove(place).expect("found");
                    assert_eq!((gone.position, gone.key()), (position, key.as_bytes()));
                    model.remove(&number);
                }
                None if grows => {
                    rows.insert(row(position.0, &key));
                    model.insert(number, position);
                }
                _ => {}
            }
            assert_eq!(rows.len(), model.len());
        }
        for (number, position) in &model {
            let same = model.values().filter(|other| *other == position).count();
            assert_eq!((rows.at_position(*position).count(), rows.places(*position).len()), (same, same));
            assert!(rows.get(*position, number.to_string().as_bytes()).is_some());
        }
        assert!(rows.iter().count() == model.len() && rows.at(model.len()).is_none());
        while !rows.is_empty() {
            assert!(rows.remove(rows.len() / 2).is_some());
        }
        rows.shrink();
        assert!(rows.spare() < 2 * PAGE * size_of::<Line>(), "{}", rows.spare());
    }

    #[test]
    fn a_row_takes_a_cache_line_and_little_beside_it() {
        assert_eq!(size_of::<Line>(), 64);
        let mut rows = Rows::default();
        for number in 0..60_000u64 {
            rows.insert(row(number << 20, "key"));
            // A page of rows is the less the more there are; the tables never double together.
            let beside = rows.spare() as f64 / rows.len() as f64;
            let page = (PAGE * size_of::<Line>()) as f64 / rows.len() as f64;
            assert!(number < 8192 || beside - page < 14.0, "{beside} bytes beside each of {number} rows");
        }
    }
}
