//! A stream: its nodes, its state, its groups.

use std::collections::BTreeMap;
use std::io::BufRead;

use super::{Decoder, stream_node};
use crate::error::malformed;
use crate::{Consumer, Entry, Error, Group, Pending, Stream, StreamId, kind};

const WHAT: &str = "stream";
/// What stands for a number of entries read that is not known.
const UNKNOWN: u64 = u64::MAX;

impl<B: BufRead> Decoder<'_, B> {
    /// A stream in one of its three encodings, which differ in what was added to its state.
    pub(super) fn stream(&mut self, kind: u8) -> Result<Stream, Error> {
        let mut entries = Vec::new();
        for _ in 0..self.number()? {
            self.node(&mut entries)?;
        }
        let length = self.number()?;
        if length != entries.len() as u64 {
            return Err(malformed(WHAT, "it has another number of entries than it says"));
        }
        let last_id = self.id()?;
        let mut stream = Stream {
            first_id: entries.first().map_or(StreamId::default(), |entry: &Entry| entry.id),
            last_id,
            entries_added: length,
            entries,
            ..Stream::default()
        };
        if stream.entries.last().is_some_and(|entry| entry.id > last_id) {
            return Err(malformed(WHAT, "an entry is above the last id"));
        }
        if kind != kind::STREAM_1 {
            stream.first_id = self.id()?;
            stream.max_deleted_id = self.id()?;
            stream.entries_added = self.number()?;
        }
        for _ in 0..self.number()? {
            let group = self.group(kind, &stream)?;
            stream.groups.push(group);
        }
        Ok(stream)
    }

    fn node(&mut self, entries: &mut Vec<Entry>) -> Result<(), Error> {
        let key = self.string()?;
        let key = <[u8; 16]>::try_from(key).map_err(|_| malformed(WHAT, "a node's id has not 16 bytes"))?;
        let packed = self.string()?;
        stream_node::read(raw_id(key), &packed, &mut self.budget, entries)
    }

    fn group(&mut self, kind: u8, stream: &Stream) -> Result<Group, Error> {
        self.budget.charge(size_of::<Group>())?;
        let name = self.element()?;
        let last_id = self.id()?;
        let entries_read = match kind {
            kind::STREAM_1 => stream.read_up_to(last_id),
            _ => Some(self.number()?).filter(|read| *read != UNKNOWN),
        };
        let mut unassigned = self.pending()?;
        let mut consumers = Vec::new();
        for _ in 0..self.number()? {
            consumers.push(self.consumer(kind, &mut unassigned)?);
        }
        if !unassigned.is_empty() {
            return Err(malformed(WHAT, "a pending entry has no consumer"));
        }
        Ok(Group { name, last_id, entries_read, consumers })
    }

    /// All pending entries of a group; whose they are comes later.
    fn pending(&mut self) -> Result<BTreeMap<StreamId, Pending>, Error> {
        let mut pending = BTreeMap::new();
        for _ in 0..self.number()? {
            let id = raw_id(self.input.array(WHAT)?);
            // Times are of one sign in what Redis writes; a negative one is the same bits in both.
            let delivered_ms = self.milliseconds()?.cast_unsigned();
            let deliveries = self.number()?;
            self.budget.charge(size_of::<Pending>())?;
            if pending.insert(id, Pending { id, delivered_ms, deliveries }).is_some() {
                return Err(Error::Duplicate("pending entry"));
            }
        }
        Ok(pending)
    }

    fn consumer(
        &mut self,
        kind: u8,
        unassigned: &mut BTreeMap<StreamId, Pending>,
    ) -> Result<Consumer, Error> {
        self.budget.charge(size_of::<Consumer>())?;
        let name = self.element()?;
        let seen_ms = self.milliseconds()?.cast_unsigned();
        let active_ms = if kind == kind::STREAM_3 { Some(self.milliseconds()?) } else { None };
        let mut pending: Vec<Pending> = Vec::new();
        for _ in 0..self.number()? {
            let id = raw_id(self.input.array(WHAT)?);
            let entry = unassigned.remove(&id);
            pending.push(entry.ok_or(malformed(WHAT, "a consumer's pending entry is not its group's"))?);
        }
        pending.sort_unstable_by_key(|entry| entry.id);
        Ok(Consumer { name, seen_ms, active_ms, pending })
    }

    fn id(&mut self) -> Result<StreamId, Error> {
        Ok(StreamId { ms: self.number()?, sequence: self.number()? })
    }
}

/// An id of 16 bytes, whose order is that of the ids.
fn raw_id(bytes: [u8; 16]) -> StreamId {
    let both = u128::from_be_bytes(bytes);
    StreamId { ms: (both >> 64) as u64, sequence: both as u64 }
}
