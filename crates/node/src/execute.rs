//! Requests that come through a route: from another node, from an operation over several shards, or
//! from this node after a failover. Every write among them has an id and is executed once.

use crate::again::Standing;
use crate::cold::MEMORY;
use crate::core::Core;
use crate::dispatch::second_keyspace;
use crate::dividing::OVERTAKEN;
use crate::early::Asked;
use crate::frame::Section;
use crate::memory::{OUT_OF_MEMORY, Room};
use crate::replica::{Arrival, Held, Replica, Source};
use model::effect::WriteId;
use model::planted::{Bug, is_planted};
use model::varint::Reader;
use model::{GroupId, Index, NodeId, Reply, Term};
use resp::{Proto, Resp};
use router::request::{Parts, parse};
use router::wire::{AnswerFrame, ForwardFrame, Status};
use router::{Flags, Target};
use shard::table::Spec;
use shard::window::Seen;

/// Most requests that wait for a leader to become ready, per shard.
pub(crate) const MAX_PARKED: usize = 65_536;

/// Longest encoded request: with what waits for the turn's entry, its effects fit one entry.
pub(crate) const MAX_REQUEST: usize = crate::dispatch::MAX_COMMAND + 64;
/// Longest reply that is sent to another node: it must fit a frame.
const MAX_ANSWER: usize = model::limits::MAX_FRAME - 64 * 1024;

/// The error for a request that is too long.
pub(crate) fn too_long(bytes: usize) -> String {
    format!(
        "ERR command of {bytes} bytes for one shard, at most {} are allowed",
        crate::dispatch::MAX_COMMAND
    )
}

/// The error when a shard's queue is full.
pub(crate) fn queue_full(group: GroupId) -> String {
    let shard = group.shard().map_or("meta".to_owned(), |s| s.to_string());
    format!(
        "CLUSTERDOWN shard {shard}: too many commands wait for it, at most {} may",
        router::route::MAX_QUEUE
    )
}

/// The error for a write whose outcome can not be learned.
pub(crate) const UNKNOWN: &str = "UNKNOWN the outcome of this write could not be learned: it was done once or not at all; read before you repeat it";
/// The error for a write that was done, but whose reply is lost.
const NOT_KEPT: &str =
    "UNKNOWN this write was done once, before a failover; its reply was too long to be kept";
/// The error for a command that must not run again after a later one of its connection.
pub(crate) const NO_EFFECT: &str =
    "UNKNOWN the command was executed without effect before the leader changed; its reply is lost";

/// Changes of a keyspace that count from their proposal on, not only once they are applied.
fn obey_at_once(replica: &mut Replica, parts: &Parts<'_>) {
    let epoch = crate::internal::number(parts.args.get(1)).unwrap_or(u64::MAX);
    if parts.args[0] == crate::internal::CLOSE {
        replica.closing.insert(parts.ks, epoch);
    }
    if parts.args[0] == crate::internal::MODE && parts.args[2] == b"sync" {
        replica.to_sync.insert(parts.ks, epoch);
    }
}

impl Core {
    /// Sends what waits in a route to the leader, or executes it if this node leads.
    pub(crate) fn pump(&mut self, group: GroupId) {
        let at = group.0 as usize;
        let Some((leader, term)) = self.routes[at].leader() else { return };
        if leader == self.me.node {
            while self.replicas[at]
                .as_ref()
                .is_some_and(|r| r.requests_waiting() < MAX_PARKED && r.raft.leads_in(term))
            {
                let Some((forward, again)) = self.routes[at].send_next(&mut self.next_seq) else { break };
                let (seq, slot, domain) = (forward.seq, forward.slot, forward.domain);
                let request = forward.request.clone();
                let order = self.replicas[at].as_mut().map_or(0, |r| r.next_order());
                self.routes[at].set_order(seq, order);
                let attempt = self.routes[at].attempt();
                let source = Source::Own { seq };
                let arrival = Arrival { source, domain, slot, request: request.bytes() };
                self.receive(group, leader, attempt, arrival, again);
            }
            return;
        }
        let Some(peer) = self.peers.get_mut(&leader) else { return };
        let route = &mut self.routes[at];
        let (attempt, low_water) = (route.attempt(), route.low_water(self.next_seq));
        while peer.takes() {
            let Some((forward, again)) = route.send_next(&mut self.next_seq) else { break };
            let (seq, slot, request) = (forward.seq, forward.slot, forward.request.bytes());
            let domain = forward.domain;
            let frame = ForwardFrame { group, term, attempt, seq, low_water, domain, slot, request, again };
            peer.frame.section(Section::Forward, |out| frame.encode(out));
        }
    }

