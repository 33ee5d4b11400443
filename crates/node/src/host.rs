//! The node as the front's commands see it.

use crate::core::{Core, Pause};
use crate::info;
use model::NodeId;
use resp::command_stats::CommandStats;
use resp::host::{ConfigError, Host, Memory, PauseScope, Role, Section};
use resp::latency::Latency;
use resp::session::{Buffers, Session};
use resp::slowlog::SlowLog;
use resp::topology::Topology;

/// Most clients that wait for the end of a pause are bounded by the connection limit; a pause itself
/// is bounded by this, in ms (one day).
const MAX_PAUSE_MS: u64 = 86_400_000;

impl Host for Core {
    fn wall_us(&self) -> u64 {
        self.now.wall_ms * 1000 + self.now.mono_ns / 1000 % 1000
    }

    fn mono_ms(&self) -> u64 {
        self.now.mono_ms()
    }

    fn redis_version(&self) -> &str {
        info::REDIS_VERSION
    }

    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    fn password(&self) -> Option<&[u8]> {
        Some(self.settings.requirepass.as_bytes()).filter(|p| !p.is_empty())
    }

    fn role(&self) -> Role {
        let mut followers = Vec::new();
        let copies = |node: &NodeId| self.is_up(*node) && !self.map.is_witness(*node);
        for (node, peer) in self.peers.iter().filter(|(node, _)| copies(node)) {
            let address = self.addresses(*node).redis;
            let (ip, port) = address.rsplit_once(':').unwrap_or(("", "0"));
            let applied = peer.report.as_ref().map_or(0, |r| r.groups.iter().map(|g| g.applied).sum());
            followers.push((ip.to_owned(), port.parse().unwrap_or(0), applied));
        }
        Role::Leader(self.log_position(), followers)
    }

    fn save(&mut self) {
        let changed = |r: &crate::replica::Replica| r.machine.applied() != r.stored;
        let replicas = self.replicas.iter_mut().flatten();
        let any = replicas.fold(false, |any, replica| {
            replica.checkpoint_wanted |= changed(replica);
            any || replica.checkpoint_wanted
        });
        if !any {
            self.stats.last_save_ms = self.now.wall_ms;
        }
    }

    fn set_active_expire(&mut self, on: bool) {
        self.settings.active_expire = on;
    }

    fn last_save_s(&self) -> u64 {
        self.stats.last_save_ms.max(self.now.wall_ms.saturating_sub(self.uptime_ms())) / 1000
    }

    fn each_client(&self, visit: &mut dyn FnMut(&Session)) {
        let mut ids: Vec<u64> = self.conns.keys().copied().collect();
        ids.sort_unstable();
        for conn in ids.iter().map(|id| &self.conns[id]) {
            let output = conn.output_bytes();
            let buffers =
                Buffers { query: conn.input.len(), output, output_peak: output, ..Buffers::default() };
            visit(&Session { buffers, ..conn.session.clone() });
        }
    }

    fn kill(&mut self, id: u64) -> bool {
        let Some(conn) = self.conns.get_mut(&id) else { return false };
        conn.closing = true;
        conn.cut = true;
        self.outbox.conns.push(id);
        true
    }

    fn unblock(&mut self, id: u64, with_error: bool) -> bool {
        self.cut_wait(id, with_error) || self.cut_block(id, with_error)
    }

    fn pause(&mut self, ms: u64, scope: PauseScope) {
        let until_ms = self.now.mono_ms() + ms.min(MAX_PAUSE_MS);
        let all = scope == PauseScope::All;
        // As in Redis, a pause under way is only ever made longer and stricter.
        self.pause = Some(match self.pause {
            Some(old) => Pause { until_ms: old.until_ms.max(until_ms), all: old.all || all },
            None => Pause { until_ms, all },
        });
    }

    fn unpause(&mut self) {
        self.pause = None;
        let paused = std::mem::take(&mut self.paused);
        self.resuming.extend(paused);
    }

    fn config(&self, visit: &mut dyn FnMut(&str, &str)) {
        if let Some(table) = &self.config_table {
            table.visit(visit);
        }
    }

    fn config_set(&mut self, pairs: &[(String, &[u8])]) -> Result<(), ConfigError> {
        let Some(table) = &mut self.config_table else {
            return Err(ConfigError::Unknown(pairs.first().map(|p| p.0.clone()).unwrap_or_default()));
        };
        table.set(pairs, &mut self.settings)?;
        self.stats.slowlog.threshold_us = self.settings.slowlog_slower_than_us;
        self.stats.slowlog.max_len = self.settings.slowlog_max_len;
        self.stats.latency.threshold_ms = self.settings.latency_threshold_ms;
        let (max_value, collections) = (self.settings.max_value, self.settings.collections);
        let large = self.cuts_above();
        self.replicas.iter_mut().flatten().for_each(|replica| {
            replica.machine.set_max_value(max_value);
            replica.machine.set_limits(collections);
            replica.machine.set_large(large);
        });
        let limits = self.limits();
        self.conns.values_mut().for_each(|c| c.parser.set_limits(limits));
        Ok(())
    }

    fn config_rewrite(&mut self) -> Result<(), String> {
        match &mut self.config_table {
            Some(table) => table.rewrite(),
            None => Err("The server is running without a config file".to_owned()),
        }
    }

    fn reset_stats(&mut self) {
        self.stats.reset();
    }

    fn sections(&self) -> &[Section] {
        info::SECTIONS
    }

    fn info(&self, section: &'static str, session: &Session, out: &mut String) {
        self.info_section(section, session, out);
    }

    fn topology(&self) -> Topology {
        self.make_topology()
    }

    fn memory(&self) -> Memory {
        let replicas = || self.replicas.iter().flatten();
        Memory {
            peak: self.gauges.peak_rss_bytes,
            total: self.gauges.rss_bytes,
            startup: 0,
            resident: self.gauges.rss_bytes,
            clients: self.conns.values().map(|c| c.memory() as u64).sum(),
            log: replicas().map(|r| r.raft.tail_bytes() as u64).sum(),
            keys: replicas().map(|r| r.machine.rows() as u64).sum(),
            dataset: replicas().map(|r| r.machine.memory() as u64).sum(),
        }
    }

    fn slowlog(&mut self) -> &mut SlowLog {
        &mut self.stats.slowlog
    }

    fn command_stats(&self) -> &CommandStats {
        &self.stats.by_command
    }

    fn latency(&mut self) -> &mut Latency {
        &mut self.stats.latency
    }

    fn abort_shutdown(&mut self) -> bool {
        std::mem::take(&mut self.outbox.shutdown)
    }
}
