//! How long syncs take: a slow disk shows here before it fails.

use std::sync::atomic::{AtomicU64, Ordering};

/// The trend is over this many last syncs.
pub const TREND_SYNCS: usize = 1024;
/// The percentiles are computed anew after this many syncs.
const UPDATE_EVERY: u64 = 64;

/// Durations of the last [`TREND_SYNCS`] fdatasyncs in nanoseconds; readable from any thread.
#[derive(Debug, Default)]
pub struct SyncTrend {
    last: AtomicU64,
    p50: AtomicU64,
    p99: AtomicU64,
    count: AtomicU64,
}

impl SyncTrend {
    /// The last sync.
    pub fn last_ns(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    /// Half of the last syncs were at most this long. Updated every 64 syncs.
    pub fn p50_ns(&self) -> u64 {
        self.p50.load(Ordering::Relaxed)
    }

    /// 99 % of the last syncs were at most this long. Updated every 64 syncs.
    pub fn p99_ns(&self) -> u64 {
        self.p99.load(Ordering::Relaxed)
    }

    /// Syncs since start.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// The writing side of a trend.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    ring: Vec<u64>,
    sorted: Vec<u64>,
    count: u64,
}

impl Recorder {
    pub(super) fn record(&mut self, ns: u64, trend: &SyncTrend) {
        if self.ring.len() < TREND_SYNCS {
            self.ring.push(ns);
        } else {
            self.ring[self.count as usize % TREND_SYNCS] = ns;
        }
        self.count += 1;
        trend.last.store(ns, Ordering::Relaxed);
        trend.count.store(self.count, Ordering::Relaxed);
        if self.count == 1 || self.count.is_multiple_of(UPDATE_EVERY) {
            self.sorted.clone_from(&self.ring);
            self.sorted.sort_unstable();
            let at = |percent: usize| self.sorted[(self.sorted.len() * percent).div_ceil(100) - 1];
            trend.p50.store(at(50), Ordering::Relaxed);
            trend.p99.store(at(99), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_follow_the_last_syncs() {
        let (mut recorder, trend) = (Recorder::default(), SyncTrend::default());
        recorder.record(7, &trend);
        assert_eq!((trend.p50_ns(), trend.p99_ns()), (7, 7));
        (0..TREND_SYNCS as u64).for_each(|ns| recorder.record(1000 + ns, &trend));
        assert_eq!((trend.p50_ns(), trend.p99_ns()), (1510, 2012));
        (0..TREND_SYNCS).for_each(|_| recorder.record(5, &trend));
        assert_eq!((trend.p50_ns(), trend.p99_ns(), trend.last_ns(), trend.count()), (5, 5, 5, 2049));
    }
}