    /// A request from another node.
    pub(crate) fn on_forward(
        &mut self,
        from: NodeId,
        incarnation: u64,
        content: &[u8],
    ) -> Result<(), crate::frame::FrameError> {
        let f = ForwardFrame::decode(&mut Reader::new(content))?;
        let state = self.inbound.entry((from, f.group)).or_default();
        if f.attempt < state.0 || (f.attempt == state.0 && state.1) {
            return Ok(());
        }
        let begins = f.attempt > state.0;
        *state = (f.attempt, false);
        if begins {
            self.end_batch(f.group, from);
        }
        let source = Source::Peer { node: from, attempt: f.attempt, seq: f.seq };
        let leads = self
            .replicas
            .get(f.group.0 as usize)
            .and_then(Option::as_ref)
            .is_some_and(|r| r.raft.leads_in(f.term) && r.requests_waiting() < MAX_PARKED);
        // Answers that can not be sent must not pile up: it asks again.
        if !leads || !self.peers.get(&from).is_some_and(|p| p.takes_answers()) {
            self.inbound.insert((from, f.group), (f.attempt, true));
            self.end_batch(f.group, from);
            self.answer(f.group, source, Status::NotLeader, (0, 0), &[]);
            return Ok(());
        }
        // The mark goes out with an entry, so a read need not bring it.
        let write = f.request.first().is_some_and(|flags| Flags(*flags).has(Flags::WRITE));
        if write && let Some(replica) = self.replica(f.group) {
            replica.machine.mark(from, incarnation, f.low_water);
        }
        let arrival = Arrival { source, domain: f.domain, slot: f.slot, request: f.request };
        self.receive(f.group, from, f.attempt, arrival, f.again);
        Ok(())
    }

    pub(crate) fn id_of(&self, source: Source) -> WriteId {
        match source {
            Source::Own { seq } => WriteId { origin: self.me.node, incarnation: self.me.incarnation, seq },
            Source::Peer { node, seq, .. } => {
                let incarnation = self.peers.get(&node).map_or(0, |p| p.incarnation);
                WriteId { origin: node, incarnation, seq }
            }
        }
    }

    /// Executes a request on this leader, or parks it until the leader is ready.
    pub(crate) fn submit(&mut self, group: GroupId, arrival: Arrival<'_>) {
        let (now, id) = (self.now, self.id_of(arrival.source));
        let Some(replica) = self.replica(group) else { return };
        replica.active = true;
        if replica.parked.is_empty() && replica.ready(now) {
            self.execute(group, id, arrival);
        } else {
            replica.parked.push_back(arrival.park(id, Standing::Runs));
        }
    }

    /// Executes parked requests once the leader is ready. Returns true if any ran.
    pub(crate) fn unpark(&mut self, group: GroupId) -> bool {
        let now = self.now;
        let mut ran = false;
        while let Some(replica) = self.replica(group) {
            if replica.parked.is_empty() || !replica.ready(now) {
                break;
            }
            ran |= self.run_parked(group);
        }
        ran
    }

    /// Where no lease may be taken, parked requests run in the turn in which a round begun after
    /// they came has proven that this node still leads.
    pub(crate) fn prove(&mut self, group: GroupId, done: Option<consensus::RoundId>) -> bool {
        let now = self.now;
        let Some(replica) = self.replica(group) else { return false };
        if replica.raft.may_take_lease() || !replica.raft.is_leader() || replica.parked.is_empty() {
            return false;
        }
        match replica.round {
            Some((round, count)) if done == Some(round) => {
                replica.round = None;
                replica.proven = true;
                for _ in 0..count {
                    if !self.replica(group).is_some_and(|r| r.can_execute()) || !self.run_parked(group) {
                        break;
                    }
                }
                true
            }
            Some(_) => false,
            None => {
                let count = replica.parked.len();
                replica.round = replica.raft.read_index(now).ok().map(|id| (id, count));
                false
            }
        }
    }

