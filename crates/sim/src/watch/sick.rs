//! A node whose disk is far slower than the others' leads nothing for long, if nothing else is wrong.

use crate::process::Process;
use crate::time::{MS, S};

/// Syncs that take at least this long are far slower than those of a well disk, ns.
const SICK_NS: u64 = 100 * MS;
/// By then such a node has handed over everything, ns.
const LED_WITHIN_NS: u64 = 3 * S;
/// Whatever else went wrong is over after this time, ns.
const TROUBLE_NS: u64 = 20 * S;

/// How long disks have been sick.
#[derive(Default)]
pub struct Sick {
    /// By machine: since when, ns.
    since_ns: Vec<Option<u64>>,
    /// When something else last went wrong, ns.
    pub trouble_ns: Option<u64>,
}

impl Sick {
    /// Looks at all nodes.
    pub fn look(&mut self, processes: &[Process], now_ns: u64) -> Result<(), (&'static str, String)> {
        self.since_ns.resize(processes.len(), None);
        let calm = self.trouble_ns.is_none_or(|at| at + TROUBLE_NS < now_ns);
        let whole = calm && processes.iter().all(|process| process.is_up() || !process.exists);
        let sick = |process: &Process| process.pace.borrow().sync_ns >= SICK_NS;
        let alone = whole && processes.iter().filter(|process| sick(process)).count() == 1;
        for (process, since_ns) in processes.iter().zip(&mut self.since_ns) {
            if !(alone && sick(process)) {
                *since_ns = None;
                continue;
            }
            let since_ns = *since_ns.get_or_insert(now_ns);
            let led = process.core().map_or(0, node::Core::leads);
            if led > 0 && now_ns > since_ns + LED_WITHIN_NS {
                let text = format!(
                    "node {} leads {led} groups {} ms after its disk became slow",
                    process.machine,
                    (now_ns - since_ns) / MS
                );
                return Err(("sick disks", text));
            }
        }
        Ok(())
    }
}
