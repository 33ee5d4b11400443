//! Which nodes a command asks: `--node`, `EVERSTORE_NODE`, then the usual ports of this machine.

use clap::Args;

use crate::config::kind::is_address;

use super::CliError;
use super::client::Client;

/// Asked when neither flag nor environment names a node: a default node, then a demo's first node.
const DEFAULT_NODES: [&str; 2] = ["127.0.0.1:6379", "127.0.0.1:7001"];

/// Flags of every command that talks to a cluster.
#[derive(Debug, Clone, Args)]
pub struct TargetArgs {
    /// Redis address of any node, or several, tried in turn [default: 127.0.0.1:6379, then 127.0.0.1:7001].
    #[arg(long, value_name = "HOST:PORT[,...]", env = "EVERSTORE_NODE", value_delimiter = ',', value_parser = address)]
    pub node: Vec<String>,
    /// Print JSON for programs.
    #[arg(long)]
    pub json: bool,
}

impl TargetArgs {
    /// The addresses to try, in order.
    pub fn addresses(&self) -> Vec<String> {
        if self.node.is_empty() { DEFAULT_NODES.map(String::from).to_vec() } else { self.node.clone() }
    }

    /// A connection to the first node that answers.
    ///
    /// # Errors
    /// [`CliError::Unreachable`] with one reason per node.
    pub fn connect(&self) -> Result<Client, CliError> {
        Client::connect_any(&self.addresses())
    }
}

fn address(text: &str) -> Result<String, String> {
    if is_address(text) {
        Ok(text.to_string())
    } else {
        Err("allowed: HOST:PORT, several separated by commas".into())
    }
}
