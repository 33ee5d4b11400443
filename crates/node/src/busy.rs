//! How busy the shard thread is: the share of time in which it does not wait for something to do.
//!
//! The shell says how long it waited, with times that it reads anyhow; nothing is measured for it.

use model::time::MS;

/// A share is judged over this time, ns.
const WINDOW_NS: u64 = 5000 * MS;
/// A thread that is busier than this, in percent, is saturated: clients wait for it.
const SATURATED_PERCENT: u64 = 90;

/// The meter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Busy {
    /// When the window began, monotonic ns; 0 before the first one.
    began_ns: u64,
    /// Waited in it, ns.
    waited_ns: u64,
    /// Of the last whole window.
    percent: u32,
    /// Windows without a pause in which the thread was saturated, as a time, ns.
    saturated_ns: u64,
}

impl Busy {
    /// The thread has waited so long for something to do.
    pub(crate) fn waited(&mut self, ns: u64) {
        self.waited_ns += ns;
    }

    /// About a second has passed.
    pub(crate) fn each_second(&mut self, now_ns: u64) {
        let passed_ns = now_ns.saturating_sub(self.began_ns);
        if self.began_ns > 0 && passed_ns < WINDOW_NS {
            return;
        }
        if self.began_ns > 0 {
            let busy_ns = passed_ns.saturating_sub(self.waited_ns);
            self.percent = (busy_ns * 100 / passed_ns) as u32;
            let saturated = busy_ns * 100 > passed_ns * SATURATED_PERCENT;
            self.saturated_ns = if saturated { self.saturated_ns + passed_ns } else { 0 };
        }
        (self.began_ns, self.waited_ns) = (now_ns, 0);
    }

    /// Percent of the last whole window in which it was busy.
    pub(crate) fn percent(self) -> u32 {
        self.percent
    }

    /// For how long it has been saturated, ms; 0 if it is not.
    pub(crate) fn saturated_ms(self) -> u64 {
        self.saturated_ns / MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1000 * MS;

    #[test]
    fn the_share_is_that_of_the_last_window_and_saturation_lasts_until_one_with_a_rest() {
        let mut busy = Busy::default();
        let mut now_ns = 7 * S;
        let mut seconds = |busy: &mut Busy, n: u64, waited_ms: u64| {
            for _ in 0..n {
                now_ns += S;
                busy.waited(waited_ms * MS);
                busy.each_second(now_ns);
            }
        };
        busy.each_second(7 * S);
        seconds(&mut busy, 4, 750);
        assert_eq!(busy.percent(), 0, "no window is over");
        seconds(&mut busy, 1, 750);
        assert_eq!((busy.percent(), busy.saturated_ms()), (25, 0));
        seconds(&mut busy, 60, 90);
        assert_eq!((busy.percent(), busy.saturated_ms()), (91, 60_000));
        seconds(&mut busy, 5, 100);
        assert_eq!((busy.percent(), busy.saturated_ms()), (90, 0), "above 90 %, not from there on");
        // A thread that stands still for long is busy, however late it looks.
        busy.each_second(100_000 * S);
        assert_eq!(busy.percent(), 100);
    }
}
