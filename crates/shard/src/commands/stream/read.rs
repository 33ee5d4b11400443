//! Entries behind those that are known: XREAD. It waits for one if asked to, and then all who wait get it.

use super::id::Id;
use super::{look_again, range};
use crate::commands::integer;
use crate::data::{Context, Data, Done, Key, Stop};
use model::row::kind;

/// Most bytes of entries in the answer to a call that may wait, unless its first entry has more. Whoever follows a
/// stream goes on behind the last entry it has, so the rest is not lost to it; and with an entry more the answer fits
/// what one node may answer another, which is the bound of a call that does not wait.
const MAX_FOLLOWED: usize = 16 << 20;
const _: () = assert!(MAX_FOLLOWED <= model::limits::MAX_FRAME / 2);

/// A call of XREAD.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::commands) struct Call<'a, 'b> {
    /// COUNT: most entries of each stream, 0 = all.
    count: usize,
    /// BLOCK: ms to wait, 0 = for ever.
    pub block: Option<u64>,
    /// Keys.
    keys: &'a [&'b [u8]],
    /// The id that is known of each.
    ids: &'a [&'b [u8]],
}

impl<'a, 'b> Call<'a, 'b> {
    /// Reads the arguments, the name first.
    ///
    /// # Errors
    /// In Redis's words.
    pub fn parse(args: &'a [&'b [u8]]) -> Result<Call<'a, 'b>, Stop> {
        let (mut count, mut block) = (0, None);
        let mut rest = &args[1..];
        while let Some((word, values)) = rest.split_first() {
            let is = |name: &[u8]| integer::before_zero(word).eq_ignore_ascii_case(name);
            let more = !values.is_empty();
            if is(b"streams") && more {
                if !values.len().is_multiple_of(2) {
                    return Err(Stop::error(
                        "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
                    ));
                }
                let (keys, ids) = values.split_at(values.len() / 2);
                return Ok(Call { count, block, keys, ids });
            } else if is(b"block") && more {
                block = Some(timeout(values[0])?);
            } else if is(b"count") && more {
                count = usize::try_from(integer::argument(values[0])?).unwrap_or(0);
            } else if is(b"group") && values.len() >= 2 {
                return Err(of_groups("GROUP"));
            } else if is(b"noack") {
                return Err(of_groups("NOACK"));
            } else {
                return Err(Stop::SYNTAX);
            }
            rest = &values[1..];
        }
        Err(Stop::SYNTAX)
    }

    /// The keys, each with the id that is known of it.
    ///
    /// # Errors
    /// `WRONGTYPE`, an id that is none; [`Stop::Fetch`] when rows are not in memory: all that are not are fetched.
    fn known(&self, data: &mut Data<'_>) -> Result<Vec<(Key<'b>, Id)>, Stop> {
        let keys: Vec<Key<'b>> = self.keys.iter().map(|key| data.key(key)).collect();
        data.rows(&keys)?;
        let mut known = Vec::with_capacity(keys.len());
        for (key, id) in keys.into_iter().zip(self.ids) {
            if data.peek(key)?.is_some_and(|row| row.kind != kind::STREAM) && !data.waits_again() {
                return Err(Stop::WRONG_TYPE);
            }
            let last = look_again(data, key)?.map_or(Id::MIN, |stream| stream.state.last);
            let id = match integer::before_zero(id) {
                b"$" => last,
                b">" => {
                    return Err(Stop::error(
                        "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
                    ));
                }
                _ => Id::parse(id, 0)?,
            };
            known.push((key, id));
        }
        Ok(known)
    }
}

fn timeout(arg: &[u8]) -> Result<u64, Stop> {
    let ms = integer::parse(arg).ok_or(Stop::error("ERR timeout is not an integer or out of range"))?;
    u64::try_from(ms).map_err(|_| Stop::error("ERR timeout is negative"))
}

fn of_groups(option: &str) -> Stop {
    Stop::error(format!("ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."))
}

