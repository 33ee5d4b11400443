//! Commands that wait: for something to take, BLPOP and its relatives, or for something to read, XREAD.
//!
//! Such a command goes to the leader of its keys as a request that takes what is there, or waits there for a
//! *round* until one of its keys has changed and then runs again, right after the command that changed it and
//! before any other. Taking is a write like any other: it has an id, is executed once, and its answer is
//! kept; so an element is neither lost by a failover nor given twice. When a round ends without an
//! element the node of the client asks again, as long as the client waits: nobody waits long for a client
//! that is gone or for a leader that is none any more. Who has waited longest is served first; that also
//! survives a change of leader, because a request says since when its client waits.
//!
//! Who reads takes nothing from the others: all of them are served. What an XREAD waits behind, if that is "the last
//! entry" (`$`), is found once, by a request of its own before the first round; the rounds have its id.
//!
//! A key that holds something else than a command waits for is an error when the command comes, and is waited for
//! later on, as in Redis. Where BLMOVE puts what it takes is looked at only when there is something to take.

mod rounds;

use crate::conn::{Blocked, Conn};
use crate::core::Core;
use crate::internal::{self, number};
use crate::ops::Op;
use crate::replica::{Arrival, Held, Parked};
use cluster::map::Placement;
use model::effect::WriteId;
use model::slot::Slot;
use model::{GroupId, Keyspace, NodeId, Reply};
use resp::{Proto, Resp};
use rounds::{MAX_BLOCKED, Rounds, Turn, Waiter};
use router::request::Parts;
use router::wire::Status;
use router::{Flags, Request};
use shard::Outcome;
use shard::commands::{Timeout, name_ids, put_nothing, waits_behind_last};
use shard::machine::{Signals, Waited};
use shard::table::{Spec, flag};

/// Longest round, in ms.
const ROUND_MS: u64 = 1000;
/// Most commands of clients of one node that wait in one shard; more are refused. Each has a request under way all
/// the time, and others must find room beside them.
const MAX_WAITING: usize = 8192;
const _: () = assert!(MAX_WAITING <= router::route::MAX_OUTSTANDING / 2);
/// A round that should be over for so long, in ms, without an answer is ended by the client's node, again and again: a
/// leader to which its request comes after a change begins it anew, and does not know for how long others have waited.
const LATE_MS: u64 = 100;
/// The answer of a round without an element.
const NOTHING: &[u8] = b"*-1\r\n";

/// Commands that wait in a shard led here.
#[derive(Debug, Default)]
pub struct Blocking {
    /// What is asked for them.
    pub(crate) rounds: Rounds,
    /// Waiters are served: keys that change meanwhile are seen to in the same loop.
    serving: bool,
}

/// A command of a connection here that waits.
#[derive(Debug)]
pub(crate) struct Block {
    conn: u64,
    place: u64,
    ks: Keyspace,
    slot: Slot,
    flags: Flags,
    args: Vec<Vec<u8>>,
    /// ms since 1970 at which it began.
    since_ms: u64,
    /// Monotonic ms at which it ends; `u64::MAX` = never.
    until_ms: u64,
    /// The group that was asked last.
    group: GroupId,
    /// The command is an XREAD that has to learn behind which entries it waits.
    unknown: bool,
    /// Monotonic ms at which its round should be over.
    round_ms: u64,
    /// A round is over.
    again: bool,
    /// What it answers when it ends without an element.
    nothing: Vec<u8>,
    /// `CLIENT UNBLOCK` ends it with this answer.
    cut: Option<Vec<u8>>,
}

impl Block {
    /// The connection that waits.
    pub(crate) fn conn(&self) -> u64 {
        self.conn
    }

    /// The command with its arguments.
    pub(crate) fn args(&self) -> Vec<&[u8]> {
        self.args.iter().map(|arg| &arg[..]).collect()
    }

    /// The connection and the place of the reply in it.
    pub(crate) fn target(&self) -> (u64, u64) {
        (self.conn, self.place)
    }
}

/// The answer of a command that has waited long enough, whatever it would take: as in Redis.
fn waited_for_nothing(proto: Proto) -> Vec<u8> {
    let mut reply = Vec::new();
    Resp { buf: &mut reply, proto }.null_array();
    reply
}

/// The answer of a command that may not wait.
fn nothing(args: &[&[u8]], proto: Proto) -> Vec<u8> {
    let mut reply = Vec::new();
    put_nothing(args, &mut Resp { buf: &mut reply, proto });
    reply
}

