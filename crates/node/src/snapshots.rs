//! Snapshots to followers that are too far behind: a shard's checkpoint, streamed in chunks.
//!
//! The follower stages the chunks in a new tree; only when all are there and loaded is Raft's own
//! message stepped, and one synced log record makes the new tree valid (safety rule 19). Chunks go
//! one at a time and no faster than `throttle.rs` says; a broken transfer goes on where it stopped.

use crate::core::Core;
use crate::frame::content::{Chunk, ChunkAck};
use crate::frame::{FrameError, Section};
use crate::outbox::Job;
use crate::throttle::Throttle;
use consensus::{Install, Message, SendSnapshot};
use model::planted::{Bug, is_planted};
use model::{GroupId, Index, NodeId, Term};
use shard::Machine;
use std::collections::{BTreeMap, VecDeque};

/// A transfer without progress for this long is given up; Raft asks for a new one.
const PATIENCE_MS: u64 = 10_000;
/// The same while the follower loads what it has staged.
const LOAD_PATIENCE_MS: u64 = 300_000;
/// After a follower gave one up, as for want of space, Raft may ask for the next so much later.
const AGAIN_MS: u64 = 1_000;
/// In place of the next chunk: the follower has it all, and Raft was told.
const COMPLETE: u64 = u64::MAX;
/// In place of the next chunk: the follower has given up.
const FAILED: u64 = u64::MAX - 1;

/// Snapshots on their way.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    pub(crate) throttle: Throttle,
    sending: BTreeMap<(GroupId, NodeId), Sending>,
    receiving: BTreeMap<GroupId, Receiving>,
    /// Reads under way, by transfer, in the order in which they are answered.
    reads: BTreeMap<(GroupId, NodeId), VecDeque<u64>>,
    /// Chunks being staged, by tree, in the order in which they are answered.
    stages: BTreeMap<GroupId, VecDeque<u64>>,
    /// Loaded and waiting for Raft to install them.
    ready: BTreeMap<GroupId, (Box<Machine>, u64)>,
    /// Trees to be dropped once a batch of a log is durable: log, batch, tree.
    drops: Vec<(usize, u64, u64)>,
    next_id: u64,
}

#[derive(Debug)]
struct Sending {
    /// Number of the transfer in this life of the node.
    id: u64,
    message: Message,
    at: (Index, Term),
    tree: u64,
    /// The chunk wanted next, and when it may be read.
    next: u64,
    due_ms: u64,
    /// The chunk is being read or was sent and not acknowledged.
    busy: bool,
    /// The last chunk was sent.
    all_sent: bool,
    /// For a replica without rows: it takes them also when this node leads no more.
    rows: bool,
    progress_ms: u64,
}

#[derive(Debug)]
struct Receiving {
    /// The sender and its number of the transfer.
    from: (NodeId, u64),
    at: (Index, Term),
    tree: u64,
    /// The chunk wanted next; it is being staged while `staging`.
    next: u64,
    staging: bool,
    loading: bool,
    message: Option<Message>,
    progress_ms: u64,
}

impl Transfers {
    /// Rows are on their way to this node's replica of a group.
    pub(crate) fn is_receiving(&self, group: GroupId) -> bool {
        self.receiving.contains_key(&group)
    }

    /// A group has committed up to an index.
    pub(crate) fn committed(&mut self, group: GroupId, index: Index, now_ns: u64) {
        self.throttle.committed(group, index, now_ns, !self.sending.is_empty());
    }

    /// Rows of a group are being read for another node, or staged for this one.
    pub(crate) fn is_busy(&self, group: GroupId) -> bool {
        self.receiving.contains_key(&group)
            || self.stages.get(&group).is_some_and(|trees| !trees.is_empty())
            || self.reads.iter().any(|(key, ids)| key.0 == group && !ids.is_empty())
            || self.ready.contains_key(&group)
    }

    /// A log has failed: nothing more of it becomes durable.
    pub(crate) fn forget_drops(&mut self, log: usize) {
        self.drops.retain(|(of, ..)| *of != log);
    }

    /// Drops a tree once a batch of a log is durable.
    pub(crate) fn drop_after(&mut self, (log, batch): (usize, u64), tree: u64) {
        self.drops.push((log, batch, tree));
    }
}

