//! Large lists: items packed in pieces of some KiB.
//!
//! Each piece has a number; numbers rise along the list and have gaps, so that a piece may come between two
//! others. Pushing and popping at the ends touch one piece, whatever the length of the list.

use model::varint::{Reader, put_bytes};
use std::collections::VecDeque;
use std::ops::Range;

/// Bytes of items at which a piece gets no more of them.
const PIECE: usize = 4096;
/// Items at which a piece gets no more of them: finding one in it takes that many steps.
const PIECE_ITEMS: usize = 256;
/// Distance of the numbers of two neighbours.
const GAP: i64 = 1 << 20;
/// The same after numbers were given anew.
const WIDE_GAP: i64 = 1 << 28;
/// Numbers stay this far from the ends of their range; 2^42 pieces fit.
const MAX_NUMBER: i64 = i64::MAX / 2;

/// Items in a row.
#[derive(Debug, Clone)]
struct Piece {
    number: i64,
    count: usize,
    bytes: Vec<u8>,
}

impl Piece {
    /// Whether it gets no more items like this one.
    fn is_full(&self, item: &[u8]) -> bool {
        self.bytes.len() + item.len() > PIECE || self.count >= PIECE_ITEMS
    }
}

/// A large list.
#[derive(Debug, Clone, Default)]
pub(crate) struct List {
    pieces: VecDeque<Piece>,
    len: usize,
    bytes: usize,
}

/// Told of the number of each piece before it changes, comes or goes.
pub(crate) type Touch<'a> = dyn FnMut(&List, i64) + 'a;

/// The items in bytes where each has its length before it.
pub(crate) fn items(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut r = Reader::new(bytes);
    std::iter::from_fn(move || if r.is_empty() { None } else { r.bytes().ok() })
}

/// Where the item after `skip` others begins.
pub(super) fn offset(bytes: &[u8], skip: usize) -> usize {
    let mut r = Reader::new(bytes);
    for _ in 0..skip {
        if r.bytes().is_err() {
            break;
        }
    }
    bytes.len() - r.rest().len()
}

impl List {
    /// Number of items.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory, allocations included.
    pub fn memory(&self) -> usize {
        self.bytes + self.pieces.capacity() * size_of::<Piece>()
    }

    /// The piece that has the item at a place, and the place of the item in it; the nearer end is where the
    /// search begins. For the place behind the last item: the end of the last piece.
    fn find(&self, at: usize) -> (usize, usize) {
        if at <= self.len / 2 {
            let mut left = at;
            for (i, piece) in self.pieces.iter().enumerate() {
                if left < piece.count {
                    return (i, left);
                }
                left -= piece.count;
            }
        }
        let mut end = self.len;
        for (i, piece) in self.pieces.iter().enumerate().rev() {
            let first = end - piece.count;
            if at >= first {
                return (i, at - first);
            }
            end = first;
        }
        (0, 0)
    }

    /// The items from a place on.
    pub fn from(&self, at: usize) -> impl Iterator<Item = &[u8]> {
        let (piece, skip) = self.find(at.min(self.len));
        self.pieces.iter().skip(piece).flat_map(|piece| items(&piece.bytes)).skip(skip)
    }

    /// Calls with each of the items at some places, which exist, one after the other.
    pub fn each<'a>(&'a self, places: Range<usize>, mut visit: impl FnMut(&'a [u8])) {
        let ((piece, mut skip), mut left) = (self.find(places.start.min(self.len)), places.len());
        for piece in self.pieces.iter().skip(piece) {
            let count = left.min(piece.count - skip);
            items(&piece.bytes).skip(skip).take(count).for_each(&mut visit);
            (left, skip) = (left - count, 0);
            if left == 0 {
                return;
            }
        }
    }

