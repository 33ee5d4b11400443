//! Loss accounts: nothing that was answered in an asynchronous keyspace is lost silently (safety rule 22).
//!
//! Before a message of a leader replaces the tail of a replica's log, the effects in it that may have been
//! answered are written to an account, *suspected*; until the account is durable the message is not taken
//! (a leader sends an append again, a snapshot waits here). What is committed at the place of its first
//! entry decides (rule 3): that entry, then it is taken off the account; one of another term, then it and
//! all after it are *lost*. Where a snapshot jumped over it, the leader is asked (`ask.rs`). An account stays until a person acknowledges it.
//!
//! After a crash between account and replacement the tail is there again, and so is the account: it
//! covers the tail, and nothing is written twice.

pub mod account;
mod ask;
pub mod bound;
mod collect;
mod command;
pub mod format;
mod judge;
mod replay;
mod rows;
pub mod show;

pub(crate) use self::bound::{Predecessors, acknowledge};
pub(crate) use self::replay::{Replay, row as replay_row};

use self::account::{Account, LossId, State};
use crate::core::Core;
use crate::outbox::Job;
use consensus::Message;
use model::limits::KEYSPACES;
use model::planted::{Bug, is_planted};
use model::position::chain;
use model::{GroupId, Keyspace};
use shard::Machine;
use std::collections::{BTreeMap, BTreeSet};

/// Most bytes of values in one account: a leader proposes no more before a commit (`raft/config.rs`).
pub const MAX_ACCOUNT_BYTES: u64 = 64 << 20;
/// Most bytes of all accounts of a node, in memory and on disk. Of what comes after that only the numbers
/// are kept, and an error is logged.
pub const MAX_KEPT_BYTES: u64 = 128 << 20;
/// Most accounts of a node; after that as with [`MAX_KEPT_BYTES`], and the numbers of the oldest
/// account without effects go into the new one.
pub const MAX_ACCOUNTS: usize = 1024;

/// An account that could not be written, as on a full disk, is tried again after this time, in ms.
const RETRY_MS: u64 = 1000;

/// The accounts of a node.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    accounts: BTreeMap<LossId, Account>,
    /// Accounts that are not durable yet, by group: what would replace their entries is not taken.
    writing: BTreeMap<GroupId, LossId>,
    /// Groups of which an account could not be written, and when that is tried again, monotonic ms.
    retry_ms: BTreeMap<GroupId, u64>,
    /// Groups with an account whose fate is open.
    suspected: BTreeSet<GroupId>,
    /// Snapshots that wait for an account: rows, their tree, and Raft's message.
    withheld: BTreeMap<GroupId, (Box<Machine>, u64, Message)>,
}

/// What a node has lost and nobody has acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LossCount {
    /// Accounts.
    pub accounts: u64,
    /// Effects on keys in them.
    pub effects: u64,
}

/// Names the content of a row, for the comparison whether it was changed.
pub(crate) fn digest(kind: u8, expire: u64, value: &[u8]) -> u128 {
    let mut head = [kind; 9];
    head[1..].copy_from_slice(&expire.to_be_bytes());
    let half = |seed| u128::from(chain(chain(seed, &head), value));
    half(1) << 64 | half(2)
}

impl Losses {
    fn size(&self) -> u64 {
        self.accounts.values().map(Account::size).sum()
    }

    fn note_suspected(&mut self) {
        let open = self.accounts.values().filter(|account| account.state == State::Suspected);
        self.suspected = open.map(|account| account.id.group).collect();
    }
}

impl Core {
    /// The accounts found in the data folder, before the groups start.
    pub fn set_losses(&mut self, accounts: Vec<Account>) {
        self.losses.accounts.extend(accounts.into_iter().map(|account| (account.id, account)));
        self.losses.note_suspected();
    }

    /// All accounts, in the order of shard, term and index.
    pub fn losses(&self) -> impl Iterator<Item = &Account> {
        self.losses.accounts.values()
    }

    /// What is lost and not acknowledged. What is only suspected does not count.
    pub fn loss_count(&self) -> LossCount {
        let decided = self.losses().filter(|account| account.state != State::Suspected);
        decided.fold(LossCount::default(), |sum, account| LossCount {
            accounts: sum.accounts + 1,
            effects: sum.effects + account.effects(),
        })
    }

    /// Before a message is stepped: whether it has to wait, because it would replace entries that are not
    /// accounted for durably. What was executed in this turn is proposed already.
    pub(crate) fn must_account(&mut self, group: GroupId, message: &Message) -> bool {
        let Some(replica) = self.replica(group) else { return false };
        let Some(first) = replica.raft.would_replace(message) else { return false };
        // Planted: see model/planted.rs
        if group == GroupId::META || self.me.witness || is_planted(Bug::TailNotAccounted) {
            return false;
        }
        let (unknown, now_ms) = (self.maybe_asynchronous(), self.now.mono_ms());
        let waits = self.losses.retry_ms.get(&group).is_some_and(|until| now_ms < *until);
        if waits || self.losses.writing.contains_key(&group) {
            return true;
        }
        let Some(replica) = self.replica(group) else { return false };
        let Some(account) = collect::collect(replica, first, unknown) else { return false };
        if self.losses.accounts.values().any(|held| held.covers(&account)) {
            return false;
        }
        self.losses.writing.insert(group, account.id);
        self.open_account(Account { node: self.me.node, at_ms: self.true_wall_ms, ..account });
        true
    }

