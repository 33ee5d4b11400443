//! What a command that joins sorted sets is called with: its sources, weights and options.

use super::scored;
use crate::collection::Elements;
use crate::commands::{float, integer};
use crate::data::{Data, Stop};
use model::row::kind;

/// A sorted set, or a set whose members have the score 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    elements: Elements<'a>,
    is_set: bool,
    /// What its scores are multiplied by.
    pub weight: f64,
}

impl<'a> Source<'a> {
    /// Number of members.
    pub fn len(self) -> usize {
        self.elements.len()
    }

    /// The score of a member.
    pub fn score(self, member: &[u8]) -> Option<f64> {
        if self.is_set { self.elements.contains(member).then_some(1.0) } else { self.elements.score(member) }
    }

    /// The members with their scores.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], f64)> {
        let is_set = self.is_set;
        self.elements.iter().map(move |pair| if is_set { (pair.0, 1.0) } else { scored(pair) })
    }
}

/// How the scores of a member become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn parse(word: &[u8]) -> Result<Aggregate, Stop> {
        match () {
            () if word.eq_ignore_ascii_case(b"sum") => Ok(Aggregate::Sum),
            () if word.eq_ignore_ascii_case(b"min") => Ok(Aggregate::Min),
            () if word.eq_ignore_ascii_case(b"max") => Ok(Aggregate::Max),
            () => Err(Stop::SYNTAX),
        }
    }

    /// Two scores as one; infinities that cancel each other are 0.
    pub fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Aggregate::Sum => number(a + b),
            Aggregate::Min => {
                if b < a {
                    b
                } else {
                    a
                }
            }
            Aggregate::Max => {
                if b > a {
                    b
                } else {
                    a
                }
            }
        }
    }
}

/// 0 instead of what is no number: of infinities that cancel each other, or are multiplied by 0.
pub(super) fn number(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// Which options a command knows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Knows {
    /// WEIGHTS and AGGREGATE.
    pub weights: bool,
    /// WITHSCORES.
    pub scores: bool,
    /// LIMIT.
    pub limit: bool,
}

/// A command with its sources.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub sources: Vec<Source<'a>>,
    pub aggregate: Aggregate,
    /// WITHSCORES.
    pub scores: bool,
    /// LIMIT; 0 = none.
    pub limit: usize,
}

impl<'d> Request<'d> {
    /// Reads `numkeys key [key …]` and the options behind them, of the command `name`.
    ///
    /// # Errors
    /// In the order of Redis: a wrong number of keys, `WRONGTYPE`, wrong options. [`Stop::Fetch`] when rows are
    /// not in memory.
    pub fn parse(
        data: &'d mut Data<'_>,
        args: &[&[u8]],
        name: &str,
        knows: Knows,
    ) -> Result<Request<'d>, Stop> {
        let number = integer::argument(args[0])?;
        if number < 1 {
            return Err(Stop::error(format!("ERR at least 1 input key is needed for '{name}' command")));
        }
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let (keys, rest) = args[1..].split_at_checked(number).ok_or(Stop::SYNTAX)?;
        let sources = sources(data, keys)?;
        let mut request = Request { sources, aggregate: Aggregate::Sum, scores: false, limit: 0 };
        request.options(rest, knows)?;
        Ok(request)
    }

    fn options(&mut self, mut rest: &[&[u8]], knows: Knows) -> Result<(), Stop> {
        while let [option, after @ ..] = rest {
            let is = |word: &[u8]| option.eq_ignore_ascii_case(word);
            rest = match after {
                _ if knows.weights && is(b"weights") && after.len() >= self.sources.len() => {
                    let (weights, after) = after.split_at(self.sources.len());
                    for (source, weight) in self.sources.iter_mut().zip(weights) {
                        let wrong = Stop::error("ERR weight value is not a float");
                        source.weight = float::parse(weight).ok_or(wrong)?;
                    }
                    after
                }
                [word, after @ ..] if knows.weights && is(b"aggregate") => {
                    self.aggregate = Aggregate::parse(word)?;
                    after
                }
                [most, after @ ..] if knows.limit && is(b"limit") => {
                    self.limit = integer::at_least(most, 0, "ERR LIMIT can't be negative")?;
                    after
                }
                _ if knows.scores && is(b"withscores") => {
                    self.scores = true;
                    after
                }
                _ => return Err(Stop::SYNTAX),
            };
        }
        Ok(())
    }
}

/// The sources of these keys, an absent one without members.
fn sources<'d>(data: &'d mut Data<'_>, keys: &[&[u8]]) -> Result<Vec<Source<'d>>, Stop> {
    let keys: Vec<_> = keys.iter().map(|key| data.key(key)).collect();
    let source = |elements, is_set| Source { elements, is_set, weight: 1.0 };
    let of = |row: Option<&'d crate::row::Row>| match row {
        None => Ok(source(Elements::none(), true)),
        Some(row) if row.kind == kind::SET => Ok(source(Elements::of(row), true)),
        Some(row) if row.kind == kind::SORTED_SET => Ok(source(Elements::of(row), false)),
        Some(_) => Err(Stop::WRONG_TYPE),
    };
    data.rows(&keys)?.into_iter().map(of).collect()
}