impl Core {
    /// Raft wants a follower to get a snapshot, or one without rows has asked for them (`rows`).
    pub(crate) fn send_snapshot(&mut self, group: GroupId, snapshot: SendSnapshot, rows: bool) {
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
        self.transfers.next_id += 1;
        let sending = Sending {
            id: self.transfers.next_id,
            message: snapshot.message,
            at,
            tree,
            next: 0,
            due_ms: now_ms,
            busy: false,
            all_sent: false,
            rows,
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
            let patience_ms = if sending.all_sent { LOAD_PATIENCE_MS } else { PATIENCE_MS };
            let connected = self.peers.get(&to).is_some_and(|p| p.connected);
            if now_ms > sending.progress_ms + patience_ms {
                over.push((group, to));
            } else if connected && !sending.busy && sending.due_ms <= now_ms {
                sending.busy = true;
                self.transfers.reads.entry((group, to)).or_default().push_back(sending.id);
                let (tree, next) = (sending.tree, sending.next);
                let metadata = self.map.is_witness(to);
                self.outbox.jobs.push(Job::ReadSnapshot { group, tree, to, next, metadata });
            }
        }
        for (group, to) in over {
            self.end_sending(group, to, false);
        }
        let late = |r: &Receiving| !r.loading && now_ms > r.progress_ms + PATIENCE_MS;
        let receiving = self.transfers.receiving.iter().filter(|(_, r)| late(r));
        for group in receiving.map(|(group, _)| *group).collect::<Vec<_>>() {
            self.drop_receiving(group);
        }
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

    /// This node leads a group no more: its successor decides who needs a snapshot. Who only lacks rows
    /// goes on: what this node has is committed, whoever leads.
    pub(crate) fn end_sendings(&mut self, group: GroupId) {
        let of_group = self.transfers.sending.iter().filter(|(key, sending)| key.0 == group && !sending.rows);
        for (group, to) in of_group.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.end_sending(group, to, false);
        }
    }

    /// Ends all transfers of a group from and to this node, whose replica is about to be gone.
    pub(crate) fn end_transfers(&mut self, group: GroupId) {
        let of_group = self.transfers.sending.keys().filter(|key| key.0 == group);
        for (group, to) in of_group.copied().collect::<Vec<_>>() {
            self.end_sending(group, to, false);
        }
        self.drop_receiving(group);
        if let Some((_, tree)) = self.transfers.ready.remove(&group) {
            self.outbox.jobs.push(Job::DropTree { tree });
        }
    }

    /// A new connection to a node: what was on its way may be lost. With another start of the node
    /// everything is.
    pub(crate) fn resume_sendings(&mut self, to: NodeId, restarted: bool) {
        let of_node = self.transfers.sending.keys().filter(|key| key.1 == to);
        for key in of_node.copied().collect::<Vec<_>>() {
            if restarted {
                self.end_sending(key.0, key.1, false);
            } else if let Some(sending) = self.transfers.sending.get_mut(&key) {
                // A chunk that is still being read is sent when it comes.
                let reads = self.transfers.reads.get(&key);
                sending.busy = reads.is_some_and(|ids| ids.contains(&sending.id));
            }
        }
    }

    /// A chunk was read for a follower.
    pub(crate) fn chunk_read(
        &mut self,
        group: GroupId,
        to: NodeId,
        result: Result<(u64, Vec<u8>, bool), String>,
    ) {
        let id = self.transfers.reads.get_mut(&(group, to)).and_then(VecDeque::pop_front);
        let sending = self.transfers.sending.get_mut(&(group, to));
        let Some(sending) = sending.filter(|s| Some(s.id) == id) else { return };
        let (number, bytes, last) = match result {
            Ok(chunk) => chunk,
            Err(error) => {
                tracing::warn!(%group, %to, %error, "snapshot can not be read");
                return self.end_sending(group, to, false);
            }
        };
        let Some(peer) = self.peers.get_mut(&to).filter(|p| p.connected) else {
            sending.busy = false;
            return;
        };
        let wait_ms = bytes.len() as u64 * 1000 / self.transfers.throttle.rate(self.settings.snapshot_rate);
        sending.due_ms = self.now.mono_ms() + wait_ms;
        sending.all_sent = last;
        let message = last.then(|| sending.message.clone());
        self.stats.snapshot_bytes.0 += bytes.len() as u64;
        let chunk = Chunk { group, transfer: sending.id, at: sending.at, number, bytes: &bytes, message };
        peer.frame.section(Section::Chunk, |out| chunk.encode(out));
    }

