//! One turn: what came in is turned into entries, messages, applied rows and released replies.

use crate::conn::Blocked;
use crate::core::Core;
use crate::frame::content::Generations;
use crate::frame::{self, FrameError, Section, content};
use crate::ops::Op;
use crate::peer::Peer;
use crate::replica::Source;
use crate::witness::METADATA_BYTES;
use consensus::{Entry, Message, Output, Promise, Step};
use model::time::MS;
use model::varint::{DecodeError, Reader};
use model::{GroupId, Index, NodeId, Now, Term};
use resp::Parser;
use router::request::parse;
use std::collections::BTreeSet;
use storage::log::HardState;

/// Passes over the groups in one turn: what one pass applies may let another execute.
const MAX_PASSES: usize = 8;
/// Length of a tick in ns.
pub const TICK_NS: u64 = 5 * MS;

/// What a batch holds of a group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Built {
    pub group: GroupId,
    /// The last Ready that is complete with it.
    pub ready: u64,
    /// Term and index of its last entry.
    pub last: Option<(Term, Index)>,
    /// Which of the replicas that this node had of the group it is from.
    pub generation: u64,
}

impl Core {
    /// Monotonic ns at which the next tick is due.
    pub fn next_tick_ns(&self) -> u64 {
        self.next_tick_ns
    }

    /// A frame's content from another node.
    ///
    /// # Errors
    /// Content that can not be read: the connection must be closed.
    pub fn on_peer(&mut self, from: NodeId, content: &[u8]) -> Result<(), FrameError> {
        let incarnation = self.peer(from).incarnation;
        for section in frame::sections(content) {
            let (section, content) = section?;
            if self.outbox.stops() {
                return Ok(());
            }
            if section != Section::Promises && self.peer(from).promises.outdated {
                continue;
            }
            match section {
                Section::Promises => self.on_promises(from, content)?,
                Section::Raft => self.on_raft(from, content, false)?,
                Section::RaftLater => self.on_raft(from, content, true)?,
                Section::Forward => self.on_forward(from, incarnation, content)?,
                Section::Answer => self.on_answer(content)?,
                Section::Heartbeat => self.on_heartbeat(from, content)?,
                Section::Report => self.on_report(from, content),
                Section::Wish => self.on_wish(content)?,
                Section::Chunk => self.on_chunk(from, content)?,
                Section::ChunkAck => self.on_chunk_ack(from, content)?,
                Section::Rows => self.on_rows_wanted(from, content)?,
                Section::Farewell => self.on_farewell(from, content),
                Section::Probe => self.on_probe(from, content)?,
                Section::Proof => self.on_proof(content)?,
                Section::Map => self.on_map(content)?,
                Section::Compare => self.on_compare(from, content)?,
            }
        }
        Ok(())
    }

    /// `later`: nobody waits for its entries to be durable.
    fn on_raft(&mut self, from: NodeId, content: &[u8], later: bool) -> Result<(), FrameError> {
        let (group, generations, message) = content::raft(content)?;
        self.note_call(group, generations.to);
        if let Some(replica) = self.replica(group) {
            if !replica.is_between(NodeId(message.from), generations) {
                return Ok(()); // From or for a replica that is gone.
            }
            // Votes and terms never wait, see `absorb`.
            replica.hurry |= !later && !message.entries.is_empty();
        }
        if message.from != from.0 {
            return Err(FrameError::Content(DecodeError::Malformed("sender of a message")));
        }
        if message.msg_type == consensus::MessageType::MsgSnapshot {
            // Only together with its rows, see `snapshots`.
            return Ok(());
        }
        let waits = |core: &mut Core| {
            core.replica(group).is_some_and(|replica| replica.backlog_bytes > crate::cold::MAX_BACKLOG)
        };
        if !message.entries.is_empty() && (self.disk.is_exhausted() || waits(self)) {
            // As if it had been lost on the way: Raft sends it again.
            return Ok(());
        }
        self.propose(group);
        if self.must_account(group, &message) {
            return Ok(()); // The leader sends it again.
        }
        let promise = self.replica(group).and_then(|replica| replica.raft.promise_of(&message));
        let promise = promise.map(|promise| Promise { generation: generations.from, ..promise });
        let step = self.step(group, message);
        if let (Some(promise), Some(Step::Taken | Step::Held)) = (promise, step) {
            let groups = self.replicas.len();
            self.peer(from).promises.remember(group, promise, groups);
        }
        Ok(())
    }

