//! Whether a peer lives, judged by the silence since its last heartbeat, and how far its clock is off.
//!
//! This is evidence only: it never extends a lease and never lets a vote come early (safety rule 5).

pub mod fitness;
#[cfg(test)]
mod tests;
mod wall;

use model::time::MS;
use std::collections::VecDeque;

pub use fitness::{DiskJudge, Fitness};
pub use wall::{WallOffset, cluster_offset_ms};

/// How often a node sends a heartbeat to each peer, ns.
pub const HEARTBEAT_INTERVAL_NS: u64 = 20 * MS;
/// Intervals between heartbeats that are remembered.
pub const WINDOW: usize = 64;
/// Suspicion from which a peer is suspect: silence this long comes once in 10^3 intervals.
pub const SUSPECT: f64 = 3.0;
/// Suspicion from which a peer is unreachable: once in 10^8 intervals.
pub const UNREACHABLE: f64 = 8.0;
/// Upper end of the scale.
pub const MAX_SUSPICION: f64 = 100.0;
/// No shorter silence makes a peer unreachable, however regular it was, ns.
pub const MIN_SILENCE_NS: u64 = 100 * MS;
/// A peer whose shard thread made no turn for this long leads nothing well (`max-stall`), ns.
pub const MAX_STALL_NS: u64 = 500 * MS;
/// Spread assumed of even the most regular peer, so that one late heartbeat says little, ns.
const MIN_DEVIATION_NS: f64 = 10e6;
/// Longer intervals are outages, not habits; they are remembered as this, ns.
const MAX_INTERVAL_NS: u64 = 200 * MS;

/// What is thought of a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Health {
    /// Not heard from since this process started.
    NeverSeen,
    /// Heard from as usual.
    Up,
    /// Silent for longer than usual.
    Suspect,
    /// Its heartbeats come, but its shard thread stands still.
    Stalled {
        /// When that thread made its last turn, ns of this node's clock.
        since_ns: u64,
    },
    /// Silent for so long, or with such evidence, that it is taken for gone.
    Unreachable {
        /// When it was last heard from, ns of this node's clock.
        since_ns: u64,
    },
}

/// The failure detector of one peer (phi accrual, Hayashibara et al. 2004).
#[derive(Clone, Debug, Default)]
pub struct PeerHealth {
    last_ns: Option<u64>,
    intervals: VecDeque<u64>,
    /// A connection was refused after the last sign of life.
    refused: bool,
    /// Age of its thread's last turn, as said in its last heartbeat, ns.
    stall_ns: u64,
    wall: WallOffset,
}

impl PeerHealth {
    /// A peer that was not heard from yet.
    pub fn new() -> PeerHealth {
        PeerHealth::default()
    }

    /// A heartbeat came; `turn_age_ns` is what it says of its shard thread's last turn.
    pub fn heard(&mut self, now_ns: u64, turn_age_ns: u64) {
        // After evidence of death the gap tells how long it was away, nothing about its rhythm.
        if let Some(last) = self.last_ns.filter(|_| !self.refused) {
            let interval = now_ns.saturating_sub(last).min(MAX_INTERVAL_NS);
            if self.intervals.len() == WINDOW {
                self.intervals.pop_front();
            }
            self.intervals.push_back(interval);
        }
        self.last_ns = Some(self.last_ns.map_or(now_ns, |last| last.max(now_ns)));
        self.refused = false;
        self.stall_ns = turn_age_ns;
    }

    /// Its connection was reset and a new one refused: nobody listens there, the process is gone.
    /// Stands until it is heard from again.
    pub fn refused(&mut self) {
        self.refused = true;
    }

    /// The clock estimate of this peer, to be fed and asked.
    pub fn wall(&mut self) -> &mut WallOffset {
        &mut self.wall
    }

    /// How far its wall clock is ahead of this node's, ms; `None` before the first round trip.
    pub fn wall_offset_ms(&self) -> Option<i64> {
        self.wall.estimate_ms()
    }

    /// Minus the decimal logarithm of the chance that a living peer is silent for so long; 0 to
    /// [`MAX_SUSPICION`]. 0 for a peer that was never heard from: nothing is known of it.
    pub fn suspicion(&self, now_ns: u64) -> f64 {
        let Some(last) = self.last_ns else { return 0.0 };
        if self.refused {
            return MAX_SUSPICION;
        }
        let (mean, deviation) = self.rhythm();
        let silence = now_ns.saturating_sub(last) as f64;
        // Logistic approximation of the normal distribution's tail, as in Akka's detector.
        let y = (silence - mean) / deviation;
        let e = (-y * (1.5976 + 0.070566 * y * y)).exp();
        let later = if silence > mean { e / (1.0 + e) } else { 1.0 - 1.0 / (1.0 + e) };
        (-later.log10()).clamp(0.0, MAX_SUSPICION)
    }

    /// What is thought of the peer now.
    pub fn health(&self, now_ns: u64) -> Health {
        let Some(last) = self.last_ns else { return Health::NeverSeen };
        let silence = now_ns.saturating_sub(last);
        match self.suspicion(now_ns) {
            _ if self.refused => Health::Unreachable { since_ns: last },
            phi if phi >= UNREACHABLE && silence >= MIN_SILENCE_NS => Health::Unreachable { since_ns: last },
            phi if phi >= SUSPECT => Health::Suspect,
            _ if self.stall_ns > MAX_STALL_NS => {
                Health::Stalled { since_ns: last.saturating_sub(self.stall_ns) }
            }
            _ => Health::Up,
        }
    }

    /// When it was last heard from, ns of this node's clock.
    pub fn last_heard_ns(&self) -> Option<u64> {
        self.last_ns
    }

    /// Mean and deviation of the remembered intervals, ns, both with a floor: heartbeats that come
    /// in bunches must not make the next pause look long.
    fn rhythm(&self) -> (f64, f64) {
        let n = self.intervals.len().max(1) as f64;
        let mean = self.intervals.iter().sum::<u64>() as f64 / n;
        let square = |&interval: &u64| (interval as f64 - mean).powi(2);
        let variance = self.intervals.iter().map(square).sum::<f64>() / n;
        (mean.max(HEARTBEAT_INTERVAL_NS as f64), variance.sqrt().max(MIN_DEVIATION_NS))
    }
}
