//! Commands after MULTI: checked, and kept until EXEC.

use super::{MAX_BYTES, MAX_COMMANDS, PER_ARGUMENT, Scope};
use crate::conn::Conn;
use crate::core::Core;
use crate::dispatch::{MAX_COMMAND, second_keyspace};
use crate::memory::OUT_OF_MEMORY;
use model::slot::slot_of;
use model::{Keyspace, Reply};
use resp::command::Refusal;
use router::{Flags, request};
use shard::table::{Route, Spec, flag};

/// Where a queued command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// In the shard: an encoded request.
    Shard(Vec<u8>),
    /// At the front: the same.
    Front(Vec<u8>),
}

/// What was queued since MULTI.
#[derive(Debug)]
pub(crate) struct Queue {
    /// The keyspace of the next command: SELECT changes it.
    ks: Keyspace,
    pub items: Vec<Item>,
    /// Of each, what it calls.
    pub specs: Vec<&'static Spec>,
    /// Commands that were given, also after an error.
    pub count: usize,
    /// Bytes of them, as [`MAX_BYTES`] counts.
    pub bytes: usize,
    /// Something was refused: EXEC will not run the others.
    pub spoiled: bool,
    /// It may change rows.
    pub writes: bool,
    /// It has a KEYS or RANDOMKEY: two could chase each other for ever where rows are cold.
    walks: bool,
    /// The next command is answered in the other protocol than the connection's: HELLO changes it.
    switched: bool,
    /// Where its keys and the watched ones live.
    pub scope: Scope,
}

impl Queue {
    pub(super) fn new(ks: Keyspace, scope: Scope) -> Queue {
        Queue {
            ks,
            items: Vec::new(),
            specs: Vec::new(),
            count: 0,
            bytes: 0,
            spoiled: false,
            writes: false,
            walks: false,
            switched: false,
            scope,
        }
    }

    /// True if a command of the front is among them.
    pub fn has_front(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Front(_)))
    }

    /// True if a command of the shard is among them.
    pub fn has_data(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Shard(_)))
    }
}

/// Commands inside MULTI that run at once.
pub(crate) fn is_control(spec: &Spec) -> bool {
    matches!(spec.name, "multi" | "exec" | "discard" | "watch" | "quit" | "reset")
}

/// The error for commands that take longer than a turn, or change who is told what.
fn not_allowed(spec: &Spec, args: &[&[u8]]) -> Option<String> {
    let (container, sub) = spec.name.split_once('|').unwrap_or((spec.name, ""));
    let refused = match container {
        "failover" | "monitor" | "shutdown" => true,
        // It is queued in the protocol that it asks for, so it must not fail for a password that changes.
        "hello" => args.iter().skip(2).any(|word| word.eq_ignore_ascii_case(b"auth")),
        "keyspace" | "losses" | "everstore" => sub != "help",
        "client" => matches!(sub, "reply" | "replication"),
        "cluster" => matches!(sub, "countkeysinslot" | "getkeysinslot"),
        _ => spec.flags.has(flag::NO_MULTI),
    };
    refused.then(|| "ERR Command not allowed inside a transaction".to_owned())
}

impl Core {
    /// A call that is no command, or may not be made: EXEC fails for it, and of EXEC itself it is the reason.
    pub(crate) fn refuse(&mut self, conn: &mut Conn, refusal: Refusal, args: &[&[u8]]) {
        let mut text = refusal.text(args);
        if [&b"post"[..], b"host:"].iter().any(|word| args[0].eq_ignore_ascii_case(word)) {
            // A browser was made to send this. What follows may look like commands.
            tracing::warn!(client = %conn.session.addr, "a client speaks HTTP on the Redis port: its connection is closed");
            (conn.closing, conn.cut) = (true, true);
            return;
        }
        if args[0].eq_ignore_ascii_case(b"exec") {
            conn.end_transaction();
            let reason = text.strip_prefix(b"ERR ").unwrap_or(&text);
            text = [b"EXECABORT Transaction discarded because of: ", reason].concat();
        }
        self.spoil(conn);
        if let Ok(spec) = shard::table::resolve(args[0], args.get(1).copied()) {
            self.stats.by_command.rejected(spec);
        }
        self.reply_now(conn, |reply| reply.error_bytes(&text));
    }

    /// EXEC will run nothing, so nothing is kept for it.
    pub(crate) fn spoil(&mut self, conn: &mut Conn) {
        if let Some(queue) = conn.transaction.as_mut().and_then(|transaction| transaction.queue.as_mut()) {
            queue.spoiled = true;
            (queue.items, queue.specs, queue.bytes) = (Vec::new(), Vec::new(), 0);
            conn.show_transaction();
        }
    }

