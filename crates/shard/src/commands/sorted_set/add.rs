//! Setting scores: ZADD, ZINCRBY.

use super::{look, value};
use crate::commands::elements::put_all;
use crate::commands::float;
use crate::data::{Context, Done, Stop};
use hashbrown::HashMap;
use model::row::kind;
use smallvec::SmallVec;

/// Scores that members got, never walked over: their order is nobody's.
type Scores<'a> = HashMap<&'a [u8], f64, foldhash::fast::RandomState>;

/// What is said before the scores.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::commands) struct AddOptions {
    /// NX: new members only.
    pub nx: bool,
    /// XX: members that are there only.
    pub xx: bool,
    /// CH: count what changes, not only what is new.
    pub ch: bool,
    /// GT: only to a larger score.
    gt: bool,
    /// LT: only to a smaller score.
    lt: bool,
    /// INCR: add to the score, and answer with it.
    incr: bool,
}

impl AddOptions {
    /// Takes an option; false if this is none.
    fn take(&mut self, word: &[u8]) -> bool {
        let place = match () {
            () if word.eq_ignore_ascii_case(b"nx") => &mut self.nx,
            () if word.eq_ignore_ascii_case(b"xx") => &mut self.xx,
            () if word.eq_ignore_ascii_case(b"ch") => &mut self.ch,
            () if word.eq_ignore_ascii_case(b"gt") => &mut self.gt,
            () if word.eq_ignore_ascii_case(b"lt") => &mut self.lt,
            () if word.eq_ignore_ascii_case(b"incr") => &mut self.incr,
            () => return false,
        };
        *place = true;
        true
    }

    fn check(self, members: usize) -> Done {
        let text = match self {
            AddOptions { nx: true, xx: true, .. } => {
                "ERR XX and NX options at the same time are not compatible"
            }
            AddOptions { nx: true, gt: true, .. }
            | AddOptions { nx: true, lt: true, .. }
            | AddOptions { gt: true, lt: true, .. } => {
                "ERR GT, LT, and/or NX options at the same time are not compatible"
            }
            AddOptions { incr: true, .. } if members > 1 => {
                "ERR INCR option supports a single increment-element pair"
            }
            _ => return Ok(()),
        };
        Err(Stop::error(text))
    }

    /// The score that a member gets, `None` if the options leave it as it is.
    ///
    /// # Errors
    /// A sum that is no number.
    fn score(self, old: Option<f64>, given: f64) -> Result<Option<f64>, Stop> {
        let Some(old) = old else { return Ok((!self.xx).then_some(given)) };
        if self.nx {
            return Ok(None);
        }
        let new = if self.incr { old + given } else { given };
        if new.is_nan() {
            return Err(Stop::error("ERR resulting score is not a number (NaN)"));
        }
        let refused = self.lt && new >= old || self.gt && new <= old;
        Ok((!refused).then_some(new))
    }
}

/// `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member …]`
pub(in crate::commands) fn zadd(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    add_as(c, args, AddOptions::default())
}

/// `ZINCRBY key increment member`
pub(in crate::commands) fn zincrby(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    // As in Redis an increment that is the name of an option is taken for it, and refused.
    add_as(c, args, AddOptions { incr: true, ..AddOptions::default() })
}

fn add_as(c: &mut Context<'_>, args: &[&[u8]], mut options: AddOptions) -> Done {
    let words = args[2..].iter().take_while(|word| options.take(word)).count();
    let pairs = &args[2 + words..];
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(Stop::SYNTAX);
    }
    options.check(pairs.len() / 2)?;
    let mut members = SmallVec::<[(f64, &[u8]); 4]>::with_capacity(pairs.len() / 2);
    for pair in pairs.chunks_exact(2) {
        members.push((float::argument(pair[0])?, pair[1]));
    }
    add(c, args[1], options, &members)
}

/// Gives members of a sorted set scores, and answers as ZADD does.
///
/// # Errors
/// `WRONGTYPE`; a sum that is no number; as [`Data::change`].
pub(in crate::commands) fn add(
    c: &mut Context<'_>,
    key: &[u8],
    options: AddOptions,
    members: &[(f64, &[u8])],
) -> Done {
    let key = c.data.key(key);
    let set = look(&mut c.data, key)?;
    let (mut added, mut updated, mut last) = (0, 0, None);
    // A member may come twice: the second time it has the score it got the first time.
    let (mut puts, mut scores) = (SmallVec::<[(&[u8], [u8; 8]); 4]>::new(), Scores::default());
    for &(given, member) in members {
        let old = match scores.get(member) {
            Some(score) => Some(*score),
            None => set.score(member),
        };
        last = options.score(old, given)?;
        let Some(new) = last else { continue };
        if old != Some(new) {
            puts.push((member, value(new)));
            if members.len() > 1 {
                scores.insert(member, new);
            }
            added += i64::from(old.is_none());
            updated += i64::from(old.is_some());
        }
    }
    let puts = puts.iter().map(|(member, value)| (*member, &value[..]));
    put_all(&mut c.data, key, kind::SORTED_SET, puts)?;
    match (options.incr, last) {
        (true, Some(score)) => c.reply.double(score),
        (true, None) => c.reply.null(),
        (false, _) => c.reply.int(if options.ch { added + updated } else { added }),
    }
    Ok(())
}
