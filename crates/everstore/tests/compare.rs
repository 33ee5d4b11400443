//! A row that is whole and says something else on one of three real nodes is found by a scrub, and replaced.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // reason: a test of real processes

use env::RealDisk;
use model::row::{family, kind, parse_key_name};
use redis::{Commands, Connection};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use storage::rows::lsm::{LsmOptions, LsmStores};
use storage::rows::{Order, RowRange, RowStores};

/// Longest wait for anything that must happen.
const PATIENCE: Duration = Duration::from_secs(120);
const KEY: &[u8] = b"key:7";

struct Node {
    process: Option<Child>,
    port: u16,
    peer: u16,
    folder: PathBuf,
    flags: Vec<String>,
}

impl Node {
    fn new(folder: &Path, number: usize, flags: &str) -> Node {
        let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let flags = flags.split(' ').map(str::to_owned).collect();
        let folder = folder.join(number.to_string());
        let mut node = Node { process: None, port: port(), peer: port(), folder, flags };
        node.start();
        node
    }

    fn start(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_everstore"));
        command.args(["serve", "--stop-with-stdin", "--admin-port", "0", "--dir"]).arg(&self.folder);
        command.args(["--port", &self.port.to_string(), "--peer-port", &self.peer.to_string()]);
        command.args(&self.flags).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(command.spawn().unwrap());
    }

    /// Ends it in good order, so that its rows are on its disk.
    fn stop(&mut self) {
        let mut process = self.process.take().unwrap();
        drop(process.stdin.take());
        assert!(process.wait().unwrap().success());
    }

    /// The row of the key on the disk of this node, which does not run; `change`: it says something else from now on.
    fn row(&self, change: bool) -> Vec<u8> {
        let folder = self.folder.join("rows");
        let stores = LsmStores::open(Arc::new(RealDisk), &folder, LsmOptions::default()).unwrap();
        for tree in stores.list() {
            let store = stores.open(tree).unwrap();
            let rows = store.range(RowRange::starting_at(&[family::KEY]), Order::Ascending).unwrap();
            for (name, mut row) in rows.map(Result::unwrap) {
                let is_key = parse_key_name(&name).is_ok_and(|name| name.key == KEY);
                if is_key && row[1] == kind::STRING {
                    if change {
                        *row.last_mut().unwrap() ^= 1;
                        store.ingest(&mut std::iter::once((name, Some(row.clone())))).unwrap();
                    }
                    return row;
                }
            }
        }
        panic!("{} has no row of the key", folder.display());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Tries until something comes of it.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn connect(node: &Node) -> Connection {
    wait_for("a node serves", || {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}/", node.port)).unwrap();
        let mut connection = client.get_connection().ok()?;
        connection.set::<_, _, ()>("ready", 1).ok().map(|()| connection)
    })
}

fn cluster(folder: &Path) -> Vec<Node> {
    let mut nodes = vec![Node::new(folder, 1, "--bootstrap --replicas 3 --shards 2")];
    let secret = folder.join("1/secret");
    wait_for("node 1 makes its folder", || secret.exists().then_some(()));
    for number in 2..=3 {
        let join = format!("--join 127.0.0.1:{} --secret-file {}", nodes[0].peer, secret.display());
        nodes.push(Node::new(folder, number, &join));
    }
    nodes
}

/// Runs a scrub to its end: its exit code.
fn scrub(node: &Node) -> Option<i32> {
    let address = format!("127.0.0.1:{}", node.port);
    let mut command = Command::new(env!("CARGO_BIN_EXE_everstore"));
    command.args(["scrub", "--node", &address]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap().code()
}

/// The sum of a figure in `INFO everstore` over all nodes.
fn figure(nodes: &[Node], name: &str) -> u64 {
    let of = |node: &Node| {
        let info: String = redis::cmd("INFO").arg("everstore").query(&mut connect(node)).unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap().parse::<u64>().unwrap()
    };
    nodes.iter().map(of).sum()
}

#[test]
fn a_row_that_is_whole_and_wrong_is_found_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut nodes = cluster(folder.path());
    let mut client = connect(&nodes[0]);
    for n in 0..100 {
        let _: () = client.set(format!("key:{n}"), format!("value {n}")).unwrap();
    }
    // Comparisons are made once all nodes have said that they know them.
    wait_for("replicas are compared", || {
        scrub(&nodes[0]);
        (figure(&nodes, "compare_ended") >= 3).then_some(())
    });
    assert_eq!(figure(&nodes, "compare_differences"), 0);
    nodes[2].stop();
    let wrong = nodes[2].row(true);
    nodes[2].start();
    connect(&nodes[2]);
    wait_for("the difference is found", || {
        scrub(&nodes[0]);
        (figure(&nodes, "compare_differences") > 0).then_some(())
    });
    wait_for("nothing differs any more", || (scrub(&nodes[0]) == Some(0)).then_some(()));
    assert_eq!(figure(&nodes, "scrub_damaged_found"), 1);
    assert_eq!(figure(&nodes, "compare_undecided"), 0);
    let value: String = connect(&nodes[2]).get("key:7").unwrap();
    assert_eq!(value, "value 7");
    nodes[2].stop();
    let right = nodes[2].row(false);
    assert!(right != wrong && right.ends_with(b"value 7"), "its rows are those of the others again");
}
