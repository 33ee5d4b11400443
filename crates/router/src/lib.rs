//! From keys to the shard that owns them and to the node that leads it.
//!
//! Knows no wire format of a front and no Raft: it keeps, per shard, the commands whose answers are
//! outstanding, sends them to the leader of the moment, and sends them again, under the same id, to
//! the next one. Pure: frames come and go as bytes, time is handed in.

pub mod forward;
pub mod request;
pub mod route;
pub mod wire;

pub use forward::{Forward, Target};
pub use request::{Flags, Request};
pub use route::{Overdue, Route};
