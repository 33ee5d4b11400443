//! Adding an entry: XADD.

use super::entry;
use super::id::{Given, Id};
use super::look;
use super::trim::{Options, trim};
use crate::commands::integer;
use crate::data::{Context, Done, Stop};
use model::change::Change;
use model::row::kind;

/// `XADD key [NOMKSTREAM] [MAXLEN | MINID [= | ~] threshold [LIMIT count]] * | id field value [field value …]`
pub(in crate::commands) fn xadd(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (options, rest) = Options::parse(&args[2..], true)?;
    let given = match rest.first() {
        // As in Redis options are judged without an id before what lacks is missed.
        None => None,
        Some(id) if integer::before_zero(id) == b"*" => None,
        Some(id) => Some(Id::parse_open(id)?),
    };
    let how = options.checked(false)?;
    let pairs = rest.get(1..).unwrap_or_default();
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(Stop::error("ERR wrong number of arguments for 'xadd' command"));
    }
    if given == Some(Given::Whole(Id::MIN)) {
        return Err(Stop::error("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let (key, now) = (c.data.key(args[1]), c.data.now());
    let limits = *c.data.limits();
    let stream = look(&mut c.data, key)?;
    if stream.is_none() && options.no_new {
        c.reply.null();
        return Ok(());
    }
    let (mut state, last_page) = stream
        .map_or_else(Default::default, |stream| (stream.state, stream.last().map_or(0, |entry| entry.page)));
    let id = new_id(given, state.last, now)?;
    state.page = state.page.with(id, pairs, last_page != state.page.number, &limits);
    (state.last, state.added) = (id, state.added.wrapping_add(1));
    let value = entry::value(state.page.number, pairs.len() / 2, pairs.iter().copied());
    let (name, about) = (id.name(), state.encode());
    c.data.change(key, kind::STREAM, Change::PutAbout { name: &name, value: &value, about: &about })?;
    if let Some(how) = how {
        trim(&mut c.data, key, how)?;
    }
    id.answer(c.reply);
    Ok(())
}

/// The id of the next entry behind the last one; `None`: by the time.
fn new_id(given: Option<Given>, last: Id, now: u64) -> Result<Id, Stop> {
    if last == Id::MAX {
        let text = "ERR The stream has exhausted the last possible ID, unable to add more items";
        return Err(Stop::error(text));
    }
    let id = match given {
        None => Id::behind(last, now),
        Some(Given::Whole(id)) => Some(id),
        Some(Given::Time(ms)) if ms == last.ms => last.seq.checked_add(1).map(|seq| Id { ms, seq }),
        Some(Given::Time(ms)) => Some(Id { ms, seq: 0 }),
    };
    let text = "ERR The ID specified in XADD is equal or smaller than the target stream top item";
    id.filter(|id| *id > last).ok_or(Stop::error(text))
}
