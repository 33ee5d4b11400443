//! The collector: who leads the shard of a key removes the chunks of uploads that are good for nothing.
//!
//! An upload becomes *free* by an entry of its shard: with the manifest that goes, with LARGE ABORT, or here, when its
//! lease is over or its keyspace was flushed. That is for good. Some time later (see [`model::large::GRACE_MS`]) nobody
//! can write a chunk of it any more: its chunks are removed, and then its row. Whatever is done twice or by two nodes
//! changes nothing more.

use super::super::ops::Op;
use crate::core::Core;
use crate::internal;
use model::large::{PREFIX, State, Upload, UploadId, chunks_of};
use model::limits::CHUNKS;
use model::planted::{Bug, is_planted};
use model::{GroupId, Keyspace};
use router::{Flags, Request};
use std::collections::BTreeSet;

/// Uploads of this node whose chunks are removed at a time, and chunks of each that are under way.
const MAX_UPLOADS: usize = 4;
const MAX_CHUNKS: usize = 4;
/// Rows of uploads that one call looks at.
const ROWS: usize = 256;

/// The collector of a node.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    /// Uploads whose chunks are being removed.
    under_way: BTreeSet<(GroupId, Vec<u8>)>,
    /// Where the walk over the rows of all shards goes on.
    group: usize,
    after: Vec<u8>,
}

/// An upload whose chunks are being removed.
#[derive(Debug)]
pub(crate) struct Collecting {
    group: GroupId,
    /// Name of the upload's row.
    name: Vec<u8>,
    upload: UploadId,
    next: u64,
    end: u64,
    under_way: usize,
    failed: bool,
}

/// What a walk has found.
enum Found {
    /// The shard may make it free.
    Useless(Vec<u8>),
    /// Its chunks can be removed.
    Free(Vec<u8>, UploadId, Upload),
}

impl Core {
    /// Looks at some rows of uploads in the shards that this node leads, and does what is due.
    pub(crate) fn collect_large(&mut self) {
        if self.forming.is_some() || self.replicas.len() < 2 || self.disk.is_full() {
            return;
        }
        self.large.collector.group %= self.replicas.len();
        let group = GroupId(self.large.collector.group as u32);
        let (found, after) = self.look_at_uploads(group);
        match after {
            Some(after) => self.large.collector.after = after,
            None => {
                self.large.collector.group += 1;
                self.large.collector.after.clear();
            }
        }
        for found in found {
            match found {
                Found::Useless(name) => self.ask_of_upload(group, internal::COLLECT, &name),
                Found::Free(name, id, upload) => self.begin_collecting(group, name, id, upload),
            }
        }
    }

    /// What is due among the next rows of a shard, and behind which row to go on; `None`: that were all.
    fn look_at_uploads(&mut self, group: GroupId) -> (Vec<Found>, Option<Vec<u8>>) {
        let (now_ms, after) = (self.now.wall_ms, self.large.collector.after.clone());
        let Some(replica) = self.replicas.get(group.0 as usize).and_then(Option::as_deref) else {
            return (Vec::new(), None);
        };
        if replica.leading().is_none() || !replica.is_undivided() {
            return (Vec::new(), None);
        }
        let (mut found, mut last, mut seen) = (Vec::new(), None, 0);
        for (name, content) in replica.machine.systems_after(PREFIX, &after).take(ROWS) {
            (last, seen) = (Some(name), seen + 1);
            let (Some(id), Ok(upload)) = (UploadId::of_row_name(name), Upload::decode(content)) else {
                continue;
            };
            let generation = |ks: Keyspace| replica.machine.space(ks).generation;
            match upload.state {
                // Planted: see model/planted.rs
                State::Live { .. } if is_planted(Bug::LiveCollected) => {
                    found.push(Found::Useless(name.to_vec()));
                }
                State::Uploading if upload.until < now_ms => found.push(Found::Useless(name.to_vec())),
                State::Live { ks, generation: of } if of != generation(ks) => {
                    found.push(Found::Useless(name.to_vec()));
                }
                State::Free if upload.until < now_ms => found.push(Found::Free(name.to_vec(), id, upload)),
                _ => {}
            }
        }
        (found, last.filter(|_| seen == ROWS).map(<[u8]>::to_vec))
    }

    /// Asks the shard itself for a step of one of its uploads. Nobody waits: the next walk sees whether it was done.
    fn ask_of_upload(&mut self, group: GroupId, request: &[u8], name: &[u8]) {
        let flags = Flags::INTERNAL.with(Flags::WRITE, true);
        self.ask(0, 0, group, 0, Request::new(flags, Keyspace(0), &[request, name]));
    }

    fn begin_collecting(&mut self, group: GroupId, name: Vec<u8>, id: UploadId, upload: Upload) {
        let collector = &mut self.large.collector;
        if collector.under_way.len() >= MAX_UPLOADS || !collector.under_way.insert((group, name.clone())) {
            return;
        }
        let (mut next, end) = (upload.from, chunks_of(upload.bound).max(upload.from));
        // Planted: see model/planted.rs
        if is_planted(Bug::ChunksForgotten) {
            next = end;
        }
        let collecting = Collecting { group, name, upload: id, next, end, under_way: 0, failed: false };
        let op = self.open(Op::Collect(Box::new(collecting)));
        self.collect_on(op);
    }

    fn collect_on(&mut self, op: u64) {
        loop {
            let Some(Op::Collect(collecting)) = self.ops.get_mut(&op) else { return };
            let over = collecting.next == collecting.end || collecting.failed;
            if over || collecting.under_way >= MAX_CHUNKS {
                break;
            }
            let (upload, number) = (collecting.upload, collecting.next);
            collecting.next += 1;
            let Some((group, slot)) = self.shard_of_chunk(upload, number) else { break };
            if let Some(Op::Collect(collecting)) = self.ops.get_mut(&op) {
                collecting.under_way += 1;
            }
            let (id, digits) = (upload.to_string(), number.to_string());
            let flags = Flags::INTERNAL.with(Flags::WRITE, true);
            let args: [&[u8]; 3] = [internal::DROP, id.as_bytes(), digits.as_bytes()];
            self.ask(op, 0, group, slot, Request::new(flags, CHUNKS, &args));
        }
        let Some(Op::Collect(collecting)) = self.ops.get(&op) else { return };
        let over = collecting.next == collecting.end || collecting.failed;
        if !over || collecting.under_way > 0 {
            return;
        }
        let (group, upload, failed) = (collecting.group, collecting.upload, collecting.failed);
        let name = collecting.name.clone();
        self.ops.remove(&op);
        self.large.collector.under_way.remove(&(group, name.clone()));
        if !failed {
            tracing::debug!(%group, %upload, "the chunks of an upload are removed");
            self.ask_of_upload(group, internal::FORGET, &name);
        }
    }

    /// A chunk is removed, or not: then the next walk finds the upload once more.
    pub(crate) fn collect_part(&mut self, op: u64, reply: &[u8]) {
        let Some(Op::Collect(collecting)) = self.ops.get_mut(&op) else { return };
        collecting.under_way -= 1;
        collecting.failed |= reply != b"+OK\r\n";
        self.collect_on(op);
    }
}
