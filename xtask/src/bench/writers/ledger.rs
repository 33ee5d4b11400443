//! What one connection has written, what it was answered, and what that promises.

use std::collections::BTreeMap;
use std::io::Write;

use super::Account;

/// Errors that say for certain that the command was not executed: of any other the outcome is unknown.
const NOT_DONE: [&str; 5] = ["CLUSTERDOWN", "TRYAGAIN", "MISCONF", "MOVED", "ASK"];

/// Which writes a connection makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// INCR of so many counters in turn.
    Counters {
        /// How many.
        each: u64,
    },
    /// SET of a new key each time, to the number of the write.
    Values {
        /// Bytes of a value, at least.
        bytes: usize,
    },
}

/// What a key must be at the end.
#[derive(Debug, PartialEq, Eq)]
pub enum Expected {
    /// This value.
    Exactly(String),
    /// A number from the first to the second; 0 may also be an absent key.
    Between(u64, u64),
}

impl Expected {
    /// Whether what was found is it.
    pub fn is(&self, found: Option<&str>) -> bool {
        match self {
            Expected::Exactly(value) => found == Some(value),
            Expected::Between(least, most) => {
                found.unwrap_or("0").parse().is_ok_and(|found: u64| (*least..=*most).contains(&found))
            }
        }
    }
}

/// A counter: what the last reply said, and how many more may have been counted without a reply that says so.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    last: u64,
    unknown: u64,
}

impl Count {
    /// Whether the reply can follow what was answered before.
    fn take(&mut self, reply: u64) -> bool {
        let more = reply.checked_sub(self.last + 1).filter(|more| *more <= self.unknown);
        self.last = reply;
        self.unknown -= more.unwrap_or(0);
        more.is_some()
    }
}

/// The account of one connection. Its writes have numbers from 1 on, and are answered in their order.
#[derive(Debug)]
pub struct Ledger {
    name: String,
    kind: Kind,
    sent: u64,
    answered: u64,
    /// Values that were answered with an error: nothing was promised. Ascending.
    refused: Vec<u64>,
    counts: Vec<Count>,
    miscounted: u64,
    errors: BTreeMap<String, u64>,
    first_error: Option<String>,
}

impl Ledger {
    /// Nothing written yet; `name` makes the keys unique.
    pub fn new(name: String, kind: Kind) -> Ledger {
        let counters = match kind {
            Kind::Counters { each } => each as usize,
            Kind::Values { .. } => 0,
        };
        Ledger {
            name,
            kind,
            sent: 0,
            answered: 0,
            refused: Vec::new(),
            counts: vec![Count::default(); counters],
            miscounted: 0,
            errors: BTreeMap::new(),
            first_error: None,
        }
    }

    /// Whether something is outstanding.
    pub fn waits(&self) -> bool {
        self.answered < self.sent
    }

    /// Appends the next write.
    pub fn append_next(&mut self, out: &mut Vec<u8>) {
        self.sent += 1;
        let key = self.key(self.sent);
        // Writing to a vector does not fail.
        let _ = match self.kind {
            Kind::Counters { .. } => write!(out, "*2\r\n$4\r\nINCR\r\n${}\r\n{key}\r\n", key.len()),
            Kind::Values { bytes } => {
                let value = value(self.sent, bytes);
                write!(out, "*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${}\r\n{value}\r\n", key.len(), value.len())
            }
        };
    }

    /// Takes the complete replies in `input`: bytes used, and how many writes they acknowledge.
    pub fn read(&mut self, input: &[u8]) -> (usize, u64) {
        let (mut used, mut acknowledged) = (0, 0);
        while let Some(line) = input[used..].iter().position(|byte| *byte == b'\n') {
            let reply = String::from_utf8_lossy(&input[used..used + line]);
            used += line + 1;
            acknowledged += u64::from(self.take(reply.trim_end()));
        }
        (used, acknowledged)
    }

    /// Takes the reply to the oldest write that has none; whether it acknowledges it.
    fn take(&mut self, reply: &str) -> bool {
        self.answered += 1;
        let (turn, lane) = (self.answered, self.lane(self.answered));
        match (self.kind, reply.strip_prefix(':').and_then(|number| number.parse().ok())) {
            (Kind::Counters { .. }, Some(number)) => {
                if !self.counts[lane].take(number) {
                    self.miscounted += 1;
                    let what = format!("INCR {} answered {number}", self.key(turn));
                    self.first_error.get_or_insert(what);
                }
                true
            }
            (Kind::Values { .. }, None) if reply == "+OK" => true,
            (kind, _) => {
                let word = reply.trim_start_matches('-').split(' ').next().unwrap_or_default();
                *self.errors.entry(word.to_owned()).or_default() += 1;
                self.first_error.get_or_insert_with(|| reply.to_owned());
                match kind {
                    Kind::Values { .. } => self.refused.push(turn),
                    Kind::Counters { .. } => {
                        self.counts[lane].unknown += u64::from(!NOT_DONE.contains(&word))
                    }
                }
                false
            }
        }
    }

    /// All keys that something is known of, with what they must be now.
    pub fn promised(&self) -> Vec<(String, Expected)> {
        match self.kind {
            Kind::Values { bytes } => {
                let kept = |turn: &u64| self.refused.binary_search(turn).is_err();
                let promise = |turn| (self.key(turn), Expected::Exactly(value(turn, bytes)));
                (1..=self.answered).filter(kept).map(promise).collect()
            }
            Kind::Counters { each } => {
                let mut counts = self.counts.clone();
                // What is outstanding may have been done or not.
                (self.answered + 1..=self.sent).for_each(|turn| counts[self.lane(turn)].unknown += 1);
                let promise = |(turn, count): (u64, Count)| {
                    (self.key(turn), Expected::Between(count.last, count.last + count.unknown))
                };
                (1..=each).zip(counts).map(promise).collect()
            }
        }
    }

