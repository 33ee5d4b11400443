//! What the demo will start: ports, folders and the command line of every node.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use super::super::CliError;
use super::DemoArgs;

/// Most nodes of a demo: one machine carries no more in a useful way.
pub const MAX_NODES: u16 = 9;
/// Peer port = Redis port + this, so that `--port 7001` gives 7101.
const PEER_OFFSET: u16 = 100;
/// Admin port = Redis port + this.
const ADMIN_OFFSET: u16 = 200;
/// Cluster port = Redis port + this.
const CLUSTER_OFFSET: u16 = 300;
/// Highest first port, so that the last cluster port is still a port.
pub const MAX_PORT: u16 = u16::MAX - CLUSTER_OFFSET - MAX_NODES;
/// Nodes and shards unless the flags or the folder say otherwise.
const DEFAULT_NODES: u16 = 3;
const DEFAULT_SHARDS: u16 = 16;

/// One node of the demo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePlan {
    /// 1, 2, 3, …
    pub number: u16,
    /// Its data folder.
    pub dir: PathBuf,
    /// Its Redis port.
    pub port: u16,
    /// Its peer port.
    pub peer_port: u16,
    /// Its admin port.
    pub admin_port: u16,
    /// Its port for cluster clients.
    pub cluster_port: u16,
    /// Whether its folder holds a node already.
    pub exists: bool,
}

/// The whole demo.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Folder of all data.
    pub dir: PathBuf,
    /// All nodes.
    pub nodes: Vec<NodePlan>,
    /// Replicas of each shard of a new cluster.
    pub replicas: u16,
    /// Shards of a new cluster.
    pub shards: u16,
}

impl Plan {
    /// Looks at the folder and the ports.
    ///
    /// # Errors
    /// A folder that cannot be used, a port in use, or more nodes in the folder than asked for.
    pub fn make(args: &DemoArgs) -> Result<Plan, CliError> {
        std::fs::create_dir_all(&args.dir)
            .map_err(CliError::io(format!("cannot use the folder {}", args.dir.display())))?;
        let held = (1..=MAX_NODES).filter(|number| holds_node(&args.dir, *number)).max().unwrap_or(0);
        let count = args.nodes.unwrap_or(if held > 0 { held } else { DEFAULT_NODES });
        if held > count {
            return Err(CliError::Usage(format!(
                "{} holds a cluster of {held} nodes: use --nodes {held}, or --fresh to forget it",
                args.dir.display()
            )));
        }
        let nodes: Vec<NodePlan> = (1..=count)
            .map(|number| {
                let port = args.port + number - 1;
                NodePlan {
                    number,
                    dir: args.dir.join(format!("node-{number}")),
                    port,
                    peer_port: port + PEER_OFFSET,
                    admin_port: port + ADMIN_OFFSET,
                    cluster_port: port + CLUSTER_OFFSET,
                    exists: holds_node(&args.dir, number),
                }
            })
            .collect();
        for node in &nodes {
            check_folder(&node.dir)?;
            for port in [node.port, node.peer_port, node.admin_port, node.cluster_port] {
                check_port(port)?;
            }
        }
        let replicas = if count >= 3 { 3 } else { 1 };
        let shards = args.shards.unwrap_or(DEFAULT_SHARDS);
        Ok(Plan { dir: args.dir.clone(), nodes, replicas, shards })
    }

    /// Whether the folder holds a cluster from an earlier run.
    pub fn continues(&self) -> bool {
        self.nodes.iter().any(|node| node.exists)
    }

    /// Whether this node creates the cluster. Never when any folder holds a node: that would make a
    /// second cluster beside the data of the first.
    pub fn bootstraps(&self, node: &NodePlan) -> bool {
        node.number == 1 && !self.continues()
    }

    /// File with the secret for nodes that join.
    pub fn secret_file(&self) -> PathBuf {
        let keeper = self.nodes.iter().find(|node| node.exists).unwrap_or(&self.nodes[0]);
        keeper.dir.join("secret")
    }

