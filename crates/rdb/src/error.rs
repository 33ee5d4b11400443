//! Why bytes are refused, or could not be written.

use std::io;

/// An error of reading or writing. Nothing of the value or file in question is to be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's `Read` or `Write` failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The input is over too early.
    #[error("the input ends inside {0}")]
    Ended(&'static str),
    /// Something that no version of Redis writes, or damage.
    #[error("malformed {what}: {why}")]
    Malformed {
        /// Which part of the format.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Not an RDB file at all.
    #[error("not an RDB file: it begins with {found:?}, expected REDIS and a version of four digits")]
    Magic {
        /// The first nine bytes, escaped.
        found: String,
    },
    /// Written by another version than can be read.
    #[error("RDB version {found}, allowed are 1 to {newest}")]
    Version {
        /// The version found.
        found: u16,
        /// The newest allowed.
        newest: u16,
    },
    /// What was read is not what was written.
    #[error("wrong CRC64 {found:016x}, computed {computed:016x}")]
    Checksum {
        /// The checksum in the input.
        found: u64,
        /// The checksum of the input.
        computed: u64,
    },
    /// A payload shorter than its version and checksum.
    #[error("a DUMP payload of {0} bytes is shorter than its version and checksum (10 bytes)")]
    NoFooter(usize),
    /// Bytes behind the value.
    #[error("{0} bytes behind the value")]
    Trailing(usize),
    /// A type of value, or an opcode, that is not known.
    #[error("unknown type of value or opcode {0}")]
    Kind(u8),
    /// A value of a module.
    #[error("a value of the module type {0:?}: modules are not supported")]
    Module(String),
    /// A function as the release candidates of Redis 7.0 wrote them.
    #[error("functions in the format before the release of Redis 7.0 are not supported")]
    PreReleaseFunction,
    /// A longer string than allowed.
    #[error("a string of {bytes} bytes, at most {max} allowed")]
    StringTooLong {
        /// Its length.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// A larger value than allowed.
    #[error("a value takes more than the {max} bytes allowed (each element counts its bytes and 32)")]
    ValueTooLarge {
        /// The limit.
        max: u64,
    },
    /// The same member or field twice in one value.
    #[error("the same {0} twice in one value")]
    Duplicate(&'static str),
    /// A collection without elements, which Redis does not keep.
    #[error("an empty {0}")]
    Empty(&'static str),
    /// A keyspace number that is too large.
    #[error("keyspace number {0}, at most 4294967295 allowed")]
    Keyspace(u64),
}

impl Error {
    /// True if a payload's version or checksum is wrong: what Redis answers with
    /// `ERR DUMP payload version or checksum are wrong`; everything else with `ERR Bad data format`.
    pub fn is_version_or_checksum(&self) -> bool {
        matches!(self, Error::Version { .. } | Error::Checksum { .. } | Error::NoFooter(_))
    }
}

/// An [`Error::Malformed`].
pub(crate) fn malformed(what: &'static str, why: &'static str) -> Error {
    Error::Malformed { what, why }
}
