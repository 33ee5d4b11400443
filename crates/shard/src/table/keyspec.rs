//! Where the keys of a command stand and what is done to them.

use std::ops::Range;

/// Positions of the keys: from `first` to `last` in steps of `step`. Of a command with
/// [`flag::MOVABLE_KEYS`](super::flag::MOVABLE_KEYS) only those that no argument can move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keys {
    /// Position of the first key; the command's name is 0. No keys: 0.
    pub first: i8,
    /// Position of the last key; negative counts from the end, -1 is the last argument.
    pub last: i8,
    /// Distance of two keys.
    pub step: i8,
}

impl Keys {
    /// A command without keys.
    pub const NONE: Keys = Keys { first: 0, last: 0, step: 0 };
    /// The first argument.
    pub const ONE: Keys = Keys { first: 1, last: 1, step: 1 };

    /// From the first key to behind the last one, in a call with `argc` arguments, the command's name
    /// among them.
    #[inline]
    pub(super) fn bounds(self, argc: usize) -> Range<usize> {
        let end = match self.last {
            last if last < 0 => (argc + 1).saturating_sub(usize::from(last.unsigned_abs())),
            last => argc.min(last as usize + 1),
        };
        let first = if self.first > 0 { self.first as usize } else { end };
        first..end.max(first)
    }

    /// Distance of two keys, at least 1.
    #[inline]
    pub(super) fn distance(self) -> usize {
        usize::from(self.step.unsigned_abs()).max(1)
    }
}

/// What is done to a key: bits of [`key_flag`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyFlags(pub u16);

/// The bits of [`KeyFlags`](super::KeyFlags).
pub mod key_flag {
    /// Read only.
    pub const RO: u16 = 1 << 0;
    /// Read and write: the new value may depend on the old one.
    pub const RW: u16 = 1 << 1;
    /// Overwrite: the new value does not depend on the old one.
    pub const OW: u16 = 1 << 2;
    /// Remove.
    pub const RM: u16 = 1 << 3;
    /// The value, or a part of it, is returned or copied.
    pub const ACCESS: u16 = 1 << 4;
    /// A value is changed.
    pub const UPDATE: u16 = 1 << 5;
    /// Data is added, nothing is changed.
    pub const INSERT: u16 = 1 << 6;
    /// Data is removed.
    pub const DELETE: u16 = 1 << 7;
    /// What is done depends on the arguments.
    pub const VARIABLE_FLAGS: u16 = 1 << 11;
}

const KEY_FLAG_NAMES: &[(u16, &str)] = &[
    (key_flag::RO, "RO"),
    (key_flag::RW, "RW"),
    (key_flag::OW, "OW"),
    (key_flag::RM, "RM"),
    (key_flag::ACCESS, "access"),
    (key_flag::UPDATE, "update"),
    (key_flag::INSERT, "insert"),
    (key_flag::DELETE, "delete"),
    (key_flag::VARIABLE_FLAGS, "variable_flags"),
];

impl KeyFlags {
    /// True if any of `bits` is set.
    pub const fn has(self, bits: u16) -> bool {
        self.0 & bits != 0
    }

    /// The names of the set flags in Redis's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        KEY_FLAG_NAMES.iter().filter(move |(bit, _)| self.has(*bit)).map(|(_, name)| *name)
    }
}

/// A word whose next argument is a key, like `STORE`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keyword {
    /// The word, in any case.
    pub word: &'static str,
    /// Position of the first argument that may be the word.
    pub from: i8,
    /// Options with the number of their values, which are never the word. If the word is among them the
    /// last one counts, as for a command that lets later options replace earlier ones; otherwise the first.
    pub options: &'static [(&'static str, u8)],
}

/// Where the search for keys begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begin {
    /// At this position; the command's name is 0.
    Index(i8),
    /// Behind a word.
    Keyword(Keyword),
    /// Behind a word that is not reported, because clients would have to know the options before it to find
    /// it: `STORE` of `SORT`.
    Hidden(Keyword),
    /// Nowhere: the names of the keys follow from data, like those of `BY` and `GET` of `SORT`.
    Unknown,
}

/// Which arguments are keys, from the beginning of the search on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Find {
    /// Up to a last one.
    Range {
        /// The last key: 0 or more, relative to the beginning; negative, from the end.
        last: i8,
        /// Distance of two keys.
        step: i8,
        /// 0, or 2 and more: only the first of so many parts of the arguments that are left.
        limit: i8,
    },
    /// As many as an argument says.
    Counted {
        /// The argument that says how many, relative to the beginning.
        count: i8,
        /// The first key, relative to the beginning.
        first: i8,
        /// Distance of two keys.
        step: i8,
    },
}

/// Some keys of a command and what is done to them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeySpec {
    /// What is done to the keys.
    pub flags: KeyFlags,
    /// Where the search for them begins.
    pub begin: Begin,
    /// Which arguments they are from there on.
    pub find: Find,
    /// A remark for people; may be empty.
    pub notes: &'static str,
}

impl KeySpec {
    /// One key at position `begin`.
    pub(super) const fn one(begin: i8, flags: u16) -> KeySpec {
        KeySpec::range(begin, 0, 1, flags)
    }

    /// Keys from `begin` to `last`, every `step`.
    pub(super) const fn range(begin: i8, last: i8, step: i8, flags: u16) -> KeySpec {
        let (begin, find) = (Begin::Index(begin), Find::Range { last, step, limit: 0 });
        KeySpec { flags: KeyFlags(flags), begin, find, notes: "" }
    }

    /// As many keys as the argument at `begin` says, from the next argument on.
    pub(super) const fn counted(begin: i8, flags: u16) -> KeySpec {
        let find = Find::Counted { count: 0, first: 1, step: 1 };
        KeySpec { find, ..KeySpec::one(begin, flags) }
    }

    /// The key behind a word.
    pub(super) const fn behind(word: Keyword, flags: u16) -> KeySpec {
        KeySpec { begin: Begin::Keyword(word), ..KeySpec::one(0, flags) }
    }

    /// The key behind a word that is not reported.
    pub(super) const fn hidden(word: Keyword, flags: u16) -> KeySpec {
        KeySpec { begin: Begin::Hidden(word), ..KeySpec::one(0, flags) }
    }

    /// Keys that follow from data.
    pub(super) const fn unknown(flags: u16) -> KeySpec {
        KeySpec { begin: Begin::Unknown, ..KeySpec::one(0, flags) }
    }

    /// Only the first `1 / limit` of the arguments that are left are keys.
    pub(super) const fn first_part(self, limit: i8) -> KeySpec {
        KeySpec { find: Find::Range { last: -1, step: 1, limit }, ..self }
    }

    /// The same with a remark.
    pub(super) const fn notes(self, notes: &'static str) -> KeySpec {
        KeySpec { notes, ..self }
    }
}
