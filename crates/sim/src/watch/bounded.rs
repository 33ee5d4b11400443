//! No queue, log or number of files beyond its bound.

use crate::process::Process;
use node::Loads;

/// The largest figures seen.
#[derive(Default)]
pub(super) struct Bounded {
    most: Loads,
}

impl Bounded {
    pub(super) fn look(&mut self, process: &Process) -> Result<(), (&'static str, String)> {
        let Some(core) = process.core() else { return Ok(()) };
        let (loads, most) = (core.loads(), &mut self.most);
        let pairs: [(&str, usize, &mut usize, usize); 7] = [
            ("requests of a route", loads.route, &mut most.route, router_bound()),
            ("answers kept for exactly-once", loads.window, &mut most.window, 65_536),
            ("parked requests", loads.parked, &mut most.parked, 65_536),
            ("replies of a connection", loads.pipeline, &mut most.pipeline, node::conn::MAX_PIPELINE + 1024),
            (
                "bytes on their way to a node",
                loads.backlog,
                &mut most.backlog,
                node::peer::MAX_BACKLOG + (32 << 20),
            ),
            ("bytes of entries in memory", loads.tail, &mut most.tail, (64 << 20) + (32 << 20)),
            ("bytes of replies", loads.output, &mut most.output, 256 << 20),
        ];
        for (what, value, most, bound) in pairs {
            *most = value.max(*most);
            if value > bound {
                let text = format!("node {}: {value} {what}, the bound is {bound}", process.machine);
                return Err(("bounded", text));
            }
        }
        let (log, bound) = (process.log_bytes(), process.log_bound());
        if log > bound {
            let text = format!("node {}: a log of {log} bytes, the bound is {bound}", process.machine);
            return Err(("bounded", text));
        }
        Ok(())
    }

    pub(super) fn most(&self) -> Loads {
        self.most
    }
}

/// What waits and what is sent.
fn router_bound() -> usize {
    65_536 + 16_384
}
