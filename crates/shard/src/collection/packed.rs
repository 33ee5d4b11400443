//! Small collections: all elements one after the other in the value of a row.
//!
//! A byte of [`flag`]s, the number of elements (4 bytes, little-endian), and the elements: each its name with
//! the length before it, then its value: with the length before it in a hash, as 8 bytes in a sorted set, none
//! in a set and a list. In memory the scores of a sorted set are short ([`score`]), and a flag says so; whatever leaves
//! memory has them in 8 bytes ([`Packed::put_long`]), so that no other version of the program has to know. A sorted set is in the order of scores and members, any other in the order in which
//! elements came. A stream is never kept in this form, but passed on in it: what it says of itself is the value of
//! an element without a name, which comes first; its entries follow in the order of their ids.

use super::Limits;
use super::score::{self, compare_scored};
use model::row::kind;
use model::varint::{DecodeError, Reader, put_bytes};

/// Bytes before the first element.
pub(crate) const HEAD: usize = 5;

/// The bits of the first byte.
pub(crate) mod flag {
    /// A set that had a member which is no integer: Redis names its encoding so for good.
    pub const NOT_INTEGERS: u8 = 1;
    /// A sorted set in memory with short scores.
    pub const SHORT_SCORES: u8 = 2;
}

/// A small collection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packed<'a> {
    kind: u8,
    bytes: &'a [u8],
}

/// An element and where it is in the value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    pub name: &'a [u8],
    pub value: &'a [u8],
    pub start: usize,
    pub end: usize,
}

impl<'a> Packed<'a> {
    /// A collection in the value of a row of this kind; without bytes it has no elements.
    pub fn new(kind: u8, bytes: &'a [u8]) -> Packed<'a> {
        Packed { kind, bytes }
    }

    /// The flags.
    pub fn flags(self) -> u8 {
        self.bytes.first().copied().unwrap_or(0)
    }

    /// How its elements stand.
    #[inline]
    pub fn layout(self) -> Layout {
        match self.kind {
            kind::HASH | kind::STREAM => Layout::Bytes,
            kind::SORTED_SET if self.flags() & flag::SHORT_SCORES != 0 => Layout::Short,
            kind::SORTED_SET => Layout::Long,
            _ => Layout::None,
        }
    }

    /// Number of elements.
    pub fn len(self) -> usize {
        let count = self.bytes.get(1..HEAD).and_then(|bytes| bytes.try_into().ok());
        count.map_or(0, |bytes| u32::from_le_bytes(bytes) as usize)
    }

    /// The elements in their order.
    pub fn iter(self) -> Iter<'a> {
        Iter { layout: self.layout(), bytes: self.bytes, at: HEAD.min(self.bytes.len()) }
    }

    /// The element with a name.
    pub fn find(self, name: &[u8]) -> Option<Element<'a>> {
        self.iter().find(|element| element.name == name)
    }

    /// Where in a sorted set an element with this score and member belongs.
    pub fn place(self, score: f64, member: &[u8]) -> usize {
        let after = |element: &Element<'_>| {
            compare_scored((score::of(element.value), element.name), (score, member)).is_gt()
        };
        self.iter().find(after).map_or(self.bytes.len().max(HEAD), |element| element.start)
    }

    /// Whether it may stay in this form.
    pub fn fits(self, limits: &Limits) -> bool {
        let hash = self.kind == kind::HASH;
        let size = |e: Element<'_>| if hash { e.name.len().max(e.value.len()) } else { e.name.len() };
        let largest = self.iter().map(size).max().unwrap_or(0);
        let integers = self.flags() & flag::NOT_INTEGERS == 0;
        limits.allow(self.kind, integers, self.len(), largest, self.bytes.len())
    }

    /// Checks bytes that come from elsewhere: the number of elements is right and they fill the value.
    ///
    /// # Errors
    /// A value that is none of this kind.
    pub fn check(self) -> Result<(), DecodeError> {
        let bad = DecodeError::Malformed("collection");
        let mut r = Reader::new(self.bytes);
        r.take(HEAD).map_err(|_| bad)?;
        let (mut count, layout) = (0usize, self.layout());
        while !r.is_empty() {
            r.bytes()?;
            let value = layout.value(&mut r)?;
            if self.kind == kind::SORTED_SET && score::of(value).is_nan() {
                return Err(bad);
            }
            count += 1;
        }
        if count == self.len() { Ok(()) } else { Err(bad) }
    }

    /// Most bytes that [`Packed::put_long`] appends.
    pub fn max_long(self) -> usize {
        let more = if self.layout() == Layout::Short { self.len() * score::LONG } else { 0 };
        self.bytes.len() + more
    }

    /// Appends it as it leaves memory, without short scores.
    pub fn put_long(self, out: &mut Vec<u8>) {
        if self.layout() != Layout::Short {
            return out.extend_from_slice(self.bytes);
        }
        self.put_as(Layout::Long, self.flags() & !flag::SHORT_SCORES, out);
    }

    /// Appends it as it stands in memory.
    pub fn put_short(self, out: &mut Vec<u8>) {
        if self.layout() != Layout::Long || self.bytes.len() < HEAD {
            return out.extend_from_slice(self.bytes);
        }
        self.put_as(Layout::Short, self.flags() | flag::SHORT_SCORES, out);
    }

    fn put_as(self, layout: Layout, flags: u8, out: &mut Vec<u8>) {
        out.push(flags);
        out.extend_from_slice(self.bytes.get(1..HEAD).unwrap_or(&[0; HEAD - 1]));
        self.iter().for_each(|e| layout.put(out, e.name, e.value));
    }
}

/// How the values of elements stand behind their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// There are none.
    None,
    /// With the length before them.
    Bytes,
    /// Scores of 8 bytes.
    Long,
    /// Short scores.
    Short,
}

