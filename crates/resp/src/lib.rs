//! The Redis front's wire format and the commands that need no data: parsing requests, writing and
//! walking replies, merging the parts of a split command, the state of a connection, and the
//! connection and server commands against the [`host::Host`] trait.
//!
//! Texts and reply shapes are those of Redis 7.0.15, checked by golden files taken from it.

pub mod command;
pub mod command_stats;
pub mod decode;
pub mod encode;
pub mod gather;
mod glob;
pub mod host;
pub mod latency;
pub mod monitor;
pub mod parse;
pub mod session;
pub mod slowlog;
pub mod topology;

pub use command::{Call, Outcome, Refusal, admit, run};
pub use encode::{Proto, Resp};
pub use gather::Gather;
pub use host::Host;
pub use parse::{Limits, Parsed, Parser, ProtocolError};
pub use session::Session;
