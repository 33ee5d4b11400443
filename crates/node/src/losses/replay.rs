//! Replay: each key of an account gets what it would be without the loss, if it was not changed since.
//!
//! Whether a key was changed is told by its content: the leader compares it with what it was before the
//! loss, in the same step in which it writes. A key that was changed and changed back is as it was before.

use super::account::{Before, Last, LossId, LostRow, Outcome, State};
use super::rows::{digest_of, digest_value};
use super::show;
use crate::conn::Conn;
use crate::core::Core;
use crate::internal;
use crate::ops::Op;
use cluster::map::Placement;
use model::row::kind;
use model::slot::slot_of;
use model::{Keyspace, Reply};
use resp::{Proto, Resp};
use router::{Flags, Request, Target};
use serde_json::json;
use shard::data::{Context, Done, Stop};
use std::collections::VecDeque;

/// Keys of a replay that are under way at a time.
const WINDOW: usize = 64;

/// A replay under way.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) conn: u64,
    pub(crate) place: u64,
    proto: Proto,
    id: LossId,
    force: bool,
    /// Keys that were not asked for yet.
    left: VecDeque<(usize, LostRow)>,
    under_way: usize,
    /// Keys are being asked for: an answer that comes at once does not ask for more.
    asking: bool,
    /// By key: what became of it, and the error of the shard if there was one.
    results: Vec<Option<(Outcome, String)>>,
}

impl Core {
    /// `LOSSES REPLAY id [FORCE]`: also keys that were changed since, and accounts that are undecided.
    pub(super) fn replay_loss(&mut self, conn: &mut Conn, args: &[&[u8]]) -> Result<(), String> {
        let force = match args.get(3) {
            None => false,
            Some(word) if word.eq_ignore_ascii_case(b"force") => true,
            Some(_) => return Err("ERR syntax error: LOSSES REPLAY id [FORCE]".to_owned()),
        };
        let account = self.loss_named(args[2])?;
        let id = account.id;
        match account.state {
            State::Suspected => {
                return Err(format!("ERR loss {id} is only suspected; wait until it is lost"));
            }
            State::Undecided if !force => {
                return Err(format!(
                    "ERR loss {id} is undecided: its writes may have been done, and then overwritten; \
                     read it (LOSSES SHOW) and replay it with FORCE"
                ));
            }
            State::Undecided | State::Lost => {}
        }
        let left: VecDeque<(usize, LostRow)> = account.rows.iter().cloned().enumerate().collect();
        let results = vec![None; left.len()];
        let (place, proto) = (conn.reserve(), conn.session.proto);
        let replay =
            Replay { conn: conn.id, place, proto, id, force, left, under_way: 0, asking: false, results };
        let op = self.open(Op::Replay(Box::new(replay)));
        self.replay_on(op);
        Ok(())
    }

    /// Asks for the next keys, or ends the replay.
    fn replay_on(&mut self, op: u64) {
        while let Some(Op::Replay(replay)) = self.ops.get_mut(&op) {
            replay.asking = replay.under_way < WINDOW;
            let Some((at, row)) = replay.left.pop_front_if(|_| replay.asking) else { break };
            let Some(args) = request(&row, replay.force) else {
                replay.results[at] = Some((Outcome::Open, "not known: see its effects".to_owned()));
                continue;
            };
            replay.under_way += 1;
            let slot = slot_of(&row.key);
            let Placement::Shard(shard) = self.map.shard_of(row.ks, slot) else {
                self.fail(Target::Part { op, part: at as u32 }, &crate::dispatch::closed(row.ks));
                continue;
            };
            let flags = Flags::INTERNAL.with(Flags::WRITE, true);
            let args: Vec<&[u8]> = args.iter().map(|arg| &arg[..]).collect();
            self.ask(op, at as u32, shard.group(), slot, Request::new(flags, row.ks, &args));
        }
        let Some(Op::Replay(replay)) = self.ops.get_mut(&op) else { return };
        replay.asking = false;
        if replay.under_way == 0 && replay.left.is_empty() {
            let replay = std::mem::replace(&mut **replay, Replay::over());
            self.end_replay(op, replay);
        }
    }

    /// The answer for one key.
    pub(crate) fn replay_part(&mut self, op: u64, part: u32, reply: &[u8]) {
        let Some(Op::Replay(replay)) = self.ops.get_mut(&op) else { return };
        replay.under_way -= 1;
        let text = String::from_utf8_lossy(reply).trim_end().to_owned();
        let outcome = match text.as_str() {
            "+written" => Outcome::Written,
            "+already" => Outcome::Already,
            "+changed" => Outcome::Changed,
            _ => Outcome::Open,
        };
        let error = if outcome == Outcome::Open { text } else { String::new() };
        if let Some(result) = replay.results.get_mut(part as usize) {
            *result = Some((outcome, error));
        }
        if !replay.asking {
            self.replay_on(op);
        }
    }

