//! All rows of a store as a stream of chunks, independent of the engine: for a replica that is too far
//! behind, and for backups. Format: `docs/formats/snapshot.md`.
//!
//! The sender reads from one [`super::RowView`], so the stream is one moment of the store, and cutting it
//! into chunks is a pure function of the rows. So it resumes by number: the receiver names the next chunk
//! it needs, the sender makes the stream again up to there.
//! The receiver stages the rows in a new tree, which holds the [`STAGING_KEY`] row until it is complete.

mod chunk;
mod encoder;
mod ingest;

pub use chunk::{CHUNK_BYTES, MAX_CHUNK};
pub use encoder::SnapshotEncoder;
pub use ingest::{Added, STAGE_BYTES, STAGING_KEY, SnapshotIngest, Staged, staged};

#[cfg(test)]
mod tests;
