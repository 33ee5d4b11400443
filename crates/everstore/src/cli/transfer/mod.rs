//! Keys on their way: out of a Redis, a cluster or an RDB file, into a cluster or an RDB file.
//!
//! A value travels as the payload of `DUMP`, which all of them understand. It is encoded anew only where the
//! other side does not know its encoding.

pub mod batch;
pub mod cluster;
pub mod count;
pub mod file;
pub mod outfile;
pub mod peer;
mod pieces;
pub mod progress;
pub mod source;
pub mod target;
pub mod walk;

/// Unix milliseconds of this machine's clock.
pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
