//! The log of a node: one for all Raft groups, so that one fdatasync makes the entries of all
//! shards durable at once. The format is described in `docs/formats/log.md`.
//!
//! A shard thread builds a [`Batch`] of items (entries, hard states, …); [`Log::append`] writes many
//! batches into the active segment and syncs once; [`LogThread`] does that beside the shard threads.
//! [`Log::open`] replays what is there, cuts a torn tail and reports damage. [`Log::free`] recycles
//! segments whose entries are no longer needed.

mod accounts;
mod active;
mod append;
mod batch;
mod error;
mod file;
mod handle;
mod item;
mod opening;
mod pieces;
mod record;
mod recover;
mod replay;
mod reserve;
mod segment;
mod thread;
mod trend;
mod writer;

pub use append::{Appended, Freed, Log, LogOptions};
pub use batch::{Batch, BatchBuilder};
pub use error::LogError;
pub use handle::{Done, DoneFn, LogHandle, LogStatus, MAX_QUEUED_BYTES, SubmitError};
pub use item::{Entry, HardState, Install};
pub use recover::{Cut, Damage, Recovery, Report};
pub use replay::GroupLog;
pub use reserve::{ReservePlan, Spare};
pub use thread::{LogThread, MAX_QUEUED};
pub use trend::{RecentSyncs, SyncTrend, TREND_SYNCS};

use model::limits::MAX_FRAME;

/// Default size of a segment file in bytes.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// The sync of batches that may wait ([`BatchBuilder::put_off`]) is put off by at most this long, ns: one sync
/// for several is what makes asynchronous replication cheap.
pub const MAX_PUT_OFF_NS: u64 = 4 * model::time::MS;
/// Smallest segment in bytes; only tests want one so small.
pub const MIN_SEGMENT_BYTES: u64 = 16 << 10;
/// Largest segment in bytes; offsets in it must fit 32 bits.
pub const MAX_SEGMENT_BYTES: u64 = 1 << 30;
/// Largest batch in bytes with its header, in segments of [`SEGMENT_BYTES`] or more: what one frame
/// of a peer can bring plus its items' headers.
pub const MAX_BATCH: u64 = MAX_FRAME as u64 + (1 << 20);
/// Most bytes of group states repeated at a segment's head (a quarter of a smaller segment).
pub const MAX_HEAD: u64 = 1 << 20;
/// Segments kept ready beyond the active one. With fewer the node must lead nothing and refuse
/// writes (safety rule 12).
pub const RESERVE_SEGMENTS: usize = 2;
/// Most unused segment files kept; further ones are deleted when they fall free.
pub const MAX_SPARE: usize = RESERVE_SEGMENTS + 2;

const _: () = assert!(MAX_BATCH >= MAX_FRAME as u64);
const _: () = assert!(segment::HEADER_BLOCK + MAX_HEAD + MAX_BATCH <= SEGMENT_BYTES);
