//! Figures that only the process can measure, published for the admin port and shown by the core.

use std::sync::Arc;

use model::Now;
use shell::Shell;

use super::admin::{self, AdminState, Counters};
use super::disks::Disks;
use super::gauges;
use super::platform::Os;

/// How often figures are measured and published, in ms.
const MEASURE_MS: u64 = 1000;
/// The same while the node is not ready for clients, because somebody may wait for that.
const MEASURE_UNREADY_MS: u64 = 100;

/// When to measure, and where figures go.
pub struct Figures {
    admin: Arc<AdminState>,
    started_ms: u64,
    next_ms: u64,
}

impl Figures {
    /// `started_ms`: wall clock at the start of the process.
    pub fn new(admin: Arc<AdminState>, started_ms: u64) -> Figures {
        Figures { admin, started_ms, next_ms: 0 }
    }

    /// Notes that a turn was made, and measures once a second.
    #[inline]
    pub fn turned(&mut self, shell: &mut Shell<Os>, now: Now) {
        self.admin.turned(now.mono_ms());
        if now.mono_ms() >= self.next_ms {
            self.measure(shell, now);
        }
    }

    fn measure(&mut self, shell: &mut Shell<Os>, now: Now) {
        let (core, disks) = (&mut shell.node.core, shell.node.disks.as_ref());
        let gauges = gauges::measure(disks);
        let stats = core.stats();
        let counters = Counters {
            commands: stats.commands,
            errors: stats.errors,
            connections: stats.connections,
            rejected_connections: stats.rejected_connections,
            net_input_bytes: stats.net_input,
            net_output_bytes: stats.net_output,
            log_syncs: gauges.syncs,
            leaderships_lost: stats.leaderships_lost,
            lost_effects: stats.lost_effects,
            last_checkpoint_ms: stats.last_save_ms,
            checkpoint_retries: disks.map_or(0, Disks::retries),
            disk_jobs: disks.map_or(0, Disks::jobs) as u64,
            cpu_user_ms: gauges.cpu_ms.0,
            cpu_system_ms: gauges.cpu_ms.1,
            started_ms: self.started_ms,
        };
        core.set_gauges(gauges);
        let status = core.status();
        let every = if admin::is_ready(&status) { MEASURE_MS } else { MEASURE_UNREADY_MS };
        self.next_ms = now.mono_ms() + every;
        self.admin.publish(status, counters);
    }
}
