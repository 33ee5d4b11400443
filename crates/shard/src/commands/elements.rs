//! What commands on hashes, sets and sorted sets share: several elements at once, and whole collections.

use crate::collection::{Builder, Pair};
use crate::data::{Context, Data, Done, Key, Stop};
use hashbrown::HashSet;
use model::change::{Change, put_pair};
use model::limits::MAX_EFFECTS;
use model::varint::put_bytes;
use smallvec::SmallVec;

/// Names that were met, never walked over: their order is nobody's.
type Met<'a> = HashSet<&'a [u8], foldhash::fast::RandomState>;
/// Names of a command: of a few without an allocation.
pub(super) type Names<'a> = SmallVec<[&'a [u8]; 4]>;

/// The names for which `wanted` holds, each once, in the order of their first places.
pub(super) fn distinct<'a>(
    names: impl ExactSizeIterator<Item = &'a [u8]>,
    wanted: impl Fn(&[u8]) -> bool,
) -> Names<'a> {
    let (several, mut met) = (names.len() > 1, Met::default());
    names.filter(|name| wanted(name) && (!several || met.insert(name))).collect()
}

/// Those of several sequences of names, each once.
pub(super) fn union<'a>(names: impl Iterator<Item = &'a [u8]>) -> Vec<&'a [u8]> {
    let mut met = Met::default();
    names.filter(|name| met.insert(name)).collect()
}

/// The names of the first sequence that are in no other.
pub(super) fn difference<'a>(
    names: impl Iterator<Item = &'a [u8]>,
    others: impl Iterator<Item = &'a [u8]>,
) -> Vec<&'a [u8]> {
    let others: Met<'_> = others.collect();
    names.filter(|name| !others.contains(name)).collect()
}

/// Gives a key a collection of this kind with these elements, whatever it was before; without elements it is
/// deleted. As one effect if it fits a value. A sorted set's elements come in order.
///
/// # Errors
/// As [`Data::put`] and [`Data::change`].
pub(super) fn store<'a>(
    data: &mut Data<'_>,
    key: Key<'_>,
    (kind, expire): (u8, u64),
    elements: impl Iterator<Item = Pair<'a>> + Clone,
) -> Done {
    store_into(data, key, (kind, expire), Builder::new(kind), elements)
}

/// [`store`] into a collection of this kind that has no elements yet.
pub(super) fn store_into<'a>(
    data: &mut Data<'_>,
    key: Key<'_>,
    (kind, expire): (u8, u64),
    mut builder: Builder,
    elements: impl Iterator<Item = Pair<'a>> + Clone,
) -> Done {
    for (name, value) in elements.clone() {
        builder.push(name, value);
        if builder.len() > data.max_value() {
            break;
        }
    }
    if !builder.is_empty() && builder.len() <= data.max_value() {
        return data.put(key, kind, expire, &builder.finish());
    }
    data.delete(key)?;
    put_all(data, key, kind, elements)?;
    if expire != 0 {
        data.set_expire(key, expire)?;
    }
    Ok(())
}

/// Gives elements of a collection of this kind their values, one after the other, by one effect.
///
/// # Errors
/// As [`Data::change`].
pub(super) fn put_all<'a>(
    data: &mut Data<'_>,
    key: Key<'_>,
    kind: u8,
    mut elements: impl Iterator<Item = Pair<'a>>,
) -> Done {
    let Some(first) = elements.next() else { return Ok(()) };
    let Some(second) = elements.next() else {
        return data.change(key, kind, Change::Put { name: first.0, value: first.1 });
    };
    let mut several = Vec::new();
    for (name, value) in [first, second].into_iter().chain(elements) {
        put_pair(&mut several, name, value);
        if several.len() > MAX_EFFECTS {
            // More is refused, whatever it is.
            break;
        }
    }
    data.change(key, kind, Change::PutSeveral { elements: &several })
}

/// Removes elements of a collection of this kind, which exist and are not all, by one effect.
///
/// # Errors
/// As [`Data::change`].
pub(super) fn remove_all(data: &mut Data<'_>, key: Key<'_>, kind: u8, names: &[&[u8]]) -> Done {
    match names {
        [] => Ok(()),
        [name] => data.change(key, kind, Change::Remove { name }),
        _ => {
            let mut several = Vec::new();
            names.iter().for_each(|name| put_bytes(&mut several, name));
            data.change(key, kind, Change::RemoveSeveral { names: &several })
        }
    }
}

/// Removes elements by their names, `HDEL key field [field …]`, and answers how many there were.
pub(super) fn remove(c: &mut Context<'_>, args: &[&[u8]], kind: u8) -> Done {
    let key = c.data.key(args[1]);
    let elements = c.data.elements(key, kind)?;
    let gone = distinct(args[2..].iter().copied(), |name| elements.contains(name));
    if !gone.is_empty() && gone.len() == elements.len() {
        c.data.delete(key)?;
    } else {
        remove_all(&mut c.data, key, kind, &gone)?;
    }
    c.reply.int(gone.len() as i64);
    Ok(())
}

/// Answers with the number of elements, `HLEN key`.
pub(super) fn count(c: &mut Context<'_>, args: &[&[u8]], kind: u8) -> Done {
    let key = c.data.key(args[1]);
    let len = c.data.elements(key, kind)?.len();
    c.reply.int(len as i64);
    Ok(())
}

/// Answers whether there is an element of this name, `HEXISTS key field`.
pub(super) fn exists(c: &mut Context<'_>, args: &[&[u8]], kind: u8) -> Done {
    let key = c.data.key(args[1]);
    let found = c.data.elements(key, kind)?.contains(args[2]);
    c.reply.int(found.into());
    Ok(())
}

/// A syntax error where a command has more arguments than `most`.
///
/// # Errors
/// [`Stop::SYNTAX`].
pub(super) fn at_most(args: &[&[u8]], most: usize) -> Done {
    if args.len() > most { Err(Stop::SYNTAX) } else { Ok(()) }
}
