//! Row stores: one ordered set of rows per shard, changed only by atomic, durable, sorted batches.
//!
//! A checkpoint is one [`RowStore::ingest`]; between two checkpoints nothing changes on disk, so a row
//! store needs no log of its own. The storage layer knows no shards: a row is a key and a value in bytes.
//!
//! - [`lsm`] keeps trees on disk (engine: `lsm-tree`, by ingestion only).
//! - [`memory`] is the simulator's store: it models what a crash leaves behind and can injure rows.
//! - [`snapshot`] is the engine-neutral stream in which all rows of a store travel to another node.
//!
//! Invariant: an ingestion is seen completely or not at all, by readers and after a crash.
//! Invariant: damaged bytes are an error on read, never a wrong or a missing row.
//! Invariant: the id of a destroyed tree is never opened again.
//! Formats: `docs/formats/rows.md` and `docs/formats/snapshot.md`.

mod batch;
mod error;
pub mod lsm;
mod manifest;
pub mod memory;
pub mod snapshot;
mod store;

pub use batch::{MAX_ROW_KEY, MAX_ROW_VALUE};
pub use error::RowError;
pub use store::{Order, Row, RowBatch, RowIter, RowRange, RowStore, RowStores, RowUsage, RowView, Verified};
