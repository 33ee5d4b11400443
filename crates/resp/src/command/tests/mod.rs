//! The commands against a small host, and against replies taken from Redis.

mod cluster;
mod golden;
mod ours;

use super::*;
use crate::command_stats::CommandStats;
use crate::host::{ConfigError, Host, Memory, PauseScope, Role, Section};
use crate::latency::Latency;
use crate::slowlog::SlowLog;
use crate::topology::Topology;
use std::collections::BTreeMap;

/// A node with two other connections and two options.
pub(super) struct Small {
    pub password: Option<Vec<u8>>,
    pub others: Vec<Session>,
    pub options: BTreeMap<String, String>,
    pub paused: Option<(u64, PauseScope)>,
    pub slowlog: SlowLog,
    pub command_stats: CommandStats,
    pub latency: Latency,
    pub follows: bool,
    pub resets: u32,
    pub saves: u32,
    pub active_expire: bool,
    pub topology: Topology,
}

impl Default for Small {
    fn default() -> Small {
        let other = |id: u64, port: u16| {
            Session::new(id, format!("10.0.0.1:{port}"), "127.0.0.1:6379".into(), 0, true)
        };
        let options = [("hz", "10"), ("maxmemory", "0"), ("rdb-key-save-delay", "0")];
        Small {
            password: None,
            others: vec![other(5, 1005), other(3, 1003)],
            options: options.map(|(name, value)| (name.into(), value.into())).into(),
            paused: None,
            slowlog: SlowLog::default(),
            command_stats: CommandStats::default(),
            latency: Latency::default(),
            follows: false,
            resets: 0,
            saves: 0,
            active_expire: true,
            topology: Topology::default(),
        }
    }
}

impl Host for Small {
    fn wall_us(&self) -> u64 {
        1_700_000_000_000_042
    }
    fn mono_ms(&self) -> u64 {
        10_000
    }
    fn redis_version(&self) -> &str {
        "7.0.15"
    }
    fn version(&self) -> &str {
        "0.1.0"
    }
    fn password(&self) -> Option<&[u8]> {
        self.password.as_deref()
    }
    fn role(&self) -> Role {
        if self.follows {
            Role::Follower("10.0.0.2".into(), 6379, "connected", 7)
        } else {
            Role::Leader(0, Vec::new())
        }
    }
    fn save(&mut self) {
        self.saves += 1;
    }
    fn set_active_expire(&mut self, on: bool) {
        self.active_expire = on;
    }
    fn last_save_s(&self) -> u64 {
        1_700_000_000
    }
    fn each_client(&self, visit: &mut dyn FnMut(&Session)) {
        self.others.iter().for_each(visit);
    }
    fn kill(&mut self, id: u64) -> bool {
        let before = self.others.len();
        self.others.retain(|other| other.id != id);
        self.others.len() < before
    }
    fn unblock(&mut self, id: u64, _with_error: bool) -> bool {
        self.others.iter().any(|other| other.id == id && other.flags.blocked)
    }
    fn pause(&mut self, ms: u64, scope: PauseScope) {
        self.paused = Some((ms, scope));
    }
    fn unpause(&mut self) {
        self.paused = None;
    }
    fn config(&self, visit: &mut dyn FnMut(&str, &str)) {
        self.options.iter().for_each(|(name, value)| visit(name, value));
    }
    fn config_set(&mut self, pairs: &[(String, &[u8])]) -> Result<(), ConfigError> {
        for (name, value) in pairs {
            if !self.options.contains_key(name) {
                return Err(ConfigError::Unknown(name.clone()));
            }
            if !value.iter().all(u8::is_ascii_digit) {
                return Err(ConfigError::Refused(name.clone(), "argument must be a memory value".into()));
            }
        }
        for (name, value) in pairs {
            self.options.insert(name.clone(), String::from_utf8_lossy(value).into_owned());
        }
        Ok(())
    }
    fn config_rewrite(&mut self) -> Result<(), String> {
        Err("The server is running without a config file".into())
    }
    fn reset_stats(&mut self) {
        self.resets += 1;
    }
    fn sections(&self) -> &[Section] {
        &[
            Section { name: "Server", default: true },
            Section { name: "Commandstats", default: false },
            Section { name: "Keyspace", default: true },
        ]
    }
    fn info(&self, section: &'static str, session: &Session, out: &mut String) {
        let cluster = if session.cluster { " cluster" } else { "" };
        out.push_str(&format!("about:{section}{cluster}\r\n"));
    }
    fn topology(&self) -> Topology {
        self.topology.clone()
    }
    fn memory(&self) -> Memory {
        Memory {
            peak: 200,
            total: 100,
            startup: 10,
            resident: 150,
            keys: 4,
            dataset: 40,
            ..Memory::default()
        }
    }
    fn slowlog(&mut self) -> &mut SlowLog {
        &mut self.slowlog
    }
    fn command_stats(&self) -> &CommandStats {
        &self.command_stats
    }
    fn latency(&mut self) -> &mut Latency {
        &mut self.latency
    }
    fn abort_shutdown(&mut self) -> bool {
        false
    }
}

/// A connection to a [`Small`] node.
pub(super) struct Client {
    pub host: Small,
    pub session: Session,
}

impl Default for Client {
    fn default() -> Client {
        let session = Session::new(4, "10.0.0.1:1004".into(), "127.0.0.1:6379".into(), 0, true);
        Client { host: Small::default(), session }
    }
}

impl Client {
    /// Runs a command as the node does: the reply and what follows.
    pub fn call(&mut self, args: &[&[u8]]) -> (Vec<u8>, Outcome) {
        let mut buf = Vec::new();
        let spec = match admit(args, self.session.authenticated) {
            Ok(spec) => spec,
            Err(refusal) => {
                let mut resp = Resp { buf: &mut buf, proto: self.session.proto };
                resp.error_bytes(&refusal.text(args));
                return (buf, Outcome::Done);
            }
        };
        self.session.begin(spec.name, self.host.mono_ms());
        let mut call = Call { args, session: &mut self.session, host: &mut self.host, buf: &mut buf };
        let outcome = run(spec, &mut call);
        if self.session.swallows_reply() {
            buf.clear();
        }
        (buf, outcome)
    }

    /// The reply to words separated by spaces, as text.
    pub fn say(&mut self, words: &str) -> String {
        let args: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
        String::from_utf8(self.call(&args).0).expect("the test's replies are text")
    }
}
