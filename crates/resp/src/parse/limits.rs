//! What a connection may send.

use model::limits::{MAX_ARGS, MAX_KEY, MAX_VALUE};

/// Bounds of requests, in bytes unless said otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Longest bulk string (`proto-max-bulk-len`).
    pub max_bulk: usize,
    /// Longest inline command, and longest line with a length.
    pub max_inline: usize,
    /// Most arguments of a command.
    pub max_args: usize,
    /// Longest command as a whole, streamed bulk strings not counted; below 4 GiB.
    pub max_request: usize,
    /// Most arguments before AUTH.
    pub unauthenticated_args: usize,
    /// Longest bulk string before AUTH.
    pub unauthenticated_bulk: usize,
    /// A bulk string of at least this length that has not arrived whole is given in pieces
    /// ([`super::Parsed::BulkStart`]). `usize::MAX`: never.
    pub stream_from: usize,
}

impl Default for Limits {
    /// The largest value and a key beside it; Redis's own figures for the rest.
    fn default() -> Limits {
        Limits {
            max_bulk: MAX_VALUE + MAX_KEY,
            max_inline: 64 * 1024,
            max_args: MAX_ARGS,
            max_request: 256 * 1024 * 1024,
            unauthenticated_args: 10,
            unauthenticated_bulk: 16 * 1024,
            stream_from: usize::MAX,
        }
    }
}