    /// Executes a request now, unless it has to wait for rows, or behind one of its connection that does.
    /// The leader is ready.
    pub(crate) fn execute(&mut self, group: GroupId, id: WriteId, arrival: Arrival<'_>) {
        let Arrival { source, domain, request, .. } = arrival;
        let origin = self.origin(source);
        if let Some(replica) = self.replica(group)
            && replica.cold.holds(origin, domain)
        {
            return replica.cold.line_up(origin, 0, arrival.park(id, Standing::Runs));
        }
        let Ok(parts) = parse(request) else {
            tracing::error!(%group, ?source, "request that can not be read");
            return;
        };
        if request.len() > MAX_REQUEST {
            return self.answer_error(group, source, &too_long(request.len()));
        }
        let now = self.now;
        let write = parts.flags.has(Flags::WRITE);
        let hll_sparse_max_bytes = self.settings.hll_sparse_max_bytes;
        if let Some(replica) = self.replica(group) {
            replica.begin(now);
            replica.machine.set_hll_sparse_max_bytes(hll_sparse_max_bytes);
        }
        // Planted: see model/planted.rs
        let forgets = is_planted(Bug::DividedForgetsAnswers) && self.gave_away(group, parts.ks, arrival.slot);
        if write && (!forgets && self.repeats(group, source, id) || self.refuses_writes(group, source)) {
            return;
        }
        if let Some(ticket) = self.execute_new(group, id, arrival, &parts)
            && let Some(replica) = self.replica(group)
        {
            replica.cold.line_up(origin, ticket, arrival.park(id, Standing::Runs));
        }
    }

    /// A request that may be executed, and was not before. `Some`: it was not, and waits for this ticket
    /// (see `cold.rs`).
    pub(crate) fn execute_new(
        &mut self,
        group: GroupId,
        id: WriteId,
        arrival: Arrival<'_>,
        parts: &Parts<'_>,
    ) -> Option<u64> {
        let source = arrival.source;
        let replica = self.replicas[group.0 as usize].as_deref_mut()?;
        if parts.flags.has(Flags::INTERNAL)
            && let Some(request) = crate::wait::Wanted::read(&parts.args)
        {
            replica.waiters.push(request.waiter(source, self.now.mono_ms()));
            return None;
        }
        if parts.flags.has(Flags::INTERNAL)
            && let Some(term) = crate::internal::end_of_term(&parts.args)
        {
            // What is committed stays so: no lease is needed.
            let reply =
                replica.end_of_term(term).map_or("-ERR unknown\r\n".to_owned(), |end| format!(":{end}\r\n"));
            self.answer(group, source, Status::Done, (0, 0), reply.as_bytes());
            return None;
        }
        if parts.flags.has(Flags::INTERNAL)
            && let Some(waits) = self.execute_blocking(group, id, arrival, parts)
        {
            return waits;
        }
        if group == GroupId::META {
            self.execute_meta(source, id, &parts.args);
            return None;
        }
        if parts.flags.has(Flags::TRANSACTION) {
            return self.execute_transaction(group, id, arrival, parts);
        }
        let (first, internal) = (parts.args.get(1).copied(), parts.flags.has(Flags::INTERNAL));
        let spec = shard::table::resolve(parts.args[0], first).ok().filter(|_| !internal);
        let room = spec.map_or(Room::Enough, |spec| self.room_for(spec));
        let shards = self.base_shards();
        let replica = self.replicas[group.0 as usize].as_deref_mut()?;
        let runs = match spec {
            Some(spec) => {
                let mut named = std::iter::once(parts.ks).chain(second_keyspace(spec, &parts.args));
                named.all(|ks| replica.may_run(spec, ks, arrival.slot, &parts.args, shards))
            }
            None => !internal || replica.may_run_internal(parts, arrival.slot, shards),
        };
        if !runs {
            self.answer(group, source, Status::NotOwner, (0, 0), &[]);
            return None;
        }
        match room {
            Room::Enough => self.run_timed(group, id, arrival, parts, spec),
            Room::Wait => Some(MEMORY),
            Room::None => {
                self.answer_error(group, source, OUT_OF_MEMORY);
                None
            }
        }
    }

