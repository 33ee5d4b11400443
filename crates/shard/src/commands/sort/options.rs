//! The options of SORT.

use super::super::integer;
use super::order::Sorted;
use super::pattern::{Get, Pattern};
use crate::data::Stop;
use model::row::kind;
use std::ops::Range;

/// What a call asks for.
#[derive(Debug, Default)]
pub(super) struct Options<'a> {
    /// The last BY, if it names other keys.
    by: Option<Pattern<'a>>,
    /// A BY that names no other key: elements stay as they are.
    as_they_are: bool,
    alpha: bool,
    pub descending: bool,
    /// Offset and count of LIMIT.
    limit: Option<(i64, i64)>,
    pub gets: Vec<Get<'a>>,
    pub store: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    /// Reads the arguments after the key. `spread`: other keys may live in other shards.
    pub fn parse(args: &[&'a [u8]], may_store: bool, spread: bool) -> Result<Options<'a>, Stop> {
        let mut options = Options::default();
        let mut rest = args;
        while let [word, after @ ..] = rest {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            rest = match after {
                _ if is("asc") || is("desc") => {
                    options.descending = is("desc");
                    after
                }
                _ if is("alpha") => {
                    options.alpha = true;
                    after
                }
                [offset, count, after @ ..] if is("limit") => {
                    options.limit = Some((integer::argument(offset)?, integer::argument(count)?));
                    after
                }
                [key, after @ ..] if is("store") && may_store => {
                    options.store = Some(key);
                    after
                }
                [pattern, after @ ..] if is("by") => {
                    options.by(pattern, spread)?;
                    after
                }
                [pattern, after @ ..] if is("get") => {
                    options.get(pattern, spread)?;
                    after
                }
                _ => return Err(Stop::SYNTAX),
            };
        }
        Ok(options)
    }

    fn by(&mut self, text: &'a [u8], spread: bool) -> Result<(), Stop> {
        self.by = Pattern::parse(text);
        if self.by.is_none() {
            // For good, as in Redis, even if another BY follows.
            self.as_they_are = true;
        } else if spread {
            return Err(Stop::error("ERR BY option of SORT denied in cluster mode."));
        }
        Ok(())
    }

    fn get(&mut self, text: &'a [u8], spread: bool) -> Result<(), Stop> {
        let get = Get::parse(text);
        if spread && matches!(get, Get::Other(_)) {
            return Err(Stop::error("ERR GET option of SORT denied in cluster mode."));
        }
        self.gets.push(get);
        Ok(())
    }

    /// By what a collection of this kind is sorted.
    pub fn sorted(&self, kind: u8) -> Sorted<'_> {
        match self.by {
            // A set has no order of its own: what is stored is to be the same whoever stores it.
            _ if self.as_they_are && kind == kind::SET && self.store.is_some() => Sorted::Text(None),
            _ if self.as_they_are => Sorted::No,
            by if self.alpha => Sorted::Text(by),
            by => Sorted::Number(by),
        }
    }

    /// The places of the result in the sorted collection of `len` elements.
    pub fn range(&self, len: usize) -> Range<usize> {
        let (offset, count) = self.limit.unwrap_or((0, -1));
        let start = usize::try_from(offset).unwrap_or(0).min(len);
        let count = usize::try_from(count).unwrap_or(len).min(len - start);
        start..start + count
    }
}