    /// The items before a place, the nearest first.
    pub fn before(&self, at: usize) -> impl Iterator<Item = &[u8]> {
        let (piece, skip) = self.find(at.min(self.len));
        let first: Vec<_> =
            self.pieces.get(piece).map_or(Vec::new(), |p| items(&p.bytes).take(skip).collect());
        let rest = self.pieces.iter().take(piece).rev().flat_map(|piece| {
            let items: Vec<_> = items(&piece.bytes).collect();
            items.into_iter().rev()
        });
        first.into_iter().rev().chain(rest)
    }

    /// Replaces `remove` items from a place on, which exist, by others. Returns those removed.
    pub fn splice(&mut self, at: usize, remove: usize, new: &[u8], touch: &mut Touch<'_>) -> Vec<u8> {
        let removed = self.remove(at, remove, touch);
        if !new.is_empty() {
            self.insert(at, new, touch);
        }
        removed
    }

    /// Removes items that exist. Pieces of which nothing is left go together, at the end.
    fn remove(&mut self, at: usize, remove: usize, touch: &mut Touch<'_>) -> Vec<u8> {
        let (mut removed, mut left, mut gone) = (Vec::new(), remove, 0..0);
        let (mut i, mut first) = self.find(at);
        while left > 0 {
            touch(self, self.pieces[i].number);
            let piece = &mut self.pieces[i];
            let count = left.min(piece.count - first);
            let from = offset(&piece.bytes, first);
            let to = from + offset(&piece.bytes[from..], count);
            removed.extend_from_slice(&piece.bytes[from..to]);
            self.bytes -= piece.bytes.capacity();
            if count == piece.count {
                gone = if gone.is_empty() { i..i + 1 } else { gone.start..i + 1 };
            } else {
                piece.bytes.drain(from..to);
                piece.count -= count;
                self.bytes += piece.bytes.capacity();
            }
            self.len -= count;
            left -= count;
            (i, first) = (i + 1, 0);
        }
        self.pieces.drain(gone);
        removed
    }

    fn insert(&mut self, at: usize, new: &[u8], touch: &mut Touch<'_>) {
        if at == self.len {
            items(new).for_each(|item| self.push_back(item, touch));
        } else if at == 0 {
            let items: Vec<_> = items(new).collect();
            items.into_iter().rev().for_each(|item| self.push_front(item, touch));
        } else {
            self.insert_between(at, new, touch);
        }
    }

    fn push_back(&mut self, item: &[u8], touch: &mut Touch<'_>) {
        let full = self.pieces.back().is_none_or(|last| last.is_full(item));
        if full {
            let number = self.pieces.back().map_or(0, |last| last.number + GAP);
            let number = if number > MAX_NUMBER { self.renumber(touch) + GAP } else { number };
            self.pieces.push_back(Piece { number, count: 0, bytes: Vec::new() });
        }
        let last = self.pieces.len() - 1;
        self.add(last, 1, touch, |bytes| put_bytes(bytes, item));
    }

    fn push_front(&mut self, item: &[u8], touch: &mut Touch<'_>) {
        let full = self.pieces.front().is_none_or(|first| first.is_full(item));
        if full {
            let number = self.pieces.front().map_or(0, |first| first.number - GAP);
            if number < -MAX_NUMBER {
                self.renumber(touch);
            }
            let number = self.pieces.front().map_or(0, |first| first.number - GAP);
            self.pieces.push_front(Piece { number, count: 0, bytes: Vec::new() });
        }
        self.add(0, 1, touch, |bytes| {
            // Behind what is there, and then to its front: without another allocation.
            let before = bytes.len();
            put_bytes(bytes, item);
            let new = bytes.len() - before;
            bytes.rotate_right(new);
        });
    }

    /// Changes the bytes of a piece, which gets `count` items more.
    fn add(&mut self, i: usize, count: usize, touch: &mut Touch<'_>, change: impl FnOnce(&mut Vec<u8>)) {
        touch(self, self.pieces[i].number);
        let piece = &mut self.pieces[i];
        self.bytes -= piece.bytes.capacity();
        change(&mut piece.bytes);
        piece.count += count;
        self.bytes += piece.bytes.capacity();
        self.len += count;
    }