    /// Adds what was answered to the account of all.
    pub fn tell(&self, account: &mut Account) {
        account.miscounted += self.miscounted;
        for (word, times) in &self.errors {
            account.errors += times;
            *account.kinds.entry(word.clone()).or_default() += times;
        }
        if account.first_error.is_none() {
            account.first_error.clone_from(&self.first_error);
        }
    }

    /// Where a key counts that is not what it must be.
    pub fn wrong<'a>(&self, account: &'a mut Account) -> &'a mut u64 {
        match self.kind {
            Kind::Counters { .. } => &mut account.miscounted,
            Kind::Values { .. } => &mut account.lost,
        }
    }

    fn lane(&self, turn: u64) -> usize {
        match self.kind {
            Kind::Counters { each } => ((turn - 1) % each) as usize,
            Kind::Values { .. } => 0,
        }
    }

    fn key(&self, turn: u64) -> String {
        match self.kind {
            Kind::Counters { .. } => format!("{}:{}", self.name, self.lane(turn)),
            Kind::Values { .. } => format!("{}:{turn}", self.name),
        }
    }
}

fn value(turn: u64, bytes: usize) -> String {
    format!("{turn:0>bytes$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(kind: Kind, writes: usize) -> Ledger {
        let mut ledger = Ledger::new("k:7".into(), kind);
        (0..writes).for_each(|_| ledger.append_next(&mut Vec::new()));
        ledger
    }

    fn exactly(turn: u64) -> (String, Expected) {
        (format!("k:7:{turn}"), Expected::Exactly(format!("00{turn}")))
    }

    #[test]
    fn requests_name_the_key_and_the_number_of_the_write() {
        let mut out = Vec::new();
        Ledger::new("k:7".into(), Kind::Values { bytes: 3 }).append_next(&mut out);
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$5\r\nk:7:1\r\n$3\r\n001\r\n");
        let (mut ledger, mut out) = (Ledger::new("k:7".into(), Kind::Counters { each: 1 }), Vec::new());
        ledger.append_next(&mut out);
        ledger.append_next(&mut out);
        assert_eq!(out, b"*2\r\n$4\r\nINCR\r\n$5\r\nk:7:0\r\n".repeat(2));
    }

    #[test]
    fn values_are_promised_that_were_answered_with_ok() {
        let mut ledger = written(Kind::Values { bytes: 3 }, 5);
        let first = b"+OK\r\n-TRYAGAIN later\r\n+OK\r\n+O";
        assert_eq!(ledger.read(first), (first.len() - 2, 2), "half a reply answers nothing");
        assert!(ledger.waits());
        assert_eq!(ledger.promised(), [exactly(1), exactly(3)]);
        let rest = b"-MOVED 7 10.0.0.1:7\r\n-TRYAGAIN x\r\n";
        assert_eq!(ledger.read(rest), (rest.len(), 0));
        assert!(!ledger.waits());
        let mut account = Account::default();
        ledger.tell(&mut account);
        assert_eq!(account.errors, 3);
        assert_eq!(account.kinds, BTreeMap::from([("MOVED".into(), 1), ("TRYAGAIN".into(), 2)]));
        assert_eq!(account.first_error.as_deref(), Some("-TRYAGAIN later"));
    }

    #[test]
    fn replies_of_counters_go_up_by_one() {
        let mut ledger = written(Kind::Counters { each: 2 }, 6);
        ledger.read(b":1\r\n:1\r\n:2\r\n:3\r\n");
        assert_eq!(ledger.miscounted, 1, "1 and 3 of the second one");
        assert_eq!(ledger.first_error.as_deref(), Some("INCR k:7:1 answered 3"));
        let between = |lane, least, most| (format!("k:7:{lane}"), Expected::Between(least, most));
        assert_eq!(ledger.promised(), [between(0, 2, 3), between(1, 3, 4)], "one of each is outstanding");
    }

    #[test]
    fn an_unknown_outcome_may_have_counted_and_a_refusal_has_not() {
        let after = |error: &str, then: &str| {
            let mut ledger = written(Kind::Counters { each: 1 }, 3);
            ledger.read(format!(":1\r\n-{error} x\r\n:{then}\r\n").as_bytes());
            ledger.miscounted
        };
        assert_eq!((after("UNKNOWN", "2"), after("UNKNOWN", "3"), after("UNKNOWN", "4")), (0, 0, 1));
        assert_eq!((after("TRYAGAIN", "2"), after("TRYAGAIN", "3"), after("MOVED", "3")), (0, 1, 1));
        assert_eq!(after("UNKNOWN", "1"), 1, "it never goes back");
    }

    #[test]
    fn an_absent_key_is_a_lost_value_and_a_counter_at_zero() {
        assert!(!Expected::Exactly("7".into()).is(None));
        assert!(Expected::Exactly("7".into()).is(Some("7")) && !Expected::Exactly("7".into()).is(Some("07")));
        let counted = Expected::Between(2, 3);
        assert!(counted.is(Some("2")) && counted.is(Some("3")));
        assert!(!counted.is(Some("4")) && !counted.is(Some("x")) && !counted.is(None));
        assert!(Expected::Between(0, 1).is(None));
    }
}
