//! Named bounds that more than one layer must agree on. A bound used by one layer lives there.

/// Keyspaces of a cluster (`SELECT 0` .. `SELECT 15`).
pub const KEYSPACES: u16 = 16;
/// Hash slots, as in Redis Cluster.
pub const SLOTS: u16 = 16384;
/// Longest key in bytes.
pub const MAX_KEY: usize = 64 * 1024;
/// Default and largest value in bytes until large values are cut into chunks.
pub const MAX_VALUE: usize = 8 * 1024 * 1024;
/// Most arguments of one command.
pub const MAX_ARGS: usize = 1024 * 1024;
/// Most bytes of effects in one Raft entry; a turn that has more proposes several entries.
/// Large enough for one command with a value of [`MAX_VALUE`] and its key.
pub const MAX_ENTRY: usize = 16 * 1024 * 1024;
/// Largest frame between two nodes in bytes.
pub const MAX_FRAME: usize = 32 * 1024 * 1024;

const _: () = assert!(MAX_VALUE + MAX_KEY < MAX_ENTRY);
const _: () = assert!(MAX_ENTRY < MAX_FRAME);
