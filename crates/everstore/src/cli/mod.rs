//! The command line: what a person types, and where it goes.

mod check_history;
pub mod client;
mod completions;
mod config;
mod demo;
mod error;
mod export;
mod import;
mod keyspace;
mod large;
mod link;
mod losses;
mod node;
mod parent;
mod recover;
mod render;
mod reply;
mod salvage;
mod scrub;
mod shards;
mod sim;
mod status;
mod switchover;
mod table;
mod target;
mod transfer;
mod upkeep;
mod zone;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use error::CliError;

use crate::config::ConfigFlags;

const EXAMPLES: &str = "\
Examples:
  everstore demo                                  three nodes on this machine, ports 7001-7003
  everstore status --watch                        what the cluster does, redrawn every second
  everstore serve --bootstrap --dir /srv/node-1   first node of a real cluster
  everstore config --print-default                a file with every key explained";

/// A highly available data store: Redis clients use it, and no acknowledged write is lost.
#[derive(Debug, Parser)]
#[command(name = "everstore", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one node in the foreground.
    Serve(ServeArgs),
    /// Start a whole cluster on this machine, to try it.
    Demo(demo::DemoArgs),
    /// Show nodes, shards and keyspaces, and what is wrong; exit 0 healthy, 1 degraded, 2 unavailable.
    Status(status::StatusArgs),
    /// Move leadership away from a node, or of one shard, without losing a write.
    Switchover(switchover::SwitchoverArgs),
    /// Show nodes, drain, remove or replace them.
    Node(node::NodeArgs),
    /// Change how many replicas each shard should have.
    Replicas(node::ReplicasArgs),
    /// Show zones, and choose whether their nodes vote or only follow as learners.
    Zone(zone::ZoneArgs),
    /// Show shards with their slots, or split each of them in two.
    Shards(shards::ShardsArgs),
    /// Read everything on the disks of all nodes, and mend what is damaged from healthy replicas.
    Scrub(scrub::ScrubArgs),
    /// Show which shards are to move to other nodes, and why.
    Plan(node::PlanArgs),
    /// Show keyspaces and choose their layout.
    Keyspace(keyspace::KeyspaceArgs),
    /// Go on after a majority of the nodes was lost for good; offline, and some writes may be lost.
    Recover(recover::RecoverArgs),
    /// Show, export, replay and acknowledge asynchronous writes that a failover lost.
    Losses(losses::LossesArgs),
    /// Write the keys of a Redis, or of an RDB file, into the cluster.
    Import(import::ImportArgs),
    /// Write the keys of the cluster into an RDB file that Redis loads.
    Export(export::ExportArgs),
    /// Write a file of any size into the cluster as the value of a key.
    Put(large::PutArgs),
    /// Write the value of a key to a file.
    Get(large::GetArgs),
    /// Remove keys with their values, of whatever size.
    Rm(large::RmArgs),
    /// Run whole clusters in a simulated world in which everything goes wrong, and check every promise.
    Sim(sim::SimArgs),
    /// Judge what clients of a real cluster have recorded.
    CheckHistory(check_history::CheckHistoryArgs),
    /// Show the effective configuration and where each value came from.
    Config(config::ConfigArgs),
    /// Print a script that completes commands and flags in a shell.
    Completions(completions::CompletionsArgs),
    /// Print the version.
    Version,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  everstore serve --bootstrap --replicas 1                          one node, nothing replicated
  everstore serve --bootstrap --dir n1                              first of three nodes
  everstore serve --dir n2 --port 6479 --join 127.0.0.1:16379 --secret-file n1/secret")]
struct ServeArgs {
    #[command(flatten)]
    flags: ConfigFlags,
    /// Stop cleanly when standard input closes; for a node whose starter holds the other end.
    #[arg(long, hide = true)]
    stop_with_stdin: bool,
}

/// Runs the command of this process's arguments. Errors go to standard error in one line.
pub fn run() -> ExitCode {
    let command = Cli::parse().command;
    if !matches!(command, Command::Serve(_) | Command::Demo(_)) {
        env::end_with_reader();
    }
    let result = match command {
        Command::Serve(args) => serve(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Switchover(args) => switchover::run(&args),
        Command::Node(args) => node::run(&args),
        Command::Replicas(args) => node::replicas(&args),
        Command::Zone(args) => zone::run(&args),
        Command::Shards(args) => shards::run(&args),
        Command::Scrub(args) => scrub::run(&args),
        Command::Plan(args) => node::plan(&args),
        Command::Keyspace(args) => keyspace::run(&args),
        Command::Recover(args) => recover::run(&args),
        Command::Losses(args) => losses::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Put(args) => large::put(&args),
        Command::Get(args) => large::get(&args),
        Command::Rm(args) => large::rm(&args),
        Command::Sim(args) => sim::run(&args),
        Command::CheckHistory(args) => check_history::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Completions(args) => completions::run(&args, &mut <Cli as clap::CommandFactory>::command()),
        Command::Version => {
            println!("everstore {}", env!("CARGO_PKG_VERSION"));
            Ok(ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("everstore: {error}");
        error.exit_code()
    })
}

fn serve(args: &ServeArgs) -> Result<ExitCode, CliError> {
    let effective = args.flags.load()?;
    if args.stop_with_stdin {
        parent::stop_when_stdin_closes();
    }
    crate::serve::run(effective).map_err(|error| CliError::Usage(error.to_string()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent_and_every_command_has_an_example() {
        Cli::command().debug_assert();
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            if name != "version" {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains(&format!("everstore {name}")), "{name} shows an example");
            }
        }
    }

    #[test]
    fn serve_takes_every_key_as_a_flag() {
        let cli = Cli::try_parse_from([
            "everstore",
            "serve",
            "--port",
            "7001",
            "--bootstrap",
            "--slowlog-log-slower-than",
            "-1",
        ])
        .expect("valid flags");
        let Command::Serve(args) = cli.command else { panic!("serve was asked for") };
        let effective = crate::config::Effective::load(&args.flags.given, &[], None).expect("valid");
        let config = effective.config();
        assert_eq!((config.port, config.bootstrap, config.slowlog_log_slower_than), (7001, true, -1));
    }

    #[test]
    fn an_unknown_flag_is_refused_with_a_suggestion() {
        let error = Cli::try_parse_from(["everstore", "serve", "--peerport", "1"]).expect_err("unknown flag");
        assert!(error.to_string().contains("--peer-port"), "{error}");
    }

    #[test]
    fn the_secret_is_not_a_flag() {
        assert!(Cli::try_parse_from(["everstore", "serve", "--secret", "x"]).is_err());
    }
}
