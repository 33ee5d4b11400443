//! From a parsed command to the place where it runs: here, in one shard, in several, or at the front.

use crate::cold::MEMORY;
use crate::conn::{Blocked, Conn, Mark};
use crate::core::Core;
use crate::early::Asked;
use crate::lookahead::{Lookahead, MAX_AHEAD, Stop};
use crate::memory::{OUT_OF_MEMORY, Room};
use crate::transaction::queue::is_control;
use cluster::map::Placement;
use model::limits::MAX_ENTRY;
use model::slot::{Slot, slot_of};
use model::{GroupId, Keyspace, Reply};
use resp::command::admit;
use resp::session::Replicating;
use resp::{Parser, Proto, Resp};
use router::{Flags, Request, Target, request};
use shard::Outcome;
use shard::commands::Timeout;
use shard::data::Key;
use shard::table::{Route, Spec, flag};
use std::collections::BTreeSet;

/// Effects of a turn above this many bytes are proposed at once instead of at the end of the turn.
pub(crate) const SOFT_ENTRY: usize = 1 << 20;
/// Most bytes of arguments of one command; what it adds beside them must fit its entry.
pub(crate) const MAX_COMMAND: usize = MAX_ENTRY - 4 * 1024 * 1024;

impl Core {
    /// Parses and executes what a connection sent. Returns how many bytes are done with.
    pub(crate) fn process(&mut self, conn: &mut Conn, buf: &[u8]) -> usize {
        let mut parser = std::mem::replace(&mut conn.parser, Parser::new(self.limits()));
        let mut ahead = std::mem::take(&mut self.ahead);
        let mut used = 0;
        while conn.takes_commands() {
            if conn.incoming.is_some() {
                let (taken, more) = self.take_in(conn, &mut parser, &buf[used..]);
                used += taken;
                if !more {
                    break;
                }
                continue;
            }
            let most = if conn.session.authenticated { MAX_AHEAD } else { 1 };
            let stop = ahead.fill(&mut parser, &buf[used..], most);
            self.touch(conn, &mut ahead, &buf[used..]);
            let (done, end) = self.run_ahead(conn, &ahead, &buf[used..]);
            used += end;
            if done < ahead.len() {
                // The parser is ahead of what was executed.
                parser = Parser::new(self.limits());
            }
            parser.set_authenticated(conn.session.authenticated);
            match stop {
                _ if done < ahead.len() => break,
                Stop::Full => {}
                Stop::Incomplete => break,
                Stop::Inline(consumed) => {
                    let args = parser.slices(&buf[used..]);
                    if !self.run_unless_paused(conn, &args) {
                        break;
                    }
                    drop(args);
                    used += consumed;
                    parser.set_authenticated(conn.session.authenticated);
                }
                Stop::Error(error) => {
                    let text = error.text();
                    self.reply_now(conn, |reply| reply.error_bytes(&text));
                    conn.closing = true;
                }
                Stop::Stream { consumed } => {
                    let args: Vec<Vec<u8>> =
                        parser.slices(&buf[used..]).iter().map(|arg| arg.to_vec()).collect();
                    if !self.begin_incoming(conn, &parser, &args) {
                        parser = Parser::new(self.limits());
                        parser.set_authenticated(conn.session.authenticated);
                        break;
                    }
                    used += consumed;
                }
            }
        }
        self.ahead = ahead;
        conn.parser = parser;
        if conn.closing { buf.len() } else { used }
    }

    /// Executes what was parsed ahead. Returns how many commands ran and where the last of them ends.
    fn run_ahead(&mut self, conn: &mut Conn, ahead: &Lookahead, buf: &[u8]) -> (usize, usize) {
        let mut end = 0;
        for at in 0..ahead.len() {
            if at > 0 && !conn.takes_commands() {
                return (at, end);
            }
            let args = ahead.args(at, buf);
            self.hint = ahead.position(at);
            let ran = self.run_unless_paused(conn, &args);
            self.hint = None;
            if !ran {
                self.prefetch(conn, ahead, at + 1);
                return (at, end);
            }
            end = ahead.end(at);
        }
        (ahead.len(), end)
    }