/// The error for a command for which there is no room to wait.
fn too_many(group: GroupId, of: &str, most: usize) -> String {
    let shard = group.shard().map_or("meta".to_owned(), |shard| shard.to_string());
    format!("ERR too many commands wait for keys of shard {shard} {of}, at most {most} may")
}

// ---- at the client's node ----

impl Core {
    /// A command that may have to wait, of a connection here.
    pub(crate) fn run_blocking(
        &mut self,
        conn: &mut Conn,
        group: GroupId,
        spec: &'static Spec,
        args: &[&[u8]],
        slot: Slot,
    ) {
        if conn.waiting() > 0 {
            return self.drain_first(conn, args);
        }
        let timeout = match Timeout::of(spec.name, args) {
            Ok(timeout) => timeout,
            Err(text) => return self.reply_now(conn, |reply| reply.error(&text)),
        };
        if self.ops.len() >= MAX_WAITING && self.waiting_for(group) >= MAX_WAITING {
            let text = too_many(group, "through one node", MAX_WAITING);
            return self.reply_now(conn, |reply| reply.error(&text));
        }
        let now_ms = self.now.mono_ms();
        let block = Block {
            conn: conn.id,
            place: conn.reserve(),
            ks: conn.session.keyspace,
            slot,
            flags: self.flags_of(conn, spec).with(Flags::INTERNAL, true),
            args: args.iter().map(|arg| arg.to_vec()).collect(),
            since_ms: self.now.wall_ms,
            until_ms: timeout.ms().map_or(u64::MAX, |ms| now_ms.saturating_add(ms)),
            group,
            unknown: waits_behind_last(args),
            round_ms: u64::MAX,
            again: false,
            nothing: waited_for_nothing(conn.session.proto),
            cut: None,
        };
        conn.blocked = Some(Blocked::Busy);
        conn.session.flags.blocked = true;
        let op = self.open(Op::Block(Box::new(block)));
        self.block_round(op);
    }

    /// Commands of clients here that wait in a shard.
    fn waiting_for(&self, group: GroupId) -> usize {
        let waits = |op: &&Op| matches!(op, Op::Block(block) if block.group == group);
        self.ops.values().filter(waits).count()
    }

    /// Asks the leader for a round.
    fn block_round(&mut self, op: u64) {
        let now_ms = self.now.mono_ms();
        let Some(Op::Block(block)) = self.ops.get_mut(&op) else { return };
        if let Placement::Shard(shard) = self.map.shard_of(block.ks, block.slot) {
            block.group = shard.group();
        }
        let ms = block.until_ms.saturating_sub(now_ms).min(ROUND_MS);
        block.round_ms = now_ms + ms;
        let numbers = [block.since_ms, op, ms, block.again.into()].map(|n| n.to_string());
        let mut args = vec![internal::BLOCK];
        match block.unknown {
            true => args[0] = internal::FIND_LAST,
            false => args.extend(numbers.iter().map(String::as_bytes)),
        }
        args.extend(block.args.iter().map(|arg| &arg[..]));
        let request = Request::new(block.flags, block.ks, &args);
        let (group, slot) = (block.group, block.slot);
        self.ask(op, 0, group, slot, request);
    }

    /// A round is over.
    pub(crate) fn block_part(&mut self, op: u64, reply: &[u8]) {
        let now_ms = self.now.mono_ms();
        let Some(Op::Block(block)) = self.ops.get_mut(&op) else { return };
        match reply.strip_prefix(b"+") {
            // No command that waits answers so: these are the ids of the last entries.
            Some(ids) if block.unknown => {
                name_ids(&mut block.args, ids);
                block.unknown = false;
            }
            _ if reply == NOTHING => block.again = true,
            _ => return self.end(op, reply),
        }
        let over = block.cut.take().or_else(|| (block.until_ms <= now_ms).then(|| block.nothing.clone()));
        match over {
            Some(reply) => self.end(op, &reply),
            None if self.conns.contains_key(&block.conn) => self.block_round(op),
            None => drop(self.ops.remove(&op)),
        }
    }

    /// Ends the wait of a connection (`CLIENT UNBLOCK`): with nothing, or with an error. False if it does not
    /// wait for keys. If it takes something at this moment it gets that.
    pub(crate) fn cut_block(&mut self, id: u64, with_error: bool) -> bool {
        let mut found = self.ops.iter_mut().filter_map(|(op, state)| match state {
            Op::Block(block) if block.conn == id => Some((*op, block)),
            _ => None,
        });
        let Some((op, block)) = found.next() else { return false };
        let error = b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n";
        block.cut = Some(if with_error { error.to_vec() } else { block.nothing.clone() });
        drop(found);
        self.end_round(op, true);
        true
    }

