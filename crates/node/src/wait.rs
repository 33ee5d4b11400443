//! `WAIT` and `WAITAOF`: a connection waits until its last writes are on enough disks.
//!
//! Both count synced copies of exactly the entries written (safety rule 3): an entry that another leader
//! replaced is on no disk. The node asks the leader of every group that was written to, and the answer
//! is the fewest. It asks in rounds, so that nobody waits long for a client that is gone or for a leader
//! that is none any more.

use crate::conn::{Blocked, Conn};
use crate::core::Core;
use crate::internal::{self, number};
use crate::ops::Op;
use crate::replica::Source;
use model::{GroupId, Index, Keyspace, Reply, Term};
use resp::decode::walk;
use resp::{Proto, Resp};
use router::wire::Status;
use router::{Flags, Request};
use shard::table::Spec;

/// Longest round, in ms.
const WAIT_ROUND_MS: u64 = 1000;
/// Longest first round, in ms: from then on it is known what to tell a client that is unblocked.
const FIRST_ROUND_MS: u64 = 50;

/// Whose disks hold an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Synced {
    /// The leader's.
    pub local: bool,
    /// So many followers'; as a wish it may be negative.
    pub followers: i64,
}

impl Synced {
    const ALL: Synced = Synced { local: true, followers: i64::MAX };

    fn meets(self, wanted: Synced) -> bool {
        self.local >= wanted.local && self.followers >= wanted.followers
    }

    /// What is true of both entries.
    fn least(self, other: Synced) -> Synced {
        Synced { local: self.local && other.local, followers: self.followers.min(other.followers) }
    }

    /// `WAIT` replies with followers, `WAITAOF` with both numbers.
    fn reply(self, with_local: bool) -> Vec<u8> {
        let mut reply = Vec::new();
        let mut out = Resp { buf: &mut reply, proto: Proto::Resp2 };
        if with_local {
            out.array(2);
            out.int(i64::from(self.local));
        }
        out.int(self.followers);
        reply
    }

    /// Reads [`Synced::reply`]; `None` for an error.
    fn read(reply: &[u8], with_local: bool) -> Option<Synced> {
        if !with_local {
            return Some(Synced { local: true, followers: walk::read_int(reply).ok()? });
        }
        let mut numbers = walk::elements(reply).ok()?;
        let mut next = || walk::read_int(numbers.next()?.ok()?).ok();
        Some(Synced { local: next()? > 0, followers: next()? })
    }
}

/// What a command or a request of another node asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    entry: (Term, Index),
    synced: Synced,
    /// 0 = for ever.
    ms: u64,
    with_local: bool,
}

impl Wanted {
    /// Reads a request to the leader of a shard; `None` if it is another one.
    pub(crate) fn read(args: &[&[u8]]) -> Option<Wanted> {
        let with_local = match *args.first()? {
            internal::WAIT => false,
            internal::WAITAOF => true,
            _ => return None,
        };
        let at = |at: usize| number(args.get(at)).ok();
        let local = with_local && at(5)? > 0;
        let followers = i64::try_from(at(3)?).unwrap_or(i64::MAX);
        let synced = Synced { local, followers };
        Some(Wanted { entry: (at(1)?, at(2)?), synced, ms: at(4)?, with_local })
    }

    fn request(&self, ks: Keyspace) -> Request {
        let (term, index) = self.entry;
        let numbers = [term, index, self.synced.followers.max(0) as u64, self.ms, self.synced.local.into()];
        let texts = numbers.map(|n| n.to_string());
        let [term, index, followers, ms, local] = texts.each_ref().map(String::as_bytes);
        // Nodes that know no WAITAOF know the request of WAIT.
        match self.with_local {
            true => {
                Request::new(Flags::INTERNAL, ks, &[internal::WAITAOF, term, index, followers, ms, local])
            }
            false => Request::new(Flags::INTERNAL, ks, &[internal::WAIT, term, index, followers, ms]),
        }
    }

    pub(crate) fn waiter(self, source: Source, now_ms: u64) -> Waiter {
        let until_ms = if self.ms == 0 { u64::MAX } else { now_ms.saturating_add(self.ms) };
        Waiter { wanted: self, until_ms, source }
    }

