//! How far the wall clocks of the nodes are apart.

use std::collections::VecDeque;

/// Round trips that are remembered.
const SAMPLES: usize = 16;

/// The distance of one peer's wall clock, from the fastest of the last round trips.
#[derive(Clone, Debug, Default)]
pub struct WallOffset {
    /// Round trip in ns, offset in ms.
    samples: VecDeque<(u64, i64)>,
}

impl WallOffset {
    /// A heartbeat of the peer said that its wall clock shows `peer_wall_ms`; it came when this
    /// node's showed `own_wall_ms`, and a round trip takes `rtt_ns`.
    pub fn sample(&mut self, own_wall_ms: u64, peer_wall_ms: u64, rtt_ns: u64) {
        let way_ms = i128::from(rtt_ns / 2_000_000);
        let offset = i128::from(peer_wall_ms) + way_ms - i128::from(own_wall_ms);
        let offset = offset.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back((rtt_ns, offset));
    }

    /// How far the peer's clock is ahead, ms.
    pub fn estimate_ms(&self) -> Option<i64> {
        // Of equally fast ones the last: it is the newest.
        self.samples.iter().rev().min_by_key(|(rtt, _)| *rtt).map(|(_, offset)| *offset)
    }
}

/// How far the cluster's middle clock is ahead of this node's, ms (safety rule 17: a leader that is
/// far ahead of it hands over). With an even number of peers this node's own clock counts too, so
/// that one wrong clock is never the middle one. `None` without peers.
pub fn cluster_offset_ms(peers: impl IntoIterator<Item = i64>) -> Option<i64> {
    let mut offsets: Vec<i64> = peers.into_iter().collect();
    if offsets.is_empty() {
        return None;
    }
    if offsets.len().is_multiple_of(2) {
        offsets.push(0);
    }
    offsets.sort_unstable();
    Some(offsets[offsets.len() / 2])
}
