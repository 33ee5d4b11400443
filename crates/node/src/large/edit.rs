//! APPEND and SETRANGE of large values: the leader of the key has the chunks concerned read and written anew, while the
//! command waits as for a row that is not in memory (`cold.rs`), and those behind it in its connection with it. Then
//! it runs again and finds what was prepared (`shard/commands/large/edit.rs`). If this node loses its role meanwhile
//! the command is sent again like any that waits, and what was written is removed when its lease ends.

use super::read::chunk_of;
use super::upload::begun;
use crate::core::Core;
use crate::internal;
use crate::ops::Op;
use model::large::UploadId;
use model::limits::{CHUNK, CHUNKS};
use model::{GroupId, Keyspace};
use router::{Flags, Request};
use shard::commands::large::{Edit, Prepared, Sums};

/// Edits that a node prepares at a time; others wait.
const MAX_EDITS: usize = 8;
/// Chunks of one edit that are being written.
const MAX_WRITES: usize = 4;
/// Tickets of edits have numbers from here on: above those of fetches, below those of memory.
const TICKET: u64 = 1 << 62;

/// Parts of the operation: its upload, and what is done with a chunk, whose number is added.
const BEGIN: u32 = u32::MAX;
const WRITTEN: u32 = 1 << 31;

/// An edit whose chunks are being written.
#[derive(Debug)]
pub(crate) struct Editing {
    group: GroupId,
    ticket: u64,
    edit: Edit,
    /// Its upload and the end of the lease, once the shard has answered.
    upload: Option<(UploadId, u64)>,
    /// The chunk that is read, or is next.
    next: u64,
    reading: bool,
    writing: usize,
    sums: Sums,
    failed: Option<String>,
}

impl Core {
    /// Has the edit prepared that the command executed last wants, if it wants one. The ticket to wait for.
    pub(crate) fn begin_edit(&mut self, group: GroupId) -> Option<u64> {
        let edit = *self.replica(group)?.machine.take_wanted_edit()?;
        let place = (group, edit.ks, edit.key.clone());
        if let Some(ticket) = self.large.editing.get(&place) {
            return Some(*ticket); // One after the other: each changes what the next one has to read.
        }
        if self.large.editing.len() >= MAX_EDITS {
            return Some(0); // It is tried again soon.
        }
        let (chunks, key) = (edit.chunks(), edit.key.clone());
        let (from, bound) = (chunks.start.to_string(), (chunks.end * CHUNK as u64).to_string());
        let (next, upload, ks) = (chunks.start, None, edit.ks);
        let (sums, failed) = (Sums::default(), None);
        let ticket = TICKET + self.next_op;
        let editing = Editing { group, ticket, edit, upload, next, reading: false, writing: 0, sums, failed };
        let op = self.open(Op::Edit(Box::new(editing)));
        if let Some(replica) = self.replica(group) {
            // Else it could have left memory each time when the edit is prepared.
            replica.machine.keep_for_edit(ks, &key, true);
        }
        self.large.editing.insert(place, ticket);
        let args: [&[u8]; 4] = [internal::BEGIN_EDIT, &key, from.as_bytes(), bound.as_bytes()];
        self.ask(op, BEGIN, group, 0, Request::new(Flags::INTERNAL.with(Flags::WRITE, true), ks, &args));
        // If it could not even be asked there is nothing to wait for.
        Some(if self.large.edited.contains(&op) { 0 } else { ticket })
    }

    /// An answer to one of the requests of an edit.
    pub(crate) fn edit_part(&mut self, op: u64, part: u32, reply: &[u8]) {
        let Some(Op::Edit(editing)) = self.ops.get_mut(&op) else { return };
        let done = match part {
            BEGIN => {
                editing.upload = begun(reply);
                editing.upload.is_some()
            }
            part if part & WRITTEN != 0 => {
                editing.writing -= 1;
                reply == b"+OK\r\n"
            }
            _ => {
                editing.reading = false;
                let wanted = editing.edit.lengths(editing.next).0;
                match chunk_of(reply).filter(|old| old.len() == wanted) {
                    Some(old) => {
                        let old = old.to_vec();
                        self.write_edited(op, &old);
                        true
                    }
                    None => false,
                }
            }
        };
        if !done
            && let Some(Op::Edit(editing)) = self.ops.get_mut(&op)
            && editing.failed.is_none()
        {
            let text = std::str::from_utf8(reply).ok().and_then(|text| text.strip_prefix('-'));
            let text = text.unwrap_or("ERR a chunk of the value is gone or damaged");
            editing.failed = Some(text.trim_end().to_owned());
        }
        self.edit_on(op);
    }