    /// Has the processor fetch the rows of the commands to come, if there are several.
    fn touch(&mut self, conn: &Conn, ahead: &mut Lookahead, buf: &[u8]) {
        if ahead.len() < 2 || self.forming.is_some() {
            return;
        }
        let ks = conn.session.keyspace;
        let mut last = (&b""[..], self.hasher.position(b""));
        for at in 0..ahead.len() {
            let Some(spec) = ahead.arg(at, 0, buf).and_then(shard::table::lookup) else { continue };
            if spec.route == Route::Key
                && spec.keys.first == 1
                && let Some(key) = ahead.arg(at, 1, buf)
            {
                // Often one key, a collection, is named many times.
                if key != last.0 {
                    last = (key, self.hasher.position(key));
                }
                ahead.set_position(at, last.1);
            }
        }
        // A loop of its own, and short: the processor runs through several rounds of it at a time.
        let mut before = None;
        for position in ahead.positions() {
            if before.replace(position) != Some(position)
                && let Placement::Shard(shard) = self.map.shard_of(ks, position.slot())
                && let Some(Some(replica)) = self.replicas.get(shard.group().0 as usize)
            {
                replica.machine.touch(ks, position);
            }
        }
    }

    /// A command waits for rows: those of the commands after it are read as well.
    fn prefetch(&mut self, conn: &Conn, ahead: &Lookahead, from: usize) {
        let (ks, mut groups) = (conn.session.keyspace, BTreeSet::new());
        for position in (from..ahead.len()).filter_map(|at| ahead.position(at)) {
            if let Placement::Shard(shard) = self.map.shard_of(ks, position.slot())
                && let Some(replica) = self.replica(shard.group())
                && replica.leading().is_some()
            {
                replica.machine.want(ks, position, None);
                groups.insert(shard.group());
            }
        }
        for group in groups {
            self.fetch(group);
        }
    }

    /// False if the command has to wait for the end of a pause, or for rows.
    fn run_unless_paused(&mut self, conn: &mut Conn, args: &[&[u8]]) -> bool {
        if args.is_empty() {
            return true;
        }
        if self.held_by_pause(conn, args) {
            self.paused.insert(conn.id);
            return false;
        }
        self.run(conn, args);
        conn.blocked != Some(Blocked::Cold)
    }

    pub(crate) fn held_by_pause(&self, conn: &Conn, args: &[&[u8]]) -> bool {
        let Some(pause) = self.pause.filter(|p| p.until_ms > self.now.mono_ms()) else { return false };
        // What is refused anyhow is refused at once.
        match admit(args, conn.session.authenticated) {
            Ok(spec) if spec.name.starts_with("client|") => false,
            Ok(spec) if spec.name == "exec" => pause.all || conn.queued_writes(),
            // In Redis PFCOUNT may write what it has counted.
            Ok(spec) => pause.all || spec.flags.has(flag::WRITE) || spec.name == "pfcount",
            Err(_) => false,
        }
    }

    /// Executes one command of a connection, or sends it on its way.
    pub(crate) fn run(&mut self, conn: &mut Conn, args: &[&[u8]]) {
        let before = (conn.waiting(), conn.wire.len());
        match admit(args, conn.session.authenticated) {
            Ok(spec) if conn.transaction.is_some() && conn.in_multi() && !is_control(spec) => {
                self.queue(conn, spec, args)
            }
            Ok(spec) => self.run_admitted(conn, spec, args),
            Err(refusal) => self.refuse(conn, refusal, args),
        }
        // It is of this command's key; whatever runs next has another one.
        self.hint = None;
        if conn.session.reply != resp::session::ReplyMode::On
            // A command that waits for its turn is muted when it runs.
            && !matches!(conn.blocked, Some(Blocked::Drain(_) | Blocked::Cold))
            && conn.session.swallows_reply()
        {
            conn.mute(before);
        }
    }

    fn run_admitted(&mut self, conn: &mut Conn, spec: &'static Spec, args: &[&[u8]]) {
        conn.session.begin(spec.name, self.now.mono_ms());
        self.stats.commands += 1;
        if conn.session.cluster
            && self.forming.is_none()
            && let Some(text) = self.redirect(conn, spec, args)
        {
            return self.reply_now(conn, |reply| reply.error(&text));
        }
        let watched = !self.stats.monitors.is_empty();
        if watched && spec.name == "exec" {
            self.show_queue(conn);
        }
        let began = self.begin_timing(spec);
        self.stats.running = Some(spec);
        self.run_routed(conn, spec, args);
        self.stats.running = None;
        self.end_timing(conn, spec, args, began);
        if watched {
            self.show(conn, spec, args);
        }
    }