    /// A connection is gone: nothing more is taken for it.
    pub(crate) fn abandon_block(&mut self, id: u64) {
        let waits = |(_, state): &(&u64, &Op)| matches!(state, Op::Block(block) if block.conn == id);
        let found = self.ops.iter().find(waits).map(|(op, _)| *op);
        if let Some(op) = found {
            self.end_round(op, false);
        }
    }

    /// Ends rounds that are late: their leaders have changed.
    pub(crate) fn end_late_rounds(&mut self) {
        let now_ms = self.now.mono_ms();
        let late = |(op, state): (&u64, &mut Op)| match state {
            Op::Block(block) if now_ms >= block.round_ms.saturating_add(LATE_MS) => {
                block.round_ms = now_ms;
                Some(*op)
            }
            _ => None,
        };
        let late: Vec<u64> = self.ops.iter_mut().filter_map(late).collect();
        late.into_iter().for_each(|op| self.end_round(op, true));
    }

    /// Has the leader end the round of an operation now. `asks`: somebody is told how it ended.
    fn end_round(&mut self, op: u64, asks: bool) {
        let Some(Op::Block(block)) = self.ops.get(&op) else { return };
        let numbers = [block.since_ms, op, asks.into()].map(|n| n.to_string());
        let mut args = vec![internal::UNBLOCK];
        args.extend(numbers.iter().map(String::as_bytes));
        let request = Request::new(Flags::INTERNAL, block.ks, &args);
        let (group, slot) = (block.group, block.slot);
        // Nobody waits for the answer.
        self.ask(u64::MAX, 0, group, slot, request);
    }
}

// ---- at the leader ----

impl Core {
    /// A request for a round, or for the end of one. `None`: it is neither.
    pub(crate) fn execute_blocking(
        &mut self,
        group: GroupId,
        id: WriteId,
        arrival: Arrival<'_>,
        parts: &Parts<'_>,
    ) -> Option<Option<u64>> {
        let turn =
            |from: NodeId| Some((number(parts.args.get(1)).ok()?, from, number(parts.args.get(2)).ok()?));
        let turn = turn(self.origin(arrival.source));
        match *parts.args.first()? {
            internal::BLOCK => Some(self.run_round(group, id, arrival, parts, turn?)),
            internal::UNBLOCK => {
                let asks = number(parts.args.get(3)).is_ok_and(|asks| asks > 0);
                match turn {
                    Some(turn) if asks => self.is_over(group, turn),
                    Some(turn) => self.abandon_round(group, turn),
                    None => {}
                }
                self.answer(group, arrival.source, Status::Done, (0, 0), b"+OK\r\n");
                Some(None)
            }
            _ => None,
        }
    }

    /// Runs the command of a round, unless that does not count any more. `Some`: it waits for rows.
    fn run_round(
        &mut self,
        group: GroupId,
        id: WriteId,
        arrival: Arrival<'_>,
        parts: &Parts<'_>,
        turn: Turn,
    ) -> Option<u64> {
        let ms = number(parts.args.get(3)).ok()?.min(ROUND_MS);
        let again = number(parts.args.get(4)).ok()? > 0;
        let flags = Flags(parts.flags.0 & !Flags::INTERNAL.0);
        let command = Parts { flags, ks: parts.ks, args: parts.args.get(5..)?.into() };
        let until_ms = self.now.mono_ms() + ms;
        let replica = self.replica(group)?;
        let signals = &mut replica.machine.signals;
        if !replica.blocking.rounds.begin(turn, arrival.source, until_ms, again, signals) {
            return None;
        }
        let waits = self.execute_new(group, id, arrival, &command);
        self.replica(group)?.blocking.rounds.has_run(turn, waits.is_some());
        waits
    }

