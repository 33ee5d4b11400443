//! `everstore scrub`: everything on the disks of the nodes is read now, and replicas are compared.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use cluster::status::{NodeStatus, Status};

use super::CliError;
use super::client::Client;
use super::status::ask;
use super::table::Table;
use super::target::TargetArgs;

/// Time between two looks at how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Flags of `scrub`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstore scrub               all nodes; waits for the end, which may take long (see scrub-rate)
  everstore scrub --no-wait     it goes on by itself; 'everstore status' tells what it finds

Damaged rows are fetched from a healthy replica while the node serves; so are those that differ from what a majority of
the replicas of a shard has. Exit code 1: something was damaged, or replicas differ.")]
pub struct ScrubArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Do not wait.
    #[arg(long)]
    no_wait: bool,
}

/// Begins on all nodes that are up, and waits until each has read everything and replaced what is damaged.
///
/// # Errors
/// No node answers.
pub fn run(args: &ScrubArgs) -> Result<ExitCode, CliError> {
    let seen = ask(&mut args.target.connect()?)?;
    let mut up: Vec<NodeStatus> = Vec::new();
    for node in seen.nodes.iter().filter(|node| node.state.is_up()) {
        let mut client = Client::connect(&node.redis_address)?;
        // Others may not have heard yet what it found before.
        up.extend(ask(&mut client)?.nodes.into_iter().filter(|own| own.id == node.id));
        client.call(&["EVERSTORE", "SCRUB"])?;
    }
    if args.no_wait {
        println!("{} nodes read everything they have", up.len());
        return Ok(ExitCode::SUCCESS);
    }
    let status = loop {
        std::thread::sleep(LOOK_EVERY);
        let now = ask(&mut args.target.connect()?)?;
        if up.iter().all(|node| is_done(node, &now)) {
            break now;
        }
    };
    let mut table = Table::new(&[">NODE", ">DAMAGED TREES", ">NOT YET REPLACED", ">COMPARED", ">DIFFERED"]);
    let mut found = 0;
    for (old, new) in up.iter().filter_map(|old| Some((old, status.nodes.iter().find(|n| n.id == old.id)?))) {
        let new_ones = new.scrub_found.saturating_sub(old.scrub_found);
        let compared = new.compare_ended.saturating_sub(old.compare_ended);
        let differed = new.compare_differences.saturating_sub(old.compare_differences);
        found += new_ones + differed;
        let numbers = [new.id, new_ones, new.scrub_damaged, compared, differed];
        table.row(numbers.map(|number| number.to_string()));
    }
    if args.target.json {
        println!("{}", serde_json::json!(status.nodes));
    } else {
        print!("{}", table.render());
    }
    Ok(ExitCode::from(u8::from(found > 0)))
}

/// It has read everything since, and has no damaged tree any more; or it is down, and can not.
fn is_done(before: &NodeStatus, now: &Status) -> bool {
    let Some(node) = now.nodes.iter().find(|node| node.id == before.id) else { return true };
    let read = node.scrub_last_ms > before.scrub_last_ms && node.scrub_damaged == 0 && node.compare_left == 0;
    read || !node.state.is_up()
}