    /// Runs a request, and notes it if it took long.
    fn run_timed(
        &mut self,
        group: GroupId,
        id: WriteId,
        arrival: Arrival<'_>,
        parts: &Parts<'_>,
        spec: Option<&'static Spec>,
    ) -> Option<u64> {
        let (source, began) = (arrival.source, spec.and_then(|spec| self.begin_timing(spec)));
        let waits = self.run_request(group, id, arrival, parts, spec);
        // A round of a command that waits is asked again and again: that is noted once it is served.
        let replica = self.replica(group);
        let in_round = replica.is_some_and(|r| r.blocking.rounds.running_until_ms().is_some());
        if let Some(spec) = spec.filter(|_| waits.is_none() && !in_round) {
            self.end_timing_for(self.origin(source), spec, &parts.args, began);
        }
        waits
    }

    /// Runs a request, unless rows have to be fetched first: `Some`, see above.
    fn run_request(
        &mut self,
        group: GroupId,
        id: WriteId,
        arrival: Arrival<'_>,
        parts: &Parts<'_>,
        spec: Option<&'static Spec>,
    ) -> Option<u64> {
        let Arrival { source, slot, .. } = arrival;
        let internal = parts.flags.has(Flags::INTERNAL);
        let replica = self.replicas[group.0 as usize].as_deref_mut()?;
        let mut reply = Vec::new();
        let proto = if parts.flags.has(Flags::RESP3) { Proto::Resp3 } else { Proto::Resp2 };
        let mut out = Resp { buf: &mut reply, proto };
        let handler = if internal {
            crate::internal::handler(&parts.args)
        } else {
            spec.and_then(|spec| self.handlers.get(spec))
        };
        let Some(handler) = handler else {
            out.error("ERR unknown command");
            self.answer(group, source, Status::Done, (0, 0), &reply);
            return None;
        };
        let asked =
            spec.map(|spec| Asked { ks: parts.ks, spec, flags: parts.flags, args: &parts.args, more: 0 });
        if let Some(text) = asked.as_ref().and_then(|asked| replica.refuses_async(asked)) {
            self.answer_error(group, source, &text);
            return None;
        }
        let touch = parts.flags.has(Flags::TOUCH);
        replica.machine.waits_again = replica.blocking.rounds.runs_again();
        let outcome = replica.machine.execute(handler, parts.ks, touch, &parts.args, &mut out);
        replica.machine.waits_again = false;
        if outcome.fetch {
            if let Some(spec) = spec {
                self.want_keys(group, parts.ks, spec, &parts.args);
            }
            return Some(self.begin_edit(group).unwrap_or_else(|| self.fetch(group)));
        }
        if outcome.blocks
            && let Some(spec) = spec
        {
            self.block_here(group, id, arrival, (parts, spec), &outcome);
            return None;
        }
        if internal && outcome.wrote {
            obey_at_once(replica, parts);
        }
        let early = replica.note_executed(asked.as_ref(), &outcome);
        let written = if outcome.wrote { (replica.raft.term(), outcome.hold) } else { (0, 0) };
        // Planted: see model/planted.rs
        let kept = !is_planted(Bug::TakenTwice) || !replica.blocking.rounds.runs();
        if outcome.wrote && parts.flags.has(Flags::WRITE) && kept {
            replica.machine.answered(id, slot, &reply);
        }
        self.settle(group, Held { index: outcome.hold, source, early, reply: Ok(reply), written });
        self.serve_blocked_if_any(group);
        if internal && parts.args[0] == crate::internal::WATCH {
            self.end_entry(group);
        }
        None
    }

    /// Answers a write with an error if the log takes none.
    fn refuses_writes(&mut self, group: GroupId, source: Source) -> bool {
        if self.disk.is_full() {
            self.answer_error(group, source, &self.log_full_text());
        }
        self.disk.is_full()
    }

