//! What becomes of a suspected account: only what is committed at the place of its entries decides
//! (safety rule 3).
//!
//! The entries of an account follow each other in one log. If the first one whose fate is open is not
//! committed, none after it can be: whoever holds a later one holds it as well.

use super::account::{Account, LossId, LostEntry, State};
use super::rows;
use crate::core::Core;
use crate::outbox::Job;
use crate::replica::Replica;
use consensus::Message;
use model::{GroupId, Index, Term};
use shard::Machine;

impl Core {
    /// Whether the next entry of a group may decide an account.
    #[inline]
    pub(crate) fn suspects(&self, group: GroupId) -> bool {
        !self.losses.suspected.is_empty() && self.losses.suspected.contains(&group)
    }

    /// The entry (index, term) is committed and about to be applied: the rows are still as of the one before
    /// it, which is what the lost writes were made on.
    pub(crate) fn judge(&mut self, group: GroupId, index: Index, term: Term) {
        for id in self.open_at(group, |first| first == index) {
            let Some(mut account) = self.losses.accounts.remove(&id) else { continue };
            if account.entries.front().is_some_and(|entry| entry.term == term) {
                account.entries.pop_front();
                self.keep_open(account);
                continue;
            }
            let machine = self.replicas[group.0 as usize].as_deref().map(|replica| &replica.machine);
            rows::fill(&mut account, machine);
            self.decide(account, State::Lost);
        }
    }

    /// Whether rows must be fetched before the entry at this index is judged: what the lost writes were made
    /// on. They are wanted.
    pub(crate) fn accounts_want_rows(&mut self, group: GroupId, index: Index) -> bool {
        let mut any = false;
        for id in self.open_at(group, |first| first == index) {
            let Some(account) = self.losses.accounts.get(&id) else { continue };
            let Some(replica) = self.replicas[group.0 as usize].as_deref_mut() else { continue };
            let machine = &mut replica.machine;
            rows::each(&account.entries, |_, effect| {
                for (ks, key) in effect.keys().into_iter().flatten() {
                    let position = machine.position(key);
                    any |= machine.space(ks).is_cold(position);
                    machine.want(ks, position, Some(key));
                }
            });
        }
        any
    }

    /// The rows of a group are about to be those as of the entry (index, term), without its entries having
    /// been applied one by one; or they are so since a start.
    pub(crate) fn judge_jump(&mut self, group: GroupId, (index, term): (Index, Term)) {
        for id in self.open_at(group, |first| first <= index) {
            let Some(mut account) = self.losses.accounts.remove(&id) else { continue };
            let Some(replica) = self.replicas[group.0 as usize].as_deref() else { continue };
            let first = account.entries.front().map_or(0, |entry| entry.index);
            let state = loop {
                match account.entries.front() {
                    Some(entry) if entry.index <= index => match committed(replica, entry, (index, term)) {
                        Some(true) => drop(account.entries.pop_front()),
                        Some(false) => break State::Lost,
                        None => break State::Undecided,
                    },
                    _ => break State::Suspected,
                }
            };
            if state == State::Suspected {
                self.keep_open(account);
                continue;
            }
            let at = account.entries.front().map_or(0, |entry| entry.index);
            let before =
                replica.machine.applied().0 + 1 == at && at == first && !replica.raft.is_rebuilding();
            rows::fill(&mut account, before.then_some(&replica.machine));
            self.decide(account, state);
        }
    }

    /// Nothing is applied here any more that would decide the accounts of a group: its leader is asked.
    pub(crate) fn leave_undecided(&mut self, group: GroupId) {
        for id in self.open_at(group, |_| true) {
            let Some(mut account) = self.losses.accounts.remove(&id) else { continue };
            rows::fill(&mut account, None);
            self.decide(account, State::Undecided);
        }
    }

    fn open_at(&self, group: GroupId, is_next: impl Fn(Index) -> bool) -> Vec<LossId> {
        let open = self.losses().filter(|account| {
            let next = account.entries.front().map_or(0, |entry| entry.index);
            account.id.group == group && account.state == State::Suspected && is_next(next)
        });
        open.map(|account| account.id).collect()
    }

    /// Some entries of an account are committed; the fate of the rest is open.
    pub(super) fn keep_open(&mut self, account: Account) {
        let id = account.id;
        if account.entries.is_empty() {
            tracing::info!(loss = %id, "nothing of a suspected loss is lost: all of it is committed");
            self.forget_account(id);
            self.losses.note_suspected();
        } else {
            self.losses.accounts.insert(id, account);
        }
    }

    pub(super) fn decide(&mut self, mut account: Account, state: State) {
        account.state = state;
        let lost = state == State::Lost;
        if lost {
            self.stats.lost_effects += account.effects();
        }
        tracing::warn!(
            loss = %account.id, entries = account.entries.len(), effects = account.effects(),
            keys = account.rows.len(), bytes = account.bytes(),
            "asynchronous writes that may have been answered {}; they are kept until somebody acknowledges it: \
             everstore losses list",
            if lost { "are lost" } else { "were replaced by a snapshot that may hold them" }
        );
        self.write_account(&account);
        self.losses.accounts.insert(account.id, account);
        self.losses.note_suspected();
    }

    /// A snapshot has to wait until the entries it replaces are accounted for.
    pub(crate) fn withhold(&mut self, group: GroupId, machine: Box<Machine>, tree: u64, message: Message) {
        if let Some((_, old, _)) = self.losses.withheld.insert(group, (machine, tree, message)) {
            self.outbox.jobs.push(Job::DropTree { tree: old });
        }
    }

    /// The account it waited for is durable, or could not be written.
    pub(crate) fn take_withheld(&mut self, group: GroupId, durable: bool) {
        match self.losses.withheld.remove(&group) {
            Some((machine, tree, message)) if durable => self.offer_rows(group, machine, tree, message),
            Some((_, tree, _)) => self.outbox.jobs.push(Job::DropTree { tree }),
            None => {}
        }
    }
}

/// Whether an entry at or below `at` is committed, where what is committed there is not applied here one by
/// one; `None` if nobody can tell.
fn committed(replica: &Replica, entry: &LostEntry, at: (Index, Term)) -> Option<bool> {
    if let Some(term) = replica.raft.term_at(entry.index) {
        return Some(term == entry.term);
    }
    // Terms never fall along a log, and the entries of one term are one run of it, made by one leader.
    match entry.term.cmp(&at.1) {
        std::cmp::Ordering::Greater => Some(false),
        std::cmp::Ordering::Equal => Some(true),
        std::cmp::Ordering::Less => None,
    }
}
