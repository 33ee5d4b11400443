//! WATCH: keys are looked at on the leader of their shard, and what it saw is remembered here.
//!
//! A later change has a higher index in the same term, because what waits to be proposed is proposed after the
//! look. After a change of leaders the term is another one, and EXEC does not run.

use super::{MAX_WATCHED, MAX_WATCHED_BYTES, PER_ARGUMENT, Scope, WatchedKey};
use crate::conn::{Blocked, Conn};
use crate::core::Core;
use crate::internal;
use crate::ops::Op;
use model::planted::{Bug, is_planted};
use model::slot::slot_of;
use model::{GroupId, Keyspace, Reply, ShardId};
use resp::decode::walk;
use resp::{Proto, Resp};
use router::{Flags, Request};
use shard::data::{Context, Done, Stop};

/// A WATCH under way on another node, or behind others in a route.
#[derive(Debug)]
pub(crate) struct Watching {
    pub conn: u64,
    pub place: u64,
    ks: Keyspace,
    scope: Scope,
    keys: Vec<Vec<u8>>,
}

/// Looks at keys for WATCH. Replies with term, index, and 1 for each key that is there.
pub(crate) fn look(cx: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let mut there = Vec::with_capacity(args.len() - 1);
    for bytes in &args[1..] {
        let key = cx.data.key(bytes);
        match cx.data.peek(key) {
            Ok(row) => there.push(row.is_some()),
            // The others are looked at as well, so that all rows come with one fetch.
            Err(Stop::Fetch) => {}
            Err(stop) => return Err(stop),
        }
    }
    if there.len() < args.len() - 1 {
        return Err(Stop::Fetch);
    }
    let (term, index) = cx.data.moment();
    cx.reply.array(2 + there.len());
    cx.reply.int(term as i64);
    cx.reply.int(index as i64);
    there.into_iter().for_each(|there| cx.reply.int(there.into()));
    Ok(())
}

impl Conn {
    /// Remembers what the leader of watched keys has answered. False if it is no such answer.
    fn watched(&mut self, ks: Keyspace, scope: Scope, keys: &[Vec<u8>], reply: &[u8]) -> bool {
        let (Ok(numbers), Some((shard, ..))) = (walk::elements(reply), scope.home) else { return false };
        let numbers: Option<Vec<i64>> = numbers.map(|n| walk::read_int(n.ok()?).ok()).collect();
        let Some([term, index, there @ ..]) = numbers.as_deref() else { return false };
        if there.len() != keys.len() {
            return false;
        }
        let transaction = self.transaction.get_or_insert_default();
        transaction.scope = scope;
        for (key, there) in keys.iter().zip(there) {
            let (term, index, there) = (*term as u64, *index as u64, *there != 0);
            transaction.watched_bytes += key.len() + PER_ARGUMENT;
            transaction.watched.push(WatchedKey { ks, shard, term, index, there, key: key.clone() });
        }
        self.show_transaction();
        true
    }

    /// Those of the keys that are not watched yet, or the error if they are too many.
    fn new_keys(&self, ks: Keyspace, keys: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
        let old = self.transaction.as_ref().map_or(&[][..], |transaction| &transaction.watched);
        let mut new = std::collections::BTreeSet::new();
        let mut known: std::collections::BTreeSet<&[u8]> =
            old.iter().filter(|w| w.ks == ks).map(|w| &w.key[..]).collect();
        new.extend(keys.iter().filter(|key| known.insert(key)).map(|key| key.to_vec()));
        let count = old.len() + new.len();
        if count > MAX_WATCHED {
            return Err(format!("ERR {count} watched keys, at most {MAX_WATCHED} are allowed"));
        }
        let before = self.transaction.as_ref().map_or(0, |transaction| transaction.watched_bytes);
        let bytes = before + new.iter().map(|key| key.len() + PER_ARGUMENT).sum::<usize>();
        if bytes > MAX_WATCHED_BYTES {
            return Err(format!(
                "ERR watched keys of {bytes} bytes, at most {MAX_WATCHED_BYTES} are allowed (each counts \
                 {PER_ARGUMENT} more)"
            ));
        }
        Ok(new.into_iter().collect())
    }
}