    /// Answers a request that was not executed with an error.
    pub(crate) fn answer_error(&mut self, group: GroupId, source: Source, text: &str) {
        let mut reply = Vec::new();
        Resp { buf: &mut reply, proto: Proto::Resp2 }.error(text);
        self.answer(group, source, Status::Done, (0, 0), &reply);
    }

    /// Answers a write that was executed before. False if it is new.
    fn repeats(&mut self, group: GroupId, source: Source, id: WriteId) -> bool {
        let Some(replica) = self.replica(group) else { return true };
        match replica.machine.seen(id) {
            Ok(index) => {
                let written = (replica.raft.term(), index);
                replica.held.push_back(Held { index, source, early: false, reply: Err(id), written });
            }
            Err(Seen::New) => return false,
            // Planted: see model/planted.rs. Committed answers are asked for after a failover.
            Err(Seen::Done(_)) if is_planted(Bug::WindowLost) => return false,
            Err(Seen::Done(Some(reply))) => {
                let (reply, written) = (reply.to_vec(), replica.committed());
                self.answer(group, source, Status::Done, written, &reply);
            }
            Err(Seen::Done(None)) => self.answer(group, source, Status::ReplyNotKept, (0, 0), &[]),
            Err(Seen::Forgotten) => self.answer(group, source, Status::Forgotten, (0, 0), &[]),
        }
        true
    }

    /// The reply of what was just executed waits for its entry, or leaves if there is none to wait for.
    pub(crate) fn settle(&mut self, group: GroupId, held: Held) {
        let Some(replica) = self.replica(group) else { return };
        if held.index > replica.free_upto(held.early) {
            let queue = if held.early { &mut replica.held_early } else { &mut replica.held };
            queue.push_back(held);
            if replica.machine.pending_bytes() > crate::dispatch::SOFT_ENTRY {
                self.propose(group);
            }
        } else if let Ok(reply) = held.reply {
            self.answer(group, held.source, Status::Done, held.written, &reply);
        }
    }

    /// A request to the meta group: its rows become one entry.
    fn execute_meta(&mut self, source: Source, id: WriteId, args: &[&[u8]]) {
        let mut reply = Vec::new();
        let rows = self.meta_rows(args);
        let Some(replica) = self.replicas[0].as_deref_mut() else { return };
        let mut out = Resp { buf: &mut reply, proto: Proto::Resp2 };
        let under_way =
            replica.machine.pending_bytes() > 0 || replica.raft.last_index() > replica.machine.applied().0;
        match rows {
            Err(text) => out.error(&text),
            Ok(_) if under_way => out.error("TRYAGAIN another change of the map is under way"),
            Ok(rows) if rows.is_empty() => out.ok(),
            Ok(rows) => {
                out.ok();
                let index = replica.raft.next_index();
                rows.iter().for_each(|(name, value)| replica.machine.put_system(name, Some(value)));
                replica.hurry = true;
                replica.machine.answered(id, 0, &reply);
                let written = (replica.raft.term(), index);
                return replica.held.push_back(Held {
                    index,
                    source,
                    early: false,
                    reply: Ok(reply),
                    written,
                });
            }
        }
        self.answer(GroupId::META, source, Status::Done, (0, 0), &reply);
    }

    /// Releases the replies of forwarded requests whose entries are committed, or written if that is enough.
    pub(crate) fn release_held(&mut self, group: GroupId) {
        loop {
            let Some(replica) = self.replica(group) else { return };
            let (applied, early) = (replica.free_upto(false), replica.free_upto(true));
            let committed = replica.held.pop_front_if(|held| held.index <= applied);
            let next = committed.or_else(|| replica.held_early.pop_front_if(|held| held.index <= early));
            let Some(held) = next else { return };
            let reply = match held.reply {
                Ok(reply) => reply,
                Err(id) => match replica.machine.seen(id) {
                    Err(Seen::Done(Some(reply))) => reply.to_vec(),
                    _ => {
                        self.answer(group, held.source, Status::ReplyNotKept, (0, 0), &[]);
                        continue;
                    }
                },
            };
            self.answer(group, held.source, Status::Done, held.written, &reply);
        }
    }