    /// A chunk came.
    pub(crate) fn on_chunk(&mut self, from: NodeId, content: &[u8]) -> Result<(), FrameError> {
        let Chunk { group, transfer, at, number, bytes, message } = Chunk::decode(content)?;
        let from = (from, transfer);
        let now_ms = self.now.mono_ms();
        if self.replica(group).is_none() {
            // None any more, or not yet: the map is on its way.
            self.ack_chunk(group, from, FAILED);
            return Ok(());
        }
        if self.transfers.receiving.get(&group).is_none_or(|r| r.from != from) {
            if number != 0 {
                // Its start is not known here, or was given up.
                self.ack_chunk(group, from, FAILED);
                return Ok(());
            }
            self.drop_receiving(group);
            let tree = self.logs.new_tree(self.log_of(group));
            let receiving = Receiving {
                from,
                at,
                tree,
                next: 0,
                staging: false,
                loading: false,
                message: None,
                progress_ms: now_ms,
            };
            self.transfers.receiving.insert(group, receiving);
        }
        let Some(receiving) = self.transfers.receiving.get_mut(&group) else { return Ok(()) };
        if receiving.staging || receiving.loading {
            return Ok(()); // Sent again over a new connection: its answer is on the way.
        }
        let (next, tree) = (receiving.next, receiving.tree);
        if number != next {
            self.ack_chunk(group, from, next);
            return Ok(());
        }
        receiving.progress_ms = now_ms;
        receiving.staging = true;
        receiving.message = message;
        self.transfers.stages.entry(group).or_default().push_back(tree);
        self.stats.snapshot_bytes.1 += bytes.len() as u64;
        let chunk = bytes.to_vec();
        self.outbox.jobs.push(Job::StageChunk { group, from: from.0, tree, chunk });
        Ok(())
    }

    /// Gives up what was received for a group.
    fn drop_receiving(&mut self, group: GroupId) {
        if let Some(old) = self.transfers.receiving.remove(&group) {
            self.outbox.jobs.push(Job::DropTree { tree: old.tree });
        }
    }

    fn ack_chunk(&mut self, group: GroupId, (to, transfer): (NodeId, u64), next: u64) {
        let Some(peer) = self.peers.get_mut(&to).filter(|p| p.connected) else { return };
        peer.frame.section(Section::ChunkAck, |out| ChunkAck { group, transfer, next }.encode(out));
    }

    /// A chunk is staged, and the snapshot complete with it or not.
    pub(crate) fn chunk_staged(&mut self, group: GroupId, result: Result<(u64, bool), String>) {
        let tree = self.transfers.stages.get_mut(&group).and_then(VecDeque::pop_front);
        let receiving = self.transfers.receiving.get_mut(&group);
        let Some(receiving) = receiving.filter(|r| Some(r.tree) == tree) else { return };
        receiving.staging = false;
        receiving.progress_ms = self.now.mono_ms();
        let (from, tree) = (receiving.from, receiving.tree);
        match result {
            Ok((next, false)) => {
                receiving.next = next;
                self.ack_chunk(group, from, next);
            }
            Ok((_, true)) => {
                receiving.loading = true;
                let at = receiving.at;
                let machine = Box::new(self.empty_machine(self.settings.seed ^ tree.rotate_left(32)));
                // Planted: see model/planted.rs
                if is_planted(Bug::SnapshotBeforeRows) {
                    let mut machine = machine;
                    machine.apply_empty(at.0, at.1);
                    return self.staged_loaded(group, tree, Ok(machine));
                }
                self.outbox.jobs.push(Job::LoadStaged { group, tree, machine });
            }
            Err(error) => {
                tracing::warn!(%group, from = %from.0, %error, "snapshot can not be staged");
                self.drop_receiving(group);
                self.ack_chunk(group, from, FAILED);
            }
        }
    }

