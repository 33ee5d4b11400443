//! `everstore node` and `everstore plan`: members come and go while the cluster serves.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use cluster::identity::MAX_REPLICAS;
use cluster::status::Status;

use super::CliError;
use super::client::Client;
use super::render;
use super::status::ask;
use super::target::TargetArgs;

/// Time between two looks at the progress.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Tries when another change of the map is under way, or nobody leads the cluster's own group just then.
const TRIES: u32 = 40;

/// Subcommands of `node`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstore node list
  everstore node drain 3             move everything off node 3, and wait until that is done
  everstore node remove 3            node 3 is empty: it is no member any more
  everstore node remove 3 --force    node 3 is lost for good
  everstore node replace 3 4         node 4 gets what node 3 has

A new node joins with 'everstore serve --join' and gets its share by itself. A node that is away for
longer than 'replace-after' is given up: its replicas are made anew on others.")]
pub struct NodeArgs {
    #[command(subcommand)]
    command: NodeCommand,
}

#[derive(Debug, Subcommand)]
enum NodeCommand {
    /// Show all nodes.
    List {
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Move all replicas off a node, and wait for the end. It goes on if this command is ended.
    Drain {
        /// Id of the node.
        #[arg(id = "member", value_name = "ID", value_parser = node_id)]
        node: u64,
        /// Also if too few nodes are left: what no other node can take stays.
        #[arg(long)]
        force: bool,
        /// Do not wait.
        #[arg(long)]
        no_wait: bool,
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Let a node that was drained have replicas again.
    Undrain {
        /// Id of the node.
        #[arg(id = "member", value_name = "ID", value_parser = node_id)]
        node: u64,
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Remove a node without replicas; its id is not used again, and its data folder takes no part any more.
    Remove {
        /// Id of the node.
        #[arg(id = "member", value_name = "ID", value_parser = node_id)]
        node: u64,
        /// It is down and lost for good: its replicas are given up now, where a majority is left without them.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Give everything a node has to another one, and wait for the end.
    Replace {
        /// Id of the node that gives.
        #[arg(value_name = "OLD", value_parser = node_id)]
        old: u64,
        /// Id of the node that takes.
        #[arg(value_name = "NEW", value_parser = node_id)]
        new: u64,
        /// Do not wait.
        #[arg(long)]
        no_wait: bool,
        #[command(flatten)]
        target: TargetArgs,
    },
}

/// The id of a node, as people write it.
pub(super) fn node_id(text: &str) -> Result<u64, String> {
    let id = text.parse().ok().filter(|id| *id > 0);
    id.ok_or_else(|| {
        "allowed: the id of a node, a number from 1 on ('everstore node list' shows them)".into()
    })
}

/// Flags of `plan`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstore plan")]
pub struct PlanArgs {
    #[command(flatten)]
    target: TargetArgs,
}

/// Flags of `replicas`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstore replicas 5     each shard gets five replicas, as soon as there are five nodes")]
pub struct ReplicasArgs {
    /// How many replicas each shard should have. Odd numbers survive more: 3 and 4 survive the loss of one.
    #[arg(value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_REPLICAS)))]
    number: u32,
    #[command(flatten)]
    target: TargetArgs,
}

/// Changes the number of replicas.
///
/// # Errors
/// As [`run`].
pub fn replicas(args: &ReplicasArgs) -> Result<ExitCode, CliError> {
    decide(&args.target, &["EVERSTORE", "REPLICAS", &args.number.to_string()])?;
    println!("each shard is to have {} replicas: everstore status --watch", args.number);
    Ok(ExitCode::SUCCESS)
}

/// Runs the subcommand.
///
/// # Errors
/// The node asked refuses, or can not be reached.
pub fn run(args: &NodeArgs) -> Result<ExitCode, CliError> {
    match &args.command {
        NodeCommand::List { target } => {
            let status = ask(&mut target.connect()?)?;
            if target.json {
                println!("{}", serde_json::json!(status.nodes));
            } else {
                print!("{}{}", render::moves(&status), render::nodes(&status.nodes));
            }
        }
        NodeCommand::Drain { node, force, no_wait, target } => {
            decide_node(target, &["DRAIN", &node.to_string()], *force)?;
            if !no_wait {
                wait_until_empty(target, *node)?;
            }
        }
        NodeCommand::Undrain { node, target } => decide_node(target, &["UNDRAIN", &node.to_string()], false)?,
        NodeCommand::Remove { node, force, target } => {
            decide_node(target, &["REMOVE", &node.to_string()], *force)?;
            println!("node {node} was removed");
        }
        NodeCommand::Replace { old, new, no_wait, target } => {
            decide_node(target, &["REPLACE", &old.to_string(), &new.to_string()], false)?;
            if !no_wait {
                wait_until_empty(target, *old)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the plan, or that there is nothing to move.
///
/// # Errors
/// As [`run`].
pub fn plan(args: &PlanArgs) -> Result<ExitCode, CliError> {
    let lines = args.target.connect()?.call_for_texts(&["EVERSTORE", "PLAN"])?;
    if args.target.json {
        println!("{}", serde_json::json!(lines));
    } else if lines.is_empty() {
        println!("nothing is to move: all replicas are where they should be, or on their way");
    } else {
        println!("{}", lines.join("\n"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Has the cluster decide; again while another change is under way.
fn decide_node(target: &TargetArgs, words: &[&str], force: bool) -> Result<(), CliError> {
    let mut request = vec!["EVERSTORE", "NODE"];
    request.extend(words);
    if force {
        request.push("FORCE");
    }
    decide(target, &request)
}

/// Has the cluster decide; again while another change of the map is under way.
pub(super) fn decide(target: &TargetArgs, request: &[&str]) -> Result<(), CliError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match target.connect().and_then(|mut client: Client| client.call(request)) {
            Ok(_) => return Ok(()),
            Err(CliError::Refused(text)) if text.starts_with("TRYAGAIN") && tries < TRIES => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Shows how much is still on a node until nothing is.
fn wait_until_empty(target: &TargetArgs, node: u64) -> Result<(), CliError> {
    let mut out = std::io::stderr();
    let live = out.is_terminal();
    let (mut first, mut shown) = (None, None);
    loop {
        let status = match target.connect().and_then(|mut client| ask(&mut client)) {
            Ok(status) => status,
            // It goes on without this node.
            Err(CliError::Unreachable(_) | CliError::Io { .. }) => {
                std::thread::sleep(LOOK_EVERY);
                continue;
            }
            Err(error) => return Err(error),
        };
        let left = seats(&status, node);
        let all = *first.get_or_insert(left);
        if shown != Some(left) {
            shown = Some(left);
            let (start, end) = if live { ("\r", "") } else { ("", "\n") };
            let bar = render::bar(u64::from(all - left.min(all)), u64::from(all));
            let _ = write!(out, "{start}{bar} {left} of {all} replicas are still on node {node}{end}");
            let _ = out.flush();
        }
        if left == 0 {
            let end = if live { "\n" } else { "" };
            let _ = write!(out, "{end}");
            println!("node {node} has no replicas any more: everstore node remove {node}");
            return Ok(());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn seats(status: &Status, node: u64) -> u32 {
    status.nodes.iter().find(|of| of.id == node).map_or(0, |of| of.seats)
}
