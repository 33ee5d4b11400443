//! Which commands took long: the slow log and the latency events of this node.
//!
//! What is timed is the execution on this thread, as in Redis: waiting for disks and other nodes is not part of
//! it. A command that another node sent is noted where it ran.

use crate::conn::{Blocked, Conn};
use crate::core::Core;
use model::NodeId;
use shard::table::{Spec, flag};

/// A threshold below this can be met by a command that looks at one key, in µs.
const QUICK_US: i64 = 1000;
/// So many commands of a turn are timed, and one of so many others.
const FIRST_IN_TURN: u64 = 4;
const ONE_OF: u64 = 16;

impl Core {
    /// When a command begins, in ns of the stopwatch; `None` if it need not be timed. Reading a clock costs as much as
    /// a part of `GET`, so what looks at one element is timed only if the threshold is low.
    #[inline]
    pub(crate) fn begin_timing(&self, spec: &Spec) -> Option<u64> {
        let slowlog = self.stats.slowlog.threshold_us;
        let wanted = slowlog >= 0 || self.stats.latency.threshold_ms > 0;
        let may_take_it = spec.complexity != "O(1)" || (0..QUICK_US).contains(&slowlog);
        (wanted && may_take_it || self.is_sample()).then(self.settings.stopwatch)
    }

    /// True for the first commands of a turn and some of those after them, which are timed to know how long commands of
    /// their kind take. So a busy node reads the clock seldom, and one that is not times them all.
    #[inline]
    fn is_sample(&self) -> bool {
        let in_turn = self.stats.commands.saturating_sub(self.stats.commands_before_turn);
        in_turn <= FIRST_IN_TURN || in_turn.is_multiple_of(ONE_OF)
    }

    /// Notes a command of a connection that began then.
    #[inline]
    pub(crate) fn end_timing(&mut self, conn: &Conn, spec: &Spec, args: &[&[u8]], began: Option<u64>) {
        if matches!(conn.blocked, Some(Blocked::Cold | Blocked::Drain(_))) {
            return; // It runs again.
        }
        let took_ns = began.map(|began| (self.settings.stopwatch)().saturating_sub(began));
        self.stats.by_command.called(spec, took_ns);
        let Some(took_us) = took_ns.map(|ns| ns / 1000) else { return };
        self.note_time(spec, took_us);
        if spec.flags.has(flag::BLOCKING) && conn.blocked == Some(Blocked::Busy) {
            return; // It is in the slow log once it has been served, as in Redis.
        }
        let client = (&conn.session.addr[..], &conn.session.name[..]);
        self.stats.slowlog.note(took_us, self.now.wall_ms, args, client);
    }

    /// Notes a command that waited and has its answer. Waiting is no part of its time, and taking took none to speak of.
    pub(crate) fn note_served(&mut self, id: u64, args: &[&[u8]]) {
        if let Some(conn) = self.conns.get(&id).filter(|_| self.stats.slowlog.keeps(0)) {
            let client = (&conn.session.addr[..], &conn.session.name[..]);
            self.stats.slowlog.note(0, self.now.wall_ms, args, client);
        }
    }

    /// Notes a command that another node sent and that began then.
    #[inline]
    pub(crate) fn end_timing_for(&mut self, node: NodeId, spec: &Spec, args: &[&[u8]], began: Option<u64>) {
        let Some(began) = began else { return };
        let took_us = (self.settings.stopwatch)().saturating_sub(began) / 1000;
        self.note_time(spec, took_us);
        if self.stats.slowlog.keeps(took_us) {
            let client = format!("node {node}");
            self.stats.slowlog.note(took_us, self.now.wall_ms, args, (&client, ""));
        }
    }

    /// Notes a command that answers after so long (`DEBUG SLEEP`).
    pub(crate) fn note_sleep(&mut self, conn: &Conn, spec: &Spec, args: &[&[u8]], ms: u64) {
        self.note_time(spec, ms * 1000);
        let client = (&conn.session.addr[..], &conn.session.name[..]);
        self.stats.slowlog.note(ms * 1000, self.now.wall_ms, args, client);
    }

    fn note_time(&mut self, spec: &Spec, took_us: u64) {
        let event = if spec.flags.has(flag::FAST) { "fast-command" } else { "command" };
        self.stats.latency.note(event, self.now.wall_ms, took_us / 1000);
    }
}
