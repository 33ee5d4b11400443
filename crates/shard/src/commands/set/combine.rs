//! Several sets as one: SUNION, SINTER, SDIFF, what stores them, and SINTERCARD.

use crate::collection::{Builder, Elements};
use crate::commands::elements::{difference, store_into, union};
use crate::commands::integer;
use crate::data::{Context, Data, Done, Stop};
use hashbrown::HashSet;
use model::row::kind;

/// Members that are looked for one by one in a small set, before it gets an index for the command.
const FEW: usize = 16;

/// Makes one set of several.
type Combine = for<'a> fn(Vec<Elements<'a>>) -> Vec<&'a [u8]>;

/// `SUNION key [key …]`
pub(in crate::commands) fn sunion(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    answer(c, args, all)
}

/// `SUNIONSTORE destination key [key …]`
pub(in crate::commands) fn sunionstore(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let members = owned(all(sets(&mut c.data, &args[2..])?));
    keep(c, args[1], Builder::new(kind::SET), &members)
}

/// `SINTER key [key …]`
pub(in crate::commands) fn sinter(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    answer(c, args, |sets| common(sets).collect())
}

/// `SINTERSTORE destination key [key …]`
pub(in crate::commands) fn sinterstore(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let members = owned(common(sets(&mut c.data, &args[2..])?).collect());
    keep(c, args[1], Builder::new(kind::SET), &members)
}

/// `SDIFF key [key …]`
pub(in crate::commands) fn sdiff(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    answer(c, args, first_only)
}

/// `SDIFFSTORE destination key [key …]`
pub(in crate::commands) fn sdiffstore(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let integers = c.data.limits().integer_set_entries;
    let sets = sets(&mut c.data, &args[2..])?;
    let first = sets[0];
    let held = is_subtracted(&sets);
    let mixed = held && (first.len() > integers || !names(first).all(|name| integer::parse(name).is_some()));
    let builder = if mixed { Builder::not_of_integers() } else { Builder::new(kind::SET) };
    let members = owned(first_only(sets));
    keep(c, args[1], builder, &members)
}

/// `SINTERCARD numkeys key [key …] [LIMIT limit]`
pub(in crate::commands) fn sintercard(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let number = integer::at_least(args[1], 1, "ERR numkeys should be greater than 0")?;
    if number > args.len() - 2 {
        return Err(Stop::error("ERR Number of keys can't be greater than number of args"));
    }
    let (keys, options) = args[2..].split_at(number);
    let mut limit = 0;
    for option in options.chunks(2) {
        match option {
            [name, most] if name.eq_ignore_ascii_case(b"limit") => {
                limit = integer::at_least(most, 0, "ERR LIMIT can't be negative")?;
            }
            _ => return Err(Stop::SYNTAX),
        }
    }
    let most = if limit == 0 { usize::MAX } else { limit };
    let count = common(sets(&mut c.data, keys)?).take(most).count();
    c.reply.int(count as i64);
    Ok(())
}

fn answer(c: &mut Context<'_>, args: &[&[u8]], combine: Combine) -> Done {
    let members = combine(sets(&mut c.data, &args[1..])?);
    c.reply.set(members.len());
    members.into_iter().for_each(|member| c.reply.bulk(member));
    Ok(())
}

/// Members that outlive the sets they are of.
fn owned(members: Vec<&[u8]>) -> Vec<Box<[u8]>> {
    members.into_iter().map(Box::from).collect()
}

/// Stores the members under a key, whatever that is, and answers how many they are.
fn keep(c: &mut Context<'_>, key: &[u8], builder: Builder, members: &[Box<[u8]>]) -> Done {
    let key = c.data.key(key);
    // The look first: what has expired there is deleted.
    c.data.peek(key)?;
    let pairs = members.iter().map(|member| (&member[..], &b""[..]));
    store_into(&mut c.data, key, (kind::SET, 0), builder, pairs)?;
    c.reply.int(members.len() as i64);
    Ok(())
}

/// Whether Redis makes the difference of these sets of a copy of the first one, from which it takes the members of the
/// others away: what was in the copy decides for good what the result is named.
fn is_subtracted(sets: &[Elements<'_>]) -> bool {
    let there = sets.iter().filter(|set| !set.is_empty()).count();
    sets[0].len() * there / 2 > sets.iter().map(|set| set.len()).sum()
}

/// The sets of these keys, an absent one without members.
fn sets<'d>(data: &'d mut Data<'_>, keys: &[&[u8]]) -> Result<Vec<Elements<'d>>, Stop> {
    let keys: Vec<_> = keys.iter().map(|key| data.key(key)).collect();
    let set = |row: Option<&'d crate::row::Row>| match row {
        Some(row) if row.kind == kind::SET => Ok(Elements::of(row)),
        Some(_) => Err(Stop::WRONG_TYPE),
        None => Ok(Elements::none()),
    };
    data.rows(&keys)?.into_iter().map(set).collect()
}

fn names(set: Elements<'_>) -> impl Iterator<Item = &[u8]> {
    set.iter().map(|(member, _)| member)
}

fn all(sets: Vec<Elements<'_>>) -> Vec<&[u8]> {
    match sets[..] {
        [one] => names(one).collect(),
        _ => union(sets.into_iter().flat_map(names)),
    }
}

/// What all sets have: the members of the smallest that are in the others, the smaller ones asked first.
fn common(mut sets: Vec<Elements<'_>>) -> impl Iterator<Item = &[u8]> {
    sets.sort_by_key(|set| set.len());
    let smallest = sets[0];
    let others: Vec<_> = sets[1..].iter().map(|set| Asked::new(*set, smallest.len())).collect();
    names(smallest).filter(move |member| others.iter().all(|set| set.has(member)))
}

/// What the first set has and no other. By whichever way takes fewer steps: to look for its members in the
/// others, which ends at the first that has one, or to walk over all of them.
fn first_only(sets: Vec<Elements<'_>>) -> Vec<&[u8]> {
    let (first, mut others) = (sets[0], sets[1..].to_vec());
    let asking = first.len() * others.len() / 2;
    if asking > first.len() + others.iter().map(|set| set.len()).sum::<usize>() {
        return difference(names(first), others.into_iter().flat_map(names));
    }
    others.sort_by_key(|set| std::cmp::Reverse(set.len()));
    let others: Vec<_> = others.into_iter().map(|set| Asked::new(set, first.len())).collect();
    names(first).filter(|member| !others.iter().any(|set| set.has(member))).collect()
}

/// A set in which many members are looked for.
enum Asked<'a> {
    AsItIs(Elements<'a>),
    Indexed(HashSet<&'a [u8], foldhash::fast::RandomState>),
}

impl<'a> Asked<'a> {
    /// `times`: how many members are looked for, at most.
    fn new(set: Elements<'a>, times: usize) -> Asked<'a> {
        if set.is_large() || set.len().min(times) <= FEW {
            Asked::AsItIs(set)
        } else {
            Asked::Indexed(names(set).collect())
        }
    }

    fn has(&self, member: &[u8]) -> bool {
        match self {
            Asked::AsItIs(set) => set.contains(member),
            Asked::Indexed(names) => names.contains(member),
        }
    }
}
