//! Changes of a part of a collection: what [`crate::effect::Effect::Change`] carries.
//!
//! A hash, a set, a sorted set and a stream are elements with a name and a value: a set's values are empty, a
//! sorted set's are scores of 8 bytes (IEEE 754, little-endian), a stream's names are ids of 16 bytes.
//! A list is a sequence of items.

use crate::varint::{DecodeError, Reader, put_bytes, put_u64};

/// One change of a collection. A collection that is absent is as one without elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// The element with this name has this value.
    Put {
        /// Name of the element.
        name: &'a [u8],
        /// Its value.
        value: &'a [u8],
    },
    /// The element with this name, which exists, is gone.
    Remove {
        /// Name of the element.
        name: &'a [u8],
    },
    /// So many elements from this rank on are gone: of a sorted set in the order of scores, of a stream in
    /// that of ids. They exist.
    RemoveRanks {
        /// Rank of the first, from 0.
        from: u64,
        /// How many.
        count: u64,
    },
    /// In a list, so many items from this place on, which exist, are replaced by others.
    Splice {
        /// Place of the first item, from 0 to the length of the list.
        at: u64,
        /// Items that go.
        remove: u64,
        /// Items that come, each with its length before it ([`put_bytes`]).
        items: &'a [u8],
    },
    /// Items of a list that equal this one are gone: so many of them, from the end if negative; 0 = all.
    RemoveEqual {
        /// How many.
        count: i64,
        /// The item.
        item: &'a [u8],
    },
    /// What a stream says of itself beside its entries.
    About {
        /// Encoded by whoever executes commands on streams.
        bytes: &'a [u8],
    },
    /// Several elements have these values, one after the other.
    PutSeveral {
        /// Name and value of each, both with their lengths before them ([`put_pair`]).
        elements: &'a [u8],
    },
    /// Several elements, which exist, are gone.
    RemoveSeveral {
        /// Their names, each with its length before it ([`put_bytes`]).
        names: &'a [u8],
    },
    /// An entry of a stream has this value, and the stream says this of itself from then on.
    PutAbout {
        /// Name of the entry.
        name: &'a [u8],
        /// Its value.
        value: &'a [u8],
        /// As of [`Change::About`].
        about: &'a [u8],
    },
}

/// Appends an element of [`Change::PutSeveral`].
pub fn put_pair(elements: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    put_bytes(elements, name);
    put_bytes(elements, value);
}

/// The elements of [`Change::PutSeveral`]; an error is the last one.
pub fn pairs(elements: &[u8]) -> impl Iterator<Item = Result<(&[u8], &[u8]), DecodeError>> {
    each(elements, |r| Ok((r.bytes()?, r.bytes()?)))
}

/// The names of [`Change::RemoveSeveral`]; an error is the last one.
pub fn names(bytes: &[u8]) -> impl Iterator<Item = Result<&[u8], DecodeError>> {
    each(bytes, Reader::bytes)
}

