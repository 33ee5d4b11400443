//! Finding the keys of a call.

use super::keyspec::{Begin, Find, KeySpec, Keyword};
use super::{Spec, flag};
use crate::commands::integer;
use std::ops::Range;

/// What a [`KeySpec`] finds in a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// Keys: every `step`th argument of the range. Never empty, and inside the call.
    Keys {
        /// Positions, from the first key to behind the last one.
        range: Range<usize>,
        /// Distance of two keys, at least 1.
        step: usize,
    },
    /// The call has none of these keys: the word before them is missing, or they follow from data.
    Absent,
    /// The call is wrong: the number of keys is none, or there are fewer arguments. Its handler says so.
    Wrong,
}

impl KeySpec {
    /// The keys of this spec in a call, the command's name first.
    pub fn find(&self, args: &[&[u8]]) -> Found {
        let begin = match self.begin {
            Begin::Index(at) => Some(usize::from(at.unsigned_abs())),
            Begin::Keyword(word) | Begin::Hidden(word) => word.value(args),
            Begin::Unknown => None,
        };
        begin.map_or(Found::Absent, |begin| self.find.from(begin, args).unwrap_or(Found::Wrong))
    }
}

impl Find {
    /// The keys if the search begins at `begin`; `None` if they are not all there.
    fn from(self, begin: usize, args: &[&[u8]]) -> Option<Found> {
        let argc = args.len();
        let (first, end, step) = match self {
            Find::Range { last, step, .. } if last >= 0 => (begin, begin + last as usize + 1, step),
            Find::Range { last, step, limit: 0 } => {
                (begin, (argc + 1).checked_sub(usize::from(last.unsigned_abs()))?, step)
            }
            Find::Range { step, limit, .. } => {
                (begin, begin + argc.checked_sub(begin)? / usize::from(limit.unsigned_abs()), step)
            }
            Find::Counted { count, first, step } => {
                let count = integer::parse(args.get(begin + count as usize)?)?;
                let count = usize::try_from(count).ok().filter(|count| (1..=argc).contains(count))?;
                let first = begin + first as usize;
                (first, first + (count - 1) * usize::from(step.unsigned_abs()) + 1, step)
            }
        };
        let step = usize::from(step.unsigned_abs()).max(1);
        (first < end && end <= argc).then_some(Found::Keys { range: first..end, step })
    }
}

impl Keyword {
    /// Position of the argument behind the word.
    fn value(&self, args: &[&[u8]]) -> Option<usize> {
        let mut found = None;
        let mut at = usize::from(self.from.unsigned_abs());
        while at + 1 < args.len() {
            let is = |word: &str| args[at].eq_ignore_ascii_case(word.as_bytes());
            let option = self.options.iter().find(|(word, _)| is(word));
            if is(self.word) {
                found = Some(at + 1);
                if option.is_none() {
                    break;
                }
            }
            at += 1 + option.map_or(0, |(_, values)| usize::from(*values));
        }
        found
    }
}

/// The positions of the keys of a call, see [`Spec::key_positions`].
#[derive(Clone, Debug)]
pub struct Positions<'a> {
    next: usize,
    end: usize,
    step: usize,
    /// What is still to be looked for. Empty but for commands whose keys move.
    rest: &'static [KeySpec],
    args: &'a [&'a [u8]],
}

impl Spec {
    /// The positions of the keys of a call, the command's name first. Of a call that is wrong, some or all
    /// may be missing: then its handler refuses it before it looks at any key, wherever it runs.
    #[inline]
    pub fn key_positions<'a>(&self, args: &'a [&'a [u8]]) -> Positions<'a> {
        if self.flags.has(flag::MOVABLE_KEYS) {
            return Positions { next: 0, end: 0, step: 1, rest: self.key_specs, args };
        }
        let Range { start, end } = self.keys.bounds(args.len());
        Positions { next: start, end, step: self.keys.distance(), rest: &[], args }
    }
}

impl Positions<'_> {
    /// Goes on to the next spec.
    #[cold]
    fn find_next(&mut self) {
        if let Some((spec, rest)) = self.rest.split_first() {
            self.rest = rest;
            if let Found::Keys { range, step } = spec.find(self.args) {
                (self.next, self.end, self.step) = (range.start, range.end, step);
            }
        }
    }
}

impl Iterator for Positions<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.next >= self.end {
            if self.rest.is_empty() {
                return None;
            }
            self.find_next();
        }
        let at = self.next;
        self.next += self.step;
        Some(at)
    }
}
