//! EXEC on the connection's node: what was queued becomes one request, or is run here if the front answers all.

use super::queue::{Item, Queue};
use super::request::{decode, encode_watched};
use super::{Transaction, execute::Ran};
use crate::conn::{Blocked, Conn};
use crate::core::Core;
use cluster::map::Placement;
use model::slot::Slot;
use model::{GroupId, Reply};
use resp::command::admit;
use resp::decode::walk;
use resp::{Call, Outcome, Resp};
use router::request::parse;
use router::{Flags, Forward, Request, Target};
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
        if !queue.has_data() && transaction.watched.is_empty() {
            let reply = self.compose(conn, &queue.items, b"*0\r\n");
            self.reply_now(conn, |out| out.encoded(&reply));
            return Ok(());
        }
        let sending = self.sending(conn, transaction, queue)?;
        self.stats.commands += queue.items.len() as u64;
        if !queue.has_front() {
            self.send_transaction(conn, sending);
            if conn.blocked == Some(Blocked::Cold) {
                self.stats.commands -= queue.items.len() as u64; // They are counted when they run.
            }
            return Ok(());
        }
        // Commands of the front change the connection, so what follows waits for them.
        conn.blocked = Some(Blocked::Answer);
        let mixed = Mixed { conn: conn.id, place: conn.reserve(), items: queue.items.clone() };
        let op = self.open(crate::ops::Op::Mixed(Box::new(mixed)));
        self.ask_in_order_of(conn.id, op, 0, sending.group, sending.slot, sending.request);
        Ok(())
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
            let deadline = self.now.mono_ms() + self.settings.quorum_timeout_ms;
            return self.defer(group, Forward::new(target, request, slot, deadline));
        }
        let full = self.disk.is_full() && request.flags().has(Flags::WRITE) && self.leads_for_good(group);
        if full {
            let text = self.log_full_text();
            return self.reply_now(conn, |reply| reply.error(&text));
        }
        if !self.is_open_here(conn, group) || !self.transact_here(conn, group, &request) {
            self.enqueue(conn, group, request, slot);
        }
    }

    /// Executes a transaction on this thread. False if the shard does not serve its keyspaces now.
    fn transact_here(&mut self, conn: &mut Conn, group: GroupId, request: &Request) -> bool {
        let Ok(parts) = request.parts() else { return false };
        let Ok(transaction) = decode(&parts, group) else { return false };
        let proto = conn.session.proto;
        let buf = conn.reply_buffer();
        let start = buf.len();
        let (outcome, early) = match self.transact(group, &parts, &transaction, &mut Resp { buf, proto }) {
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
        let Some(mut conn) = self.conns.remove(&id) else { return self.end(op, b"") };
        let whole = self.compose(&mut conn, &items, reply);
        self.conns.insert(id, conn);
        self.end(op, &whole);
    }

    /// The reply of a transaction: commands of the front run now, in their places among what the shard has
    /// answered.
    fn compose(&mut self, conn: &mut Conn, items: &[Item], answered: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(answered.len());
        Resp { buf: &mut out, proto: conn.session.proto }.array(items.len());
        let mut answers = walk::elements(answered).into_iter().flatten();
        for item in items {
            match item {
                Item::Front(encoded) => self.run_in_place(conn, encoded, &mut out),
                Item::Shard(_) => match answers.next() {
                    Some(Ok(answer)) => out.extend_from_slice(answer),
                    _ => out.extend_from_slice(b"-ERR the reply of the shard can not be read\r\n"),
                },
            }
        }
        out
    }

    /// Runs a command of the front for its place in the reply of a transaction.
    fn run_in_place(&mut self, conn: &mut Conn, encoded: &[u8], out: &mut Vec<u8>) {
        self.stats.commands += 1;
        let proto = conn.session.proto;
        let Ok(parts) = parse(encoded) else {
            return Resp { buf: out, proto }.error("ERR malformed command");
        };
        let spec = match admit(&parts.args, conn.session.authenticated) {
            Ok(spec) => spec,
            Err(refusal) => return Resp { buf: out, proto }.error_bytes(&refusal.text(&parts.args)),
        };
        if spec.route == Route::Transaction {
            // UNWATCH: EXEC has ended the watching.
            return Resp { buf: out, proto }.ok();
        }
        let mut call = Call { args: &parts.args, session: &mut conn.session, host: self, buf: out };
        match resp::run(spec, &mut call) {
            Outcome::Done => {}
            Outcome::Close => conn.closing = true,
            Outcome::Sleep { .. } | Outcome::Shutdown { .. } | Outcome::Slot { .. } | Outcome::Node => {
                Resp { buf: out, proto }.error("ERR Command not allowed inside a transaction");
            }
        }
        conn.parser.set_authenticated(conn.session.authenticated);
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
