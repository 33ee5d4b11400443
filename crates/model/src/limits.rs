//! Named bounds that more than one layer must agree on. A bound used by one layer lives there.

use crate::ids::Keyspace;

/// Keyspaces of a cluster (`SELECT 0` .. `SELECT 15`).
pub const KEYSPACES: u16 = 16;
/// Keyspaces with the hidden one, [`CHUNKS`].
pub const SPACES: u16 = KEYSPACES + 1;
/// The keyspace of the chunks of large values: no client can select it, it is always spread and synchronous.
pub const CHUNKS: Keyspace = Keyspace(KEYSPACES);
/// Bytes of each chunk of a large value but its last, which may be shorter.
pub const CHUNK: usize = 1024 * 1024;
/// Longest large value in bytes: 16 TiB.
pub const MAX_LARGE: u64 = 1 << 44;
/// Hash slots, as in Redis Cluster.
pub const SLOTS: u16 = 16384;
/// Longest key in bytes. The row store has 16 bits for the length of a row's name, which holds the
/// key with each zero byte doubled and 41 bytes beside it.
pub const MAX_KEY: usize = 32_000;
/// Default and largest value in bytes of what is not cut into chunks.
pub const MAX_VALUE: usize = 8 * 1024 * 1024;
/// Most arguments of one command.
pub const MAX_ARGS: usize = 1024 * 1024;
/// Most bytes of effects in one Raft entry; a turn that has more proposes several entries.
/// Large enough for one command with a value of [`MAX_VALUE`] and its key.
pub const MAX_ENTRY: usize = 16 * 1024 * 1024;
/// Most bytes of effects of one command: with those of the commands before it they fit one entry.
pub const MAX_EFFECTS: usize = MAX_ENTRY - 4 * 1024 * 1024;
/// Largest frame between two nodes in bytes.
pub const MAX_FRAME: usize = 32 * 1024 * 1024;

const _: () = assert!(CHUNK < MAX_VALUE && SPACES <= 32);
const _: () = assert!(MAX_VALUE + MAX_KEY < MAX_ENTRY);
const _: () = assert!(MAX_ENTRY < MAX_FRAME);
const _: () = assert!(2 * MAX_KEY + 17 + 24 < 65_536);