    /// The follower has staged what came.
    pub(crate) fn on_chunk_ack(&mut self, from: NodeId, content: &[u8]) -> Result<(), FrameError> {
        let ChunkAck { group, transfer, next } = ChunkAck::decode(content)?;
        let now_ms = self.now.mono_ms();
        let sending = self.transfers.sending.get_mut(&(group, from));
        let Some(sending) = sending.filter(|s| s.id == transfer) else { return Ok(()) };
        match next {
            COMPLETE => self.end_sending(group, from, true),
            FAILED => {
                // It stays busy, and its patience ends then.
                (sending.all_sent, sending.busy) = (false, true);
                sending.progress_ms = (now_ms + AGAIN_MS).saturating_sub(PATIENCE_MS);
            }
            _ if next > sending.next => {
                (sending.next, sending.busy, sending.progress_ms) = (next, false, now_ms);
                self.drive_transfers();
            }
            _ => {}
        }
        Ok(())
    }

    /// A staged snapshot is in memory: Raft may have it.
    pub(crate) fn staged_loaded(&mut self, group: GroupId, tree: u64, result: Result<Box<Machine>, String>) {
        let receiving = &mut self.transfers.receiving;
        if receiving.get(&group).is_none_or(|r| r.tree != tree) {
            return; // Given up meanwhile, and its tree is being dropped.
        }
        let Some(receiving) = receiving.remove(&group) else { return };
        match (result, receiving.message) {
            (Ok(machine), Some(message)) if machine.applied() == receiving.at => {
                self.offer_rows(group, machine, tree, message);
                self.ack_chunk(group, receiving.from, COMPLETE);
            }
            (result, _) => {
                let error = result.err().unwrap_or("it is not what was announced".to_owned());
                tracing::warn!(%group, %error, "snapshot is of no use");
                self.outbox.jobs.push(Job::DropTree { tree });
                self.ack_chunk(group, receiving.from, FAILED);
            }
        }
    }

    /// Rows are staged: for a replica without any they are enough if they fit its log. In other cases it
    /// is for Raft to say, which may also find out that what they hold is committed here.
    pub(crate) fn offer_rows(&mut self, group: GroupId, machine: Box<Machine>, tree: u64, message: Message) {
        let mut machine = Some(machine);
        if self.take_rows(group, &mut machine, tree) {
            return;
        }
        self.propose(group);
        if self.must_account(group, &message)
            && let Some(machine) = machine
        {
            return self.withhold(group, machine, tree, message);
        }
        if let Some(machine) = machine {
            self.transfers.ready.insert(group, (machine, tree));
        }
        self.step(group, message);
        let rebuilding = self.replica(group).is_some_and(|replica| replica.raft.is_rebuilding());
        if rebuilding && let Some((machine, tree)) = self.transfers.ready.remove(&group) {
            let mut machine = Some(machine);
            if !self.take_rows(group, &mut machine, tree)
                && let Some(machine) = machine
            {
                self.transfers.ready.insert(group, (machine, tree));
            }
        }
    }

    /// Raft takes the snapshot: the log record of this batch makes it valid.
    pub(crate) fn install(&mut self, group: GroupId, install: &Install) {
        let Some((machine, tree)) = self.transfers.ready.remove(&group) else {
            self.outbox.fatal = Some(format!("group {group}: a snapshot without rows was to be installed"));
            return;
        };
        let (log, at) = (self.log_of(group), (install.index, install.term));
        let batch = self.logs.of(log).next_batch;
        self.judge_jump(group, at);
        let Some(replica) = self.replica(group) else { return };
        let old = replica.tree;
        replica.installed(*machine, tree);
        replica.active = true;
        let record = replica.install_record(tree, at, &install.conf_state);
        self.logs.of(log).builder.install(group, record);
        tracing::info!(%group, index = install.index, "snapshot installed");
        self.transfers.drop_after((log, batch), old);
    }

    /// Trees that a durable log record has replaced are removed; staged ones that Raft did not take, too.
    pub(crate) fn installed_durable(&mut self, log: usize) {
        let (jobs, batch) = (&mut self.outbox.jobs, self.logs.counted(log));
        self.transfers.drops.retain(|&(of, number, tree)| {
            let durable = of == log && number <= batch;
            if durable {
                jobs.push(Job::DropTree { tree });
            }
            !durable
        });
    }

    /// At the end of a turn: snapshots that Raft did not take in the turn it was offered them.
    pub(crate) fn drop_refused(&mut self) {
        for (_, (_, tree)) in std::mem::take(&mut self.transfers.ready) {
            self.outbox.jobs.push(Job::DropTree { tree });
        }
    }
}
