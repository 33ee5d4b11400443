//! How long syncs take: a slow disk shows here before it fails.

use model::time::MS;
use std::sync::atomic::{AtomicU64, Ordering};

/// The trend is over this many last syncs.
pub const TREND_SYNCS: usize = 1024;
/// The percentiles are computed anew after this many syncs.
const UPDATE_EVERY: u64 = 64;

/// The latency now is the median over this many last writes: one slow one says nothing.
const RECENT: usize = 5;
/// After this time without a sync nothing is known of the latency any more, ns.
const KNOWN_FOR_NS: u64 = 60_000 * MS;

/// How long a batch takes now from the beginning of its write to the end of its sync.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecentSyncs {
    last: [u64; RECENT],
    count: usize,
    ended_ns: u64,
}

impl RecentSyncs {
    /// A batch became durable at `now_ns`, `ns` after its write began.
    pub fn record(&mut self, ns: u64, now_ns: u64) {
        self.last[self.count % RECENT] = ns;
        self.count += 1;
        self.ended_ns = now_ns;
    }

    /// The median of the last ones in ns, 0 before the first.
    pub fn median_ns(&self) -> u64 {
        let mut sorted = self.last;
        let known = &mut sorted[..self.count.min(RECENT)];
        known.sort_unstable();
        known.get(known.len() / 2).copied().unwrap_or(0)
    }

    /// The latency as of `now_ns`, in ns, 0 if it is not known: that of the last ones, or of the one under
    /// way since `begun_ns` (0: none is) if that takes longer already.
    pub fn latency_ns(&self, begun_ns: u64, now_ns: u64) -> u64 {
        latency(self.median_ns(), self.ended_ns, begun_ns, now_ns)
    }
}

fn latency(median_ns: u64, ended_ns: u64, begun_ns: u64, now_ns: u64) -> u64 {
    let known = now_ns.saturating_sub(ended_ns) < KNOWN_FOR_NS;
    let under_way = if begun_ns == 0 { 0 } else { now_ns.saturating_sub(begun_ns) };
    under_way.max(if known { median_ns } else { 0 })
}

/// Durations of the last [`TREND_SYNCS`] fdatasyncs in nanoseconds; readable from any thread.
#[derive(Debug, Default)]
pub struct SyncTrend {
    last: AtomicU64,
    p50: AtomicU64,
    p99: AtomicU64,
    count: AtomicU64,
    recent: AtomicU64,
    ended: AtomicU64,
    begun: AtomicU64,
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

    /// How long a batch takes now until it is durable, in ns, as of `now_ns`; see
    /// [`RecentSyncs::latency_ns`].
    pub fn latency_ns(&self, now_ns: u64) -> u64 {
        let at = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        latency(at(&self.recent), at(&self.ended), at(&self.begun), now_ns)
    }

    /// A batch begins to be written.
    pub(super) fn begins(&self, now_ns: u64) {
        self.begun.store(now_ns, Ordering::Relaxed);
    }

    /// A sync begins, and the write before it has been told or did not count: it was put off.
    pub(super) fn begins_at_latest(&self, now_ns: u64) {
        let _ = self.begun.compare_exchange(0, now_ns, Ordering::Relaxed, Ordering::Relaxed);
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
    recent: RecentSyncs,
}

impl Recorder {
    /// A batch, whose beginning was told, is durable as of `now_ns`.
    pub(super) fn durable(&mut self, now_ns: u64, trend: &SyncTrend) {
        let begun_ns = trend.begun.swap(0, Ordering::Relaxed);
        self.recent.record(now_ns.saturating_sub(begun_ns), now_ns);
        trend.recent.store(self.recent.median_ns(), Ordering::Relaxed);
        trend.ended.store(now_ns, Ordering::Relaxed);
    }

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

    #[test]
    fn the_latency_now_ignores_one_slow_sync_and_counts_the_one_under_way() {
        let (mut recorder, trend) = (Recorder::default(), SyncTrend::default());
        assert_eq!(trend.latency_ns(1), 0, "nothing is known");
        for (begun, ended) in [(10, 12), (20, 22), (30, 90), (100, 103), (110, 112)] {
            trend.begins(begun);
            recorder.durable(ended, &trend);
        }
        assert_eq!(trend.latency_ns(112), 2);
        trend.begins(200);
        assert_eq!((trend.latency_ns(201), trend.latency_ns(700)), (2, 500));
        for at in 7..10 {
            trend.begins(at * 100);
            recorder.durable(at * 100 + 60, &trend);
        }
        assert_eq!(trend.latency_ns(1000), 60);
        assert_eq!(trend.latency_ns(1000 + KNOWN_FOR_NS), 0, "too long ago");
    }
}
