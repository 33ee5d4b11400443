//! `everstore keyspace`: which keyspaces there are, where their keys live and when their writes are answered.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use cluster::status::KeyspaceStatus;
use model::Eviction;

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
  everstore keyspace set 3 --replication async --max-exposure-ms 200
  everstore keyspace set 3 --cache allkeys-lru
  everstore keyspace set 4 --allow-async yes

single: all keys in one shard; every multi-key command works, at the speed of one thread.
spread: keys over all shards by hash slot; multi-key commands need one slot (hash tags).

sync:  a write is answered when it is on the disks of a majority.
async: a write is answered when it is in the log file of the leader. A failover may lose answered
       writes, per shard at most max-exposure-bytes and those of the last max-exposure-ms.
cache: when a node has no memory left (max-memory), keys are evicted by a policy of Redis; --cache
       noeviction ends that. Keyspaces that are no cache never lose a key.
allow-async: in a sync keyspace, the writes of connections that said CLIENT REPLICATION async are answered
       as in an async one; everybody else keeps the promise of sync, and nobody sees what could be lost.")]
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
    /// Choose the replication mode of a keyspace, whether it is a cache, or the layout of an empty one.
    Set {
        /// Number of the keyspace, as in SELECT.
        #[arg(value_parser = number())]
        keyspace: u16,
        /// Where its keys live.
        #[arg(long)]
        layout: Option<Layout>,
        /// When a write is answered.
        #[arg(long)]
        replication: Option<Replication>,
        /// Async: most bytes of answered writes, per shard, that a failover may lose.
        #[arg(long, value_name = "BYTES")]
        max_exposure_bytes: Option<u64>,
        /// Async: longest time in ms for which an answered write may be lost by a failover.
        #[arg(long, value_name = "MS")]
        max_exposure_ms: Option<u64>,
        /// Evict keys when memory is short; without a policy: allkeys-lru.
        #[arg(long, value_name = "POLICY", num_args = 0..=1, default_missing_value = "allkeys-lru",
            value_parser = policy)]
        cache: Option<Eviction>,
        /// Sync: whether connections may choose asynchronous answers to their writes.
        #[arg(long, value_name = "yes|no")]
        allow_async: Option<Choice>,
        #[command(flatten)]
        target: TargetArgs,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Layout {
    Single,
    Spread,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Replication {
    Sync,
    Async,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Choice {
    Yes,
    No,
}

fn number() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(..i64::from(model::limits::KEYSPACES))
}

fn policy(text: &str) -> Result<Eviction, String> {
    text.parse()
}

/// Runs the subcommand.
pub fn run(args: &KeyspaceArgs) -> Result<ExitCode, CliError> {
    match &args.command {
        KeyspaceCommand::List { target } => show(target, None)?,
        KeyspaceCommand::Get { keyspace, target } => show(target, Some(*keyspace))?,
        KeyspaceCommand::Set {
            keyspace,
            layout,
            replication,
            max_exposure_bytes,
            max_exposure_ms,
            cache,
            allow_async,
            target,
        } => {
            let layout = layout.map(|layout| match layout {
                Layout::Single => "single",
                Layout::Spread => "spread",
            });
            let mode = replication.map(|replication| match replication {
                Replication::Sync => "sync",
                Replication::Async => "async",
            });
            let allow = allow_async.map(|choice| match choice {
                Choice::Yes => "yes",
                Choice::No => "no",
            });
            let number = |n: &u64| n.to_string();
            let options = [
                ("REPLICATION", mode.map(str::to_owned)),
                ("MAX-EXPOSURE-BYTES", max_exposure_bytes.as_ref().map(number)),
                ("MAX-EXPOSURE-MS", max_exposure_ms.as_ref().map(number)),
                ("CACHE", cache.map(|policy| policy.name().to_owned())),
                ("ALLOW-ASYNC", allow.map(str::to_owned)),
            ];
            set(target, *keyspace, layout, &options)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The layout and the mode are changes of their own. With a mode it is said what an answer means then.
fn set(
    target: &TargetArgs,
    keyspace: u16,
    layout: Option<&str>,
    options: &[(&str, Option<String>)],
) -> Result<(), CliError> {
    let number = keyspace.to_string();
    let mut json = serde_json::json!({ "keyspace": keyspace });
    let mut words = vec!["KEYSPACE", "SET", &number];
    for (name, value) in options {
        if let Some(value) = value {
            words.extend([*name, value]);
            json[name.to_ascii_lowercase()] = serde_json::json!(value);
        }
    }
    if layout.is_none() && words.len() == 3 {
        return Err(CliError::Refused(
            "nothing to set: give --layout, --replication, --max-exposure-bytes, --max-exposure-ms or \
             --allow-async"
                .into(),
        ));
    }
    let mut node = target.connect()?;
    if let Some(layout) = layout {
        node.call(&["KEYSPACE", "SET", &number, "LAYOUT", layout])?;
        json["layout"] = serde_json::json!(layout);
    }
    let mut means = String::new();
    if words.len() > 3 {
        node.call(&words)?;
        let keyspaces = ask(&mut node)?.keyspaces;
        let now = keyspaces.into_iter().find(|known| known.n == keyspace);
        means = now.map_or_else(String::new, |now| now.reply_means);
        json["reply_means"] = serde_json::json!(means);
    }
    match means.as_str() {
        _ if target.json => println!("{json}"),
        "" => println!("OK"),
        means => println!("OK. The answer to a write of keyspace {keyspace} now means: {means}"),
    }
    Ok(())
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
