//! What happens by the clock: Raft's ticks, heartbeats, timeouts, expiry, housekeeping.

use crate::checkpoints::SLICE_ROWS;
use crate::core::Core;
use model::GroupId;

/// Length of a tick in ms.
const TICK_MS: u64 = crate::turn::TICK_NS / model::time::MS;
/// How often the slower work is looked at, in ms.
const SECOND_MS: u64 = 1000;
/// How often layout changes and leadership wishes are driven, in ms.
const DRIVE_MS: u64 = 50;

impl Core {
    /// One tick, every 5 ms.
    pub(crate) fn tick(&mut self) {
        let (now, now_ms) = (self.now, self.now.mono_ms());
        self.ticks += 1;
        let (full, expires) = (self.disk.is_full(), self.settings.active_expire);
        self.name_lost();
        let on_beat = self.ticks.is_multiple_of((2 * self.settings.heartbeat_ms / TICK_MS).max(1));
        for at in 0..self.replicas.len() {
            let group = GroupId(at as u32);
            self.propose(group);
            let Some(replica) = self.replica(group) else { continue };
            if !replica.in_step && replica.raft.is_leader() {
                // A new leader waits for the common beat, so that the heartbeats of all groups of
                // this node leave in one frame.
                if !on_beat {
                    continue;
                }
                replica.in_step = true;
            }
            replica.in_step &= replica.raft.is_leader();
            replica.active |= replica.raft.tick(now)
                || !replica.waiters.is_empty()
                || !replica.blocking.rounds.is_empty()
                || !replica.parked.is_empty();
            // With a full log keys that nobody asks for stay for now: what is left of it is for others.
            // What another shard owns now is for that to delete.
            if !full
                && expires
                && replica.machine.expiry_due(now.wall_ms)
                && replica.is_undivided()
                && replica.ready(now)
            {
                replica.begin(now);
                replica.machine.expire_due();
                self.fetch(group);
            }
            let Some(replica) = self.replica(group) else { continue };
            // A bounded piece a tick: nobody waits for it.
            replica.machine.tidy();
            if !self.routes[at].is_empty() {
                self.pumping.insert(group);
            }
        }
        self.shed_rows();
        self.take_checkpoints(SLICE_ROWS);
        self.keep_within_memory();
        self.expire_requests();
        self.tick_throttle();
        self.drive_transfers();
        self.end_pause();
        self.wake_sleepers();
        if self.ticks.is_multiple_of((self.settings.heartbeat_ms / TICK_MS).max(1)) {
            // On the beat of the groups, so that both leave in one frame.
            self.send_heartbeats();
            self.send_probes();
            self.send_holds();
            self.notice_silence();
        }
        if now_ms >= self.next_drive_ms {
            self.next_drive_ms = now_ms + DRIVE_MS;
            self.drive_all();
        }
        if now_ms >= self.next_second_ms {
            self.next_second_ms = now_ms + SECOND_MS;
            self.each_second();
        }
    }

    fn drive_all(&mut self) {
        self.judge_disk();
        self.start_checkpoints();
        self.retry_fetches();
        self.ask_for_rows();
        self.drive_divisions();
        self.drive_layouts();
        self.drive_modes();
        self.follow_seats();
        self.drive_members();
        self.drive_scrub();
        self.drive_comparisons();
        self.send_map();
        self.retry_deferred();
        self.drive_polls();
        self.collect_large();
        self.end_late_rounds();
    }

    fn each_second(&mut self) {
        let large = self.cuts_above();
        for replica in self.replicas.iter_mut().flatten() {
            replica.machine.set_large(large);
            replica.machine.forget_gone();
            replica.load.each_second();
        }
        self.stats.each_second();
        self.busyness.each_second(self.now.mono_ns);
        self.drive_bounds();
        self.ask_fates();
        self.send_reports();
        self.drop_applied_entries();
        self.close_idle_clients();
        self.watch_clock();
        self.rebalance();
        self.announce_recovery();
        self.announce_member();
        self.write_heard();
        self.renew_lost();
        self.drive_placement();
    }

    fn end_pause(&mut self) {
        if self.pause.is_some_and(|p| p.until_ms <= self.now.mono_ms()) {
            self.pause = None;
        }
        if self.pause.is_none() {
            let paused = std::mem::take(&mut self.paused);
            self.resuming.extend(paused);
        }
    }

    /// Connections whose `DEBUG SLEEP` is over.
    fn wake_sleepers(&mut self) {
        let now_ms = self.now.mono_ms();
        while let Some(first) = self.sleeping.first_entry() {
            let (until_ms, id) = *first.key();
            if until_ms > now_ms {
                return;
            }
            let (place, reply) = first.remove();
            if let Some(conn) = self.conns.get_mut(&id) {
                conn.answer(place, &reply);
                self.touched.push(id);
            }
            self.unblock(id);
        }
    }

    /// Closes clients that were silent for longer than `timeout` seconds (0 = never).
    fn close_idle_clients(&mut self) {
        let limit_ms = self.settings.client_timeout_s * 1000;
        if limit_ms == 0 {
            return;
        }
        let now_ms = self.now.mono_ms();
        for conn in self.conns.values_mut() {
            let idle = now_ms.saturating_sub(conn.session.active_ms) > limit_ms;
            if idle && conn.blocked.is_none() && conn.waiting() == 0 {
                conn.closing = true;
                self.outbox.conns.push(conn.id);
            }
        }
    }
}
