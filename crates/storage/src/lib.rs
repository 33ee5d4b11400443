//! What a node keeps on disk: one log shared by all Raft groups, and one row store per shard.
//!
//! Invariant: nothing here knows shards or commands. Entries are opaque bytes of a group, rows are
//! ordered keys with values. All access to the operating system goes through `env`.

pub mod log;
pub mod rows;