    /// Reads `WAIT numreplicas timeout` or `WAITAOF numlocal numreplicas timeout`; the errors are those
    /// of Redis.
    fn parse(name: &str, args: &[&[u8]], wall_ms: u64) -> Result<Wanted, &'static str> {
        let int = |at: usize| args.get(at).and_then(|arg| shard::commands::integer::parse(arg));
        let with_local = name == "waitaof";
        let synced = if with_local {
            let local = int(1).ok_or("ERR value is not an integer or out of range")?;
            if !(0..=1).contains(&local) {
                return Err("ERR value is out of range, value must between 0 and 1");
            }
            let followers = int(2).filter(|n| *n >= 0);
            let followers = followers.ok_or("ERR value is out of range, must be positive")?;
            Synced { local: local == 1, followers }
        } else {
            let followers = int(1).ok_or("ERR value is not an integer or out of range")?;
            Synced { local: false, followers }
        };
        let ms = int(args.len() - 1).ok_or("ERR timeout is not an integer or out of range")?;
        match u64::try_from(ms) {
            Err(_) => Err("ERR timeout is negative"),
            // Redis adds the time of day to it.
            Ok(ms) if ms.saturating_add(wall_ms) > i64::MAX as u64 => Err("ERR timeout is out of range"),
            Ok(ms) => Ok(Wanted { entry: (0, 0), synced, ms, with_local }),
        }
    }
}

/// Somebody who waits until an entry of a shard led here is on enough disks.
#[derive(Debug)]
pub struct Waiter {
    wanted: Wanted,
    /// Monotonic ms at which the answer is given anyway.
    until_ms: u64,
    /// Who gets the answer.
    pub(crate) source: Source,
}

/// A `WAIT` or `WAITAOF` under way.
#[derive(Debug)]
pub(crate) struct Wait {
    conn: u64,
    place: u64,
    ks: Keyspace,
    /// Last write in each group.
    entries: Vec<(GroupId, Term, Index)>,
    wanted: Wanted,
    /// Monotonic ms at which it ends; `u64::MAX` = when enough disks have it.
    until_ms: u64,
    /// Answers missing in this round.
    left: usize,
    /// The fewest answered in this round, and in the one before.
    least: Synced,
    known: Synced,
    /// Some group could not answer.
    failed: bool,
}

impl Wait {
    /// The connection that waits.
    pub(crate) fn conn(&self) -> u64 {
        self.conn
    }

    /// The connection and the place of the reply in it.
    pub(crate) fn target(&self) -> (u64, u64) {
        (self.conn, self.place)
    }
}

/// What WAIT or WAITAOF says inside a transaction, which does not wait: of its own writes no disk has any yet,
/// and those before it are on as many at least.
pub(crate) fn put_at_once(spec: &Spec, args: &[&[u8]], wall_ms: u64, reply: &mut Resp<'_>) {
    match Wanted::parse(spec.name, args, wall_ms) {
        Ok(wanted) => reply.encoded(&Synced::default().reply(wanted.with_local)),
        Err(text) => reply.error(text),
    }
}

impl Core {
    /// WAIT, WAITAOF: count the disks that hold the connection's last write in every group it wrote to.
    pub(crate) fn run_wait(&mut self, conn: &mut Conn, spec: &Spec, args: &[&[u8]]) {
        if conn.waiting() > 0 {
            return self.drain_first(conn, args);
        }
        let wanted = match Wanted::parse(spec.name, args, self.now.wall_ms) {
            Ok(wanted) => wanted,
            Err(text) => return self.reply_now(conn, |reply| reply.error(text)),
        };
        let entries: Vec<(GroupId, Term, Index)> = if conn.written.is_empty() {
            // Nothing was written: any shard tells how many followers answer.
            vec![(GroupId(1), 0, 0)]
        } else {
            conn.written.to_vec()
        };
        conn.blocked = Some(Blocked::Busy);
        conn.session.flags.blocked = true;
        let until_ms = if wanted.ms == 0 { u64::MAX } else { self.now.mono_ms().saturating_add(wanted.ms) };
        let wait = Wait {
            conn: conn.id,
            place: conn.reserve(),
            ks: conn.session.keyspace,
            entries,
            wanted,
            until_ms,
            left: 0,
            least: Synced::ALL,
            known: Synced::default(),
            failed: false,
        };
        let op = self.open(Op::Wait(Box::new(wait)));
        self.wait_round(op, FIRST_ROUND_MS);
    }

    /// Asks all groups how many disks have the writes.
    fn wait_round(&mut self, op: u64, longest_ms: u64) {
        let now_ms = self.now.mono_ms();
        let Some(Op::Wait(wait)) = self.ops.get_mut(&op) else { return };
        (wait.left, wait.least) = (wait.entries.len(), Synced::ALL);
        // 0 would be for ever.
        let ms = wait.until_ms.saturating_sub(now_ms).clamp(1, longest_ms);
        let (wanted, ks, entries) = (wait.wanted, wait.ks, wait.entries.clone());
        for (part, (group, term, index)) in entries.into_iter().enumerate() {
            let request = Wanted { entry: (term, index), ms, ..wanted }.request(ks);
            self.ask(op, part as u32, group, 0, request);
        }
    }

