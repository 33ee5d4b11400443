//! One node as a child process: started with its log in its folder, stopped by closing its standard input.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::super::CliError;
use super::plan::{NodePlan, Plan};

/// Keys that the demo sets for each node; the same in its environment would apply to all of them.
const OWN_KEYS: [&str; 14] = [
    "DIR",
    "PORT",
    "PEER_PORT",
    "ADMIN_PORT",
    "CLUSTER_PORT",
    "CLUSTER_ADVERTISE",
    "PEER_ADVERTISE",
    "BIND",
    "BOOTSTRAP",
    "JOIN",
    "SECRET",
    "SECRET_FILE",
    "REPLICAS",
    "SHARDS",
];
/// Most bytes of a log that are searched for the reason of an early end.
const TAIL: u64 = 64 * 1024;

/// A started node.
#[derive(Debug)]
pub struct Process {
    /// Its plan.
    pub node: NodePlan,
    child: Child,
    log: PathBuf,
    log_start: u64,
    ended: bool,
}

impl Process {
    /// Starts the node.
    ///
    /// # Errors
    /// The log file or the process cannot be made.
    pub fn start(plan: &Plan, node: &NodePlan, program: &Path) -> Result<Process, CliError> {
        let log = node.dir.with_extension("log");
        let failed = || CliError::io(format!("cannot write {}", log.display()));
        let file = OpenOptions::new().create(true).append(true).open(&log).map_err(failed())?;
        let log_start = file.metadata().map_err(failed())?.len();
        let copy = file.try_clone().map_err(failed())?;
        let mut command = Command::new(program);
        command
            .args(plan.arguments(node))
            .arg("--stop-with-stdin")
            .stdin(Stdio::piped())
            .stdout(copy)
            .stderr(file)
            // A group of its own: Ctrl-C reaches the demo alone, which then stops the nodes in order.
            .process_group(0);
        for key in OWN_KEYS {
            command.env_remove(format!("EVERSTORE_{key}"));
        }
        let child = command.spawn().map_err(CliError::io(format!("cannot start node {}", node.number)))?;
        Ok(Process { node: node.clone(), child, log, log_start, ended: false })
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The node's log file.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How the process ended, told once.
    pub fn newly_ended(&mut self) -> Option<ExitStatus> {
        if self.ended {
            return None;
        }
        let status = self.child.try_wait().ok().flatten();
        self.ended = status.is_some();
        status
    }

    /// Whether the process still runs, as of the last [`Process::newly_ended`].
    pub fn runs(&self) -> bool {
        !self.ended
    }

    /// Asks the node to stop cleanly.
    pub fn ask_to_stop(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Ends the process at once and collects it.
    pub fn kill(&mut self) {
        if !self.ended {
            // Both fail only if it has ended already.
            let _ = self.child.kill();
            let _ = self.child.wait();
            self.ended = true;
        }
    }

    /// The last line the node wrote since this start: the reason, if it ended early.
    pub fn last_words(&self) -> String {
        let text = read_from(&self.log, self.log_start).unwrap_or_default();
        let line = text.lines().rev().find(|line| !line.trim().is_empty());
        let line = line.map(|line| line.trim().trim_start_matches("everstore: ").to_string());
        line.unwrap_or_else(|| format!("no message; see {}", self.log.display()))
    }
}

impl Drop for Process {
    /// However the demo leaves, no node outlives it.
    fn drop(&mut self) {
        self.kill();
    }
}

fn read_from(path: &Path, start: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(start.max(length.saturating_sub(TAIL))))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// How a process ended, in words.
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(9)) => "killed (SIGKILL)".into(),
        (None, Some(15)) => "terminated (SIGTERM)".into(),
        (None, Some(6)) => "aborted (SIGABRT)".into(),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "ended".into(),
    }
}
