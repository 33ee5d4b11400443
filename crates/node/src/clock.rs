//! The bound on how far this node's wall clock may run ahead of the cluster (safety of expiry: a key
//! must not die early everywhere because one leader's clock is wrong).

use crate::core::Core;
use cluster::health::cluster_offset_ms;
use model::Now;

/// Furthest the clock of a leader may be ahead of the middle of its peers' clocks, in ms.
pub const MAX_AHEAD_MS: u64 = 2_000;

impl Core {
    /// Sets the time for what comes next. Call before `on_data` and `on_peer`. A wall clock that jumps
    /// ahead, or is too far ahead of the other nodes', counts only up to the bound.
    pub fn set_now(&mut self, now: Now) {
        self.true_wall_ms = now.wall_ms;
        let limit = now.mono_ms().saturating_add_signed(self.wall_base_ms).saturating_add(MAX_AHEAD_MS);
        self.now = Now { wall_ms: now.wall_ms.min(limit), ..now };
    }

    /// Compares this node's clock with its peers', once a second. While it is too far ahead the node
    /// goes by the middle of the clocks and leads nothing.
    pub(crate) fn watch_clock(&mut self) {
        let up = self.peers.values().filter(|peer| peer.connected);
        let middle = cluster_offset_ms(up.filter_map(|peer| peer.health.wall_offset_ms()));
        let ahead_ms = middle.map_or(0, |offset| offset.saturating_neg().max(0) as u64);
        let trusted_ms = if ahead_ms > MAX_AHEAD_MS {
            tracing::warn!(ahead_ms, allowed = MAX_AHEAD_MS, "the clock is ahead of the other nodes'");
            self.hand_over();
            self.true_wall_ms.saturating_sub(ahead_ms)
        } else {
            self.true_wall_ms
        };
        self.wall_base_ms = trusted_ms as i64 - self.now.mono_ms() as i64;
    }

    /// True when a node's clock allows it to lead.
    pub(crate) fn has_right_time(&self, node: model::NodeId) -> bool {
        let offset = self.peers.get(&node).and_then(|peer| peer.health.wall_offset_ms());
        offset.is_none_or(|ms| ms <= MAX_AHEAD_MS as i64)
    }
}
