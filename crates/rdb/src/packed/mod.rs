//! Small collections as one string: a listpack, a ziplist, a zipmap or an intset.

mod cursor;
pub(crate) mod intset;
pub(crate) mod listpack;
pub(crate) mod ziplist;
pub(crate) mod zipmap;

use crate::{Error, integer, score};

/// An element of a listpack or ziplist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element<'a> {
    /// Bytes as they are.
    Bytes(&'a [u8]),
    /// What is read as its decimal text.
    Integer(i64),
}

impl Element<'_> {
    /// Length of its text in bytes; at most 20 of an integer, for which this is what counts.
    pub(crate) fn len(&self) -> usize {
        match self {
            Element::Bytes(bytes) => bytes.len(),
            Element::Integer(value) => itoa::Buffer::new().format(*value).len(),
        }
    }

    /// Its text.
    pub(crate) fn to_vec(self) -> Vec<u8> {
        match self {
            Element::Bytes(bytes) => bytes.to_vec(),
            Element::Integer(value) => integer::text(value),
        }
    }

    /// The number it is, also if it is kept as text.
    pub(crate) fn integer(self) -> Option<i64> {
        match self {
            Element::Bytes(bytes) => integer::parse(bytes),
            Element::Integer(value) => Some(value),
        }
    }

    /// The score it is.
    pub(crate) fn score(self) -> Result<f64, Error> {
        match self {
            Element::Bytes(bytes) => score::parse(bytes),
            Element::Integer(value) => Ok(value as f64),
        }
    }
}