    /// Queues a command, or says why it can not be part of the transaction.
    pub(crate) fn queue(&mut self, conn: &mut Conn, spec: &'static Spec, args: &[&[u8]]) {
        conn.session.begin(spec.name, self.now.mono_ms());
        if let Err(text) = self.try_queue(conn, spec, args) {
            self.spoil(conn);
            self.stats.by_command.rejected(spec);
            return self.reply_now(conn, |reply| reply.error(&text));
        }
        conn.show_transaction();
        self.reply_now(conn, |reply| reply.status("QUEUED"));
    }

    fn try_queue(&mut self, conn: &mut Conn, spec: &'static Spec, args: &[&[u8]]) -> Result<(), String> {
        if let Some(text) = not_allowed(spec, args) {
            return Err(text);
        }
        let at_front = matches!(spec.route, Route::Front | Route::Transaction | Route::Wait);
        if !at_front && self.forming.is_some() {
            return Err(self.forming_text());
        }
        if conn.session.cluster
            && self.forming.is_none()
            && let Some(text) = self.redirect(conn, spec, args)
        {
            return Err(text);
        }
        let transaction = conn.transaction.as_deref_mut();
        let Some(queue) = transaction.and_then(|transaction| transaction.queue.as_mut()) else {
            return Ok(());
        };
        let mut scope = queue.scope;
        if !at_front {
            self.admit_command(&mut scope, queue.ks, spec, args)?;
            if self.refuses_memory(spec) {
                return Err(OUT_OF_MEMORY.to_owned());
            }
        }
        let bytes: usize = args.iter().map(|arg| arg.len() + PER_ARGUMENT).sum();
        let walks = matches!(spec.name, "keys" | "randomkey");
        if queue.count >= MAX_COMMANDS {
            return Err(format!(
                "ERR transaction of more than {MAX_COMMANDS} commands, at most so many are allowed"
            ));
        }
        if queue.bytes + bytes > MAX_BYTES {
            return Err(format!(
                "ERR transaction of {} bytes, at most {MAX_BYTES} are allowed (each argument counts {PER_ARGUMENT} more)",
                queue.bytes + bytes
            ));
        }
        if walks && queue.walks {
            return Err("ERR one transaction may have one KEYS or RANDOMKEY".to_owned());
        }
        queue.count += 1;
        if queue.spoiled {
            return Ok(()); // What would not run is not kept, as in Redis.
        }
        queue.scope = scope;
        queue.bytes += bytes;
        queue.walks |= walks;
        queue.writes |= spec.flags.has(flag::WRITE);
        queue.specs.push(spec);
        let mut encoded = Vec::new();
        let flags = Flags::default().with(Flags::SWITCHED, queue.switched);
        request::encode(flags, queue.ks, args, &mut encoded);
        queue.items.push(if at_front { Item::Front(encoded) } else { Item::Shard(encoded) });
        if spec.name == "select" && !conn.session.cluster {
            let number = shard::commands::integer::parse(args[1]).and_then(|n| u16::try_from(n).ok());
            queue.ks = number.filter(|n| *n < model::limits::KEYSPACES).map_or(queue.ks, Keyspace);
        }
        if let Some(proto) = resp::command::protocol_of(spec, args) {
            queue.switched = proto != conn.session.proto;
        }
        Ok(())
    }

    /// Takes a command into the one shard of its transaction.
    fn admit_command(
        &self,
        scope: &mut Scope,
        ks: Keyspace,
        spec: &Spec,
        args: &[&[u8]],
    ) -> Result<(), String> {
        let name = spec.name.to_ascii_uppercase();
        if self.handlers.get(spec).is_none() {
            return Err(format!("ERR '{name}' has no handler"));
        }
        let size: usize = args.iter().map(|arg| arg.len() + 8).sum();
        if size > MAX_COMMAND {
            return Err(crate::execute::too_long(size));
        }
        let mut keys = spec.key_positions(args).map(|at| slot_of(args[at])).peekable();
        match keys.peek().copied() {
            Some(slot) => {
                self.admit_slots(scope, ks, keys)?;
                second_keyspace(spec, args).map_or(Ok(()), |ks| self.admit_slots(scope, ks, [slot].into_iter()))
            }
            // Its handler refuses it, in any shard.
            None if matches!(spec.route, Route::Key | Route::PerKey(_)) => Ok(()),
            None if spec.name == "flushall" => Err(
                "CROSSSLOT FLUSHALL concerns all keyspaces and shards, and a transaction runs in one shard: use \
                 FLUSHDB in keyspaces of layout single"
                    .to_owned(),
            ),
            None if self.is_spread(ks) => Err(format!(
                "CROSSSLOT {name} concerns all shards of keyspace {ks}, which is spread, and a transaction runs in \
                 one: use a keyspace of layout single"
            )),
            None => self.admit_slots(scope, ks, [0].into_iter()),
        }
    }
}
