//! Snapshots to followers that are too far behind: a shard's checkpoint, streamed in chunks.
//!
//! The follower stages the chunks in a new tree; only when all are there and loaded is Raft's own
//! message stepped, and one synced log record makes the new tree valid (safety rule 19). Chunks go
//! one at a time and no faster than the configured rate; a broken transfer goes on where it stopped.

use crate::core::Core;
use crate::frame::{FrameError, Section};
use crate::outbox::Job;
use consensus::{Install, Message, SendSnapshot};
use model::varint::{DecodeError, Reader, put_bytes, put_u64};
use model::{GroupId, Index, NodeId, Term};
use shard::Machine;
use std::collections::BTreeMap;

/// A transfer without progress for this long is given up; Raft asks for a new one.
const PATIENCE_MS: u64 = 10_000;

/// Snapshots on their way.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    sending: BTreeMap<(GroupId, NodeId), Sending>,
    receiving: BTreeMap<GroupId, Receiving>,
    /// Loaded and waiting for Raft to install them.
    ready: BTreeMap<GroupId, (Box<Machine>, u64)>,
    /// Trees to be dropped once a batch is durable.
    drops: Vec<(u64, u64)>,
    /// Id for the next tree.
    pub(crate) next_tree: u64,
}

#[derive(Debug)]
struct Sending {
    message: Message,
    at: (Index, Term),
    tree: u64,
    /// The chunk wanted next, and when it may be read.
    next: u64,
    due_ms: u64,
    reading: bool,
    progress_ms: u64,
}

#[derive(Debug)]
struct Receiving {
    from: NodeId,
    at: (Index, Term),
    tree: u64,
    message: Option<Message>,
    progress_ms: u64,
}

impl Core {
    /// Raft wants a follower to get a snapshot.
    pub(crate) fn send_snapshot(&mut self, group: GroupId, snapshot: SendSnapshot) {
        let now_ms = self.now.mono_ms();
        let Some(replica) = self.replica(group) else { return };
        let at = replica.stored;
        if at != (snapshot.index, snapshot.term) || replica.checkpointing {
            // The tree is not, or will not be, as of the index Raft names: once it is, Raft asks again.
            replica.raft.snapshot_done(snapshot.to, false);
            replica.active = true;
            return;
        }
        let tree = replica.tree;
        tracing::info!(%group, to = %snapshot.to, index = at.0, "sending a snapshot");
        let sending = Sending {
            message: snapshot.message,
            at,
            tree,
            next: 0,
            due_ms: now_ms,
            reading: false,
            progress_ms: now_ms,
        };
        self.transfers.sending.insert((group, snapshot.to), sending);
        self.drive_transfers();
    }

    /// Reads the next chunks that are due and gives up what makes no progress.
    pub(crate) fn drive_transfers(&mut self) {
        let now_ms = self.now.mono_ms();
        let mut over = Vec::new();
        for (&(group, to), sending) in &mut self.transfers.sending {
            let connected = self.peers.get(&to).is_some_and(|p| p.connected);
            if now_ms > sending.progress_ms + PATIENCE_MS || !connected {
                over.push((group, to));
            } else if !sending.reading && sending.due_ms <= now_ms {
                sending.reading = true;
                self.outbox.jobs.push(Job::ReadSnapshot {
                    group,
                    tree: sending.tree,
                    to,
                    next: sending.next,
                });
            }
        }
        for (group, to) in over {
            self.end_sending(group, to, false);
        }
        self.transfers.receiving.retain(|_, r| now_ms <= r.progress_ms + PATIENCE_MS);
    }

    fn end_sending(&mut self, group: GroupId, to: NodeId, ok: bool) {
        if self.transfers.sending.remove(&(group, to)).is_none() {
            return;
        }
        tracing::info!(%group, %to, ok, "snapshot ended");
        self.outbox.jobs.push(Job::EndSnapshot { group, to });
        if let Some(replica) = self.replica(group) {
            replica.raft.snapshot_done(to, ok);
            replica.active = true;
        }
    }

    /// A chunk was read for a follower.
    pub(crate) fn chunk_read(
        &mut self,
        group: GroupId,
        to: NodeId,
        result: Result<(u64, Vec<u8>, bool), String>,
    ) {
        let (number, bytes, last) = match result {
            Ok(chunk) => chunk,
            Err(error) => {
                tracing::warn!(%group, %to, %error, "snapshot can not be read");
                return self.end_sending(group, to, false);
            }
        };
        let Some(sending) = self.transfers.sending.get_mut(&(group, to)) else { return };
        let Some(peer) = self.peers.get_mut(&to).filter(|p| p.connected) else {
            return self.end_sending(group, to, false);
        };
        let wait_ms = bytes.len() as u64 * 1000 / self.settings.snapshot_rate.max(1);
        sending.due_ms = self.now.mono_ms() + wait_ms;
        let (at, message) = (sending.at, &sending.message);
        peer.frame.section(Section::Chunk, |out| {
            put_u64(out, u64::from(group.0));
            put_u64(out, at.0);
            put_u64(out, at.1);
            put_u64(out, number);
            put_bytes(out, &bytes);
            if last {
                consensus::wire::encode(message, out);
            }
        });
    }

