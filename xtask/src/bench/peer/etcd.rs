//! etcd: three members with their defaults (a put is synced on a majority).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::super::process::{Folder, Process, free_ports, wait_for};

/// The running peer.
#[derive(Debug)]
pub struct Etcd {
    processes: Vec<Process>,
    leader: usize,
    base: u16,
    _folder: Folder,
}

impl Etcd {
    /// Starts it and waits for a leader.
    ///
    /// # Errors
    /// It does not start.
    pub fn start() -> Result<Etcd, String> {
        let folder = Folder::make("etcd")?;
        let base = free_ports(3)?;
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let members: Vec<String> = (0..3).map(|i| format!("m{i}={}", url(base + 100 + i))).collect();
        let mut processes = Vec::new();
        for number in 0..3u16 {
            let dir = folder.path().join(number.to_string());
            let mut command = Command::new("etcd");
            command.arg("--name").arg(format!("m{number}")).arg("--data-dir").arg(dir);
            for client in ["--listen-client-urls", "--advertise-client-urls"] {
                command.arg(client).arg(url(base + number));
            }
            for peer in ["--listen-peer-urls", "--initial-advertise-peer-urls"] {
                command.arg(peer).arg(url(base + 100 + number));
            }
            command.arg("--initial-cluster").arg(members.join(",")).args(["--log-level", "error"]);
            let log = folder.path().join(format!("{number}.log"));
            processes.push(Process::start("member", &mut command, &log)?);
        }
        let leader = wait_for("an etcd leader", Duration::from_secs(60), || {
            (0..3u16).find(|i| leads(base + i).unwrap_or(false)).map(usize::from)
        })?;
        processes[leader].label = "leader".into();
        Ok(Etcd { processes, leader, base, _folder: folder })
    }

    /// Where clients connect: the leader, as for the other contenders.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.base + self.leader as u16))
    }

    /// The leader first, then the others.
    pub fn processes(&self) -> Vec<&Process> {
        let others = (0..3).filter(|i| *i != self.leader);
        std::iter::once(self.leader).chain(others).map(|i| &self.processes[i]).collect()
    }
}

/// Whether the member at this port leads, by etcd's JSON gateway.
fn leads(port: u16) -> Option<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    let request = "POST /v3/maintenance/status HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
    stream.write_all(request.as_bytes()).ok()?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).ok()?;
    let body = &reply[reply.find('{')?..=reply.rfind('}')?];
    let status: serde_json::Value = serde_json::from_str(body).ok()?;
    let leader = status.get("leader")?.as_str()?;
    Some(leader != "0" && Some(leader) == status.get("header")?.get("member_id")?.as_str())
}