    fn run_routed(&mut self, conn: &mut Conn, spec: &'static Spec, args: &[&[u8]]) {
        if self.goes_in_chunks(spec, args) {
            return self.upload_whole(conn, args);
        }
        let several = !matches!(spec.route, Route::Front | Route::Transaction | Route::Key);
        if several && self.is_deferred(conn.id) {
            // Parts of it would overtake what its connection sent before.
            return self.drain_first(conn, args);
        }
        match spec.route {
            Route::Front => self.run_front(conn, spec, args),
            Route::Transaction => self.run_transaction(conn, spec, args),
            _ if self.forming.is_some() => {
                let text = self.forming_text();
                self.reply_now(conn, |reply| reply.error(&text));
            }
            Route::Key => self.run_key(conn, spec, args),
            Route::PerKey(merge) => self.run_per_key(conn, spec, merge, args),
            Route::AllShards(merge) => self.run_all_shards(conn, spec, merge, args),
            Route::Scan => self.run_scan(conn, args),
            Route::Random => self.run_random(conn),
            Route::Chunk => self.run_chunk(conn, spec, args),
            Route::Wait => self.run_wait(conn, spec, args),
        }
    }

    pub(crate) fn forming_text(&self) -> String {
        let forming = self.forming.unwrap_or(crate::core::Forming { joined: 0, needed: 0 });
        format!("CLUSTERDOWN forming: {} of {} nodes", forming.joined, forming.needed)
    }

