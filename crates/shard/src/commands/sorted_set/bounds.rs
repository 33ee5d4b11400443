//! What a range of a sorted set is bounded by: ranks, scores, or members of one score.

use crate::collection::Elements;
use crate::commands::{float, integer, range};
use crate::data::Stop;
use std::ops::Range;

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Rank,
    Score,
    Lex,
}

/// An end of a range, itself in it or not.
#[derive(Debug, Clone, Copy)]
struct End<T> {
    at: T,
    excluded: bool,
}

/// An end of a range of members.
#[derive(Debug, Clone, Copy)]
enum Member<'a> {
    /// Before all members.
    First,
    /// At this member's place.
    At(End<&'a [u8]>),
    /// Behind all members.
    Last,
}

/// Both ends of a range.
#[derive(Debug, Clone, Copy)]
enum Ends<'a> {
    Ranks(i64, i64),
    Scores(End<f64>, End<f64>),
    Members(Member<'a>, Member<'a>),
}

/// A range of a sorted set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds<'a>(Ends<'a>);

impl<'a> Bounds<'a> {
    /// Reads both ends.
    ///
    /// # Errors
    /// An end that is none of its kind, as Redis words it.
    pub fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Bounds<'a>, Stop> {
        Ok(Bounds(match by {
            By::Rank => Ends::Ranks(integer::argument(min)?, integer::argument(max)?),
            By::Score => {
                let wrong = Stop::error("ERR min or max is not a float");
                let (min, max) = score(min).zip(score(max)).ok_or(wrong)?;
                Ends::Scores(min, max)
            }
            By::Lex => {
                let wrong = Stop::error("ERR min or max not valid string range item");
                let (min, max) = member(min).zip(member(max)).ok_or(wrong)?;
                Ends::Members(min, max)
            }
        }))
    }

    /// The ranks of what lies in the range; `reverse`: ranks that were given count from the end.
    pub fn ranks(self, members: Elements<'_>, reverse: bool) -> Range<usize> {
        let (from, to) = match self.0 {
            Ends::Ranks(start, stop) => {
                let (places, len) = (range::places(start, stop, members.len()), members.len());
                return if reverse { len - places.end..len - places.start } else { places };
            }
            Ends::Scores(min, max) => (
                members.count_before(|at, _| at < min.at || min.excluded && at == min.at),
                members.count_before(|at, _| at < max.at || !max.excluded && at == max.at),
            ),
            Ends::Members(min, max) => (before(members, min, true), before(members, max, false)),
        };
        from..to.max(from)
    }
}

fn score(text: &[u8]) -> Option<End<f64>> {
    let (excluded, number) = match text {
        [b'(', number @ ..] => (true, number),
        _ => (false, text),
    };
    Some(End { at: float::lenient(number)?, excluded })
}

fn member(text: &[u8]) -> Option<Member<'_>> {
    match text {
        [b'-'] => Some(Member::First),
        [b'+'] => Some(Member::Last),
        [b'(', at @ ..] => Some(Member::At(End { at, excluded: true })),
        [b'[', at @ ..] => Some(Member::At(End { at, excluded: false })),
        _ => None,
    }
}

/// How many members are before an end, the lower one of a range or the upper one.
fn before(members: Elements<'_>, end: Member<'_>, lower: bool) -> usize {
    match end {
        Member::First => 0,
        Member::Last => members.len(),
        // Of the lower end an excluded member is before the range, of the upper one an included one is in it.
        Member::At(end) => {
            members.count_before(|_, name| name < end.at || end.excluded == lower && name == end.at)
        }
    }
}
