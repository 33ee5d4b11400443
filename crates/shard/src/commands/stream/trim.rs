//! The oldest entries go: XTRIM, and the options of it that XADD has.

use super::id::Id;
use super::{Stream, look};
use crate::commands::integer;
use crate::data::{Context, Data, Done, Key, Stop};
use model::change::Change;
use model::row::kind;
use std::borrow::Cow;

/// Pages that a command removes at most where it may be about right, in entries of full ones.
const PAGES: u64 = 100;
/// Entries of them if a page may have any number.
const DEFAULT_LIMIT: u64 = 10_000;
/// Entries of them at most.
const MAX_LIMIT: u64 = 1_000_000;

const EXACT_LIMIT: Stop =
    Stop::Error(Cow::Borrowed("ERR syntax error, LIMIT cannot be used without the special ~ option"));

/// What stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// MAXLEN: so many.
    Newest(u64),
    /// MINID: those from this id on.
    From(Id),
}

/// How a stream is trimmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trim {
    keep: Keep,
    /// `~`: whole pages only.
    about: bool,
    /// LIMIT: most entries removed, 0 = any number.
    limit: Option<u64>,
}

/// The options before the id of XADD, and those of XTRIM.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// How it is trimmed.
    pub trim: Option<Trim>,
    /// NOMKSTREAM: an absent key stays so.
    pub no_new: bool,
    limit: Option<u64>,
}

impl Options {
    /// Reads options; what begins with an argument that is none is returned.
    ///
    /// # Errors
    /// In Redis's words.
    pub fn parse<'a, 'b>(args: &'a [&'b [u8]], adds: bool) -> Result<(Options, &'a [&'b [u8]]), Stop> {
        let (mut options, mut rest) = (Options::default(), args);
        while let Some((word, values)) = rest.split_first() {
            let is = |name: &[u8]| integer::before_zero(word).eq_ignore_ascii_case(name);
            rest = if (is(b"maxlen") || is(b"minid")) && !values.is_empty() {
                options.strategy(is(b"minid"), values)?
            } else if is(b"limit") && !values.is_empty() {
                let limit = u64::try_from(integer::argument(values[0])?);
                let limit = limit.map_err(|_| Stop::error("ERR The LIMIT argument must be >= 0."))?;
                options.limit = Some(limit);
                &values[1..]
            } else if adds && is(b"nomkstream") {
                options.no_new = true;
                values
            } else if adds {
                break;
            } else {
                return Err(Stop::SYNTAX);
            };
        }
        Ok((options, rest))
    }

    /// Reads what follows MAXLEN or MINID.
    fn strategy<'a, 'b>(&mut self, by_id: bool, values: &'a [&'b [u8]]) -> Result<&'a [&'b [u8]], Stop> {
        if self.trim.is_some() {
            let text = "ERR syntax error, MAXLEN and MINID options at the same time are not compatible";
            return Err(Stop::error(text));
        }
        let operator = (values.len() >= 2).then(|| integer::before_zero(values[0]));
        let (about, values) = match operator {
            Some(b"~") => (true, &values[1..]),
            Some(b"=") => (false, &values[1..]),
            _ => (false, values),
        };
        let keep = if by_id {
            Keep::From(Id::parse(values[0], 0)?)
        } else {
            let most = u64::try_from(integer::argument(values[0])?);
            Keep::Newest(most.map_err(|_| Stop::error("ERR The MAXLEN argument must be >= 0."))?)
        };
        self.trim = Some(Trim { keep, about, limit: None });
        Ok(&values[1..])
    }

    /// How to trim, once everything before the id was read. `trims`: it must be said.
    ///
    /// # Errors
    /// Options that do not go together, in Redis's words.
    pub fn checked(&self, trims: bool) -> Result<Option<Trim>, Stop> {
        let Some(trim) = self.trim else {
            return match (self.limit, trims) {
                (None, false) => Ok(None),
                (None | Some(0), true) => {
                    Err(Stop::error("ERR syntax error, XTRIM must be called with a trimming strategy"))
                }
                (Some(0), false) => Err(EXACT_LIMIT),
                (Some(_), _) => Err(Stop::error(
                    "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
                )),
            };
        };
        if self.limit.is_some() && !trim.about {
            return Err(EXACT_LIMIT);
        }
        Ok(Some(Trim { limit: self.limit, ..trim }))
    }
}

impl Trim {
    /// How many of the oldest entries of a stream go; a page has so many entries.
    fn count(&self, stream: &Stream<'_>, page_entries: u64) -> usize {
        let excess = match self.keep {
            Keep::Newest(most) => stream.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX)),
            Keep::From(id) => stream.below(id),
        };
        if !self.about {
            return excess;
        }
        let limit = self.limit.unwrap_or_else(|| match page_entries.saturating_mul(PAGES) {
            0 => DEFAULT_LIMIT,
            entries => entries.min(MAX_LIMIT),
        });
        let most = match limit {
            0 => excess,
            limit => excess.min(usize::try_from(limit).unwrap_or(usize::MAX)),
        };
        // The page of the first entry that stays, if it were exact, stays as a whole.
        match (stream.at(0), stream.at(most)) {
            (Some(first), Some(stays)) if first.page != stays.page => {
                most - stream.before(most).take_while(|entry| entry.page == stays.page).count()
            }
            (_, None) => most,
            _ => 0,
        }
    }
}

/// Trims a stream, if it is there; how many entries are gone.
///
/// # Errors
/// As [`Data::change`].
pub(super) fn trim(data: &mut Data<'_>, key: Key<'_>, how: Trim) -> Result<usize, Stop> {
    let page_entries = data.limits().stream_entries;
    let count = look(data, key)?.map_or(0, |stream| how.count(&stream, page_entries));
    if count > 0 {
        data.change(key, kind::STREAM, Change::RemoveRanks { from: 0, count: count as u64 })?;
    }
    Ok(count)
}

/// `XTRIM key MAXLEN | MINID [= | ~] threshold [LIMIT count]`
pub(in crate::commands) fn xtrim(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (options, _) = Options::parse(&args[2..], false)?;
    let Some(how) = options.checked(true)? else { return Err(Stop::SYNTAX) };
    let key = c.data.key(args[1]);
    let gone = trim(&mut c.data, key, how)?;
    c.reply.int(gone as i64);
    Ok(())
}
