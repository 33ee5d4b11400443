//! Redis's RDB format: values as `DUMP` and `RESTORE` carry them, and whole files.
//!
//! Reads what Redis 2 to 7.0 writes, and the two encodings that 7.2 added (RDB version 11); writes version 10,
//! as Redis 7.0. `docs/formats/rdb.md` says what is read and written.
//!
//! This crate does no I/O: files come from a `Read` and go to a `Write` of the caller. It depends on no other
//! crate of the workspace.
//!
//! Everything read is taken for the bytes of a stranger: a length is believed only as far as its bytes have
//! come, what a value may take is bounded ([`Limits`]), nothing panics, nothing recurses.

mod crc64;
mod dump;
mod error;
mod file;
mod input;
mod integer;
mod kind;
mod limits;
mod lzf;
mod output;
mod packed;
mod read;
mod score;
mod value;
mod write;

pub use dump::{FOOTER, dump, for_restore, restore, restore_within};
pub use error::Error;
pub use file::{FileError, Item, Key, Reader, Writer, check};
pub use limits::{ELEMENT_COST, Limits, STRING_MAX, VALUE_MAX};
pub use value::{Consumer, Entry, Group, Pending, Stream, StreamId, Value};

/// The version written, that of Redis 7.0.
pub const VERSION: u16 = 10;
/// The newest version of a file that is read, that of Redis 7.2.
pub const NEWEST_READ: u16 = 11;
