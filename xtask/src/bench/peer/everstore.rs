//! Ours: nodes of one program with their defaults, three unless one is asked for.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::super::client::Client;
use super::super::process::{Folder, Process, free_ports, wait_for};

/// Nodes of a measured cluster.
pub const NODES: u16 = 3;
/// Longest wait for the cluster to be healthy.
const PATIENCE: Duration = Duration::from_secs(60);

/// The running cluster.
#[derive(Debug)]
pub struct Everstore {
    /// In the order in which they were started first.
    pub nodes: Vec<Process>,
    program: PathBuf,
    /// A fault layer under each node, see `tests-python/faultfs/sick.c`.
    preload: Option<PathBuf>,
    flags: Vec<String>,
    /// Number of the node at each index, which says its ports and its folder.
    numbers: Vec<u16>,
    /// The last number that was given. None is given twice: at the address of a member a new node is taken for this one.
    last_number: u16,
    base: u16,
    folder: Folder,
}

impl Everstore {
    /// Starts a new cluster and waits until every shard has a leader.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(program: &Path) -> Result<Everstore, String> {
        Everstore::start_under(program, None, &[])
    }

    /// The same under a fault layer and with more flags.
    ///
    /// # Errors
    /// As [`Everstore::start`].
    pub fn start_under(
        program: &Path,
        preload: Option<PathBuf>,
        flags: &[&str],
    ) -> Result<Everstore, String> {
        Everstore::start_nodes(program, NODES, preload, flags)
    }

    /// The same with another number of nodes; each has a replica of everything.
    ///
    /// # Errors
    /// As [`Everstore::start`].
    pub fn start_nodes(
        program: &Path,
        count: u16,
        preload: Option<PathBuf>,
        flags: &[&str],
    ) -> Result<Everstore, String> {
        let folder = Folder::make("everstore")?;
        let base = free_ports(count)?;
        let flags = flags.iter().map(ToString::to_string).collect();
        let program = program.to_path_buf();
        let (nodes, numbers) = (Vec::new(), (1..=count).collect());
        let mut cluster =
            Everstore { nodes, program, preload, flags, numbers, last_number: count, base, folder };
        let secret = cluster.folder.path().join("node-1").join("secret");
        for number in 1..=count {
            let node = cluster.launch(number, true)?;
            cluster.nodes.push(node);
            wait_for("the secret of the first node", PATIENCE, || secret.exists().then_some(()))?;
        }
        cluster.wait_healthy()?;
        Ok(cluster)
    }

    fn launch(&self, number: u16, new: bool) -> Result<Process, String> {
        let at = |i: u16| format!("127.0.0.1:{}", self.base + 100 + i - 1);
        let dir = self.folder.path().join(format!("node-{number}"));
        let port = self.base + number - 1;
        let mut command = Command::new(&self.program);
        command.arg("serve").arg("--dir").arg(&dir).arg("--stop-with-stdin");
        for (flag, port) in [("--port", port), ("--peer-port", port + 100), ("--admin-port", port + 200)] {
            command.arg(flag).arg(port.to_string());
        }
        if new && number == 1 {
            command.args(["--bootstrap", "--replicas", &self.numbers.len().to_string()]);
        } else {
            let others: Vec<String> = self.numbers.iter().filter(|i| **i != number).map(|i| at(*i)).collect();
            command.arg("--join").arg(others.join(","));
            if new {
                command.arg("--secret-file").arg(self.folder.path().join("node-1").join("secret"));
            }
        }
        command.args(&self.flags);
        if let Some(library) = &self.preload {
            command.env("LD_PRELOAD", library).env("SICK_CONTROL", self.control(usize::from(number) - 1));
        }
        let log = self.folder.path().join(format!("node-{number}.log"));
        Process::start(&format!("node {number}"), &mut command, &log)
    }

    /// Starts a node again that was stopped or killed.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn relaunch(&mut self, index: usize) -> Result<(), String> {
        self.nodes[index] = self.launch(self.numbers[index], false)?;
        Ok(())
    }

    /// A further node joins.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn add_node(&mut self) -> Result<(), String> {
        self.last_number += 1;
        let node = self.launch(self.last_number, true)?;
        self.numbers.push(self.last_number);
        self.nodes.push(node);
        Ok(())
    }

    /// The last node is none of the cluster any more.
    pub fn forget_last(&mut self) {
        self.numbers.pop();
        self.nodes.pop();
    }

    /// Makes a keyspace asynchronous.
    ///
    /// # Errors
    /// It is refused.
    pub fn make_async(&self, keyspace: u16) -> Result<(), String> {
        let command = format!("KEYSPACE SET {keyspace} REPLICATION async");
        let answer =
            Client::connect(self.address(0))?.call(&command).map_err(|e| format!("{command}: {e}"))?;
        if answer == "OK" { Ok(()) } else { Err(format!("{command}: {answer}")) }
    }

    fn control(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!("sick-{index}"))
    }

    /// Tells the fault layer of the node at `index`: ms of a sync, whether it fails, whether there is no space.
    ///
    /// # Errors
    /// The file can not be written.
    pub fn sicken(&self, index: usize, how: &str) -> Result<(), String> {
        let (file, new) = (self.control(index), self.folder.path().join("sick-new"));
        std::fs::write(&new, how).and_then(|()| std::fs::rename(&new, &file)).map_err(|e| e.to_string())
    }

    /// The median time of a log sync of the node at `index`, ms.
    ///
    /// # Errors
    /// It does not answer.
    pub fn sync_ms(&self, index: usize) -> Result<f64, String> {
        let status = self.status(index)?;
        let us = list(&status["nodes"]).get(index).map(|node| &node["sync_p50_us"]);
        Ok(us.and_then(Value::as_f64).unwrap_or_default() / 1000.0)
    }

    /// True if every node says that its disk lets it lead.
    pub fn all_fit(&self) -> bool {
        let fit = |node: &Value| node["disk"] == "fit";
        self.status(0).is_ok_and(|status| list(&status["nodes"]).iter().all(fit))
    }

    /// Redis address of the node at `index`.
    pub fn address(&self, index: usize) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.base + self.numbers[index] - 1))
    }

    /// Redis addresses of all nodes.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        (0..self.numbers.len()).map(|index| self.address(index)).collect()
    }

    /// `EVERSTORE STATUS` of the node at `index`.
    ///
    /// # Errors
    /// It does not answer with JSON.
    pub fn status(&self, index: usize) -> Result<Value, String> {
        self.commands(index).status()
    }

    /// Waits until every node sees every node, a leader of every shard, and no follower behind.
    ///
    /// # Errors
    /// Not within a minute.
    pub fn wait_healthy(&self) -> Result<(), String> {
        let count = self.numbers.len();
        let healthy = |index: usize| self.status(index).is_ok_and(|status| is_healthy(&status, count));
        wait_for("a healthy cluster", PATIENCE, || (0..count).all(healthy).then_some(()))
    }

    /// What the status says of a keyspace.
    ///
    /// # Errors
    /// It says nothing.
    pub fn keyspace(&self, keyspace: u64) -> Result<Value, String> {
        entry_of(&self.status(0)?, keyspace).cloned()
    }

    /// Runs the program's command line against the first node; what it printed.
    ///
    /// # Errors
    /// It ends with another code than 0.
    pub fn run(&self, words: &[&str]) -> Result<String, String> {
        self.commands(0).run(words)
    }

    /// Asks the node at `index`, also from another thread.
    pub fn commands(&self, index: usize) -> Commands {
        Commands { program: self.program.clone(), node: self.address(index) }
    }

    /// Id of the node at `index`: its address says which it is.
    ///
    /// # Errors
    /// The status does not say.
    pub fn id_of(&self, index: usize) -> Result<u64, String> {
        let (status, address) = (self.status(0)?, self.address(index).to_string());
        let node = list(&status["nodes"]).iter().find(|node| node["redis_address"] == *address);
        node.and_then(|node| node["id"].as_u64())
            .ok_or_else(|| format!("the status names no node at {address}"))
    }

    /// The program that runs.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The folder of the cluster's data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder stays when the cluster ends; where it is.
    pub fn keep_folder(&mut self) -> &Path {
        self.folder.keep();
        self.folder.path()
    }

    /// Removes the data of a node that has ended: its machine is gone for good.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn remove_folder(&self, index: usize) -> Result<(), String> {
        let dir = self.folder.path().join(format!("node-{}", self.numbers[index]));
        std::fs::remove_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))
    }

    /// Index of the node that leads the shard of a single keyspace.
    ///
    /// # Errors
    /// The status does not say.
    pub fn leader_of_keyspace(&self, keyspace: u64) -> Result<usize, String> {
        self.leader_seen_by(0, keyspace)
    }

    /// The same as the node at `seen_by` sees it.
    ///
    /// # Errors
    /// As [`Everstore::leader_of_keyspace`].
    pub fn leader_seen_by(&self, seen_by: usize, keyspace: u64) -> Result<usize, String> {
        let status = self.status(seen_by)?;
        let shard = entry_of(&status, keyspace)?["shard"].as_u64().ok_or("the keyspace names no shard")?;
        let leader =
            list(&status["shards"]).iter().find(|entry| entry["id"] == shard).map(|entry| &entry["leader"]);
        self.index_of(&status, leader.unwrap_or(&Value::Null))
    }

    /// Index of the node that leads most shards, as the node at `seen_by` sees it.
    ///
    /// # Errors
    /// The status does not say.
    pub fn busiest(&self, seen_by: usize) -> Result<usize, String> {
        let status = self.status(seen_by)?;
        let leaders: Vec<&Value> = list(&status["shards"]).iter().map(|shard| &shard["leader"]).collect();
        let count = |leader: &&Value| leaders.iter().filter(|other| *other == leader).count();
        let most = leaders.iter().copied().max_by_key(|leader| count(leader));
        self.index_of(&status, most.unwrap_or(&Value::Null))
    }

    /// Ids are given in the order of joining, so the address says which process it is.
    fn index_of(&self, status: &Value, id: &Value) -> Result<usize, String> {
        let node = list(&status["nodes"]).iter().find(|node| node["id"] == *id);
        let address = node.and_then(|node| node["redis_address"].as_str()).unwrap_or_default();
        let index = self.addresses().iter().position(|own| own.to_string() == address);
        index.ok_or_else(|| format!("no node {id} at {address:?}"))
    }

    /// The process at `first`, then the others.
    pub fn processes(&self, first: usize) -> Vec<&Process> {
        let others = (0..self.nodes.len()).filter(|i| *i != first);
        std::iter::once(first).chain(others).map(|i| &self.nodes[i]).collect()
    }
}