impl Layout {
    /// Takes the value of an element.
    #[inline]
    fn value<'a>(self, r: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
        match self {
            Layout::None => Ok(&[]),
            Layout::Bytes => r.bytes(),
            Layout::Long => r.take(score::LONG),
            Layout::Short => score::take_short(r),
        }
    }

    /// Appends an element; scores may be short or not.
    pub fn put(self, out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
        put_bytes(out, name);
        match self {
            Layout::None => {}
            Layout::Bytes => put_bytes(out, value),
            Layout::Long => out.extend_from_slice(&score::of(value).to_le_bytes()),
            Layout::Short => score::put_short(out, score::of(value)),
        }
    }
}

/// See [`Packed::iter`].
#[derive(Debug, Clone)]
pub(crate) struct Iter<'a> {
    layout: Layout,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        let start = self.at;
        let rest = self.bytes.get(start..)?;
        // What does not fit the format ends the walk; bytes from elsewhere were checked.
        let mut r = Reader::new(rest);
        let name = r.bytes().ok()?;
        let value = self.layout.value(&mut r).ok()?;
        self.at = start + rest.len() - r.rest().len();
        Some(Element { name, value, start, end: self.at })
    }
}

/// Appends an element as it stands in a collection of this kind outside of memory.
pub(crate) fn put_element(out: &mut Vec<u8>, kind: u8, name: &[u8], value: &[u8]) {
    Packed::new(kind, &[]).layout().put(out, name, value);
}

/// Makes the value of a collection from its elements, in their order.
#[derive(Debug)]
pub struct Builder {
    kind: u8,
    bytes: Vec<u8>,
    count: u32,
}

impl Builder {
    /// A collection of this kind (see [`model::row::kind`]) without elements.
    pub fn new(kind: u8) -> Builder {
        Builder { kind, bytes: vec![0; HEAD], count: 0 }
    }

    /// A set without members that Redis names as one with others than integers, whatever comes into it.
    pub fn not_of_integers() -> Builder {
        let mut builder = Builder::new(kind::SET);
        builder.bytes[0] = flag::NOT_INTEGERS;
        builder
    }

    /// Appends an element; for a sorted set they must come in order.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        if self.kind == kind::SET && crate::commands::integer::parse(name).is_none() {
            self.bytes[0] |= flag::NOT_INTEGERS;
        }
        put_element(&mut self.bytes, self.kind, name, value);
        self.count += 1;
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// True without elements.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The value.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes[1..HEAD].copy_from_slice(&self.count.to_le_bytes());
        self.bytes
    }
}

/// Changes the number of elements of a value by `more`.
pub(crate) fn count(bytes: &mut [u8], more: i64) {
    let old = Packed::new(0, bytes).len() as i64;
    if let Some(place) = bytes.get_mut(1..HEAD) {
        place.copy_from_slice(&((old + more) as u32).to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn elements_are_read_back_in_every_kind() {
        for kind in [kind::HASH, kind::SET, kind::LIST, kind::SORTED_SET, kind::STREAM] {
            let value = |n: u8| match kind {
                kind::HASH | kind::STREAM => vec![n; 3],
                kind::SORTED_SET => f64::from(n).to_le_bytes().to_vec(),
                _ => Vec::new(),
            };
            let mut builder = Builder::new(kind);
            (0..200).for_each(|n| builder.push(&[n], &value(n)));
            let bytes = builder.finish();
            let packed = Packed::new(kind, &bytes);
            assert_eq!((packed.len(), packed.check()), (200, Ok(())));
            assert!(packed.iter().map(|e| e.name[0]).eq(0..200));
            assert_eq!(packed.find(&[77]).map(|e| e.value.to_vec()), Some(value(77)));
            assert!(packed.find(&[201]).is_none());
            assert!(Packed::new(kind, &bytes[..bytes.len() - 1]).check().is_err());
        }
        assert_eq!(Packed::new(kind::SET, &[]).iter().count(), 0);
    }

    proptest! {
        #[test]
        fn scores_become_short_and_long_again(scores in proptest::collection::vec((any::<i32>(), any::<f64>()), 0..40)) {
            let mut builder = Builder::new(kind::SORTED_SET);
            for (at, (whole, double)) in scores.iter().enumerate() {
                let score = if at % 2 == 0 { f64::from(*whole >> at.min(31)) } else { *double };
                builder.push(format!("member {at}").as_bytes(), &score.to_le_bytes());
            }
            let bytes = builder.finish();
            let long = Packed::new(kind::SORTED_SET, &bytes);
            let (mut short, mut back, mut again) = (Vec::new(), Vec::new(), Vec::new());
            long.put_short(&mut short);
            let packed = Packed::new(kind::SORTED_SET, &short);
            prop_assert_eq!((packed.layout(), packed.len()), (Layout::Short, scores.len()));
            prop_assert_eq!(packed.check().is_ok(), long.check().is_ok());
            let read = |packed: Packed<'_>| -> Vec<_> {
                packed.iter().map(|e| (e.name.to_vec(), score::of(e.value).to_bits())).collect()
            };
            prop_assert_eq!(read(packed), read(long));
            packed.put_long(&mut back);
            prop_assert_eq!(&back, &bytes);
            prop_assert!(back.len() <= packed.max_long() && back.len() == long.max_long());
            packed.put_short(&mut again);
            prop_assert_eq!(again, short);
        }

        #[test]
        fn any_bytes_are_checked_and_walked(kind in 1u8..6, bytes: Vec<u8>) {
            let packed = Packed::new(kind, &bytes);
            let walked = packed.iter().count();
            if packed.check().is_ok() {
                prop_assert_eq!(walked, packed.len());
            }
        }
    }
}
