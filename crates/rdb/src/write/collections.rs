//! Lists, sets, hashes and sorted sets: packed where they are small.

use std::io::{self, Write};

use crate::output::Output;
use crate::packed::intset;
use crate::packed::listpack::Builder;
use crate::{integer, kind, score};

/// Most members of a set of integers that is packed (`set-max-intset-entries`).
const INTSET_MAX: usize = 512;
/// Most pairs of a hash that is packed (`hash-max-listpack-entries`).
const HASH_MAX: usize = 512;
/// Most members of a sorted set that is packed (`zset-max-listpack-entries`).
const SORTED_SET_MAX: usize = 128;
/// Most bytes of a field, value or member in one (`hash-` and `zset-max-listpack-value`).
const PACKED_VALUE_MAX: usize = 64;
/// Bytes of a list's node that is filled further (`list-max-listpack-size -2`).
const NODE_FILL: usize = 8 << 10;
/// Most bytes an element takes in a listpack beside its own.
const ELEMENT_OVERHEAD: usize = 10;
/// An element of so many bytes is a node by itself, not packed.
pub(super) const PLAIN_FROM: usize = 1 << 30;

/// A node of a list: a range of its elements.
enum Node<'a> {
    Plain(&'a [u8]),
    Packed(&'a [Vec<u8>]),
}

/// Cuts a list into nodes; an element of `plain_from` bytes or more is one by itself.
fn nodes(elements: &[Vec<u8>], plain_from: usize) -> Vec<Node<'_>> {
    let mut nodes = Vec::new();
    let mut rest = elements;
    while let Some(first) = rest.first() {
        if first.len() >= plain_from {
            nodes.push(Node::Plain(first));
            rest = &rest[1..];
            continue;
        }
        let mut size = first.len() + ELEMENT_OVERHEAD;
        let more = rest[1..].iter().take_while(|element| {
            size += element.len() + ELEMENT_OVERHEAD;
            size <= NODE_FILL && element.len() < plain_from
        });
        let (packed, behind) = rest.split_at(1 + more.count());
        nodes.push(Node::Packed(packed));
        rest = behind;
    }
    nodes
}

pub(super) fn list<W: Write>(
    output: &mut Output<W>,
    elements: &[Vec<u8>],
    plain_from: usize,
) -> io::Result<()> {
    let nodes = nodes(elements, plain_from);
    output.put_length(nodes.len() as u64)?;
    for node in nodes {
        match node {
            Node::Plain(element) => {
                output.put_length(kind::NODE_PLAIN)?;
                output.put_string(element)?;
            }
            Node::Packed(elements) => {
                let mut builder = Builder::new();
                elements.iter().for_each(|element| builder.push(element));
                output.put_length(kind::NODE_PACKED)?;
                output.put_string(&builder.finish())?;
            }
        }
    }
    Ok(())
}

/// The members as ascending numbers, if they are few and all are numbers.
pub(super) fn integers(members: &[Vec<u8>]) -> Option<Vec<i64>> {
    if members.len() > INTSET_MAX {
        return None;
    }
    let mut integers: Vec<i64> = members.iter().map(|m| integer::parse(m)).collect::<Option<_>>()?;
    integers.sort_unstable();
    Some(integers)
}

pub(super) fn set<W: Write>(output: &mut Output<W>, members: &[Vec<u8>]) -> io::Result<()> {
    if let Some(integers) = integers(members) {
        return output.put_string(&intset::write(&integers));
    }
    output.put_length(members.len() as u64)?;
    members.iter().try_for_each(|member| output.put_string(member))
}

/// True if a hash is packed.
pub(super) fn is_small_hash(pairs: &[(Vec<u8>, Vec<u8>)]) -> bool {
    let short = |bytes: &Vec<u8>| bytes.len() <= PACKED_VALUE_MAX;
    pairs.len() <= HASH_MAX && pairs.iter().all(|(field, value)| short(field) && short(value))
}

pub(super) fn hash<W: Write>(output: &mut Output<W>, pairs: &[(Vec<u8>, Vec<u8>)]) -> io::Result<()> {
    let parts = pairs.iter().flat_map(|(field, value)| [field, value]);
    if is_small_hash(pairs) {
        let mut builder = Builder::new();
        parts.for_each(|part| builder.push(part));
        return output.put_string(&builder.finish());
    }
    output.put_length(pairs.len() as u64)?;
    parts.into_iter().try_for_each(|part| output.put_string(part))
}

