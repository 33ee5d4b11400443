//! One shard's state machine: executes commands on the leader, applies effects everywhere.
//!
//! Knows no wire format, no Raft and no storage engine; does no I/O.

pub mod checkpoint;
pub mod collection;
pub mod commands;
pub mod data;
pub mod machine;
pub mod row;
pub mod space;
pub mod table;
pub mod undo;
pub mod window;

pub use data::{Context, Data, Stop};
pub use machine::{Machine, Outcome};