    fn insert_between(&mut self, at: usize, new: &[u8], touch: &mut Touch<'_>) {
        let (i, first) = self.find(at);
        let from = offset(&self.pieces[i].bytes, first);
        let count = items(new).count();
        let piece = &self.pieces[i];
        if piece.bytes.len() + new.len() <= PIECE && piece.count + count <= PIECE_ITEMS {
            self.add(i, count, touch, |bytes| drop(bytes.splice(from..from, new.iter().copied())));
            return;
        }
        // What is behind the place goes into pieces of its own, and the new items before it.
        touch(self, self.pieces[i].number);
        let piece = &mut self.pieces[i];
        self.bytes -= piece.bytes.capacity();
        let tail = piece.bytes.split_off(from);
        let tail_count = piece.count - first;
        piece.count = first;
        self.bytes += piece.bytes.capacity();
        self.len -= tail_count;
        let mut pieces: Vec<Piece> = Vec::new();
        for item in items(new).chain(items(&tail)) {
            if pieces.last().is_none_or(|last| last.is_full(item)) {
                pieces.push(Piece { number: 0, count: 0, bytes: Vec::new() });
            }
            if let Some(last) = pieces.last_mut() {
                put_bytes(&mut last.bytes, item);
                last.count += 1;
            }
        }
        if first == 0 {
            self.bytes -= self.pieces[i].bytes.capacity();
            self.pieces.remove(i);
        }
        self.put_between(if first == 0 { i } else { i + 1 }, pieces, touch);
    }

    /// Puts pieces before the one at `i`.
    fn put_between(&mut self, i: usize, pieces: Vec<Piece>, touch: &mut Touch<'_>) {
        let wanted = pieces.len() as i64;
        let room = |list: &List| {
            let before = i.checked_sub(1).and_then(|i| list.pieces.get(i)).map(|piece| piece.number);
            let after = list.pieces.get(i).map(|piece| piece.number);
            let low = before.or(after.map(|after| after - (wanted + 1) * GAP)).unwrap_or(0);
            let high = after.unwrap_or(low + (wanted + 1) * GAP);
            (low, (high - low) / (wanted + 1))
        };
        let (mut low, mut step) = room(self);
        if step == 0 || !(-MAX_NUMBER..=MAX_NUMBER).contains(&low) {
            self.renumber(touch);
            (low, step) = room(self);
        }
        for (n, mut piece) in pieces.into_iter().enumerate() {
            piece.number = low + step * (n as i64 + 1);
            touch(self, piece.number);
            self.bytes += piece.bytes.capacity();
            self.len += piece.count;
            self.pieces.insert(i + n, piece);
        }
    }

    /// Gives all pieces numbers with room between them; far more than any insertion needs. Returns the last.
    fn renumber(&mut self, touch: &mut Touch<'_>) -> i64 {
        let numbers: Vec<_> = self.pieces.iter().map(|piece| piece.number).collect();
        numbers.into_iter().for_each(|number| touch(self, number));
        let first = -(self.pieces.len() as i64) / 2 * WIDE_GAP;
        (1..=self.pieces.len() as i64).for_each(|n| touch(self, first + n * WIDE_GAP));
        let mut number = first;
        for piece in &mut self.pieces {
            number += WIDE_GAP;
            piece.number = number;
        }
        number
    }

    /// What is kept of a piece: its items; `None` if there is none with this number.
    pub fn piece(&self, number: i64) -> Option<&[u8]> {
        let at = self.pieces.binary_search_by_key(&number, |piece| piece.number).ok()?;
        Some(&self.pieces[at].bytes)
    }