/// `XREAD [COUNT count] [BLOCK ms] STREAMS key [key …] id [id …]`
pub(in crate::commands) fn xread(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let call = Call::parse(args)?;
    let known = call.known(&mut c.data)?;
    if answer(c, &call, &known)? {
        return Ok(());
    }
    if call.block.is_some() {
        return Err(Stop::Block);
    }
    c.reply.null_array();
    Ok(())
}

/// Answers with the entries behind the known ones. False if there are none.
fn answer(c: &mut Context<'_>, call: &Call<'_, '_>, known: &[(Key<'_>, Id)]) -> Result<bool, Stop> {
    let mut ready = Vec::new();
    let mut room = call.block.map(|_| MAX_FOLLOWED);
    for &(key, id) in known {
        let Some(stream) = look_again(&mut c.data, key)? else { continue };
        let from = id.next().map_or(stream.len(), |next| stream.below(next));
        let mut len = stream.len() - from;
        if call.count > 0 {
            len = len.min(call.count);
        }
        if let Some(room) = &mut room {
            let sizes = stream.from(from).take(len).map(|entry| entry.bytes());
            len = fitting(sizes, room, ready.is_empty());
        }
        if len > 0 {
            ready.push((key, from, len));
        }
    }
    if ready.is_empty() {
        return Ok(false);
    }
    c.reply.map_of_pairs(ready.len());
    for (key, from, len) in ready {
        let Some(stream) = look_again(&mut c.data, key)? else { continue };
        c.reply.map_pair();
        c.reply.bulk(key.bytes);
        range::answer(c.reply, len, stream.from(from));
    }
    Ok(true)
}

/// How many of the first entries fit the room, which they take. `one`: the first of them always does.
fn fitting(sizes: impl Iterator<Item = usize>, room: &mut usize, one: bool) -> usize {
    let mut len = 0;
    for size in sizes {
        if size > *room && !(one && len == 0) {
            // Nothing comes behind what was left out, of no stream.
            *room = 0;
            break;
        }
        *room = room.saturating_sub(size);
        len += 1;
    }
    len
}

// ---- those who wait ----

/// Whether a call of XREAD waits for what comes behind the last entries (`$`): which those are must be found
/// once, when it begins to wait.
pub fn waits_behind_last(args: &[&[u8]]) -> bool {
    args.first().is_some_and(|name| name.eq_ignore_ascii_case(b"xread"))
        && Call::parse(args).is_ok_and(|call| {
            call.block.is_some() && call.ids.iter().any(|id| integer::before_zero(id) == b"$")
        })
}

/// Answers such a call, whose name follows that of the request, if there is anything to answer; otherwise with a
/// status that has the known ids, for [`name_ids`].
///
/// # Errors
/// As XREAD.
pub fn find_last(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let call = Call::parse(args.get(1..).filter(|args| !args.is_empty()).ok_or(Stop::SYNTAX)?)?;
    let known = call.known(&mut c.data)?;
    if !answer(c, &call, &known)? {
        let ids: Vec<String> = known.iter().map(|(_, id)| id.to_string()).collect();
        c.reply.status(&ids.join(" "));
    }
    Ok(())
}

/// Puts these ids in the place of those of a call, which has as many.
pub fn name_ids(args: &mut [Vec<u8>], ids: &[u8]) {
    let ids: Vec<&[u8]> = ids.trim_ascii().split(|byte| *byte == b' ').collect();
    let from = args.len().saturating_sub(ids.len());
    for (arg, id) in args[from..].iter_mut().zip(ids) {
        *arg = id.to_vec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_left_for_the_next_call() {
        let (mut room, sizes) = (10, [4, 4, 4, 1]);
        assert_eq!(fitting(sizes.into_iter(), &mut room, true), 2);
        assert_eq!(fitting([1].into_iter(), &mut room, false), 0, "another stream waits with it");
        room = 3;
        assert_eq!(fitting(sizes.into_iter(), &mut room, true), 1, "the first is answered whatever its size");
    }
}
