//! What happened, as a hash that two runs of a seed must share, and for people as a timeline.

use crate::time::MS;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Most lines of a timeline that are kept.
const MAX_LINES: usize = 2_000_000;

/// The trace of one run.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    /// Lines for people; `None` where nobody wants them.
    lines: Option<Vec<String>>,
}

impl Trace {
    /// A trace, with a timeline if it is wanted.
    pub fn new(timeline: bool) -> Trace {
        Trace { hash: 0, lines: timeline.then(Vec::new) }
    }

    /// Something happened that must happen again when the seed is run again.
    #[inline]
    pub fn note(&mut self, at_ns: u64, what: u64) {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&at_ns.to_le_bytes());
        bytes[8..].copy_from_slice(&what.to_le_bytes());
        self.hash = xxh3_64_with_seed(&bytes, self.hash);
    }

    /// A line of the timeline.
    pub fn say(&mut self, at_ns: u64, what: impl FnOnce() -> String) {
        if let Some(lines) = self.lines.as_mut().filter(|lines| lines.len() < MAX_LINES) {
            lines.push(format!("{:>9}.{:03} {}", at_ns / MS, at_ns / 1000 % 1000, what()));
        }
    }

    /// True if somebody wants the timeline.
    pub fn has_timeline(&self) -> bool {
        self.lines.is_some()
    }

    /// The hash so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The timeline.
    pub fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