    /// The answer of a group.
    pub(crate) fn wait_part(&mut self, op: u64, reply: &[u8]) {
        let now_ms = self.now.mono_ms();
        let Some(Op::Wait(wait)) = self.ops.get_mut(&op) else { return };
        wait.left -= 1;
        let with_local = wait.wanted.with_local;
        // A shard that could not answer in time has no acknowledgement to count.
        let synced = Synced::read(reply, with_local);
        wait.failed |= synced.is_none();
        wait.least = wait.least.least(synced.unwrap_or_default());
        if wait.left > 0 {
            return;
        }
        if wait.least.meets(wait.wanted.synced) || wait.until_ms <= now_ms || wait.failed {
            let reply = wait.least.reply(with_local);
            self.end(op, &reply);
        } else if self.conns.contains_key(&wait.conn) {
            wait.known = wait.least;
            self.wait_round(op, WAIT_ROUND_MS);
        } else {
            self.ops.remove(&op);
        }
    }

    /// Ends the wait of a connection with what is known now, or with an error (`CLIENT UNBLOCK`).
    pub(crate) fn cut_wait(&mut self, id: u64, with_error: bool) -> bool {
        let found = self.ops.iter().find_map(|(op, state)| match state {
            Op::Wait(wait) if wait.conn == id => Some((*op, wait.known.reply(wait.wanted.with_local))),
            _ => None,
        });
        let Some((op, known)) = found else { return false };
        if with_error {
            self.end(op, b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
        } else {
            self.end(op, &known);
        }
        true
    }

    /// Answers those who wait for disks and have them, or have waited long enough.
    pub(crate) fn release_waiters(&mut self, group: GroupId) {
        let now_ms = self.now.mono_ms();
        let Some(replica) = self.replica(group) else { return };
        if replica.waiters.is_empty() {
            return;
        }
        let mut ready = Vec::new();
        let mut waiters = std::mem::take(&mut replica.waiters);
        waiters.retain(|w| {
            let synced = replica.synced(w.wanted.entry.0, w.wanted.entry.1);
            let over = synced.meets(w.wanted.synced) || w.until_ms <= now_ms;
            if over {
                ready.push((w.source, synced.reply(w.wanted.with_local)));
            }
            !over
        });
        replica.waiters = waiters;
        for (source, reply) in ready {
            self.answer(group, source, Status::Done, (0, 0), &reply);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_allowed_is_told_as_redis_tells_it() {
        let parse = |line: &str| {
            let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            Wanted::parse(&line[..line.find(' ').unwrap()], &args, 1_700_000_000_000)
                .map(|w| (w.synced, w.ms))
        };
        let local = |local, followers| Synced { local, followers };
        assert_eq!(parse("wait -1 5"), Ok((local(false, -1), 5)));
        assert_eq!(parse("waitaof 1 2 0"), Ok((local(true, 2), 0)));
        for (line, text) in [
            ("wait x 0", "ERR value is not an integer or out of range"),
            ("wait 1 x", "ERR timeout is not an integer or out of range"),
            ("wait 1 -1", "ERR timeout is negative"),
            ("wait 1 9223372036854775807", "ERR timeout is out of range"),
            ("waitaof x 0 0", "ERR value is not an integer or out of range"),
            ("waitaof 2 0 0", "ERR value is out of range, value must between 0 and 1"),
            ("waitaof -1 0 0", "ERR value is out of range, value must between 0 and 1"),
            ("waitaof 1 -1 0", "ERR value is out of range, must be positive"),
            ("waitaof 1 x 0", "ERR value is out of range, must be positive"),
            ("waitaof 1 0 1.5", "ERR timeout is not an integer or out of range"),
            ("waitaof 1 0 -5", "ERR timeout is negative"),
        ] {
            assert_eq!(parse(line), Err(text), "{line}");
        }
    }

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        for synced in [Synced { local: true, followers: 2 }, Synced { local: false, followers: 0 }] {
            assert_eq!(Synced::read(&synced.reply(true), true), Some(synced));
            assert_eq!(
                Synced::read(&synced.reply(false), false).map(|s| s.followers),
                Some(synced.followers)
            );
        }
        assert_eq!(Synced::read(b"-ERR unknown command\r\n", true), None);
        assert_eq!(Synced { local: true, followers: 1 }.reply(true), b"*2\r\n:1\r\n:1\r\n");
    }
}
