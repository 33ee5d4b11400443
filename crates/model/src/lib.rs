//! The nouns every layer of Everstore shares: identifiers, slots and positions of keys, effects and
//! log entries, rows, the reply face of a front, and the limits that bound them.
//!
//! This crate does no I/O and depends on no other crate of the workspace.

pub mod change;
pub mod double;
pub mod effect;
pub mod entry;
pub mod eviction;
pub mod ids;
pub mod large;
pub mod limits;
pub mod planted;
pub mod position;
pub mod reply;
pub mod row;
pub mod slot;
pub mod time;
pub mod varint;

pub use eviction::Eviction;
pub use ids::{GroupId, Index, Keyspace, NodeId, ShardId, Term};
pub use position::{KeyHasher, Position};
pub use reply::Reply;
pub use slot::Slot;
pub use time::Now;
