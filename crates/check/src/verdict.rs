//! What the checks found.

use crate::linearizable::STEP_LIMIT;

/// Bounds within which the properties hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// How far shard time may be from the world's clock, ns: a key may be gone this much before its
    /// deadline and be seen this much after it.
    pub expiry_slack_ns: u64,
    /// Steps of the search per key, after which it is undecided.
    pub step_limit: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { expiry_slack_ns: 1_000_000_000, step_limit: STEP_LIMIT }
    }
}

/// A property that does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which.
    pub property: &'static str,
    /// What happened.
    pub sentence: String,
    /// The operations that show it, one per line.
    pub details: Vec<String>,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.property, self.sentence)?;
        self.details.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

/// A key for which the search was given up: neither passed nor failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Undecided {
    /// Which property.
    pub property: &'static str,
    /// Which key, how many operations, which limit.
    pub sentence: String,
}

/// What was found about a whole history.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    /// By property, then by key; the same in every run.
    pub violations: Vec<Violation>,
    /// Keys that were given up.
    pub undecided: Vec<Undecided>,
    /// What could not be checked for want of data, one sentence each.
    pub notes: Vec<String>,
    /// Operations in the history.
    pub operations: usize,
    /// Keys in the history.
    pub keys: usize,
    /// Steps of all searches: a figure for the cost that is the same in every run.
    pub steps: u64,
}

impl Verdict {
    /// Everything holds, and everything was decided.
    pub fn passed(&self) -> bool {
        self.violations.is_empty() && self.undecided.is_empty()
    }
}

/// What a property answers that searches.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Searched {
    /// What does not hold.
    pub violations: Vec<Violation>,
    /// What was given up.
    pub undecided: Vec<Undecided>,
    /// Steps.
    pub steps: u64,
}
