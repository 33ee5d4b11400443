//! Redis: a primary and two replicas, or a primary alone, with an append-only file.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use super::super::client::Client;
use super::super::process::{Folder, Process, free_ports, wait_for};

/// When Redis has its file on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// Before each reply.
    Always,
    /// Once a second.
    EverySecond,
}

impl Fsync {
    fn name(self) -> &'static str {
        match self {
            Fsync::Always => "always",
            Fsync::EverySecond => "everysec",
        }
    }
}

/// The running peer.
#[derive(Debug)]
pub struct Redis {
    processes: Vec<Process>,
    fsync: Fsync,
    base: u16,
    folder: Folder,
}

impl Redis {
    /// Starts it and waits until both replicas are in step.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(fsync: Fsync) -> Result<Redis, String> {
        let redis = Redis::launch_all(fsync, 3)?;
        redis.wait_in_step(Duration::from_secs(30))?;
        Ok(redis)
    }

    /// Starts a primary without replicas, which keeps nothing for them in memory.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_alone(fsync: Fsync) -> Result<Redis, String> {
        let redis = Redis::launch_all(fsync, 1)?;
        wait_for("an answer of Redis", Duration::from_secs(30), || {
            Client::connect(redis.address()).ok()?.call("PING").ok()
        })?;
        Ok(redis)
    }

    fn launch_all(fsync: Fsync, count: u16) -> Result<Redis, String> {
        let folder = Folder::make("redis")?;
        let base = free_ports(count)?;
        let mut redis = Redis { processes: Vec::new(), fsync, base, folder };
        for number in 0..count {
            let process = redis.launch(number)?;
            redis.processes.push(process);
        }
        Ok(redis)
    }

    fn launch(&self, number: u16) -> Result<Process, String> {
        let dir = self.folder.path().join(number.to_string());
        std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
        let mut command = Command::new("redis-server");
        command.arg("--port").arg((self.base + number).to_string()).arg("--dir").arg(&dir);
        command.args(["--appendonly", "yes", "--appendfsync", self.fsync.name(), "--save", ""]);
        command.args(["--bind", "127.0.0.1"]);
        command.args(["--repl-diskless-sync-delay", "0", "--auto-aof-rewrite-percentage", "0"]);
        if number > 0 {
            command.arg("--replicaof").arg("127.0.0.1").arg(self.base.to_string());
        }
        let label = if number == 0 { "primary" } else { "replica" };
        Process::start(label, &mut command, &self.folder.path().join(format!("{number}.log")))
    }

    /// The primary's process.
    pub fn primary(&mut self) -> &mut Process {
        &mut self.processes[0]
    }

    /// Starts the primary again after its end.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn relaunch(&mut self) -> Result<(), String> {
        self.processes[0] = self.launch(0)?;
        Ok(())
    }

    /// Waits until the primary has both replicas.
    ///
    /// # Errors
    /// Not in this time.
    pub fn wait_in_step(&self, patience: Duration) -> Result<(), String> {
        wait_for("two Redis replicas in step", patience, || {
            let info = Client::connect(self.address())
                .and_then(|mut client| client.call("INFO replication"))
                .ok()?;
            (info.matches("state=online").count() == 2).then_some(())
        })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.base))
    }

    /// Primary and replicas.
    pub fn processes(&self) -> Vec<&Process> {
        self.processes.iter().collect()
    }
}
