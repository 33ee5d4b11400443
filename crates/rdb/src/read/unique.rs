//! Nothing may be twice in a value: a set would count it twice, a hash would lose one of the two.

use crate::{Error, Value};

/// Refuses a value with the same member or field twice.
pub(super) fn check(value: &Value) -> Result<(), Error> {
    match value {
        Value::String(_) | Value::List(_) => Ok(()),
        Value::Set(members) => names(members.iter(), "member"),
        Value::Hash(pairs) => names(pairs.iter().map(|(field, _)| field), "field"),
        Value::SortedSet(members) => names(members.iter().map(|(member, _)| member), "member"),
        Value::Stream(stream) => {
            names(stream.groups.iter().map(|group| &group.name), "consumer group")?;
            let consumers = |group: &crate::Group| {
                names(group.consumers.iter().map(|consumer| &consumer.name), "consumer")
            };
            stream.groups.iter().try_for_each(consumers)
        }
    }
}

/// Refuses names if two are equal. By sorting: a stranger cannot choose names for which that is slow, as for
/// a hash table with a fixed hash.
fn names<'a>(names: impl Iterator<Item = &'a Vec<u8>>, what: &'static str) -> Result<(), Error> {
    let mut sorted: Vec<&[u8]> = names.map(Vec::as_slice).collect();
    sorted.sort_unstable();
    let twice = sorted.windows(2).any(|pair| pair[0] == pair[1]);
    if twice { Err(Error::Duplicate(what)) } else { Ok(()) }
}