    /// The lowest number of a piece from this one on.
    pub fn number_from(&self, number: i64) -> Option<i64> {
        let at = self.pieces.partition_point(|piece| piece.number < number);
        self.pieces.get(at).map(|piece| piece.number)
    }

    /// Appends a piece that was kept; they come in the order of their numbers.
    pub fn load(&mut self, number: i64, bytes: &[u8]) {
        let piece = Piece { number, count: items(bytes).count(), bytes: bytes.to_vec() };
        self.len += piece.count;
        self.bytes += piece.bytes.capacity();
        self.pieces.push_back(piece);
    }

    /// Frees up to so many pieces of a list that nobody looks at any more.
    pub fn free_some(&mut self, pieces: usize) -> usize {
        let before = self.pieces.len();
        self.pieces.truncate(before.saturating_sub(pieces));
        before - self.pieces.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn numbers(list: &List) -> Vec<i64> {
        list.pieces.iter().map(|piece| piece.number).collect()
    }

    fn encoded(items: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        items.iter().for_each(|item| put_bytes(&mut out, item));
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn it_agrees_with_a_vector_and_tells_what_it_touches(
            steps in proptest::collection::vec((any::<u16>(), 0usize..30, 0usize..40, any::<u8>()), 0..120)
        ) {
            let (mut list, mut model) = (List::default(), Vec::<Vec<u8>>::new());
            // What the pieces are by what was told: exactly those that were not touched are as before.
            let mut kept: BTreeMap<i64, Vec<u8>> = BTreeMap::new();
            for (at, remove, insert, byte) in steps {
                let at = match byte % 4 { 0 => 0, 1 => model.len(), _ => usize::from(at) % (model.len() + 1) };
                let remove = remove.min(model.len() - at);
                let new: Vec<_> = (0..insert).map(|n| vec![byte; n * usize::from(byte) % 400]).collect();
                let mut touched = Vec::new();
                let removed = list.splice(at, remove, &encoded(&new), &mut |_, number| touched.push(number));
                let expected: Vec<_> = model.splice(at..at + remove, new).collect();
                prop_assert_eq!(removed, encoded(&expected));
                prop_assert_eq!(list.len(), model.len());
                prop_assert!(list.from(0).eq(model.iter().map(|item| &item[..])));
                for number in touched {
                    match list.piece(number) {
                        Some(bytes) => kept.insert(number, bytes.to_vec()),
                        None => kept.remove(&number),
                    };
                }
                let pieces: BTreeMap<_, _> =
                    numbers(&list).into_iter().map(|n| (n, list.piece(n).unwrap().to_vec())).collect();
                prop_assert_eq!(&pieces, &kept);
            }
            let at = model.len() / 3;
            prop_assert!(list.from(at).eq(model[at..].iter().map(|item| &item[..])));
            let mut each = Vec::new();
            list.each(at..model.len() - at / 2, |item| each.push(item.to_vec()));
            prop_assert_eq!(&each[..], &model[at..model.len() - at / 2]);
            prop_assert!(list.before(at).eq(model[..at].iter().rev().map(|item| &item[..])));
            let mut loaded = List::default();
            kept.iter().for_each(|(number, bytes)| loaded.load(*number, bytes));
            prop_assert!(loaded.from(0).eq(model.iter().map(|item| &item[..])) && loaded.len() == model.len());
            let capacity: usize = list.pieces.iter().map(|piece| piece.bytes.capacity()).sum();
            prop_assert_eq!(list.bytes, capacity);
        }
    }

    #[test]
    fn numbers_that_ran_out_are_given_anew() {
        let mut list = List::default();
        let item = vec![7; 1500];
        for n in 0..500 {
            // Always at the same place: between the same two neighbours.
            list.splice(list.len().min(3), 0, &encoded(std::slice::from_ref(&item)), &mut |_, _| ());
            assert_eq!(list.len(), n + 1);
        }
        assert!(numbers(&list).is_sorted());
    }
}
