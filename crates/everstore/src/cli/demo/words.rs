//! What the demo tells a person.

use std::fmt::Write;
use std::path::Path;

use super::super::table::Table;
use super::plan::Plan;
use super::process::Process;

/// Before the nodes are started.
pub fn starting(plan: &Plan) -> String {
    let dir = plan.dir.display();
    if plan.continues() {
        format!("Continuing with {} nodes and their data in {dir}.", plan.nodes.len())
    } else {
        let replicas = match plan.replicas {
            1 => "nothing replicated (fewer than 3 nodes)".to_string(),
            n => format!("{n} replicas of each"),
        };
        format!("Starting {} nodes with {} shards, {replicas}; data in {dir}.", plan.nodes.len(), plan.shards)
    }
}

/// When the cluster takes writes.
pub fn ready(plan: &Plan, processes: &[Process]) -> String {
    let mut table = Table::new(&[">NODE", "REDIS", "PEER", "ADMIN", "CLUSTER", ">PID"]);
    for process in processes {
        let node = &process.node;
        let address = |port: u16| format!("127.0.0.1:{port}");
        table.row([
            node.number.to_string(),
            address(node.port),
            address(node.peer_port),
            address(node.admin_port),
            address(node.cluster_port),
            process.pid().to_string(),
        ]);
    }
    let mut out = format!("\n{}\n", table.render());
    let ports: Vec<u16> = plan.nodes.iter().map(|node| node.port).collect();
    let (first, last) = (ports[0], ports[ports.len() - 1]);
    let cluster = plan.nodes[0].cluster_port;
    let victim = processes.last().map_or(0, Process::pid);
    let _ = write!(
        out,
        "Connect with any Redis client, to any of the nodes:\n  \
           redis-cli -p {first} SET greeting hello\n  \
           redis-cli -p {last} GET greeting\n\
         or with a cluster client, which goes straight to leaders:\n  \
           redis-cli -c -p {cluster} GET greeting\n\
         Keyspace 0 is spread over all shards; keyspaces 1-15 are single, so every multi-key command works there (SELECT 1).\n\
         Two things to try:\n  \
           kill -9 {victim}    a node dies under load; clients of the others see a short pause, no error\n  \
           everstore status --node 127.0.0.1:{first} --watch\n\
         Ctrl-C stops all nodes; the data stays.\n"
    );
    out
}

/// When the nodes run but are no cluster in time.
pub fn not_ready(problems: &[String], dir: &Path) -> String {
    format!(
        "The cluster does not work yet: {}. The nodes go on trying; their logs are {}/node-*.log.",
        problems.join("; "),
        dir.display()
    )
}

/// When a node has died.
pub fn died(process: &Process, how: &str, command: &str) -> String {
    format!(
        "\nnode {} (pid {}) died: {how}. The others go on. To start it again, in another terminal:\n  {command}",
        process.node.number,
        process.pid()
    )
}
