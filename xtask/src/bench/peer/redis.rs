//! Redis: a primary and two replicas with an append-only file.

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
    primary: SocketAddr,
    _folder: Folder,
}

impl Redis {
    /// Starts it and waits until both replicas are in step.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(fsync: Fsync) -> Result<Redis, String> {
        let folder = Folder::make("redis")?;
        let base = free_ports(3)?;
        let mut processes = Vec::new();
        for number in 0..3u16 {
            let dir = folder.path().join(number.to_string());
            std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
            let mut command = Command::new("redis-server");
            command.arg("--port").arg((base + number).to_string()).arg("--dir").arg(&dir);
            command.args([
                "--appendonly",
                "yes",
                "--appendfsync",
                fsync.name(),
                "--save",
                "",
                "--bind",
                "127.0.0.1",
            ]);
            command.args(["--repl-diskless-sync-delay", "0", "--auto-aof-rewrite-percentage", "0"]);
            if number > 0 {
                command.arg("--replicaof").arg("127.0.0.1").arg(base.to_string());
            }
            let label = if number == 0 { "primary" } else { "replica" };
            processes.push(Process::start(
                label,
                &mut command,
                &folder.path().join(format!("{number}.log")),
            )?);
        }
        let primary = SocketAddr::from(([127, 0, 0, 1], base));
        wait_for("two Redis replicas in step", Duration::from_secs(30), || {
            let info =
                Client::connect(primary).and_then(|mut client| client.call("INFO replication")).ok()?;
            (info.matches("state=online").count() == 2).then_some(())
        })?;
        Ok(Redis { processes, primary, _folder: folder })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.primary
    }

    /// Primary and replicas.
    pub fn processes(&self) -> Vec<&Process> {
        self.processes.iter().collect()
    }
}