/// The program's command line, against one node.
#[derive(Debug, Clone)]
pub struct Commands {
    program: PathBuf,
    node: SocketAddr,
}

impl Commands {
    /// Runs a command; what it printed.
    ///
    /// # Errors
    /// It ends with another code than 0.
    pub fn run(&self, words: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        let done = command.args(words).arg("--node").arg(self.node.to_string()).output();
        let done = done.map_err(|e| format!("{}: {e}", self.program.display()))?;
        match done.status.success() {
            true => Ok(String::from_utf8_lossy(&done.stdout).into_owned()),
            false => {
                Err(format!("{}: {}", words.join(" "), String::from_utf8_lossy(&done.stderr).trim_end()))
            }
        }
    }

    /// `EVERSTORE STATUS` of the node.
    ///
    /// # Errors
    /// It does not answer with JSON.
    pub fn status(&self) -> Result<Value, String> {
        let text = Client::connect(self.node)?.call("EVERSTORE STATUS")?;
        serde_json::from_str(&text).map_err(|e| e.to_string())
    }
}

fn entry_of(status: &Value, keyspace: u64) -> Result<&Value, String> {
    let entry = list(&status["keyspaces"]).iter().find(|entry| entry["n"] == keyspace);
    entry.ok_or_else(|| format!("the status does not know keyspace {keyspace}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn is_healthy(status: &Value, count: usize) -> bool {
    let up: Vec<&Value> = list(&status["nodes"])
        .iter()
        .filter(|node| node["state"]["state"] == "up")
        .map(|node| &node["id"])
        .collect();
    let shards = list(&status["shards"]);
    let fine = |shard: &Value| {
        let in_step = |replica: &Value| replica["lag"].as_u64().unwrap_or(0) < 1000;
        up.contains(&&shard["leader"]) && list(&shard["replicas"]).iter().all(in_step)
    };
    status["forming"].is_null() && up.len() == count && !shards.is_empty() && shards.iter().all(fine)
}
