//! What a list has: LLEN, LINDEX, LRANGE, LPOS.

use super::super::{integer, range};
use super::End;
use crate::collection::Items;
use crate::data::{Context, Done, Stop};

/// `LLEN key`
pub(in super::super) fn llen(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let len = c.data.items(key)?.len();
    c.reply.int(len as i64);
    Ok(())
}

/// `LINDEX key index`
pub(in super::super) fn lindex(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = c.data.key(args[1]);
    let items = c.data.items(key)?;
    // As in Redis an absent key is answered before the index is looked at.
    let found = match items.len() {
        0 => None,
        len => range::place(integer::argument(args[2])?, len).and_then(|at| items.get(at)),
    };
    match found {
        Some(item) => c.reply.bulk(item),
        None => c.reply.null(),
    }
    Ok(())
}

/// `LRANGE key start stop`
pub(in super::super) fn lrange(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (start, stop) = (integer::argument(args[2])?, integer::argument(args[3])?);
    let key = c.data.key(args[1]);
    let items = c.data.items(key)?;
    let places = range::places(start, stop, items.len());
    c.reply.array(places.len());
    items.each(places, |item| c.reply.bulk(item));
    Ok(())
}

/// What LPOS looks for.
struct Search {
    /// Where the search begins.
    from: End,
    /// The first match that counts, from 1.
    rank: usize,
    /// Most matches, all of them if 0; `None` is one, and the reply no array.
    count: Option<usize>,
    /// Most items looked at.
    most: usize,
}

impl Search {
    fn parse(options: &[&[u8]]) -> Result<Search, Stop> {
        let mut search = Search { from: End::Left, rank: 1, count: None, most: usize::MAX };
        for option in options.chunks(2) {
            let [name, value] = option else { return Err(Stop::SYNTAX) };
            if name.eq_ignore_ascii_case(b"rank") {
                let rank = integer::argument(value)?;
                search.from = if rank < 0 { End::Right } else { End::Left };
                search.rank = rank_of(rank)?;
            } else if name.eq_ignore_ascii_case(b"count") {
                search.count = Some(integer::at_least(value, 0, "ERR COUNT can't be negative")?);
            } else if name.eq_ignore_ascii_case(b"maxlen") {
                let most = integer::at_least(value, 0, "ERR MAXLEN can't be negative")?;
                search.most = if most == 0 { usize::MAX } else { most };
            } else {
                return Err(Stop::SYNTAX);
            }
        }
        Ok(search)
    }

    /// Places of the matches, in the order in which they are found.
    fn run<'a>(&self, items: Items<'a>, wanted: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let (from, last) = (self.from, items.len().wrapping_sub(1));
        let most = match self.count {
            None => 1,
            Some(0) => usize::MAX,
            Some(count) => count,
        };
        let looked_at = self.from.items(items).take(self.most).enumerate();
        looked_at
            .filter(move |(_, item)| *item == wanted)
            .map(move |(at, _)| if from == End::Left { at } else { last - at })
            .skip(self.rank - 1)
            .take(most)
    }
}

/// Redis 7.0 computes with the lowest number as well, and overflows; later ones refuse it in these words.
fn rank_of(rank: i64) -> Result<usize, Stop> {
    match rank {
        0 => Err(Stop::error(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative \
             to start from the end of the list",
        )),
        i64::MIN => Err(Stop::error(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        )),
        _ => Ok(rank.unsigned_abs() as usize),
    }
}

/// `LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]`
pub(in super::super) fn lpos(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let search = Search::parse(&args[3..])?;
    let key = c.data.key(args[1]);
    let mut found = search.run(c.data.items(key)?, args[2]);
    if search.count.is_none() {
        match found.next() {
            Some(place) => c.reply.int(place as i64),
            None => c.reply.null(),
        }
        return Ok(());
    }
    let found: Vec<_> = found.collect();
    c.reply.array(found.len());
    found.into_iter().for_each(|place| c.reply.int(place as i64));
    Ok(())
}