    /// Hands a message to its group. What was executed in this turn is proposed first, while the
    /// group is still what it was when it was executed.
    pub(crate) fn step(&mut self, group: GroupId, message: Message) -> Option<Step> {
        self.propose(group);
        let now = self.now;
        let replica = self.replica(group)?;
        replica.active = true;
        Some(replica.raft.step(now, message))
    }

    /// Proposes what was executed on a group in this turn.
    pub(crate) fn propose(&mut self, group: GroupId) {
        let now_ms = self.now.mono_ms();
        let Some(replica) = self.replica(group) else { return };
        let before = replica.last_own();
        if let Err(refused) = replica.propose(now_ms) {
            // Not possible as long as commands are only executed when the group would accept them.
            self.outbox.fatal = Some(format!("group {group} refused an entry that was executed: {refused}"));
        }
        self.watch_write(group, before);
    }

    /// A log has written this: a crash of this process loses none of it.
    pub(crate) fn built_is_written(&mut self, new: &[Built]) {
        for built in new {
            let Some(replica) = self.replica(built.group) else { continue };
            if let Some((term, index)) = built.last
                && replica.leading() == Some(term)
                && replica.raft.generation() == built.generation
            {
                replica.exposure.written(index);
                replica.active = true;
            }
        }
    }

    /// This is durable, and all it rests on.
    pub(crate) fn built_is_durable(&mut self, new: Vec<Built>) {
        for Built { group, ready, generation, .. } in new {
            // Readys of a replica that is gone say nothing of the one in its place.
            let Some(replica) = self.replica(group).filter(|r| r.raft.generation() == generation) else {
                continue;
            };
            let mut out = std::mem::take(&mut replica.out);
            replica.raft.persisted(ready, &mut out);
            replica.out = out;
            replica.active = true;
        }
    }

    /// Ends a turn: call once per pass of the loop, after all input was handed in.
    pub fn turn(&mut self, now: Now) {
        self.set_now(now);
        if self.outbox.stops() {
            return; // The node stops: nothing more is promised or sent.
        }
        let now = self.now;
        self.stats.commands_before_turn = self.stats.commands;
        for (target, reply) in std::mem::take(&mut self.late) {
            self.complete(target, &reply, GroupId::META, (0, 0));
        }
        for id in std::mem::take(&mut self.unblocking) {
            self.unblock(id);
        }
        if now.mono_ns >= self.next_tick_ns {
            self.next_tick_ns = now.mono_ns + TICK_NS;
            self.tick();
        }
        self.end_edits();
        for _ in 0..MAX_PASSES {
            if !self.pass() {
                break;
            }
        }
        self.finish_due_batches();
        self.drive_readings();
        self.drop_refused();
        self.release_conns();
    }

    /// One look at every group that has something to do. False when nothing is left.
    fn pass(&mut self) -> bool {
        for group in std::mem::take(&mut self.pumping) {
            self.pump(group);
        }
        let mut any = false;
        for at in 0..self.replicas.len() {
            let group = GroupId(at as u32);
            let Some(replica) = self.replicas[at].as_deref_mut().filter(|r| r.active) else { continue };
            replica.active = false;
            any = true;
            self.advance(group);
        }
        any || !self.pumping.is_empty()
    }

