//! Ranges of a sorted set: ZRANGE in all its forms, ZRANGESTORE and the older commands.

use super::bounds::{Bounds, By};
use super::{answer, look, owned, scored, store};
use crate::collection::{Elements, Pair};
use crate::commands::integer;
use crate::data::{Context, Done, Stop};

/// What the name of a command says already.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    by: Option<By>,
    reverse: Option<bool>,
    /// The result is kept: there is no WITHSCORES.
    store: bool,
}

/// A range to answer with.
struct Request<'a> {
    bounds: Bounds<'a>,
    reverse: bool,
    scores: bool,
    /// Members to leave out; a negative number leaves out all.
    offset: i64,
    /// Most members then; negative = no limit.
    limit: i64,
}

impl<'a> Request<'a> {
    /// Reads `key min max` and the options behind them.
    fn parse(args: &[&'a [u8]], said: Said) -> Result<Request<'a>, Stop> {
        let (mut by, mut reverse, mut scores, mut limits) = (said.by, said.reverse, false, (0, -1));
        let mut rest = &args[3..];
        while let [option, after @ ..] = rest {
            rest = after;
            match after {
                _ if !said.store && option.eq_ignore_ascii_case(b"withscores") => scores = true,
                [offset, limit, after @ ..] if option.eq_ignore_ascii_case(b"limit") => {
                    limits = (integer::argument(offset)?, integer::argument(limit)?);
                    rest = after;
                }
                _ if reverse.is_none() && option.eq_ignore_ascii_case(b"rev") => reverse = Some(true),
                _ if by.is_none() && option.eq_ignore_ascii_case(b"bylex") => by = Some(By::Lex),
                _ if by.is_none() && option.eq_ignore_ascii_case(b"byscore") => by = Some(By::Score),
                _ => return Err(Stop::SYNTAX),
            }
        }
        let (by, reverse, (offset, limit)) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false), limits);
        if limit != -1 && by == By::Rank {
            let text =
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
            return Err(Stop::error(text));
        }
        if scores && by == By::Lex {
            let text = "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
            return Err(Stop::error(text));
        }
        // Backwards, scores and members are given from the upper end on.
        let (min, max) = if reverse && by != By::Rank { (args[2], args[1]) } else { (args[1], args[2]) };
        let bounds = Bounds::parse(by, min, max)?;
        // A limit of -1 is as none: so is the offset beside it where ranks are given.
        let offset = if by == By::Rank { 0 } else { offset };
        Ok(Request { bounds, reverse, scores, offset, limit })
    }

    /// How many members it selects, and they in their order.
    fn select<'e>(&self, members: Elements<'e>) -> (usize, Box<dyn Iterator<Item = Pair<'e>> + 'e>) {
        let ranks = self.bounds.ranks(members, self.reverse);
        let skip = usize::try_from(self.offset).unwrap_or(usize::MAX).min(ranks.len());
        let len = (ranks.len() - skip).min(usize::try_from(self.limit).unwrap_or(usize::MAX));
        if len == 0 {
            return (0, Box::new(std::iter::empty()));
        }
        if self.reverse {
            (len, Box::new(members.before_rank(ranks.end - skip).take(len)))
        } else {
            (len, Box::new(members.starting_at(ranks.start + skip).take(len)))
        }
    }
}

fn range(c: &mut Context<'_>, args: &[&[u8]], by: Option<By>, reverse: Option<bool>) -> Done {
    let request = Request::parse(&args[1..], Said { by, reverse, store: false })?;
    let key = c.data.key(args[1]);
    let (len, members) = request.select(look(&mut c.data, key)?);
    answer(c.reply, len, request.scores, members.map(scored));
    Ok(())
}

/// `ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`
pub(in crate::commands) fn zrange(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    range(c, args, None, None)
}

/// `ZREVRANGE key start stop [WITHSCORES]`
pub(in crate::commands) fn zrevrange(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    range(c, args, Some(By::Rank), Some(true))
}

/// `ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]`
pub(in crate::commands) fn zrangebyscore(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    range(c, args, Some(By::Score), Some(false))
}

/// `ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]`
pub(in crate::commands) fn zrevrangebyscore(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    range(c, args, Some(By::Score), Some(true))
}

/// `ZRANGEBYLEX key min max [LIMIT offset count]`
pub(in crate::commands) fn zrangebylex(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    range(c, args, Some(By::Lex), Some(false))
}

/// `ZREVRANGEBYLEX key max min [LIMIT offset count]`
pub(in crate::commands) fn zrevrangebylex(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    range(c, args, Some(By::Lex), Some(true))
}

/// `ZRANGESTORE destination source min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]`
pub(in crate::commands) fn zrangestore(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let request = Request::parse(&args[2..], Said { store: true, ..Said::default() })?;
    let key = c.data.key(args[2]);
    let (_, members) = request.select(look(&mut c.data, key)?);
    let members = owned(members.map(scored).collect());
    store(c, args[1], members)
}