    /// Reads the next chunks, or ends.
    fn edit_on(&mut self, op: u64) {
        while let Some(Op::Edit(editing)) = self.ops.get_mut(&op) {
            if editing.reading || editing.failed.is_some() && editing.writing > 0 {
                return;
            }
            let over = editing.next == editing.edit.chunks().end;
            if editing.failed.is_some() || over && editing.writing == 0 {
                // Commands run again at the beginning of a turn, not in the middle of something else.
                self.large.edited.push(op);
                self.outbox.again = true;
                return;
            }
            if over || editing.writing >= MAX_WRITES || editing.upload.is_none() {
                return;
            }
            let number = editing.next;
            let Some(owner) = editing.edit.owner(number) else {
                let old = editing.edit.plain(number).to_vec();
                self.write_edited(op, &old);
                continue;
            };
            editing.reading = true;
            let Some((group, slot)) = self.shard_of_chunk(owner, number) else { return };
            let (id, digits) = (owner.to_string(), number.to_string());
            let args: [&[u8]; 4] = [b"LARGE", b"READ", id.as_bytes(), digits.as_bytes()];
            self.ask(op, number as u32, group, slot, Request::new(Flags::default(), CHUNKS, &args));
        }
    }

    /// Writes the next chunk, which was `old` before.
    fn write_edited(&mut self, op: u64, old: &[u8]) {
        let Some(Op::Edit(editing)) = self.ops.get_mut(&op) else { return };
        let Some((id, until)) = editing.upload else { return };
        let number = editing.next;
        let new = editing.edit.apply(number, old);
        editing.sums.add(old, &new);
        editing.next += 1;
        editing.writing += 1;
        let Some((group, slot)) = self.shard_of_chunk(id, number) else { return };
        let (id, digits, until) = (id.to_string(), number.to_string(), until.to_string());
        let sum = format!("{:08x}", crc32c::crc32c(&new));
        let args: [&[u8]; 7] =
            [b"LARGE", b"WRITE", id.as_bytes(), digits.as_bytes(), until.as_bytes(), sum.as_bytes(), &new];
        let request = Request::new(Flags::COMMITTED.with(Flags::WRITE, true), CHUNKS, &args);
        self.ask(op, WRITTEN | number as u32, group, slot, request);
    }

    /// Commands whose edits are prepared run.
    pub(crate) fn end_edits(&mut self) {
        for op in std::mem::take(&mut self.large.edited) {
            self.end_edit(op);
        }
    }

    /// Everything is written, or something failed: the command runs again, and then those who wait to change the
    /// same value.
    fn end_edit(&mut self, op: u64) {
        let Some(Op::Edit(editing)) = self.ops.remove(&op) else { return };
        let Editing { group, ticket, edit, upload, sums, failed, .. } = *editing;
        let result = match (failed, upload) {
            (None, Some((id, until))) => Ok((id, edit.manifest(id, until, &sums))),
            (failed, _) => Err(failed.unwrap_or("ERR internal: an edit without an upload".to_owned())),
        };
        let (ks, key) = (edit.ks, edit.key.clone());
        let prepared = Box::new(Prepared { edit, result });
        if let Some(replica) = self.replica(group) {
            replica.machine.set_prepared(Some(prepared));
        }
        self.run_again(group, Some(ticket));
        let unused = self.replica(group).and_then(|replica| {
            replica.machine.keep_for_edit(ks, &key, false);
            replica.machine.set_prepared(None)
        });
        let unused = unused.filter(|prepared| prepared.result.is_ok()).is_some();
        self.large.editing.remove(&(group, ks, key.clone()));
        if let Some((id, _)) = upload.filter(|_| unused) {
            self.abort_edit(group, ks, &key, id);
        }
        self.run_again(group, Some(ticket));
    }

    /// What was written for an edit that nobody wants any more is removed.
    fn abort_edit(&mut self, group: GroupId, ks: Keyspace, key: &[u8], id: UploadId) {
        let id = id.to_string();
        let flags = Flags::default().with(Flags::WRITE, true);
        let request = Request::new(flags, ks, &[b"LARGE", b"ABORT", key, id.as_bytes()]);
        self.ask(0, 0, group, model::slot::slot_of(key), request);
    }
}