    /// Arguments of `everstore` for this node.
    pub fn arguments(&self, node: &NodePlan) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["serve".into(), "--dir".into(), node.dir.clone().into()];
        let mut pair = |name: &str, value: OsString| arguments.extend([OsString::from(name), value]);
        pair("--port", node.port.to_string().into());
        pair("--peer-port", node.peer_port.to_string().into());
        pair("--admin-port", node.admin_port.to_string().into());
        pair("--cluster-port", node.cluster_port.to_string().into());
        if self.bootstraps(node) {
            pair("--replicas", self.replicas.to_string().into());
            pair("--shards", self.shards.to_string().into());
            arguments.push("--bootstrap".into());
            return arguments;
        }
        // All others, also for a node that is a member: after a start on other ports this is how
        // the nodes find each other again.
        let others: Vec<String> = self
            .nodes
            .iter()
            .filter(|other| other.number != node.number)
            .map(|other| format!("127.0.0.1:{}", other.peer_port))
            .collect();
        if !others.is_empty() {
            pair("--join", others.join(",").into());
        }
        if !node.exists {
            pair("--secret-file", self.secret_file().into());
        }
        arguments
    }

    /// The command line that starts this node by hand, ready to be pasted into a shell.
    pub fn shell_command(&self, node: &NodePlan, program: &Path) -> String {
        let again = NodePlan { exists: true, ..node.clone() };
        let mut plan = self.clone();
        plan.nodes[usize::from(node.number) - 1] = again.clone();
        let words = std::iter::once(program.as_os_str().to_os_string()).chain(plan.arguments(&again));
        words.map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
    }
}

/// Deletes what earlier demos left in `dir`, and nothing else.
///
/// # Errors
/// The folder holds something that no demo made, or cannot be deleted.
pub fn forget(dir: &Path) -> Result<(), CliError> {
    let failed = |source| CliError::Io { what: format!("cannot empty {}", dir.display()), source };
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let names: Result<Vec<OsString>, _> = entries.map(|entry| Ok(entry?.file_name())).collect();
    let names = names.map_err(failed)?;
    if let Some(stranger) = names.iter().find(|name| !is_demo_name(&name.to_string_lossy())) {
        return Err(CliError::Usage(format!(
            "--fresh does not empty {}: {} is not of a demo",
            dir.display(),
            stranger.to_string_lossy()
        )));
    }
    let remove = |path: &Path| {
        // A node's folder, or beside it the file with its messages.
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
    };
    names.iter().try_for_each(|name| remove(&dir.join(name))).map_err(failed)
}

fn is_demo_name(name: &str) -> bool {
    let name = name.strip_suffix(".log").unwrap_or(name);
    let number = name.strip_prefix("node-").and_then(|number| number.parse::<u16>().ok());
    number.is_some_and(|number| (1..=MAX_NODES).contains(&number))
}

fn holds_node(dir: &Path, number: u16) -> bool {
    dir.join(format!("node-{number}")).join("node.toml").exists()
}

/// The folder can be made and written into; found out now, in one line, instead of in a node's log.
fn check_folder(dir: &Path) -> Result<(), CliError> {
    let probe = dir.join(".write-probe");
    std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::write(&probe, b""))
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(CliError::io(format!("cannot write into {}", dir.display())))
}

