//! What a heartbeat says of the disk of its sender's log.

use crate::health::Fitness;
use model::varint::{DecodeError, Reader, put_u64};

/// What a node says of the disk of its log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DiskBeat {
    /// How long a batch takes now until it is durable, ns; 0 if that is not known.
    pub latency_ns: u64,
    /// What keeps the node from leading.
    pub fitness: Fitness,
}

impl DiskBeat {
    pub(super) fn encode(self, out: &mut Vec<u8>) {
        put_u64(out, self.latency_ns);
        out.push(match self.fitness {
            Fitness::Fit => 0,
            Fitness::Slow => 1,
            Fitness::Full => 2,
        });
    }

    /// The end of a heartbeat; programs before this one say nothing there.
    pub(super) fn decode(r: &mut Reader<'_>) -> Result<DiskBeat, DecodeError> {
        if r.is_empty() {
            return Ok(DiskBeat::default());
        }
        let latency_ns = r.u64()?;
        let fitness = match r.u8()? {
            0 => Fitness::Fit,
            1 => Fitness::Slow,
            // What a later version adds is another reason not to lead.
            _ => Fitness::Full,
        };
        Ok(DiskBeat { latency_ns, fitness })
    }
}