/// True if a sorted set is packed.
pub(super) fn is_small_sorted_set(members: &[(Vec<u8>, f64)]) -> bool {
    members.len() <= SORTED_SET_MAX && members.iter().all(|(member, _)| member.len() <= PACKED_VALUE_MAX)
}

pub(super) fn sorted_set<W: Write>(output: &mut Output<W>, members: &[(Vec<u8>, f64)]) -> io::Result<()> {
    if is_small_sorted_set(members) {
        return output.put_string(&packed_sorted_set(members));
    }
    output.put_length(members.len() as u64)?;
    members.iter().try_for_each(|(member, score)| {
        output.put_string(member)?;
        output.put(&score.to_le_bytes())
    })
}

/// Members by score, those of equal score by their bytes: Redis searches in it without sorting it again.
fn packed_sorted_set(members: &[(Vec<u8>, f64)]) -> Vec<u8> {
    let mut sorted: Vec<&(Vec<u8>, f64)> = members.iter().collect();
    // Both zeros are equal here, as in Redis; `+ 0.0` makes them the same.
    sorted.sort_unstable_by(|a, b| (a.1 + 0.0).total_cmp(&(b.1 + 0.0)).then_with(|| a.0.cmp(&b.0)));
    let mut builder = Builder::new();
    for (member, score) in sorted {
        builder.push(member);
        builder.push(&score::text(*score));
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_filled_and_large_elements_stand_alone() {
        let list: Vec<Vec<u8>> =
            [100, 100, 8000, 50, 9000, 1, 20_000, 1].map(|length| vec![b'x'; length]).into();
        let shape = |plain_from: usize| -> Vec<usize> {
            let of = |node: &Node<'_>| match node {
                Node::Plain(_) => 0,
                Node::Packed(elements) => elements.len(),
            };
            nodes(&list, plain_from).iter().map(of).collect()
        };
        assert_eq!(shape(PLAIN_FROM), [2, 2, 1, 1, 1, 1]);
        assert_eq!(shape(10_000), [2, 2, 1, 1, 0, 1]);
        let mut output = Output::new(Vec::new());
        super::list(&mut output, &list, 10_000).unwrap();
        let bytes = output.into_sink();
        let mut input = crate::input::Input::plain(&bytes[..]);
        let read =
            crate::read::Decoder::new(&mut input, crate::Limits::default()).value(kind::LIST_QUICKLIST_2);
        assert_eq!(read.unwrap(), crate::Value::List(list));
    }

    #[test]
    fn small_collections_are_packed_up_to_their_bounds() {
        let members = |count: usize| (0..count).map(|n| n.to_string().into_bytes()).collect::<Vec<_>>();
        assert!(integers(&members(512)).is_some() && integers(&members(513)).is_none());
        assert_eq!(integers(&[b"2".to_vec(), b"x".to_vec()]), None);
        let pairs = |count| members(count).into_iter().map(|m| (m.clone(), m)).collect::<Vec<_>>();
        assert!(is_small_hash(&pairs(512)) && !is_small_hash(&pairs(513)));
        assert!(is_small_hash(&[(vec![1; 64], vec![])]) && !is_small_hash(&[(vec![], vec![1; 65])]));
        let scored = |count| members(count).into_iter().map(|m| (m, 1.0)).collect::<Vec<_>>();
        assert!(is_small_sorted_set(&scored(128)) && !is_small_sorted_set(&scored(129)));
    }

    #[test]
    fn packed_sorted_sets_are_sorted() {
        let members = [("b", 0.0), ("c", -1.0), ("a", -0.0), ("d", f64::NEG_INFINITY)];
        let members: Vec<_> = members.iter().map(|(m, s)| (m.as_bytes().to_vec(), *s)).collect();
        let packed = packed_sorted_set(&members);
        let elements = crate::packed::listpack::Listpack::open(&packed).unwrap();
        let texts: Vec<_> = elements.map(|e| String::from_utf8(e.unwrap().to_vec()).unwrap()).collect();
        assert_eq!(texts, ["d", "-inf", "c", "-1", "a", "-0.0", "b", "0"]);
    }
}
