//! EXEC on the connection's node: what was queued becomes one request, or is run here if the front answers all.

use super::queue::{Item, Queue};
use super::request::{decode, encode_watched};
use super::{Transaction, execute::Ran};
use crate::conn::{Blocked, Conn};
use crate::core::Core;
use crate::memory::OUT_OF_MEMORY;
use cluster::map::Placement;
use model::slot::Slot;
use model::{GroupId, Reply};
use resp::command::admit;
use resp::decode::walk;
use resp::{Call, Outcome, Resp};
use router::request::parse;
use router::{Flags, Request, Target};
use shard::table::Route;

/// Why EXEC runs nothing after a command was refused, as Redis words it.
const SPOILED: &str = "EXECABORT Transaction discarded because of previous errors.";

/// A transaction whose commands of the front run when those of the shard are answered.
#[derive(Debug)]
pub(crate) struct Mixed {
    pub conn: u64,
    pub place: u64,
    items: Vec<Item>,
}

/// A transaction on its way.
struct Sending {
    group: GroupId,
    slot: Slot,
    request: Request,
}

impl Core {
    pub(super) fn exec(&mut self, conn: &mut Conn) {
        let Some(mut transaction) = conn.transaction.take() else { return };
        let Some(queue) = transaction.queue.take() else { return };
        if let Err(text) = self.exec_queue(conn, &transaction, &queue) {
            self.reply_now(conn, |reply| reply.error(&text));
        }
        if conn.blocked == Some(Blocked::Cold) {
            // EXEC itself waits, and runs from the start.
            transaction.queue = Some(queue);
            conn.transaction = Some(transaction);
        }
        conn.show_transaction();
    }

    fn exec_queue(
        &mut self,
        conn: &mut Conn,
        transaction: &Transaction,
        queue: &Queue,
    ) -> Result<(), String> {
        if queue.spoiled {
            return Err(SPOILED.to_owned());
        }
        if queue.specs.iter().any(|spec| self.refuses_memory(spec)) {
            return Err(format!("EXECABORT Transaction discarded because of: {OUT_OF_MEMORY}"));
        }
        if !queue.has_data() && transaction.watched.is_empty() {
            self.count(queue);
            let (reply, slept_ms) = self.compose(conn, &queue.items, b"*0\r\n");
            if slept_ms == 0 {
                self.reply_now(conn, |out| out.encoded(&reply));
            } else {
                let place = conn.reserve();
                self.sleep(conn, slept_ms, place, reply);
            }
            return Ok(());
        }
        let sending = self.sending(conn, transaction, queue)?;
        if !queue.has_front() {
            self.send_transaction(conn, sending);
            if conn.blocked != Some(Blocked::Cold) {
                self.count(queue); // Else they are counted when they run.
            }
            return Ok(());
        }
        self.count(queue);
        // Commands of the front change the connection, so what follows waits for them.
        conn.blocked = Some(Blocked::Answer);
        let mixed = Mixed { conn: conn.id, place: conn.reserve(), items: queue.items.clone() };
        let op = self.open(crate::ops::Op::Mixed(Box::new(mixed)));
        self.ask_in_order_of(conn.id, op, 0, sending.group, sending.slot, sending.request);
        Ok(())
    }

    /// Counts the commands of a transaction.
    fn count(&mut self, queue: &Queue) {
        self.stats.commands += queue.specs.len() as u64;
        queue.specs.iter().for_each(|spec| self.stats.by_command.called(spec, None));
    }

    /// The request to the shard, if it still has all keys.
    fn sending(&self, conn: &Conn, transaction: &Transaction, queue: &Queue) -> Result<Sending, String> {
        let mut scope = queue.scope;
        if scope.home.is_none() {
            // No command of the queue names a key.
            self.admit_slots(&mut scope, conn.session.keyspace, [0].into_iter())?;
        }
        let Some((shard, ks, slot)) = scope.home else { return Err(SPOILED.to_owned()) };
        let group = match self.map.shard_of(ks, slot) {
            // Where a keyspace changed its layout it has no keys, and watched ones count as changed.
            Placement::Shard(now) => now.group(),
            Placement::Closed => shard.group(),
        };
        if conn.session.cluster {
            let followed = conn.session.flags.readonly && !queue.writes;
            if let Some(text) = self.moved(group, slot, followed) {
                return Err(text);
            }
        }
        let watched = encode_watched(&transaction.watched);
        let mut args: Vec<&[u8]> = vec![&watched];
        args.extend(queue.items.iter().filter_map(|item| match item {
            Item::Shard(encoded) => Some(&encoded[..]),
            Item::Front(_) => None,
        }));
        let flags = self.session_flags(conn).with(Flags::WRITE, queue.writes);
        let request = Request::new(flags.with(Flags::TRANSACTION, true), ks, &args);
        Ok(Sending { group, slot, request })
    }

    /// Hands a transaction to the leader of its shard: here at once if that is this node.
    fn send_transaction(&mut self, conn: &mut Conn, sending: Sending) {
        let Sending { group, slot, request } = sending;
        if self.is_deferred(conn.id) {
            let target = Target::Slot { conn: conn.id, slot: conn.reserve() };
            let forward = self.new_forward(target, request, slot);
            return self.defer(group, forward);
        }
        let full = self.disk.is_full() && request.flags().has(Flags::WRITE) && self.leads_for_good(group);
        if full {
            let text = self.log_full_text();
            return self.reply_now(conn, |reply| reply.error(&text));
        }
        if !self.is_open_here(conn, group) || !self.transact_here(conn, (group, slot), &request) {
            self.enqueue(conn, group, request, slot);
        }
    }