    /// Proposes, collects and carries out what the group asks for, and releases who waited.
    pub(crate) fn advance(&mut self, group: GroupId) {
        self.propose(group);
        let (now_ms, me) = (self.now.mono_ms(), self.me.node);
        let Some(replica) = self.replica(group) else { return };
        replica.begun = false;
        let mut out = std::mem::take(&mut replica.out);
        replica.active |= replica.raft.ready(&mut out);
        let (role, term, leader) = (replica.raft.role(), replica.raft.term(), replica.raft.leader());
        let exposed = replica.exposure.exposed(now_ms);
        let lost = replica.role_changed(role, term);
        replica.predecessors.look(me, leader, term, now_ms);
        let proven = out.reads.drain(..).rfind(|r| r.index.is_some()).map(|r| r.id);
        if self.routes[group.0 as usize].set_leader(leader, term) {
            self.pumping.insert(group);
        }
        if lost {
            self.tell_exposed(group, exposed);
            self.leadership_lost(group);
        }
        self.absorb(group, &mut out);
        let Some(replica) = self.replica(group) else { return };
        replica.out = out;
        let applied = replica.machine.applied();
        // An installed snapshot counts as applied for Raft once its log record is durable.
        let known = replica.raft.commit().min(replica.raft.persisted_index());
        if replica.raft.applied_index() < applied.0 && applied.0 <= known {
            replica.raft.applied(applied.0);
            replica.active = true;
        }
        if applied.0 > replica.woken {
            replica.woken = applied.0;
            self.transfers.committed(group, applied.0, self.now.mono_ns);
            self.note_joined(group);
            self.wake_waiting(group);
            self.release_held(group);
            if self.lost.contains_key(&group) {
                self.resolve_lost(group);
            }
            if group == GroupId::META {
                self.reload_map();
            }
        }
        self.release_early(group);
        self.release_waiters(group);
        self.end_rounds(group);
        let ran = self.unpark(group) | self.prove(group, proven);
        if ran && let Some(replica) = self.replica(group) {
            replica.active = true;
        }
    }

    /// Carries out what a group asked for.
    fn absorb(&mut self, group: GroupId, out: &mut Output) {
        let Some(replica) = self.replicas[group.0 as usize].as_deref_mut() else { return };
        let later = !replica.hurry;
        for message in out.messages.drain(..) {
            let to = NodeId(message.to);
            let Some(peer) = self.peers.get_mut(&to) else { continue };
            let generations = replica.generations_to(to);
            let waits =
                later && message.msg_type == consensus::MessageType::MsgAppend && !message.entries.is_empty();
            let section = if waits { Section::RaftLater } else { Section::Raft };
            send_raft(peer, group, generations, &message, section);
        }
        if let Some(persist) = out.persist.take() {
            self.write_ready(group, &persist, later);
        }
        let committed = std::mem::take(&mut out.committed);
        self.apply(group, &committed);
        for snapshot in out.snapshots.drain(..) {
            self.send_snapshot(group, snapshot, false);
        }
    }

    /// Puts what a Ready wants durable into the batch under construction. `later`: nobody waits for it.
    fn write_ready(&mut self, group: GroupId, persist: &consensus::Persist, later: bool) {
        let (log, max) = (self.log_of(group), self.settings.log_batch);
        if self.logs.of(log).builder.size() > max {
            self.finish_batch(log);
        }
        if let Some(install) = &persist.install {
            self.install(group, install);
        }
        let mut bytes = 0;
        let hard = persist.hard_state.as_ref();
        let hard = hard.map(|hs| HardState { term: hs.term, vote: hs.vote, commit: hs.commit });
        self.logs.of(log).urgent |= !later || persist.install.is_some();
        if let Some(replica) = self.replica(group) {
            // Until something else is proposed or comes.
            replica.hurry = !replica.answers_early();
            let voted = hard.map_or(replica.voted, |hs| (hs.term, hs.vote));
            let votes = std::mem::replace(&mut replica.voted, voted) != voted;
            self.logs.of(log).urgent |= votes;
        }
        for entry in &persist.entries {
            bytes += entry.data.len() as u64;
            if self.me.witness {
                bytes += METADATA_BYTES;
            }
            let kind = consensus::entry_kind(entry);
            let line = self.logs.of(log);
            line.builder.entry(group, entry.index, entry.term, kind, &entry.data);
            if line.builder.size() > max {
                // This batch may be all that is left after a crash, and entries of a term must
                // never be without the term: they replace entries that were promised in another.
                if let Some(hard) = hard {
                    line.builder.hard_state(group, hard);
                }
                self.finish_batch(log);
            }
        }
        if let Some(hard) = hard {
            self.logs.of(log).builder.hard_state(group, hard);
        }
        let last = persist.entries.last().map(|entry| (entry.term, entry.index));
        let generation = self.replica(group).map_or(0, |replica| replica.raft.generation());
        self.logs.of(log).building.push(Built { group, ready: persist.number, last, generation });
        if let Some(replica) = self.replica(group) {
            replica.log_share += bytes;
            if last.is_some() && replica.answers_early() && replica.leading().is_some() {
                self.logs.of(log).builder.announce();
            }
        }
    }

