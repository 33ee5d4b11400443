//! A transaction on the leader of its shard.

use super::request::{Decoded, decode};
use crate::core::Core;
use crate::dispatch::second_keyspace;
use crate::early::Asked;
use crate::memory::{OUT_OF_MEMORY, Room};
use crate::replica::{Arrival, Held, Replica};
use model::effect::WriteId;
use model::slot::Slot;
use model::{GroupId, Keyspace};
use resp::{Proto, Resp};
use router::Flags;
use router::request::Parts;
use router::wire::Status;
use shard::Outcome;
use shard::machine::{Step, Transaction};

/// What became of a transaction.
pub(super) enum Ran {
    /// It was executed, and its reply is written.
    Done { outcome: Outcome, early: bool },
    /// It waits for this ticket, see `cold.rs`.
    Waits(u64),
    /// The shard does not serve one of its keyspaces now.
    Elsewhere,
    /// It was not executed.
    Refused(String),
}

impl Decoded<'_> {
    /// Keyspaces that its commands concern, a bit each.
    fn keyspaces(&self) -> u16 {
        let second = self.commands.iter().filter_map(|c| second_keyspace(c.spec, &c.args));
        let named = self.commands.iter().map(|c| c.ks).chain(second);
        named.chain(self.watched.iter().map(|w| w.ks)).fold(0, |bits, ks| bits | 1 << ks.0)
    }
}

impl Core {
    /// Executes a transaction on a leader that is ready.
    pub(super) fn transact(
        &mut self,
        (group, slot): (GroupId, Slot),
        parts: &Parts<'_>,
        transaction: &Decoded<'_>,
        out: &mut Resp<'_>,
    ) -> Ran {
        let (now, shards) = (self.now, self.base_shards());
        let rooms = transaction.commands.iter().map(|command| self.room_for(command.spec));
        let room = rooms.fold(Room::Enough, |least, room| if room == Room::Enough { least } else { room });
        let handlers: Option<Vec<_>> =
            transaction.commands.iter().map(|command| self.handlers.get(command.spec)).collect();
        let Some(handlers) = handlers else { return Ran::Refused("ERR unknown command".to_owned()) };
        let Some(replica) = self.replicas[group.0 as usize].as_deref_mut() else { return Ran::Elsewhere };
        let keyspaces = transaction.keyspaces();
        let named = || (0..model::limits::KEYSPACES).filter(|ks| keyspaces >> ks & 1 == 1).map(Keyspace);
        if named().any(|ks| !crate::layouts::serves(replica, ks, shards) || !replica.owns(ks, slot, shards)) {
            return Ran::Elsewhere;
        }
        // What empties a keyspace must not be under way when the shard is divided.
        let empties = |command: &super::request::Command<'_>| {
            matches!(command.spec.route, shard::table::Route::AllShards(_))
        };
        if transaction.commands.iter().any(empties) && !replica.is_undivided() {
            return Ran::Elsewhere;
        }
        match room {
            Room::Enough => {}
            Room::Wait => return Ran::Waits(crate::cold::MEMORY),
            Room::None => {
                return Ran::Refused(format!("EXECABORT Transaction discarded because of: {OUT_OF_MEMORY}"));
            }
        }
        let asked = asked(parts, transaction, keyspaces);
        if let Some(text) = asked.as_ref().and_then(|asked| replica.refuses_async(asked)) {
            return Ran::Refused(text);
        }
        let steps: Vec<Step<'_>> = handlers
            .into_iter()
            .zip(&transaction.commands)
            .map(|(run, command)| Step { run, ks: command.ks, args: &command.args, richer: command.resp3 })
            .collect();
        replica.begin(now);
        let (watched, touch) = (&transaction.watched[..], parts.flags.has(Flags::TOUCH));
        let what = Transaction { steps: &steps, watched, touch };
        let outcome = replica.machine.execute_transaction(what, out);
        if outcome.fetch {
            want_all(replica, transaction);
            return Ran::Waits(self.fetch(group));
        }
        let early = replica.note_executed(asked.as_ref(), &outcome);
        Ran::Done { outcome, early }
    }

    /// A transaction that came through a route, and was not executed before. `Some`: it was not, and waits for
    /// this ticket.
    pub(crate) fn execute_transaction(
        &mut self,
        group: GroupId,
        id: WriteId,
        arrival: Arrival<'_>,
        parts: &Parts<'_>,
    ) -> Option<u64> {
        let Arrival { source, slot, .. } = arrival;
        let Ok(transaction) = decode(parts, group) else {
            self.answer_error(group, source, "ERR transaction with a command that the leader does not know");
            return None;
        };
        let mut reply = Vec::new();
        let proto = if parts.flags.has(Flags::RESP3) { Proto::Resp3 } else { Proto::Resp2 };
        match self.transact((group, slot), parts, &transaction, &mut Resp { buf: &mut reply, proto }) {
            Ran::Waits(ticket) => return Some(ticket),
            Ran::Elsewhere => self.answer(group, source, Status::NotOwner, (0, 0), &[]),
            Ran::Refused(text) => self.answer_error(group, source, &text),
            Ran::Done { outcome, early } => {
                let replica = self.replica(group)?;
                let written = if outcome.wrote { (replica.raft.term(), outcome.hold) } else { (0, 0) };
                if outcome.wrote && parts.flags.has(Flags::WRITE) {
                    replica.machine.answered(id, slot, &reply);
                }
                self.settle(group, Held { index: outcome.hold, source, early, reply: Ok(reply), written });
                self.serve_blocked_if_any(group);
            }
        }
        None
    }
}

/// What the transaction asks for as a whole; `None` without commands.
fn asked<'a>(parts: &Parts<'_>, transaction: &'a Decoded<'_>, keyspaces: u16) -> Option<Asked<'a>> {
    let first = transaction.commands.first()?;
    Some(Asked { ks: first.ks, spec: first.spec, flags: parts.flags, args: &first.args, more: keyspaces })
}

/// The rows of all keys are wanted, so that the transaction need not be stopped for each.
fn want_all(replica: &mut Replica, transaction: &Decoded<'_>) {
    let of = |c: &super::request::Command<'_>| -> Vec<(Keyspace, Vec<u8>)> {
        c.spec.key_positions(&c.args).map(|at| (c.ks, c.args[at].to_vec())).collect()
    };
    let watched = transaction.watched.iter().map(|w| (w.ks, w.key.to_vec()));
    for (ks, key) in watched.chain(transaction.commands.iter().flat_map(of)) {
        let position = replica.machine.position(&key);
        replica.machine.want(ks, position, Some(&key));
    }
}
