//! Whether the disk of a node's log lets it lead: judged by the node itself, told in its heartbeats.
//!
//! A slow disk is one whose latency stays far above that of the other nodes' disks. Compared and not
//! absolute: where all disks are slow, moving leadership helps nobody.

use model::time::MS;
use serde::{Deserialize, Serialize};

/// A disk is slow beyond so many times the median of the other nodes'.
pub const SLOW_FACTOR: u64 = 5;
/// No disk that makes a batch durable in less is slow, ns.
pub const SLOW_FLOOR_NS: u64 = 10 * MS;
/// A disk that was slow for so long without a break is unfit, ns. With detection and handing over,
/// leadership has moved within 3 s.
pub const SLOW_FOR_NS: u64 = 1_500 * MS;
/// A slow disk begins to be quick below so many times the median of the others, or below half of
/// [`SLOW_FLOOR_NS`]: far from where it became slow, so that leadership does not go to and fro.
pub const QUICK_FACTOR: u64 = 2;
/// A node whose disk was slow leads again so long after it began to be quick without being slow in
/// between, ns.
pub const QUICK_FOR_NS: u64 = 30_000 * MS;
/// A node whose disk was full leads again after there was room for so long, ns.
pub const ROOM_FOR_NS: u64 = 5_000 * MS;

/// What keeps a node from leading, from nothing to worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fitness {
    /// Nothing.
    #[default]
    Fit,
    /// Its disk makes batches durable far slower than the others'.
    Slow,
    /// Its log has no room for another segment.
    Full,
}

/// Judges the disk of a node from what is measured, with memory: what is unfit becomes fit slowly.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskJudge {
    slow: bool,
    /// Since when the contrary of `slow` counts, ns.
    contrary_ns: Option<u64>,
    /// When its log was last full, ns.
    full_ns: Option<u64>,
}

impl DiskJudge {
    /// Takes in what is measured at `now_ns`: whether the log is full, how long a batch takes to become
    /// durable here and on the nodes that are heard, in ns; 0 where that is not known.
    pub fn judge(&mut self, now_ns: u64, full: bool, own_ns: u64, others_ns: &mut Vec<u64>) -> Fitness {
        if full {
            self.full_ns = Some(now_ns);
        }
        others_ns.retain(|ns| *ns > 0);
        others_ns.sort_unstable();
        // Of two the higher: with one slow disk among them a majority waits for a slow one anyway.
        let median_ns = others_ns.get(others_ns.len() / 2).copied();
        self.judge_speed(now_ns, own_ns, median_ns);
        match self.full_ns {
            Some(at) if now_ns.saturating_sub(at) < ROOM_FOR_NS => Fitness::Full,
            _ if self.slow => Fitness::Slow,
            _ => Fitness::Fit,
        }
    }

    fn judge_speed(&mut self, now_ns: u64, own_ns: u64, median_ns: Option<u64>) {
        // With nobody to compare with, nobody could lead better.
        let median_ns = median_ns.unwrap_or(u64::MAX);
        let slow = own_ns > SLOW_FLOOR_NS && own_ns > median_ns.saturating_mul(SLOW_FACTOR);
        let quick = own_ns <= median_ns.saturating_mul(QUICK_FACTOR).max(SLOW_FLOOR_NS / 2);
        // What is neither goes on with what has begun.
        let counts = if self.slow { !slow && (quick || self.contrary_ns.is_some()) } else { slow };
        if !counts {
            self.contrary_ns = None;
            return;
        }
        let since_ns = *self.contrary_ns.get_or_insert(now_ns);
        let enough_ns = if self.slow { QUICK_FOR_NS } else { SLOW_FOR_NS };
        if now_ns.saturating_sub(since_ns) >= enough_ns {
            (self.slow, self.contrary_ns) = (!self.slow, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judges every 50 ms for so long; answers the last verdict and when it first was another than `from`.
    fn run(judge: &mut DiskJudge, at: &mut u64, ms: u64, own: u64, others: &[u64]) -> (Fitness, Option<u64>) {
        let begun = *at;
        let (mut first, mut last) = (None, judge.judge(*at, false, own, &mut others.to_vec()));
        let from = last;
        while *at < begun + ms * MS {
            *at += 50 * MS;
            last = judge.judge(*at, false, own, &mut others.to_vec());
            if last != from && first.is_none() {
                first = Some((*at - begun) / MS);
            }
        }
        (last, first)
    }

    #[test]
    fn a_disk_far_slower_than_the_others_is_unfit_soon_and_fit_late() {
        let (mut judge, mut at) = (DiskJudge::default(), 1);
        assert_eq!(
            run(&mut judge, &mut at, 5000, 9 * MS, &[MS, MS]),
            (Fitness::Fit, None),
            "below the floor"
        );
        assert_eq!(run(&mut judge, &mut at, 1400, 50 * MS, &[MS, MS]).0, Fitness::Fit, "not long enough");
        run(&mut judge, &mut at, 50, MS, &[MS, MS]);
        assert_eq!(run(&mut judge, &mut at, 3000, 50 * MS, &[MS, MS]), (Fitness::Slow, Some(1500)));
        run(&mut judge, &mut at, 29_000, MS, &[MS, MS]);
        run(&mut judge, &mut at, 50, 11 * MS, &[MS, MS]);
        assert_eq!(run(&mut judge, &mut at, 31_000, 9 * MS, &[MS, MS]).0, Fitness::Slow, "not quick yet");
        run(&mut judge, &mut at, 50, 2 * MS, &[MS, MS]);
        assert_eq!(run(&mut judge, &mut at, 31_000, 9 * MS, &[MS, MS]), (Fitness::Fit, Some(29_950)));
    }

    #[test]
    fn where_a_majority_is_slow_nobody_is() {
        let (mut judge, mut at) = (DiskJudge::default(), 1);
        assert_eq!(run(&mut judge, &mut at, 5000, 90 * MS, &[40 * MS, MS]), (Fitness::Fit, None));
        assert_eq!(
            run(&mut judge, &mut at, 5000, 90 * MS, &[0, 0]),
            (Fitness::Fit, None),
            "nothing is known"
        );
        assert_eq!(run(&mut judge, &mut at, 5000, 90 * MS, &[0, MS]).0, Fitness::Slow);
        assert_eq!(
            run(&mut judge, &mut at, 31_000, 90 * MS, &[0]).0,
            Fitness::Fit,
            "there is nobody quicker"
        );
    }

    #[test]
    fn a_full_disk_is_unfit_at_once_and_for_a_while_after() {
        let mut judge = DiskJudge::default();
        assert_eq!(judge.judge(MS, true, 0, &mut Vec::new()), Fitness::Full);
        assert_eq!(judge.judge(5000 * MS, false, 0, &mut Vec::new()), Fitness::Full);
        assert_eq!(judge.judge(5001 * MS, false, 0, &mut Vec::new()), Fitness::Fit);
    }
}
