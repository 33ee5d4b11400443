//! Undecided accounts: a snapshot came in their place, and who has lived through that time can tell. The leader
//! is asked for the last committed index of the term in which the writes were made.

use super::account::{LossId, State};
use super::rows;
use crate::core::Core;
use crate::internal;
use crate::ops::Op;
use model::Keyspace;
use resp::decode::walk;
use router::{Flags, Request};

/// Most accounts that are asked for at a time.
const MAX_ASKED: usize = 16;

impl Core {
    /// Once a second: asks for the fate of accounts that are undecided.
    pub(crate) fn ask_fates(&mut self) {
        let asked: Vec<LossId> = self
            .ops
            .values()
            .filter_map(|op| match op {
                Op::Fate(id) => Some(*id),
                _ => None,
            })
            .collect();
        let undecided = self.losses().filter(|account| account.state == State::Undecided);
        let open = undecided.filter(|account| !asked.contains(&account.id));
        let open = open.filter_map(|account| Some((account.id, account.entries.front()?.term)));
        let open: Vec<_> = open.take(MAX_ASKED.saturating_sub(asked.len())).collect();
        for (id, term) in open {
            let term = term.to_string();
            let args = [internal::END_OF_TERM, term.as_bytes()];
            let op = self.open(Op::Fate(id));
            self.ask(op, 0, id.group, 0, Request::new(Flags::INTERNAL, Keyspace(0), &args));
        }
    }

    /// The leader has told the last committed index of the term of an account's first entry, or can not.
    pub(crate) fn told_end(&mut self, id: LossId, reply: &[u8]) {
        let Some(end) = walk::read_int(reply).ok().and_then(|end| u64::try_from(end).ok()) else { return };
        let known = self.losses.accounts.get(&id);
        if known.is_none_or(|account| account.state != State::Undecided) {
            return;
        }
        let Some(mut account) = self.losses.accounts.remove(&id) else { return };
        let before = account.entries.len();
        let term = account.entries.front().map_or(0, |entry| entry.term);
        while account.entries.front().is_some_and(|entry| entry.term == term && entry.index <= end) {
            account.entries.pop_front();
        }
        if account.entries.len() < before {
            // What the keys were before the rest is not known.
            rows::fill(&mut account, None);
        }
        match account.entries.front() {
            Some(entry) if entry.term == term => self.decide(account, State::Lost),
            // Committed so far: the next term is asked for, if there is one.
            _ => self.keep_open(account),
        }
    }
}