    /// What the command wants to take is not there: it waits, or is answered if it may not.
    pub(crate) fn block_here(
        &mut self,
        group: GroupId,
        id: WriteId,
        arrival: Arrival<'_>,
        (parts, spec): (&Parts<'_>, &'static Spec),
        outcome: &Outcome,
    ) {
        let proto = if parts.flags.has(Flags::RESP3) { Proto::Resp3 } else { Proto::Resp2 };
        let now_ms = self.now.mono_ms();
        let Some(replica) = self.replicas[group.0 as usize].as_deref_mut() else { return };
        // That nothing is there is an answer like that of any read: it needs the lease, and what it rests on.
        replica.note_executed(None, outcome);
        let answer = |reply: Vec<u8>| {
            let (index, source) = (outcome.hold, arrival.source);
            Held { index, source, early: false, reply: Ok(reply), written: (0, 0) }
        };
        let rounds = &mut replica.blocking.rounds;
        let Some(until_ms) = rounds.running_until_ms() else {
            return self.settle(group, answer(nothing(&parts.args, proto)));
        };
        if until_ms <= now_ms {
            rounds.answered_with_nothing();
            return self.settle(group, answer(NOTHING.to_vec()));
        }
        if rounds.waiting() >= MAX_BLOCKED {
            return self.answer_error(group, arrival.source, &too_many(group, "", MAX_BLOCKED));
        }
        let keys = spec.key_positions(&parts.args).map(|at| parts.args[at]);
        let keys: Vec<Waited> = keys.map(|key| (parts.ks, replica.machine.position(key))).collect();
        // As it came: what runs again begins with its turn.
        let parked = arrival.park(id, crate::again::Standing::Runs);
        let waiter = Waiter { parked, keys, takes: spec.flags.has(flag::WRITE) };
        replica.blocking.rounds.wait(waiter, &mut replica.machine.signals);
    }

    /// Takes what waits out, by one of the ways to do so.
    fn take_waiter(
        &mut self,
        group: GroupId,
        take: impl FnOnce(&mut Rounds, &mut Signals) -> Option<Parked>,
    ) -> Option<Parked> {
        let replica = self.replica(group)?;
        take(&mut replica.blocking.rounds, &mut replica.machine.signals)
    }

    /// Keys that somebody waits for were changed: those who wait run again, the one who has waited longest
    /// first: all who read, and those who take until the first that finds nothing.
    pub(crate) fn serve_blocked(&mut self, group: GroupId) {
        let Some(replica) = self.replica(group) else { return };
        if std::mem::replace(&mut replica.blocking.serving, true) {
            return;
        }
        while let Some(replica) = self.replica(group)
            && replica.machine.signals.any()
        {
            for key in replica.machine.signals.take() {
                self.serve_key(group, key);
            }
        }
        if let Some(replica) = self.replica(group) {
            replica.blocking.serving = false;
        }
    }

    /// [`Core::serve_blocked`], if there is anything to serve: after each command.
    #[inline]
    pub(crate) fn serve_blocked_if_any(&mut self, group: GroupId) {
        if self.replicas[group.0 as usize].as_ref().is_some_and(|replica| replica.machine.signals.any()) {
            self.serve_blocked(group);
        }
    }

    fn serve_key(&mut self, group: GroupId, key: Waited) {
        let Some(replica) = self.replica(group) else { return };
        let mut is_left = true;
        for (turn, takes) in replica.blocking.rounds.who_wait_for(key) {
            if takes && !is_left {
                continue;
            }
            let Some(parked) = self.take_waiter(group, |rounds, signals| rounds.take(turn, signals)) else {
                continue;
            };
            self.execute(group, parked.id, parked.arrival());
            let Some(replica) = self.replica(group) else { return };
            is_left &= !takes || !replica.blocking.rounds.waits(turn);
        }
    }

    /// Ends rounds whose time has come.
    pub(crate) fn end_rounds(&mut self, group: GroupId) {
        let now_ms = self.now.mono_ms();
        let Some(replica) = self.replica(group).filter(|replica| !replica.blocking.rounds.is_empty()) else {
            return;
        };
        if replica.requests_waiting() == 0 {
            replica.blocking.rounds.forget_answered();
        }
        let over = replica.blocking.rounds.due(now_ms);
        over.into_iter().for_each(|turn| self.is_over(group, turn));
    }

    /// All rounds are over now.
    pub(crate) fn end_all_rounds(&mut self, group: GroupId) {
        let Some(replica) = self.replica(group) else { return };
        let all = replica.blocking.rounds.due(u64::MAX);
        all.into_iter().for_each(|turn| self.is_over(group, turn));
    }

    /// A round is over: the command runs once more, to be answered by what is there now.
    fn is_over(&mut self, group: GroupId, turn: Turn) {
        let now_ms = self.now.mono_ms();
        let parked = self.take_waiter(group, |rounds, signals| rounds.end(turn, now_ms, signals));
        if let Some(parked) = parked {
            self.submit(group, parked.arrival());
        }
    }

    /// Nobody waits for what a round would take.
    fn abandon_round(&mut self, group: GroupId, turn: Turn) {
        let now_ms = self.now.mono_ms();
        let parked = self.take_waiter(group, |rounds, signals| rounds.abandon(turn, now_ms, signals));
        if let Some(parked) = parked {
            self.answer(group, parked.source, Status::Done, (0, 0), NOTHING);
        }
    }
}