impl Core {
    pub(super) fn watch(&mut self, conn: &mut Conn, args: &[&[u8]]) -> Result<(), String> {
        if self.forming.is_some() {
            return Err(self.forming_text());
        }
        let ks = conn.session.keyspace;
        let mut scope = conn.transaction.as_ref().map_or(Scope::default(), |transaction| transaction.scope);
        self.admit_slots(&mut scope, ks, args[1..].iter().map(|key| slot_of(key)))?;
        let keys = conn.new_keys(ks, &args[1..])?;
        let (Some((shard, _, slot)), false) = (scope.home, keys.is_empty()) else {
            self.reply_now(conn, |reply| reply.ok());
            return Ok(());
        };
        if self.watch_here(conn, ks, scope, (shard, &keys)) {
            return Ok(());
        }
        let mut request: Vec<&[u8]> = vec![internal::WATCH];
        request.extend(keys.iter().map(|key| &key[..]));
        let request = Request::new(Flags::INTERNAL, ks, &request);
        // What follows may depend on it.
        conn.blocked = Some(Blocked::Answer);
        let place = conn.reserve();
        let op = self.open(Op::Watch(Box::new(Watching { conn: conn.id, place, ks, scope, keys })));
        self.ask_in_order_of(conn.id, op, 0, shard.group(), slot, request);
        Ok(())
    }

    /// Looks at the keys on this thread, if their leader is here. False if it is not, or not ready.
    fn watch_here(
        &mut self,
        conn: &mut Conn,
        ks: Keyspace,
        scope: Scope,
        (shard, keys): (ShardId, &[Vec<u8>]),
    ) -> bool {
        let (group, shards) = (shard.group(), self.base_shards());
        if !self.is_open_here(conn, group) {
            return false;
        }
        let Some(replica) = self.replicas[group.0 as usize].as_deref_mut() else { return false };
        let mut slots = keys.iter().map(|key| slot_of(key));
        if !crate::layouts::serves(replica, ks, shards) || !slots.all(|slot| replica.owns(ks, slot, shards)) {
            return false;
        }
        let mut args: Vec<&[u8]> = vec![internal::WATCH];
        args.extend(keys.iter().map(|key| &key[..]));
        replica.begin(self.now);
        let mut reply = Vec::new();
        let mut out = Resp { buf: &mut reply, proto: Proto::Resp2 };
        let outcome = replica.machine.execute(look, ks, false, &args, &mut out);
        if outcome.fetch {
            let ticket = self.fetch(group);
            self.block(conn, group, ticket);
            return true;
        }
        replica.note_executed(None, &outcome);
        self.end_entry(group);
        if conn.watched(ks, scope, keys, &reply) {
            // It says nothing of the keys, so it waits for nothing that was looked at.
            self.reply_now(conn, |reply| reply.ok());
        } else {
            let text = String::from_utf8_lossy(&reply).trim_start_matches('-').trim_end().to_owned();
            self.reply_now(conn, |reply| reply.error(&text));
        }
        true
    }

    /// What was looked at belongs to entries up to now: what is executed next goes into another one.
    pub(crate) fn end_entry(&mut self, group: GroupId) {
        // Planted: see model/planted.rs
        let planted = is_planted(Bug::WatchSameEntry);
        if !planted && self.replica(group).is_some_and(|replica| replica.machine.pending_bytes() > 0) {
            self.propose(group);
        }
    }

    /// The leader of watched keys has answered.
    pub(crate) fn watch_part(&mut self, op: u64, reply: &[u8]) {
        let Some(Op::Watch(watching)) = self.ops.get(&op) else { return };
        let Watching { conn, ks, scope, keys, .. } = &**watching;
        let watched = match self.conns.get_mut(conn) {
            Some(conn) if !walk::is_error(reply) => conn.watched(*ks, *scope, keys, reply),
            _ => false,
        };
        self.end(op, if watched { b"+OK\r\n" } else { reply });
    }
}