    /// Writes a reply that waits for nothing but its turn.
    pub(crate) fn reply_now(&mut self, conn: &mut Conn, write: impl FnOnce(&mut Resp<'_>)) {
        let proto = conn.session.proto;
        let buf = conn.reply_buffer();
        let start = buf.len();
        write(&mut Resp { buf, proto });
        self.stats.note_reply(&conn.reply_buffer()[start..]);
        conn.reply_free(start);
    }

    fn run_key(&mut self, conn: &mut Conn, spec: &'static Spec, args: &[&[u8]]) {
        let ks = conn.session.keyspace;
        let mut keys = spec.key_positions(args);
        let Some(first) = keys.next() else {
            return self.run_without_key(conn, spec, args);
        };
        let position = self.hint.unwrap_or_else(|| self.hasher.position(args[first]));
        self.hint = Some(position);
        let slot = position.slot();
        // A keyspace in one shard takes keys of any slots: theirs need not be computed.
        let crosses = keys.next().is_some_and(|second| {
            let other = |at: usize| slot_of(args[at]) != slot;
            self.is_spread(ks) && (other(second) || keys.any(other))
        });
        match self.map.shard_of(ks, slot) {
            Placement::Shard(_) if crosses => {
                let text = cross_slot(ks);
                self.reply_now(conn, |reply| reply.error(&text));
            }
            Placement::Shard(shard) => {
                if let Some(text) = self.leaves_shard(spec, args, slot, shard) {
                    return self.reply_now(conn, |reply| reply.error(&text));
                }
                self.send(conn, shard.group(), spec, args, slot);
            }
            Placement::Closed => self.wait_for_layout(conn, spec, args, slot),
        }
    }

    /// The number of keys in the arguments is wrong (`LMPOP 0 ...`). The handler has the words for that, and
    /// looks at no key before: any shard will do.
    #[cold]
    fn run_without_key(&mut self, conn: &mut Conn, spec: &'static Spec, args: &[&[u8]]) {
        let slot = 0;
        match self.map.shard_of(conn.session.keyspace, slot) {
            Placement::Shard(shard) => self.send(conn, shard.group(), spec, args, slot),
            Placement::Closed => self.wait_for_layout(conn, spec, args, slot),
        }
    }

    /// The keyspace changes its layout: the command goes on when that is over.
    fn wait_for_layout(&mut self, conn: &mut Conn, spec: &'static Spec, args: &[&[u8]], slot: Slot) {
        let request = Request::new(self.flags_of(conn, spec), conn.session.keyspace, args);
        let target = Target::Slot { conn: conn.id, slot: conn.reserve() };
        let forward = self.new_forward(target, request, slot);
        self.defer(GroupId::META, forward);
    }

    /// COPY and MOVE name a second keyspace: its keys must live in the same shard.
    fn leaves_shard(&self, spec: &Spec, args: &[&[u8]], slot: Slot, shard: model::ShardId) -> Option<String> {
        let other = second_keyspace(spec, args)?;
        if self.map.shard_of(other, slot) == Placement::Shard(shard) {
            return None;
        }
        Some(format!(
            "CROSSSLOT keyspace {other} keeps this key in another shard, and {} must be atomic: \
             copy it with GET and SET, or give both keyspaces layout spread",
            spec.name.to_ascii_uppercase()
        ))
    }

    /// Hands a command for one shard to its leader: here at once if that is this node.
    #[inline]
    pub(crate) fn send(
        &mut self,
        conn: &mut Conn,
        group: GroupId,
        spec: &'static Spec,
        args: &[&[u8]],
        slot: Slot,
    ) {
        let size: usize = args.iter().map(|a| a.len() + 8).sum();
        if size > MAX_COMMAND {
            let text = crate::execute::too_long(size);
            return self.reply_now(conn, |reply| reply.error(&text));
        }
        if self.refuses_memory(spec) {
            return self.reply_now(conn, |reply| reply.error(OUT_OF_MEMORY));
        }
        if spec.flags.has(flag::BLOCKING) && Timeout::waits(spec.name, args) {
            return self.run_blocking(conn, group, spec, args, slot);
        }
        if conn.session.flags.readonly && self.read_here(conn, group, spec, args) {
            return;
        }
        if self.is_deferred(conn.id) {
            // What its connection sent before waits for a layout: it waits behind that.
            return self.wait_for_layout(conn, spec, args, slot);
        }
        let flags = self.flags_of(conn, spec);
        let at = group.0 as usize;
        if self.disk.is_full() && flags.has(Flags::WRITE) && self.leads_for_good(group) {
            let text = self.log_full_text();
            return self.reply_now(conn, |reply| reply.error(&text));
        }
        if self.routes[at].is_clear()
            && let Some(replica) = self.replicas[at].as_deref_mut()
            && replica.ready(self.now)
            && replica.parked.is_empty()
            && !replica.cold.holds(self.me.node, conn.id)
        {
            return match self.room_for(spec) {
                Room::Enough => self.run_local(conn, (group, slot), spec, flags, args),
                Room::Wait => self.block(conn, group, MEMORY),
                Room::None => self.reply_now(conn, |reply| reply.error(OUT_OF_MEMORY)),
            };
        }
        let request = Request::new(flags, conn.session.keyspace, args);
        self.enqueue(conn, group, request, slot);
    }

    pub(crate) fn flags_of(&self, conn: &Conn, spec: &Spec) -> Flags {
        self.session_flags(conn).with(Flags::WRITE, spec.flags.has(flag::WRITE))
    }

    /// What the connection wants of all its commands.
    pub(crate) fn session_flags(&self, conn: &Conn) -> Flags {
        Flags::default()
            .with(Flags::RESP3, conn.session.proto == Proto::Resp3)
            .with(Flags::TOUCH, !conn.session.flags.no_touch)
            .with(Flags::COMMITTED, conn.session.flags.replication == Replicating::Sync)
            .with(Flags::ASYNC, conn.session.flags.replication == Replicating::Async)
    }

    /// Queues a request of a connection for its shard's leader.
    pub(crate) fn enqueue(&mut self, conn: &mut Conn, group: GroupId, request: Request, slot: Slot) {
        let place = conn.reserve();
        let target = Target::Slot { conn: conn.id, slot: place };
        let forward = self.new_forward(target, request, slot);
        if self.routes[group.0 as usize].push(forward).is_err() {
            let mut reply = Vec::new();
            Resp { buf: &mut reply, proto: conn.session.proto }.error(&crate::execute::queue_full(group));
            conn.answer(place, &reply);
        }
        self.pumping.insert(group);
    }

    /// The fast path: executes a command of a connection on this thread.
    #[inline]
    fn run_local(
        &mut self,
        conn: &mut Conn,
        (group, slot): (GroupId, Slot),
        spec: &'static Spec,
        flags: Flags,
        args: &[&[u8]],
    ) {
        let Some(handler) = self.handlers.get(spec) else {
            let text = format!("ERR '{}' has no handler", spec.name);
            return self.reply_now(conn, |reply| reply.error(&text));
        };
        let Some(replica) = self.replicas[group.0 as usize].as_deref_mut() else { return };
        let ks = conn.session.keyspace;
        let shards = self.map.formation.shards;
        if !replica.may_run(spec, ks, slot, args, shards)
            || second_keyspace(spec, args).is_some_and(|ks| !replica.may_run(spec, ks, slot, args, shards))
        {
            return self.wait_for_layout(conn, spec, args, slot);
        }
        let asked = Asked { ks, spec, flags, args, more: 0 };
        if let Some(text) = replica.refuses_async(&asked) {
            return self.reply_now(conn, |reply| reply.error(&text));
        }
        replica.begin(self.now);
        replica.machine.set_hll_sparse_max_bytes(self.settings.hll_sparse_max_bytes);
        let proto = conn.session.proto;
        let buf = conn.reply_buffer();
        let start = buf.len();
        let touch = flags.has(Flags::TOUCH);
        let hint = self.hint.take().zip(spec.key_positions(args).next());
        let hint = hint.map(|(position, at)| Key { position, bytes: args[at] });
        let reply = &mut Resp { buf, proto };
        let outcome = replica.machine.execute_at(handler, ks, touch, hint, args, reply);
        if outcome.fetch {
            return self.wait_for_rows(conn, group, spec, args);
        }
        if crate::large::is_in_chunks(&conn.reply_buffer()[start..]) {
            return self.read_large(conn, group, flags, start, args);
        }
        self.stats.note_reply(&conn.reply_buffer()[start..]);
        let early = replica.note_executed(Some(&asked), &outcome);
        self.mark(conn, group, start, (outcome, early), |out| request::encode(flags, ks, args, out));
    }

    /// The reply of what was just executed, from `start` of the connection's buffer on, leaves when it may.
    /// `request`: what runs again if its entry is lost.
    #[inline]
    pub(crate) fn mark(
        &mut self,
        conn: &mut Conn,
        group: GroupId,
        start: usize,
        (outcome, early): (Outcome, bool),
        request: impl FnOnce(&mut Vec<u8>),
    ) {
        let Some(replica) = self.replicas[group.0 as usize].as_deref_mut() else { return };
        let term = replica.raft.term();
        let held = outcome.hold > replica.free_upto(early);
        if held || conn.awaits_others() {
            // One that waits for nothing is kept with its request as well, if one before it may run again:
            // see fates.rs.
            let (applied, applied_term) = replica.machine.applied();
            let (term, index) = if held { (term, outcome.hold) } else { (applied_term, applied) };
            let order = replica.next_order();
            let mark = Mark { group, term, index, order, wrote: outcome.wrote, early };
            conn.reply_held(start, mark, request);
        }
        if held {
            let waiting = if early { &mut replica.waiting_early } else { &mut replica.waiting };
            if waiting.back() != Some(&(outcome.hold, conn.id)) {
                waiting.push_back((outcome.hold, conn.id));
            }
        } else if !conn.awaits_others() {
            conn.reply_free(start);
        }
        if outcome.wrote {
            conn.note_written(group, term, outcome.hold);
            if replica.machine.pending_bytes() > SOFT_ENTRY {
                self.propose(group);
            }
            self.serve_blocked_if_any(group);
        }
    }

    /// Makes the connection wait until all its replies are out; the command runs then.
    pub(crate) fn drain_first(&mut self, conn: &mut Conn, args: &[&[u8]]) {
        let mut request = Vec::new();
        request::encode(Flags::default(), conn.session.keyspace, args, &mut request);
        conn.blocked = Some(Blocked::Drain(request));
        conn.session.flags.blocked = true;
    }
}

/// The keyspace that COPY and MOVE name besides the connection's.
#[inline]
pub(crate) fn second_keyspace(spec: &Spec, args: &[&[u8]]) -> Option<Keyspace> {
    let other = match spec.name {
        "copy" => args.iter().position(|a| a.eq_ignore_ascii_case(b"db")).and_then(|at| args.get(at + 1)),
        "move" => args.get(2),
        _ => None,
    }?;
    let number = std::str::from_utf8(other).ok()?.parse().ok()?;
    (number < model::limits::KEYSPACES).then_some(Keyspace(number))
}

/// The error for keys of several slots where the command must be atomic, with the way out.
pub(crate) fn cross_slot(ks: Keyspace) -> String {
    format!(
        "CROSSSLOT Keys in request don't hash to the same slot (keyspace {ks} is spread over all shards: \
         use hash tags like {{user}}:a {{user}}:b, or a keyspace of layout single)"
    )
}

/// The error while a keyspace changes its layout.
pub(crate) fn closed(ks: Keyspace) -> String {
    format!("TRYAGAIN keyspace {ks} is changing its layout")
}
