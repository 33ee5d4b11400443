//! Transactions: MULTI queues commands, EXEC runs them as one, WATCH says what must not have changed.
//!
//! What was queued is one request for one shard, whose leader executes it in one piece (`execute.rs`, and the
//! shard's `machine/transaction.rs`). So it goes the way of any command: here or through a route, with one id,
//! one mark and one entry, and again after a failover. Commands of the front among them run on the
//! connection's own node once the shard has answered (`exec.rs`). A watched key is remembered as its leader saw
//! it (`watch.rs`), and nothing of it is kept there: EXEC brings it back to be compared.

pub(crate) mod exec;
mod execute;
pub(crate) mod queue;
pub(crate) mod request;
mod watch;

pub(crate) use watch::{Watching, look};

use crate::conn::Conn;
use crate::core::Core;
use crate::dispatch::{closed, cross_slot};
use cluster::map::Placement;
use model::slot::Slot;
use model::{Index, Keyspace, Reply, ShardId, Term};
use queue::Queue;
use shard::table::Spec;

/// Most commands of one transaction.
pub const MAX_COMMANDS: usize = 16_384;
/// Most bytes of the arguments of one transaction, with [`PER_ARGUMENT`] each; with watched keys they fit a
/// request.
pub const MAX_BYTES: usize = crate::dispatch::MAX_COMMAND - MAX_WATCHED_BYTES - 1024;
/// Most keys that a connection watches.
pub const MAX_WATCHED: usize = 16_384;
/// Most bytes of watched keys, with [`PER_ARGUMENT`] each.
pub const MAX_WATCHED_BYTES: usize = 1 << 20;
/// What an argument or a watched key counts beside its bytes.
const PER_ARGUMENT: usize = 32;

const _: () = assert!(MAX_BYTES > model::limits::MAX_VALUE + model::limits::MAX_KEY);
const _: () = assert!(MAX_COMMANDS < model::limits::MAX_ARGS);

/// A key that a connection watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WatchedKey {
    ks: Keyspace,
    shard: ShardId,
    term: Term,
    index: Index,
    there: bool,
    key: Vec<u8>,
}

/// What a connection keeps of its transaction.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    watched: Vec<WatchedKey>,
    watched_bytes: usize,
    /// Where the watched keys live.
    scope: Scope,
    /// Since MULTI.
    pub(crate) queue: Option<Queue>,
}

/// The one shard of a transaction. In spread keyspaces the one slot decides, so that it can be split.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    /// The shard, and a keyspace and slot in it.
    home: Option<(ShardId, Keyspace, Slot)>,
    /// The slot of all keys in spread keyspaces.
    slot: Option<Slot>,
}

impl Scope {
    /// Takes a slot of a keyspace in, whose shard is known.
    fn admit(&mut self, shard: ShardId, ks: Keyspace, slot: Slot, spread: bool) -> Result<(), String> {
        if spread && self.slot.is_some_and(|other| other != slot) {
            return Err(cross_slot(ks));
        }
        match self.home {
            // Its shard was split since.
            Some(_) if spread && self.slot == Some(slot) => {
                self.home = Some((shard, ks, slot));
                Ok(())
            }
            Some((home, ..)) if home != shard => Err(format!(
                "CROSSSLOT keyspace {ks} keeps this key in another shard than those before it in this transaction, \
                 which must be atomic: give the keyspaces layout spread, or keep to one"
            )),
            home => {
                self.home = home.or(Some((shard, ks, slot)));
                self.slot = self.slot.or(spread.then_some(slot));
                Ok(())
            }
        }
    }
}

impl Conn {
    /// Forgets queued commands and watched keys.
    pub(crate) fn end_transaction(&mut self) {
        self.transaction = None;
        self.show_transaction();
    }

    /// Notes what CLIENT LIST shows.
    fn show_transaction(&mut self) {
        let Some(transaction) = &self.transaction else {
            self.session.queued = Default::default();
            return;
        };
        let queue = transaction.queue.as_ref();
        self.session.queued.commands = queue.map(|queue| queue.count);
        self.session.queued.bytes = transaction.watched_bytes + queue.map_or(0, |queue| queue.bytes);
    }

    fn queue(&self) -> Option<&Queue> {
        self.transaction.as_ref()?.queue.as_ref()
    }

    /// True after MULTI.
    pub(crate) fn in_multi(&self) -> bool {
        self.queue().is_some()
    }

    /// True if EXEC would write.
    pub(crate) fn queued_writes(&self) -> bool {
        self.queue().is_some_and(|queue| queue.writes)
    }
}

impl Core {
    /// Runs MULTI, EXEC, DISCARD, WATCH or UNWATCH.
    pub(crate) fn run_transaction(&mut self, conn: &mut Conn, spec: &'static Spec, args: &[&[u8]]) {
        let in_multi = conn.in_multi();
        let result = match spec.name {
            "multi" if in_multi => Err("ERR MULTI calls can not be nested".to_owned()),
            "multi" => {
                let transaction = conn.transaction.get_or_insert_default();
                transaction.queue = Some(Queue::new(conn.session.keyspace, transaction.scope));
                conn.show_transaction();
                self.reply_now(conn, |reply| reply.ok());
                Ok(())
            }
            "exec" | "discard" if !in_multi => {
                Err(format!("ERR {} without MULTI", spec.name.to_ascii_uppercase()))
            }
            "exec" => {
                self.exec(conn);
                Ok(())
            }
            "watch" if in_multi => Err("ERR WATCH inside MULTI is not allowed".to_owned()),
            "watch" => self.watch(conn, args),
            // DISCARD and UNWATCH: keys are watched no more.
            _ => {
                conn.end_transaction();
                self.reply_now(conn, |reply| reply.ok());
                Ok(())
            }
        };
        if let Err(text) = result {
            self.reply_now(conn, |reply| reply.error(&text));
        }
    }

    /// Takes slots of a keyspace into a transaction.
    fn admit_slots(
        &self,
        scope: &mut Scope,
        ks: Keyspace,
        mut slots: impl Iterator<Item = Slot>,
    ) -> Result<(), String> {
        let spread = self.is_spread(ks);
        slots.try_for_each(|slot| match self.map.shard_of(ks, slot) {
            Placement::Shard(shard) => scope.admit(shard, ks, slot, spread),
            Placement::Closed => Err(closed(ks)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_of_one_slot_where_keys_are_spread_and_of_one_shard_everywhere() {
        let mut scope = Scope::default();
        scope.admit(ShardId(3), Keyspace(0), 7, true).unwrap();
        scope.admit(ShardId(3), Keyspace(1), 9, false).unwrap();
        scope.admit(ShardId(3), Keyspace(0), 7, true).unwrap();
        assert!(scope.admit(ShardId(3), Keyspace(0), 8, true).unwrap_err().starts_with("CROSSSLOT"));
        assert!(scope.admit(ShardId(4), Keyspace(2), 7, false).unwrap_err().contains("keyspace 2"));
        assert_eq!(scope, Scope { home: Some((ShardId(3), Keyspace(0), 7)), slot: Some(7) });
        scope.admit(ShardId(8), Keyspace(0), 7, true).unwrap();
        assert_eq!(scope.home, Some((ShardId(8), Keyspace(0), 7)), "its shard was split since");
    }
}
