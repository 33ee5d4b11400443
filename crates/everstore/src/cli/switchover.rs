//! `everstore switchover`: a planned change of leader.

use std::process::ExitCode;

use clap::Args;

use crate::config::kind::is_address;

use super::CliError;
use super::node::node_id;
use super::target::TargetArgs;

/// Flags of `switchover`. `--node` is both "which node" here and "whom to ask" everywhere; an id and
/// an address cannot be confused, so it takes either.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstore switchover --node 2                        hand over every shard that node 2 leads
  everstore switchover --shard 4 --to 3                let node 3 lead shard 4
  everstore switchover --node 2 --node 127.0.0.1:7001  ask the node on port 7001")]
pub struct SwitchoverArgs {
    /// Id of the node that gives up its leadership; or HOST:PORT[,...] of a node to ask.
    #[arg(long, value_name = "ID|HOST:PORT", value_delimiter = ',', value_parser = node)]
    node: Vec<Node>,
    /// The shard that changes its leader.
    #[arg(long, value_name = "SHARD")]
    shard: Option<u16>,
    /// Id of the node that takes over [default: the replica that lags least].
    #[arg(long, value_name = "ID", value_parser = node_id)]
    to: Option<u64>,
    /// Print JSON for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Id(u64),
    Address(String),
}

fn node(text: &str) -> Result<Node, String> {
    if let Ok(id) = text.parse() {
        return Ok(Node::Id(id));
    }
    if is_address(text) {
        return Ok(Node::Address(text.into()));
    }
    Err("allowed: a node id such as 2, or HOST:PORT of a node to ask".into())
}

impl SwitchoverArgs {
    /// The command for the node.
    fn request(&self) -> Result<Vec<String>, CliError> {
        let ids: Vec<u64> = self
            .node
            .iter()
            .filter_map(|node| if let Node::Id(id) = node { Some(*id) } else { None })
            .collect();
        let what = match (ids.as_slice(), self.shard) {
            ([id], None) => ["NODE".to_string(), id.to_string()],
            ([], Some(shard)) => ["SHARD".to_string(), shard.to_string()],
            _ => {
                return Err(CliError::Usage(
                    "say what changes its leader: either --node ID or --shard SHARD".into(),
                ));
            }
        };
        let mut request = vec!["EVERSTORE".to_string(), "SWITCHOVER".to_string()];
        request.extend(what);
        if let Some(to) = self.to {
            request.extend(["TO".to_string(), to.to_string()]);
        }
        Ok(request)
    }

    fn target(&self) -> TargetArgs {
        let addresses = self.node.iter();
        let node: Vec<String> = addresses
            .filter_map(|node| if let Node::Address(address) = node { Some(address.clone()) } else { None })
            .collect();
        let from_environment = std::env::var("EVERSTORE_NODE").unwrap_or_default();
        let node = if node.is_empty() {
            from_environment.split(',').filter(|item| is_address(item)).map(String::from).collect()
        } else {
            node
        };
        TargetArgs { node, json: self.json }
    }
}

/// Asks for the switchover and prints what the node answers.
pub fn run(args: &SwitchoverArgs) -> Result<ExitCode, CliError> {
    let request = args.request()?;
    let mut client = args.target().connect()?;
    let request: Vec<&str> = request.iter().map(String::as_str).collect();
    let reply = client.call(&request)?.to_string();
    if args.json {
        println!("{}", serde_json::json!({ "reply": reply }));
    } else {
        println!("{reply}");
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Wrapper {
        #[command(flatten)]
        args: SwitchoverArgs,
    }

    fn parsed(flags: &[&str]) -> SwitchoverArgs {
        let all = std::iter::once("switchover").chain(flags.iter().copied());
        Wrapper::try_parse_from(all).expect("valid flags").args
    }

    #[test]
    fn an_id_says_what_and_an_address_says_whom_to_ask() {
        let args = parsed(&["--node", "2", "--node", "a:1,b:2", "--to", "3"]);
        assert_eq!(args.request().expect("complete").join(" "), "EVERSTORE SWITCHOVER NODE 2 TO 3");
        assert_eq!(args.target().node, ["a:1", "b:2"]);
        let args = parsed(&["--shard", "4"]);
        assert_eq!(args.request().expect("complete").join(" "), "EVERSTORE SWITCHOVER SHARD 4");
    }

    #[test]
    fn exactly_one_thing_changes_its_leader() {
        for flags in [&[][..], &["--node", "a:1"], &["--node", "2", "--shard", "1"], &["--node", "1,2"]] {
            assert!(parsed(flags).request().is_err(), "{flags:?}");
        }
    }
}
