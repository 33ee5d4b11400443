//! Time as the core sees it: handed in with every turn, never read.

/// The two clocks at the start of a turn.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Now {
    /// Nanoseconds of a clock that never jumps and runs during suspend. For timeouts and leases.
    pub mono_ns: u64,
    /// Milliseconds since 1970, UTC; may jump. Only input to shard time and to messages for people.
    pub wall_ms: u64,
}

impl Now {
    /// Whole milliseconds of the monotonic clock.
    pub fn mono_ms(self) -> u64 {
        self.mono_ns / 1_000_000
    }
}

/// One millisecond in nanoseconds.
pub const MS: u64 = 1_000_000;