fn check_port(port: u16) -> Result<(), CliError> {
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(CliError::Usage(format!(
            "port {port} is in use: stop what listens there, or choose another --port"
        ))),
        Err(source) => Err(CliError::Io { what: format!("cannot listen on port {port}"), source }),
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A first port below the range from which the kernel takes ports of outgoing connections.
    fn args(dir: &Path, port: u16) -> DemoArgs {
        DemoArgs { nodes: None, port, dir: dir.to_path_buf(), shards: None, fresh: false }
    }

    fn make_node(dir: &Path, number: u16) {
        let dir = dir.join(format!("node-{number}"));
        std::fs::create_dir_all(&dir).expect("folder");
        std::fs::write(dir.join("node.toml"), "").expect("file");
    }

    fn joined(plan: &Plan, number: usize) -> String {
        let words = plan.arguments(&plan.nodes[number - 1]);
        let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        words.join(" ").replace(&*plan.dir.to_string_lossy(), "D")
    }

    #[test]
    fn the_first_run_bootstraps_one_and_joins_the_others() {
        let dir = tempfile::tempdir().expect("temp");
        let plan = Plan::make(&args(dir.path(), 21_001)).expect("free ports");
        assert_eq!(
            joined(&plan, 1),
            "serve --dir D/node-1 --port 21001 --peer-port 21101 --admin-port 21201 --cluster-port 21301 --replicas 3 \
             --shards 16 --bootstrap"
        );
        assert_eq!(
            joined(&plan, 3),
            "serve --dir D/node-3 --port 21003 --peer-port 21103 --admin-port 21203 --cluster-port 21303 \
             --join 127.0.0.1:21101,127.0.0.1:21102 --secret-file D/node-1/secret"
        );
    }

    #[test]
    fn a_later_run_never_bootstraps_again() {
        let dir = tempfile::tempdir().expect("temp");
        for number in [2, 3] {
            make_node(dir.path(), number);
        }
        let plan = Plan::make(&args(dir.path(), 21_011)).expect("free ports");
        assert_eq!(plan.nodes.len(), 3);
        assert!(plan.nodes.iter().all(|node| !plan.bootstraps(node)));
        assert!(joined(&plan, 1).ends_with("--secret-file D/node-2/secret"));
        assert!(joined(&plan, 2).ends_with("--join 127.0.0.1:21111,127.0.0.1:21113"));
    }

    #[test]
    fn fewer_nodes_than_the_folder_holds_are_refused() {
        let dir = tempfile::tempdir().expect("temp");
        make_node(dir.path(), 3);
        let args = DemoArgs { nodes: Some(1), ..args(dir.path(), 21_021) };
        let error = Plan::make(&args).expect_err("too few");
        assert!(error.to_string().contains("--nodes 3"), "{error}");
    }

    #[test]
    fn a_port_in_use_is_one_clear_line() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port().min(MAX_PORT);
        let dir = tempfile::tempdir().expect("temp");
        let held = TcpListener::bind(("127.0.0.1", port));
        let error = Plan::make(&args(dir.path(), port)).expect_err("in use");
        drop(held);
        assert_eq!(
            error.to_string(),
            format!("port {port} is in use: stop what listens there, or choose another --port")
        );
    }

    #[test]
    fn fresh_deletes_only_what_a_demo_made() {
        let dir = tempfile::tempdir().expect("temp");
        make_node(dir.path(), 1);
        std::fs::write(dir.path().join("node-1.log"), "messages").expect("file");
        std::fs::write(dir.path().join("thesis.txt"), "years of work").expect("file");
        let error = forget(dir.path()).expect_err("a stranger's file");
        assert!(error.to_string().contains("thesis.txt"), "{error}");
        assert!(dir.path().join("node-1").exists());
        std::fs::remove_file(dir.path().join("thesis.txt")).expect("removed");
        forget(dir.path()).expect("only a demo's folders");
        assert!(!dir.path().join("node-1").exists() && !dir.path().join("node-1.log").exists());
        forget(&dir.path().join("never-made")).expect("nothing to do");
    }

    #[test]
    fn the_restart_command_can_be_pasted() {
        let dir = tempfile::tempdir().expect("temp");
        let plan = Plan::make(&args(dir.path(), 21_031)).expect("free ports");
        let text = plan.shell_command(&plan.nodes[0], Path::new("/opt/my programs/everstore"));
        assert!(text.starts_with("'/opt/my programs/everstore' serve --dir "), "{text}");
        assert!(!text.contains("--bootstrap"), "{text}");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