    /// Gives an answer to whoever asked.
    pub(crate) fn answer(
        &mut self,
        group: GroupId,
        to: Source,
        status: Status,
        written: (Term, Index),
        reply: &[u8],
    ) {
        match to {
            Source::Own { seq } => {
                self.on_answer_of(group, self.routes[group.0 as usize].attempt(), seq, status, written, reply)
            }
            Source::Peer { .. } if reply.len() > MAX_ANSWER => {
                let mut text = Vec::new();
                let error = format!(
                    "ERR reply of {} bytes, at most {MAX_ANSWER} can come from another node",
                    reply.len()
                );
                Resp { buf: &mut text, proto: Proto::Resp2 }.error(&error);
                self.answer(group, to, status, written, &text);
            }
            Source::Peer { node, attempt, seq } => {
                let Some(peer) = self.peers.get_mut(&node) else { return };
                let answer = AnswerFrame { group, attempt, seq, status, written, reply };
                // It leaves with the flush, after the lease was checked once more.
                let mut content = Vec::with_capacity(reply.len() + 32);
                answer.encode(&mut content);
                model::varint::put_bytes(&mut peer.answers, &content);
            }
        }
    }

    /// An answer from another node.
    pub(crate) fn on_answer(&mut self, content: &[u8]) -> Result<(), crate::frame::FrameError> {
        let a = AnswerFrame::decode(&mut Reader::new(content))?;
        if (a.group.0 as usize) < self.routes.len() {
            self.on_answer_of(a.group, a.attempt, a.seq, a.status, a.written, a.reply);
        }
        Ok(())
    }

    fn on_answer_of(
        &mut self,
        group: GroupId,
        attempt: u64,
        seq: u64,
        status: Status,
        written: (Term, Index),
        reply: &[u8],
    ) {
        let route = &mut self.routes[group.0 as usize];
        match status {
            // Sent again with the next tick, not at once: the leader may need a moment.
            Status::NotLeader => {
                route.refused(attempt);
            }
            // Sent again since, it may have had effects: that answer counts.
            Status::Done if written.1 == 0 && route.outdated(attempt, seq) => {}
            Status::Done => {
                if let Some(forward) = route.answered(seq, written.1 > 0) {
                    self.stats.note_answer(&forward, reply);
                    self.complete(forward.target, reply, group, written);
                }
            }
            Status::ReplyNotKept | Status::Forgotten => {
                if let Some(forward) = route.answered(seq, true) {
                    let text = if status == Status::Forgotten { UNKNOWN } else { NOT_KEPT };
                    self.fail(forward.target, text);
                }
            }
            // Of an earlier attempt it says nothing: a later leader may have executed the request.
            Status::NotOwner | Status::NoEffect if attempt != route.attempt() => {}
            Status::NotOwner => match route.answered(seq, false) {
                Some(forward) if self.is_overtaken(&forward) => self.fail(forward.target, OVERTAKEN),
                Some(forward) => self.defer(group, forward),
                None => {}
            },
            Status::NoEffect => {
                if let Some(forward) = route.answered(seq, false) {
                    self.fail(forward.target, NO_EFFECT);
                }
            }
        }
    }

    /// An error as the answer.
    pub(crate) fn fail(&mut self, target: Target, text: &str) {
        let mut reply = Vec::new();
        Resp { buf: &mut reply, proto: Proto::Resp2 }.error(text);
        self.complete(target, &reply, GroupId::META, (0, 0));
    }

    /// Hands an answer to the place that waits for it.
    pub(crate) fn complete(&mut self, target: Target, reply: &[u8], group: GroupId, written: (Term, Index)) {
        match target {
            Target::Slot { conn: id, slot } => {
                if crate::large::is_in_chunks(reply) && self.begin_reading(id, slot, reply) {
                    return;
                }
                if self.busy == Some(id) {
                    self.late.push((target, reply.to_vec()));
                } else if let Some(conn) = self.conns.get_mut(&id) {
                    self.stats.note_reply(reply);
                    conn.answer(slot, reply);
                    if written.1 > 0 {
                        conn.note_written(group, written.0, written.1);
                    }
                    self.touched.push(id);
                }
            }
            Target::Part { op, part } => self.on_part(op, part, reply, group, written),
        }
    }
}
