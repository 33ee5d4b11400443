//! Several sorted sets as one: ZUNION, ZINTER, ZDIFF, what stores them, and ZINTERCARD.

use super::source::{Aggregate, Knows, Request, Source, number};
use super::{Scored, answer, owned, sort, store};
use crate::data::{Context, Done};
use hashbrown::HashMap;

/// Scores by member, never walked over: their order is nobody's.
type Places<'a> = HashMap<&'a [u8], usize, foldhash::fast::RandomState>;
/// Makes one sorted set of several, in any order.
type Combine = for<'a> fn(Vec<Source<'a>>, Aggregate) -> Scored<'a>;

/// `ZUNION numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub(in crate::commands) fn zunion(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    reply(c, args, ("zunion", true), union)
}

/// `ZINTER numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub(in crate::commands) fn zinter(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    reply(c, args, ("zinter", true), |sources, aggregate| common(sources, aggregate).collect())
}

/// `ZDIFF numkeys key [key …] [WITHSCORES]`
pub(in crate::commands) fn zdiff(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    reply(c, args, ("zdiff", false), difference)
}

/// `ZUNIONSTORE destination numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX]`
pub(in crate::commands) fn zunionstore(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    keep(c, args, ("zunionstore", true), union)
}

/// `ZINTERSTORE destination numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX]`
pub(in crate::commands) fn zinterstore(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    keep(c, args, ("zinterstore", true), |sources, aggregate| common(sources, aggregate).collect())
}

/// `ZDIFFSTORE destination numkeys key [key …]`
pub(in crate::commands) fn zdiffstore(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    keep(c, args, ("zdiffstore", false), difference)
}

/// `ZINTERCARD numkeys key [key …] [LIMIT limit]`
pub(in crate::commands) fn zintercard(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let knows = Knows { limit: true, ..Knows::default() };
    let Request { sources, aggregate, limit, .. } =
        Request::parse(&mut c.data, &args[1..], "zintercard", knows)?;
    let most = if limit == 0 { usize::MAX } else { limit };
    c.reply.int(common(sources, aggregate).take(most).count() as i64);
    Ok(())
}

fn reply(c: &mut Context<'_>, args: &[&[u8]], (name, weights): (&str, bool), combine: Combine) -> Done {
    let knows = Knows { weights, scores: true, limit: false };
    let request = Request::parse(&mut c.data, &args[1..], name, knows)?;
    let mut members = combine(request.sources, request.aggregate);
    sort(&mut members);
    answer(c.reply, members.len(), request.scores, members.into_iter());
    Ok(())
}

/// Stores the members under the first key, whatever that is, and answers how many they are.
fn keep(c: &mut Context<'_>, args: &[&[u8]], (name, weights): (&str, bool), combine: Combine) -> Done {
    let knows = Knows { weights, ..Knows::default() };
    let request = Request::parse(&mut c.data, &args[2..], name, knows)?;
    let members = owned(combine(request.sources, request.aggregate));
    store(c, args[1], members)
}

/// The order in which scores are aggregated, which their sum depends on: smaller sources first, as in Redis.
fn smallest_first(mut sources: Vec<Source<'_>>) -> Vec<Source<'_>> {
    sources.sort_by_key(|source| source.len());
    sources
}

/// What any source has.
fn union(sources: Vec<Source<'_>>, aggregate: Aggregate) -> Scored<'_> {
    let (mut places, mut members) = (Places::default(), Scored::new());
    for source in smallest_first(sources) {
        for (name, score) in source.iter() {
            let score = number(source.weight * score);
            let place = *places.entry(name).or_insert(members.len());
            match members.get_mut(place) {
                Some((_, all)) => *all = aggregate.of(*all, score),
                None => members.push((name, score)),
            }
        }
    }
    members
}

/// What all sources have.
fn common(sources: Vec<Source<'_>>, aggregate: Aggregate) -> impl Iterator<Item = (&[u8], f64)> {
    let sources = smallest_first(sources);
    let smallest = sources[0];
    smallest.iter().filter_map(move |(name, score)| {
        let mut all = number(smallest.weight * score);
        for source in &sources[1..] {
            all = aggregate.of(all, source.score(name)? * source.weight);
        }
        Some((name, all))
    })
}

/// What the first source has and no other.
fn difference(sources: Vec<Source<'_>>, _: Aggregate) -> Scored<'_> {
    let (first, others) = (sources[0], &sources[1..]);
    first.iter().filter(|(name, _)| !others.iter().any(|source| source.score(name).is_some())).collect()
}