    /// Executes a transaction on this thread. False if the shard does not serve its keyspaces now.
    fn transact_here(&mut self, conn: &mut Conn, (group, slot): (GroupId, Slot), request: &Request) -> bool {
        let Ok(parts) = request.parts() else { return false };
        let Ok(transaction) = decode(&parts, group) else { return false };
        let proto = conn.session.proto;
        let buf = conn.reply_buffer();
        let start = buf.len();
        let (outcome, early) =
            match self.transact((group, slot), &parts, &transaction, &mut Resp { buf, proto }) {
                Ran::Done { outcome, early } => (outcome, early),
                Ran::Elsewhere => return false,
                Ran::Waits(ticket) => {
                    self.block(conn, group, ticket);
                    return true;
                }
                Ran::Refused(text) => {
                    self.reply_now(conn, |reply| reply.error(&text));
                    return true;
                }
            };
        self.stats.note_reply(&conn.reply_buffer()[start..]);
        let bytes = request.bytes();
        self.mark(conn, group, start, (outcome, early), |out| out.extend_from_slice(bytes));
        true
    }

    /// The shard has answered its part of a transaction.
    pub(crate) fn mixed_part(&mut self, op: u64, reply: &[u8]) {
        let Some(crate::ops::Op::Mixed(mixed)) = self.ops.get_mut(&op) else { return };
        let id = mixed.conn;
        if walk::is_error(reply) || reply == b"*-1\r\n" || reply == b"_\r\n" {
            return self.end(op, reply);
        }
        let items = std::mem::take(&mut mixed.items);
        // It is not being processed: it waits for this.
        let place = mixed.place;
        let Some(mut conn) = self.conns.remove(&id) else { return self.end(op, b"") };
        let (whole, slept_ms) = self.compose(&mut conn, &items, reply);
        if slept_ms > 0 {
            self.ops.remove(&op);
            self.sleep(&mut conn, slept_ms, place, whole);
            self.conns.insert(id, conn);
            return;
        }
        self.conns.insert(id, conn);
        self.end(op, &whole);
    }

    /// The reply of a transaction, and for how many ms it sleeps before it is given: commands of the front run
    /// now, in their places among what the shard has answered.
    fn compose(&mut self, conn: &mut Conn, items: &[Item], answered: &[u8]) -> (Vec<u8>, u64) {
        let mut slept_ms = 0;
        let mut out = Vec::with_capacity(answered.len());
        Resp { buf: &mut out, proto: conn.session.proto }.array(items.len());
        let mut answers = walk::elements(answered).into_iter().flatten();
        for item in items {
            match item {
                Item::Front(encoded) => slept_ms += self.run_in_place(conn, encoded, &mut out),
                Item::Shard(_) => match answers.next() {
                    Some(Ok(answer)) => out.extend_from_slice(answer),
                    _ => out.extend_from_slice(b"-ERR the reply of the shard can not be read\r\n"),
                },
            }
        }
        (out, slept_ms)
    }

    /// Runs a command of the front for its place in the reply of a transaction. For how many ms it sleeps.
    fn run_in_place(&mut self, conn: &mut Conn, encoded: &[u8], out: &mut Vec<u8>) -> u64 {
        let proto = conn.session.proto;
        let mut reply = Resp { buf: out, proto };
        let Ok(parts) = parse(encoded) else {
            reply.error("ERR malformed command");
            return 0;
        };
        let spec = match admit(&parts.args, conn.session.authenticated) {
            Ok(spec) => spec,
            Err(refusal) => {
                reply.error_bytes(&refusal.text(&parts.args));
                return 0;
            }
        };
        match spec.route {
            // UNWATCH: EXEC has ended the watching.
            Route::Transaction => {
                reply.ok();
                return 0;
            }
            Route::Wait => {
                crate::wait::put_at_once(spec, &parts.args, self.now.wall_ms, &mut reply);
                return 0;
            }
            _ => {}
        }
        let mut call = Call { args: &parts.args, session: &mut conn.session, host: self, buf: out };
        let mut slept_ms = 0;
        match resp::run(spec, &mut call) {
            Outcome::Done => {}
            Outcome::Close => conn.closing = true,
            Outcome::Sleep { ms } => {
                slept_ms = ms;
                Resp { buf: out, proto }.ok();
                self.note_sleep(conn, spec, &parts.args, ms);
            }
            Outcome::Shutdown { .. } | Outcome::Slot { .. } | Outcome::Node => {
                Resp { buf: out, proto }.error("ERR Command not allowed inside a transaction");
            }
        }
        conn.parser.set_authenticated(conn.session.authenticated);
        slept_ms
    }

    /// True when commands of the connection may run on this thread: this node leads the group and is ready, and
    /// nothing stands before them.
    pub(crate) fn is_open_here(&mut self, conn: &Conn, group: GroupId) -> bool {
        let (now, me, at) = (self.now, self.me.node, group.0 as usize);
        !self.is_deferred(conn.id)
            && self.routes[at].is_clear()
            && self.replicas[at].as_deref_mut().is_some_and(|replica| {
                replica.ready(now) && replica.parked.is_empty() && !replica.cold.holds(me, conn.id)
            })
    }
}
