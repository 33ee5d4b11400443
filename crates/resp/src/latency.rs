//! Latency events of a node, for `LATENCY`: named spikes with their recent samples.

use std::collections::{BTreeMap, VecDeque};

/// Samples kept of an event.
pub const MAX_SAMPLES: usize = 160;
/// Events kept; their names are ours, so this many is never reached by clients.
pub const MAX_EVENTS: usize = 64;

/// The samples of one event.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Event {
    /// Seconds since 1970 and milliseconds it took, the oldest first.
    pub samples: VecDeque<(u64, u64)>,
    /// The longest since the last reset, in milliseconds.
    pub max_ms: u64,
}

/// The latency events of a node.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    /// Shortest spike that is kept, in milliseconds; 0: nothing is kept
    /// (`latency-monitor-threshold`).
    pub threshold_ms: u64,
    events: BTreeMap<&'static str, Event>,
}

impl Latency {
    /// Keeps a spike if it is long enough. Within one second only the longest is kept.
    pub fn note(&mut self, event: &'static str, wall_ms: u64, took_ms: u64) {
        let full = self.events.len() >= MAX_EVENTS && !self.events.contains_key(event);
        if self.threshold_ms == 0 || took_ms < self.threshold_ms || full {
            return;
        }
        let event = self.events.entry(event).or_default();
        event.max_ms = event.max_ms.max(took_ms);
        let second = wall_ms / 1000;
        match event.samples.back_mut() {
            Some((last, ms)) if *last == second => *ms = (*ms).max(took_ms),
            _ => event.samples.push_back((second, took_ms)),
        }
        if event.samples.len() > MAX_SAMPLES {
            event.samples.pop_front();
        }
    }

    /// The events in the order of their names.
    pub fn events(&self) -> impl ExactSizeIterator<Item = (&'static str, &Event)> {
        self.events.iter().map(|(name, event)| (*name, event))
    }

    /// The event with this name in any case.
    pub fn event(&self, name: &[u8]) -> Option<(&'static str, &Event)> {
        self.events().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))
    }

    /// Forgets the named events, all if none is named; how many there were.
    pub fn reset(&mut self, names: &[&[u8]]) -> usize {
        let before = self.events.len();
        let named = |known: &str| names.iter().any(|name| known.as_bytes().eq_ignore_ascii_case(name));
        self.events.retain(|known, _| !(names.is_empty() || named(known)));
        before - self.events.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spikes_are_kept_from_the_threshold_on() {
        let mut latency = Latency::default();
        latency.note("turn", 1_000, 500);
        assert_eq!(latency.events().len(), 0);
        latency.threshold_ms = 100;
        for (wall, took) in [(1_000, 99), (1_000, 100), (1_900, 300), (2_000, 200)] {
            latency.note("turn", wall, took);
        }
        let (_, event) = latency.event(b"TURN").expect("noted");
        assert_eq!((event.max_ms, Vec::from(event.samples.clone())), (300, vec![(1, 300), (2, 200)]));
        for second in 0..500 {
            latency.note("log-sync", second * 1000, 100);
        }
        assert_eq!(latency.event(b"log-sync").expect("noted").1.samples.len(), MAX_SAMPLES);
        assert_eq!((latency.reset(&[b"none"]), latency.reset(&[b"Turn"]), latency.reset(&[])), (0, 1, 1));
    }
}
