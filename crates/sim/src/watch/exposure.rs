//! What leaders had answered and not committed when they were lost: the check of histories asks whether
//! more was lost.

use crate::clients::workload::EXPOSED;
use crate::process::Process;
use crate::time::MS;
use check::history::{Exposure, Failover};
use node::exposure::Exposed;

/// Clocks of nodes and of the world differ by a little, ms.
const SLACK_MS: u64 = 10;

/// What each node exposed when it was last looked at.
#[derive(Default)]
pub struct Exposures {
    /// By machine: when, what, and how much it had counted as exposed at failovers.
    last: Vec<(u64, Exposed, u64)>,
}

impl Exposures {
    /// Looks at a node after a pass. A failover, if it has stopped leading with something exposed.
    pub fn look(&mut self, process: &Process, at_ns: u64) -> Option<Failover> {
        let machine = process.machine as usize;
        if self.last.len() <= machine {
            self.last.resize(machine + 1, Default::default());
        }
        let Some(core) = process.core() else { return self.lost(process.machine) };
        let before = self.last[machine];
        let counted = core.exposed_at_failovers();
        let exposed = core.exposed();
        // One that stands still in the middle of a pass has not moved its clock: its age is as of then.
        let at_ns = if exposed == before.1 { before.0 } else { at_ns };
        self.last[machine] = (at_ns, exposed, counted);
        (counted > before.2).then(|| failover(before.0, before.1))
    }

    /// A process has ended. A failover, if it had something exposed.
    pub fn lost(&mut self, machine: u64) -> Option<Failover> {
        let last = self.last.get_mut(machine as usize)?;
        let (at_ns, exposed, _) = std::mem::take(last);
        (exposed.entries > 0).then(|| failover(at_ns, exposed))
    }
}

/// Entries hold many writes: bytes alone are bounded. `at_ns`: when this was exposed.
fn failover(at_ns: u64, exposed: Exposed) -> Failover {
    // The slack also before, because the time of the failover is put later by as much.
    let exposure = Exposure { entries: u64::MAX >> 16, bytes: EXPOSED.1, ms: exposed.ms + 2 * SLACK_MS };
    Failover { at_ns: at_ns + SLACK_MS * MS, exposure }
}