    /// A chunk came.
    pub(crate) fn on_chunk(&mut self, from: NodeId, content: &[u8]) -> Result<(), FrameError> {
        let mut r = Reader::new(content);
        let group = GroupId(r.u64()? as u32);
        let at = (r.u64()?, r.u64()?);
        let number = r.u64()?;
        let chunk = r.bytes()?.to_vec();
        let message = if r.is_empty() { None } else { Some(consensus::wire::decode(r.rest())?) };
        let now_ms = self.now.mono_ms();
        if self.replica(group).is_none() {
            return Err(FrameError::Content(DecodeError::Malformed("group")));
        }
        let known = self.transfers.receiving.get(&group).is_some_and(|r| (r.from, r.at) == (from, at));
        if !known || number == 0 {
            if let Some(old) = self.transfers.receiving.remove(&group) {
                self.outbox.jobs.push(Job::DropTree { tree: old.tree });
            }
            if number != 0 {
                // The start was missed: the sender begins again.
                self.ack_chunk(group, from, 0);
                return Ok(());
            }
            let tree = self.transfers.next_tree;
            self.transfers.next_tree += 1;
            let receiving = Receiving { from, at, tree, message: None, progress_ms: now_ms };
            self.transfers.receiving.insert(group, receiving);
        }
        if let Some(receiving) = self.transfers.receiving.get_mut(&group) {
            receiving.progress_ms = now_ms;
            receiving.message = receiving.message.take().or(message);
            self.outbox.jobs.push(Job::StageChunk { group, from, tree: receiving.tree, chunk });
        }
        Ok(())
    }

    fn ack_chunk(&mut self, group: GroupId, to: NodeId, next: u64) {
        let Some(peer) = self.peers.get_mut(&to).filter(|p| p.connected) else { return };
        peer.frame.section(Section::ChunkAck, |out| {
            put_u64(out, u64::from(group.0));
            put_u64(out, next);
        });
    }

    /// A chunk is staged; `u64::MAX` as the next number says that the snapshot is complete.
    pub(crate) fn chunk_staged(&mut self, group: GroupId, from: NodeId, result: Result<(u64, bool), String>) {
        let Some(receiving) = self.transfers.receiving.get(&group) else { return };
        match result {
            Ok((next, false)) => self.ack_chunk(group, from, next),
            Ok((_, true)) => {
                let tree = receiving.tree;
                let machine =
                    Box::new(Machine::new(self.hasher, self.settings.max_value, self.settings.seed));
                self.outbox.jobs.push(Job::LoadStaged { group, tree, machine });
                self.ack_chunk(group, from, u64::MAX);
            }
            Err(error) => {
                tracing::warn!(%group, %from, %error, "snapshot can not be staged");
                if let Some(old) = self.transfers.receiving.remove(&group) {
                    self.outbox.jobs.push(Job::DropTree { tree: old.tree });
                }
            }
        }
    }

    /// The follower has staged what came.
    pub(crate) fn on_chunk_ack(&mut self, from: NodeId, content: &[u8]) -> Result<(), FrameError> {
        let mut r = Reader::new(content);
        let (group, next) = (GroupId(r.u64()? as u32), r.u64()?);
        if next == u64::MAX {
            self.end_sending(group, from, true);
            return Ok(());
        }
        let now_ms = self.now.mono_ms();
        if let Some(sending) = self.transfers.sending.get_mut(&(group, from)) {
            sending.next = next;
            sending.reading = false;
            sending.progress_ms = now_ms;
        }
        self.drive_transfers();
        Ok(())
    }

    /// A staged snapshot is in memory: Raft may have it.
    pub(crate) fn staged_loaded(&mut self, group: GroupId, tree: u64, result: Result<Box<Machine>, String>) {
        let Some(receiving) = self.transfers.receiving.remove(&group) else {
            return self.outbox.jobs.push(Job::DropTree { tree });
        };
        match (result, receiving.message) {
            (Ok(machine), Some(message)) if machine.applied() == receiving.at => {
                self.transfers.ready.insert(group, (machine, tree));
                self.step(group, message);
            }
            (result, _) => {
                let error = result.err().unwrap_or("it is not what was announced".to_owned());
                tracing::warn!(%group, %error, "snapshot is of no use");
                self.outbox.jobs.push(Job::DropTree { tree });
            }
        }
    }

    /// Raft takes the snapshot: the log record of this batch makes it valid.
    pub(crate) fn install(&mut self, group: GroupId, install: &Install) {
        let Some((machine, tree)) = self.transfers.ready.remove(&group) else {
            self.outbox.fatal = Some(format!("group {group}: a snapshot without rows was to be installed"));
            return;
        };
        let conf_state = install.conf_state.voters.iter().flat_map(|v| v.to_be_bytes()).collect();
        let record = storage::log::Install { tree, index: install.index, term: install.term, conf_state };
        self.builder.install(group, record);
        let batch = self.next_batch;
        let Some(replica) = self.replica(group) else { return };
        let old = replica.tree;
        replica.installed(*machine, tree);
        replica.active = true;
        tracing::info!(%group, index = install.index, "snapshot installed");
        self.transfers.drops.push((batch, old));
    }

    /// Trees that a durable log record has replaced are removed; staged ones that Raft did not take, too.
    pub(crate) fn installed_durable(&mut self, batch: u64) {
        let jobs = &mut self.outbox.jobs;
        self.transfers.drops.retain(|&(number, tree)| {
            if number <= batch {
                jobs.push(Job::DropTree { tree });
            }
            number > batch
        });
    }

    /// At the end of a turn: snapshots that Raft did not take in the turn it was offered them.
    pub(crate) fn drop_refused(&mut self) {
        for (_, (_, tree)) in std::mem::take(&mut self.transfers.ready) {
            self.outbox.jobs.push(Job::DropTree { tree });
        }
    }
}