    fn apply(&mut self, group: GroupId, committed: &[Entry]) {
        let mut kept = false;
        for entry in committed {
            match self.apply_or_keep(group, entry) {
                Ok(applied) => kept |= !applied,
                Err(error) => return self.break_replica(group, error),
            }
        }
        if kept {
            self.fetch(group);
        }
    }

    /// An entry can not be applied: the replica stands still, it must not skip it.
    pub(crate) fn break_replica(&mut self, group: GroupId, error: DecodeError) {
        let Some(replica) = self.replica(group) else { return };
        let index = replica.machine.applied().0 + 1;
        replica.broken = Some(error);
        self.outbox.fatal = Some(format!(
            "group {group}: entry {index} can not be read ({error}); the replica stops, it must not skip it"
        ));
    }

    /// Lets replies go that need not wait for the commit, as far as the exposure allows. They rest on the
    /// lease, which is checked once more before they leave.
    fn release_early(&mut self, group: GroupId) {
        let (now, now_ms) = (self.now, self.now.mono_ms());
        let Some(replica) = self.replicas[group.0 as usize].as_deref_mut() else { return };
        let applied = replica.machine.applied().0;
        replica.exposure.committed(applied);
        let none = !replica.answers_early() && replica.waiting_early.is_empty();
        // Without a lease (leadership is being handed over) they wait for their commit: what is let go now
        // could not be proven before it leaves, and its connections would be closed.
        if none || replica.leading().is_none() || !replica.raft.lease_valid(now) {
            return;
        }
        let upto = replica.exposure.answer(replica.bound, now_ms);
        if upto <= replica.early {
            return;
        }
        replica.early = upto;
        replica.served |= upto > applied;
        while let Some((_, conn)) = replica.waiting_early.pop_front_if(|(index, _)| *index <= upto) {
            self.touched.push(conn);
        }
        self.release_held(group);
    }

    /// Connections whose replies waited for entries that are applied now.
    fn wake_waiting(&mut self, group: GroupId) {
        let Some(replica) = self.replicas[group.0 as usize].as_deref_mut() else { return };
        let applied = replica.machine.applied().0;
        while let Some((_, conn)) = replica.waiting.pop_front_if(|(index, _)| *index <= applied) {
            self.touched.push(conn);
        }
    }

    /// Moves released replies to the wire and lets connections go on that waited for that.
    fn release_conns(&mut self) {
        let mut again = Vec::new();
        for id in std::mem::take(&mut self.touched) {
            let Some(conn) = self.conns.get_mut(&id) else { continue };
            let replicas = &self.replicas;
            conn.release(|mark| match &replicas[mark.group.0 as usize] {
                Some(replica) => replica.fate(mark),
                None => crate::conn::Fate::Unknown,
            });
            if conn.output_bytes() > self.settings.output_buffer_limit {
                tracing::warn!(
                    client = id,
                    bytes = conn.output_bytes(),
                    "output buffer limit exceeded, closing"
                );
                conn.wire.clear();
                conn.closing = true;
                conn.cut = true;
            }
            if matches!(conn.blocked, Some(Blocked::Drain(_))) && conn.waiting() == 0 {
                self.run_drained(id);
                again.push(id);
            }
            self.outbox.conns.push(id);
        }
        if !self.stalled.is_empty() {
            let conns = &self.conns;
            let room = |id: &u64| conns.get(id).is_none_or(|conn| conn.has_room());
            self.resuming.extend(self.stalled.extract_if(.., room));
        }
        for id in std::mem::take(&mut self.resuming) {
            self.resume(id);
            again.push(id);
        }
        if !again.is_empty() {
            self.touched.extend(again);
            self.outbox.again = true;
        }
    }

