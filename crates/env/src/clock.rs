//! The two clocks, real and settable by hand.

use crate::sys;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Reads the time. The core never does: it gets the time handed in with every turn.
pub trait Clock: Send + Sync {
    /// Nanoseconds of a clock that never jumps and runs during suspend (`CLOCK_BOOTTIME`).
    fn mono_ns(&self) -> u64;
    /// Milliseconds since 1970, UTC. May jump.
    fn wall_ms(&self) -> u64;
}

/// The clocks of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealClock;

impl Clock for RealClock {
    fn mono_ns(&self) -> u64 {
        sys::boottime_ns()
    }

    fn wall_ms(&self) -> u64 {
        // A clock before 1970 is unset; 0 is as wrong as any other answer and cannot fail.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
    }
}

/// A clock that stands still until it is moved. Clones share the time.
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    ns: Arc<AtomicU64>,
    wall_start_ms: u64,
}

impl ManualClock {
    /// A clock at 0 ns whose wall time starts at `wall_ms`.
    pub fn new(wall_ms: u64) -> ManualClock {
        ManualClock { ns: Arc::default(), wall_start_ms: wall_ms }
    }

    /// Moves both clocks forward by `ns` nanoseconds.
    pub fn advance(&self, ns: u64) {
        self.ns.fetch_add(ns, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn mono_ns(&self) -> u64 {
        self.ns.load(Ordering::SeqCst)
    }

    fn wall_ms(&self) -> u64 {
        self.wall_start_ms + self.mono_ns() / 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_clock_does_not_go_back_and_manual_clock_moves_by_hand() {
        let (a, b) = (RealClock.mono_ns(), RealClock.mono_ns());
        assert!(a > 0 && b >= a);
        assert!(RealClock.wall_ms() > 1_600_000_000_000);
        let clock = ManualClock::new(5);
        clock.clone().advance(3_000_000);
        assert_eq!((clock.mono_ns(), clock.wall_ms()), (3_000_000, 8));
    }
}
