//! Virtual time: the world's own, and what each machine's clocks make of it.
//!
//! The world's time is the only true one. A machine's monotonic clock runs a little fast or slow, within
//! [`MAX_RATE_PPM`]; its wall clock has an offset and may jump.

use env::Clock;
use model::Now;
use std::cell::Cell;
use std::rc::Rc;

/// Furthest a monotonic clock's rate is from the true one, in millionths. The margins of the lease allow
/// for more than ten times as much (`docs/reliability.md`).
pub const MAX_RATE_PPM: u64 = 2000;
/// The wall clock when a world begins, ms since 1970.
pub const WALL_START_MS: u64 = 1_700_000_000_000;
/// One second, one millisecond and one microsecond in ns.
pub const S: u64 = 1_000_000_000;
/// See [`S`].
pub const MS: u64 = 1_000_000;
/// See [`S`].
pub const US: u64 = 1_000;

/// The world's time in ns since it began. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Time(Rc<Cell<u64>>);

impl Time {
    /// Now.
    #[inline]
    pub fn ns(&self) -> u64 {
        self.0.get()
    }

    /// Moves on, never back.
    pub fn set(&self, ns: u64) {
        debug_assert!(ns >= self.0.get(), "time goes forward");
        self.0.set(ns);
    }
}

/// The clocks of a machine.
#[derive(Clone, Copy, Debug)]
pub struct MachineClock {
    /// How far the monotonic clock gains on the world's, in millionths; negative = it loses.
    pub rate_ppm: i64,
    /// Monotonic time when the world began, ns.
    pub start_ns: u64,
    /// The wall clock less the true one, ms.
    pub wall_off_ms: i64,
}

impl MachineClock {
    /// What the clocks show at a time of the world.
    pub fn at(&self, ns: u64) -> Reading {
        let gained = (ns as i128 * i128::from(self.rate_ppm) / 1_000_000) as i64;
        let wall_ms = (WALL_START_MS + ns / MS).saturating_add_signed(self.wall_off_ms);
        Reading(Now { mono_ns: (self.start_ns + ns).saturating_add_signed(gained), wall_ms })
    }

    /// A time of the world, not before `now_ns`, at which the monotonic clock shows at least `mono_ns`.
    pub fn when(&self, mono_ns: u64, now_ns: u64) -> u64 {
        let left = mono_ns.saturating_sub(self.at(now_ns).0.mono_ns);
        // A clock that loses takes a little longer; one too early is only woken once more.
        now_ns + left + left * MAX_RATE_PPM / (1_000_000 - MAX_RATE_PPM) + u64::from(left > 0)
    }
}

/// Clocks that stand still: what one look at them shows.
#[derive(Clone, Copy, Debug)]
pub struct Reading(pub Now);

impl Clock for Reading {
    fn mono_ns(&self) -> u64 {
        self.0.mono_ns
    }

    fn wall_ms(&self) -> u64 {
        self.0.wall_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_of_machines_differ_within_the_bound_and_when_finds_the_time() {
        let clock = MachineClock { rate_ppm: -2000, start_ns: 7, wall_off_ms: -50 };
        let Reading(now) = clock.at(S);
        assert_eq!(now.mono_ns, 7 + S - 2 * MS);
        assert_eq!(now.wall_ms, WALL_START_MS + 950);
        for ahead in [0, 1, 1000, 5 * MS, 10 * S] {
            let at = clock.when(now.mono_ns + ahead, S);
            assert!(clock.at(at).0.mono_ns + 1 >= now.mono_ns + ahead, "{ahead}");
            assert!(at <= S + ahead + ahead / 400 + 2);
        }
    }
}
