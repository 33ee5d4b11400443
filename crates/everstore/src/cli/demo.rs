//! `everstore demo`: a whole cluster on this machine, each node a process of its own.

mod plan;
mod process;
mod supervise;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::CliError;

/// Redis port of the first node unless the flags say otherwise.
const DEFAULT_PORT: u16 = 7001;

/// The ports of this machine at which the nodes of a demo can be, unless it was given others.
pub fn default_ports() -> std::ops::Range<u16> {
    DEFAULT_PORT..DEFAULT_PORT + plan::MAX_NODES
}

/// Flags of `demo`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  everstore demo
  everstore demo --nodes 5 --port 8001 --dir /tmp/try
  everstore demo --fresh                  forget the data of earlier runs")]
pub struct DemoArgs {
    /// Number of nodes [default: as many as DIR holds, else 3].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=i64::from(plan::MAX_NODES)))]
    pub nodes: Option<u16>,
    /// Redis port of the first node; the others follow. Peer ports are 100, admin ports 200 and cluster ports 300 above.
    #[arg(long, default_value_t = DEFAULT_PORT, value_parser = clap::value_parser!(u16).range(1..=i64::from(plan::MAX_PORT)))]
    pub port: u16,
    /// Folder for the data of all nodes; kept between runs.
    #[arg(long, default_value = "everstore-demo")]
    pub dir: PathBuf,
    /// Shards of a new cluster [default: 16].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub shards: Option<u16>,
    /// Delete the data of earlier runs first.
    #[arg(long)]
    pub fresh: bool,
}

/// Starts the nodes, waits until they are a cluster, and stays until Ctrl-C.
pub fn run(args: &DemoArgs) -> Result<ExitCode, CliError> {
    if args.fresh {
        plan::forget(&args.dir)?;
    }
    let plan = plan::Plan::make(args)?;
    supervise::run(&plan)
}
