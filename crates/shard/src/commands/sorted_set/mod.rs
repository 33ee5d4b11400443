//! Sorted sets: members with scores, in the order of scores and members.
//!
//! A score is kept without the sign of zero: in Redis as well, as long as a sorted set is small.

pub(super) mod add;
mod bounds;
pub(super) mod combine;
pub(super) mod count;
pub(super) mod members;
pub(super) mod pop;
pub(super) mod random;
pub(super) mod range;
mod source;

use super::elements;
use crate::collection::score::compare_scored;
use crate::collection::{Elements, score};
use crate::data::{Context, Data, Done, Key, Stop};
use model::Reply;
use model::change::Change;
use model::row::kind;
use std::ops::Range;

/// Members with their scores.
pub(super) type Scored<'a> = Vec<(&'a [u8], f64)>;

/// The sorted set of a key, without members if it is absent.
///
/// # Errors
/// As [`Data::elements`].
pub(super) fn look<'d>(data: &'d mut Data<'_>, key: Key<'_>) -> Result<Elements<'d>, Stop> {
    data.elements(key, kind::SORTED_SET)
}

/// The value of an element with this score.
pub(super) fn value(score: f64) -> [u8; 8] {
    (score + 0.0).to_le_bytes()
}

/// Orders members by score and name.
fn sort(members: &mut Scored<'_>) {
    members.sort_by(|a, b| compare_scored((a.1, a.0), (b.1, b.0)));
}

/// Gives a key a sorted set of these members, each there once, whatever the key was before; without members
/// it is deleted. Answers how many they are.
///
/// # Errors
/// As [`elements::store`].
pub(super) fn store(c: &mut Context<'_>, key: &[u8], mut members: Vec<(Box<[u8]>, f64)>) -> Done {
    members.sort_by(|a, b| compare_scored((a.1, &a.0), (b.1, &b.0)));
    let members: Vec<_> = members.into_iter().map(|(name, score)| (name, value(score))).collect();
    let key = c.data.key(key);
    // The look first: what has expired there is deleted.
    c.data.peek(key)?;
    let pairs = members.iter().map(|(name, value)| (&name[..], &value[..]));
    elements::store(&mut c.data, key, (kind::SORTED_SET, 0), pairs)?;
    c.reply.int(members.len() as i64);
    Ok(())
}

/// Members that outlive the sorted sets they are of.
pub(super) fn owned(members: Scored<'_>) -> Vec<(Box<[u8]>, f64)> {
    members.into_iter().map(|(name, score)| (name.into(), score)).collect()
}

/// Answers with members in this order, and their scores if asked for.
fn answer<'a>(
    reply: &mut dyn Reply,
    len: usize,
    scores: bool,
    members: impl Iterator<Item = (&'a [u8], f64)>,
) {
    if scores {
        reply.pairs(len);
    } else {
        reply.array(len);
    }
    for (name, score) in members {
        if scores {
            reply.pair();
        }
        reply.bulk(name);
        if scores {
            reply.double(score);
        }
    }
}

/// An element as a member with its score.
pub(super) fn scored<'a>((name, value): (&'a [u8], &[u8])) -> (&'a [u8], f64) {
    (name, score::of(value))
}

/// Removes the members of these ranks, which exist; `len` is the number of all.
fn remove_ranks(data: &mut Data<'_>, key: Key<'_>, ranks: &Range<usize>, len: usize) -> Done {
    if ranks.len() == len && len > 0 {
        data.delete(key)?;
    } else if !ranks.is_empty() {
        let change = Change::RemoveRanks { from: ranks.start as u64, count: ranks.len() as u64 };
        data.change(key, kind::SORTED_SET, change)?;
    }
    Ok(())
}
