//! `LOSSES`: the accounts of the node that is asked. Each node has its own; `everstore losses` asks all.

use super::account::{Account, LossId, Outcome, State};
use super::bound::Possible;
use super::show;
use crate::conn::Conn;
use crate::core::Core;
use crate::internal;
use model::{Keyspace, Reply};
use router::{Flags, Forward, Request, Target};

impl Core {
    /// Runs a subcommand of `LOSSES`.
    pub(crate) fn run_losses(&mut self, conn: &mut Conn, name: &str, args: &[&[u8]]) -> Result<(), String> {
        match name {
            "losses|list" => self.list_losses(conn),
            "losses|show" => self.show_loss(conn, args)?,
            "losses|replay" => self.replay_loss(conn, args)?,
            _ => self.acknowledge_loss(conn, args)?,
        }
        Ok(())
    }

    fn list_losses(&mut self, conn: &mut Conn) {
        let possible = self.possible_losses();
        let possible = possible.iter().filter(|row| !self.losses.accounts.contains_key(&row.id));
        let accounts: Vec<_> =
            self.losses.accounts.values().map(fields).chain(possible.map(bound_fields)).collect();
        self.reply_now(conn, |reply| {
            reply.array(accounts.len());
            for (words, numbers) in accounts {
                reply.map(words.len() + numbers.len());
                words.into_iter().for_each(|(name, word)| {
                    reply.bulk_str(name);
                    reply.bulk_str(&word);
                });
                numbers.into_iter().for_each(|(name, number)| {
                    reply.bulk_str(name);
                    reply.int(i64::try_from(number).unwrap_or(i64::MAX));
                });
            }
        });
    }

    /// `LOSSES SHOW id [cursor]`.
    fn show_loss(&mut self, conn: &mut Conn, args: &[&[u8]]) -> Result<(), String> {
        let account = self.loss_named(args[2])?;
        let cursor = match args.get(3) {
            None => 0,
            Some(text) => {
                let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<usize>().ok());
                number.ok_or("ERR invalid cursor: a number that LOSSES SHOW has answered, or 0")?
            }
        };
        let (next, lines) = show::page(account, cursor);
        self.reply_now(conn, |reply| {
            reply.array(2);
            reply.bulk_str(&next.to_string());
            reply.array(lines.len());
            lines.iter().for_each(|line| reply.bulk_str(line));
        });
        Ok(())
    }

    /// `LOSSES ACKNOWLEDGE id`.
    fn acknowledge_loss(&mut self, conn: &mut Conn, args: &[&[u8]]) -> Result<(), String> {
        if let Some(id) = self.possible_named(args[2]) {
            self.acknowledge_bound(conn, id);
            return Ok(());
        }
        let account = self.loss_named(args[2])?;
        let id = account.id;
        if account.state == State::Suspected {
            return Err(format!(
                "ERR loss {id} is only suspected: it is settled as soon as its shard has a leader; see LOSSES LIST"
            ));
        }
        tracing::warn!(loss = %id, effects = account.effects(), "a loss was acknowledged, its account is removed");
        self.losses.accounts.remove(&id);
        self.forget_account(id);
        self.reply_now(conn, |reply| reply.ok());
        Ok(())
    }

    /// A loss of which only the bound is known.
    fn possible_named(&self, name: &[u8]) -> Option<LossId> {
        let id: LossId = std::str::from_utf8(name).ok()?.parse().ok()?;
        let known = self.possible_losses().iter().any(|row| row.id == id);
        (known && !self.losses.accounts.contains_key(&id)).then_some(id)
    }

    /// The row goes from all replicas.
    fn acknowledge_bound(&mut self, conn: &mut Conn, id: LossId) {
        tracing::warn!(loss = %id, "a possible loss was acknowledged");
        let target = Target::Slot { conn: conn.id, slot: conn.reserve() };
        let name = id.to_string();
        let flags = Flags::INTERNAL.with(Flags::WRITE, true);
        let request = Request::new(flags, Keyspace(0), &[internal::ACKNOWLEDGE, name.as_bytes()]);
        let deadline = self.now.mono_ms() + self.settings.quorum_timeout_ms;
        let forward = Forward::new(target, request, 0, deadline);
        if let Err(forward) = self.routes[id.group.0 as usize].push(forward) {
            return self.fail(forward.target, &crate::execute::queue_full(id.group));
        }
        self.pumping.insert(id.group);
    }

    pub(super) fn loss_named(&self, name: &[u8]) -> Result<&Account, String> {
        let id: LossId = String::from_utf8_lossy(name).parse().map_err(|error| format!("ERR {error}"))?;
        let known = self.losses.accounts.get(&id);
        known.ok_or_else(|| format!("ERR node {} has no loss {id}; see LOSSES LIST", self.me.node))
    }
}

/// The same of a loss of which only the bound is known.
fn bound_fields(row: &Possible) -> (Words, Numbers) {
    let words = vec![("id", row.id.to_string()), ("state", "possible".to_owned())];
    let numbers = vec![
        ("shard", u64::from(row.id.group.shard().map_or(0, |shard| shard.0))),
        ("node", row.node.0),
        ("term", row.id.term),
        ("index", row.id.index),
        ("entries", row.announced.0),
        ("bytes", row.announced.1),
        ("bound-bytes", row.bound.0),
        ("bound-ms", row.bound.1),
        ("at-ms", row.at_ms),
    ];
    (words, numbers)
}

type Words = Vec<(&'static str, String)>;
type Numbers = Vec<(&'static str, u64)>;

/// What `LOSSES LIST` tells of an account.
fn fields(account: &Account) -> (Words, Numbers) {
    let done = |outcome| account.rows.iter().filter(|row| row.outcome == outcome).count() as u64;
    let words = vec![("id", account.id.to_string()), ("state", account.state.word().to_owned())];
    let numbers = vec![
        ("shard", u64::from(account.id.group.shard().map_or(0, |shard| shard.0))),
        ("node", account.node.0),
        ("term", account.id.term),
        ("index", account.id.index),
        ("entries", account.entries.len() as u64),
        ("effects", account.effects()),
        ("keys", account.keys()),
        ("bytes", account.bytes()),
        ("not-kept-effects", account.not_kept.0),
        ("not-kept-bytes", account.not_kept.1),
        ("at-ms", account.at_ms),
        ("replayed-keys", done(Outcome::Written) + done(Outcome::Already)),
        ("changed-keys", done(Outcome::Changed)),
    ];
    (words, numbers)
}
