//! What one kill lost, what the cluster said of it, and whether that is within what is promised.

use std::fmt;

use super::super::measure::median;
use super::losses::Stated;
use super::writers::{Lost, Written};

/// Columns of the table.
pub const HEADINGS: [&str; 10] = [
    "fault",
    "times",
    "answered writes",
    "lost writes, median",
    "most",
    "sum",
    "lost bytes, most of bound",
    "lost ms, most of bound",
    "missing from the accounts",
    "violations",
];

/// What a keyspace may expose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Most bytes.
    pub bytes: u64,
    /// Longest time, ms.
    pub ms: u64,
}

/// What the cluster says of a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Its accounts name so many keys, and not so many that were lost.
    Named {
        /// Keys in the accounts.
        named: u64,
        /// Lost writes that are not among them.
        unnamed: u64,
    },
    /// It states a bound, or none.
    Bound(Option<Stated>),
}

/// One kill.
#[derive(Debug, Clone)]
pub struct Kill {
    /// Whether it is known that the node led until it was killed.
    pub led: bool,
    acknowledged: u64,
    /// Error replies, and the first of them.
    errors: (u64, Option<String>),
    /// Answered writes that are not there.
    lost: u64,
    /// Bytes of their keys and values.
    bytes: u64,
    /// Between the answers to the first and the last of them.
    ms: u64,
    /// What the cluster says of it.
    pub told: Told,
}

impl Kill {
    /// Adds up.
    pub fn new(written: &Written, lost: &[Lost], led: bool, told: Told) -> Kill {
        let times = || lost.iter().filter_map(|write| write.answered);
        let ms =
            times().max().zip(times().min()).map_or(0, |(last, first)| (last - first).as_millis() as u64);
        let (number, first) = written.errors();
        Kill {
            led,
            acknowledged: written.acknowledged(),
            errors: (number, first.map(String::from)),
            lost: lost.len() as u64,
            bytes: lost.iter().map(|write| write.bytes).sum(),
            ms,
            told,
        }
    }

    /// Promises that did not hold, one sentence each.
    pub fn violations(&self, bound: Bound) -> Vec<String> {
        let mut found = Vec::new();
        let mut demand = |holds: bool, what: String| {
            if !holds {
                found.push(what);
            }
        };
        let Kill { lost, bytes, ms, .. } = *self;
        demand(bytes <= bound.bytes, format!("{bytes} bytes lost, {} may be exposed", bound.bytes));
        demand(ms <= bound.ms, format!("writes of {ms} ms lost, {} may be exposed", bound.ms));
        demand(
            self.unaccounted() == 0,
            match self.told {
                Told::Named { unnamed, .. } => format!("{unnamed} of {lost} lost writes are in no account"),
                Told::Bound(None) => format!("no bound is stated, {lost} writes are lost"),
                Told::Bound(Some(stated)) => {
                    format!("{bytes} bytes of {ms} ms lost, the bound stated is {stated:?}")
                }
            },
        );
        found
    }

    /// Lost writes in no account; with the folder gone: whether the bound stated is none or too small.
    fn unaccounted(&self) -> u64 {
        match self.told {
            Told::Named { unnamed, .. } => unnamed,
            Told::Bound(stated) => {
                u64::from(!stated.is_some_and(|stated| self.bytes <= stated.bytes && self.ms <= stated.ms))
            }
        }
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Kill { acknowledged, lost, bytes, ms, .. } = self;
        write!(f, "{acknowledged} answered, {lost} lost, {bytes} bytes of {ms} ms; ")?;
        match self.told {
            Told::Named { named, unnamed } => write!(f, "{named} keys in accounts, {unnamed} missing there")?,
            Told::Bound(Some(stated)) => {
                write!(f, "at most {} bytes stated, {} announced", stated.bytes, stated.announced)?;
            }
            Told::Bound(None) => write!(f, "no bound stated")?,
        }
        if !self.led {
            write!(f, "; it may have lost the lead before")?;
        }
        match &self.errors {
            (0, _) => Ok(()),
            (number, first) => write!(f, "; {number} errors {}", first.as_deref().unwrap_or_default()),
        }
    }
}

/// One line of the table.
pub fn row(fault: &str, kills: &[Kill], bound: Bound) -> Vec<String> {
    let sum = |of: &dyn Fn(&Kill) -> u64| kills.iter().map(of).sum::<u64>().to_string();
    let most = |of: fn(&Kill) -> u64| kills.iter().map(of).max().unwrap_or(0);
    vec![
        fault.into(),
        kills.len().to_string(),
        sum(&|kill| kill.acknowledged),
        format!("{:.0}", median(kills.iter().map(|kill| kill.lost as f64))),
        most(|kill| kill.lost).to_string(),
        sum(&|kill| kill.lost),
        format!("{} of {}", most(|kill| kill.bytes), bound.bytes),
        format!("{} of {}", most(|kill| kill.ms), bound.ms),
        sum(&Kill::unaccounted),
        sum(&|kill| kill.violations(bound).len() as u64),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Bound = Bound { bytes: 1000, ms: 50 };

    fn kill(lost: u64, bytes: u64, ms: u64, told: Told) -> Kill {
        Kill { led: true, acknowledged: 100, errors: (0, None), lost, bytes, ms, told }
    }

    fn stated(bytes: u64) -> Told {
        Told::Bound(Some(Stated { bytes, ms: 50, announced: 1 }))
    }

    #[test]
    fn what_is_promised_is_no_violation() {
        let named = Told::Named { named: 9, unnamed: 0 };
        for fine in [kill(8, 1000, 50, named), kill(0, 0, 0, stated(1000)), kill(8, 1000, 50, stated(1000))] {
            assert_eq!(fine.violations(BOUND), Vec::<String>::new(), "{fine}");
        }
    }

    #[test]
    fn each_broken_promise_is_one_violation() {
        let named = Told::Named { named: 9, unnamed: 0 };
        let short = Told::Named { named: 9, unnamed: 2 };
        for (broken, word) in [
            (kill(8, 1001, 50, named), "1001 bytes lost"),
            (kill(8, 900, 51, named), "of 51 ms lost"),
            (kill(8, 900, 5, short), "2 of 8 lost writes are in no account"),
            (kill(8, 900, 5, stated(899)), "the bound stated is"),
            (kill(0, 0, 0, Told::Bound(None)), "no bound is stated"),
        ] {
            let found = broken.violations(BOUND);
            assert!(found.len() == 1 && found[0].contains(word), "{word}: {found:?}");
        }
    }

    #[test]
    fn a_line_adds_up() {
        let named = |unnamed| Told::Named { named: 9, unnamed };
        let all = [kill(3, 300, 9, named(0)), kill(1, 100, 60, named(0)), kill(2, 200, 1, named(2))];
        let cells = ["kill", "3", "300", "2", "3", "6", "300 of 1000", "60 of 50", "2", "2"];
        assert_eq!(row("kill", &all, BOUND), cells);
        assert_eq!(row("kill", &[], BOUND)[1..6], ["0", "0", "0", "0", "0"]);
    }
}
