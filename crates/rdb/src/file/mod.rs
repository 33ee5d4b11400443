//! Whole files: what `SAVE` writes and Redis loads when it starts.

mod check;
mod reader;
mod writer;

pub use check::check;
pub use reader::{FileError, Reader};
pub use writer::Writer;

use crate::Value;

/// What every file begins with; a version of four digits follows.
const MAGIC: &[u8; 5] = b"REDIS";
/// Milliseconds of a second.
const SECOND_MS: i64 = 1000;
/// The first version that ends with a checksum.
const SUMMED_SINCE: u16 = 5;

/// What a file has to say, in its order.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Something about the file: which version of Redis wrote it (`redis-ver`), when (`ctime`), and so on.
    Aux {
        /// Its name.
        name: Vec<u8>,
        /// What it says.
        value: Vec<u8>,
    },
    /// How many keys are about to come. A hint only: it may be wrong.
    Sizes {
        /// Keys of this keyspace.
        keyspace: u32,
        /// How many.
        keys: u64,
        /// How many of them expire.
        expiring: u64,
    },
    /// A key and its value. It may have expired already.
    Key(Box<Key>),
    /// A key whose value is an empty collection, which bugs of old versions left behind. It is no key: Redis
    /// drops it as well, and says how many there were.
    EmptyKey {
        /// Its keyspace.
        keyspace: u32,
        /// Its name.
        key: Vec<u8>,
    },
    /// A key whose value only a module can read, of the type of this name. The value was skipped.
    ModuleKey {
        /// Its keyspace.
        keyspace: u32,
        /// Its name.
        key: Vec<u8>,
        /// The name of its type.
        module: String,
    },
    /// The source of a library of functions.
    Function(Vec<u8>),
    /// A module of this name has data outside of keys. It was skipped, which loses it: Redis does not load
    /// such a file without the module.
    ModuleAux(String),
}

/// A key with all that a file says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The number of its keyspace, a database of Redis.
    pub keyspace: u32,
    /// Its name.
    pub key: Vec<u8>,
    /// When it expires, in Unix milliseconds.
    pub expires_ms: Option<i64>,
    /// Seconds since it was used, if the writer evicted the least recently used keys.
    pub idle_seconds: Option<u64>,
    /// How often it was used on the logarithmic scale of Redis, if the writer evicted the least frequently used.
    pub frequency: Option<u8>,
    /// What it holds.
    pub value: Value,
}
