//! How often each command was called, how it ended and how long it took: `INFO commandstats`, `LATENCY HISTOGRAM`.
//!
//! Calls, refusals and failures are counted one by one. Not every call is timed, because a look at the clock costs as
//! much as a part of a small command: a call that was not counts as much as the next one that was.

use shard::table::{Spec, commands};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Buckets of a histogram: the n-th has calls of at most 2^n µs, the last one all others too.
const BUCKETS: usize = 24;

/// What is known of one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that were executed.
    pub calls: u64,
    /// Calls that were refused before they were executed.
    pub rejected: u64,
    /// Calls that were executed and answered with an error.
    pub failed: u64,
    /// Nanoseconds that all calls took.
    pub ns: u64,
    /// Calls of which the time is known or assumed.
    timed: u64,
    buckets: Option<Box<[u64; BUCKETS]>>,
}

impl Counts {
    fn took(&mut self, ns: u64) {
        let weight = self.calls.saturating_sub(self.timed);
        self.timed = self.calls;
        self.ns = self.ns.saturating_add(ns.saturating_mul(weight));
        let micros = ns.div_ceil(1000).max(1);
        let bucket = (micros.next_power_of_two().trailing_zeros() as usize).min(BUCKETS - 1);
        self.buckets.get_or_insert_default()[bucket] += weight;
    }

    /// (µs, calls that took at most so long), rising, where there are more calls than before.
    pub fn histogram(&self) -> Vec<(u64, u64)> {
        let mut sum = 0;
        let counts = self.buckets.iter().flat_map(|buckets| buckets.iter()).enumerate();
        let rising = counts.filter(|(_, count)| **count > 0);
        rising.map(|(n, count)| (1 << n, add(&mut sum, *count))).collect()
    }
}

fn add(sum: &mut u64, more: u64) -> u64 {
    *sum += more;
    *sum
}

/// The counts of all commands since the start or the last `CONFIG RESETSTAT`.
#[derive(Clone, Debug)]
pub struct CommandStats {
    /// By [`Spec::id`].
    commands: Vec<Counts>,
    /// Of subcommands, which have no id, by their names.
    subcommands: BTreeMap<&'static str, Counts>,
}

impl Default for CommandStats {
    fn default() -> CommandStats {
        CommandStats { commands: vec![Counts::default(); commands().len()], subcommands: BTreeMap::new() }
    }
}

impl CommandStats {
    #[inline]
    fn of(&mut self, spec: &Spec) -> &mut Counts {
        match self.commands.get_mut(spec.id()) {
            Some(counts) => counts,
            None => self.subcommands.entry(spec.name).or_default(),
        }
    }

    /// A command was executed, and took so long in ns if it was timed.
    #[inline]
    pub fn called(&mut self, spec: &Spec, ns: Option<u64>) {
        let counts = self.of(spec);
        counts.calls += 1;
        if let Some(ns) = ns {
            counts.took(ns);
        }
    }

    /// A call was refused before it was executed.
    pub fn rejected(&mut self, spec: &Spec) {
        self.of(spec).rejected += 1;
    }

    /// A call was answered with an error.
    pub fn failed(&mut self, spec: &Spec) {
        self.of(spec).failed += 1;
    }

    /// The commands that were called, in the order of the table, and subcommands behind them.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &Counts)> {
        let commands = commands().iter().map(|spec| spec.name).zip(&self.commands);
        let all = commands.chain(self.subcommands.iter().map(|(name, counts)| (*name, counts)));
        all.filter(|(_, counts)| counts.calls + counts.rejected + counts.failed > 0)
    }

    /// The lines of `INFO commandstats`.
    pub fn lines(&self, out: &mut String) {
        for (name, counts) in self.each() {
            let Counts { calls, rejected, failed, ns, .. } = counts;
            let each = if *calls == 0 { 0.0 } else { *ns as f64 / 1000.0 / *calls as f64 };
            let _ = write!(
                out,
                "cmdstat_{name}:calls={calls},usec={},usec_per_call={each:.2},rejected_calls={rejected},failed_calls={failed}\r\n",
                ns / 1000
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shard::table::{lookup, resolve};

    #[test]
    fn what_was_not_timed_counts_as_what_was_timed_next() {
        let (mut stats, get) = (CommandStats::default(), lookup(b"get").unwrap());
        stats.called(get, Some(900));
        (0..3).for_each(|_| stats.called(get, None));
        stats.called(get, Some(3_500));
        stats.failed(get);
        let (name, counts) = stats.each().next().unwrap();
        assert_eq!((name, counts.calls, counts.ns, counts.failed), ("get", 5, 900 + 4 * 3_500, 1));
        assert_eq!(counts.histogram(), [(1, 1), (4, 5)]);
        let mut text = String::new();
        stats.lines(&mut text);
        let line = "cmdstat_get:calls=5,usec=14,usec_per_call=2.98,rejected_calls=0,failed_calls=1\r\n";
        assert_eq!(text, line);
    }

    #[test]
    fn subcommands_are_counted_by_their_own_names_and_any_time_has_a_bucket() {
        let (mut stats, list) = (CommandStats::default(), resolve(b"CLIENT", Some(b"LIST")).unwrap());
        stats.rejected(list);
        assert_eq!(
            stats.each().map(|(name, c)| (name, c.rejected)).collect::<Vec<_>>(),
            [("client|list", 1)]
        );
        for ns in [0, 1, 1_000, u64::MAX] {
            stats.called(list, Some(ns));
        }
        let histogram = stats.each().next().unwrap().1.histogram();
        assert_eq!(histogram, [(1, 3), (1 << (BUCKETS - 1), 4)]);
    }
}
