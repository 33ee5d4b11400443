//! The core of a node: one shard thread's connections, routes and replicas as a state machine.
//!
//! The shell around it moves bytes: it calls `on_data`, `on_peer`, `log_done` and `job_done` with what
//! came in, `turn` once per pass, `flush` before it sends, and carries out what it finds in the
//! [`Outbox`]. The core itself reads no clock, no file and no socket, so that the simulator can run it.

pub mod again;
mod blocking;
mod checkpoints;
pub mod clock;
mod cluster_port;
mod cold;
pub mod compare;
pub mod conn;
pub mod core;
pub mod dispatch;
pub mod dividing;
mod early;
pub mod execute;
pub mod exposure;
pub mod farewell;
pub mod fates;
pub mod fitness;
pub mod frame;
pub mod freshness;
pub mod front;
pub mod handlers;
pub mod heard;
pub mod host;
pub mod info;
pub mod inspect;
pub mod internal;
mod large;
pub mod layouts;
pub mod leadership;
pub mod load;
mod lookahead;
pub mod losses;
mod map_news;
mod members;
mod memory;
pub mod modes;
pub mod monitor;
mod node_commands;
pub mod ops;
pub mod outbox;
pub mod ownership;
pub mod peer;
pub mod peers;
mod placing;
pub mod polls;
pub mod promises;
pub mod rebuild;
pub mod replica;
mod replica_reads;
mod scrub;
pub mod seats;
pub mod settings;
pub mod slow;
pub mod snapshots;
pub mod stats;
pub mod status;
mod throttle;
pub mod tick;
mod topology;
pub mod transaction;
pub mod turn;
pub mod wait;
mod witness;
mod zones;

pub use crate::core::Core;
pub use fitness::DiskState;
pub use inspect::{Inspect, Loads};
pub use memory::load_limit;
pub use outbox::{FetchJob, Job, JobDone, Outbox, Read};
pub use settings::{ConfigTable, Settings};
pub use shard::collection::Limits as CollectionLimits;
pub use stats::Gauges;
