//! Which nodes a command asks: `--node`, `EVERSTORE_NODE`, then the usual ports of this machine.

use clap::Args;

use crate::config::kind::is_address;

use super::CliError;
use super::client::Client;
use super::demo;

/// Where a node is that was given no other port.
const DEFAULT_PORT: u16 = 6379;

/// Flags of every command that talks to a cluster.
#[derive(Debug, Clone, Args)]
pub struct TargetArgs {
    /// Redis address of any node, or several, tried in turn [default: port 6379 of this machine, then those of a demo, 7001 to 7009].
    #[arg(long, value_name = "HOST:PORT[,...]", env = "EVERSTORE_NODE", value_delimiter = ',', value_parser = address)]
    pub node: Vec<String>,
    /// Print JSON for programs.
    #[arg(long)]
    pub json: bool,
}

impl TargetArgs {
    /// The addresses to try, in order. Asked when neither flag nor environment names a node: a default node, then
    /// those of a demo, any of which may be down.
    pub fn addresses(&self) -> Vec<String> {
        if !self.node.is_empty() {
            return self.node.clone();
        }
        let ports = std::iter::once(DEFAULT_PORT).chain(demo::default_ports());
        ports.map(|port| format!("127.0.0.1:{port}")).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_name_a_default_node_and_all_nodes_of_a_demo_are_asked() {
        let asked = TargetArgs { node: Vec::new(), json: false }.addresses();
        let expected: Vec<String> =
            [6379].into_iter().chain(7001..=7009).map(|port| format!("127.0.0.1:{port}")).collect();
        assert_eq!(asked, expected);
        let named = TargetArgs { node: vec!["10.0.0.1:80".into()], json: false };
        assert_eq!(named.addresses(), ["10.0.0.1:80"]);
    }
}
