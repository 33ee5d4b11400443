//! The Rust client against three real processes.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // reason: a test of real processes

use redis::{Commands, Connection};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for the cluster to form.
const PATIENCE: Duration = Duration::from_secs(60);

struct Node {
    process: Child,
    port: u16,
    peer: u16,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn start(folder: &Path, number: usize, more: &[String]) -> Node {
    let (port, peer) = (free_port(), free_port());
    let process = Command::new(env!("CARGO_BIN_EXE_everstore"))
        .args(["serve", "--stop-with-stdin", "--admin-port", "0", "--dir"])
        .arg(folder.join(number.to_string()))
        .args(["--port", &port.to_string(), "--peer-port", &peer.to_string()])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Node { process, port, peer }
}

fn cluster(folder: &Path) -> Vec<Node> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut nodes = vec![start(folder, 1, &words("--bootstrap --replicas 3 --shards 4"))];
    let secret = folder.join("1/secret");
    let until = Instant::now() + PATIENCE;
    while !secret.exists() {
        assert!(Instant::now() < until, "node 1 makes its folder");
        std::thread::sleep(Duration::from_millis(20));
    }
    for number in 2..=3 {
        let join = format!("--join 127.0.0.1:{} --secret-file {}", nodes[0].peer, secret.display());
        nodes.push(start(folder, number, &words(&join)));
    }
    nodes
}

fn connect(port: u16, query: &str) -> Connection {
    let until = Instant::now() + PATIENCE;
    loop {
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}/{query}")).unwrap();
        if let Ok(mut connection) = client.get_connection()
            && connection.set::<_, _, ()>("ready", 1).is_ok()
        {
            return connection;
        }
        assert!(Instant::now() < until, "the cluster forms");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn commands_pipelines_and_both_protocols() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = cluster(folder.path());
    for (node, query) in nodes.iter().zip(["", "?protocol=resp3", "1?protocol=resp3"]) {
        let mut c = connect(node.port, query);
        let _: () = c.set("k", "v").unwrap();
        let value: String = c.get("k").unwrap();
        assert_eq!(value, "v");
        let none: Option<String> = c.get("none").unwrap();
        assert_eq!(none, None);
        let (a, b): (i64, i64) =
            redis::pipe().del("n").ignore().incr("n", 1).incr("n", 5).query(&mut c).unwrap();
        assert_eq!((a, b), (1, 6));
        let _: () = c.mset(&[("a", "1"), ("b", "2"), ("c", "3")]).unwrap();
        let all: Vec<Option<i64>> = c.mget(&["a", "x", "b", "c"]).unwrap();
        assert_eq!(all, [Some(1), None, Some(2), Some(3)]);
        let acked: i64 = redis::cmd("WAIT").arg(1).arg(5000).query(&mut c).unwrap();
        assert!(acked >= 1);
        let mut keys: Vec<String> = c.scan_match("?").unwrap().collect::<Result<_, _>>().unwrap();
        keys.sort();
        assert_eq!(keys, ["a", "b", "c", "k", "n"]);
        let _: () = redis::cmd("FLUSHDB").query(&mut c).unwrap();
        let size: i64 = redis::cmd("DBSIZE").query(&mut c).unwrap();
        assert_eq!(size, 0);
    }
}
