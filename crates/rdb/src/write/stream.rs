//! A stream, as Redis 7.0 writes it.

use std::io::{self, Write};

use crate::output::Output;
use crate::packed::listpack::Builder;
use crate::read::SAME_FIELDS;
use crate::{Entry, Group, Pending, Stream, StreamId};

/// Most entries of a node (`stream-node-max-entries`).
const NODE_ENTRIES: usize = 100;
/// Bytes of a node that is filled further (`stream-node-max-bytes`).
const NODE_FILL: usize = 4096;
/// Most bytes an element takes in a listpack beside its own.
const ELEMENT_OVERHEAD: usize = 10;
/// What stands for a number of entries read that is not known.
const UNKNOWN: u64 = u64::MAX;

pub(super) fn stream<W: Write>(output: &mut Output<W>, stream: &Stream) -> io::Result<()> {
    let nodes = nodes(&stream.entries);
    output.put_length(nodes.len() as u64)?;
    for node in nodes {
        output.put_raw(&raw_id(node[0].id))?;
        output.put_string(&packed(node))?;
    }
    output.put_length(stream.entries.len() as u64)?;
    for id in [stream.last_id, stream.first_id, stream.max_deleted_id] {
        put_id(output, id)?;
    }
    output.put_length(stream.entries_added)?;
    output.put_length(stream.groups.len() as u64)?;
    stream.groups.iter().try_for_each(|group| put_group(output, group))
}

/// Cuts entries into nodes of at least one.
fn nodes(entries: &[Entry]) -> Vec<&[Entry]> {
    let mut nodes = Vec::new();
    let mut rest = entries;
    while !rest.is_empty() {
        let mut size = 0;
        let fitting = rest.iter().take(NODE_ENTRIES).take_while(|entry| {
            size += size_of_entry(entry);
            size <= NODE_FILL
        });
        let (node, behind) = rest.split_at(fitting.count().max(1));
        nodes.push(node);
        rest = behind;
    }
    nodes
}

fn size_of_entry(entry: &Entry) -> usize {
    let of = |(field, value): &(Vec<u8>, Vec<u8>)| field.len() + value.len() + 2 * ELEMENT_OVERHEAD;
    entry.fields.iter().map(of).sum::<usize>() + 5 * ELEMENT_OVERHEAD
}

/// The listpack of a node; `read/stream_node.rs` says what is in it.
fn packed(node: &[Entry]) -> Vec<u8> {
    let mut builder = Builder::new();
    let first = &node[0];
    builder.push_integer(node.len() as i64);
    builder.push_integer(0);
    builder.push_integer(first.fields.len() as i64);
    first.fields.iter().for_each(|(field, _)| builder.push(field));
    builder.push_integer(0);
    for entry in node {
        let shares = names(entry).eq(names(first));
        builder.push_integer(if shares { SAME_FIELDS } else { 0 });
        // Differences wrap around, and are added so when read: an id has 64 bits of both.
        builder.push_integer(entry.id.ms.wrapping_sub(first.id.ms).cast_signed());
        builder.push_integer(entry.id.sequence.wrapping_sub(first.id.sequence).cast_signed());
        let count = entry.fields.len() as i64;
        if !shares {
            builder.push_integer(count);
        }
        for (field, value) in &entry.fields {
            if !shares {
                builder.push(field);
            }
            builder.push(value);
        }
        builder.push_integer(if shares { count + 3 } else { 2 * count + 4 });
    }
    builder.finish()
}

/// The fields of an entry without their values.
fn names(entry: &Entry) -> impl Iterator<Item = &Vec<u8>> {
    entry.fields.iter().map(|(field, _)| field)
}

fn put_group<W: Write>(output: &mut Output<W>, group: &Group) -> io::Result<()> {
    output.put_string(&group.name)?;
    put_id(output, group.last_id)?;
    output.put_length(group.entries_read.unwrap_or(UNKNOWN))?;
    let mut pending: Vec<&Pending> = group.consumers.iter().flat_map(|c| &c.pending).collect();
    pending.sort_unstable_by_key(|entry| entry.id);
    output.put_length(pending.len() as u64)?;
    for entry in pending {
        output.put(&raw_id(entry.id))?;
        output.put(&entry.delivered_ms.to_le_bytes())?;
        output.put_length(entry.deliveries)?;
    }
    output.put_length(group.consumers.len() as u64)?;
    for consumer in &group.consumers {
        output.put_string(&consumer.name)?;
        output.put(&consumer.seen_ms.to_le_bytes())?;
        output.put_length(consumer.pending.len() as u64)?;
        consumer.pending.iter().try_for_each(|entry| output.put(&raw_id(entry.id)))?;
    }
    Ok(())
}

fn put_id<W: Write>(output: &mut Output<W>, id: StreamId) -> io::Result<()> {
    output.put_length(id.ms)?;
    output.put_length(id.sequence)
}

/// An id as 16 bytes in its order.
fn raw_id(id: StreamId) -> [u8; 16] {
    (u128::from(id.ms) << 64 | u128::from(id.sequence)).to_be_bytes()
}
