//! Where the keys of a command stand and what is done to them.

/// Positions of the keys for the router: from `first` to `last` in steps of `step`.
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

    /// The positions of the keys of a call with `argc` arguments, the command's name among them.
    #[inline]
    pub fn positions(self, argc: usize) -> std::iter::StepBy<std::ops::Range<usize>> {
        let end = match self.last {
            last if last < 0 => (argc + 1).saturating_sub(usize::from(last.unsigned_abs())),
            last => argc.min(last as usize + 1),
        };
        let first = if self.first > 0 { self.first as usize } else { end };
        (first..end.max(first)).step_by(usize::from(self.step.unsigned_abs()).max(1))
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

/// One range of keys and what is done to them (Redis: begin search `index`, find keys `range`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeySpec {
    /// What is done to the keys.
    pub flags: KeyFlags,
    /// Position of the first key.
    pub begin: i8,
    /// Last key: 0 or more, relative to `begin`; negative, from the end.
    pub last: i8,
    /// Distance of two keys.
    pub step: i8,
    /// A remark for people; may be empty.
    pub notes: &'static str,
}

impl KeySpec {
    /// One key at position `begin`.
    pub(super) const fn one(begin: i8, flags: u16) -> KeySpec {
        KeySpec { flags: KeyFlags(flags), begin, last: 0, step: 1, notes: "" }
    }

    /// Keys from `begin` to `last`, every `step`.
    pub(super) const fn range(begin: i8, last: i8, step: i8, flags: u16) -> KeySpec {
        KeySpec { flags: KeyFlags(flags), begin, last, step, notes: "" }
    }

    /// The same with a remark.
    pub(super) const fn notes(self, notes: &'static str) -> KeySpec {
        KeySpec { notes, ..self }
    }

    /// The positions this range takes in a call with `argc` arguments.
    pub fn keys(&self) -> Keys {
        let last = if self.last < 0 { self.last } else { self.begin + self.last };
        Keys { first: self.begin, last, step: self.step }
    }
}
