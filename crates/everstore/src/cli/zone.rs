//! `everstore zone`: what may fail as a whole, and what it is for.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use cluster::status::ZoneStatus;
use cluster::status::diagnose::span;

use super::CliError;
use super::node::decide;
use super::status::ask;
use super::table::Table;
use super::target::TargetArgs;

/// Subcommands of `zone`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstore zone list
  everstore zone set far --role learner    its nodes follow: they never vote, and nobody waits for them
  everstore zone set far --role voter      its nodes may hold votes and lead: promotes another site

The nodes of a zone are those that were started with '--zone NAME'. A new learner zone needs no command:
everstore serve --join ... --zone far --zone-role learner")]
pub struct ZoneArgs {
    #[command(subcommand)]
    command: ZoneCommand,
}

#[derive(Debug, Subcommand)]
enum ZoneCommand {
    /// Show all zones with their role, and how far behind learner zones are.
    List {
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Change the role of a zone. Replicas move by themselves, like those of a node that is drained.
    Set {
        /// Name of the zone.
        #[arg(value_name = "ZONE")]
        zone: String,
        /// What its nodes are for.
        #[arg(long, value_enum)]
        role: Role,
        #[command(flatten)]
        target: TargetArgs,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Replicas with a vote.
    Voter,
    /// A copy of each shard, without a vote.
    Learner,
}

/// Runs the subcommand.
///
/// # Errors
/// The node asked refuses, or can not be reached.
pub fn run(args: &ZoneArgs) -> Result<ExitCode, CliError> {
    match &args.command {
        ZoneCommand::List { target } => {
            let status = ask(&mut target.connect()?)?;
            match target.json {
                true => println!("{}", serde_json::json!(status.zones)),
                false => print!("{}", page(&status.zones)),
            }
        }
        ZoneCommand::Set { zone, role, target } => {
            let (word, what) = match role {
                Role::Voter => ("VOTER", "have voters"),
                Role::Learner => ("LEARNER", "follow as learners"),
            };
            decide(target, &["EVERSTORE", "ZONE", "SET", zone, word])?;
            println!("the nodes of zone {zone} are to {what}: everstore plan, everstore zone list");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn page(zones: &[ZoneStatus]) -> String {
    if zones.is_empty() {
        return "no node is in a zone: give them one with 'everstore serve --zone'\n".to_owned();
    }
    let mut table = Table::new(&["ZONE", "ROLE", "NODES", ">COPIES", ">BEHIND"]);
    for zone in zones {
        let learns = zone.role == "learner";
        let if_learns = |text: String| if learns { text } else { "-".to_owned() };
        let nodes: Vec<String> = zone.nodes.iter().map(u64::to_string).collect();
        table.row([
            zone.zone.clone(),
            zone.role.clone(),
            nodes.join(", "),
            if_learns(format!("{} of {}", zone.copies, zone.groups)),
            if_learns(format!("{} entries, {}", zone.lag, span(zone.lag_ms))),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_readable() {
        let far = ZoneStatus {
            zone: "far".into(),
            role: "learner".into(),
            nodes: vec![4, 5],
            copies: 16,
            groups: 17,
            lag: 3,
            lag_ms: 1200,
        };
        let near =
            ZoneStatus { zone: "near".into(), role: "voter".into(), nodes: vec![1], ..ZoneStatus::default() };
        let expected = "\
ZONE  ROLE     NODES    COPIES          BEHIND
far   learner  4, 5   16 of 17  3 entries, 1 s
near  voter    1             -               -
";
        assert_eq!(page(&[far, near]), expected);
        assert!(page(&[]).starts_with("no node is in a zone"));
    }
}
