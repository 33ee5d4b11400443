//! Whether the reply of a command leaves before its effects are committed.
//!
//! In an asynchronous keyspace every reply may, unless its connection asks for more. In a synchronous one
//! that allows asynchronous connections only the replies to *their own writes* may, and only those that rest
//! on nothing uncommitted: what is seen of such a keyspace is what is committed, whoever looks (safety
//! rules 13 and 21; `docs/decisions/0006-async-connections.md`).

use crate::dispatch::second_keyspace;
use crate::replica::Replica;
use model::Keyspace;
use model::planted::{Bug, is_planted};
use router::Flags;
use shard::Outcome;
use shard::table::Spec;

/// A command of a client as it is executed.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// Keyspace of its connection.
    pub ks: Keyspace,
    /// What it is.
    pub spec: &'static Spec,
    /// What its connection wants.
    pub flags: Flags,
    /// Its name and arguments.
    pub args: &'a [&'a [u8]],
    /// Further keyspaces it concerns, a bit each: a transaction, of which the others are the first command.
    pub more: u16,
}

impl Asked<'_> {
    fn keyspaces(&self) -> impl Iterator<Item = Keyspace> {
        let more = self.more;
        let more = (0..model::limits::KEYSPACES).filter(move |ks| more >> ks & 1 == 1).map(Keyspace);
        std::iter::once(self.ks).chain(second_keyspace(self.spec, self.args)).chain(more)
    }
}

impl Replica {
    /// True when any reply may leave before the commit.
    #[inline]
    pub(crate) fn answers_early(&self) -> bool {
        self.asynchronous | self.allowing != 0
    }

    /// Whether replies of a keyspace leave before their entries are committed. Towards sync a change is
    /// obeyed as soon as it is proposed, towards async when it is applied (safety rule 21).
    #[inline]
    pub(crate) fn is_async(&self, ks: Keyspace) -> bool {
        self.asynchronous >> ks.0 & 1 == 1 && !self.becomes_sync(ks)
    }

    /// Whether it is synchronous and lets connections choose less for their writes.
    #[inline]
    fn allows_async(&self, ks: Keyspace) -> bool {
        self.allowing >> ks.0 & 1 == 1 && !self.becomes_sync(ks)
    }

    #[inline]
    fn becomes_sync(&self, ks: Keyspace) -> bool {
        !self.to_sync.is_empty() && self.to_sync.contains_key(&ks)
    }

    /// The error for a write of a connection that chose `async` where that is not allowed (any more). While a
    /// change towards sync is under way such writes wait for their commit.
    #[inline]
    pub(crate) fn refuses_async(&self, asked: &Asked<'_>) -> Option<String> {
        let chosen = Flags::WRITE.with(Flags::ASYNC, true);
        if !asked.flags.has(chosen) || asked.spec.name == "flushall" {
            return None;
        }
        let bits = self.asynchronous | self.allowing;
        let refusing = |ks: &Keyspace| bits >> ks.0 & 1 == 0 && !self.becomes_sync(*ks);
        let ks = asked.keyspaces().find(refusing)?;
        Some(format!(
            "ERR the write was not done: this connection chose CLIENT REPLICATION async, and keyspace {ks} is sync \
             with allow-async no; see KEYSPACE SET {ks} ALLOW-ASYNC yes, or CLIENT REPLICATION follow"
        ))
    }

    /// What became of a command just executed, before anything else is: whether its reply may leave early.
    #[inline]
    pub(crate) fn note_executed(&mut self, asked: Option<&Asked<'_>>, outcome: &Outcome) -> bool {
        let early = self.answers_early() && asked.is_some_and(|asked| self.is_early(asked, outcome));
        self.served |= !outcome.wrote || early;
        // A read that waits for what is put off would wait as long.
        self.hurry |= !early && (outcome.wrote || outcome.hold > self.machine.applied().0);
        self.exposes |= early && outcome.wrote;
        if early && outcome.wrote && asked.is_some_and(|asked| asked.keyspaces().any(|ks| !self.is_async(ks)))
        {
            self.machine.note_early();
        }
        early
    }

    fn is_early(&self, asked: &Asked<'_>, outcome: &Outcome) -> bool {
        // FLUSHALL concerns all keyspaces; chunks are written when the row of their upload is committed, and not before.
        let of_upload = || asked.spec.name == "large|begin" || asked.spec.name == "large|renew";
        if asked.flags.has(Flags::COMMITTED) || asked.spec.name == "flushall" || of_upload() {
            return false;
        }
        if asked.keyspaces().all(|ks| self.is_async(ks)) {
            return true;
        }
        if is_planted(Bug::SyncReadSeesAsyncTail) && !outcome.wrote && self.allows_async(asked.ks) {
            return true; // Planted: see model/planted.rs
        }
        asked.flags.has(Flags::ASYNC)
            && outcome.wrote
            && outcome.looked <= self.machine.applied().0
            && asked.keyspaces().all(|ks| self.is_async(ks) || self.allows_async(ks))
    }
}
