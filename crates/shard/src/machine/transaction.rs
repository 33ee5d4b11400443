//! Several commands of one client as one: nobody sees a state between them, their effects are one piece of
//! one entry, and they run only if the keys that the client watches are as they were.

use super::{Machine, Outcome, Ran};
use crate::commands;
use crate::data::{Data, Handler};
use model::planted::{Bug, is_planted};
use model::{Index, Keyspace, Reply, Term};

/// Most bytes of effects of one transaction: with what waits for the turn's entry they fit one.
pub const MAX_CHANGES: usize = 12 << 20;
/// Most bytes of replies of one transaction.
pub const MAX_REPLIES: usize = 16 << 20;

const _: () = assert!(MAX_CHANGES + (4 << 20) <= model::limits::MAX_ENTRY);

/// One command of a transaction. One that could wait for something (a blocking command) is answered at once.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// Its handler.
    pub run: Handler,
    /// The keyspace it runs in.
    pub ks: Keyspace,
    /// Its name and arguments.
    pub args: &'a [&'a [u8]],
    /// In which form its reply is written, see [`Reply::speak`].
    pub richer: bool,
}

/// A key as it was when its client began to watch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched<'a> {
    /// Its keyspace.
    pub ks: Keyspace,
    /// The term it was looked at in.
    pub term: Term,
    /// The last index with effects at that time.
    pub index: Index,
    /// Whether it was there.
    pub there: bool,
    /// The key.
    pub key: &'a [u8],
}

/// What is to run.
#[derive(Clone, Copy)]
pub struct Transaction<'a> {
    /// Commands, in order.
    pub steps: &'a [Step<'a>],
    /// Keys that must not have changed.
    pub watched: &'a [Watched<'a>],
    /// Accesses count, see [`Machine::execute`].
    pub touch: bool,
}

/// Why a transaction does not run, or not to its end.
enum Ends {
    /// A watched key changed.
    Changed,
    /// A row must be fetched.
    Fetch,
    /// It exceeds a bound; what, and how much is allowed.
    TooLarge(&'static str, usize),
}

impl Machine {
    /// Executes a transaction. Its reply is an array of the replies of its commands, in which those that
    /// failed have their errors and no effects; the absent array if a watched key may have changed; an error,
    /// without any effect, if it exceeds [`MAX_CHANGES`] or [`MAX_REPLIES`]; or nothing if a row must be
    /// fetched, after which it runs from the start.
    pub fn execute_transaction(&mut self, what: Transaction<'_>, reply: &mut dyn Reply) -> Outcome {
        let (undo, entry, written) = (self.undo.len(), self.entry.len(), reply.written());
        let expired_keys = self.expired_keys;
        self.cold.forget_wanted();
        let mut ran = Ran::default();
        let end = match self.check_watched(what.watched, &mut ran) {
            Some(end) => Err(end),
            None => {
                self.edits.in_transaction = true;
                let ended = self.run_steps(what, entry, reply, &mut ran);
                self.edits.in_transaction = false;
                ended
            }
        };
        if let Err(end) = end {
            reply.truncate(written);
            // Planted: see model/planted.rs
            let torn = is_planted(Bug::TransactionTorn) && matches!(end, Ends::Fetch);
            if !matches!(end, Ends::Changed) && !torn {
                self.take_back(undo);
                self.entry.truncate(entry);
                self.expired_keys = expired_keys;
            }
            match end {
                Ends::Changed => reply.null_array(),
                Ends::Fetch => ran.fetch = true,
                Ends::TooLarge(what, most) => reply.error(&format!(
                    "EXECABORT Transaction discarded because of: its {what} take more than {most} bytes, which is \
                     the most that one transaction may have"
                )),
            }
        }
        self.outcome(entry, ran)
    }

    fn run_steps(
        &mut self,
        what: Transaction<'_>,
        entry: usize,
        reply: &mut dyn Reply,
        ran: &mut Ran,
    ) -> Result<(), Ends> {
        let written = reply.written();
        reply.array(what.steps.len());
        for step in what.steps {
            reply.speak(step.richer);
            let one = self.run(step.run, step.ks, what.touch, None, step.args, reply);
            ran.looked = ran.looked.max(one.looked);
            ran.changed = ran.changed.max(one.changed);
            if one.fetch {
                return Err(Ends::Fetch);
            }
            if one.blocks {
                // Nothing to take, and a transaction does not wait.
                commands::put_nothing(step.args, reply);
            }
            if self.entry.len() - entry > MAX_CHANGES {
                return Err(Ends::TooLarge("changes", MAX_CHANGES));
            }
            if reply.written() - written > MAX_REPLIES {
                return Err(Ends::TooLarge("replies", MAX_REPLIES));
            }
        }
        Ok(())
    }

    /// `Some` if the transaction must not run, or not yet. A watched key whose time has come is deleted on the
    /// way: that it is gone is known for good only with that effect.
    fn check_watched(&mut self, watched: &[Watched<'_>], ran: &mut Ran) -> Option<Ends> {
        if watched.iter().any(|w| w.term != self.term) {
            // Another leader may have changed it, and this one does not know what came before it.
            return Some(Ends::Changed);
        }
        for w in watched {
            let mut data = Data::new(self, w.ks, false);
            let key = data.key(w.key);
            let changed = data.changed_since(key, w.index, w.there);
            let (looked, changed_at, _) = data.finish();
            ran.looked = ran.looked.max(looked);
            ran.changed = ran.changed.max(changed_at);
            match changed {
                Ok(false) => {}
                Ok(true) => return Some(Ends::Changed),
                Err(_) => return Some(Ends::Fetch),
            }
        }
        None
    }
}