    /// Before a replica is given up: whether that has to wait, because the end of its log is not accounted for
    /// durably. What it says is undecided: the group goes on elsewhere.
    pub(crate) fn must_account_all(&mut self, group: GroupId) -> bool {
        let unknown = self.maybe_asynchronous();
        let Some(replica) = self.replica(group) else { return false };
        let first = replica.raft.commit() + 1;
        if self.me.witness {
            return false; // There is nothing in it that anybody was answered.
        }
        if group == GroupId::META || self.losses.writing.contains_key(&group) {
            return group != GroupId::META;
        }
        let tail = self.replica(group).filter(|replica| replica.raft.last_index() >= first);
        let account = tail.and_then(|replica| collect::collect(replica, first, unknown));
        if let Some(account) = account
            && !self.losses.accounts.values().any(|held| held.covers(&account))
        {
            let now_ms = self.now.mono_ms();
            if self.losses.retry_ms.get(&group).is_none_or(|until| now_ms >= *until) {
                self.losses.writing.insert(group, account.id);
                self.open_account(Account { node: self.me.node, at_ms: self.true_wall_ms, ..account });
            }
            return true;
        }
        self.leave_undecided(group);
        false
    }

    /// Keyspaces (bit by number) that may ever have been asynchronous, as far as this node can tell.
    fn maybe_asynchronous(&self) -> u32 {
        let meta = self.replicas.first().and_then(Option::as_deref);
        if meta.is_none_or(|meta| meta.raft.is_rebuilding()) {
            return (1 << KEYSPACES) - 1;
        }
        let changed = (0..KEYSPACES).filter(|n| self.map.mode(Keyspace(*n)).epoch > 0);
        changed.map(|n| 1 << n).sum()
    }

    fn open_account(&mut self, mut account: Account) {
        let id = account.id;
        tracing::warn!(loss = %id, entries = account.entries.len(), effects = account.effects(),
            "the end of this log is replaced: its asynchronous writes are kept in a loss account");
        self.losses.accounts.remove(&id);
        let full = self.losses.size() + account.size() > MAX_KEPT_BYTES;
        if full || self.losses.accounts.len() >= MAX_ACCOUNTS {
            account.strip();
            tracing::error!(loss = %id, effects = account.not_kept.0, bytes = account.not_kept.1,
                "no room in the loss accounts of this node: these writes are counted, and not kept; \
                 acknowledge old accounts (everstore losses list)");
            let (effects, bytes) = self.make_room();
            account.not_kept = (account.not_kept.0 + effects, account.not_kept.1 + bytes);
        }
        self.write_account(&account);
        self.losses.accounts.insert(id, account);
        self.losses.note_suspected();
    }

    /// Accounts that hold nothing but numbers are bounded too: the numbers of the oldest, which is removed
    /// if there are too many.
    fn make_room(&mut self) -> (u64, u64) {
        let oldest =
            self.losses().filter(|account| account.not_kept.0 > 0).min_by_key(|account| account.at_ms);
        let Some(id) = oldest.map(|account| account.id) else { return (0, 0) };
        if self.losses.accounts.len() < MAX_ACCOUNTS {
            return (0, 0);
        }
        self.forget_account(id);
        self.losses.accounts.remove(&id).map_or((0, 0), |account| account.not_kept)
    }

    fn write_account(&mut self, account: &Account) {
        let (group, name) = (account.id.group, account.id.to_string());
        self.outbox.jobs.push(Job::KeepLoss { group, name, content: format::encode(account) });
    }

    fn forget_account(&mut self, id: LossId) {
        self.outbox.jobs.push(Job::ForgetLoss { group: id.group, name: id.to_string() });
    }

    /// An account is durable, or why not.
    pub(crate) fn loss_kept(&mut self, group: GroupId, name: &str, result: Result<(), String>) {
        let opened = self.losses.writing.get(&group).is_some_and(|id| id.to_string() == name);
        let durable = result.is_ok();
        if let Err(error) = &result {
            tracing::error!(loss = name, %error, "a loss account can not be written");
        }
        if !opened {
            return; // What was known before is on the disk: it is judged again after a restart.
        }
        if let Some(id) = self.losses.writing.remove(&group) {
            match result {
                Ok(()) => self.forget_within(id),
                Err(_) => {
                    // A later message begins anew; until then this replica lags behind, and loses nothing.
                    self.losses.accounts.remove(&id);
                    self.losses.retry_ms.insert(group, self.now.mono_ms() + RETRY_MS);
                }
            }
        }
        self.losses.note_suspected();
        self.take_withheld(group, durable);
    }

    /// A longer account of the same tail is durable: the shorter ones have nothing of their own.
    fn forget_within(&mut self, id: LossId) {
        let Some(new) = self.losses.accounts.get(&id) else { return };
        let within = self.losses().filter(|old| {
            let suspected = old.state == State::Suspected && old.not_kept.0 == 0;
            old.id != id && suspected && new.covers(old)
        });
        for old in within.map(|old| old.id).collect::<Vec<_>>() {
            self.losses.accounts.remove(&old);
            self.forget_account(old);
        }
    }
}
