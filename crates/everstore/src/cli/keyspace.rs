//! `everstore keyspace`: which keyspaces there are, and whether they are spread or single.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use cluster::status::KeyspaceStatus;

use super::CliError;
use super::render;
use super::status::ask;
use super::target::TargetArgs;

/// Subcommands of `keyspace`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstore keyspace list
  everstore keyspace get 3
  everstore keyspace set 3 --layout spread     only while keyspace 3 is empty

single: all keys in one shard; every multi-key command works, at the speed of one thread.
spread: keys over all shards by hash slot; multi-key commands need one slot (hash tags).")]
pub struct KeyspaceArgs {
    #[command(subcommand)]
    command: KeyspaceCommand,
}

#[derive(Debug, Subcommand)]
enum KeyspaceCommand {
    /// Show all keyspaces.
    List {
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Show one keyspace.
    Get {
        /// Number of the keyspace, as in SELECT.
        #[arg(value_parser = number())]
        keyspace: u16,
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Choose the layout of an empty keyspace.
    Set {
        /// Number of the keyspace, as in SELECT.
        #[arg(value_parser = number())]
        keyspace: u16,
        /// Where its keys live.
        #[arg(long)]
        layout: Layout,
        #[command(flatten)]
        target: TargetArgs,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Layout {
    Single,
    Spread,
}

fn number() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(..i64::from(model::limits::KEYSPACES))
}

/// Runs the subcommand.
pub fn run(args: &KeyspaceArgs) -> Result<ExitCode, CliError> {
    match &args.command {
        KeyspaceCommand::List { target } => show(target, None)?,
        KeyspaceCommand::Get { keyspace, target } => show(target, Some(*keyspace))?,
        KeyspaceCommand::Set { keyspace, layout, target } => {
            let layout = match layout {
                Layout::Single => "single",
                Layout::Spread => "spread",
            };
            let number = keyspace.to_string();
            let reply = target.connect()?.call(&["KEYSPACE", "SET", &number, "LAYOUT", layout])?;
            if target.json {
                println!("{}", serde_json::json!({ "keyspace": keyspace, "layout": layout }));
            } else {
                println!("{reply}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Keyspaces are part of the status, so that there is one description of them.
fn show(target: &TargetArgs, only: Option<u16>) -> Result<(), CliError> {
    let status = ask(&mut target.connect()?)?;
    let wanted = |keyspace: &&KeyspaceStatus| only.is_none_or(|n| n == keyspace.n);
    let keyspaces: Vec<&KeyspaceStatus> = status.keyspaces.iter().filter(wanted).collect();
    if keyspaces.is_empty() {
        return Err(CliError::Refused(
            "the cluster does not know its keyspaces yet: see 'everstore status'".into(),
        ));
    }
    if target.json {
        let json = serde_json::to_string_pretty(&keyspaces);
        println!("{}", json.map_err(|e| CliError::Refused(e.to_string()))?);
    } else {
        print!("{}", render::keyspaces(&keyspaces));
    }
    Ok(())
}