    /// Runs the command that waited for the connection's replies to be out.
    fn run_drained(&mut self, id: u64) {
        let Some(mut conn) = self.conns.remove(&id) else { return };
        self.busy = Some(id);
        if let Some(Blocked::Drain(request)) = conn.blocked.take() {
            conn.session.flags.blocked = false;
            if let Ok(parts) = parse(&request) {
                self.run(&mut conn, &parts.args);
                if conn.blocked == Some(Blocked::Cold) {
                    conn.put_back(&parts.args, Parser::new(self.limits()));
                }
            }
        }
        self.busy = None;
        if conn.blocked.is_none() {
            self.resuming.push(id);
        }
        self.conns.insert(id, conn);
    }

    /// Last step before anything is sent: the lease under which replies were given is checked again
    /// with a fresh clock, then the answers for other nodes go into their frames.
    pub fn flush(&mut self, now: Now) {
        self.set_now(now);
        let now = self.now;
        let mut unproven = false;
        for (at, replica) in self.replicas.iter_mut().enumerate() {
            let Some(replica) = replica.as_deref_mut() else { continue };
            match replica.may_leave(now) {
                Some(true) => {}
                Some(false) => {
                    self.distrusted.insert(GroupId(at as u32));
                }
                None => unproven = true,
            }
        }
        self.quarantine = unproven;
        if !self.distrusted.is_empty() && !unproven {
            self.drop_unproven();
        }
        self.answer_probes();
        if !self.quarantine {
            self.drop_overdue_reads();
            for peer in self.peers.values_mut() {
                move_answers(peer);
            }
        }
    }

    /// Leadership was lost between a read and its reply: replies that are not sent may be stale, also
    /// those that wait behind others, for an entry, or to be merged. Their connections are closed, which
    /// clients treat like any broken connection. A command with effects stays: its entry will tell.
    fn drop_unproven(&mut self) {
        let merged: BTreeSet<u64> = self.ops.values().filter_map(Op::conn).collect();
        for conn in self.conns.values_mut().filter(|c| c.holds_reads() || merged.contains(&c.id)) {
            conn.wire.clear();
            conn.closing = true;
            conn.cut = true;
        }
        for group in std::mem::take(&mut self.distrusted) {
            self.forget_held_reads(group);
        }
        let mut ids: Vec<u64> = self.conns.values().filter(|c| c.cut).map(|c| c.id).collect();
        ids.sort_unstable();
        tracing::warn!(
            connections = ids.len(),
            "leadership was lost before answers to reads had left: closing"
        );
        self.outbox.conns.extend(ids);
        for peer in self.peers.values_mut() {
            if !peer.answers.is_empty() {
                peer.answers.clear();
                self.outbox.hang_up.push(peer.node);
            }
        }
    }

    /// Reads of forwarded requests that wait for an entry: they are sent again.
    fn forget_held_reads(&mut self, group: GroupId) {
        let Some(replica) = self.replica(group) else { return };
        let mut sources = Vec::new();
        for held in [&mut replica.held, &mut replica.held_early] {
            held.retain(|held| {
                let read = held.written.1 == 0;
                if read {
                    sources.push(held.source);
                }
                !read
            });
        }
        for source in sources {
            match source {
                Source::Own { .. } => self.routes[group.0 as usize].restart(),
                Source::Peer { node, .. } => self.outbox.hang_up.push(node),
            }
            self.pumping.insert(group);
        }
    }
}

/// Puts a Raft message into the frame for its receiver.
pub(crate) fn send_raft(
    peer: &mut Peer,
    group: GroupId,
    generations: Generations,
    message: &Message,
    section: Section,
) {
    if peer.takes() {
        peer.frame.section(section, |out| content::put_raft(out, group, generations, message));
    }
}

fn move_answers(peer: &mut Peer) {
    if peer.answers.is_empty() {
        return;
    }
    let answers = std::mem::take(&mut peer.answers);
    let mut r = Reader::new(&answers);
    while let Ok(content) = r.bytes() {
        peer.frame.section(Section::Answer, |out| out.extend_from_slice(content));
        if r.is_empty() {
            break;
        }
    }
    peer.answers = answers;
    peer.answers.clear();
}