fn each<'a, T>(
    bytes: &'a [u8],
    read: impl Fn(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> impl Iterator<Item = Result<T, DecodeError>> {
    let mut r = Reader::new(bytes);
    std::iter::from_fn(move || {
        let next = (!r.is_empty()).then(|| read(&mut r));
        if matches!(next, Some(Err(_))) {
            r = Reader::new(&[]);
        }
        next
    })
}

const PUT: u8 = 1;
const REMOVE: u8 = 2;
const REMOVE_RANKS: u8 = 3;
const SPLICE: u8 = 4;
const REMOVE_EQUAL: u8 = 5;
const ABOUT: u8 = 6;
const PUT_SEVERAL: u8 = 7;
const REMOVE_SEVERAL: u8 = 8;
const PUT_ABOUT: u8 = 9;

impl<'a> Change<'a> {
    /// Appends the encoded change.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Change::Put { name, value } => {
                out.push(PUT);
                put_bytes(out, name);
                put_bytes(out, value);
            }
            Change::Remove { name } => {
                out.push(REMOVE);
                put_bytes(out, name);
            }
            Change::RemoveRanks { from, count } => {
                out.push(REMOVE_RANKS);
                put_u64(out, from);
                put_u64(out, count);
            }
            Change::Splice { at, remove, items } => {
                out.push(SPLICE);
                put_u64(out, at);
                put_u64(out, remove);
                put_bytes(out, items);
            }
            Change::RemoveEqual { count, item } => {
                out.push(REMOVE_EQUAL);
                put_u64(out, (count << 1 ^ count >> 63) as u64);
                put_bytes(out, item);
            }
            Change::About { bytes } => {
                out.push(ABOUT);
                put_bytes(out, bytes);
            }
            Change::PutSeveral { elements } => {
                out.push(PUT_SEVERAL);
                put_bytes(out, elements);
            }
            Change::RemoveSeveral { names } => {
                out.push(REMOVE_SEVERAL);
                put_bytes(out, names);
            }
            Change::PutAbout { name, value, about } => {
                out.push(PUT_ABOUT);
                put_bytes(out, name);
                put_bytes(out, value);
                put_bytes(out, about);
            }
        }
    }

    /// Bytes of the largest name or value that it brings. 0 for items of a list, which are here together: commands check
    /// them.
    pub fn largest(&self) -> usize {
        match *self {
            Change::Put { name, value } => name.len().max(value.len()),
            Change::PutSeveral { elements } => {
                let sizes = pairs(elements).flatten().map(|(name, value)| name.len().max(value.len()));
                sizes.max().unwrap_or(0)
            }
            Change::About { bytes } => bytes.len(),
            Change::PutAbout { name, value, about } => name.len().max(value.len()).max(about.len()),
            Change::Splice { .. }
            | Change::Remove { .. }
            | Change::RemoveRanks { .. }
            | Change::RemoveEqual { .. }
            | Change::RemoveSeveral { .. } => 0,
        }
    }

    /// Reads the next change.
    ///
    /// # Errors
    /// An unknown tag, or an input that ends inside the change.
    pub fn decode(r: &mut Reader<'a>) -> Result<Change<'a>, DecodeError> {
        Ok(match r.u8()? {
            PUT => Change::Put { name: r.bytes()?, value: r.bytes()? },
            REMOVE => Change::Remove { name: r.bytes()? },
            REMOVE_RANKS => Change::RemoveRanks { from: r.u64()?, count: r.u64()? },
            SPLICE => Change::Splice { at: r.u64()?, remove: r.u64()?, items: r.bytes()? },
            REMOVE_EQUAL => {
                let count = r.u64()?;
                let count = (count >> 1) as i64 ^ -((count & 1) as i64);
                Change::RemoveEqual { count, item: r.bytes()? }
            }
            ABOUT => Change::About { bytes: r.bytes()? },
            PUT_SEVERAL => Change::PutSeveral { elements: r.bytes()? },
            REMOVE_SEVERAL => Change::RemoveSeveral { names: r.bytes()? },
            PUT_ABOUT => Change::PutAbout { name: r.bytes()?, value: r.bytes()?, about: r.bytes()? },
            _ => return Err(DecodeError::Malformed("change")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_change_round_trips(name: Vec<u8>, value: Vec<u8>, a: u64, b: u64, count: i64) {
            for change in [
                Change::Put { name: &name, value: &value },
                Change::Remove { name: &name },
                Change::RemoveRanks { from: a, count: b },
                Change::Splice { at: a, remove: b, items: &value },
                Change::RemoveEqual { count, item: &value },
                Change::About { bytes: &value },
                Change::PutSeveral { elements: &value },
                Change::RemoveSeveral { names: &value },
                Change::PutAbout { name: &name, value: &value, about: &name },
            ] {
                let mut out = Vec::new();
                change.encode(&mut out);
                let mut r = Reader::new(&out);
                prop_assert_eq!(Change::decode(&mut r), Ok(change));
                prop_assert!(r.is_empty());
            }
        }

        #[test]
        fn elements_are_read_as_they_were_put(elements: Vec<(Vec<u8>, Vec<u8>)>, cut: usize) {
            let mut bytes = Vec::new();
            elements.iter().for_each(|(name, value)| put_pair(&mut bytes, name, value));
            let read: Result<Vec<_>, _> = pairs(&bytes).collect();
            let read = read.expect("what was written");
            prop_assert!(read.iter().copied().eq(elements.iter().map(|(name, value)| (&name[..], &value[..]))));
            prop_assert_eq!(names(&bytes).count(), 2 * elements.len());
            let part = &bytes[..cut % (bytes.len() + 1)];
            prop_assert!(pairs(part).count() <= elements.len());
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes: Vec<u8>) {
            let mut r = Reader::new(&bytes);
            while !r.is_empty() && Change::decode(&mut r).is_ok() {}
        }
    }
}
