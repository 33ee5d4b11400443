//! `everstore shards`: which there are, and twice as many of them.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::CliError;
use super::node::decide;
use super::render;
use super::status::ask;
use super::target::TargetArgs;

/// Time between two looks at the progress.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Subcommands of `shards`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstore shards list
  everstore shards split     twice as many shards, each with half of the slots

A split copies nothing between nodes: each node makes the new shards of what it has. Keys in the upper half of
a shard wait for a moment, until the new shard has a leader. Shards can not be joined again.")]
pub struct ShardsArgs {
    #[command(subcommand)]
    command: ShardsCommand,
}

#[derive(Debug, Subcommand)]
enum ShardsCommand {
    /// Show all shards with their slots.
    List {
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Split each shard in two, and wait for the end. It goes on if this command is ended.
    Split {
        /// Do not wait.
        #[arg(long)]
        no_wait: bool,
        #[command(flatten)]
        target: TargetArgs,
    },
}

/// Runs the subcommand.
///
/// # Errors
/// The node asked refuses, or can not be reached.
pub fn run(args: &ShardsArgs) -> Result<ExitCode, CliError> {
    match &args.command {
        ShardsCommand::List { target } => {
            let status = ask(&mut target.connect()?)?;
            if target.json {
                println!("{}", serde_json::json!(status.shards));
            } else {
                print!("{}{}", render::split(&status), render::shard_list(&status));
            }
        }
        ShardsCommand::Split { no_wait, target } => {
            let before = ask(&mut target.connect()?)?.shards.len();
            decide(target, &["EVERSTORE", "SHARDS", "SPLIT"])?;
            if !no_wait {
                wait_for(target, 2 * before)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows how many shards are to come until there are so many.
fn wait_for(target: &TargetArgs, shards: usize) -> Result<(), CliError> {
    let mut out = std::io::stderr();
    let live = out.is_terminal();
    let mut shown = None;
    loop {
        let now = match target.connect().and_then(|mut client| ask(&mut client)) {
            Ok(status) => status.shards.len(),
            // It goes on without this node.
            Err(CliError::Unreachable(_) | CliError::Io { .. }) => {
                std::thread::sleep(LOOK_EVERY);
                continue;
            }
            Err(error) => return Err(error),
        };
        if shown != Some(now) {
            shown = Some(now);
            let (start, end) = if live { ("\r", "") } else { ("", "\n") };
            let bar = render::bar(now.min(shards) as u64, shards as u64);
            let _ = write!(out, "{start}{bar} {now} of {shards} shards are there{end}");
            let _ = out.flush();
        }
        if now >= shards {
            let _ = write!(out, "{}", if live { "\n" } else { "" });
            println!("there are {now} shards now");
            return Ok(());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