    /// All keys are done: the account remembers it, and the person gets a line for each.
    fn end_replay(&mut self, op: u64, replay: Replay) {
        let mut lines = Vec::new();
        if let Some(mut account) = self.losses.accounts.remove(&replay.id) {
            for (row, result) in account.rows.iter_mut().zip(replay.results) {
                let (outcome, error) = result.unwrap_or((Outcome::Open, String::new()));
                row.outcome = outcome;
                lines.push(line(row.ks, &row.key, outcome, &error));
            }
            self.write_account(&account);
            self.losses.accounts.insert(account.id, account);
        }
        let mut out = Vec::new();
        let mut reply = Resp { buf: &mut out, proto: replay.proto };
        reply.array(lines.len());
        lines.iter().for_each(|line| reply.bulk_str(line));
        self.ops.remove(&op);
        let target = Target::Slot { conn: replay.conn, slot: replay.place };
        self.complete(target, &out, model::GroupId::META, (0, 0));
    }
}

impl Replay {
    /// What is left of one that has ended.
    fn over() -> Replay {
        let id = LossId { group: model::GroupId::META, term: 0, index: 0 };
        let (left, results) = (VecDeque::new(), Vec::new());
        Replay {
            conn: 0,
            place: 0,
            proto: Proto::Resp2,
            id,
            force: false,
            left,
            under_way: 0,
            asking: false,
            results,
        }
    }
}

fn line(ks: Keyspace, key: &[u8], outcome: Outcome, error: &str) -> String {
    let mut line = json!({ "keyspace": ks.0, "outcome": outcome.word() });
    if let Some(fields) = line.as_object_mut() {
        show::put_bytes(fields, "key", key);
        if !error.is_empty() {
            fields.insert("error".to_owned(), json!(error));
        }
    }
    line.to_string()
}

/// The request for one key: what it must be, whether that counts, and what it becomes. `None` if nobody knows.
fn request(row: &LostRow, force: bool) -> Option<Vec<Vec<u8>>> {
    let before = match row.before {
        Before::Unknown => "unknown".to_owned(),
        Before::Absent => "absent".to_owned(),
        Before::Row(digest) => digest.to_string(),
    };
    let force = if force { "force" } else { "unchanged" };
    let mut args = vec![internal::REPLAY.to_vec(), row.key.clone(), before.into(), force.into()];
    match &row.last {
        Last::Unknown => return None,
        Last::Absent => {}
        Last::Row { kind, expire, value } => {
            args.extend([kind.to_string().into(), expire.to_string().into(), value.clone()]);
        }
    }
    Some(args)
}

/// Gives a key its lost state, on the leader of its shard. Arguments: key, digest before the loss (or `absent`,
/// `unknown`), `force` or `unchanged`, and for a row its type, expiry and value.
pub(crate) fn row(cx: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let [_, key, before, force, rest @ ..] = args else {
        return Err(Stop::error("ERR malformed internal request"));
    };
    let wanted = match rest {
        [] => None,
        [_, _, value] => {
            let kind = u8::try_from(internal::number(rest.first())?);
            let kind = kind.map_err(|_| Stop::error("ERR malformed internal request"))?;
            Some((kind, internal::number(rest.get(1))?, *value))
        }
        _ => return Err(Stop::error("ERR malformed internal request")),
    };
    let now = cx.data.now();
    // Its time would have come since.
    let wanted = wanted.filter(|(_, expire, _)| *expire == 0 || *expire > now);
    let key = cx.data.key(key);
    let current = cx.data.peek(key)?.map(digest_of);
    if current == wanted.map(|(kind, expire, value)| digest_value(kind, expire, value)) {
        cx.reply.status("already");
        return Ok(());
    }
    let unchanged = match *before {
        b"unknown" => false,
        b"absent" => current.is_none(),
        digest => current.is_some_and(|current| current.to_string().as_bytes() == digest),
    };
    if !unchanged && *force != b"force" {
        cx.reply.status("changed");
        return Ok(());
    }
    match wanted {
        Some((kind::MANIFEST, ..)) => {
            return Err(Stop::error("ERR a large value can not be replayed: its chunks may be gone"));
        }
        Some((kind, expire, value)) => cx.data.put(key, kind, expire, value)?,
        None => drop(cx.data.delete(key)),
    }
    cx.reply.status("written");
    Ok(())
}
